#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "lockstep/core/elementary.hpp"

/// The definition of a training step in exact arithmetic, in plain loops: what every number of the library
/// must equal, bit for bit. Softmax + cross-entropy, sgd, one kind of activation for all hidden layers.
/// Nothing of the library is used but its elementary functions.
namespace lockstep::testing {

template <class T>
struct ScalarLayer {
  std::vector<std::vector<T>> kernel;  // [in][out]
  std::vector<T> bias;                 // [out]
  std::vector<T> trained;              // of its activation: none, one or [out]
};

enum class ScalarActivation { relu, sigmoid, prelu, trained_swish };

/// What a shard, a subtree of shards or a batch adds up to.
template <class T>
struct ScalarSums {
  std::vector<ScalarLayer<T>> gradient;
  double loss = 0;
};

template <class T>
class ScalarTrainer {
 public:
  using Vector = std::vector<T>;

  ScalarTrainer(std::vector<ScalarLayer<T>> network, ScalarActivation activation, std::size_t shards,
                T learning_rate)
      : network_(std::move(network)),
        activation_(activation),
        shards_(shards),
        learning_rate_(learning_rate) {}

  const std::vector<ScalarLayer<T>>& network() const { return network_; }

  /// One update on a global batch. Returns the sum of the loss over its rows.
  double step(const std::vector<Vector>& x, const std::vector<int>& classes) {
    const ScalarSums<T> sums = tree_sum(0, shards_, x, classes);
    const T rows = static_cast<T>(x.size());
    for (std::size_t l = 0; l < network_.size(); ++l) {
      for (std::size_t i = 0; i < network_[l].kernel.size(); ++i) {
        for (std::size_t j = 0; j < network_[l].bias.size(); ++j) {
          network_[l].kernel[i][j] -= learning_rate_ * (sums.gradient[l].kernel[i][j] / rows);
        }
      }
      for (std::size_t j = 0; j < network_[l].bias.size(); ++j) {
        network_[l].bias[j] -= learning_rate_ * (sums.gradient[l].bias[j] / rows);
      }
      for (std::size_t j = 0; j < network_[l].trained.size(); ++j) {
        network_[l].trained[j] -= learning_rate_ * (sums.gradient[l].trained[j] / rows);
      }
    }
    return sums.loss;
  }

 private:
  /// What unit j of a layer trains in its activation.
  static T trained(const ScalarLayer<T>& layer, std::size_t j) {
    if (layer.trained.empty()) return 0;
    return layer.trained[layer.trained.size() == 1 ? 0 : j];
  }

  T activation(T z, T p) const {
    switch (activation_) {
      case ScalarActivation::relu:
        return z > 0 ? z : T(0);
      case ScalarActivation::sigmoid:
        return elementary::logistic(z).value;
      case ScalarActivation::prelu:
        return z > 0 ? z : p * z;
      case ScalarActivation::trained_swish:
        break;
    }
    return z * elementary::logistic(p * z).value;
  }
  T activation_slope(T z, T p) const {
    switch (activation_) {
      case ScalarActivation::relu:
        return z > 0 ? T(1) : T(0);
      case ScalarActivation::sigmoid:
        return elementary::logistic(z).slope;
      case ScalarActivation::prelu:
        return z > 0 ? T(1) : p;
      case ScalarActivation::trained_swish:
        break;
    }
    const ValueAndSlope<T> gate = elementary::logistic(p * z);
    return gate.value + p * z * gate.slope;
  }
  T parameter_slope(T z, T p) const {
    if (activation_ == ScalarActivation::prelu) return z > 0 ? T(0) : z;
    return z * (z * elementary::logistic(p * z).slope);
  }

  ScalarSums<T> zeros() const {
    ScalarSums<T> sums{network_};
    for (ScalarLayer<T>& layer : sums.gradient) {
      for (Vector& row : layer.kernel) row.assign(row.size(), T(0));
      layer.bias.assign(layer.bias.size(), T(0));
      layer.trained.assign(layer.trained.size(), T(0));
    }
    return sums;
  }

  /// sum(first, end) of shards: split at `first` + the largest power of two below their number.
  ScalarSums<T> tree_sum(std::size_t first, std::size_t end, const std::vector<Vector>& x,
                         const std::vector<int>& classes) const {
    if (end - first == 1) return shard_sum(first, x, classes);
    std::size_t half = 1;
    while (2 * half < end - first) half *= 2;
    ScalarSums<T> left = tree_sum(first, first + half, x, classes);
    const ScalarSums<T> right = tree_sum(first + half, end, x, classes);
    for (std::size_t l = 0; l < network_.size(); ++l) {
      for (std::size_t j = 0; j < network_[l].bias.size(); ++j) {
        for (std::size_t i = 0; i < network_[l].kernel.size(); ++i) {
          left.gradient[l].kernel[i][j] += right.gradient[l].kernel[i][j];
        }
        left.gradient[l].bias[j] += right.gradient[l].bias[j];
      }
      for (std::size_t j = 0; j < network_[l].trained.size(); ++j) {
        left.gradient[l].trained[j] += right.gradient[l].trained[j];
      }
    }
    left.loss += right.loss;
    return left;
  }

