#include <algorithm>
#include <cmath>
#include <limits>

#include "class_names.hpp"
#include "finite_check.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/dataset_writer.hpp"
#include "lockstep/io/hdf5.hpp"
#include "row_passes.hpp"
#include "x_scale.hpp"

namespace lockstep {
namespace {

// More is a mistake: y holds something else than classes.
constexpr std::size_t most_numbered_classes = 1'000'000;

/// The two source arrays of a split.
struct SourceSplit {
  Hdf5Array x, y;

  std::size_t rows() const { return x.shape[0]; }
};

SourceSplit open_source_split(hid_t file, const std::string& x_path, const std::string& y_path,
                              const std::string& file_name) {
  SourceSplit split{open_array(file, x_path, file_name), open_array(file, y_path, file_name)};
  if (split.x.shape.size() < 2 || split.x.shape.size() > 3 || split.x.elements() == 0) {
    throw FileError(split.x.where + ": expected shape (N, F) or (N, H, W), found " +
                    shape_text(split.x.shape));
  }
  if (split.y.shape.empty() || split.y.shape.size() > 2 || split.y.elements() == 0) {
    throw FileError(split.y.where + ": expected shape (N) or (N, K), found " + shape_text(split.y.shape));
  }
  if (split.y.shape[0] != split.rows()) {
    throw FileError(split.x.where + " and " + y_path + ": expected as many rows in both, found " +
                    std::to_string(split.rows()) + " and " + std::to_string(split.y.shape[0]));
  }
  return split;
}

/// The type of /x that holds the source's numbers exactly.
ElementType x_type_for(const Hdf5Array& x) {
  if (x.type_bytes == 1 && !x.is_signed) return ElementType::uint8;
  if (x.type_class == H5T_FLOAT) return x.type_bytes <= 4 ? ElementType::float32 : ElementType::float64;
  return x.type_bytes <= 2 ? ElementType::float32 : ElementType::float64;
}

template <class T>
std::span<const T> numbers_in(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

/// Copies an array in passes of whole rows, converting it and checking that it is finite.
void copy_array(const Hdf5Array& from, ElementType type, ArrayWriter to) {
  const std::size_t columns = from.row_elements();
  const std::size_t row_bytes = columns * element_size(type);
  check_memory_available(row_bytes, from.where);
  std::vector<std::byte> bytes;
  for_row_passes(from.shape[0], row_bytes, [&](std::size_t begin, std::size_t count) {
    bytes.resize(count * row_bytes);
    read_row_block(from, memory_type(type), begin, count, bytes.data());
    if (type == ElementType::float32) check_finite(numbers_in<float>(bytes), columns, begin, from.where);
    if (type == ElementType::float64) check_finite(numbers_in<double>(bytes), columns, begin, from.where);
    to.append(bytes.data(), count);
  });
  to.finish();
}

/// Targets that are classes, checked to be whole and not negative.
std::vector<std::int32_t> read_labels(const Hdf5Array& y) {
  if (y.shape.size() == 2 && y.shape[1] != 1) {
    throw FileError(y.where + ": expected one class a row, shape (N), found " + shape_text(y.shape));
  }
  check_memory_available(y.elements() * (sizeof(double) + sizeof(std::int32_t)), y.where);
  std::vector<double> numbers(y.elements());
  read_array<double>(y, numbers);
  std::vector<std::int32_t> labels;
  labels.reserve(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    constexpr std::int32_t largest = std::numeric_limits<std::int32_t>::max() - 1;
    if (!(numbers[i] >= 0 && numbers[i] <= largest && numbers[i] == std::floor(numbers[i]))) {
      throw FileError(y.where + ": row " + std::to_string(i) + ": expected a class from 0 to at most " +
                      std::to_string(largest) + ", found " + format_exact(numbers[i]));
    }
    labels.push_back(static_cast<std::int32_t>(numbers[i]));
  }
  return labels;
}

Task choose_task(const Hdf5Source& source, hid_t file, const Hdf5Array& y) {
  if (source.task) return *source.task;
  const std::string where = source.path + ": /";
  if (has_attribute(file, "task", where)) return parse_task(read_text_attribute(file, "task", where));
  const bool classes = y.type_class == H5T_INTEGER && (y.shape.size() == 1 || y.shape[1] == 1);
  return classes ? Task::classification : Task::regression;
}

double choose_x_scale(const Hdf5Source& source, hid_t file, ElementType x_type) {
  if (source.x_scale) {
    if (std::isfinite(*source.x_scale) && *source.x_scale != 0) return *source.x_scale;
    throw UserError("--x-scale: expected a finite number other than 0, found " +
                    format_exact(*source.x_scale));
  }
  const std::string where = source.path + ": /";
  if (const auto scale = read_x_scale(file, where)) return *scale;
  return x_type == ElementType::uint8 ? 1.0 / 255 : 1.0;
}

/// The largest class of all splits, and where it was found first.
struct LargestClass {
  std::int32_t value = 0;
  std::string place;
};

std::vector<std::string> choose_class_names(const Hdf5Source& source, hid_t file, Task task,
                                            const LargestClass& largest) {
  if (task == Task::regression) return {};
  const std::string where = source.path + ": /";
  std::vector<std::string> names = source.class_names;
  if (names.empty() && has_attribute(file, "class_names", where)) {
    names = read_texts_attribute(file, "class_names", where);
  }
  const std::size_t classes = std::max<std::size_t>(static_cast<std::size_t>(largest.value) + 1, 2);
  if (names.empty() && task == Task::binary) return {};
  if (names.empty() && classes > most_numbered_classes) {
    throw FileError(largest.place + ": expected a class from 0 to " +
                    std::to_string(most_numbered_classes - 1) + ", found " + std::to_string(largest.value) +
                    "; --task regression for targets that are no classes");
  }
  return names_or_numbers(std::move(names), classes,
                          source.class_names.empty() ? source.path : "--class-names");
}

/// One split with its labels, if its targets are classes.
struct PreparedSplit {
  Split name;
  SourceSplit source;
  std::vector<std::int32_t> labels;
};

void write_targets(DatasetWriter& writer, const PreparedSplit& split, Task task) {
  if (task != Task::regression) {
    ArrayWriter y = writer.array(split.name, "y", ElementType::int32, {split.labels.size()});
    y.append(split.labels.data(), split.labels.size());
    y.finish();
    return;
  }
  const Hdf5Array& y = split.source.y;
  const bool narrow = y.type_class == H5T_FLOAT && y.type_bytes <= 4;
  const ElementType type = narrow ? ElementType::float32 : ElementType::float64;
  copy_array(y, type, writer.array(split.name, "y", type, y.shape));
}

LargestClass prepare_labels(std::vector<PreparedSplit>& splits, Task task) {
  LargestClass largest;
  for (PreparedSplit& split : splits) {
    split.labels = read_labels(split.source.y);
    const auto here = std::max_element(split.labels.begin(), split.labels.end());
    if (*here > largest.value) {
      largest = {*here, split.source.y.where + ": row " + std::to_string(here - split.labels.begin())};
    }
    if (task == Task::binary && largest.value > 1) {
      throw FileError(largest.place + ": expected 0 or 1, found " + std::to_string(largest.value));
    }
  }
  return largest;
}

std::vector<PreparedSplit> open_splits(const Hdf5Source& source, hid_t file) {
  std::vector<PreparedSplit> splits;
  splits.push_back({Split::train, open_source_split(file, source.train_x, source.train_y, source.path), {}});
  if (source.test_x.empty() != source.test_y.empty()) {
    throw UserError(source.path + ": expected paths of both x and y of the test split, or of neither");
  }
  if (source.test_x.empty()) return splits;
  const Hdf5Source defaults;
  const bool unnamed = source.test_x == defaults.test_x && source.test_y == defaults.test_y;
  const auto absent = [&](const std::string& path) { return !hdf5_exists(file, path, source.path); };
  if (unnamed && absent(source.test_x) && absent(source.test_y)) return splits;
  splits.push_back({Split::test, open_source_split(file, source.test_x, source.test_y, source.path), {}});
  const Hdf5Array &train = splits[0].source.x, &test = splits[1].source.x;
  if (!std::equal(train.shape.begin() + 1, train.shape.end(), test.shape.begin() + 1, test.shape.end())) {
    throw FileError(test.where + ": expected rows as in " + source.train_x + " " + shape_text(train.shape) +
                    ", found " + shape_text(test.shape));
  }
  return splits;
}

/// Paths count from the root, with a slash in front or without.
Hdf5Source with_absolute_paths(Hdf5Source source) {
  for (std::string* const path : {&source.train_x, &source.train_y, &source.test_x, &source.test_y}) {
    if (!path->empty() && path->front() != '/') path->insert(path->begin(), '/');
  }
  return source;
}

}  // namespace

DatasetInfo convert_hdf5(const Hdf5Source& given, const std::string& output) {
  const Hdf5Source source = with_absolute_paths(given);
  const Hdf5Handle file = open_hdf5(source.path);
  std::vector<PreparedSplit> splits = open_splits(source, file.get());
  const Task task = choose_task(source, file.get(), splits.front().source.y);
  const LargestClass largest = task == Task::regression ? LargestClass{} : prepare_labels(splits, task);
  const ElementType x_type = x_type_for(splits.front().source.x);
  const DatasetAttributes attributes{task, choose_class_names(source, file.get(), task, largest),
                                     choose_x_scale(source, file.get(), x_type), "HDF5 file " + source.path};
  return write_dataset(output, attributes, [&](DatasetWriter& writer) {
    for (const PreparedSplit& split : splits) {
      const Hdf5Array& x = split.source.x;
      if (x_type_for(x) != x_type) {
        throw FileError(x.where + ": expected numbers like those of " + source.train_x + ", found " +
                        x.type_name());
      }
      copy_array(x, x_type, writer.array(split.name, "x", x_type, x.shape));
      write_targets(writer, split, task);
    }
  });
}

}  // namespace lockstep
