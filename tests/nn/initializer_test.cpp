#include "lockstep/nn/initializer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/sha256.hpp"
#include "nn/initializer_values.hpp"

namespace lockstep {
namespace {

template <class T>
std::vector<T> draw(const std::string& initializer, std::size_t in, std::size_t out, std::uint64_t seed = 1,
                    InitGenerator generator = InitGenerator::philox) {
  std::vector<T> kernel(in * out);
  initialize_kernels<T>({Initializer(initializer)}, generator, seed, {MatrixView<T>(kernel.data(), in, out)});
  return kernel;
}

struct Statistics {
  double mean = 0, variance = 0, min = 0, max = 0;
};

Statistics statistics_of(const std::vector<double>& values) {
  Statistics result;
  const double count = static_cast<double>(values.size());
  for (const double x : values) result.mean += x / count;
  for (const double x : values) result.variance += (x - result.mean) * (x - result.mean) / count;
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  result.min = *min;
  result.max = *max;
  return result;
}

// ---- NumPy's generator

struct TwoKernels {
  std::vector<double> first = std::vector<double>(31 * 20), second = std::vector<double>(20 * 7);
};

TwoKernels draw_as_numpy(const testing::InitializerValue& value) {
  TwoKernels kernels;
  initialize_kernels<double>({Initializer(value.first_initializer), Initializer(value.second_initializer)},
                             InitGenerator::mt19937, 3,
                             {{kernels.first.data(), 31, 20}, {kernels.second.data(), 20, 7}});
  return kernels;
}

TEST(Initializer, DrawsAsNumpy) {
  for (const auto& value : testing::initializer_values) {
    const TwoKernels kernels = draw_as_numpy(value);
    EXPECT_DOUBLE_EQ(kernels.first.front(), value.first_begin) << value.first_initializer;
    EXPECT_DOUBLE_EQ(kernels.first.back(), value.first_end) << value.first_initializer;
    EXPECT_DOUBLE_EQ(kernels.second.front(), value.second_begin) << value.second_initializer;
    EXPECT_DOUBLE_EQ(kernels.second.back(), value.second_end) << value.second_initializer;
  }
}

TEST(Initializer, UniformEqualsNumpyBitForBit) {
  const auto& value = testing::initializer_values[0];
  const TwoKernels kernels = draw_as_numpy(value);
  Sha256 digest;
  digest.update(std::as_bytes(std::span(kernels.first)));
  digest.update(std::as_bytes(std::span(kernels.second)));
  EXPECT_EQ(digest.hex_digest(), value.sha256);
}

TEST(Initializer, NumpySeedHasThirtyTwoBits) {
  EXPECT_THROW(draw<double>("uniform", 2, 2, std::uint64_t{1} << 32, InitGenerator::mt19937), UserError);
}

// ---- Distributions

TEST(Initializer, UniformOnesFillTheirBoundsEvenly) {
  struct Case {
    std::string text;
    double low, high;
  };
  const double in = 300, out = 200;
  const double glorot = std::sqrt(6 / (in + out)), he = std::sqrt(6 / in), lecun = std::sqrt(3 / in);
  const std::vector<Case> cases = {{"uniform(-0.2,0.7)", -0.2, 0.7},
                                   {"uniform", -0.05, 0.05},
                                   {"glorot_uniform", -glorot, glorot},
                                   {"he_uniform", -he, he},
                                   {"lecun_uniform", -lecun, lecun}};
  for (const Case& c : cases) {
    const Statistics found = statistics_of(draw<double>(c.text, 300, 200));
    const double range = c.high - c.low;
    EXPECT_GE(found.min, c.low) << c.text;
    EXPECT_LE(found.max, c.high) << c.text;
    EXPECT_NEAR(found.min, c.low, 1e-3 * range) << c.text;
    EXPECT_NEAR(found.max, c.high, 1e-3 * range) << c.text;
    EXPECT_NEAR(found.mean, (c.low + c.high) / 2, 5e-3 * range) << c.text;
    EXPECT_NEAR(found.variance * 12 / (range * range), 1, 0.02) << c.text;
  }
}

TEST(Initializer, NormalOnesHaveTheirVariance) {
  struct Case {
    std::string text;
    double mean, variance;
  };
  const double in = 300, out = 200;
  constexpr double cut_variance = 0.7737413035;  // of a standard normal within ±2: 1 - 4 φ(2) / (2 Φ(2) - 1)
  const std::vector<Case> cases = {{"normal(1,0.5)", 1, 0.25},
                                   {"normal", 0, 0.0025},
                                   {"truncated_normal(-1,0.5)", -1, 0.25 * cut_variance},
                                   {"glorot_normal", 0, 2 / (in + out)},
                                   {"he_normal", 0, 2 / in},
                                   {"lecun_normal", 0, 1 / in}};
  for (const InitGenerator generator : {InitGenerator::philox, InitGenerator::mt19937}) {
    for (const Case& c : cases) {
      const Statistics found = statistics_of(draw<double>(c.text, 300, 200, 5, generator));
      EXPECT_NEAR(found.mean, c.mean, 0.02 * std::sqrt(c.variance)) << c.text;
      EXPECT_NEAR(found.variance / c.variance, 1, 0.02) << c.text;
    }
  }
}

TEST(Initializer, TruncatedNormalsEndAtTwoStandardDeviations) {
  const Statistics truncated = statistics_of(draw<double>("truncated_normal(1,0.5)", 300, 200));
  EXPECT_GE(truncated.min, 0);
  EXPECT_LE(truncated.max, 2);
  EXPECT_GT(truncated.max, 1.99);
  const Statistics lecun = statistics_of(draw<double>("lecun_normal", 100, 200));
  EXPECT_LE(std::max(-lecun.min, lecun.max), 2 * 0.1 / 0.87962566103423978);
}

TEST(Initializer, ConstantsAreConstant) {
  for (const float x : draw<float>("zeros", 3, 4)) EXPECT_EQ(x, 0.0F);
  for (const float x : draw<float>("constant(-1.5)", 3, 4)) EXPECT_EQ(x, -1.5F);
}

/// Largest deviation of the products of short vectors (columns of a tall kernel, rows of a wide one) from
/// gain² · I.
double orthogonality_error(const std::vector<double>& kernel, std::size_t in, std::size_t out, double gain) {
  const MatrixView<const double> w(kernel.data(), in, out);
  const std::size_t count = std::min(in, out), length = std::max(in, out);
  const auto at = [&](std::size_t vector, std::size_t i) { return in >= out ? w(i, vector) : w(vector, i); };
  double error = 0;
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      double product = a == b ? -gain * gain : 0.0;
      for (std::size_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      error = std::max(error, std::fabs(product));
    }
  }
  return error;
}

TEST(Initializer, OrthogonalIsOrthogonal) {
  for (const InitGenerator generator : {InitGenerator::philox, InitGenerator::mt19937}) {
    for (const auto& [in, out] : std::vector<std::pair<std::size_t, std::size_t>>{
             {60, 40}, {40, 60}, {50, 50}, {1, 5}, {5, 1}, {1, 1}}) {
      EXPECT_LT(orthogonality_error(draw<double>("orthogonal", in, out, 3, generator), in, out, 1), 1e-13);
      EXPECT_LT(orthogonality_error(draw<double>("orthogonal(2)", in, out, 3, generator), in, out, 2), 1e-12);
    }
  }
}

TEST(Initializer, OrthogonalIsTheFactorWithPositiveDiagonal) {
  // Qᵀ · A = R has a positive diagonal and zeros below it, A being the normal draws.
  const std::size_t in = 20, out = 12;
  const std::vector<double> q = draw<double>("orthogonal", in, out), a = draw<double>("normal(0,1)", in, out);
  for (std::size_t i = 0; i < out; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double r = 0;
      for (std::size_t k = 0; k < in; ++k) r += q[k * out + i] * a[k * out + j];
      if (i == j) {
        EXPECT_GT(r, 0) << i;
      } else {
        EXPECT_NEAR(r, 0, 1e-13) << i << ", " << j;
      }
    }
  }
}

