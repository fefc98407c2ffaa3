#include "lockstep/dist/environment.hpp"

#include <mpi.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <stdexcept>

#include "launch_settings.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/mpi_error.hpp"

namespace lockstep {
namespace {

std::string start_timeout_message;

extern "C" void end_start(int) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, start_timeout_message.data(), start_timeout_message.size());
  ::_exit(static_cast<int>(ExitStatus::failure));
}

std::string own_host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

void expect_ranks_to_start() {
  const int seconds = start_timeout_seconds(), rank = launched_rank();
  if (launched_ranks() == 1 || seconds <= 0) return;
  start_timeout_message =
      "lockstep: rank " + std::to_string(rank) + " on " + own_host() +
      ": not all ranks have started within " + std::to_string(seconds) +
      " s (LOCKSTEP_START_TIMEOUT): one is stopped or cannot read --config, its host does not get on, or "
      "hosts do not reach each other (lockstep doctor on one of them says which networks it has)\n";
  ::signal(SIGALRM, end_start);
  // One of those that wait is enough to tell: the launcher ends the others within a few seconds.
  ::alarm(static_cast<unsigned>(seconds) + 5U * static_cast<unsigned>(std::min(rank, 2)));
}

void check_start_timeout() {
  constexpr const char* variable = "LOCKSTEP_START_TIMEOUT";
  const char* const text = std::getenv(variable);
  if (text == nullptr || parse_unsigned(text, variable) <= std::numeric_limits<int>::max()) return;
  throw UserError(variable + std::string(": expected fewer seconds, found ") + text);
}

void ranks_have_started() {
  if (start_timeout_message.empty()) return;  // an alarm, if there is one, is somebody else's
  ::alarm(0);
  start_timeout_message.clear();
}

Environment::Environment() : exceptions_before_(std::uncaught_exceptions()) {
  int initialized = 0;
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  if (initialized != 0) throw std::logic_error("MPI can be initialized only once in a process");

  set_launch_settings();
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  if (provided < MPI_THREAD_FUNNELED) {
    throw std::runtime_error(mpi_library_version() + " was built without support for threads");
  }
}

Environment::~Environment() {
  if (std::uncaught_exceptions() > exceptions_before_) {
    // MPI_Finalize would wait for ranks that wait for this one.
    std::fputs("lockstep: an exception left the scope of MPI; ending all ranks\n", stderr);
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(ExitStatus::failure));
  }
  MPI_Finalize();
}

std::string mpi_library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  check_mpi(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
  const std::string whole(text.data(), static_cast<std::size_t>(length));
  return whole.substr(0, whole.find_first_of(",\n"));
}

}  // namespace lockstep
