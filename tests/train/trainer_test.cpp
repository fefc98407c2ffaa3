#include "lockstep/train/trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "lockstep/dist/agreement.hpp"
#include "lockstep/io/checkpoint.hpp"
#include "temporary_directory.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A directory on rank 0 whose name all ranks know, with a dataset in it.
class Trainer : public ::testing::Test {
 protected:
  Trainer() {
    if (world.is_root()) {
      directory.emplace();
      testing::write_synthetic_dataset(*directory / "data.h5", 203, 90);
    }
    path = world.broadcast(directory ? directory->path() : "");
  }
  ~Trainer() override { world.barrier(); }

  TrainConfig config(const std::string& run,
                     const std::vector<std::pair<std::string, std::string>>& more = {}) {
    TrainConfig made;
    set_option(made, "data", path + "/data.h5");
    set_option(made, "run-dir", path + "/" + run);
    for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
             {"hidden", "6"}, {"batch-size", "25"}, {"epochs", "3"}, {"seed", "5"}}) {
      set_option(made, name, text);
    }
    for (const auto& [name, text] : more) set_option(made, name, text);
    return made;
  }
  TrainResult run(const TrainConfig& given) {
    TrainObserver silent;
    return train(world, given, silent);
  }
  /// metrics.csv without the times.
  std::string metrics(const std::string& run) const {
    std::ifstream file(path + "/" + run + "/metrics.csv");
    std::string all, line;
    while (std::getline(file, line)) {
      for (int column = 0; column < 2; ++column) line.erase(line.rfind(','));
      all += line + "\n";
    }
    return all;
  }

  const Communicator world = Communicator::world();
  std::optional<TemporaryDirectory> directory;
  std::string path;
};

TEST_F(Trainer, LearnsAndWritesWhatTheDesignSays) {
  const TrainResult result = run(config("a", {{"epochs", "30"}, {"learning-rate", "0.02"}}));
  EXPECT_EQ(result.status, ExitStatus::done);
  EXPECT_GT(result.last.test_accuracy, 0.8);
  EXPECT_EQ(result.last.step, 30U * 9);
  if (!world.is_root()) return;
  for (const char* name : {"config.toml", "metrics.csv", "summary.json", "log.txt", "checkpoints/last",
                           "checkpoints/best", "checkpoints/step-00000270.h5"}) {
    EXPECT_TRUE(std::filesystem::exists(path + "/a/" + name)) << name;
  }
  std::ifstream file(path + "/a/summary.json");
  const nlohmann::json summary = nlohmann::json::parse(file);
  EXPECT_EQ(summary["parameters_sha256"], result.parameters_sha256);
  EXPECT_EQ(summary["status"], "finished");
}

TEST_F(Trainer, StoppedAtAnyStepAndResumedGivesTheBitsOfAnUninterruptedRun) {
  const TrainResult whole = run(config("whole", {{"dropout", "0.2"}}));
  for (const char* step : {"1", "8", "9", "10", "17", "26"}) {
    const std::string name = std::string("stopped-") + step;
    const TrainResult part = run(config(name, {{"dropout", "0.2"}, {"max-steps", step}}));
    EXPECT_EQ(part.reason, "max-steps");
    const TrainResult rest = run(config(name, {{"dropout", "0.2"}}));
    EXPECT_EQ(rest.parameters_sha256, whole.parameters_sha256) << step;
    if (world.is_root()) {
      EXPECT_EQ(metrics(name), metrics("whole")) << step;
    }
  }
}

/// Ends the run after an epoch.
class HaltAfterEpoch : public TrainObserver {
 public:
  explicit HaltAfterEpoch(std::uint64_t epoch) : epoch_(epoch) {}
  bool goes_on_after(const EpochMetrics& metrics) override { return metrics.epoch < epoch_; }

 private:
  std::uint64_t epoch_;
};

TEST_F(Trainer, HaltedByItsObserverEndsWithTheEpochAndCanGoOn) {
  const TrainResult whole = run(config("whole"));
  HaltAfterEpoch halt(2);
  const TrainResult part = train(world, config("halted"), halt);
  EXPECT_EQ(part.status, ExitStatus::done);
  EXPECT_EQ(part.reason, halted_reason);
  EXPECT_EQ(part.last.epoch, 2U);
  EXPECT_EQ(part.last.step, 2U * 9);
  EXPECT_EQ(run(config("halted")).parameters_sha256, whole.parameters_sha256);
  HaltAfterEpoch at_the_end(3);
  EXPECT_EQ(train(world, config("to the end"), at_the_end).reason, "finished");
}

