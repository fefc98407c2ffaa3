"""What is read of run and sweep directories, and what is said of damaged ones."""

import json
import pathlib
import tempfile
import unittest

from lockstep_report import groups, records
from lockstep_report.errors import ReportError

CONFIG = 'hidden = [8]\nactivation = ["relu"]\nlearning_rate = {rate}\nseed = {seed}\n'
METRICS = "epoch,step,test_accuracy\n1,10,0.5\n2,20,0.75\n"


class Records(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)

    def run_directory(self, name, rate="0.1", seed=1, metrics=METRICS):
        path = self.dir / name
        path.mkdir(parents=True)
        (path / "config.toml").write_text(CONFIG.format(rate=rate, seed=seed))
        (path / "metrics.csv").write_text(metrics)
        return path

    def sweep(self, trials):
        """`trials`: (status, learning rate, seed, whether it has a run directory)."""
        table = "trial,status,rank,learning_rate,seed,parameters,run_dir,message\n"
        for number, (status, rate, seed, begun) in enumerate(trials, 1):
            if begun:
                self.run_directory(f"trials/t{number}", rate, seed,
                                   METRICS if status == "finished" else METRICS.splitlines()[0] + "\n")
            table += f"{number},{status},,{rate},{seed},50,/elsewhere/trials/t{number},why {number}\n"
        (self.dir / "sweep.csv").write_text(table)
        return records.read_sweep(self.dir)

    def test_a_sweep_with_all_that_may_become_of_trials(self):
        sweep = self.sweep([("finished", "0.1", 1, True), ("failed", "0.1", 2, True), ("waiting", "0.1", 3, False),
                            ("failed", "0.5", 1, True), ("failed", "0.5", 2, False),
                            ("failed", "9", 1, False), ("waiting", "9", 2, False)])
        found = {group.label: group for group in groups.make_groups(sweep.runs)[0]}
        self.assertEqual({label: dict(group.standing.counts) for label, group in found.items()},
                         {"learning_rate 0.1": {"finished": 1, "failed": 1, "waiting": 1},
                          "learning_rate 0.5": {"failed": 2}})
        self.assertEqual(found["learning_rate 0.1"].final("test_accuracy").mean, 0.75)
        self.assertEqual(found["learning_rate 0.5"].final("test_accuracy").count, 0)
        self.assertEqual(sweep.settings_without_config, {(("learning_rate", "9"),): ["failed", "waiting"]})
        self.assertEqual(sweep.counts, {"finished": 1, "failed": 4, "waiting": 2})
        self.assertEqual(sweep.failures[0], ("2", (("learning_rate", "0.1"), ("seed", "2")), "why 2"))

    def test_trials_that_never_began_stand_in_the_order_of_the_table(self):
        rates = [f"0.{number}" for number in range(1, 10)]
        sweep = self.sweep([("waiting", rate, 1, False) for rate in rates]
                           + [("finished", rate, 2, True) for rate in reversed(rates)])
        self.assertEqual([run.config["learning_rate"] for run in sweep.runs if run.status == "waiting"],
                         [float(rate) for rate in rates])

    def test_trials_that_came_to_one_run_count_once(self):
        self.run_directory("trials/same")
        (self.dir / "sweep.csv").write_text("trial,status,rank,activation,seed,parameters,run_dir,message\n"
                                            "1,finished,1,relu,1,50,trials/same,\n2,finished,1,tanh,1,50,trials/same,\n"
                                            "3,waiting,,tanh,2,50,trials/none,\n")
        sweep = records.read_sweep(self.dir)
        self.assertEqual([run.status for run in sweep.runs], ["finished", "waiting"])
        self.assertEqual(sweep.settings_without_config, {})

    def killed_sweep(self):
        """relu finished with seed 1 and is in its first epoch with seed 2 after an earlier job had stopped; tanh is
        not begun. The table is older than all that."""
        for number in (1, 2):
            self.run_directory(f"trials/t{number}", "0.001", number, METRICS[:-len("2,20,0.75\n")]
                               if number == 2 else METRICS)
        (self.dir / "trials/t2/summary.json").write_text('{"status": "stopped", "reason": "SIGTERM"}')
        (self.dir / "ledger").mkdir()
        for number, status in (("1", "finished"), ("2", "running")):
            (self.dir / f"ledger/t{number}.json").write_text(json.dumps({"status": status, "message": status}))
        (self.dir / "sweep.csv").write_text(
            "trial,status,rank,activation,learning_rate,seed,parameters,run_dir,message\n" + "".join(
                f"{number},waiting,,{name},0.001,{seed},50,s/trials/t{number},\n"
                for number, name, seed in ((1, "relu", 1), (2, "relu", 2), (3, "tanh", 1))))

    def test_trials_are_as_the_ledger_says_where_the_table_is_older(self):
        self.killed_sweep()
        sweep = records.read_sweep(self.dir)
        self.assertEqual((sweep.counts, sweep.outdated), ({"finished": 1, "running": 1, "waiting": 1}, 2))
        [group] = groups.make_groups(sweep.runs)[0]
        self.assertEqual(group.label_with_counts, "relu · learning_rate 0.001 (1 of 2; 1 running)")
        interval = group.final("test_accuracy")
        self.assertEqual((interval.count, interval.mean), (1, 0.75))

    def test_settings_are_told_from_those_that_wait(self):
        self.killed_sweep()
        table = self.dir / "sweep.csv"
        self.run_directory("trials/t4", "0.01")
        table.write_text(table.read_text() + "4,finished,,relu,0.01,1,50,s/trials/t4,\n")
        sweep = records.read_sweep(self.dir)
        found = groups.make_groups(sweep.runs, [sweep])[0]
        self.assertEqual([group.label for group in found], ["relu · learning_rate 0.001", "relu · learning_rate 0.01"])
        self.assertEqual([group.label for group in groups.make_groups(sweep.runs)[0]],
                         ["learning_rate 0.001", "learning_rate 0.01"])

    def test_without_a_ledger_trials_are_as_their_summaries_say(self):
        self.killed_sweep()
        for path in (self.dir / "ledger").iterdir():
            path.write_text("{")
        (self.dir / "trials/t1/summary.json").write_text('{"status": "finished", "reason": "finished"}')
        (self.dir / "trials/t2/summary.json").write_text('{"status": "failed", "reason": "the loss is nan"}')
        sweep = records.read_sweep(self.dir)
        self.assertEqual(sweep.counts, {"finished": 1, "failed": 1, "waiting": 1})
        settings = (("activation", "relu"), ("learning_rate", "0.001"), ("seed", "2"))
        self.assertEqual(sweep.failures, [("2", settings, "the loss is nan")])

    def test_a_trial_in_its_next_attempt_has_not_failed(self):
        self.killed_sweep()
        (self.dir / "trials/t2/summary.json").write_text('{"status": "failed", "reason": "the loss is nan"}')
        self.assertEqual(records.read_sweep(self.dir).counts["running"], 1)

    def test_a_sweep_over_seeds_alone_is_named_by_its_directory(self):
        [group] = groups.make_groups([records.Run(self.dir / "trials/130438c793aef175", {}, "", {}, "finished",
                                                  sweep=self.dir / "seeds")])[0]
        self.assertEqual(group.label, "seeds")

    def test_a_run_is_as_its_summary_says(self):
        path = self.run_directory("a")
        self.assertEqual(records.read_run(path).status, records.NOT_ENDED)
        (path / "summary.json").write_text('{"status": "failed", "parameters_sha256": null}')
        self.assertEqual(records.read_run(path).status, "failed")
        self.assertEqual(records.read_run(path).summary, {"status": "failed"})

    def test_messages_name_the_damaged_file(self):
        for name, content, found in (
                ("config.toml", "hidden = [8\n", "expected the resolved config of a run, found: Unclosed array"),
                ("config.toml", b"\xff", "expected the resolved config of a run, found: 'utf-8' codec can't decode"),
                ("config.toml", "", "expected the resolved config of a run, found: no key hidden"),
                ("config.toml", 'hidden = [8]\nactivation = "relu"\n',
                 "expected the resolved config of a run, found activation = 'relu'"),
                ("metrics.csv", "step,loss\n1,2\n", "expected a table of epochs, found: no column epoch"),
                ("metrics.csv", "epoch,loss\n1,much\n",
                 "expected a table of epochs, found: could not convert string to float: 'much'"),
                ("metrics.csv", "epoch,loss\n1,\0\n", "expected a table of epochs, found: "),
                ("summary.json", "{", "expected the summary of a run, found: Expecting property name"),
                ("summary.json", "[]", "expected the summary of a run, found: a JSON list"),
                ("diagnostics.csv", "epoch,step\n1,2\n",
                 "expected a table of diagnostics, found: no column layer"),
                ("checkpoints/best", "no HDF5", "expected a checkpoint, found: ")):
            with self.subTest(name=name, content=content), tempfile.TemporaryDirectory(dir=self.dir) as directory:
                path = self.run_directory(pathlib.Path(directory).name + "/a")
                (path / "checkpoints").mkdir()
                (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
                with self.assertRaises(ReportError) as caught:
                    records.read_run(path).first_kernel()
                self.assertTrue(str(caught.exception).startswith(f"{path / name}: {found}"), caught.exception)
                self.assertNotIn("\n", str(caught.exception))

    def test_a_damaged_table_of_a_sweep(self):
        (self.dir / "sweep.csv").write_text("trial,status\n1,finished\n")
        with self.assertRaises(ReportError) as caught:
            records.read_sweep(self.dir)
        self.assertEqual(str(caught.exception),
                         f"{self.dir}/sweep.csv: expected the table of a sweep, found: no column rank")
        (self.dir / "sweep.csv").write_text("no table at all\n")
        with self.assertRaisesRegex(ReportError, f"{self.dir}/sweep.csv: expected the table of a sweep, found: no column"):
            records.read_sweep(self.dir)


if __name__ == "__main__":
    unittest.main()
