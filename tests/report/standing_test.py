"""How it is said that runs are missing."""

import unittest

from lockstep_report.standing import Standing


class Standings(unittest.TestCase):
    def test_texts(self):
        for statuses, short, mark, count_text in (
                ([], "", "", "0 runs"),
                (["finished"], "", "", "1 run"),
                (["finished"] * 5, "", "", "5 runs"),
                (["failed"], "0 of 1; 1 failed", "failed", "1 run: 0 finished, 1 failed"),
                (["failed"] * 5, "0 of 5; 5 failed", "failed", "5 runs: 0 finished, 5 failed"),
                (["waiting"] * 2, "0 of 2; 2 waiting", "0/2", "2 runs: 0 finished, 2 waiting"),
                (["running", "finished", "failed", "finished", "failed"], "2 of 5; 2 failed, 1 running", "2/5",
                 "5 runs: 2 finished, 2 failed, 1 running")):
            with self.subTest(statuses=statuses):
                standing = Standing(statuses)
                self.assertEqual((standing.short, standing.mark, standing.count_text), (short, mark, count_text))


if __name__ == "__main__":
    unittest.main()
