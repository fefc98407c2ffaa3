#pragma once

#include <bit>
#include <cstddef>
#include <span>
#include <vector>

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

/// The maximal nodes of the tree over [0, terms) that lie inside `own`, ascending. They cover `own`.
std::vector<Range> tree_nodes_inside(std::size_t terms, Range own);

/// The sum of `terms` in tree order; 0 for none.
template <class T>
T tree_sum(std::span<const T> terms);

/// Element-wise tree sum of vectors that come as maximal nodes: `nodes` cover [0, terms) and node_sums[i]
/// points to the `length` elements of the sum over nodes[i]. The result replaces node_sums[0]'s elements; the
/// others are scratch.
template <class T>
void finish_tree(std::size_t terms, std::span<const Range> nodes, std::span<T* const> node_sums,
                 std::size_t length);

/// Forms the sums of a rank's own maximal tree nodes from terms that come in ascending order.
///
///   for each own shard: fill(accumulator.next_term()); accumulator.add_term();
///   then node_sum(i) is the sum over nodes()[i].
template <class T>
class TreeAccumulator {
 public:
  /// For the terms `own` of a tree over `terms`; each term is a vector of `length` elements.
  TreeAccumulator(std::size_t terms, Range own, std::size_t length);

  /// The buffer (length) for the next term; its content is undefined.
  T* next_term();
  /// Takes the buffer of next_term() as the next term and adds up what is complete.
  void add_term();
  /// Starts over with the first own term.
  void reset();

  const std::vector<Range>& nodes() const { return nodes_; }
  /// The sum over nodes()[i]; valid after the last own term.
  T* node_sum(std::size_t i);

 private:
  /// Whether `node` is a node of the tree inside one of the own nodes.
  bool is_complete(Range node) const;

  std::size_t length_;
  std::vector<Range> nodes_;
  std::vector<Range> pending_;  // complete subtrees, one buffer each
  std::size_t next_;            // the next term
  Range own_;
  std::vector<std::vector<T>> buffers_;  // pending_[i] lives in buffers_[i]
};

}  // namespace lockstep
