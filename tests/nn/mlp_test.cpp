#include "lockstep/nn/mlp.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lockstep/core/random.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "lockstep/nn/optimizer.hpp"
#include "nn/mlp_fixture.hpp"
#include "nn/scalar_reference.hpp"

namespace lockstep {
namespace {

using testing::gradient_error;
using testing::Problem;

constexpr OutputLoss all_losses[] = {OutputLoss::softmax_cross_entropy,
                                     OutputLoss::sigmoid_binary_cross_entropy, OutputLoss::identity_mse,
                                     OutputLoss::identity_mae, OutputLoss::identity_huber};

std::vector<Activation> trainable_activations() {
  std::vector<Activation> activations;
  for (const ActivationInfo& info : activation_table()) {
    if (info.trainable) activations.emplace_back(info.name);
  }
  activations.emplace_back("prelu(per=unit)");
  activations.emplace_back("swish(trained,per=unit)");
  return activations;
}

ModelSpec spec_of(std::vector<std::size_t> widths, std::vector<Activation> activations,
                  OutputLoss output_loss) {
  ModelSpec spec;
  spec.widths = std::move(widths);
  spec.activations = std::move(activations);
  spec.dropout.assign(spec.activations.size(), 0.0);
  spec.output_loss = output_loss;
  spec.arithmetic = Arithmetic::exact;
  return spec;
}

TEST(Mlp, GradientsOfEveryActivationAndLossEqualCentralDifferences) {
  for (const Activation& activation : trainable_activations()) {
    for (const OutputLoss output_loss : all_losses) {
      const Problem<double> problem(spec_of({4, 5, 3}, {activation}, output_loss), 6);
      EXPECT_LT(gradient_error(problem), 1e-7) << activation.text() << " with " << loss_name(output_loss);
    }
  }
}

TEST(Mlp, GradientsThroughTwoDifferentActivationsDropoutAndLabelSmoothing) {
  const std::vector<Activation> activations = trainable_activations();
  for (std::size_t i = 0; i < activations.size(); ++i) {
    for (const OutputLoss output_loss : all_losses) {
      ModelSpec spec =
          spec_of({3, 6, 4, 2}, {activations[i], activations[(i + 1) % activations.size()]}, output_loss);
      spec.dropout = {0.25, 0.4};
      spec.label_smoothing = 0.1;
      EXPECT_LT(gradient_error(Problem<double>(spec, 5)), 1e-7)
          << spec.activations[0].text() << ", " << spec.activations[1].text() << " with "
          << loss_name(output_loss);
    }
  }
}

TEST(Mlp, GradientsWithoutHiddenLayer) {
  for (const OutputLoss output_loss : all_losses) {
    EXPECT_LT(gradient_error(Problem<double>(spec_of({4, 3}, {}, output_loss), 6)), 1e-7)
        << loss_name(output_loss);
  }
}

TEST(Mlp, ArithmeticsAgreeUpToRounding) {
  ModelSpec spec =
      spec_of({17, 33, 9, 5}, {Activation("tanh"), Activation("relu")}, OutputLoss::softmax_cross_entropy);
  const auto exact = Problem<double>(spec, 21).evaluate();
  spec.arithmetic = Arithmetic::openblas;
  const auto openblas = Problem<double>(spec, 21).evaluate();
  EXPECT_NEAR(exact.sums.loss_sum, openblas.sums.loss_sum, 1e-11);
  EXPECT_EQ(exact.sums.correct_count, openblas.sums.correct_count);
  for (std::size_t i = 0; i < exact.gradient.size(); ++i) {
    EXPECT_NEAR(exact.gradient[i], openblas.gradient[i], 1e-11);
  }
}

TEST(Mlp, GradientIsOverwrittenAndPaddingIsZero) {
  const Problem<float> problem(spec_of({5, 3, 2}, {Activation("relu")}, OutputLoss::softmax_cross_entropy),
                               4);
  const std::vector<float> gradient = problem.evaluate().gradient;  // held 99 before
  std::vector<bool> padding(gradient.size(), true);
  for (const Tensor& tensor : problem.layout.tensors()) {
    for (std::size_t i = 0; i < tensor.size(); ++i) padding[tensor.offset + i] = false;
  }
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    if (padding[i]) {
      EXPECT_EQ(gradient[i], 0) << i;
    }
    EXPECT_NE(gradient[i], 99) << i;
  }
}

/// A chain of two layers of one unit, with input 1, target 0 and weights 1 and `weight`: the deltas are
/// weight and weight². Returns the gradients of the second and of the first weight.
template <class T>
std::pair<T, T> gradients_of_a_chain(T weight) {
  Problem<T> problem(spec_of({1, 1, 1}, {Activation("linear")}, OutputLoss::identity_mse), 1);
  std::fill(problem.parameters.begin(), problem.parameters.end(), T(0));
  problem.parameters[problem.layout.kernel(0).offset] = 1;
  problem.parameters[problem.layout.kernel(1).offset] = weight;
  problem.x = {1};
  problem.values = {0};
  const std::vector<T> gradient = problem.evaluate().gradient;
  return {gradient[problem.layout.kernel(1).offset], gradient[problem.layout.kernel(0).offset]};
}

template <class T>
void expect_deltas_below_are_zero(T least, T root) {
  const T below = std::nextafter(least, T(0));
  EXPECT_EQ(gradients_of_a_chain(least), std::pair(least, T(0)));
  EXPECT_EQ(gradients_of_a_chain(-least), std::pair(-least, T(0)));
  EXPECT_EQ(gradients_of_a_chain(below), std::pair(T(0), T(0)));
  EXPECT_EQ(gradients_of_a_chain(-below), std::pair(T(0), T(0)));
  EXPECT_EQ(gradients_of_a_chain(root), std::pair(root, least));
  EXPECT_EQ(gradients_of_a_chain(root / 2), std::pair(root / 2, T(0)));
}

TEST(Mlp, DeltasNearTheDenormalNumbersAreZero) {
  expect_deltas_below_are_zero(0x1p-100F, 0x1p-50F);
  expect_deltas_below_are_zero(0x1p-996, 0x1p-498);
}

TEST(Mlp, NoRowsGiveAZeroGradient) {
  const Problem<float> problem(spec_of({5, 3, 2}, {Activation("relu")}, OutputLoss::softmax_cross_entropy),
                               4);
  const auto result = problem.evaluate({2, 2});
  EXPECT_EQ(result.gradient, std::vector<float>(problem.layout.size(), 0.0F));
  EXPECT_EQ(result.sums.loss_sum, 0);
  EXPECT_EQ(result.sums.correct_count, 0);
}

TEST(Mlp, ForwardIgnoresDropoutAndCountsAgreeWithItsLogits) {
  ModelSpec spec = spec_of({5, 7, 3}, {Activation("tanh")}, OutputLoss::softmax_cross_entropy);
  const Problem<double> without(spec, 9);
  spec.dropout = {0.5};
  const Problem<double> with(spec, 9);
  Workspace<double> workspace(spec, 9), plain_workspace(without.spec, 9);
  const MatrixView<double> logits =
      forward<double>(spec, with.layout, with.parameters, with.x_view({0, 9}), workspace);
  const MatrixView<double> plain = forward<double>(without.spec, without.layout, without.parameters,
                                                   without.x_view({0, 9}), plain_workspace);
  ASSERT_EQ(logits.rows, 9U);
  ASSERT_EQ(logits.columns, 3U);
  std::int64_t correct = 0;
  for (std::size_t i = 0; i < 9; ++i) {
    const double* row = logits.row(i);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(row[k], plain(i, k));
    correct += std::max_element(row, row + 3) - row == without.classes[i] ? 1 : 0;
  }
  EXPECT_EQ(without.evaluate().sums.correct_count, correct);
}

// Masks belong to positions in the global batch: however its rows are cut into micro-batches, the parts add
// up.
TEST(Mlp, DropoutMasksDoNotDependOnWhoComputesTheRow) {
  ModelSpec spec =
      spec_of({5, 8, 6, 3}, {Activation("tanh"), Activation("elu")}, OutputLoss::softmax_cross_entropy);
  spec.dropout = {0.3, 0.5};
  const Problem<double> problem(spec, 10);
  const auto whole = problem.evaluate();
  const auto first = problem.evaluate({0, 4}), second = problem.evaluate({4, 10});
  EXPECT_NEAR(whole.sums.loss_sum, first.sums.loss_sum + second.sums.loss_sum, 1e-12);
  for (std::size_t i = 0; i < whole.gradient.size(); ++i) {
    EXPECT_NEAR(whole.gradient[i], first.gradient[i] + second.gradient[i], 1e-12);
  }
}

TEST(Mlp, DropoutScalesAreZeroOrTheInverseKeepRateAsThePhiloxStreamSays) {
  ModelSpec spec =
      spec_of({2, 500, 300, 2}, {Activation("relu"), Activation("relu")}, OutputLoss::identity_mse);
  spec.dropout = {0.2, 0.5};
  Problem<float> problem(spec, 7);
  problem.dropout = {.seed = 11, .step = (std::uint64_t{3} << 32) + 9, .first_row = 40};
  Workspace<float> workspace(spec, 7);
  std::vector<float> gradient(problem.layout.size());
  const Range rows{0, 7};
  LossSums sums;
  forward_backward<float>(spec, problem.layout, problem.parameters,
                          {problem.x_view(rows), problem.targets(rows), {&rows, 1}, problem.dropout},
                          workspace, gradient, {&sums, 1});
  for (std::uint32_t layer = 0; layer < 2; ++layer) {
    const Philox random(11, RandomPurpose::dropout, layer * 65536 + 3, 9);
    const std::size_t width = spec.widths[layer + 1];
    const AlignedVector<float>& scales = workspace.dropout_scales[layer];
    std::size_t dropped = 0;
    for (std::size_t i = 0; i < 7 * width; ++i) {
      const bool drop = random.uniform(40 * width + i) < spec.dropout[layer];
      EXPECT_EQ(scales[i], drop ? 0.0F : static_cast<float>(1 / (1 - spec.dropout[layer])));
      dropped += drop ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(dropped) / static_cast<double>(7 * width), spec.dropout[layer], 0.05);
  }
}

// A group of micro-batches gives the sum over its parts by the tree, whatever the group.
template <class T>
void expect_groups_of_micro_batches_to_add_up(const char* activation) {
  const ModelSpec spec = spec_of({4, 6, 3}, {Activation(activation)}, OutputLoss::softmax_cross_entropy);
  const Problem<T> problem(spec, 12);
  const std::vector<Range> parts = {{0, 3}, {3, 6}, {6, 9}, {9, 12}};
  Workspace<T> workspace(spec, 12);
  std::vector<T> together(problem.layout.size());
  std::vector<LossSums> sums(parts.size());
  forward_backward<T>(spec, problem.layout, problem.parameters,
                      {problem.x_view({0, 12}), problem.targets({0, 12}), parts, problem.dropout}, workspace,
                      together, sums);
  std::vector<std::vector<T>> alone;
  for (const Range& part : parts) alone.push_back(problem.evaluate(part).gradient);
  for (std::size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i], (alone[0][i] + alone[1][i]) + (alone[2][i] + alone[3][i])) << activation;
  }
}

