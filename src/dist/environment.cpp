#include "lockstep/dist/environment.hpp"

#include <mpi.h>

#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "launch_settings.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/dist/mpi_error.hpp"

namespace lockstep {

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
