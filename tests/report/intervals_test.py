"""Student's t, intervals and comparisons of src/report, against printed tables and by hand."""

import math
import unittest

from lockstep_report import intervals


class Intervals(unittest.TestCase):
    # Two-sided 5 % points as printed tables have them.
    PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 30: 2.042}

    def test_quantiles_are_those_of_printed_tables(self):
        for degrees, printed in self.PRINTED.items():
            self.assertAlmostEqual(intervals.student_t_quantile(0.975, degrees), printed, places=3)

    def test_probabilities_are_those_of_closed_forms(self):
        forms = {1: lambda t: math.atan(t) / math.pi,
                 2: lambda t: t / (2 * math.sqrt(2 + t * t)),
                 3: lambda t: (math.atan(t / math.sqrt(3)) + math.sqrt(3) * t / (3 + t * t)) / math.pi,
                 4: lambda t: t * (t * t + 6) / (2 * (t * t + 4) ** 1.5),
                 5: lambda t: (math.atan(t / math.sqrt(5))
                               + math.sqrt(5) * t * (3 * t * t + 25) / (3 * (t * t + 5) ** 2)) / math.pi}
        for degrees, form in forms.items():
            for t in (-3.0, -0.4, 0.0, 0.7, 2.5, 9.0):
                self.assertAlmostEqual(intervals.student_t_probability(t, degrees), 0.5 + form(t), places=12)

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


if __name__ == "__main__":
    unittest.main()
