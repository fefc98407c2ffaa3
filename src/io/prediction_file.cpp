#include "lockstep/io/prediction_file.hpp"

#include <array>

#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/hdf5.hpp"

namespace lockstep {
namespace {

template <class T>
void write_array(hid_t file, const std::string& name, const std::string& file_name, std::span<const T> values,
                 std::span<const std::size_t> shape) {
  const std::string where = file_name + ": " + name;
  const Hdf5Handle array = create_array(file, name, element_type_of<T>(), shape, where);
  write_row_block(array.get(), element_type_of<T>(), shape, 0, shape[0], values.data(), where);
}

}  // namespace

template <class T>
void write_predictions(const std::string& path, const ModelDescription& model, std::span<const T> predictions,
                       std::span<const std::int32_t> classes, const std::vector<std::vector<T>>& hidden) {
  const std::size_t outputs = model.widths.back();
  const std::array<std::size_t, 2> shape{predictions.size() / outputs, outputs};
  // In memory: libhdf5 crashes at the end of the process where a file could not be written.
  const Hdf5Handle file = create_hdf5_in_memory(path);
  write_attribute(file.get(), "format", std::string(predictions_format), path);
  const bool regression = model.task == Task::regression;
  write_array(file.get(), regression ? "/values" : "/probabilities", path, predictions, shape);
  if (!classes.empty()) {
    write_array(file.get(), "/class", path, classes, std::span<const std::size_t>(shape).first(1));
  }
  if (!hidden.empty()) make_group(file.get(), "/layers", path);
  for (std::size_t l = 0; l < hidden.size(); ++l) {
    const std::array<std::size_t, 2> layer_shape{shape[0], model.widths[l + 1]};
    write_array<T>(file.get(), "/layers/dense_" + std::to_string(l), path, hidden[l], layer_shape);
  }
  if (!model.class_names.empty()) write_attribute(file.get(), "class_names", model.class_names, path);
  const std::span<char> image = hdf5_image(file.get(), path);
  write_file_atomically(path, std::string_view(image.data(), image.size()));
}

template void write_predictions<float>(const std::string&, const ModelDescription&, std::span<const float>,
                                       std::span<const std::int32_t>, const std::vector<std::vector<float>>&);
template void write_predictions<double>(const std::string&, const ModelDescription&, std::span<const double>,
                                        std::span<const std::int32_t>,
                                        const std::vector<std::vector<double>>&);

}  // namespace lockstep
