#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/rank_barrier.hpp"
#include "lockstep/dist/rank_groups.hpp"
#include "lockstep/dist/recursive_halving.hpp"
#include "lockstep/nn/parameters.hpp"

/// How the ranks add up their gradients and share the updated weights. The flat parameter vector is cut into
/// one slice a rank; a rank adds up, updates and keeps optimizer state for its own slice.
namespace lockstep {

/// How gradients of different ranks are added.
enum class Reduction {
  reproducible,  // by the fixed tree over shards: the same bits for any number of ranks
  allreduce,     // by MPI_Allreduce, for comparison: the same bits for equal numbers of ranks only
};

inline constexpr StepFlags step_flag_non_finite = 2;

/// Cuts the layout's norm blocks into `parts` contiguous parts of about equal cost. Parts may be empty if
/// there are few blocks. layer_costs: (layers) of an element of each layer, in any unit; empty: all elements
/// cost the same.
std::vector<Range> slice_blocks(const ParameterLayout& layout, std::size_t parts,
                                std::span<const double> layer_costs = {});

/// What ranks that are all of one group share in place of sums of gradients: see GradientExchange::factors().
struct SharedFactors {
  std::size_t elements = 0;              // 0: they share sums
  std::vector<double> layer_costs = {};  // for slice_blocks: of an element of the gradient and its update
};

/// The weights and the exchange of one training step. Functions named collective are called by all ranks in
/// the same order. None allocates. T: float or double.
///
///   fill accumulator() with the gradients of own_shards(), ascending
///   share_sums; add up and update own_slice() of parameters() with slice_sum; share_slices
///
/// or, where factors() is not empty, leave there the factors of the own shards' gradients, in place of sums.
///
/// Ranks of a group (RankGroups: the ranks of a node) have one copy of the weights and see each other's sums
/// in their shared memory. Between groups, the ranks of a lane exchange messages: rank (group g, member m)
/// adds up its group's gradient for the slices of members m elsewhere, gets from them what it needs for its
/// own, and after the update they exchange their slices. A group sends and receives everything once. Between
/// many groups, if they and the shards are powers of two, small sums and weights travel in log₂ rounds
/// (RecursiveHalving).
template <class T>
class GradientExchange {
 public:
  /// Shard j of `shards` belongs to the rank whose block_partition(shards, ranks, rank) contains it. The
  /// communicator has to outlive the object. Where the rule says so and the groups and shards
  /// allow it, sums and weights travel by RecursiveHalving. Collective. Throws UserError for more ranks than
  /// shards and OverflowError for more than 2³¹ − 1 parameters, on all ranks alike, and AgreedError if the
  /// transport is not possible, a message would have more than 2³¹ − 1 elements or a rank has no memory for
  /// it. Ranks that are all of one group share `factors` in place of sums, if there are any.
  GradientExchange(const Communicator& communicator, const ParameterLayout& layout, std::size_t shards,
                   Reduction reduction, Transport transport = Transport::automatic,
                   HalvingRule halving_rule = {}, const SharedFactors& factors = {});
  GradientExchange(GradientExchange&&) noexcept = default;

  Range own_shards() const { return own_shards_; }
  /// Norm blocks of the own slice.
  Range own_blocks() const { return blocks_[rank_]; }
  /// Elements of the flat vector that this rank owns; may be empty.
  Range own_slice() const { return slices_[rank_]; }

  /// The flat vector (layout.size()), which starts as zeros. The ranks of a group have the same memory:
  /// between two collective functions only one of them may write an element, and none read it then.
  std::span<T> parameters() { return parameters_; }
  std::span<const T> parameters() const { return parameters_; }
  /// Copies of the weights in the job. Rank r has copy ⌊r / ranks_of_a_copy()⌋.
  std::size_t copies() const { return groups_.groups(); }
  std::size_t ranks_of_a_copy() const { return groups_.group_size(); }
  /// Whether this rank does what one rank of the group has to do.
  bool is_first_of_group() const { return member_ == 0; }
  /// This rank's part of `count` things that the ranks of a group share out among them.
  Range part_of(std::size_t count) const { return block_partition(count, groups_.group_size(), member_); }
  /// Makes what the ranks of a group wrote to parameters() visible to all of them. Collective.
  void synchronize() { barrier_.wait(); }

