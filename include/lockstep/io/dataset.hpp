#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/sparse_rows.hpp"
#include "lockstep/nn/loss.hpp"

/// Dataset files: HDF5 with /train/x (N, F) or (N, H, W), /train/y (N) or (N, K), and /test/x, /test/y alike.
namespace lockstep {

enum class Split { train, test };
/// "train", "test".
std::string split_name(Split split);
/// "/train/x".
std::string array_path(Split split, std::string_view name);

/// The version of the format that is written and read.
inline constexpr std::int64_t dataset_format_version = 1;

/// What a dataset file holds, without its rows.
struct DatasetInfo {
  std::string path;
  Task task = Task::classification;
  std::size_t train_rows = 0;
  std::size_t test_rows = 0;             // 0: there is no /test
  std::size_t features = 0;              // numbers per row
  std::vector<std::size_t> x_shape;      // of one row: {F} or {H, W}
  std::size_t outputs = 0;               // classes; 1 for binary; K for regression
  std::vector<std::string> class_names;  // one per class; two or none for binary; none for regression
  double x_scale = 1;                    // what stored x are multiplied by
  std::string x_type;                    // "uint8", "float32", "float64": of /train/x
  std::string source;                    // where the data came from
  /// "/train/x" → SHA-256 of the array's little-endian bytes, as the file's attributes say
  /// (verify_dataset_digests() computes them). Arrays without the attribute are left out.
  std::map<std::string, std::string> sha256;
  /// One digest for everything that results depend on: the arrays' digests, task, x_scale and number of
  /// classes. Empty if an array has no digest.
  std::string sha256_all;

  std::size_t rows(Split split) const { return split == Split::train ? train_rows : test_rows; }
};

/// Opens a dataset file and checks everything but the rows: format, task, types, shapes, that x and y and
/// train and test fit together, that sizes fit into memory's address range, that nothing points to another
/// file. One process, no lock on the file. Throws FileError naming file, dataset, what was expected and what
/// was found.
DatasetInfo read_dataset_info(const std::string& path);

/// Reads every array and compares it with its digest. Throws FileError at the first difference or missing
/// digest.
void verify_dataset_digests(const DatasetInfo& info);

/// Some rows of one split. uint8 stays uint8 and is scaled when it is copied out.
template <class T>
struct Rows {
  std::size_t count = 0;
  std::size_t features = 0;
  double x_scale = 1;
  std::vector<std::uint8_t> x_u8;     // (count, features), or empty
  std::vector<T> x_real;              // (count, features), or empty
  std::vector<std::int32_t> classes;  // (count), classification only
  std::vector<T> values;              // (count, value_columns), binary (0 or 1) and regression
  std::size_t value_columns = 0;
  NonZeroIndex nonzeros;  // of x, or empty

  /// Writes row `row` to out (features): stored number · T(x_scale).
  void copy_x(std::size_t row, T* out) const;
};

/// Rows that somebody else owns: all of a Rows, or some of the rows that a node's ranks share.
template <class T>
struct RowsView {
  std::size_t count = 0;
  std::size_t features = 0;
  double x_scale = 1;
  std::span<const std::uint8_t> x_u8;
  std::span<const T> x_real;
  std::span<const std::int32_t> classes;
  std::span<const T> values;
  std::size_t value_columns = 0;
  NonZeroView nonzeros;
  std::span<const std::uint32_t> places;  // (count) where in the arrays a row stands; empty: row i at i

  RowsView() = default;
  RowsView(const Rows<T>& rows)
      : count(rows.count),
        features(rows.features),
        x_scale(rows.x_scale),
        x_u8(rows.x_u8),
        x_real(rows.x_real),
        classes(rows.classes),
        values(rows.values),
        value_columns(rows.value_columns),
        nonzeros(rows.nonzeros.view()) {}

  std::size_t place(std::size_t row) const { return places.empty() ? row : places[row]; }

  /// Writes row `row` to out (features): stored number · T(x_scale).
  void copy_x(std::size_t row, T* out) const {
    const T scale = static_cast<T>(x_scale);
    if (!x_u8.empty()) {
      const std::uint8_t* stored = x_u8.data() + place(row) * features;
      for (std::size_t j = 0; j < features; ++j) out[j] = static_cast<T>(stored[j]) * scale;
    } else {
      const T* stored = x_real.data() + place(row) * features;
      for (std::size_t j = 0; j < features; ++j) out[j] = stored[j] * scale;
    }
  }

  /// Writes row `row`, without its zeros, to row `i` of `to`, scaled as copy_x does. Requires an index.
  void copy_nonzeros(std::size_t row, const RowMemory<T>& to, std::size_t i) const {
    const T scale = static_cast<T>(x_scale);
    if (!x_u8.empty()) return nonzeros.copy<std::uint8_t>(place(row), scale, to, i);
    nonzeros.copy<T>(place(row), scale, to, i);
  }
  /// Asks for what copy_nonzeros will read.
  void prefetch_nonzeros(std::size_t row) const {
    if (!x_u8.empty()) return nonzeros.prefetch<std::uint8_t>(place(row));
    nonzeros.prefetch<T>(place(row));
  }
};

template <class T>
void Rows<T>::copy_x(std::size_t row, T* out) const {
  RowsView<T>(*this).copy_x(row, out);
}

}  // namespace lockstep