// ---- Reproducibility

TEST(Initializer, CounterBasedElementsDependOnTheirIndexAlone) {
  for (const std::string text : {"uniform(-1,1)", "normal(0,1)", "truncated_normal(0,1)"}) {
    const std::vector<double> small = draw<double>(text, 10, 20), large = draw<double>(text, 15, 20);
    EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin())) << text;
  }
}

TEST(Initializer, LayersAndSeedsDiffer) {
  std::vector<double> first(50), second(50);
  const Initializer uniform("uniform(-1,1)");
  initialize_kernels<double>({uniform, uniform}, InitGenerator::philox, 1,
                             {{first.data(), 5, 10}, {second.data(), 5, 10}});
  EXPECT_NE(first, second);
  EXPECT_EQ(first, draw<double>("uniform(-1,1)", 5, 10, 1));
  EXPECT_NE(first, draw<double>("uniform(-1,1)", 5, 10, 2));
}

TEST(Initializer, Float32IsFloat64Rounded) {
  for (const std::string text : {"uniform(-1,1)", "he_normal", "orthogonal"}) {
    const std::vector<double> in_double = draw<double>(text, 12, 9);
    const std::vector<float> in_float = draw<float>(text, 12, 9);
    for (std::size_t i = 0; i < in_float.size(); ++i)
      EXPECT_EQ(in_float[i], static_cast<float>(in_double[i]));
  }
}

