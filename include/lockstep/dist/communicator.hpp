#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

/// The ranks of a job. Ranks are ordered by node and, on a node, as MPI started them, so that a node's ranks
/// (and their shards) are contiguous; rank 0 is rank 0 of MPI_COMM_WORLD.
///
/// Every function with communication is collective: all ranks call it in the same order with equal `root`.
/// They throw MpiError, and OverflowError, on all ranks alike, for more than 2³¹ − 1 elements. T: float,
/// double, int32, int64 or uint64.
class Communicator {
 public:
  /// All ranks of the job. Collective. Has to be destroyed before the Environment.
  static Communicator world();
  ~Communicator();
  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }
  /// Index of this rank's node (shared memory), and the number of nodes.
  int node() const { return node_; }
  int nodes() const { return nodes_; }
  /// Name of this rank's node.
  const std::string& host() const { return host_; }
  MPI_Comm handle() const { return handle_; }

  /// The ranks that give the same color, in the order of this communicator. Collective. node() and nodes()
  /// stay those of the job.
  Communicator split(int color) const;

  void barrier() const;
  /// A barrier for ranks that may have to wait long: they sleep, and call `meanwhile` some hundred times a
  /// second.
  void patient_barrier(const std::function<void()>& meanwhile) const;

  /// root's text on all ranks.
  std::string broadcast(std::string text, int root = 0) const;
  /// root's values on all ranks, in place. The length is equal everywhere.
  template <class T>
  void broadcast(std::span<T> values, int root = 0) const;

  /// The texts of all ranks in rank order; on the root only, elsewhere nothing.
  std::vector<std::string> gather_text(const std::string& mine) const;
  /// The same on all ranks.
  std::vector<std::string> all_gather_text(const std::string& mine) const;
  /// The values of all ranks, concatenated in rank order, on all ranks. Lengths may differ.
  template <class T>
  std::vector<T> all_gather_v(std::span<const T> mine) const;

  /// Of integers only: a sum of floating-point numbers would depend on the number of ranks.
  std::int64_t all_reduce_max(std::int64_t mine) const;
  std::int64_t all_reduce_min(std::int64_t mine) const;
  std::int64_t all_reduce_sum(std::int64_t mine) const;
  /// The sum over the ranks of this rank's node.
  std::size_t node_sum(std::size_t mine) const;

 private:
  Communicator() = default;

  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int node_ = 0;
  int nodes_ = 1;
  std::string host_;
};

}  // namespace lockstep
