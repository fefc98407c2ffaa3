#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/nn/constraint.hpp"
#include "lockstep/nn/mlp.hpp"
#include "lockstep/nn/optimizer.hpp"
#include "lockstep/nn/slice_gradient.hpp"
#include "lockstep/train/batch_sampler.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/diagnostics.hpp"
#include "lockstep/train/epoch_sums.hpp"

namespace lockstep {

/// Rows of micro-batches, gathered from the shards and scaled.
template <class T>
struct GatheredRows {
  RowMemory<T> x;                          // the caller's
  std::vector<std::uint32_t> all_indices;  // (rows)
  std::vector<std::int32_t> classes;       // (rows), classification only
  std::vector<T> values;                   // (rows, K), other tasks
  std::vector<Range> micro_batches;
  std::vector<LossSums> sums;  // (micro-batches), of the loss

  /// Starts over. x_: room for the rows of all micro-batches.
  void clear(const RowMemory<T>& x_);
  /// Appends the rows with these indices as one micro-batch.
  void append(std::span<const std::uint32_t> indices);
  /// All of them. If x leaves out zeros, the rows have an index (RowsView::nonzeros).
  LocalBatch<T> batch(const RowsView<T>& rows, const DropoutKey& dropout);
};

/// What the update of one step needs to know.
struct StepPlan {
  std::uint64_t step = 0;           // 0-based, over the whole training
  std::uint64_t step_in_epoch = 0;  // 0-based
  double learning_rate = 0;
  std::uint64_t seed = 0;
  bool compares_copies = false;  // of the weights, once the gradients were computed from them
};

/// Everything of one rank that a step reads or changes.
template <class T>
struct TrainState {
  const Communicator& world;
  const ModelSpec& spec;
  const ParameterLayout& layout;
  const GradientRules& rules;
  const std::vector<Constraint>& constraints;  // one per layer
  GradientExchange<T> exchange;                // with the parameters, the same on every rank between steps
  Optimizer<T> optimizer;                      // of this rank's slice
  AlignedVector<T> mean_gradient;              // of this rank's slice
  bool finite_weights;                         // whether this rank's last update left none that is not
  bool all_weights_finite;                     // this is known of all ranks' weights
  AlignedVector<T> factor_memory;              // empty: in the exchange's
  GradientFactors<T> factors;  // of all ranks' rows, in the exchange's memory; or of one group's
  std::optional<SliceGradient<T>> slice_gradient;  // from the factors of all ranks, where they share them
  Workspace<T> workspace;
  std::vector<Range> shard_groups;    // own shards that are worked on together: nodes of the summation tree
  GatheredRows<T> gathered;           // of one group
  std::size_t first_nonfinite_layer;  // met by this rank where a loss or weight was not finite; else
                                      // spec.layers()
  StepDiagnosis<T>* diagnosis;        // looks at the step; nullptr: nobody does
  ProgressBoard* board;               // is told where this rank stands; nullptr: nobody looks
};

/// The state before the first step: parameters and optimizer state as they start. Collective. skip_zeros:
/// whether this rank's rows come with an index (RowsView::nonzeros). The other arguments, but
/// for the plan, have to outlive it. Throws AgreedError where it does not fit into memory or MPI's counts.
template <class T>
TrainState<T> make_train_state(const Communicator& world, const TrainConfig& config, const ModelSpec& spec,
                               const ParameterLayout& layout, const GradientRules& rules,
                               const BatchPlan& plan, bool skip_zeros, ProgressBoard* board = nullptr);

/// One synchronized update (collective). `mine` are this rank's flags; the flags of all ranks together are
/// returned. If any rank met a non-finite loss, or the update before left a non-finite weight, the parameters
/// are left as they were, on every rank. Throws AgreedError where the plan has the copies of the weights
/// compared and they differ.
template <class T>
StepFlags train_step(TrainState<T>& state, const BatchSampler& sampler, const RowsView<T>& rows,
                     const StepPlan& plan, StepFlags mine, EpochSums& sums);

}  // namespace lockstep
