#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
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
  double max_slope = 1;  // supremum of |f'| with the default parameter
  bool monotone = true;  // non-decreasing with the default parameter
  bool bounded = false;
  bool zero_centred = false;  // f is odd, or its range is symmetric around 0
  bool trainable = true;      // false: the derivative is zero everywhere (step)
  /// Fits the activation: "glorot_uniform", "he_uniform", "lecun_normal".
  std::string default_initializer = {};
  std::string note = {};  // when to use it, what goes wrong: one sentence
};

/// The whole table, in the order of the documentation.
std::span<const ActivationInfo> activation_table();

/// An activation with its parameter. Names are accepted in Keras's and PyTorch's spellings:
/// "relu", "LeakyReLU(0.2)", "leaky_relu(negative_slope=0.2)", "step(surrogate=sigmoid)".
class Activation {
 public:
  /// The identity.
  Activation();
  /// Throws UserError naming the nearest activation, or the parameter that is missing, malformed or out of
  /// range.
  explicit Activation(std::string_view text);

  const ActivationInfo& info() const;
  double parameter() const { return parameter_; }
  /// The surrogate of a step function, else empty. Training uses the surrogate's derivative.
  const std::optional<std::string>& surrogate() const { return surrogate_; }
  /// Whether gradients can flow: false for a step without surrogate.
  bool trainable() const;
  /// Canonical text that parses to the same activation: "leaky_relu(0.2)", "relu".
  std::string text() const;

  /// a = f(z), element by element. z and a: (rows, units), may be the same memory.
  template <class T>
  void forward(MatrixView<const T> z, MatrixView<T> a) const;

  /// The same, and slopes = f'(z), bits as backward uses them: (rows, units). Not for a surrogate.
  template <class T>
  void forward(MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) const;

  /// Whether training had better keep the slopes of its forward pass than let backward compute them again: f
  /// and f' share their costly parts. Never for a surrogate.
  bool keeps_slopes() const;

  /// delta_z = delta_a · f'(z), in place on delta. z, delta: (rows, units). At a kink f' follows the left
  /// branch.
  template <class T>
  void backward(MatrixView<const T> z, MatrixView<T> delta) const;

  /// f(z) and f'(z) of one number, in double (for tables and plots).
  double value(double z) const;
  double derivative(double z) const;

  friend bool operator==(const Activation&, const Activation&) = default;

 private:
  std::size_t index_ = 0;  // row of the table
  double parameter_ = 0;
  std::optional<std::string> surrogate_;
};

}  // namespace lockstep
