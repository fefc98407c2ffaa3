#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "block_norms.hpp"
#include "lockstep/core/elementary.hpp"
#include "lockstep/nn/optimizer.hpp"

/// The optimizers' updates: one function template each, over the elements of one slice. Formulas and the
/// order of their operations follow Keras 3 (keras/src/optimizers) where Keras has the optimizer. Elements
/// are in T; what is the same for all elements (bias corrections, trust ratios) is computed in double and
/// rounded to T once. Only +, −, ×, ÷ and sqrt touch elements, so that compilers can vectorize the loops
/// without changing bits. Where gradient and weight are zero, as in padding, the weight stays zero.
namespace lockstep::optimizer_updates {

/// Everything an update works on.
template <class T>
struct Update {
  std::uint64_t step;    // from 1
  double learning_rate;  // of this step
  const std::map<std::string, double>& hyperparameters;
  std::span<T> w;                      // the slice's weights
  std::span<const T> g;                // and gradient
  std::vector<std::vector<T>>& slots;  // and state, in the order of OptimizerInfo::slots
  const ParameterLayout& layout;
  Range blocks;  // the slice's norm blocks
  const CompleteBlockSums& complete;

  double operator[](const char* name) const { return hyperparameters.at(name); }
  T rounded(const char* name) const { return static_cast<T>(hyperparameters.at(name)); }
  T rounded_learning_rate() const { return static_cast<T>(learning_rate); }
};

/// Calls element(w, g), element(w, g, slot0) or element(w, g, slot0, slot1) for the elements of `range`,
/// whichever fits.
template <class T, class Element>
void for_elements(const Update<T>& u, Range range, Element element) {
  T* const __restrict w = u.w.data();
  const T* const __restrict g = u.g.data();
  if constexpr (std::is_invocable_v<Element, T&, T>) {
    for (std::size_t i = range.begin; i < range.end; ++i) element(w[i], g[i]);
  } else if constexpr (std::is_invocable_v<Element, T&, T, T&>) {
    T* const __restrict a = u.slots[0].data();
    for (std::size_t i = range.begin; i < range.end; ++i) element(w[i], g[i], a[i]);
  } else {
    T* const __restrict a = u.slots[0].data();
    T* const __restrict b = u.slots[1].data();
    for (std::size_t i = range.begin; i < range.end; ++i) element(w[i], g[i], a[i], b[i]);
  }
}

template <class T, class Element>
void for_elements(const Update<T>& u, Element element) {
  for_elements(u, {0, u.w.size()}, element);
}

/// Euclidean norm of every whole tensor of a vector: value(i) is the slice's element i. Collective.
template <class T, class Value>
std::vector<double> norms_of(const Update<T>& u, Value value) {
  return tensor_norms(u.layout, u.blocks, u.complete, value);
}

/// The rate of one tensor in T; finite, or the zeros of a tensor with a vanishing gradient would become NaN.
template <class T>
T tensor_rate(double rate) {
  return static_cast<T>(std::min(rate, static_cast<double>(std::numeric_limits<T>::max())));
}

/// w ← w − lr·g
template <class T>
void sgd(const Update<T>& u) {
  const T lr = u.rounded_learning_rate();
  for_elements(u, [=](T& w, T g) { w -= g * lr; });
}

/// Keras's SGD(momentum): m ← μ·m − lr·g,  w ← w + m
template <class T>
void momentum(const Update<T>& u) {
  const T lr = u.rounded_learning_rate(), mu = u.rounded("momentum");
  for_elements(u, [=](T& w, T g, T& m) {
    m = m * mu - g * lr;
    w += m;
  });
}

/// Keras's SGD(momentum, nesterov=True): m ← μ·m − lr·g,  w ← w + (μ·m − lr·g)
template <class T>
void nesterov(const Update<T>& u) {
  const T lr = u.rounded_learning_rate(), mu = u.rounded("momentum");
  for_elements(u, [=](T& w, T g, T& m) {
    const T increment = g * lr;
    m = m * mu - increment;
    w += m * mu - increment;
  });
}

/// Duchi et al. 2011, as Keras: a ← a + g²,  w ← w − lr·g / √(a + ε)
template <class T>
void adagrad(const Update<T>& u) {
  const T lr = u.rounded_learning_rate(), epsilon = u.rounded("epsilon");
  for_elements(u, [=](T& w, T g, T& a) {
    a += g * g;
    w -= lr * g / std::sqrt(a + epsilon);
  });
}

/// Tieleman & Hinton 2012, as Keras: v ← ρ·v + (1 − ρ)·g²,  increment = lr·g / √(v + ε);
/// with momentum: m ← μ·m + increment,  w ← w − m;  else w ← w − increment
template <class T>
void rmsprop(const Update<T>& u) {
  const T lr = u.rounded_learning_rate(), epsilon = u.rounded("epsilon"), mu = u.rounded("momentum");
  const T rho = u.rounded("rho"), rest = static_cast<T>(1 - u["rho"]);
  if (u["momentum"] == 0) {
    for_elements(u, [=](T& w, T g, T& v) {
      v = rho * v + rest * (g * g);
      w -= lr * g / std::sqrt(v + epsilon);
    });
    return;
  }
  for_elements(u, [=](T& w, T g, T& v, T& m) {
    v = rho * v + rest * (g * g);
    m = mu * m + lr * g / std::sqrt(v + epsilon);
    w -= m;
  });
}

/// 1 − βᵗ
template <class T>
double bias_correction(const Update<T>& u, const char* beta) {
  return 1 - elementary::power(u[beta], u.step);
}

/// Kingma & Ba 2015 in the form of its section 2 end, as Keras: m ← m + (1 − β₁)(g − m),  v ← v + (1 − β₂)(g²
/// − v), w ← w − α·m / (√v + ε),  α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ)
template <class T>
void adam(const Update<T>& u) {
  const double correction = std::sqrt(bias_correction(u, "beta2")) / bias_correction(u, "beta1");
  const T alpha = static_cast<T>(u.learning_rate * correction), epsilon = u.rounded("epsilon");
  const T rest1 = static_cast<T>(1 - u["beta1"]), rest2 = static_cast<T>(1 - u["beta2"]);
  for_elements(u, [=](T& w, T g, T& m, T& v) {
    m += (g - m) * rest1;
    v += (g * g - v) * rest2;
    w -= m * alpha / (std::sqrt(v) + epsilon);
  });
}

/// Decoupled weight decay as Keras's, on kernels and biases: w ← w − lr·λ·w
template <class T>
void decay_weights(const Update<T>& u) {
  const T lr = u.rounded_learning_rate(), decay = u.rounded("weight_decay");
  if (decay == T(0)) return;
  for_elements(u, [=](T& w, T) { w -= w * decay * lr; });
}

/// Loshchilov & Hutter 2019, as Keras: weight decay, then Adam's update.
template <class T>
void adamw(const Update<T>& u) {
  decay_weights(u);
  adam(u);
}

/// You, Gitman & Ginsburg 2017, arXiv:1708.03888, algorithm 1, for every tensor:
/// r = trust·|w| / (|g| + λ·|w|),  m ← μ·m + lr·r·(g + λ·w),  w ← w − m.
/// r = 1 where |w| or |g| is zero (biases in the first step), as NVIDIA's and TensorFlow's implementations
/// have it.
template <class T>
void lars(const Update<T>& u) {
  const std::vector<double> weight_norms = norms_of(u, [&](std::size_t i) { return u.w[i]; });
  const std::vector<double> gradient_norms = norms_of(u, [&](std::size_t i) { return u.g[i]; });
  const T mu = u.rounded("momentum"), decay = u.rounded("weight_decay");
  for (std::size_t b = u.blocks.begin; b < u.blocks.end; ++b) {
    const std::size_t tensor = u.layout.block_tensors()[b];
    const double weight = weight_norms[tensor], gradient = gradient_norms[tensor];
    const bool adapt = weight != 0 && gradient != 0;
    const double ratio = adapt ? u["trust"] * weight / (gradient + u["weight_decay"] * weight) : 1;
    const T rate = tensor_rate<T>(u.learning_rate * ratio);
    for_elements(u, block_in_slice(u.layout, u.blocks, b), [=](T& w, T g, T& m) {
      m = mu * m + rate * (g + decay * w);
      w -= m;
    });
  }
}

/// You et al. 2020, arXiv:1904.00962, as Keras: weight decay as AdamW's, Adam's moments, and for every tensor
/// update = (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε),  w ← w − lr·(|w| / |update|)·update.
/// The ratio is 1 where |w| or |update| is zero.
template <class T>
void lamb(const Update<T>& u) {
  decay_weights(u);
  const T rest1 = static_cast<T>(1 - u["beta1"]), rest2 = static_cast<T>(1 - u["beta2"]);
  for_elements(u, [=](T&, T g, T& m, T& v) {
    m += (g - m) * rest1;
    v += (g * g - v) * rest2;
  });

  const T correction1 = static_cast<T>(bias_correction(u, "beta1"));
  const T correction2 = static_cast<T>(bias_correction(u, "beta2"));
  const T epsilon = u.rounded("epsilon");
  const auto direction = [=](T m, T v) { return (m / correction1) / (std::sqrt(v / correction2) + epsilon); };
  const std::vector<double> weight_norms = norms_of(u, [&](std::size_t i) { return u.w[i]; });
  const std::vector<double> update_norms =
      norms_of(u, [&](std::size_t i) { return direction(u.slots[0][i], u.slots[1][i]); });
  for (std::size_t b = u.blocks.begin; b < u.blocks.end; ++b) {
    const std::size_t tensor = u.layout.block_tensors()[b];
    const double weight = weight_norms[tensor], update = update_norms[tensor];
    const double ratio = weight != 0 && update != 0 ? weight / update : 1;
    const T rate = tensor_rate<T>(ratio * u.learning_rate);
    for_elements(u, block_in_slice(u.layout, u.blocks, b),
                 [=](T& w, T, T& m, T& v) { w -= rate * direction(m, v); });
  }
}

}  // namespace lockstep::optimizer_updates
