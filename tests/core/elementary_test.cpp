#include "lockstep/core/elementary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/elementary_values.hpp"
#include "lockstep/core/sha256.hpp"

namespace lockstep {
namespace {

using testing::ElementaryValue;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The distance between neighbouring numbers of type T at `x`.
template <class T>
double unit_in_the_last_place(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  const int smallest = std::numeric_limits<T>::min_exponent;
  return std::ldexp(1.0, std::max(exponent, smallest) - std::numeric_limits<T>::digits);
}

/// |found − (high + low)| in units in the last place.
template <class T>
double error_in_ulp(T found, double high, double low) {
  return std::abs((static_cast<double>(found) - high) - low) / unit_in_the_last_place<T>(high);
}

template <class T>
void expect_accurate(const char* name, T (*function)(T), std::span<const ElementaryValue> values,
                     double bound) {
  double largest = 0;
  for (const ElementaryValue& value : values) {
    const T found = function(static_cast<T>(value.x));
    const double error = error_in_ulp(found, value.high, value.low);
    EXPECT_LE(error, bound) << name << "(" << value.x << ") = " << value.high << ", found " << found;
    largest = std::max(largest, error);
  }
  ::testing::Test::RecordProperty(std::string(name) + (sizeof(T) == 4 ? "_float_ulp" : "_double_ulp"),
                                  std::to_string(largest));
}

// The bounds that elementary.hpp promises.
constexpr double double_bound = 3, float_bound = 1.5, float_bound_in_double_arithmetic = 0.55;

TEST(Elementary, DoubleFunctionsAreAccurate) {
  using namespace testing;
  expect_accurate<double>("exp", elementary::exp, exp_double_values, double_bound);
  expect_accurate<double>("expm1", elementary::expm1, expm1_double_values, double_bound);
  expect_accurate<double>("log", elementary::log, log_double_values, double_bound);
  expect_accurate<double>("log1p", elementary::log1p, log1p_double_values, double_bound);
  expect_accurate<double>("tanh", elementary::tanh, tanh_double_values, double_bound);
  expect_accurate<double>("erf", elementary::erf, erf_double_values, double_bound);
  expect_accurate<double>("sin", elementary::sin, sin_double_values, double_bound);
  expect_accurate<double>("cos", elementary::cos, cos_double_values, double_bound);
}

TEST(Elementary, FloatFunctionsAreAccurate) {
  using namespace testing;
  expect_accurate<float>("exp", elementary::exp, exp_float_values, float_bound);
  expect_accurate<float>("expm1", elementary::expm1, expm1_float_values, float_bound);
  expect_accurate<float>("log", elementary::log, log_float_values, float_bound);
  expect_accurate<float>("log1p", elementary::log1p, log1p_float_values, float_bound);
  expect_accurate<float>("tanh", elementary::tanh, tanh_float_values, float_bound);
  expect_accurate<float>("erf", elementary::erf, erf_float_values, float_bound);
  expect_accurate<float>("sin", elementary::sin, sin_float_values, float_bound_in_double_arithmetic);
  expect_accurate<float>("cos", elementary::cos, cos_float_values, float_bound_in_double_arithmetic);
}

/// Compares at every 1009th float; `expected` is as good as double can be.
void expect_accurate_everywhere(const char* name, float (*function)(float), double (*expected)(double),
                                double ulp_bound, double absolute_bound = 0) {
  double worst = 0;
  float worst_x = 0;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 1009) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    const float found = function(x);
    const double value = expected(static_cast<double>(x));
    if (std::isnan(value) || std::isinf(static_cast<float>(value))) {
      ASSERT_EQ(std::isnan(value), std::isnan(found)) << name << "(" << x << ")";
      ASSERT_TRUE(std::isnan(value) || found == static_cast<float>(value)) << name << "(" << x << ")";
    } else if (std::abs(static_cast<double>(found) - value) > absolute_bound) {
      const double error = error_in_ulp(found, value, 0);
      if (error > worst) worst_x = x;
      worst = std::max(worst, error);
    }
  }
  EXPECT_LE(worst, ulp_bound) << name << "(" << worst_x << ")";
}

double logistic_slope(double x) {
  const double e = std::exp(-std::abs(x));
  return e / ((1 + e) * (1 + e));
}

double normal_density(double x) {
  return std::exp(-x * x / 2) * 0.39894228040143267794;
}

TEST(Elementary, FloatFunctionsAreAccurateOverAllFloats) {
  constexpr auto expect = expect_accurate_everywhere;
  expect("exp", elementary::exp, std::exp, float_bound, 0);
  expect("expm1", elementary::expm1, std::expm1, float_bound, 0);
  expect("log", elementary::log, std::log, float_bound, 0);
  expect("log1p", elementary::log1p, std::log1p, float_bound, 0);
  expect("tanh", elementary::tanh, std::tanh, float_bound, 0);
  expect("erf", elementary::erf, std::erf, float_bound, 0);
}

