#include "lockstep/app/trained_model.hpp"

#include "lockstep/core/error.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {

ModelSpec model_spec_of(const ModelDescription& model) {
  ModelSpec spec;
  spec.widths = model.widths;
  if (spec.widths.size() != model.activations.size() + 2) {
    throw FileError("checkpoint: expected one activation a hidden layer (" +
                    std::to_string(spec.widths.size()) + " widths), found " +
                    std::to_string(model.activations.size()));
  }
  for (const std::string& text : model.activations) spec.activations.emplace_back(text);
  spec.dropout.assign(model.activations.size(), 0.0);
  spec.output_loss = resolve_output_loss(model.output, model.loss, model.task);
  spec.arithmetic = parse_arithmetic(model.arithmetic);
  return spec;
}

}  // namespace lockstep
