"""The subcommands, checked against files made and numbers computed without lockstep."""

import csv
import gzip
import json
import os
import pathlib
import re
import subprocess
import unittest

import h5py
import numpy as np

import lockstep_cli as cli

SUBCOMMANDS = ("train", "evaluate", "predict", "convert", "inspect", "activations", "launch", "doctor", "sweep", "report")
SHA256 = re.compile(r"[0-9a-f]{64}")


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class HelpAndVersion(cli.CliTestCase):
    def test_version(self):
        for ranks in (1, 3):
            self.assertRegex(cli.run_well("--version", ranks=ranks).out, r"\Alockstep \d+\.\d+\.\d+\n\Z")

    def test_many_processes_start_at_once(self):
        # They have nothing to do with each other, in Open MPI's directory in /tmp neither.
        many = ["sh", "-c", 'for i in 1 2 3 4 5 6 7 8 9 10; do "$0" --version || exit 1; done', cli.BINARY]
        processes = [subprocess.Popen(many, env=cli.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                     for _ in range(12)]
        for process in processes:
            self.assertEqual(process.communicate(timeout=120 * cli.SLOWDOWN)[1], "")
            self.assertEqual(process.returncode, 0)

    def test_help_names_every_subcommand_that_is_there(self):
        text = cli.run_well("--help").out
        names = re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE)
        self.assertEqual(sorted(names), sorted(SUBCOMMANDS))

    def test_help_of_each_subcommand(self):
        for name in SUBCOMMANDS:
            result = cli.run_well(name, "--help", ranks=2 if name == "train" else 1)
            self.assertEqual(result.out.count(f"Usage: lockstep {name}"), 1)
            self.assertEqual(result.err, "")

    def test_help_of_train_holds_every_key_of_the_config(self):
        cli.write_classification(self.dir / "data.h5")
        self.train(self.dir / "run", "--data", self.dir / "data.h5", "--epochs", "1")
        text = cli.run_well("train", "--help").out
        keys = re.findall(r"^(\w+) = ", (self.dir / "run/config.toml").read_text(), re.MULTILINE)
        self.assertGreater(len(keys), 30)
        for key in keys:
            self.assertRegex(text, rf"--{key.replace('_', '-')} \S+\s+\S")
        for part in (r"--epochs N +Passes over the training rows \(default 10\)", r"--init LIST .*\buniform\(a,b\)",
                     r"--optimizer NAME .*\blamb\b", r"--schedule NAME .*\bcosine\(final\)"):
            self.assertRegex(text, part)


