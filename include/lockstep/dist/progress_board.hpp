#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/shared_memory.hpp"

namespace lockstep {

/// What a rank does between two steps and in one, in the order in which it comes; and in a sweep.
enum class Phase : std::uint8_t {
  opening,
  reading_data,
  drawing_weights,
  starting,
  evaluating,
  waiting_for_evaluation,
  writing_checkpoint,
  waiting_for_checkpoint,
  computing,
  adding_gradients,
  updating,
  sharing_weights,
  asking_root,
  between_trials,
  running_trials,
  waiting_for_trials,
};

/// Where the ranks of a node stand, in memory that they share, for a watchdog to look at. To say where one
/// stands is a relaxed load and store.
class ProgressBoard {
 public:
  /// Collective. Where a node has no memory to share, its ranks see only themselves.
  explicit ProgressBoard(const Communicator& world);

  /// `step`: finished ones. Whoever comes by the same place again has got further, too.
  void reach(std::uint64_t step, Phase phase) {
    const std::uint64_t beats = line().place.load(std::memory_order_relaxed) + 1;
    line().place.store(step << phase_bits << beat_bits | static_cast<std::uint64_t>(phase) << beat_bits |
                           (beats & beat_mask),
                       std::memory_order_relaxed);
  }
  /// In a long phase: it goes on.
  void beat() {
    line().place.store(after_beat(line().place.load(std::memory_order_relaxed)), std::memory_order_relaxed);
    if (on_beat_) on_beat_();
  }
  /// To be called at every beat().
  void on_beat(std::function<void()> call) { on_beat_ = std::move(call); }

  /// The same, for another thread than the one that says where this rank stands: a beat if it is in `phase`,
  /// which takes long and needs nobody else.
  void beat_in(Phase phase) {
    std::uint64_t before = line().place.load(std::memory_order_relaxed);
    if (phase_of(before >> beat_bits) != phase) return;
    line().place.compare_exchange_strong(before, after_beat(before), std::memory_order_relaxed);
  }

  /// Whether all ranks that are seen here are in `phase`.
  bool everyone_in(Phase phase) const;
  /// Every line; two equal results mean that nobody got further between them.
  std::vector<std::uint64_t> places() const;
  /// "behind: rank 2, computing step 12; ranks 0, 1, 3, adding up the gradients of step 13".
  std::string description() const;
  /// Those that are not seen here: "rank 2 on b; ranks 3, 4 on c"; of many hosts the first few.
  const std::string& ranks_elsewhere() const { return ranks_elsewhere_; }

  /// Every rank's watchdog shows that its process lives, whatever its main thread waits for.
  void pulse() { line().pulse.fetch_add(1, std::memory_order_relaxed); }
  std::vector<std::uint64_t> pulses() const;
  /// In the job, of each line.
  const std::vector<std::int32_t>& ranks() const { return ranks_; }
  /// True for the first who asks on this node; again once that one has ended its report.
  bool claim_report();
  void end_report();

 private:
  struct alignas(128) Line {
    std::atomic<std::uint64_t> place;
    std::atomic<std::uint64_t> pulse;
    std::atomic<std::uint32_t> report_claimed;  // used in the first line
  };
  static constexpr int beat_bits = 16, phase_bits = 8;
  static constexpr std::uint64_t beat_mask = (1U << beat_bits) - 1;
  /// `place` without its beats.
  static Phase phase_of(std::uint64_t place) { return static_cast<Phase>(place & ((1U << phase_bits) - 1)); }

  static std::uint64_t after_beat(std::uint64_t place) {
    return (place & ~beat_mask) | ((place + 1) & beat_mask);
  }

  Line& line() { return lines_[own_]; }

  Communicator group_;  // the ranks of the node, or of no one else
  SharedMemory memory_;
  Line* lines_;
  std::size_t own_;
  std::vector<std::int32_t> ranks_;
  std::string ranks_elsewhere_;
  std::function<void()> on_beat_;
};

}  // namespace lockstep
