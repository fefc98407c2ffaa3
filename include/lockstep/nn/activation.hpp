#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lockstep/core/matrix.hpp"

/// Activation functions: ONE table that training, help, documentation, plots and tests read. To add an
/// activation, add its function to src/nn/activation_functions.hpp and its row to the table in
/// src/nn/activation.cpp.
namespace lockstep {

/// One row of the table. Text is for people; `parameter` is the function's one parameter where it has one.
struct ActivationInfo {
  std::string name = {};                  // "leaky_relu"
  std::vector<std::string> aliases = {};  // other spellings, e.g. Keras's and PyTorch's: "LeakyReLU"
  std::string formula = {};               // "x if x > 0 else negative_slope*x"
  std::string derivative = {};            // "1 if x > 0 else negative_slope"
  std::string range = {};                 // "(-inf, inf)"
  std::string parameter_name = {};        // "negative_slope"; empty: no parameter
  double parameter_default = 0;
  double parameter_min = 0;  // allowed values: [parameter_min, parameter_max]
  double parameter_max = 0;
  bool parameter_trained = false;  // the default is where training starts
  double max_slope = 1;            // supremum of |f'| with the default parameter
  bool monotone = true;            // non-decreasing with the default parameter
  bool bounded = false;
  bool zero_centred = false;  // f is odd, or its range is symmetric around 0
  bool trainable = true;      // false: the derivative is zero everywhere (step)
  /// Fits the activation: "glorot_uniform", "he_uniform", "lecun_normal".
  std::string default_initializer = {};
  std::string note = {};  // when to use it, what goes wrong: one sentence
};

/// The whole table, in the order of the documentation.
std::span<const ActivationInfo> activation_table();

struct FormulaActivation;

/// An activation with its parameter, or a formula: "formula(x*tanh(x))", see formula.hpp. Names are accepted
/// in Keras's and PyTorch's spellings: "relu", "LeakyReLU(0.2)", "leaky_relu(negative_slope=0.2)",
/// "step(surrogate=sigmoid)", "prelu(per=unit)", "swish(trained)".
class Activation {
 public:
  /// Values of the trained parameter: one for the layer, or one a unit. Empty: the value it starts from.
  template <class T>
  using Trained = std::type_identity_t<std::span<const T>>;

  /// The identity.
  Activation();
  /// Throws UserError naming the nearest activation, or the parameter that is missing, malformed or out of
  /// range.
  explicit Activation(std::string_view text);

  /// Its row of the table; of a formula, what a row would say.
  const ActivationInfo& info() const;
  bool is_formula() const { return formula_ != nullptr; }
  /// Where the parameter is trained, what it starts from.
  double parameter() const { return parameter_; }
  /// How many parameters a layer of `units` trains: 0, 1 or `units`.
  std::size_t trained_parameters(std::size_t units) const;
  /// The surrogate of a step function, else empty. Training uses the surrogate's derivative.
  const std::optional<std::string>& surrogate() const { return surrogate_; }
  /// Whether gradients can flow: false for a step without surrogate.
  bool trainable() const;
  /// Canonical text that parses to the same activation: "leaky_relu(0.2)", "relu".
  std::string text() const;

  /// a = f(z), element by element. z and a: (rows, units), may be the same memory.
  template <class T>
  void forward(MatrixView<const T> z, MatrixView<T> a, Trained<T> trained = {}) const;

  /// The same, and slopes = f'(z), bits as backward uses them: (rows, units). Not for a surrogate.
  template <class T>
  void forward(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes, Trained<T> trained = {}) const;

  /// Whether training had better keep the slopes of its forward pass than let backward compute them again: f
  /// and f' share their costly parts. Never for a surrogate.
  bool keeps_slopes() const;

  /// delta_z = delta_a · f'(z), in place on delta. z, delta: (rows, units). At a kink f' follows the left
  /// branch.
  template <class T>
  void backward(MatrixView<const T> z, MatrixView<T> delta, Trained<T> trained = {}) const;

  /// The gradient of the trained parameters for delta_a: (rows, units), over one micro-batch. For each unit
  /// the chain over ascending rows of the products delta_ij · ∂f/∂parameter(z_ij), from +0; with one
  /// parameter for the layer, the chain over ascending units of these, from +0. gradient:
  /// (trained_parameters(units)).
  template <class T>
  void parameter_gradient(MatrixView<const T> z, MatrixView<const T> delta, Trained<T> trained,
                          std::type_identity_t<std::span<T>> gradient) const;

  /// f(z) and f'(z) of one number, in double (for tables and plots).
  double value(double z) const;
  double derivative(double z) const;

  friend bool operator==(const Activation& a, const Activation& b) { return a.text() == b.text(); }

 private:
  template <class T>
  double parameter_or(std::span<const T> trained) const;

  std::size_t index_ = 0;  // row of the table
  double parameter_ = 0;
  bool per_unit_ = false;
  std::optional<std::string> surrogate_;
  std::shared_ptr<const FormulaActivation> formula_;
};

}  // namespace lockstep
