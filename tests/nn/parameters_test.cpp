#include "lockstep/nn/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

TEST(ParameterLayout, PlacesKernelThenBiasLayerAfterLayer) {
  const ParameterLayout layout({5, 3, 2}, sizeof(float));
  ASSERT_EQ(layout.layers(), 2U);
  ASSERT_EQ(layout.tensors().size(), 4U);
  EXPECT_EQ(layout.kernel(0).layer, "dense_0");
  EXPECT_EQ(layout.kernel(0).name, "kernel");
  EXPECT_EQ(layout.kernel(0).rows, 5U);
  EXPECT_EQ(layout.kernel(0).columns, 3U);
  EXPECT_EQ(layout.bias(0).layer, "dense_0");
  EXPECT_EQ(layout.bias(0).rows, 1U);
  EXPECT_EQ(layout.bias(0).columns, 3U);
  EXPECT_EQ(layout.kernel(1).layer, "output");
  EXPECT_TRUE(layout.kernel(1).is_kernel());
  EXPECT_FALSE(layout.bias(1).is_kernel());
  EXPECT_EQ(layout.parameter_count(), 5U * 3 + 3 + 3 * 2 + 2);
  // 16 floats are 64 bytes: 15 → 16, 3 → 32, 6 → 48, 2 → 64.
  EXPECT_EQ(layout.kernel(0).offset, 0U);
  EXPECT_EQ(layout.bias(0).offset, 16U);
  EXPECT_EQ(layout.kernel(1).offset, 32U);
  EXPECT_EQ(layout.bias(1).offset, 48U);
  EXPECT_EQ(layout.size(), 64U);
}

TEST(ParameterLayout, TensorsStartAtMultiplesOf64BytesWithoutOverlap) {
  for (const std::size_t element_size : {sizeof(float), sizeof(double)}) {
    const ParameterLayout layout({785, 131, 67, 1, 10}, element_size);
    std::size_t end = 0;
    for (const Tensor& tensor : layout.tensors()) {
      EXPECT_EQ(tensor.offset * element_size % 64, 0U);
      EXPECT_GE(tensor.offset, end);
      EXPECT_LT((tensor.offset - end) * element_size, 64U);
      end = tensor.offset + tensor.size();
    }
    EXPECT_GE(layout.size(), end);
    EXPECT_LT((layout.size() - end) * element_size, 64U);
    EXPECT_EQ(layout.size() * element_size % 64, 0U);
  }
}

TEST(ParameterLayout, NormBlocksCoverEverythingAndCutTensorsAt4096Elements) {
  const ParameterLayout layout({100, 131, 10}, sizeof(double));  // kernels of 13100 and 1310 elements
  ASSERT_EQ(layout.block_starts().size(), layout.blocks() + 1);
  EXPECT_EQ(layout.block_starts().front(), 0U);
  EXPECT_EQ(layout.block_starts().back(), layout.size());
  EXPECT_EQ(layout.block_tensors(), (std::vector<std::size_t>{0, 0, 0, 0, 1, 2, 3}));

  for (std::size_t b = 0; b < layout.blocks(); ++b) {
    const std::size_t begin = layout.block_starts()[b], end = layout.block_starts()[b + 1];
    const Tensor& tensor = layout.tensors()[layout.block_tensors()[b]];
    ASSERT_LT(begin, end);
    EXPECT_GE(begin, tensor.offset);
    EXPECT_EQ((begin - tensor.offset) % 4096, 0U);
    // Of its tensor a block holds at most 4096 elements; what lies beyond is padding.
    const std::size_t tensor_end = tensor.offset + tensor.size();
    EXPECT_LT(begin, tensor_end);
    EXPECT_LE(std::min(end, tensor_end) - begin, 4096U);
    const bool last_of_tensor =
        b + 1 == layout.blocks() || layout.block_tensors()[b + 1] != layout.block_tensors()[b];
    if (!last_of_tensor) {
      EXPECT_EQ(end - begin, 4096U);
    } else {
      EXPECT_LT(end - tensor_end, 8U);
    }
  }
}

