#pragma once

namespace lockstep {

/// Turns SIGTERM, SIGINT and SIGUSR1 (what schedulers send before a time limit) into a request to stop after
/// the current step. On a terminal, the first SIGINT is answered on stderr; a second ends the process at
/// once. Objects may be nested: what an outer one received the inner ones have received, too. The former
/// handlers come back with the last object.
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
