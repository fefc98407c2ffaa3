#include "lockstep/train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <sstream>
#include <utility>

#include "lockstep/core/build_id.hpp"
#include "lockstep/core/seconds_since.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/dist/watchdog.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "lockstep/nn/schedule.hpp"
#include "lockstep/train/checkpointer.hpp"
#include "lockstep/train/diagnostics.hpp"
#include "lockstep/train/evaluator.hpp"
#include "lockstep/train/logging_observer.hpp"
#include "lockstep/train/run_directory.hpp"
#include "lockstep/train/stop_conditions.hpp"
#include "lockstep/train/train_step.hpp"
#include "lockstep/train/training_data.hpp"
#include "lockstep/train/training_summary.hpp"
#include "refused_write.hpp"

namespace lockstep {
namespace {

constexpr double progress_interval_seconds = 0.1;

double monitored_value(const std::string& monitor, const EpochMetrics& metrics) {
  if (monitor == "loss") return metrics.loss;
  if (monitor == "accuracy") return metrics.accuracy;
  return monitor == "val_loss" ? metrics.val_loss : metrics.val_accuracy;
}

/// One training run on one rank. Every function is collective unless it says otherwise.
template <class T>
class Training {
 public:
  Training(const Communicator& world, const TrainConfig& config, const DatasetInfo& dataset,
           const SharedDataset* shared, ProgressBoard& board, RunDirectory* run_directory,
           TrainObserver& observer);

  TrainResult run();

 private:
  TrainingData<T> load_data(const SharedDataset* shared);
  void start_or_resume();
  void write_config();
  TrainResult train_epochs();
  StepFlags take_step();
  bool finish_epoch(StepFlags flags);
  void write_diagnostics();
  void follow_best(const EpochMetrics& metrics);
  EpochMetrics epoch_metrics();
  Evaluation evaluate_rows(const RowsView<T>& own, std::size_t rows);
  void write_checkpoint();
  void reach(Phase own, Phase where_others_wait);
  TrainResult end(ExitStatus status, const std::string& reason);
  void write_summary(const TrainResult& result) const;
  void record_failure(const AgreedError& error) const;
  void fail_non_finite();

  bool finished() const { return progress_.epoch >= config_.epochs || stopped_early(); }
  bool stopped_early() const {
    return config_.early_stopping > 0 && progress_.epochs_without_improvement >= config_.early_stopping;
  }
  bool has_max_steps() const { return config_.max_steps && progress_.step >= *config_.max_steps; }
  bool improves(double value) const {
    if (std::isnan(progress_.best_value)) return true;
    return higher_is_better(config_.monitor) ? value > progress_.best_value : value < progress_.best_value;
  }
  bool evaluates(const EpochMetrics& training) const {
    return (training.epoch - 1) % config_.evaluate_every == 0 || training.epoch == config_.epochs ||
           stops_early_after(training);
  }
  /// Whether the training's own loss or accuracy ends the run; the validation's can only where it is
  /// evaluated.
  bool stops_early_after(const EpochMetrics& training) const {
    const double value = monitored_value(config_.monitor, training);
    return config_.early_stopping > 0 && !std::isnan(value) && !improves(value) &&
           progress_.epochs_without_improvement + 1 >= config_.early_stopping;
  }
  /// What diagnostics saw of an epoch's last step is in no checkpoint; and after the last step of all there
  /// is nothing left to go on with.
  bool finishes_before_a_stop() const { return config_.diagnostics || progress_.epoch + 1 == config_.epochs; }
  double seconds() const { return progress_.seconds_before + seconds_since(started_); }
  StepFlags own_flags();

  const Communicator& world_;
  const TrainConfig& config_;
  const DatasetInfo& dataset_;
  ProgressBoard& board_;
  RunDirectory* run_directory_;  // rank 0 only
  TrainObserver& observer_;

  ModelSpec spec_;
  ParameterLayout layout_;
  GradientRules rules_;
  TrainingData<T> data_;
  BatchSampler sampler_;
  Schedule schedule_;
  TrainState<T> state_;
  Checkpointer<T> checkpointer_;
  StepDiagnosis<T> diagnosis_;
  StopConditions stop_;

