#include "lockstep/train/train_step.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/train/divergence_guard.hpp"

namespace lockstep {

template <class T>
void GatheredRows<T>::clear(const RowMemory<T>& x_) {
  x = x_;
  all_indices.clear();
  classes.clear();
  values.clear();
  micro_batches.clear();
}

/// How many rows are asked for before they are copied.
constexpr std::size_t rows_ahead = 4;

template <class T>
void GatheredRows<T>::append(std::span<const std::uint32_t> indices) {
  const std::size_t begin = micro_batches.empty() ? 0 : micro_batches.back().end;
  micro_batches.push_back({begin, begin + indices.size()});
  all_indices.insert(all_indices.end(), indices.begin(), indices.end());
  sums.resize(micro_batches.size());
}

template <class T>
LocalBatch<T> GatheredRows<T>::batch(const RowsView<T>& rows, const DropoutKey& dropout) {
  const std::size_t count = all_indices.size();
  run_vectorized([&](auto) {
    for (std::size_t i = 0; i < count; ++i) {
      if (x.leave_out_zeros()) {
        if (i + 2 * rows_ahead < count)
          rows.nonzeros.prefetch_place(rows.place(all_indices[i + 2 * rows_ahead]));
        if (i + rows_ahead < count) rows.prefetch_nonzeros(all_indices[i + rows_ahead]);
        rows.copy_nonzeros(all_indices[i], x, i);
      } else {
        rows.copy_x(all_indices[i], x.row(i));
      }
    }
  });
  for (const std::uint32_t index : all_indices) {
    const std::size_t place = rows.place(index);
    if (!rows.classes.empty()) classes.push_back(rows.classes[place]);
    const T* const row_values = rows.values.data() + place * rows.value_columns;
    values.insert(values.end(), row_values, row_values + rows.value_columns);
  }
  Targets<T> targets;
  if (rows.value_columns == 0) {
    targets.classes = classes;
  } else {
    targets.values = {values.data(), count, rows.value_columns};
  }
  return {x.rows().rows_of({0, count}), targets, micro_batches, dropout};
}

namespace {

/// Groups of shards are as large as these many rows allow: large enough for fast products, small enough for
/// the caches and for any batch size.
constexpr std::size_t largest_group_rows = 1024;

std::size_t rows_of_group(const BatchPlan& plan, Range shards) {
  return plan.positions(shards.end - 1).end - plan.positions(shards.begin).begin;
}

std::vector<Range> make_shard_groups(const BatchPlan& plan, Range own_shards) {
  std::vector<Range> groups;
  for (const Range& node : tree_nodes_inside(plan.shards, own_shards)) {
    cut_node(
        node, [&](Range shards) { return rows_of_group(plan, shards) <= largest_group_rows; }, groups);
  }
  return groups;
}

std::size_t largest_rows(const BatchPlan& plan, const std::vector<Range>& groups) {
  std::size_t largest = 0;
  for (const Range& group : groups) largest = std::max(largest, rows_of_group(plan, group));
  return std::min(largest, plan.rows);
}

/// What an element of each layer's gradient costs whoever forms it from the factors and updates the weight.
/// Measured, of 81 % zeros in the first layer's inputs if those are left out; the unit is about one clock
/// cycle.
std::vector<double> gradient_costs(std::size_t layers, const BatchPlan& plan, bool skip_zeros) {
  const auto rows = static_cast<double>(std::min(plan.batch_size, plan.rows));
  const auto shards = static_cast<double>(plan.shards);
  constexpr double update = 2;
  std::vector<double> costs(layers, rows / 16 + shards / 4 + update);
  if (skip_zeros) costs.front() = rows / 55 + shards / 3 + update;
  return costs;
}

/// Factors of which each rank forms the gradient of its own slice, if that is cheaper than to form each
/// rank's gradient of everything and to add those up: if there is less to write and to read. None if not, or
/// if it might change bits.
template <class T>
SharedFactors shared_factors(const TrainConfig& config, const ModelSpec& spec, const ParameterLayout& layout,
                             const BatchPlan& plan, bool skip_zeros) {
  if (config.arithmetic != Arithmetic::exact || config.reduction != Reduction::reproducible) return {};
  for (std::size_t layer = 0; layer < layout.layers(); ++layer) {
    if (layout.activation(layer) != nullptr) return {};
  }
  const std::size_t size = GradientFactors<T>::size(spec, std::min(plan.batch_size, plan.rows), skip_zeros);
  if (size > 2 * layout.size()) return {};
  return {size, gradient_costs(layout.layers(), plan, skip_zeros)};
}

/// Throws AgreedError where a node has no room for the weights, sums of gradients and optimizer state of its
/// ranks. What ranks of a node may share counts once. Collective.
template <class T>
void refuse_more_than_memory(const Communicator& world, const TrainConfig& config,
                             const ParameterLayout& layout, std::size_t shards, std::size_t factor_elements) {
  const auto ranks = static_cast<std::size_t>(world.size());
  const Range own_shards = block_partition(shards, ranks, static_cast<std::size_t>(world.rank()));
  const bool share = config.transport != Transport::messages || ranks == 1;
  const bool one_node = world.all_reduce_min(world.node()) == world.all_reduce_max(world.node());
  const bool share_factors = share && one_node && factor_elements > 0;
  const std::size_t sums = share_factors ? 0 : tree_nodes_inside(shards, own_shards).size();
  const std::size_t slots = find_optimizer(config.optimizer).slots.size();
  const std::size_t own = (sums + (share ? 0 : 1)) * layout.size() + (1 + slots) * (layout.size() / ranks);
  const std::size_t shared = share ? layout.size() + (share_factors ? factor_elements : 0) : 0;
  check_memory_of_nodes(world, own * sizeof(T), shared * sizeof(T),
                        "--hidden: weights, sums of gradients and optimizer state of a host's ranks");
}

}  // namespace

template <class T>
TrainState<T> make_train_state(const Communicator& world, const TrainConfig& config, const ModelSpec& spec,
                               const ParameterLayout& layout, const GradientRules& rules,
                               const BatchPlan& plan, bool skip_zeros, ProgressBoard* board) {
  // A rank without rows has no index of them.
  const bool any_skips_zeros = world.all_reduce_max(skip_zeros ? 1 : 0) == 1;
  const SharedFactors shared = shared_factors<T>(config, spec, layout, plan, any_skips_zeros);
  refuse_more_than_memory<T>(world, config, layout, plan.shards, shared.elements);
  GradientExchange<T> exchange(world, layout, plan.shards, config.reduction, config.transport, {}, shared);
  collectively(world, [&] {
    if (!exchange.is_first_of_group()) return;
    if (board != nullptr) board->reach(0, Phase::drawing_weights);
    std::vector<MatrixView<T>> kernels;
    for (std::size_t layer = 0; layer < layout.layers(); ++layer) {
      kernels.push_back(tensor_view(layout.kernel(layer), exchange.parameters().data()));
    }
    initialize_kernels<T>(config.init, config.init_generator, config.seed, kernels);
    initialize_activations<T>(spec, layout, exchange.parameters());
    if (board != nullptr) board->reach(0, Phase::starting);
  });
  exchange.synchronize();

  return collectively(world, [&]() -> TrainState<T> {
    std::vector<Range> groups = make_shard_groups(plan, exchange.own_shards());
    const Range blocks = exchange.own_blocks();
    const std::size_t slice_size = exchange.own_slice().size();
    const std::size_t most_rows = largest_rows(plan, groups);
    AlignedVector<T> factor_memory;
    GradientFactors<T> factors;
    std::optional<SliceGradient<T>> slice_gradient;
    if (exchange.factors().empty()) {
      factor_memory.resize(GradientFactors<T>::size(spec, most_rows, any_skips_zeros));
      factors = GradientFactors<T>(spec, most_rows, any_skips_zeros, factor_memory.data());
    } else {
      factors = GradientFactors<T>(spec, std::min(plan.batch_size, plan.rows), any_skips_zeros,
                                   exchange.factors().data());
      slice_gradient.emplace(spec, layout, exchange.own_slice());
    }
    return {world,
            spec,
            layout,
            rules,
            config.constraint,
            std::move(exchange),
            Optimizer<T>(make_optimizer_config(config), layout, blocks),
            AlignedVector<T>(slice_size),
            true,
            false,
            std::move(factor_memory),
            factors,
            std::move(slice_gradient),
            Workspace<T>(spec, most_rows, factors),
            std::move(groups),
            {},
            spec.layers(),
            nullptr,
            board};
  });
}

namespace {

/// Forward and backward over the micro-batches of a group of shards, whose gradient is the next term of the
/// summation tree, or whose factors stand where all ranks see them. Returns whether the loss is finite.
template <class T>
bool add_group_gradient(TrainState<T>& state, const BatchSampler& sampler, const RowsView<T>& rows,
                        const StepPlan& plan, Range shards, EpochSums& sums) {
  GatheredRows<T>& gathered = state.gathered;
  const std::size_t first_position = sampler.first_position(shards.begin);
  if (state.slice_gradient) {
    const std::size_t all_rows = sampler.global_rows(plan.step_in_epoch);
    state.workspace.factors = state.factors.rows_of({std::min(first_position, all_rows), all_rows});
  }
  gathered.clear(state.workspace.factors.x);
  for (std::size_t shard = shards.begin; shard < shards.end; ++shard) {
    gathered.append(sampler.micro_batch(shard, plan.step_in_epoch));
  }
  const DropoutKey dropout{plan.seed, plan.step, first_position};
  LocalBatch<T> batch = gathered.batch(rows, dropout);
  batch.finite_kernels = state.all_weights_finite;
  if (state.slice_gradient) {
    forward_deltas<T>(state.spec, state.layout, state.exchange.parameters(), batch, state.workspace, {},
                      gathered.sums);
  } else {
    TreeAccumulator<T>& tree = state.exchange.accumulator();
    forward_backward<T>(state.spec, state.layout, state.exchange.parameters(), batch, state.workspace,
                        {tree.next_term(), state.layout.size()}, gathered.sums);
    tree.add_term(shards.size());
  }
  if (state.diagnosis != nullptr)
    state.diagnosis->count(state.exchange.parameters(), state.workspace, batch.x.rows());

  bool finite = true;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::size_t shard = shards.begin + i;
    sums.loss_sums[shard] += gathered.sums[i].loss_sum;
    sums.correct_counts[shard] += gathered.sums[i].correct_count;
    sums.row_counts[shard] += static_cast<std::int64_t>(gathered.micro_batches[i].size());
    finite &= std::isfinite(gathered.sums[i].loss_sum);
  }
  if (!finite) {
    state.first_nonfinite_layer = std::min(
        state.first_nonfinite_layer, first_nonfinite_layer(state.spec, state.workspace, batch.x.rows()));
  }
  return finite;
}

/// Those of all shards in a step: where their rows stand among its rows.
std::vector<Range> all_micro_batches(const BatchPlan& plan, std::size_t global_rows) {
  std::vector<Range> micro_batches;
  for (std::size_t shard = 0; shard < plan.shards; ++shard) {
    const Range positions = plan.positions(shard);
    micro_batches.push_back({std::min(positions.begin, global_rows), std::min(positions.end, global_rows)});
  }
  return micro_batches;
}

template <class T>
std::span<T> own_parameters(TrainState<T>& state) {
  return state.exchange.parameters().subspan(state.exchange.own_slice().begin,
                                             state.exchange.own_slice().size());
}

/// Quotients by a power of two are products with its inverse, bit for bit, and cheaper.
template <class T>
void divide(const T* __restrict sum, std::size_t length, std::size_t divisor, T* __restrict quotient) {
  if (std::has_single_bit(divisor)) {
    run_vectorized([=, factor = T(1) / static_cast<T>(divisor)](auto) {
      for (std::size_t i = 0; i < length; ++i) quotient[i] = sum[i] * factor;
    });
  } else {
    run_vectorized([=, rows = static_cast<T>(divisor)](auto) {
      for (std::size_t i = 0; i < length; ++i) quotient[i] = sum[i] / rows;
    });
  }
}

/// Of some elements of the own slice over all rows of the step.
template <class T>
const T* gradient_sum(TrainState<T>& state, Range elements) {
  return state.slice_gradient ? state.slice_gradient->sum(elements) : state.exchange.slice_sum(elements);
}

/// A chunk of the mean gradient, with the rules that look at single elements.
template <class T>
void mean_gradient(TrainState<T>& state, std::size_t global_rows, const Chunk& chunk, T* mean) {
  divide(gradient_sum(state, chunk.elements), chunk.elements.size(), global_rows, mean);
  apply_element_rules<T>(state.rules, state.layout, chunk,
                         own_parameters(state).data() + chunk.elements.begin, mean);
}

/// Adds up the gradients of the own slice, chunk by chunk, and updates its weights. Returns whether they are
/// finite.
template <class T>
bool update_slice(TrainState<T>& state, const StepPlan& plan, std::size_t global_rows) {
  const std::span<T> weights = own_parameters(state);
  const bool needs_whole_gradient =
      state.rules.clip_norm != 0 || state.optimizer.info().layer_norms || state.diagnosis != nullptr;
  if (!needs_whole_gradient) {
    const bool is_scaled_sum = std::has_single_bit(global_rows) && !state.rules.look_at_elements();
    const auto gradient = [&](const Chunk& chunk) -> ScaledGradient<T> {
      if (is_scaled_sum) return {gradient_sum(state, chunk.elements), T(1) / static_cast<T>(global_rows)};
      mean_gradient(state, global_rows, chunk, state.mean_gradient.data());
      return {state.mean_gradient.data()};
    };
    return state.optimizer.update(plan.step + 1, plan.learning_rate, weights, std::ref(gradient));
  }
  for_chunks(state.layout, state.exchange.own_blocks(), [&](const Chunk& chunk) {
    mean_gradient(state, global_rows, chunk, state.mean_gradient.data() + chunk.elements.begin);
  });
  const auto complete = [&](std::span<double> block_sums) { state.exchange.complete_block_sums(block_sums); };
  clip_by_norm<T>(state.rules, state.layout, state.exchange.own_blocks(), state.mean_gradient, complete);
  if (state.diagnosis != nullptr) state.diagnosis->before_update(weights, state.mean_gradient);
  return state.optimizer.update(plan.step + 1, plan.learning_rate, weights, state.mean_gradient, complete);
}

/// The layer of the first weight of the own slice that is not finite.
template <class T>
std::size_t layer_of_nonfinite_weight(TrainState<T>& state) {
  const std::span<const T> weights = own_parameters(state);
  const auto first = std::find_if(weights.begin(), weights.end(), [](T w) { return !std::isfinite(w); });
  const std::size_t element =
      state.exchange.own_slice().begin + static_cast<std::size_t>(first - weights.begin());
  std::size_t layer = 0;
  while (layer + 1 < state.layout.layers() && state.layout.kernel(layer + 1).offset <= element) ++layer;
  return layer;
}

template <class T>
void reach(TrainState<T>& state, const StepPlan& plan, Phase phase) {
  if (state.board != nullptr) state.board->reach(plan.step, phase);
}

/// Whether no weight of the own slice is infinite or NaN, those that the update left alone included.
template <class T>
bool own_slice_is_finite(TrainState<T>& state) {
  if (!state.finite_weights || state.all_weights_finite) return state.finite_weights;
  const std::span<const T> weights = own_parameters(state);
  return std::all_of(weights.begin(), weights.end(), [](T w) { return std::isfinite(w); });
}

/// A unit's weights may span several slices, so the ranks of a group share out the units of the whole
/// kernels. Returns whether there are any constraints.
template <class T>
bool apply_constraints(TrainState<T>& state) {
  bool any = false;
  for (std::size_t layer = 0; layer < state.constraints.size(); ++layer) {
    const MatrixView<T> kernel = tensor_view(state.layout.kernel(layer), state.exchange.parameters().data());
    const Range units = state.exchange.part_of(kernel.columns);
    state.constraints[layer].apply(
        MatrixView<T>(kernel.data + units.begin, kernel.rows, units.size(), kernel.stride));
    any |= !state.constraints[layer].none();
  }
  if (any) state.exchange.synchronize();
  return any;
}

}  // namespace

