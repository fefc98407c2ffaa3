"""lockstep sweep from outside: what it leaves behind, its bits, and that no interruption costs a finished trial."""

import csv
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import unittest

from lockstep_cli import (BINARY, MNIST_DIR, RESUMABLE, SLOWDOWN, USER_ERROR, CliTestCase, bound_by_permissions,
                          environment, error_lines, finish, mpirun, other_build, parameters_sha256, rank_processes, run,
                          run_well, start, summary, synthetic_classes, tree, write_classification, write_dataset,
                          write_mnist, write_regression)

SWEEP = """
[base]
data = "{data}"
epochs = {epochs}
batch_size = 20
progress_placeholder
[grid]
hidden = ["8", "8x2"]
activation = ["relu", "tanh"]
seed = [1, 2, 3]
[sweep]
{settings}
"""


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class SweepTestCase(CliTestCase):
    def setUp(self):
        super().setUp()
        self.data = self.dir / "data.h5"
        write_classification(self.data)
        self.out = self.dir / "out"

    def write(self, text, name="sweep.toml"):
        path = self.dir / name
        path.write_text(text)
        return path

    def sweep_file(self, epochs=2, settings="", base=""):
        return self.write(SWEEP.format(data=self.data, epochs=epochs, settings=settings)
                          .replace("progress_placeholder", base))

    def sweep(self, path, *flags, **options):
        return run("sweep", path, "--sweep-dir", self.out, *flags, **options)

    def sweep_well(self, path, *flags, **options):
        return run_well("sweep", path, "--sweep-dir", self.out, *flags, **options)

    def trials(self):
        return rows(self.out / "sweep.csv")

    def train_sha256(self, trial, epochs):
        """Of the same config run by `lockstep train`."""
        run_dir = self.dir / f"train-{trial['trial']}"
        self.train(run_dir, "--data", self.data, "--epochs", epochs, "--batch-size", 20, "--hidden", trial["hidden"],
                   "--activation", trial["activation"], "--seed", trial["seed"])
        return parameters_sha256(run_dir)