TEST(Mlp, GradientsOfTrainedActivationsAreTreeSumsOverMicroBatches) {
  for (const char* activation : {"prelu", "prelu(per=unit)", "swish(trained)", "swish(trained,per=unit)"}) {
    expect_groups_of_micro_batches_to_add_up<float>(activation);
    expect_groups_of_micro_batches_to_add_up<double>(activation);
  }
}

TEST(Mlp, TrainedActivationsStartAsTheyAreSpelled) {
  const ModelSpec spec =
      spec_of({4, 6, 5, 3}, {Activation("prelu(0.1)"), Activation("swish(trained,2,per=unit)")},
              OutputLoss::softmax_cross_entropy);
  const ParameterLayout layout = make_layout(spec, sizeof(double));
  std::vector<double> parameters(layout.size());
  initialize_activations<double>(spec, layout, parameters);
  const auto trained = [&](std::size_t layer) {
    const auto values = trained_activation<double>(layout, layer, parameters);
    return std::vector<double>(values.begin(), values.end());
  };
  EXPECT_EQ(trained(0), std::vector<double>{0.1});
  EXPECT_EQ(trained(1), std::vector<double>(5, 2.0));
  EXPECT_EQ(trained(2), std::vector<double>{});
}

TEST(Mlp, FindsTheFirstLayerThatIsNotFinite) {
  const ModelSpec spec =
      spec_of({3, 4, 5, 2}, {Activation("relu"), Activation("relu")}, OutputLoss::identity_mse);
  const Problem<float> problem(spec, 3);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (std::size_t layer = 0; layer < 3; ++layer) {
      Problem<float> broken = problem;
      broken.parameters[broken.layout.bias(layer).offset] = bad;
      Workspace<float> workspace(spec, 5);
      forward<float>(spec, broken.layout, broken.parameters, broken.x_view({0, 3}), workspace);
      EXPECT_EQ(first_nonfinite_layer(spec, workspace, 3), layer);
      EXPECT_FALSE(std::isfinite(broken.evaluate().sums.loss_sum)) << "layer " << layer << ", " << bad;
    }
  }
  Workspace<float> workspace(spec, 5);
  forward<float>(spec, problem.layout, problem.parameters, problem.x_view({0, 3}), workspace);
  EXPECT_EQ(first_nonfinite_layer(spec, workspace, 3), spec.layers());
  *workspace.factors.inputs[1].data = std::numeric_limits<float>::infinity();  // as of an activation like 1/x
  EXPECT_EQ(first_nonfinite_layer(spec, workspace, 3), 0u);
  *workspace.factors.inputs[1].data = 0;
  workspace.pre_activations[1][3 * 5] = std::numeric_limits<float>::quiet_NaN();  // beyond the rows in use
  EXPECT_EQ(first_nonfinite_layer(spec, workspace, 3), spec.layers());
}

