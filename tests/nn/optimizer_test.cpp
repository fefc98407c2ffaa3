#include "lockstep/nn/optimizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/random.hpp"
#include "lockstep/core/summation_tree.hpp"
#include "nn/block_sum_board.hpp"
#include "nn/optimizer_values.hpp"
#include "user_error_message.hpp"

namespace lockstep {
namespace {

using testing::BlockSumBoard;

template <class T>
ParameterLayout small_layout() {
  return {{5, 4, 3}, sizeof(T)};
}

/// Values without padding into the layout's flat vector.
template <class T>
std::vector<T> spread(const ParameterLayout& layout, std::span<const double> values) {
  std::vector<T> flat(layout.size(), T(0));
  for (const Tensor& tensor : layout.tensors()) {
    for (std::size_t i = 0; i < tensor.size(); ++i) flat[tensor.offset + i] = static_cast<T>(values[i]);
    values = values.subspan(tensor.size());
  }
  return flat;
}

template <class T>
void expect_near(const std::vector<T>& found, const std::vector<T>& expected, double tolerance,
                 const std::string& where) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(found[i]), static_cast<double>(expected[i]), tolerance)
        << where << ", element " << i;
  }
}

void no_other_ranks(std::span<double>) {}

/// All rules on a slice, as a step applies them.
template <class T>
void apply_gradient_rules(const GradientRules& rules, const ParameterLayout& layout, Range blocks,
                          std::span<const T> parameters, std::span<T> gradient,
                          const CompleteBlockSums& complete) {
  for_chunks(layout, blocks, [&](const Chunk& chunk) {
    const std::size_t begin = chunk.elements.begin;
    apply_element_rules<T>(rules, layout, chunk, parameters.data() + begin, gradient.data() + begin);
  });
  clip_by_norm<T>(rules, layout, blocks, gradient, complete);
}

/// Runs an optimizer on all of NumPy's gradients as one slice and compares, padding included.
template <class T>
void expect_numpy_values(const testing::OptimizerValue& value, double tolerance) {
  const ParameterLayout layout = small_layout<T>();
  const OptimizerConfig config = make_optimizer_config(value.name, value.hyperparameters);
  Optimizer<T> optimizer(config, layout, {0, layout.blocks()});
  std::vector<T> w = spread<T>(layout, testing::start);
  for (std::uint64_t step = 1; step <= testing::values_steps; ++step) {
    const std::vector<T> g = spread<T>(layout, testing::gradients[step - 1]);
    optimizer.update(step, config.hyperparameters.at("learning_rate"), w, g, no_other_ranks);
    if (step == 1) expect_near(w, spread<T>(layout, value.first), tolerance, value.name + " after step 1");
  }
  expect_near(w, spread<T>(layout, value.last), tolerance, value.name + " after the last step");
}

TEST(Optimizer, EveryOneEqualsNumpyInFloat64) {
  for (const auto& value : testing::optimizer_values) expect_numpy_values<double>(value, 1e-12);
}

TEST(Optimizer, EveryOneEqualsNumpyInFloat32) {
  for (const auto& value : testing::optimizer_values) expect_numpy_values<float>(value, 1e-5);
}

TEST(Optimizer, ReferenceValuesCoverTheTable) {
  std::set<std::string> covered;
  for (const auto& value : testing::optimizer_values) covered.insert(value.name);
  for (const OptimizerInfo& info : optimizer_table()) EXPECT_TRUE(covered.contains(info.name)) << info.name;
}

TEST(GradientRules, EqualNumpy) {
  const ParameterLayout layout = small_layout<double>();
  const std::vector<double> w = spread<double>(layout, testing::start);
  for (const auto& value : testing::rule_values) {
    std::vector<double> g = spread<double>(layout, testing::gradients[0]);
    apply_gradient_rules<double>(value.rules, layout, {0, layout.blocks()}, w, g, no_other_ranks);
    expect_near(g, spread<double>(layout, value.gradient), 1e-14, "rules");
  }
}

