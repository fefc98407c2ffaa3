#include "lockstep/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "core/random_values.hpp"
#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

using Counter = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

/// Philox 4x32-10 as the paper writes it (Salmon et al., SC11, section 3.3).
Counter philox_by_the_paper(Counter counter, Key key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// Random123's kat_vectors, "philox4x32 10".
TEST(Philox, ReferenceGivesTheKnownAnswers) {
  constexpr std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox_by_the_paper({0, 0, 0, 0}, {0, 0}),
            (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox_by_the_paper({ones, ones, ones, ones}, {ones, ones}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox_by_the_paper({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Seed and purpose are mixed into the key; element and stream are the counter.
TEST(Philox, BitsAreThoseOfTheDefinition) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{0xfedcba9876543210}}) {
    for (const RandomPurpose purpose : {RandomPurpose::initializer, RandomPurpose::dropout}) {
      const Counter mixed =
          philox_by_the_paper({static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                               static_cast<std::uint32_t>(purpose), 0},
                              {0, 0});
      const Philox random(seed, purpose, 5, 0x80000001);
      for (const std::uint64_t element : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40}) {
        const Counter words = philox_by_the_paper(
            {static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(element >> 32), 5, 0x80000001},
            {mixed[0], mixed[1]});
        const std::uint64_t bits = (std::uint64_t{words[1]} << 32) | words[0];
        EXPECT_EQ(random.bits(element), bits);
        EXPECT_EQ(random.uniform(element), static_cast<double>(bits >> 11) / 9007199254740992.0);
        EXPECT_EQ(random.below(element, std::uint64_t{1} << 32), bits >> 32);
      }
    }
  }
}

TEST(Philox, EverySeedPurposeAndStreamIsAnother) {
  std::set<std::uint64_t> seen;
  for (const std::uint64_t seed : {0U, 1U}) {
    for (const RandomPurpose purpose : {RandomPurpose::initializer, RandomPurpose::shuffle,
                                        RandomPurpose::dropout, RandomPurpose::validation_split}) {
      for (const std::uint32_t high : {0U, 1U}) {
        for (const std::uint32_t low : {0U, 1U}) {
          for (const std::uint64_t element : {0U, 1U, 2U}) {
            seen.insert(Philox(seed, purpose, high, low).bits(element));
          }
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 2U * 4 * 2 * 2 * 3);
}

TEST(Philox, UniformIsUniform) {
  const Philox random(1, RandomPurpose::initializer, 0, 0);
  constexpr std::uint64_t count = 100000;
  double sum = 0, sum_of_squares = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double u = random.uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    sum_of_squares += u * u;
  }
  EXPECT_NEAR(sum / count, 0.5, 0.004);  // four standard errors
  EXPECT_NEAR(sum_of_squares / count, 1.0 / 3, 0.004);
}

TEST(Philox, NormalHasTheMomentsOfTheStandardNormal) {
  const Philox random(1, RandomPurpose::initializer, 0, 0);
  constexpr std::uint64_t count = 100000;
  double sum = 0, squares = 0, fourths = 0;
  int within_one = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double z = random.normal(i);
    ASSERT_TRUE(std::isfinite(z));
    sum += z;
    squares += z * z;
    fourths += z * z * z * z;
    within_one += std::abs(z) < 1 ? 1 : 0;
  }
  EXPECT_NEAR(sum / count, 0, 0.013);
  EXPECT_NEAR(squares / count, 1, 0.018);
  EXPECT_NEAR(fourths / count, 3, 0.13);
  EXPECT_NEAR(within_one / double{count}, 0.6827, 0.006);
}

TEST(Philox, BelowStaysBelowAndReachesEverything) {
  const Philox random(3, RandomPurpose::shuffle, 0, 0);
  std::array<int, 7> counts{};
  for (std::uint64_t i = 0; i < 7000; ++i) ++counts.at(random.below(i, 7));
  for (const int count : counts) EXPECT_NEAR(count, 1000, 120);
  EXPECT_EQ(random.below(0, 1), 0U);
}

TEST(RandomPermutation, HoldsEveryIndexOnce) {
  for (const std::uint32_t n : {0U, 1U, 2U, 100U}) {
    std::vector<std::uint32_t> order = random_permutation(Philox(1, RandomPurpose::shuffle, 2, 3), n);
    std::sort(order.begin(), order.end());
    std::vector<std::uint32_t> ascending(n);
    std::iota(ascending.begin(), ascending.end(), 0U);
    EXPECT_EQ(order, ascending);
  }
}

TEST(RandomPermutation, TakesEveryOrderEquallyOften) {
  std::array<int, 6> counts{};
  for (std::uint32_t stream = 0; stream < 6000; ++stream) {
    const auto order = random_permutation(Philox(1, RandomPurpose::shuffle, 0, stream), 3);
    ++counts.at(order[0] * 2 + (order[1] > order[2] ? 1 : 0));
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 120);
}

TEST(NumpyRandom, UniformsEqualNumPysBitForBit) {
  for (const testing::NumpyValues& expected : testing::numpy_uniforms) {
    NumpyRandom random(expected.seed);
    std::size_t position = 0;
    for (std::size_t i = 0; i < std::size(testing::numpy_positions); ++i, ++position) {
      for (; position < testing::numpy_positions[i]; ++position) random.uniform();
      EXPECT_EQ(random.uniform(), expected.values[i]) << "seed " << expected.seed << ", " << position;
    }
  }
}

// NumPy takes log from the C library, whose last bit may differ.
TEST(NumpyRandom, NormalsEqualNumPysToTheLastBitButOne) {
  for (const testing::NumpyValues& expected : testing::numpy_normals) {
    NumpyRandom random(expected.seed);
    std::size_t position = 0;
    for (std::size_t i = 0; i < std::size(testing::numpy_positions); ++i, ++position) {
      for (; position < testing::numpy_positions[i]; ++position) random.normal();
      EXPECT_DOUBLE_EQ(random.normal(), expected.values[i]) << "seed " << expected.seed << ", " << position;
    }
  }
}

TEST(NumpyRandom, RefusesSeedsThatNumPyRefuses) {
  EXPECT_NO_THROW(NumpyRandom(0xffffffff));
  EXPECT_THROW(NumpyRandom(0x100000000), UserError);
}

}  // namespace
}  // namespace lockstep
