#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>

#include "lockstep/app/command_line.hpp"
#include "lockstep/app/launch_plan.hpp"
#include "lockstep/app/supervised_process.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/io/file_lock.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {
namespace {

constexpr double seconds_to_answer = 10;
constexpr double seconds_to_rehearse = 60;
constexpr double seconds_for_the_lock = 300;

struct LaunchArguments {
  std::string ranks, max_restarts = "10", restart_delay = "1", hosts, launcher = "auto";
};

std::size_t parse_ranks(const std::string& text) {
  if (text.empty()) throw UserError("--ranks: expected how many ranks to start, found none");
  const std::size_t ranks = parse_unsigned(text, "--ranks");
  if (ranks == 0) throw UserError("--ranks: expected at least 1, found '0'");
  return ranks;
}

/// The arguments as numbers. Throws UserError.
struct LaunchPlan {
  explicit LaunchPlan(const LaunchArguments& arguments)
      : ranks(parse_ranks(arguments.ranks)),
        max_restarts(parse_unsigned(arguments.max_restarts, "--max-restarts")),
        first_delay_seconds(parse_seconds(arguments.restart_delay, "--restart-delay")),
        hosts(arguments.hosts) {}
  std::size_t ranks, max_restarts;
  double first_delay_seconds;
  std::string hosts;
};

void declare_flags(CLI::App& app, LaunchArguments& arguments) {
  const auto option = [&](const char* flag, std::string& value, const char* help, const char* type) {
    app.add_option(flag, value, help)->type_name(type)->capture_default_str();
  };
  option("-n,--ranks", arguments.ranks, "Ranks to start", "P");
  option("--max-restarts", arguments.max_restarts, "Restarts after failures", "N");
  option("--restart-delay", arguments.restart_delay,
         "Seconds before a restart, twice as many where the start before brought no checkpoint; a minute at "
         "most",
         "SECONDS");
  option("--hosts", arguments.hosts,
         "Hosts and their ranks, as a:4,b:4; those that do not answer are left out at a restart, not at the "
         "first start",
         "LIST");
  option("--launcher", arguments.launcher,
         "Command that starts the ranks, with flags of your own, as \"mpirun --oversubscribe\"; auto: srun "
         "in a Slurm job, else mpirun",
         "COMMAND");
  app.footer("Then -- and the command: lockstep launch -n 4 -- train --data data/mnist.h5 …");
}

std::string default_launcher(const LaunchArguments& arguments) {
  if (arguments.launcher != "auto") return arguments.launcher;
  return std::getenv("SLURM_JOB_ID") != nullptr && arguments.hosts.empty() ? "srun" : "mpirun";
}

/// Whether a remote shell, or srun where that is the launcher, reaches a host. This host needs none.
bool answers(const std::string& host, const std::string& launcher, const SignalRelay& relay) {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  if (host == name.data() || host == "localhost") return true;
  const char* const chosen = std::getenv("OMPI_MCA_plm_rsh_agent");
  const std::string agent = chosen == nullptr ? "ssh -o BatchMode=yes" : chosen;
  const std::string srun = srun_of(launcher);
  const std::vector<std::string> by_shell{"sh", "-c", "exec " + agent + " \"$1\" true", "sh", host};
  const std::vector<std::string> by_srun{srun,         "--overlap",          "--nodes=1",
                                         "--ntasks=1", "--nodelist=" + host, "true"};
  return succeeds_within(srun.empty() ? by_shell : by_srun, seconds_to_answer, &relay) == true;
}

/// The hosts that answer and those that do not.
std::pair<std::vector<HostSlots>, std::vector<std::string>> ask(const std::vector<HostSlots>& hosts,
                                                                const std::string& launcher,
                                                                const SignalRelay& relay) {
  std::vector<HostSlots> found;
  std::vector<std::string> missing;
  for (const HostSlots& host : hosts) {
    if (answers(host.name, launcher, relay)) {
      found.push_back(host);
    } else {
      missing.push_back(host.name);
    }
  }
  return {found, missing};
}

/// What is known of the run that the command makes: where its checkpoints will be.
class LaunchedRun {
 public:
  /// Throws UserError for flags of `train` or `sweep` that are wrong.
  explicit LaunchedRun(const std::vector<std::string>& command) {
    if (command.front() == "sweep") sweep_dir_ = read_sweep_directory({command.begin() + 1, command.end()});
    if (command.front() != "train") return;
    const TrainConfig config = read_train_config({command.begin() + 1, command.end()});
    resume_ = config.resume;
    run_dir_ = resolve(config, read_dataset_info(config.data)).run_dir;
    if (resume_ != "never") return;
    for (const std::string& path : checkpoints_newest_first(run_dir_ + "/checkpoints")) {
      found_at_start_[path] = written_at(path);
    }
  }

