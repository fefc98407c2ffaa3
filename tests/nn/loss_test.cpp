#include "lockstep/nn/loss.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "nn/loss_values.hpp"

namespace lockstep {
namespace {

template <class T>
struct RowLoss {
  double loss;
  std::int64_t correct;
  std::vector<T> delta;
};

/// Loss and delta of one row with real targets; delta takes the logits' memory.
template <class T>
RowLoss<T> loss_of_row(OutputLoss output_loss, std::vector<T> logits, const std::vector<T>& values,
                       double smoothing = 0) {
  const MatrixView<T> view(logits.data(), 1, logits.size());
  const Targets<T> targets{{}, MatrixView<const T>(values.data(), 1, values.size())};
  const LossSums sums = loss_and_delta(output_loss, MatrixView<const T>(view), targets, smoothing, view);
  return {sums.loss_sum, sums.correct_count, logits};
}

template <class T>
RowLoss<T> loss_of_class(std::vector<T> logits, std::int32_t true_class, double smoothing = 0) {
  const MatrixView<T> view(logits.data(), 1, logits.size());
  const Targets<T> targets{std::span<const std::int32_t>(&true_class, 1), {}};
  const LossSums sums =
      loss_and_delta(OutputLoss::softmax_cross_entropy, MatrixView<const T>(view), targets, smoothing, view);
  return {sums.loss_sum, sums.correct_count, logits};
}

template <class T>
void expect_softmax_values(double tolerance) {
  for (const testing::SoftmaxValue& expected : testing::softmax_values) {
    const std::vector<T> logits(std::begin(expected.logits), std::end(expected.logits));
    const RowLoss<T> row = loss_of_class(logits, expected.true_class, expected.smoothing);
    EXPECT_NEAR(row.loss, expected.loss, tolerance * std::max(1.0, expected.loss)) << expected.logits[0];
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(row.delta[k], expected.delta[k], tolerance);
  }
}

TEST(SoftmaxCrossEntropy, EqualsAnIndependentTable) {
  expect_softmax_values<double>(1e-15);
  expect_softmax_values<float>(3e-7);
}

template <class T>
void expect_binary_values(double tolerance) {
  for (const testing::BinaryValue& expected : testing::binary_values) {
    const RowLoss<T> row =
        loss_of_row<T>(OutputLoss::sigmoid_binary_cross_entropy, {static_cast<T>(expected.logit)},
                       {static_cast<T>(expected.target)}, expected.smoothing);
    // Relative: log space keeps the digits of tiny losses.
    EXPECT_NEAR(row.loss, expected.loss, tolerance * (expected.loss + 1e-3)) << expected.logit;
    EXPECT_NEAR(row.delta[0], expected.delta, tolerance) << expected.logit;
  }
}

TEST(BinaryCrossEntropy, EqualsAnIndependentTable) {
  expect_binary_values<double>(1e-15);
  expect_binary_values<float>(3e-7);
}

TEST(RegressionLosses, FollowTheirDefinitions) {
  const std::vector<double> values = {1.0, -2.0, 0.5, 3.0}, targets = {0.5, 1.0, 0.5, 3.25};
  // Errors: 0.5, −3, 0, −0.25.
  const RowLoss<double> mse = loss_of_row(OutputLoss::identity_mse, values, targets);
  EXPECT_DOUBLE_EQ(mse.loss, 0.5 * (0.25 + 9 + 0.0625));
  EXPECT_EQ(mse.delta, (std::vector<double>{0.5, -3, 0, -0.25}));
  const RowLoss<double> mae = loss_of_row(OutputLoss::identity_mae, values, targets);
  EXPECT_DOUBLE_EQ(mae.loss, 3.75);
  EXPECT_EQ(mae.delta, (std::vector<double>{1, -1, 0, -1}));
  const RowLoss<double> huber = loss_of_row(OutputLoss::identity_huber, values, targets);
  EXPECT_DOUBLE_EQ(huber.loss, 0.5 * 0.25 + (3 - 0.5) + 0.5 * 0.0625);
  EXPECT_EQ(huber.delta, (std::vector<double>{0.5, -1, 0, -0.25}));
  EXPECT_EQ(mse.correct + mae.correct + huber.correct, 0);
}

TEST(LossAndDelta, DeltasEqualCentralDifferences) {
  const double h = 1e-6;
  const std::vector<double> logits = {0.3, -1.2, 2.1}, targets = {1, 0, 1};
  for (const double smoothing : {0.0, 0.1}) {
    for (const OutputLoss output_loss :
         {OutputLoss::softmax_cross_entropy, OutputLoss::sigmoid_binary_cross_entropy,
          OutputLoss::identity_mse, OutputLoss::identity_mae, OutputLoss::identity_huber}) {
      const auto row = [&](const std::vector<double>& z) {
        return output_loss == OutputLoss::softmax_cross_entropy
                   ? loss_of_class(z, 1, smoothing)
                   : loss_of_row(output_loss, z, targets, smoothing);
      };
      for (std::size_t k = 0; k < 3; ++k) {
        std::vector<double> up = logits, down = logits;
        up[k] += h;
        down[k] -= h;
        EXPECT_NEAR(row(logits).delta[k], (row(up).loss - row(down).loss) / (2 * h), 1e-9)
            << loss_name(output_loss);
      }
    }
  }
}

TEST(LossAndDelta, AddsLossesAndCountsOverRows) {
  const std::vector<float> logits = {2, 1, 0, 3, 3, 0};  // a tie in the second row: class 0 is predicted
  const std::vector<std::int32_t> classes = {0, 1};
  const Targets<float> targets{classes, {}};
  const LossSums sums =
      loss_and_delta(OutputLoss::softmax_cross_entropy, MatrixView<const float>(logits.data(), 2, 3), targets,
                     0.0, MatrixView<float>());
  const double first = loss_of_class<float>({2, 1, 0}, 0).loss,
               second = loss_of_class<float>({3, 3, 0}, 1).loss;
  EXPECT_EQ(sums.loss_sum, first + second);
  EXPECT_EQ(sums.correct_count, 1);
}

TEST(LossAndDelta, BinaryRowsAreRightWhenEveryElementIs) {
  const OutputLoss binary = OutputLoss::sigmoid_binary_cross_entropy;
  EXPECT_EQ(loss_of_row<double>(binary, {0.1}, {1}).correct, 1);
  EXPECT_EQ(loss_of_row<double>(binary, {0.0}, {1}).correct, 0);
  EXPECT_EQ(loss_of_row<double>(binary, {0.0}, {0}).correct, 1);
  EXPECT_EQ(loss_of_row<double>(binary, {1, -1}, {1, 0}).correct, 1);
  EXPECT_EQ(loss_of_row<double>(binary, {1, 1}, {1, 0}).correct, 0);
}

TEST(LossAndDelta, NonFiniteLogitsGiveANonFiniteLoss) {
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               infinity = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& logits :
       {std::vector<double>{nan, 0}, {0, nan}, {infinity, 0}, {nan, nan}}) {
    EXPECT_FALSE(std::isfinite(loss_of_class(logits, 0).loss));
    EXPECT_FALSE(std::isfinite(loss_of_class(logits, 1, 0.1).loss));
  }
  for (const OutputLoss output_loss : {OutputLoss::sigmoid_binary_cross_entropy, OutputLoss::identity_mse,
                                       OutputLoss::identity_mae, OutputLoss::identity_huber}) {
    EXPECT_TRUE(std::isnan(loss_of_row<double>(output_loss, {nan}, {1}).loss)) << loss_name(output_loss);
  }
}

TEST(LossAndDelta, NoRowsGiveNothing) {
  const LossSums sums = loss_and_delta(OutputLoss::identity_mse, MatrixView<const float>(nullptr, 0, 3), {},
                                       0.0, MatrixView<float>());
  EXPECT_EQ(sums.loss_sum, 0);
  EXPECT_EQ(sums.correct_count, 0);
}

TEST(ApplyOutput, TurnsLogitsIntoPredictions) {
  std::vector<double> logits = {std::log(1.0), std::log(2.0), std::log(5.0), 1000, 0, -1000};
  apply_output(OutputLoss::softmax_cross_entropy, MatrixView<double>(logits.data(), 2, 3));
  const std::vector<double> expected = {0.125, 0.25, 0.625, 1, 0, 0};
  for (std::size_t k = 0; k < 6; ++k) EXPECT_NEAR(logits[k], expected[k], 1e-15);

  std::vector<double> logit = {std::log(3.0), -1000};
  apply_output(OutputLoss::sigmoid_binary_cross_entropy, MatrixView<double>(logit.data(), 2, 1));
  EXPECT_NEAR(logit[0], 0.75, 1e-15);
  EXPECT_EQ(logit[1], 0);

  std::vector<double> values = {7, -8};
  apply_output(OutputLoss::identity_mae, MatrixView<double>(values.data(), 1, 2));
  EXPECT_EQ(values, (std::vector<double>{7, -8}));
}

TEST(ResolveOutputLoss, FillsInTheDefaultsOfTheTask) {
  EXPECT_EQ(resolve_output_loss("", "", Task::classification), OutputLoss::softmax_cross_entropy);
  EXPECT_EQ(resolve_output_loss("", "", Task::binary), OutputLoss::sigmoid_binary_cross_entropy);
  EXPECT_EQ(resolve_output_loss("", "", Task::regression), OutputLoss::identity_mse);
  EXPECT_EQ(resolve_output_loss("", "mae", Task::regression), OutputLoss::identity_mae);
  EXPECT_EQ(resolve_output_loss("linear", "HuberLoss", Task::regression), OutputLoss::identity_huber);
  EXPECT_EQ(resolve_output_loss("Softmax", "sparse_categorical_crossentropy", Task::classification),
            OutputLoss::softmax_cross_entropy);
  EXPECT_EQ(resolve_output_loss("", "BCEWithLogitsLoss", Task::binary),
            OutputLoss::sigmoid_binary_cross_entropy);
  EXPECT_EQ(output_name(OutputLoss::identity_huber), "identity");
  EXPECT_EQ(loss_name(OutputLoss::sigmoid_binary_cross_entropy), "binary_cross_entropy");
}

std::string resolve_error(const char* output, const char* loss, Task task) {
  try {
    resolve_output_loss(output, loss, task);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(ResolveOutputLoss, RefusesWhatMakesNoSenseAndNamesWhatDoes) {
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  const std::string mismatch = resolve_error("softmax", "mse", Task::classification);
  EXPECT_TRUE(contains(mismatch, "output 'softmax' with loss 'mse'")) << mismatch;
  EXPECT_TRUE(contains(mismatch, "softmax + cross_entropy (classification)")) << mismatch;
  EXPECT_TRUE(contains(mismatch, "identity + huber (regression)")) << mismatch;
  EXPECT_TRUE(
      contains(resolve_error("", "mse", Task::classification), "does not fit the task classification"));
  EXPECT_TRUE(contains(resolve_error("sigmoid", "", Task::regression), "does not fit the task regression"));
  EXPECT_TRUE(
      contains(resolve_error("softmax", "cross_entropy", Task::binary), "does not fit the task binary"));
  EXPECT_TRUE(contains(resolve_error("sofmax", "", Task::classification), "did you mean 'softmax'"));
  EXPECT_TRUE(
      contains(resolve_error("", "cros_entropy", Task::classification), "did you mean 'cross_entropy'"));
}

TEST(Task, NamesReadBack) {
  for (const Task task : {Task::classification, Task::binary, Task::regression}) {
    EXPECT_EQ(parse_task(task_name(task)), task);
  }
  EXPECT_THROW(parse_task("clustering"), UserError);
}

}  // namespace
}  // namespace lockstep
