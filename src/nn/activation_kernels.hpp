#pragma once

#include <cstddef>
#include <type_traits>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/matrix.hpp"
#include "lockstep/core/value_and_slope.hpp"

/// How a function of one number becomes one of whole matrices.
namespace lockstep {

/// A function over whole matrices, so that one dispatch serves them all and the loop inside can be
/// vectorized.
template <class T>
struct Kernels {
  void (*forward)(double parameter, MatrixView<const T> z, MatrixView<T> a);
  void (*forward_with_slopes)(double parameter, MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes);
  void (*backward)(double parameter, MatrixView<const T> z, MatrixView<T> delta);
};

/// The same for a function whose parameter is trained, with a parameter for each column. Null pointers for
/// other functions.
template <class T>
struct TrainedKernels {
  void (*forward)(const T* parameters, MatrixView<const T> z, MatrixView<T> a);
  void (*forward_with_slopes)(const T* parameters, MatrixView<const T> z, MatrixView<T> a,
                              MatrixView<T> slopes);
  void (*backward)(const T* parameters, MatrixView<const T> z, MatrixView<T> delta);
  /// sums_j: chains over ascending rows of delta_ij · ∂f/∂parameter(z_ij), which go on from what they hold.
  void (*add_parameter_gradient)(const T* parameters, MatrixView<const T> z, MatrixView<const T> delta,
                                 T* sums);
};

template <class Function, class T>
Function make_function([[maybe_unused]] double parameter) {
  if constexpr (std::is_empty_v<Function>) {
    return Function{};
  } else {
    return Function{static_cast<T>(parameter)};
  }
}

/// element(i, j) for all of a matrix as large as `shape`, in vector code: i is the row, j the column. What
/// it writes must not be read for another element.
template <class T, class Element>
void for_each_element(MatrixView<T> shape, const Element& element) {
  run_vectorized([&](auto) {
    const Element own = element;  // which no store can change
    for (std::size_t i = 0; i < shape.rows; ++i) {
#pragma omp simd
      for (std::size_t j = 0; j < shape.columns; ++j) own(i, j);
    }
  });
}

template <template <class> class Function, class T>
constexpr Kernels<T> kernels_of() {
  return {
      [](double parameter, MatrixView<const T> z, MatrixView<T> a) {
        const auto f = make_function<Function<T>, T>(parameter);
        for_each_element(z, [=](std::size_t i, std::size_t j) { a(i, j) = f(z(i, j)).value; });
      },
      [](double parameter, MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) {
        const auto f = make_function<Function<T>, T>(parameter);
        for_each_element(z, [=](std::size_t i, std::size_t j) {
          const ValueAndSlope<T> result = f(z(i, j));
          a(i, j) = result.value;
          slopes(i, j) = result.slope;
        });
      },
      [](double parameter, MatrixView<const T> z, MatrixView<T> delta) {
        const auto f = make_function<Function<T>, T>(parameter);
        for_each_element(z, [=](std::size_t i, std::size_t j) { delta(i, j) *= f(z(i, j)).slope; });
      },
  };
}

template <template <class> class Function, class T>
constexpr TrainedKernels<T> trained_kernels_of() {
  return {
      [](const T* parameters, MatrixView<const T> z, MatrixView<T> a) {
        for_each_element(
            z, [=](std::size_t i, std::size_t j) { a(i, j) = Function<T>{parameters[j]}(z(i, j)).value; });
      },
      [](const T* parameters, MatrixView<const T> z, MatrixView<T> a, MatrixView<T> slopes) {
        for_each_element(z, [=](std::size_t i, std::size_t j) {
          const ValueAndSlope<T> result = Function<T>{parameters[j]}(z(i, j));
          a(i, j) = result.value;
          slopes(i, j) = result.slope;
        });
      },
      [](const T* parameters, MatrixView<const T> z, MatrixView<T> delta) {
        for_each_element(z, [=](std::size_t i, std::size_t j) {
          delta(i, j) *= Function<T>{parameters[j]}(z(i, j)).slope;
        });
      },
      [](const T* parameters, MatrixView<const T> z, MatrixView<const T> delta, T* sums) {
        for_each_element(z, [=](std::size_t i, std::size_t j) {
          sums[j] += delta(i, j) * Function<T>{parameters[j]}.parameter_slope(z(i, j));
        });
      },
  };
}

}  // namespace lockstep