  /// Of the newest valid checkpoint that the job itself wrote, or goes on from; of a sweep, the sum of those
  /// of its trials. While a file server does not answer, what it was before.
  std::optional<std::uint64_t> step() {
    try {
      step_ = find_step();
    } catch (const FileError&) {
    } catch (const UnreadableError&) {
    }
    return step_;
  }

  /// Which process has the run directory now, "in use by process 7 on a"; empty if none.
  std::string user() const {
    const std::string path = run_dir_ + "/.lock";
    std::error_code unknown;
    if (run_dir_.empty() || !std::filesystem::exists(path, unknown)) return "";
    try {
      const FileLock free(path);
    } catch (const LockedError& error) {
      return error.what();
    } catch (const FileError&) {
      // The ranks will say it.
    }
    return "";
  }

  /// Ranks of the start before may still be there, on a host that was cut off, and write: waits until they
  /// let go of the run directory, for some minutes.
  void wait_until_free(const SignalRelay& relay) const {
    for (double waited = 0; waited < seconds_for_the_lock && relay.count() == 0; ++waited) {
      const std::string other = user();
      if (other.empty()) return;
      if (waited == 0)
        say(fmt::format("{} is {}: waiting for that, {:.0f} s at most", run_dir_, other,
                        seconds_for_the_lock));
      sleep_unless_signalled(1, relay);
    }
  }

  /// "and its newest checkpoint is of step 40".
  std::string standing(std::optional<std::uint64_t> step) const {
    if (!step) return "before its first checkpoint";
    if (sweep_dir_.empty()) return fmt::format("and its newest checkpoint is of step {}", *step);
    return fmt::format("and its trials have checkpoints of {} steps together", *step);
  }

  /// A restart goes on from what the job wrote, whatever the first start was told.
  std::vector<std::string> flags_of_restart() {
    if (run_dir_.empty() || resume_ == "auto" || !step()) return {};
    return {"--resume", "auto"};
  }

 private:
  static std::filesystem::file_time_type written_at(const std::string& path) {
    std::error_code unknown;
    return std::filesystem::last_write_time(path, unknown);
  }

  /// A file server's clock may differ from this host's: its times are only compared with each other.
  bool is_new(const std::string& path) const {
    const auto before = found_at_start_.find(path);
    return before == found_at_start_.end() || before->second != written_at(path);
  }

