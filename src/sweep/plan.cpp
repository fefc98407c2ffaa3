#include "lockstep/sweep/plan.hpp"

#include <algorithm>
#include <cmath>

#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/train/evaluator.hpp"

namespace lockstep {
namespace {

/// Over the config's options that results depend on, when to stop among them, and the data's content. Where
/// things are and how they are shown stays out: a sweep may move.
std::string digest_of(const TrainConfig& config, const DatasetInfo& dataset) {
  Sha256 digest;
  for (const TrainOption& option : train_options()) {
    const bool stops = option.name == "epochs" || option.name == "max-steps" || option.name == "max-seconds";
    if (option.on_resume == TrainOption::OnResume::must_match || stops)
      digest.update(option.key() + "=" + option.get(config) + "\n");
  }
  digest.update("dataset=" + (dataset.sha256_all.empty() ? dataset.path : dataset.sha256_all) + "\n");
  constexpr std::size_t digits = 16;
  return digest.hex_digest().substr(0, digits);
}

std::size_t element_bytes(const TrainConfig& config) {
  return config.precision == Precision::float32 ? sizeof(float) : sizeof(double);
}

std::size_t validation_rows(const Trial& trial, const DatasetInfo& dataset) {
  const double rows = static_cast<double>(limited_train_rows(trial.config, dataset));
  return static_cast<std::size_t>(rows * trial.config.validation_split);
}

std::size_t test_rows(const Trial& trial, const DatasetInfo& dataset) {
  return std::min(trial.config.limit_test.value_or(dataset.test_rows), dataset.test_rows);
}

/// Six operations a weight and row of training, two a weight and row of evaluation; an update costs about as
/// much as a few rows.
double expected_work(const Trial& trial, const DatasetInfo& dataset) {
  constexpr double update_operations = 40, start_operations = 1e8;
  const auto weights = static_cast<double>(trial.parameters);
  const auto epochs = static_cast<double>(trial.config.epochs);
  double steps = static_cast<double>(trial.steps_per_epoch) * epochs;
  if (trial.config.max_steps) steps = std::min(steps, static_cast<double>(*trial.config.max_steps));
  const double evaluations = std::ceil(epochs / static_cast<double>(trial.config.evaluate_every));
  const auto evaluated = static_cast<double>(validation_rows(trial, dataset) + test_rows(trial, dataset));
  return steps * weights * (6.0 * static_cast<double>(trial.config.batch_size) + update_operations) +
         evaluations * evaluated * 2 * weights + start_operations;
}

/// Weights, gradient and its partial sums, mean gradient, optimizer state; activations and their gradients of
/// a group of shards.
std::size_t expected_memory(const Trial& trial, const ModelSpec& model) {
  const std::size_t shards = *trial.config.shards;
  const auto levels = static_cast<std::size_t>(std::ceil(std::log2(static_cast<double>(shards)))) + 1;
  const std::size_t slots = find_optimizer(trial.config.optimizer).slots.size();
  std::size_t units = 0;
  for (const std::size_t width : model.widths) units += width;
  constexpr std::size_t largest_group_rows = 1024;
  const std::size_t rows =
      std::max(std::min(trial.config.batch_size, largest_group_rows), evaluation_chunk_rows);
  return (trial.parameters * (2 + levels + slots) + 2 * rows * units) * element_bytes(trial.config);
}

void describe_size(Trial& trial, const DatasetInfo& dataset) {
  const ModelSpec model = make_model_spec(trial.config, dataset);
  trial.parameters = ParameterLayout(model.widths, element_bytes(trial.config)).parameter_count();
  const std::size_t rows = limited_train_rows(trial.config, dataset) - validation_rows(trial, dataset);
  trial.steps_per_epoch = make_batch_plan(trial.config, rows).steps_per_epoch();
  trial.work = expected_work(trial, dataset);
  trial.memory_bytes = expected_memory(trial, model);
}

std::string default_metric(const Trial& trial, const DatasetInfo& dataset) {
  const std::string kind = dataset.task == Task::regression ? "loss" : "accuracy";
  if (trial.config.validation_split > 0) return "val_" + kind;
  return test_rows(trial, dataset) > 0 ? "test_" + kind : kind;
}

std::size_t dataset_index(SweepPlan& plan, const std::string& path) {
  if (path.empty())
    throw UserError(plan.spec.source +
                    ": [base]: expected `data = \"FILE\"` (see lockstep convert), found none");
  const auto found = std::find_if(plan.datasets.begin(), plan.datasets.end(),
                                  [&](const DatasetInfo& dataset) { return dataset.path == path; });
  if (found != plan.datasets.end()) return static_cast<std::size_t>(found - plan.datasets.begin());
  plan.datasets.push_back(read_dataset_info(path));
  return plan.datasets.size() - 1;
}

Trial make_trial(SweepPlan& plan, TrialPoint point) {
  Trial trial;
  trial.point = std::move(point);
  trial.config = config_at(plan.spec, trial.point);
  trial.dataset = dataset_index(plan, trial.config.data);
  const DatasetInfo& dataset = plan.datasets[trial.dataset];
  try {
    trial.config = resolve(trial.config, dataset);
    describe_size(trial, dataset);
    const std::size_t most_ranks = *trial.config.shards;
    const auto wanted = static_cast<std::size_t>(plan.spec.ranks_for(trial.parameters));
    trial.ranks = static_cast<int>(std::min(wanted, most_ranks));
  } catch (const UserError& error) {
    trial.invalid = error.what();
  }
  trial.digest = digest_of(trial.config, dataset);
  trial.config.run_dir = plan.spec.directory + "/trials/" + trial.digest;
  trial.config.resume = "auto";
  return trial;
}

}  // namespace

std::size_t dataset_bytes(const DatasetInfo& dataset) {
  const std::size_t number = dataset.x_type == "uint8" ? 1 : dataset.x_type == "float32" ? 4 : 8;
  const std::size_t targets =
      dataset.task == Task::classification ? sizeof(std::int32_t) : 4 * dataset.outputs;
  return (dataset.train_rows + dataset.test_rows) * (dataset.features * number + targets);
}

SweepPlan make_plan(const SweepSpec& spec) {
  SweepPlan plan;
  plan.spec = spec;
  for (TrialPoint& point : expand(spec)) plan.trials.push_back(make_trial(plan, std::move(point)));
  const auto first_valid = std::find_if(plan.trials.begin(), plan.trials.end(),
                                        [](const Trial& trial) { return trial.invalid.empty(); });
  if (first_valid == plan.trials.end())
    throw UserError(spec.source +
                    ": expected a trial whose config is valid, found none: " + plan.trials.front().invalid);
  const bool some_classify =
      std::any_of(plan.datasets.begin(), plan.datasets.end(),
                  [](const DatasetInfo& dataset) { return dataset.task != Task::regression; });
  if (spec.metric.ends_with("accuracy") && !some_classify)
    throw UserError(spec.source + ": [sweep] metric: expected a dataset with classes for " + spec.metric +
                    ", found none");
  const bool some_validate = std::any_of(plan.trials.begin(), plan.trials.end(), [](const Trial& trial) {
    return trial.config.validation_split > 0;
  });
  if (spec.metric.starts_with("val_") && !some_validate) {
    throw UserError(spec.source + ": [sweep] metric: expected a trial with validation_split for " +
                    spec.metric + ", found none");
  }
  const bool some_test = std::any_of(plan.trials.begin(), plan.trials.end(), [&](const Trial& trial) {
    return trial.invalid.empty() && test_rows(trial, plan.datasets[trial.dataset]) > 0;
  });
  if (spec.metric.starts_with("test_") && !some_test) {
    throw UserError(spec.source + ": [sweep] metric: expected a dataset with test rows for " + spec.metric +
                    ", found none");
  }
  plan.metric =
      spec.metric.empty() ? default_metric(*first_valid, plan.datasets[first_valid->dataset]) : spec.metric;
  return plan;
}

}  // namespace lockstep
