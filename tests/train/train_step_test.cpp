#include "lockstep/train/train_step.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/io/dataset.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

constexpr std::size_t train_rows = 103, features = 7;

DatasetInfo dataset_info() {
  DatasetInfo info;
  info.task = Task::classification;
  info.train_rows = train_rows;
  info.features = features;
  info.x_shape = {features};
  info.outputs = 3;
  info.class_names = {"low", "middle", "high"};
  info.x_type = "float32";
  return info;
}

TrainConfig config_of(const std::vector<std::pair<std::string, std::string>>& options) {
  TrainConfig config;
  config.data = "synthetic";
  for (const auto& [name, text] : options) set_option(config, name, text);
  return resolve(config, dataset_info());
}

template <class T>
Rows<T> rows_of(const RowRuns& runs) {
  const testing::SyntheticRows all(train_rows, features, 1);
  Rows<T> rows;
  rows.features = features;
  for (const Range& run : runs) {
    for (std::size_t i = run.begin; i < run.end; ++i) {
      for (std::size_t j = 0; j < features; ++j)
        rows.x_real.push_back(static_cast<T>(all.x[i * features + j]));
      rows.classes.push_back(all.classes[i]);
    }
    rows.count += run.size();
  }
  return rows;
}

/// The step as the design defines it, on one process without any exchange: a gradient a shard, the recursive
/// tree sum, one slice that is the whole vector.
template <class T>
std::vector<T> train_alone(const TrainConfig& config, std::size_t epochs) {
  const ModelSpec spec = make_model_spec(config, dataset_info());
  const ParameterLayout layout = make_layout(spec, sizeof(T));
  const BatchPlan plan{train_rows, config.batch_size, *config.shards, config.drop_last};
  const Range all_shards{0, plan.shards};
  const Rows<T> rows = rows_of<T>(rows_of_shards(plan, all_shards, {{0, train_rows}}));
  BatchSampler sampler(plan, all_shards, config.shuffle, config.seed);
  std::vector<T> parameters(layout.size());
  std::vector<MatrixView<T>> kernels;
  for (std::size_t l = 0; l < layout.layers(); ++l) {
    kernels.push_back(tensor_view(layout.kernel(l), parameters.data()));
  }
  initialize_kernels<T>(config.init, config.init_generator, config.seed, kernels);
  initialize_activations<T>(spec, layout, parameters);
  const Range all_blocks{0, layout.blocks()};
  Optimizer<T> optimizer(make_optimizer_config(config), layout, all_blocks);
  const GradientRules rules = make_gradient_rules(config);
  Workspace<T> workspace(spec, config.batch_size);
  const auto complete = [](std::span<double>) {};
  std::uint64_t step = 0;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    sampler.start_epoch(epoch);
    for (std::size_t s = 0; s < sampler.steps_per_epoch(); ++s, ++step) {
      std::vector<std::vector<T>> gradients;
      for (std::size_t shard = 0; shard < plan.shards; ++shard) {
        GatheredRows<T> gathered;
        gathered.clear(workspace.factors.x);
        gathered.append(sampler.micro_batch(shard, s));
        gradients.emplace_back(layout.size());
        forward_backward<T>(spec, layout, parameters,
                            gathered.batch(rows, {config.seed, step, sampler.first_position(shard)}),
                            workspace, gradients.back(), gathered.sums);
      }
      std::vector<T> gradient(layout.size()), terms(plan.shards);
      for (std::size_t i = 0; i < layout.size(); ++i) {
        for (std::size_t shard = 0; shard < plan.shards; ++shard) terms[shard] = gradients[shard][i];
        const auto sum = [&](auto&& self, std::size_t begin, std::size_t end) -> T {
          if (end - begin == 1) return terms[begin];
          std::size_t half = 1;
          while (2 * half < end - begin) half *= 2;
          return self(self, begin, begin + half) + self(self, begin + half, end);
        };
        gradient[i] = sum(sum, 0, plan.shards) / static_cast<T>(sampler.global_rows(s));
      }
      for_chunks(layout, all_blocks, [&](const Chunk& chunk) {
        const std::size_t begin = chunk.elements.begin;
        apply_element_rules<T>(rules, layout, chunk, parameters.data() + begin, gradient.data() + begin);
      });
      clip_by_norm<T>(rules, layout, all_blocks, gradient, complete);
      optimizer.update(step + 1, *config.learning_rate, parameters, gradient, complete);
      for (std::size_t l = 0; l < config.constraint.size(); ++l) config.constraint[l].apply(kernels[l]);
    }
  }
  return parameters;
}

