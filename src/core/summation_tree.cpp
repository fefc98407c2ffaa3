#include "lockstep/core/summation_tree.hpp"

#include <cstdint>

namespace lockstep {
namespace {

void collect_nodes(Range node, Range own, std::vector<Range>& nodes) {
  if (node.end <= own.begin || own.end <= node.begin) return;
  if (own.begin <= node.begin && node.end <= own.end) {
    nodes.push_back(node);
    return;
  }
  const std::size_t split = tree_split(node);
  collect_nodes({node.begin, split}, own, nodes);
  collect_nodes({split, node.end}, own, nodes);
}

template <class T>
T sum_of(std::span<const T> terms, Range node) {
  if (node.size() == 1) return terms[node.begin];
  const std::size_t split = tree_split(node);
  return sum_of(terms, {node.begin, split}) + sum_of(terms, {split, node.end});
}

template <class T>
void add_to(T* sum, const T* term, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) sum[i] += term[i];
}

/// Leaves the sum over `node` where the first of its given nodes was; `next` walks over the given nodes.
template <class T>
T* finish_node(Range node, std::span<const Range> nodes, std::span<T* const> node_sums, std::size_t length,
               std::size_t& next) {
  if (nodes[next] == node) return node_sums[next++];
  const std::size_t split = tree_split(node);
  T* const left = finish_node({node.begin, split}, nodes, node_sums, length, next);
  const T* const right = finish_node({split, node.end}, nodes, node_sums, length, next);
  add_to(left, right, length);
  return left;
}

}  // namespace

std::vector<Range> tree_nodes_inside(std::size_t terms, Range own) {
  std::vector<Range> nodes;
  if (!own.empty()) collect_nodes({0, terms}, own, nodes);
  return nodes;
}

template <class T>
T tree_sum(std::span<const T> terms) {
  return terms.empty() ? T{} : sum_of(terms, {0, terms.size()});
}

template <class T>
void finish_tree(std::size_t terms, std::span<const Range> nodes, std::span<T* const> node_sums,
                 std::size_t length) {
  std::size_t next = 0;
  finish_node({0, terms}, nodes, node_sums, length, next);
}

template <class T>
TreeAccumulator<T>::TreeAccumulator(std::size_t terms, Range own, std::size_t length)
    : length_(length), nodes_(tree_nodes_inside(terms, own)), next_(own.begin), own_(own) {}

template <class T>
T* TreeAccumulator<T>::next_term() {
  if (buffers_.size() == pending_.size()) buffers_.emplace_back(length_);
  return buffers_[pending_.size()].data();
}

template <class T>
void TreeAccumulator<T>::add_term(std::size_t terms) {
  pending_.push_back({next_, next_ + terms});
  next_ += terms;
  // Two neighbours are added as soon as together they are a node inside one of the own nodes. Both are nodes
  // themselves, so they can only be its halves.
  while (pending_.size() >= 2) {
    const Range left = pending_[pending_.size() - 2];
    const Range right = pending_.back();
    const Range both{left.begin, right.end};
    if (!is_complete(both)) return;
    add_to(buffers_[pending_.size() - 2].data(), buffers_[pending_.size() - 1].data(), length_);
    pending_.pop_back();
    pending_.back() = both;
  }
}

template <class T>
bool TreeAccumulator<T>::is_complete(Range node) const {
  for (Range inside : nodes_) {
    if (node.begin < inside.begin || inside.end < node.end) continue;
    while (inside != node && inside.size() > 1) {
      const std::size_t split = tree_split(inside);
      inside = node.end <= split ? Range{inside.begin, split} : Range{split, inside.end};
      if (node.begin < inside.begin) return false;
    }
    return inside == node;
  }
  return false;
}

template <class T>
void TreeAccumulator<T>::reset() {
  pending_.clear();
  next_ = own_.begin;
}

template <class T>
T* TreeAccumulator<T>::node_sum(std::size_t i) {
  return buffers_[i].data();
}

template float tree_sum<float>(std::span<const float>);
template double tree_sum<double>(std::span<const double>);
template std::int64_t tree_sum<std::int64_t>(std::span<const std::int64_t>);
template void finish_tree<float>(std::size_t, std::span<const Range>, std::span<float* const>, std::size_t);
template void finish_tree<double>(std::size_t, std::span<const Range>, std::span<double* const>, std::size_t);
template class TreeAccumulator<float>;
template class TreeAccumulator<double>;

}  // namespace lockstep
