#include "lockstep/train/checkpointer.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "lockstep/core/seconds_since.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/core/version.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/atomic_file.hpp"
#include "lockstep/train/divergence_guard.hpp"
#include "refused_write.hpp"

namespace lockstep {
namespace {

constexpr int attempts_to_write_last = 3;
constexpr std::chrono::seconds pause_before_attempt{1};

/// Rank 0's value on all ranks.
template <class V>
void share_value(const Communicator& world, V& value) {
  world.broadcast(std::span(&value, 1));
}

/// 0 for a damaged checkpoint.
std::uint64_t step_of_valid(const std::string& path) {
  std::uint64_t step = 0;
  return damage_found(path, [&] { step = read_checkpoint_state(path).step; }).empty() ? step : 0;
}

}  // namespace

std::map<std::string, std::string> arithmetic_environment(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::exact) return {};
  const BlasIdentity blas = blas_identity();
  return {
      {"blas_version", blas.version}, {"blas_core", blas.core_name}, {"instruction_set", instruction_set()}};
}

ModelDescription describe_model(const TrainConfig& config, const DatasetInfo& dataset) {
  const ModelSpec spec = make_model_spec(config, dataset);
  ModelDescription model;
  model.task = dataset.task;
  model.class_names = dataset.class_names;
  model.x_shape = dataset.x_shape;
  model.x_scale = dataset.x_scale;
  model.widths = spec.widths;
  for (const Activation& activation : spec.activations) model.activations.push_back(activation.text());
  model.output = output_name(spec.output_loss);
  model.loss = loss_name(spec.output_loss);
  model.precision = precision_name(config.precision);
  model.arithmetic = arithmetic_name(config.arithmetic);
  return model;
}

template <class T>
Checkpointer<T>::Checkpointer(const Communicator& world, const TrainConfig& config,
                              const DatasetInfo& dataset, const ParameterLayout& layout, Range own_shards,
                              RunDirectory* run_directory, TrainObserver& observer, ProgressBoard* board)
    : world_(world),
      config_(config),
      dataset_(dataset),
      layout_(layout),
      own_shards_(own_shards),
      run_directory_(run_directory),
      observer_(observer),
      board_(board) {}

template <class T>
bool Checkpointer<T>::interval_is_over() const {
  return config_.checkpoint_every.unit == CheckpointInterval::Unit::seconds &&
         seconds_since(last_write_) >= config_.checkpoint_every.count;
}

template <class T>
bool Checkpointer<T>::due_after_step(const TrainProgress& progress, StepFlags flags) const {
  if (flags & step_flag_checkpoint_due) return true;
  return config_.checkpoint_every.unit == CheckpointInterval::Unit::steps &&
         progress.step % static_cast<std::uint64_t>(config_.checkpoint_every.count) == 0;
}

template <class T>
bool Checkpointer<T>::due_after_epoch(const TrainProgress& progress) const {
  return config_.checkpoint_every.unit == CheckpointInterval::Unit::epochs &&
         progress.epoch % static_cast<std::uint64_t>(config_.checkpoint_every.count) == 0;
}

template <class T>
typename Checkpointer<T>::Snapshot Checkpointer<T>::take_snapshot(TrainState<T>& state,
                                                                  const TrainProgress& progress,
                                                                  double seconds) {
  if (config_.verify_every > 0) refuse_differing_copies<T>(world_, state.exchange, layout_, progress.step);
  Snapshot snapshot;
  const EpochSums sums = gather_epoch_sums(world_, progress.sums, own_shards_);
  const OptimizerInfo& optimizer = state.optimizer.info();
  for (std::size_t i = 0; i < optimizer.slots.size(); ++i) {
    auto& [name, values] = snapshot.slots.emplace_back(optimizer.slots[i], std::vector<T>{});
    state.exchange.gather_to_root(state.optimizer.slot(i), values);
    beat();
  }
  if (!world_.is_root()) return snapshot;

  const std::span<const T> parameters = state.exchange.parameters();
  snapshot.parameters.assign(parameters.begin(), parameters.end());
  CheckpointState& stored = snapshot.state;
  stored.epoch = progress.epoch;
  stored.step_in_epoch = progress.step_in_epoch;
  stored.step = progress.step;
  stored.shard_loss_sums = sums.loss_sums;
  stored.shard_correct = sums.correct_counts;
  stored.shard_rows = sums.row_counts;
  stored.best_value = progress.best_value;
  stored.best_epoch = static_cast<std::int64_t>(progress.best_epoch);
  stored.epochs_without_improvement = static_cast<std::int64_t>(progress.epochs_without_improvement);
  stored.seconds = seconds;
  stored.finished = progress.epoch >= config_.epochs;
  return snapshot;
}