class Results(SweepTestCase):
    def test_tables_and_ordinary_run_directories(self):
        result = self.sweep_well(self.sweep_file(settings='metric = "test_accuracy"\nbest = 2'), ranks=2)
        counts = re.findall(r"(?m)^trial \d+ finished .*\[(\d+) of 12 ended", result.out)
        self.assertEqual(counts, [str(i) for i in range(1, 13)])
        trials = self.trials()
        self.assertEqual([row["trial"] for row in trials], [str(i) for i in range(1, 13)])
        self.assertEqual({row["status"] for row in trials}, {"finished"})
        for row in trials:
            found = summary(row["run_dir"])
            self.assertEqual(row["parameters_sha256"], found["parameters_sha256"])
            self.assertEqual(float(row["test_accuracy"]), found["test_accuracy"])
        for row in trials[::5]:
            self.assertEqual(row["parameters_sha256"], self.train_sha256(row, 2))
        ranked = sorted(trials, key=lambda row: int(row["rank"]))
        accuracies = [float(row["test_accuracy"]) for row in ranked]
        self.assertEqual(accuracies, sorted(accuracies, reverse=True))
        self.assertIn(f"trial {ranked[0]['trial']} ", result.out.split("best 1")[1].splitlines()[0])

        cells = rows(self.out / "summary.csv")
        self.assertEqual([(cell["hidden"], cell["activation"]) for cell in cells],
                         [("8", "relu"), ("8", "tanh"), ("8x2", "relu"), ("8x2", "tanh")])
        values = [float(row["test_accuracy"]) for row in trials[:3]]
        mean = sum(values) / 3
        sd = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
        self.assertAlmostEqual(float(cells[0]["test_accuracy_mean"]), mean)
        self.assertAlmostEqual(float(cells[0]["test_accuracy_sd"]), sd)
        # 4.3027: Student's t for two degrees of freedom, from the printed tables.
        self.assertAlmostEqual(float(cells[0]["test_accuracy_ci95_high"]), mean + 4.3027 * sd / 3 ** 0.5, places=4)

        run_well("evaluate", "--checkpoint", trials[0]["run_dir"], "--data", self.data)
        again = self.dir / "again"
        self.train(again, "--config", self.out / "best" / "1" / "config.toml")
        self.assertEqual(parameters_sha256(again), ranked[0]["parameters_sha256"])
        self.assertFalse((self.out / "best" / "3").exists())

    def test_dry_run_writes_nothing(self):
        result = self.sweep_well(self.sweep_file(), "--dry-run", ranks=2)
        self.assertFalse(self.out.exists())
        self.assertIn(f"{30 * 8 + 8 + 8 * 4 + 4}", result.out)
        self.assertIn("12 trials, 0 of them invalid", result.out)
        chosen = self.sweep_well(self.sweep_file(), "--dry-run", "--trials", "3..4")
        self.assertIn("2 trials, 0 of them invalid", chosen.out)

    def test_a_failing_trial_is_recorded_and_others_go_on(self):
        path = self.write(f"""
[base]
data = "{self.data}"
epochs = 1
batch_size = 20
optimizer = "sgd"
[grid]
learning_rate = [0.1, 1e30]
shards = [4, 21]
[sweep]
over = ["shards"]
""")
        result = self.sweep_well(path, ranks=2)
        self.assertIn("  (1 of the 2 trials of its cell failed)\n", result.out)
        self.assertIn("this job's trials  4 of 4 ended, 3 of them failed", result.out)
        self.assertIn("all trials         4 of 4 ended, 3 of them failed\n", result.out)
        self.assertEqual([row["status"] for row in self.trials()], ["finished", "failed", "failed", "failed"])
        self.assertIn("--shards: expected at most the batch size of 20, found 21", self.trials()[1]["message"])
        self.assertIn("not finite", self.trials()[2]["message"])
        before = tree(self.out / "trials")
        self.sweep_well(path)
        self.assertEqual(tree(self.out / "trials"), before)
        self.assertEqual(self.sweep(path, "--retry-failed").status, 1, "all trials of this job failed")
        for trials, status in (("2", 1), ("1", 0)):
            self.assertEqual(self.sweep(path, "--trials", trials).status, status, "as its trial has ended before")
        attempts = {json.loads(record.read_text())["attempts"] for record in (self.out / "ledger").glob("*.json")}
        self.assertEqual(attempts, {0, 1, 2})
        alone = self.write(path.read_text().replace("[0.1, 1e30]", "[1e30]").replace("[4, 21]", "[4]"), "alone.toml")
        for _ in ("at work", "with nothing left to do"):
            self.assertEqual(run("sweep", alone, "--sweep-dir", self.dir / "alone").status, 1)

    def test_trials_that_end_before_anything_is_evaluated_are_not_ranked(self):
        path = self.write(f'[base]\ndata = "{self.data}"\nbatch_size = 20\nmax_steps = 2\n[grid]\nseed = [1, 2]\n')
        result = self.sweep_well(path)
        self.assertIn("all trials         2 of 2 ended\n"
                      "  best               none: no finished trial has a value of test_accuracy", result.out)

    def test_another_build_on_one_rank_is_refused(self):
        other_build(self.dir / "lockstep")
        flags = ["sweep", self.sweep_file(), "--sweep-dir", self.out]
        both = [*mpirun(1), BINARY, *flags, ":", "-n", "1", self.dir / "lockstep", *flags]
        result = subprocess.run(list(map(str, both)), env=environment(), capture_output=True, text=True)
        self.assertEqual(result.returncode, USER_ERROR, result.stderr)
        self.assertIn("ranks differ in what the trials' results depend on: the lockstep they run", result.stderr)

    def test_mistakes_are_the_users(self):
        write_dataset(self.dir / "no-test.h5", *synthetic_classes(40, (6, 5), 4, 1))
        write_regression(self.dir / "numbers.h5")
        cases = [
            ("[grid]\nactivation = [\"rleu\"]", "line 2, key 'activation'"),
            ("[grid]\nseed = [1]", "expected `data = \"FILE\"`"),
            (f"[base]\ndata = \"{self.dir}/none.h5\"", "none.h5"),
            (f"[base]\ndata = \"{self.data}\"\nshards = 129", "expected a trial whose config is valid"),
            (f"[base]\ndata = \"{self.data}\"\n[sweep]\nmetric = \"val_accuracy\"",
             "[sweep] metric: expected a trial with validation_split for val_accuracy, found none"),
            (f"[base]\ndata = \"{self.dir}/no-test.h5\"\n[sweep]\nmetric = \"test_accuracy\"",
             "[sweep] metric: expected a dataset with test rows for test_accuracy, found none"),
            (f"[base]\ndata = \"{self.dir}/numbers.h5\"\n[sweep]\nmetric = \"test_accuracy\"",
             "[sweep] metric: expected a dataset with classes for test_accuracy, found none"),
        ]
        for text, message in cases:
            for ranks in (1, 2):
                result = self.sweep(self.write(text), ranks=ranks)
                self.assertEqual(result.status, USER_ERROR, str(result))
                self.assertIn(message, result.err, str(result))
                self.assertEqual(len(error_lines(result.err)), 1, str(result))
                self.assertFalse(self.out.exists())
        for flags in (["--trials", "0"], ["--trials", "3..2"], ["--trials", "99"], ["--trials", "x"]):
            result = self.sweep(self.sweep_file(), *flags)
            self.assertEqual(result.status, USER_ERROR, str(result))
            self.assertIn("--trials", result.err)
        self.assertEqual(run("sweep").status, USER_ERROR)

    def test_halving_is_recorded(self):
        path = self.sweep_file(epochs=9, settings='metric = "test_loss"\nhalving = { first_epochs = 1, factor = 3 }')
        self.sweep_well(path, ranks=2)
        statuses = [row["status"] for row in self.trials()]
        self.assertGreaterEqual(statuses.count("halted"), 3, statuses)
        self.assertGreaterEqual(statuses.count("finished"), 1, statuses)
        for row in self.trials():
            record = json.loads((self.out / "ledger" / (os.path.basename(row["run_dir"]) + ".json")).read_text())
            self.assertEqual([decision["goes_on"] for decision in record["halving"]].count(False),
                             1 if row["status"] == "halted" else 0)
            self.assertEqual(record["halving"][0]["epoch"], 1)
        # Without halving the halted ones are trained to the end, from where they stand.
        self.sweep_well(self.sweep_file(epochs=9, settings='metric = "test_loss"'))
        for row in self.trials():
            self.assertEqual(row["status"], "finished")
        self.assertEqual(self.trials()[0]["parameters_sha256"], self.train_sha256(self.trials()[0], 9))


