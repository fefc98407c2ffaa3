#include "lockstep/dist/rank_barrier.hpp"

#include <sched.h>

namespace lockstep {
namespace {

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until the word carries this number and returns its flags. Ranks on cores of their own meet within
/// microseconds; where ranks share cores, the one that is waited for may need this one's.
StepFlags await(const std::atomic<std::uint64_t>& word, std::uint32_t number) {
  constexpr int spins = 200;
  for (int spin = 0;; ++spin) {
    const std::uint64_t found = word.load(std::memory_order_acquire);
    if (static_cast<std::uint32_t>(found >> 32) == number) return static_cast<StepFlags>(found);
    if (spin < spins) {
      relax();
    } else {
      sched_yield();
    }
  }
}

}  // namespace

StepFlags RankBarrier::wait(StepFlags mine) {
  if (ranks_ == 1) return mine;
  ++count_;
  const std::size_t word = count_ % 2;
  lines_[rank_].words[word].store(std::uint64_t{count_} << 32 | mine, std::memory_order_release);
  StepFlags all = mine;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank != rank_) all |= await(lines_[rank].words[word], count_);
  }
  return all;
}

}  // namespace lockstep
