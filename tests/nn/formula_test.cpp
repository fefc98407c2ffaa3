#include "lockstep/nn/formula.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/core/value_and_slope.hpp"
#include "lockstep/nn/activation.hpp"
#include "nn/formula_values.hpp"

namespace lockstep {
namespace {

template <class T>
ValueAndSlope<T> at(const Formula& formula, T x) {
  ValueAndSlope<T> result{};
  formula.evaluate(MatrixView<const T>(&x, 1, 1), MatrixView<T>(&result.value, 1, 1),
                   MatrixView<T>(&result.slope, 1, 1));
  return result;
}
double value(const char* formula, double x) {
  return at(Formula(formula), x).value;
}
double slope(const char* formula, double x) {
  return at(Formula(formula), x).slope;
}

std::string formula_error_of(const std::string& text) {
  try {
    return "no error: " + Formula(text).text();
  } catch (const UserError& error) {
    return error.what();
  }
}

TEST(Formula, OperatorsBindAsInPython) {
  EXPECT_EQ(value("x + 2*3", 1), 7);
  EXPECT_EQ(value("x - 2 - 3", 1), -4);
  EXPECT_EQ(value("x/2/4", 1), 0.125);
  EXPECT_EQ(value("-x^2", 3), -9);
  EXPECT_EQ(value("(-x)^2", 3), 9);
  EXPECT_EQ(value("x^3^2", 2), 512);
  EXPECT_EQ(value("x**-2", 2), 0.25);
  EXPECT_EQ(value("2*-x", 3), -6);
  EXPECT_EQ(value("+x", 3), 3);
  EXPECT_EQ(value("|x| - ||x| - 5|", -3), 1);
  EXPECT_EQ(value("1.5e1 + .5 + x", 0), 15.5);
  EXPECT_EQ(value("x*pi", 1), 3.14159265358979323846);
  EXPECT_EQ(value("x*e", 1), 2.71828182845904523536);
}

TEST(Formula, ConditionsAndPieces) {
  const char* const piecewise = "if(x < -1, -1, if(x <= 1, x, 1))";
  EXPECT_EQ(value(piecewise, -3), -1);
  EXPECT_EQ(value(piecewise, 0.5), 0.5);
  EXPECT_EQ(value(piecewise, 3), 1);
  EXPECT_EQ(value("x if -1 < x <= 1 else 0", 1), 1);
  EXPECT_EQ(value("x if -1 < x <= 1 else 0", -1), 0);
  EXPECT_EQ(value("1 if x > 3 or x < -3 else 2 if x == 0 else 3", 0), 2);
  EXPECT_EQ(value("1 if x > 3 or x < -3 else 2 if x == 0 else 3", -4), 1);
  EXPECT_EQ(value("1 if x > 3 or x < -3 else 2 if x == 0 else 3", 1), 3);
  EXPECT_EQ(value("1*x if not (x > 0 and x != 2) else 9", 2), 2);
  EXPECT_EQ(value("1*x if not (x > 0 and x != 2) else 9", 1), 9);
  EXPECT_EQ(value("clip(x, -2, 2) + min(x, 5, 1) + max(x, 0)", 7), 10);
  EXPECT_EQ(value("sign(x)*x", -7), 7);
  EXPECT_EQ(value("x if 1 < 2 else 0", 4), 4);
}

TEST(Formula, NamedConstantsStandBehindTheFormula) {
  EXPECT_EQ(value("a*x + b, a=2, b=a/4", 3), 6.5);
  EXPECT_EQ(value("x if x > 0 else negative_slope*x, negative_slope=-0.5", -2), 1);
  EXPECT_EQ(Formula("a * x+b , a = 2, b =1").text(), "a*x+b,a=2,b=1");
}

TEST(Formula, EqualsTheTableOfAnIndependentProgram) {
  for (const testing::FormulaValue& expected : testing::formula_values) {
    SCOPED_TRACE(std::string(expected.formula) + " at " + format_exact(expected.x));
    const Formula formula(expected.formula);
    const double scale = std::max(1.0, std::abs(expected.scale));
    const ValueAndSlope<double> found = at(formula, expected.x);
    EXPECT_NEAR(found.value, expected.value, 2e-14 * scale);
    EXPECT_NEAR(found.slope, expected.left_derivative,
                1e-13 * std::max(scale, std::abs(expected.left_derivative)));
    const ValueAndSlope<float> in_float = at(formula, static_cast<float>(expected.x));
    EXPECT_NEAR(in_float.value, expected.value, 1e-5 * scale);
    EXPECT_NEAR(in_float.slope, expected.left_derivative,
                5e-5 * std::max(scale, std::abs(expected.left_derivative)));
  }
}

/// The table's formula with its parameter as a named constant.
std::string formula_of(const ActivationInfo& info) {
  if (info.parameter_name.empty()) return info.formula;
  return info.formula + ", " + info.parameter_name + "=" + format_exact(info.parameter_default);
}

// What the table prints is what the functions compute.
TEST(Formula, FormulasOfTheTableGiveItsFunctionsWithinRounding) {
  for (const ActivationInfo& info : activation_table()) {
    const Formula formula(formula_of(info));
    const Activation activation(info.name);
    for (int i = -4000; i <= 4000; ++i) {
      const double x = i / 100.0;
      const ValueAndSlope<double> found = at(formula, x);
      ASSERT_NEAR(found.value, activation.value(x), 1e-13 * std::max(1.0, std::abs(x)))
          << info.name << " at " << x;
      ASSERT_NEAR(found.slope, activation.derivative(x), 1e-12) << info.name << "' at " << x;
    }
  }
}

TEST(Formula, ActivationsAreFunctionsToo) {
  for (const ActivationInfo& info : activation_table()) {
    if (info.parameter_trained) continue;
    const Formula formula(info.name + "(2*x - 1)");
    const Activation activation(info.name);
    for (const double x : {-30.0, -2.0, -1.0, 0.0, 0.3, 0.5, 2.0, 30.0}) {
      EXPECT_NEAR(at(formula, x).value, activation.value(2 * x - 1), 1e-14 * std::max(1.0, std::abs(x)))
          << info.name << " at " << x;
      EXPECT_NEAR(at(formula, x).slope, 2 * activation.derivative(2 * x - 1), 1e-14)
          << info.name << " at " << x;
    }
  }
  EXPECT_EQ(value("leaky_relu(x, 0.25)", -2), -0.5);
  EXPECT_EQ(value("LeakyReLU(x, a), a=0.25", -2), -0.5);
}

TEST(Formula, SlopesFollowTheLeftBranchOfX) {
  EXPECT_EQ(slope("max(x, 0)", 0), 0);
  EXPECT_EQ(slope("max(-x, 0)", 0), -1);
  EXPECT_EQ(slope("relu(-x)", 0), -1);
  EXPECT_EQ(slope("relu(-2*x + 2)", 1), -2);
  EXPECT_EQ(slope("min(x, 0)", 0), 1);
  EXPECT_EQ(slope("|x|", 0), -1);
  EXPECT_EQ(slope("|1 - x|", 1), -1);
  EXPECT_EQ(slope("x if x > 0 else 0", 0), 0);
  EXPECT_EQ(slope("x if x >= 0 else 0", 0), 0);
  EXPECT_EQ(slope("0 if x < 0 else x", 0), 0);
  EXPECT_EQ(slope("0 if x <= 0 else x", 0), 0);
  EXPECT_EQ(slope("2*x if 0 > -x else 3*x", 0), 3);
  EXPECT_EQ(slope("5*x if x == 0 else 2*x", 0), 2);
  EXPECT_EQ(slope("x if not x <= 0 else 4*x", 0), 4);
  EXPECT_EQ(slope("x if x > 0 and x > -1 else 4*x", 0), 4);
  EXPECT_EQ(slope("x if x > 0 or x > 1 else 4*x", 0), 4);
  EXPECT_EQ(slope("clip(x, -1, 1)", -1), 0);
  EXPECT_EQ(slope("clip(x, -1, 1)", 1), 1);
}

template <class T>
void expect_finite_far_out(const char* text) {
  const Formula formula(text);
  for (int i = -1000; i <= 1000; ++i) {
    const ValueAndSlope<T> found = at(formula, static_cast<T>(i));
    EXPECT_TRUE(std::isfinite(found.value) && std::isfinite(found.slope)) << text << " at " << i;
  }
}

TEST(Formula, FormsThatWouldOverflowAreReplacedByEqualOnes) {
  for (const char* text : {"x*tanh(log(1+exp(x)))", "log(exp(x) + 1)", "1/(1 + exp(-x))", "x/(1 + exp(-x))",
                           "x/(1 + exp(-1.702*x))", "ln(1 + exp(2*x))/2"}) {
    expect_finite_far_out<float>(text);
    expect_finite_far_out<double>(text);
  }
  // Where digits would be lost.
  EXPECT_DOUBLE_EQ(value("exp(x) - 1", 1e-10), std::expm1(1e-10));
  EXPECT_DOUBLE_EQ(value("log(1 + x)", 1e-10), std::log1p(1e-10));
}

TEST(Formula, NaNStaysNaN) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* text : {"x if x > 0 else 0", "max(x, 0)", "min(0, x)", "1 if x == 0 else 2", "|x|",
                           "sign(x)", "1 if x > 0 or x < 1 else 2", "relu6(x)"}) {
    EXPECT_TRUE(std::isnan(value(text, nan))) << text;
  }
}