/// Rank 0 only. Adds what is the same for all states of a run, and the digest: of the best states, most are
/// never written. Throws FileError.
template <class T>
void Checkpointer<T>::write_file(const std::string& path, const Snapshot& snapshot) const {
  CheckpointState state = snapshot.state;
  state.model = describe_model(config_, dataset_);
  state.config_toml = config_toml(config_);
  state.config = config_map(config_);
  state.environment = arithmetic_environment(config_.arithmetic);
  state.environment["lockstep"] = version();
  state.dataset_sha256 = dataset_.sha256_all;
  state.parameters_sha256 = parameters_sha256<T>(layout_, snapshot.parameters);
  beat();
  write_checkpoint<T>(path, layout_, state, snapshot.parameters, snapshot.slots);
}

/// What the first number that is not finite belongs to. Such a checkpoint could not be read again.
template <class T>
std::optional<std::string> Checkpointer<T>::nonfinite_tensor(const Snapshot& snapshot) const {
  const auto is_finite = [](T value) { return std::isfinite(value); };
  const auto first_nonfinite = [&](const std::vector<T>& flat) {
    return std::find_if_not(layout_.tensors().begin(), layout_.tensors().end(), [&](const Tensor& tensor) {
      return std::all_of(flat.data() + tensor.offset, flat.data() + tensor.offset + tensor.size(), is_finite);
    });
  };
  const auto none = layout_.tensors().end();
  if (const auto weight = first_nonfinite(snapshot.parameters); weight != none)
    return "a weight of " + weight->layer;
  for (const auto& [name, values] : snapshot.slots) {
    if (const auto slot = first_nonfinite(values); slot != none)
      return "the optimizer's " + name + " of " + slot->layer;
  }
  return std::nullopt;
}

template <class T>
void Checkpointer<T>::remember_best(TrainState<T>& state, const TrainProgress& progress, double seconds) {
  Snapshot snapshot = take_snapshot(state, progress, seconds);
  // The loss of an epoch is taken before its last update, after which the weights may be beyond use.
  if (world_.is_root() && !nonfinite_tensor(snapshot)) best_ = std::move(snapshot);
}

/// Rank 0 only.
template <class T>
void Checkpointer<T>::save_best() {
  if (!best_) return;
  write_file(run_directory_->checkpoints_path() + "/best", *best_);
  beat();
  best_.reset();
}

/// Rank 0 only. If the best state is the present one, that is linked to.
template <class T>
void Checkpointer<T>::save_earlier_best(const Snapshot& present) {
  if (!best_ || best_->state.step == present.state.step) return;
  warns_if_refused(observer_, "the best state is written with the next checkpoint", [&] { save_best(); });
}

template <class T>
void Checkpointer<T>::write_best() {
  on_root(world_, [&] { warns_if_refused(observer_, "the best state is not saved", [&] { save_best(); }); });
}

/// Rank 0 only.
template <class T>
void Checkpointer<T>::refuse_nonfinite(const Snapshot& snapshot, const TrainProgress& progress) const {
  const auto name = nonfinite_tensor(snapshot);
  if (!name) return;
  throw NonFiniteError(*name + " is not finite after step " + std::to_string(progress.step) + ", in epoch " +
                       std::to_string(progress.epoch + (progress.step_in_epoch > 0 ? 1 : 0)) +
                       "; the checkpoint before is kept; try a smaller --learning-rate or --clip-norm");
}

/// Rank 0 only. A table that is in the way must not cost the weights.
template <class T>
void Checkpointer<T>::sync_tables() {
  tables_behind_ = true;
  warns_if_refused(observer_, "the weights are saved without these rows, which are tried again", [&] {
    run_directory_->sync_tables();
    tables_behind_ = false;
  });
}

