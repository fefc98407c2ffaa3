#pragma once

namespace lockstep {

/// Turns SIGTERM, SIGINT and SIGUSR1 (what schedulers send before a time limit) into a request to stop after
/// the current step. A second SIGINT ends the process at once. The former handlers come back when the object
/// goes. At most one object at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const { return signal() != 0; }
  /// The first signal that came, or 0.
  int signal() const;
};

}  // namespace lockstep
