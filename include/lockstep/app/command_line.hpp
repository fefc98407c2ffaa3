#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/dist/communicator.hpp"

namespace CLI {
class App;
}

namespace lockstep {

/// One subcommand. To add one: a file command_<name>.cpp, its declaration here, its row in subcommands().
struct Subcommand {
  std::string name;
  std::string summary;
  /// Declares its flags and returns what runs after they are parsed (collective).
  std::function<std::function<ExitStatus(const Communicator&)>(CLI::App&)> declare;
};
std::span<const Subcommand> subcommands();

/// "lockstep train" where the arguments name a subcommand, else "lockstep": how messages begin.
std::string program_name(const std::vector<std::string>& arguments);

/// The text, if it is one of the choices. Throws UserError naming the flag and the nearest choice.
std::string parse_choice(const std::string& text, const std::string& flag,
                         const std::vector<std::string>& choices);

/// What stands between the fields of a CSV file: one character, or "tab". Throws UserError naming
/// --separator.
char parse_separator(const std::string& text);

/// Parses the arguments and runs the subcommand. Collective. Throws AgreedError for mistakes in the
/// arguments.
ExitStatus run_command_line(const Communicator& world, const std::vector<std::string>& arguments);

std::function<ExitStatus(const Communicator&)> declare_train(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_evaluate(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_predict(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_convert(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_inspect(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_activations(CLI::App& app);
std::function<ExitStatus(const Communicator&)> declare_doctor(CLI::App& app);

}  // namespace lockstep
