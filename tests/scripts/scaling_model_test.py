"""scripts/scaling_model.py against numbers worked out by hand."""

import contextlib
import io
import pathlib
import sys
import unittest

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

import scaling_model as model  # noqa: E402

NETWORK = model.Network("test", alpha=8.0, gap=2.0, beta=0.5)
FREE = model.Cores(cached=numpy.inf, core_memory=numpy.inf, node_memory=numpy.inf)


class Slices(unittest.TestCase):
    def test_end_at_blocks_and_cover_the_padded_vector(self):
        # 784·128, 128, 128·10 and 10 elements, the last padded to 16: 26 blocks for the first two, one each for the rest.
        for ranks in (1, 3, 8, 64, 1024):
            slices = model.slice_bytes((784, 128, 10), ranks)
            self.assertEqual((len(slices), slices.sum()), (ranks, 4 * 101776))
        self.assertEqual(numpy.count_nonzero(model.slice_bytes((784, 128, 10), 1024)), 28)
        self.assertEqual(model.slice_bytes((784, 128, 10), 1024).max(), 16384)


class Exchanges(unittest.TestCase):
    equal = numpy.full((8, 1), 100)

    def test_direct_sends_a_message_to_every_other_node(self):
        # Linear between 8: 6 further messages, 700 bytes. Pairwise between 2: one message of 100.
        self.assertEqual(model.direct_reduce(self.equal, NETWORK, FREE), 8 + 6 * 2 + 700 * 0.5)
        self.assertEqual(model.direct_reduce(self.equal[:2], NETWORK, FREE), 8 + 100 * 0.5)

    def test_halving_and_doubling_send_the_same_bytes_in_log_rounds(self):
        self.assertEqual(model.rounds_bytes(self.equal), ([400, 200, 100], [400, 200, 100]))
        self.assertEqual(model.halving_reduce(self.equal, NETWORK, FREE), 3 * 8 + 700 * 0.5)
        self.assertEqual(model.doubling_gather(self.equal, NETWORK, FREE), 3 * 8 + 700 * 0.5)

    def test_one_owner_receives_everything_directly_but_little_by_halving(self):
        one = numpy.zeros((8, 1), int)
        one[3] = 100
        self.assertEqual(model.direct_reduce(one, NETWORK, FREE), 8 + 6 * 2 + 700 * 0.5)
        self.assertEqual(model.halving_reduce(one, NETWORK, FREE), 3 * 8 + 300 * 0.5)

    def test_passes_over_memory_count_where_they_are_not_free(self):
        cores = model.Cores(cached=10.0)
        extra = model.halving_reduce(self.equal, NETWORK, cores) - model.halving_reduce(self.equal, NETWORK, FREE)
        self.assertAlmostEqual(extra, 3 * 700 / 10)


class Tables(unittest.TestCase):
    def test_are_complete(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            model.tables(type("Arguments", (), {"nets": True}))
        for net in model.NETS:
            self.assertIn(f"| {net.name} |", out.getvalue())
        self.assertNotIn("nan", out.getvalue())

    def test_the_rule_is_that_of_the_code(self):
        header = (ROOT / "include/lockstep/dist/recursive_halving.hpp").read_text()
        self.assertIn(f"least_ranks = {model.LEAST_GROUPS_TO_HALVE};", header)
        self.assertIn(f"most_slice_bytes = {model.MOST_SLICE_BYTES};", header)


if __name__ == "__main__":
    unittest.main()