TEST(Formula, ElementsDoNotDependOnTheirNeighboursNorOnTheShape) {
  const Formula formula("(x if x > 0.25 else softplus(x)*a)/(1 + |x|) + exp(-x^2)^0.3, a=0.7");
  for (const std::size_t columns : {1, 7, 255, 256, 257, 1000}) {
    const std::size_t rows = 3, stride = columns + 5;
    std::vector<float> z(rows * stride, 9), a(z.size(), 7), slopes(rows * columns);
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(i % 97) * 0.1F - 4;
    formula.evaluate(MatrixView<const float>(z.data(), rows, columns, stride),
                     MatrixView<float>(a.data(), rows, columns, stride),
                     MatrixView<float>(slopes.data(), rows, columns));
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        const ValueAndSlope<float> alone = at(formula, z[i * stride + j]);
        ASSERT_EQ(a[i * stride + j], alone.value);
        ASSERT_EQ(slopes[i * columns + j], alone.slope);
      }
      EXPECT_EQ(a[i * stride + columns], 7);
    }
    std::vector<float> in_place = z;
    const MatrixView<float> view(in_place.data(), rows, columns, stride);
    formula.evaluate(MatrixView<const float>(view), view, MatrixView<float>(slopes.data(), rows, columns));
    EXPECT_EQ(in_place[0], a[0]);
    EXPECT_EQ(in_place[stride + columns - 1], a[stride + columns - 1]);
  }
}

