#include "lockstep/nn/optimizer.hpp"

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "optimizer_updates.hpp"
#include "setting.hpp"

namespace lockstep {
namespace {

namespace updates = optimizer_updates;

template <class T>
using UpdateFunction = bool (*)(const updates::Update<T>&);

/// What the table says of an optimizer, with its update.
struct Entry {
  OptimizerInfo info;
  std::vector<std::string> aliases;
  UpdateFunction<float> update_float;
  UpdateFunction<double> update_double;
};

// THE table. Defaults are Keras 3's; lars is not in Keras: its trust is the paper's, and so is its momentum.
// rmsprop's epsilon stands outside the root, as in PyTorch: inside, as in Keras 3, 1e-7 drowns the small
// gradients of deep sigmoid networks, which then learn nothing (six layers of 512 stay at 11 % on MNIST).
const std::vector<Entry>& entries() {
  static const std::vector<Entry> table = {
      {{.name = "sgd", .formula = "w -= lr*g", .slots = {}, .hyperparameters = {{"learning_rate", 0.01}}},
       {"gradient_descent"},
       updates::sgd<float>,
       updates::sgd<double>},
      {{.name = "momentum",
        .formula = "m = momentum*m - lr*g; w += m",
        .slots = {"momentum"},
        .hyperparameters = {{"learning_rate", 0.01}, {"momentum", 0.9}}},
       {"sgd_momentum"},
       updates::momentum<float>,
       updates::momentum<double>},
      {{.name = "nesterov",
        .formula = "m = momentum*m - lr*g; w += momentum*m - lr*g",
        .slots = {"momentum"},
        .hyperparameters = {{"learning_rate", 0.01}, {"momentum", 0.9}}},
       {"sgd_nesterov", "nag"},
       updates::nesterov<float>,
       updates::nesterov<double>},
      {{.name = "adagrad",
        .formula = "a += g^2; w -= lr*g/sqrt(a + epsilon)",
        .slots = {"accumulator"},
        .slot_start = 0.1,
        .hyperparameters = {{"learning_rate", 1e-3}, {"epsilon", 1e-7}}},
       {},
       updates::adagrad<float>,
       updates::adagrad<double>},
      {{.name = "rmsprop",
        .formula = "v = rho*v + (1 - rho)*g^2; m = momentum*m + lr*g/(sqrt(v) + epsilon); w -= m",
        .slots = {"velocity", "momentum"},
        .hyperparameters = {{"learning_rate", 1e-3}, {"rho", 0.9}, {"momentum", 0}, {"epsilon", 1e-7}}},
       {},
       updates::rmsprop<float>,
       updates::rmsprop<double>},
      {{.name = "adam",
        .formula = "m += (1 - beta1)*(g - m); v += (1 - beta2)*(g^2 - v); "
                   "w -= lr*sqrt(1 - beta2^t)/(1 - beta1^t)*m/(sqrt(v) + epsilon)",
        .slots = {"momentum", "velocity"},
        .hyperparameters = {{"learning_rate", 1e-3}, {"beta1", 0.9}, {"beta2", 0.999}, {"epsilon", 1e-7}}},
       {},
       updates::adam<float>,
       updates::adam<double>},
      {{.name = "adamw",
        .formula = "w -= lr*weight_decay*w; then as adam",
        .slots = {"momentum", "velocity"},
        .hyperparameters = {{"learning_rate", 1e-3},
                            {"beta1", 0.9},
                            {"beta2", 0.999},
                            {"epsilon", 1e-7},
                            {"weight_decay", 0.004}}},
       {},
       updates::adamw<float>,
       updates::adamw<double>},
      {{.name = "lars",
        .formula = "r = trust*|w|/(|g| + weight_decay*|w|) per tensor; "
                   "m = momentum*m + lr*r*(g + weight_decay*w); w -= m",
        .slots = {"momentum"},
        .hyperparameters = {{"learning_rate", 1}, {"momentum", 0.9}, {"trust", 0.001}, {"weight_decay", 0}},
        .layer_norms = true},
       {},
       updates::lars<float>,
       updates::lars<double>},
      {{.name = "lamb",
        .formula =
            "w -= lr*weight_decay*w; m, v as adam; u = m/(1 - beta1^t)/(sqrt(v/(1 - beta2^t)) + epsilon); "
            "w -= lr*|w|/|u|*u per tensor",
        .slots = {"momentum", "velocity"},
        .hyperparameters = {{"learning_rate", 1e-3},
                            {"beta1", 0.9},
                            {"beta2", 0.999},
                            {"epsilon", 1e-7},
                            {"weight_decay", 0}},
        .layer_norms = true},
       {},
       updates::lamb<float>,
       updates::lamb<double>},
  };
  return table;
}

const Entry& find_entry(std::string_view name) {
  static const std::vector<SettingForm> forms = [] {
    std::vector<SettingForm> all;
    for (const Entry& entry : entries()) all.push_back({entry.info.name, entry.aliases, {}});
    return all;
  }();
  return entries()[find_form("optimizer", std::string(name), forms)];
}

template <class T>
UpdateFunction<T> update_function(const Entry& entry) {
  if constexpr (std::is_same_v<T, float>) {
    return entry.update_float;
  } else {
    return entry.update_double;
  }
}

Bounds hyperparameter_bounds(const std::string& name) {
  if (name == "learning_rate" || name == "trust") return positive_number;
  if (name == "weight_decay") return non_negative_number;
  // Far above the roots of the least moments, so that it does not matter when those become zero.
  if (name == "epsilon") return {1e-16, largest_setting};
  return {0, 1, false, true};  // momentum, rho, beta1, beta2
}

/// "lars, lamb": the optimizers that have a hyperparameter.
std::string optimizers_with(const std::string& hyperparameter) {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) {
    if (entry.info.hyperparameters.contains(hyperparameter)) names.push_back(entry.info.name);
  }
  return join(names);
}

[[noreturn]] void throw_unknown_hyperparameter(const OptimizerInfo& info, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [key, value] : info.hyperparameters) known.push_back(key);
  const std::string others = optimizers_with(name);
  throw UserError("optimizer " + info.name + " has no " + name + suggestion(name, known) + "; it has " +
                  join(known) + (others.empty() ? "" : "; " + name + " belongs to " + others));
}

}  // namespace

