#include <algorithm>
#include <filesystem>
#include <optional>

#include "class_names.hpp"
#include "idx_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/io/converters.hpp"
#include "lockstep/io/dataset_writer.hpp"
#include "row_passes.hpp"

namespace lockstep {
namespace {

/// MNIST's files are found with and without .gz, and with '-' or '.' before "idx".
std::string find_idx_file(const std::string& directory, const std::string& stem, const std::string& ending) {
  for (const char* separator : {"-", "."}) {
    for (const char* suffix : {"", ".gz"}) {
      const std::string path = directory + "/" + stem + separator + ending + suffix;
      if (std::filesystem::exists(path)) return path;
    }
  }
  throw FileError(directory + ": expected a file " + stem + "-" + ending + " or " + stem + "-" + ending +
                  ".gz, found neither");
}

/// One split: labels read, images waiting.
struct IdxSplit {
  IdxSplit(const std::string& directory, const std::string& stem)
      : images(find_idx_file(directory, stem + "-images", "idx3-ubyte"), 2, 3, "images") {
    IdxFile label_file(find_idx_file(directory, stem + "-labels", "idx1-ubyte"), 1, 1, "labels");
    if (label_file.rows() != images.rows()) {
      throw FileError(label_file.path() + ": expected " + std::to_string(images.rows()) +
                      " labels, one for each of " + images.path() + ", found " +
                      std::to_string(label_file.rows()));
    }
    labels = label_file.read_all();
    label_path = label_file.path();
  }

  IdxFile images;
  std::string label_path;
  std::vector<std::uint8_t> labels;
};

std::vector<std::string> class_names_for(const IdxSource& source, const IdxSplit& train,
                                         const IdxSplit& test) {
  const std::size_t classes = 1 + std::max(*std::max_element(train.labels.begin(), train.labels.end()),
                                           *std::max_element(test.labels.begin(), test.labels.end()));
  return names_or_numbers(source.class_names, std::max<std::size_t>(classes, 2), "--class-names");
}

void copy_split(DatasetWriter& writer, Split split, IdxSplit& data) {
  ArrayWriter x = writer.array(split, "x", ElementType::uint8, data.images.shape());
  std::vector<std::uint8_t> images;
  for_row_passes(data.images.rows(), data.images.row_bytes(), [&](std::size_t, std::size_t count) {
    data.images.read_rows(count, images);
    x.append(images.data(), count);
  });
  data.images.expect_end();
  x.finish();
  ArrayWriter y = writer.array(split, "y", ElementType::uint8, {data.labels.size()});
  y.append(data.labels.data(), data.labels.size());
  y.finish();
}

}  // namespace

DatasetInfo convert_idx(const IdxSource& source, const std::string& output) {
  std::error_code error;
  if (!std::filesystem::is_directory(source.directory, error)) {
    throw FileError(source.directory + ": expected a directory with IDX files" +
                    (error ? ", found: " + error.message() : ""));
  }
  IdxSplit train(source.directory, "train");
  IdxSplit test(source.directory, "t10k");
  const DatasetAttributes attributes{Task::classification, class_names_for(source, train, test), 1.0 / 255,
                                     "IDX files " + train.images.path() + ", " + test.images.path()};
  return write_dataset(output, attributes, [&](DatasetWriter& writer) {
    copy_split(writer, Split::train, train);
    copy_split(writer, Split::test, test);
  });
}

}  // namespace lockstep
