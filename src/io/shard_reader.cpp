#include "lockstep/io/shard_reader.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/hdf5.hpp"
#include "row_pattern.hpp"

namespace lockstep {
namespace {

/// One transfer reads at most this much: MPI-IO counts bytes in an int, and what HDF5 needs beside stays
/// bounded.
constexpr std::size_t pass_bytes = std::size_t{64} << 20;

/// The two arrays of a split, and who is told that their reading goes on.
struct SplitArrays {
  Hdf5Array x, y;
  ProgressBoard* board = nullptr;
};

SplitArrays open_split(hid_t file, const DatasetInfo& info, Split split, ProgressBoard* board = nullptr) {
  SplitArrays arrays{open_array(file, array_path(split, "x"), info.path),
                     open_array(file, array_path(split, "y"), info.path), board};
  for (const Hdf5Array* array : {&arrays.x, &arrays.y}) {
    if (array->shape.empty() || array->shape[0] != info.rows(split) ||
        arrays.x.row_elements() != info.features || arrays.x.type_name() != info.x_type) {
      throw FileError(array->where + ": changed while lockstep was reading it");
    }
  }
  return arrays;
}

void check_runs(const RowRuns& runs, std::size_t rows, const std::string& where) {
  std::size_t end = 0;
  for (const Range& run : runs) {
    if (run.begin < end || run.end < run.begin || run.end > rows) {
      throw UserError(where + ": expected ascending row ranges within 0 to " + std::to_string(rows) +
                      ", found " + std::to_string(run.begin) + " to " + std::to_string(run.end));
    }
    end = run.end;
  }
}

/// Reads the selected rows of an array, converted to `memory`, to `out`, with regular hyperslabs. Transfers
/// are independent: measured with Open MPI 4.1, collective ones let a few aggregators read all rows and send
/// them on, at no gain in time; so each rank reads its own rows and nothing else.
class SelectionReader {
 public:
  SelectionReader(const Hdf5Array& array, hid_t memory, std::size_t memory_bytes, ProgressBoard* board)
      : array_(array), memory_(memory), board_(board), extent_(array.shape.begin(), array.shape.end()) {
    row_elements_ = array.row_elements();
    most_rows_ = std::max<std::size_t>(pass_bytes / (row_elements_ * memory_bytes), 1);
    space_ = {hdf5_check(H5Dget_space(array.id.get()), array.where, "cannot be read"), H5Sclose};
  }

  /// Calls take(rows) after each transfer to the place that place(first_selected_row) gives.
  template <class Place, class Take>
  void read(const RowRuns& runs, Place&& place, Take&& take) {
    std::size_t done = 0;
    for (const RowPattern& pattern : regular_patterns(runs, most_rows_)) {
      transfer(pattern, place(done, pattern.rows()));
      take(done, pattern.rows());
      done += pattern.rows();
      if (board_ != nullptr) board_->beat();
    }
  }

  std::size_t row_elements() const { return row_elements_; }

 private:
  void transfer(const RowPattern& pattern, void* out) {
    const std::size_t rank = extent_.size();
    std::vector<hsize_t> start(rank, 0), stride(rank, 1), count(rank, 1), block = extent_;
    start[0] = pattern.start;
    stride[0] = std::max(pattern.stride, pattern.block);
    count[0] = pattern.count;
    block[0] = pattern.block;
    hdf5_check(H5Sselect_hyperslab(space_.get(), H5S_SELECT_SET, start.data(), stride.data(), count.data(),
                                   block.data()),
               array_.where, "cannot select rows");
    const hsize_t elements = pattern.rows() * row_elements_;
    const Hdf5Handle memory_space(
        hdf5_check(H5Screate_simple(1, &elements, nullptr), array_.where, "cannot select rows"), H5Sclose);
    hdf5_check(H5Dread(array_.id.get(), memory_, memory_space.get(), space_.get(), H5P_DEFAULT, out),
               array_.where, "cannot be read");
  }

