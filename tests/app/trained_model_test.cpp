#include "lockstep/app/trained_model.hpp"

#include <gtest/gtest.h>

#include "temporary_directory.hpp"
#include "user_error_message.hpp"

namespace lockstep {
namespace {

TEST(TrainedModel, AsksForNoMemoryThatTheFileCannotFill) {
  const TemporaryDirectory directory;
  const std::string path = directory / "forged.h5";
  write_text(path, std::string(1000, 'x'));
  ModelDescription model;
  model.task = Task::classification;
  model.activations = {"relu"};
  model.output = "softmax";
  model.loss = "cross_entropy";
  model.precision = "float32";
  model.arithmetic = "exact";
  for (const std::size_t width : {std::size_t{100'000}, std::size_t{1} << 40}) {
    model.widths = {width, 1'000'000, 10};
    EXPECT_EQ(
        user_error_message([&] { TrainedModel<float>(path, model); }),
        path + ": expected the weights of the network that it describes, found a file of only 1000 bytes");
  }
}

}  // namespace
}  // namespace lockstep
