#include "lockstep/train/run_directory.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "lockstep/core/error.hpp"
#include "lockstep/train/trainer.hpp"
#include "temporary_directory.hpp"
#include "user_error_message.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

TEST(RunDirectory, IsMadeWithItsParents) {
  const TemporaryDirectory directory;
  const RunDirectory run(directory / "runs/a/b");
  EXPECT_TRUE(fs::is_directory(run.checkpoints_path()));
  EXPECT_EQ(run.path(), directory / "runs/a/b");
}

TEST(RunDirectory, MetricsAreBlankWhereNothingWasEvaluated) {
  const TemporaryDirectory directory;
  RunDirectory run(directory / "run");
  run.open_metrics_after(0);
  EpochMetrics metrics;
  metrics.epoch = 1;
  metrics.step = 469;
  metrics.loss = 0.1;
  metrics.accuracy = 0.5;
  metrics.val_loss = metrics.val_accuracy = std::nan("");
  metrics.test_loss = 1.0 / 3;
  metrics.test_accuracy = 1;
  metrics.learning_rate = 0.001;
  metrics.seconds = 1.5;
  metrics.samples_per_second = 40000;
  run.append_metrics(metrics);
  EXPECT_EQ(read_text(run.metrics_path()),
            "epoch,step,loss,accuracy,val_loss,val_accuracy,test_loss,test_accuracy,learning_rate,seconds,"
            "samples_per_second\n1,469,0.1,0.5,,,0.3333333333333333,1,0.001,1.5,40000\n");
}

TEST(RunDirectory, SyncWritesRowsThatWereRefused) {
  const TemporaryDirectory directory;
  RunDirectory run(directory / "run");
  run.open_metrics_after(0);
  EXPECT_NO_THROW(run.sync_tables());  // diagnostics are not kept
  EXPECT_FALSE(fs::exists(run.diagnostics().path()));
  run.diagnostics().open_after(0);
  const std::string path = run.diagnostics().path(), header = read_text(path);
  fs::rename(path, path + ".away");
  fs::create_directory(path);
  EXPECT_THROW(run.diagnostics().append(1, {{"10", "dense_1", "0.5", "", "", "0.1"}}), FileError);
  fs::remove(path);
  fs::rename(path + ".away", path);
  run.sync_tables();
  EXPECT_EQ(read_text(path), header + "1,10,dense_1,0.5,,,0.1\n");
}

TEST(RunDirectory, TheLastMetricsReadBackAsTheyWere) {
  const TemporaryDirectory directory;
  RunDirectory run(directory / "run");
  run.open_metrics_after(0);
  EXPECT_EQ(run.last_metrics().epoch, 0U);
  EpochMetrics metrics;
  for (metrics.epoch = 1; metrics.epoch <= 2; ++metrics.epoch) {
    metrics.step = 9 * metrics.epoch;
    metrics.loss = 1.0 / 3 + static_cast<double>(metrics.epoch);
    metrics.samples_per_second = 1e300;
    run.append_metrics(metrics);
  }
  const EpochMetrics last = run.last_metrics();
  EXPECT_EQ(last.epoch, 2U);
  EXPECT_EQ(last.step, 18U);
  EXPECT_EQ(last.loss, metrics.loss);
  EXPECT_TRUE(std::isnan(last.test_loss));
  EXPECT_EQ(last.samples_per_second, 1e300);
}

TEST(RunDirectory, KeepsConfigSummaryAndLog) {
  const TemporaryDirectory directory;
  const RunDirectory run(directory / "run");
  run.write_config("seed = 1\n");
  run.write_summary({{"status", "finished"}});
  run.log("one\ntwo");
  EXPECT_EQ(read_text(run.config_path()), "seed = 1\n");
  EXPECT_EQ(nlohmann::json::parse(read_text(run.summary_path()))["status"], "finished");
  const std::string log = read_text(run.log_path());
  EXPECT_EQ(log.find("  one\n"), 19u);  // after "2025-01-31 12:00:00"
  EXPECT_NE(log.find("  two\n"), std::string::npos);
}

TEST(RunDirectory, TheSummaryHoldsTextsOfAnyBytes) {
  const TemporaryDirectory directory;
  const RunDirectory run(directory / "run");
  run.write_summary({{"source", "caf\xe9.csv"}});
  EXPECT_EQ(nlohmann::json::parse(read_text(run.summary_path()))["source"], "caf\xef\xbf\xbd.csv");
}