/// Rank 0 only. Throws FileError if the state is not saved.
template <class T>
void Checkpointer<T>::save(const Snapshot& snapshot) {
  const auto started = std::chrono::steady_clock::now();
  const std::string directory = run_directory_->checkpoints_path();
  const std::string path = directory + "/" + checkpoint_file_name(snapshot.state.step);
  sync_tables();
  beat();
  write_file(path, snapshot);
  beat();
  last_path_ = path;
  has_written_ = true;
  warns_if_refused(observer_, "the checkpoint itself is saved", [&] { mark_last_checkpoint(path); });
  warns_if_refused(observer_, "the checkpoint itself is saved", [&] {
    if (best_ && best_->state.step == snapshot.state.step) {
      mark_best_checkpoint(path);
      best_.reset();
    }
  });
  warns_if_refused(observer_, "checkpoints that are no longer needed stay", [&] {
    // Damaged ones that were left out, and those of a run that went back to an older one: the next run would
    // begin with them, and they would count among those that are kept.
    delete_newer_checkpoints(directory, snapshot.state.step);
    delete_old_checkpoints(directory, config_.keep_checkpoints);
  });
  std::error_code unknown;
  const std::uintmax_t bytes = std::filesystem::file_size(path, unknown);
  observer_.checkpoint_written(path, seconds_since(started), unknown ? 0 : bytes);
}

/// Rank 0 only.
template <class T>
bool Checkpointer<T>::try_to_save(const Snapshot& snapshot) {
  try {
    save(snapshot);
    return true;
  } catch (const FileError& error) {
    refusal_ = error.what();
    beat();
    return false;
  }
}

template <class T>
void Checkpointer<T>::write(TrainState<T>& state, const TrainProgress& progress, double seconds) {
  const Snapshot snapshot = take_snapshot(state, progress, seconds);
  on_root(world_, [&] {
    save_earlier_best(snapshot);
    refuse_nonfinite(snapshot, progress);
    if (try_to_save(snapshot)) return;
    observer_.message("warning: no checkpoint of step " + std::to_string(progress.step) + ": " + refusal_ +
                      "; training goes on, and the next checkpoint is tried when it is due");
  });
  last_write_ = std::chrono::steady_clock::now();
}

template <class T>
std::string Checkpointer<T>::newest_text() const {
  if (last_path_.empty()) return "there is no checkpoint";
  std::error_code unknown;
  const bool is_gone = !std::filesystem::exists(last_path_, unknown) && !unknown;
  return "the newest checkpoint " + (is_gone ? "was " + last_path_ + ", which is gone" : "is " + last_path_);
}

template <class T>
void Checkpointer<T>::write_last(TrainState<T>& state, const TrainProgress& progress, double seconds) {
  const Snapshot snapshot = take_snapshot(state, progress, seconds);
  on_root(world_, [&] {
    save_earlier_best(snapshot);
    refuse_nonfinite(snapshot, progress);
    for (int attempt = 1; !try_to_save(snapshot); ++attempt) {
      if (attempt == attempts_to_write_last) {
        throw std::runtime_error("the state after step " + std::to_string(progress.step) +
                                 " could not be saved: " + refusal_ + "; " + newest_text() +
                                 "; make room or mend the directory, then start again");
      }
      observer_.message("warning: the last checkpoint is tried again: " + refusal_);
      std::this_thread::sleep_for(pause_before_attempt);
    }
    for (int attempt = 1; tables_behind_ && attempt < attempts_to_write_last; ++attempt) {
      std::this_thread::sleep_for(pause_before_attempt);
      sync_tables();
    }
    if (tables_behind_) observer_.message("warning: the run's last rows are lost; its weights are saved");
  });
}

template <class T>
double Checkpointer<T>::expected_seconds(const TrainState<T>& state) const {
  constexpr double slow_disk_bytes_per_second = 50e6;
  const std::size_t numbers = layout_.size() * (1 + state.optimizer.info().slots.size());
  return static_cast<double>(numbers * sizeof(T)) / slow_disk_bytes_per_second;
}

