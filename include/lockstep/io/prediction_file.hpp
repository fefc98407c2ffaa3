#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lockstep/io/checkpoint.hpp"

namespace lockstep {

/// The attribute `format` of these files.
inline constexpr const char* predictions_format = "lockstep-predictions";

/// Writes predictions as HDF5, atomically (one process): /probabilities (N, K), or /values (N, K) for
/// regression, /class (N) where there are classes, and the root attribute class_names; /layers/dense_<l>
/// (N, width) for each of `hidden`, the outputs of the hidden layers. `predictions`: (N, K). Throws
/// FileError.
template <class T>
void write_predictions(const std::string& path, const ModelDescription& model, std::span<const T> predictions,
                       std::span<const std::int32_t> classes, const std::vector<std::vector<T>>& hidden = {});

}  // namespace lockstep