  const Hdf5Array& array_;
  hid_t memory_;
  ProgressBoard* board_;
  std::vector<hsize_t> extent_;
  std::size_t row_elements_ = 0;
  std::size_t most_rows_ = 1;
  Hdf5Handle space_;
};

template <class T>
bool all_finite(std::span<const T> numbers) {
  bool finite = true;
  for (const T number : numbers) finite &= std::abs(number) <= std::numeric_limits<T>::max();
  return finite;
}

/// Throws for the first number that is not finite. numbers: (rows, columns), the selection's rows from
/// `first`.
template <class T>
void check_finite(std::span<const T> numbers, std::size_t columns, std::size_t first, const RowRuns& runs,
                  const Hdf5Array& array) {
  if (all_finite(numbers)) return;
  std::size_t i = 0;
  while (std::isfinite(numbers[i])) ++i;
  throw FileError(array.where + ": row " + std::to_string(file_row(runs, first + i / columns)) + ", column " +
                  std::to_string(i % columns) + ": expected a finite float" + std::to_string(8 * sizeof(T)) +
                  ", found " + format_exact(numbers[i]));
}

template <class T>
void read_real(const Hdf5Array& array, const RowRuns& runs, ProgressBoard* board, std::vector<T>& out) {
  SelectionReader reader(array, memory_type(element_type_of<T>()), sizeof(T), board);
  const std::size_t columns = reader.row_elements();
  out.resize(row_count(runs) * columns);
  reader.read(
      runs, [&](std::size_t first, std::size_t) { return out.data() + first * columns; },
      [&](std::size_t first, std::size_t rows) {
        const std::span<const T> fresh(out.data() + first * columns, rows * columns);
        check_finite(fresh, columns, first, runs, array);
      });
}

void read_bytes(const Hdf5Array& array, const RowRuns& runs, ProgressBoard* board,
                std::vector<std::uint8_t>& out) {
  SelectionReader reader(array, memory_type(ElementType::uint8), 1, board);
  out.resize(row_count(runs) * reader.row_elements());
  reader.read(
      runs, [&](std::size_t first, std::size_t) { return out.data() + first * reader.row_elements(); },
      [](std::size_t, std::size_t) {});
}

/// Classes of the selected rows, each checked to be in [0, classes). They pass through 64 bits, so that no
/// label is taken for another one.
std::vector<std::int32_t> read_classes(const Hdf5Array& array, const RowRuns& runs, std::size_t classes,
                                       ProgressBoard* board = nullptr) {
  SelectionReader reader(array, memory_type(ElementType::int64), sizeof(std::int64_t), board);
  std::vector<std::int32_t> result;
  result.reserve(row_count(runs));
  std::vector<std::int64_t> labels;
  reader.read(
      runs,
      [&](std::size_t, std::size_t rows) {
        labels.resize(rows);
        return labels.data();
      },
      [&](std::size_t first, std::size_t rows) {
        for (std::size_t i = 0; i < rows; ++i) {
          if (labels[i] < 0 || static_cast<std::uint64_t>(labels[i]) >= classes) {
            throw FileError(array.where + ": row " + std::to_string(file_row(runs, first + i)) +
                            ": expected a class from 0 to " + std::to_string(classes - 1) + ", found " +
                            std::to_string(labels[i]));
          }
          result.push_back(static_cast<std::int32_t>(labels[i]));
        }
      });
  return result;
}

template <class T>
void check_zero_or_one(const std::vector<T>& values, const RowRuns& runs, const Hdf5Array& array) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != T{0} && values[i] != T{1}) {
      throw FileError(array.where + ": row " + std::to_string(file_row(runs, i)) +
                      ": expected 0 or 1, found " + format_exact(values[i]));
    }
  }
}

template <class T>
Rows<T> read_selected(const SplitArrays& arrays, const DatasetInfo& info, const RowRuns& runs) {
  Rows<T> rows;
  rows.count = row_count(runs);
  rows.features = info.features;
  rows.x_scale = info.x_scale;
  if (info.x_type == "uint8") {
    read_bytes(arrays.x, runs, arrays.board, rows.x_u8);
  } else {
    read_real(arrays.x, runs, arrays.board, rows.x_real);
  }
  if (info.task == Task::classification) {
    rows.classes = read_classes(arrays.y, runs, info.outputs, arrays.board);
    return rows;
  }
  rows.value_columns = info.outputs;
  read_real(arrays.y, runs, arrays.board, rows.values);
  if (info.task == Task::binary) check_zero_or_one(rows.values, runs, arrays.y);
  return rows;
}

