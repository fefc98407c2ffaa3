#include "lockstep/dist/rank_barrier.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <climits>

#include "launch_settings.hpp"

namespace lockstep {
namespace {

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Where the kernel finds a word's number. Not FUTEX_PRIVATE, as std::atomic::wait is: other processes wait
/// too.
std::uint32_t* number_of(std::atomic<std::uint64_t>& word) {
  static_assert(std::endian::native == std::endian::little);
  return reinterpret_cast<std::uint32_t*>(&word) + 1;
}

bool has_number(std::uint64_t word, std::uint32_t number) {
  return static_cast<std::uint32_t>(word >> 32) == number;
}

/// Sleeps until the word carries this number. Counted as a sleeper before the word is looked at, while the
/// other side writes the word before it looks for sleepers, all in one total order (seq_cst): one of the two
/// sees the other. The kernel looks at the number once more before it puts the thread to sleep.
void sleep_until(RankBarrier::Line& line, std::atomic<std::uint64_t>& word, std::uint32_t number) {
  line.sleepers.fetch_add(1);
  for (std::uint64_t found = word.load(); !has_number(found, number); found = word.load()) {
    syscall(SYS_futex, number_of(word), FUTEX_WAIT, static_cast<std::uint32_t>(found >> 32), nullptr, nullptr,
            0);
  }
  line.sleepers.fetch_sub(1);
}

}  // namespace

RankBarrier::RankBarrier(Line* lines, std::size_t ranks, std::size_t rank)
    : lines_(lines), ranks_(ranks), rank_(rank), patience_(ranks_exceed_cores(ranks) ? 0 : 2) {}

StepFlags RankBarrier::wait(StepFlags mine) {
  if (ranks_ == 1) return mine;
  ++count_;
  const std::size_t parity = count_ % 2;
  arrive(lines_[rank_], lines_[rank_].words[parity], mine);
  StepFlags all = mine;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank != rank_) all |= await(lines_[rank], lines_[rank].words[parity]);
  }
  return all;
}

void RankBarrier::arrive(Line& line, std::atomic<std::uint64_t>& word, StepFlags mine) const {
  word.store(std::uint64_t{count_} << 32 | mine);
  if (line.sleepers.load() != 0) {
    syscall(SYS_futex, number_of(word), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
}

StepFlags RankBarrier::await(Line& line, std::atomic<std::uint64_t>& word) const {
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int look = 0; look < 100; ++look) {
      const std::uint64_t found = word.load(std::memory_order_acquire);
      if (has_number(found, count_)) return static_cast<StepFlags>(found);
      relax();
    }
  } while (std::chrono::steady_clock::now() - begin < patience_);
  sleep_until(line, word, count_);
  return static_cast<StepFlags>(word.load(std::memory_order_acquire));
}

}  // namespace lockstep
