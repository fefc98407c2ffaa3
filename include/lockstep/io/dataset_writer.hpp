#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/sha256.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {

/// Root attributes of a dataset file.
struct DatasetAttributes {
  Task task = Task::classification;
  std::vector<std::string> class_names;
  double x_scale = 1;
  std::string source;
};

/// One array of a dataset file, written front to back, digested on the way.
class ArrayWriter {
 public:
  ArrayWriter(hid_t file, const std::string& path, ElementType type, std::vector<std::size_t> shape,
              const std::string& file_name);
  /// Appends `rows` whole rows of the array's type.
  void append(const void* data, std::size_t rows);
  /// Writes the digest. Requires that all rows are there.
  void finish();

 private:
  Hdf5Handle dataset_;
  std::string where_;
  ElementType type_;
  std::vector<std::size_t> shape_;
  std::size_t written_ = 0;
  Sha256 digest_;
};

/// A dataset file under construction.
class DatasetWriter {
 public:
  DatasetWriter(const std::string& path, const DatasetAttributes& attributes);
  /// shape: (N, …). "/train/x" and so on.
  ArrayWriter array(Split split, const char* name, ElementType type, std::vector<std::size_t> shape);
  /// Hands everything to the system; throws if the disk is full. Closing a file cannot report that.
  void flush();

 private:
  std::string path_;
  Hdf5Handle file_;
};

/// Writes a dataset file atomically: `write` appends the arrays. Returns read_dataset_info(path), checked
/// before the file gets its name.
DatasetInfo write_dataset(const std::string& path, const DatasetAttributes& attributes,
                          const std::function<void(DatasetWriter&)>& write);

}  // namespace lockstep
