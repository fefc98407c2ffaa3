#include "lockstep/app/command_line.hpp"

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>

#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/dist/watchdog.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {
namespace {

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// What the parser did not understand becomes a UserError with the nearest name. `who`: "lockstep train".
void refuse_remaining(const CLI::App& app, const std::string& who) {
  const std::vector<std::string> remaining = app.remaining();
  if (remaining.empty()) return;
  const std::string& found = remaining.front();
  if (!found.starts_with("-"))
    throw UserError("expected flags, found " + in_quotes(found) + "; see " + who + " --help");
  const std::string name = found.substr(0, found.find('='));
  throw UserError("unknown flag " + in_quotes(name) + suggestion(name, flag_names(app)) + "; see " + who +
                  " --help");
}

/// The parser's messages in our words.
std::string message_of(const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::size_t name = text.find("--"), equals = text.find(" = ");
  const bool flag_has_value = dynamic_cast<const CLI::ConversionError*>(&error) != nullptr && name < equals &&
                              equals != std::string::npos;  // "Could not convert: --verify = x"
  if (flag_has_value) {
    return text.substr(name, equals - name) + ": expected no value, found " +
           in_quotes(text.substr(equals + 3));
  }
  const bool value_is_missing = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr;
  return value_is_missing ? text.substr(0, text.find(':')) + ": expected a value, found none" : text;
}

/// Tells defaults in words: "--epochs N   Passes over the training rows (default 10)".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string text = option->get_default_str();
    return option->get_description() + (text.empty() ? "" : " (default " + text + ")");
  }
};

}  // namespace

bool parse_alone(CLI::App& app, std::span<const std::string> flags) {
  app.allow_extras();
  std::vector<std::string> reversed(flags.rbegin(), flags.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::Success& request) {
    app.exit(request);
    return false;
  } catch (const CLI::ParseError& error) {
    throw UserError(message_of(error) + "; see " + app.get_name() + " --help");
  }
  refuse_remaining(app, app.get_name());
  return true;
}

std::span<const Subcommand> subcommands() {
  static const std::vector<Subcommand> all{
      {"train", "Train a network, on one rank or many", declare_train, Watched::by_itself},
      {"sweep", "Train many networks: every combination of some settings", declare_sweep, Watched::by_itself},
      {"report", "Pictures and tables of runs and sweeps, in one HTML file", declare_report,
       Watched::not_at_all},
      {"evaluate", "Loss, accuracy and confusion matrix of a trained network", declare_evaluate},
      {"predict", "Classes and probabilities for new rows", declare_predict},
      {"convert", "Make a dataset file from IDX, CSV or HDF5", declare_convert},
      {"inspect", "Show what a dataset or checkpoint file holds", declare_inspect},
      {"activations", "List, explain, check or draw activation functions", declare_activations},
      {"launch", "Start train on many ranks, and again after failures", declare_launch, Watched::not_at_all},
      {"doctor", "Check what this machine offers to a run", declare_doctor},
  };
  return all;
}

std::vector<std::string> subcommand_names() {
  std::vector<std::string> names;
  for (const Subcommand& subcommand : subcommands()) names.push_back(subcommand.name);
  return names;
}

std::string program_name(const std::vector<std::string>& arguments) {
  const std::vector<std::string> names = subcommand_names();
  const auto named = std::find_first_of(arguments.begin(), arguments.end(), names.begin(), names.end());
  return named == arguments.end() ? "lockstep" : "lockstep " + *named;
}

std::string parse_choice(const std::string& text, const std::string& flag,
                         const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  throw UserError(flag + ": expected " + join(choices, " or ") + ", found " + in_quotes(text) +
                  suggestion(text, choices));
}

void refuse_pipe(const std::string& what, const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_fifo(path, ignored))
    throw UserError(what + ": expected a file that can be read again at each start, found the pipe " + path);
}

char parse_separator(const std::string& text) {
  if (text == "tab" || text == "\\t") return '\t';
  const bool usable = text.size() == 1 && text != "\"" && text != "\n" && text != "\r";
  if (!usable) {
    const bool ends_line = text.find_first_of("\r\n") != std::string::npos;
    throw UserError("--separator: expected one character that is no quote and no line end, or tab, found " +
                    (ends_line ? "a line end" : in_quotes(text)));
  }
  return text.front();
}

