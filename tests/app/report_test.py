"""What `lockstep report` computes and writes, apart from how a browser shows it."""

import json
import math
import pathlib
import re
import shutil
import sys
import unittest

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "src" / "report"))

from lockstep_cli import (USER_ERROR, CliTestCase, checkpoint_layers, error_lines, run, run_well, tree,
                          write_classification, write_dataset, write_regression)
from lockstep_report import drawing, grids, groups, intervals, network, ranking, records


class Intervals(unittest.TestCase):
    # Two-sided 5 % points as printed tables have them.
    PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 30: 2.042}

    def test_quantiles_are_those_of_printed_tables(self):
        for degrees, printed in self.PRINTED.items():
            self.assertAlmostEqual(intervals.student_t_quantile(0.975, degrees), printed, places=3)

    def test_probabilities_are_those_of_scipy(self):
        try:
            from scipy.stats import t as student
        except ImportError:
            self.skipTest("scipy is not installed")
        for degrees in range(1, 12):
            for t in (-3.0, -0.4, 0.0, 0.7, 2.5, 9.0):
                self.assertAlmostEqual(intervals.student_t_probability(t, degrees), student.cdf(t, degrees), places=12)

    def test_spread_by_hand(self):
        found = intervals.spread([1.0, math.nan, 2.0, 3.0, 4.0])
        self.assertEqual((found.count, found.mean), (4, 2.5))
        self.assertAlmostEqual(found.sd, math.sqrt(5 / 3))
        self.assertAlmostEqual(found.high, 2.5 + 3.1824463 * math.sqrt(5 / 3) / 2, places=6)
        self.assertAlmostEqual(found.half_width, found.high - 2.5)
        self.assertTrue(math.isnan(intervals.spread([7.0]).low))
        self.assertEqual(intervals.spread([math.nan]).count, 0)

    def test_paired_p_by_hand(self):
        # Two degrees of freedom: P(|T| > t) = 1 - t / sqrt(2 + t²); here t = 2·√3.
        self.assertAlmostEqual(intervals.paired_p_value([1.0, 2.0, 3.0]), 1 - math.sqrt(12 / 14), places=12)
        self.assertEqual(intervals.paired_p_value([0.0, 0.0]), 1.0)
        self.assertEqual(intervals.paired_p_value([2.0, 2.0]), 0.0)
        self.assertTrue(math.isnan(intervals.paired_p_value([2.0])))

    def test_holm_by_hand(self):
        found = intervals.holm([0.01, 0.04, math.nan, 0.03, 0.005])
        for value, expected in zip([found[0], found[1], found[3], found[4]], [0.03, 0.06, 0.06, 0.02]):
            self.assertAlmostEqual(value, expected)
        self.assertTrue(math.isnan(found[2]))


def made_run(accuracy, **config):
    """A run that ended with a test accuracy."""
    config = {"hidden": [8], "activation": ["relu"], "init": ["he_uniform", "glorot_uniform"], "seed": 1,
              "optimizer": "adam", **config}
    epochs = {"epoch": np.array([1.0, 2.0]), "test_accuracy": np.array([0.5, accuracy])}
    return records.Run(pathlib.Path(f"run-{config['seed']}"), config, "", epochs)


class Groups(unittest.TestCase):
    def test_runs_that_differ_in_the_seed_alone_are_one_group(self):
        runs = [made_run(0.8, seed=1), made_run(0.9, seed=2),
                made_run(0.7, activation=["tanh"], init=["glorot_uniform"] * 2, seed=1)]
        found, names, differing = groups.make_groups(runs)
        self.assertEqual([group.label for group in found], ["relu", "tanh"])
        self.assertEqual([len(group.runs) for group in found], [2, 1])
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

    def test_metric_is_the_held_out_accuracy_that_all_runs_have(self):
        runs = [made_run(0.8), made_run(0.9, seed=2)]
        self.assertEqual(groups.choose_metric(runs), groups.Metric("test_accuracy"))
        runs[0].epochs["val_accuracy"] = np.array([0.1, 0.2])
        self.assertEqual(groups.choose_metric(runs).column, "test_accuracy")
        runs[1].epochs["val_accuracy"] = np.array([0.1, 0.3])
        self.assertEqual(groups.choose_metric(runs).column, "val_accuracy")
        self.assertEqual(groups.choose_metric(runs).title, "validation accuracy")

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

    def test_numbers_in_settings(self):
        for text, value in (("0.1", 0.1), ("leaky_relu(0.2)", 0.2), ("leaky_relu(negative_slope=0.2)", 0.2),
                            ("1e-3", 0.001), ("relu", None), ("512x2", None), ("uniform(-1,1)", None)):
            self.assertEqual(groups.numeric(text), value, text)


