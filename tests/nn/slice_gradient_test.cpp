#include "lockstep/nn/slice_gradient.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "nn/mlp_fixture.hpp"

namespace lockstep {
namespace {

using testing::Problem;

template <class T>
class SliceGradientOf : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SliceGradientOf, Types);

ModelSpec make_spec(std::vector<std::size_t> widths) {
  ModelSpec spec{
      .widths = std::move(widths), .activations = {}, .dropout = {}, .arithmetic = Arithmetic::exact};
  spec.activations.assign(spec.layers() - 1, Activation("tanh"));
  return spec;
}

/// The first block at or behind a share of the layout.
std::size_t block_at(const ParameterLayout& layout, double share) {
  return static_cast<std::size_t>(share * static_cast<double>(layout.blocks()));
}

/// Of three slices that cut the layout at some blocks, chunk by chunk, the bits of forward_backward.
template <class T>
void expect_same_bits(Problem<T>& problem, const std::vector<Range>& micro_batches, bool leave_out_zeros) {
  Workspace<T> workspace(problem.spec, problem.rows);
  AlignedVector<T> memory(GradientFactors<T>::size(problem.spec, problem.rows, leave_out_zeros));
  workspace.factors = GradientFactors<T>(problem.spec, problem.rows, leave_out_zeros, memory.data());
  std::vector<T> expected(problem.layout.size(), T(99));
  std::vector<LossSums> sums(micro_batches.size());
  const Range all{0, problem.rows};
  const LocalBatch<T> batch{problem.x_view(all), problem.targets(all), micro_batches, problem.dropout};
  forward_backward<T>(problem.spec, problem.layout, problem.parameters, batch, workspace, expected, sums);

  NonZeroIndex index;
  for (std::size_t i = 0; i < problem.rows; ++i) {
    const std::span<const T> row(problem.x_view(all).row(i), problem.spec.inputs());
    index.append(row);
    if (leave_out_zeros)
      index.view().template copy<T>(i, T(1), workspace.factors.x, i);
    else
      std::copy(row.begin(), row.end(), workspace.factors.x.row(i));
  }
  const std::size_t cuts[] = {0, block_at(problem.layout, 0.3), block_at(problem.layout, 0.8),
                              problem.layout.blocks()};
  for (std::size_t i = 0; i + 1 < std::size(cuts); ++i) {
    const Range blocks{cuts[i], cuts[i + 1]};
    const std::size_t begin = problem.layout.block_starts()[blocks.begin];
    SliceGradient<T> gradient(problem.spec, problem.layout,
                              {begin, problem.layout.block_starts()[blocks.end]});
    for (int step = 0; step < 2; ++step) {
      gradient.start(workspace.factors, micro_batches);
      for_chunks(problem.layout, blocks, [&](const Chunk& chunk) {
        const T* const sum = gradient.sum(chunk.elements);
        ASSERT_EQ(std::memcmp(sum, expected.data() + begin + chunk.elements.begin,
                              chunk.elements.size() * sizeof(T)),
                  0)
            << "slice " << i << ", elements from " << chunk.elements.begin;
      });
    }
  }
}

TYPED_TEST(SliceGradientOf, HasTheBitsOfTheWholeGradient) {
  const std::vector<std::vector<std::size_t>> nets = {
      {5, 3, 2}, {70, 67, 1, 9}, {131, 127, 10}, {9, 1500, 3}, {600, 300, 300, 10}};
  for (const std::vector<std::size_t>& widths : nets) {
    Problem<TypeParam> problem(make_spec(widths), 13);
    expect_same_bits(problem, {{0, 13}}, false);
    expect_same_bits(problem, {{0, 4}, {4, 8}, {8, 11}, {11, 13}, {13, 13}}, false);
  }
}

TYPED_TEST(SliceGradientOf, LeavesOutZerosOfSparseInputs) {
  Problem<TypeParam> problem(make_spec({131, 127, 10}), 13);
  for (std::size_t i = 0; i < problem.x.size(); ++i) {
    if (i % 7 > 1) problem.x[i] = 0;
  }
  expect_same_bits(problem, {{0, 4}, {4, 8}, {8, 13}}, true);
}

}  // namespace
}  // namespace lockstep
