"""What single networks are shown by."""

import unittest

import numpy as np

from lockstep_report import network


class Network(unittest.TestCase):
    def test_most_wrong_rows(self):
        probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
        found = network.worst_rows(probabilities, np.array([1, 1, 1, 0]), 5)
        self.assertEqual(found, [(0, 0, 0.9), (2, 0, 0.6)])


if __name__ == "__main__":
    unittest.main()
