#include "lockstep/io/checkpoint.hpp"

#include <algorithm>
#include <cmath>

#include "checkpoint_state.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/content_digest.hpp"
#include "lockstep/io/hdf5.hpp"
#include "seal.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t checkpoint_format_version = 1;
constexpr const char* checkpoint_format = "lockstep-checkpoint";

/// Kernels are stored as (in, out), everything else as one row.
std::vector<std::size_t> stored_shape(const Tensor& tensor) {
  if (tensor.is_kernel()) return {tensor.rows, tensor.columns};
  return {tensor.columns};
}

std::string tensor_path(const std::string& group, const Tensor& tensor) {
  return group + "/" + tensor.layer + "/" + tensor.name;
}

/// `flat`: (layout.size()); goes to `group`/<layer>/kernel|bias|activation.
template <class T>
void write_tensors(hid_t file, const std::string& group, const ParameterLayout& layout,
                   std::span<const T> flat, const std::string& file_name) {
  if (flat.size() != layout.size()) {
    throw std::invalid_argument(group + ": expected " + std::to_string(layout.size()) + " numbers, found " +
                                std::to_string(flat.size()));
  }
  for (const Tensor& tensor : layout.tensors()) {
    const std::string path = tensor_path(group, tensor);
    const std::string where = file_name + ": " + path;
    const std::vector<std::size_t> shape = stored_shape(tensor);
    const Hdf5Handle array = create_array(file, path, element_type_of<T>(), shape, where);
    write_row_block(array.get(), element_type_of<T>(), shape, 0, shape[0], flat.data() + tensor.offset,
                    where);
  }
}

template <class T>
void check_tensor(const Hdf5Array& array, const Tensor& tensor) {
  const std::string expected_type = element_name(element_type_of<T>());
  const std::vector<std::size_t> expected_shape = stored_shape(tensor);
  if (array.shape != expected_shape || array.type_name() != expected_type) {
    throw FileError(array.where + ": expected " + expected_type + " of shape " + shape_text(expected_shape) +
                    ", found " + array.type_name() + " of shape " + shape_text(array.shape));
  }
}

/// Every entry of a group has to be one of the network's layers.
void check_layers(hid_t file, const std::string& group, const ParameterLayout& layout,
                  const std::string& file_name) {
  const std::string where = file_name + ": " + group;
  const Hdf5Handle id = open_group(file, group, file_name);
  const std::size_t found = list_links(id.get(), where).size();
  if (found != layout.layers()) {
    throw FileError(where + ": expected " + std::to_string(layout.layers()) + " layers, found " +
                    std::to_string(found));
  }
}

template <class T>
void read_tensors(hid_t file, const std::string& group, const ParameterLayout& layout, std::span<T> flat,
                  const std::string& file_name) {
  check_layers(file, group, layout, file_name);
  std::fill(flat.begin(), flat.end(), T{0});
  for (const Tensor& tensor : layout.tensors()) {
    const Hdf5Array array = open_array(file, tensor_path(group, tensor), file_name);
    check_tensor<T>(array, tensor);
    const std::span<T> numbers = flat.subspan(tensor.offset, tensor.size());
    read_array<T>(array, numbers);
    const auto bad = std::find_if(numbers.begin(), numbers.end(), [](T v) { return !std::isfinite(v); });
    if (bad != numbers.end()) {
      throw FileError(array.where + ": element " + std::to_string(bad - numbers.begin()) +
                      ": expected a finite number, found " + format_exact(*bad));
    }
  }
}

/// A checkpoint whose format and digest are as they should be.
Hdf5Handle open_checkpoint(const std::string& path) {
  check_seal(path);
  Hdf5Handle file = open_hdf5(path);
  const std::string where = path + ": /";
  const std::string format =
      has_attribute(file.get(), "format", where) ? read_text_attribute(file.get(), "format", where) : "";
  if (format != checkpoint_format) {
    throw FileError(path + ": expected a checkpoint of lockstep, found " +
                    (format.empty() ? "another HDF5 file" : "format " + in_quotes(format)));
  }
  const auto version = read_number_attribute<std::int64_t>(file.get(), "version", where);
  if (version != checkpoint_format_version) {
    throw FileError(where + ": attribute 'version': expected " + std::to_string(checkpoint_format_version) +
                    ", found " + std::to_string(version));
  }
  const std::string stored = read_text_attribute(file.get(), "sha256", where);
  const std::string found = content_sha256(file.get(), path);
  if (found != stored) throw FileError(path + ": damaged: expected SHA-256 " + stored + ", found " + found);
  return file;
}

