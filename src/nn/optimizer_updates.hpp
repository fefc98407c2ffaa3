#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "block_norms.hpp"
#include "lockstep/core/elementary.hpp"
#include "lockstep/core/instruction_set.hpp"
#include "lockstep/nn/optimizer.hpp"

/// The optimizers' updates: one function template each, over the elements of one slice. Formulas and the
/// order of their operations follow Keras 3 (keras/src/optimizers) where Keras has the optimizer. Elements
/// are in T; what is the same for all elements (bias corrections, trust ratios) is computed in double and
/// rounded to T once. Only +, −, ×, ÷, sqrt and comparisons touch elements, so that compilers can vectorize
/// the loops without changing bits. Where gradient and weight are zero, as in padding, the weight stays zero.
namespace lockstep::optimizer_updates {

/// Everything an update works on. Updates return whether all weights that they leave are finite.
template <class T>
struct Update {
  std::uint64_t step;    // from 1
  double learning_rate;  // of this step
  const Hyperparameters& h;
  std::span<T> w;                                    // the slice's weights
  std::span<const T> g = {};                         // the slice's gradient: the whole of it,
  const ChunkGradient<T>* chunk_gradient = nullptr;  // or what gives it chunk by chunk
  std::vector<AlignedVector<T>>& slots;              // state, in the order of OptimizerInfo::slots
  const ParameterLayout& layout;
  Range blocks;                                 // the slice's norm blocks
  const CompleteBlockSums* complete = nullptr;  // for optimizers with layer norms
};

/// A number's bits without its sign. They are ordered as the magnitudes are; infinity and NaN are largest.
inline std::uint32_t magnitude_bits(float x) {
  return std::bit_cast<std::uint32_t>(x) & 0x7fffffffU;
}
inline std::uint64_t magnitude_bits(double x) {
  return std::bit_cast<std::uint64_t>(x) & 0x7fffffffffffffffU;
}

/// What an update does with weights whose gradient is +0: some leave them as they are, and need not write
/// them then. So the other ranks' copies of them stay in their caches.
enum class AtZero { compute, leave };
/// Neighbours that are left together.
constexpr std::size_t left_together = 64;

/// +0, since the sign's bit counts.
template <class T>
[[gnu::always_inline]] inline bool all_zero(const T* numbers, std::size_t length) {
  decltype(magnitude_bits(T(0))) bits = 0;
  for (std::size_t i = 0; i < length; ++i) bits |= std::bit_cast<decltype(bits)>(numbers[i]);
  return bits == 0;
}

/// Calls element(w, g), element(w, g, slot0) or element(w, g, slot0, slot1) for the elements of a chunk,
/// whichever fits. Returns whether the new weights are finite.
template <AtZero at_zero, class T, class Element>
bool update_chunk(const Update<T>& u, const Chunk& chunk, Element element) {
  const std::size_t begin = chunk.elements.begin, length = chunk.elements.size();
  T* const all_w = u.w.data() + begin;
  const ScaledGradient<T> gradient =
      u.chunk_gradient == nullptr ? ScaledGradient<T>{u.g.data() + begin} : (*u.chunk_gradient)(chunk);
  T* const all_a = u.slots.empty() ? nullptr : u.slots[0].data() + begin;
  T* const all_b = u.slots.size() < 2 ? nullptr : u.slots[1].data() + begin;
  auto largest = magnitude_bits(T(0));
  run_vectorized([=, &largest](auto) {
    T* const __restrict w = all_w;
    const T* const __restrict g = gradient.numbers;
    const T factor = gradient.factor;
    T* const __restrict a = all_a;
    T* const __restrict b = all_b;
    auto largest_here = magnitude_bits(T(0));
    const auto update = [&](std::size_t i) {
      // In variables, so that nothing is read back from where it has just been written.
      T weight = w[i];
      if constexpr (std::is_invocable_v<Element, T&, T>) {
        element(weight, g[i] * factor);
      } else if constexpr (std::is_invocable_v<Element, T&, T, T&>) {
        T slot = a[i];
        element(weight, g[i] * factor, slot);
        a[i] = slot;
      } else {
        T slot0 = a[i], slot1 = b[i];
        element(weight, g[i] * factor, slot0, slot1);
        a[i] = slot0;
        b[i] = slot1;
      }
      w[i] = weight;
      largest_here = std::max(largest_here, magnitude_bits(weight));
    };
    if constexpr (at_zero == AtZero::compute) {
      for (std::size_t i = 0; i < length; ++i) update(i);
    } else {
      for (std::size_t first = 0; first < length; first += left_together) {
        const std::size_t end = std::min(first + left_together, length);
        if (all_zero(g + first, end - first)) {
          for (std::size_t i = first; i < end; ++i)
            largest_here = std::max(largest_here, magnitude_bits(w[i]));
        } else {
          for (std::size_t i = first; i < end; ++i) update(i);
        }
      }
    }
    largest = largest_here;
  });
  return largest < magnitude_bits(std::numeric_limits<T>::infinity());
}

/// The same for all elements of some blocks.
template <AtZero at_zero = AtZero::compute, class T, class Element>
bool for_elements(const Update<T>& u, Range blocks, Element element) {
  bool finite = true;
  for_chunks(u.layout, u.blocks, blocks,
             [&](const Chunk& chunk) { finite &= update_chunk<at_zero>(u, chunk, element); });
  return finite;
}

template <AtZero at_zero = AtZero::compute, class T, class Element>
bool for_elements(const Update<T>& u, Element element) {
  return for_elements<at_zero>(u, u.blocks, element);
}

/// Euclidean norm of every whole tensor of a vector: value(i) is the slice's element i. Collective.
template <class T, class Value>
std::vector<double> norms_of(const Update<T>& u, Value value) {
  return tensor_norms(u.layout, u.blocks, *u.complete, value);
}

/// The rate of one tensor in T; finite, or the zeros of a tensor with a vanishing gradient would become NaN.
template <class T>
T tensor_rate(double rate) {
  return static_cast<T>(std::min(rate, static_cast<double>(std::numeric_limits<T>::max())));
}

template <class T>
constexpr T least_moment = 64 * std::numeric_limits<T>::min();

/// The next moment; zero where it is below 2⁶ times the least normal number, and smaller than before. What an
/// optimizer keeps of earlier gradients fades where no new ones come, as those of pixels at the border, and
/// would stay among the denormal numbers for ever, with which many processors compute a hundred times slower.
/// Moments below 2⁻¹²⁰ (float32) are too small to show in a weight: their root is below 1e-18, every epsilon
/// above 1e-16.
template <class T>
T faded(T before, T next) {
  return std::abs(next) < least_moment<T> && std::abs(next) < std::abs(before) ? T(0) : next;
}

/// g²; zero where that is below 2⁶ times the least normal number, for the same reasons.
template <class T>
T squared(T g) {
  constexpr T least = sizeof(T) == sizeof(float) ? 0x1p-60 : 0x1p-508;
  static_assert(least * least == least_moment<T>);
  return std::abs(g) < least ? T(0) : g * g;
}

/// w ← w − lr·g
template <class T>
bool sgd(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate);
  return for_elements<AtZero::leave>(u, [=](T& w, T g) { w -= g * lr; });
}