TEST(GradientRules, EqualNumpyInFloat32) {
  const ParameterLayout layout = small_layout<float>();
  const std::vector<float> w = spread<float>(layout, testing::start);
  for (const auto& value : testing::rule_values) {
    std::vector<float> g = spread<float>(layout, testing::gradients[0]);
    apply_gradient_rules<float>(value.rules, layout, {0, layout.blocks()}, w, g, no_other_ranks);
    expect_near(g, spread<float>(layout, value.gradient), 1e-6, "rules");
  }
}

TEST(GradientRules, GradientsThatAreNotFiniteStaySo) {
  const ParameterLayout layout = small_layout<double>();
  const std::vector<double> w(layout.size(), 0.0);
  std::vector<double> g(layout.size(), 1.0);
  g[3] = std::numeric_limits<double>::quiet_NaN();
  apply_gradient_rules<double>({0, 0, 0.5, 0}, layout, {0, layout.blocks()}, w, g, no_other_ranks);
  EXPECT_TRUE(std::isnan(g[3]));
  apply_gradient_rules<double>({0, 0, 0, 0.5}, layout, {0, layout.blocks()}, w, g, no_other_ranks);
  EXPECT_TRUE(std::isnan(g[0]));
}

// ---- The bits do not depend on how the blocks are spread over slices.

/// A layout whose first kernel has many norm blocks, and others a single one.
template <class T>
ParameterLayout many_blocks() {
  return {{300, 65, 33, 3}, sizeof(T)};
}

template <class T>
std::vector<T> random_values(const ParameterLayout& layout, std::uint32_t stream, double scale) {
  const Philox random(11, RandomPurpose::initializer, 99, stream);
  std::vector<T> flat(layout.size(), T(0));
  for (const Tensor& tensor : layout.tensors()) {
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size(); ++i) {
      flat[i] = static_cast<T>(scale * random.normal(i));
    }
  }
  return flat;
}

struct Recipe {
  OptimizerConfig optimizer;
  GradientRules rules;
};

/// Weights after some steps of a recipe on this slice, in a vector of the whole length; the rest is zero.
template <class T>
std::vector<T> run_slice(const Recipe& recipe, const ParameterLayout& layout, Range blocks,
                         const CompleteBlockSums& complete) {
  const std::size_t begin = layout.block_starts()[blocks.begin];
  const std::size_t length = layout.block_starts()[blocks.end] - begin;
  std::vector<T> w = random_values<T>(layout, 0, 0.3);
  const std::span<T> own = std::span(w).subspan(begin, length);
  Optimizer<T> optimizer(recipe.optimizer, layout, blocks);
  for (std::uint32_t step = 1; step <= 4; ++step) {
    std::vector<T> g = random_values<T>(layout, step, 0.2);
    const std::span<T> own_gradient = std::span(g).subspan(begin, length);
    apply_gradient_rules<T>(recipe.rules, layout, blocks, own, own_gradient, complete);
    optimizer.update(step, 0.05 / step, own, own_gradient, complete);
  }
  std::vector<T> result(layout.size(), T(0));
  std::copy(own.begin(), own.end(), result.begin() + static_cast<std::ptrdiff_t>(begin));
  return result;
}