/// Asks the run to stop when a certain checkpoint has been written: it does so after the next step.
class StopAfterCheckpoint : public TrainObserver {
 public:
  explicit StopAfterCheckpoint(std::string name) : name_(std::move(name)) {}
  void checkpoint_written(const std::string& path, double /*seconds*/, std::uint64_t /*bytes*/) override {
    if (path.ends_with(name_)) std::raise(SIGTERM);
  }

 private:
  std::string name_;
};

TEST_F(Trainer, AStopAfterTheLastStepOfAnEpochLosesNoDiagnostics) {
  const auto given = [&](const std::string& run) {
    return config(run, {{"diagnostics", "on"}, {"checkpoint-every", "1step"}});
  };
  const TrainResult whole = run(given("seen"));
  StopAfterCheckpoint stop("step-00000008.h5");
  EXPECT_EQ(train(world, given("resumed"), stop).status, ExitStatus::resumable);
  EXPECT_EQ(run(given("resumed")).parameters_sha256, whole.parameters_sha256);
  if (!world.is_root()) return;
  EXPECT_EQ(text_of(path + "/resumed/diagnostics.csv"), text_of(path + "/seen/diagnostics.csv"));
  EXPECT_EQ(metrics("resumed"), metrics("seen"));
}

TEST_F(Trainer, AStopAfterTheLastStepOfAnEpochDoesNotWaitForItsEvaluation) {
  const auto given = [&](const std::string& run) { return config(run, {{"checkpoint-every", "1step"}}); };
  const TrainResult whole = run(given("evaluated"));
  StopAfterCheckpoint stop("step-00000008.h5");
  EXPECT_EQ(train(world, given("later"), stop).status, ExitStatus::resumable);
  if (world.is_root()) {
    EXPECT_EQ(read_checkpoint_state(path + "/later/checkpoints/last").step, 9U);
    EXPECT_EQ(metrics("later").find("\n1,"), std::string::npos);
  }
  EXPECT_EQ(run(given("later")).parameters_sha256, whole.parameters_sha256);
  if (world.is_root()) {
    EXPECT_EQ(metrics("later"), metrics("evaluated"));
  }
}

TEST_F(Trainer, AStopAfterTheLastStepOfAllIsNoStop) {
  StopAfterCheckpoint stop("step-00000026.h5");
  const TrainResult result = train(world, config("whole", {{"checkpoint-every", "1step"}}), stop);
  EXPECT_EQ(result.status, ExitStatus::done);
  EXPECT_EQ(result.reason, "finished");
}

TEST_F(Trainer, SaysThatARunIsFinished) {
  const TrainResult first = run(config("finished"));
  const TrainResult again = run(config("finished"));
  EXPECT_EQ(again.reason, "already finished");
  EXPECT_EQ(again.parameters_sha256, first.parameters_sha256);
}

TEST_F(Trainer, ARunThatStartsAnewLeavesNothingOfAnEarlierOne) {
  run(config("anew", {{"diagnostics", "on"}}));
  run(config("anew", {{"resume", "never"}, {"max-steps", "2"}}));
  if (!world.is_root()) return;
  EXPECT_FALSE(std::filesystem::exists(path + "/anew/diagnostics.csv"));
  EXPECT_FALSE(std::filesystem::exists(path + "/anew/checkpoints/best"));
  EXPECT_EQ(text_of(path + "/anew/metrics.csv").find("\n1,"), std::string::npos);
}

