#include "lockstep/nn/constraint.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "nn/constraint_values.hpp"

namespace lockstep {
namespace {

using testing::kernel_columns, testing::kernel_rows;

/// NumPy's kernel without a constraint, under `constraint`.
template <class T>
std::vector<T> constrained(const Constraint& constraint) {
  const double* const start = testing::constraint_values[0].kernel;
  std::vector<T> kernel(kernel_rows * kernel_columns);
  for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] = static_cast<T>(start[i]);
  constraint.apply(MatrixView<T>(kernel.data(), kernel_rows, kernel_columns));
  return kernel;
}

TEST(Constraint, EqualsNumpy) {
  for (const auto& value : testing::constraint_values) {
    const std::vector<double> in_double = constrained<double>(Constraint(value.text));
    const std::vector<float> in_float = constrained<float>(Constraint(value.text));
    for (std::size_t i = 0; i < in_double.size(); ++i) {
      EXPECT_NEAR(in_double[i], value.kernel[i], 1e-15) << value.text << ", element " << i;
      EXPECT_NEAR(in_float[i], value.kernel[i], 2e-7) << value.text << ", element " << i;
    }
  }
}

TEST(Constraint, DefaultIsNone) {
  EXPECT_TRUE(Constraint().none());
  EXPECT_TRUE(Constraint("none").none());
  EXPECT_FALSE(Constraint("nonneg").none());
}

TEST(Constraint, NotANumberStays) {
  for (const char* text : {"nonneg", "max_norm(1)", "unit_norm"}) {
    std::vector<double> kernel = {std::numeric_limits<double>::quiet_NaN(), -1.0};
    Constraint(text).apply(MatrixView<double>(kernel.data(), 2, 1));
    EXPECT_TRUE(std::isnan(kernel[0])) << text;
  }
}

TEST(Constraint, TextParsesToTheSameConstraint) {
  for (const std::string text : {"none", "nonneg", "max_norm(2)", "max_norm(0.5)", "unit_norm"}) {
    EXPECT_EQ(Constraint(text).text(), text);
  }
  EXPECT_EQ(Constraint("MaxNorm").text(), "max_norm(2)");
  EXPECT_EQ(Constraint("NonNeg").text(), "nonneg");
  EXPECT_EQ(Constraint("UnitNorm").text(), "unit_norm");
}

TEST(Constraint, RefusesBadTexts) {
  for (const std::string text : {"max_norm(0)", "max_norm(-1)", "max_norm(nan)", "max_norm(1,2)",
                                 "max_norm(a)", "max_norm(1", "nonneg(1)", "unit_norm(2)", "", "something"}) {
    EXPECT_THROW(Constraint{text}, UserError) << text;
  }
}

TEST(Constraint, NamesTheNearest) {
  try {
    Constraint("maxnrm(2)");
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("'max_norm'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lockstep
