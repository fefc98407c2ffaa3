#include "lockstep/app/trained_model.hpp"

#include "lockstep/core/error.hpp"
#include "lockstep/io/hdf5.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {
namespace {

/// Checkpoints are not compressed: kernels are as large in the file as in memory.
void check_holds_weights(const std::string& path, const ModelDescription& model) {
  const std::size_t element_bytes = model.precision == "float64" ? 8 : 4;
  std::size_t bytes = 0;
  bool overflow = false;
  for (std::size_t l = 0; l + 1 < model.widths.size(); ++l) {
    std::size_t kernel_bytes = element_bytes;
    overflow |= __builtin_mul_overflow(kernel_bytes, model.widths[l], &kernel_bytes);
    overflow |= __builtin_mul_overflow(kernel_bytes, model.widths[l + 1], &kernel_bytes);
    overflow |= __builtin_add_overflow(bytes, kernel_bytes, &bytes);
  }
  const std::uint64_t found = file_size_bytes(path);
  if (!overflow && bytes <= found) return;
  throw FileError(path + ": expected the weights of the network that it describes, found a file of only " +
                  std::to_string(found) + " bytes");
}

void check_class_names(const std::string& path, const ModelDescription& model) {
  const std::size_t classes = model.task == Task::binary ? 2 : model.widths.back();
  if (model.task == Task::regression || model.class_names.size() <= classes) return;
  throw FileError(path + ": /model: attribute 'class_names': expected at most " + std::to_string(classes) +
                  " names, found " + std::to_string(model.class_names.size()));
}

}  // namespace

ModelSpec model_spec_of(const ModelDescription& model, const std::string& checkpoint_path) {
  ModelSpec spec;
  spec.widths = model.widths;
  if (spec.widths.size() != model.activations.size() + 2) {
    throw FileError("checkpoint: expected one activation a hidden layer (" +
                    std::to_string(spec.widths.size()) + " widths), found " +
                    std::to_string(model.activations.size()));
  }
  check_class_names(checkpoint_path, model);
  for (const std::string& text : model.activations) spec.activations.emplace_back(text);
  check_holds_weights(checkpoint_path, model);
  spec.dropout.assign(model.activations.size(), 0.0);
  spec.output_loss = resolve_output_loss(model.output, model.loss, model.task);
  spec.arithmetic = parse_arithmetic(model.arithmetic);
  return spec;
}

}  // namespace lockstep