TEST_F(Trainer, ARunThatStartsAnewLeavesTheDirectoryOfItsCheckpointsAndWhatOthersPutThere) {
  const std::filesystem::path checkpoints = path + "/linked/checkpoints", disk = path + "/disk";
  if (world.is_root()) {
    std::filesystem::create_directories(checkpoints.parent_path());
    std::filesystem::create_directory(disk);
    std::filesystem::create_directory_symlink(disk, checkpoints);
    std::ofstream(disk / "notes.txt") << "of somebody else";
  }
  world.barrier();
  run(config("linked"));
  if (world.is_root()) std::ofstream(disk / ".last.tmp-host-1-1") << "unfinished";
  world.barrier();
  run(config("linked", {{"resume", "never"}, {"max-steps", "2"}}));
  if (!world.is_root()) return;
  EXPECT_TRUE(std::filesystem::is_symlink(checkpoints));
  EXPECT_EQ(checkpoints_newest_first(disk), std::vector<std::string>{disk / "step-00000002.h5"});
  EXPECT_EQ(read_checkpoint_state(disk / "last").step, 2U);
  EXPECT_FALSE(std::filesystem::exists(disk / "best"));
  EXPECT_FALSE(std::filesystem::exists(disk / ".last.tmp-host-1-1"));
  EXPECT_TRUE(std::filesystem::exists(disk / "notes.txt"));
}

TEST_F(Trainer, RefusesARunDirectoryOfAnotherConfig) {
  run(config("other"));
  try {
    run(config("other", {{"seed", "6"}}));
    FAIL() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::user_error);
    EXPECT_NE(std::string(error.what()).find("seed"), std::string::npos) << error.what();
  }
}