// ---- Texts

TEST(Initializer, TextParsesToTheSameInitializer) {
  for (const std::string text :
       {"zeros", "constant(0.5)", "uniform(-0.5,0.5)", "normal(0,0.05)", "glorot_uniform",
        "truncated_normal(0,0.1)", "orthogonal(1)", "he_normal", "lecun_uniform"}) {
    EXPECT_EQ(Initializer(text).text(), text);
  }
  EXPECT_EQ(Initializer("GlorotUniform").text(), "glorot_uniform");
  EXPECT_EQ(Initializer("xavier_uniform").text(), "glorot_uniform");
  EXPECT_EQ(Initializer("kaiming_normal").text(), "he_normal");
  EXPECT_EQ(Initializer("RandomUniform").text(), "uniform(-0.05,0.05)");
}

TEST(Initializer, RefusesBadTexts) {
  for (const std::string text :
       {"uniform(1,0)", "uniform(0.5,0.5)", "uniform(nan,1)", "uniform(0,inf)", "uniform(0,1,2)",
        "uniform(a,b)", "uniform(0,1", "normal(0,0)", "normal(0,-1)", "constant", "constant(1e300)",
        "zeros(1)", "orthogonal(0)", "glorot_uniform(2)", "", "random"}) {
    EXPECT_THROW(Initializer{text}, UserError) << text;
  }
}

TEST(Initializer, NamesTheNearest) {
  try {
    Initializer("glorot_unifrom");
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("'glorot_uniform'"), std::string::npos) << error.what();
  }
}

TEST(Initializer, NeedsOneForEveryKernel) {
  std::vector<double> kernel(4);
  EXPECT_THROW(initialize_kernels<double>({}, InitGenerator::philox, 0, {{kernel.data(), 2, 2}}), UserError);
}

TEST(InitGenerator, NamesParse) {
  for (const InitGenerator generator : {InitGenerator::philox, InitGenerator::mt19937}) {
    EXPECT_EQ(parse_init_generator(init_generator_name(generator)), generator);
  }
  EXPECT_THROW(parse_init_generator("mersenne"), UserError);
}

}  // namespace
}  // namespace lockstep
