#pragma once

#include <optional>
#include <string>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/dist/shared_memory.hpp"
#include "lockstep/io/dataset.hpp"

namespace lockstep {

/// The index of rows of which the node's ranks have one copy.
struct SharedIndex {
  SharedMemory memory;
  NonZeroView view;
};

/// All rows of a dataset, read once and held once per node for many runs of the node's ranks, together with
/// the places of their non-zero elements.
class SharedDataset {
 public:
  /// Collective: every rank reads a part of its node's copy. `float32`, `float64`: whether runs in float32
  /// and in float64 will ask for rows. On a node without room for shared memory every rank has a copy of its
  /// own. Throws AgreedError for damaged data.
  SharedDataset(const Communicator& world, DatasetInfo info, bool float32, bool float64,
                ProgressBoard* board = nullptr);

  const DatasetInfo& info() const { return info_; }
  /// The rows of the file; T as the constructor was told.
  template <class T>
  const RowsView<T>& rows(Split split) const;
  /// Why this node's ranks do not share; empty if they do.
  const std::string& fallback() const { return fallback_; }

 private:
  template <class T>
  struct SplitRows {
    SharedMemory numbers;
    std::optional<SharedIndex> index;
    RowsView<T> view;
  };
  template <class T>
  struct AllRows {
    std::optional<SplitRows<T>> train, test;
  };
  // These return whether, or give something only if, there was room in shared memory, on all sharers alike.
  bool load_all(const Communicator& sharers, bool float32, bool float64, ProgressBoard* board);
  template <class T>
  bool load(const Communicator& sharers, ProgressBoard* board, std::optional<AllRows<T>>& rows) const;
  template <class T>
  std::optional<SplitRows<T>> load_split(const Communicator& sharers, Split split,
                                         ProgressBoard* board) const;

  DatasetInfo info_;
  std::string fallback_;
  std::optional<AllRows<float>> float32_;
  std::optional<AllRows<double>> float64_;
};

/// Some neighbouring rows of a view whose rows stand in order.
template <class T>
RowsView<T> neighbouring_rows(const RowsView<T>& rows, Range some);

/// Memory of a rank for the index of non-zero elements: that of 320,000 rows like MNIST's. The rows
/// themselves are what a rank's memory is for.
inline constexpr std::size_t most_index_bytes = std::size_t{112} << 20;

/// Lets the products leave out zeros if the rows of all ranks have enough of them, every rank needs at most
/// `most_bytes` for it and its node has room: fills rows.nonzeros. Changes no result. Returns false on all
/// ranks if only the room was missing. Collective.
template <class T>
bool index_nonzeros(const Communicator& world, std::size_t all_rows, Rows<T>& rows,
                    std::size_t most_bytes = most_index_bytes);

/// Up to this share of non-zero elements, leaving out the others is faster (measured: 2 to 4 times at MNIST's
/// 0.19, nothing gained at 0.45).
inline constexpr double sparse_share = 0.35;

}  // namespace lockstep
