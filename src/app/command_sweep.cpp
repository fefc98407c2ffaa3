#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "doctor_findings.hpp"
#include "lockstep/app/command_line.hpp"
#include "lockstep/app/sweep_view.hpp"
#include "lockstep/app/terminal.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/text_file.hpp"
#include "lockstep/sweep/estimate.hpp"
#include "lockstep/sweep/scheduler.hpp"
#include "lockstep/sweep/summary.hpp"

namespace lockstep {
namespace {

struct SweepArguments {
  std::string file, directory, trials, progress = "auto";
  bool dry_run = false, retry_failed = false;
};

/// "7" or "1..32".
SweepSelection parse_selection(const SweepArguments& arguments) {
  SweepSelection selection;
  selection.retry_failed = arguments.retry_failed;
  if (arguments.trials.empty()) return selection;
  const std::string what = "--trials";
  const std::size_t dots = arguments.trials.find("..");
  selection.first = parse_unsigned(arguments.trials.substr(0, dots), what);
  selection.last =
      dots == std::string::npos ? selection.first : parse_unsigned(arguments.trials.substr(dots + 2), what);
  if (selection.first == 0 || selection.last < selection.first) {
    throw UserError("--trials: expected numbers as 7 or 1..32, counted from 1, found " +
                    in_quotes(arguments.trials));
  }
  return selection;
}

ProgressStyle parse_style(const std::string& text) {
  TrainConfig config;
  set_option(config, "progress", text);
  return config.progress;
}

SweepSpec read_spec(const SweepArguments& arguments, const std::string& toml) {
  SweepSpec spec = parse_sweep(toml, arguments.file);
  if (!arguments.directory.empty()) spec.directory = arguments.directory;
  return spec;
}

std::string read_sweep_file(const SweepArguments& arguments) {
  if (arguments.file.empty()) throw UserError("expected a sweep file, found none; see docs/sweeps.md");
  return read_text_file(arguments.file, most_config_bytes);
}

/// The file is read by rank 0, the datasets' sizes by all.
SweepPlan read_plan(const Communicator& world, const SweepArguments& arguments) {
  const auto text = on_root(world, [&] { return read_sweep_file(arguments); });
  const std::string toml = world.broadcast(text.value_or(""));
  ranks_have_started();  // a plan of many trials, and a dry run that measures, may take longer than a start
  return collectively(world, [&] { return make_plan(read_spec(arguments, toml)); });
}

std::size_t checked_selection(const SweepPlan& plan, const SweepSelection& selection) {
  const std::size_t trials = plan.trials.size();
  if (selection.first <= trials) return trials;
  throw UserError("--trials: expected at most " + std::to_string(trials) + ", the number of trials, found " +
                  std::to_string(selection.first));
}

/// Collective, since it measures.
void print_dry_run(const Communicator& world, const SweepPlan& plan, const SweepSelection& selection) {
  const Communicator alone = world.split(world.rank());
  on_root(world, [&] {
    const SweepEstimate estimate = estimate_sweep(alone, plan, selection, world.size());
    std::cout << fmt::format("{:>6}  {:16}  {:>5}  {:>12}  {:>10}  {:>9}  {}\n", "trial", "directory",
                             "ranks", "parameters", "memory", "time", "settings");
    for (const TrialEstimate& trial : estimate.trials) {
      const Trial& about = *trial.trial;
      if (!about.invalid.empty()) {
        std::cout << fmt::format("{:>6}  {:16}  invalid: {}  {}\n", about.point.number, about.digest,
                                 about.invalid, settings_text(about.point));
        continue;
      }
      std::cout << fmt::format("{:>6}  {:16}  {:>5}  {:>12}  {:>10}  {:>9}  {}\n", about.point.number,
                               about.digest, std::min(about.ranks, world.size()), about.parameters,
                               format_bytes(about.memory_bytes), time_text(trial.seconds),
                               settings_text(about.point));
    }
    std::cout << fmt::format(
        "{} trials, {} of them invalid; about {} on {} ranks, {} of one rank's time\n"
        "memory on a node: {} for the data, and that of the trials at work; results in {}\n",
        estimate.trials.size(), estimate.invalid, time_text(estimate.seconds), world.size(),
        time_text(estimate.rank_seconds), format_bytes(estimate.dataset_bytes), plan.spec.directory);
  });
}

ExitStatus status_of(const SweepResult& result) {
  if (result.stopped) return ExitStatus::resumable;
  const SweepProgress& progress = result.progress;
  const bool all_failed = progress.failed > 0 && progress.failed == progress.runs;
  return all_failed ? ExitStatus::failure : ExitStatus::done;
}

/// Whether trials of the selection have failed, and none ended well.
bool only_failures(const SweepPlan& plan, const SweepSelection& selection, const SweepSummary& summary) {
  bool some_failed = false;
  for (std::size_t i = 0; i < plan.trials.size(); ++i) {
    if (!selection.contains(plan.trials[i])) continue;
    const TrialStatus status = summary.statuses[i];
    if (status == TrialStatus::finished || status == TrialStatus::halted) return false;
    some_failed = some_failed || status == TrialStatus::failed;
  }
  return some_failed;
}

void print_end(const SweepPlan& plan, const SweepResult& result, const SweepSummary& summary) {
  const SweepProgress& progress = result.progress;
  std::cout << (result.stopped ? "stopped; the same command goes on from here\n" : "done\n");
  std::cout << "  this job's trials  " << standing(progress) << "\n";
  if (progress.failed > 0)
    std::cout << "  failed trials      --retry-failed tries them again; sweep.csv says why\n";
  const std::size_t ended = summary.finished + summary.halted + summary.failed;
  std::cout << fmt::format("  all trials         {} of {} ended", ended, plan.trials.size());
  const auto print_some = [](std::size_t count, const char* what) {
    if (count > 0) std::cout << fmt::format(", {} {}", count, what);
  };
  print_some(summary.halted, "of them halted");
  print_some(summary.failed, "of them failed");
  print_some(summary.repeated, "with the config of another and run with it");
  std::cout << "\n";
  if (summary.best.empty() && summary.finished > 0 && plan.spec.best > 0) {
    std::cout << "  best               none: no finished trial has a value of " << plan.metric
              << ", which is computed at the end of an epoch\n";
  }
  for (const RankedTrial& best : summary.best) {
    const std::string others =
        best.cell_failed == 0
            ? ""
            : fmt::format("  ({} of the {} trials of its cell failed)", best.cell_failed, best.cell_trials);
    std::cout << fmt::format("  {:<17}  {} {:.4f}  trial {}  {}{}\n", "best " + std::to_string(best.rank),
                             plan.metric, best.value, best.trial->point.number,
                             settings_text(best.trial->point), others);
  }
  std::cout << fmt::format("  tables             {0}/sweep.csv, {0}/summary.csv", plan.spec.directory);
  if (!summary.best.empty())
    std::cout << fmt::format("\n  best config        {}/best/1/config.toml", plan.spec.directory);
  std::cout << std::endl;
}

ExitStatus sweep(const Communicator& world, const SweepArguments& arguments) {
  const SweepSelection selection = collectively(world, [&] { return parse_selection(arguments); });
  const ProgressStyle style = collectively(world, [&] { return parse_style(arguments.progress); });
  const SweepPlan plan = read_plan(world, arguments);
  collectively(world, [&] { checked_selection(plan, selection); });
  if (arguments.dry_run) {
    print_dry_run(world, plan, selection);
    return ExitStatus::done;
  }
  SweepView view(style);
  const SweepResult result = run_sweep(world, plan, selection, view);
  ExitStatus status = status_of(result);
  on_root(world, [&] {
    try {
      const SweepSummary summary = write_results(plan);
      // A job that finds nothing left, e.g. when launch starts it again, tells how the trials have ended.
      if (result.progress.runs == 0 && only_failures(plan, selection, summary)) status = ExitStatus::failure;
      print_end(plan, result, summary);
    } catch (const FileError& error) {
      // The trials are what they are; the tables are made anew at the next start.
      std::cerr << "warning: " << printable(error.what()) << "; the tables are not up to date" << std::endl;
      if (status == ExitStatus::done) status = ExitStatus::failure;
    }
  });
  auto number = static_cast<std::int32_t>(status);
  world.broadcast(std::span(&number, 1));
  return static_cast<ExitStatus>(number);
}

void declare_flags(CLI::App& app, SweepArguments& arguments) {
  app.add_option("file", arguments.file, "TOML file: [base], [grid], [random], [[zip]], [[exclude]], [sweep]")
      ->type_name("FILE");
  app.add_option("--sweep-dir", arguments.directory, "Where the sweep writes; default: as the file says")
      ->type_name("DIR");
  app.add_option("--trials", arguments.trials, "Only these trials, counted from 1: 7 or 1..32")
      ->type_name("A..B");
  app.add_flag("--dry-run", arguments.dry_run,
               "Print the trials with parameters, memory and time; run nothing");
  app.add_flag("--retry-failed", arguments.retry_failed, "Run the trials again that failed before");
  app.add_option("--progress", arguments.progress, "How progress is shown: auto, bar, lines or off")
      ->type_name("STYLE");
}

}  // namespace

std::string read_sweep_directory(const std::vector<std::string>& arguments) {
  CLI::App app("", "lockstep sweep");
  SweepArguments parsed;
  declare_flags(app, parsed);
  if (!parse_alone(app, arguments)) throw UserError("expected a sweep file, found --help");
  refuse_pipe("sweep file", parsed.file);
  return read_spec(parsed, read_sweep_file(parsed)).directory;
}

std::function<ExitStatus(const Communicator&)> declare_sweep(CLI::App& app) {
  const auto arguments = std::make_shared<SweepArguments>();
  declare_flags(app, *arguments);
  return [arguments](const Communicator& world) {
    refuse_separate_programs(world);
    return sweep(world, *arguments);
  };
}

}  // namespace lockstep
