#include "lockstep/io/dataset_writer.hpp"

#include "hdf5_trial.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/io/atomic_file.hpp"

namespace lockstep {

ArrayWriter::ArrayWriter(hid_t file, const std::string& path, ElementType type,
                         std::vector<std::size_t> shape, const std::string& file_name)
    : where_(file_name + ": " + path), type_(type), shape_(std::move(shape)) {
  if (shape_.empty()) throw FileError(where_ + ": expected rows, found a single number");
  dataset_ = create_array(file, path, type_, shape_, where_);
}

void ArrayWriter::append(const void* data, std::size_t rows) {
  if (rows > shape_[0] - written_) {
    throw FileError(where_ + ": expected " + std::to_string(shape_[0]) + " rows, found more");
  }
  write_row_block(dataset_.get(), type_, shape_, written_, rows, data, where_);
  written_ += rows;
  std::size_t bytes = rows * element_size(type_);
  for (std::size_t axis = 1; axis < shape_.size(); ++axis) bytes *= shape_[axis];
  digest_.update(std::span(static_cast<const std::byte*>(data), bytes));
}

void ArrayWriter::finish() {
  if (written_ != shape_[0]) {
    throw FileError(where_ + ": expected " + std::to_string(shape_[0]) + " rows, found " +
                    std::to_string(written_));
  }
  write_attribute(dataset_.get(), "sha256", digest_.hex_digest(), where_);
}

DatasetWriter::DatasetWriter(const std::string& path, const DatasetAttributes& attributes)
    : path_(path), file_(create_hdf5(path)) {
  const std::string where = path_ + ": /";
  write_attribute(file_.get(), "format", "lockstep-dataset", where);
  write_number_attribute<std::int64_t>(file_.get(), "version", dataset_format_version, where);
  write_attribute(file_.get(), "task", task_name(attributes.task), where);
  write_attribute(file_.get(), "class_names", attributes.class_names, where);
  write_number_attribute(file_.get(), "x_scale", attributes.x_scale, where);
  write_attribute(file_.get(), "source", attributes.source, where);
}

ArrayWriter DatasetWriter::array(Split split, const char* name, ElementType type,
                                 std::vector<std::size_t> shape) {
  return {file_.get(), array_path(split, name), type, std::move(shape), path_};
}

void DatasetWriter::flush() {
  hdf5_check(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL), path_, "cannot be written");
}

namespace {

/// Messages should name the file that the user asked for.
std::string replace_first(std::string text, const std::string& from, const std::string& to) {
  const std::size_t position = text.find(from);
  return position == std::string::npos ? text : text.replace(position, from.size(), to);
}

}  // namespace

DatasetInfo write_dataset(const std::string& path, const DatasetAttributes& attributes,
                          const std::function<void(DatasetWriter&)>& write) {
  DatasetInfo info;
  write_file_atomically(path, [&](const std::string& temporary_path) {
    try {
      {
        DatasetWriter writer(temporary_path, attributes);
        write(writer);
        writer.flush();
      }
      trust_hdf5(temporary_path);
      info = read_dataset_info(temporary_path);
    } catch (const FileError& error) {
      throw FileError(replace_first(error.what(), temporary_path, path));
    }
  });
  trust_hdf5(path);  // with the new name it counts as another file
  info.path = path;
  return info;
}

}  // namespace lockstep