/// The library's side of the comparison with the scalar trainer: what train_step does, for one process.
template <class T>
class LibraryTrainer {
 public:
  LibraryTrainer(Problem<T> problem, std::size_t shards, double learning_rate)
      : problem_(std::move(problem)),
        shards_(shards),
        learning_rate_(learning_rate),
        optimizer_(make_optimizer_config("sgd", {{"learning_rate", learning_rate}}), problem_.layout,
                   {0, problem_.layout.blocks()}),
        workspace_(problem_.spec, problem_.rows) {}

  double step(Range batch) {
    std::vector<T> sum(problem_.layout.size());
    TreeAccumulator<T> gradients(shards_, {0, shards_}, problem_.layout.size(), sum.data());
    std::vector<double> losses;
    for (std::size_t shard = 0; shard < shards_; ++shard) {
      const Range part = block_partition(batch.size(), shards_, shard);
      const Range rows{batch.begin + part.begin, batch.begin + part.end};
      const Range all{0, rows.size()};
      LossSums sums;
      forward_backward<T>(problem_.spec, problem_.layout, problem_.parameters,
                          {problem_.x_view(rows), problem_.targets(rows), {&all, 1}, {}}, workspace_,
                          {gradients.next_term(), problem_.layout.size()}, {&sums, 1});
      gradients.add_term();
      losses.push_back(sums.loss_sum);
    }
    for (T& g : sum) g /= static_cast<T>(batch.size());
    optimizer_.update(++steps_, learning_rate_, problem_.parameters, sum, [](std::span<double>) {});
    return tree_sum<double>(losses);
  }

