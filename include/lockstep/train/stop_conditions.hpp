#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "lockstep/dist/rank_barrier.hpp"
#include "lockstep/train/stop_signal.hpp"

namespace lockstep {

/// An observer wants the run to stop.
inline constexpr StepFlags step_flag_observer_stops = 1U << 14;

/// When the batch system ends the job, and who says so.
struct JobEnd {
  std::chrono::system_clock::time_point time;
  StepFlags reason = 0;  // the flag of its time limit
};

/// From SLURM_JOB_END_TIME, else LOCKSTEP_JOB_END_TIME, which scripts for other batch systems set: seconds
/// since 1970. Nothing where Slurm's is no number and the other is not set. Throws UserError if the other is
/// no number above 0.
std::optional<JobEnd> job_end_from_environment();

/// What asks this rank to stop before the training is done: signals, --max-seconds, the end of the job.
class StopConditions {
 public:
  /// `checkpoint_seconds`: how long a checkpoint is expected to take, until one was measured. At most a third
  /// of the time that is left counts: a job that is too short for it would never get further.
  StopConditions(std::optional<double> max_seconds, double checkpoint_seconds);

  /// 0, or the flags of what asks. To be called between any two steps: the longest pause between calls
  /// (evaluations and checkpoints included) is what has to fit, twice, before the job's end.
  StepFlags flags();

  /// A checkpoint was written since the last call of flags(): from now on only measured pauses count.
  void checkpoint_was_written() { expected_pause_ = 0; }

 private:
  using Clock = std::chrono::steady_clock;
  StopSignal signal_;
  std::optional<double> max_seconds_;
  std::optional<JobEnd> job_end_;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> last_call_;
  double longest_pause_ = 0, expected_pause_;
};

/// stop_reason() of --max-seconds.
inline constexpr const char* max_seconds_reason = "max-seconds";

/// Whether any rank asks to stop.
bool stop_is_requested(StepFlags of_all_ranks);
/// "SIGTERM", "max-seconds", "slurm time limit" …; the first of several.
std::string stop_reason(StepFlags of_all_ranks);

}  // namespace lockstep