template <class T>
std::vector<T> train_together(const Communicator& world, const TrainConfig& config, std::size_t epochs) {
  const ModelSpec spec = make_model_spec(config, dataset_info());
  const ParameterLayout layout = make_layout(spec, sizeof(T));
  const GradientRules rules = make_gradient_rules(config);
  const BatchPlan plan{train_rows, config.batch_size, *config.shards, config.drop_last};
  const Range own = block_partition(plan.shards, static_cast<std::size_t>(world.size()),
                                    static_cast<std::size_t>(world.rank()));
  const Rows<T> rows = rows_of<T>(rows_of_shards(plan, own, {{0, train_rows}}));
  BatchSampler sampler(plan, own, config.shuffle, config.seed);
  TrainState<T> state = make_train_state<T>(world, config, spec, layout, rules, plan, false);
  EpochSums sums(plan.shards);
  std::uint64_t step = 0;
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    sampler.start_epoch(epoch);
    for (std::size_t s = 0; s < sampler.steps_per_epoch(); ++s, ++step) {
      EXPECT_EQ(train_step<T>(state, sampler, rows, {step, s, *config.learning_rate, config.seed}, 0, sums),
                0U);
    }
  }
  return {state.exchange.parameters().begin(), state.exchange.parameters().end()};
}

class TrainStep : public ::testing::TestWithParam<std::vector<std::pair<std::string, std::string>>> {};

TEST_P(TrainStep, SameBitsAsOneProcessWithoutExchange) {
  const Communicator world = Communicator::world();
  for (const char* arithmetic : {"openblas", "exact"}) {
    auto options = GetParam();
    options.insert(options.end(), {{"hidden", "9,5"}, {"arithmetic", arithmetic}, {"seed", "11"}});
    const TrainConfig config = config_of(options);
    EXPECT_EQ(train_together<float>(world, config, 3), train_alone<float>(config, 3)) << arithmetic;
    EXPECT_EQ(train_together<double>(world, config, 3), train_alone<double>(config, 3)) << arithmetic;
  }
}

INSTANTIATE_TEST_SUITE_P(
    , TrainStep,
    ::testing::Values(
        std::vector<std::pair<std::string, std::string>>{{"optimizer", "sgd"}, {"batch-size", "20"}},
        std::vector<std::pair<std::string, std::string>>{{"optimizer", "momentum"}, {"shards", "5"}},
        std::vector<std::pair<std::string, std::string>>{
            {"optimizer", "nesterov"}, {"shuffle", "off"}, {"batch-size", "13"}},
        std::vector<std::pair<std::string, std::string>>{
            {"optimizer", "adagrad"}, {"shards", "6"}, {"batch-size", "7"}},
        std::vector<std::pair<std::string, std::string>>{
            {"optimizer", "rmsprop"}, {"l1", "0.001"}, {"l2", "0.01"}},
        std::vector<std::pair<std::string, std::string>>{
            {"optimizer", "adam"}, {"dropout", "0.3"}, {"batch-size", "30"}},
        std::vector<std::pair<std::string, std::string>>{
            {"optimizer", "adamw"}, {"drop-last", "on"}, {"batch-size", "40"}},
        std::vector<std::pair<std::string, std::string>>{{"optimizer", "lars"}, {"batch-size", "25"}},
        std::vector<std::pair<std::string, std::string>>{
            {"activation", "prelu(per=unit),swish(trained)"}, {"optimizer", "lamb"}, {"shards", "7"}},
        std::vector<std::pair<std::string, std::string>>{
            {"optimizer", "lamb"}, {"clip-norm", "0.5"}, {"batch-size", "64"}},
        std::vector<std::pair<std::string, std::string>>{{"constraint", "max_norm(1)"},
                                                         {"clip-value", "0.01"}},
        std::vector<std::pair<std::string, std::string>>{{"batch-size", "500"}, {"label-smoothing", "0.1"}}));

