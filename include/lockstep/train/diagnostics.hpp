#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/partition.hpp"
#include "lockstep/nn/mlp.hpp"
#include "lockstep/train/epoch_table.hpp"

/// How each layer is doing, looked at in one step (the last of an epoch). Everything combines over ranks
/// without depending on their number: units by integer counts, norms by sums over the fixed blocks of
/// ParameterLayout.
///
///   every rank:  after forward_backward of each own shard: count_unit_rows(…)
///                for the slice's mean gradient, update and weights: block_squares(…)
///   together:    add the counts (integers), complete the three block sums, then layer_diagnostics(…)
namespace lockstep {

/// One row of diagnostics.csv.
struct LayerDiagnostics {
  std::string layer;           // "dense_0" … "output"
  double gradient_norm = 0;    // Euclidean norm of the mean gradient of all parameters of the layer
  double dead_units = 0;       // share of units whose derivative is 0 for every row; NaN for the output layer
  double saturated_units = 0;  // share of units whose |derivative| is below 5 % of the activation's maximum
                               // slope for every row, dead ones included; NaN for the output layer
  double update_ratio = 0;     // ‖change of the kernel‖ / ‖kernel before it‖
};

/// How many rows kept each hidden unit alive and unsaturated; flat over layers and units, to be added over
/// shards.
struct UnitCounts {
  explicit UnitCounts(const ModelSpec& spec);
  std::vector<std::int64_t> live_rows;
  std::vector<std::int64_t> unsaturated_rows;
};

/// Adds the first `rows` rows of a forward pass. parameters: (layout.size())
template <class T>
void count_unit_rows(const ModelSpec& spec, const ParameterLayout& layout, std::span<const T> parameters,
                     const Workspace<T>& workspace, std::size_t rows, UnitCounts& counts);

/// Sums of squares over each of a rank's own blocks (chains over ascending elements, in double), written to
/// sums[b] for b in blocks.   slice: the elements of those blocks; sums: (layout.blocks())
template <class T>
void block_squares(const ParameterLayout& layout, Range blocks, std::span<const T> slice,
                   std::span<double> sums);

/// All layers, from completed block sums (layout.blocks()) of squares of the mean gradient, of the update
/// (new minus old parameters) and of the old parameters.
std::vector<LayerDiagnostics> layer_diagnostics(const ModelSpec& spec, const ParameterLayout& layout,
                                                std::span<const double> gradient_squares,
                                                std::span<const double> update_squares,
                                                std::span<const double> weight_squares,
                                                const UnitCounts& counts);

/// Looks at one step from inside it.
template <class T>
class StepDiagnosis {
 public:
  StepDiagnosis(const ModelSpec& spec, const ParameterLayout& layout, Range own_blocks);

  /// Forgets the step before.
  void start();
  /// After forward_backward of a micro-batch of `rows` rows.
  void count(std::span<const T> parameters, const Workspace<T>& workspace, std::size_t rows);
  /// Before the update of the slice.   parameters, mean_gradient: the slice's elements
  void before_update(std::span<const T> parameters, std::span<const T> mean_gradient);
  /// After the update and the constraints.
  void after_update(std::span<const T> parameters);

  bool complete() const { return complete_; }
  /// All layers. Collective: `complete_sums` fills in the block sums of the other ranks, `add_counts` adds
  /// their counts.
  std::vector<LayerDiagnostics> layers(const std::function<void(std::span<double>)>& complete_sums,
                                       const std::function<void(std::vector<std::int64_t>&)>& add_counts);

 private:
  const ModelSpec& spec_;
  const ParameterLayout& layout_;
  Range own_blocks_;
  UnitCounts counts_;
  std::vector<T> old_parameters_;  // of the slice
  std::vector<double> gradient_squares_, update_squares_, weight_squares_;
  bool complete_ = false;
};

/// diagnostics.csv of a run directory:
/// epoch,step,layer,gradient_norm,dead_units,saturated_units,update_ratio.
EpochTable diagnostics_table(const std::string& run_dir);
void append_diagnostics(EpochTable& table, std::uint64_t epoch, std::uint64_t step,
                        std::span<const LayerDiagnostics> layers);

}  // namespace lockstep
