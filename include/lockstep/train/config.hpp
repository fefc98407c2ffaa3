#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/products.hpp"
#include "lockstep/dist/gradient_exchange.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/constraint.hpp"
#include "lockstep/nn/initializer.hpp"
#include "lockstep/nn/mlp.hpp"
#include "lockstep/nn/optimizer.hpp"
#include "lockstep/nn/schedule.hpp"
#include "lockstep/train/batch_sampler.hpp"

/// What a training run is made of. Every option stands once, in the table of train_options(): command line,
/// TOML files, config.toml of the run directory, the comparison at --resume and the help text are all read
/// from it.
namespace lockstep {

/// The arithmetic used where --arithmetic is not given: the faster one (scripts/bench.sh).
inline constexpr Arithmetic default_arithmetic = Arithmetic::exact;

enum class Precision { float32, float64 };
enum class ProgressStyle { automatic, bar, lines, off };
/// Who evaluates: rank 0 alone, or all ranks a part of the rows each. The bits are the same.
enum class Evaluator { rank0, all };

/// How often checkpoints are written: "60s", "1epoch", "500steps".
struct CheckpointInterval {
  enum class Unit { seconds, epochs, steps };
  double count = 60;  // whole for epochs and steps
  Unit unit = Unit::seconds;
};

/// Fields in the order of train_options(). An empty optional, list or text stands for "auto" (resolve() fills
/// it in) or, for limits, "none".
struct TrainConfig {
  std::string data;

  std::vector<std::size_t> hidden{128};
  std::vector<Activation> activation{Activation("relu")};
  std::string output;  // auto: by task
  std::string loss;    // auto: by task
  std::vector<Initializer> init;
  InitGenerator init_generator = InitGenerator::philox;

  std::string optimizer = "adam";
  std::optional<double> learning_rate, momentum, rho, beta1, beta2, epsilon, weight_decay, trust;
  std::string schedule = "constant";
  std::uint64_t warmup_steps = 0;

  std::size_t batch_size = 128;
  std::optional<std::size_t> shards;
  std::uint64_t epochs = 10;
  std::optional<std::uint64_t> max_steps;
  std::optional<double> max_seconds;
  bool shuffle = true;
  bool drop_last = false;
  std::optional<std::size_t> limit_train, limit_test;
  double validation_split = 0;
  bool validation_stratified = false;

  double l1 = 0, l2 = 0;
  std::vector<double> dropout;  // per hidden layer; empty: none
  double label_smoothing = 0;
  double clip_norm = 0, clip_value = 0;  // 0: off
  std::vector<Constraint> constraint;    // per layer; empty: none

  std::uint64_t early_stopping = 0;  // epochs without improvement; 0: off
  std::string monitor = "val_loss";

  Precision precision = Precision::float32;
  Arithmetic arithmetic = default_arithmetic;
  std::uint64_t seed = 0;

  std::string run_dir;  // auto: derived
  std::string resume = "auto";
  CheckpointInterval checkpoint_every;
  std::uint64_t keep_checkpoints = 3;
  double stall_timeout_seconds = 300;  // 0: off
  std::uint64_t verify_every = 0;      // steps; 0: off
  std::uint64_t evaluate_every = 1;
  Evaluator evaluator = Evaluator::rank0;
  Reduction reduction = Reduction::reproducible;
  Transport transport = Transport::automatic;
  bool diagnostics = false;
  ProgressStyle progress = ProgressStyle::automatic;
  bool quiet = false;
  std::string log_level = "info";
};

/// One option of `lockstep train`.
struct TrainOption {
  enum class Kind { text, number, on_off, text_list, number_list };
  /// What a resumed run may change.
  enum class OnResume { must_match, may_differ };

  std::string name;        // "learning-rate" for --learning-rate, TOML key learning-rate or learning_rate
  std::string group;       // heading in the help
  std::string value_name;  // "N", "FILE", "on|off"
  std::string help;        // one sentence
  Kind kind = Kind::text;
  OnResume on_resume = OnResume::must_match;
  std::function<void(TrainConfig&, std::string_view text)> set;  // throws UserError naming the flag
  std::function<std::string(const TrainConfig&)> get;  // canonical text that set() reads back exactly
  std::string default_text;

  std::string flag() const { return "--" + name; }
  std::string key() const;  // "learning_rate"
};
std::span<const TrainOption> train_options();

/// The option of a flag or key; '-' and '_' are the same. Throws UserError naming the nearest one.
const TrainOption& find_train_option(std::string_view name);

/// Throws UserError naming the flag, what was expected and what was found.
void set_option(TrainConfig& config, std::string_view name, std::string_view text);

/// Sets what a TOML document says, on top of `config`. Throws UserError naming source, line and key.
void apply_config_toml(TrainConfig& config, std::string_view toml, std::string_view source_name);
/// The same from a file. Throws FileError if it cannot be read.
void apply_config_file(TrainConfig& config, const std::string& path);

/// The config as TOML that apply_config_toml() reads back exactly. `--run-dir` and `--resume` are left out:
/// they say where and how a run goes on, not what it computes, and a repetition belongs elsewhere.
std::string config_toml(const TrainConfig& config);
/// Every option's key and text.
std::map<std::string, std::string> config_map(const TrainConfig& config);

/// A key whose value keeps a run from being resumed.
struct ConfigDifference {
  std::string key, before, now;
};
/// What differs between a stored config_map and the config of now, among the options that have to be equal:
/// all that the results depend on. Free to change are where things are and how they are shown (data, whose
/// content is compared by digest, run_dir, resume, progress, …), when to stop (epochs, max_steps,
/// max_seconds) and when to write checkpoints. `epochs` has to be equal if the schedule (cosine, linear)
/// depends on it. Both configs resolved.
std::vector<ConfigDifference> differing_keys(const std::map<std::string, std::string>& before,
                                             const TrainConfig& now);
/// "a: 1 before, 2 now; b: …"
std::string describe(std::span<const ConfigDifference> differences);

/// Fills in everything that is "auto" and expands lists to one entry a layer. Checks whatever can be checked
/// without reading rows: options against each other, against the task and the dataset's sizes, and the memory
/// that parameters need, before anything is allocated. Throws UserError. Resolving twice changes nothing. The
/// number of ranks is not looked at.
TrainConfig resolve(TrainConfig config, const DatasetInfo& dataset);

/// The network that a resolved config describes.
ModelSpec make_model_spec(const TrainConfig& resolved, const DatasetInfo& dataset);
/// The optimizer with every hyperparameter, and the rules that gradients go through before it.
OptimizerConfig make_optimizer_config(const TrainConfig& resolved);
GradientRules make_gradient_rules(const TrainConfig& resolved);

/// The train rows left by --limit-train, before any validation split.
std::size_t limited_train_rows(const TrainConfig& config, const DatasetInfo& dataset);
/// How `training_rows` rows (after --limit-train and --validation-split) fall into batches. Throws UserError
/// if they are fewer than the shards, or than one batch with --drop-last.
BatchPlan make_batch_plan(const TrainConfig& resolved, std::size_t training_rows);

std::string precision_name(Precision precision);     // "float32"
Precision parse_precision(std::string_view text);    // throws UserError
std::string arithmetic_name(Arithmetic arithmetic);  // "openblas"
Arithmetic parse_arithmetic(std::string_view text);  // throws UserError
/// Whether a larger value of the monitored metric is better: the accuracies.
bool higher_is_better(std::string_view monitor);

}  // namespace lockstep
