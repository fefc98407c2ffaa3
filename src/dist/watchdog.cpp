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
// For MPI_Abort, which talks to a launcher that may be gone.
constexpr unsigned seconds_to_abort = 10;

/// Tells which ranks of a node show no pulse any more.
class PulseCheck {
 public:
  explicit PulseCheck(const ProgressBoard& board)
      : board_(board), last_(board.pulses()), silent_seconds_(last_.size()) {}

  void look(double passed_seconds) {
    const std::vector<std::uint64_t> now = board_.pulses();
    for (std::size_t i = 0; i < now.size(); ++i) {
      silent_seconds_[i] = now[i] == last_[i] ? silent_seconds_[i] + passed_seconds : 0;
    }
    last_ = now;
  }
  /// "rank 2 does not respond; ", or nothing.
  std::string silent_ranks(double for_seconds) const {
    std::string text;
    for (std::size_t i = 0; i < last_.size(); ++i) {
      if (silent_seconds_[i] < for_seconds) continue;
      text += "rank " + std::to_string(board_.ranks()[i]) + " does not respond; ";
    }
    return text;
  }

 private:
  const ProgressBoard& board_;
  std::vector<std::uint64_t> last_;
  std::vector<double> silent_seconds_;
};

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

Watchdog::Watchdog(const Communicator& world, ProgressBoard& board, double timeout_seconds)
    : world_(world), board_(board), timeout_seconds_(timeout_seconds) {
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
  std::vector<std::uint64_t> last = board_.places();
  PulseCheck pulses(board_);
  double still = 0;
  for (Clock::time_point before = Clock::now(); sleeps_for(interval);) {
    // A process that was stopped and continued has not waited for the others all the time.
    const double passed =
        std::min(std::chrono::duration<double>(Clock::now() - before).count(), 2 * interval);
    before = Clock::now();
    board_.pulse();
    board_.beat_in(Phase::drawing_weights);
    board_.beat_in(Phase::running_trials);  // which have watchdogs of their own
    pulses.look(passed);
    still += passed;
    std::vector<std::uint64_t> now = board_.places();
    if (now != last) still = 0;
    last = std::move(now);
    if (still >= timeout_seconds_ && !report_and_wait(pulses.silent_ranks(timeout_seconds_ / 2))) return;
  }
}

/// False if the object ends meanwhile. Does not return if nobody gets further.
bool Watchdog::report_and_wait(const std::string& silent_ranks) {
  const std::vector<std::uint64_t> found = board_.places();
  const bool reports = board_.claim_report();
  if (reports) {
    std::fprintf(stderr,
                 "lockstep: rank %d on %s: no rank here got further for %s s (--stall-timeout); %s%s%s\n",
                 world_.rank(), world_.host().c_str(), format_exact(timeout_seconds_).c_str(),
                 silent_ranks.c_str(), board_.description().c_str(),
                 world_.nodes() > 1 ? "; if nobody is behind here, a rank of another host is" : "");
    std::fflush(stderr);
  }
  const bool goes_on = sleeps_for(seconds_for_other_reports);
  if (!goes_on || board_.places() != found) {
    if (reports) board_.end_report();  // the next stall is told, too
    return goes_on;
  }
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(seconds_to_abort);
  end_all(world_, ExitStatus::failure);
}

}  // namespace lockstep
