#include "lockstep/nn/activation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "nn/activation_values.hpp"

namespace lockstep {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const ActivationInfo& info : activation_table()) names.push_back(info.name);
  return names;
}

/// Points from −12 to 12, dense, missing no region of interest and (but for a few) no kink.
std::vector<double> sweep() {
  std::vector<double> points;
  for (int i = -12'000; i <= 12'000; ++i) points.push_back(i / 1000.0 + 1e-5);
  return points;
}

/// The open or closed interval that the table prints, e.g. "(-alpha, 1]".
struct Interval {
  double low, high;
};
Interval parse_range(const ActivationInfo& info) {
  const auto number = [&](std::string text) {
    const bool negative = text.front() == '-';
    if (negative) text.erase(0, 1);
    const double magnitude = text == "inf"                 ? inf
                             : text == info.parameter_name ? info.parameter_default
                                                           : std::stod(text);
    return negative ? -magnitude : magnitude;
  };
  const std::size_t comma = info.range.find(", ");
  return {number(info.range.substr(1, comma - 1)),
          number(info.range.substr(comma + 2, info.range.size() - comma - 3))};
}

template <class T>
T forward_one(const Activation& f, T x) {
  T a = x;
  f.forward(MatrixView<const T>(&a, 1, 1), MatrixView<T>(&a, 1, 1));
  return a;
}

template <class T>
T backward_one(const Activation& f, T x) {
  T delta = 1;
  f.backward(MatrixView<const T>(&x, 1, 1), MatrixView<T>(&delta, 1, 1));
  return delta;
}

std::string error_of(const std::string& text) {
  try {
    const Activation parsed(text);
    return "no error: " + parsed.text();
  } catch (const UserError& error) {
    return error.what();
  }
}

TEST(Activation, ValuesAndDerivativesEqualAnIndependentTable) {
  std::set<std::string> covered;
  for (const testing::ActivationValue& expected : testing::activation_values) {
    const Activation f(expected.activation);
    covered.insert(f.info().name);
    SCOPED_TRACE(std::string(expected.activation) + " at " + std::to_string(expected.x));
    EXPECT_NEAR(f.value(expected.x), expected.value, 2e-15 * std::max(1.0, std::abs(expected.value)));
    EXPECT_NEAR(f.derivative(expected.x), expected.left_derivative, 4e-15);
    const auto x = static_cast<float>(expected.x);
    // 0.001 is the only point that float cannot hold; sin(1e4) etc. do not feel the rest.
    EXPECT_NEAR(forward_one(f, x), expected.value, 1e-6 * std::max(1.0, std::abs(expected.value)));
    EXPECT_NEAR(backward_one(f, x), expected.left_derivative, 2e-6);
  }
  for (const std::string& name : all_names()) EXPECT_TRUE(covered.contains(name)) << name;
}

TEST(Activation, DerivativesEqualCentralDifferencesOfTheValues) {
  for (const std::string& name : all_names()) {
    const Activation f(name);
    for (const double x : sweep()) {
      const double h = 1e-6;
      const double difference = (f.value(x + h) - f.value(x - h)) / (2 * h);
      EXPECT_NEAR(f.derivative(x), difference, 1e-8) << name << " at " << x;
    }
  }
}

TEST(Activation, TableTellsTheTruthAboutSlopes) {
  for (const std::string& name : all_names()) {
    const Activation f(name);
    std::vector<double> points = sweep();
    for (int i = -48; i <= 48; ++i)
      points.push_back(i / 4.0);  // kinks, where the left slope may be the steepest
    double steepest = 0;
    for (const double x : points) steepest = std::max(steepest, std::abs(f.derivative(x)));
    EXPECT_LE(steepest, f.info().max_slope * (1 + 1e-12)) << name;
    // softsign, tanhshrink, … come arbitrarily close to the supremum only.
    EXPECT_GE(steepest, f.info().max_slope * (1 - 1e-4)) << name;
    EXPECT_EQ(f.info().trainable, steepest > 0) << name;
  }
}

TEST(Activation, TableTellsTheTruthAboutMonotony) {
  for (const std::string& name : all_names()) {
    const Activation f(name);
    bool monotone = true;
    for (const double x : sweep()) monotone &= f.derivative(x) >= 0;
    EXPECT_EQ(f.info().monotone, monotone) << name;
  }
}

