#include "launch_settings.hpp"

#include <sched.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "lockstep/dist/environment.hpp"

namespace lockstep {
namespace {

bool is_set(const char* variable) {
  return std::getenv(variable) != nullptr;
}

void set_unless_user_did(const char* variable, const char* value) {
  setenv(variable, value, /*overwrite=*/0);
}

/// The value of an environment variable if all of it is a number of at least 0.
int number_in(const char* variable, int otherwise = 1) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return otherwise;
  int value = 0;
  const char* const end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, value);
  return parsed.ec == std::errc() && parsed.ptr == end && value >= 0 ? value : otherwise;
}

int cores_of(pid_t process) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return sched_getaffinity(process, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

/// Cores that the ranks of this node share. A rank that mpirun bound sees its own core only, but mpirun, its
/// parent, sees all.
int cores_of_node() {
  return std::max(cores_of(0), cores_of(getppid()));
}

/// Whether a process may read another one's memory directly. Containers often forbid the system call
/// altogether, and then Open MPI's shared-memory transport fails late and loudly.
bool single_copy_is_allowed() {
  char from = 1;
  char to = 0;
  const iovec local{&to, 1};
  const iovec remote{&from, 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

}  // namespace

bool ranks_exceed_cores(std::size_t known) {
  return std::max(number_in("OMPI_COMM_WORLD_LOCAL_SIZE"), static_cast<int>(known)) > cores_of_node();
}

bool started_by_launcher() {
  return is_set("OMPI_COMM_WORLD_SIZE") || is_set("PMIX_RANK") || is_set("PMI_RANK");
}

int launched_ranks() {
  return std::max(
      {number_in("OMPI_COMM_WORLD_SIZE"), number_in("PMI_SIZE"), number_in("SLURM_STEP_NUM_TASKS")});
}

int launched_rank() {
  return std::max(
      {number_in("OMPI_COMM_WORLD_RANK", 0), number_in("PMIX_RANK", 0), number_in("PMI_RANK", 0)});
}

int start_timeout_seconds() {
  return number_in("LOCKSTEP_START_TIMEOUT", 300);
}

void set_launch_settings() {
  if (!started_by_launcher()) {
    set_unless_user_did("OMPI_MCA_ess_singleton_isolated", "1");
    // All isolated processes of a user have the same directory in /tmp: while one removes it another one
    // fails to make it. A process on its own needs none.
    set_unless_user_did("OMPI_MCA_orte_create_session_dirs", "0");
  }
  if (ranks_exceed_cores()) {
    set_unless_user_did("OMPI_MCA_mpi_yield_when_idle", "1");
  }
  // Windows over several nodes: Open MPI 4.1 takes its component for networks with remote memory access over
  // TCP, too, where it cannot make one.
  set_unless_user_did("OMPI_MCA_osc", "^rdma");
  // The children that read damaged files first neither talk to other ranks nor change what these have.
  set_unless_user_did("OMPI_MCA_mpi_warn_on_fork", "0");
  if (!single_copy_is_allowed()) set_unless_user_did("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
}

}  // namespace lockstep