  std::optional<std::uint64_t> find_step() const {
    if (!sweep_dir_.empty()) return step_of_trials();
    if (run_dir_.empty()) return std::nullopt;
    for (const std::string& path : checkpoints_to_resume(run_dir_ + "/checkpoints")) {
      if (resume_ == "never" && !is_new(path)) continue;
      try {
        return read_checkpoint_state(path).step;
      } catch (const FileError&) {
        // Damaged; train leaves it out too.
      }
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> step_of_trials() const {
    std::uint64_t sum = 0;
    std::error_code error;
    std::filesystem::directory_iterator trial(sweep_dir_ + "/trials", error);
    for (; !error && trial != std::filesystem::directory_iterator(); trial.increment(error)) {
      const std::vector<std::string> paths =
          checkpoints_newest_first(trial->path().string() + "/checkpoints");
      if (paths.empty()) continue;
      sum += *step_of_checkpoint(std::filesystem::path(paths.front()).filename().string());
    }
    return sum > 0 ? std::optional(sum) : std::nullopt;
  }

  std::string run_dir_, sweep_dir_, resume_;
  std::optional<std::uint64_t> step_;
  std::map<std::string, std::filesystem::file_time_type> found_at_start_;
};

/// Another start cannot help, or is not wanted. What did not keep a job from its first steps is no mistake of
/// the user's: a file that cannot be read or written may be there again a moment later.
bool is_final(int status, bool before_first_steps) {
  return status == static_cast<int>(ExitStatus::done) || status == static_cast<int>(ExitStatus::resumable) ||
         (status == static_cast<int>(ExitStatus::user_error) && before_first_steps);
}

/// A signal that came before all ranks were ready for it: nothing is lost. Where it ended one of them, mpirun
/// kills the others, and the status may be that of either.
bool was_ended_by_signal(int status) {
  return status == 128 + SIGUSR1 || status == 128 + SIGTERM || status == 128 + SIGINT ||
         status == 128 + SIGHUP || status == 128 + SIGKILL;
}

/// What to look at when the launcher starts nothing.
std::string launcher_advice(const std::string& launcher) {
  const bool refuses_root = ::geteuid() == 0 && srun_of(launcher).empty() &&
                            launcher.find("--allow-run-as-root") == std::string::npos &&
                            (std::getenv("OMPI_ALLOW_RUN_AS_ROOT") == nullptr ||
                             std::getenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM") == nullptr);
  if (refuses_root)
    return "As root, mpirun wants OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1";
  return "Is a flag or a host wrong? If there are too few slots (cores): start fewer ranks, name --hosts "
         "a:4,b:4, or let them share cores by --launcher \"mpirun --oversubscribe\"";
}

/// Tells whether a job can be started at all by starting `true` in its place, and names hosts that do not
/// answer. Throws UserError; a launcher that does not end though all hosts answer, or a signal, says nothing.
void rehearse(const std::string& launcher, std::size_t ranks, const std::vector<HostSlots>& hosts,
              const SignalRelay& relay) {
  const std::vector<std::string> command = launcher_command(launcher, ranks, hosts, {"true"});
  const std::optional<bool> starts = succeeds_within(command, seconds_to_rehearse, &relay);
  if (starts == true || relay.count() > 0) return;
  const std::vector<std::string> missing = ask(hosts, launcher, relay).second;
  if (relay.count() > 0) return;
  if (!missing.empty())
    throw UserError("--hosts: expected hosts that answer, found that these do not: " + join(missing));
  if (!starts) return;
  const std::string found = fmt::format("{}", fmt::join(command, " "));
  throw UserError("--launcher: expected a command that starts " + std::to_string(ranks) +
                  " ranks, found that `" + found + "` fails. " + launcher_advice(launcher));
}

/// Once, here, and not by ranks that are started for it.
void refuse_unknown(const std::string& subcommand) {
  const std::vector<std::string> names = subcommand_names();
  if (subcommand.starts_with("-") || std::ranges::find(names, subcommand) != names.end()) return;
  throw UserError("expected a subcommand after --, found " + in_quotes(subcommand) +
                  suggestion(subcommand, names) + "; there are " + join(names));
}

/// "launch -n 2 train --data x".
void refuse_missing_dashes(const std::vector<std::string>& arguments) {
  const std::vector<std::string> names = subcommand_names();
  const auto command = std::find_first_of(arguments.begin() + 1, arguments.end(), names.begin(), names.end());
  if (command == arguments.end()) return;
  throw UserError("expected -- before '" + *command + "', as lockstep launch -n 4 -- " + *command + " …");
}

ExitStatus supervise(const LaunchPlan& arguments, const std::string& launcher,
                     const std::vector<std::string>& command) {
  const SignalRelay relay;
  LaunchedRun run(command);
  const std::optional<std::uint64_t> first_step = run.step();
  // PMIx 4.2 frees memory twice when ranks end while they connect, and mpirun then never ends; with tables
  // that are not in shared memory it does not happen.
  ::setenv("PMIX_MCA_gds", "hash", /*overwrite=*/0);
  std::vector<HostSlots> hosts;
  if (!arguments.hosts.empty()) {
    hosts = parse_hosts(arguments.hosts, arguments.ranks);
    if (total_slots(hosts) < arguments.ranks) {
      throw UserError("--hosts: expected room for " + std::to_string(arguments.ranks) + " ranks, found " +
                      std::to_string(total_slots(hosts)) + " in '" + arguments.hosts + "'");
    }
  }
  std::size_t ranks = arguments.ranks;
  std::vector<std::string> program{std::filesystem::read_symlink("/proc/self/exe").string()};
  program.insert(program.end(), command.begin(), command.end());

  // Later, those that do not answer are gone.
  if (!hosts.empty()) rehearse(launcher, ranks, hosts, relay);
  if (relay.count() > 0) return ExitStatus::resumable;
  RestartPolicy policy(arguments.max_restarts, std::chrono::duration<double>(arguments.first_delay_seconds));
  for (std::vector<std::string> now = program;;) {
    const int status = run_supervised(launcher_command(launcher, ranks, hosts, now), relay);
    const std::optional<std::uint64_t> step = run.step();
    const bool first_start = policy.restarts() == 0;
    // Another job's steps are none of this one's.
    if (is_final(status, first_start && (step == first_step || !run.user().empty())))
      return static_cast<ExitStatus>(status);
    const std::string what = fmt::format("the job ended with status {} {}", status, run.standing(step));
    if (relay.count() > 0) {
      if (relay.count() == 1 && was_ended_by_signal(status)) return ExitStatus::resumable;
      say(what + "; not started again after a signal");
      return ExitStatus::failure;
    }
    const bool was_killed = status == 128 + SIGKILL;
    if (first_start && step == first_step && hosts.empty() && !was_killed)
      rehearse(launcher, ranks, hosts, relay);
    if (relay.count() > 0) return ExitStatus::resumable;
    const auto delay = policy.after_failure(step);
    if (!delay) {
      say(what + "; not started again: " + policy.reason());
      if (was_killed) say("status 137 is a SIGKILL: by somebody, or by Linux for want of memory (see dmesg)");
      const bool is_users = status == static_cast<int>(ExitStatus::user_error);
      return is_users ? ExitStatus::user_error : ExitStatus::failure;
    }
    say(fmt::format("{}; restart {} of {} in {:.3g} s", what, policy.restarts(), arguments.max_restarts,
                    delay->count()));
    sleep_unless_signalled(delay->count(), relay);
    run.wait_until_free(relay);
    if (relay.count() > 0) return ExitStatus::resumable;
    if (!arguments.hosts.empty()) {
      const auto [found, missing] = ask(parse_hosts(arguments.hosts, arguments.ranks), launcher, relay);
      if (relay.count() > 0) return ExitStatus::resumable;
      if (found.empty()) throw std::runtime_error("none of the hosts answers: " + arguments.hosts);
      for (const std::string& host : missing) say(host + " does not answer and is left out");
      hosts = found;
      ranks = std::min(arguments.ranks, total_slots(hosts));
      if (ranks < arguments.ranks)
        say(fmt::format("goes on with {} of {} ranks, for want of hosts", ranks, arguments.ranks));
    }
    now = program;
    const std::vector<std::string> more = run.flags_of_restart();
    now.insert(now.end(), more.begin(), more.end());
  }
}

}  // namespace

bool is_launch(const std::vector<std::string>& arguments) {
  return !arguments.empty() && arguments.front() == "launch";
}

ExitStatus run_launch(const std::vector<std::string>& arguments) {
  const auto end_of_flags = std::find(arguments.begin(), arguments.end(), "--");
  if (end_of_flags == arguments.end()) refuse_missing_dashes(arguments);
  LaunchArguments parsed;
  CLI::App app("Start ranks, and start them again from the newest checkpoint when they fail",
               "lockstep launch");
  declare_flags(app, parsed);
  if (!parse_alone(app, {arguments.begin() + 1, end_of_flags})) return ExitStatus::done;
  const std::vector<std::string> command(end_of_flags == arguments.end() ? end_of_flags : end_of_flags + 1,
                                         arguments.end());
  if (command.empty()) throw UserError("expected -- and a command, as -- train --data …, found none");
  refuse_unknown(command.front());
  const LaunchPlan plan(parsed);
  const std::string launcher = default_launcher(parsed);
  const std::string program = launcher_command(launcher, plan.ranks, {}, {}).front();
  if (!is_program(program))
    throw UserError("--launcher: expected a program in PATH, found " + in_quotes(program));
  return supervise(plan, launcher, command);
}

std::function<ExitStatus(const Communicator&)> declare_launch(CLI::App& app) {
  const auto arguments = std::make_shared<LaunchArguments>();
  declare_flags(app, *arguments);
  return [arguments](const Communicator& world) {  // the parser writes to them
    collectively(world, [] {
      throw UserError("launch has to be the first argument, and one process: it starts the ranks itself");
    });
    return ExitStatus::user_error;
  };
}

}  // namespace lockstep
