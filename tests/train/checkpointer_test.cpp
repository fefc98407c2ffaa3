#include "lockstep/train/checkpointer.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "lockstep/dist/agreement.hpp"
#include "temporary_directory.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

/// A run of one network whose tensors can be set to recognizable numbers.
class CheckpointerTest : public ::testing::Test {
 protected:
  CheckpointerTest() {
    if (world.is_root()) {
      directory.emplace();
      testing::write_synthetic_dataset(*directory / "data.h5", 50, 10);
      run_directory.emplace(*directory / "run");
      std::filesystem::create_directories(run_directory->checkpoints_path());
      run_directory->open_metrics_after(0);
    }
    info = read_dataset_info(world.broadcast(directory ? *directory / "data.h5" : ""));
    set_option(config, "data", info.path);
    set_option(config, "run-dir", "run");
    set_option(config, "hidden", "5");
    set_option(config, "checkpoint-every", "4steps");
    config = resolve(config, info);
    spec = make_model_spec(config, info);
    layout.emplace(spec.widths, sizeof(float));
  }
  ~CheckpointerTest() override { world.barrier(); }

  TrainState<float> state() {
    return make_train_state<float>(world, config, spec, *layout, rules, {50, 10, *config.shards, false},
                                   false);
  }
  Checkpointer<float> checkpointer(const TrainState<float>& of) {
    return {world, config, info, *layout, of.exchange.own_shards(), run_directory ? &*run_directory : nullptr,
            silent};
  }
  /// Different numbers in every parameter and slot; padding stays zero.
  void fill(TrainState<float>& target) const {
    const Range slice = target.exchange.own_slice();
    target.exchange.synchronize();
    for (const Tensor& tensor : layout->tensors()) {
      for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size(); ++i) {
        if (target.exchange.is_first_of_group()) target.exchange.parameters()[i] = static_cast<float>(i) / 8;
        for (std::size_t s = 0; slice.contains(i) && s < target.optimizer.info().slots.size(); ++s) {
          target.optimizer.slot(s)[i - slice.begin] = static_cast<float>(100 * (s + 1) + i);
        }
      }
    }
    target.exchange.synchronize();
  }

  /// Ranks of a node share the weights.
  static void set_weight(TrainState<float>& target, std::size_t index, float value) {
    target.exchange.synchronize();
    if (target.exchange.is_first_of_group()) target.exchange.parameters()[index] = value;
    target.exchange.synchronize();
  }

  const Communicator world = Communicator::world();
  std::optional<TemporaryDirectory> directory;
  std::optional<RunDirectory> run_directory;
  TrainConfig config;
  DatasetInfo info;
  ModelSpec spec;
  std::optional<ParameterLayout> layout;
  GradientRules rules;
  TrainObserver silent;
};

