#include "lockstep/io/table_input.hpp"

#include <cmath>

#include "csv_reader.hpp"
#include "finite_check.hpp"
#include "idx_file.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/hdf5.hpp"
#include "x_scale.hpp"

namespace lockstep {
namespace {

void check_features(const std::string& where, std::size_t expected, std::size_t found,
                    const std::string& hint = "") {
  if (expected == found) return;
  throw FileError(where + ": expected rows of " + std::to_string(expected) +
                  " numbers, as the model was trained on, found " + std::to_string(found) + hint);
}

/// Flags that say something of files of another kind are mistakes.
void check_flags(const FeatureSource& source, bool hdf5, bool csv) {
  if (!source.dataset.empty() && !hdf5) {
    throw UserError("--dataset: expected with an HDF5 file, found with " + source.path);
  }
  if (!source.drop_columns.empty() && !csv) {
    throw UserError("--drop-columns: expected with a CSV file, found with " + source.path);
  }
}

std::string find_array(hid_t file, const FeatureSource& source) {
  if (!source.dataset.empty()) return source.dataset.front() == '/' ? source.dataset : "/" + source.dataset;
  for (const char* path : {"/x", "/test/x", "/train/x"}) {
    if (hdf5_exists(file, path, source.path)) return path;
  }
  throw FileError(source.path +
                  ": expected an array /x, /test/x or /train/x, found none; --dataset names another");
}

/// Such a file is no CSV, whatever it holds.
bool is_named_hdf5(const std::string& path) {
  return path.ends_with(".h5") || path.ends_with(".hdf5");
}

template <class T>
void read_hdf5_features(const FeatureSource& source, Rows<T>& rows) {
  const Hdf5Handle file = open_hdf5(source.path);
  const Hdf5Array array = open_array(file.get(), find_array(file.get(), source), source.path);
  if (array.shape.size() < 2) {
    throw FileError(array.where + ": expected shape (N, F) or (N, H, W), found " + shape_text(array.shape));
  }
  if (array.shape[0] == 0) throw FileError(array.where + ": expected rows, found none");
  check_features(array.where, rows.features, array.row_elements());
  rows.count = array.shape[0];
  // A dataset says so itself; other files hold numbers as those that the network was trained on.
  rows.x_scale = read_x_scale(file.get(), source.path + ": /").value_or(rows.x_scale);
  const bool bytes = array.type_bytes == 1 && !array.is_signed;
  check_memory_available(array.elements() * (bytes ? 1 : sizeof(T)), array.where);
  if (bytes) {
    rows.x_u8.resize(array.elements());
    read_array<std::uint8_t>(array, rows.x_u8);
    return;
  }
  rows.x_real.resize(array.elements());
  read_array<T>(array, rows.x_real);
  check_finite<T>(rows.x_real, rows.features, 0, array.where);
}

template <class T>
void read_idx_features(const FeatureSource& source, Rows<T>& rows) {
  IdxFile file(source.path, 2, 3, "images");
  check_features(source.path, rows.features, file.row_bytes());
  rows.count = file.rows();
  rows.x_u8 = file.read_all();
}

template <class T>
void read_csv_features(const FeatureSource& source, Rows<T>& rows) {
  CsvReader reader(source.path, source.separator);
  std::vector<bool> dropped(reader.header().size(), false);
  for (const std::string& name : source.drop_columns) dropped[reader.column(name)] = true;
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < dropped.size(); ++i) {
    if (!dropped[i]) columns.push_back(i);
  }
  const bool too_many = columns.size() > rows.features;
  check_features(source.path + ": line 1", rows.features, columns.size(),
                 too_many ? "; --drop-columns leaves out what is no feature" : "");
  std::vector<std::string> fields;
  while (reader.next(fields)) {
    make_room(rows.x_real, columns.size(), source.path);
    for (const std::size_t i : columns) {
      const T number = static_cast<T>(reader.number(fields, i));
      if (!std::isfinite(number)) {
        throw FileError(reader.place(i) + ": expected a finite float" + std::to_string(8 * sizeof(T)) +
                        ", found " + in_quotes(fields[i]));
      }
      rows.x_real.push_back(number);
    }
    ++rows.count;
  }
  if (rows.count == 0) throw FileError(source.path + ": expected rows below the header, found none");
}

}  // namespace

template <class T>
Rows<T> read_features(const FeatureSource& source, std::size_t features, double x_scale) {
  Rows<T> rows;
  rows.features = features;
  rows.x_scale = x_scale;
  const bool hdf5 = is_hdf5(source.path) || is_named_hdf5(source.path);
  const bool idx = !hdf5 && looks_like_idx(source.path);
  check_flags(source, hdf5, !hdf5 && !idx);
  if (hdf5) {
    read_hdf5_features(source, rows);
  } else if (idx) {
    read_idx_features(source, rows);
  } else {
    read_csv_features(source, rows);
  }
  return rows;
}

template Rows<float> read_features<float>(const FeatureSource&, std::size_t, double);
template Rows<double> read_features<double>(const FeatureSource&, std::size_t, double);

}  // namespace lockstep
