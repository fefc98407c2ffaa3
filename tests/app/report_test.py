"""What `lockstep report` writes, apart from how a browser shows it; tests/report has the tests of its parts."""

import csv
import html
import json
import re
import shutil
import unittest

import h5py
import numpy as np

from lockstep_cli import (USER_ERROR, CliTestCase, checkpoint_layers, error_lines, run, run_well, tree,
                          write_classification, write_dataset, write_regression)


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
        evaluated = run_well("evaluate", "--checkpoint", self.dir / "a", "--data", self.dir / "d.h5",
                             "--format", "json")
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
        (self.dir / "r.html").unlink()
        result = self.report("a", ranks=3)
        self.assertEqual(result.status, USER_ERROR)
        self.assertEqual(len(error_lines(result.err)), 1, result.err)
        self.assertIn("one process", result.err)
        self.assertFalse((self.dir / "r.html").exists())

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
                name += " · shards 4"  # told from those that never began
                accuracies.setdefault(name, []).append(found["test_accuracy"])
        trace = figures["ranking"]["data"][0]
        for name, value in zip(trace["y"], trace["x"]):
            self.assertAlmostEqual(value, np.mean(accuracies[name]), places=4)
        self.says("paired t-test over 3 seeds", text)
        self.says("12 runs: 6 finished, 6 failed", text)
        self.says("<td>relu · shards 21</td><td>–</td><td></td><td>0 of 3; 3 failed</td>", text)
        self.assertNotIn("is older than its trials", text.split("<main>")[0])
        table = self.dir / "moved/sweep.csv"  # as it was before the last job, which was killed
        table.write_text(re.sub(r"(?m)^(\d+),finished,\d*", r"\1,waiting,", table.read_text()))
        self.assertEqual(self.report("moved").status, 0)
        text, figures = self.page()
        self.says("moved/sweep.csv is older than its trials: 6 of 12 have another status by now", text)
        self.says("12 runs: 6 finished, 6 failed", text)
        self.assertEqual(figures["ranking"]["data"][0], trace)

    def test_a_sweep_some_trials_of_which_fail(self):
        write_classification(self.dir / "d.h5")
        (self.dir / "s.toml").write_text(
            f'[base]\ndata = "{self.dir}/d.h5"\nepochs = 3\nbatch_size = 20\nhidden = "6,6"\noptimizer = "sgd"\n'
            '[grid]\nactivation = ["relu", "prelu"]\nlearning_rate = [0.1, 0.5, 30]\nseed = [1, 2, 3, 4, 5]\n')
        run_well("sweep", "s.toml", "--sweep-dir", "s", "--progress", "off", cwd=self.dir)
        with open(self.dir / "s/sweep.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        values = {}
        for row in rows:
            values.setdefault((row["activation"], row["learning_rate"]), []).append(
                float(row["test_accuracy"]) if row["status"] == "finished" else None)
        some, none = values["prelu", "0.5"], values["prelu", "30"]
        finished = [value for value in some if value is not None]
        self.assertTrue(0 < len(finished) < 5 and none == [None] * 5, values)
        self.assertEqual(self.report("s").status, 0)
        text, figures = self.page()
        failed = 5 - len(finished)
        name = f"prelu(0.25) · learning_rate 0.5 ({len(finished)} of 5; {failed} failed)"
        ranking = figures["ranking"]["data"][0]
        self.assertEqual((ranking["y"][-1], len(ranking["y"])), (name, 5))
        self.assertAlmostEqual(ranking["x"][-1], np.mean(finished), places=4)
        self.says(f"{len(finished)} of 5; {failed} failed", text)
        self.says("<td>0 of 5; 5 failed</td>", text)
        self.says(f"Incomplete: {name}, prelu(0.25) · learning_rate 30 (0 of 5; 5 failed).", text)
        self.assertIn(name, [trace.get("name") for trace in figures["accuracy-test-training"]["data"]])
        self.says("Not one epoch finished: prelu(0.25) · learning_rate 30 (0 of 5; 5 failed).", text)
        cells = figures["settings"]
        written = [note["text"].split("<br>")[-1] for note in cells["layout"]["annotations"]]
        self.assertEqual(written[4:], [f"{len(finished)}/5", "failed"])
        self.assertIn(f"({len(finished)} of 5; {failed} failed)", cells["data"][0]["text"][1][1])
        self.assertEqual(cells["data"][0]["text"][1][2], "0 of 5; 5 failed")

    def test_why_runs_failed(self):
        write_classification(self.dir / "d.h5")
        flags = ["--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20]
        self.train(self.dir / "good", *flags)
        run("train", "--run-dir", self.dir / "bad", "--progress", "off", "--optimizer", "sgd", "--learning-rate",
            "1e30", *flags)
        summary = json.loads((self.dir / "bad/summary.json").read_text())
        self.assertEqual(summary["status"], "failed")
        self.assertEqual(self.report("good", "bad").status, 0)
        cells = [html.unescape(cell) for cell in re.findall("<td>(.*?)</td>", self.page()[0])]
        self.assertIn(summary["reason"], cells)
        self.assertEqual(cells[cells.index(summary["reason"]) + 1], "bad")
        alone = self.report("bad")
        self.assertEqual((alone.status, len(alone.err.splitlines())), (USER_ERROR, 1))
        self.assertIn("expected at least one run with a finished epoch, found none; bad failed: " + summary["reason"],
                      alone.err)

    def test_a_damaged_run(self):
        (self.dir / "a").mkdir()
        (self.dir / "a/config.toml").write_text('hidden = [6]\nactivation = ["relu"\nseed = 1\n')
        result = self.report("a")
        self.assertEqual((result.status, len(result.err.splitlines())), (USER_ERROR, 1))
        self.assertIn("error: a/config.toml: expected the resolved config of a run, found: Unclosed array (at line 3, ",
                      result.err)
        self.assertFalse((self.dir / "r.html").exists())

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
        self.assertEqual(np.shape(region["z"]), (len(region["y"]), len(region["x"])))
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

    def test_a_damaged_checkpoint_is_said_and_the_rest_is_shown(self):
        write_classification(self.dir / "d.h5")
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20)
        self.train(self.dir / "b", "--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20, "--seed", 2, "--activation",
                   "tanh")
        for damaged in (b"", b"not a checkpoint", None):
            path = self.dir / "a/checkpoints/best"
            content = bytearray(path.read_bytes()) if damaged is None else damaged
            if damaged is None:
                content[len(content) // 2] ^= 1
            before = path.read_bytes()
            path.unlink()  # another name of it stays whole
            path.write_bytes(content)
            self.assertEqual(self.report("a", "b").status, 0)
            text, figures = self.page()
            self.says("What needs this checkpoint is left out", text)
            self.assertIn("ranking", figures)
            path.write_bytes(before)
        self.assertEqual(self.report("a", "b").status, 0)
        self.assertNotIn("What needs this checkpoint is left out", self.page()[0])

    def test_a_missing_dataset_is_said_and_the_rest_is_shown(self):
        write_classification(self.dir / "d.h5")
        self.train(self.dir / "a", "--data", self.dir / "d.h5", "--epochs", 1, "--batch-size", 20)
        (self.dir / "d.h5").rename(self.dir / "new.h5")
        self.assertEqual(self.report("a").status, 0)
        text, figures = self.page()
        self.says("d.h5: expected a dataset file, found none. ", text)
        self.says("What needs the dataset is left out", text)
        self.assertNotIn("confusion", figures)
        write_regression(self.dir / "other.h5")
        refused = self.report("a", "--data", "other.h5")
        self.assertEqual((refused.status, len(refused.err.splitlines())), (USER_ERROR, 1))
        self.assertIn("--data other.h5: expected rows of 30 numbers, as a was trained on, found 7", refused.err)
        self.assertEqual(self.report("a", "--data", "new.h5").status, 0)
        text, figures = self.page()
        self.assertIn("confusion", figures)
        self.assertNotIn("is not the dataset", text)
        write_classification(self.dir / "more.h5", rows=201)
        self.assertEqual(self.report("a", "--data", "more.h5").status, 0)
        self.says("is not the dataset that a was trained on", self.page()[0])

    def test_mistakes(self):
        (self.dir / "empty").mkdir()
        (self.dir / "README.md").touch()
        before = tree(self.dir)
        for arguments, message in (
                ((), "expected run or sweep directories, found none"),
                (("nowhere",), "nowhere: expected a run directory (with config.toml) or a sweep directory (with "
                               "sweep.csv), found no such directory"),
                (("empty",), "found neither"),
                (("README.md",), "README.md: expected a run directory (with config.toml) or a sweep directory (with "
                                 "sweep.csv), found a file"),
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
        self.assertIn("--output no/such/r.html: expected a directory no/such to write into, found none", result.err)


if __name__ == "__main__":
    unittest.main()
