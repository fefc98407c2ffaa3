#include "lockstep/sweep/estimate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <queue>
#include <set>

#include "lockstep/core/seconds_since.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/train/train_step.hpp"
#include "lockstep/train/training_data.hpp"

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

/// Seconds of one step, measured on the first rows of the dataset.
template <class T>
double measure_step(const Communicator& alone, TrainConfig config, const DatasetInfo& dataset) {
  constexpr double enough_seconds = 0.05;
  constexpr std::size_t batches = 4;
  config.limit_train = std::min(limited_train_rows(config, dataset), batches * config.batch_size);
  config.limit_test = 1;
  config.validation_split = 0;
  config.validation_stratified = false;
  config.drop_last = false;
  const TrainingData<T> data = load_training_data<T>(alone, config, dataset);
  const ModelSpec spec = make_model_spec(config, dataset);
  const ParameterLayout layout(spec.widths, sizeof(T));
  const GradientRules rules = make_gradient_rules(config);
  BatchSampler sampler(data.plan, data.own_shards, config.shuffle, config.seed);
  sampler.start_epoch(0);
  TrainState<T> state =
      make_train_state<T>(alone, config, spec, layout, rules, data.plan, !data.train.nonzeros.empty());
  EpochSums sums(*config.shards);
  const auto step = [&](std::uint64_t number) {
    train_step(state, sampler, data.train, {number, number % sampler.steps_per_epoch(), 1e-3, config.seed}, 0,
               sums);
  };
  step(0);  // touches the memory
  const Clock::time_point start = Clock::now();
  std::uint64_t steps = 0;
  while (steps == 0 || seconds_since(start) < enough_seconds) step(++steps);
  return seconds_since(start) / static_cast<double>(steps);
}

/// What the time of a step depends on most.
std::string kind_of(const Trial& trial) {
  std::string kind = std::to_string(trial.dataset);
  for (const char* name :
       {"hidden", "activation", "batch_size", "shards", "precision", "arithmetic", "optimizer"})
    kind += " " + find_train_option(name).get(trial.config);
  return kind;
}

/// Times kinds of trials once each, and those for which there is no time left by their operations.
class StepTimer {
 public:
  StepTimer(const Communicator& alone, const SweepPlan& plan) : alone_(alone), plan_(plan) {}

  double step_seconds(const Trial& trial) {
    constexpr double most_seconds = 10;
    const std::string kind = kind_of(trial);
    if (const auto known = measured_.find(kind); known != measured_.end()) return known->second;
    const double operations =
        static_cast<double>(trial.parameters) * static_cast<double>(trial.config.batch_size);
    if (operations_ > 0 && seconds_since(start_) > most_seconds) return operations * seconds_ / operations_;
    const DatasetInfo& dataset = plan_.datasets[trial.dataset];
    const double seconds = trial.config.precision == Precision::float32
                               ? measure_step<float>(alone_, trial.config, dataset)
                               : measure_step<double>(alone_, trial.config, dataset);
    operations_ += operations;
    seconds_ += seconds;
    return measured_[kind] = seconds;
  }

 private:
  const Communicator& alone_;
  const SweepPlan& plan_;
  std::map<std::string, double> measured_;
  double operations_ = 0, seconds_ = 0;
  Clock::time_point start_ = Clock::now();
};

/// Steps, and evaluations, which cost a third of a step for as many rows.
double trial_seconds(const Trial& trial, const DatasetInfo& dataset, double step_seconds) {
  constexpr double start_seconds = 0.01, share_of_forward = 1.0 / 3;
  const TrainConfig& config = trial.config;
  const auto epochs = static_cast<double>(config.epochs);
  double steps = static_cast<double>(trial.steps_per_epoch) * epochs;
  if (config.max_steps) steps = std::min(steps, static_cast<double>(*config.max_steps));
  const double test_rows =
      static_cast<double>(std::min(config.limit_test.value_or(dataset.test_rows), dataset.test_rows));
  const double held_out = config.validation_split * static_cast<double>(limited_train_rows(config, dataset));
  const double evaluations = std::ceil(epochs / static_cast<double>(config.evaluate_every));
  const double evaluated_batches =
      evaluations * (test_rows + held_out) / static_cast<double>(config.batch_size);
  return start_seconds + step_seconds * (steps + share_of_forward * evaluated_batches);
}

}  // namespace

double packed_seconds(std::vector<double> durations, std::size_t groups) {
  std::sort(durations.begin(), durations.end(), std::greater<>());
  std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
  for (std::size_t group = 0; group < std::max<std::size_t>(groups, 1); ++group) free_at.push(0);
  double last = 0;
  for (const double duration : durations) {
    const double end = free_at.top() + duration;
    free_at.pop();
    free_at.push(end);
    last = std::max(last, end);
  }
  return last;
}

SweepEstimate estimate_sweep(const Communicator& alone, const SweepPlan& plan,
                             const SweepSelection& selection, int ranks) {
  SweepEstimate estimate;
  StepTimer timer(alone, plan);
  std::set<std::string> seen;
  std::set<std::size_t> datasets;
  std::map<int, std::vector<double>> by_ranks;
  for (const Trial& trial : plan.trials) {
    if (!selection.contains(trial)) continue;
    TrialEstimate& of_trial = estimate.trials.emplace_back(TrialEstimate{&trial, 0});
    if (!trial.invalid.empty()) {
      ++estimate.invalid;
      continue;
    }
    const DatasetInfo& dataset = plan.datasets[trial.dataset];
    of_trial.seconds = trial_seconds(trial, dataset, timer.step_seconds(trial));
    if (!seen.insert(trial.digest).second) continue;
    datasets.insert(trial.dataset);
    estimate.rank_seconds += of_trial.seconds;
    const int group = std::min(trial.ranks, ranks);
    by_ranks[group].push_back(of_trial.seconds / group);
  }
  for (auto& [group, durations] : by_ranks) {
    estimate.seconds +=
        packed_seconds(std::move(durations), static_cast<std::size_t>((ranks + group - 1) / group));
  }
  for (const std::size_t dataset : datasets) estimate.dataset_bytes += dataset_bytes(plan.datasets[dataset]);
  return estimate;
}

}  // namespace lockstep
