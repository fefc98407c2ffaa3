#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

/// What `lockstep launch` decides, apart from the processes that it starts.
namespace lockstep {

/// A host and how many ranks it takes.
struct HostSlots {
  std::string name;
  std::size_t slots = 1;
};

/// "a:2,b,c:4"; a host without a number gets an equal share of `ranks`. Throws UserError naming --hosts.
std::vector<HostSlots> parse_hosts(const std::string& text, std::size_t ranks);
std::size_t total_slots(const std::vector<HostSlots>& hosts);

/// The program, if `launcher` is srun; else empty.
std::string srun_of(const std::string& launcher);

/// The command line that starts `program` (with its arguments) on some ranks: `launcher` split at spaces
/// (mpirun or srun, with flags of the user's own), then the flags that it needs for ranks and hosts.
std::vector<std::string> launcher_command(const std::string& launcher, std::size_t ranks,
                                          const std::vector<HostSlots>& hosts,
                                          const std::vector<std::string>& program);

/// Whether a job that failed is worth another start.
class RestartPolicy {
 public:
  /// `first_delay` doubles with every failure that brought no progress, up to a minute.
  RestartPolicy(std::size_t max_restarts, std::chrono::duration<double> first_delay);

  /// After a failure at `step` (of the newest valid checkpoint; nothing is less than step 0). The pause
  /// before the next start; nothing if there shall be none, and reason() says why.
  std::optional<std::chrono::duration<double>> after_failure(std::optional<std::uint64_t> step);
  const std::string& reason() const { return reason_; }
  std::size_t restarts() const { return restarts_; }

 private:
  std::size_t max_restarts_;
  std::chrono::duration<double> first_delay_;
  std::size_t restarts_ = 0;
  std::size_t failures_at_step_ = 0;
  std::optional<std::uint64_t> last_step_;
  std::string reason_;
};

}  // namespace lockstep
