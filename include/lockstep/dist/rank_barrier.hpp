#pragma once

#include <atomic>
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
/// What orders memory: a rank's writes before the barrier are sequenced before its release store, which
/// synchronizes with the acquire load of every rank that sees the number; so they happen before everything
/// that these ranks do after the barrier. Nothing else is needed for plain reads and writes of shared memory,
/// as long as between two barriers no rank touches what another one writes. That is so between processes too:
/// the atomics are lock-free, hence free of addresses.
class RankBarrier {
 public:
  struct alignas(128) Line {  // two cache lines: CPUs fetch pairs of them
    std::atomic<std::uint64_t> words[2];
  };
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  /// `lines` (ranks) is shared by the ranks and zero.
  RankBarrier(Line* lines, std::size_t ranks, std::size_t rank) : lines_(lines), ranks_(ranks), rank_(rank) {}

  /// Waits for all ranks and returns the flags of all of them together.
  StepFlags wait(StepFlags mine = 0);

 private:
  Line* lines_;
  std::size_t ranks_;
  std::size_t rank_;
  std::uint32_t count_ = 0;
};

}  // namespace lockstep
