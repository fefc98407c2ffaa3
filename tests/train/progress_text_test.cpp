#include "lockstep/train/progress_text.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(ProgressText, AnEpochIsOneLineWithoutWhatWasNotEvaluated) {
  EpochMetrics metrics;
  metrics.epoch = 3;
  metrics.loss = 0.25;
  metrics.accuracy = 0.9;
  metrics.test_accuracy = 0.875;
  metrics.samples_per_second = 1234.4;
  metrics.seconds = 2.04;
  EXPECT_EQ(epoch_line(metrics, 10),
            "epoch 3/10  loss 0.2500  accuracy 0.9000  test_accuracy 0.8750  1234 rows/s  2.0 s");
}

TEST(ProgressText, TheSummarySaysWhatWasWrittenWhere) {
  TrainResult result;
  result.status = ExitStatus::resumable;
  result.reason = "stopped";
  result.run_dir = "runs/a";
  result.parameters_sha256 = "0123";
  result.checkpoint = "runs/a/checkpoints/step-00000007.h5";
  const std::string text = closing_summary(result);
  for (const char* part :
       {"stopped", "0123", "runs/a/metrics.csv", "step-00000007.h5", "the same command goes on"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(text.find("test accuracy"), std::string::npos);
}

}  // namespace
}  // namespace lockstep
