#include "lockstep/train/logging_observer.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "temporary_directory.hpp"

namespace lockstep {
namespace {

class Counting : public TrainObserver {
 public:
  void epoch_finished(const EpochMetrics&) override { ++calls; }
  void checkpoint_written(const std::string&, double, std::uint64_t) override { ++calls; }
  void message(const std::string&) override { ++calls; }
  void progressed(std::uint64_t, double, double) override { ++calls; }
  void failed(const std::string&) override { ++calls; }
  int calls = 0;
};

/// The lines without their times.
std::string log_at(const std::string& level) {
  const TemporaryDirectory directory;
  const RunDirectory run(directory / "run");
  Counting next;
  LoggingObserver observer(next, run, level);
  EpochMetrics metrics;
  metrics.epoch = 4;
  observer.epoch_finished(metrics);
  observer.checkpoint_written("c.h5", 0.5, 2048);
  observer.message("warning: w");
  observer.message("resuming");
  observer.progressed(7, 0.25, 1000);
  observer.failed("the loss is nan");
  EXPECT_EQ(next.calls, 6) << "everything is passed on at every level";
  const std::string time = "2026-01-01 00:00:00  ";
  std::istringstream log(read_text(run.log_path()));
  std::string lines;
  for (std::string line; std::getline(log, line);) lines += line.substr(time.size()) + "\n";
  return lines;
}

TEST(LoggingObserver, KeepsWhatTheLevelAsksFor) {
  const std::string debug = log_at("debug"), info = log_at("info"), warn = log_at("warn"),
                    error = log_at("error");
  EXPECT_NE(info.find("checkpoint c.h5  2.0 KiB  0.500 s"), std::string::npos);
  EXPECT_EQ(warn.find("checkpoint c.h5"), std::string::npos);
  EXPECT_NE(debug.find("step 7  loss of rank 0's rows 0.2500  1000 rows/s\n"), std::string::npos) << debug;
  EXPECT_EQ(info.find("step 7"), std::string::npos);
  EXPECT_TRUE(info.starts_with("epoch 4/")) << info;
  EXPECT_NE(info.find("resuming"), std::string::npos);
  EXPECT_EQ(warn.find("resuming"), std::string::npos);
  EXPECT_NE(warn.find("warning: w"), std::string::npos);
  EXPECT_EQ(error, "error: the loss is nan\n");
  EXPECT_NE(info.find(error), std::string::npos);
}

TEST(LoggingObserver, TellsOnceThatTheDiskRefusesLines) {
  const TemporaryDirectory directory;
  const RunDirectory run(directory / "run");
  std::filesystem::create_directory(run.log_path());  // cannot be opened
  Counting next;
  LoggingObserver observer(next, run, "info");
  for (int i = 0; i < 3; ++i) observer.message("resuming");
  EXPECT_EQ(next.calls, 3 + 1);
}

}  // namespace
}  // namespace lockstep
