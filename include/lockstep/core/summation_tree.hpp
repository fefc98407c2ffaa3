#pragma once

#include <bit>
#include <cstddef>
#include <span>
#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/partition.hpp"

/// The fixed summation tree. sum(begin, end) of one term is the term itself; otherwise it is
/// sum(begin, split) + sum(split, end), split = begin + the largest power of two below the number of terms.
/// The tree depends on the number of terms alone, so a sum has the same bits however the terms are spread
/// over ranks.
namespace lockstep {

/// Where sum(begin, end) splits. Requires at least two terms.
inline std::size_t tree_split(Range range) {
  return range.begin + std::bit_floor(range.size() - 1);
}

/// Adds up terms in the order of the tree, taking them in ascending order. take(term, level, additions) adds
/// to the term what waits in the buffers level − 1, level − 2 … (`additions` of them) and leaves the sum in
/// buffer level − additions. In the end buffer 0 holds the sum. There are tree_levels(terms) buffers.
///
/// As in a binary counter, what waits after t terms are the sums that belong to the set bits of t.
template <class Take>
[[gnu::always_inline]] inline void sum_in_tree_order(std::size_t terms, const Take& take) {
  for (std::size_t term = 0; term < terms; ++term) {
    const auto level = static_cast<std::size_t>(std::popcount(term));
    const auto carries = static_cast<std::size_t>(std::countr_one(term));
    take(term, level, term + 1 == terms ? level : carries);
  }
}
inline std::size_t tree_levels(std::size_t terms) {
  return static_cast<std::size_t>(std::bit_width(terms));
}

/// Cuts a node of the tree into nodes for which fits(node), as large as possible; single terms always fit.
template <class Fits>
void cut_node(Range node, const Fits& fits, std::vector<Range>& parts) {
  if (node.size() == 1 || fits(node)) return parts.push_back(node);
  const std::size_t split = tree_split(node);
  cut_node({node.begin, split}, fits, parts);
  cut_node({split, node.end}, fits, parts);
}

/// The maximal nodes of the tree over [0, terms) that lie inside `own`, ascending. They cover `own`.
std::vector<Range> tree_nodes_inside(std::size_t terms, Range own);

/// The sum of `terms` in tree order; 0 for none.
template <class T>
T tree_sum(std::span<const T> terms);

/// A vector that is the sum over one node of the tree.
template <class T>
struct NodeSum {
  Range node;
  const T* sum;
};

/// Adds up vectors that are given as sums over neighbouring nodes of the tree to the sum over a larger node,
/// a few elements at a time: what has to be kept of a sum stays in the first-level cache.
template <class T>
class TreeChunks {
 public:
  TreeChunks() = default;
  /// `parts` in ascending order. Their vectors may change between calls of sum().
  TreeChunks(std::vector<NodeSum<T>> parts, std::size_t largest_chunk);

  /// The sum over `node`, which parts make up, of these elements (largest_chunk at most). Valid until the
  /// next call and while the parts are.
  const T* sum(Range node, Range elements);

 private:
  const T* sum_from(Range node, Range elements, std::size_t& part, std::size_t level);

  std::vector<NodeSum<T>> parts_;
  std::size_t largest_chunk_ = 0;
  AlignedVector<T> scratch_;  // (levels, largest_chunk)
};

/// Forms the sums of a rank's own maximal tree nodes from terms that come in ascending order.
///
///   for each own shard: fill(accumulator.next_term()); accumulator.add_term();
///   then node_sum(i) is the sum over nodes()[i].
///
/// Instead of single terms it also takes sums over whole nodes of the tree.
template <class T>
class TreeAccumulator {
 public:
  /// For the terms `own` of a tree over `terms`; each term is a vector of `length` elements. The sums of
  /// nodes() are formed in `node_sums` (nodes, length), which has to outlive the object.
  TreeAccumulator(std::size_t terms, Range own, std::size_t length, T* node_sums);

  /// The buffer (length) for the next term; its content is undefined.
  T* next_term();
  /// Takes the buffer of next_term() as the sum of the next `terms` terms, which have to be a node of the
  /// tree, and adds up what is complete.
  void add_term(std::size_t terms = 1);
  /// Starts over with the first own term.
  void reset();

  const std::vector<Range>& nodes() const { return nodes_; }
  /// The sum over nodes()[i]; valid after the last own term.
  T* node_sum(std::size_t i) { return node_sums_ + i * length_; }

 private:
  T* buffer(std::size_t i);
  /// Whether `node` is a node of the tree inside one of the own nodes.
  bool is_complete(Range node) const;

  std::size_t length_;
  std::vector<Range> nodes_;
  std::vector<Range> pending_;  // complete subtrees, one buffer each
  std::size_t next_;            // the next term
  Range own_;
  T* node_sums_;                         // (nodes, length)
  std::vector<AlignedVector<T>> spare_;  // pending_[i] lives in buffer(i): in node_sums, then in these
};

}  // namespace lockstep
