#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/nn/parameters.hpp"

/// How the ranks add up their gradients and share the updated weights. The flat parameter vector is cut into
/// one slice a rank; a rank adds up, updates and keeps optimizer state for its own slice.
namespace lockstep {

/// How gradients of different ranks are added.
enum class Reduction {
  reproducible,  // by the fixed tree over shards: the same bits for any number of ranks
  allreduce,     // by MPI_Allreduce, for comparison: the same bits for equal numbers of ranks only
};

/// Bits that ranks tell each other with the gradients, without an extra message.
using StepFlags = std::uint32_t;
inline constexpr StepFlags step_flag_stop_requested = 1;
inline constexpr StepFlags step_flag_non_finite = 2;

/// Cuts the layout's norm blocks into `parts` contiguous parts of about equal numbers of elements and returns
/// the blocks of part `index`. Parts may be empty if there are few blocks.
Range slice_blocks(const ParameterLayout& layout, std::size_t parts, std::size_t index);

/// The exchange of one training step, by messages. Functions named collective are called by all ranks in the
/// same order. None allocates. T: float or double.
///
///   fill accumulator() with the gradients of own_shards(), ascending
///   reduce → sums of own_slice(); update the slice; all_gather
template <class T>
class GradientExchange {
 public:
  /// Shard j of `shards` belongs to the rank whose block_partition(shards, ranks, rank) contains it. The
  /// communicator has to outlive the object. Throws UserError for more ranks than shards and OverflowError if
  /// a message would have more than 2³¹ − 1 elements, on all ranks alike.
  GradientExchange(const Communicator& communicator, const ParameterLayout& layout, std::size_t shards,
                   Reduction reduction);
  GradientExchange(GradientExchange&&) noexcept = default;

  Range own_shards() const { return own_shards_; }
  /// Norm blocks of the own slice.
  Range own_blocks() const { return blocks_[rank_]; }
  /// Elements of the flat vector that this rank owns; may be empty.
  Range own_slice() const { return slices_[rank_]; }
  /// Takes the gradients (layout.size()) of the own shards.
  TreeAccumulator<T>& accumulator() { return accumulator_; }

  /// Writes the sum over all shards of own_slice() to `slice_sum` (own_slice().size()) and returns the flags
  /// of all ranks together. Collective. Afterwards the accumulator has to be reset.
  StepFlags reduce(StepFlags mine, std::span<T> slice_sum);

  /// Brings every rank's slice of the flat vector (layout.size()) to all ranks, in place. Collective.
  void all_gather(std::span<T> parameters);

  /// Brings every rank's own blocks' entries of `block_sums` (layout.blocks()) to all ranks, in place.
  /// Collective.
  void complete_block_sums(std::span<double> block_sums);

  /// Puts the slices of all ranks together in `full` (resized to layout.size()) on the root; elsewhere `full`
  /// stays as it is. Collective.
  void gather_to_root(std::span<const T> own_slice, std::vector<T>& full);

 private:
  void plan_messages();
  void pack(StepFlags mine);
  StepFlags unpack(StepFlags mine);
  StepFlags reduce_by_tree(StepFlags mine, std::span<T> slice_sum);
  StepFlags reduce_by_allreduce(StepFlags mine, std::span<T> slice_sum);

  const Communicator* communicator_;
  std::size_t rank_;
  std::size_t ranks_;
  std::size_t shards_;
  Reduction reduction_;
  Range own_shards_;
  std::vector<Range> blocks_;  // of every rank
  std::vector<Range> slices_;  // of every rank
  TreeAccumulator<T> accumulator_;

  std::vector<int> slice_counts_, slice_starts_;  // (ranks)
  std::vector<int> block_counts_, block_starts_;  // (ranks)

  // The message from rank r to rank q: for every maximal tree node of r its sum over q's slice, then r's
  // flags.
  std::vector<int> send_counts_, send_starts_;        // (ranks)
  std::vector<int> receive_counts_, receive_starts_;  // (ranks)
  std::vector<T> send_, receive_;
  std::vector<Range> nodes_;        // maximal tree nodes of all ranks, ascending
  std::vector<T*> node_sums_;       // (nodes) their sums over the own slice; own ones are set in every step
  std::size_t first_own_node_ = 0;  // of nodes_
};

}  // namespace lockstep
