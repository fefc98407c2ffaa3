#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/environment.hpp"

/// A job that starts and ends in one of several ways; environment_test.sh looks at it from outside.
namespace {

using lockstep::Communicator;
using lockstep::ExitStatus;

bool has_child_process() {
  return !(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
}

int run(const std::string& end) {
  const Communicator world = Communicator::world();
  const bool last = world.rank() == world.size() - 1;
  if (end == "finish") {
    std::printf("rank %d of %d, child process: %s\n", world.rank(), world.size(),
                has_child_process() ? "yes" : "no");
    return 0;
  }
  if (end == "agreed_error") {
    lockstep::collectively(world, [&] {
      if (last) throw lockstep::UserError("a wrong file");
    });
  }
  if (end == "all_ranks_abort" || (end == "one_rank_aborts" && last)) {
    lockstep::abort_all(world, "cannot go on", ExitStatus::user_error);
  }
  if (end == "exception_leaves_scope" && last) throw std::runtime_error("cannot go on");
  world.barrier();  // where the other ranks would hang
  return 0;
}

}  // namespace

int main(int, char** argv) {
  try {
    const lockstep::Environment environment;
    try {
      return run(argv[1]);
    } catch (const lockstep::AgreedError& error) {
      std::printf("agreed: %s\n", error.what());
      return static_cast<int>(error.status());
    }
  } catch (const std::exception& error) {
    std::printf("late: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
