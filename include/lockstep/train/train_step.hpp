#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/nn/constraint.hpp"
#include "lockstep/nn/mlp.hpp"
#include "lockstep/nn/optimizer.hpp"
#include "lockstep/train/batch_sampler.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/diagnostics.hpp"
#include "lockstep/train/epoch_sums.hpp"

namespace lockstep {

/// The rows of one micro-batch, gathered from the shard and scaled.
template <class T>
struct MicroBatch {
  std::vector<T> x;                   // (rows, features)
  std::vector<std::int32_t> classes;  // (rows), classification only
  std::vector<T> values;              // (rows, K), other tasks

  /// Copies rows[indices] here.
  void gather(const Rows<T>& rows, std::span<const std::uint32_t> indices);
  MatrixView<const T> x_view(std::size_t rows, std::size_t features) const {
    return {x.data(), rows, features};
  }
  Targets<T> targets(std::size_t rows, std::size_t value_columns) const;
};

/// What the update of one step needs to know.
struct StepPlan {
  std::uint64_t step = 0;           // 0-based, over the whole training
  std::uint64_t step_in_epoch = 0;  // 0-based
  double learning_rate = 0;
  std::uint64_t seed = 0;
};

/// Everything of one rank that a step reads or changes.
template <class T>
struct TrainState {
  const ModelSpec& spec;
  const ParameterLayout& layout;
  const GradientRules& rules;
  const std::vector<Constraint>& constraints;  // one per layer
  std::vector<T> parameters;                   // the whole flat vector, the same on every rank between steps
  GradientExchange<T> exchange;
  Optimizer<T> optimizer;        // of this rank's slice
  std::vector<T> mean_gradient;  // of this rank's slice
  Workspace<T> workspace;
  MicroBatch<T> micro_batch;
  std::size_t first_nonfinite_layer;  // met by this rank in a non-finite micro-batch; else spec.layers()
  StepDiagnosis<T>* diagnosis;        // looks at the step; nullptr: nobody does
};

/// The state before the first step: parameters and optimizer state as they start. Collective. The other
/// arguments have to outlive it. `largest_micro_batch`: rows of any of this rank's micro-batches.
template <class T>
TrainState<T> make_train_state(const Communicator& world, const TrainConfig& config, const ModelSpec& spec,
                               const ParameterLayout& layout, const GradientRules& rules,
                               std::size_t largest_micro_batch);

/// One synchronized update (collective). `mine` are this rank's flags; the flags of all ranks together are
/// returned. If any rank met a non-finite loss the parameters are left as they were, on every rank.
template <class T>
StepFlags train_step(TrainState<T>& state, const BatchSampler& sampler, const Rows<T>& rows,
                     const StepPlan& plan, StepFlags mine, EpochSums& sums);

}  // namespace lockstep
