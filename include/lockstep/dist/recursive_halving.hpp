#pragma once

#include <mpi.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/rank_barrier.hpp"

namespace lockstep {

/// When log₂ rounds take the place of a message to every other rank. Either way a rank sends (1 − 1/ranks) of
/// the vector; rounds save messages, and cost passes over memory. docs/scaling.md derives the numbers.
struct HalvingRule {
  std::size_t least_ranks = 8;
  std::size_t most_slice_bytes = 65536;  // the mean length of a direct message
};

/// The reduce-scatter by recursive halving with distance doubling (Thakur, Rabenseifner & Gropp 2005): in
/// round r, ranks 2ʳ apart give each other the half of their sums that the other keeps. For a power of two of
/// ranks, neighbours first, these are just the sums of the summation tree. T: float or double.
template <class T>
class RecursiveHalving {
 public:
  /// `slices`: what each rank keeps in the end; ascending, next to each other or not. The communicator has to
  /// have a power of two of ranks, and its handle to outlive the object. Throws OverflowError if MPI cannot
  /// count the elements of a message.
  RecursiveHalving(const Communicator& communicator, const std::vector<Range>& slices);

  /// Adds up over all ranks: write(elements, to) writes this rank's terms of a slice, own_sum() is the sum
  /// over the own slice afterwards. Returns the flags of all ranks together. Collective.
  StepFlags reduce(StepFlags mine, const std::function<void(Range elements, T* to)>& write);
  const T* own_sum() const { return sums_.data() + starts_[position_]; }

  /// The way back, by recursive doubling: brings every rank's slice of `vector`, in which slices count, to
  /// all ranks. own_sum() is not valid afterwards. Collective.
  void gather(T* vector);

 private:
  /// One round: the sums of all positions of `from` but those of `kept` go to `partner`.
  StepFlags exchange_half(std::size_t partner, Range sent, Range kept, StepFlags flags);
  std::span<T> sums_at(Range positions) {
    return {sums_.data() + starts_[positions.begin], starts_[positions.end] - starts_[positions.begin]};
  }

  MPI_Comm communicator_;
  std::size_t rank_;
  // Slices stand in the order of their bit-reversed numbers, in which every half is contiguous. Each is
  // followed by an element that carries flags where the message ends there.
  std::vector<Range> slices_;        // (ranks) by position
  std::vector<std::size_t> starts_;  // (ranks + 1) by position, in sums_
  std::size_t position_ = 0;         // of the own slice
  std::vector<T> sums_, received_;
};

}  // namespace lockstep
