#include "lockstep/train/training_data.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "lockstep/dist/agreement.hpp"
#include "temporary_directory.hpp"
#include "train/synthetic_dataset.hpp"

namespace lockstep {
namespace {

class TrainingDataTest : public ::testing::Test {
 protected:
  TrainingDataTest() {
    if (world.is_root()) {
      directory.emplace();
      testing::write_synthetic_dataset(*directory / "data.h5", train_rows, 61);
    }
    info = read_dataset_info(world.broadcast(directory ? *directory / "data.h5" : ""));
  }
  ~TrainingDataTest() override { world.barrier(); }

  TrainingData<float> load(const std::vector<std::pair<std::string, std::string>>& options) {
    TrainConfig config;
    config.data = info.path;
    for (const auto& [name, text] : options) set_option(config, name, text);
    return load_training_data<float>(world, resolve(config, info), info);
  }
  std::int64_t over_ranks(std::size_t count) const {
    return world.all_reduce_sum(static_cast<std::int64_t>(count));
  }

  static constexpr std::size_t train_rows = 203;
  const Communicator world = Communicator::world();
  std::optional<TemporaryDirectory> directory;
  DatasetInfo info;
};

TEST_F(TrainingDataTest, EveryTrainingRowIsReadByOneRank) {
  const TrainingData<float> data = load({{"batch-size", "25"}});
  EXPECT_EQ(over_ranks(data.train.count), static_cast<std::int64_t>(train_rows));
  EXPECT_EQ(data.plan.rows, train_rows);
  // In file order within the rank, whatever the rank.
  const testing::SyntheticRows all(train_rows, 7, 1);
  const RowRuns runs = rows_of_shards(data.plan, data.own_shards, {{0, train_rows}});
  std::size_t local = 0;
  for (const Range& run : runs) {
    for (std::size_t i = run.begin; i < run.end; ++i, ++local) {
      EXPECT_EQ(data.train.classes[local], all.classes[i]);
      EXPECT_EQ(data.train.x_real[local * 7], all.x[i * 7]);
    }
  }
}

TEST_F(TrainingDataTest, TestRowsAreReadByTheEvaluatorsOnly) {
  const TrainingData<float> alone = load({{"limit-test", "50"}});
  EXPECT_EQ(alone.test_rows, 50U);
  EXPECT_EQ(alone.test.count, world.is_root() ? 50U : 0U);
  const TrainingData<float> shared = load({{"evaluator", "all"}});
  EXPECT_EQ(over_ranks(shared.test.count), 61);
}

TEST_F(TrainingDataTest, ValidationTakesTheLastRows) {
  const TrainingData<float> data = load({{"validation-split", "0.25"}});
  EXPECT_EQ(data.plan.rows, 152U);  // floor(203 · 0.75)
  EXPECT_EQ(data.validation_rows, 51U);
  if (world.is_root()) {
    EXPECT_EQ(data.validation.classes.back(), testing::SyntheticRows(train_rows, 7, 1).classes.back());
  }
}

TEST_F(TrainingDataTest, StratifiedValidationKeepsTheShareOfEveryClass) {
  const TrainingData<float> data = load({{"validation-split", "0.2"}, {"validation-stratified", "on"}});
  EXPECT_EQ(data.plan.rows + data.validation_rows, train_rows);
  EXPECT_EQ(over_ranks(data.train.count), static_cast<std::int64_t>(data.plan.rows));
  if (!world.is_root()) return;
  std::map<std::int32_t, double> all, held_out;
  for (const std::int32_t label : testing::SyntheticRows(train_rows, 7, 1).classes) ++all[label];
  for (const std::int32_t label : data.validation.classes) ++held_out[label];
  for (const auto& [label, count] : all) EXPECT_NEAR(held_out[label], 0.2 * count, 1.0) << label;
}

TEST_F(TrainingDataTest, RefusesFewerRowsThanShards) {
  EXPECT_THROW(load({{"limit-train", "5"}, {"batch-size", "16"}, {"shards", "8"}}), std::exception);
}

}  // namespace
}  // namespace lockstep