/// Keras's SGD(momentum): m ← μ·m − lr·g,  w ← w + m
template <class T>
bool momentum(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate), mu = static_cast<T>(u.h.momentum);
  return for_elements(u, [=](T& w, T g, T& m) {
    m = faded(m, m * mu - g * lr);
    w += m;
  });
}

/// Keras's SGD(momentum, nesterov=True): m ← μ·m − lr·g,  w ← w + (μ·m − lr·g)
template <class T>
bool nesterov(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate), mu = static_cast<T>(u.h.momentum);
  return for_elements(u, [=](T& w, T g, T& m) {
    const T increment = g * lr;
    m = faded(m, m * mu - increment);
    w += m * mu - increment;
  });
}

/// Duchi et al. 2011, as Keras: a ← a + g²,  w ← w − lr·g / √(a + ε)
template <class T>
bool adagrad(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate), epsilon = static_cast<T>(u.h.epsilon);
  return for_elements(u, [=](T& w, T g, T& a) {
    a += squared(g);
    w -= lr * g / std::sqrt(a + epsilon);
  });
}

/// Tieleman & Hinton 2012, ε as PyTorch's: v ← ρ·v + (1 − ρ)·g²,  increment = lr·g / (√v + ε);
/// with momentum: m ← μ·m + increment,  w ← w − m;  else w ← w − increment
template <class T>
bool rmsprop(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate), epsilon = static_cast<T>(u.h.epsilon),
          mu = static_cast<T>(u.h.momentum);
  const T rho = static_cast<T>(u.h.rho), rest = static_cast<T>(1 - u.h.rho);
  if (u.h.momentum == 0) {
    return for_elements(u, [=](T& w, T g, T& v) {
      v = faded(v, rho * v + rest * squared(g));
      w -= lr * g / (std::sqrt(v) + epsilon);
    });
  }
  return for_elements(u, [=](T& w, T g, T& v, T& m) {
    v = faded(v, rho * v + rest * squared(g));
    m = faded(m, mu * m + lr * g / (std::sqrt(v) + epsilon));
    w -= m;
  });
}

/// 1 − βᵗ
template <class T>
double bias_correction(const Update<T>& u, double beta) {
  return 1 - elementary::power(beta, u.step);
}

