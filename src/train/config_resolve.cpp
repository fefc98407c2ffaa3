#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <limits>

#include "lockstep/core/checked_cast.hpp"
#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/validation_split.hpp"
#include "option_builders.hpp"

namespace lockstep {
namespace {

constexpr std::size_t default_shards = 8;

/// Throws OverflowError if the sum does not fit.
std::size_t checked_sum(std::size_t a, std::size_t b) {
  std::size_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) throw OverflowError("a size does not fit into 64 bits");
  return sum;
}

/// One entry a layer from one for all, or from one a layer.
template <class Item>
std::vector<Item> per_layer(const std::vector<Item>& items, std::size_t layers, const char* flag,
                            const char* layer_kind) {
  if (items.size() == 1) return std::vector<Item>(layers, items[0]);
  if (items.size() == layers) return items;
  throw UserError(std::string(flag) + ": expected 1 entry" +
                  (layers > 1 ? " or " + std::to_string(layers) + ", one per " + layer_kind : "") +
                  ", found " + std::to_string(items.size()));
}

void resolve_activations(TrainConfig& config) {
  const std::size_t hidden_layers = config.hidden.size();
  // A net without hidden layers has no use for the default activation, nor for one of a sweep.
  if (hidden_layers == 0 && config.activation.size() <= 1) config.activation.clear();
  if (hidden_layers > 0 && config.activation.empty()) config.activation = {Activation("relu")};
  if (hidden_layers > 0 || !config.activation.empty()) {
    config.activation = per_layer(config.activation, hidden_layers, "--activation", "hidden layer");
  }
  for (const Activation& activation : config.activation) {
    if (activation.trainable()) continue;
    throw UserError("--activation: expected an activation that trains, found " +
                    in_quotes(activation.text()) +
                    ": its derivative is zero everywhere, so no gradient reaches the layers before it; "
                    "step(surrogate=sigmoid) trains");
  }
}

void resolve_initializers(TrainConfig& config) {
  const std::size_t layers = config.hidden.size() + 1;
  if (config.init.empty()) {
    for (const Activation& activation : config.activation) {
      config.init.emplace_back(activation.info().default_initializer);
    }
    config.init.emplace_back("glorot_uniform");
  }
  config.init = per_layer(config.init, layers, "--init", "layer with the output");
  if (config.init_generator == InitGenerator::mt19937 && config.seed > 0xffffffffU) {
    throw UserError("--seed: expected at most 4294967295 with --init-generator mt19937, found " +
                    std::to_string(config.seed));
  }
}

void resolve_regularization(TrainConfig& config, Task task) {
  const bool no_dropout =
      std::all_of(config.dropout.begin(), config.dropout.end(), [](double r) { return r == 0; });
  if (no_dropout) {
    config.dropout.clear();
  } else if (config.hidden.empty()) {
    throw UserError("--dropout: expected off for a net without hidden layers, found " +
                    find_train_option("dropout").get(config));
  } else {
    config.dropout = per_layer(config.dropout, config.hidden.size(), "--dropout", "hidden layer");
  }
  const bool no_constraint = std::all_of(config.constraint.begin(), config.constraint.end(),
                                         [](const Constraint& constraint) { return constraint.none(); });
  if (no_constraint) {
    config.constraint.clear();
  } else {
    config.constraint =
        per_layer(config.constraint, config.hidden.size() + 1, "--constraint", "layer with the output");
  }
  if (config.label_smoothing > 0 && task == Task::regression) {
    throw UserError("--label-smoothing: expected off for a regression dataset, found " +
                    format_exact(config.label_smoothing));
  }
}

/// The hyperparameters of the options, by the name that the optimizer's table gives them.
std::vector<std::pair<std::string, std::optional<double> TrainConfig::*>> hyperparameter_fields() {
  return {{"learning_rate", &TrainConfig::learning_rate},
          {"momentum", &TrainConfig::momentum},
          {"rho", &TrainConfig::rho},
          {"beta1", &TrainConfig::beta1},
          {"beta2", &TrainConfig::beta2},
          {"epsilon", &TrainConfig::epsilon},
          {"weight_decay", &TrainConfig::weight_decay},
          {"trust", &TrainConfig::trust}};
}

void resolve_optimizer(TrainConfig& config) {
  const OptimizerConfig optimizer = naming("--optimizer", [&] { return make_optimizer_config(config); });
  config.optimizer = optimizer.name;
  for (const auto& [name, field] : hyperparameter_fields()) {
    const auto found = optimizer.hyperparameters.find(name);
    if (found != optimizer.hyperparameters.end()) config.*field = found->second;
  }
}

void resolve_batches(TrainConfig& config, const DatasetInfo& dataset) {
  if (!config.shards) config.shards = std::min(default_shards, config.batch_size);
  if (*config.shards > config.batch_size) {
    throw UserError("--shards: expected at most the batch size of " + std::to_string(config.batch_size) +
                    ", found " + std::to_string(*config.shards));
  }
  if (config.validation_stratified && config.validation_split == 0) {
    throw UserError("--validation-stratified: expected --validation-split with it, found none");
  }
  if (config.validation_stratified && dataset.task == Task::regression) {
    throw UserError("--validation-stratified: expected a dataset with classes, found a regression dataset " +
                    dataset.path);
  }
  const std::size_t rows = limited_train_rows(config, dataset);
  const BatchPlan plan =
      make_batch_plan(config, row_count(split_last(rows, config.validation_split).training));
  const std::size_t most_epochs = std::numeric_limits<std::int64_t>::max() / plan.steps_per_epoch();
  if (config.epochs > most_epochs) {
    throw UserError("--epochs: expected at most " + std::to_string(most_epochs) +
                    ", whose steps can still be counted, found " + std::to_string(config.epochs));
  }
}

void resolve_monitor(TrainConfig& config, Task task) {
  if (higher_is_better(config.monitor) && task == Task::regression) {
    throw UserError("--monitor: expected loss or val_loss for a regression dataset, found " +
                    in_quotes(config.monitor));
  }
  if (!config.monitor.starts_with("val_") || config.validation_split > 0) return;
  if (config.early_stopping > 0) {
    throw UserError("--early-stopping: expected --validation-split for --monitor " + config.monitor +
                    ", found none; --monitor loss goes by the training loss");
  }
  config.monitor = config.monitor.substr(4);
}

std::uint64_t physical_memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page_bytes > 0
             ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes)
             : 0;
}

