#include <charconv>
#include <iostream>

#include "lockstep/app/command_line.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/train/config.hpp"

namespace {

using namespace lockstep;

ExitStatus status_of(const std::exception& error) {
  return dynamic_cast<const UserError*>(&error) != nullptr ? ExitStatus::user_error : ExitStatus::failure;
}

/// Ends in order if all ranks failed alike; else ends the other ranks too, for they may wait for this one.
ExitStatus run_and_report(const Communicator& world, const std::vector<std::string>& arguments) {
  try {
    return run_command_line(world, arguments);
  } catch (const AgreedError& error) {
    if (world.is_root()) std::cerr << program_name(arguments) << ": error: " << error.what() << std::endl;
    return error.status();
  } catch (const std::exception& error) {
    if (world.size() > 1) abort_all(world, error.what(), status_of(error));
    std::cerr << program_name(arguments) << ": error: " << error.what() << std::endl;
    return status_of(error);
  }
}

/// The ranks of the job. Whoever does not get to know them ends the others, which may wait for it.
Communicator join_ranks() {
  try {
    return Communicator::world();
  } catch (const std::exception& error) {
    abort_all(error.what(), status_of(error));
  }
}

/// That of a flag --stall-timeout, else its default: a config file is read when all ranks are there. What is
/// no number is refused then, too.
double start_timeout_seconds(const std::vector<std::string>& arguments) {
  const std::string flag = "--stall-timeout";
  double seconds = TrainConfig().stall_timeout_seconds;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    std::string text;
    if (argument == flag && i + 1 < arguments.size()) text = arguments[i + 1];
    if (argument.starts_with(flag + "=")) text = argument.substr(flag.size() + 1);
    std::from_chars(text.data(), text.data() + text.size(), seconds);
  }
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    // Of many ranks each would do it: they go the common way, where it is refused once.
    const bool alone = launched_ranks() == 1;
    if (alone && is_launch(arguments)) return static_cast<int>(run_launch(arguments));
    if (alone && is_report(arguments)) return static_cast<int>(run_report(arguments));
    const Environment environment(start_timeout_seconds(arguments));
    const Communicator world = join_ranks();
    return static_cast<int>(run_and_report(world, arguments));
  } catch (const std::exception& error) {
    const bool without_mpi = is_launch(arguments) || is_report(arguments);
    std::cerr << (without_mpi ? program_name(arguments) : "lockstep") << ": error: " << error.what()
              << std::endl;
    return static_cast<int>(status_of(error));
  }
}
