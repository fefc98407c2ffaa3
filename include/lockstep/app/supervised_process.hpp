#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace lockstep {

/// Tells the user of `launch`, beside what the ranks print.
void say(const std::string& text);

/// Whether a program of this name, or path, can be run.
bool is_program(const std::string& name);

/// Signals that `launch` gets: counted, and passed on to the job that runs. At most one object at a time.
class SignalRelay {
 public:
  SignalRelay();
  ~SignalRelay();
  SignalRelay(const SignalRelay&) = delete;
  SignalRelay& operator=(const SignalRelay&) = delete;

  /// How many SIGTERM, SIGINT, SIGUSR1 and SIGHUP (unless under nohup) came; those within a second are one.
  int count() const;
};

/// Runs a command to its end in a process group of its own, without standard input; it ends with this
/// process. The first signal of the relay becomes SIGUSR1 for the command: mpirun and srun hand it to the
/// ranks, which write a checkpoint, whereas SIGTERM would make mpirun end them. It is repeated each second
/// until there are ranks to get it. A second one becomes SIGTERM, and ten seconds later, as at a third,
/// SIGKILL. That is also the end of a command that is still there 10 s after its ranks ended. Returns its
/// exit status; 128 and the signal if one ended it, 127 if there is no such program.
int run_supervised(const std::vector<std::string>& command, const SignalRelay& relay);

/// Sleeps, but not after a signal of the relay came.
void sleep_unless_signalled(double seconds, const SignalRelay& relay);

/// Runs a command with its output thrown away; whether it ended with status 0. Nothing if it has not ended
/// after so many seconds, or when a signal of the relay came: it is killed then, with all that it started.
std::optional<bool> succeeds_within(const std::vector<std::string>& command, double seconds,
                                    const SignalRelay* relay = nullptr);

}  // namespace lockstep