TEST(Elementary, FloatFunctionsWithSlopesAreAccurateOverAllFloats) {
  constexpr auto expect = expect_accurate_everywhere;
  expect(
      "logistic", [](float x) { return elementary::logistic(x).value; },
      [](double x) { return 1 / (1 + std::exp(-x)); }, 3, 0);
  expect(
      "logistic'", [](float x) { return elementary::logistic(x).slope; }, logistic_slope, 5, 0);
  expect(
      "tanh'", [](float x) { return elementary::tanh_and_slope(x).slope; },
      [](double x) { return 4 * logistic_slope(2 * x); }, 5, 0);
  expect(
      "normal cdf", [](float x) { return elementary::normal_cdf(x).value; },
      [](double x) { return std::erfc(-x * std::sqrt(0.5)) / 2; }, 0, 2.7e-7);
  expect(
      "normal cdf", [](float x) { return elementary::normal_cdf(x).value; },
      [](double x) { return std::erfc(-x * std::sqrt(0.5)) / 2; }, 70, 0);
  expect(
      "normal density", [](float x) { return elementary::normal_cdf(x).slope; }, normal_density, 0, 5e-8);
  expect(
      "normal density", [](float x) { return elementary::normal_cdf(x).slope; }, normal_density, 70, 0);
}

TEST(Elementary, PowIsAccurateForTheRatesOfSchedules) {
  for (const testing::PowerValue& value : testing::pow_values) {
    // The error of y · log x, times its size.
    const double bound = 4 + 2 * std::abs(value.y * std::log(value.x));
    EXPECT_LE(error_in_ulp(elementary::pow(value.x, value.y), value.high, value.low), bound)
        << "pow(" << value.x << ", " << value.y << ")";
  }
  EXPECT_EQ(elementary::pow(0, 0), 1);
  EXPECT_EQ(elementary::pow(0, 2), 0);
  EXPECT_EQ(elementary::pow(0, -2), inf);
  EXPECT_EQ(elementary::pow(1, 1e300), 1);
  EXPECT_TRUE(std::isnan(elementary::pow(not_a_number, 2)));
  EXPECT_TRUE(std::isnan(elementary::pow(2, not_a_number)));
}

TEST(Elementary, PowerMultiplies) {
  EXPECT_EQ(elementary::power(0.9, 0), 1);
  EXPECT_EQ(elementary::power(0, 0), 1);
  EXPECT_EQ(elementary::power(-2, 3), -8);
  EXPECT_EQ(elementary::power(3, 20), 3486784401.0);
  EXPECT_NEAR(elementary::power(0.999, 100000) / 3.53852768834312774e-44, 1, 1e-9);
  EXPECT_EQ(elementary::power(0.5, ~0ULL), 0);
}

/// `value` in T, with its sign: −0 and 0 are told apart; any NaN equals any NaN.
template <class T>
void expect_identical(const char* name, T found, double value) {
  const T expected = static_cast<T>(value);
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << name << ", found " << found;
  } else {
    EXPECT_EQ(found, expected) << name;
    EXPECT_EQ(std::signbit(found), std::signbit(expected)) << name;
  }
}

template <class T>
void expect_special_values() {
  struct Case {
    const char* name;
    T (*function)(T);
    double x, value;
  };
  const Case cases[] = {
      {"exp", elementary::exp, -inf, 0},
      {"exp", elementary::exp, inf, inf},
      {"exp", elementary::exp, 0.0, 1},
      {"exp", elementary::exp, -0.0, 1},
      {"exp", elementary::exp, 1e30, inf},
      {"exp", elementary::exp, -1e30, 0},
      {"expm1", elementary::expm1, -inf, -1},
      {"expm1", elementary::expm1, inf, inf},
      {"expm1", elementary::expm1, 0.0, 0.0},
      {"expm1", elementary::expm1, -0.0, -0.0},
      {"expm1", elementary::expm1, -1e30, -1},
      {"expm1", elementary::expm1, 1e30, inf},
      {"log", elementary::log, 0.0, -inf},
      {"log", elementary::log, -0.0, -inf},
      {"log", elementary::log, -1.0, not_a_number},
      {"log", elementary::log, -inf, not_a_number},
      {"log", elementary::log, inf, inf},
      {"log", elementary::log, 1.0, 0.0},
      {"log1p", elementary::log1p, -1.0, -inf},
      {"log1p", elementary::log1p, -1.5, not_a_number},
      {"log1p", elementary::log1p, -inf, not_a_number},
      {"log1p", elementary::log1p, inf, inf},
      {"log1p", elementary::log1p, 0.0, 0.0},
      {"log1p", elementary::log1p, -0.0, -0.0},
      {"tanh", elementary::tanh, -inf, -1},
      {"tanh", elementary::tanh, inf, 1},
      {"tanh", elementary::tanh, 0.0, 0.0},
      {"tanh", elementary::tanh, -0.0, -0.0},
      {"tanh", elementary::tanh, 1e30, 1},
      {"erf", elementary::erf, -inf, -1},
      {"erf", elementary::erf, inf, 1},
      {"erf", elementary::erf, 0.0, 0.0},
      {"erf", elementary::erf, -0.0, -0.0},
      {"erf", elementary::erf, -1e30, -1},
      {"sin", elementary::sin, 0.0, 0.0},
      {"sin", elementary::sin, -0.0, -0.0},
      {"sin", elementary::sin, inf, not_a_number},
      {"cos", elementary::cos, 0.0, 1},
      {"cos", elementary::cos, -0.0, 1},
      {"cos", elementary::cos, -inf, not_a_number},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.x);
    expect_identical(c.name, c.function(static_cast<T>(c.x)), c.value);
    expect_identical(c.name, c.function(std::numeric_limits<T>::quiet_NaN()), not_a_number);
  }
}