/// The same on one thread per slice, the threads sharing block sums as ranks do.
template <class T>
std::vector<T> run_in_slices(const Recipe& recipe, const ParameterLayout& layout,
                             const std::vector<std::size_t>& cuts) {
  const std::size_t slices = cuts.size() - 1;
  BlockSumBoard board(layout.blocks(), slices);
  std::vector<std::vector<T>> parts(slices);
  std::vector<std::thread> threads;
  for (std::size_t s = 0; s < slices; ++s) {
    threads.emplace_back([&, s] {
      const Range blocks{cuts[s], cuts[s + 1]};
      parts[s] =
          run_slice<T>(recipe, layout, blocks, [&](std::span<double> sums) { board.complete(blocks, sums); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<T> whole(layout.size(), T(0));
  for (const std::vector<T>& part : parts) {
    for (std::size_t i = 0; i < whole.size(); ++i) whole[i] += part[i];
  }
  return whole;
}

template <class T>
void expect_same_bits_for_any_slices(const Recipe& recipe, const std::string& where) {
  const ParameterLayout layout = many_blocks<T>();
  const std::size_t blocks = layout.blocks();
  const std::vector<T> whole = run_in_slices<T>(recipe, layout, {0, blocks});
  const std::vector<std::vector<std::size_t>> cuttings = {
      {0, 1, blocks}, {0, 3, 4, 6, blocks}, {0, 2, 2, blocks, blocks}};  // with empty slices
  for (const auto& cuts : cuttings) {
    const std::vector<T> sliced = run_in_slices<T>(recipe, layout, cuts);
    EXPECT_EQ(parameters_sha256<T>(layout, sliced), parameters_sha256<T>(layout, whole))
        << where << " in " << cuts.size() - 1 << " slices";
  }
}

TEST(Optimizer, SameBitsForAnySlices) {
  for (const OptimizerInfo& info : optimizer_table()) {
    const Recipe plain{make_optimizer_config(info.name, {}), {}};
    expect_same_bits_for_any_slices<float>(plain, info.name);
    expect_same_bits_for_any_slices<double>(plain, info.name);
  }
}

TEST(GradientRules, SameBitsForAnySlices) {
  const Recipe clipped{make_optimizer_config("lamb", {{"weight_decay", 0.1}}), {0.01, 0.02, 0.3, 1.5}};
  expect_same_bits_for_any_slices<float>(clipped, "clipped lamb");
  expect_same_bits_for_any_slices<double>(clipped, "clipped lamb");
}

TEST(Optimizer, PaddingStaysZero) {
  const ParameterLayout layout = many_blocks<float>();
  for (const OptimizerInfo& info : optimizer_table()) {
    const Recipe recipe{make_optimizer_config(info.name, {}), {0.01, 0.02, 0.3, 1.5}};
    std::vector<float> w = run_slice<float>(recipe, layout, {0, layout.blocks()}, no_other_ranks);
    for (const Tensor& tensor : layout.tensors()) {
      std::fill_n(w.begin() + static_cast<std::ptrdiff_t>(tensor.offset), tensor.size(), 0.0F);
    }
    for (const float padding : w) ASSERT_EQ(std::bit_cast<std::uint32_t>(padding), 0U) << info.name;
  }
}

TEST(Optimizer, VanishingGradientsStayFinite) {
  const ParameterLayout layout = small_layout<float>();
  for (const OptimizerInfo& info : optimizer_table()) {
    Optimizer<float> optimizer(make_optimizer_config(info.name, {}), layout, {0, layout.blocks()});
    std::vector<float> w = spread<float>(layout, testing::start);
    std::vector<float> g(layout.size(), 0.0F);
    g[0] = std::numeric_limits<float>::denorm_min();
    for (std::uint64_t step = 1; step <= 3; ++step) optimizer.update(step, 1.0, w, g, no_other_ranks);
    for (const float weight : w) ASSERT_TRUE(std::isfinite(weight)) << info.name;
  }
}

TEST(Optimizer, SaysWhetherAllWeightsAreFinite) {
  const ParameterLayout layout = many_blocks<float>();
  for (const OptimizerInfo& info : optimizer_table()) {
    Optimizer<float> optimizer(make_optimizer_config(info.name, {}), layout, {0, layout.blocks()});
    std::vector<float> w = random_values<float>(layout, 0, 0.3);
    const std::vector<float> g = random_values<float>(layout, 1, 0.2);
    EXPECT_TRUE(optimizer.update(1, 0.01, w, g, no_other_ranks)) << info.name;
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> spoilt = w;
      spoilt[20000] = bad;
      EXPECT_FALSE(optimizer.update(2, 0.01, spoilt, g, no_other_ranks)) << info.name << " " << bad;
    }
  }
}

// sgd does not write them, but has to give the formula's bits and to look at them.
TEST(Optimizer, WeightsWithoutGradientKeepTheirBits) {
  const ParameterLayout layout = many_blocks<float>();
  std::vector<float> w = random_values<float>(layout, 0, 0.3), g = random_values<float>(layout, 1, 0.2);
  for (std::size_t i = 0; i < w.size(); i += 5) w[i] = i % 2 == 0 ? 0.0F : -0.0F;
  std::size_t begin = 0;
  for (const std::size_t length : {1U, 63U, 64U, 65U, 500U, 3000U}) {  // then as many with a gradient
    std::fill_n(g.begin() + static_cast<std::ptrdiff_t>(begin), length, 0.0F);
    begin += 2 * length;
  }
  const std::size_t negative_zeros = begin;
  std::fill_n(g.begin() + static_cast<std::ptrdiff_t>(negative_zeros), 1000, -0.0F);
  std::vector<float> expected(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) expected[i] = w[i] - g[i] * 0.01F;
  Optimizer<float> optimizer(make_optimizer_config("sgd", {}), layout, {0, layout.blocks()});
  std::vector<float> updated = w;
  EXPECT_TRUE(optimizer.update(1, 0.01, updated, g, no_other_ranks));
  for (std::size_t i = 0; i < w.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(updated[i]), std::bit_cast<std::uint32_t>(expected[i])) << i;
  updated[begin - 6000 + 100] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(optimizer.update(2, 0.01, updated, g, no_other_ranks));
}

// Denormal numbers never reach zero by themselves: 0.9 times the least one is that again.
TEST(Optimizer, WhatFadesBecomesZero) {
  const ParameterLayout layout = many_blocks<float>();
  for (const OptimizerInfo& info : optimizer_table()) {
    std::map<std::string, double> settings;
    for (const char* name : {"momentum", "beta2"}) {
      if (info.hyperparameters.contains(name)) settings[name] = 0.9;
    }
    Optimizer<float> optimizer(make_optimizer_config(info.name, settings), layout, {0, layout.blocks()});
    std::vector<float> w = random_values<float>(layout, 0, 0.3), g = random_values<float>(layout, 1, 0.2);
    const auto some_number = [&](std::size_t slot, auto is) {
      const auto numbers = optimizer.slot(slot);
      return std::any_of(numbers.begin(), numbers.end(), is);
    };
    const auto is_zero = [](float x) { return x == 0; };
    const auto is_not_zero = [](float x) { return x != 0; };
    const auto is_denormal = [](float x) { return std::fpclassify(x) == FP_SUBNORMAL; };
    for (std::uint64_t step = 1; step <= 1500; ++step) {
      optimizer.update(step, 0.01, w, g, no_other_ranks);
      std::fill(g.begin(), g.end(), 0.0F);
      for (std::size_t slot = 0; slot < info.slots.size(); ++slot) {
        SCOPED_TRACE(info.name + " " + info.slots[slot] + ", step " + std::to_string(step));
        ASSERT_TRUE(step > 1 || some_number(slot, is_not_zero));
        ASSERT_FALSE(step % 50 == 0 && some_number(slot, is_denormal));
      }
    }
    for (std::size_t slot = 0; slot < info.slots.size(); ++slot) {
      if (info.name == "adagrad") {
        EXPECT_FALSE(some_number(slot, is_zero));  // sums of all squares: they do not fade
      } else {
        EXPECT_FALSE(some_number(slot, is_not_zero)) << info.name << " " << info.slots[slot];
      }
    }
  }
}

// Moments that grow from zero are as small at first as those that fade.
TEST(Optimizer, SmallestGradientsMoveWeightsAsTheFormulaSays) {
  const ParameterLayout layout = many_blocks<float>();
  const double gradient = 1e-17, epsilon = 1e-16;
  for (const char* name : {"adam", "rmsprop"}) {
    const OptimizerConfig config = make_optimizer_config(name, {{"epsilon", epsilon}});
    Optimizer<float> optimizer(config, layout, {0, layout.blocks()});
    std::vector<float> w(layout.size(), 0), g(layout.size(), static_cast<float>(gradient));
    double m = 0, v = 0, expected = 0;
    for (std::uint64_t step = 1; step <= 200; ++step) {
      optimizer.update(step, 0.01, w, g, no_other_ranks);
      const double t = static_cast<double>(step);
      if (name == std::string("adam")) {
        m += (gradient - m) * 0.1;
        v += (gradient * gradient - v) * 0.001;
        const double alpha = 0.01 * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t));
        expected -= m * alpha / (std::sqrt(v) + epsilon);
      } else {
        v = 0.9 * v + 0.1 * gradient * gradient;
        expected -= 0.01 * gradient / (std::sqrt(v) + epsilon);
      }
    }
    EXPECT_NEAR(w.front() / expected, 1, 1e-3) << name;
  }
}

template <class T>
void expect_squares_below_are_zero(const char* name, std::size_t slot, double least) {
  const ParameterLayout layout = many_blocks<T>();
  for (const double gradient : {least, -least, 0.99 * least, -0.99 * least}) {
    Optimizer<T> optimizer(make_optimizer_config(name, {}), layout, {0, layout.blocks()});
    std::vector<T> w(layout.size(), 0), g(layout.size(), static_cast<T>(gradient));
    const std::span<const T> v = optimizer.slot(slot);
    const T before = v.front();
    optimizer.update(1, 0.01, w, g, no_other_ranks);
    const bool counts = std::abs(gradient) >= least;
    EXPECT_EQ(v.front() > before, counts) << name << ", " << gradient;
    EXPECT_NE(w.front(), 0) << name << ", " << gradient;
  }
}

TEST(Optimizer, SquaresNearTheDenormalNumbersAreZero) {
  for (const auto& [name, slot] : {std::pair{"adam", 1U}, std::pair{"rmsprop", 0U}, std::pair{"lamb", 1U}}) {
    expect_squares_below_are_zero<float>(name, slot, 0x1p-60);
    expect_squares_below_are_zero<double>(name, slot, 0x1p-508);
  }
}

TEST(Optimizer, GradientsInChunksGiveTheSameBits) {
  const ParameterLayout layout = many_blocks<float>();
  for (const OptimizerInfo& info : optimizer_table()) {
    if (info.layer_norms) continue;
    const OptimizerConfig config = make_optimizer_config(info.name, {});
    const Range blocks{0, layout.blocks()};
    Optimizer<float> whole(config, layout, blocks), chunked(config, layout, blocks);
    std::vector<float> w = random_values<float>(layout, 0, 0.3), same = w;
    std::size_t next = 0;
    for (std::uint32_t step = 1; step <= 3; ++step, next = 0) {
      const std::vector<float> g = random_values<float>(layout, step, 0.2);
      const float factor = 1 / static_cast<float>(step);
      std::vector<float> scaled = g;
      for (float& element : scaled) element *= factor;
      whole.update(step, 0.01, w, scaled, no_other_ranks);
      chunked.update(step, 0.01, same, [&](const Chunk& chunk) -> ScaledGradient<float> {
        EXPECT_EQ(chunk.elements.begin, std::exchange(next, chunk.elements.end));
        return {g.data() + chunk.elements.begin, factor};
      });
      EXPECT_EQ(next, layout.size());
    }
    EXPECT_EQ(same, w) << info.name;
  }
}

TEST(Optimizer, CallsCompleteEquallyOftenWithoutElements) {
  const ParameterLayout layout = small_layout<double>();
  for (const OptimizerInfo& info : optimizer_table()) {
    const auto calls = [&](Range blocks) {
      int count = 0;
      const Recipe recipe{make_optimizer_config(info.name, {}), {0, 0, 0, 1}};
      run_slice<double>(recipe, layout, blocks, [&](std::span<double>) { ++count; });
      return count;
    };
    EXPECT_EQ(calls({0, layout.blocks()}), calls({1, 1})) << info.name;
    EXPECT_EQ(calls({1, 1}) > 4, info.layer_norms) << info.name;
  }
}

TEST(Optimizer, ContinuesFromItsSlots) {
  const ParameterLayout layout = many_blocks<float>();
  for (const OptimizerInfo& info : optimizer_table()) {
    const OptimizerConfig config = make_optimizer_config(info.name, {});
    const Range blocks{0, layout.blocks()};
    Optimizer<float> first(config, layout, blocks), second(config, layout, blocks);
    std::vector<float> w = random_values<float>(layout, 0, 0.3);
    const std::vector<float> g = random_values<float>(layout, 1, 0.2);
    first.update(1, 0.01, w, g, no_other_ranks);
    for (std::size_t i = 0; i < info.slots.size(); ++i) {
      std::copy(first.slot(i).begin(), first.slot(i).end(), second.slot(i).begin());
    }
    std::vector<float> resumed = w;
    first.update(2, 0.01, w, g, no_other_ranks);
    second.update(2, 0.01, resumed, g, no_other_ranks);
    EXPECT_EQ(resumed, w) << info.name;
  }
}

TEST(TensorSums, AreTreeSumsOfEachTensorsBlocks) {
  const ParameterLayout layout = many_blocks<float>();
  std::vector<double> block_sums(layout.blocks());
  for (std::size_t b = 0; b < block_sums.size(); ++b) block_sums[b] = 0.1 * static_cast<double>(b + 1);
  const std::vector<double> sums = tensor_sums(layout, block_sums);
  ASSERT_EQ(sums.size(), layout.tensors().size());
  // 300 x 65 elements are 5 blocks of at most 4096.
  EXPECT_EQ(sums[0], ((block_sums[0] + block_sums[1]) + (block_sums[2] + block_sums[3])) + block_sums[4]);
  for (std::size_t t = 1; t < sums.size(); ++t) EXPECT_EQ(sums[t], block_sums[t + 4]);
}

// ---- Names, defaults and bad values.

TEST(OptimizerConfig, NamesAreAcceptedInOtherSpellings) {
  EXPECT_EQ(find_optimizer("RMSprop").name, "rmsprop");
  EXPECT_EQ(find_optimizer("AdamW").name, "adamw");
  EXPECT_EQ(find_optimizer("SGD").name, "sgd");
  const std::string message = user_error_message([] { find_optimizer("adamm"); });
  EXPECT_NE(message.find("unknown optimizer 'adamm'"), std::string::npos) << message;
  EXPECT_NE(message.find("'adam'"), std::string::npos) << message;
}

TEST(OptimizerConfig, GivenValuesReplaceDefaults) {
  const OptimizerConfig config = make_optimizer_config("rmsprop", {{"rho", 0.5}});
  EXPECT_EQ(config.name, "rmsprop");
  EXPECT_EQ(config.hyperparameters.at("rho"), 0.5);
  EXPECT_EQ(config.hyperparameters.at("learning_rate"), 0.001);
  EXPECT_EQ(config.hyperparameters.at("epsilon"), 1e-7);
}

TEST(OptimizerConfig, HyperparametersOfOthersAreRefused) {
  const std::string message = user_error_message([] { make_optimizer_config("sgd", {{"momentum", 0.5}}); });
  EXPECT_NE(message.find("sgd has no momentum"), std::string::npos) << message;
  EXPECT_NE(message.find("nesterov"), std::string::npos) << message;
}

TEST(OptimizerConfig, ValuesOutOfRangeAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto refused = [](const char* name, const char* key, double value) {
    EXPECT_THROW(make_optimizer_config(name, {{key, value}}), UserError)
        << name << " " << key << " " << value;
  };
  for (const OptimizerInfo& info : optimizer_table()) {
    for (const double bad : {0.0, -0.1, nan, infinity}) refused(info.name.c_str(), "learning_rate", bad);
  }
  for (const double bad : {-0.1, 1.0, nan}) {
    refused("momentum", "momentum", bad);
    refused("rmsprop", "rho", bad);
    refused("adam", "beta1", bad);
    refused("lamb", "beta2", bad);
  }
  for (const double bad : {-1e-7, 0.0, nan, infinity}) refused("adam", "epsilon", bad);
  for (const double bad : {-1e-7, nan, infinity}) refused("adamw", "weight_decay", bad);
  for (const double bad : {-1.0, 0.0, nan}) refused("lars", "trust", bad);
}

TEST(OptimizerConfig, IsCheckedWhereItIsUsed) {
  const ParameterLayout layout = small_layout<float>();
  const Range all{0, layout.blocks()};
  EXPECT_THROW(Optimizer<float>({"adam", {{"rho", 0.5}}}, layout, all), UserError);
  EXPECT_NO_THROW(Optimizer<float>({"adam", {}}, layout, all));
}

}  // namespace
}  // namespace lockstep