TEST(ParameterLayout, WhatActivationsTrainStandsBehindTheBias) {
  const ParameterLayout layout({5, 3, 4, 2}, sizeof(float), {1, 4});
  ASSERT_EQ(layout.layers(), 3U);
  ASSERT_EQ(layout.tensors().size(), 8U);
  ASSERT_NE(layout.activation(0), nullptr);
  EXPECT_EQ(layout.activation(0)->layer, "dense_0");
  EXPECT_EQ(layout.activation(0)->name, "activation");
  EXPECT_EQ(layout.activation(0)->size(), 1U);
  EXPECT_FALSE(layout.activation(0)->is_kernel());
  EXPECT_EQ(layout.activation(0)->offset, 32U);
  EXPECT_EQ(layout.kernel(1).offset, 48U);
  EXPECT_EQ(layout.activation(1)->size(), 4U);
  EXPECT_EQ(layout.activation(2), nullptr);
  EXPECT_EQ(layout.kernel(2).layer, "output");
  EXPECT_EQ(layout.bias(2).columns, 2U);
  EXPECT_EQ(layout.parameter_count(), 5U * 3 + 3 + 1 + 3 * 4 + 4 + 4 + 4 * 2 + 2);
  EXPECT_EQ(layout.block_tensors(), (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(ParameterLayout, RefusesSizesThatCannotBeHeld) {
  const std::size_t huge = std::numeric_limits<std::size_t>::max() / 2;
  EXPECT_THROW(ParameterLayout({huge, 3, 1}, 4), OverflowError);
  EXPECT_THROW(ParameterLayout({huge, 2, 1}, 4), OverflowError);
  EXPECT_THROW(ParameterLayout({1'000'000'000, 1'000'000'000, 1}, 4), OverflowError);
  EXPECT_THROW(ParameterLayout({4, 0, 1}, 4), UserError);
  EXPECT_THROW(ParameterLayout({4}, 4), UserError);
}

TEST(ParametersSha256, DigestsKernelsAndBiasesWithoutPadding) {
  const ParameterLayout layout({2, 2, 1}, sizeof(float));
  std::vector<float> flat(layout.size(), 0.0F);
  float next = 0.5F;
  for (const Tensor& tensor : layout.tensors()) {
    for (std::size_t i = 0; i < tensor.size(); ++i, next += 1) flat[tensor.offset + i] = next;
  }
  // hashlib.sha256(np.arange(0.5, 9.5, dtype='<f4').tobytes()).hexdigest()
  const std::string expected = "22925f108bd63416efea472f28b379a5c5671e99d95e988024f691b0c9d3220f";
  EXPECT_EQ(parameters_sha256(layout, std::span<const float>(flat)), expected);
  flat[layout.kernel(0).offset + layout.kernel(0).size()] = 7;  // padding
  EXPECT_EQ(parameters_sha256(layout, std::span<const float>(flat)), expected);
  flat[layout.bias(1).offset] = 7;
  EXPECT_NE(parameters_sha256(layout, std::span<const float>(flat)), expected);

  const ParameterLayout in_double({2, 2, 1}, sizeof(double));
  std::vector<double> flat_double(in_double.size(), 0.0);
  double next_double = 0.5;
  for (const Tensor& tensor : in_double.tensors()) {
    for (std::size_t i = 0; i < tensor.size(); ++i, next_double += 1)
      flat_double[tensor.offset + i] = next_double;
  }
  // … dtype='<f8'
  EXPECT_EQ(parameters_sha256(in_double, std::span<const double>(flat_double)),
            "76d5d283b186da206dc88b16c471c496e5b71f3e0b11e26be92c7a12e8e43a0c");
}

}  // namespace
}  // namespace lockstep