  const Problem<T>& problem() const { return problem_; }

 private:
  Problem<T> problem_;
  std::size_t shards_;
  double learning_rate_;
  Optimizer<T> optimizer_;
  Workspace<T> workspace_;
  std::uint64_t steps_ = 0;
};

template <class T>
std::vector<testing::ScalarLayer<T>> scalar_network(const Problem<T>& problem) {
  std::vector<testing::ScalarLayer<T>> network;
  for (std::size_t l = 0; l < problem.layout.layers(); ++l) {
    const auto kernel = tensor_view(problem.layout.kernel(l), problem.parameters.data());
    const auto bias = tensor_view(problem.layout.bias(l), problem.parameters.data());
    testing::ScalarLayer<T> layer;
    for (std::size_t i = 0; i < kernel.rows; ++i)
      layer.kernel.emplace_back(kernel.row(i), kernel.row(i) + kernel.columns);
    layer.bias.assign(bias.row(0), bias.row(0) + bias.columns);
    const auto trained = trained_activation<T>(problem.layout, l, problem.parameters);
    layer.trained.assign(trained.begin(), trained.end());
    network.push_back(std::move(layer));
  }
  return network;
}

template <class T>
void expect_same_bits_as_the_scalar_trainer(const char* activation, testing::ScalarActivation kind,
                                            std::size_t shards) {
  SCOPED_TRACE(std::string(activation) + ", " + std::to_string(shards) + " shards");
  constexpr std::size_t rows = 50, batch_size = 17;  // the third batch is short
  constexpr double learning_rate = 0.3;
  const ModelSpec spec = spec_of({13, 19, 7, 5}, {Activation(activation), Activation(activation)},
                                 OutputLoss::softmax_cross_entropy);
  LibraryTrainer<T> library(Problem<T>(spec, rows), shards, learning_rate);
  const Problem<T>& problem = library.problem();
  testing::ScalarTrainer<T> scalar(scalar_network(problem), kind, shards, static_cast<T>(learning_rate));
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (std::size_t begin = 0; begin < rows; begin += batch_size) {
      const Range batch{begin, std::min(begin + batch_size, rows)};
      std::vector<std::vector<T>> x;
      for (std::size_t i = batch.begin; i < batch.end; ++i) {
        x.emplace_back(problem.x_view(batch).row(i - begin),
                       problem.x_view(batch).row(i - begin) + spec.inputs());
      }
      const std::vector<int> classes(problem.classes.begin() + static_cast<std::ptrdiff_t>(batch.begin),
                                     problem.classes.begin() + static_cast<std::ptrdiff_t>(batch.end));
      ASSERT_EQ(library.step(batch), scalar.step(x, classes));
    }
  }
  const std::vector<testing::ScalarLayer<T>> trained = scalar_network(problem);
  for (std::size_t l = 0; l < trained.size(); ++l) {
    EXPECT_EQ(trained[l].kernel, scalar.network()[l].kernel);
    EXPECT_EQ(trained[l].bias, scalar.network()[l].bias);
    EXPECT_EQ(trained[l].trained, scalar.network()[l].trained);
  }
}

TEST(Mlp, WholeStepsInExactEqualTheScalarReferenceTrainerBitForBit) {
  using testing::ScalarActivation;
  for (const auto& [activation, kind] :
       {std::pair{"sigmoid", ScalarActivation::sigmoid}, std::pair{"relu", ScalarActivation::relu},
        std::pair{"prelu", ScalarActivation::prelu}, std::pair{"prelu(per=unit)", ScalarActivation::prelu},
        std::pair{"swish(trained)", ScalarActivation::trained_swish},
        std::pair{"swish(trained,per=unit)", ScalarActivation::trained_swish}}) {
    for (const std::size_t shards : {1U, 3U, 4U, 20U}) {  // with 20 some shards have no rows
      expect_same_bits_as_the_scalar_trainer<float>(activation, kind, shards);
      expect_same_bits_as_the_scalar_trainer<double>(activation, kind, shards);
    }
  }
}

}  // namespace
}  // namespace lockstep
