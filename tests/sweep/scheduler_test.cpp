#include "lockstep/sweep/scheduler.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "lockstep/io/atomic_file.hpp"
#include "lockstep/sweep/estimate.hpp"
#include "lockstep/sweep/summary.hpp"
#include "temporary_directory.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

TEST(Groups, AreOfEqualSizeAsNearAsMayBe) {
  const std::vector<std::int32_t> node(7, 0);
  EXPECT_EQ(groups_of_ranks(node, 1), (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(groups_of_ranks(node, 3), (std::vector<int>{0, 0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(groups_of_ranks(node, 7), (std::vector<int>(7, 0)));
  EXPECT_EQ(groups_of_ranks(node, 100), (std::vector<int>(7, 0)));
}

TEST(Groups, StayWithinANodeThatIsLargeEnough) {
  EXPECT_EQ(groups_of_ranks({0, 0, 0, 1, 1, 1}, 2), (std::vector<int>{0, 0, 1, 2, 2, 3}));
  EXPECT_EQ(groups_of_ranks({0, 0, 1, 1}, 4), (std::vector<int>{0, 0, 0, 0}));
  EXPECT_EQ(groups_of_ranks({0, 1, 2, 3}, 2), (std::vector<int>{0, 0, 1, 1}));
}

TEST(Estimate, PacksTheLongestFirst) {
  EXPECT_EQ(packed_seconds({1, 4, 2, 3}, 2), 5);
  EXPECT_EQ(packed_seconds({1, 4, 2, 3}, 1), 10);
  EXPECT_EQ(packed_seconds({5}, 3), 5);
  EXPECT_EQ(packed_seconds({}, 3), 0);
}

/// Counts what it is told.
class Listener : public SweepObserver {
 public:
  void started(const SweepPlan&, std::size_t runs_, std::size_t earlier_) override {
    runs = runs_;
    earlier = earlier_;
  }
  void trial_ended(const TrialEnd& end, const SweepProgress& progress) override {
    ended[end.trial->point.number] = end.status;
    counts.push_back(progress.over());
  }
  std::size_t runs = 0, earlier = 0;
  std::map<std::size_t, TrialStatus> ended;
  std::vector<std::size_t> counts;
};

/// A directory that all ranks know, with a dataset in it.
class Scheduler : public ::testing::Test {
 protected:
  Scheduler() {
    if (world.is_root()) {
      directory.emplace();
      testing::write_synthetic_dataset(*directory / "data.h5", 203, 90);
    }
    path = world.broadcast(directory ? directory->path() : "");
  }
  ~Scheduler() override { world.barrier(); }

  SweepPlan plan_of(const std::string& toml, const std::string& epochs = "2") const {
    SweepSpec spec = parse_sweep(
        "[base]\ndata = \"" + path + "/data.h5\"\nepochs = " + epochs + "\nbatch_size = 25\n" + toml,
        "s.toml");
    spec.directory = path + "/sweep";
    return make_plan(spec);
  }
  SweepResult run(const SweepPlan& plan, const SweepSelection& selection = {}) {
    heard = {};
    const SweepResult result = run_sweep(world, plan, selection, heard);
    world.barrier();
    return result;
  }
  TrialRecord record(const Trial& trial) const { return Ledger(path + "/sweep").read(trial.digest); }
  std::string digest_of_train(TrainConfig config, const std::string& name) const {
    config.run_dir = path + "/" + name;
    TrainObserver silent;
    return train(world, config, silent).parameters_sha256;
  }

  const Communicator world = Communicator::world();
  std::optional<TemporaryDirectory> directory;
  std::string path;
  Listener heard;
};

TEST_F(Scheduler, TrialsHaveTheBitsOfTrain) {
  for (const char* ranks : {"1", "2", "3"}) {
    const SweepPlan plan =
        plan_of(std::string("[grid]\nactivation = [\"relu\", \"tanh\"]\nhidden = [\"6\", \"none\"]\n"
                            "validation_split = [0, 0.2]\nprecision = [\"float32\", \"float64\"]\n"
                            "[sweep]\nranks_per_trial = ") +
                ranks);
    if (world.is_root()) std::filesystem::remove_all(path + "/sweep");
    world.barrier();
    const SweepResult result = run(plan);
    EXPECT_FALSE(result.stopped);
    if (world.is_root()) {
      EXPECT_EQ(result.progress.finished, 12u) << "without hidden layers the activation makes no difference";
      EXPECT_EQ(heard.runs, 12u);
      EXPECT_EQ(heard.counts, (std::vector<std::size_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    }
    for (const Trial& trial : plan.trials) {
      const std::string expected = digest_of_train(trial.config, "train-" + trial.digest);
      EXPECT_EQ(record(trial).parameters_sha256, expected) << trial.point.number << " on groups of " << ranks;
      world.barrier();
    }
  }
}

TEST_F(Scheduler, StratifiedValidationAndLimitsAreThoseOfTrain) {
  const SweepPlan plan = plan_of(
      "validation_split = 0.3\nvalidation_stratified = true\nlimit_train = 150\n"
      "limit_test = 40\nshuffle = false\ndropout = 0.1\nhidden = 6\n"
      "[grid]\narithmetic = [\"exact\", \"openblas\"]\nseed = [3, 4]");
  run(plan);
  for (const Trial& trial : plan.trials) {
    TrainConfig config = trial.config;
    config.run_dir = path + "/train-" + trial.digest;
    TrainObserver silent;
    const TrainResult expected = train(world, config, silent);
    EXPECT_EQ(record(trial).parameters_sha256, expected.parameters_sha256);
    if (!world.is_root()) continue;
    EXPECT_EQ(record(trial).last.val_loss, expected.last.val_loss);
    EXPECT_EQ(record(trial).last.test_accuracy, expected.last.test_accuracy);
  }
}

TEST_F(Scheduler, AFailingTrialIsRecordedAndStopsNoOther) {
  const SweepPlan plan = plan_of(
      "hidden = 6\noptimizer = \"sgd\"\n[grid]\nlearning_rate = [0.1, 1e30]\nshards = [8, 26]\n[sweep]\n"
      "ranks_per_trial = 2");
  const SweepResult result = run(plan);
  EXPECT_EQ(record(plan.trials[0]).status, TrialStatus::finished);
  const TrialRecord invalid = record(plan.trials[1]), diverged = record(plan.trials[2]);
  EXPECT_EQ(invalid.status, TrialStatus::failed);
  EXPECT_EQ(invalid.message, "--shards: expected at most the batch size of 25, found 26");
  EXPECT_EQ(diverged.status, TrialStatus::failed);
  EXPECT_NE(diverged.message.find("not finite"), std::string::npos) << diverged.message;
  if (world.is_root()) {
    EXPECT_EQ(result.progress.failed, 3u);
  }

  run(plan);
  if (world.is_root()) {
    EXPECT_EQ(heard.runs, 0u);
    EXPECT_EQ(heard.earlier, 4u);
  }
  SweepSelection again;
  again.retry_failed = true;
  run(plan, again);
  EXPECT_EQ(record(plan.trials[2]).attempts, 2u);
  if (world.is_root()) {
    EXPECT_EQ(heard.runs, 3u);
  }
}

TEST_F(Scheduler, OnlyNewTrialsRunWhenAnAxisGrows) {
  run(plan_of("hidden = 6\n[grid]\nseed = [1, 2]"), {1, 1, false});
  if (world.is_root()) {
    EXPECT_EQ(heard.ended.size(), 1u);
  }
  const SweepPlan grown = plan_of("hidden = 6\n[grid]\nactivation = [\"tanh\", \"relu\"]\nseed = [1, 2, 3]");
  run(grown);
  if (world.is_root()) {
    EXPECT_EQ(heard.earlier, 1u);
    EXPECT_EQ(heard.ended.size(), 5u);
  }
  EXPECT_EQ(record(grown.trials[3]).attempts, 1u);
}

TEST_F(Scheduler, AStoppedTrialGoesOnFromItsCheckpoint) {
  const SweepPlan whole = plan_of("hidden = 6\n[grid]\nseed = [1, 2, 3]");
  // A process that was killed leaves a running trial and its checkpoints.
  TrainConfig part = whole.trials[1].config;
  part.max_steps = 11;
  TrainObserver silent;
  train(world, part, silent);
  if (world.is_root()) {
    TrialRecord record;
    record.digest = whole.trials[1].digest;
    record.status = TrialStatus::running;
    record.attempts = 1;
    Ledger(path + "/sweep").write(record);
  }
  world.barrier();
  run(whole);
  EXPECT_EQ(record(whole.trials[1]).status, TrialStatus::finished);
  EXPECT_EQ(record(whole.trials[1]).attempts, 2u);
  if (world.is_root()) {
    EXPECT_NE(read_text(whole.trials[1].config.run_dir + "/log.txt").find("resuming from"),
              std::string::npos);
  }
  EXPECT_EQ(record(whole.trials[1]).parameters_sha256, digest_of_train(whole.trials[1].config, "whole"));
}

TEST_F(Scheduler, ATrialOfAnotherJobIsLeftToIt) {
  const SweepPlan plan = plan_of("hidden = 6\n[grid]\nseed = [1, 2, 3]");
  std::optional<FileLock> other;
  if (world.is_root()) other.emplace(Ledger(path + "/sweep").lock(plan.trials[1].digest));
  world.barrier();
  const SweepResult result = run(plan);
  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(record(plan.trials[1]).status, TrialStatus::waiting);
  EXPECT_EQ(record(plan.trials[2]).status, TrialStatus::finished);
  if (world.is_root()) {
    EXPECT_EQ(result.progress.elsewhere, 1u);
    EXPECT_EQ(result.progress.finished, 2u);
  }
}

TEST_F(Scheduler, HalvingStopsTheWorseAndRecordsWhy) {
  const SweepPlan plan = plan_of(
      "hidden = 6\noptimizer = \"sgd\"\n[grid]\n"
      "learning_rate = [0.5, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9]\n"
      "[sweep]\nmetric = \"loss\"\nhalving = { first_epochs = 2, factor = 2 }",
      "8");
  run(plan);
  std::size_t halted = 0;
  for (const Trial& trial : plan.trials) {
    const TrialRecord found = record(trial);
    ASSERT_FALSE(found.halving.empty());
    EXPECT_EQ(found.halving.front().epoch, 2u);
    if (found.status != TrialStatus::halted) continue;
    ++halted;
    EXPECT_FALSE(found.halving.back().goes_on);
    EXPECT_EQ(found.last.epoch, found.halving.back().epoch) << "not a step more";
    EXPECT_EQ(found.halving.back().value, found.last.loss);
  }
  EXPECT_GE(halted, 1u);
  EXPECT_EQ(record(plan.trials[0]).status, TrialStatus::finished) << "the only one that learns";
  EXPECT_EQ(record(plan.trials[0]).halving.size(), 2u);
  const SweepResult again = run(plan);
  if (world.is_root()) {
    EXPECT_EQ(heard.runs, 0u);
  }
  EXPECT_FALSE(again.stopped);
}

TEST_F(Scheduler, ADecisionThatTheDiskRefusesIsForTheNextJob) {
  const SweepPlan plan = plan_of(
      "hidden = 6\noptimizer = \"sgd\"\n[grid]\nlearning_rate = [0.5, 1e-5, 1e-6, 1e-7]\n"
      "[sweep]\nmetric = \"loss\"\nhalving = { first_epochs = 2, factor = 2 }",
      "4");
  const std::string in_the_way = path + "/sweep/halving/epoch-2";
  if (world.is_root()) {
    std::filesystem::create_directories(path + "/sweep/halving");
    write_file_atomically(in_the_way, "");
  }
  world.barrier();
  EXPECT_TRUE(run(plan).stopped);
  for (const Trial& trial : plan.trials) EXPECT_EQ(record(trial).status, TrialStatus::stopped);

  world.barrier();
  if (world.is_root()) std::filesystem::remove(in_the_way);
  world.barrier();
  EXPECT_FALSE(run(plan).stopped);
  for (const Trial& trial : plan.trials) {
    const TrialRecord found = record(trial);
    EXPECT_TRUE(found.status == TrialStatus::finished || found.status == TrialStatus::halted);
    ASSERT_EQ(found.halving.size(), 1u);
    EXPECT_EQ(found.halving.front().epoch, 2u);
  }
  EXPECT_EQ(record(plan.trials[0]).status, TrialStatus::finished) << "the only one that learns";
}

TEST_F(Scheduler, TheEstimateKnowsEveryTrial) {
  const SweepPlan plan = plan_of("hidden = 6\n[grid]\nseed = [1, 2]\nshards = [8, 26]");
  const Communicator alone = world.split(world.rank());
  const SweepEstimate estimate = estimate_sweep(alone, plan, {}, 2);
  EXPECT_EQ(estimate.trials.size(), 4u);
  EXPECT_EQ(estimate.invalid, 2u);
  EXPECT_GT(estimate.trials[0].seconds, 0);
  EXPECT_NEAR(estimate.rank_seconds, estimate.trials[0].seconds + estimate.trials[2].seconds, 1e-12);
  EXPECT_EQ(estimate.dataset_bytes, (203u + 90) * (7 * 4 + 4));
  EXPECT_EQ(plan.trials[0].parameters, 7u * 6 + 6 + 6 * 3 + 3);
}

}  // namespace
}  // namespace lockstep
