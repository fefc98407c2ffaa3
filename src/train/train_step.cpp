#include "lockstep/train/train_step.hpp"

#include <algorithm>
#include <cmath>

namespace lockstep {

template <class T>
void MicroBatch<T>::gather(const Rows<T>& rows, std::span<const std::uint32_t> indices) {
  x.resize(indices.size() * rows.features);
  classes.resize(rows.classes.empty() ? 0 : indices.size());
  values.resize(indices.size() * rows.value_columns);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    rows.copy_x(indices[i], x.data() + i * rows.features);
    if (!classes.empty()) classes[i] = rows.classes[indices[i]];
    std::copy_n(rows.values.begin() + static_cast<std::ptrdiff_t>(indices[i] * rows.value_columns),
                rows.value_columns, values.begin() + static_cast<std::ptrdiff_t>(i * rows.value_columns));
  }
}

template <class T>
Targets<T> MicroBatch<T>::targets(std::size_t rows, std::size_t value_columns) const {
  if (value_columns == 0) return {classes, {}};
  return {{}, {values.data(), rows, value_columns}};
}

template <class T>
TrainState<T> make_train_state(const Communicator& world, const TrainConfig& config, const ModelSpec& spec,
                               const ParameterLayout& layout, const GradientRules& rules,
                               std::size_t largest_micro_batch) {
  std::vector<T> parameters(layout.size());
  std::vector<MatrixView<T>> kernels;
  for (std::size_t layer = 0; layer < layout.layers(); ++layer) {
    kernels.push_back(tensor_view(layout.kernel(layer), parameters.data()));
  }
  initialize_kernels<T>(config.init, config.init_generator, config.seed, kernels);

  GradientExchange<T> exchange(world, layout, *config.shards, config.reduction);
  const Range blocks = exchange.own_blocks();
  const std::size_t slice_size = exchange.own_slice().size();
  return {spec,
          layout,
          rules,
          config.constraint,
          std::move(parameters),
          std::move(exchange),
          Optimizer<T>(make_optimizer_config(config), layout, blocks),
          std::vector<T>(slice_size),
          Workspace<T>(spec, largest_micro_batch),
          {},
          spec.layers(),
          nullptr};
}

namespace {

/// The micro-batch gradient of one shard, as the next term of the summation tree.
template <class T>
LossSums add_shard_gradient(TrainState<T>& state, const BatchSampler& sampler, const Rows<T>& rows,
                            const StepPlan& plan, std::size_t shard) {
  const std::span<const std::uint32_t> indices = sampler.micro_batch(shard, plan.step_in_epoch);
  state.micro_batch.gather(rows, indices);
  const DropoutKey dropout{plan.seed, plan.step, sampler.first_position(shard)};
  TreeAccumulator<T>& tree = state.exchange.accumulator();
  const LossSums sums = forward_backward<T>(
      state.spec, state.layout, state.parameters, state.micro_batch.x_view(indices.size(), rows.features),
      state.micro_batch.targets(indices.size(), rows.value_columns), dropout, state.workspace,
      {tree.next_term(), state.layout.size()});
  tree.add_term();
  if (state.diagnosis != nullptr) state.diagnosis->count(state.workspace, indices.size());
  return sums;
}

}  // namespace

template <class T>
StepFlags train_step(TrainState<T>& state, const BatchSampler& sampler, const Rows<T>& rows,
                     const StepPlan& plan, StepFlags mine, EpochSums& sums) {
  state.exchange.accumulator().reset();
  const Range own_shards = state.exchange.own_shards();
  for (std::size_t shard = own_shards.begin; shard < own_shards.end; ++shard) {
    const LossSums shard_sums = add_shard_gradient(state, sampler, rows, plan, shard);
    sums.loss_sums[shard] += shard_sums.loss_sum;
    sums.correct_counts[shard] += shard_sums.correct_count;
    sums.row_counts[shard] +=
        static_cast<std::int64_t>(sampler.micro_batch(shard, plan.step_in_epoch).size());
    if (!std::isfinite(shard_sums.loss_sum)) {
      mine |= step_flag_non_finite;
      const std::size_t rows_of_shard = sampler.micro_batch(shard, plan.step_in_epoch).size();
      state.first_nonfinite_layer = std::min(
          state.first_nonfinite_layer, first_nonfinite_layer(state.spec, state.workspace, rows_of_shard));
    }
  }

  const StepFlags all = state.exchange.reduce(mine, state.mean_gradient);
  if (all & step_flag_non_finite) return all;

  const Range slice = state.exchange.own_slice();
  const std::span<T> own_parameters = std::span(state.parameters).subspan(slice.begin, slice.size());
  const auto complete = [&](std::span<double> block_sums) { state.exchange.complete_block_sums(block_sums); };
  const T global_rows = static_cast<T>(sampler.global_rows(plan.step_in_epoch));
  for (T& gradient : state.mean_gradient) gradient /= global_rows;
  apply_gradient_rules<T>(state.rules, state.layout, state.exchange.own_blocks(), own_parameters,
                          state.mean_gradient, complete);
  if (state.diagnosis != nullptr) state.diagnosis->before_update(own_parameters, state.mean_gradient);
  state.optimizer.update(plan.step + 1, plan.learning_rate, own_parameters, state.mean_gradient, complete);
  state.exchange.all_gather(state.parameters);

  // A unit's weights may span several slices, so every rank applies the constraints to the whole kernels.
  for (std::size_t layer = 0; layer < state.constraints.size(); ++layer) {
    state.constraints[layer].apply(tensor_view(state.layout.kernel(layer), state.parameters.data()));
  }
  if (state.diagnosis != nullptr) state.diagnosis->after_update(own_parameters);
  return all;
}

template struct MicroBatch<float>;
template struct MicroBatch<double>;
template TrainState<float> make_train_state<float>(const Communicator&, const TrainConfig&, const ModelSpec&,
                                                   const ParameterLayout&, const GradientRules&, std::size_t);
template TrainState<double> make_train_state<double>(const Communicator&, const TrainConfig&,
                                                     const ModelSpec&, const ParameterLayout&,
                                                     const GradientRules&, std::size_t);
template StepFlags train_step<float>(TrainState<float>&, const BatchSampler&, const Rows<float>&,
                                     const StepPlan&, StepFlags, EpochSums&);
template StepFlags train_step<double>(TrainState<double>&, const BatchSampler&, const Rows<double>&,
                                      const StepPlan&, StepFlags, EpochSums&);

}  // namespace lockstep
