#include "lockstep/train/progress_text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace lockstep {
namespace {

TEST(ProgressText, TheOpeningNamesEqualLayersOnce) {
  TrainConfig config;
  config.run_dir = "runs/a";
  config.shards = 8;
  for (const auto& [name, value] : {std::pair("hidden", "5,5"), std::pair("activation", "tanh,tanh"),
                                    std::pair("init", "he_uniform,he_uniform,zeros")}) {
    set_option(config, name, value);
  }
  const std::string text = opening_lines(config);
  for (const char* part : {"hidden 5,5  activation tanh  init he_uniform, he_uniform, zeros  optimizer adam",
                           "\nbatch 128  shards 8  float32  exact", "run directory runs/a"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

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

TEST(ProgressText, ALossThatIsNotFiniteIsShown) {
  EpochMetrics metrics;
  metrics.epoch = 3;
  metrics.loss = 0.25;
  metrics.val_evaluated = metrics.test_evaluated = true;
  metrics.val_loss = std::numeric_limits<double>::infinity();
  metrics.test_loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(epoch_line(metrics, 10), "epoch 3/10  loss 0.2500  val_loss inf  test_loss nan  0 rows/s  0.0 s");
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
