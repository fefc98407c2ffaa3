"""The pure parts of scripts/bench: counts, medians, ratios, rounds, report. Needs neither torch nor jax."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "scripts" / "bench"
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCH))

import lockstep  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
import rounds  # noqa: E402
import summary  # noqa: E402
import whole_process  # noqa: E402
from cases import CASES, Case, case_from_dict  # noqa: E402


class Cases(unittest.TestCase):
    def test_counts_three_products_a_layer_but_no_input_gradient_of_the_first(self):
        # By hand: 784·512 twice, 512·10 three times, two operations each.
        self.assertEqual(Case((512,), "relu", 128, "sgd").flops_per_sample, 2 * (2 * 401408 + 3 * 5120))
        self.assertEqual(Case((128, 64), "relu", 32, "adam").flops_per_sample,
                         2 * (2 * 784 * 128 + 3 * 128 * 64 + 3 * 64 * 10))

    def test_names_differ(self):
        names = [case.name for case in CASES]
        self.assertEqual(len(set(names)), len(names))
        self.assertIn("784-512x6-10 sigmoid 128 rmsprop", names)

    def test_survive_json(self):
        for case in CASES:
            self.assertEqual(case_from_dict(json.loads(json.dumps(dataclasses.asdict(case)))), case)


class Summary(unittest.TestCase):
    def test_pairs_the_rounds_of_both_sides(self):
        # The second round was four times as slow for both, the last one noisy for one.
        self.assertEqual(summary.paired_ratio([200, 50, 210], [100, 25, 420]), 2)

    def test_geometric_mean_leaves_out_what_is_missing(self):
        self.assertAlmostEqual(summary.geometric_mean([1, None, 4]), 2)
        self.assertIsNone(summary.geometric_mean([]))

    def test_compares_with_the_fastest_peer(self):
        row = summary.summarize(canned_run())["rows"][0]
        self.assertEqual(row["best_peer"], "JAX")
        self.assertEqual(row["ratio_to_best_peer"], 2)
        self.assertEqual(row["ratios"], {"lockstep exact": 4, "PyTorch": 4, "JAX": 2})

    def test_measures_gflops_against_the_peaks(self):
        contender = summary.summarize(canned_run())["rows"][0]["contenders"]["lockstep"]
        self.assertEqual(contender["gflops"], 100)
        self.assertEqual(contender["fraction_of_fma"], 0.25)
        self.assertEqual(contender["fraction_of_sgemm"], 0.5)

    def test_gives_float64_half_of_the_peak_and_no_sgemm(self):
        contender = summary.summarize(canned_run())["rows"][1]["contenders"]["lockstep"]
        self.assertEqual(contender["fraction_of_fma"], contender["gflops"] / 200)
        self.assertIsNone(contender["fraction_of_sgemm"])

    def test_means_over_the_rows_that_have_a_peer(self):
        self.assertAlmostEqual(summary.summarize(canned_run())["geometric_mean_to_best_peer"], 4)  # of 2 and 8

    def test_a_row_without_samples_has_no_ratio(self):
        run = canned_run()
        run["rows"][0]["samples"] = {"JAX": [5]}
        row = summary.summarize(run)["rows"][0]
        self.assertEqual(row["ratios"], {})
        self.assertIsNone(row["ratio_to_best_peer"])


class FakeContender:
    def __init__(self, name, speed, calls, clock):
        self.name, self.speed, self.calls, self.clock = name, speed, calls, clock

    def prepare(self, case):
        self.case = case

    def measure(self, size):
        self.calls.append(self.name)
        self.clock.now += 1
        if self.speed is None:
            raise RuntimeError("broken")
        return self.speed


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Rounds(unittest.TestCase):
    def setUp(self):
        self.calls, self.clock, self.failures = [], Clock(), []

    def failed(self, name, error):
        self.failures.append(f"{name}: {error}")

    def contenders(self, **speeds):
        return {name: FakeContender(name, speed, self.calls, self.clock) for name, speed in speeds.items()}

    def test_contenders_take_turns_until_the_deadline(self):
        size = rounds.Size(100, 1)
        samples = rounds.interleave(self.contenders(a=1, b=2), {"a": size, "b": size}, 5, 9, self.failed, self.clock)
        self.assertEqual(self.calls, ["a", "b", "a", "b"])
        self.assertEqual(samples, {"a": [1, 1], "b": [2, 2]})

    def test_there_is_a_first_round_however_late(self):
        samples = rounds.interleave(self.contenders(a=1), {"a": rounds.Size(1, 1)}, -1, 9, self.failed, self.clock)
        self.assertEqual(samples, {"a": [1]})

    def test_a_contender_that_fails_costs_only_itself(self):
        size = rounds.Size(100, 1)
        samples = rounds.interleave(self.contenders(a=None, b=2), {"a": size, "b": size}, 9, 2, self.failed,
                                    self.clock)
        self.assertEqual(samples, {"b": [2, 2]})
        self.assertEqual(self.failures, ["a: broken"])

    def test_probes_leave_out_a_contender_that_fails(self):
        sizes = rounds.probe(self.contenders(a=None, b=1e5), CASES[0], 0.9, 60000, self.failed)
        self.assertEqual(list(sizes), ["b"])

    def test_sizes_fit_the_speed_and_hold_whole_batches(self):
        self.assertEqual(rounds.size_for(200_000, 0.9, 128, 60000), rounds.Size(59904, 3))
        self.assertEqual(rounds.size_for(10_000, 0.9, 1024, 60000), rounds.Size(4096, 2))
        self.assertEqual(rounds.size_for(1, 0.9, 1024, 60000), rounds.Size(2048, 2))
        self.assertEqual(rounds.probe_size(32, 60000), rounds.Size(2048, 1))


class Runner(unittest.TestCase):
    def speed_of(self, *speeds):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "metrics.csv"
            file.write_text("epoch,samples_per_second\n"
                            + "".join(f"{epoch},{speed}\n" for epoch, speed in enumerate(speeds, 1)))
            return lockstep.speed_after_first_epoch(file)

    def test_skips_the_first_epoch_and_weighs_epochs_by_their_time(self):
        self.assertAlmostEqual(self.speed_of(1, 100, 300), 150)

    def test_refuses_a_run_of_one_epoch(self):
        with self.assertRaisesRegex(RuntimeError, "expected at least 2 epochs, found 1"):
            self.speed_of(1)

    def test_says_what_a_failed_command_said(self):
        with self.assertRaisesRegex(RuntimeError, "(?s)exit status 3, expected 0.*the reason"):
            whole_process.run(["sh", "-c", "echo the reason >&2; exit 3"])


class Machine(unittest.TestCase):
    def test_counts_cores_not_threads_among_the_allowed_cpus(self):
        lscpu = "# CPU,Core,Socket\n0,0,0\n1,1,0\n2,0,0\n3,1,0\n4,0,1\n"
        self.assertEqual(machine.cores_from_lscpu(lscpu, {0, 1, 2, 4}), 3)

    def test_reads_the_limit_of_a_control_group(self):
        self.assertEqual(machine.cpu_limit("250000 100000\n"), 2)
        self.assertIsNone(machine.cpu_limit("max 100000\n"))


class Report(unittest.TestCase):
    def setUp(self):
        self.text = report.markdown(summary.summarize(canned_run()))

    def test_has_ratios_medians_and_mean(self):
        self.assertIn("| 784-512-10 relu 128 sgd | 200 | 100 | 25 % | 50 % | 4.00× | 2.00× | – | **2.00×** (JAX) |",
                      self.text)
        self.assertIn("Geometric mean of the ratios to the best peer: **4.00×**", self.text)

    def test_has_wall_times_of_whole_processes(self):
        self.assertIn("| 784-200-10 sigmoid 100 sgd float64 | 2000 | NumPy | 800.00 |", self.text)

    def test_names_the_machine_and_what_failed(self):
        self.assertIn("Some CPU, 2 cores", self.text)
        self.assertIn("- a row: torch.compile: RuntimeError: no compiler", self.text)

    def test_tables_are_rectangular(self):
        for block in self.text.split("\n\n"):
            if block.startswith("|"):
                self.assertEqual(len({line.count("|") for line in block.splitlines()}), 1, block)

    def test_compares_products_with_the_peak_and_with_other_libraries(self):
        self.assertIn("| forward 16x784x512 | 150 | 80 | 100 | 120 | 75 % | 1.50× |", self.text)
        self.assertIn("| weight gradient 16x784x512 | 100 | 60 | – | 90 | 50 % | – |", self.text)


class Script(unittest.TestCase):
    def test_names_an_unknown_argument(self):
        result = subprocess.run([ROOT / "scripts" / "bench.sh", "--fast"], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("unknown argument '--fast'", result.stderr)


def canned_run():
    """Two rows of a run, as bench.py hands them to summarize: numbers that are easy to check by head."""
    return {
        "machine": {"cpu": "Some CPU", "cores": 2, "logical_cpus": 4, "caches": "L2 1 MiB", "load_average": 0.1,
                    "vector_instructions": "avx2", "system": "Linux", "versions": {"torch": "2.13.0"}},
        "settings": {"quick": False},
        "peaks": {"fma_gflops_of_a_core": 200, "fma_gflops": 400, "sgemm_gflops": {"torch.mm": 200, "OpenBLAS": 150},
                  "products": {
                      "forward 16x784x512": {"exact": 150, "openblas": 80, "oneDNN": 100, "torch.mm": 120},
                      "weight_gradient 16x784x512": {"exact": 100, "openblas": 60, "torch.mm": 90}}},
        "rows": [
            {"case": "784-512-10 relu 128 sgd", "flops_per_sample": 5e8, "precision": "float32", "epochs": None,
             "rows_trained": None, "rounds": 3,
             "samples": {"lockstep": [200, 100, 300], "lockstep exact": [50, 25, 75], "PyTorch": [50, 25, 75],
                         "torch.compile": [], "JAX": [100, 50, 150]}},
            {"case": "784-200-10 sigmoid 100 sgd float64", "flops_per_sample": 1e6, "precision": "float64",
             "epochs": 2000, "rows_trained": 2_000_000, "rounds": 1,
             "samples": {"lockstep": [20000], "NumPy": [2500]}},
        ],
        "failures": [{"case": "a row", "contender": "torch.compile", "message": "RuntimeError: no compiler\nmore"}],
    }


if __name__ == "__main__":
    unittest.main()