class Pictures(unittest.TestCase):
    def test_heat_map_of_depths(self):
        runs = [made_run(0.5 + 0.1 * depth + 0.01 * seed, activation=[name] * depth, hidden=[8] * depth, seed=seed)
                for name in ("relu", "tanh") for depth in (10, 2, 1) for seed in (1, 2)]
        found, names, _ = groups.make_groups(runs)
        section = grids.settings_section(found, names, groups.Metric("test_accuracy"))
        trace = section.items[0].figure.data[0]
        self.assertEqual(section.items[0].title, "Activation by depth")
        self.assertEqual((list(trace.x), list(trace.y)), (["1", "2", "10"], ["relu", "tanh"]))
        np.testing.assert_allclose(np.array(trace.z, float), [[0.615, 0.715, 1.515]] * 2)

    def test_heat_maps_by_initializer(self):
        runs = [made_run(value, activation=[name] * depth, hidden=[8] * depth, init=[init] * depth + ["glorot_uniform"])
                for depth in (1, 2) for name, init, value in (("relu", "glorot_uniform", 0.1), ("relu", "he_uniform", 0.2),
                                                              ("tanh", "glorot_uniform", 0.3))]
        found, names, _ = groups.make_groups(runs)
        maps = grids.heat_maps(found, names, groups.Metric("test_accuracy"))
        self.assertEqual([figure.title for figure in maps], ["Activation by depth, initializer glorot_uniform",
                                                             "Activation by depth, initializer by activation"])
        np.testing.assert_allclose(np.array(maps[0].figure.data[0].z, float), [[0.1, 0.1], [0.3, 0.3]])
        np.testing.assert_allclose(np.array(maps[1].figure.data[0].z, float), [[0.2, 0.2], [0.3, 0.3]])

    def test_heat_map_of_pairs(self):
        runs = [made_run(0.1 * i + 0.01 * j, activation=[first, second], hidden=[8, 8])
                for i, first in enumerate(("relu", "tanh")) for j, second in enumerate(("relu", "tanh"))]
        found, names, _ = groups.make_groups(runs)
        trace = grids.settings_section(found, names, groups.Metric("test_accuracy")).items[0].figure.data[0]
        np.testing.assert_allclose(np.array(trace.z, float), [[0.0, 0.01], [0.1, 0.11]])  # rows: the first layer

    def test_lines_over_a_parameter(self):
        runs = [made_run(0.1 * slope, activation=[f"leaky_relu({slope})"]) for slope in (0.5, 0.1, 1)]
        found, names, _ = groups.make_groups(runs)
        figure = grids.settings_section(found, names, groups.Metric("test_accuracy")).items[0]
        self.assertEqual(figure.title, "Test accuracy by parameter of leaky_relu")
        self.assertEqual(list(figure.figure.data[0].x), [0.1, 0.5, 1])

    def test_most_wrong_rows(self):
        probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
        found = network.worst_rows(probabilities, np.array([1, 1, 1, 0]), 5)
        self.assertEqual(found, [(0, 0, 0.9), (2, 0, 0.6)])

    def test_mosaic(self):
        board, places = drawing.mosaic(np.arange(12.0).reshape(3, 2, 2), columns=2, gap=1)
        self.assertEqual(board.shape, (6, 6))
        np.testing.assert_array_equal(board[1:3, 3:5], [[4, 5], [6, 7]])
        np.testing.assert_array_equal(board[4:6, 0:2], [[8, 9], [10, 11]])
        self.assertEqual(places[1], (3.5, 0.5))


