"""Lines over the epochs."""

import math
import unittest

import numpy as np

from lockstep_report import curves, groups
from made_runs import made_runs


class Curves(unittest.TestCase):
    def test_legend_and_note_tell_of_failed_runs(self):
        runs = made_runs("relu", [0.9, 0.7]) + made_runs("prelu", [0.6, None]) + made_runs("elu", [None, None])
        *drawn, elu = groups.make_groups(runs)[0]
        section = curves.curves_section(drawn, [elu], groups.Metric("test_accuracy"))
        named = [trace for trace in section.items[0].figure.data if trace.showlegend]
        self.assertEqual([trace.name for trace in named], ["relu", "prelu (1 of 2; 1 failed)"])
        self.assertEqual([list(trace.y) for trace in named], [[0.5, 0.8], [0.5, 0.6]])
        self.assertEqual(section.notes, ["Not one epoch finished: elu (0 of 2; 2 failed)."])

    def loss_axis(self, *last):
        """Of settings with these last losses."""
        runs = []
        for number, values in enumerate(last):
            runs += made_runs(("relu", "tanh", "elu")[number], [0.9] * len(values))
            for run, value in zip(runs[-len(values):], values):
                run.epochs["test_loss"] = np.array([0.5, value])
        section = curves.curves_section(groups.make_groups(runs)[0], [], groups.Metric("test_accuracy"))
        return next(item.figure for item in section.items if item.title.startswith("Loss"))

    def test_a_loss_that_hides_the_others_makes_the_axis_logarithmic(self):
        figure = self.loss_axis([0.4], [0.3], [1e30, 2e30])
        self.assertEqual((figure.layout.yaxis.type, figure.layout.yaxis.dtick), ("log", 4))
        self.assertEqual(min(value for trace in figure.data for value in trace.y), 0.3)  # bands too stay above zero
        for last in ([0.4], [0.3], [49]), ([1e30],), ([0.4], [0.3], [math.nan]):
            self.assertNotEqual(self.loss_axis(*last).layout.yaxis.type, "log", last)


if __name__ == "__main__":
    unittest.main()
