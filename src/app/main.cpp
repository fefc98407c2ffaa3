#include <signal.h>

#include <cstdlib>
#include <iostream>

#include "lockstep/app/command_line.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/environment.hpp"

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
    if (world.is_root())
      std::cerr << program_name(arguments) << ": error: " << printable(error.what()) << std::endl;
    return error.status();
  } catch (const std::exception& error) {
    if (world.size() > 1) abort_all(world, error.what(), status_of(error));
    std::cerr << program_name(arguments) << ": error: " << printable(error.what()) << std::endl;
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

}  // namespace

int main(int argc, char** argv) {
  // OpenBLAS reads OPENBLAS_NUM_THREADS when it is loaded; a rank has one thread that computes. The
  // environment may be changed as long as there is no other thread.
  ::setenv("OPENBLAS_NUM_THREADS", "1", /*overwrite=*/1);
  // What ulimit -f refuses is an error of write(), as on a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    // Of many ranks each would do it: they go the common way, where it is refused once.
    const bool alone = launched_ranks() == 1;
    if (alone && is_launch(arguments)) return static_cast<int>(run_launch(arguments));
    if (alone && is_report(arguments)) return static_cast<int>(run_report(arguments));
    expect_ranks_to_start();
    const Environment environment;
    const Communicator world = join_ranks();
    return static_cast<int>(run_and_report(world, arguments));
  } catch (const std::exception& error) {
    const bool without_mpi = is_launch(arguments) || is_report(arguments);
    std::cerr << (without_mpi ? program_name(arguments) : "lockstep")
              << ": error: " << printable(error.what()) << std::endl;
    return static_cast<int>(status_of(error));
  }
}
