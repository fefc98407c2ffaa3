#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/sha256.hpp"
#include "lockstep/nn/activation.hpp"
#include "lockstep/nn/loss.hpp"

// CTest runs these tests in every instruction set, and CI in builds of several compilers: the bits of
// activations and losses are the same in all of them, special values included.
namespace lockstep {
namespace {

/// Special values and numbers of every size. Their count is a multiple of no vector's length.
template <class T>
std::vector<T> arguments() {
  using limits = std::numeric_limits<T>;
  std::vector<T> values = {T(0),
                           limits::denorm_min(),
                           limits::min(),
                           limits::min() / 2,
                           limits::epsilon(),
                           limits::max(),
                           limits::infinity(),
                           limits::quiet_NaN(),
                           T(1),
                           T(0.5),
                           T(3),
                           T(6),
                           T(0.625),
                           T(87.5),
                           T(88.75),
                           T(103.5),
                           T(709.5),
                           T(745),
                           T(1000),
                           T(1048576),
                           T(3.5e6)};
  const std::size_t specials = values.size();
  for (std::size_t i = 0; i < specials; ++i) values.push_back(-values[i]);
  std::mt19937 engine(1);
  while (values.size() < 1021) {
    const double fraction = 1 + static_cast<double>(engine()) * 0x1p-32;
    const int exponent = static_cast<int>(engine() % 24) - 16;
    const double sign = engine() % 2 == 0 ? 1 : -1;
    values.push_back(static_cast<T>(sign * std::ldexp(fraction, exponent)));
  }
  return values;
}

/// The bits of a NaN are not defined; otherwise equal bits.
template <class T>
bool same(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

template <class T>
void add(Sha256& digest, std::vector<T> values) {
  for (T& value : values) {
    if (std::isnan(value)) value = 0;
  }
  digest.update(std::as_bytes(std::span<const T>(values)));
}

std::vector<std::string> plain_activations() {
  std::vector<std::string> texts = {"leaky_relu(0.3)", "elu(0.7)", "celu(0.3)", "softshrink(0.2)"};
  for (const ActivationInfo& info : activation_table()) {
    if (!info.parameter_trained) texts.push_back(info.name);
  }
  return texts;
}

/// Those with trained parameters, at some of their values.
std::vector<std::string> trained_activations() {
  return {"prelu", "prelu(-0.3)", "swish(trained)", "swish(trained,0.7)", "swish(trained,-1.3)"};
}

/// Every operation and function at least once.
std::vector<std::string> formulas() {
  return {"formula(x*tanh(log(1+exp(x))))",
          "formula(exp(x)-1 if x<-0.5 else log(1+x)+expm1(x)/log1p(x*x))",
          "formula(clip(x,-3,3)^3-2*|x|+min(x,1,x^2)-max(-x,0.3))",
          "formula(sqrt(x*x+a)*sin(x)+cos(2*x)-tan(x/4),a=0.1)",
          "formula(atan(x)+sinh(x/8)/cosh(x/8)+erf(x)-normal_cdf(x))",
          "formula(pow(x^2+1,0.3)*(1+x*x)**-1.7+2^sin(x))",
          "formula(if(not(x>1 and x<=2)or x==3 or x!=4,selu(x),gelu(x)-log(2+x^2)))",
          "formula(sign(x)*softsign(3*x))"};
}

std::vector<std::string> activations() {
  std::vector<std::string> texts = plain_activations();
  for (const std::string& text : trained_activations()) texts.push_back(text);
  for (const std::string& text : formulas()) texts.push_back(text);
  return texts;
}

template <class T>
void expect_elements_not_to_depend_on_neighbours() {
  const std::vector<T> z = arguments<T>();
  for (const std::string& text : activations()) {
    const Activation f(text);
    std::vector<T> a(z.size()), a_in_training(z.size()), slopes(z.size()), delta(z.size(), T(1));
    const MatrixView<const T> row(z.data(), 1, z.size());
    f.forward(row, MatrixView<T>(a.data(), 1, a.size()));
    f.forward(row, MatrixView<T>(a_in_training.data(), 1, a.size()),
              MatrixView<T>(slopes.data(), 1, slopes.size()));
    f.backward(row, MatrixView<T>(delta.data(), 1, delta.size()));
    for (std::size_t i = 0; i < z.size(); ++i) {
      T alone = 0, slope_alone = 1;
      f.forward(MatrixView<const T>(&z[i], 1, 1), MatrixView<T>(&alone, 1, 1));
      f.backward(MatrixView<const T>(&z[i], 1, 1), MatrixView<T>(&slope_alone, 1, 1));
      ASSERT_TRUE(same(a[i], alone)) << text << " of " << z[i] << ": " << a[i] << " and " << alone;
      ASSERT_TRUE(same(a_in_training[i], alone)) << text << " of " << z[i];
      ASSERT_TRUE(same(delta[i], slope_alone)) << text << "' of " << z[i];
      ASSERT_TRUE(same(slopes[i], slope_alone)) << text << "' of " << z[i];
    }
  }
}

TEST(ElementBits, AnElementDoesNotDependOnItsNeighbours) {
  expect_elements_not_to_depend_on_neighbours<float>();
  expect_elements_not_to_depend_on_neighbours<double>();
}

template <class T>
std::string activations_digest(const std::vector<std::string>& texts) {
  const std::vector<T> z = arguments<T>();
  Sha256 digest;
  for (const std::string& text : texts) {
    std::vector<T> a(z.size()), slopes(z.size());
    const auto view = [&](std::vector<T>& values) { return MatrixView<T>(values.data(), 1, z.size()); };
    Activation(text).forward(MatrixView<const T>(z.data(), 1, z.size()), view(a), view(slopes));
    add(digest, a);
    add(digest, slopes);
  }
  return digest.hex_digest();
}

/// Rows of `classes` logits, the first ones with special values.
template <class T>
void add_losses(Sha256& digest, OutputLoss output_loss, std::size_t classes, double smoothing) {
  const std::vector<T> logits = arguments<T>();
  const std::size_t rows = logits.size() / classes;
  std::vector<std::int32_t> true_classes;
  std::vector<T> values;
  for (std::size_t i = 0; i < rows * classes; ++i) values.push_back(static_cast<T>(i % 3) / T(2));
  for (std::size_t i = 0; i < rows; ++i) true_classes.push_back(static_cast<std::int32_t>(i % classes));
  const Targets<T> targets{true_classes, MatrixView<const T>(values.data(), rows, classes)};
  std::vector<T> delta(rows * classes), losses;
  for (std::size_t i = 0; i < rows; ++i) {  // row by row, for a NaN of one not to hide the others
    const Range row{i, i + 1};
    const LossSums sums =
        loss_and_delta(output_loss, MatrixView<const T>(logits.data() + i * classes, 1, classes),
                       Targets<T>{targets.classes.subspan(i, 1), targets.values.rows_of(row)}, smoothing,
                       MatrixView<T>(delta.data() + i * classes, 1, classes));
    losses.push_back(static_cast<T>(sums.loss_sum));
    losses.push_back(static_cast<T>(sums.correct_count));
  }
  std::vector<T> delta_of_all(rows * classes);
  loss_and_delta(output_loss, MatrixView<const T>(logits.data(), rows, classes), targets, smoothing,
                 MatrixView<T>(delta_of_all.data(), rows, classes));
  for (std::size_t i = 0; i < delta.size(); ++i) ASSERT_TRUE(same(delta[i], delta_of_all[i])) << i;

  std::vector<T> output(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(rows * classes));
  apply_output(output_loss, MatrixView<T>(output.data(), rows, classes));
  add(digest, losses);
  add(digest, delta);
  add(digest, output);
}

template <class T>
std::string losses_digest() {
  Sha256 digest;
  for (const std::size_t classes : {1U, 2U, 10U, 17U}) {
    for (const double smoothing : {0.0, 0.1}) {
      for (const OutputLoss loss :
           {OutputLoss::softmax_cross_entropy, OutputLoss::sigmoid_binary_cross_entropy,
            OutputLoss::identity_mse, OutputLoss::identity_mae, OutputLoss::identity_huber}) {
        add_losses<T>(digest, loss, classes, smoothing);
      }
    }
  }
  return digest.hex_digest();
}

// The digests were taken from an unoptimized build. What fails here has computed something else than the
// definition, or changes it: a decision, which CHANGELOG notes.
TEST(ElementBits, ActivationsAreTheSameInEveryBuild) {
  EXPECT_EQ(activations_digest<float>(plain_activations()),
            "abce42dadee7902f22395da696f8268269e88baa237fe083df3c276516f78364");
  EXPECT_EQ(activations_digest<double>(plain_activations()),
            "c5ddb8a24addf7f5172c78c5499d4b5b1c0a75e732fe181d0339f2b07fe5a727");
}

TEST(ElementBits, TrainedActivationsAreTheSameInEveryBuild) {
  EXPECT_EQ(activations_digest<float>(trained_activations()),
            "c27c1e7dec181dc64d57156e4a63e2e9f3ed03afbfe8fe988a818a741423b471");
  EXPECT_EQ(activations_digest<double>(trained_activations()),
            "6ce592d26333b751d11fb509bd137c333bbb8606af31da34fc115095340efe1b");
}

TEST(ElementBits, FormulasAreTheSameInEveryBuild) {
  EXPECT_EQ(activations_digest<float>(formulas()),
            "ecd6d5f3217ee4bb224abfa2c0763016186f993c1640fd1edfec3b900ffdc777");
  EXPECT_EQ(activations_digest<double>(formulas()),
            "23efa19362f244be2394b90e3fb04d3fb677109ef2095b6a35b1d36cc0ebca9c");
}

TEST(ElementBits, LossesAreTheSameInEveryBuild) {
  EXPECT_EQ(losses_digest<float>(), "fa0b9cda8029e03b9c63fd4810c5d0a937e258ad6085017c945f141d5a8b7f74");
  EXPECT_EQ(losses_digest<double>(), "330ad84e6ddb535c16225b21d0846b8b573a057e207fbe337a803edf8d1f197b");
}

}  // namespace
}  // namespace lockstep