TEST(Activation, TableTellsTheTruthAboutRange) {
  for (const std::string& name : all_names()) {
    const Activation f(name);
    const Interval range = parse_range(f.info());
    std::vector<double> points = sweep();
    points.insert(points.end(), {-1e6, -1e4, 0, 1e4, 1e6});
    double low = inf, high = -inf;
    for (const double x : points) {
      low = std::min(low, f.value(x));
      high = std::max(high, f.value(x));
    }
    EXPECT_GE(low, range.low - 1e-15) << name;
    EXPECT_LE(high, range.high + 1e-15) << name;
    const auto reaches = [](double seen, double bound) {
      return std::isinf(bound) ? std::abs(seen) > 9000 : std::abs(seen - bound) < 1e-5;
    };
    EXPECT_TRUE(reaches(low, range.low)) << name << " " << low;
    EXPECT_TRUE(reaches(high, range.high)) << name << " " << high;
    EXPECT_EQ(f.info().bounded, std::isfinite(range.low) && std::isfinite(range.high)) << name;

    bool odd = true;
    for (const double x : sweep()) odd &= std::abs(f.value(-x) + f.value(x)) < 1e-14;
    EXPECT_EQ(f.info().zero_centred, odd || range.low == -range.high) << name;
  }
}

TEST(Activation, DerivativeFollowsTheLeftBranchAtKinks) {
  const auto at = [](const char* name, double x) { return Activation(name).derivative(x); };
  EXPECT_EQ(at("relu", 0), 0);
  EXPECT_EQ(at("relu", -0.0), 0);
  EXPECT_EQ(at("leaky_relu(0.2)", 0), 0.2);
  EXPECT_EQ(at("relu6", 0), 0);
  EXPECT_EQ(at("relu6", 6), 1);
  EXPECT_EQ(at("hard_tanh", -1), 0);
  EXPECT_EQ(at("hard_tanh", 1), 1);
  EXPECT_EQ(at("elu(0.5)", 0), 0.5);
  EXPECT_EQ(at("hard_sigmoid", -3), 0);
  EXPECT_EQ(at("hardswish", 3), 1.5);
  EXPECT_EQ(at("softshrink", -0.5), 1);
  EXPECT_EQ(at("softshrink", 0.5), 0);
}

template <class T>
void expect_finite_far_out() {
  for (const std::string& name : all_names()) {
    const Activation f(name);
    for (const double x : {-1e4, -800.0, -200.0, -90.0, 90.0, 200.0, 800.0, 1e4}) {
      EXPECT_TRUE(std::isfinite(forward_one(f, static_cast<T>(x)))) << name << " at " << x;
      EXPECT_TRUE(std::isfinite(backward_one(f, static_cast<T>(x)))) << name << " at " << x;
    }
    if (name == "sine") continue;  // has no limit
    for (const double x :
         {-inf, inf, double{std::numeric_limits<T>::max()}, double{std::numeric_limits<T>::lowest()}}) {
      EXPECT_FALSE(std::isnan(forward_one(f, static_cast<T>(x)))) << name << " at " << x;
      EXPECT_TRUE(std::isfinite(backward_one(f, static_cast<T>(x)))) << name << " at " << x;
    }
  }
}

TEST(Activation, StaysFiniteFarOutInDouble) {
  expect_finite_far_out<double>();
}
TEST(Activation, StaysFiniteFarOutInFloat) {
  expect_finite_far_out<float>();
}

TEST(Activation, ReachesItsLimitsAtInfinity) {
  const auto at = [](const char* name, double x) { return Activation(name).value(x); };
  EXPECT_EQ(at("sigmoid", -inf), 0);
  EXPECT_EQ(at("sigmoid", inf), 1);
  EXPECT_EQ(at("softsign", -inf), -1);
  EXPECT_EQ(at("softsign", inf), 1);
  EXPECT_EQ(at("gelu", -inf), 0);
  EXPECT_EQ(at("gelu_tanh", -inf), 0);
  EXPECT_EQ(at("silu", -inf), 0);
  EXPECT_EQ(at("mish", -inf), 0);
  EXPECT_EQ(at("hardswish", -inf), 0);
  EXPECT_EQ(at("mish", inf), inf);
  EXPECT_EQ(at("softplus", -inf), 0);
  EXPECT_EQ(at("log_sigmoid", -inf), -inf);
  EXPECT_EQ(at("elu(0.5)", -inf), -0.5);
  EXPECT_EQ(at("gaussian", inf), 0);
}

