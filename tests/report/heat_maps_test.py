"""Heat maps over two settings."""

import unittest

import numpy as np

from lockstep_report import groups, heat_maps
from made_runs import complete_runs_by_rate, failing_runs_by_rate, made_run, made_runs


class HeatMaps(unittest.TestCase):
    def test_heat_map_of_depths(self):
        runs = [made_run(0.5 + 0.1 * depth + 0.01 * seed, activation=[name] * depth, hidden=[8] * depth, seed=seed)
                for name in ("relu", "tanh") for depth in (10, 2, 1) for seed in (1, 2)]
        found, names, _ = groups.make_groups(runs)
        [figure] = heat_maps.heat_maps(found, names, groups.Metric("test_accuracy"))
        trace = figure.figure.data[0]
        self.assertEqual(figure.title, "Activation by depth")
        self.assertEqual((list(trace.x), list(trace.y)), (["1", "2", "10"], ["relu", "tanh"]))
        np.testing.assert_allclose(np.array(trace.z, float), [[0.615, 0.715, 1.515]] * 2)

    def test_heat_maps_by_initializer(self):
        rows = (("relu", "glorot_uniform", 0.1), ("relu", "he_uniform", 0.2), ("tanh", "glorot_uniform", 0.3))
        runs = [made_run(value, activation=[name] * depth, hidden=[8] * depth, init=[init] * depth + ["glorot_uniform"])
                for depth in (1, 2) for name, init, value in rows]
        found, names, _ = groups.make_groups(runs)
        maps = heat_maps.heat_maps(found, names, groups.Metric("test_accuracy"))
        self.assertEqual([figure.title for figure in maps], ["Activation by depth, initializer glorot_uniform",
                                                             "Activation by depth, initializer by activation"])
        np.testing.assert_allclose(np.array(maps[0].figure.data[0].z, float), [[0.1, 0.1], [0.3, 0.3]])
        np.testing.assert_allclose(np.array(maps[1].figure.data[0].z, float), [[0.2, 0.2], [0.3, 0.3]])

    def test_heat_map_of_pairs(self):
        runs = [made_run(0.1 * i + 0.01 * j, activation=[first, second], hidden=[8, 8])
                for i, first in enumerate(("relu", "tanh")) for j, second in enumerate(("relu", "tanh"))]
        found, names, _ = groups.make_groups(runs)
        [figure] = heat_maps.heat_maps(found, names, groups.Metric("test_accuracy"))
        trace = figure.figure.data[0]
        np.testing.assert_allclose(np.array(trace.z, float), [[0.0, 0.01], [0.1, 0.11]])  # rows: the first layer
        self.assertEqual(figure.note, "test accuracy")  # of one seed, so there is no interval to name

    def test_tells_of_failed_runs(self):
        found, names, _ = groups.make_groups(failing_runs_by_rate())
        [figure] = heat_maps.heat_maps(found, names, groups.Metric("test_accuracy"))
        trace = figure.figure.data[0]
        self.assertEqual([None if z is None else round(z, 3) for z in trace.z[0]], [0.85, 0.7, None])
        self.assertEqual(list(trace.text[0]), ["0.85 ± 0.64 (2 seeds)", "0.7 (1 of 2; 1 failed)", "0 of 2; 2 failed"])
        texts = {(note.x, note.y): note.text for note in figure.figure.layout.annotations}
        self.assertEqual([texts[x, 0] for x in range(3)], [".8500<br>±.6353", ".7000<br>1/2", "failed"])
        self.assertIn("n/m: n of m runs finished, the mean is over these", figure.note)

    def test_cells_of_losses(self):
        runs = [made_run(0.5, activation=[name], learning_rate=rate, seed=seed)
                for name in ("relu", "tanh") for rate in (0.1, 0.2) for seed in (1, 2)]
        for run, loss in zip(runs, (12.3456, 12.3456, 0.1, 0.3, 0.001234, 0.001234, 1, 1)):
            run.epochs["test_loss"] = np.array([9.0, loss])
        found, names, _ = groups.make_groups(runs)
        [figure] = heat_maps.heat_maps(found, names, groups.Metric("test_loss"))
        self.assertEqual([note.text for note in figure.figure.layout.annotations],  # 12.706 · 0.1 for 0.1 and 0.3
                         ["12.3<br>±0", "0.2<br>±1", "0.00123<br>±0", "1<br>±0"])

    def test_many_columns_marks_cells_with_missing_runs(self):
        runs = [run for name in ("relu", "tanh") for rate in range(1, 15)
                for run in made_runs(name, [0.5, None if rate == 3 else 0.4], learning_rate=rate / 100)]
        found, names, _ = groups.make_groups(runs)
        [figure] = heat_maps.heat_maps(found, names, groups.Metric("test_accuracy"))
        self.assertEqual([(note.x, note.y, note.text) for note in figure.figure.layout.annotations],
                         [(2, 0, "*"), (2, 1, "*")])
        self.assertIn("*: runs are missing", figure.note)

    def test_complete_settings_are_shown_without_marks(self):
        found, names, _ = groups.make_groups(complete_runs_by_rate())
        [figure] = heat_maps.heat_maps(found, names, groups.Metric("test_accuracy"))
        self.assertEqual({note.text for note in figure.figure.layout.annotations}, {".4500<br>±.6353"})
        self.assertEqual(figure.note, "mean test accuracy over seeds, ± half of its 95 % confidence interval")


if __name__ == "__main__":
    unittest.main()
