#include "lockstep/dist/gradient_exchange.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "mpi_type.hpp"

namespace lockstep {
namespace {

Range own_part(std::size_t shards, std::size_t ranks, std::size_t rank) {
  if (ranks > shards) {
    throw UserError("--shards: " + std::to_string(shards) + " shards are too few for " +
                    std::to_string(ranks) + " ranks; every rank needs at least one");
  }
  return block_partition(shards, ranks, rank);
}

/// The block boundary nearest to `element`.
std::size_t nearest_boundary(const std::vector<std::size_t>& starts, std::size_t element) {
  const auto above = std::lower_bound(starts.begin(), starts.end(), element);
  const auto index = static_cast<std::size_t>(above - starts.begin());
  if (index == 0) return 0;
  return *above - element < element - *(above - 1) ? index : index - 1;
}

void set_parts(const std::vector<Range>& ranges, std::vector<int>& counts, std::vector<int>& starts) {
  for (const Range& range : ranges) {
    counts.push_back(checked_cast<int>(range.size(), "a slice's length"));
    starts.push_back(checked_cast<int>(range.begin, "the number of parameters"));
  }
}

/// Throws OverflowError if any rank's send or receive buffer is too long for MPI. Looks at all ranks'
/// buffers, so that all ranks throw alike.
void check_buffer_lengths(const std::vector<Range>& slices, const std::vector<std::size_t>& node_counts,
                          std::size_t all_nodes) {
  const std::size_t parameters = slices.back().end;
  const std::size_t ranks = slices.size();
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    checked_cast<int>(checked_product(node_counts[rank], parameters) + ranks,
                      "the number of exchanged elements");
    checked_cast<int>(checked_product(all_nodes, slices[rank].size()) + ranks,
                      "the number of exchanged elements");
  }
}

/// Starts of messages of the given lengths that follow one another. Returns their total length.
std::size_t set_starts(const std::vector<int>& counts, std::vector<int>& starts) {
  int end = 0;
  for (const int count : counts) {
    starts.push_back(end);
    end += count;
  }
  return static_cast<std::size_t>(end);
}

/// Flags travel as the bits of one element.
template <class T>
void write_flags(StepFlags flags, T* element) {
  static_assert(sizeof(T) >= sizeof flags);
  std::memcpy(element, &flags, sizeof flags);
}

template <class T>
StepFlags read_flags(const T* element) {
  StepFlags flags = 0;
  std::memcpy(&flags, element, sizeof flags);
  return flags;
}

}  // namespace

Range slice_blocks(const ParameterLayout& layout, std::size_t parts, std::size_t index) {
  const auto boundary = [&](std::size_t part) {
    return nearest_boundary(layout.block_starts(),
                            layout.size() / parts * part + layout.size() % parts * part / parts);
  };
  return {boundary(index), boundary(index + 1)};
}

template <class T>
GradientExchange<T>::GradientExchange(const Communicator& communicator, const ParameterLayout& layout,
                                      std::size_t shards, Reduction reduction)
    : communicator_(&communicator),
      rank_(static_cast<std::size_t>(communicator.rank())),
      ranks_(static_cast<std::size_t>(communicator.size())),
      shards_(shards),
      reduction_(reduction),
      own_shards_(own_part(shards, ranks_, rank_)),
      accumulator_(shards, own_shards_, layout.size()) {
  checked_cast<int>(layout.size(), "the number of parameters");
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    const Range blocks = slice_blocks(layout, ranks_, rank);
    blocks_.push_back(blocks);
    slices_.push_back({layout.block_starts()[blocks.begin], layout.block_starts()[blocks.end]});
  }
  set_parts(slices_, slice_counts_, slice_starts_);
  set_parts(blocks_, block_counts_, block_starts_);
  if (ranks_ > 1 && reduction == Reduction::reproducible) plan_messages();
}

template <class T>
void GradientExchange<T>::plan_messages() {
  std::vector<std::size_t> node_counts;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == rank_) first_own_node_ = nodes_.size();
    const std::vector<Range> nodes = tree_nodes_inside(shards_, block_partition(shards_, ranks_, rank));
    node_counts.push_back(nodes.size());
    nodes_.insert(nodes_.end(), nodes.begin(), nodes.end());
  }
  check_buffer_lengths(slices_, node_counts, nodes_.size());

  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    const bool self = rank == rank_;  // the own sums stay in the accumulator
    const std::size_t send_count = node_counts[rank_] * slices_[rank].size() + 1;
    const std::size_t receive_count = node_counts[rank] * own_slice().size() + 1;
    send_counts_.push_back(self ? 0 : static_cast<int>(send_count));
    receive_counts_.push_back(self ? 0 : static_cast<int>(receive_count));
  }
  send_.resize(set_starts(send_counts_, send_starts_));
  receive_.resize(set_starts(receive_counts_, receive_starts_));

  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    for (std::size_t node = 0; node < node_counts[rank]; ++node) {
      T* const message = receive_.data() + receive_starts_[rank];
      node_sums_.push_back(rank == rank_ ? nullptr : message + node * own_slice().size());
    }
  }
}

