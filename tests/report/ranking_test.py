"""Which group is the best, and what is said of the others."""

import math
import unittest

from lockstep_report import groups, ranking
from made_runs import made_run, made_runs


class Ranking(unittest.TestCase):
    def test_ranking_with_paired_note(self):
        values = {"relu": [0.90, 0.80, 0.70], "tanh": [0.89, 0.79, 0.69], "sigmoid": [0.30, 0.85, 0.60]}
        runs = [made_run(value, activation=[name], seed=seed) for name, row in values.items()
                for seed, value in enumerate(row)]
        metric = groups.Metric("test_accuracy")
        order = groups.ranked(groups.make_groups(runs)[0], metric)
        self.assertEqual([group.label for group in order], ["relu", "tanh", "sigmoid"])
        p_values = ranking.comparisons(order, metric)
        self.assertLess(p_values["tanh"], 0.001)  # always 0.01 worse, though the values spread over 0.2
        self.assertGreater(p_values["sigmoid"], 0.05)
        note = ranking.significance_note(order, metric, p_values)
        self.assertIn("relu is not told apart from: sigmoid (paired t-test over 3 seeds", note)

    def test_one_seed_gives_no_interval(self):
        order = groups.make_groups([made_run(0.9), made_run(0.8, activation=["tanh"])])[0]
        metric = groups.Metric("test_accuracy")
        note = ranking.significance_note(order, metric, ranking.comparisons(order, metric))
        self.assertIn("One seed a setting", note)

    def failing(self):
        """The best values are those of a setting of which three of five runs failed."""
        runs = made_runs("prelu", [0.99, None, None, 0.98, None])
        runs += made_runs("relu", [0.90, 0.80, 0.70, 0.80, 0.90]) + made_runs("tanh", [0.50, 0.40, 0.30, 0.41, 0.52])
        return groups.make_groups(runs + made_runs("elu", [None] * 5))[0]

    def test_settings_with_failed_runs_stand_behind_complete_ones(self):
        order = groups.ranked(self.failing(), groups.Metric("test_accuracy"))
        self.assertEqual([group.label_with_counts for group in order],
                         ["relu", "tanh", "prelu (2 of 5; 3 failed)", "elu (0 of 5; 5 failed)"])
        self.assertAlmostEqual(order[2].final("test_accuracy").mean, 0.985)

    def test_settings_without_a_finished_run_stand_behind_those_with_one(self):
        runs = [made_run(0.9, "halted", activation=["tanh"]), made_run(0.1, activation=["relu"], seed=1),
                made_run(0.2, "failed", activation=["relu"], seed=2), made_run(0.95, "failed", activation=["elu"])]
        order = groups.ranked(groups.make_groups(runs)[0], groups.Metric("test_accuracy"))
        self.assertEqual([group.label_with_counts for group in order],
                         ["relu (1 of 2; 1 failed)", "tanh (0 of 1; 1 halted)", "elu (0 of 1; 1 failed)"])

    def test_only_settings_with_a_finished_run_have_a_rank(self):
        runs = [made_run(0.1), made_run(0.9, "running", activation=["tanh"])]
        metric = groups.Metric("test_accuracy")
        table = ranking.ranking_section(groups.make_groups(runs)[0], metric).items[-1]
        self.assertEqual([row[:3] for row in table.rows], [["1", "relu", "0.1000"], ["", "tanh", "0.9000"]])
        for run in runs:  # while none has finished, they are ranked by how far they came
            run.status = "running"
        table = ranking.ranking_section(groups.make_groups(runs)[0], metric).items[-1]
        self.assertEqual([row[:2] for row in table.rows], [["1", "tanh"], ["2", "relu"]])

    def test_only_complete_settings_are_compared(self):
        metric = groups.Metric("test_accuracy")
        order = groups.ranked(self.failing(), metric)
        p_values = ranking.comparisons(order, metric)
        self.assertEqual(list(p_values), ["tanh"])
        self.assertLess(p_values["tanh"], 0.001)
        note = ranking.significance_note(order, metric, p_values)
        self.assertEqual(note, "relu differs from every other setting that can be compared at the 5 % level "
                               "(paired t-test over 5 seeds; Holm's correction for 1 comparison).")
        self.assertEqual(ranking.incomplete_note(order),
                         "Incomplete: prelu (2 of 5; 3 failed), elu (0 of 5; 5 failed). These settings stand behind "
                         "the complete ones and are not compared with the best. Their means are over the finished "
                         "runs, which may be the lucky ones.")
        self.assertIsNone(ranking.incomplete_note(order[:2]))

    def test_without_two_complete_settings_nothing_is_compared(self):
        metric = groups.Metric("test_accuracy")
        order = groups.ranked(groups.make_groups(made_runs("relu", [0.9, 0.8, None]) +
                                                 made_runs("tanh", [0.5, 0.4, None]))[0], metric)
        self.assertEqual(ranking.comparisons(order, metric), {})
        self.assertIn("No settings are compared", ranking.significance_note(order, metric, {}))

    def test_settings_without_a_value_are_not_compared(self):
        runs = made_runs("relu", [0.90, 0.80, 0.70]) + made_runs("tanh", [0.50, 0.40, 0.31])
        runs += made_runs("elu", [math.nan] * 3)
        [note] = ranking.ranking_section(groups.make_groups(runs)[0], groups.Metric("test_accuracy")).notes
        self.assertEqual(note, "relu differs from every other setting that can be compared at the 5 % level "
                               "(paired t-test over 3 seeds; Holm's correction for 1 comparison).")

    def test_settings_without_common_seeds_are_not_compared(self):
        runs = [made_run(value, activation=[name], seed=seed)
                for name, value, seed in (("relu", 0.9, 1), ("relu", 0.8, 2), ("tanh", 0.5, 2), ("tanh", 0.4, 3))]
        [note] = ranking.ranking_section(groups.make_groups(runs)[0], groups.Metric("test_accuracy")).notes
        self.assertEqual(note, "No other setting has two seeds in common with relu, so none are compared.")

    def test_what_is_not_like_for_like_is_named(self):
        def note(*configs, digests=()):
            runs = [made_run(0.9, **config) for config in configs]
            for run, digest in zip(runs, digests):
                run.summary = {"dataset": {"sha256": digest}}
            notes = ranking.ranking_section(groups.make_groups(runs)[0], groups.Metric("test_accuracy")).notes
            return next((text for text in notes if text.startswith("Not like")), None)
        relu, tanh = {"activation": ["relu"], "data": "a.h5", "epochs": 2}, {"activation": ["tanh"], "epochs": 2}
        self.assertIsNone(note(relu, tanh | {"data": "a.h5"}))
        self.assertEqual(note(relu, tanh | {"data": "b.h5"}), "Not like for like: these runs differ in data.")
        self.assertIsNone(note(relu, tanh | {"data": "b.h5"}, digests=("same", "same")))
        self.assertEqual(note(relu, tanh | {"data": "a.h5"}, digests=("old", "new")),
                         "Not like for like: these runs differ in data.")
        self.assertEqual(note(relu, tanh | {"data": "b.h5", "epochs": 3, "limit_test": 100}),
                         "Not like for like: these runs differ in data, test rows and epochs.")

    def test_means_of_runs_that_go_on_are_named(self):
        order = groups.make_groups([made_run(0.9), made_run(0.8, "running", activation=["tanh"])])[0]
        self.assertEqual(ranking.incomplete_note(order),
                         "Incomplete: tanh (0 of 1; 1 running). These settings stand behind the complete ones and are "
                         "not compared with the best. Where no run has finished, the mean is over those that have not "
                         "failed, as far as they came.")

    def test_intervals_are_named_where_there_are_any(self):
        for seeds, named in (([0.9], False), ([0.9, 0.8], True)):
            found = groups.make_groups(made_runs("relu", seeds) + made_runs("tanh", [0.5]))[0]
            figure = ranking.ranking_section(found, groups.Metric("test_accuracy")).items[0]
            self.assertEqual("95 % confidence interval" in figure.note, named, figure.note)

    def test_a_loss_that_hides_the_others_makes_the_axis_logarithmic(self):
        for largest, kind in ((1e30, "log"), (0.9, None)):
            runs = [made_run(value, activation=[name])
                    for name, value in (("relu", 0.5), ("tanh", 0.4), ("elu", largest))]
            for run in runs:
                run.epochs["test_loss"] = run.epochs["test_accuracy"]
            section = ranking.ranking_section(groups.make_groups(runs)[0], groups.Metric("test_loss"))
            self.assertEqual(section.items[0].figure.layout.xaxis.type, kind)

    def test_table_and_figure_tell_of_failed_runs(self):
        section = ranking.ranking_section(self.failing(), groups.Metric("test_accuracy"))
        figure, table = section.items
        self.assertEqual([row[:5] for row in table.rows],
                         [["1", "relu", "0.8200", "± 0.1", "5"], ["2", "tanh", "0.4260", "± 0.11", "5"],
                          ["3", "prelu", "0.9850", "± 0.064", "2 of 5; 3 failed"],
                          ["", "elu", "–", "", "0 of 5; 5 failed"]])
        self.assertEqual(list(figure.figure.data[0].y), ["relu", "tanh", "prelu (2 of 5; 3 failed)"])
        self.assertEqual(list(figure.figure.data[0].marker.symbol), ["circle", "circle", "circle-open"])


if __name__ == "__main__":
    unittest.main()
