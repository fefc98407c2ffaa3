#include "lockstep/nn/metrics.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace lockstep {
namespace {

ConfusionMatrix confusion(std::size_t classes, const std::vector<std::size_t>& truth,
                          const std::vector<std::size_t>& predicted) {
  ConfusionMatrix matrix(classes);
  for (std::size_t i = 0; i < truth.size(); ++i) matrix.add(truth[i], predicted[i]);
  return matrix;
}

// The example of scikit-learn's confusion_matrix documentation.
TEST(ConfusionMatrix, CountsAsScikitLearn) {
  const ConfusionMatrix matrix = confusion(3, {2, 0, 2, 2, 0, 1}, {0, 0, 2, 2, 0, 2});
  const std::vector<std::vector<std::int64_t>> expected = {{2, 0, 0}, {0, 0, 1}, {1, 0, 2}};
  for (std::size_t t = 0; t < 3; ++t) {
    for (std::size_t p = 0; p < 3; ++p) EXPECT_EQ(matrix.count(t, p), expected[t][p]) << t << " " << p;
  }
  EXPECT_EQ(matrix.classes(), 3U);
}

// The first example of scikit-learn's classification_report documentation: precision .50 .00 1.00,
// recall 1.00 .00 .67, f1 .67 .00 .80, accuracy .60.
TEST(ConfusionMatrix, PrecisionRecallAndF1AsScikitLearn) {
  const ConfusionMatrix matrix = confusion(3, {0, 1, 2, 2, 2}, {0, 0, 2, 2, 1});
  const double precision[] = {0.5, 0.0, 1.0}, recall[] = {1.0, 0.0, 2.0 / 3}, f1[] = {2.0 / 3, 0.0, 0.8};
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_DOUBLE_EQ(matrix.precision(c), precision[c]) << c;
    EXPECT_DOUBLE_EQ(matrix.recall(c), recall[c]) << c;
    EXPECT_DOUBLE_EQ(matrix.f1(c), f1[c]) << c;
  }
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.6);
}

// scikit-learn with zero_division=0: classes that are never seen or never predicted give zeros, not NaN.
TEST(ConfusionMatrix, ClassesNeverSeenGiveZero) {
  const ConfusionMatrix matrix = confusion(3, {0, 1, 0}, {0, 0, 0});
  EXPECT_DOUBLE_EQ(matrix.precision(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(matrix.recall(0), 1.0);
  EXPECT_DOUBLE_EQ(matrix.f1(0), 0.8);
  EXPECT_EQ(matrix.precision(1), 0);
  EXPECT_EQ(matrix.recall(2), 0);
  EXPECT_EQ(matrix.f1(2), 0);
  EXPECT_EQ(ConfusionMatrix(2).accuracy(), 0);
}

TEST(ConfusionMatrix, OfManyClassesHasTheFiguresOfEachWithoutTheCountsOfPairs) {
  const ConfusionMatrix most(ConfusionMatrix::most_classes);
  EXPECT_TRUE(most.has_counts());
  EXPECT_EQ(most.count(999, 999), 0);
  // The example above, at the end of so many classes that their pairs would take 8 TiB.
  const std::size_t classes = 1 << 20, a = classes - 3, b = classes - 2, c = classes - 1;
  const ConfusionMatrix matrix = confusion(classes, {a, b, c, c, c}, {a, a, c, c, b});
  EXPECT_FALSE(matrix.has_counts());
  EXPECT_EQ(matrix.classes(), classes);
  EXPECT_DOUBLE_EQ(matrix.precision(a), 0.5);
  EXPECT_DOUBLE_EQ(matrix.recall(c), 2.0 / 3);
  EXPECT_DOUBLE_EQ(matrix.f1(c), 0.8);
  EXPECT_EQ(matrix.f1(b), 0);
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.6);
}

TEST(Argmax, TakesTheFirstOfEquals) {
  const std::vector<float> row = {1, 3, 2, 3};
  EXPECT_EQ(argmax(std::span<const float>(row)), 1U);
  const std::vector<double> one = {-5};
  EXPECT_EQ(argmax(std::span<const double>(one)), 0U);
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> low = {-infinity, -infinity};
  EXPECT_EQ(argmax(std::span<const double>(low)), 0U);
}

// The example of scikit-learn's top_k_accuracy_score documentation: 0.75 for k = 2.
TEST(InTopK, CountsAsScikitLearn) {
  const std::vector<std::vector<double>> scores = {
      {0.5, 0.2, 0.2}, {0.3, 0.4, 0.2}, {0.2, 0.4, 0.3}, {0.7, 0.2, 0.1}};
  const std::vector<std::size_t> truth = {0, 1, 2, 2};
  int hits = 0;
  for (std::size_t i = 0; i < 4; ++i)
    hits += in_top_k(std::span<const double>(scores[i]), truth[i], 2) ? 1 : 0;
  EXPECT_EQ(hits, 3);
}

TEST(InTopK, EqualValuesRankInIndexOrder) {
  const std::vector<float> row = {1, 2, 2, 2};
  const std::span<const float> view(row);
  EXPECT_TRUE(in_top_k(view, 1, 1));
  EXPECT_FALSE(in_top_k(view, 2, 1));
  EXPECT_TRUE(in_top_k(view, 2, 2));
  EXPECT_FALSE(in_top_k(view, 0, 3));
  EXPECT_TRUE(in_top_k(view, 0, 4));
  EXPECT_TRUE(in_top_k(view, 0, 10));
  EXPECT_FALSE(in_top_k(view, 1, 0));
}

}  // namespace
}  // namespace lockstep
