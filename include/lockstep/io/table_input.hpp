#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lockstep/io/dataset.hpp"

namespace lockstep {

/// Rows to predict from: HDF5, IDX or CSV (the latter two plain or .gz), told apart by content.
struct FeatureSource {
  std::string path;
  std::string dataset;  // HDF5: the array; empty: the first of /x, /test/x, /train/x that is there
  std::vector<std::string> drop_columns;  // CSV: columns that are no features, e.g. the target
  char separator = ',';                   // CSV: between fields
};

/// Reads features alone (no classes, no values), one process. `features` and `x_scale` are the model's; an
/// HDF5 file's own attribute x_scale comes first. Every number is checked to be finite. Throws FileError
/// naming file, dataset or line, what was expected and what was found.
template <class T>
Rows<T> read_features(const FeatureSource& source, std::size_t features, double x_scale);

}  // namespace lockstep
