#include "lockstep/train/diagnostics.hpp"

#include <cmath>
#include <limits>

#include "lockstep/core/text.hpp"
#include "lockstep/nn/optimizer.hpp"

namespace lockstep {
namespace {

constexpr double saturated_slope = 0.05;  // of the activation's maximum slope

std::size_t hidden_units(const ModelSpec& spec) {
  std::size_t units = 0;
  for (std::size_t layer = 0; layer + 1 < spec.layers(); ++layer) units += spec.widths[layer + 1];
  return units;
}

double share_of_zeros(std::span<const std::int64_t> counts) {
  std::size_t zeros = 0;
  for (const std::int64_t count : counts) zeros += count == 0 ? 1 : 0;
  return static_cast<double>(zeros) / static_cast<double>(counts.size());
}

}  // namespace

UnitCounts::UnitCounts(const ModelSpec& spec)
    : live_rows(hidden_units(spec)), unsaturated_rows(hidden_units(spec)) {}

template <class T>
void count_unit_rows(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                     const Workspace<T>& workspace, std::size_t rows, UnitCounts& counts) {
  std::size_t first_unit = 0;
  for (std::size_t layer = 0; layer + 1 < spec.layers(); ++layer) {
    const Activation& activation = spec.activations[layer];
    const std::size_t width = spec.widths[layer + 1];
    const auto threshold = static_cast<T>(saturated_slope * activation.info().max_slope);
    const MatrixView<const T> z(workspace.pre_activations[layer].data(), rows, width);
    std::vector<T> derivative(rows * width, T{1});
    activation.backward<T>(z, MatrixView<T>(derivative.data(), rows, width),
                           trained_activation(layout, layer, parameters));
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t unit = 0; unit < width; ++unit) {
        const T slope = std::abs(derivative[row * width + unit]);
        counts.live_rows[first_unit + unit] += slope != 0 ? 1 : 0;
        counts.unsaturated_rows[first_unit + unit] += slope >= threshold ? 1 : 0;
      }
    }
    first_unit += width;
  }
}

template <class T>
void block_squares(const ParameterLayout& layout, Range blocks, std::span<const T> slice,
                   std::span<double> sums) {
  const std::vector<std::size_t>& starts = layout.block_starts();
  for (std::size_t block = blocks.begin; block < blocks.end; ++block) {
    const std::size_t begin = starts[block] - starts[blocks.begin];
    const std::size_t end = starts[block + 1] - starts[blocks.begin];
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i)
      sum += static_cast<double>(slice[i]) * static_cast<double>(slice[i]);
    sums[block] = sum;
  }
}

std::vector<LayerDiagnostics> layer_diagnostics(const ModelSpec& spec, const ParameterLayout& layout,
                                                std::span<const double> gradient_squares,
                                                std::span<const double> update_squares,
                                                std::span<const double> weight_squares,
                                                const UnitCounts& counts) {
  const std::vector<double> gradient = tensor_sums(layout, gradient_squares);
  const std::vector<double> update = tensor_sums(layout, update_squares);
  const std::vector<double> weight = tensor_sums(layout, weight_squares);

  std::vector<LayerDiagnostics> layers(layout.layers());
  std::size_t first_unit = 0;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    LayerDiagnostics& row = layers[layer];
    row.layer = layout.kernel(layer).layer;
    const Range tensors = layout.layer_tensors(layer);  // the kernel comes first
    double gradient_square = 0;
    for (std::size_t t = tensors.begin; t < tensors.end; ++t) gradient_square += gradient[t];
    row.gradient_norm = std::sqrt(gradient_square);
    row.update_ratio = std::sqrt(update[tensors.begin] / weight[tensors.begin]);
    row.dead_units = row.saturated_units = std::numeric_limits<double>::quiet_NaN();
    if (layer + 1 == layers.size()) break;
    const std::size_t width = spec.widths[layer + 1];
    row.dead_units = share_of_zeros(std::span(counts.live_rows).subspan(first_unit, width));
    row.saturated_units = share_of_zeros(std::span(counts.unsaturated_rows).subspan(first_unit, width));
    first_unit += width;
  }
  return layers;
}

EpochTable diagnostics_table(const std::string& run_dir) {
  return {run_dir + "/diagnostics.csv",
          {"step", "layer", "gradient_norm", "dead_units", "saturated_units", "update_ratio"}};
}

void append_diagnostics(EpochTable& table, std::uint64_t epoch, std::uint64_t step,
                        std::span<const LayerDiagnostics> layers) {
  std::vector<std::vector<std::string>> rows;
  for (const LayerDiagnostics& row : layers) {
    rows.push_back({std::to_string(step), row.layer, csv_cell(row.gradient_norm), csv_cell(row.dead_units),
                    csv_cell(row.saturated_units), csv_cell(row.update_ratio)});
  }
  table.append(epoch, rows);
}

template void count_unit_rows<float>(const ModelSpec&, const ParameterLayout&, std::span<const float>,
                                     const Workspace<float>&, std::size_t, UnitCounts&);
template void count_unit_rows<double>(const ModelSpec&, const ParameterLayout&, std::span<const double>,
                                      const Workspace<double>&, std::size_t, UnitCounts&);
template void block_squares<float>(const ParameterLayout&, Range, std::span<const float>, std::span<double>);
template void block_squares<double>(const ParameterLayout&, Range, std::span<const double>,
                                    std::span<double>);

template <class T>
StepDiagnosis<T>::StepDiagnosis(const ModelSpec& spec, const ParameterLayout& layout, Range own_blocks)
    : spec_(spec), layout_(layout), own_blocks_(own_blocks), counts_(spec) {}

template <class T>
void StepDiagnosis<T>::start() {
  counts_ = UnitCounts(spec_);
  gradient_squares_.assign(layout_.blocks(), 0.0);
  update_squares_ = weight_squares_ = gradient_squares_;
  complete_ = false;
}

template <class T>
void StepDiagnosis<T>::count(std::span<const T> parameters, const Workspace<T>& workspace, std::size_t rows) {
  count_unit_rows(spec_, layout_, parameters, workspace, rows, counts_);
}

template <class T>
void StepDiagnosis<T>::before_update(std::span<const T> parameters, std::span<const T> mean_gradient) {
  block_squares<T>(layout_, own_blocks_, mean_gradient, gradient_squares_);
  block_squares<T>(layout_, own_blocks_, parameters, weight_squares_);
  old_parameters_.assign(parameters.begin(), parameters.end());
}

template <class T>
void StepDiagnosis<T>::after_update(std::span<const T> parameters) {
  std::vector<T> change(parameters.begin(), parameters.end());
  for (std::size_t i = 0; i < change.size(); ++i) change[i] -= old_parameters_[i];
  block_squares<T>(layout_, own_blocks_, change, update_squares_);
  complete_ = true;
}

template <class T>
std::vector<LayerDiagnostics> StepDiagnosis<T>::layers(
    const std::function<void(std::span<double>)>& complete_sums,
    const std::function<void(std::vector<std::int64_t>&)>& add_counts) {
  complete_sums(gradient_squares_);
  complete_sums(update_squares_);
  complete_sums(weight_squares_);
  add_counts(counts_.live_rows);
  add_counts(counts_.unsaturated_rows);
  return layer_diagnostics(spec_, layout_, gradient_squares_, update_squares_, weight_squares_, counts_);
}

template class StepDiagnosis<float>;
template class StepDiagnosis<double>;

}  // namespace lockstep