TEST(Activation, NaNStaysNaN) {
  for (const std::string& name : all_names()) {
    EXPECT_TRUE(std::isnan(Activation(name).value(not_a_number))) << name;
    EXPECT_TRUE(std::isnan(forward_one(Activation(name), std::numeric_limits<float>::quiet_NaN()))) << name;
  }
}

TEST(Activation, TrainedParametersOfUnitsApplyToTheirColumns) {
  const std::vector<double> z = {-1, -2, 3, -4}, slopes = {0.5, 0.1};
  std::vector<double> a(4), delta = {1, 1, 1, 1};
  const MatrixView<const double> view(z.data(), 2, 2);
  const Activation f("prelu(per=unit)");
  EXPECT_EQ(f.trained_parameters(2), 2U);
  EXPECT_EQ(Activation("prelu").trained_parameters(2), 1U);
  EXPECT_EQ(Activation("leaky_relu").trained_parameters(2), 0U);
  f.forward(view, MatrixView<double>(a.data(), 2, 2), slopes);
  EXPECT_EQ(a, (std::vector<double>{-0.5, -0.2, 3, -0.4}));
  f.backward(view, MatrixView<double>(delta.data(), 2, 2), slopes);
  EXPECT_EQ(delta, (std::vector<double>{0.5, 0.1, 1, 0.1}));

  const std::vector<double> delta_a = {2, 3, 5, 7};
  std::vector<double> gradient(2, 99);
  f.parameter_gradient(view, MatrixView<const double>(delta_a.data(), 2, 2), slopes, gradient);
  EXPECT_EQ(gradient, (std::vector<double>{2 * -1, 3 * -2 + 7 * -4}));
  gradient = {99};
  const std::vector<double> slope = {0.5};
  Activation("prelu").parameter_gradient(view, MatrixView<const double>(delta_a.data(), 2, 2), slope,
                                         gradient);
  EXPECT_EQ(gradient, std::vector<double>{-36});
}

TEST(Activation, WorksInPlaceAndOnStridedMatrices) {
  std::vector<double> z = {-1, 2, 99, 3, -4, 99};
  const MatrixView<double> view(z.data(), 2, 2, 3);
  Activation("relu").forward(MatrixView<const double>(view), view);
  EXPECT_EQ(z, (std::vector<double>{0, 2, 99, 3, 0, 99}));

  std::vector<double> delta = {5, 6, 77, 7, 8, 77};
  Activation("relu").backward(MatrixView<const double>(view), MatrixView<double>(delta.data(), 2, 2, 3));
  EXPECT_EQ(delta, (std::vector<double>{0, 6, 77, 7, 0, 77}));
}

TEST(Activation, StepTrainsWithTheDerivativeOfItsSurrogate) {
  const Activation plain("step"), surrogate("step(surrogate=sigmoid)"), sigmoid("sigmoid");
  EXPECT_FALSE(plain.trainable());
  EXPECT_TRUE(surrogate.trainable());
  for (const double x : {-2.0, 0.0, 0.5}) {
    EXPECT_EQ(surrogate.value(x), plain.value(x));
    EXPECT_EQ(surrogate.derivative(x), sigmoid.derivative(x));
    EXPECT_EQ(plain.derivative(x), 0);
  }
}

