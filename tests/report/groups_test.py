"""Groups of runs and their names."""

import unittest

import numpy as np

from lockstep_report import groups
from made_runs import made_run


class Groups(unittest.TestCase):
    def test_runs_that_differ_in_the_seed_alone_are_one_group(self):
        runs = [made_run(0.8, seed=1), made_run(0.9, seed=2),
                made_run(0.7, activation=["tanh"], init=["glorot_uniform"] * 2, seed=1)]
        found, names, differing = groups.make_groups(runs)
        self.assertEqual([group.label for group in found], ["relu", "tanh"])
        self.assertEqual([len(group.drawn) for group in found], [2, 1])
        self.assertEqual(names, ["activation"])  # the initializer follows from it
        self.assertEqual(differing, ["activation", "init"])
        self.assertAlmostEqual(found[0].final("test_accuracy").mean, 0.85)

    def test_labels_name_what_differs(self):
        runs = [made_run(0.8, activation=["relu"] * 2, hidden=[8, 8], learning_rate=rate) for rate in (0.1, 0.01)]
        runs.append(made_run(0.8, activation=["tanh"], learning_rate=0.1))
        labels = [group.label for group in groups.make_groups(runs)[0]]
        self.assertEqual(labels, ["relu · learning_rate 0.1", "relu · learning_rate 0.01",
                                  "tanh · learning_rate 0.1"])
        self.assertEqual(groups.setting_text("hidden", [8, 8]), "8x2")
        self.assertEqual(groups.setting_text("hidden", []), "none")
        self.assertEqual(groups.setting_text("init", ["a", "a", "b"]), "a x2,b")

    def test_datasets_of_one_name_are_told_apart_by_their_paths(self):
        runs = [made_run(0.8, data=path) for path in ("a/mnist.h5", "b/mnist.h5", "fashion-mnist.h5")]
        found = groups.make_groups(runs)[0]
        self.assertEqual([group.label for group in found], ["a/mnist.h5", "b/mnist.h5", "fashion-mnist"])
        self.assertEqual([group.label for group in groups.make_groups(runs[1:])[0]], ["mnist", "fashion-mnist"])

    def test_metric_is_the_held_out_accuracy_that_all_runs_have(self):
        runs = [made_run(0.8), made_run(0.9, seed=2)]
        self.assertEqual(groups.choose_metric(runs), groups.Metric("test_accuracy"))
        runs[0].epochs["val_accuracy"] = np.array([0.1, 0.2])
        self.assertEqual(groups.choose_metric(runs).column, "test_accuracy")
        runs[1].epochs["val_accuracy"] = np.array([0.1, 0.3])
        self.assertEqual(groups.choose_metric(runs).column, "val_accuracy")
        self.assertEqual(groups.choose_metric(runs).title, "validation accuracy")

    def test_means_are_over_finished_runs(self):
        [group] = groups.make_groups([made_run(0.8, seed=1), made_run(0.2, "failed", seed=2),
                                      made_run(0.4, "running", seed=3), made_run(0.6, "running", seed=4)])[0]
        self.assertEqual((group.final("test_accuracy").count, group.final("test_accuracy").mean), (1, 0.8))
        self.assertEqual(group.label_with_counts, "run-1 (1 of 4; 1 failed, 2 running)")
        self.assertEqual(list(group.by_seed("test_accuracy")), [1])

    def test_a_group_without_a_finished_run_is_shown_as_far_as_it_came(self):
        [group] = groups.make_groups([made_run(0.2, "failed", seed=1), made_run(0.4, "running", seed=2)])[0]
        self.assertEqual([run.status for run in group.drawn], ["failed", "running"])
        self.assertEqual((group.final("test_accuracy").mean, group.label_with_counts),
                         (0.4, "run-1 (0 of 2; 1 failed, 1 running)"))
        [failed] = groups.make_groups([made_run(0.2, "failed")])[0]
        self.assertEqual((failed.final("test_accuracy").count, failed.label_with_counts),
                         (0, "run-1 (0 of 1; 1 failed)"))

    def test_numbers_in_settings(self):
        for text, value in (("0.1", 0.1), ("leaky_relu(0.2)", 0.2), ("leaky_relu(negative_slope=0.2)", 0.2),
                            ("1e-3", 0.001), ("relu", None), ("512x2", None), ("uniform(-1,1)", None)):
            self.assertEqual(groups.numeric(text), value, text)


if __name__ == "__main__":
    unittest.main()
