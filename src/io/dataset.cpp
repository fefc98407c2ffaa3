#include "lockstep/io/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "class_names.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/hdf5.hpp"
#include "row_passes.hpp"
#include "x_scale.hpp"

namespace lockstep {
namespace {

constexpr std::string_view convert_hint =
    " ('lockstep convert --hdf5' makes a dataset file from other HDF5 files)";

void read_root_attributes(hid_t file, DatasetInfo& info) {
  const std::string where = info.path + ": /";
  if (!has_attribute(file, "format", where)) {
    throw FileError(where + ": expected attribute 'format' = 'lockstep-dataset', found no such attribute" +
                    std::string(convert_hint));
  }
  const std::string format = read_text_attribute(file, "format", where);
  if (format != "lockstep-dataset") {
    throw FileError(where + ": attribute 'format': expected 'lockstep-dataset', found " + in_quotes(format) +
                    std::string(convert_hint));
  }
  const std::int64_t version = read_number_attribute<std::int64_t>(file, "version", where);
  if (version != dataset_format_version) {
    throw FileError(where + ": attribute 'version': expected " + std::to_string(dataset_format_version) +
                    ", found " + std::to_string(version));
  }
  const std::string task = read_text_attribute(file, "task", where);
  try {
    info.task = parse_task(task);
  } catch (const UserError& error) {
    throw FileError(where + ": attribute 'task': " + error.what());
  }
  if (has_attribute(file, "class_names", where)) {
    info.class_names = read_texts_attribute(file, "class_names", where);
  }
  info.x_scale = read_x_scale(file, where).value_or(info.x_scale);
  if (has_attribute(file, "source", where)) info.source = read_text_attribute(file, "source", where);
}

void check_x(const Hdf5Array& x) {
  const std::string type = x.type_name();
  if (x.shape.size() != 2 && x.shape.size() != 3) {
    throw FileError(x.where + ": expected shape (N, F) or (N, H, W), found " + shape_text(x.shape));
  }
  if (type != "uint8" && type != "float32" && type != "float64") {
    throw FileError(x.where + ": expected uint8, float32 or float64, found " + type +
                    std::string(convert_hint));
  }
  if (x.elements() == 0) throw FileError(x.where + ": expected rows, found shape " + shape_text(x.shape));
}

void check_y(const Hdf5Array& y, Task task) {
  const bool one_column = y.shape.size() == 1 || (y.shape.size() == 2 && y.shape[1] == 1);
  switch (task) {
    case Task::classification:
      if (y.shape.size() != 1) {
        throw FileError(y.where + ": expected one class a row, shape (N), found " + shape_text(y.shape));
      }
      if (y.type_class != H5T_INTEGER) {
        throw FileError(y.where + ": expected classes as integers, found " + y.type_name());
      }
      break;
    case Task::binary:
      if (!one_column) {
        throw FileError(y.where + ": expected one 0 or 1 a row, shape (N), found " + shape_text(y.shape));
      }
      break;
    case Task::regression:
      if (y.shape.size() != 1 && (y.shape.size() != 2 || y.shape[1] == 0)) {
        throw FileError(y.where + ": expected targets of shape (N) or (N, K), found " + shape_text(y.shape));
      }
      break;
  }
}

void read_digest(const Hdf5Array& array, const std::string& name, DatasetInfo& info) {
  if (!has_attribute(array.id.get(), "sha256", array.where)) return;
  const std::string digest = read_text_attribute(array.id.get(), "sha256", array.where);
  if (digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw FileError(array.where + ": attribute 'sha256': expected 64 hexadecimal digits, found " +
                    in_quotes(digest));
  }
  info.sha256[name] = digest;
}

/// What the two arrays of a split look like.
struct SplitShape {
  std::size_t rows = 0;
  std::vector<std::size_t> x_shape;
  std::string x_type;
  std::size_t y_columns = 1;
};

SplitShape read_split(hid_t file, Split split, DatasetInfo& info) {
  const std::string x_name = array_path(split, "x");
  const std::string y_name = array_path(split, "y");
  const Hdf5Array x = open_array(file, x_name, info.path);
  const Hdf5Array y = open_array(file, y_name, info.path);
  check_x(x);
  check_y(y, info.task);
  if (x.shape[0] != y.shape[0]) {
    throw FileError(info.path + ": " + x_name + " and " + y_name + ": expected as many rows in both, found " +
                    std::to_string(x.shape[0]) + " and " + std::to_string(y.shape[0]));
  }
  read_digest(x, x_name, info);
  read_digest(y, y_name, info);
  return {
      x.shape[0], {x.shape.begin() + 1, x.shape.end()}, x.type_name(), y.shape.size() == 2 ? y.shape[1] : 1};
}

void check_test_fits(const DatasetInfo& info, const SplitShape& train, const SplitShape& test) {
  if (test.x_shape != train.x_shape) {
    throw FileError(info.path + ": /test/x: expected rows of shape " + shape_text(train.x_shape) +
                    " as in /train/x, found " + shape_text(test.x_shape));
  }
  if (test.x_type != train.x_type) {
    throw FileError(info.path + ": /test/x: expected " + train.x_type + " as in /train/x, found " +
                    test.x_type);
  }
  if (test.y_columns != train.y_columns) {
    throw FileError(info.path + ": /test/y: expected " + std::to_string(train.y_columns) +
                    " targets a row as in /train/y, found " + std::to_string(test.y_columns));
  }
}

std::size_t count_outputs(const DatasetInfo& info, const SplitShape& train) {
  if (info.task == Task::regression) return train.y_columns;
  const std::size_t names = info.class_names.size();
  const std::string where = info.path + ": /: attribute 'class_names': ";
  if (const auto name = repeated_name(info.class_names)) {
    throw FileError(where + "expected different names, found " + in_quotes(*name) + " twice");
  }
  for (std::size_t i = 0; i < names; ++i) {
    if (!is_utf8(info.class_names[i]))
      throw FileError(where + "name " + std::to_string(i) + ": expected UTF-8, found another encoding");
  }
  if (info.task == Task::binary) {
    if (names != 0 && names != 2) {
      throw FileError(where + "expected two names or none, found " + std::to_string(names));
    }
    return 1;
  }
  if (names < 2 || names > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw FileError(where + "expected a name for each of at least two classes, found " +
                    std::to_string(names));
  }
  return names;
}

std::string digest_of_everything(const DatasetInfo& info) {
  if (info.sha256.size() != (info.test_rows > 0 ? 4 : 2)) return {};
  Sha256 digest;
  for (const auto& [name, hex] : info.sha256) digest.update(name + " " + hex + "\n");
  digest.update("task " + task_name(info.task) + "\n");
  digest.update("outputs " + std::to_string(info.outputs) + "\n");
  digest.update("x " + info.x_type + " " + shape_text(info.x_shape) + " " + format_exact(info.x_scale) +
                "\n");
  return digest.hex_digest();
}

std::string array_digest(const Hdf5Array& array) {
  const Hdf5Handle type(hdf5_check(H5Dget_type(array.id.get()), array.where, "cannot read its type"),
                        H5Tclose);
  const Hdf5Handle little(hdf5_check(H5Tcopy(type.get()), array.where, "cannot read its type"), H5Tclose);
  hdf5_check(H5Tset_order(little.get(), H5T_ORDER_LE), array.where, "cannot read its type");
  const std::size_t row_bytes = array.row_elements() * array.type_bytes;
  check_memory_available(row_bytes, array.where);
  std::vector<std::byte> bytes;
  Sha256 digest;
  for_row_passes(array.shape[0], row_bytes, [&](std::size_t begin, std::size_t count) {
    bytes.resize(count * row_bytes);
    read_row_block(array, little.get(), begin, count, bytes.data());
    digest.update(bytes);
  });
  return digest.hex_digest();
}

}  // namespace

std::string split_name(Split split) {
  return split == Split::train ? "train" : "test";
}

std::string array_path(Split split, std::string_view name) {
  std::string path = "/";
  path += split_name(split);
  path += '/';
  path += name;
  return path;
}

DatasetInfo read_dataset_info(const std::string& path) {
  const Hdf5Handle file = open_hdf5(path);
  DatasetInfo info;
  info.path = path;
  read_root_attributes(file.get(), info);
  const SplitShape train = read_split(file.get(), Split::train, info);
  info.train_rows = train.rows;
  info.x_shape = train.x_shape;
  info.x_type = train.x_type;
  info.features = 1;
  for (const std::size_t extent : train.x_shape) info.features *= extent;
  if (hdf5_exists(file.get(), "/test", path)) {
    const SplitShape test = read_split(file.get(), Split::test, info);
    check_test_fits(info, train, test);
    info.test_rows = test.rows;
  }
  info.outputs = count_outputs(info, train);
  info.sha256_all = digest_of_everything(info);
  return info;
}

void verify_dataset_digests(const DatasetInfo& info) {
  const Hdf5Handle file = open_hdf5(info.path);
  for (const Split split : {Split::train, Split::test}) {
    if (info.rows(split) == 0) continue;
    for (const char* name : {"x", "y"}) {
      const Hdf5Array array = open_array(file.get(), array_path(split, name), info.path);
      const std::string stored = read_text_attribute(array.id.get(), "sha256", array.where);
      const std::string found = array_digest(array);
      if (found != stored) {
        throw FileError(array.where + ": damaged: expected SHA-256 " + stored + ", found " + found);
      }
    }
  }
}

}  // namespace lockstep