std::vector<std::string> slot_names(hid_t file, const std::string& file_name) {
  const Hdf5Handle group = open_group(file, "/optimizer", file_name);
  std::vector<std::string> names;
  for (const Hdf5Link& link : list_links(group.get(), file_name + ": /optimizer")) names.push_back(link.name);
  return names;
}

template <class T>
void check_room(const ParameterLayout& layout, std::span<T> parameters) {
  if (parameters.size() != layout.size()) {
    throw std::invalid_argument("expected room for " + std::to_string(layout.size()) + " parameters, found " +
                                std::to_string(parameters.size()));
  }
}

}  // namespace

template <class T>
void write_checkpoint(const std::string& path, const ParameterLayout& layout, const CheckpointState& state,
                      std::span<const T> parameters, const OptimizerSlots<T>& slots) {
  const Hdf5Handle file = create_hdf5_in_memory(path, seal_bytes);
  const std::string where = path + ": /";
  write_attribute(file.get(), "format", checkpoint_format, where);
  write_number_attribute<std::int64_t>(file.get(), "version", checkpoint_format_version, where);
  write_state(file.get(), state, path);
  write_tensors<T>(file.get(), "/parameters", layout, parameters, path);
  make_group(file.get(), "/optimizer", path);
  for (const auto& [slot, values] : slots) {
    write_tensors<T>(file.get(), "/optimizer/" + slot, layout, values, path);
  }
  write_attribute(file.get(), "sha256", content_sha256(file.get(), path), where);
  const std::span<char> image = hdf5_image(file.get(), path);
  write_seal(image);
  write_file_atomically(path, std::string_view(image.data(), image.size()));
}

CheckpointState read_checkpoint_state(const std::string& path) {
  const Hdf5Handle file = open_checkpoint(path);
  return read_state(file.get(), path);
}

template <class T>
void read_checkpoint_parameters(const std::string& path, const ParameterLayout& layout,
                                std::span<T> parameters) {
  check_room(layout, parameters);
  const Hdf5Handle file = open_checkpoint(path);
  read_tensors<T>(file.get(), "/parameters", layout, parameters, path);
}

template <class T>
void read_checkpoint_tensors(const std::string& path, const ParameterLayout& layout, std::span<T> parameters,
                             OptimizerSlots<T>& slots) {
  check_room(layout, parameters);
  const Hdf5Handle file = open_checkpoint(path);
  read_tensors<T>(file.get(), "/parameters", layout, parameters, path);
  slots.clear();
  for (const std::string& name : slot_names(file.get(), path)) {
    slots.emplace_back(name, std::vector<T>(layout.size()));
    read_tensors<T>(file.get(), "/optimizer/" + name, layout, std::span<T>(slots.back().second), path);
  }
}

template void write_checkpoint<float>(const std::string&, const ParameterLayout&, const CheckpointState&,
                                      std::span<const float>, const OptimizerSlots<float>&);
template void write_checkpoint<double>(const std::string&, const ParameterLayout&, const CheckpointState&,
                                       std::span<const double>, const OptimizerSlots<double>&);
template void read_checkpoint_parameters<float>(const std::string&, const ParameterLayout&, std::span<float>);
template void read_checkpoint_parameters<double>(const std::string&, const ParameterLayout&,
                                                 std::span<double>);
template void read_checkpoint_tensors<float>(const std::string&, const ParameterLayout&, std::span<float>,
                                             OptimizerSlots<float>&);
template void read_checkpoint_tensors<double>(const std::string&, const ParameterLayout&, std::span<double>,
                                              OptimizerSlots<double>&);

}  // namespace lockstep
