#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/dist/communicator.hpp"

namespace CLI {
class App;
}  // namespace CLI

namespace lockstep {

struct TrainConfig;

/// How a rank that hangs is noticed while a subcommand runs on several ranks.
enum class Watched {
  by_itself,          // it has its own watchdog
  for_stopped_ranks,  // the job ends where a rank gave no sign of life for --stall-timeout, which it gets
  not_at_all,         // it takes no time, or is refused on several ranks
};

/// One subcommand. To add one: a file command_<name>.cpp, its declaration here, its row in subcommands().
struct Subcommand {
  std::string name;
  std::string summary;
  /// Declares its flags and returns what runs after they are parsed (collective).
  std::function<std::function<ExitStatus(const Communicator&)>(CLI::App&)> declare;
  Watched watched = Watched::for_stopped_ranks;
};
std::span<const Subcommand> subcommands();
std::vector<std::string> subcommand_names();

/// "lockstep train" where the arguments name a subcommand, else "lockstep": how messages begin.
std::string program_name(const std::vector<std::string>& arguments);

/// The text, if it is one of the choices. Throws UserError naming the flag and the nearest choice.
std::string parse_choice(const std::string& text, const std::string& flag,
                         const std::vector<std::string>& choices);

/// Parses the flags of a subcommand that stands alone; the app has its whole name, "lockstep launch". False
/// after --help, which is printed. Throws UserError.
bool parse_alone(CLI::App& app, std::span<const std::string> flags);

/// What stands between the fields of a CSV file: one character, or "tab". Throws UserError naming
/// --separator.
char parse_separator(const std::string& text);

/// For a file that is read again at each start: throws UserError if it is a pipe. `what`: "--config".
void refuse_pipe(const std::string& what, const std::string& path);

/// Parses the arguments and runs the subcommand. Collective. Throws AgreedError for mistakes in the
/// arguments.
ExitStatus run_command_line(const Communicator& world, const std::vector<std::string>& arguments);

std::function<ExitStatus(const Communicator&)> declare_train(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_sweep(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_evaluate(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_predict(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_convert(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_inspect(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_activations(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_doctor(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_launch(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_report(CLI::App& app);

/// The config that these arguments of `lockstep train` give, its config file included, on one process and
/// without MPI. Not resolved. Throws UserError, also for a pipe: only the first who reads it gets something.
TrainConfig read_train_config(const std::vector<std::string>& arguments);
/// Where the sweep of these arguments of `lockstep sweep` writes; alike.
std::string read_sweep_directory(const std::vector<std::string>& arguments);

/// `lockstep launch` starts processes that use MPI, so it does not use MPI itself: main() runs it before.
bool is_launch(const std::vector<std::string>& arguments);
/// Throws UserError, and std::runtime_error if nothing can be started.
ExitStatus run_launch(const std::vector<std::string>& arguments);

/// `lockstep report` becomes a Python program that starts processes of this one: it does not use MPI either.
bool is_report(const std::vector<std::string>& arguments);
/// Returns only after --help. Throws UserError for flags that are wrong and where Python or a module is
/// missing, and std::runtime_error where the Python part is not installed or cannot be started.
ExitStatus run_report(const std::vector<std::string>& arguments);

}  // namespace lockstep
