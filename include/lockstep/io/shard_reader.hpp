#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/io/dataset.hpp"

namespace lockstep {

/// A selection of file rows: ascending runs that do not overlap.
using RowRuns = std::vector<Range>;

/// Number of rows in the runs.
std::size_t row_count(const RowRuns& runs);

/// Throws UserError if the memory that this process may take now has no room for so many rows of a split.
template <class T>
void check_rows_fit(const DatasetInfo& info, Split split, std::size_t rows);

/// The same for the rows of all ranks of a node together, of which this one has so many. Collective. Throws
/// AgreedError.
template <class T>
void check_rows_fit(const Communicator& world, const DatasetInfo& info, Split split, std::size_t rows);

/// Reads the rows `mine` of a split through parallel HDF5 (collective; every rank gives its own runs,
/// possibly none) and checks them: every x and regression target finite, classes in [0, outputs), binary
/// targets 0 or 1. A rank reads the bytes of its own rows and no others. Rows go straight into the result;
/// what is needed beside it is bounded. `board`, if any, sees every transfer. Throws AgreedError on all ranks
/// alike, naming file, dataset and row.
template <class T>
Rows<T> read_rows(const Communicator& world, const DatasetInfo& info, Split split, const RowRuns& mine,
                  ProgressBoard* board = nullptr);

/// The same for one process, without MPI. Throws FileError.
template <class T>
Rows<T> read_rows_serial(const DatasetInfo& info, Split split, const RowRuns& runs);

/// The class of every row of a split, checked; one process, without MPI. Binary targets count as classes 0
/// and 1. Throws FileError, UserError for a regression dataset.
std::vector<std::int32_t> read_classes_serial(const DatasetInfo& info, Split split);

}  // namespace lockstep
