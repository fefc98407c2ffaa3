"""The benchmark's main program; scripts/bench.sh prepares what it needs and calls it."""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import re
import sys
import tempfile
import time

import machine
import peaks
import rounds
from cases import CASES
from lockstep import Lockstep
from peer import Peer
from report import markdown
from summary import summarize
from whole_process import NumPy

MNIST_TRAINING_ROWS = 60000


@dataclasses.dataclass(frozen=True)
class Plan:
    seconds: float  # for all rows; the first round of the last may take longer than its share
    target_seconds: float  # of one measurement
    most_rounds: int
    process_epochs_divisor: int  # the row of wall times trains for so much shorter
    left_out: frozenset[str]


FULL = Plan(seconds=660, target_seconds=0.8, most_rounds=11, process_epochs_divisor=1, left_out=frozenset())
# Compiling takes longer than a quick run may.
QUICK = Plan(seconds=140, target_seconds=0.2, most_rounds=3, process_epochs_divisor=20,
             left_out=frozenset({"torch.compile"}))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench.sh", description="Measures lockstep against its peers on MNIST.")
    parser.add_argument("--quick", action="store_true", help="at most 3 minutes: few, short measurements")
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--rows", default="", metavar="PATTERN",
                        help="only rows whose name contains this regular expression")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and stop")
    parser.add_argument("--program", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--fma-peak", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--products", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        arguments.cases = [case for case in CASES if re.search(arguments.rows, case.name)]
    except re.error as error:
        parser.error(f"--rows: '{arguments.rows}' is not a regular expression: {error}")
    if not arguments.cases:
        parser.error(f"--rows: no row's name contains '{arguments.rows}'; the rows: "
                     + "; ".join(case.name for case in CASES))
    return arguments


def lockstep_contenders(program, dataset, cores):
    return {
        "lockstep": Lockstep(program, dataset, cores),
        "lockstep exact": Lockstep(program, dataset, cores, ["--arithmetic", "exact"]),
        "lockstep openblas": Lockstep(program, dataset, cores, ["--arithmetic", "openblas"]),
        "lockstep allreduce": Lockstep(program, dataset, cores, ["--reduction", "allreduce"]),
        "lockstep 1 rank": Lockstep(program, dataset, 1),
    }


def peer_contenders(dataset, cores, directory, log, left_out):
    # PyTorch's tuning guide: an allocator that keeps its memory, else large activations are mapped anew in each step.
    torch = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
    processes = min(cores, *(case.batch for case in CASES))  # none without a row of each batch
    makers = {
        "PyTorch": lambda: Peer("peer_torch.py", [dataset, cores], environment=torch, log=log),
        "torch.compile": lambda: Peer("peer_compile.py", [dataset, cores], environment=torch, log=log),
        "PyTorch DDP": lambda: Peer("peer_ddp.py", [dataset, processes, directory / "ddp-store"], processes=processes,
                                    environment=torch | {"OMP_NUM_THREADS": "1"}, log=log),
        "JAX": lambda: Peer("peer_jax.py", [dataset], environment={"JAX_PLATFORMS": "cpu"}, log=log),
    }
    return {name: make() for name, make in makers.items() if name not in left_out}


class Failures(list):
    def recorder(self, case):
        def failed(contender, error):
            print(f"  FAILED {contender}: {error}", file=sys.stderr)
            self.append({"case": case.name, "contender": contender, "message": f"{type(error).__name__}: {error}"})

        return failed


def shortened(case, plan):
    return dataclasses.replace(case, epochs=case.epochs // plan.process_epochs_divisor)


def measure_row(case, contenders, plan, deadline, failed):
    sizes = rounds.probe(contenders, case, plan.target_seconds, MNIST_TRAINING_ROWS, failed)
    samples = rounds.interleave(contenders, sizes, deadline, plan.most_rounds, failed)
    return {
        "case": case.name, "flops_per_sample": case.flops_per_sample, "precision": case.precision,
        "epochs": case.epochs, "rows_trained": case.rows * case.epochs if case.is_whole_process else None,
        "rounds": max((len(values) for values in samples.values()), default=0),
        "sizes": {name: dataclasses.asdict(size) for name, size in sizes.items()},
        "samples": samples,
    }


def measure_rows(cases, ours, peers, numpy_program, plan, failures):
    started = time.monotonic()
    rows = []
    for number, case in enumerate(cases):
        now = time.monotonic()
        if now > started + plan.seconds:
            failures.recorder(case)("all", TimeoutError(f"left out: the rows before took {now - started:.0f} s, "
                                                        f"{plan.seconds:.0f} s are allowed for all"))
            continue
        share = (started + plan.seconds - now) / (len(cases) - number)
        print(f"{case.name}  ({now - started:.0f} s)", file=sys.stderr)
        # Without one of these there is nothing new to see in a row of wall times.
        others = {"NumPy": numpy_program} if case.is_whole_process else peers
        contenders = {name: contender for name, contender in ours.items()
                      if not case.is_whole_process or name not in ("lockstep allreduce", "lockstep 1 rank")}
        rows.append(measure_row(case, contenders | others, plan, now + share, failures.recorder(case)))
        for name, values in rows[-1]["samples"].items():
            print(f"  {name:20}" + "".join(f"{value:12,.0f}" for value in values), file=sys.stderr)
    return rows


def write(result, directory):
    from picture import draw

    (directory / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    (directory / "bench.md").write_text(markdown(result))
    draw(result, [directory / "bench.png", directory / "bench.svg"])


def main():
    arguments = parse_arguments()
    if arguments.list:
        print("\n".join(case.name for case in arguments.cases))
        return 0
    plan = QUICK if arguments.quick else FULL
    cases = arguments.cases
    cases = [shortened(case, plan) if case.is_whole_process else case for case in cases]
    arguments.output.mkdir(parents=True, exist_ok=True)
    load_average = machine.load_average()
    cores = machine.core_count()
    failures = Failures()
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockstep-bench-")))
        log = stack.enter_context(open(arguments.output / "peers.log", "w"))
        print(f"Peaks of {cores} cores", file=sys.stderr)
        measured_peaks = peaks.measure(cores, arguments.fma_peak, arguments.products)
        needs_peers = any(not case.is_whole_process for case in cases)
        peers = peer_contenders(arguments.data, cores, directory, log, plan.left_out) if needs_peers else {}
        for peer in peers.values():
            stack.callback(peer.close)
        rows = measure_rows(cases, lockstep_contenders(arguments.program, arguments.data, cores), peers,
                            NumPy(arguments.data), plan, failures)
    result = summarize({
        "machine": machine.describe(cores, arguments.program) | {"load_average": load_average},
        "settings": {"quick": arguments.quick, "target_seconds": plan.target_seconds,
                     "left_out": sorted(plan.left_out)},
        "peaks": measured_peaks, "rows": rows, "failures": list(failures),
    })
    write(result, arguments.output)
    print(arguments.output / "bench.md")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