TEST_F(Trainer, RefusesMoreRanksThanShards) {
  if (world.size() == 1) return;
  try {
    run(config("crowded", {{"shards", std::to_string(world.size() - 1)}}));
    FAIL() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::user_error);
    EXPECT_NE(std::string(error.what()).find("--shards"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(path + "/crowded"));
}

TEST_F(Trainer, RefusesRanksThatSeeDifferentData) {
  if (world.size() == 1) return;
  if (world.is_root()) testing::write_synthetic_dataset(path + "/other.h5", 203, 80);
  world.barrier();
  TrainConfig given = config("mixed");
  if (world.rank() == world.size() - 1) given.data = path + "/other.h5";
  try {
    run(given);
    FAIL() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::user_error);
    EXPECT_NE(std::string(error.what()).find("--data"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(path + "/mixed"));
}

TEST_F(Trainer, ADamagedNewestCheckpointIsLeftOut) {
  const TrainResult whole = run(config("undamaged"));
  run(config("damaged", {{"max-steps", "12"}, {"checkpoint-every", "5steps"}}));
  if (world.is_root()) {
    std::fstream file(path + "/damaged/checkpoints/step-00000012.h5",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3000);
    file.put('\x5a');
  }
  world.barrier();
  EXPECT_EQ(run(config("damaged")).parameters_sha256, whole.parameters_sha256);
}

TEST_F(Trainer, ADamagedCheckpointDoesNotOutliveItsSuccessors) {
  run(config("left", {{"max-steps", "12"}}));
  if (world.is_root()) std::ofstream(path + "/left/checkpoints/step-00000900.h5") << "damaged";
  world.barrier();
  const TrainResult rest = run(config("left", {{"keep-checkpoints", "1"}}));
  EXPECT_EQ(rest.parameters_sha256, run(config("undisturbed")).parameters_sha256);
  if (!world.is_root()) return;
  EXPECT_EQ(checkpoints_newest_first(path + "/left/checkpoints"),
            std::vector<std::string>{path + "/left/checkpoints/step-00000027.h5"});
}

/// Once a checkpoint was written, stands in the way of another one.
class CheckpointThief : public TrainObserver {
 public:
  explicit CheckpointThief(std::string path) : path_(std::move(path)) {}
  void checkpoint_written(const std::string& /*path*/, double /*seconds*/, std::uint64_t /*bytes*/) override {
    std::filesystem::create_directories(path_);
  }
  void message(const std::string& text) override { messages += text + "\n"; }
  std::string messages;

 private:
  std::string path_;
};

TEST_F(Trainer, ACheckpointThatCannotBeWrittenIsAWarning) {
  CheckpointThief thief(path + "/blocked/checkpoints/step-00000018.h5");
  const TrainResult result = train(world, config("blocked", {{"checkpoint-every", "1epoch"}}), thief);
  EXPECT_EQ(result.status, ExitStatus::done);
  EXPECT_EQ(result.parameters_sha256, run(config("undisturbed")).parameters_sha256);
  if (!world.is_root()) return;
  EXPECT_NE(thief.messages.find("warning: no checkpoint of step 18: "), std::string::npos) << thief.messages;
  EXPECT_NE(thief.messages.find("step-00000018.h5"), std::string::npos) << thief.messages;
  EXPECT_TRUE(std::filesystem::is_regular_file(path + "/blocked/checkpoints/step-00000009.h5"));
  EXPECT_TRUE(std::filesystem::is_regular_file(path + "/blocked/checkpoints/step-00000027.h5"));
}

TEST_F(Trainer, ALastStateThatCannotBeSavedEndsTheRunWithStatus1AndLosesNothing) {
  CheckpointThief thief(path + "/full/checkpoints/step-00000027.h5");
  try {
    train(world, config("full", {{"checkpoint-every", "1epoch"}}), thief);
    ADD_FAILURE() << "expected an AgreedError";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::failure);
    EXPECT_NE(std::string(error.what()).find("the state after step 27 could not be saved"), std::string::npos)
        << error.what();
  }
  if (world.is_root()) std::filesystem::remove(path + "/full/checkpoints/step-00000027.h5");
  world.barrier();
  EXPECT_EQ(run(config("full")).parameters_sha256, run(config("undisturbed")).parameters_sha256);
  EXPECT_EQ(metrics("full"), metrics("undisturbed"));
}

class CheckpointCounter : public TrainObserver {
 public:
  explicit CheckpointCounter(std::uint64_t last_epoch = 0) : last_epoch_(last_epoch) {}
  void checkpoint_written(const std::string& path, double /*seconds*/, std::uint64_t /*bytes*/) override {
    ++writes[std::filesystem::path(path).filename().string()];
  }
  bool goes_on_after(const EpochMetrics& metrics) override { return metrics.epoch != last_epoch_; }
  std::map<std::string, int> writes;

 private:
  std::uint64_t last_epoch_;
};

TEST_F(Trainer, NoCheckpointIsWrittenTwice) {
  const std::map<std::string, int> first{{"step-00000009.h5", 1}};
  std::map<std::string, int> all = first;
  all.insert({{"step-00000018.h5", 1}, {"step-00000027.h5", 1}});
  CheckpointCounter whole, limited, within, halted(1);
  train(world, config("whole", {{"checkpoint-every", "1epoch"}}), whole);
  train(world, config("at-the-end", {{"checkpoint-every", "1epoch"}, {"max-steps", "9"}}), limited);
  train(world, config("within", {{"checkpoint-every", "3steps"}, {"max-steps", "6"}}), within);
  train(world, config("halted", {{"checkpoint-every", "1epoch"}}), halted);
  if (!world.is_root()) return;
  EXPECT_EQ(whole.writes, all);
  EXPECT_EQ(limited.writes, first);
  EXPECT_EQ(within.writes, (std::map<std::string, int>{{"step-00000003.h5", 1}, {"step-00000006.h5", 1}}));
  EXPECT_EQ(halted.writes, first);
}

/// Once a checkpoint was written, puts a directory where a table was.
class TableThief : public TrainObserver {
 public:
  explicit TableThief(std::string path) : path_(std::move(path)) {}
  void checkpoint_written(const std::string& /*path*/, double /*seconds*/, std::uint64_t /*bytes*/) override {
    std::filesystem::remove(path_);
    std::filesystem::create_directories(path_);
  }
  void message(const std::string& text) override { messages += text + "\n"; }
  std::string messages;

 private:
  std::string path_;
};

TEST_F(Trainer, ATableThatCannotBeWrittenCostsNoCheckpoint) {
  TableThief thief(path + "/tableless/metrics.csv");
  const TrainResult result = train(world, config("tableless", {{"checkpoint-every", "1epoch"}}), thief);
  EXPECT_EQ(result.status, ExitStatus::done);
  if (!world.is_root()) return;
  EXPECT_TRUE(std::filesystem::is_regular_file(path + "/tableless/checkpoints/step-00000018.h5"));
  EXPECT_TRUE(std::filesystem::is_regular_file(path + "/tableless/checkpoints/step-00000027.h5"));
  EXPECT_NE(thief.messages.find("metrics.csv"), std::string::npos) << thief.messages;
  EXPECT_NE(thief.messages.find("last rows are lost"), std::string::npos) << thief.messages;
}

TEST_F(Trainer, TheLastEpochIsEvaluatedWhereEarlyStoppingEndsTheRun) {
  const TrainResult result = run(config("early", {{"epochs", "50"},
                                                  {"evaluate-every", "40"},
                                                  {"early-stopping", "1"},
                                                  {"monitor", "loss"},
                                                  {"learning-rate", "0.5"}}));
  EXPECT_EQ(result.reason, "early stopping");
  EXPECT_NE(result.last.epoch, 1U);
  EXPECT_NE(result.last.epoch, 41U);
  EXPECT_FALSE(std::isnan(result.last.test_loss));
}

TEST_F(Trainer, ARunWithNothingToDoKeepsItsSummary) {
  run(config("limited", {{"max-steps", "12"}}));
  const std::string before = text_of(path + "/limited/summary.json");
  run(config("limited", {{"max-steps", "12"}}));
  EXPECT_EQ(text_of(path + "/limited/summary.json"), before);
}

TEST_F(Trainer, AFinishedRunGetsTheSummaryThatItLacks) {
  run(config("unsummarized"));
  const auto summary = [&] { return nlohmann::json::parse(text_of(path + "/unsummarized/summary.json")); };
  nlohmann::json before;
  if (world.is_root()) {
    before = summary();
    std::filesystem::remove(path + "/unsummarized/summary.json");  // as if killed before it was written
  }
  world.barrier();
  run(config("unsummarized"));
  if (!world.is_root()) return;
  for (const char* key : {"status", "parameters_sha256", "epoch", "step", "loss", "test_accuracy", "best"}) {
    EXPECT_EQ(summary()[key], before[key]) << key;
  }
}

TEST_F(Trainer, TheSummaryHasTheLastEpochsMetricsWhoeverTrainedIt) {
  run(config("parts", {{"max-steps", "9"}}));
  nlohmann::json before;
  if (world.is_root()) before = nlohmann::json::parse(text_of(path + "/parts/summary.json"));
  run(config("parts", {{"max-steps", "10"}}));
  if (!world.is_root()) return;
  const auto after = nlohmann::json::parse(text_of(path + "/parts/summary.json"));
  EXPECT_EQ(after["step"], 10);
  EXPECT_FALSE(before["loss"].is_null());
  for (const char* key : {"loss", "accuracy", "test_loss", "test_accuracy"}) {
    EXPECT_EQ(after[key], before[key]) << key;
  }
}

TEST_F(Trainer, AFailedRunSaysSoInItsSummary) {
  const auto given = [&](const char* steps) {
    return config("failed", {{"optimizer", "sgd"},
                             {"learning-rate", "1e30"},
                             {"activation", "identity"},
                             {"checkpoint-every", "1step"},
                             {"max-steps", steps}});
  };
  run(given("1"));
  EXPECT_THROW(run(given("9")), AgreedError);
  if (!world.is_root()) return;
  const auto summary = nlohmann::json::parse(text_of(path + "/failed/summary.json"));
  EXPECT_EQ(summary["status"], "failed");
  EXPECT_NE(summary["reason"].get<std::string>().find("not finite"), std::string::npos);
  EXPECT_EQ(summary["checkpoint"], path + "/failed/checkpoints/step-00000001.h5");
}

TEST_F(Trainer, ARunResumedFromAnotherDirectoryBringsItsBest) {
  run(config("old", {{"max-steps", "20"}}));
  run(config("new", {{"resume", path + "/old"}, {"max-steps", "21"}}));
  if (world.is_root()) {
    EXPECT_EQ(read_checkpoint_state(path + "/new/checkpoints/best").step, 18U);
  }
}

TEST_F(Trainer, DivergenceEndsWithEpochStepAndLayer) {
  try {
    run(config("diverged", {{"optimizer", "sgd"}, {"learning-rate", "1e30"}, {"activation", "identity"}}));
    FAIL() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::failure);
    // A weight near 1e28 squared overflows in the second layer.
    for (const char* part : {"epoch 1", "step 2", "values is output"}) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace lockstep