TEST(Formula, IdentityAndUnusedPartsWork) {
  EXPECT_EQ(value("x", 3), 3);
  EXPECT_EQ(slope("x", 3), 1);
  EXPECT_EQ(value("x if 2 > 1 else exp(x)", 3), 3);
  EXPECT_EQ(slope("3*x", std::numeric_limits<double>::infinity()), 3);
}

TEST(Formula, TextParsesToTheSameFormula) {
  for (const char* text : {"x * tanh( log(1+ exp(x)) )", "x if  x>0 else  .5 * x", "a*x , a = 1e-3",
                           "1 if not x > 1 and x< 2 else 2*x"}) {
    const Formula once(text);
    const Formula twice(once.text());
    EXPECT_EQ(once.text(), twice.text());
    for (const double x : {-2.0, 0.0, 0.7, 1.5, 3.0})
      EXPECT_EQ(at(once, x).value, at(twice, x).value) << text;
  }
}

TEST(Formula, MistakesAreNamedWithTheirPlaces) {
  const auto expect = [](const std::string& text, const char* part) {
    const std::string message = formula_error_of(text);
    EXPECT_NE(message.find(part), std::string::npos) << text << " gave: " << message;
    EXPECT_EQ(message.find("no error"), std::string::npos) << text;
  };
  expect("", "character 1: expected a number, x, a name or '(', found the end");
  expect("x*tanh(", "character 8: expected a number, x, a name or '(', found the end");
  expect("x*tanh(x", "character 9: expected ')' to close the one at character 7, found the end");
  expect("(x", "to close the one at character 1");
  expect("x)", "character 2: expected an operator or the end, found ')'");
  expect("x*sotfplus(x)", "character 3: expected a function, found 'sotfplus' (did you mean 'softplus'?)");
  expect("x*y", "character 3: expected x, a constant or a function, found 'y'");
  expect("x*y", ", y=1");
  expect("tanh", "expected '(' behind the function tanh, found the end");
  expect("2x", "character 2: expected an operator or the end, found 'x'");
  expect("x $ 2", "character 3: expected letters, digits and");
  expect("x·2", "found '·'");
  expect("x + ", "found the end");
  expect("x * / 2", "character 5");
  expect("tanh(x, 2)", "tanh: expected 1 arguments, found 2");
  expect("min(x)", "min: expected 2 or more arguments, found 1");
  expect("if(x, 1, 2)", "character 4: expected a condition such as x > 0, found a number");
  expect("if(x > 0, 1)", "if: expected 3 arguments, found 2");
  expect("x > 0", "character 1: expected a number, found a condition");
  expect("(x > 0) + 1", "character 1: expected a number, found a condition");
  expect("1 + (x > 0)", "character 5: expected a number, found a condition");
  expect("x if x > 0", "expected 'else' behind the condition, found the end");
  expect("x and x > 0", "expected a condition");
  expect("1", "expected a function of x, found a constant");
  expect("x - x*(1 - 1) + 1/0", "finite");
  expect("x + log(-1)", "finite");
  expect("x*1e999", "range of double");
  expect("x*a, a=x", "expected a constant for a, found x in it");
  expect("x*a, a=", "found the end");
  expect("x, pi=3", "expected a new name for the constant, found 'pi'");
  expect("x*a, a=1, a=2", "expected a new name");
  expect("x, 2", "character 2: expected an operator or the end, found ','");
  expect("prelu(x)", "expected a function, found 'prelu'");
  expect(std::string(3000, 'x'), "expected at most 2000 characters, found 3000");
  expect(std::string(500, '(') + "x" + std::string(500, ')'), "expected at most 100 nested parts");
  expect(std::string(500, '-') + "x", "expected at most 100 nested parts");
  expect("x^" + std::string(300, '-') + "2", "expected at most 100 nested parts");
}