class Interruption(SweepTestCase):
    EPOCHS = 5000 // SLOWDOWN

    def long_sweep(self):
        path = self.sweep_file(epochs=self.EPOCHS, base=f"evaluate_every = {self.EPOCHS // 100}")
        path.write_text(path.read_text().replace('["8", "8x2"]', '["8"]'))
        return path

    def started(self, path, ranks, *flags, trials=None):
        """A sweep that has some trials at work."""
        process = start("sweep", path, "--sweep-dir", self.out, *flags, ranks=ranks)
        deadline = time.monotonic() + 60
        while len(list((self.out / "trials").glob("*/metrics.csv"))) < (trials or ranks) and time.monotonic() < deadline:
            time.sleep(0.01)
        return process

    def check_stopped(self, result, ranks):
        """All groups stopped, and resuming on another number of ranks gives the bits of train."""
        self.assertEqual(result.status, RESUMABLE, str(result))
        stopped = [row for row in self.trials() if row["status"] == "stopped"]
        self.assertIn(len(stopped), range(1, ranks + 1), str(result))
        self.assertEqual([row for row in self.trials() if row["status"] == "running"], [])
        for row in stopped:
            self.assertEqual(summary(row["run_dir"])["status"], "stopped")
        self.sweep_well(self.dir / "sweep.toml", ranks=ranks + 1, timeout=200)
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})
        trial = next(row for row in self.trials() if row["trial"] == stopped[0]["trial"])
        self.assertEqual(trial["parameters_sha256"], self.train_sha256(trial, self.EPOCHS))

    def test_sigterm(self):
        process = self.started(self.long_sweep(), 1)
        process.send_signal(signal.SIGTERM)
        self.check_stopped(finish(process), 1)

    def test_sigusr1_to_mpirun_reaches_every_rank(self):
        process = self.started(self.long_sweep(), 2)
        process.send_signal(signal.SIGUSR1)
        self.check_stopped(finish(process), 2)

    def test_sigterm_to_one_of_several_ranks(self):
        process = self.started(self.long_sweep(), 2)
        os.kill(rank_processes(process)[-1], signal.SIGTERM)
        self.check_stopped(finish(process), 2)

    def test_the_end_of_the_job_stops_all_trials(self):
        path = self.long_sweep()
        result = self.sweep(path, env={"LOCKSTEP_JOB_END_TIME": str(int(time.time()) + 5)})
        self.assertEqual(result.status, RESUMABLE, str(result))
        statuses = [row["status"] for row in self.trials()]
        self.assertEqual((statuses.count("stopped"), statuses.count("waiting")), (1, 5), str(result))

    def test_max_seconds_are_those_of_one_trial(self):
        path = self.sweep_file(epochs=10 ** 6, base="max_seconds = 0.05\nevaluate_every = 100000")
        result = self.sweep(path)
        self.assertEqual(result.status, RESUMABLE, str(result))
        self.assertEqual({row["status"] for row in self.trials()}, {"stopped"})

    def test_a_ledger_and_tables_that_cannot_be_written(self):
        path = self.long_sweep()
        ledger = self.out / "ledger"
        process = start("sweep", path, "--sweep-dir", self.out, ranks=2, launcher=bound_by_permissions(2))
        deadline = time.monotonic() + 60
        while len(list((self.out / "trials").glob("*/metrics.csv"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        for directory in (ledger, self.out):
            directory.chmod(0o555)
            self.addCleanup(directory.chmod, 0o755)
        # A trial that ends: its record is refused. Then one that would begin.
        result = finish(process, timeout=200)
        self.assertEqual(result.status, RESUMABLE, str(result))
        self.assertIn("the trials that this stopped are for the next job", result.out + result.err)
        self.assertIn("sweep.csv: cannot be written", result.err)
        self.assertNotIn("stopped  test_accuracy 0.0000", result.out)
        self.assertEqual(len(list((self.out / "trials").glob("*/summary.json"))), 2, str(result))
        for directory in (ledger, self.out):
            directory.chmod(0o755)
        self.sweep_well(path, ranks=2)
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})

    def test_a_stopped_rank_ends_the_job_when_the_others_wait_for_it(self):
        path = self.sweep_file(epochs=self.EPOCHS // 4, base="stall_timeout = 2")
        process = self.started(path, 3)
        os.kill(rank_processes(process)[-1], signal.SIGSTOP)
        result = finish(process, timeout=200)
        self.assertEqual(result.status, 1, str(result))
        self.assertRegex(result.err, r"no rank here got further for 2 s \(--stall-timeout\); rank \d does not respond; "
                                     r"behind: rank \d, (running a trial|between two trials); "
                                     r"ranks \d, \d, waiting for the others' trials")
        records = [json.loads(record.read_text()) for record in (self.out / "ledger").glob("*.json")]
        self.assertGreaterEqual([record["status"] for record in records].count("finished"), 11)
        self.sweep_well(path, ranks=2)
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})

    def test_a_rank_that_is_stopped_while_it_has_no_trial_ends_the_job(self):
        path = self.sweep_file(epochs=self.EPOCHS, base="stall_timeout = 2")
        process = self.started(path, 3, "--trials", "1..2", trials=2)

        def has_trial(rank):
            """It holds the lock of a run directory."""
            return any("/trials/" in os.path.realpath(file) for file in pathlib.Path(f"/proc/{rank}/fd").iterdir())

        idle = next(rank for rank in rank_processes(process) if not has_trial(rank))
        os.kill(idle, signal.SIGSTOP)
        result = finish(process, timeout=200)
        self.assertEqual(result.status, 1, str(result))
        self.assertRegex(result.err, r"no rank here got further for 2 s \(--stall-timeout\); rank \d does not respond")

    def test_the_table_is_there_while_the_first_job_runs(self):
        process = self.started(self.long_sweep(), 2)
        rows = self.trials()
        for rank in rank_processes(process):
            os.kill(rank, signal.SIGKILL)
        finish(process)
        self.assertGreater(len(rows), 1)
        self.assertEqual({row["status"] for row in rows}, {"waiting"})

    def test_killed_at_any_moment(self):
        path = self.sweep_file(epochs=40, base='checkpoint_every = "5epochs"')
        finished = {}
        randomness = random.Random(5)
        for ranks in (2, 1, 3, 2):
            process = start("sweep", path, "--sweep-dir", self.out, ranks=ranks, launcher=True)
            time.sleep(randomness.uniform(0.3, 1.5))
            for rank in rank_processes(process):
                try:
                    os.kill(rank, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            finish(process)
            for record in (self.out / "ledger").glob("*.json"):
                found = json.loads(record.read_text())  # never torn
                if found["digest"] in finished:
                    self.assertEqual(found["attempts"], finished[found["digest"]], "a finished trial ran again")
                elif found["status"] == "finished":
                    finished[found["digest"]] = found["attempts"]
        self.sweep_well(path, ranks=2)
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})
        for row in self.trials()[::4]:
            self.assertEqual(row["parameters_sha256"], self.train_sha256(row, 40))
        leftovers = [path for path in self.out.glob("*.tmp-*")]
        self.assertEqual(leftovers, [])

    def test_array_jobs_share_a_directory(self):
        path = self.sweep_file(epochs=20)
        jobs = [start("sweep", path, "--sweep-dir", self.out, "--trials", trials) for trials in ("1..6", "7..12")]
        for job in jobs:
            result = finish(job)
            self.assertEqual(result.status, 0, str(result))
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})
        records = [json.loads(record.read_text()) for record in (self.out / "ledger").glob("*.json")]
        self.assertEqual({record["attempts"] for record in records}, {1})

    def test_jobs_that_overlap_do_not_repeat_each_other(self):
        path = self.sweep_file(epochs=100)
        jobs = [start("sweep", path, "--sweep-dir", self.out) for _ in range(2)]
        for job in jobs:
            result = finish(job, timeout=120)
            self.assertEqual(result.status, 0, str(result))
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})
        records = [json.loads(record.read_text()) for record in (self.out / "ledger").glob("*.json")]
        self.assertEqual({record["attempts"] for record in records}, {1})

    def test_an_axis_that_grows_runs_only_what_is_new(self):
        path = self.sweep_file()
        self.sweep_well(path)
        before = tree(self.out / "trials")
        grown = self.write(path.read_text().replace('["relu", "tanh"]', '["elu", "relu", "tanh"]'))
        result = self.sweep_well(grown)
        self.assertIn("18 trials, 6 to run, 12 ended before", result.out)
        self.assertIn("this job's trials  6 of 6 ended, best", result.out)
        self.assertIn("all trials         18 of 18 ended\n", result.out)
        after = tree(self.out / "trials")
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual({row["status"] for row in self.trials()}, {"finished"})


