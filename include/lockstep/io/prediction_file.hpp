#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "lockstep/io/checkpoint.hpp"

namespace lockstep {

/// Writes predictions as HDF5, atomically (one process): /probabilities (N, K), or /values (N, K) for
/// regression, /class (N) where there are classes, and the root attribute class_names. `predictions`: (N, K).
/// Throws FileError.
template <class T>
void write_predictions(const std::string& path, const ModelDescription& model, std::span<const T> predictions,
                       std::span<const std::int32_t> classes);

}  // namespace lockstep
