#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/environment.hpp"
#include "lockstep/dist/progress_board.hpp"

namespace lockstep {

/// What a watchdog takes for one.
enum class Stall {
  no_progress,  // no rank of this node gets further; for ranks that meet again and again
  silent_rank,  // a process of this node is stopped; for ranks that may work as long as they like
};

/// A thread that ends the whole job with status 1 when it stalls for some time: a rank is stopped or hangs, a
/// host is cut off. Before, one rank of each node prints who does not respond or is behind, and where the
/// others stand.
class Watchdog {
 public:
  /// Not collective. Both have to outlive the object. No thread is started for a timeout of 0.
  Watchdog(const Communicator& world, ProgressBoard& board, double timeout_seconds, Stall stall);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch();
  bool sleeps_for(double seconds);

  const Communicator& world_;
  ProgressBoard& board_;
  double timeout_seconds_;
  Stall stall_;
  std::mutex mutex_;
  std::condition_variable ended_changes_;
  bool ended_ = false;
  std::thread thread_;
};

/// work(board) under a watchdog. Collective; an AgreedError passes after the board was given back, which no
/// rank could do while an exception passes.
template <class F>
auto watched(const Communicator& world, double timeout_seconds, Stall stall, F&& work) {
  std::optional<ProgressBoard> board(std::in_place, world);
  std::optional<AgreedError> failure;
  std::optional<std::invoke_result_t<F, ProgressBoard&>> result;
  try {
    const Watchdog watchdog(world, *board, timeout_seconds, stall);
    ranks_have_started();
    result.emplace(work(*board));
  } catch (const AgreedError& error) {
    failure = error;
  }
  board.reset();
  if (failure) throw AgreedError(*failure);
  return std::move(*result);
}

}  // namespace lockstep
