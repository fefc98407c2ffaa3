"""scripts/pbs/train.pbs with commands in place of PBS's own: what its walltime stops is submitted again as it was."""

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "app"))
import lockstep_cli as cli  # noqa: E402

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts/pbs/train.pbs"
TRAIN = ["--hidden", "16,8", "--batch-size", "20", "--seed", "5", "--evaluate-every", "5000", "--checkpoint-every",
         "5s", "--quiet"]


class Pbs(cli.CliTestCase):
    def setUp(self):
        super().setUp()
        cli.write_classification(self.dir / "data.h5")
        (self.dir / "nodes").write_text(f"{cli.host()}\n" * 2)
        (self.dir / "bin").mkdir()
        # What qsub is told: the flags, and the variables that it takes from its environment.
        self.command("qsub", f'printf "%s\\n" "$@" >{self.dir}/qsub.flags; printf "%s" "$FLAGS" >{self.dir}/qsub.FLAGS')

    def command(self, name, text):
        path = self.dir / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def job(self, walltime, flags):
        """A job of two ranks, which PBS describes in folded lines."""
        self.command("qstat", f"[ \"$*\" = '-f 7.server' ] && printf 'Job Id: 7.server\\n    queue = night\\n"
                              f"    Resource_List.select = 2:ncpus=1:mpi\\n\\tprocs=1\\n"
                              f"    Resource_List.walltime = {walltime}\\n    euser = me\\n'")
        for left in self.dir.glob("qsub.*"):
            left.unlink()
        path = f"{self.dir / 'bin'}:{pathlib.Path(cli.MPIEXEC).parent}:{os.environ['PATH']}"
        environment = cli.environment(PATH=path, PBS_O_WORKDIR=str(self.dir), PBS_JOBID="7.server",
                                      PBS_NODEFILE=str(self.dir / "nodes"), LOCKSTEP=cli.BINARY, FLAGS=flags)
        return subprocess.Popen(["bash", SCRIPT], env=environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True)

    def flags(self, epochs):
        return shlex.join(["--data", "data.h5", "--run-dir", "run", "--epochs", str(epochs), *TRAIN])

    def test_a_job_that_ends_is_not_submitted_again(self):
        result = cli.finish(self.job("01:00:00", self.flags(20)))
        self.assertEqual(result.status, 0, str(result))
        self.assertFalse((self.dir / "qsub.flags").exists())
        cli.run_well("train", "--data", self.dir / "data.h5", "--run-dir", self.dir / "alone", "--epochs", "20", *TRAIN)
        self.assertEqual(cli.parameters_sha256(self.dir / "run"), cli.parameters_sha256(self.dir / "alone"))

    def test_a_job_without_time_is_submitted_again_as_it_was(self):
        result = cli.finish(self.job("00:00:14", self.flags(100_000_000)))
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        self.assertEqual(cli.summary(self.dir / "run")["reason"], "time limit of the job")
        self.assertEqual((self.dir / "qsub.flags").read_text().splitlines(),
                         ["-l", "walltime=00:00:14", "-l", "select=2:ncpus=1:mpiprocs=1", "-q", "night",
                          "-v", "FLAGS,LOCKSTEP", "scripts/pbs/train.pbs"])
        step = cli.summary(self.dir / "run")["step"]
        # The next job goes on with the flags that qsub was given.
        result = cli.finish(self.job("00:00:14", (self.dir / "qsub.FLAGS").read_text()))
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        self.assertGreater(cli.summary(self.dir / "run")["step"], step)

    def test_a_job_that_is_deleted_stays_so(self):
        process = self.job("01:00:00", self.flags(100_000_000))
        deadline = time.monotonic() + 60
        while not cli.step_checkpoints(self.dir / "run") and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGTERM)  # PBS signals all of a job's processes
        result = cli.finish(process)
        self.assertEqual(result.status, cli.RESUMABLE, str(result))
        self.assertFalse((self.dir / "qsub.flags").exists())

    def test_no_flags(self):
        result = cli.finish(self.job("01:00:00", ""))
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("FLAGS", result.err)


if __name__ == "__main__":
    unittest.main()
