"""lockstep launch: ranks that die are started again, and the run ends with the bits of one that never failed."""

import fcntl
import os
import pathlib
import signal
import time
import unittest

import lockstep_cli as cli

LAUNCHER = f"{cli.MPIEXEC} --oversubscribe --bind-to none --mca mpi_yield_when_idle 1"
TRAIN = ["--hidden", "24", "--batch-size", "20", "--epochs", 3000 // cli.SLOWDOWN, "--seed", "5", "--evaluate-every",
         500 // cli.SLOWDOWN, "--checkpoint-every", "1000steps", "--quiet"]


class Launch(cli.CliTestCase):
    def setUp(self):
        former = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup
        self.addCleanup(signal.signal, signal.SIGHUP, former)
        super().setUp()
        self.data = self.dir / "data.h5"
        self.run_dir = self.dir / "run"
        cli.write_classification(self.data)

    def train_flags(self, *more):
        return ["train", "--data", self.data, "--run-dir", self.run_dir, *TRAIN, *more]

    def launch_flags(self, *flags, ranks=2, launcher=LAUNCHER, train=()):
        return ["launch", "-n", ranks, "--launcher", launcher, "--restart-delay", "0.1", *flags, "--", *self.train_flags(*train)]

    def never_failed(self):
        run_dir = self.dir / "never-failed"
        cli.run_well("train", "--data", self.data, "--run-dir", run_dir, *TRAIN)
        return run_dir

    def wait_for(self, process, condition):
        deadline = time.monotonic() + 60 * cli.SLOWDOWN
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                self.fail(str(cli.finish(process)))
            time.sleep(0.01)

    def started(self, *flags, **options):
        process = cli.start(*self.launch_flags(*flags, **options))
        self.wait_for(process, lambda: cli.step_checkpoints(self.run_dir))
        return process

    def assert_same_run(self, expected):
        self.assertEqual(cli.parameters_sha256(self.run_dir), cli.parameters_sha256(expected))
        self.assertEqual(cli.metrics_without_times(self.run_dir), cli.metrics_without_times(expected))

    def test_killed_ranks_are_started_again(self):
        expected = self.never_failed()
        process = self.started()
        for _ in range(2):
            self.wait_for(process, lambda: cli.rank_processes(process))
            time.sleep(0.2)
            for rank in cli.rank_processes(process)[:1]:
                os.kill(rank, signal.SIGKILL)
            time.sleep(0.3)
        result = cli.finish(process)
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("restart 1 of 10", result.err)
        self.assert_same_run(expected)

    def test_mistakes_are_not_repeated(self):
        result = cli.run(*self.launch_flags(train=("--learning-rate", "-1")))
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        [message] = cli.error_lines(result.err)
        self.assertIn("--learning-rate", message)
        self.assertFalse(self.run_dir.exists())

    def fake_launcher(self, body, on_true="exit 0"):
        """A launcher that is this shell script; $starts is how many times it was started, $train the run on one rank.
        `on_true` is what it does where it is to start `true`."""
        fake = self.dir / "mpirun"
        train = f"{cli.BINARY} train --data {self.data} --run-dir {self.run_dir} --batch-size 20 --hidden 8 --quiet"
        starts = self.dir / "starts"
        fake.write_text(f'#!/bin/sh\ncase "$*" in *\\ true) {on_true};; esac\necho >> {starts}\n'
                        f'starts=$(grep -c "" {starts})\ntrain="{train}"\n{body}\n')
        fake.chmod(0o755)
        return str(fake)

    def test_what_only_a_restart_refuses_is_tried_again(self):
        # As when a file server does not answer for a moment: status 2, but nobody's mistake.
        fake = self.fake_launcher("case $starts in 1) exit 1;; 2) exec $train --learning-rate -1;; esac\n"
                                  "exec $train --max-steps 1")
        result = cli.run(*self.launch_flags(launcher=fake))
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("the job ended with status 2 ", result.err)
        self.assertIn("restart 2 of 10", result.err)

    def test_a_restart_waits_for_the_lock(self):
        # The rank of the first start outlives its launcher.
        fake = self.fake_launcher("[ $starts = 1 ] || exec $train --max-steps 1\nmkdir -p " + str(self.run_dir) +
                                  f"; touch {self.run_dir}/.lock; exec 9<>{self.run_dir}/.lock; flock 9\n"
                                  "setsid sleep 2 >/dev/null 2>&1 </dev/null & exit 1")
        began = time.monotonic()
        result = cli.run(*self.launch_flags(launcher=fake))
        self.assertEqual(result.status, 0, str(result))
        self.assertGreater(time.monotonic() - began, 2)
        self.assertEqual(result.err.count("waiting for that, 300 s at most"), 1, str(result))
        self.assertIn("restart 1 of 10", result.err)
        self.assertNotIn("restart 2", result.err)

    def test_another_job_that_gets_further_is_no_progress(self):
        cli.run_well("train", "--data", self.data, "--run-dir", self.run_dir, "--batch-size", 20, "--hidden", 8, "--quiet",
                     "--max-steps", 1)
        checkpoints, later = self.run_dir / "checkpoints", self.dir / "later"
        checkpoints.rename(later)
        checkpoints.mkdir()
        with open(self.run_dir / ".lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = cli.run(*self.launch_flags(launcher=self.fake_launcher(f"mv {later}/* {checkpoints}; exec $train")))
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("in use by", result.err)
        self.assertNotIn("restart", result.err)

    def test_wrong_flags_of_its_own(self):
        for arguments, expected in ((["launch", "-n", 2], "expected -- and a command"),
                                    (["launch", "-n", 2, "train", "--data", "x"], "expected -- before 'train'"),
                                    (["launch", "--", "train"], "--ranks: expected how many ranks to start"),
                                    (["launch", "-n", 2, "--hosts", "a:4,,b", "--", *self.train_flags()], "--hosts"),
                                    (["launch", "-n", 1, "--launcher", "no-such-launcher", "--", *self.train_flags()],
                                     "--launcher"),
                                    (["launch", "-n", 0, "--", "train"], "--ranks"),
                                    (["launch", "-n", 5, "--hosts", "a:2,b:2", "--", *self.train_flags()],
                                     "--hosts: expected room for 5 ranks, found 4 in 'a:2,b:2'"),
                                    (["launch", "-n", 2, "--", "trian"], "found 'trian' (did you mean 'train'?)"),
                                    (["launch", "-n", 2, "--hosts", "a:x", "--", *self.train_flags()], "--hosts")):
            result = cli.run(*arguments)
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            self.assertIn(expected, result.err)

    def test_failures_at_one_step_end_it(self):
        result = cli.run(*self.launch_flags(launcher=self.fake_launcher("exit 1")))
        self.assertEqual(result.status, 1, str(result))
        self.assertEqual(result.err.count("restart "), 2)
        self.assertIn("it failed 3 times without progress", result.err)

    def test_a_loss_that_is_not_finite_each_time_ends_it(self):
        diverging = ["--optimizer", "sgd", "--learning-rate", "1e30", "--checkpoint-every", "1steps"]
        result = cli.run(*self.launch_flags(train=diverging))
        self.assertEqual(result.status, 1, str(result))
        self.assertEqual(result.err.count("the loss or a weight is not finite in epoch 1, step "), 3, str(result))
        self.assertIn("it failed 3 times without progress", result.err)

    def test_a_mistake_that_only_restarts_show_keeps_its_status(self):
        fake = self.fake_launcher('[ $starts != 1 ] || { $train --max-steps 5; exit 1; }; exit 2')
        result = cli.run(*self.launch_flags(launcher=fake))
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("it failed 3 times without progress", result.err)

    def test_more_ranks_than_slots(self):
        result = cli.run(*self.launch_flags(ranks=999, launcher=cli.MPIEXEC), env={"OMPI_MCA_rmaps_base_oversubscribe": "0"})
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("expected a command that starts 999 ranks", result.err)
        self.assertIn("too few slots (cores): start fewer ranks, name --hosts", result.err)

    def test_a_launcher_that_does_not_start_programs(self):
        for launcher in ("false", f"{cli.MPIEXEC} --no-such-flag"):
            result = cli.run(*self.launch_flags(launcher=launcher))
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            self.assertNotIn("restart ", result.err)
            self.assertIn("expected a command that starts 2 ranks", result.err)

    def test_more_ranks_than_slots_without_restarts(self):
        result = cli.run(*self.launch_flags("--max-restarts", 0, ranks=999, launcher=cli.MPIEXEC),
                         env={"OMPI_MCA_rmaps_base_oversubscribe": "0"})
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("too few slots (cores): start fewer ranks", result.err)

    def test_a_signal_while_it_looks_whether_programs_start(self):
        looks = self.dir / "looks"
        fake = self.fake_launcher("exit 1", on_true=f"touch {looks}; exec sleep 1000")
        process = cli.start(*self.launch_flags(launcher=fake))
        self.wait_for(process, looks.exists)
        process.send_signal(signal.SIGTERM)
        result = cli.finish(process)
        self.assertEqual(result.status, cli.RESUMABLE, str(result))

    def test_a_rank_killed_without_oversubscription(self):
        if os.cpu_count() < 2:
            self.skipTest("one core")
        process = cli.start(*self.launch_flags(ranks=2, launcher=cli.MPIEXEC), env={"OMPI_MCA_rmaps_base_oversubscribe": "0"})
        self.wait_for(process, lambda: cli.step_checkpoints(self.run_dir))
        for rank in cli.rank_processes(process)[:1]:
            os.kill(rank, signal.SIGKILL)
        result = cli.finish(process)
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("restart 1 of 10", result.err)
        self.assertNotIn("slots", result.err)

    def test_a_signal_becomes_a_checkpoint(self):
        expected = self.never_failed()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process = self.started(ranks=3, train=("--resume", "auto"))
            self.wait_for(process, lambda: len(cli.rank_processes(process)) == 3)
            process.send_signal(number)
            result = cli.finish(process)
            self.assertEqual(result.status, cli.RESUMABLE, str(result))
            self.assertEqual(cli.summary(self.run_dir)["status"], "stopped")
            self.assertEqual(cli.rank_processes(process), [])
        cli.run_well("train", "--data", self.data, "--run-dir", self.run_dir, *TRAIN)
        self.assert_same_run(expected)

    def test_a_terminal_that_is_closed_under_nohup(self):
        process = cli.start(*self.launch_flags(ranks=2, train=("--resume", "auto")),
                            launcher=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
        self.wait_for(process, lambda: len(cli.rank_processes(process)) == 2)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(cli.finish(process).status, 0)

    def test_a_signal_while_it_starts(self):
        for seconds in (0, 0.05, 0.08, 0.11, 0.15, 0.2, 0.3):
            self.run_dir = self.dir / f"after-{seconds}"
            process = cli.start(*self.launch_flags(ranks=3, train=("--epochs", 10**9)))
            self.wait_for(process, lambda: cli.descendants(process.pid))
            time.sleep(seconds * cli.SLOWDOWN)
            process.send_signal(signal.SIGTERM)
            result = cli.finish(process)
            self.assertEqual(result.status, cli.RESUMABLE, str(result))

    def test_signals_that_come_together_are_one(self):
        # Batch systems signal every process of a job, and the job's script passes it on.
        process = self.started(ranks=3, train=("--resume", "auto"))
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        result = cli.finish(process)
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        self.assertEqual(cli.summary(self.run_dir)["status"], "stopped")

    def test_a_second_signal_ends_the_job(self):
        process = self.started(ranks=2, train=("--resume", "auto"))
        self.wait_for(process, lambda: len(cli.rank_processes(process)) == 2)
        os.kill(cli.rank_processes(process)[0], signal.SIGSTOP)  # so that the first one does not
        process.send_signal(signal.SIGTERM)
        time.sleep(3)  # those within a second are one
        process.send_signal(signal.SIGTERM)
        result = cli.finish(process)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("not started again after a signal", result.err)

    def test_hosts_that_are_gone_are_left_out(self):
        # The remote shell of this test reaches "here" only. The first start begins, on both, and fails.
        agent = self.dir / "agent"
        agent.write_text("#!/bin/sh\n[ $1 = here ] && shift && exec \"$@\"\nexit 255\n")
        agent.chmod(0o755)
        starts = self.dir / "starts"
        fake = self.dir / "mpirun"
        fake.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {starts}\n"
                        "case \"$*\" in *\\ true) exit 0;; *gone*) exit 1;; esac\n"
                        f"exec {cli.BINARY} train --data {self.data} --run-dir {self.run_dir} --max-steps 1 --quiet\n")
        fake.chmod(0o755)
        result = cli.run(*self.launch_flags("--hosts", "here:2,gone:2", ranks=4, launcher=str(fake)),
                         env={"OMPI_MCA_plm_rsh_agent": str(agent)})
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("gone does not answer", result.err)
        self.assertIn("goes on with 2 of 4 ranks", result.err)
        rehearsal, first, second = starts.read_text().splitlines()
        for started_on_both in (rehearsal, first):
            self.assertIn("-n 4 --host here:2,gone:2", started_on_both)
        self.assertIn("-n 2 --host here:2", second)

    def test_the_first_start_wants_all_hosts(self):
        for hosts, missing in (("localhost:1,gone:1", "gone"), ("gone:1,lost:1", "gone, lost")):
            result = cli.run(*self.launch_flags("--hosts", hosts), env={"OMPI_MCA_plm_rsh_agent": "false"}, timeout=120)
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            self.assertIn(f"--hosts: expected hosts that answer, found that these do not: {missing}\n", result.err)
            self.assertFalse(self.run_dir.exists())

    def test_a_signal_leaves_no_remote_shell(self):
        agent, pid = self.dir / "agent", self.dir / "pid"
        agent.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 1000\n")
        agent.chmod(0o755)
        process = cli.start(*self.launch_flags("--hosts", "slow:2"), env={"OMPI_MCA_plm_rsh_agent": str(agent)})
        self.wait_for(process, lambda: pid.exists() and pid.read_text().endswith("\n"))
        process.send_signal(signal.SIGTERM)
        result = cli.finish(process)
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        # Nobody may ask for its status, so it may stay as a name; but then it has no command line any more.
        command_line = pathlib.Path(f"/proc/{pid.read_text().strip()}/cmdline")
        end = time.monotonic() + 10
        while command_line.exists() and command_line.read_bytes() != b"":
            self.assertLess(time.monotonic(), end, "the remote shell is still there")
            time.sleep(0.05)

    @unittest.skipUnless(os.geteuid() == 0, "only root has to say so")
    def test_root_has_to_say_so(self):
        result = cli.run(*self.launch_flags(), launcher=["env", "-u", "OMPI_ALLOW_RUN_AS_ROOT"])
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("As root, mpirun wants OMPI_ALLOW_RUN_AS_ROOT=1", result.err)

    def test_srun_is_asked_for_hosts(self):
        starts = self.dir / "starts"
        fake = self.dir / "srun"
        fake.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {starts}\n"
                        "case \"$*\" in *--overlap*gone*) exit 1;; *\\ true) exit 0;; *gone*) exit 1;; esac\n"
                        f"exec {cli.BINARY} train --data {self.data} --run-dir {self.run_dir} --max-steps 1 --quiet\n")
        fake.chmod(0o755)
        result = cli.run(*self.launch_flags("--hosts", "there:2,gone:2", ranks=4, launcher=str(fake)),
                         env={"OMPI_MCA_plm_rsh_agent": "false"})
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("gone does not answer", result.err)
        last = starts.read_text().splitlines()[-1]
        self.assertIn("-n 2 ", last)
        self.assertIn("--nodelist=there ", last)

    def test_progress_of_a_sweep(self):
        # Each start has a trial more that comes to its end, then it fails: more often than without progress.
        sweep = self.dir / "sweep.toml"
        seeds = list(range(1, 7))
        sweep.write_text(f'[base]\ndata = "{self.data}"\nepochs = 1\nbatch_size = 20\n[grid]\nseed = {seeds}\n')
        fake = self.fake_launcher(f"{cli.BINARY} sweep {sweep} --sweep-dir {self.run_dir} --trials $starts --progress off\n"
                                  f"[ $starts = {len(seeds)} ]")
        result = cli.run("launch", "-n", 1, "--launcher", fake, "--restart-delay", "0.1", "--", "sweep", sweep, "--sweep-dir",
                         self.run_dir)
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("its trials have checkpoints of 10 steps together; restart 1 of 10", result.err)
        self.assertIn("of 50 steps together; restart 5 of 10", result.err)

    def test_a_launcher_that_outlives_its_ranks_is_ended(self):
        # The first start never ends, and never asks how its rank ended.
        fake = self.dir / "mpirun"
        train = f"{cli.BINARY} train --data {self.data} --run-dir {self.run_dir} {' '.join(map(str, TRAIN))}"
        steps = 20000 // cli.SLOWDOWN
        fake.write_text(f"#!/bin/sh\nif [ -e {fake}.second ]; then {train} --max-steps {steps}; exit; fi\n"
                        f"touch {fake}.second\n{train} --max-steps {steps // 2} &\nexec sleep 1000\n")
        fake.chmod(0o755)
        result = cli.run(*self.launch_flags(launcher=str(fake)))
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("restart 1 of 10", result.err)
        self.assertEqual(cli.summary(self.run_dir)["step"], steps)

    def test_resume_never_begins_anew_once_only(self):
        expected = self.never_failed()
        cli.run_well(*self.train_flags("--max-steps", "1500"))
        before = cli.step_checkpoints(self.run_dir)[-1].stat().st_mtime_ns
        process = cli.start(*self.launch_flags(train=("--resume", "never")))
        self.wait_for(process, lambda: any(p.stat().st_mtime_ns > before for p in cli.step_checkpoints(self.run_dir)))
        for rank in cli.rank_processes(process)[:1]:
            os.kill(rank, signal.SIGKILL)
        result = cli.finish(process)
        self.assertEqual(result.status, 0, str(result))
        self.assertRegex((self.run_dir / "log.txt").read_text(), "resuming from")
        self.assert_same_run(expected)


if __name__ == "__main__":
    unittest.main()
