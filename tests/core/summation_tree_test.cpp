#include "lockstep/core/summation_tree.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>

namespace lockstep {
namespace {

/// sum(begin, end) as the definition puts it, with the split found by counting up.
template <class T>
T defined_sum(const std::vector<T>& terms, std::size_t begin, std::size_t end) {
  if (end - begin == 1) return terms[begin];
  std::size_t power = 1;
  while (2 * power < end - begin) power *= 2;
  return defined_sum(terms, begin, begin + power) + defined_sum(terms, begin + power, end);
}

/// Terms of very different sizes, whose sum in any other order would have other bits.
template <class T>
std::vector<T> random_terms(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<T> terms;
  for (std::size_t i = 0; i < count; ++i) {
    const double sign = engine() % 2 == 0 ? 1 : -1;
    terms.push_back(static_cast<T>(
        sign * std::ldexp(1.0 + static_cast<double>(engine()) * 0x1p-32, static_cast<int>(engine() % 12))));
  }
  return terms;
}

bool is_tree_node(Range wanted, Range node) {
  if (node == wanted) return true;
  if (node.size() <= 1) return false;
  const std::size_t split = tree_split(node);
  return is_tree_node(wanted, {node.begin, split}) || is_tree_node(wanted, {split, node.end});
}

TEST(TreeSplit, IsTheLargestPowerOfTwoBelow) {
  EXPECT_EQ(tree_split({0, 2}), 1U);
  EXPECT_EQ(tree_split({0, 3}), 2U);
  EXPECT_EQ(tree_split({0, 4}), 2U);
  EXPECT_EQ(tree_split({4, 9}), 8U);
  EXPECT_EQ(tree_split({10, 18}), 14U);
  EXPECT_EQ(tree_split({0, 1025}), 1024U);
}

TEST(TreeSum, EqualsItsDefinition) {
  for (std::size_t count = 1; count <= 70; ++count) {
    const std::vector<float> floats = random_terms<float>(count, 1);
    EXPECT_EQ(tree_sum<float>(floats), defined_sum(floats, 0, count)) << count;
    const std::vector<double> doubles = random_terms<double>(count, 2);
    EXPECT_EQ(tree_sum<double>(doubles), defined_sum(doubles, 0, count)) << count;
  }
}

TEST(TreeSum, OfNothingIsZeroAndOfIntegersIsTheSum) {
  EXPECT_EQ(tree_sum<double>({}), 0.0);
  EXPECT_EQ(tree_sum<std::int64_t>({}), 0);
  std::vector<std::int64_t> counts(37);
  std::iota(counts.begin(), counts.end(), std::int64_t{1});
  EXPECT_EQ(tree_sum<std::int64_t>(counts), 37 * 38 / 2);
}

TEST(TreeNodesInside, AreTheMaximalNodesAndCoverTheRange) {
  for (std::size_t terms = 1; terms <= 40; ++terms) {
    const Range all{0, terms};
    for (std::size_t begin = 0; begin <= terms; ++begin) {
      for (std::size_t end = begin; end <= terms; ++end) {
        const std::vector<Range> nodes = tree_nodes_inside(terms, {begin, end});
        std::size_t next = begin;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          EXPECT_EQ(nodes[i].begin, next);
          EXPECT_FALSE(nodes[i].empty());
          EXPECT_TRUE(is_tree_node(nodes[i], all));
          next = nodes[i].end;
          if (i > 0) {
            // Two neighbours that were halves of one node would not be maximal.
            EXPECT_FALSE(is_tree_node({nodes[i - 1].begin, nodes[i].end}, all));
          }
        }
        EXPECT_EQ(next, end);
      }
    }
  }
}

/// The tree sum of `count` vectors spread over `parts` ranks, as a rank's accumulator and a slice's owner
/// form it together.
template <class T>
std::vector<T> sum_spread_over(std::size_t parts, const std::vector<std::vector<T>>& terms,
                               std::size_t length, int rounds) {
  std::vector<std::vector<T>> memory;
  std::vector<NodeSum<T>> sums;
  for (std::size_t rank = 0; rank < parts; ++rank) {
    const Range own = block_partition(terms.size(), parts, rank);
    memory.emplace_back(tree_nodes_inside(terms.size(), own).size() * length);
    TreeAccumulator<T> accumulator(terms.size(), own, length, memory.back().data());
    for (int round = 0; round < rounds; ++round) {
      accumulator.reset();
      for (std::size_t term = own.begin; term < own.end; ++term) {
        std::copy(terms[term].begin(), terms[term].end(), accumulator.next_term());
        accumulator.add_term();
      }
    }
    for (std::size_t i = 0; i < accumulator.nodes().size(); ++i) {
      sums.push_back({accumulator.nodes()[i], accumulator.node_sum(i)});
    }
  }
  constexpr std::size_t chunk = 2;
  TreeChunks<T> chunks(sums, chunk);
  std::vector<T> whole;
  for (std::size_t begin = 0; begin < length; begin += chunk) {
    const Range elements{begin, std::min(begin + chunk, length)};
    const T* const sum = chunks.sum({0, terms.size()}, elements);
    whole.insert(whole.end(), sum, sum + elements.size());
  }
  return whole;
}

template <class T>
void expect_same_bits_for_any_rank_count() {
  constexpr std::size_t length = 3;
  for (std::size_t count = 1; count <= 24; ++count) {
    std::vector<std::vector<T>> terms(count, std::vector<T>(length));
    std::vector<T> expected;
    for (std::size_t element = 0; element < length; ++element) {
      const std::vector<T> values = random_terms<T>(count, static_cast<unsigned>(element) + 7);
      for (std::size_t term = 0; term < count; ++term) terms[term][element] = values[term];
      expected.push_back(defined_sum(values, 0, count));
    }
    for (std::size_t parts = 1; parts <= count; ++parts) {
      EXPECT_EQ(sum_spread_over(parts, terms, length, 1), expected) << count << " terms, " << parts;
      EXPECT_EQ(sum_spread_over(parts, terms, length, 2), expected) << count << " terms, " << parts;
    }
  }
}

TEST(TreeAccumulator, WithTreeChunksGivesTheSameBitsForAnyRankCount) {
  expect_same_bits_for_any_rank_count<float>();
  expect_same_bits_for_any_rank_count<double>();
}

TEST(TreeChunks, AlsoSumsANodeInside) {
  const std::vector<double> terms = random_terms<double>(7, 3);
  std::vector<NodeSum<double>> parts;
  for (std::size_t i = 0; i < terms.size(); ++i) parts.push_back({{i, i + 1}, &terms[i]});
  TreeChunks<double> chunks(parts, 1);
  EXPECT_EQ(*chunks.sum({4, 7}, {0, 1}), defined_sum(terms, 4, 7));
  EXPECT_EQ(*chunks.sum({2, 4}, {0, 1}), defined_sum(terms, 2, 4));
  EXPECT_EQ(chunks.sum({6, 7}, {0, 1}), &terms[6]);
}

TEST(TreeAccumulator, OwnsNothingGivesNoNodes) {
  TreeAccumulator<float> accumulator(8, {3, 3}, 5, nullptr);
  EXPECT_TRUE(accumulator.nodes().empty());
}

// What makes the fixed tree necessary: the terms of the tests above do tell orders apart.
TEST(TreeSum, DiffersFromAPlainLoop) {
  const std::vector<float> terms = random_terms<float>(64, 1);
  EXPECT_NE(tree_sum<float>(terms), std::accumulate(terms.begin(), terms.end(), 0.0F));
}

}  // namespace
}  // namespace lockstep
