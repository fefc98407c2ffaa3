#include "lockstep/sweep/grid.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"

namespace lockstep {
namespace {

SweepSpec parse_grid(const std::string& toml) {
  return parse_sweep(toml, "sweep.toml");
}

/// "activation=relu seed=1" of each trial.
std::vector<std::string> lines_of(const SweepSpec& spec) {
  std::vector<std::string> lines;
  for (const TrialPoint& point : expand(spec)) {
    std::vector<std::string> parts;
    for (const auto& [key, text] : point.settings) parts.push_back(key + "=" + text);
    lines.push_back(std::to_string(point.number) + " " + join(parts, " "));
  }
  return lines;
}

TEST(Grid, TheLastAxisChangesFastest) {
  EXPECT_EQ(lines_of(parse_grid("[grid]\nactivation = [\"relu\", \"tanh\"]\nseed = [1, 2]")),
            (std::vector<std::string>{"1 activation=relu seed=1", "2 activation=relu seed=2",
                                      "3 activation=tanh seed=1", "4 activation=tanh seed=2"}));
}

TEST(Grid, ASweepWithoutAxesIsOneTrial) {
  EXPECT_EQ(lines_of(parse_grid("[base]\nepochs = 3")), std::vector<std::string>{"1 "});
}

TEST(Grid, ZippedAxesGoTogether) {
  EXPECT_EQ(
      lines_of(parse_grid("[grid]\nseed = [1, 2]\n[[zip]]\nhidden = [\"8\", \"4x2\"]\nepochs = [1, 2]")),
      (std::vector<std::string>{"1 seed=1 hidden=8 epochs=1", "2 seed=1 hidden=4x2 epochs=2",
                                "3 seed=2 hidden=8 epochs=1", "4 seed=2 hidden=4x2 epochs=2"}));
}

TEST(Grid, ExcludesWhatMeetsAllConditionsOfARuleInAnySpelling) {
  const SweepSpec spec = parse_grid(R"toml(
[grid]
activation = ["LeakyReLU", "tanh"]
hidden = ["64", "64,64"]
learning_rate = [0.1, 0.001]
[[exclude]]
activation = "leaky_relu(0.01)"
hidden = "64x2"
[[exclude]]
activation = ["tanh", "relu"]
learning_rate = { above = 0.05 }
)toml");
  EXPECT_EQ(lines_of(spec), (std::vector<std::string>{"1 activation=LeakyReLU hidden=64 learning_rate=0.1",
                                                      "2 activation=LeakyReLU hidden=64 learning_rate=0.001",
                                                      "3 activation=tanh hidden=64 learning_rate=0.001",
                                                      "4 activation=tanh hidden=64,64 learning_rate=0.001"}));
  EXPECT_THROW(expand(parse_grid("[grid]\nseed = [1]\n[[exclude]]\nseed = 1")), UserError);
}

TEST(Grid, PositionsMakeAllPairsOfAList) {
  const SweepSpec spec = parse_grid(
      "[base]\nhidden = \"8x2\"\n[grid]\nactivation.1 = [\"relu\", \"tanh\"]\nactivation.2 = [\"relu\", "
      "\"tanh\"]");
  const std::vector<TrialPoint> points = expand(spec);
  ASSERT_EQ(points.size(), 4u);
  std::set<std::string> found;
  for (const TrialPoint& point : points)
    found.insert(find_train_option("activation").get(config_at(spec, point)));
  EXPECT_EQ(found, (std::set<std::string>{"relu,relu", "relu,tanh", "tanh,relu", "tanh,tanh"}));
}

TEST(Grid, AListWithinAListIsOneValue) {
  const SweepSpec spec =
      parse_grid("[base]\nhidden = [8, 8]\n[grid]\nactivation = [[\"relu\", \"tanh\"], \"elu\"]");
  EXPECT_EQ(lines_of(spec), (std::vector<std::string>{"1 activation=relu,tanh", "2 activation=elu"}));
}

TEST(Grid, MoreThanAMillionTrialsAreRefused) {
  std::string values = "0";
  for (int i = 1; i < 200; ++i) values += ", " + std::to_string(i);
  EXPECT_THROW(
      expand(parse_grid("[grid]\nseed = [" + values + "]\nl1 = [" + values + "]\nl2 = [" + values + "]")),
      UserError);
}

TEST(RandomAxes, TrialKIsTheSameWhateverElseIsInTheSweep) {
  const std::string l2 = "l2 = { log_uniform = [1e-6, 1e-2] }\n";
  const std::vector<TrialPoint> alone = expand(parse_grid("[random]\ntrials = 3\n" + l2));
  const std::vector<TrialPoint> more =
      expand(parse_grid("[grid]\nactivation = [\"relu\", \"tanh\"]\n[random]\ntrials = 5\n"
                        "dropout = { uniform = [0, 0.9] }\n" +
                        l2));
  ASSERT_EQ(more.size(), 10u);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(alone[k].settings[0], more[k].settings[2]) << k;
    EXPECT_EQ(alone[k].settings[0], more[5 + k].settings[2]) << "the other cell draws the same, " << k;
  }
  EXPECT_NE(alone[0].settings, alone[1].settings);
  const std::vector<TrialPoint> reseeded =
      expand(parse_grid("[random]\ntrials = 3\n" + l2 + "[sweep]\nrandom_seed = 1"));
  EXPECT_NE(alone[0].settings, reseeded[0].settings);
}

TEST(RandomAxes, FollowTheirLaws) {
  using Law = RandomAxis::Law;
  constexpr std::uint64_t draws = 4000;
  const auto mean_of = [&](const RandomAxis& axis, double (*scale)(double)) {
    double sum = 0;
    for (std::uint64_t k = 0; k < draws; ++k) {
      const double value = parse_double(random_value(axis, 3, k), "value");
      EXPECT_GE(value, axis.low);
      EXPECT_LE(value, axis.high);
      sum += scale(value);
    }
    return sum / static_cast<double>(draws);
  };
  const auto same = [](double value) { return value; };
  EXPECT_NEAR(mean_of({"l2", Law::uniform, 2, 4, {}}, same), 3, 0.05);
  EXPECT_NEAR(
      mean_of({"l2", Law::log_uniform, 1e-6, 1e-2, {}}, [](double value) { return std::log10(value); }), -4,
      0.1);
  EXPECT_NEAR(mean_of({"seed", Law::integers, 1, 6, {}}, same), 3.5, 0.1);
  EXPECT_NEAR(
      mean_of({"batch_size", Law::log_integers, 1, 1024, {}}, [](double value) { return std::log2(value); }),
      4.9, 0.4);
  std::set<std::string> seen;
  for (std::uint64_t k = 0; k < 100; ++k)
    seen.insert(random_value({"hidden", Law::choice, 0, 0, {"8", "16", "32"}}, 3, k));
  EXPECT_EQ(seen.size(), 3u);
  seen.clear();
  for (std::uint64_t k = 0; k < 200; ++k) seen.insert(random_value({"seed", Law::integers, 1, 6, {}}, 3, k));
  EXPECT_EQ(seen.size(), 6u) << "both ends are drawn";
}

TEST(RandomAxes, LargeWholeNumbersAreWrittenAsSuch) {
  const RandomAxis axis{"seed", RandomAxis::Law::integers, 100000, 100000, {}};
  EXPECT_EQ(random_value(axis, 0, 0), "100000");
}

}  // namespace
}  // namespace lockstep
