"""The same bits on several hosts: network namespaces of this machine, see tests/hosts.sh."""

import os
import pathlib
import subprocess
import sys
import unittest

import lockstep_cli as cli

HOSTS_SCRIPT = str(pathlib.Path(__file__).parent.parent / "hosts.sh")
NOT_PERMITTED = 77

CASES = {
    "adam": "--optimizer adam --hidden 13,9",
    "lamb_exact_clip_norm_diagnostics": "--optimizer lamb --arithmetic exact --clip-norm 0.05 --diagnostics on --hidden 90,70",
    "rmsprop_float64_constraint": "--optimizer rmsprop --precision float64 --constraint max_norm(0.9) --hidden 70",
}
# Ranks on each host.
PLACEMENTS = {
    "1,1": "messages",
    "2,2": "shared memory and messages",
    "1,1,1,1": "messages",
    "2,1": "messages",
    "4,2": "shared memory and messages",
    "2,2,2,2": "shared memory and messages",
}


class SameBitsOnSeveralHosts(cli.CliTestCase):
    def setUp(self):
        super().setUp()
        self.data = self.dir / "data.h5"
        cli.write_classification(self.data)

    def outcome(self, name, flags, ranks, **options):
        run_dir = self.dir / name
        self.train(run_dir, "--data", self.data, "--batch-size", "32", "--epochs", "2", "--seed", "5", *flags.split(),
                   ranks=ranks, **options)
        return cli.summary(run_dir), cli.metrics_without_times(run_dir)

    def test_same_bits(self):
        for case, flags in CASES.items():
            expected, expected_metrics = self.outcome(case, flags, 1)
            for placement, transport in PLACEMENTS.items():
                counts = [int(count) for count in placement.split(",")]
                with self.subTest(case, ranks=placement):
                    found, metrics = self.outcome(f"{case}-{placement}", flags, sum(counts),
                                                  launcher=[HOSTS_SCRIPT, cli.MPIEXEC, placement])
                    self.assertEqual(found["parameters_sha256"], expected["parameters_sha256"])
                    self.assertEqual(metrics, expected_metrics)
                    self.assertEqual(len(set(found["hosts"])), len(counts))
                    self.assertEqual(found["transport"], transport)


if __name__ == "__main__":
    probe = subprocess.run([HOSTS_SCRIPT, cli.MPIEXEC, "1", "true"], env=cli.environment(), capture_output=True, text=True)
    if probe.returncode == NOT_PERMITTED:
        print(probe.stdout, end="")
        sys.exit(NOT_PERMITTED)
    unittest.main()