TEST_F(CheckpointerTest, RestoresEverythingThatWasWritten) {
  TrainState<float> written = state();
  fill(written);
  TrainProgress progress(*config.shards);
  progress.epoch = 2;
  progress.step_in_epoch = 3;
  progress.step = 11;
  progress.best_value = 0.5;
  progress.best_epoch = 1;
  const Range own = written.exchange.own_shards();
  for (std::size_t j = own.begin; j < own.end; ++j)
    progress.sums.loss_sums[j] = static_cast<double>(j) + 0.25;
  checkpointer(written).write(written, progress, 12.5);

  TrainState<float> restored = state();
  TrainProgress found(*config.shards);
  ASSERT_TRUE(checkpointer(restored).restore(restored, found));
  EXPECT_TRUE(std::ranges::equal(restored.exchange.parameters(), written.exchange.parameters()));
  for (std::size_t s = 0; s < restored.optimizer.info().slots.size(); ++s) {
    const auto a = restored.optimizer.slot(s), b = written.optimizer.slot(s);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
  EXPECT_EQ(found.epoch, 2U);
  EXPECT_EQ(found.step_in_epoch, 3U);
  EXPECT_EQ(found.step, 11U);
  EXPECT_EQ(found.best_value, 0.5);
  EXPECT_EQ(found.seconds_before, 12.5);
  for (std::size_t j = 0; j < *config.shards; ++j)
    EXPECT_EQ(found.sums.loss_sums[j], static_cast<double>(j) + 0.25);
}

TEST_F(CheckpointerTest, WithoutCheckpointsThereIsNothingToRestore) {
  TrainState<float> fresh = state();
  TrainProgress progress(*config.shards);
  EXPECT_FALSE(checkpointer(fresh).restore(fresh, progress));
}

TEST_F(CheckpointerTest, TheBestIsWrittenWithTheNextCheckpoint) {
  TrainState<float> now = state();
  fill(now);
  Checkpointer<float> keeper = checkpointer(now);
  TrainProgress progress(*config.shards);
  progress.step = 4;
  keeper.remember_best(now, progress, 1);
  const std::string digest = parameters_sha256<float>(*layout, now.exchange.parameters());
  set_weight(now, 0, 12.5F);
  progress.step = 8;
  keeper.write(now, progress, 2);
  if (!world.is_root()) return;
  const std::string checkpoints = run_directory->checkpoints_path();
  EXPECT_EQ(read_checkpoint_state(checkpoints + "/best").parameters_sha256, digest);
  EXPECT_EQ(read_checkpoint_state(checkpoints + "/best").step, 4U);
  EXPECT_EQ(read_checkpoint_state(checkpoints + "/last").step, 8U);
}

TEST_F(CheckpointerTest, IsDueEveryGivenNumberOfSteps) {
  const TrainState<float> now = state();
  const Checkpointer<float> keeper = checkpointer(now);
  TrainProgress progress(*config.shards);
  progress.step = 7;
  EXPECT_FALSE(keeper.due_after_step(progress, 0));
  EXPECT_TRUE(keeper.due_after_step(progress, step_flag_checkpoint_due));
  progress.step = 8;
  EXPECT_TRUE(keeper.due_after_step(progress, 0));
}

TEST_F(CheckpointerTest, NeverWritesWeightsThatAreNotFinite) {
  TrainState<float> now = state();
  set_weight(now, layout->bias(1).offset, std::numeric_limits<float>::quiet_NaN());
  TrainProgress progress(*config.shards);
  try {
    checkpointer(now).write(now, progress, 1);
    FAIL() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_NE(std::string(error.what()).find(layout->bias(1).layer), std::string::npos) << error.what();
  }
  if (world.is_root()) {
    EXPECT_TRUE(checkpoints_newest_first(run_directory->checkpoints_path()).empty());
  }
}

TEST_F(CheckpointerTest, NeverWritesOptimizerStateThatCouldNotBeReadAgain) {
  TrainState<float> now = state();
  if (!now.optimizer.slot(1).empty()) now.optimizer.slot(1)[0] = std::numeric_limits<float>::infinity();
  TrainProgress progress(*config.shards);
  EXPECT_THROW(checkpointer(now).write(now, progress, 1), AgreedError);
}

TEST_F(CheckpointerTest, TheBestIsNeverReplacedByWeightsThatAreNotFinite) {
  TrainState<float> now = state();
  Checkpointer<float> keeper = checkpointer(now);
  TrainProgress progress(*config.shards);
  progress.step = 4;
  keeper.remember_best(now, progress, 1);
  set_weight(now, 0, std::numeric_limits<float>::infinity());
  progress.step = 8;
  keeper.remember_best(now, progress, 1);
  keeper.write_best();
  if (world.is_root()) {
    EXPECT_EQ(read_checkpoint_state(run_directory->checkpoints_path() + "/best").step, 4U);
  }
}

TEST_F(CheckpointerTest, NeverWritesOneOfCopiesThatDifferWhereTheyAreVerified) {
  if (world.size() == 1) GTEST_SKIP() << "one copy";
  set_option(config, "transport", "messages");
  set_option(config, "verify-every", "1000");
  TrainState<float> now = state();
  Checkpointer<float> keeper = checkpointer(now);
  if (world.rank() == 1) now.exchange.parameters()[0] += 1;
  TrainProgress progress(*config.shards);
  progress.step = 4;
  EXPECT_THROW(keeper.remember_best(now, progress, 1), AgreedError);
  EXPECT_THROW(keeper.write(now, progress, 1), AgreedError);
  EXPECT_THROW(keeper.write_last(now, progress, 1), AgreedError);
  if (world.is_root()) {
    EXPECT_TRUE(checkpoints_newest_first(run_directory->checkpoints_path()).empty());
  }
}

TEST_F(CheckpointerTest, RefusesTheCheckpointOfAnotherConfig) {
  TrainState<float> written = state();
  checkpointer(written).write(written, TrainProgress(*config.shards), 1);
  set_option(config, "seed", "77");
  TrainState<float> other = state();
  TrainProgress progress(*config.shards);
  try {
    checkpointer(other).restore(other, progress);
    FAIL() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::user_error);
    EXPECT_NE(std::string(error.what()).find("seed"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lockstep
