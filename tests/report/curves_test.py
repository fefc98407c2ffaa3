"""Lines over the epochs."""

import unittest

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


if __name__ == "__main__":
    unittest.main()
