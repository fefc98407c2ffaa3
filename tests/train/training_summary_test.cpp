#include "lockstep/train/training_summary.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(TrainingSummary, HoldsWhatARepetitionNeeds) {
  TrainConfig config;
  DatasetInfo dataset;
  dataset.path = "data.h5";
  dataset.sha256_all = "da7a";
  const ParameterLayout layout({4, 3, 2}, sizeof(float));
  TrainProgress progress(8);
  progress.epoch = 2;
  progress.step = 14;
  TrainResult result;
  result.reason = "finished";
  result.parameters_sha256 = "feed";
  result.last.test_accuracy = 0.75;
  const nlohmann::json summary =
      training_summary(config, dataset, layout, progress, result, 1.5, {"a", "b", "a"}, "messages");
  EXPECT_EQ(summary["status"], "finished");
  EXPECT_EQ(summary["parameters_sha256"], "feed");
  EXPECT_EQ(summary["parameter_count"], 4 * 3 + 3 + 3 * 2 + 2);
  EXPECT_EQ(summary["test_accuracy"], 0.75);
  EXPECT_TRUE(summary["val_loss"].is_null());
  EXPECT_EQ(summary["dataset"]["sha256"], "da7a");
  EXPECT_EQ(summary["ranks"], 3);
  EXPECT_EQ(summary["hosts"].size(), 2U);
  for (const char* key : {"instruction_set", "versions", "seconds", "step"}) {
    EXPECT_TRUE(summary.contains(key)) << key;
  }
  EXPECT_TRUE(summary["blas_core"].is_null());
  EXPECT_TRUE(summary["versions"]["openblas"].is_null());
  result.status = ExitStatus::resumable;
  EXPECT_EQ(training_summary(config, dataset, layout, progress, result, 1, {"a"}, "none")["status"],
            "stopped");
  config.arithmetic = Arithmetic::openblas;
  const nlohmann::json by_blas =
      training_summary(config, dataset, layout, progress, result, 1, {"a"}, "none");
  EXPECT_EQ(by_blas["blas_core"], blas_identity().core_name);
  EXPECT_EQ(by_blas["versions"]["openblas"], blas_identity().version);
  result.status = ExitStatus::failure;
  result.parameters_sha256.clear();
  const nlohmann::json failed = training_summary(config, dataset, layout, progress, result, 1, {"a"}, "none");
  EXPECT_EQ(failed["status"], "failed");
  EXPECT_TRUE(failed["parameters_sha256"].is_null());
}

}  // namespace
}  // namespace lockstep