std::string many_operations() {
  std::string text = "x";
  for (int i = 0; i < 190; ++i) text += "+relu6(" + std::to_string(i) + "*x)";
  return text;
}

TEST(Formula, SizeIsBounded) {
  EXPECT_NE(formula_error_of(many_operations()).find("2000 characters"), std::string::npos);
  std::string text = "x";
  for (int i = 0; i < 150; ++i) text += "+selu(x*" + std::to_string(i) + ")";
  EXPECT_NE(formula_error_of(text).find("at most 1000 operations"), std::string::npos)
      << formula_error_of(text);
}

TEST(Formula, IsAnActivation) {
  const Activation f("formula( x*tanh(softplus(x)) )");
  EXPECT_EQ(f.text(), "formula(x*tanh(softplus(x)))");
  EXPECT_TRUE(f.is_formula());
  EXPECT_TRUE(f.keeps_slopes());
  EXPECT_EQ(f, Activation(f.text()));
  EXPECT_NE(f, Activation("formula(x*tanh(x))"));
  EXPECT_NE(f, Activation("mish"));
  EXPECT_EQ(Activation("Formula(max(a*x, x), a=0.1)").text(), "formula(max(a*x,x),a=0.1)");
  EXPECT_TRUE(f.trainable());
  EXPECT_FALSE(Activation("formula(sign(x))").trainable());
  EXPECT_NEAR(f.value(0.7), Activation("mish").value(0.7), 1e-15);
  EXPECT_NEAR(f.derivative(0.7), Activation("mish").derivative(0.7), 1e-15);
  EXPECT_EQ(f.info().default_initializer, "he_uniform");
  EXPECT_EQ(Activation("formula(atan(x))").info().default_initializer, "glorot_uniform");
  EXPECT_EQ(f.trained_parameters(3), 0U);
}

}  // namespace
}  // namespace lockstep