/// What one process needs at the very least: weights, a gradient and its sum, and the activations of a
/// micro-batch.
std::size_t least_memory_bytes(const TrainConfig& config, const std::vector<std::size_t>& widths,
                               std::size_t training_rows) {
  const std::size_t element_bytes = config.precision == Precision::float32 ? sizeof(float) : sizeof(double);
  std::size_t parameters = 0, units = 0;
  for (std::size_t layer = 0; layer + 1 < widths.size(); ++layer) {
    const std::size_t inputs = checked_sum(widths[layer], std::size_t{1});
    parameters = checked_sum(parameters, checked_product(inputs, widths[layer + 1]));
    units = checked_sum(units, widths[layer + 1]);
  }
  const std::size_t micro_batch_rows = std::min(config.batch_size / *config.shards + 1, training_rows);
  const std::size_t activations = checked_product(checked_product(micro_batch_rows, units), std::size_t{2});
  return checked_product(checked_sum(checked_product(parameters, std::size_t{3}), activations),
                         element_bytes);
}

void check_memory(const TrainConfig& config, const DatasetInfo& dataset,
                  const std::vector<std::size_t>& widths) {
  const std::uint64_t memory = physical_memory_bytes();
  const std::string expected =
      "--hidden, --batch-size: expected a network that fits into this machine's memory of " +
      format_bytes(memory);
  try {
    const std::size_t least = least_memory_bytes(config, widths, limited_train_rows(config, dataset));
    if (memory > 0 && least > memory)
      throw UserError(expected + ", found one that needs at least " + format_bytes(least));
  } catch (const OverflowError&) {
    throw UserError(expected + ", found one whose size does not even fit into 64 bits");
  }
}

