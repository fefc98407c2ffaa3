#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "lockstep/nn/mlp.hpp"

namespace lockstep::testing {

/// A number in [−1, 1) from the standard's fully specified engine (its distributions are not).
inline double next_uniform(std::mt19937& engine) {
  return static_cast<double>(engine()) / 2147483648.0 - 1.0;
}

/// A network with parameters, rows and targets, all filled with fixed pseudo-random numbers.
template <class T>
struct Problem {
  ModelSpec spec;
  std::size_t rows;
  ParameterLayout layout;
  std::vector<T> parameters;
  std::vector<T> x;
  std::vector<std::int32_t> classes;
  std::vector<T> values;
  DropoutKey dropout{.seed = 5, .step = 7, .first_row = 3};

  Problem(ModelSpec spec_, std::size_t rows_, unsigned seed = 1)
      : spec(std::move(spec_)), rows(rows_), layout(make_layout(spec, sizeof(T))), parameters(layout.size()) {
    std::mt19937 engine(seed);
    for (const Tensor& tensor : layout.tensors()) {
      for (std::size_t i = 0; i < tensor.size(); ++i) {
        parameters[tensor.offset + i] = static_cast<T>(next_uniform(engine));
      }
    }
    for (std::size_t i = 0; i < rows * spec.inputs(); ++i)
      x.push_back(static_cast<T>(2 * next_uniform(engine)));
    for (std::size_t i = 0; i < rows; ++i) {
      classes.push_back(static_cast<std::int32_t>(engine() % spec.outputs()));
    }
    const bool binary = spec.output_loss == OutputLoss::sigmoid_binary_cross_entropy;
    for (std::size_t i = 0; i < rows * spec.outputs(); ++i) {
      const double value = 2 * next_uniform(engine);
      values.push_back(static_cast<T>(binary ? (value > 0 ? 1.0 : 0.0) : value));
    }
  }

  MatrixView<const T> x_view(Range of) const {
    return {x.data() + of.begin * spec.inputs(), of.size(), spec.inputs()};
  }
  Targets<T> targets(Range of) const {
    if (spec.output_loss == OutputLoss::softmax_cross_entropy) {
      return {std::span(classes).subspan(of.begin, of.size()), {}};
    }
    return {{}, {values.data() + of.begin * spec.outputs(), of.size(), spec.outputs()}};
  }

  struct Result {
    LossSums sums;
    std::vector<T> gradient;
  };
  /// forward_backward over some of the rows (all of them, if not said).
  Result evaluate(Range of) const {
    Workspace<T> workspace(spec, rows);
    Result result{{}, std::vector<T>(layout.size(), T(99))};
    DropoutKey key = dropout;
    key.first_row += of.begin;
    const Range all{0, of.size()};
    forward_backward<T>(spec, layout, parameters, {x_view(of), targets(of), {&all, 1}, key}, workspace,
                        result.gradient, {&result.sums, 1});
    return result;
  }
  Result evaluate() const { return evaluate({0, rows}); }
};

/// The largest difference between the gradient and central differences of the loss, in units of
/// max(1, |derivative|).
inline double gradient_error(Problem<double> problem) {
  const std::vector<double> gradient = problem.evaluate().gradient;
  double largest = 0;
  for (const Tensor& tensor : problem.layout.tensors()) {
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size(); ++i) {
      const double h = 1e-6, kept = problem.parameters[i];
      problem.parameters[i] = kept + h;
      const double above = problem.evaluate().sums.loss_sum;
      problem.parameters[i] = kept - h;
      const double below = problem.evaluate().sums.loss_sum;
      problem.parameters[i] = kept;
      const double difference = (above - below) / (2 * h);
      largest = std::max(largest, std::abs(gradient[i] - difference) / std::max(1.0, std::abs(difference)));
    }
  }
  return largest;
}

}  // namespace lockstep::testing
