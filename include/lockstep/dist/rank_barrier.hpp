#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lockstep {

/// Bits that ranks tell each other with the gradients, without an extra message.
using StepFlags = std::uint32_t;

/// A barrier of the ranks that share memory, which carries flags.
///
/// Every rank has a line of its own that it alone writes: at its n-th barrier the number n and its flags, as
/// one word. A rank passes when it has seen n in every line. Even and odd barriers use different words of the
/// line: a rank can be one barrier ahead of another that still reads (it then writes the other word), but not
/// two, since the next barrier needs the slow one.
///
/// Ranks with a core each meet within microseconds, so they look for some milliseconds before they sleep
/// (futex): waking takes long, and where ranks are not bound to cores, those that always sleep and wake by
/// turns can stay on the same core. Where there are more ranks than cores they look once and sleep: the one
/// that is waited for may need the core.
///
/// What orders memory: a rank's writes before the barrier are sequenced before its store (a release), which
/// synchronizes with the acquire load of every rank that sees the number; so they happen before everything
/// that these ranks do after the barrier. Nothing else is needed for plain reads and writes of shared memory,
/// as long as between two barriers no rank touches what another one writes. That is so between processes too:
/// the atomics are lock-free, hence free of addresses.
class RankBarrier {
 public:
  struct alignas(128) Line {  // two cache lines: CPUs fetch pairs of them
    std::atomic<std::uint64_t> words[2];
    std::atomic<std::uint32_t> sleepers;  // ranks that gave up their core until this one arrives
  };
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  /// `lines` (ranks) is shared by the ranks and zero.
  RankBarrier(Line* lines, std::size_t ranks, std::size_t rank);

  /// Waits for all ranks and returns the flags of all of them together.
  StepFlags wait(StepFlags mine = 0);

 private:
  void arrive(Line& line, std::atomic<std::uint64_t>& word, StepFlags mine) const;
  StepFlags await(Line& line, std::atomic<std::uint64_t>& word) const;

  Line* lines_;
  std::size_t ranks_;
  std::size_t rank_;
  std::chrono::milliseconds patience_;  // how long a rank looks before it goes to sleep
  std::uint32_t count_ = 0;
};

}  // namespace lockstep
