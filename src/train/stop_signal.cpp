#include "lockstep/train/stop_signal.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string_view>

namespace lockstep {
namespace {

constexpr std::array stop_signals{SIGTERM, SIGINT, SIGUSR1};

// Handlers reach only what is global and lock-free.
std::atomic<int> received = 0;
std::atomic<int> interrupts = 0;
std::atomic<bool> on_terminal = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
std::array<struct sigaction, stop_signals.size()> former;
int objects = 0;

/// A step may last: whoever pressed Ctrl-C is told that it was seen. Only what a handler may call.
void answer() {
  constexpr std::string_view text =
      "\nlockstep: stopping after this step, with a checkpoint; Ctrl-C again ends at once\n";
  const int error = errno;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  errno = error;
}

extern "C" void remember_signal(int signal) {
  int none = 0;
  received.compare_exchange_strong(none, signal);
  if (signal != SIGINT) return;
  if (++interrupts == 2) {
    // Somebody presses Ctrl-C again: end at once, as if nothing had been installed.
    ::signal(SIGINT, SIG_DFL);
    ::raise(SIGINT);
  } else if (on_terminal) {
    answer();
  }
}

}  // namespace

StopSignal::StopSignal() {
  if (objects++ > 0) return;
  received = 0;
  interrupts = 0;
  on_terminal = ::isatty(STDERR_FILENO) == 1;
  struct sigaction action {};
  action.sa_handler = remember_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < stop_signals.size(); ++i) ::sigaction(stop_signals[i], &action, &former[i]);
}

StopSignal::~StopSignal() {
  if (--objects > 0) return;
  for (std::size_t i = 0; i < stop_signals.size(); ++i) ::sigaction(stop_signals[i], &former[i], nullptr);
}

int StopSignal::signal() const {
  return received;
}

}  // namespace lockstep