TEST(Elementary, SpecialValuesAreThoseOfTheStandard) {
  expect_special_values<double>();
  expect_special_values<float>();
}

TEST(Elementary, SinAndCosOfHugeArgumentsStayInRange) {
  for (const double x : {1e7, -1e15, 1e22, 1e300, std::numeric_limits<double>::max()}) {
    EXPECT_LE(std::abs(elementary::sin(x)), 1.0) << x;
    EXPECT_LE(std::abs(elementary::cos(x)), 1.0) << x;
  }
  EXPECT_NEAR(elementary::sin(1e7), std::sin(1e7), 1e-8);
}

template <class T>
void expect_odd_and_bounded() {
  for (int i = 0; i <= 20000; ++i) {
    const T x = static_cast<T>(i) * T(0.0007);
    EXPECT_EQ(elementary::tanh(-x), -elementary::tanh(x));
    EXPECT_EQ(elementary::erf(-x), -elementary::erf(x));
    EXPECT_LE(elementary::tanh(x), T(1));
    EXPECT_LE(elementary::erf(x), T(1));
    EXPECT_LE(elementary::exp(-x), T(1));
    EXPECT_GE(elementary::expm1(-x), T(-1));
  }
}

TEST(Elementary, TanhAndErfAreOddAndNothingLeavesItsRange) {
  expect_odd_and_bounded<double>();
  expect_odd_and_bounded<float>();
}

/// Feeds the digest with the bits of `function` at many numbers of every size up to 2^largest_exponent.
template <class T>
void add_bits(Sha256& digest, T (*function)(T), int largest_exponent) {
  std::mt19937 engine(1);
  std::vector<T> values;
  for (int i = 0; i < 4096; ++i) {
    const double fraction = 1.0 + static_cast<double>(engine()) * 0x1p-32;
    const int exponent = largest_exponent - static_cast<int>(engine() % 24);
    const double sign = engine() % 2 == 0 ? 1 : -1;
    const double x = sign * std::ldexp(fraction, exponent);
    const T value = function(static_cast<T>(x));
    values.push_back(std::isnan(value) ? T(0) : value);  // the bits of a NaN are not defined
  }
  digest.update(std::as_bytes(std::span(values)));
}

template <class T>
void add_bits_of_all_functions(Sha256& digest) {
  add_bits<T>(digest, elementary::exp, 9);
  add_bits<T>(digest, elementary::expm1, 9);
  add_bits<T>(digest, elementary::log, 30);
  add_bits<T>(digest, elementary::log1p, 30);
  add_bits<T>(digest, elementary::tanh, 4);
  add_bits<T>(digest, elementary::erf, 2);
  add_bits<T>(digest, elementary::sin, 19);
  add_bits<T>(digest, elementary::cos, 19);
  add_bits<T>(
      digest, +[](T x) { return elementary::logistic(x).value; }, 6);
  add_bits<T>(
      digest, +[](T x) { return elementary::logistic(x).slope; }, 6);
  add_bits<T>(
      digest, +[](T x) { return elementary::tanh_and_slope(x).slope; }, 5);
  add_bits<T>(
      digest, +[](T x) { return elementary::normal_cdf(x).value; }, 3);
  add_bits<T>(
      digest, +[](T x) { return elementary::normal_cdf(x).slope; }, 3);
}

// The promise that compiler, its options and the machine do not matter: what fails here has computed
// something else than the definition. (Accuracy is tested above; the digest was taken from an unoptimized
// build.)
TEST(Elementary, BitsAreTheSameInEveryBuild) {
  Sha256 digest;
  add_bits_of_all_functions<double>(digest);
  add_bits_of_all_functions<float>(digest);
  EXPECT_EQ(digest.hex_digest(), "72ba4bfab6c624c308613fd5ee5b839f79269d1fd3aae69e4342e63868bb09d7");
}

}  // namespace
}  // namespace lockstep
