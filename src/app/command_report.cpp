#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "lockstep/app/command_line.hpp"
#include "lockstep/app/supervised_process.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr double seconds_for_python = 20;
constexpr const char* has_modules =
    "import sys, importlib.util as u; sys.exit(sys.version_info < (3, 11) or "
    "not all(map(u.find_spec, ('plotly', 'jinja2', 'h5py', 'numpy'))))";

struct ReportArguments {
  std::vector<std::string> sources;
  std::string output = "report.html", data, figures, format = "png";
};

void declare_flags(CLI::App& app, ReportArguments& arguments) {
  app.add_option("source", arguments.sources,
                 "Run directories and sweep directories; several are compared with each other")
      ->type_name("RUN_OR_SWEEP...")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("-o,--output", arguments.output, "The HTML file")->type_name("FILE")->capture_default_str();
  app.add_option("--data", arguments.data, "Dataset file, where it no longer is where the runs' configs say")
      ->type_name("FILE");
  app.add_option("--figures", arguments.figures,
                 "Also write each figure as a file into this directory; needs chromium")
      ->type_name("DIR");
  app.add_option("--format", arguments.format, "Of the figures")->type_name("png|svg")->capture_default_str();
}

/// A Python that has what reports are made with. Throws UserError.
std::string find_python() {
  const char* const chosen = std::getenv("LOCKSTEP_PYTHON");
  const std::vector<std::string> candidates = chosen != nullptr
                                                  ? std::vector<std::string>{chosen}
                                                  : std::vector<std::string>{"python3", "/usr/bin/python3"};
  for (const std::string& python : candidates) {
    if (succeeds_within({python, "-c", has_modules}, seconds_for_python) == true) return python;
  }
  throw UserError(
      "expected Python 3.11 or newer with plotly, jinja2, h5py and numpy, found none (tried " +
      join(candidates) +
      "); mend it by: apt-get install python3-plotly python3-jinja2 python3-h5py python3-numpy, or name a "
      "Python that has them in LOCKSTEP_PYTHON");
}

/// Becomes the Python program.
[[noreturn]] void become_python(const ReportArguments& arguments) {
  const fs::path program = fs::read_symlink("/proc/self/exe");
  const fs::path script = program.parent_path() / LOCKSTEP_SHARE_FROM_BIN / "report.py";
  if (!fs::exists(script)) {
    throw std::runtime_error(
        script.lexically_normal().string() +
        ": not found; install lockstep with cmake --install, or run it in its build tree");
  }
  // -B: nothing is written beside the installed files.
  std::vector<std::string> command{find_python(),    "-B",       script.lexically_normal(),
                                   "--program",      program,    "--output",
                                   arguments.output, "--format", arguments.format};
  if (!arguments.data.empty()) command.insert(command.end(), {"--data", arguments.data});
  if (!arguments.figures.empty()) command.insert(command.end(), {"--figures", arguments.figures});
  command.emplace_back("--");
  command.insert(command.end(), arguments.sources.begin(), arguments.sources.end());
  std::vector<char*> texts;
  for (std::string& text : command) texts.push_back(text.data());
  texts.push_back(nullptr);
  ::execvp(texts[0], texts.data());
  throw std::runtime_error("cannot start " + command[0] + ": " + std::strerror(errno));
}

}  // namespace

bool is_report(const std::vector<std::string>& arguments) {
  return !arguments.empty() && arguments.front() == "report";
}

ExitStatus run_report(const std::vector<std::string>& arguments) {
  ReportArguments parsed;
  CLI::App app("Pictures and tables of runs and sweeps, in one HTML file", "lockstep report");
  declare_flags(app, parsed);
  if (!parse_alone(app, std::span(arguments).subspan(1))) return ExitStatus::done;
  if (parsed.sources.empty()) throw UserError("expected run or sweep directories, found none");
  parse_choice(parsed.format, "--format", {"png", "svg"});
  become_python(parsed);
}

std::function<ExitStatus(const Communicator&)> declare_report(CLI::App& app) {
  const auto arguments = std::make_shared<ReportArguments>();
  declare_flags(app, *arguments);
  return [arguments](const Communicator& world) {  // the parser writes to them
    collectively(world, [] {
      throw UserError("report has to be the first argument, and one process: without mpirun");
    });
    return ExitStatus::user_error;
  };
}

}  // namespace lockstep
