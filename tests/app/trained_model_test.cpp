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

TEST(TrainedModel, RefusesMoreNamesThanClasses) {
  ModelDescription model;
  model.task = Task::classification;
  model.widths = {4, 2};
  model.class_names = {"a", "b", "c"};
  EXPECT_EQ(user_error_message([&] { model_spec_of(model, "a.h5"); }),
            "a.h5: /model: attribute 'class_names': expected at most 2 names, found 3");
}

}  // namespace
}  // namespace lockstep