std::span<const OptimizerInfo> optimizer_table() {
  static const std::vector<OptimizerInfo> table = [] {
    std::vector<OptimizerInfo> infos;
    for (const Entry& entry : entries()) infos.push_back(entry.info);
    return infos;
  }();
  return table;
}

const OptimizerInfo& find_optimizer(std::string_view name) {
  return find_entry(name).info;
}

OptimizerConfig make_optimizer_config(std::string_view name, const std::map<std::string, double>& given) {
  const OptimizerInfo& info = find_optimizer(name);
  OptimizerConfig config{info.name, info.hyperparameters};
  for (const auto& [key, value] : given) {
    const auto found = config.hyperparameters.find(key);
    if (found == config.hyperparameters.end()) throw_unknown_hyperparameter(info, key);
    hyperparameter_bounds(key).check(value, "optimizer " + info.name + ": " + key);
    found->second = value;
  }
  return config;
}

std::vector<double> tensor_sums(const ParameterLayout& layout, std::span<const double> block_sums) {
  const std::vector<std::size_t>& tensors = layout.block_tensors();
  std::vector<double> sums(layout.tensors().size(), 0.0);
  for (std::size_t begin = 0; begin < tensors.size();) {
    std::size_t end = begin;
    while (end < tensors.size() && tensors[end] == tensors[begin]) ++end;
    sums[tensors[begin]] = tree_sum(block_sums.subspan(begin, end - begin));
    begin = end;
  }
  return sums;
}

namespace {

/// Gradients of l1·Σ|w| + l2·Σw², as Keras's regularizers, for kernels.
template <class T>
void add_penalties(const GradientRules& rules, const T* __restrict parameters, T* __restrict gradient,
                   std::size_t length) {
  const T l1 = static_cast<T>(rules.l1), twice_l2 = static_cast<T>(2 * rules.l2);
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < length; ++i) {
      const T w = parameters[i];
      const T sign = static_cast<T>(w > T(0)) - static_cast<T>(w < T(0));
      gradient[i] += l1 * sign + twice_l2 * w;
    }
  });
}

