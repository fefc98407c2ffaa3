#include "lockstep/dist/watchdog.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"

namespace lockstep {
namespace {

// Other nodes find the same at about the same time: let them say where they stand before the job ends.
constexpr double seconds_for_other_reports = 2;
// A process that gets no core for some looks of the others is not stopped.
constexpr double shortest_silence_seconds = 0.5;
// For MPI_Abort, which talks to a launcher that may be gone.
constexpr unsigned seconds_to_abort = 10;

/// What one rank sees of the ranks of its node, look by look.
class StallCheck {
 public:
  StallCheck(const ProgressBoard& board, Stall stall, double timeout_seconds)
      : board_(board),
        stall_(stall),
        timeout_seconds_(timeout_seconds),
        places_(board.places()),
        pulses_(board.pulses()),
        silent_seconds_(pulses_.size()) {}

  void look(double passed_seconds) {
    std::vector<std::uint64_t> places = board_.places();
    still_seconds_ = places == places_ ? still_seconds_ + passed_seconds : 0;
    places_ = std::move(places);
    std::vector<std::uint64_t> pulses = board_.pulses();
    for (std::size_t i = 0; i < pulses.size(); ++i) {
      silent_seconds_[i] = pulses[i] == pulses_[i] ? silent_seconds_[i] + passed_seconds : 0;
    }
    pulses_ = std::move(pulses);
  }

  /// What to tell of a stall; nothing if there is none.
  std::string description() const {
    const std::string seconds = format_exact(timeout_seconds_) + " s (--stall-timeout)";
    if (stall_ == Stall::silent_rank) {
      const std::string silent = silent_ranks(std::max(timeout_seconds_, shortest_silence_seconds));
      return silent.empty() ? "" : silent + "waited for " + seconds;
    }
    if (still_seconds_ < timeout_seconds_) return "";
    const std::string& elsewhere = board_.ranks_elsewhere();
    return "no rank here got further for " + seconds + "; " + silent_ranks(timeout_seconds_ / 2) +
           board_.description() +
           (elsewhere.empty() ? "" : "; if nobody is behind here, one of these is: " + elsewhere);
  }

 private:
  /// "rank 2 does not respond; ", or nothing.
  std::string silent_ranks(double for_seconds) const {
    std::string text;
    for (std::size_t i = 0; i < silent_seconds_.size(); ++i) {
      if (silent_seconds_[i] < for_seconds) continue;
      text += "rank " + std::to_string(board_.ranks()[i]) + " does not respond; ";
    }
    return text;
  }

  const ProgressBoard& board_;
  Stall stall_;
  double timeout_seconds_;
  std::vector<std::uint64_t> places_, pulses_;
  double still_seconds_ = 0;
  std::vector<double> silent_seconds_;
};

void report(const Communicator& world, const std::string& stall) {
  std::fprintf(stderr, "lockstep: rank %d on %s: %s\n", world.rank(), world.host().c_str(), stall.c_str());
  std::fflush(stderr);
}

[[noreturn]] void end_job(const Communicator& world) {
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(seconds_to_abort);
  end_all(world, ExitStatus::failure);
}

/// Signals are for the main thread.
std::thread start_without_signals(auto&& work) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(work);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

Watchdog::Watchdog(const Communicator& world, ProgressBoard& board, double timeout_seconds, Stall stall)
    : world_(world), board_(board), timeout_seconds_(timeout_seconds), stall_(stall) {
  if (timeout_seconds_ > 0) thread_ = start_without_signals([this] { watch(); });
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ended_changes_.notify_all();
  thread_.join();
}

/// False if the object ends before.
bool Watchdog::sleeps_for(double seconds) {
  std::unique_lock lock(mutex_);
  return !ended_changes_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return ended_; });
}

void Watchdog::watch() {
  using Clock = std::chrono::steady_clock;
  const double interval = std::clamp(timeout_seconds_ / 8, 0.01, 1.0);
  StallCheck check(board_, stall_, timeout_seconds_);
  Clock::time_point before = Clock::now();
  const auto look = [&] {
    // A process that was stopped and continued has not waited for the others all the time.
    const double passed =
        std::min(std::chrono::duration<double>(Clock::now() - before).count(), 2 * interval);
    before = Clock::now();
    board_.pulse();
    board_.beat_in(Phase::drawing_weights);
    board_.beat_in(Phase::running_trials);  // which have watchdogs of their own
    check.look(passed);
  };
  while (sleeps_for(interval)) {
    look();
    const std::string found = check.description();
    if (found.empty()) continue;
    const bool reports = board_.claim_report();
    if (reports) report(world_, found);
    bool goes_on = true;
    for (double waited = 0; goes_on && waited < seconds_for_other_reports && !check.description().empty();
         waited += interval) {
      goes_on = sleeps_for(interval);
      look();
    }
    if (goes_on && !check.description().empty()) end_job(world_);
    if (reports) board_.end_report();  // the next stall is told, too
    if (!goes_on) return;
  }
}

}  // namespace lockstep