  /// Shards share a batch's positions as evenly as possible, the larger shares first.
  ScalarSums<T> shard_sum(std::size_t shard, const std::vector<Vector>& x,
                          const std::vector<int>& classes) const {
    std::size_t begin = 0, end = 0;
    for (std::size_t s = 0; s <= shard; ++s) {
      begin = end;
      end += x.size() / shards_ + (s < x.size() % shards_ ? 1 : 0);
    }
    ScalarSums<T> sums = zeros();
    // With one trained parameter for a layer, first every unit's own: chains over the rows.
    std::vector<Vector> unit_sums;
    for (const ScalarLayer<T>& layer : network_) unit_sums.emplace_back(layer.bias.size(), T(0));
    for (std::size_t row = begin; row < end; ++row) add_row(x[row], classes[row], sums, unit_sums);
    for (std::size_t l = 0; l < network_.size(); ++l) {
      Vector& trained_sums = sums.gradient[l].trained;
      if (trained_sums.size() == unit_sums[l].size()) {
        trained_sums = unit_sums[l];
      } else if (trained_sums.size() == 1) {
        for (const T sum : unit_sums[l]) trained_sums[0] += sum;
      }
    }
    return sums;
  }

  void add_row(const Vector& x, int true_class, ScalarSums<T>& sums, std::vector<Vector>& unit_sums) const {
    std::vector<Vector> inputs = {x};     // of every layer
    std::vector<Vector> pre_activations;  // of every layer
    for (std::size_t l = 0; l < network_.size(); ++l) {
      pre_activations.push_back(forward(network_[l], inputs[l]));
      inputs.emplace_back();
      for (std::size_t j = 0; j < pre_activations[l].size(); ++j) {
        inputs[l + 1].push_back(activation(pre_activations[l][j], trained(network_[l], j)));
      }
    }
    Vector delta = pre_activations.back();
    sums.loss += static_cast<double>(softmax_cross_entropy(delta, true_class));
    for (std::size_t l = network_.size(); l-- > 0;) {
      add_gradient(inputs[l], delta, sums.gradient[l]);
      if (l == 0) return;
      delta = input_gradient(network_[l], delta);
      for (std::size_t k = 0; k < delta.size(); ++k) {
        const T z = pre_activations[l - 1][k], p = trained(network_[l - 1], k);
        unit_sums[l - 1][k] += delta[k] * parameter_slope(z, p);
        delta[k] *= activation_slope(z, p);
      }
    }
  }

  static Vector forward(const ScalarLayer<T>& layer, const Vector& x) {
    Vector z;
    for (std::size_t j = 0; j < layer.bias.size(); ++j) {
      T chain = 0;
      for (std::size_t k = 0; k < x.size(); ++k) chain = std::fma(x[k], layer.kernel[k][j], chain);
      z.push_back(chain + layer.bias[j]);
    }
    return z;
  }

  static Vector input_gradient(const ScalarLayer<T>& layer, const Vector& delta) {
    Vector dx;
    for (const Vector& weights : layer.kernel) {
      T chain = 0;
      for (std::size_t j = 0; j < delta.size(); ++j) chain = std::fma(delta[j], weights[j], chain);
      dx.push_back(chain);
    }
    return dx;
  }

  static void add_gradient(const Vector& x, const Vector& delta, ScalarLayer<T>& gradient) {
    for (std::size_t j = 0; j < delta.size(); ++j) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        gradient.kernel[i][j] = std::fma(x[i], delta[j], gradient.kernel[i][j]);
      }
      gradient.bias[j] += delta[j];
    }
  }

  /// Turns logits into softmax − one-hot; returns the loss.
  static T softmax_cross_entropy(Vector& logits, int true_class) {
    T largest = logits[0];
    for (const T z : logits) largest = z > largest ? z : largest;
    const T true_logit = logits[static_cast<std::size_t>(true_class)];
    T sum = 0;
    for (T& z : logits) {
      z = elementary::exp(z - largest);
      sum += z;
    }
    for (T& z : logits) z /= sum;
    logits[static_cast<std::size_t>(true_class)] -= 1;
    return elementary::log(sum) + (largest - true_logit);
  }

  std::vector<ScalarLayer<T>> network_;
  ScalarActivation activation_;
  std::size_t shards_;
  T learning_rate_;
};

}  // namespace lockstep::testing
