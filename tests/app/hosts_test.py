"""The same bits on several hosts: network namespaces of this machine, see tests/hosts.sh."""

import csv
import json
import os
import pathlib
import subprocess
import sys
import unittest

import h5py

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

    def test_doctor_looks_at_every_host(self):
        launcher = [HOSTS_SCRIPT, cli.MPIEXEC, "2,1"]
        # Too few file descriptors, on the second host alone.
        few_files = ["sh", "-c", '[ "$(hostname)" = host1 ] || ulimit -n 64; exec "$@"', "sh"]
        result = cli.run("doctor", "--json", launcher=[*launcher, *few_files], timeout=120)
        found = result.json()
        self.assertEqual(found["nodes"], 2)
        self.assertEqual([rank.split()[0] for rank in found["per_rank"]], ["host1", "host1", "host2"])
        self.assertIn({"level": "warning", "hosts": ["host2"], "found": "only 64 files may be open", "mend": "ulimit -n 4096"},
                      found["findings"])

    def test_doctor_finds_what_is_wrong_with_a_host(self):
        cli.other_build(self.dir / "other")
        shared = self.dir / "shared"
        shared.mkdir()
        # All of it on the second host alone, in file systems of its own.
        wrong = f"""
            cd {shared}
            if [ "$(hostname)" = host2 ]; then
                exec unshare --mount sh -ec '
                    mount -t tmpfs -o size=8m tmpfs /dev/shm
                    mount -t tmpfs -o size=8m tmpfs /mnt
                    mount -t tmpfs -o size=8m tmpfs {shared}
                    cd {shared}
                    ip link add docker0 type bridge
                    ulimit -v 100000000000
                    ulimit -f 1000000
                    shift
                    TMPDIR=/mnt exec {self.dir}/other "$@"' sh "$@"
            fi
            exec "$@"
        """
        result = cli.run("doctor", "--json", launcher=[HOSTS_SCRIPT, cli.MPIEXEC, "1,1", "sh", "-ec", wrong, "sh"],
                         timeout=120)
        self.assertEqual(result.status, 1, str(result))  # the other build
        found = {finding["found"]: finding for finding in result.json()["findings"]}
        for what, hosts, level, mend in (
                ("hosts differ in the program: ", ["host1"], "error", "install the same build everywhere"),
                ("host2 does not see the files of this directory", ["host1"], "warning", "rsync -a DATASET host2:"),
                ("/dev/shm has 8", ["host2"], "warning", "--shm-size"),
                ("mpirun keeps files in /mnt, which has 8", ["host2"], "warning", "export TMPDIR="),
                (f"{shared} has 8", ["host2"], "warning", "--run-dir on another disk"),
                ("networks that other hosts do not reach: docker0", ["host2"], "warning",
                 "btl_tcp_if_exclude lo,docker0"),
                ("of addresses", ["host2"], "warning", "ulimit -v unlimited"),
                ("files can have 488", ["host2"], "warning", "ulimit -f unlimited")):
            with self.subTest(what):
                [finding] = [finding for text, finding in found.items() if what in text]
                self.assertEqual((finding["hosts"], finding["level"]), (hosts, level))
                self.assertIn(mend, finding["mend"])

    def test_doctor_compares_the_datasets_of_the_hosts(self):
        cli.write_classification(self.dir / "host1.h5", rows=199)
        launcher = [HOSTS_SCRIPT, cli.MPIEXEC, "1,1", "sh", "-c", f'exec "$@" --data "{self.dir}/$(hostname).h5"', "sh"]

        def errors():
            result = cli.run("doctor", "--json", launcher=launcher, timeout=120)
            self.assertEqual(result.status, 1, str(result))
            return [finding for finding in result.json()["findings"] if finding["level"] == "error"]
        [finding] = errors()  # host2 has none
        self.assertEqual(finding["hosts"], ["host2"])
        self.assertIn(f"{self.dir}/host2.h5: ", finding["found"])
        cli.write_classification(self.dir / "host2.h5", rows=200)
        [finding] = errors()
        self.assertIn("hosts differ in the rows of ", finding["found"])

    def test_doctor_misses_the_digests_of_a_dataset(self):
        with h5py.File(self.data, "r+") as file:
            for name in ("train/x", "train/y", "test/x", "test/y"):
                del file[name].attrs["sha256"]
        doctor = ["doctor", "--json", "--data", self.data]
        found = cli.run_well(*doctor, launcher=[HOSTS_SCRIPT, cli.MPIEXEC, "1,1"]).json()["findings"]
        self.assertIn({"level": "warning", "hosts": ["host1", "host2"],
                       "found": f"{self.data} has no digests: hosts cannot tell whether they have the same rows",
                       "mend": f"lockstep convert --hdf5 {self.data} --output NEW"}, found)
        self.assertNotIn("no digests", cli.run_well(*doctor, ranks=2).out)  # one host has one file

    def test_a_rank_that_is_stopped_on_a_host_of_its_own(self):
        stops = '[ "$(hostname)" = host1 ] || (sleep 3; kill -STOP $$) & exec "$@"'
        result = cli.run("train", "--run-dir", self.dir / "run", "--data", self.data, "--epochs", 1000000, "--quiet",
                         "--stall-timeout", 2, launcher=[HOSTS_SCRIPT, cli.MPIEXEC, "2,1", "sh", "-c", stops, "sh"],
                         timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("if nobody is behind here, one of these is: rank 2 on host2", result.err)

    def test_a_rank_of_a_sweep_that_is_stopped(self):
        path = self.dir / "sweep.toml"
        path.write_text(f'[base]\ndata = "{self.data}"\nstall_timeout = 1\nmax_seconds = 8\n'
                        '[grid]\nepochs = [1, 10000000]\n')
        # One host runs the long trial meanwhile, the other waits for it, or asks for the next.
        for host, named in (("host2", r"no sign of life for 2 s \(.*\) from rank 1 on host2"),
                            ("host1", "no sign of life for 2 s \\(.*\\) from rank 0 on host1|"
                                      "rank 1, asking rank 0 for trials, or telling it of one; .* rank 0 on host1")):
            with self.subTest(host):
                stops = f'[ "$(hostname)" != {host} ] || (sleep 4; kill -STOP $$) & exec "$@"'
                result = cli.run("sweep", path, "--sweep-dir", self.dir / host, timeout=60,
                                 launcher=[HOSTS_SCRIPT, cli.MPIEXEC, "1,1", "sh", "-c", stops, "sh"])
                self.assertEqual(result.status, 1, str(result))
                self.assertRegex(result.err, named)

    def test_a_sweep_on_hosts_that_evaluate_for_long(self):
        """Whoever waits for others does not miss one that is at work."""
        path = self.dir / "sweep.toml"
        path.write_text(f'[base]\ndata = "{self.data}"\nstall_timeout = 0.5\nmax_seconds = 8\n'
                        '[grid]\nepochs = [1, 10000000]\n')
        result = cli.run("sweep", path, "--sweep-dir", self.dir / "out", timeout=60,
                         launcher=[HOSTS_SCRIPT, cli.MPIEXEC, "2,1"])
        self.assertEqual((result.status, "life" in result.err), (75, False), str(result))

    def test_a_sweep_shares_out_its_trials(self):
        path = self.dir / "sweep.toml"
        path.write_text(f'[base]\ndata = "{self.data}"\nepochs = 200\nbatch_size = 20\n'
                        '[grid]\nhidden = ["8", "8x2"]\nseed = [1, 2, 3, 4]\n[sweep]\nranks_per_trial = 2\n')
        tables = {}
        for placement in ("1", "1,1", "2,2", "2,1"):
            out = self.dir / f"out-{placement}"
            launcher = [HOSTS_SCRIPT, cli.MPIEXEC, placement] if placement != "1" else None
            cli.run_well("sweep", path, "--sweep-dir", out, launcher=launcher, timeout=120)
            with open(out / "sweep.csv", newline="") as file:
                tables[placement] = [(row["status"], row["parameters_sha256"]) for row in csv.DictReader(file)]
            if placement == "2,2":
                hosts = {json.loads(record.read_text())["host"] for record in (out / "ledger").glob("*.json")}
                self.assertEqual(hosts, {"host1", "host2"})
        self.assertEqual({status for status, _ in tables["1"]}, {"finished"})
        for placement, table in tables.items():
            self.assertEqual(table, tables["1"], placement)


if __name__ == "__main__":
    probe = subprocess.run([HOSTS_SCRIPT, cli.MPIEXEC, "1", "true"], env=cli.environment(), capture_output=True, text=True)
    if probe.returncode == NOT_PERMITTED:
        print(probe.stdout, end="")
        sys.exit(NOT_PERMITTED)
    unittest.main()
