#include "lockstep/nn/constraint.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "setting.hpp"

namespace lockstep {
namespace {

constexpr double keras_epsilon = 1e-7;

// In the order of Constraint::Kind.
const std::vector<SettingForm>& forms() {
  static const std::vector<SettingForm> table = {
      {"none", {"off"}, {}, "–"},
      {"nonneg", {"non_negative"}, {}, "max(w, 0)"},
      {"max_norm", {}, {{"limit", positive_number, 2}}, "w min(‖w‖, limit) / (‖w‖ + 1e-7)"},
      {"unit_norm", {}, {}, "w / (‖w‖ + 1e-7)"},
  };
  return table;
}

template <class T>
void clear_negative_weights(MatrixView<T> kernel) {
  for (std::size_t i = 0; i < kernel.rows; ++i) {
    T* const row = kernel.row(i);
    for (std::size_t j = 0; j < kernel.columns; ++j) row[j] = row[j] < T(0) ? T(0) : row[j];  // NaN stays
  }
}

/// Euclidean norm of every column: (columns).
template <class T>
std::vector<double> column_norms(MatrixView<T> kernel) {
  std::vector<double> norms(kernel.columns, 0.0);
  for (std::size_t i = 0; i < kernel.rows; ++i) {
    const T* const row = kernel.row(i);
    for (std::size_t j = 0; j < kernel.columns; ++j) {
      const double weight = static_cast<double>(row[j]);
      norms[j] += weight * weight;
    }
  }
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

/// Multiplies column j by scales[j].
template <class T>
void scale_columns(MatrixView<T> kernel, const std::vector<double>& scales) {
  const std::vector<T> rounded(scales.begin(), scales.end());
  for (std::size_t i = 0; i < kernel.rows; ++i) {
    T* const row = kernel.row(i);
    for (std::size_t j = 0; j < kernel.columns; ++j) row[j] *= rounded[j];
  }
}

}  // namespace

std::string constraint_forms() {
  return forms_text(forms());
}

std::vector<SettingInfo> constraint_table() {
  return forms_table(forms());
}

Constraint::Constraint(std::string_view text) {
  const Setting setting = parse_setting("constraint", text, forms());
  kind_ = static_cast<Kind>(setting.form);
  if (!setting.values.empty()) limit_ = setting.values[0];
}

std::string Constraint::text() const {
  const SettingForm& form = forms()[static_cast<std::size_t>(kind_)];
  return kind_ == Kind::max_norm ? form.name + "(" + format_exact(limit_) + ")" : form.name;
}

template <class T>
void Constraint::apply(MatrixView<T> kernel) const {
  if (kind_ == Kind::none) return;
  if (kind_ == Kind::nonneg) {
    clear_negative_weights(kernel);
    return;
  }
  std::vector<double> scales = column_norms(kernel);
  for (double& norm : scales) {
    const double wanted = kind_ == Kind::max_norm ? std::min(norm, limit_) : 1.0;
    norm = wanted / (norm + keras_epsilon);
  }
  scale_columns(kernel, scales);
}

template void Constraint::apply(MatrixView<float>) const;
template void Constraint::apply(MatrixView<double>) const;

}  // namespace lockstep
