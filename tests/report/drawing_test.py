"""What all figures share."""

import unittest

import numpy as np

from lockstep_report import drawing


class Drawing(unittest.TestCase):
    def test_mosaic(self):
        board, places = drawing.mosaic(np.arange(12.0).reshape(3, 2, 2), columns=2, gap=1)
        self.assertEqual(board.shape, (6, 6))
        np.testing.assert_array_equal(board[1:3, 3:5], [[4, 5], [6, 7]])
        np.testing.assert_array_equal(board[4:6, 0:2], [[8, 9], [10, 11]])
        self.assertEqual(places[1], (3.5, 0.5))


if __name__ == "__main__":
    unittest.main()
