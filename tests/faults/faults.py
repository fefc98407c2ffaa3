#!/usr/bin/env python3
"""The fault suite: what may happen to a run on a busy cluster, done on purpose, and what must hold afterwards.

  faults.py [--short] [--seed N] [--share K/N] [PART…]

Without parts all of them run; --share 2/5 runs the second fifth of the cases of each. Every case ends in one of: well,
lost (state that was promised is gone), wrong (other bits, a torn or double row, a message that is missing), hung. The
last lines are a table; exit status 1 unless all are well. scripts/faults.sh builds what this needs and calls it.
"""

import argparse
import contextlib
import errno
import itertools
import os
import pathlib
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "app"))
import lockstep_cli as cli  # noqa: E402
from power_cut import announced_steps, crash_states, read_trace  # noqa: E402

SHIM = os.environ.get("LOCKSTEP_FAULT_SHIM", "")
MPI_SHIM = os.environ.get("LOCKSTEP_FAULT_MPI_SHIM", "")
TOOL = os.environ.get("LOCKSTEP_FAULTS_TOOL", "")
HOSTS_SCRIPT = str(pathlib.Path(__file__).resolve().parent.parent / "hosts.sh")
PARTS = {}

# 160 of 200 rows in batches of 20: 8 steps an epoch.
FLAGS = ["--hidden", "24", "--batch-size", "20", "--seed", "5", "--keep-checkpoints", "2", "--validation-split", "0.2",
         "--quiet"]
HANG_SECONDS = 90
SECONDS_AFTER_A_KILL = 20  # in which mpirun has ended the other ranks; measured: 2


class Wrong(Exception):
    pass


class Lost(Exception):
    pass


class Hung(Exception):
    pass


class NoCase(Exception):
    """What was to be disturbed was not there."""


def part(short, full):
    """A part of the suite, with how many cases it has."""
    def declare(function):
        PARTS[function.__name__] = (function, short, full)
        return function
    return declare


class Suite:
    """The directory that a part works in, and its counts."""

    def __init__(self, name, count, seed, share=(1, 1)):
        self.name, self.share = name, share
        self.numbers = self.mine(range(count or 0))
        self.count = count if count is None else len(self.numbers)
        self.random = random.Random(f"{name} {seed} {share[0]}")
        self.cases = {"well": 0, "lost": 0, "wrong": 0, "hung": 0}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lockstep-faults-"))
        self.data = self.dir / "data.h5"
        cli.write_classification(self.data)

    def mine(self, cases):
        """Those of all cases that are this share's."""
        number, of = self.share
        return list(cases)[number - 1::of]

    def case(self, what, check):
        """Runs one case; whatever goes wrong is printed and counted."""
        try:
            check()
            self.cases["well"] += 1
        except NoCase:
            pass
        except (Wrong, Lost, Hung) as error:
            kind = type(error).__name__.lower()
            self.cases[kind] += 1
            print(f"{self.name}: {kind}: {what}: {error}", flush=True)

    def flags(self, *more):
        return ["--data", self.data, *FLAGS, *map(str, more)]

    def train(self, run_dir, *more, ranks=1, env=None, launcher=None, timeout=HANG_SECONDS):
        try:
            return cli.run("train", "--run-dir", run_dir, *self.flags(*more), ranks=ranks, env=env, launcher=launcher,
                           timeout=timeout)
        except AssertionError as error:
            raise Hung(str(error)) from None

    def undisturbed(self, *more):
        run_dir = self.dir / "undisturbed"
        result = self.train(run_dir, *more)
        if result.status != 0:
            raise AssertionError(str(result))
        return run_dir

    def check_end(self, run_dir, expected, *more, ranks=1):
        """Goes on to the end, which has to be that of the undisturbed run."""
        result = self.train(run_dir, *more, ranks=ranks)
        if result.status != 0:
            raise Lost(f"cannot go on: {result}")
        self.check_same(run_dir, expected)

    @staticmethod
    def check_same(run_dir, expected):
        if cli.parameters_sha256(run_dir) != cli.parameters_sha256(expected):
            raise Wrong("other bits")
        if cli.metrics_without_times(run_dir) != cli.metrics_without_times(expected):
            raise Wrong("other metrics")

    def fresh(self, name="run"):
        run_dir = self.dir / name
        shutil.rmtree(run_dir, ignore_errors=True)
        return run_dir