template <class T>
std::vector<std::string> Checkpointer<T>::candidates() const {
  std::vector<std::string> own;
  try {
    own = checkpoints_to_resume(run_directory_->checkpoints_path());
  } catch (const FileError& error) {
    throw std::runtime_error(std::string(error.what()) + "; start again when it can be read");
  }
  if (config_.resume == "auto") return own;
  const std::vector<std::string> named = named_candidates();
  std::error_code ignored;
  const bool goes_back = std::filesystem::equivalent(std::filesystem::path(named.front()).parent_path(),
                                                     run_directory_->checkpoints_path(), ignored);
  if (goes_back) return named;
  // The same command, given again, goes on from what it did before.
  const std::uint64_t begin = step_of_valid(named.front());
  std::erase_if(own, [&](const std::string& path) { return step_of_valid(path) <= begin; });
  own.insert(own.end(), named.begin(), named.end());
  return own;
}

/// The checkpoints that --resume PATH names, the newest first.
template <class T>
std::vector<std::string> Checkpointer<T>::named_candidates() const {
  std::error_code ignored;
  if (std::filesystem::status(config_.resume, ignored).type() == std::filesystem::file_type::not_found) {
    throw UserError("--resume: expected auto, never, a checkpoint or a run directory, found " +
                    path_in_quotes(config_.resume) + ", which does not exist");
  }
  if (!std::filesystem::is_directory(config_.resume, ignored)) return {find_checkpoint(config_.resume)};
  std::vector<std::string> found = checkpoints_to_resume(config_.resume + "/checkpoints");
  if (found.empty()) found = checkpoints_to_resume(config_.resume);
  if (found.empty())
    throw UserError("--resume " + config_.resume + ": expected checkpoints in it, found none");
  return found;
}

template <class T>
void Checkpointer<T>::check_same_run(const CheckpointState& state, const std::string& path) const {
  const std::vector<ConfigDifference> differences = differing_keys(state.config, config_);
  if (!differences.empty()) {
    throw UserError(path + " belongs to another config: " + describe(differences) +
                    "; choose another --run-dir, or --resume never to start anew");
  }
  if (state.dataset_sha256 != dataset_.sha256_all) {
    throw UserError(path + " was trained on other data: expected dataset digest " + state.dataset_sha256 +
                    ", found " + dataset_.sha256_all + " in " + dataset_.path);
  }
}

template <class T>
void Checkpointer<T>::warn_of_other_arithmetic(const CheckpointState& state) const {
  for (const auto& [key, now] : arithmetic_environment(config_.arithmetic)) {
    const auto before = state.environment.find(key);
    if (before != state.environment.end() && before->second != now) {
      observer_.message(
          "warning: " + key + " was " + before->second + " and is now " + now +
          ": the weights may differ in their last bits from an uninterrupted run's; --arithmetic " +
          "exact does not depend on it");
    }
  }
}

template <class T>
typename Checkpointer<T>::Snapshot Checkpointer<T>::read(const std::string& path) const {
  Snapshot snapshot;
  beat();
  snapshot.state = read_checkpoint_state(path);
  beat();
  check_same_run(snapshot.state, path);
  snapshot.parameters.resize(layout_.size());
  read_checkpoint_tensors<T>(path, layout_, snapshot.parameters, snapshot.slots);
  beat();
  return snapshot;
}

template <class T>
std::optional<typename Checkpointer<T>::Snapshot> Checkpointer<T>::newest_valid() const {
  if (config_.resume == "never") return std::nullopt;
  const std::vector<std::string> paths = candidates();
  for (const std::string& path : paths) {
    Snapshot snapshot;
    const std::string damage = damage_found(path, [&] { snapshot = read(path); });
    if (!damage.empty()) {
      if (path == paths.back() && config_.resume != "auto") throw FileError(damage);
      observer_.message("warning: damaged checkpoint left out: " + damage);
      continue;
    }
    last_path_ = path;
    observer_.message("resuming from " + path + " (epoch " + std::to_string(snapshot.state.epoch) +
                      ", step " + std::to_string(snapshot.state.step) + ")");
    warn_of_other_arithmetic(snapshot.state);
    return snapshot;
  }
  if (!paths.empty() || std::filesystem::exists(run_directory_->summary_path()))
    observer_.message("warning: no valid checkpoint is left; training begins anew");
  return std::nullopt;
}

