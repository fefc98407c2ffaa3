"""Every experiment in its smoke form, from its sweep file to its report, on data that look like MNIST."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "app"))

from lockstep_cli import BINARY, environment, write_classification

SCRIPT = HERE.parents[1] / "scripts" / "experiment.sh"
# What each report has to show.
FIGURES = {
    "activation-by-depth": ["depth-1", "depth-2"],
    "custom-formula": ["activations", "derivatives"],
    "depth-linear-vs-sigmoid": ["gradients-last-epoch"],
    "dying-relu": ["gradients-first-epoch"],
    "fashion-mnist": ["most-wrong"],
    "four-activations-keras": ["accuracy-validation-test-training"],
    "leaky-slope": ["histogram-1"],
    "linear-vs-sigmoid-vs-tanh-vs-relu": ["accuracy-test-training", "ranking"],
    "nonnegative-weights": ["weights-1", "weights-2"],
    "outputs": ["predictions-1", "confusion-2", "confusion-3"],
    "plane": ["region-1", "region-2"],
    "thousand-images": ["accuracy-test-training"],
    "two-layers-mixed": ["pairs"],
    "vanishing-gradient": ["gradients-first-epoch", "gradient-norm-1"],
}


def run_script(*arguments, **variables):
    return subprocess.run([SCRIPT, *arguments], env=environment(**variables), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)


class Experiments(unittest.TestCase):
    def test_all_of_them(self):
        self.assertEqual(run_script("--list").stdout.split(), sorted(FIGURES))
        with tempfile.TemporaryDirectory() as directory:
            data = pathlib.Path(directory, "data")
            data.mkdir()
            for name in ("mnist.h5", "fashion-mnist.h5"):
                write_classification(data / name, rows=400, test_rows=100, shape=(28, 28), classes=10)
            for name, figures in FIGURES.items():
                with self.subTest(name):
                    done = run_script(name, "--smoke", LOCKSTEP=BINARY, DATA_DIR=str(data), OUTPUT_DIR=directory,
                                      RANKS="2")
                    self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                    self.assertNotIn("failed trials", done.stderr)
                    page = pathlib.Path(directory, f"smoke-{name}", "report.html").read_text()
                    self.assertLessEqual(set(figures), set(re.findall(r'class="graph" id="([\w-]+)"', page)))

    def test_names_that_do_not_exist_are_refused(self):
        for arguments, message in ((["relu"], "there is no experiment 'relu'"), ([], "expected a name, found none"),
                                   (["plane", "outputs"], "expected one name"),
                                   (["--quick"], "unknown argument '--quick'")):
            done = run_script(*arguments)
            self.assertEqual((done.returncode, message in done.stderr), (2, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