def newest_valid(directories):
    """{directory: step of its newest valid checkpoint, or None}, as lockstep itself finds it."""
    found = subprocess.run([TOOL, "newest"], input="".join(f"{d}\n" for d in directories), text=True,
                           capture_output=True, check=True).stdout.split()
    return {d: None if step == "none" else int(step) for d, step in zip(directories, found, strict=True)}


def invalid_checkpoints(paths):
    """Those of the files that are no valid checkpoints."""
    return subprocess.run([TOOL, "invalid", *map(str, paths)], text=True, capture_output=True, check=True).stdout.split()


# Killed ranks


@part(short=4, full=500)
def kill(suite):
    """SIGKILL of a random rank at a random time, 1–4 ranks, resumed on 1–4."""
    interval = 7
    flags = ["--epochs", 60, "--evaluate-every", 10, "--checkpoint-every", f"{interval}steps"]
    expected = suite.undisturbed(*flags)

    def killed(run_dir):
        """Runs with a kill. Whether it hit: the ranks may not have been there yet, or no longer."""
        ranks = suite.random.randint(1, 4)
        process = cli.start("train", "--run-dir", run_dir, *suite.flags(*flags), ranks=ranks)
        time.sleep(suite.random.uniform(0, 0.7) + (0.3 + 0.15 * ranks if ranks > 1 else 0))
        victims = cli.rank_processes(process) if ranks > 1 else [process.pid]
        number = None
        try:
            victim = suite.random.choice(victims)
            number = rank_number(victim) if ranks > 1 else None
            os.kill(victim, signal.SIGKILL)
        except (IndexError, FileNotFoundError, ProcessLookupError, StopIteration):
            pass  # not there yet, or no longer
        result = ended(process, SECONDS_AFTER_A_KILL if number is not None else HANG_SECONDS)
        check_rows(run_dir)
        check_newest(run_dir, interval)
        if number is not None and result.status != 0:
            named = rf"process rank {number} with PID \d+ on node \S+ exited on\s+signal 9"
            if not re.search(named, result.err + result.out):
                raise Wrong(f"rank {number} is not named: {result}")
        return result.status != 0

    def one():
        run_dir = suite.fresh()
        kills = suite.random.randint(1, 2)
        while kills > 0:
            if killed(run_dir):
                kills -= 1
            else:
                run_dir = suite.fresh()
        suite.check_end(run_dir, expected, *flags, ranks=suite.random.randint(1, 4))

    for i in suite.numbers:
        suite.case(f"case {i}", one)


def check_rows(run_dir):
    """Only the last row may be torn, and no epoch stands twice."""
    table = run_dir / "metrics.csv"
    if not table.exists():
        return
    lines = table.read_text().split("\n")[1:-1]
    if [line.split(",")[0] for line in lines] != [str(i + 1) for i in range(len(lines))]:
        raise Wrong("torn or double rows in metrics.csv")


