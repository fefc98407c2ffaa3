#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/io/dataset.hpp"

/// Makes dataset files from other formats. Each function writes `output` atomically, with digests, and
/// returns what read_dataset_info() says of it. All throw FileError or UserError, and then leave nothing
/// behind.
namespace lockstep {

/// MNIST's format. The directory holds train-images-idx3-ubyte, train-labels-idx1-ubyte,
/// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or with .gz, with '.' or '-' before "idx".
/// Classes are named "0", "1", … where `class_names` is empty. x_scale is 1/255.
struct IdxSource {
  std::string directory;
  std::vector<std::string> class_names;
};
DatasetInfo convert_idx(const IdxSource& source, const std::string& output);

/// Text with a header line, one row a line, fields separated by `separator`, quoted with '"' where needed;
/// plain or .gz.
struct CsvSource {
  std::string train;   // file
  std::string test;    // file; empty: `test_fraction` of the rows of `train`
  std::string target;  // name of the column that is predicted, "a,b" for several (regression)
  std::vector<std::string> drop_columns;  // columns that are left out
  /// Empty: classification if targets are not numbers or are whole numbers with at most 100 different values,
  /// else regression.
  std::optional<Task> task;
  double test_fraction = 0;  // of rows; 0: no test split
  /// Permutes the rows of `train` first; empty: its last rows become the test split.
  std::optional<std::uint64_t> shuffle_seed;
  std::string x_type = "float64";  // or "float32"
  char separator = ',';
};
DatasetInfo convert_csv(const CsvSource& source, const std::string& output);

/// Arrays of another HDF5 file (or of one without digests). x: (N, F), (N, H, W); uint8, float32 and float64
/// stay as they are, other numbers of up to 16 bits become float32, the rest float64.
struct Hdf5Source {
  std::string path;
  std::string train_x = "/train/x", train_y = "/train/y";
  /// Both empty, or these and not there: no test split.
  std::string test_x = "/test/x", test_y = "/test/y";
  /// Empty: the root attribute `task`; else, by y: whole numbers are classes, others regression.
  std::optional<Task> task;
  std::vector<std::string> class_names;  // empty: the root attribute, else "0", "1", …
  std::optional<double> x_scale;         // empty: the root attribute, else 1/255 for uint8 and 1 for others
};
DatasetInfo convert_hdf5(const Hdf5Source& source, const std::string& output);

}  // namespace lockstep
