"""Runs that stop anywhere and go on anywhere end with the bits of the run that never stopped."""

import contextlib
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import unittest

import h5py

import lockstep_cli as cli

# 200 rows in batches of 32: 7 steps an epoch, the last one short.
FLAGS = ["--hidden", "13,9", "--batch-size", "32", "--epochs", "3", "--seed", "5"]
LAST_STEP = 21

CASES = {
    "adam": "--dropout 0.1",
    "lamb_float64": "--optimizer lamb --precision float64 --clip-norm 0.05",
    "rmsprop_schedule": "--optimizer rmsprop --momentum 0.5 --schedule cosine --warmup-steps 9",
    "momentum_validation": "--optimizer momentum --validation-split 0.2 --validation-stratified on --shards 5",
    "early_stopping": "--optimizer sgd --learning-rate 1e-9 --validation-split 0.2 --early-stopping 2 --epochs 9 "
                      "--monitor val_accuracy",
    "seldom_evaluated": "--optimizer adagrad --evaluate-every 2 --shuffle off --evaluator all",
}


class ResumeTestCase(cli.CliTestCase):
    def setUp(self):
        super().setUp()
        self.data = self.dir / "data.h5"
        cli.write_classification(self.data)

    def flags(self, *more):
        return ["--data", self.data, *FLAGS, *more]

    def never_stopped(self, *more):
        run_dir = self.dir / "never-stopped"
        self.train(run_dir, *self.flags(*more))
        return run_dir

    def assert_same_run(self, found, expected):
        self.assertEqual(cli.parameters_sha256(found), cli.parameters_sha256(expected))
        self.assertEqual(cli.metrics_without_times(found), cli.metrics_without_times(expected))
        self.assertEqual(cli.summary(found)["best"], cli.summary(expected)["best"])


def is_pending(pid, number):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return any(int(signals, 16) >> (number - 1) & 1 for signals in re.findall(r"(?:Sig|Shd)Pnd:\s*([0-9a-f]+)", status))


