#pragma once

#include <string>
#include <vector>

#include "lockstep/io/checkpoint.hpp"
#include "lockstep/nn/mlp.hpp"

namespace lockstep {

/// The network that a checkpoint's description names. Throws UserError if it is none that this version knows,
/// or FileError if it names more classes than there are, or if the file at `checkpoint_path` is too small for
/// its weights: a forged description may ask for any amount of memory.
ModelSpec model_spec_of(const ModelDescription& model, const std::string& checkpoint_path);

/// A trained network from a checkpoint file or run directory, for evaluate and predict.
template <class T>
struct TrainedModel {
  explicit TrainedModel(const std::string& checkpoint_path, const ModelDescription& description)
      : spec(model_spec_of(description, checkpoint_path)),
        layout(make_layout(spec, sizeof(T))),
        parameters(layout.size()) {
    read_checkpoint_parameters<T>(checkpoint_path, layout, parameters);
  }
  ModelSpec spec;
  ParameterLayout layout;
  std::vector<T> parameters;
};

}  // namespace lockstep
