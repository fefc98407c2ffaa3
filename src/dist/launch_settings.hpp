#pragma once

#include <cstddef>

/// What Open MPI has to be told, through its environment variables, before MPI_Init. Variables that the user
/// set stay.
namespace lockstep {

/// Whether mpirun, srun or another launcher that Open MPI understands started this process.
bool started_by_launcher();

/// The number that the launcher gave this process among the ranks, from 0.
int launched_rank();

/// See expect_ranks_to_start(): LOCKSTEP_START_TIMEOUT, else 300.
int start_timeout_seconds();

/// Whether this node has more ranks than cores that they may use. It has `known` ranks at least.
bool ranks_exceed_cores(std::size_t known = 1);

/// A job of one rank without a daemon; no busy waiting where ranks share cores; no failing single-copy
/// transfers in containers that forbid them.
void set_launch_settings();

}  // namespace lockstep