class Speed(CliTestCase):
    """Only with --full: packing pays, and a trial starts quickly."""

    def test_packing(self):
        if not MNIST_DIR or len(os.sched_getaffinity(0)) < 2:
            self.skipTest("needs MNIST and two cores")
        data = self.dir / "mnist.h5"
        write_mnist(data)
        path = self.dir / "sweep.toml"
        seeds = ", ".join(map(str, range(64)))
        path.write_text(f'[base]\ndata = "{data}"\nhidden = 128\nepochs = 2\n[grid]\nseed = [{seeds}]\n')
        seconds = {}
        for ranks in (1, 2):
            began = time.monotonic()
            run_well("sweep", path, "--sweep-dir", self.dir / f"out{ranks}", ranks=ranks, timeout=600)
            seconds[ranks] = time.monotonic() - began
        print(f"64 trials: {seconds[1]:.1f} s on 1 rank, {seconds[2]:.1f} s on 2, {seconds[1] / seconds[2]:.2f} times")
        self.assertGreaterEqual(seconds[1] / seconds[2], 1.8)

    def test_a_trial_costs_little_beside_its_steps(self):
        if not MNIST_DIR:
            self.skipTest("needs MNIST")
        data = self.dir / "mnist.h5"
        write_mnist(data)
        path = self.dir / "sweep.toml"
        seconds = {}
        for trials in (1, 101):
            seeds = ", ".join(map(str, range(trials)))
            path.write_text(f'[base]\ndata = "{data}"\nhidden = 128\nmax_steps = 1\n[grid]\nseed = [{seeds}]\n')
            began = time.monotonic()
            run_well("sweep", path, "--sweep-dir", self.dir / f"out{trials}", timeout=600)
            seconds[trials] = time.monotonic() - began
        each = (seconds[101] - seconds[1]) / 100
        print(f"a trial of one step: {1e3 * each:.1f} ms")
        self.assertLessEqual(each, 0.020)


if __name__ == "__main__":
    if "--full" in sys.argv:
        sys.argv.remove("--full")
    else:
        del Speed
    unittest.main()