  TrainProgress progress_;
  EpochMetrics last_metrics_;
  std::vector<std::string> hosts_;  // of all ranks; rank 0 only
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double epoch_started_ = 0, last_report_ = 0;
  std::uint64_t rows_since_epoch_start_ = 0;  // in this process
  bool resumed_ = false;
  std::uint64_t first_epoch_ = 0, first_step_ = 0;  // where this process began
};

template <class T>
Training<T>::Training(const Communicator& world, const TrainConfig& config, const DatasetInfo& dataset,
                      const SharedDataset* shared, ProgressBoard& board, RunDirectory* run_directory,
                      TrainObserver& observer)
    : world_(world),
      config_(config),
      dataset_(dataset),
      board_(board),
      run_directory_(run_directory),
      observer_(observer),
      spec_(make_model_spec(config, dataset)),
      layout_(make_layout(spec_, sizeof(T))),
      rules_(make_gradient_rules(config)),
      data_(load_data(shared)),
      sampler_(data_.plan, data_.own_shards, config.shuffle, config.seed),
      schedule_(config.schedule, config.warmup_steps, config.epochs * sampler_.steps_per_epoch(),
                sampler_.steps_per_epoch()),
      state_(make_train_state<T>(world, config, spec_, layout_, rules_, data_.plan,
                                 !data_.train.nonzeros.empty(), &board)),
      checkpointer_(world, config, dataset, layout_, data_.own_shards, run_directory, observer, &board),
      diagnosis_(spec_, layout_, state_.exchange.own_blocks()),
      // Rank 0 guesses for all: only it knows when a checkpoint was written.
      stop_(config.max_seconds, world.is_root() ? checkpointer_.expected_seconds(state_) : 0),
      progress_(*config.shards) {
  board_.reach(0, Phase::starting);
}

template <class T>
TrainingData<T> Training<T>::load_data(const SharedDataset* shared) {
  board_.reach(0, Phase::reading_data);
  return load_training_data<T>(world_, config_, dataset_, shared, &board_);
}

template <class T>
TrainResult Training<T>::run() {
  start_or_resume();
  write_config();
  // What fails from here on, a full disk for one, must not take the run with it.
  if (world_.is_root()) {
    run_directory_->keep();
    if (dataset_.sha256_all.empty()) {
      observer_.message("warning: " + dataset_.path +
                        " has arrays without the attribute sha256: whether other hosts and later starts see "
                        "the same content is not checked; lockstep convert writes it");
    }
  }
  try {
    return train_epochs();
  } catch (const AgreedError& error) {
    record_failure(error);
    throw;
  }
}

/// Fewer epochs or steps than a run has done already change nothing: its config stays the one that repeats
/// it.
template <class T>
void Training<T>::write_config() {
  const bool goes_on = !finished() && !has_max_steps();
  on_root(world_, [&] {
    if (resumed_ && !goes_on && std::filesystem::exists(run_directory_->config_path())) return;
    run_directory_->write_config(config_toml(config_));
  });
}

template <class T>
TrainResult Training<T>::train_epochs() {
  if (finished()) return end(ExitStatus::done, "already finished");
  while (!finished()) {
    sampler_.start_epoch(progress_.epoch);
    epoch_started_ = seconds();
    rows_since_epoch_start_ = 0;
    StepFlags flags = 0;
    while (progress_.step_in_epoch < sampler_.steps_per_epoch()) {
      if (has_max_steps()) return end(ExitStatus::done, "max-steps");
      flags = take_step();
      const bool whole_epoch = progress_.step_in_epoch == sampler_.steps_per_epoch();
      if (whole_epoch && finishes_before_a_stop()) break;
      // Does not wait for the evaluation: the next process begins with that.
      if (stop_is_requested(flags)) return end(ExitStatus::resumable, stop_reason(flags));
      if (whole_epoch) break;
      if (checkpointer_.due_after_step(progress_, flags) && !has_max_steps()) write_checkpoint();
    }
    const bool go_on = finish_epoch(flags);
    if (!go_on && !finished()) return end(ExitStatus::done, halted_reason);
    if (stop_is_requested(flags) && !finished()) return end(ExitStatus::resumable, stop_reason(flags));
  }
  return end(ExitStatus::done, stopped_early() ? "early stopping" : "finished");
}

template <class T>
void Training<T>::start_or_resume() {
  resumed_ = checkpointer_.restore(state_, progress_);
  last_metrics_.epoch = progress_.epoch;
  last_metrics_.step = progress_.step;
  on_root(world_, [&] {
    if (!state_.exchange.fallback().empty()) {
      observer_.message(
          "warning: ranks of one node exchange messages instead of sharing memory, which is slower: " +
          state_.exchange.fallback());
    }
    if (!data_.has_room_for_index) {
      observer_.message(
          "warning: no room to know where numbers are not zero: zeros are multiplied, too, which is "
          "slower; with more ranks each needs less");
    }
    const std::size_t rows = run_directory_->open_metrics_after(progress_.epoch);
    if (resumed_ && config_.resume == "auto" && rows < progress_.epoch) {
      observer_.message("warning: metrics.csv has rows of " + std::to_string(rows) + " of the " +
                        std::to_string(progress_.epoch) + " epochs before");
    }
    if (config_.diagnostics) run_directory_->diagnostics().open_after(progress_.epoch);
    std::uint64_t total_steps = config_.epochs * sampler_.steps_per_epoch();
    if (config_.max_steps) total_steps = std::min(total_steps, *config_.max_steps);
    observer_.started(config_, progress_.step, total_steps, sampler_.steps_per_epoch());
    const EpochMetrics stored = run_directory_->last_metrics();
    if (resumed_ && stored.epoch == progress_.epoch) last_metrics_ = stored;
  });
  first_epoch_ = progress_.epoch;
  first_step_ = progress_.step;
  hosts_ = world_.gather_text(world_.host());
}

template <class T>
StepFlags Training<T>::own_flags() {
  StepFlags flags = stop_.flags();
  if (world_.is_root() && observer_.wants_to_stop()) flags |= step_flag_observer_stops;
  if (world_.is_root() && checkpointer_.interval_is_over()) flags |= step_flag_checkpoint_due;
  return flags;
}

template <class T>
StepFlags Training<T>::take_step() {
  const bool verified = config_.verify_every > 0 && (progress_.step + 1) % config_.verify_every == 0;
  const StepPlan plan{progress_.step, progress_.step_in_epoch,
                      schedule_.factor(progress_.step) * *config_.learning_rate, config_.seed, verified};
  const bool last_of_epoch = plan.step_in_epoch + 1 == sampler_.steps_per_epoch();
  state_.diagnosis = config_.diagnostics && last_of_epoch ? &diagnosis_ : nullptr;
  if (state_.diagnosis != nullptr) diagnosis_.start();
  const StepFlags flags = train_step(state_, sampler_, data_.train, plan, own_flags(), progress_.sums);
  if (flags & step_flag_non_finite) fail_non_finite();
  rows_since_epoch_start_ += sampler_.global_rows(plan.step_in_epoch);
  ++progress_.step;
  ++progress_.step_in_epoch;

  if (world_.is_root() && seconds() - last_report_ >= progress_interval_seconds) {
    last_report_ = seconds();
    const double rows_per_second =
        static_cast<double>(rows_since_epoch_start_) / (last_report_ - epoch_started_);
    observer_.progressed(progress_.step, local_mean_loss(progress_.sums, data_.own_shards), rows_per_second);
  }
  return flags;
}

template <class T>
EpochMetrics Training<T>::epoch_metrics() {
  EpochMetrics metrics;
  metrics.epoch = progress_.epoch;
  metrics.step = progress_.step;
  const Evaluation training = epoch_means(spec_, gather_epoch_sums(world_, progress_.sums, data_.own_shards));
  metrics.loss = training.loss;
  metrics.accuracy = training.accuracy;
  // The training's speed, without what follows.
  if (rows_since_epoch_start_ > 0) {
    metrics.samples_per_second = static_cast<double>(rows_since_epoch_start_) / (seconds() - epoch_started_);
  }
  if (evaluates(metrics)) {
    if (data_.validation_rows > 0) {
      const Evaluation validation = evaluate_rows(data_.validation, data_.validation_rows);
      metrics.val_evaluated = true;
      metrics.val_loss = validation.loss;
      metrics.val_accuracy = validation.accuracy;
    }
    if (data_.test_rows > 0) {
      const Evaluation test = evaluate_rows(data_.test, data_.test_rows);
      metrics.test_evaluated = true;
      metrics.test_loss = test.loss;
      metrics.test_accuracy = test.accuracy;
    }
  }
  metrics.learning_rate = schedule_.factor(progress_.step - 1) * *config_.learning_rate;
  metrics.seconds = seconds();
  return metrics;
}

/// Returns whether the observer wants the run to go on.
template <class T>
bool Training<T>::finish_epoch(StepFlags flags) {
  ++progress_.epoch;
  progress_.step_in_epoch = 0;
  last_metrics_ = epoch_metrics();
  progress_.sums = EpochSums(*config_.shards);
  follow_best(last_metrics_);
  const std::optional<bool> go_on = on_root(world_, [&] {
    warns_if_refused(observer_, "the row is written with the next one",
                     [&] { run_directory_->append_metrics(last_metrics_); });
    observer_.epoch_finished(last_metrics_);
    return observer_.goes_on_after(last_metrics_);
  });
  if (diagnosis_.complete()) write_diagnostics();
  const bool all_go_on = world_.all_reduce_min(go_on.value_or(true) ? 1 : 0) == 1;
  const bool due = checkpointer_.due_after_epoch(progress_) || checkpointer_.due_after_step(progress_, flags);
  const bool ends_here = finished() || stop_is_requested(flags) || has_max_steps() || !all_go_on;
  if (due && !ends_here) write_checkpoint();  // else the last one is of this step
  return all_go_on;
}

/// Not collective.
template <class T>
void Training<T>::reach(Phase own, Phase where_others_wait) {
  board_.reach(progress_.step, world_.is_root() ? own : where_others_wait);
}

template <class T>
void Training<T>::write_checkpoint() {
  reach(Phase::writing_checkpoint, Phase::waiting_for_checkpoint);
  checkpointer_.write(state_, progress_, seconds());
  if (checkpointer_.has_written()) stop_.checkpoint_was_written();
}

template <class T>
Evaluation Training<T>::evaluate_rows(const RowsView<T>& own, std::size_t rows) {
  board_.reach(progress_.step, own.count > 0 ? Phase::evaluating : Phase::waiting_for_evaluation);
  return evaluate<T>(world_, spec_, layout_, state_.exchange.parameters(), own, rows, &board_);
}

template <class T>
void Training<T>::write_diagnostics() {
  const std::vector<LayerDiagnostics> layers =
      diagnosis_.layers([&](std::span<double> sums) { state_.exchange.complete_block_sums(sums); },
                        [&](std::vector<std::int64_t>& counts) {
                          const std::vector<std::int64_t> all = world_.all_gather_v<std::int64_t>(counts);
                          for (std::size_t i = 0; i < counts.size(); ++i) {
                            counts[i] = 0;
                            for (std::size_t j = i; j < all.size(); j += counts.size()) counts[i] += all[j];
                          }
                        });
  on_root(world_, [&] {
    warns_if_refused(observer_, "the rows are written with the next ones", [&] {
      append_diagnostics(run_directory_->diagnostics(), progress_.epoch, progress_.step, layers);
    });
  });
}

template <class T>
void Training<T>::follow_best(const EpochMetrics& metrics) {
  const double value = monitored_value(config_.monitor, metrics);
  if (std::isnan(value)) return;  // not evaluated in this epoch
  if (!improves(value)) {
    ++progress_.epochs_without_improvement;
    return;
  }
  progress_.best_value = value;
  progress_.best_epoch = metrics.epoch;
  progress_.epochs_without_improvement = 0;
  checkpointer_.remember_best(state_, progress_, seconds());
}

/// Throws AgreedError on all ranks.
template <class T>
void Training<T>::fail_non_finite() {
  const std::int64_t layer = world_.all_reduce_min(static_cast<std::int64_t>(state_.first_nonfinite_layer));
  checkpointer_.write_best();
  const std::string where = static_cast<std::size_t>(layer) < spec_.layers()
                                ? "the first layer with non-finite values is " +
                                      layout_.kernel(static_cast<std::size_t>(layer)).layer
                                : "all layers' values are finite";
  const bool formula = std::ranges::any_of(spec_.activations, &Activation::is_formula);
  collectively(world_, [&] {
    throw NonFiniteError(
        "the loss or a weight is not finite in epoch " + std::to_string(progress_.epoch + 1) + ", step " +
        std::to_string(progress_.step + 1) + "; " + where + "; " + checkpointer_.newest_text() +
        "; try a smaller --learning-rate, --clip-norm or another --activation, with another --run-dir or "
        "--resume never" +
        (formula ? "; `lockstep activations check` tells where a formula is not finite" : ""));
  });
}

template <class T>
TrainResult Training<T>::end(ExitStatus status, const std::string& reason) {
  const bool anything_new = !resumed_ || progress_.step != first_step_ || progress_.epoch != first_epoch_;
  reach(Phase::writing_checkpoint, Phase::waiting_for_checkpoint);
  if (anything_new) checkpointer_.write_last(state_, progress_, seconds());

  TrainResult result;
  result.status = status;
  result.reason = reason;
  result.run_dir = config_.run_dir;
  result.parameters_sha256 = parameters_sha256<T>(layout_, state_.exchange.parameters());
  result.checkpoint = checkpointer_.last_path();
  result.last = last_metrics_;
  on_root(world_, [&] {
    // A process killed right after its last checkpoint leaves none, or that of an earlier part of the run.
    if (anything_new || !run_directory_->has_summary_of(result.parameters_sha256)) {
      warns_if_refused(observer_, "the same command writes it", [&] { write_summary(result); });
    }
  });
  return result;
}

/// Not collective; rank 0 only.
template <class T>
void Training<T>::write_summary(const TrainResult& result) const {
  run_directory_->write_summary(training_summary(config_, dataset_, layout_, progress_, result, seconds(),
                                                 hosts_, state_.exchange.transport()));
}

/// Not collective: all ranks know of the failure. The summary of an earlier part of the run would pass for
/// this one's.
template <class T>
void Training<T>::record_failure(const AgreedError& error) const {
  if (!world_.is_root()) return;
  observer_.failed(error.what());
  TrainResult result;
  result.status = error.status();
  result.reason = error.what();
  result.checkpoint = checkpointer_.last_path();
  result.last = last_metrics_;
  try {
    write_summary(result);
  } catch (const std::exception&) {
    // The error that is on its way says more than what follows from it.
  }
}

/// Throws on all ranks unless all have the same text.
void refuse_differing(const Communicator& world, const std::string& mine, const std::string& hint) {
  const std::string expected = world.broadcast(mine);
  collectively(world, [&] {
    if (mine != expected) {
      throw UserError("ranks differ in what the results depend on: expected '" + expected +
                      "' as on rank 0, found '" + mine + "'; " + hint);
    }
  });
}

/// All ranks have to compute alike: the same lockstep with the same instructions (whose bits are the same
/// only as long as no compiler and no processor errs), and for openblas the same kernels.
void refuse_mixed_ranks(const Communicator& world, Arithmetic arithmetic) {
  auto environment = collectively(world, [&] { return arithmetic_environment(arithmetic); });
  environment["instruction_set"] = instruction_set();
  std::string mine = "lockstep " + version() + ", build " + build_id();
  for (const auto& [key, value] : environment) mine += ", " + key + " " + value;
  refuse_differing(world, mine,
                   "all ranks have to run the same program, with the same instruction set (LOCKSTEP_ISA=avx2 "
                   "chooses one); --arithmetic exact needs no more");
}

/// "seed 5" and so on, a line each, of all flags but --data, whose content is compared.
std::string settings_text(const TrainConfig& config) {
  std::string text;
  for (const TrainOption& option : train_options()) {
    if (option.name != "data") text += option.flag() + " " + option.get(config) + "\n";
  }
  return text;
}

/// Each rank parses its own command line.
void refuse_mixed_configs(const Communicator& world, const TrainConfig& config) {
  const std::string mine = settings_text(config);
  const std::string expected = world.broadcast(mine);
  collectively(world, [&] {
    std::istringstream own_lines(mine), expected_lines(expected);
    for (std::string own, other; std::getline(own_lines, own);) {
      std::getline(expected_lines, other);
      if (own == other) continue;
      throw UserError("ranks were started with different flags: expected '" + other +
                      "' as on rank 0, found '" + own + "'");
    }
  });
}

/// Hosts may hold copies of their own: other rows would be trained on, and other numbers of steps never end.
void refuse_mixed_datasets(const Communicator& world, const DatasetInfo& dataset) {
  const std::string mine = "dataset with " + std::to_string(dataset.train_rows) + " training and " +
                           std::to_string(dataset.test_rows) + " test rows of " +
                           std::to_string(dataset.features) + " features, digest " + dataset.sha256_all;
  refuse_differing(world, mine, "--data has to name the same data on every host, found " + dataset.path);
}

/// The directory, which may be a link to another disk, and what others put into it stay.
void remove_checkpoints(const std::string& directory) {
  for (const std::string& path : checkpoints_newest_first(directory)) std::filesystem::remove(path);
  for (const char* name : {"/best", "/last"}) std::filesystem::remove(directory + name);
}

/// A run that starts anew leaves nothing of an earlier one.
void prepare(RunDirectory& directory, const TrainConfig& config) {
  if (config.resume == "never") {
    remove_checkpoints(directory.checkpoints_path());
    std::filesystem::remove(directory.summary_path());
    std::filesystem::remove(directory.diagnostics().path());
  }
  directory.remove_temporary_files();
}

/// Before the run directory is touched: whether it holds another config.
void check_stored_config(const TrainConfig& config) {
  const std::string path = config.run_dir + "/config.toml";
  std::error_code ignored;  // what may not be looked at is refused with the run directory
  if (config.resume == "never" || !std::filesystem::exists(path, ignored)) return;
  TrainConfig stored;
  apply_config_file(stored, path);
  const std::vector<ConfigDifference> differences = differing_keys(config_map(stored), config);
  if (differences.empty()) return;
  throw UserError("--run-dir " + config.run_dir + " holds a run of another config: " + describe(differences) +
                  "; choose another --run-dir, or --resume never to replace that run");
}

template <class T>
TrainResult run_training(const Communicator& world, const TrainConfig& config, const DatasetInfo& dataset,
                         const SharedDataset* shared, TrainObserver& observer, ProgressBoard& board) {
  std::optional<RunDirectory> run_directory;
  on_root(world, [&] {
    check_stored_config(config);
    run_directory.emplace(config.run_dir);
  });
  RunDirectory* const directory = run_directory ? &*run_directory : nullptr;
  std::optional<LoggingObserver> logging;
  if (directory != nullptr) logging.emplace(observer, *directory, config.log_level);
  TrainObserver& observers = logging ? *logging : observer;
  std::optional<AgreedError> failure;
  TrainResult result;
  try {
    Training<T> training(world, config, dataset, shared, board, directory, observers);
    on_root(world, [&] { prepare(*directory, config); });
    try {
      result = training.run();
    } catch (const AgreedError& error) {
      // Thrown on once the run's communicators and shared memory are given back, which no rank could do
      // while an exception passes: a job that goes on with another run needs them.
      failure = error;
    }
  } catch (const AgreedError& error) {
    failure = error;
  }
  if (failure) {
    if (directory != nullptr) directory->discard();
    throw AgreedError(*failure);
  }
  if (world.is_root()) observers.ended(result);
  return result;
}

/// MPI counts in 32 bits.
void refuse_too_many_weights(const TrainConfig& config, const DatasetInfo& dataset) {
  constexpr int most = std::numeric_limits<int>::max();
  const std::size_t weights = make_layout(make_model_spec(config, dataset), sizeof(float)).size();
  if (std::in_range<int>(weights)) return;
  throw UserError("--hidden: expected at most " + std::to_string(most) + " weights in all, found " +
                  std::to_string(weights));
}

TrainResult train_watched(const Communicator& world, const TrainConfig& config, TrainObserver& observer,
                          const SharedDataset* shared, ProgressBoard& board) {
  if (world.is_root()) board.on_beat([&] { observer.in_long_phase(); });
  collectively(world, [] { job_end_from_environment(); });  // refused, if at all, before anything is made
  refuse_mixed_configs(world, config);
  const DatasetInfo dataset = shared != nullptr
                                  ? shared->info()
                                  : collectively(world, [&] { return read_dataset_info(config.data); });
  if (shared == nullptr) refuse_mixed_datasets(world, dataset);
  board.beat();
  const TrainConfig resolved = collectively(world, [&] {
    TrainConfig with_defaults = resolve(config, dataset);
    if (static_cast<std::size_t>(world.size()) > *with_defaults.shards) {
      throw UserError("--shards: expected at least one shard a rank, found " +
                      std::to_string(*with_defaults.shards) + " shards for " + std::to_string(world.size()) +
                      " ranks; start fewer ranks or raise --shards (which changes the result)");
    }
    refuse_too_many_weights(with_defaults, dataset);
    return with_defaults;
  });
  refuse_mixed_ranks(world, resolved.arithmetic);
  return resolved.precision == Precision::float32
             ? run_training<float>(world, resolved, dataset, shared, observer, board)
             : run_training<double>(world, resolved, dataset, shared, observer, board);
}

}  // namespace

TrainResult train(const Communicator& world, const TrainConfig& config, TrainObserver& observer,
                  const SharedDataset* shared) {
  const StopSignal signal;  // one that comes before the first step is not lost
  return watched(world, config.stall_timeout_seconds, Stall::no_progress,
                 [&](ProgressBoard& board) { return train_watched(world, config, observer, shared, board); });
}

}  // namespace lockstep
