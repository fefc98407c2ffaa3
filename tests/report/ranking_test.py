"""Which group is the best, and what is said of the others."""

import unittest

from lockstep_report import groups, ranking
from made_runs import made_run


class Ranking(unittest.TestCase):
    def test_ranking_with_paired_note(self):
        values = {"relu": [0.90, 0.80, 0.70], "tanh": [0.89, 0.79, 0.69], "sigmoid": [0.30, 0.85, 0.60]}
        runs = [made_run(value, activation=[name], seed=seed) for name, row in values.items()
                for seed, value in enumerate(row)]
        metric = groups.Metric("test_accuracy")
        order = groups.ranked(groups.make_groups(runs)[0], metric)
        self.assertEqual([group.label for group in order], ["relu", "tanh", "sigmoid"])
        p_values = ranking.comparisons(order, metric)
        self.assertLess(p_values[1], 0.001)  # always 0.01 worse, though the values spread over 0.2
        self.assertGreater(p_values[2], 0.05)
        note = ranking.significance_note(order, metric, p_values)
        self.assertIn("relu is not told apart from: sigmoid (paired t-test over 3 seeds", note)

    def test_one_seed_gives_no_interval(self):
        order = groups.make_groups([made_run(0.9), made_run(0.8, activation=["tanh"])])[0]
        metric = groups.Metric("test_accuracy")
        note = ranking.significance_note(order, metric, ranking.comparisons(order, metric))
        self.assertIn("One seed a setting", note)


if __name__ == "__main__":
    unittest.main()
