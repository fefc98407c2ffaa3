#pragma once

#include <string>

namespace lockstep {

/// MPI from construction to destruction (MPI_Init_thread with MPI_THREAD_FUNNELED, MPI_Finalize); one per
/// process. Errors of MPI become exceptions (MpiError). Works alike under mpirun, under srun, and without
/// either: then the process is a job of one rank, and no daemon is started for it.
///
/// Handle errors inside the object's lifetime: an AgreedError ends all ranks in order, for any other
/// exception call abort_all. If an exception leaves the scope nevertheless, the destructor ends the whole
/// job, because the other ranks may wait for this one.
class Environment {
 public:
  /// Throws MpiError, and std::logic_error if MPI is or was initialized already.
  Environment();
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  int exceptions_before_;
};

/// From now until ranks_have_started(): if LOCKSTEP_START_TIMEOUT seconds (300; 0: never) pass, an alarm
/// (SIGALRM) ends the process with status 1, by which launchers end the job. One rank that is stopped, or a
/// host that the others do not reach, holds up all of them in MPI_Init or in their first messages, before a
/// Watchdog can see it.
void expect_ranks_to_start();
/// Throws UserError if LOCKSTEP_START_TIMEOUT cannot be understood: for when the ranks can say it once.
void check_start_timeout();
/// Called by watched() too.
void ranks_have_started();

/// How many ranks mpirun, srun or another launcher says that it started; 1 without any.
int launched_ranks();

/// The MPI library as it names itself, e.g. "Open MPI v4.1.4". Works without an Environment too.
std::string mpi_library_version();

}  // namespace lockstep
