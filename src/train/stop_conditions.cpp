#include "lockstep/train/stop_conditions.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

// The lowest eight flags are those of the exchange and of checkpoints.
constexpr StepFlags sigterm_came = 1U << 8, sigint_came = 1U << 9, sigusr1_came = 1U << 10,
                    slurm_time_limit = 1U << 11, job_time_limit = 1U << 12, max_seconds_are_over = 1U << 13;

struct Reason {
  StepFlags flag;
  const char* text;
};
constexpr std::array reasons{
    Reason{sigterm_came, "SIGTERM"},
    Reason{sigint_came, "SIGINT"},
    Reason{sigusr1_came, "SIGUSR1"},
    Reason{slurm_time_limit, "slurm time limit"},
    Reason{job_time_limit, "time limit of the job"},
    Reason{max_seconds_are_over, max_seconds_reason},
    Reason{step_flag_observer_stops, "stopped"},
};

StepFlags flag_of_signal(int signal) {
  switch (signal) {
    case SIGTERM:
      return sigterm_came;
    case SIGINT:
      return sigint_came;
    case SIGUSR1:
      return sigusr1_came;
    default:
      return 0;
  }
}

/// The number in an environment variable; nothing where there is no number, or none that is above 0.
std::optional<std::int64_t> seconds_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  std::int64_t seconds = 0;
  const auto parsed = std::from_chars(text, text + std::strlen(text), seconds);
  const bool whole = parsed.ec == std::errc() && *parsed.ptr == '\0';
  return whole && seconds > 0 ? std::optional(seconds) : std::nullopt;
}

std::optional<JobEnd> job_end(std::optional<std::int64_t> seconds, StepFlags reason) {
  // Later than the clock can say means: no limit.
  constexpr std::int64_t latest = std::int64_t{1} << 33;
  if (!seconds || *seconds > latest) return std::nullopt;
  return JobEnd{std::chrono::system_clock::time_point(std::chrono::seconds(*seconds)), reason};
}

/// What a job needs to end, beside what is measured.
constexpr double seconds_to_spare = 10;

double seconds_between(std::chrono::steady_clock::time_point begin,
                       std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

double seconds_until(const JobEnd& end) {
  return std::chrono::duration<double>(end.time - std::chrono::system_clock::now()).count();
}

}  // namespace

std::optional<JobEnd> job_end_from_environment() {
  if (const auto end = job_end(seconds_in("SLURM_JOB_END_TIME"), slurm_time_limit)) return end;
  const char* const own = "LOCKSTEP_JOB_END_TIME";
  const std::optional<std::int64_t> seconds = seconds_in(own);
  const char* const text = std::getenv(own);
  // Slurm may say what it likes; this one is set by a script that made a mistake.
  if (!seconds && text != nullptr && *text != '\0') {
    throw UserError(std::string(own) + ": expected whole seconds since 1970, found " + in_quotes(text));
  }
  return job_end(seconds, job_time_limit);
}

StopConditions::StopConditions(std::optional<double> max_seconds, double checkpoint_seconds)
    : max_seconds_(max_seconds), job_end_(job_end_from_environment()), expected_pause_(checkpoint_seconds) {
  if (job_end_) expected_pause_ = std::min(expected_pause_, std::max(seconds_until(*job_end_) / 3, 0.0));
}

StepFlags StopConditions::flags() {
  const Clock::time_point now = Clock::now();
  if (last_call_) longest_pause_ = std::max(longest_pause_, seconds_between(*last_call_, now));
  last_call_ = now;
  StepFlags found = flag_of_signal(signal_.signal());
  if (max_seconds_ && seconds_between(start_, now) >= *max_seconds_) found |= max_seconds_are_over;
  if (job_end_) {
    const double needed = seconds_to_spare + 2 * std::max(longest_pause_, expected_pause_);
    if (seconds_until(*job_end_) < needed) found |= job_end_->reason;
  }
  return found;
}

bool stop_is_requested(StepFlags of_all_ranks) {
  return std::any_of(reasons.begin(), reasons.end(),
                     [&](const Reason& reason) { return (of_all_ranks & reason.flag) != 0; });
}

std::string stop_reason(StepFlags of_all_ranks) {
  for (const Reason& reason : reasons) {
    if (of_all_ranks & reason.flag) return reason.text;
  }
  return "";
}

}  // namespace lockstep