template <class T>
StepFlags GradientExchange<T>::reduce(StepFlags mine, std::span<T> slice_sum) {
  if (ranks_ == 1) {
    std::copy_n(accumulator_.node_sum(0), slice_sum.size(), slice_sum.begin());
    return mine;
  }
  return reduction_ == Reduction::reproducible ? reduce_by_tree(mine, slice_sum)
                                               : reduce_by_allreduce(mine, slice_sum);
}

template <class T>
StepFlags GradientExchange<T>::reduce_by_tree(StepFlags mine, std::span<T> slice_sum) {
  pack(mine);
  check_mpi(
      MPI_Alltoallv(send_.data(), send_counts_.data(), send_starts_.data(), mpi_type<T>(), receive_.data(),
                    receive_counts_.data(), receive_starts_.data(), mpi_type<T>(), communicator_->handle()),
      "MPI_Alltoallv");
  const StepFlags all = unpack(mine);
  if (slice_sum.empty()) return all;
  finish_tree<T>(shards_, nodes_, node_sums_, slice_sum.size());
  std::copy_n(node_sums_.front(), slice_sum.size(), slice_sum.begin());
  return all;
}

template <class T>
void GradientExchange<T>::pack(StepFlags mine) {
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank == rank_) continue;
    T* message = send_.data() + send_starts_[rank];
    for (std::size_t node = 0; node < accumulator_.nodes().size(); ++node) {
      message = std::copy_n(accumulator_.node_sum(node) + slices_[rank].begin, slices_[rank].size(), message);
    }
    write_flags(mine, message);
  }
}

template <class T>
StepFlags GradientExchange<T>::unpack(StepFlags mine) {
  for (std::size_t node = 0; node < accumulator_.nodes().size(); ++node) {
    node_sums_[first_own_node_ + node] = accumulator_.node_sum(node) + own_slice().begin;
  }
  StepFlags all = mine;
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    if (rank != rank_) all |= read_flags(receive_.data() + receive_starts_[rank] + receive_counts_[rank] - 1);
  }
  return all;
}

template <class T>
StepFlags GradientExchange<T>::reduce_by_allreduce(StepFlags mine, std::span<T> slice_sum) {
  const std::size_t length = slices_.back().end;
  T* const sum = accumulator_.node_sum(0);
  for (std::size_t node = 1; node < accumulator_.nodes().size(); ++node) {
    const T* const term = accumulator_.node_sum(node);
    for (std::size_t i = 0; i < length; ++i) sum[i] += term[i];
  }
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, sum, static_cast<int>(length), mpi_type<T>(), MPI_SUM,
                          communicator_->handle()),
            "MPI_Allreduce");
  std::copy_n(sum + own_slice().begin, slice_sum.size(), slice_sum.begin());

  StepFlags all = mine;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_UINT32_T, MPI_BOR, communicator_->handle()),
            "MPI_Allreduce");
  return all;
}

template <class T>
void GradientExchange<T>::all_gather(std::span<T> parameters) {
  if (ranks_ == 1) return;
  check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, mpi_type<T>(), parameters.data(), slice_counts_.data(),
                           slice_starts_.data(), mpi_type<T>(), communicator_->handle()),
            "MPI_Allgatherv");
}

template <class T>
void GradientExchange<T>::complete_block_sums(std::span<double> block_sums) {
  if (ranks_ == 1) return;
  check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DOUBLE, block_sums.data(), block_counts_.data(),
                           block_starts_.data(), MPI_DOUBLE, communicator_->handle()),
            "MPI_Allgatherv");
}

template <class T>
void GradientExchange<T>::gather_to_root(std::span<const T> own_slice, std::vector<T>& full) {
  if (communicator_->is_root()) full.resize(slices_.back().end);
  check_mpi(
      MPI_Gatherv(own_slice.data(), slice_counts_[rank_], mpi_type<T>(), full.data(), slice_counts_.data(),
                  slice_starts_.data(), mpi_type<T>(), 0, communicator_->handle()),
      "MPI_Gatherv");
}

template class GradientExchange<float>;
template class GradientExchange<double>;

}  // namespace lockstep