class Reports(CliTestCase):
    def report(self, *arguments, **options):
        return run("report", *arguments, "-o", self.dir / "r.html", cwd=self.dir, **options)

    def says(self, part, text):
        self.assertTrue(part in text, f"{part} is missing")  # assertIn would print the whole page

    def page(self):
        """(the text, name of a figure → its graph)."""
        text = (self.dir / "r.html").read_text()
        found = re.findall(r'id="([\w-]+)" style[^>]*></div>\s*<script type="application/json">(.*?)</script>', text)
        return text, {name: json.loads(graph) for name, graph in found}

    def test_a_classification_run(self):
        write_classification(self.dir / "d.h5", shape=(8, 8))
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--hidden", "6,5", "--epochs", 3, "--batch-size", 20,
                   "--diagnostics", "--activation", "formula(x*tanh(x))")
        result = self.report("a")
        self.assertEqual((result.status, result.err), (0, ""))
        text, figures = self.page()
        for name in ("accuracy-test-training", "loss-test-training", "confusion", "most-wrong", "weights-1",
                     "gradients-first-epoch", "gradient-norm-1", "histogram-1", "activations", "derivatives",
                     "throughput"):
            self.assertIn(name, figures)
        self.assertEqual(re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text.split('id="plotly"')[0]), [])
        self.says(json.loads((self.dir / "a/summary.json").read_text())["parameters_sha256"][:16], text)
        self.says("hidden = [6, 5]", text)
        counts = np.array(figures["confusion"]["data"][0]["text"], int)
        evaluated = run_well("evaluate", "--checkpoint", self.dir / "a", "--data", self.dir / "d.h5", "--format", "json")
        np.testing.assert_array_equal(counts, evaluated.json()["confusion_matrix"])
        x, f = (np.array(figures["activations"]["data"][0][axis], float) for axis in "xy")
        np.testing.assert_allclose(f, x * np.tanh(x), atol=1e-3)
        slope = np.array(figures["derivatives"]["data"][0]["y"], float)
        np.testing.assert_allclose(slope, np.tanh(x) + x / np.cosh(x) ** 2, atol=1e-3)

    def test_layers_are_those_of_a_numpy_forward_pass(self):
        write_classification(self.dir / "d.h5")
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--hidden", "7,5", "--epochs", 2, "--batch-size", 20,
                   "--activation", "relu,tanh")
        run_well("predict", "--checkpoint", self.dir / "a", "--input", self.dir / "d.h5", "--layers", "-o",
                 self.dir / "p.h5")
        with h5py.File(self.dir / "d.h5") as file:
            x = file["test/x"][...].reshape(-1, 30) / 255
        (first, first_bias), (second, second_bias), _ = checkpoint_layers(self.dir / "a/checkpoints/best")
        hidden = np.maximum(x @ first + first_bias, 0)
        with h5py.File(self.dir / "p.h5") as file:
            np.testing.assert_allclose(file["layers/dense_0"], hidden, atol=1e-5)
            np.testing.assert_allclose(file["layers/dense_1"], np.tanh(hidden @ second + second_bias), atol=1e-5)
        refused = run("predict", "--checkpoint", self.dir / "a", "--input", self.dir / "d.h5", "--layers", "-o",
                      self.dir / "p.csv")
        self.assertEqual(refused.status, USER_ERROR)
        self.assertIn("--layers: expected an --output ending in .h5", refused.err)

    def test_below_mpirun(self):
        write_classification(self.dir / "d.h5")
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20)
        self.assertEqual(self.report("a", launcher=True).status, 0)
        self.assertIn("confusion", self.page()[1])

    def test_a_sweep(self):
        write_classification(self.dir / "d.h5")
        (self.dir / "s.toml").write_text(
            f'[base]\ndata = "{self.dir}/d.h5"\nepochs = 2\nbatch_size = 20\nhidden = "6"\n'
            '[grid]\nactivation = ["relu", "tanh"]\nseed = [1, 2, 3]\nshards = [4, 21]\n')
        run_well("sweep", "s.toml", "--sweep-dir", "s", "--progress", "off", cwd=self.dir)
        shutil.move(self.dir / "s", self.dir / "moved")
        result = self.report("moved")
        self.assertEqual((result.status, result.err), (0, ""))
        text, figures = self.page()
        self.says("--shards: ", text)  # why trials failed
        accuracies = {}
        for path in (self.dir / "moved").glob("trials/*/summary.json"):
            found = json.loads(path.read_text())
            if found["status"] == "finished":
                name = "relu" if '"relu"' in (path.parent / "config.toml").read_text() else "tanh"
                accuracies.setdefault(name, []).append(found["test_accuracy"])
        trace = figures["ranking"]["data"][0]
        for name, value in zip(trace["y"], trace["x"]):
            self.assertAlmostEqual(value, np.mean(accuracies[name]), places=4)
        self.says("paired t-test over 3 seeds", text)

    def test_regression_binary_and_the_plane(self):
        rng = np.random.default_rng(5)
        points = rng.uniform(-1, 1, (300, 2)).astype(np.float32)
        inside = (np.hypot(*points.T) < 0.7).astype(np.uint8)
        write_dataset(self.dir / "plane.h5", points[:200], inside[:200], points[200:], inside[200:], task="binary",
                      class_names=["out", "in"])
        write_regression(self.dir / "values.h5")
        for name in ("plane", "values"):
            self.train(self.dir / name, "--data", self.dir / f"{name}.h5", "--epochs", 2, "--batch-size", 20)
        self.assertEqual(self.report("plane").status, 0)
        figures = self.page()[1]
        region = figures["region-1"]["data"][0]
        run_well("predict", "--checkpoint", self.dir / "plane", "--input", self.dir / "plane.h5", "-o",
                 self.dir / "p.h5")
        self.assertEqual(np.shape(region["z"]), (network.REGION_STEPS, network.REGION_STEPS))
        with h5py.File(self.dir / "p.h5") as file:  # the nearest point of the grid says nearly the same
            x, y = (np.abs(np.array(region[axis])[:, None] - points[None, 200:, i]).argmin(axis=0)
                    for i, axis in enumerate("xy"))
            np.testing.assert_allclose(np.array(region["z"])[y, x], file["probabilities"][:, 0], atol=0.05)
        self.assertEqual(self.report("values").status, 0)
        self.assertIn("predictions", self.page()[1])

    def test_without_hidden_layers(self):
        write_classification(self.dir / "d.h5", shape=(8, 8))
        for constraint in ("none", "nonneg"):
            self.train(self.dir / constraint, "--data", self.dir / "d.h5", "--hidden", "none", "--epochs", 2,
                       "--batch-size", 20, "--constraint", constraint)
        self.assertEqual(self.report("none", "nonneg").status, 0)
        figures = self.page()[1]
        self.assertEqual(sorted(figures["ranking"]["data"][0]["y"]), ["constraint default", "constraint nonneg"])
        captions = [note["text"] for note in figures["weights-1"]["layout"]["annotations"]]
        self.assertEqual(captions, ["0", "1", "2", "3"])  # an image a class
        self.assertNotIn("activations", figures)

    def test_a_missing_dataset_is_said_and_the_rest_is_shown(self):
        write_classification(self.dir / "d.h5")
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20)
        (self.dir / "d.h5").rename(self.dir / "new.h5")
        self.assertEqual(self.report("a").status, 0)
        text, figures = self.page()
        self.says("the dataset is not there any more", text)
        self.assertNotIn("confusion", figures)
        write_regression(self.dir / "other.h5")
        refused = self.report("a", "--data", "other.h5")
        self.assertEqual((refused.status, len(refused.err.splitlines())), (USER_ERROR, 1))
        self.assertIn("--data other.h5: expected rows of 30 numbers, as a was trained on, found 7", refused.err)
        self.assertEqual(self.report("a", "--data", "new.h5").status, 0)
        self.assertIn("confusion", self.page()[1])

    def test_mistakes(self):
        (self.dir / "empty").mkdir()
        before = tree(self.dir)
        for arguments, message in (
                ((), "expected run or sweep directories, found none"),
                (("nowhere",), "nowhere: expected a run directory (with config.toml) or a sweep directory (with "
                               "sweep.csv), found no such directory"),
                (("empty",), "found neither"),
                (("empty", "--format", "gif"), "--format: expected png or svg, found 'gif'"),
                (("empty", "--figure", "d"), "unknown flag '--figure' (did you mean '--figures'?)")):
            result = run("report", *arguments, cwd=self.dir)
            self.assertEqual(result.status, USER_ERROR, result)
            self.assertEqual(len(error_lines(result.err)), 1, result)
            self.assertEqual(len(result.err.splitlines()), 1, result)
            self.assertIn(message, result.err)
        self.assertEqual(tree(self.dir), before)

    def test_without_a_python_that_has_the_modules(self):
        result = run("report", self.dir, env={"LOCKSTEP_PYTHON": "/bin/false"})
        self.assertEqual(result.status, USER_ERROR)
        self.assertIn("apt-get install python3-plotly", result.err)

    def test_a_file_that_cannot_be_written(self):
        write_classification(self.dir / "d.h5")
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20)
        result = run("report", "a", "-o", "no/such/r.html", cwd=self.dir)
        self.assertEqual((result.status, len(result.err.splitlines())), (USER_ERROR, 1))
        self.assertIn("no/such/r.html: cannot be written: No such file or directory", result.err)


if __name__ == "__main__":
    unittest.main()
