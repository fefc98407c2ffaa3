#include "lockstep/core/summation_tree.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "lockstep/core/instruction_set.hpp"

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
void add_to(T* __restrict sum, const T* __restrict term, std::size_t length) {
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < length; ++i) sum[i] += term[i];
  });
}

template <class T>
void add(const T* __restrict left, const T* __restrict right, T* __restrict sum, std::size_t length) {
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < length; ++i) sum[i] = left[i] + right[i];
  });
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
TreeChunks<T>::TreeChunks(std::vector<NodeSum<T>> parts, std::size_t largest_chunk)
    : parts_(std::move(parts)),
      largest_chunk_(largest_chunk),
      scratch_((tree_levels(parts_.empty() ? 0 : parts_.back().node.end) + 1) * largest_chunk) {}

template <class T>
const T* TreeChunks<T>::sum(Range node, Range elements) {
  const auto first =
      std::lower_bound(parts_.begin(), parts_.end(), node.begin,
                       [](const auto& part, std::size_t begin) { return part.node.begin < begin; });
  auto part = static_cast<std::size_t>(first - parts_.begin());
  return sum_from(node, elements, part, 0);
}

/// `part` walks over the parts. The result is a part's own vector or the scratch vector of this level.
template <class T>
const T* TreeChunks<T>::sum_from(Range node, Range elements, std::size_t& part, std::size_t level) {
  if (parts_[part].node == node) return parts_[part++].sum + elements.begin;
  const std::size_t split = tree_split(node);
  T* const sum = scratch_.data() + level * largest_chunk_;
  const T* const left = sum_from({node.begin, split}, elements, part, level);
  const T* const right = sum_from({split, node.end}, elements, part, level + 1);
  if (left == sum) {
    add_to(sum, right, elements.size());
  } else {
    add(left, right, sum, elements.size());
  }
  return sum;
}

template <class T>
TreeAccumulator<T>::TreeAccumulator(std::size_t terms, Range own, std::size_t length, T* node_sums)
    : length_(length),
      nodes_(tree_nodes_inside(terms, own)),
      next_(own.begin),
      own_(own),
      node_sums_(node_sums) {}

template <class T>
T* TreeAccumulator<T>::buffer(std::size_t i) {
  return i < nodes_.size() ? node_sum(i) : spare_[i - nodes_.size()].data();
}

template <class T>
T* TreeAccumulator<T>::next_term() {
  if (pending_.size() == nodes_.size() + spare_.size()) spare_.emplace_back(length_);
  return buffer(pending_.size());
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
    add_to(buffer(pending_.size() - 2), buffer(pending_.size() - 1), length_);
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

template float tree_sum<float>(std::span<const float>);
template double tree_sum<double>(std::span<const double>);
template std::int64_t tree_sum<std::int64_t>(std::span<const std::int64_t>);
template class TreeChunks<float>;
template class TreeChunks<double>;
template class TreeAccumulator<float>;
template class TreeAccumulator<double>;

}  // namespace lockstep