TEST(Activation, AcceptsTheSpellingsOfKerasAndPyTorch) {
  const auto canonical = [](const char* text) { return Activation(text).text(); };
  EXPECT_EQ(canonical("ReLU"), "relu");
  EXPECT_EQ(canonical("LeakyReLU"), "leaky_relu(0.01)");
  EXPECT_EQ(canonical("LeakyReLU(0.2)"), "leaky_relu(0.2)");
  EXPECT_EQ(canonical("leaky_relu(negative_slope=0.2)"), "leaky_relu(0.2)");
  EXPECT_EQ(canonical("elu(alpha = 2)"), "elu(2)");
  EXPECT_EQ(canonical("linear"), "identity");
  EXPECT_EQ(canonical("none"), "identity");
  EXPECT_EQ(canonical("swish"), "silu");
  EXPECT_EQ(canonical("SiLU"), "silu");
  EXPECT_EQ(canonical("Hardswish"), "hardswish");
  EXPECT_EQ(canonical("hard_silu"), "hardswish");
  EXPECT_EQ(canonical("hard_swish"), "hardswish");
  EXPECT_EQ(canonical("LogSigmoid"), "log_sigmoid");
  EXPECT_EQ(canonical("Hardtanh"), "hard_tanh");
  EXPECT_EQ(canonical("Softshrink(0.3)"), "softshrink(0.3)");
  EXPECT_EQ(canonical("soft_shrink"), "softshrink(0.5)");
  EXPECT_EQ(canonical("tanh_shrink"), "tanhshrink");
  EXPECT_EQ(canonical("step(surrogate=Sigmoid)"), "step(surrogate=sigmoid)");
  EXPECT_EQ(canonical("PReLU"), "prelu(0.25)");
  EXPECT_EQ(canonical("PReLU(0, per = unit)"), "prelu(0,per=unit)");
  EXPECT_EQ(canonical("prelu(per=unit)"), "prelu(0.25,per=unit)");
  EXPECT_EQ(canonical("prelu(slope=0.1,per=layer)"), "prelu(0.1)");
  EXPECT_EQ(canonical("swish(trained)"), "swish(trained,1)");
  EXPECT_EQ(canonical("swish(beta trained)"), "swish(trained,1)");
  EXPECT_EQ(canonical("SiLU(per=unit,trained,beta=1.5)"), "swish(trained,1.5,per=unit)");
}

TEST(Activation, NamesAndAliasesAreUniqueAndComplete) {
  std::set<std::string> seen;
  for (const ActivationInfo& info : activation_table()) {
    EXPECT_TRUE(seen.insert(info.name).second) << info.name;
    for (const std::string& alias : info.aliases) EXPECT_TRUE(seen.insert(alias).second) << alias;
    for (const std::string* text :
         {&info.formula, &info.derivative, &info.range, &info.default_initializer, &info.note}) {
      EXPECT_FALSE(text->empty()) << info.name;
    }
    EXPECT_EQ(Activation(info.name).info().name, info.name);
  }
  EXPECT_EQ(activation_table().size(), 26U);
}

TEST(Activation, TextParsesToTheSameActivation) {
  std::vector<std::string> texts = all_names();
  texts.insert(texts.end(), {"leaky_relu(0.30000000000000004)", "step(surrogate=tanh)", "celu(1e-3)",
                             "prelu(-0.1,per=unit)", "swish(trained,0.5)"});
  for (const std::string& text : texts)
    EXPECT_EQ(Activation(Activation(text).text()), Activation(text)) << text;
  EXPECT_EQ(Activation().text(), "identity");
}

TEST(Activation, MistakesAreNamed) {
  const auto expect = [](const char* text, const char* part) {
    const std::string message = error_of(text);
    EXPECT_NE(message.find(part), std::string::npos) << text << " gave: " << message;
    EXPECT_EQ(message.find("no error"), std::string::npos) << text;
  };
  expect("reul", "did you mean 'relu'");
  expect("unheard_of", "activations are identity");
  expect("leaky_relu(", "leaky_relu(");
  expect("leaky_relu(0.2", "leaky_relu(0.2");
  expect("leaky_relu 0.2)", "leaky_relu 0.2)");
  expect("leaky_relu(abc)", "negative_slope");
  expect("leaky_relu(negative_slope=)", "negative_slope");
  expect("leaky_relu(-1)", "must be from 0 to 1000");
  expect("leaky_relu(nan)", "leaky_relu(nan)");
  expect("leaky_relu(inf)", "leaky_relu(inf)");
  expect("leaky_relu(alpha=1)", "negative_slope");
  expect("leaky_relu(0.1,0.2)", "expected one parameter, found 2");
  expect("celu(0)", "alpha");
  expect("relu(3)", "relu takes no parameter");
  expect("step(sigmoid)", "surrogate=NAME");
  expect("step(surrogate=step)", "must have a derivative");
  expect("step(surrogate=sigmoyd)", "did you mean 'sigmoid'");
  expect("prelu(per=row)", "expected per=layer or per=unit");
  expect("prelu(trained)", "slope");
  expect("leaky_relu(per=unit)", "unknown parameter 'per'");
  expect("swish(0.5)", "silu takes no parameter; swish(trained,0.5) trains its beta");
  expect("step(surrogate=prelu)", "has a trained parameter");
  expect("", "unknown activation");
}

}  // namespace
}  // namespace lockstep
