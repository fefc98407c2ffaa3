#include "lockstep/train/evaluator.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/nn/initializer.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

Rows<double> take_rows(const testing::SyntheticRows& all, Range range) {
  Rows<double> rows;
  rows.count = range.size();
  rows.features = all.features;
  rows.x_real.assign(all.x.begin() + static_cast<std::ptrdiff_t>(range.begin * all.features),
                     all.x.begin() + static_cast<std::ptrdiff_t>(range.end * all.features));
  rows.classes.assign(all.classes.begin() + static_cast<std::ptrdiff_t>(range.begin),
                      all.classes.begin() + static_cast<std::ptrdiff_t>(range.end));
  return rows;
}

struct Network {
  Network() : layout(spec.widths, sizeof(double)), parameters(layout.size()) {
    initialize_kernels<double>(
        {Initializer("glorot_uniform"), Initializer("glorot_uniform")}, InitGenerator::philox, 4,
        {tensor_view(layout.kernel(0), parameters.data()), tensor_view(layout.kernel(1), parameters.data())});
  }
  ModelSpec spec{{7, 5, 3}, {Activation("tanh")}, {0}, OutputLoss::softmax_cross_entropy,
                 0,         Arithmetic::exact};
  ParameterLayout layout;
  std::vector<double> parameters;
};

/// The same by textbook formulas, row by row.
Evaluation by_hand(const Network& network, const testing::SyntheticRows& rows) {
  double loss = 0, correct = 0;
  const auto kernel = [&](std::size_t l) {
    return tensor_view(network.layout.kernel(l), network.parameters.data());
  };
  for (std::size_t r = 0; r < rows.rows; ++r) {
    double hidden[5], logits[3], sum = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      double z = 0;
      for (std::size_t i = 0; i < 7; ++i) z += static_cast<double>(rows.x[r * 7 + i]) * kernel(0)(i, j);
      hidden[j] = std::tanh(z);
    }
    for (std::size_t k = 0; k < 3; ++k) {
      logits[k] = 0;
      for (std::size_t j = 0; j < 5; ++j) logits[k] += hidden[j] * kernel(1)(j, k);
      sum += std::exp(logits[k]);
    }
    const auto truth = static_cast<std::size_t>(rows.classes[r]);
    loss += std::log(sum) - logits[truth];
    correct += std::max_element(logits, logits + 3) - logits == static_cast<std::ptrdiff_t>(truth);
  }
  return {loss / static_cast<double>(rows.rows), correct / static_cast<double>(rows.rows)};
}

TEST(Evaluator, AgreesWithTextbookFormulas) {
  const Communicator world = Communicator::world();
  const testing::SyntheticRows rows(1000, 7, 3);
  const Network network;
  const Evaluation result = evaluate<double>(world, network.spec, network.layout, network.parameters,
                                             take_rows(rows, evaluation_rows(1000, world, true)), 1000);
  const Evaluation expected = by_hand(network, rows);
  EXPECT_NEAR(result.loss, expected.loss, 1e-12);
  EXPECT_DOUBLE_EQ(result.accuracy, expected.accuracy);
}

TEST(Evaluator, SameBitsWhoeverEvaluates) {
  const Communicator world = Communicator::world();
  const Network network;
  for (const std::size_t count : {1U, 255U, 256U, 257U, 1500U}) {
    const testing::SyntheticRows rows(count, 7, 3);
    const auto by = [&](bool all) {
      return evaluate<double>(world, network.spec, network.layout, network.parameters,
                              take_rows(rows, evaluation_rows(count, world, all)), count);
    };
    EXPECT_EQ(by(true).loss, by(false).loss);
    EXPECT_EQ(by(true).accuracy, by(false).accuracy);
  }
}

TEST(Evaluator, EveryRowIsEvaluatedOnce) {
  const Communicator world = Communicator::world();
  for (const std::size_t count : {1U, 300U, 1024U}) {
    for (const bool all : {true, false}) {
      const Range own = evaluation_rows(count, world, all);
      EXPECT_EQ(world.all_reduce_sum(static_cast<std::int64_t>(own.size())),
                static_cast<std::int64_t>(count));
    }
  }
}

TEST(Evaluator, PredictionsAreProbabilities) {
  const testing::SyntheticRows rows(300, 7, 5);
  const Network network;
  const std::vector<double> predictions =
      predict<double>(network.spec, network.layout, network.parameters, take_rows(rows, {0, 300})).outputs;
  ASSERT_EQ(predictions.size(), 900U);
  for (std::size_t r = 0; r < 300; ++r) {
    EXPECT_NEAR(predictions[3 * r] + predictions[3 * r + 1] + predictions[3 * r + 2], 1, 1e-12);
  }
}

}  // namespace
}  // namespace lockstep
