#include "lockstep/train/divergence_guard.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/dist/agreement.hpp"

namespace lockstep {
namespace {

class DivergenceGuard : public ::testing::Test {
 protected:
  std::string message() {
    try {
      refuse_differing_copies<float>(world_, exchange_, layout_, 40);
    } catch (const AgreedError& error) {
      return error.what();
    }
    return "";
  }
  void flip_a_bit(std::size_t element) {
    exchange_.parameters()[element] = std::nextafter(exchange_.parameters()[element], 1.0F);
  }

  const Communicator world_ = Communicator::world();
  const ParameterLayout layout_{{5, 4, 3}, sizeof(float), {4}};
  GradientExchange<float> exchange_{world_, layout_, 8, Reduction::reproducible, Transport::messages};
};

TEST_F(DivergenceGuard, EqualCopiesPass) {
  EXPECT_EQ(message(), "");
}

TEST_F(DivergenceGuard, NamesRankHostLayerAndStep) {
  if (world_.size() == 1) GTEST_SKIP() << "one copy";
  if (world_.rank() == 1) flip_a_bit(layout_.kernel(1).offset + 2);
  const std::string found = message();
  EXPECT_NE(found.find("after step 40: layer output of "), std::string::npos) << found;
  EXPECT_NE(found.find("rank 1 on " + world_.host()), std::string::npos) << found;
  // Two copies cannot be told apart.
  EXPECT_EQ(found.find("rank 0 on ") != std::string::npos, world_.size() == 2) << found;
}

TEST_F(DivergenceGuard, PaddingDoesNotCount) {
  for (const Tensor& tensor : layout_.tensors()) {
    if (tensor.size() % 16 != 0 && world_.rank() == 0) flip_a_bit(tensor.offset + tensor.size());
  }
  EXPECT_EQ(message(), "");
}

TEST_F(DivergenceGuard, ComparesWhatActivationsTrain) {
  if (world_.size() == 1) GTEST_SKIP() << "one copy";
  if (world_.rank() == 1) flip_a_bit(layout_.activation(0)->offset + 3);
  const std::string found = message();
  EXPECT_NE(found.find("layer dense_0 of "), std::string::npos) << found;
}

}  // namespace
}  // namespace lockstep