namespace {

struct ParsedCommand {
  std::function<ExitStatus(const Communicator&)> run;
  Watched watched = Watched::not_at_all;
  double stall_timeout_seconds = 0;
};

/// What ranks do together depends on the subcommand and on which flags are given: "train --data --config".
std::string command_outline(const std::vector<std::string>& arguments) {
  std::set<std::string> flags;
  for (const std::string& argument : arguments) {
    const std::size_t name = argument.find_first_not_of('-');
    const bool is_flag = name == 1 || name == 2;
    if (is_flag && std::isalpha(static_cast<unsigned char>(argument[name])) != 0)
      flags.insert(argument.substr(0, argument.find('=')));
  }
  std::string outline = program_name(arguments);
  for (const std::string& flag : flags) outline += " " + flag;
  return outline;
}

/// Throws UserError.
ParsedCommand parse_command_line(CLI::App& app, const std::vector<std::string>& arguments) {
  app.formatter(std::make_shared<HelpFormatter>());  // for subcommands too
  app.set_version_flag("--version", "lockstep " + version());
  app.require_subcommand(0, 1);
  app.allow_extras();
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // for subcommands too
  ParsedCommand parsed;
  std::string stall_timeout = format_exact(TrainConfig{}.stall_timeout_seconds);
  for (const Subcommand& subcommand : subcommands()) {
    CLI::App* const sub = app.add_subcommand(subcommand.name, subcommand.summary);
    sub->allow_extras();
    sub->prefix_command(false);
    auto command = subcommand.declare(*sub);
    if (subcommand.watched == Watched::for_stopped_ranks) {
      sub->add_option("--stall-timeout", stall_timeout,
                      "On several ranks: seconds without a sign of life of one, before all end; 0: never")
          ->type_name("SECONDS")
          ->capture_default_str();
    }
    sub->final_callback([&parsed, &stall_timeout, command, sub, &subcommand] {
      refuse_remaining(*sub, "lockstep " + subcommand.name);
      parsed = {command, subcommand.watched, parse_seconds(stall_timeout, "--stall-timeout")};
    });
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::Success& request) {  // --help, --version
    std::ostringstream text;
    app.exit(request, text, text);
    return {[text = text.str()](const Communicator& world) {
      if (world.is_root()) std::cout << text << std::flush;
      return ExitStatus::done;
    }};
  } catch (const CLI::ParseError& error) {
    throw UserError(message_of(error));
  }
  if (parsed.run) {
    instruction_set();  // not first where a rank computes, when others may wait for it already
    return parsed;
  }

  const std::vector<std::string> remaining = app.remaining();
  const std::string names = join(subcommand_names());
  const bool is_flag = !remaining.empty() && remaining.front().starts_with("-");
  const std::string kind = is_flag ? "flag" : "subcommand";
  const std::string problem = remaining.empty() ? "expected a subcommand (" + names + "), found none"
                                                : "unknown " + kind + " " + in_quotes(remaining.front()) +
                                                      suggestion(remaining.front(), subcommand_names()) +
                                                      "; there are " + names;
  throw UserError(problem + "; see lockstep --help");
}

/// What a full disk did not take. A reader that went away has read what it wanted.
void refuse_lost_output() {
  std::cout.flush();
  pollfd output{STDOUT_FILENO, 0, 0};
  const bool reader_is_gone = ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
  if (!std::cout && !reader_is_gone) throw std::runtime_error("standard output: cannot be written");
}

}  // namespace

ExitStatus run_command_line(const Communicator& world, const std::vector<std::string>& arguments) {
  CLI::App app(
      "lockstep trains multilayer perceptrons: the same weights, bit for bit, on any number of ranks.",
      "lockstep");
  const std::string outline = command_outline(arguments), expected = world.broadcast(outline);
  const ParsedCommand command = collectively(world, [&] {
    if (outline != expected) {
      throw UserError("ranks were started with different commands: expected '" + expected +
                      "' as on rank 0, found '" + outline + "'");
    }
    check_start_timeout();
    return parse_command_line(app, arguments);
  });
  if (command.watched == Watched::by_itself) return command.run(world);  // what they print stands in files
  const auto run = [&] {
    const ExitStatus status = command.run(world);
    on_root(world, [] { refuse_lost_output(); });
    return status;
  };
  if (world.size() > 1 && command.watched == Watched::for_stopped_ranks) {
    return watched(world, command.stall_timeout_seconds, Stall::silent_rank,
                   [&](ProgressBoard&) { return run(); });
  }
  ranks_have_started();
  return run();
}

}  // namespace lockstep