/// Kingma & Ba 2015 in the form of its section 2 end, as Keras: m ← m + (1 − β₁)(g − m),  v ← v + (1 − β₂)(g²
/// − v), w ← w − α·m / (√v + ε),  α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ)
template <class T>
auto adam_element(const Update<T>& u) {
  const double correction = std::sqrt(bias_correction(u, u.h.beta2)) / bias_correction(u, u.h.beta1);
  const T alpha = static_cast<T>(u.learning_rate * correction), epsilon = static_cast<T>(u.h.epsilon);
  const T rest1 = static_cast<T>(1 - u.h.beta1), rest2 = static_cast<T>(1 - u.h.beta2);
  return [=](T& w, T g, T& m, T& v) {
    m = faded(m, m + (g - m) * rest1);
    v = faded(v, v + (squared(g) - v) * rest2);
    w -= m * alpha / (std::sqrt(v) + epsilon);
  };
}

template <class T>
bool adam(const Update<T>& u) {
  return for_elements(u, adam_element(u));
}

/// Loshchilov & Hutter 2019, as Keras: decoupled weight decay on kernels and biases, w ← w − lr·λ·w, then
/// Adam's update.
template <class T>
bool adamw(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate), decay = static_cast<T>(u.h.weight_decay);
  if (decay == T(0)) return adam(u);
  return for_elements(u, [=, then = adam_element(u)](T& w, T g, T& m, T& v) {
    w -= w * decay * lr;
    then(w, g, m, v);
  });
}

/// You, Gitman & Ginsburg 2017, arXiv:1708.03888, algorithm 1, for every tensor:
/// r = trust·|w| / (|g| + λ·|w|),  m ← μ·m + lr·r·(g + λ·w),  w ← w − m.
/// r = 1 where |w| or |g| is zero (biases in the first step), as NVIDIA's and TensorFlow's implementations
/// have it.
template <class T>
bool lars(const Update<T>& u) {
  const std::vector<double> weight_norms = norms_of(u, [&](std::size_t i) { return u.w[i]; });
  const std::vector<double> gradient_norms = norms_of(u, [&](std::size_t i) { return u.g[i]; });
  const T mu = static_cast<T>(u.h.momentum), decay = static_cast<T>(u.h.weight_decay);
  bool finite = true;
  for (std::size_t b = u.blocks.begin; b < u.blocks.end; ++b) {
    const std::size_t tensor = u.layout.block_tensors()[b];
    const double weight = weight_norms[tensor], gradient = gradient_norms[tensor];
    const bool adapt = weight != 0 && gradient != 0;
    const double ratio = adapt ? u.h.trust * weight / (gradient + u.h.weight_decay * weight) : 1;
    const T rate = tensor_rate<T>(u.learning_rate * ratio);
    finite &= for_elements(u, {b, b + 1}, [=](T& w, T g, T& m) {
      m = faded(m, mu * m + rate * (g + decay * w));
      w -= m;
    });
  }
  return finite;
}

/// You et al. 2020, arXiv:1904.00962, as Keras: weight decay as AdamW's, Adam's moments, and for every tensor
/// update = (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε),  w ← w − lr·(|w| / |update|)·update.
/// The ratio is 1 where |w| or |update| is zero.
template <class T>
bool lamb(const Update<T>& u) {
  const T lr = static_cast<T>(u.learning_rate), decay = static_cast<T>(u.h.weight_decay);
  const T rest1 = static_cast<T>(1 - u.h.beta1), rest2 = static_cast<T>(1 - u.h.beta2);
  if (decay != T(0)) for_elements(u, [=](T& w, T) { w -= w * decay * lr; });
  for_elements(u, [=](T&, T g, T& m, T& v) {
    m = faded(m, m + (g - m) * rest1);
    v = faded(v, v + (squared(g) - v) * rest2);
  });

  const T correction1 = static_cast<T>(bias_correction(u, u.h.beta1));
  const T correction2 = static_cast<T>(bias_correction(u, u.h.beta2));
  const T epsilon = static_cast<T>(u.h.epsilon);
  const auto direction = [=](T m, T v) { return (m / correction1) / (std::sqrt(v / correction2) + epsilon); };
  const std::vector<double> weight_norms = norms_of(u, [&](std::size_t i) { return u.w[i]; });
  const std::vector<double> update_norms =
      norms_of(u, [&](std::size_t i) { return direction(u.slots[0][i], u.slots[1][i]); });
  bool finite = true;
  for (std::size_t b = u.blocks.begin; b < u.blocks.end; ++b) {
    const std::size_t tensor = u.layout.block_tensors()[b];
    const double weight = weight_norms[tensor], update = update_norms[tensor];
    const double ratio = weight != 0 && update != 0 ? weight / update : 1;
    const T rate = tensor_rate<T>(ratio * u.learning_rate);
    finite &= for_elements(u, {b, b + 1}, [=](T& w, T, T& m, T& v) { w -= rate * direction(m, v); });
  }
  return finite;
}

}  // namespace lockstep::optimizer_updates