/// Letters, digits and a few signs; what else a name holds becomes a hyphen.
std::string file_name_part(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    if (plain) {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  while (result.ends_with('-')) result.pop_back();
  return result;
}

/// "128-64", "512x6", "linear".
std::string hidden_name(const std::vector<std::size_t>& hidden) {
  if (hidden.empty()) return "linear";
  std::vector<std::string> parts;
  for (std::size_t first = 0, last = 0; first < hidden.size(); first = last) {
    while (last < hidden.size() && hidden[last] == hidden[first]) ++last;
    const std::string width = std::to_string(hidden[first]);
    parts.push_back(last - first == 1 ? width : width + "x" + std::to_string(last - first));
  }
  return join(parts, "-");
}

std::string derived_run_dir(const TrainConfig& config) {
  std::vector<std::string> activations;
  for (const Activation& activation : config.activation) activations.push_back(activation.text());
  activations.erase(std::unique(activations.begin(), activations.end()), activations.end());
  std::string name = file_name_part(std::filesystem::path(config.data).stem().string() + "-" +
                                    hidden_name(config.hidden) + "-" + join(activations, "-"));
  constexpr std::size_t longest = 120;
  // Names of formulas lose their operators.
  const bool ambiguous = std::any_of(config.activation.begin(), config.activation.end(),
                                     [](const Activation& activation) { return activation.is_formula(); });
  if (name.size() > longest || ambiguous) {
    Sha256 digest;
    digest.update(ambiguous ? join(activations, ",") : name);
    name = name.substr(0, longest) + "-" + digest.hex_digest().substr(0, 8);
  }
  return "runs/" + name + "-seed" + std::to_string(config.seed);
}

std::vector<std::size_t> layer_widths(const TrainConfig& config, const DatasetInfo& dataset) {
  std::vector<std::size_t> widths{dataset.features};
  widths.insert(widths.end(), config.hidden.begin(), config.hidden.end());
  widths.push_back(dataset.outputs);
  return widths;
}

}  // namespace

std::size_t limited_train_rows(const TrainConfig& config, const DatasetInfo& dataset) {
  return std::min(config.limit_train.value_or(dataset.train_rows), dataset.train_rows);
}

BatchPlan make_batch_plan(const TrainConfig& resolved, std::size_t training_rows) {
  const BatchPlan plan{training_rows, resolved.batch_size, resolved.shards.value(), resolved.drop_last};
  if (training_rows < plan.shards) {
    throw UserError("--shards: expected at most the number of training rows, " +
                    std::to_string(training_rows) + ", found " + std::to_string(plan.shards));
  }
  if (plan.steps_per_epoch() == 0) {
    throw UserError("--drop-last: expected at least one whole batch of " + std::to_string(plan.batch_size) +
                    " rows, found " + std::to_string(training_rows) + " training rows");
  }
  return plan;
}

TrainConfig resolve(TrainConfig config, const DatasetInfo& dataset) {
  resolve_activations(config);
  resolve_initializers(config);
  const OutputLoss output_loss = naming(
      "--output, --loss", [&] { return resolve_output_loss(config.output, config.loss, dataset.task); });
  config.output = output_name(output_loss);
  config.loss = loss_name(output_loss);
  resolve_regularization(config, dataset.task);
  resolve_optimizer(config);
  resolve_batches(config, dataset);
  resolve_monitor(config, dataset.task);
  check_memory(config, dataset, layer_widths(config, dataset));
  if (config.run_dir.empty()) config.run_dir = derived_run_dir(config);
  return config;
}

ModelSpec make_model_spec(const TrainConfig& resolved, const DatasetInfo& dataset) {
  ModelSpec spec;
  spec.widths = layer_widths(resolved, dataset);
  spec.activations = resolved.activation;
  spec.dropout =
      resolved.dropout.empty() ? std::vector<double>(resolved.hidden.size(), 0.0) : resolved.dropout;
  spec.output_loss = resolve_output_loss(resolved.output, resolved.loss, dataset.task);
  spec.label_smoothing = resolved.label_smoothing;
  spec.arithmetic = resolved.arithmetic;
  return spec;
}

OptimizerConfig make_optimizer_config(const TrainConfig& resolved) {
  std::map<std::string, double> given;
  for (const auto& [name, field] : hyperparameter_fields()) {
    if (resolved.*field) given[name] = *(resolved.*field);
  }
  return make_optimizer_config(resolved.optimizer, given);
}

GradientRules make_gradient_rules(const TrainConfig& resolved) {
  return {resolved.l1, resolved.l2, resolved.clip_value, resolved.clip_norm};
}

}  // namespace lockstep