template <class T>
StepFlags train_step(TrainState<T>& state, const BatchSampler& sampler, const RowsView<T>& rows,
                     const StepPlan& plan, StepFlags mine, EpochSums& sums) {
  reach(state, plan, Phase::computing);
  if (!state.slice_gradient) state.exchange.accumulator().reset();
  for (const Range& shards : state.shard_groups) {
    if (!add_group_gradient(state, sampler, rows, plan, shards, sums)) mine |= step_flag_non_finite;
  }
  if (!state.finite_weights) mine |= step_flag_non_finite;

  reach(state, plan, Phase::adding_gradients);
  const StepFlags all = state.exchange.share_sums(mine);
  // After the update every copy has the owners' values.
  if (plan.compares_copies) refuse_differing_copies<T>(state.world, state.exchange, state.layout, plan.step);
  if (all & step_flag_non_finite) return all;
  reach(state, plan, Phase::updating);
  const std::size_t global_rows = sampler.global_rows(plan.step_in_epoch);
  if (state.slice_gradient) {
    state.slice_gradient->start(state.factors.rows_of({0, global_rows}),
                                all_micro_batches(sampler.plan(), global_rows));
  }
  state.finite_weights = update_slice(state, plan, global_rows);
  if (!state.finite_weights) state.first_nonfinite_layer = layer_of_nonfinite_weight(state);
  reach(state, plan, Phase::sharing_weights);
  // Of other groups' slices nobody tells, and constraints divide by norms.
  const bool is_told = state.exchange.copies() == 1;
  const bool finite = is_told && own_slice_is_finite(state);
  const StepFlags flags = state.exchange.share_slices(finite ? 0 : step_flag_non_finite);
  const bool constrained = apply_constraints(state);
  state.all_weights_finite = is_told && flags == 0 && !constrained;
  if (state.diagnosis != nullptr) state.diagnosis->after_update(own_parameters(state));
  return all;
}

template struct GatheredRows<float>;
template struct GatheredRows<double>;
template TrainState<float> make_train_state<float>(const Communicator&, const TrainConfig&, const ModelSpec&,
                                                   const ParameterLayout&, const GradientRules&,
                                                   const BatchPlan&, bool, ProgressBoard*);
template TrainState<double> make_train_state<double>(const Communicator&, const TrainConfig&,
                                                     const ModelSpec&, const ParameterLayout&,
                                                     const GradientRules&, const BatchPlan&, bool,
                                                     ProgressBoard*);
template StepFlags train_step<float>(TrainState<float>&, const BatchSampler&, const RowsView<float>&,
                                     const StepPlan&, StepFlags, EpochSums&);
template StepFlags train_step<double>(TrainState<double>&, const BatchSampler&, const RowsView<double>&,
                                      const StepPlan&, StepFlags, EpochSums&);

}  // namespace lockstep