/// A small training on all ranks, before its first step.
struct FirstStep {
  explicit FirstStep(std::vector<std::pair<std::string, std::string>> settings)
      : config(config_of(std::move(settings))) {
    sampler.start_epoch(0);
  }
  TrainState<float> state() const {
    return make_train_state<float>(world, config, spec, layout, rules, plan, false);
  }

  const Communicator world = Communicator::world();
  const bool is_last_rank = world.rank() == world.size() - 1;
  const TrainConfig config;
  const ModelSpec spec = make_model_spec(config, dataset_info());
  const ParameterLayout layout{spec.widths, sizeof(float)};
  const GradientRules rules;
  const BatchPlan plan{train_rows, config.batch_size, *config.shards, false};
  const Range own = block_partition(plan.shards, static_cast<std::size_t>(world.size()),
                                    static_cast<std::size_t>(world.rank()));
  Rows<float> rows = rows_of<float>(rows_of_shards(plan, own, {{0, train_rows}}));
  BatchSampler sampler{plan, own, false, 0};
  EpochSums sums{plan.shards};
};

std::vector<float> parameters_of(const TrainState<float>& state) {
  return {state.exchange.parameters().begin(), state.exchange.parameters().end()};
}

TEST(TrainStepFlags, NonFiniteLossOnOneRankStopsTheUpdateOnAll) {
  FirstStep first({{"hidden", "4"}, {"batch-size", "103"}, {"shuffle", "off"}});
  if (first.is_last_rank) first.rows.x_real[0] = std::numeric_limits<float>::quiet_NaN();
  TrainState<float> state = first.state();
  const std::vector<float> before = parameters_of(state);
  const StepFlags flags = train_step<float>(state, first.sampler, first.rows, {0, 0, 0.1, 0}, 0, first.sums);
  EXPECT_EQ(flags, step_flag_non_finite);
  EXPECT_EQ(parameters_of(state), before);
  EXPECT_EQ(first.world.all_reduce_min(static_cast<std::int64_t>(state.first_nonfinite_layer)), 0);
}

TEST(TrainStepFlags, WeightsThatAreNotFiniteStopTheNextUpdateOnAllRanks) {
  FirstStep first({{"hidden", "4"}, {"batch-size", "103"}, {"optimizer", "sgd"}});
  TrainState<float> state = first.state();
  const double far_too_large = 1e300;
  EXPECT_EQ(train_step<float>(state, first.sampler, first.rows, {0, 0, far_too_large, 0}, 0, first.sums), 0U);
  EXPECT_EQ(first.world.all_reduce_min(state.finite_weights ? 1 : 0), 0);
  EXPECT_EQ(first.world.all_reduce_min(static_cast<std::int64_t>(state.first_nonfinite_layer)), 0);

  // A step whose losses are finite although weights of one rank's slice are not, as with inputs of zero.
  TrainState<float> hidden = first.state();
  hidden.finite_weights = !first.is_last_rank;
  const std::vector<float> before = parameters_of(hidden);
  EXPECT_EQ(train_step<float>(hidden, first.sampler, first.rows, {0, 0, 0.1, 0}, 0, first.sums),
            step_flag_non_finite);
  EXPECT_EQ(parameters_of(hidden), before);
}

}  // namespace
}  // namespace lockstep
