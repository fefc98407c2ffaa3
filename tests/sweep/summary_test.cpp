#include "lockstep/sweep/summary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "lockstep/sweep/ledger.hpp"
#include "temporary_directory.hpp"

namespace lockstep {
namespace {

TEST(StudentT, QuantilesAreThoseOfThePrintedTables) {
  // Two-sided 95 % and one-sided 99 %, as printed in any table of the distribution.
  const std::vector<std::pair<std::size_t, double>> table{
      {1, 12.7062}, {2, 4.3027},  {3, 3.1824},  {4, 2.7764},  {5, 2.5706},
      {9, 2.2622},  {10, 2.2281}, {29, 2.0452}, {30, 2.0423}, {100, 1.9840}};
  for (const auto& [degrees, quantile] : table)
    EXPECT_NEAR(student_t_quantile(0.975, degrees), quantile, 6e-5) << degrees;
  EXPECT_NEAR(student_t_quantile(0.99, 7), 2.9980, 6e-5);
  EXPECT_NEAR(student_t_probability(0, 5), 0.5, 1e-15);
}

TEST(Spread, IsTheTextbooks) {
  // NumPy: np.mean, np.std(ddof=1); scipy.stats.t.interval(0.95, 4, mean, sd / sqrt(5)).
  const Spread spread = spread_of(std::vector<double>{0.1, 0.4, 0.2, 0.5, 0.3});
  EXPECT_EQ(spread.count, 5u);
  EXPECT_NEAR(spread.mean, 0.3, 1e-15);
  EXPECT_NEAR(spread.sd, 0.15811388300841897, 1e-15);
  EXPECT_NEAR(spread.low, 0.10367568385224408, 1e-9);
  EXPECT_NEAR(spread.high, 0.49632431614775596, 1e-9);
}

TEST(Spread, SaysNothingOfWhatIsNotThere) {
  const double nan = std::nan("");
  EXPECT_TRUE(std::isnan(spread_of(std::vector<double>{}).mean));
  const Spread one = spread_of(std::vector<double>{nan, 2});
  EXPECT_EQ(one.mean, 2);
  EXPECT_TRUE(std::isnan(one.sd));
  EXPECT_TRUE(std::isnan(one.low));
}

/// A plan of some trials that were never run, and a ledger that says how they ended.
class Results : public ::testing::Test {
 protected:
  Results() {
    plan.spec = parse_sweep("[grid]\nhidden = [\"8\", \"8,8\"]\nseed = [1, 2, 3]", "s.toml");
    plan.spec.directory = directory.path();
    plan.spec.best = 2;
    plan.metric = "test_accuracy";
    for (const TrialPoint& point : expand(plan.spec)) {
      Trial& trial = plan.trials.emplace_back();
      trial.point = point;
      trial.config = config_at(plan.spec, point);
      trial.digest = "d" + std::to_string(point.number);
    }
  }
  void ended(std::size_t number, TrialStatus status, double accuracy, const std::string& message = "") {
    TrialRecord record;
    record.digest = "d" + std::to_string(number);
    record.status = status;
    record.last.test_accuracy = accuracy;
    record.message = message;
    Ledger(directory.path()).write(record);
  }

  TemporaryDirectory directory;
  SweepPlan plan;
};

TEST_F(Results, AreOneRowATrialAndOneRowACell) {
  ended(1, TrialStatus::finished, 0.5);
  ended(2, TrialStatus::finished, 0.75);
  ended(4, TrialStatus::finished, 0.625);
  ended(5, TrialStatus::failed, 0.9, "not finite, \"at all\"");
  ended(6, TrialStatus::halted, 0.9);
  const SweepSummary summary = write_results(plan);
  EXPECT_EQ(summary.finished, 3u);
  EXPECT_EQ(summary.failed, 1u);
  EXPECT_EQ(summary.halted, 1u);
  ASSERT_EQ(summary.best.size(), 2u);
  EXPECT_EQ(summary.best[0].trial->point.number, 2u);
  EXPECT_EQ(summary.best[1].trial->point.number, 4u);
  EXPECT_EQ(summary.best[0].cell_trials, 3u);
  EXPECT_EQ(summary.best[0].cell_failed, 0u);
  EXPECT_EQ(summary.best[1].cell_trials, 3u);
  EXPECT_EQ(summary.best[1].cell_failed, 1u);

  const std::string trials = read_text(directory / "sweep.csv");
  EXPECT_TRUE(
      trials.starts_with("trial,status,rank,hidden,seed,parameters,epoch,step,loss,accuracy,val_loss,"
                         "val_accuracy,test_loss,test_accuracy,seconds,ranks,parameters_sha256,run_dir,"
                         "message\n1,finished,3,8,1,"))
      << trials;
  EXPECT_NE(trials.find("\n3,waiting,,8,3,"), std::string::npos) << trials;
  EXPECT_NE(trials.find("\n5,failed,,\"8,8\",2,"), std::string::npos) << trials;
  EXPECT_NE(trials.find(",\"not finite, \"\"at all\"\"\"\n"), std::string::npos) << trials;

  const std::string cells = read_text(directory / "summary.csv");
  EXPECT_TRUE(cells.starts_with("hidden,trials,finished,failed,loss_mean,loss_sd,")) << cells;
  EXPECT_NE(cells.find("\n8,3,2,0,"), std::string::npos) << cells;
  EXPECT_NE(cells.find(",0.625,0.1767766952966369,"), std::string::npos) << cells;
  EXPECT_NE(cells.find("\n\"8,8\",3,1,1,"), std::string::npos) << cells;
}

TEST_F(Results, KeepTheBestConfigsAndNoOlderOnes) {
  ended(1, TrialStatus::finished, 0.5);
  ended(2, TrialStatus::finished, 0.75);
  write_results(plan);
  TrainConfig best;
  apply_config_file(best, directory / "best/1/config.toml");
  EXPECT_EQ(best.seed, 2u);
  EXPECT_TRUE(std::filesystem::exists(directory / "best/2/config.toml"));
  ended(1, TrialStatus::failed, 0.5);
  write_results(plan);
  EXPECT_FALSE(std::filesystem::exists(directory / "best/2"));
}

TEST_F(Results, RankLossesFromBelow) {
  plan.metric = "test_loss";
  TrialRecord record;
  record.status = TrialStatus::finished;
  for (std::size_t number = 1; number <= 3; ++number) {
    record.digest = "d" + std::to_string(number);
    record.last.test_loss = 1.0 / static_cast<double>(number);
    Ledger(directory.path()).write(record);
  }
  EXPECT_EQ(write_results(plan).best.front().trial->point.number, 3u);
}

}  // namespace
}  // namespace lockstep