/// Runs `work` in a process of its own that then waits to be killed.
template <class F>
pid_t in_another_process(F&& work) {
  int ready[2];
  if (::pipe(ready) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte;
  (void)!::read(ready[0], &byte, 1);
  ::close(ready[0]);
  ::close(ready[1]);
  return child;
}

TEST(RunDirectory, IsRefusedWhileAnotherProcessLives) {
  const TemporaryDirectory directory;
  const std::string path = directory / "run";
  const pid_t other = in_another_process([&] { new RunDirectory(path); });
  try {
    const RunDirectory run(path);
    ADD_FAILURE() << "expected a UserError";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("process " + std::to_string(other)), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(fs::is_directory(path));

  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  EXPECT_NO_THROW(RunDirectory{path});
}

TEST(RunDirectory, LeavesNothingBehindWhereItCannotBeMade) {
  const TemporaryDirectory directory;
  write_text(directory / "file", "");
  EXPECT_THROW(RunDirectory(directory / "file/run"), UserError);
  EXPECT_THROW(RunDirectory(directory / "file"), UserError);
  EXPECT_THROW(RunDirectory("/proc/lockstep/run"), UserError);
  // A checkpoints file in the way.
  fs::create_directory(directory / "old");
  write_text(directory / "old/checkpoints", "");
  EXPECT_THROW(RunDirectory(directory / "old"), UserError);
  EXPECT_TRUE(fs::exists(directory / "old/checkpoints"));
}

TEST(RunDirectory, WritesNothingThroughALink) {
  const TemporaryDirectory directory;
  write_text(directory / "precious", "text");
  for (const char* name : {"metrics.csv", "diagnostics.csv", "log.txt", ".lock"}) {
    fs::create_directory(directory / "run");
    fs::create_symlink("../precious", directory / "run/" + name);
    const std::string message = user_error_message([&] { RunDirectory(directory / "run"); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find("symbolic link"), std::string::npos) << message;
    fs::remove_all(directory / "run");
  }
  EXPECT_EQ(read_text(directory / "precious"), "text");
}

TEST(RunDirectory, WaitsForNoFifo) {
  const TemporaryDirectory directory;
  for (const char* name : {"metrics.csv", "diagnostics.csv", "log.txt", ".lock"}) {
    fs::create_directory(directory / "run");
    const std::string path = directory / "run/" + name;
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(user_error_message([&] { RunDirectory(directory / "run"); }),
              "--run-dir: " + path + ": expected a regular file, found a FIFO");
    fs::remove_all(directory / "run");
  }
}

TEST(RunDirectory, LosesWhatAKilledProcessLeftUnfinished) {
  const TemporaryDirectory directory;
  const RunDirectory run(directory / "run");
  for (const char* left : {".config.toml.tmp-host-1-1", ".summary.json.tmp-host-1-2",
                           ".metrics.csv.tmp-host-1-3", ".diagnostics.csv.tmp-host-1-4",
                           "checkpoints/.last.tmp-host-1-5", "checkpoints/.step-00000007.h5.tmp-host-1-6"})
    write_text(directory / "run/" + left, "");
  // Of another program that lives.
  const std::vector<std::string> others{".predictions.csv.tmp-host-2-1", "checkpoints/.notes.tmp-host-2-2"};
  for (const std::string& name : others) write_text(directory / "run/" + name, "");
  run.remove_temporary_files();
  for (const std::string& name : others) EXPECT_TRUE(fs::remove(directory / "run/" + name)) << name;
  EXPECT_TRUE(fs::is_empty(run.checkpoints_path()));
  fs::remove(directory / "run/.lock");
  fs::remove(run.checkpoints_path());
  EXPECT_TRUE(fs::is_empty(directory / "run"));
}

TEST(RunDirectory, OnlyWhatItMadeIsDiscarded) {
  const TemporaryDirectory directory;
  {
    RunDirectory run(directory / "a/b");
    run.discard();
  }
  EXPECT_TRUE(directory.empty());
  { const RunDirectory run(directory / "a/b"); }
  RunDirectory again(directory / "a/b");
  again.discard();
  EXPECT_TRUE(fs::is_directory(directory / "a/b"));
  EXPECT_TRUE(fs::is_directory(again.checkpoints_path()));  // it was there
}

TEST(RunDirectory, CheckpointsInAnOldOneAreDiscardedIfTheyAreNewAndEmpty) {
  const TemporaryDirectory directory;
  {
    RunDirectory run(directory.path());
    run.discard();
    EXPECT_TRUE(directory.empty());
  }
  {
    RunDirectory run(directory.path());
    run.keep();
    run.discard();
    EXPECT_TRUE(fs::exists(run.checkpoints_path()));
    fs::remove(run.checkpoints_path());
  }
  RunDirectory run(directory.path());
  write_text(run.checkpoints_path() + "/last", "");
  run.discard();
  EXPECT_TRUE(fs::exists(run.checkpoints_path() + "/last"));
}

TEST(RunDirectory, DiscardingLeavesTheRunsBesideIt) {
  const TemporaryDirectory directory;
  RunDirectory run(directory / "runs/sweep/a/");
  const RunDirectory other(directory / "runs/sweep/b");
  write_text(other.checkpoints_path() + "/last", "");
  run.discard();
  EXPECT_FALSE(fs::exists(directory / "runs/sweep/a"));
  EXPECT_TRUE(fs::exists(other.checkpoints_path() + "/last"));
}

}  // namespace
}  // namespace lockstep
