#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/aligned_vector.hpp"
#include "lockstep/core/partition.hpp"
#include "lockstep/nn/parameters.hpp"

/// Optimizers as Keras 3 defines them, placement of epsilon included but for rmsprop, whose epsilon stands
/// outside the root as in PyTorch. They work element by element on a
/// slice of the flat parameter vector; lars and lamb need norms of whole tensors too. To add one: its update
/// in src/nn/optimizer_updates.hpp and its row in the table of src/nn/optimizer.cpp.
namespace lockstep {

namespace optimizer_updates {
template <class T>
struct Update;
}

/// One row of the table of optimizers.
struct OptimizerInfo {
  std::string name;                // "rmsprop"
  std::string formula;             // as the documentation prints it
  std::vector<std::string> slots;  // names of its state vectors: {"velocity"}
  double slot_start = 0;           // what slots start with (adagrad: 0.1)
  /// With their defaults: {"learning_rate", 1e-3}, {"rho", 0.9}, …
  std::map<std::string, double> hyperparameters;
  bool layer_norms = false;  // needs the norms of whole tensors: lars, lamb
};
std::span<const OptimizerInfo> optimizer_table();

/// Throws UserError naming the nearest optimizer.
const OptimizerInfo& find_optimizer(std::string_view name);

/// An optimizer with its hyperparameters: every key of the table's row, other values where the user said so
/// (learning_rate, momentum, rho, beta1, beta2, epsilon, weight_decay, trust).
struct OptimizerConfig {
  std::string name = "adam";
  std::map<std::string, double> hyperparameters;
};

/// `name` with its defaults, overridden by `given`. Throws UserError for a hyperparameter that this optimizer
/// does not have or whose value is out of range (learning_rate ≤ 0 or not finite; momentum, rho, betas
/// outside [0, 1); epsilon below 1e-16; …).
OptimizerConfig make_optimizer_config(std::string_view name, const std::map<std::string, double>& given);

/// Sums over the fixed norm blocks of ParameterLayout: from this rank's own blocks to those of all ranks
/// (collective when there are several). Takes a vector of (layout.blocks()) sums of which the own ones are
/// filled; fills the rest.
using CompleteBlockSums = std::function<void(std::span<double>)>;

/// Tree sum of block sums, per tensor.   block_sums: (layout.blocks()) → (tensors)
std::vector<double> tensor_sums(const ParameterLayout& layout, std::span<const double> block_sums);

/// Penalties and clipping, applied to the mean gradient in this order: penalties, clip by value, clip by
/// norm.
struct GradientRules {
  double l1 = 0;          // adds l1 · sign(w) to kernels' gradients (sign(0) = 0)
  double l2 = 0;          // adds 2 · l2 · w to kernels' gradients (penalty l2 · Σ w², as Keras's)
  double clip_value = 0;  // each element into [−v, v]; 0: off
  double clip_norm = 0;   // whole gradient scaled to at most this norm; 0: off

  bool look_at_elements() const { return l1 != 0 || l2 != 0 || clip_value != 0; }
};

/// Penalties and clipping by value of one chunk. What they do to an element depends on nothing
/// else.   parameters, gradient: the chunk's elements; gradient in place
template <class T>
void apply_element_rules(const GradientRules& rules, const ParameterLayout& layout, const Chunk& chunk,
                         const T* parameters, T* gradient);

/// Clipping of a slice's gradient by the norm of the whole gradient, in place. Calls `complete` (if clip_norm
/// is on) exactly once on every rank.
template <class T>
void clip_by_norm(const GradientRules& rules, const ParameterLayout& layout, Range blocks,
                  std::span<T> gradient, const CompleteBlockSums& complete);

/// The mean gradient of a chunk: these numbers times the factor.
template <class T>
struct ScaledGradient {
  const T* numbers;
  T factor = 1;
};
template <class T>
using ChunkGradient = std::function<ScaledGradient<T>(const Chunk&)>;

/// An optimizer's hyperparameters; 0 where it does not have one.
struct Hyperparameters {
  double momentum = 0, rho = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0, trust = 0;
};

/// The optimizer of one slice: its configuration and the slice's state.
template <class T>
class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, const ParameterLayout& layout, Range blocks);

  /// One update, in place. `step` counts from 1; `learning_rate` is the schedule's. Calls `complete` the same
  /// number of times on every rank. Returns whether all updated parameters are finite.
  /// parameters, gradient: the slice's elements
  bool update(std::uint64_t step, double learning_rate, std::span<T> parameters, std::span<const T> gradient,
              const CompleteBlockSums& complete);

  /// The same for an optimizer without layer_norms. Asks for the gradient of every chunk once, right before
  /// the chunk's update, in ascending order.
  bool update(std::uint64_t step, double learning_rate, std::span<T> parameters,
              const ChunkGradient<T>& gradient);

  const OptimizerInfo& info() const { return *info_; }
  /// The state vector (slice) of info().slots[i].
  std::span<T> slot(std::size_t i) { return slots_[i]; }

 private:
  const OptimizerInfo* info_;
  bool (*update_)(const optimizer_updates::Update<T>&);
  Hyperparameters hyperparameters_;
  const ParameterLayout* layout_;
  Range blocks_;
  std::vector<AlignedVector<T>> slots_;
};

}  // namespace lockstep