template <class T>
void Checkpointer<T>::share(Snapshot& snapshot, TrainState<T>& state, TrainProgress& progress) {
  const CheckpointState& stored = snapshot.state;
  if (world_.is_root()) {
    progress.epoch = stored.epoch;
    progress.step_in_epoch = stored.step_in_epoch;
    progress.step = stored.step;
    progress.sums.loss_sums = stored.shard_loss_sums;
    progress.sums.correct_counts = stored.shard_correct;
    progress.sums.row_counts = stored.shard_rows;
    progress.best_value = stored.best_value;
    progress.best_epoch = static_cast<std::uint64_t>(stored.best_epoch);
    progress.epochs_without_improvement = static_cast<std::uint64_t>(stored.epochs_without_improvement);
    progress.seconds_before = stored.seconds;
  }
  share_value(world_, progress.epoch);
  share_value(world_, progress.step_in_epoch);
  share_value(world_, progress.step);
  world_.broadcast(std::span(progress.sums.loss_sums));
  world_.broadcast(std::span(progress.sums.correct_counts));
  world_.broadcast(std::span(progress.sums.row_counts));
  share_value(world_, progress.best_value);
  share_value(world_, progress.best_epoch);
  share_value(world_, progress.epochs_without_improvement);
  share_value(world_, progress.seconds_before);

  const Range slice = state.exchange.own_slice();
  state.exchange.scatter_from_root(snapshot.parameters,
                                   state.exchange.parameters().subspan(slice.begin, slice.size()));
  state.exchange.share_slices();
  for (std::size_t i = 0; i < state.optimizer.info().slots.size(); ++i) {
    const std::string& name = state.optimizer.info().slots[i];
    const auto found = std::find_if(snapshot.slots.begin(), snapshot.slots.end(),
                                    [&](const auto& slot) { return slot.first == name; });
    const std::span<const T> full = world_.is_root() ? found->second : std::span<const T>();
    state.exchange.scatter_from_root(full, state.optimizer.slot(i));
    beat();
  }
}

/// A run killed between a checkpoint and its mark as the best, or resumed in another directory, lacks `best`.
template <class T>
void Checkpointer<T>::restore_best(const CheckpointState& restored) const {
  if (restored.best_epoch == 0) return;
  const auto is_best = [&](const CheckpointState& state) {
    return static_cast<std::int64_t>(state.epoch) == restored.best_epoch && state.step_in_epoch == 0;
  };
  const std::string best = run_directory_->checkpoints_path() + "/best";
  if (is_best(restored)) {
    warns_if_refused(observer_, "there is no best checkpoint",
                     [&] { link_file_atomically(last_path_, best); });
    return;
  }
  const std::string beside = std::filesystem::path(last_path_).parent_path() / "best";
  if (std::filesystem::exists(best) || !std::filesystem::exists(beside)) return;
  try {
    if (is_best(read_checkpoint_state(beside))) link_file_atomically(beside, best);
  } catch (const FileError& error) {
    observer_.message(std::string("warning: damaged best checkpoint left out: ") + error.what());
  }
}

template <class T>
bool Checkpointer<T>::restore(TrainState<T>& state, TrainProgress& progress) {
  std::optional<Snapshot> snapshot;
  on_root(world_, [&] {
    snapshot = newest_valid();
    if (!snapshot) return;
    const std::size_t shards = *config_.shards;
    const CheckpointState& stored = snapshot->state;
    const bool sums_fit = stored.shard_loss_sums.size() == shards && stored.shard_correct.size() == shards &&
                          stored.shard_rows.size() == shards;
    bool slots_fit = true;
    for (const std::string& name : state.optimizer.info().slots) {
      slots_fit = slots_fit && std::any_of(snapshot->slots.begin(), snapshot->slots.end(),
                                           [&](const auto& slot) { return slot.first == name; });
    }
    if (!sums_fit || !slots_fit) {
      throw FileError(last_path_ + ": expected running sums of " + std::to_string(shards) +
                      " shards and the state of " + state.optimizer.info().name + ", found something else");
    }
    restore_best(stored);
  });
  std::int64_t found = snapshot.has_value();
  share_value(world_, found);
  if (!found) return false;
  if (!snapshot) snapshot.emplace();
  share(*snapshot, state, progress);
  return true;
}

template class Checkpointer<float>;
template class Checkpointer<double>;

}  // namespace lockstep
