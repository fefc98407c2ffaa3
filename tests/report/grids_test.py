"""Heat maps and lines over settings."""

import unittest

import numpy as np

from lockstep_report import grids, groups
from made_runs import made_run


class Grids(unittest.TestCase):
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
        rows = (("relu", "glorot_uniform", 0.1), ("relu", "he_uniform", 0.2), ("tanh", "glorot_uniform", 0.3))
        runs = [made_run(value, activation=[name] * depth, hidden=[8] * depth, init=[init] * depth + ["glorot_uniform"])
                for depth in (1, 2) for name, init, value in rows]
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


if __name__ == "__main__":
    unittest.main()