def check_newest(run_dir, interval=None):
    """The checkpoint that the log announced last is there and valid, or a newer one: no run has to begin anew. With an
    interval in steps, also the one that was due before the last row of metrics.csv."""
    log, table = run_dir / "log.txt", run_dir / "metrics.csv"
    announced = re.findall(r"checkpoint step-(\d+)\.h5 ", log.read_text()) if log.exists() else []
    expected = int(announced[-1]) if announced else 0
    rows = table.read_text().split("\n")[1:-1] if table.exists() else []
    if interval and rows:
        expected = max(expected, (int(rows[-1].split(",")[1]) - 1) // interval * interval)
    found = newest_valid([run_dir / "checkpoints"])[run_dir / "checkpoints"]
    if (found or 0) < expected:
        raise Lost(f"there was a checkpoint of step {expected}, found {found}")


# System calls


def shim(run_dir, **settings):
    env = {"LD_PRELOAD": SHIM, "FAULT_DIRECTORY": str(run_dir), **{key: str(value) for key, value in settings.items()}}
    if "LD_PRELOAD" in os.environ:
        env["LD_PRELOAD"] = os.environ["LD_PRELOAD"] + ":" + SHIM
    return env


SHIM_INTERVAL = 5
SHIM_FLAGS = ["--epochs", 3, "--checkpoint-every", f"{SHIM_INTERVAL}steps"]


def count_calls(suite, run_dir, least, **settings):
    """How many calls a whole run makes that change files of its directory, or as the settings say."""
    counted = suite.dir / "calls"
    suite.train(run_dir, *SHIM_FLAGS, env=shim(run_dir, FAULT_COUNT_FILE=counted, **settings))
    calls = int(counted.read_text().split()[0])
    if calls < least:
        raise AssertionError(f"the shim saw only {calls} calls")
    return calls


def chosen(suite, calls):
    """Every call, or a random choice of `count` of them."""
    numbers = list(range(1, calls + 1))
    return suite.mine(numbers) if suite.count is None else sorted(suite.random.sample(numbers, min(suite.count, calls)))


@part(short=6, full=None)
def kill_at_call(suite):
    """Killed before each system call of a run that changes a file, and in the middle of each write."""
    expected = suite.undisturbed(*SHIM_FLAGS)
    calls = count_calls(suite, suite.fresh(), 60)

    def one(at, mode):
        run_dir = suite.fresh()
        result = suite.train(run_dir, *SHIM_FLAGS, env=shim(run_dir, FAULT_MODE=mode, FAULT_AT=at))
        if mode == "tear" and result.status == 0:
            raise NoCase  # the call is not a write
        if result.status != -signal.SIGKILL:
            raise Wrong(f"was not killed: {result}")
        check_rows(run_dir)
        check_newest(run_dir, SHIM_INTERVAL)
        suite.check_end(run_dir, expected, *SHIM_FLAGS, ranks=1)

    for at, mode in itertools.product(chosen(suite, calls), ("kill", "tear")):
        suite.case(f"{mode} at call {at} of {calls}", lambda: one(at, mode))


def needs_no_word(operation, path):
    """What cannot be linked is copied, old checkpoints that cannot be removed stay, and the lock's text is for people."""
    return operation in ("link", "unlink") or path.endswith("/.lock")


@part(short=1, full=None)
def disk_errors(suite):
    """ENOSPC, EIO, EDQUOT and EROFS from each call once, and from it on for ever; short writes."""
    expected = suite.undisturbed(*SHIM_FLAGS)
    calls = count_calls(suite, suite.fresh(), 60)

    def one(at, how_many, mode, number):
        run_dir = suite.fresh()
        counted = suite.dir / "calls"
        counted.unlink(missing_ok=True)
        result = suite.train(run_dir, *SHIM_FLAGS, env=shim(run_dir, FAULT_MODE=mode, FAULT_AT=at, FAULT_CALLS=how_many,
                                                             FAULT_ERRNO=number, FAULT_COUNT_FILE=counted))
        if not counted.exists():
            raise Wrong(f"ended as nothing should: {result}")
        _, hits, *last_hit = counted.read_text().split()
        if int(hits) == 0:
            raise NoCase  # the call is not a write
        if mode == "short" and result.status != 0:
            raise Wrong(f"a short write is no error: {result}")
        steps = cli.step_checkpoints(run_dir)
        is_last = bool(steps) and steps[-1].name == cli.step_checkpoints(expected)[-1].name
        if result.status == 0:
            if cli.sha256_of_layers(cli.checkpoint_layers(steps[-1])) != cli.parameters_sha256(expected):
                raise Wrong("other bits")
            if mode == "error" and not needs_no_word(*last_hit) and "warning: " not in result.err:
                raise Wrong(f"nothing is said of the error: {result}")
        elif result.status in (1, 2):
            if len(cli.error_lines(result.err)) != 1 or (mode == "error" and os.strerror(number) not in result.err):
                raise Wrong(f"no clear message: {result}")
            log = run_dir / "log.txt"
            if how_many == 1 and log.exists() and "training on" in log.read_text():
                raise Wrong(f"one error ended the training: {result}")
            if how_many == 1 and is_last:
                raise Wrong(f"the last state is saved, and the status is not 0: {result}")
        else:
            raise Wrong(str(result))
        # Whatever was there before the first error still is.
        check_newest(run_dir)
        if invalid := invalid_checkpoints(steps):
            raise Lost(f"damaged: {invalid}")
        suite.check_end(run_dir, expected, *SHIM_FLAGS)

    for at in chosen(suite, calls):
        for mode, number in (("error", errno.ENOSPC), ("error", errno.EIO), ("error", errno.EDQUOT),
                             ("error", errno.EROFS), ("short", 0)):
            for how_many in (1, 10 ** 6) if mode == "error" else (1,):
                suite.case(f"{mode} {errno.errorcode.get(number, '')} at call {at} of {calls}, {how_many} times",
                           lambda: one(at, how_many, mode, number))


@part(short=2, full=None)
def read_errors(suite):
    """EIO from each read of a stopped run's files when it goes on, once and from it on for ever."""
    expected = suite.undisturbed(*SHIM_FLAGS)
    step = 2 * SHIM_INTERVAL + 2
    stopped = suite.fresh("stopped")
    suite.train(stopped, *SHIM_FLAGS, "--max-steps", step)

    def copy():
        return pathlib.Path(shutil.copytree(stopped, suite.fresh()))

    calls = count_calls(suite, copy(), 5, FAULT_MODE="read")

    def one(at, how_many):
        run_dir = copy()
        counted = suite.dir / "calls"
        counted.unlink(missing_ok=True)
        result = suite.train(run_dir, *SHIM_FLAGS, env=shim(run_dir, FAULT_MODE="read", FAULT_AT=at, FAULT_CALLS=how_many,
                                                             FAULT_COUNT_FILE=counted))
        if not counted.exists():
            raise Wrong(f"ended as nothing should: {result}")
        of_checkpoint = "/checkpoints/" in counted.read_text()
        if result.status == 0:
            resumed = re.findall(r"resuming from .*step-(\d+)\.h5 ", (run_dir / "log.txt").read_text())
            if [int(found) for found in resumed] != [step]:
                raise Lost(f"did not go on from the newest checkpoint: {result}")
        elif how_many == 1 and of_checkpoint:
            raise Wrong(f"one error was enough: {result}")
        elif result.status not in (1, 2) or len(cli.error_lines(result.err)) != 1:
            raise Wrong(f"no clear message: {result}")
        check_newest(run_dir)
        suite.check_end(run_dir, expected, *SHIM_FLAGS)

    for at, how_many in itertools.product(chosen(suite, calls), (1, 10 ** 6)):
        suite.case(f"EIO at read {at} of {calls}, {how_many} times", lambda: one(at, how_many))


@part(short=400, full=6000)
def power_cut(suite):
    """States that a power cut may leave: every prefix of the recorded calls with any of what was not yet flushed lost."""
    above, trace = suite.fresh("above"), suite.dir / "trace"
    above.mkdir()
    run_dir = above / "runs" / "one"
    result = suite.train(run_dir, "--epochs", 24, "--checkpoint-every", "3steps",
                         env=shim(above, FAULT_MODE="none", FAULT_TRACE=trace))
    if result.status != 0 or announced_steps(read_trace(trace)) != list(range(3, 193, 3)):
        raise AssertionError(str(result))

    def names_of_directories():
        flushed = set()
        for operation in read_trace(trace):
            if operation.kind == "rename" and "/checkpoints/" in operation.second:
                break
            if operation.kind == "sync":
                flushed.add(operation.first.rstrip("/"))
        lost = {str(directory) for directory in (above, above / "runs")} - flushed
        if lost:
            raise Lost(f"names made in {lost} were not on the disk before the first checkpoint")
    suite.case("directories that were made", names_of_directories)
    batch, promised = [], {}

    def check():
        for state, step in newest_valid(list(promised)).items():
            expected, what = promised[state]

            def one():
                if expected is not None and (step is None or step < expected):
                    raise Lost(f"the checkpoint of step {expected} was announced, found {step}")
            suite.case(what, one)
            shutil.rmtree(pathlib.Path(state))
        promised.clear()

    for number, (files, step, what) in enumerate(crash_states(trace, run_dir, suite.count, suite.random)):
        state = suite.dir / f"state{number}"
        state.mkdir()
        for name, content in files.items():
            (state / name).write_bytes(content)
        promised[str(state)] = (step, what)
        if len(promised) == 200:
            check()
    check()


@part(short=3000, full=20000)
def damage(suite):
    """Single bit flips and truncations in a checkpoint: all are found."""
    run_dir = suite.undisturbed("--epochs", 1)
    found = subprocess.run([TOOL, "damage", str(cli.step_checkpoints(run_dir)[-1]), str(suite.count),
                            str(suite.random.randrange(1 << 32))], text=True, capture_output=True)
    match = re.fullmatch(r"(\d+) damaged, (\d+) not found\n", found.stdout)
    if not match:
        raise AssertionError(f"status {found.returncode}: {found.stdout} {found.stderr}")
    suite.cases["wrong"] += int(match[2])
    suite.cases["well"] += int(match[1]) - int(match[2])


# Ranks


@part(short=3, full=None)
def elastic(suite):
    """Stopped on P ranks, resumed on P′: all pairs of 1..8."""
    flags = ["--epochs", 4]
    expected = suite.undisturbed(*flags)

    def one(before, after):
        run_dir = suite.fresh()
        result = suite.train(run_dir, *flags, "--max-steps", suite.random.randint(1, 31), ranks=before)
        if result.status != 0:
            raise Wrong(str(result))
        suite.check_end(run_dir, expected, *flags, ranks=after)

    pairs = list(itertools.product(range(1, 9), repeat=2))
    for before, after in suite.mine(pairs) if suite.count is None else suite.random.sample(pairs, suite.count):
        suite.case(f"{before} to {after} ranks", lambda: one(before, after))


STALL_SECONDS = 2
ENDLESS = ["--epochs", 1000000, "--evaluate-every", 100000, "--checkpoint-every", "1000steps"]
LONG_RUN = [*ENDLESS, "--stall-timeout", STALL_SECONDS]


def started(suite, run_dir, *more, ranks):
    """A long run on its way."""
    process = cli.start("train", "--run-dir", run_dir, *suite.flags(*LONG_RUN, *more), ranks=ranks)
    wait_for_rows(process, run_dir)
    return process


def wait_for_rows(process, run_dir):
    table = run_dir / "metrics.csv"
    deadline = time.monotonic() + 60
    while not (table.exists() and table.read_text().count("\n") > 3):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Wrong(f"did not start: {ended(process, 1)}")
        time.sleep(0.02)


def ended(process, seconds):
    try:
        return cli.finish(process, timeout=seconds)
    except AssertionError as error:
        raise Hung(str(error)) from None


@part(short=2, full=50)
def stall(suite):
    """SIGSTOP of a rank: a watchdog names it and ends the job."""
    def stop(ranks, transport):
        process = started(suite, suite.fresh(), "--transport", transport, ranks=ranks)
        victim = suite.random.choice(cli.rank_processes(process))
        number = rank_number(victim)
        time.sleep(suite.random.uniform(0, 0.3))
        os.kill(victim, signal.SIGSTOP)
        start = time.monotonic()
        result = ended(process, STALL_SECONDS + 30)
        if result.status == 0:
            raise Wrong(str(result))
        named = f"no rank here got further for {STALL_SECONDS} s (--stall-timeout); rank {number} does not respond"
        if named not in result.err:
            raise Wrong(f"rank {number} is not named: {result.err}")
        if time.monotonic() - start > STALL_SECONDS + 15:
            raise Wrong(f"took {time.monotonic() - start:.0f} s")

    for i in suite.numbers:
        ranks, transport = 2 + i % 3, ("auto", "messages")[i % 2]
        suite.case(f"one of {ranks} ranks stopped, {transport}", lambda: stop(ranks, transport))


def rank_number(pid):
    """The rank that Open MPI gave to a process."""
    variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(int(v.split(b"=")[1]) for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK="))


def processes_in(space):
    """[(process id, name)] of a network namespace."""
    found = subprocess.run(["ip", "netns", "pids", space], text=True, capture_output=True).stdout.split()
    names = []
    for pid in map(int, found):
        try:
            names.append((pid, pathlib.Path(f"/proc/{pid}/comm").read_text().strip()))
        except OSError:
            pass  # it ended meanwhile
    return names


class CutOff:
    """`with CutOff(process) as …`: the network of host 2 of a hosts.sh goes. What is left there is killed at the end: Open
    MPI's own daemon goes on looking for mpirun."""

    def __init__(self, process):
        # The namespaces have the number of the process that made them: other tests may have some too.
        self.spaces = [f"lockstep-{process.pid}-{name}" for name in ("1", "2", "switch")]

    def __enter__(self):
        # Numbers of processes may be given anew; descriptors stay those of the processes that were there.
        self.there = [(os.pidfd_open(pid), name, space) for space in self.spaces for pid, name in processes_in(space)]
        subprocess.run(["ip", "-n", self.spaces[1], "link", "set", "net", "down"], check=True)
        return self

    def ranks_left(self):
        """How many there are, on both hosts."""
        ranks = [descriptor for descriptor, name, _ in self.there if name == "lockstep"]
        return len(ranks) - len(select.select(ranks, [], [], 0)[0])

    def does_not_answer(self):
        """From now on no shell can be started there either."""
        subprocess.run(["ip", "netns", "delete", self.spaces[1]], check=True)

    def result(self, process, seconds):
        """Of the process, which the daemon keeps from the end of its output."""
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        self.kill(self.spaces[1])
        return ended(process, 5)

    def kill(self, *spaces):
        for descriptor, _, space in self.there:
            if space in spaces:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    def __exit__(self, *error):
        self.kill(*self.spaces)
        for descriptor, _, _ in self.there:
            os.close(descriptor)
        for space in self.spaces:
            subprocess.run(["ip", "netns", "delete", space], stderr=subprocess.DEVNULL)


@part(short=0, full=12)
def host_cut_off(suite):
    """The network of a host goes: the watchdogs of both sides end their ranks, `launch` ends mpirun, and goes on with the
    hosts that are left. Without watchdogs Open MPI finds it out, if `launch` started it."""
    def on_both_sides(placement):
        process = launched(placement, suite.fresh(), *LONG_RUN)
        with CutOff(process) as cut_off:
            deadline = time.monotonic() + STALL_SECONDS + 20
            while process.poll() is None or cut_off.ranks_left():
                if time.monotonic() > deadline:
                    raise Hung(f"still there: {process.poll()}, {cut_off.ranks_left()}")
                time.sleep(0.1)
            result = cut_off.result(process, 0)
        if result.status != 1 or "no rank here got further" not in result.err:
            raise Wrong(str(result))

    def without_watchdogs(placement):
        process = launched(placement, suite.fresh(), *ENDLESS[:-1], "20steps", "--stall-timeout", 0)
        with CutOff(process) as cut_off:
            result = cut_off.result(process, 60)
        if result.status != 1 or "lost communication" not in result.err or "on node 10.77.0.2" not in result.err:
            raise Wrong(f"host 2 is not named: {result}")

    def on_the_hosts_left(placement):
        flags = ["--epochs", 800, "--evaluate-every", 100, "--checkpoint-every", "50steps", "--stall-timeout", STALL_SECONDS]
        expected = suite.undisturbed(*flags)
        run_dir = suite.fresh()
        process = launched(placement, run_dir, *flags, restarts=3)
        with CutOff(process) as cut_off:
            cut_off.does_not_answer()
            result = cut_off.result(process, 90)
        if result.status != 0 or "10.77.0.2 does not answer and is left out" not in result.err:
            raise Wrong(str(result))
        if cli.summary(run_dir)["hosts"] != ["host1"]:
            raise Wrong(f"it ended on {cli.summary(run_dir)['hosts']}")
        suite.check_same(run_dir, expected)

    def launched(placement, run_dir, *flags, restarts=0):
        """`launch` on host 1, on its way with all ranks."""
        counts = placement.split(",")
        hosts = ",".join(f"10.77.0.{host}:{count}" for host, count in enumerate(counts, 1))
        process = cli.start("launch", "-n", sum(map(int, counts)), "--hosts", hosts, "--max-restarts", restarts,
                            "--launcher", f"{cli.MPIEXEC} --bind-to none", "--", "train", "--run-dir", run_dir,
                            *suite.flags(*flags), launcher=[HOSTS_SCRIPT, "none", placement])
        wait_for_rows(process, run_dir)
        return process

    probe = subprocess.run([HOSTS_SCRIPT, cli.MPIEXEC, "1", "true"], env=cli.environment(), capture_output=True, text=True)
    if probe.returncode != 0:
        print("host_cut_off: " + (probe.stdout.strip() or "skipped: network namespaces do not work here"))
        return
    for i in suite.numbers:
        check, placement = (on_both_sides, without_watchdogs, on_the_hosts_left)[i % 3], ("1,1", "2,2")[i // 3 % 2]
        suite.case(f"host 2 of {placement} ranks, {check.__name__}", lambda: check(placement))


class MpiFault:
    """A run on some ranks in which one call to MPI of one rank, chosen at random, does not go well."""

    FLAGS = ["--epochs", 6, "--checkpoint-every", "7steps", "--stall-timeout", 5]

    def __init__(self, suite):
        self.suite, self.calls = suite, {}
        self.expected = suite.undisturbed(*self.FLAGS)

    @staticmethod
    def environment(mode, at, victim, **more):
        return {"LD_PRELOAD": os.pathsep.join(filter(None, [os.environ.get("LD_PRELOAD"), MPI_SHIM])), "FAULT_MODE": mode,
                "FAULT_AT": str(at), "FAULT_RANK": str(victim), "LOCKSTEP_START_TIMEOUT": "8" if mode == "stop" else "300", **more}

    def run(self, mode, at, ranks, transport, victim, **more):
        start = time.monotonic()
        result = self.suite.train(self.suite.dir / "run", *self.FLAGS, "--transport", transport, ranks=ranks,
                                  env=self.environment(mode, at, victim, **more))
        return result, time.monotonic() - start

    def number_of_calls(self, *where):
        if where not in self.calls:
            self.suite.fresh()
            counted = self.suite.dir / "mpi-calls"
            result, self.undisturbed_seconds = self.run("none", 0, *where, FAULT_COUNT_FILE=str(counted))
            if result.status != 0:
                raise AssertionError(str(result))
            self.calls[where] = int(counted.read_text())
        return self.calls[where]

    def cases(self, mode, check, seconds_to_end=15):
        for i in self.suite.numbers:
            ranks, transport = (2, 3, 4, 8)[i % 4], ("auto", "messages")[i % 2]
            victim = self.suite.random.randrange(ranks)
            at = self.suite.random.randint(1, self.number_of_calls(ranks, transport, victim))

            def one():
                self.suite.fresh()
                result, seconds = self.run(mode, at, ranks, transport, victim)
                check(result, victim)
                if seconds > self.undisturbed_seconds + seconds_to_end:
                    raise Wrong(f"took {seconds:.0f} s")
                check_rows(self.suite.dir / "run")
                self.suite.check_end(self.suite.dir / "run", self.expected, *self.FLAGS)
            self.suite.case(f"call {at} of rank {victim} of {ranks}, {transport}", one)


@part(short=2, full=60)
def throw(suite):
    """A rank throws while the others wait for it in MPI: all end, with one message that names it. Where the call is
    libhdf5's own, that waits for the other ranks before it tells, and the watchdogs find it out."""
    def check(result, victim):
        messages = cli.error_lines(result.err)
        if result.status != 1 or len(messages) != 1:
            raise Wrong(str(result))
        named = f"rank {victim} on {cli.host()}: " in messages[0]
        if not (named and "MPI_" in messages[0]) and "reading the data" not in messages[0]:
            raise Wrong(str(result))
    MpiFault(suite).cases("error", check)


@part(short=1, full=20)
def mpi_abort(suite):
    """A rank is in a library that calls MPI_Abort: all end, with its status."""
    def check(result, victim):
        # Open MPI's own message about it gets lost now and then, with an error message in its place.
        named = f"MPI_ABORT was invoked on rank {victim} " in result.err or "ORTE_ERROR_LOG" in result.err
        if result.status != 9 or cli.error_lines(result.err) or not named:
            raise Wrong(str(result))
    MpiFault(suite).cases("abort", check)


def check_stop(result, victim):
    """That a rank which stopped is named, or that the ranks did not get to the end of the start."""
    named = f"rank {victim} does not respond" in result.err or "not all ranks have started within" in result.err
    if result.status != 1 or not named:
        raise Wrong(str(result))


@part(short=None, full=None)
def doctor(suite):
    """A file system that lacks what checkpoints and run directories need: doctor says so."""
    here = suite.fresh("here")
    here.mkdir()

    def one(mode, at, level, found):
        env = shim(here, FAULT_MODE=mode, FAULT_AT=at, FAULT_ERRNO=errno.ENOTSUP)
        result = cli.run("doctor", "--json", cwd=here, env=env)
        findings = [(f["level"], f["found"]) for f in result.json()["findings"] if f["found"].startswith(f"{here} ") and not f["found"].endswith(" free")]
        if findings != [(level, f"{here} {found}: {os.strerror(errno.ENOTSUP)}")]:
            raise Wrong(f"{findings}: {result}")
        if result.status != (1 if level == "error" else 0) or list(here.iterdir()):
            raise Wrong(str(result))

    for case in (("error", 1, "error", "takes no files"), ("error", 2, "warning", "has no fsync"),
                 ("lock", 0, "warning", "has no locks (mount -o flock)"), ("error", 3, "warning", "has no hard links")):
        suite.case(case[-1], lambda: one(*case))


@part(short=1, full=40)
def stop_at_call(suite):
    """A rank of a run is stopped when it calls MPI, somewhere: all end in time, and it is named."""
    MpiFault(suite).cases("stop", check_stop, seconds_to_end=30)


@part(short=2, full=40)
def stop_commands(suite):
    """The same of subcommands that are not for many ranks, but may be started on them."""
    run_dir, table = suite.undisturbed("--epochs", 1), suite.dir / "table.csv"
    table.write_text("a,b,c\n" + "1,2,x\n3,4,y\n" * 20)
    commands = [["evaluate", "--checkpoint", run_dir, "--data", suite.data],
                ["predict", "--checkpoint", run_dir, "--input", suite.data, "--output", suite.dir / "predictions.csv"],
                ["convert", "--csv", table, "--target", "c", "--output", suite.dir / "converted.h5"],
                ["inspect", suite.data],
                ["activations", "relu"],
                ["doctor"]]

    def run(command, mode, at, ranks, victim, **more):
        env = MpiFault.environment(mode, at, victim, **more)
        try:
            return cli.run(*command, "--stall-timeout", 2, ranks=ranks, env=env, timeout=60)
        except AssertionError as error:
            raise Hung(str(error)) from None

    def one(command, ranks, victim):
        counted = suite.dir / "mpi-calls"
        if run(command, "none", 0, ranks, victim, FAULT_COUNT_FILE=str(counted)).status not in (0, 1):  # 1: doctor's
            raise Wrong("does not work undisturbed")
        start = time.monotonic()
        check_stop(run(command, "stop", suite.random.randint(1, int(counted.read_text())), ranks, victim), victim)
        if time.monotonic() - start > 30:
            raise Wrong(f"took {time.monotonic() - start:.0f} s")
        if list(suite.dir.glob(".*")):
            raise Wrong(f"left {list(suite.dir.glob('.*'))}")

    for i in suite.numbers:
        command, ranks = commands[i % len(commands)], 2 + i % 3
        victim = suite.random.randrange(ranks)
        suite.case(f"rank {victim} of {ranks}, {command[0]}", lambda: one(command, ranks, victim))


@part(short=0, full=10000)
def soak(suite):
    """That many epochs with checkpoints on 2 ranks: memory and descriptors of each stay flat."""
    def one():
        process = started(suite, suite.fresh(), "--epochs", suite.count, "--checkpoint-every", "20steps", "--evaluate-every", 1,
                          ranks=2)
        ranks = cli.rank_processes(process)
        samples = []  # [(kB, descriptors) of each rank]
        while process.poll() is None:
            time.sleep(1)
            try:
                status = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in ranks]
                samples.append([(int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]), len(os.listdir(f"/proc/{pid}/fd")))
                                for pid, text in zip(ranks, status)])
            except (OSError, TypeError):
                break
        result = cli.finish(process, timeout=60)
        if result.status != 0 or len(ranks) != 2 or len(samples) < 8:
            raise Wrong(f"{len(samples)} samples of {len(ranks)} ranks: {result}")
        # Rank 0 has a file more open at times: the least that it has must not be more than the most it had.
        quarter = len(samples) // 4
        early, late = samples[quarter:2 * quarter], samples[-quarter - 1:-1]
        for rank in range(2):
            for column, (unit, spare) in enumerate((("kB", 8192), ("descriptors", 0))):
                before = max(sample[rank][column] for sample in early)
                after = min(sample[rank][column] for sample in late)
                if after > before + spare:
                    raise Wrong(f"rank {rank} grew from {before} to {after} {unit}")
    suite.case(f"{suite.count} epochs", one)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true", help="the share that the default tests run")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--share", default="1/1", metavar="K/N", help="the Kth of N shares of each part's cases")
    arguments = parser.parse_args()
    try:
        share = tuple(map(int, arguments.share.split("/")))
        number, of = share
        if not 1 <= number <= of:
            raise ValueError
    except ValueError:
        parser.error(f"--share: expected K/N with 1 <= K <= N, found '{arguments.share}'")
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    table, all_well = [], True
    for name, (function, short, full) in PARTS.items():
        count = short if arguments.short else full
        if (arguments.parts and name not in arguments.parts) or count == 0:
            continue
        suite = Suite(name, count, arguments.seed, share)
        start = time.monotonic()
        try:
            function(suite)
        finally:
            shutil.rmtree(suite.dir, ignore_errors=True)
        bad = sum(suite.cases.values()) - suite.cases["well"]
        all_well = all_well and bad == 0
        table.append(f"{name:<14} {sum(suite.cases.values()):>7} {suite.cases['lost']:>5} {suite.cases['wrong']:>6} "
                     f"{suite.cases['hung']:>5} {time.monotonic() - start:>8.0f} s")
        print(table[-1], flush=True)
    print(f"\n{'part':<14} {'cases':>7} {'lost':>5} {'wrong':>6} {'hung':>5}")
    print("\n".join(table))
    return 0 if all_well and table else 1


if __name__ == "__main__":
    sys.exit(main())
