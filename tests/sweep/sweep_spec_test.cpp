#include "lockstep/sweep/sweep_spec.hpp"

#include <gtest/gtest.h>

#include "lockstep/core/error.hpp"

namespace lockstep {
namespace {

SweepSpec parse(const std::string& toml) {
  return parse_sweep(toml, "night/shift.toml");
}

std::string refusal_of(const std::string& toml) {
  try {
    parse(toml);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SweepSpec, KeepsTheOrderOfTheFile) {
  const SweepSpec spec = parse(R"(
[grid]
seed = [1, 2]
activation = ["relu", "tanh"]
[[zip]]
hidden = ["64", "128x2"]
learning_rate = [1e-2, 1e-3]
[random]
trials = 3
dropout = { uniform = [0, 0.5] }
)");
  EXPECT_EQ(spec.keys(),
            (std::vector<std::string>{"seed", "activation", "hidden", "learning_rate", "dropout"}));
  EXPECT_EQ(spec.axes[2].points[1], (std::vector<std::string>{"128x2", "0.001"}));
  EXPECT_EQ(spec.random_trials, 3u);
}

TEST(SweepSpec, IsNamedAfterItsFileUnlessItSaysOtherwise) {
  EXPECT_EQ(parse("").name, "shift");
  EXPECT_EQ(parse("").directory, "sweeps/shift");
  EXPECT_EQ(parse("[sweep]\nname = \"a\"").directory, "sweeps/a");
  EXPECT_EQ(parse("[sweep]\nname = \"a\"\ndirectory = \"/scratch/b\"").directory, "/scratch/b");
}

TEST(SweepSpec, RanksFollowTheNumberOfParameters) {
  EXPECT_EQ(parse("[sweep]\nranks_per_trial = 4").ranks_for(1), 4);
  const SweepSpec spec = parse(
      "[sweep]\nranks_per_trial = [{ from_parameters = 1000000, ranks = 8 }, { from_parameters = 1000, ranks "
      "= 2 }]");
  EXPECT_EQ(spec.ranks_for(999), 1);
  EXPECT_EQ(spec.ranks_for(1000), 2);
  EXPECT_EQ(spec.ranks_for(5000000), 8);
}

TEST(SweepSpec, RefusesWithLineAndKey) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"[grid]\nactivaton = [\"relu\"]",
       "night/shift.toml, line 2, key 'activaton': unknown option 'activaton' (did you mean 'activation'?)"},
      {"[grid]\n\nactivation = [\"rleu\"]", "night/shift.toml, line 3, key 'activation': "},
      {"[grid]\nseed = []", "night/shift.toml, line 2, key 'seed': expected at least one value, found none"},
      {"[grid]\nseed = [1]\n[[zip]]\nseed = [1]", "line 4, key 'seed': an axis is given twice"},
      {"[[zip]]\nseed = [1, 2]\nepochs = [1]",
       "line 3, key 'epochs': expected 2 values, as many as seed has, found 1"},
      {"[random]\nseed = { integers = [1, 5] }",
       "line 1, key 'random': expected `trials = n` and at least one axis, found no `trials`"},
      {"[random]\ntrials = -4", "line 2, key 'trials': expected a whole number of at least 1, found -4"},
      {"[random]\ntrials = 2\nl2 = { uniform = [3, 2.0] }",
       "line 3, key 'l2': expected finite numbers, low ≤ high, found [3, 2.0]"},
      {"[random]\ntrials = 2\nl2 = { log_uniform = [0, 1] }",
       "line 3, key 'l2': expected low > 0 on a logarithmic axis, found [0, 1]"},
      {"[random]\ntrials = 2\nseed = { integers = [0.5, 1] }", "line 3, key 'seed': expected whole numbers"},
      {"[random]\ntrials = 2\nl2 = { normal = [0, 1] }",
       "line 3, key 'l2': expected { uniform = [low, high] }"},
      {"[grid]\nseed = [[1, 2]]",
       "line 2, key 'seed': expected a number or text each, since seed is no list, found [[1, 2]]"},
      {"[grid]\nhidden.1 = [[4, 5], [6]]", "since hidden.1 is no list, found [[4, 5], [6]]"},
      {"[grid]\nhidden.1 = [\"4,5\"]", "key 'hidden.1': expected one entry of a list each, found ['4,5']"},
      {"[base]\nepochs = 2020-01-01",
       "line 2, key 'epochs': expected a text, number, boolean or array, found 2020-01-01"},
      {"[base]\nepochs = { a = [true, \"b\"] }", "found { a = [true, 'b'] }"},
      {"[sweep]\nname = []", "line 2, key 'name': expected a text, found []"},
      {"[sweep]\ndirectory = \"\"", "line 2, key 'directory': expected a text, found ''"},
      {"[sweep]\nranks_per_trial = []", "line 2, key 'ranks_per_trial': expected a number, or rules"},
      {"[sweep]\n\nhalving = { factor = 1 }",
       "night/shift.toml, line 3, key 'halving.factor': expected a whole number of at least 2, found 1"},
      {"[sweep]\nhalving = 3",
       "line 2, key 'halving': expected a table { first_epochs = n, factor = m }, found 3"},
      {"[[exclude]]\nseed = { above = \"a\" }", "numbers, found { above = 'a' }"},
      {"[[exclude]]\nseed = { above = 1, below = \"a\" }", "numbers, found { above = 1, below = 'a' }"},
      {"[sweep]\nmetric = \"val_acuracy\"",
       "test_accuracy, found 'val_acuracy' (did you mean 'val_accuracy'?)"},
      {"[sweep]\nname = \"../a\"", "line 2, key 'name': expected a name without '/', found '../a'"},
      {"[sweep]\nname = \"..\"", "line 2, key 'name': expected a name without '/', found '..'"},
      {"[sweep]\nhalving = \"a\\nb\"",
       "line 2, key 'halving': expected a table { first_epochs = n, factor = m }, found 'a\\x0ab'"},
      {"[sweep]\n\"a\\nb\" = 1", "line 2, key 'a\\x0ab': expected one of"},
      {"[sweep]\nranks = 3", "line 2, key 'ranks': expected one of name, directory"},
      {"[base]\nrun_dir = \"x\"", "line 2, key 'run_dir': expected no run_dir in a sweep"},
      {"[grid]\nactivation.1 = [\"relu\"]\nactivation.3 = [\"tanh\"]",
       "expected the axes activation.1, activation.2"},
      {"[grid]\nseed.1 = [1]", "seed is no list"},
      {"[gird]\nseed = [1]", "line 1, key 'gird': expected one of base, grid, zip, random, exclude, sweep"},
      {"[grid\n", "night/shift.toml, line 1: expected TOML"},
  };
  for (const auto& [toml, message] : cases) {
    const std::string found = refusal_of(toml);
    EXPECT_NE(found.find(message), std::string::npos) << toml << "\n" << found;
  }
}

}  // namespace
}  // namespace lockstep