  /// Memory of all ranks in which they leave, before share_sums(), what each forms the gradient of its own
  /// slice from: then there is nothing to add up, and neither accumulator() nor slice_sum() may be used.
  /// Empty where ranks exchange sums.
  std::span<T> factors() { return factors_; }

  /// Takes the gradients (layout.size()) of the own shards.
  TreeAccumulator<T>& accumulator() { return accumulator_; }
  /// Makes the sums of all ranks available to slice_sum() and returns the flags of all ranks together.
  /// Collective. Afterwards the accumulator has to be reset, but not before share_slices().
  StepFlags share_sums(StepFlags mine);
  /// The sum over all shards of some elements (chunk_elements at most), counted from the begin of
  /// own_slice(). Valid until the next call.
  const T* slice_sum(Range elements) { return slice_sums_.sum({0, shards_}, elements); }
  /// Brings every rank's slice of parameters() to all ranks. Returns the flags of the ranks of the group
  /// together. Collective.
  StepFlags share_slices(StepFlags mine = 0);

  /// Brings every rank's own blocks' entries of `block_sums` (layout.blocks()) to all ranks, in place.
  /// Collective.
  void complete_block_sums(std::span<double> block_sums);

  /// Puts the slices of all ranks together in `full` (resized to layout.size()) on the root; elsewhere `full`
  /// stays as it is. Collective.
  void gather_to_root(std::span<const T> own_slice, std::vector<T>& full) const;
  /// The other way round: gives every rank its slice of the root's `full`. Collective.
  void scatter_from_root(std::span<const T> full, std::span<T> own_slice) const;

  /// "shared memory", "messages" or "shared memory and messages".
  std::string transport() const;
  /// On rank 0: why ranks of one node use messages although shared memory was wanted; empty if they do not.
  const std::string& fallback() const { return groups_.fallback; }

 private:
  void take_memory(const ParameterLayout& layout, std::size_t factor_elements);
  void plan_messages(HalvingRule halving_rule);
  std::vector<NodeSum<T>> parts_of_group() const;
  std::vector<NodeSum<T>> parts_of_slice() const;
  StepFlags exchange_sums(StepFlags flags_of_group);
  void pack(StepFlags flags_of_group);
  T* write_group_sum(Range node, Range elements, T* to);
  StepFlags reduce_by_allreduce(StepFlags mine);

  const Communicator* communicator_;
  std::size_t rank_;
  std::size_t ranks_;
  std::size_t shards_;
  Reduction reduction_;
  Range own_shards_;
  std::vector<Range> blocks_;  // of every rank
  std::vector<Range> slices_;  // of every rank
  RankGroups groups_;
  std::size_t group_, member_;

  // In the group's memory.
  RankBarrier barrier_;
  std::span<T> parameters_;
  std::span<T> factors_;
  std::span<double> block_sums_;  // (2, blocks); every other round uses the other half
  std::vector<T*> member_sums_;   // (members) the sums over each member's tree nodes
  TreeAccumulator<T> accumulator_;
  std::size_t block_sum_rounds_ = 0;

  std::vector<int> slice_counts_, slice_starts_;            // (ranks)
  std::vector<int> lane_slice_counts_, lane_slice_starts_;  // (groups)
  std::vector<int> lane_block_counts_, lane_block_starts_;  // (groups)

  // The message from group g to group h over a lane: for every maximal tree node of g its sum over the slice
  // of h's member, then the flags of g.
  std::vector<int> send_counts_, send_starts_;        // (groups)
  std::vector<int> receive_counts_, receive_starts_;  // (groups)
  std::vector<T> send_, receive_;
  std::optional<RecursiveHalving<T>> halving_;  // in place of these messages, between many groups
  std::vector<Range> own_group_nodes_;
  TreeChunks<T> group_sums_;  // elements counted in the flat vector
  TreeChunks<T> slice_sums_;  // elements counted from the begin of the own slice
};

}  // namespace lockstep