template <class T>
void clip_by_value(T limit, T* gradient, std::size_t length) {
  run_vectorized([=](auto) {
    for (std::size_t i = 0; i < length; ++i) {
      const T g = gradient[i];
      gradient[i] = g < -limit ? -limit : (g > limit ? limit : g);  // NaN stays
    }
  });
}

}  // namespace

template <class T>
void apply_element_rules(const GradientRules& rules, const ParameterLayout& layout, const Chunk& chunk,
                         const T* parameters, T* gradient) {
  const std::size_t length = chunk.elements.size();
  const bool penalized = rules.l1 != 0 || rules.l2 != 0;
  if (penalized && layout.tensors()[layout.block_tensors()[chunk.block]].is_kernel()) {
    add_penalties(rules, parameters, gradient, length);
  }
  if (rules.clip_value != 0) clip_by_value(static_cast<T>(rules.clip_value), gradient, length);
}

/// Pascanu et al. 2013: the whole gradient times limit / norm where the norm exceeds the limit. As Keras's
/// global_clipnorm, a norm that is not a number makes the whole gradient so.
template <class T>
void clip_by_norm(const GradientRules& rules, const ParameterLayout& layout, Range blocks,
                  std::span<T> gradient, const CompleteBlockSums& complete) {
  if (rules.clip_norm == 0) return;
  const std::vector<double> sums =
      block_square_sums(layout, blocks, complete, [&](std::size_t i) { return gradient[i]; });
  const double norm = std::sqrt(tree_sum(std::span<const double>(sums)));
  if (norm <= rules.clip_norm) return;
  const T scale = static_cast<T>(rules.clip_norm / norm);
  run_vectorized([gradient, scale](auto) {
    for (T& g : gradient) g *= scale;
  });
}

template void apply_element_rules(const GradientRules&, const ParameterLayout&, const Chunk&, const float*,
                                  float*);
template void apply_element_rules(const GradientRules&, const ParameterLayout&, const Chunk&, const double*,
                                  double*);
template void clip_by_norm(const GradientRules&, const ParameterLayout&, Range, std::span<float>,
                           const CompleteBlockSums&);
template void clip_by_norm(const GradientRules&, const ParameterLayout&, Range, std::span<double>,
                           const CompleteBlockSums&);

namespace {

Hyperparameters make_hyperparameters(const OptimizerConfig& config) {
  const std::map<std::string, double> all =
      make_optimizer_config(config.name, config.hyperparameters).hyperparameters;
  const auto value = [&](const char* name) {
    const auto found = all.find(name);
    return found == all.end() ? 0.0 : found->second;
  };
  return {.momentum = value("momentum"),
          .rho = value("rho"),
          .beta1 = value("beta1"),
          .beta2 = value("beta2"),
          .epsilon = value("epsilon"),
          .weight_decay = value("weight_decay"),
          .trust = value("trust")};
}

}  // namespace

template <class T>
Optimizer<T>::Optimizer(const OptimizerConfig& config, const ParameterLayout& layout, Range blocks)
    : info_(&find_optimizer(config.name)),
      update_(update_function<T>(find_entry(config.name))),
      hyperparameters_(make_hyperparameters(config)),
      layout_(&layout),
      blocks_(blocks) {
  const std::size_t length = layout.block_starts()[blocks.end] - layout.block_starts()[blocks.begin];
  slots_.assign(info_->slots.size(), AlignedVector<T>(length, static_cast<T>(info_->slot_start)));
}

template <class T>
bool Optimizer<T>::update(std::uint64_t step, double learning_rate, std::span<T> parameters,
                          std::span<const T> gradient, const CompleteBlockSums& complete) {
  return update_({.step = step,
                  .learning_rate = learning_rate,
                  .h = hyperparameters_,
                  .w = parameters,
                  .g = gradient,
                  .slots = slots_,
                  .layout = *layout_,
                  .blocks = blocks_,
                  .complete = &complete});
}

template <class T>
bool Optimizer<T>::update(std::uint64_t step, double learning_rate, std::span<T> parameters,
                          const ChunkGradient<T>& gradient) {
  return update_({.step = step,
                  .learning_rate = learning_rate,
                  .h = hyperparameters_,
                  .w = parameters,
                  .chunk_gradient = &gradient,
                  .slots = slots_,
                  .layout = *layout_,
                  .blocks = blocks_});
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace lockstep