void check_runs(const DatasetInfo& info, Split split, const RowRuns& runs) {
  check_runs(runs, info.rows(split), info.path + ": /" + split_name(split));
}

template <class T>
Rows<T> read_alone(const DatasetInfo& info, Split split, const RowRuns& runs, ProgressBoard* board) {
  check_runs(info, split, runs);
  check_rows_fit<T>(info, split, row_count(runs));
  const Hdf5Handle file = open_hdf5(info.path);
  return read_selected<T>(open_split(file.get(), info, split, board), info, runs);
}

}  // namespace

template <class T>
void check_rows_fit(const DatasetInfo& info, Split split, std::size_t rows) {
  const std::size_t x_bytes = info.features * (info.x_type == "uint8" ? 1 : sizeof(T));
  const std::size_t y_bytes =
      info.task == Task::classification ? sizeof(std::int32_t) : info.outputs * sizeof(T);
  check_memory_available(checked_product(rows, x_bytes + y_bytes, "the rows' size"),
                         info.path + ": /" + split_name(split) + ": " + std::to_string(rows) + " rows of " +
                             std::to_string(info.features) + " numbers");
}

template <class T>
void check_rows_fit(const Communicator& world, const DatasetInfo& info, Split split, std::size_t rows) {
  const std::size_t rows_of_node = world.node_sum(rows);
  collectively(world, [&] { check_rows_fit<T>(info, split, rows_of_node); });
}

template <class T>
Rows<T> read_rows_serial(const DatasetInfo& info, Split split, const RowRuns& runs) {
  return read_alone<T>(info, split, runs, nullptr);
}

template <class T>
Rows<T> read_rows(const Communicator& world, const DatasetInfo& info, Split split, const RowRuns& mine,
                  ProgressBoard* board) {
  if (world.size() == 1) {
    return collectively(world, [&] { return read_alone<T>(info, split, mine, board); });
  }
  // A rank that does not see the file must be found before the others wait for it in MPI-IO.
  collectively(world, [&] {
    check_runs(info, split, mine);
    check_hdf5_signature(info.path);
  });
  check_rows_fit<T>(world, info, split, row_count(mine));
  // Opening is collective, and every rank meets the same errors in it; reading is not.
  const Hdf5Handle file = collectively(world, [&] { return open_hdf5_parallel(info.path, world.handle()); });
  const SplitArrays arrays = collectively(world, [&] { return open_split(file.get(), info, split, board); });
  return collectively(world, [&] { return read_selected<T>(arrays, info, mine); });
}

std::vector<std::int32_t> read_classes_serial(const DatasetInfo& info, Split split) {
  if (info.task == Task::regression) {
    throw UserError(info.path + ": expected classes, found the targets of a regression");
  }
  check_memory_available(checked_product(info.rows(split), sizeof(std::int32_t), "the labels' size"),
                         info.path + ": /" + split_name(split) + "/y");
  const Hdf5Handle file = open_hdf5(info.path);
  const SplitArrays arrays = open_split(file.get(), info, split);
  const std::size_t classes = info.task == Task::binary ? 2 : info.outputs;
  return read_classes(arrays.y, {{0, info.rows(split)}}, classes);
}

template void check_rows_fit<float>(const DatasetInfo&, Split, std::size_t);
template void check_rows_fit<double>(const DatasetInfo&, Split, std::size_t);
template void check_rows_fit<float>(const Communicator&, const DatasetInfo&, Split, std::size_t);
template void check_rows_fit<double>(const Communicator&, const DatasetInfo&, Split, std::size_t);
template Rows<float> read_rows_serial<float>(const DatasetInfo&, Split, const RowRuns&);
template Rows<double> read_rows_serial<double>(const DatasetInfo&, Split, const RowRuns&);
template Rows<float> read_rows<float>(const Communicator&, const DatasetInfo&, Split, const RowRuns&,
                                      ProgressBoard*);
template Rows<double> read_rows<double>(const Communicator&, const DatasetInfo&, Split, const RowRuns&,
                                        ProgressBoard*);

}  // namespace lockstep
