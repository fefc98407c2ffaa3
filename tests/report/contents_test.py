"""What stands in the sections that have no file of their own."""

import pathlib
import unittest

from lockstep_report import contents, groups, records
from made_runs import made_run


class FailedRuns(unittest.TestCase):
    def test_equal_reasons_stand_once_with_their_runs(self):
        runs = [made_run(0.9, seed=1), *(made_run(None, records.FAILED, seed=seed) for seed in (2, 3, 4))]
        for run, reason in zip(runs, ("finished", "the loss is nan", "the loss is nan", None)):
            run.summary = {"reason": reason} if reason else {}
        section = contents.failed_runs_section(groups.make_groups(runs)[0])
        self.assertEqual(section.items[0].rows, [["the loss is nan", "run-2, run-3"], ["no reason is known", "run-4"]])
        self.assertIsNone(contents.failed_runs_section(groups.make_groups(runs[:1])[0]))

    def test_equal_messages_of_trials_stand_once_with_their_settings(self):
        failures = [(str(number), (("activation", name), ("seed", str(number))), message)
                    for number, name, message in ((1, "relu", "nan"), (2, "tanh", "--shards"), (3, "relu", "nan"))]
        section = contents.sweeps_section([records.Sweep(pathlib.Path("s"), [], {"failed": 3}, failures, {}, 0)])
        self.assertEqual(section.items[1].rows, [["s", "nan", "1: relu · seed 1, 3: relu · seed 3"],
                                                 ["s", "--shards", "2: tanh · seed 2"]])


if __name__ == "__main__":
    unittest.main()
