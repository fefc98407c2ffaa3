"""Lines over a number."""

import math
import unittest

from lockstep_report import groups, lines
from made_runs import complete_runs_by_rate, failing_runs_by_rate, made_run


class Lines(unittest.TestCase):
    def test_lines_over_a_parameter(self):
        runs = [made_run(0.1 * slope, activation=[f"leaky_relu({slope})"]) for slope in (0.5, 0.1, 1)]
        found, names, _ = groups.make_groups(runs)
        [figure] = lines.figures_by_number(found, names, groups.Metric("test_accuracy"))
        self.assertEqual(figure.title, "Test accuracy by parameter of leaky_relu")
        self.assertEqual(figure.note, "")
        self.assertEqual(list(figure.figure.data[0].x), [0.1, 0.5, 1])

    def test_lines_tell_of_failed_runs(self):
        found, names, _ = groups.make_groups(failing_runs_by_rate())
        [figure] = lines.figures_by_number(found, names, groups.Metric("test_accuracy"))
        relu = figure.figure.data[0]
        self.assertEqual((relu.name, list(relu.x), list(relu.y)), ("relu", [0.1, 0.5, 1], [0.85, 0.7, None]))
        self.assertEqual(list(relu.marker.symbol), ["circle", "circle-open", "circle-open"])
        self.assertIn("(1 of 2; 1 failed)", relu.text[1])
        self.assertIn("open points: runs are missing", figure.note)
        self.assertIn("no value: relu at 1 (0 of 2; 2 failed)", figure.note)

    def test_complete_settings_are_shown_without_marks(self):
        found, names, _ = groups.make_groups(complete_runs_by_rate())
        [figure] = lines.figures_by_number(found, names, groups.Metric("test_accuracy"))
        self.assertEqual(figure.note, "bands: 95 % confidence interval of the mean over seeds")
        self.assertEqual(set(figure.figure.data[0].marker.symbol), {"circle"})

    def test_dead_units_where_they_are_known(self):
        runs = [made_run(0.5, learning_rate=rate) for rate in (0.1, 0.2, 0.3)]
        for run, last in zip(runs, (0.2, 0.4, 0.6)):
            run.diagnostics = [{"step": 1, "dead_units": 1.0}, {"step": 2, "dead_units": last},
                               {"step": 2, "dead_units": 0.0}, {"step": 2, "dead_units": math.nan}]
        found, names, _ = groups.make_groups(runs)
        _, figure = lines.figures_by_number(found, names, groups.Metric("test_accuracy"))
        self.assertEqual(list(figure.figure.data[0].y), [0.1, 0.2, 0.3])

    def test_two_numbers_are_no_line(self):
        found, names, _ = groups.make_groups([made_run(0.5, learning_rate=rate) for rate in (0.1, 0.2)])
        self.assertEqual(lines.figures_by_number(found, names, groups.Metric("test_accuracy")), [])


if __name__ == "__main__":
    unittest.main()