class StopAndGoOn(ResumeTestCase):
    def check(self, flags):
        """Stops inside epochs, at their ends and at once again, and goes on with other numbers of ranks."""
        expected = self.never_stopped(*flags)
        run_dir = self.dir / "run"
        for stop_after, ranks in ((3, 1), (7, 3), (8, 2), (12, 4), (None, 1)):
            limit = [] if stop_after is None else ["--max-steps", stop_after]
            self.train(run_dir, *self.flags(*flags, *limit), ranks=ranks)
            if stop_after is not None:
                self.assertEqual(cli.summary(run_dir)["step"], stop_after)
        self.assert_same_run(run_dir, expected)

    def test_state_of_the_other_optimizers(self):
        for i, flags in enumerate(("--optimizer nesterov --learning-rate 0.05 --arithmetic openblas", "--optimizer adamw",
                                   "--optimizer lars --learning-rate 0.1 --precision float64")):
            with self.subTest(flags):
                flags = [*flags.split(), "--epochs", 2]
                never_stopped, run_dir = self.dir / f"never-stopped-{i}", self.dir / f"run-{i}"
                self.train(never_stopped, *self.flags(*flags))
                self.train(run_dir, *self.flags(*flags, "--max-steps", 9), ranks=3)
                self.train(run_dir, *self.flags(*flags), ranks=2)
                self.assert_same_run(run_dir, never_stopped)

    def test_at_every_step_of_two_epochs(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        for step in range(1, 15):
            self.train(run_dir, *self.flags("--max-steps", step))
        self.train(run_dir, *self.flags(), ranks=2)
        self.assert_same_run(run_dir, expected)

    def test_what_does_not_bear_on_the_result_may_change(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 5, "--evaluator", "all", "--checkpoint-every", "2steps"))
        moved = self.dir / "moved.h5"
        self.data.rename(moved)
        self.data = moved
        self.train(run_dir, *self.flags("--checkpoint-every", "1epoch", "--keep-checkpoints", 1, "--log-level", "debug"))
        self.assert_same_run(run_dir, expected)

    def test_a_finished_run_trains_on_with_more_epochs(self):
        expected = self.never_stopped("--epochs", 4)
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--epochs", 2))
        self.train(run_dir, *self.flags("--epochs", 4), ranks=3)
        self.assert_same_run(run_dir, expected)

    def test_fewer_epochs_than_are_done_change_nothing(self):
        run_dir = self.never_stopped("--epochs", 3)
        before = cli.tree(run_dir)
        for flags in (["--epochs", 2], ["--epochs", 3, "--max-steps", 5]):
            result = self.train(run_dir, *self.flags(*flags), ranks=2)
            self.assertNotIn("going on", result.out)
            after = cli.tree(run_dir)
            for name in ("config.toml", "metrics.csv", "summary.json", "checkpoints/last"):
                self.assertEqual(after[name], before[name], name)

    def test_from_another_run_directory(self):
        expected = self.never_stopped()
        self.train(self.dir / "first", *self.flags("--max-steps", 10))
        for name, source in (("second", self.dir / "first"), ("third", self.dir / "first/checkpoints/last")):
            self.train(self.dir / name, *self.flags("--resume", source), ranks=2)
            self.assertEqual(cli.parameters_sha256(self.dir / name), cli.parameters_sha256(expected))
            self.assertEqual(cli.metrics_without_times(self.dir / name), cli.metrics_without_times(expected)[1:])

    def test_from_another_run_directory_and_on(self):
        expected = self.never_stopped()
        self.train(self.dir / "first", *self.flags("--max-steps", 10))
        run_dir = self.dir / "run"
        for source, last in ((self.dir / "first", 12), (self.dir / "first/checkpoints/last", 16), (self.dir / "first", LAST_STEP)):
            self.train(run_dir, *self.flags("--resume", source, "--max-steps", last), ranks=2)
            self.assertEqual(cli.step_checkpoints(run_dir)[-1].name, f"step-{last:08}.h5")
        self.assertEqual(cli.parameters_sha256(run_dir), cli.parameters_sha256(expected))
        # A checkpoint of its own is a way back.
        self.train(run_dir, *self.flags("--resume", run_dir / "checkpoints/step-00000016.h5", "--max-steps", 17))
        begins = re.findall(r"resuming from .*/(\w+)/checkpoints/.* step (\d+)\)", (run_dir / "log.txt").read_text())
        self.assertEqual(begins, [("first", "10"), ("run", "12"), ("run", "16"), ("run", "16")])

    def test_never_starts_anew(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--seed", 6))
        self.train(run_dir, *self.flags("--resume", "never"))
        self.assert_same_run(run_dir, expected)

    def test_config_of_the_run_directory_repeats_the_run(self):
        run_dir = self.never_stopped("--optimizer", "lamb", "--dropout", "0.1", "--init", "uniform(-0.1,0.1)")
        cli.run_well("train", "--config", run_dir / "config.toml", "--run-dir", self.dir / "again", "--quiet", ranks=2)
        self.assert_same_run(self.dir / "again", run_dir)


class StopBySignal(ResumeTestCase):
    FLAGS = ["--hidden", "40", "--batch-size", "20", "--epochs", "400", "--seed", "5", "--evaluate-every", "100"]

    def setUp(self):
        super().setUp()
        self.flags = lambda *more: ["--data", self.data, *self.FLAGS, *more]

    def started(self, run_dir, ranks, *more):
        """A run that has finished some epochs but not all of them."""
        process = cli.start("train", "--run-dir", run_dir, "--quiet", *self.flags(*more), ranks=ranks)
        table = pathlib.Path(run_dir, "metrics.csv")
        deadline = time.monotonic() + 30 * cli.SLOWDOWN
        while not (table.exists() and table.read_text().count("\n") > 3):
            if process.poll() is not None or time.monotonic() > deadline:
                self.fail(str(cli.finish(process)))
            time.sleep(0.005)
        return process

    def check_stopped(self, run_dir, result, reason):
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        found = cli.summary(run_dir)
        self.assertEqual(found["reason"], reason)
        self.assertEqual(found["status"], "stopped")
        self.assertLess(found["epoch"], 400)
        self.assertEqual(cli.error_lines(result.err), [])

    def test_sigterm(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        process = self.started(run_dir, 1)
        process.send_signal(signal.SIGTERM)
        self.check_stopped(run_dir, cli.finish(process), "SIGTERM")
        self.train(run_dir, *self.flags(), ranks=2)
        self.assert_same_run(run_dir, expected)

    def test_exact_does_without_openblas(self):
        for arithmetic in ("exact", "openblas"):
            process = self.started(self.dir / arithmetic, 2, "--arithmetic", arithmetic)
            try:
                loaded = ["openblas" in pathlib.Path(f"/proc/{rank}/maps").read_text()
                          for rank in cli.rank_processes(process)]
            finally:
                for rank in cli.rank_processes(process):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(rank, signal.SIGKILL)
                cli.finish(process)
            self.assertEqual(loaded, [arithmetic == "openblas"] * 2)

    def test_ctrl_c_on_a_terminal(self):
        run_dir = self.dir / "run"
        command = cli.command(["train", "--run-dir", run_dir, *self.flags("--epochs", "100000")], 1, None)
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.execve(command[0], command, cli.environment())
            finally:
                os._exit(127)
        overdue = threading.Timer(60 * cli.SLOWDOWN, os.kill, (pid, signal.SIGKILL))
        overdue.daemon = True
        self.addCleanup(overdue.cancel)
        overdue.start()
        shown = b""
        bar = re.compile(rb"\r\x1b\[Kepoch \d+/100000 \[=* *\] loss \d+\.\d{4}  \d+ rows/s  \S+.* left")
        pressed = False
        while True:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # the program has ended
                break
            if not pressed and bar.search(shown):
                pressed = True
                os.write(terminal, b"\x03")
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        overdue.cancel()
        os.close(terminal)
        self.assertEqual(status, cli.RESUMABLE, shown.decode())
        self.assertEqual(shown.decode().count("Ctrl-C again ends at once"), 1, shown.decode())
        self.assertEqual(cli.summary(run_dir)["reason"], "SIGINT")

    def test_a_second_sigint_ends_the_job_at_once(self):
        for ranks, expected in ((1, -signal.SIGINT), (3, 128 + signal.SIGINT)):
            with self.subTest(ranks=ranks):
                run_dir = self.dir / f"run-{ranks}"
                # A step and its checkpoint take longer than the time between the signals.
                process = self.started(run_dir, ranks, "--hidden", "1500,1500", "--epochs", "100000")
                victim = process.pid if ranks == 1 else cli.rank_processes(process)[1]
                os.kill(victim, signal.SIGINT)
                while is_pending(victim, signal.SIGINT):  # a second one would be the same
                    pass
                os.kill(victim, signal.SIGINT)
                self.assertEqual(cli.finish(process).status, expected)
                self.assertFalse((run_dir / "summary.json").exists())

    def test_sigterm_before_the_first_step(self):
        run_dir = self.dir / "run"
        # Weights that take some time to be drawn.
        process = cli.start("train", "--run-dir", run_dir, "--quiet",
                            *self.flags("--hidden", "300,300", "--init", "orthogonal"))
        deadline = time.monotonic() + 30
        while not run_dir.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        self.check_stopped(run_dir, cli.finish(process), "SIGTERM")
        self.assertEqual(cli.summary(run_dir)["step"], 1)

    def test_sigterm_to_one_of_several_ranks(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        process = self.started(run_dir, 3)
        ranks = cli.rank_processes(process)
        self.assertEqual(len(ranks), 3)
        os.kill(ranks[-1], signal.SIGTERM)
        self.check_stopped(run_dir, cli.finish(process), "SIGTERM")
        self.train(run_dir, *self.flags())
        self.assert_same_run(run_dir, expected)

    def test_sigusr1_to_mpirun_reaches_every_rank(self):
        run_dir = self.dir / "run"
        process = self.started(run_dir, 2)
        process.send_signal(signal.SIGUSR1)
        self.check_stopped(run_dir, cli.finish(process), "SIGUSR1")

    def test_sigterm_to_mpirun(self):
        # mpirun ends its ranks in a second, whatever they do: what counts is that the run goes on.
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        process = self.started(run_dir, 2)
        process.send_signal(signal.SIGTERM)
        self.assertNotEqual(cli.finish(process).status, 0)
        self.train(run_dir, *self.flags(), ranks=3)
        self.assert_same_run(run_dir, expected)

    def test_kill(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        process = self.started(run_dir, 1)
        process.kill()
        cli.finish(process)
        self.train(run_dir, *self.flags())
        self.assert_same_run(run_dir, expected)

    def test_kill_at_any_time_again_and_again(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        delays = random.Random(4)
        killed = 0
        for ranks in (1, 2, 1, 3, 1, 2, 1, 1):
            process = cli.start("train", "--run-dir", run_dir, "--quiet", *self.flags("--checkpoint-every", "7steps"),
                                ranks=ranks)
            time.sleep(delays.uniform(0.02, 0.6) + (0.7 if ranks > 1 else 0))
            for rank in cli.rank_processes(process) if ranks > 1 else [process.pid]:
                try:
                    os.kill(rank, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it was done already
            killed += cli.finish(process).status != 0
            self.check_whole_rows(run_dir)
        self.assertGreater(killed, 2)
        self.train(run_dir, *self.flags(), ranks=2)
        self.assert_same_run(run_dir, expected)
        names = {path.name for path in (run_dir / "checkpoints").iterdir()} - {"best", "last"}
        self.assertEqual(names, {path.name for path in cli.step_checkpoints(run_dir)})

    def check_whole_rows(self, run_dir):
        """Even before the run goes on, no epoch stands twice, and only the last row may be torn."""
        table = run_dir / "metrics.csv"
        if not table.exists():
            return
        lines = table.read_text().split("\n")[1:-1]
        self.assertEqual([line.split(",")[0] for line in lines], [str(i + 1) for i in range(len(lines))])
        self.assertEqual({line.count(",") for line in lines} - {10}, set())

    def test_the_end_of_a_slurm_job(self):
        run_dir = self.dir / "run"
        result = cli.run("train", "--run-dir", run_dir, *self.flags("--epochs", "100000"), ranks=2,
                         env={"SLURM_JOB_END_TIME": str(int(time.time()) + 13)})
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        self.assertEqual(cli.summary(run_dir)["reason"], "slurm time limit")

    def test_max_seconds(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        result = cli.run("train", "--run-dir", run_dir, *self.flags("--max-seconds", "0.05"), ranks=2)
        self.check_stopped(run_dir, result, "max-seconds")
        self.assertIn("stopped (max-seconds)", result.out)
        self.train(run_dir, *self.flags(), ranks=3)
        self.assert_same_run(run_dir, expected)


def damage(path):
    """One byte in the middle is another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


class MixedRanks(ResumeTestCase):
    def refusal(self, root, other, program=cli.BINARY, variables=(), data=None):
        """What two ranks with other flags than each other say on stderr; they have to end with status 2. program,
        variables ("NAME=value") and data are of the other rank."""
        flags = ["train", "--run-dir", self.dir / "run", *self.flags()]
        exported = [word for variable in variables for word in ("-x", variable)]
        command = [*cli.mpirun(1), cli.BINARY, *flags, *root, ":", "-n", "1", *exported, program, *flags, *other]
        result = subprocess.run([*map(str, command), *(["--data", str(data)] if data else [])],
                                env=cli.environment(), capture_output=True, text=True, timeout=120 * cli.SLOWDOWN)
        self.assertEqual(result.returncode, cli.USER_ERROR, result.stderr)
        self.assertFalse((self.dir / "run").exists())
        return result.stderr

    def test_other_values_on_one_rank_are_refused(self):
        self.assertIn("expected '--checkpoint-every 4steps' as on rank 0, found '--checkpoint-every 3steps'",
                      self.refusal(["--checkpoint-every", "4steps"], ["--checkpoint-every", "3steps"]))

    def test_other_flags_on_one_rank_are_refused(self):
        config = self.dir / "run.toml"
        config.write_text("momentum = 0.5\n")
        for other in (["--config", config], ["--sed", 1], ["--help"]):
            with self.subTest(other[0]):
                said = self.refusal([], other)
                self.assertIn("ranks were started with different commands: expected 'lockstep train ", said)
                self.assertRegex(said, rf"found 'lockstep train .*{other[0]} ")

    def test_another_build_is_refused(self):
        other = self.dir / "lockstep"
        build, other_build = cli.other_build(other)
        said = self.refusal([], [], program=other)
        self.assertIn(f"build {build}, instruction_set ", said)
        self.assertIn(f"build {other_build}, instruction_set ", said)

    def test_other_kernels_of_openblas_are_refused(self):
        said = self.refusal(*[["--arithmetic", "openblas"]] * 2, variables=["OPENBLAS_CORETYPE=Prescott"])
        self.assertIn("ranks differ in what the results depend on", said)
        self.assertIn("Prescott", said)

    def test_another_instruction_set_is_refused(self):
        if "avx2" not in pathlib.Path("/proc/cpuinfo").read_text():
            self.skipTest("one instruction set")
        said = self.refusal([], [], variables=["LOCKSTEP_ISA=baseline"])
        self.assertIn("instruction_set baseline'; all ranks have to run the same program", said)

    def test_other_rows_are_refused(self):
        with h5py.File(self.data) as file:
            arrays = [file[name][...] for name in ("train/x", "train/y", "test/x", "test/y")]
        arrays[0][3, 0] += 1
        cli.write_dataset(self.dir / "other.h5", *arrays)
        said = self.refusal([], [], data=self.dir / "other.h5")
        self.assertIn("--data has to name the same data on every host", said)

    def test_a_mistake_on_one_rank_is_told(self):
        self.assertIn("rank 1 on ", self.refusal(["--max-steps", 1], ["--max-steps"]))


class Stalls(ResumeTestCase):
    def test_a_file_that_cannot_be_read_at_the_start(self):
        run_dir = self.dir / "run"
        run_dir.mkdir()
        os.mkfifo(run_dir / "config.toml")  # as a file of a server that does not answer
        result = cli.run("train", "--run-dir", run_dir, *self.flags("--stall-timeout", "1"), timeout=30)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("no rank here got further for 1 s (--stall-timeout)", result.err)
        self.assertIn("opening the data and the run directory", result.err)

    def test_a_rank_that_does_not_start(self):
        stops = '[ "$OMPI_COMM_WORLD_RANK" != 1 ] || kill -STOP $$; exec "$@"'
        result = cli.run("train", "--run-dir", self.dir / "run", *self.flags(), env={"LOCKSTEP_START_TIMEOUT": "2"},
                         launcher=[*cli.mpirun(2), "sh", "-c", stops, "sh"], timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertEqual(result.err.count("not all ranks have started within 2 s (LOCKSTEP_START_TIMEOUT)"), 1, str(result))
        self.assertFalse((self.dir / "run").exists())


    def test_a_config_file_that_cannot_be_read_on_many_ranks(self):
        config = self.dir / "run.toml"
        os.mkfifo(config)  # as a file of a server that does not answer
        result = cli.run("train", "--config", config, "--run-dir", self.dir / "run", *self.flags(), ranks=2,
                         env={"LOCKSTEP_START_TIMEOUT": "2"}, timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertEqual(result.err.count("not all ranks have started within 2 s (LOCKSTEP_START_TIMEOUT)"), 1, str(result))


class DamagedCheckpoints(ResumeTestCase):
    DAMAGES = {
        "changed byte": damage,
        "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "empty": lambda path: path.write_bytes(b""),
        "something else": lambda path: path.write_text("not a checkpoint"),
    }

    def test_the_one_before_is_used(self):
        expected = self.never_stopped()
        for i, (what, apply) in enumerate(self.DAMAGES.items()):
            with self.subTest(what):
                run_dir = self.dir / f"run{i}"
                self.train(run_dir, *self.flags("--max-steps", 12, "--checkpoint-every", "5steps"))
                names = [path.name for path in cli.step_checkpoints(run_dir)]
                self.assertEqual(names, ["step-00000005.h5", "step-00000010.h5", "step-00000012.h5"])
                apply(cli.step_checkpoints(run_dir)[-1])
                result = self.train(run_dir, *self.flags(), ranks=1 + i % 2)
                self.assertRegex(result.err, r"warning: .*damaged.*step-00000012\.h5")
                log = (run_dir / "log.txt").read_text()
                self.assertRegex(log, r"resuming from .*step-00000010\.h5")
                self.assert_same_run(run_dir, expected)

    def test_last_has_its_place_among_the_steps_where_it_is_a_copy(self):
        expected = self.never_stopped()
        stopped = self.dir / "stopped"
        self.train(stopped, *self.flags("--max-steps", 12, "--checkpoint-every", "4steps"))
        self.assertEqual([path.name for path in cli.step_checkpoints(stopped)],
                         [f"step-{step:08}.h5" for step in (4, 8, 12)])

        def all_damaged(steps, last):
            for path in steps:
                damage(path)

        def newest_gone(steps, last):
            steps[-1].unlink()

        def newest_damaged_and_last_old(steps, last):
            damage(steps[-1])
            shutil.copy(steps[0], last)

        for change, used, step, warnings in ((all_damaged, "last", 12, 1), (newest_gone, "last", 12, 0),
                                             (newest_damaged_and_last_old, r"step-00000008\.h5", 8, 1)):
            with self.subTest(change.__name__):
                run_dir = self.dir / change.__name__
                shutil.copytree(stopped, run_dir)  # which makes links files of their own
                change(cli.step_checkpoints(run_dir), run_dir / "checkpoints/last")
                result = self.train(run_dir, *self.flags(), ranks=2)
                self.assertEqual(result.err.count("warning: damaged"), warnings, str(result))
                self.assertRegex((run_dir / "log.txt").read_text(), rf"resuming from .*checkpoints/{used} \(.* step {step}\)")
                self.assert_same_run(run_dir, expected)

    def test_rows_that_were_deleted_are_missed(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 12))
        table = run_dir / "metrics.csv"
        epochs = table.read_text().count("\n") - 1
        table.unlink()
        result = self.train(run_dir, *self.flags())
        self.assertIn(f"warning: metrics.csv has rows of 0 of the {epochs} epochs before", result.err)
        self.assertEqual(cli.parameters_sha256(run_dir), cli.parameters_sha256(expected))

    def test_where_none_is_left_the_run_starts_anew(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 12))
        for path in cli.step_checkpoints(run_dir):
            damage(path)
        result = self.train(run_dir, *self.flags(), ranks=2)
        self.assertEqual(result.err.count("warning: damaged"), 1)
        self.assertIn("warning: no valid checkpoint is left; training begins anew", result.err)
        self.assert_same_run(run_dir, expected)

    def test_where_all_were_deleted_it_says_so(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        first = self.train(run_dir, *self.flags("--max-steps", 12))
        self.assertNotIn("no valid checkpoint", first.err)
        shutil.rmtree(run_dir / "checkpoints")
        result = self.train(run_dir, *self.flags())
        self.assertIn("warning: no valid checkpoint is left; training begins anew", result.err)
        self.assert_same_run(run_dir, expected)

    def test_where_their_disk_is_not_there_the_link_to_it_stays(self):
        expected = self.never_stopped()
        checkpoints, disk = expected / "checkpoints", self.dir / "disk"
        checkpoints.rename(disk)
        checkpoints.symlink_to(disk)
        disk.rename(self.dir / "gone")
        metrics = (expected / "metrics.csv").read_text()
        for ranks in (1, 2):
            result = cli.run("train", "--run-dir", expected, *self.flags(), ranks=ranks)
            self.assertEqual(result.status, 2, str(result))
            self.assertIn(f"found '{checkpoints}': a link to nothing", result.err)
            self.assertTrue(checkpoints.is_symlink())
        self.assertEqual((expected / "metrics.csv").read_text(), metrics)
        (self.dir / "gone").rename(disk)
        self.assertIn("already finished", self.train(expected, *self.flags()).out)

    def test_a_run_directory_that_is_a_link_to_nothing_is_refused_and_stays(self):
        link = self.dir / "link"
        link.symlink_to("nowhere")
        for run_dir in (link, link / "below"):
            result = cli.run("train", "--run-dir", run_dir, *self.flags())
            self.assertEqual(result.status, 2, str(result))
            self.assertIn("a link to nothing", result.err)
            self.assertTrue(link.is_symlink())

    def test_a_directory_in_the_place_of_one_is_none(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 12))
        (run_dir / "checkpoints" / "step-00000013.h5").mkdir()
        self.train(run_dir, *self.flags(), ranks=2)
        self.assertIn("resuming from", (run_dir / "log.txt").read_text())
        self.assert_same_run(run_dir, expected)

    def test_one_that_cannot_be_read_now_is_not_taken_for_damaged(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 12, "--checkpoint-every", "5steps"))
        newest = cli.step_checkpoints(run_dir)[-1]
        kept = newest.rename(self.dir / "kept.h5")
        newest.symlink_to(newest)  # opening it fails, as a file server may for a while
        result = cli.run("train", "--run-dir", run_dir, *self.flags(), ranks=2)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("cannot be read: Too many levels of symbolic links", result.err)
        newest.unlink()
        kept.rename(newest)
        self.train(run_dir, *self.flags())
        self.assertRegex((run_dir / "log.txt").read_text(), r"resuming from .*step-00000012\.h5")
        self.assert_same_run(run_dir, expected)

    def test_torn_metrics_are_mended(self):
        expected = self.never_stopped()
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 16))
        with open(run_dir / "metrics.csv", "a") as table:
            table.write("3,21,0.5,0.9,,,0.1,0.9,0.001,1,1\n4,28,0.")
        self.train(run_dir, *self.flags())
        self.assert_same_run(run_dir, expected)


class RunDirectories(ResumeTestCase):
    def test_a_finished_run_says_so_and_changes_nothing(self):
        run_dir = self.never_stopped()
        before = cli.tree(run_dir)
        for ranks in (1, 3):
            result = self.train(run_dir, *self.flags(), ranks=ranks)
            self.assertIn("already finished", result.out)
            self.assertIn(cli.parameters_sha256(run_dir), result.out)
            after = cli.tree(run_dir)
            for changing in ("log.txt", ".lock"):
                before[changing] = after[changing]
            self.assertEqual(after, before)
        self.assertIn("already finished", (run_dir / "log.txt").read_text())

    def test_another_config_is_refused_naming_the_keys(self):
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 5))
        before = cli.tree(run_dir)
        for ranks in (1, 3):
            result = cli.run("train", "--run-dir", run_dir, *self.flags("--hidden", "13,10", "--seed", "6"), ranks=ranks)
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            [message] = cli.error_lines(result.err)
            self.assertIn("hidden: 13,9 before, 13,10 now", message)
            self.assertIn("seed: 5 before, 6 now", message)
            self.assertNotIn("batch_size", message)
            self.assertEqual(cli.tree(run_dir), before)

    def test_other_data_are_refused(self):
        run_dir = self.dir / "run"
        self.train(run_dir, *self.flags("--max-steps", 5))
        other = self.dir / "other.h5"
        cli.write_dataset(other, *cli.synthetic_classes(200, (6, 5), 4, 8), *cli.synthetic_classes(70, (6, 5), 4, 9))
        self.data = other
        result = cli.run("train", "--run-dir", run_dir, *self.flags())
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertRegex(result.err, r"trained on other data: expected dataset digest [0-9a-f]{64}, found [0-9a-f]{64}")

    def test_a_directory_in_use_is_refused(self):
        run_dir = self.dir / "run"
        flags = ["--data", self.data, "--hidden", "40", "--epochs", "100000", "--evaluate-every", "100000"]
        process = cli.start("train", "--run-dir", run_dir, *flags)
        deadline = time.monotonic() + 30
        while not (run_dir / "metrics.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            for ranks, resume in ((1, "auto"), (3, "auto"), (1, "never")):
                result = cli.run("train", "--run-dir", run_dir, "--resume", resume, *flags, ranks=ranks)
                self.assertEqual(result.status, cli.USER_ERROR, str(result))
                [message] = cli.error_lines(result.err)
                self.assertRegex(message, rf"--run-dir.*in use by process {process.pid} on {re.escape(cli.host())}")
        finally:
            process.send_signal(signal.SIGTERM)
            result = cli.finish(process)
        self.assertEqual(result.status, cli.RESUMABLE, str(result))


class BestCheckpoint(ResumeTestCase):
    # A learning rate that soon does harm, so that the best epoch is not the last.
    FLAGS = ("--optimizer", "sgd", "--learning-rate", 3, "--validation-split", 0.3, "--epochs", 12)

    def check(self, run_dir, monitor, better):
        rows = cli.metrics(run_dir)
        best = better(rows, key=lambda row: float(row[monitor]))  # the first of equals
        self.assertEqual(cli.summary(run_dir)["best"],
                         {"monitor": monitor, "epoch": int(best["epoch"]), "value": float(best[monitor])})
        with h5py.File(run_dir / "checkpoints/best", "r") as file:
            self.assertEqual(file["run"].attrs["epoch"], int(best["epoch"]))
            self.assertEqual(file["run"].attrs["step"], int(best["step"]))
        report = cli.run_well("evaluate", "--checkpoint", run_dir, "--data", self.data, "--format", "json").json()
        self.assertEqual(report["loss"], float(best["test_loss"]))
        return len(rows), int(best["epoch"])

    def test_is_of_the_epoch_with_the_best_monitored_metric(self):
        for monitor, better in (("val_loss", min), ("val_accuracy", max), ("loss", min)):
            with self.subTest(monitor):
                run_dir = self.dir / monitor
                self.train(run_dir, *self.flags(*self.FLAGS, "--monitor", monitor, "--max-steps", 20), ranks=2)
                self.train(run_dir, *self.flags(*self.FLAGS, "--monitor", monitor))
                rows, best_epoch = self.check(run_dir, monitor, better)
                self.assertEqual(rows, 12)
                if monitor == "val_loss":
                    self.assertLess(best_epoch, 12)

    def test_early_stopping_counts_from_it(self):
        run_dir = self.dir / "run"
        flags = self.flags(*self.FLAGS, "--early-stopping", 3, "--epochs", 60)
        self.assertIn("early stopping", self.train(run_dir, *flags, ranks=2).out)
        rows, best_epoch = self.check(run_dir, "val_loss", min)
        self.assertEqual(rows, best_epoch + 3)
        self.assertIn("already finished", self.train(run_dir, *flags).out)


class NonFiniteLoss(ResumeTestCase):
    def test_stops_with_epoch_step_and_layer_and_keeps_the_last_good_checkpoint(self):
        cli.write_regression(self.data)
        flags = ["--data", self.data, "--hidden", "8", "--activation", "identity", "--optimizer", "sgd",
                 "--learning-rate", "5", "--batch-size", "30", "--epochs", "50", "--checkpoint-every", "1steps"]
        messages = set()
        for ranks in (1, 3):
            run_dir = self.dir / f"run{ranks}"
            result = cli.run("train", "--run-dir", run_dir, *flags, ranks=ranks)
            self.assertEqual(result.status, 1, str(result))
            [message] = cli.error_lines(result.err)
            match = re.search(r"not finite in epoch (\d+), step (\d+); .*layer.* (dense_0|output)", message)
            self.assertTrue(match, message)
            epoch, step = int(match[1]), int(match[2])
            self.assertEqual(epoch, (step - 1) // 5 + 1)
            messages.add((epoch, step, match[3]))
            last = cli.step_checkpoints(run_dir)[-1]
            self.assertEqual(last.name, f"step-{step - 1:08}.h5")
            cli.run_well("inspect", "--verify", last)
            self.assertTrue((run_dir / "checkpoints/last").samefile(last))
        self.assertEqual(len(messages), 1)


def add_case(name, flags):
    setattr(StopAndGoOn, f"test_{name}", lambda self: self.check(flags.split()))


for case_name, case_flags in CASES.items():
    add_case(case_name, case_flags)

if __name__ == "__main__":
    unittest.main()