class ActivationsAndDoctor(cli.CliTestCase):
    def test_output_that_a_full_disk_does_not_take(self):
        for arguments in (["activations"], ["--help"], ["train", "--help"], ["doctor", "--json"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([cli.BINARY, *arguments], env=cli.environment(), stdout=full,
                                        stderr=subprocess.PIPE, text=True, timeout=60 * cli.SLOWDOWN)
            self.assertEqual(result.returncode, 1, arguments)
            self.assertIn("standard output: cannot be written", result.stderr)

    def test_activations_lists_the_table(self):
        names = [line.split()[0] for line in cli.run_well("activations").out.splitlines()[1:]]
        self.assertTrue({"relu", "tanh", "sigmoid", "gelu", "mish", "softplus", "step"} <= set(names))

    def test_activations_explains_one(self):
        text = cli.run_well("activations", "LeakyReLU(0.2)").out
        for x, value, slope in ((-5, -1, 0.2), (0, 0, 0.2), (2, 2, 1)):
            self.assertRegex(text, rf"(?m)^ +{x} +{value:.6f} +{slope:.6f}$".replace("-0.0", "-?0.0"))
        tanh = [line.split() for line in cli.run_well("activations", "tanh").out.splitlines()[-9:]]
        for x, value, slope in tanh:
            self.assertAlmostEqual(float(value), np.tanh(float(x)), 6)
            self.assertAlmostEqual(float(slope), 1 - np.tanh(float(x)) ** 2, 6)

    def test_doctor(self):
        for ranks in (1, 2):
            found = cli.run_well("doctor", "--json", ranks=ranks).json()
            self.assertEqual(found["ranks"], ranks)
            self.assertEqual(len(found["per_rank"]), ranks)
            self.assertIn("Open MPI", found["mpi"])
            self.assertIn("parallel", found["hdf5"])
            for key in ("openblas", "instruction_set", "shared_memory", "working_directory", "hdf5_file_locking"):
                self.assertTrue(found[key])
            self.assertGreater(found["product_gflops"]["exact"], 0)
            self.assertGreater(found["exchange_milliseconds"], 0)
            for finding in found["findings"]:
                self.assertIn(finding["level"], ("error", "warning", "advice"))
                self.assertTrue(finding["hosts"] and finding["found"] and finding["mend"])
        self.assertIn("hdf5", cli.run_well("doctor").out)

    def test_doctor_names_what_mends(self):
        found = cli.run_well("doctor", "--json", ranks=2, env={"OPENBLAS_CORETYPE": "Haswell"}).json()
        [finding] = [f for f in found["findings"] if "OPENBLAS_CORETYPE" in f["found"]]
        self.assertEqual(finding["level"], "advice")
        self.assertEqual(finding["hosts"], [cli.host()])  # of two ranks on one host, once
        self.assertIn("unset OPENBLAS_CORETYPE", finding["mend"])
        text = cli.run_well("doctor", env={"PATH": "/nowhere"}).out
        self.assertIn("neither mpirun nor srun is in PATH", text)
        self.assertIn("apt-get install openmpi-bin", text)

    def test_doctor_finds_what_the_start_of_its_ranks_brings_about(self):
        # Left out: InfiniBand's memlock, HDF5 without MPI, no OpenBLAS, a control group's limits, other MPI and HDF5.
        def findings(status=0, **options):
            result = cli.run("doctor", "--json", **options)
            self.assertEqual(result.status, status, str(result))
            return result.json()["findings"]

        closed, cores = self.dir / "closed", os.cpu_count()
        closed.mkdir(0o500)
        one, two, crowd = findings(), findings(ranks=2), [] if cores > 8 else findings(ranks=cores + 1)
        wrong = findings(1, env={"PMI_SIZE": "4", "OMP_PROC_BIND": "spread", "TMPDIR": str(closed)},
                         launcher=[*cli.bound_by_permissions(1), "env", "-u", "OMPI_ALLOW_RUN_AS_ROOT"])
        no_directory = findings(env={"TMPDIR": str(self.dir / "none")})
        baseline = '[ $OMPI_COMM_WORLD_RANK = 0 ] || export LOCKSTEP_ISA=baseline; exec "$@"'
        has_avx2 = "avx2" in pathlib.Path("/proc/cpuinfo").read_text()
        differing = findings(int(has_avx2), env={"LOCKSTEP_ISA": "avx512"}, launcher=[*cli.mpirun(2), "sh", "-c", baseline, "sh"])
        for here, not_here, level, found, mend, why_not in (
                (wrong, one, "error", "a launcher started 4 programs that do not know of each other",
                 "the mpirun of Open MPI", None),
                (wrong, one, "warning", "mpirun refuses to start as root",
                 "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", os.geteuid() and "not root"),
                (wrong, one, "advice", "OMP_PROC_BIND is set to spread", "unset OMP_PROC_BIND", None),
                (wrong, one, "warning", f"mpirun keeps files in {closed}, which cannot be written",
                 "export TMPDIR=/var/tmp", None),
                (no_directory, one, "warning", f"mpirun keeps files in {self.dir}/none, which cannot be written",
                 "export TMPDIR=/var/tmp", None),
                (crowd, one, "warning", f"{cores + 1} ranks a node share {cores} cores",
                 f"mpirun -n {cores}: at most one rank a core", cores > 8 and "many cores"),
                (two, one, "advice", "ranks are not bound to cores", "mpirun --bind-to core",
                 len(os.sched_getaffinity(0)) == 1 and "one core"),
                (one, two, "advice", f"one rank uses one of {cores} cores", f"mpirun -n {cores} lockstep",
                 cores == 1 and "one core"),
                (differing, two, "error", "hosts differ in the instruction set: ", "mpirun -x LOCKSTEP_ISA=",
                 not has_avx2 and "one instruction set")):
            with self.subTest(found):
                if why_not:
                    self.skipTest(why_not)
                self.assertEqual([finding for finding in not_here if found in finding["found"]], [])
                [finding] = [finding for finding in here if found in finding["found"]]
                self.assertEqual((finding["level"], finding["hosts"]), (level, [cli.host()]))
                self.assertIn(mend, finding["mend"])

    def test_doctor_looks_at_the_dataset(self):
        good = self.dir / "good.h5"
        cli.write_classification(good)
        for ranks in (1, 2):
            self.assertNotIn("good.h5", cli.run_well("doctor", "--data", good, ranks=ranks).out)
        result = cli.run("doctor", "--data", self.dir / "none.h5", "--json", ranks=2)
        self.assertEqual(result.status, 1, str(result))
        [finding] = [f for f in result.json()["findings"] if f["level"] == "error"]
        self.assertIn(f"{self.dir}/none.h5: ", finding["found"])
        self.assertIn("rsync -a DATASET HOST:", finding["mend"])

    def test_doctor_fails_where_a_job_would(self):
        # As under srun without PMI: this process would train alone, and so would the other three.
        srun = {"SLURM_STEP_NUM_TASKS": "4"}
        result = cli.run("doctor", "--json", env=srun)
        self.assertEqual(result.status, 1, str(result))
        [finding] = [f for f in result.json()["findings"] if f["level"] == "error"]
        self.assertIn("srun started 4 programs that do not know of each other", finding["found"])
        result = cli.run("train", "--data", self.dir / "none.h5", env=srun)
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn("srun started 4 programs that do not know of each other: srun --mpi=pmix", result.err)
        # mpirun on a host where srun started its daemon.
        self.assertNotIn("do not know", cli.run("train", "--data", self.dir / "none.h5", launcher=True, env=srun).err)

    def test_doctor_in_a_directory_that_cannot_be_written(self):
        self.dir.chmod(0o555)
        self.addCleanup(self.dir.chmod, 0o755)
        result = cli.run("doctor", cwd=self.dir, launcher=cli.bound_by_permissions(1))
        self.assertEqual(result.status, 1, str(result))
        self.assertIn(f"{self.dir} cannot be written", result.out)

    def test_doctor_knows_whether_the_end_of_a_job_is_known(self):
        def found(**env):
            return cli.run_well("doctor", env=env).out
        self.assertIn("do not know when this Slurm job ends", found(SLURM_JOB_ID="1"))
        self.assertNotIn("when this Slurm job ends", found(SLURM_JOB_ID="1", SLURM_JOB_END_TIME="4000000000"))
        self.assertIn("do not know when this PBS job ends", found(PBS_JOBID="1"))
        self.assertNotIn("when this PBS job ends", found(PBS_JOBID="1", LOCKSTEP_JOB_END_TIME="4000000000"))


class Convert(cli.CliTestCase):
    def arrays(self, path="out.h5"):
        with h5py.File(self.dir / path) as file:
            return {name: file[name][...] for name in ("train/x", "train/y", "test/x", "test/y") if name in file}

    def test_idx(self):
        rng = np.random.default_rng(1)
        parts = {"train-images-idx3-ubyte": rng.integers(0, 256, (50, 4, 3)), "train-labels-idx1-ubyte": np.arange(50) % 7,
                 "t10k-images-idx3-ubyte": rng.integers(0, 256, (20, 4, 3)), "t10k-labels-idx1-ubyte": np.arange(20) % 7}
        for i, (name, array) in enumerate(parts.items()):
            content = cli.idx_bytes(array)
            (self.dir / (name + ".gz" * (i % 2))).write_bytes(gzip.compress(content) if i % 2 else content)
        cli.run_well("convert", "--idx-dir", self.dir, "--output", self.dir / "out.h5")
        for found, expected in zip(self.arrays().values(), parts.values()):
            self.assertEqual(found.dtype, np.uint8)
            np.testing.assert_array_equal(found, expected)
        info = cli.run_well("inspect", "--verify", "--format", "json", self.dir / "out.h5").json()
        self.assertEqual(info["class_names"], [str(i) for i in range(7)])
        self.assertEqual(info["x_shape"], [4, 3])
        self.assertEqual(info["x_scale"], 1 / 255)
        self.assertEqual(info["train_class_counts"], np.bincount(parts["train-labels-idx1-ubyte"]).tolist())
        self.assertTrue(info["verified"])

    def test_csv_with_text_classes(self):
        (self.dir / "rows.csv").write_text('a,kind,"b, quoted"\n1,cat,0.1\n2, dog,-3e2\n3,cat ,"4"\n5,"ant",1\n')
        result = cli.run_well("convert", "--csv", self.dir / "rows.csv", "--target", "kind", "--test-fraction", "0.25",
                              "--output", self.dir / "out.h5")
        self.assertEqual(result.err, "warning: no training row is of class 'ant'\n")
        found = self.arrays()
        np.testing.assert_array_equal(found["train/x"], [[1, 0.1], [2, -300], [3, 4]])
        np.testing.assert_array_equal(found["test/x"], [[5, 1]])
        info = cli.run_well("inspect", "--format", "json", self.dir / "out.h5").json()
        names = info["class_names"]
        self.assertEqual(sorted(names), ["ant", "cat", "dog"])
        self.assertEqual([names[i] for i in found["train/y"]], ["cat", "dog", "cat"])
        self.assertEqual([names[i] for i in found["test/y"]], ["ant"])

    def test_csv_regression_with_a_test_file(self):
        (self.dir / "train.csv").write_text("name;x;u;v\nAnn;1;2.5;3\nBob;4;5.25;6\n")
        (self.dir / "test.csv").write_text("v;u;x;name\n9;8.5;7;Eve\n")
        cli.run_well("convert", "--csv", self.dir / "train.csv", "--csv-test", self.dir / "test.csv", "--target", "u,v",
                     "--drop-columns", "name", "--task", "regression", "--separator", ";", "--output", self.dir / "out.h5")
        found = self.arrays()
        np.testing.assert_array_equal(found["train/y"], [[2.5, 3], [5.25, 6]])
        np.testing.assert_array_equal(found["test/x"], [[7]])
        np.testing.assert_array_equal(found["test/y"], [[8.5, 9]])

    def test_hdf5(self):
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(30, 5)), np.arange(30) % 3
        with h5py.File(self.dir / "other.h5", "w") as file:
            file["images"], file["labels"] = x, y.astype(np.int64)
        cli.run_well("convert", "--hdf5", self.dir / "other.h5", "--train-x", "/images", "--train-y", "/labels",
                     "--test-x", "", "--test-y", "", "--class-names", "a,b,c", "--output", self.dir / "out.h5")
        np.testing.assert_array_equal(self.arrays()["train/x"], x)
        np.testing.assert_array_equal(self.arrays()["train/y"], y)
        info = cli.run_well("inspect", "--verify", "--format", "json", self.dir / "out.h5").json()
        self.assertEqual((info["class_names"], info["test_rows"], info["x_type"]), (["a", "b", "c"], 0, "float64"))

    def test_an_earlier_dataset_is_replaced_and_that_is_said(self):
        output = self.dir / "out.h5"

        def convert(*kinds):
            (self.dir / "rows.csv").write_text("a,kind\n" + "".join(f"1,{kind}\n" for kind in kinds))
            result = cli.run_well("convert", "--csv", self.dir / "rows.csv", "--target", "kind", "--output", output)
            info = cli.run_well("inspect", "--verify", "--format", "json", output).json()
            self.assertEqual(info["class_names"], list(kinds))
            return result.out.split()[0]

        self.assertEqual(convert("cat", "dog"), "wrote")
        self.assertEqual(convert("ant", "bee"), "replaced")
        output.write_bytes(b"")
        self.assertEqual(convert("elk", "fox"), "wrote")

    def test_hdf5_without_a_test_split(self):
        with h5py.File(self.dir / "other.h5", "w") as file:
            file["train/x"], file["train/y"] = np.ones((30, 5), np.float32), np.arange(30) % 3
        convert = ["convert", "--hdf5", self.dir / "other.h5", "--output", self.dir / "out.h5"]
        cli.run_well(*convert, "--train-x", "train/x")
        self.assertEqual(set(self.arrays()), {"train/x", "train/y"})
        self.assertEqual(cli.run(*convert, "--test-x", "/test/z").status, cli.USER_ERROR)
        with h5py.File(self.dir / "other.h5", "r+") as file:
            file["test/x"] = np.ones((3, 5), np.float32)
        self.assertEqual(cli.run(*convert).status, cli.USER_ERROR, "half a split is a mistake")


class TrainedNetwork(cli.CliTestCase):
    """A trained network's loss, classes and probabilities, recomputed with NumPy from its checkpoint."""

    def setUp(self):
        super().setUp()
        self.data, self.run_dir = self.dir / "data.h5", self.dir / "run"

    def outputs(self, x, activation):
        for kernel, bias in (layers := cli.checkpoint_layers(self.run_dir / "checkpoints/best"))[:-1]:
            x = activation(x @ kernel.astype(np.float64) + bias)
        return x @ layers[-1][0].astype(np.float64) + layers[-1][1]

    def evaluate(self, *flags, **options):
        return cli.run_well("evaluate", "--checkpoint", self.run_dir, "--data", self.data, "--format", "json", *flags,
                            **options).json()

    def predict(self, name):
        cli.run_well("predict", "--checkpoint", self.run_dir, "--input", self.data, "--output", self.dir / name)

    def check_classification(self, precision, tolerance):
        cli.write_classification(self.data, classes=6)
        self.train(self.run_dir, "--data", self.data, "--epochs", "3", "--hidden", "12,8", "--activation", "tanh",
                   "--precision", precision, "--validation-split", "0.2")
        with h5py.File(self.data) as file:
            x, y = file["test/x"][...].reshape(70, -1) / 255.0, file["test/y"][...].astype(int)
        logits = self.outputs(x, np.tanh)
        log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        classes = logits.argmax(1)
        confusion = np.zeros((6, 6), int)
        np.add.at(confusion, (y, classes), 1)

        report = self.evaluate()
        self.assertEqual(report["rows"], 70)
        self.assertAlmostEqual(report["loss"], -log_probabilities[np.arange(70), y].mean(), delta=tolerance)
        self.assertAlmostEqual(report["accuracy"], (classes == y).mean(), delta=1e-12)
        self.assertEqual(report["confusion_matrix"], confusion.tolist())
        top = (np.argsort(-logits, 1)[:, :5] == y[:, None]).any(1).mean()
        self.assertEqual(report["top_k"], {"k": 5, "accuracy": top})
        for k, found in enumerate(report["classes"]):
            hits, predicted, true = confusion[k, k], confusion[:, k].sum(), confusion[k].sum()
            self.assertAlmostEqual(found["precision"], hits / predicted if predicted else 0)
            self.assertAlmostEqual(found["recall"], hits / true if true else 0)
            self.assertAlmostEqual(found["f1"], 2 * hits / (predicted + true))

        self.predict("p.csv")
        rows = read_csv(self.dir / "p.csv")
        self.assertEqual(list(rows[0]), ["row", "class", *(f"probability_{k}" for k in range(6))])
        found = np.array([[float(row[f"probability_{k}"]) for k in range(6)] for row in rows])
        np.testing.assert_allclose(found, np.exp(log_probabilities), rtol=0, atol=tolerance)
        self.assertEqual([row["class"] for row in rows], [str(k) for k in classes])
        self.predict("p.h5")
        with h5py.File(self.dir / "p.h5") as file:
            np.testing.assert_array_equal(file["probabilities"][...], found.astype(precision))
            np.testing.assert_array_equal(file["class"][...], classes)

    def test_classification_float64(self):
        self.check_classification("float64", 1e-12)

    def test_classification_float32(self):
        self.check_classification("float32", 1e-5)

    def test_rows_and_splits(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        whole = self.evaluate("--split", "train")
        part = self.evaluate("--split", "train", "--limit", "13", "--top-k", "2")
        self.assertEqual((whole["rows"], part["rows"], part["top_k"]["k"]), (200, 13, 2))
        last = cli.metrics(self.run_dir)[-1]
        test = self.evaluate()
        self.assertEqual((float(last["test_loss"]), float(last["test_accuracy"])), (test["loss"], test["accuracy"]))
        text = cli.run_well("evaluate", "--checkpoint", self.run_dir / "checkpoints/last", "--data", self.data).out
        self.assertIn(f"accuracy    {test['accuracy']:.4f}", text)
        self.assertIn("confusion matrix", text)

    def test_other_files_are_not_replaced(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        (self.dir / "table.csv").write_text("a,b\n1,2\n")
        (self.dir / "copy.h5").write_bytes(self.data.read_bytes())
        newest = cli.step_checkpoints(self.run_dir)[-1]
        predict = ["predict", "--checkpoint", self.run_dir, "--input", self.data]
        for command, flag, output in ((predict, "--output", "copy.h5"), (predict, "--output", "table.csv"),
                                      (predict, "--output", newest), (predict, "--output", self.run_dir / "metrics.csv"),
                                      (["activations", "relu"], "--plot", "table.csv"),
                                      (["activations", "relu"], "--table", "table.csv"),
                                      (["report", self.run_dir], "--output", self.run_dir / "config.toml")):
            before = (self.dir / output).read_bytes()
            result = cli.run(*command, flag, output, cwd=self.dir)
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            self.assertRegex(result.err, rf"{flag} \S+: expected (a new file, or .* to replace, found )?another file")
            self.assertEqual((self.dir / output).read_bytes(), before)

    def test_earlier_files_of_the_kind_are_replaced(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        for command, flag, output in ((["predict", "--checkpoint", self.run_dir, "--input", self.data], "--output", "p.csv"),
                                      (["predict", "--checkpoint", self.run_dir, "--input", self.data], "--output", "p.h5"),
                                      (["activations", "relu"], "--plot", "a.html"),
                                      (["activations", "relu"], "--table", "a.csv"),
                                      (["report", self.run_dir], "--output", "r.html")):
            for _ in range(2):
                cli.run_well(*command, flag, output, cwd=self.dir)

    def test_predict_says_why_a_file_cannot_be_written(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        small_files = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh"]
        result = cli.run("predict", "--checkpoint", self.run_dir, "--input", self.data, "--output", self.dir / "p.csv",
                         launcher=small_files)
        self.assertEqual(result.status, cli.USER_ERROR, str(result))
        self.assertIn(f"{self.dir}/p.csv: cannot be written: File too large", result.err)
        self.assertEqual(list(self.dir.glob("*p.csv*")), [])

    def test_a_limit_of_the_size_of_files_is_as_a_full_disk(self):
        cli.write_classification(self.data)
        small_files = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"]
        result = cli.run("train", "--run-dir", self.run_dir, "--data", self.data, "--hidden", 4000, "--epochs", 2,
                         launcher=small_files)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("warning", result.err)
        self.assertIn("File too large", result.err)
        self.assertEqual(len((self.run_dir / "metrics.csv").read_text().splitlines()), 3)
        self.assertEqual(list((self.run_dir / "checkpoints").iterdir()), [])

    def test_classes_with_other_names_are_told(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        with h5py.File(self.data, "r+") as file:
            names = [str(name) for name in file.attrs["class_names"]]
            file.attrs["class_names"] = [*names[:2], "dog", *names[3:]]
        result = cli.run_well("evaluate", "--checkpoint", self.run_dir, "--data", self.data, ranks=2)
        self.assertEqual(result.err.strip(), f"warning: class 2 is '{names[2]}' in the checkpoint, and 'dog' in {self.data}")

    def test_loss_with_label_smoothing_is_that_of_the_training(self):
        for write in (cli.write_classification, cli.write_binary):
            write(self.data)
            self.train(self.run_dir, "--data", self.data, "--epochs", "1", "--label-smoothing", "0.3", "--resume", "never")
            self.assertEqual(self.evaluate()["loss"], float(cli.metrics(self.run_dir)[-1]["test_loss"]))

    def test_predict_from_csv_and_idx_equals_predict_from_hdf5(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        with h5py.File(self.data) as file:
            x = file["test/x"][...]
        (self.dir / "rows.idx").write_bytes(cli.idx_bytes(x))
        lines = [",".join(["id", *(f"x{i}" for i in range(30))])]
        lines += [",".join(map(str, [f"row{i}", *row])) for i, row in enumerate(x.reshape(70, 30))]
        (self.dir / "rows.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        with h5py.File(self.dir / "rows.h5", "w") as file:
            file["deep/inside"] = x
        self.predict("expected.csv")
        (self.dir / "tabs.csv").write_text("\n".join(lines).replace(",", "\t"))
        for name, *flags in (("rows.idx",), ("rows.csv.gz", "--drop-columns", "id"),
                             ("tabs.csv", "--drop-columns", "id", "--separator", "tab"),
                             ("rows.h5", "--dataset", "deep/inside")):
            cli.run_well("predict", "--checkpoint", self.run_dir, "--input", self.dir / name, *flags, "--output",
                         self.dir / "found.csv")
            self.assertEqual((self.dir / "found.csv").read_text(), (self.dir / "expected.csv").read_text())

    def test_predict_scales_as_the_input_says(self):
        cli.write_classification(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        self.predict("expected.csv")
        with h5py.File(self.data) as file, h5py.File(self.dir / "scaled.h5", "w") as scaled:
            scaled["x"] = file["test/x"][...].astype(np.float32) * np.float32(file.attrs["x_scale"])
            scaled.attrs["x_scale"] = 1.0
        cli.run_well("predict", "--checkpoint", self.run_dir, "--input", self.dir / "scaled.h5", "--output",
                     self.dir / "found.csv")
        self.assertEqual((self.dir / "found.csv").read_text(), (self.dir / "expected.csv").read_text())

    def test_binary(self):
        cli.write_binary(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "2", "--hidden", "5", "--precision", "float64",
                   "--activation", "sigmoid")
        with h5py.File(self.data) as file:
            x, y = file["test/x"][...].astype(np.float64), file["test/y"][...].astype(int)
        probability = 1 / (1 + np.exp(-self.outputs(x, lambda z: 1 / (1 + np.exp(-z)))[:, 0]))
        report = self.evaluate()
        loss = -np.where(y == 1, np.log(probability), np.log1p(-probability)).mean()
        self.assertAlmostEqual(report["loss"], loss, delta=1e-12)
        self.assertAlmostEqual(report["accuracy"], ((probability > 0.5) == y).mean(), delta=1e-12)
        self.assertEqual(np.array(report["confusion_matrix"]).sum(), 60)
        self.predict("p.csv")
        rows = read_csv(self.dir / "p.csv")
        np.testing.assert_allclose([float(row["probability_yes"]) for row in rows], probability, atol=1e-12)
        self.assertEqual([row["class"] for row in rows], ["yes" if p > 0.5 else "no" for p in probability])

    def test_regression(self):
        cli.write_regression(self.data)
        self.train(self.run_dir, "--data", self.data, "--epochs", "2", "--hidden", "6", "--precision", "float64")
        with h5py.File(self.data) as file:
            x, y = file["test/x"][...], file["test/y"][...]
        values = self.outputs(x, lambda z: np.maximum(z, 0))
        report = self.evaluate()
        self.assertNotIn("accuracy", report)
        self.predict("p.h5")
        with h5py.File(self.dir / "p.h5") as file:
            np.testing.assert_allclose(file["values"][...], values, atol=1e-12)
            self.assertNotIn("class", file)
        # ½(y − ŷ)², summed over the outputs, its mean over the rows.
        self.assertAlmostEqual(report["loss"], 0.5 * ((values - y) ** 2).sum(1).mean(), delta=1e-12)


class TrainingRun(cli.CliTestCase):
    def setUp(self):
        super().setUp()
        self.data, self.run_dir = self.dir / "data.h5", self.dir / "run"
        cli.write_classification(self.data)

    def test_data_without_digests(self):
        flags = ["train", "--data", self.data, "--max-steps", "1", "--run-dir"]
        warning = "arrays without the attribute sha256"
        result = cli.run_well(*flags, self.run_dir)
        self.assertNotIn(warning, result.out + result.err)
        with h5py.File(self.data, "a") as file:
            del file["train/x"].attrs["sha256"]
        result = cli.run_well(*flags, self.dir / "other")
        self.assertEqual((result.out + result.err).count(warning), 1, str(result))

    def test_run_directory(self):
        self.train(self.run_dir, "--data", self.data, "--epochs", "3", "--validation-split", "0.1", ranks=2)
        names = {path.name for path in self.run_dir.iterdir()} - {".lock"}
        self.assertEqual(names, {"config.toml", "metrics.csv", "summary.json", "checkpoints", "log.txt"})
        rows = cli.metrics(self.run_dir)
        self.assertEqual(list(rows[0]), "epoch,step,loss,accuracy,val_loss,val_accuracy,test_loss,test_accuracy,"
                                        "learning_rate,seconds,samples_per_second".split(","))
        self.assertEqual([row["epoch"] for row in rows], ["1", "2", "3"])
        self.assertEqual([row["step"] for row in rows], ["2", "4", "6"])
        for row in rows:
            for text in row.values():
                self.assertTrue(np.isfinite(float(text)))
        summary = cli.summary(self.run_dir)
        self.assertEqual((summary["status"], summary["ranks"], summary["epoch"], summary["step"]), ("finished", 2, 3, 6))
        self.assertEqual(repr(summary["test_accuracy"]), repr(float(rows[-1]["test_accuracy"])))
        self.assertEqual(summary["hosts"], [cli.host()])
        for key in ("versions", "instruction_set", "dataset", "seconds"):
            self.assertTrue(summary[key], key)
        self.assertIsNone(summary["blas_core"], "exact does not use it")
        self.assertRegex(summary["parameters_sha256"], SHA256)
        layers = cli.checkpoint_layers(self.run_dir / "checkpoints/last")
        self.assertEqual([kernel.shape for kernel, _ in layers], [(30, 128), (128, 4)])
        self.assertEqual(cli.sha256_of_layers(layers), summary["parameters_sha256"])
        info = cli.run_well("inspect", "--format", "json", self.run_dir).json()
        self.assertEqual((info["kind"], info["widths"], info["activations"]), ("checkpoint", [30, 128, 4], ["relu"]))
        self.assertEqual(info["parameter_count"], 31 * 128 + 129 * 4)
        self.assertRegex((self.run_dir / "log.txt").read_text(), r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*epoch 3/3")

    def test_printed_lines(self):
        flags = ["train", "--data", self.data, "--epochs", "2"]
        result = cli.run_well(*flags, "--run-dir", "run", cwd=self.dir, ranks=2)
        self.assertEqual(len(re.findall(r"(?m)^epoch \d/2  loss 0\.\d{4}|^epoch \d/2  loss 1\.\d{4}", result.out)), 2)
        accuracy = cli.summary(self.run_dir)["test_accuracy"]
        for text in (f"{accuracy:.4f}", cli.parameters_sha256(self.run_dir), "metrics.csv", "summary.json",
                     "run/checkpoints/step-"):
            self.assertIn(text, result.out)
        self.assertNotIn("\r", result.out)
        self.assertEqual(result.err, "")
        quiet = cli.run_well(*flags, "--quiet", "--run-dir", "quiet", cwd=self.dir)
        self.assertEqual(quiet.out + quiet.err, "")
        bar = cli.run_well(*flags, "--progress", "bar", "--run-dir", "bar", cwd=self.dir)
        self.assertIn("epoch 2/2", bar.out)

    def test_run_directory_is_derived_and_printed(self):
        result = cli.run_well("train", "--data", self.data, "--epochs", "1", "--hidden", "9x2", "--seed", "4", cwd=self.dir)
        self.assertTrue((self.dir / "runs/data-9x2-relu-seed4/summary.json").exists())
        self.assertIn("runs/data-9x2-relu-seed4", result.out)

    def test_flags_override_the_config_file(self):
        (self.dir / "run.toml").write_text('epochs = 1\nhidden = [7, 6]\nlearning-rate = 0.5\nactivation = "tanh"\n')
        self.train(self.run_dir, "--data", self.data, "--config", self.dir / "run.toml", "--learning-rate", "0.25", ranks=2)
        config = cli.run_well("inspect", "--format", "json", self.run_dir).json()["config"]
        self.assertEqual((config["hidden"], config["learning_rate"], config["activation"]), ("7,6", "0.25", "tanh,tanh"))

    def test_evaluate_every(self):
        self.train(self.run_dir, "--data", self.data, "--epochs", "6", "--evaluate-every", "2", "--hidden", "5")
        evaluated = [row["epoch"] for row in cli.metrics(self.run_dir) if row["test_loss"]]
        self.assertEqual(evaluated, ["1", "3", "5", "6"])

    def test_checkpoints_kept(self):
        self.train(self.run_dir, "--data", self.data, "--epochs", "5", "--batch-size", "40", "--hidden", "5",
                   "--checkpoint-every", "2steps", "--keep-checkpoints", "2", "--monitor", "loss")
        names = sorted(path.name for path in (self.run_dir / "checkpoints").iterdir())
        self.assertEqual(names, ["best", "last", "step-00000024.h5", "step-00000025.h5"])

    def test_a_loss_that_is_not_finite_is_shown(self):
        x, y = cli.synthetic_classes(40, (30,), 4, 1, np.float32)
        cli.write_dataset(self.data, x, y, np.full((5, 30), 3e38, np.float32), np.zeros(5, np.uint8))
        result = cli.run_well("train", "--data", self.data, "--run-dir", self.run_dir, "--epochs", "1", "--progress", "lines")
        self.assertRegex(result.out, r"(?m)^epoch 1/1 .*  test_loss (nan|inf)  ")

    def test_first_rows_only(self):
        self.train(self.run_dir, "--data", self.data, "--epochs", "1", "--limit-train", "60", "--limit-test", "10",
                   "--hidden", "5", "--shuffle", "off", "--batch-size", "60")
        with h5py.File(self.data, "r+") as file:  # rows beyond the limit may be anything
            file["train/y"][60:] = 3
            file["test/y"][10:] = 3
        self.train(self.dir / "again", "--data", self.data, "--epochs", "1", "--limit-train", "60", "--limit-test", "10",
                   "--hidden", "5", "--shuffle", "off", "--batch-size", "60")
        self.assertEqual(cli.metrics_without_times(self.run_dir), cli.metrics_without_times(self.dir / "again"))

    def test_diagnostics(self):
        self.train(self.run_dir, "--data", self.data, "--epochs", "2", "--hidden", "5,4", "--diagnostics", ranks=3)
        rows = read_csv(self.run_dir / "diagnostics.csv")
        self.assertEqual(len(rows), 2 * 3)

    def test_a_source_of_other_bytes_ends_no_run(self):
        with h5py.File(self.data, "r+") as file:
            file.attrs["source"] = np.bytes_(b"caf\xe9.csv")
        self.train(self.run_dir, "--data", self.data, "--epochs", "1")
        self.assertEqual(cli.summary(self.run_dir)["dataset"]["source"], "caf\ufffd.csv")
        self.assertEqual(cli.run_well("inspect", "--format", "json", self.data).json()["source"], "caf\ufffd.csv")

    def test_summary_is_json_that_others_read(self):
        self.train(self.run_dir, "--data", self.data, "--epochs", "1", "--limit-train", "20")
        self.assertIsNone(json.loads((self.run_dir / "summary.json").read_text())["val_loss"])


if __name__ == "__main__":
    unittest.main()
