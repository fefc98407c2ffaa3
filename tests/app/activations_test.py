"""Activations of the user's own: trained parameters and formulas, and the subcommand that lists, checks and draws them."""

import html.parser
import re
import unittest

import h5py
import numpy as np

import lockstep_cli as cli


def prelu(x, slope):
    return np.where(x > 0, x, slope * x)


def trained_swish(x, beta):
    return x / (1 + np.exp(-beta * x))


class TrainedActivations(cli.CliTestCase):
    def setUp(self):
        super().setUp()
        self.data = self.dir / "data.h5"
        cli.write_classification(self.data)

    def predictions(self, run_dir):
        path = self.dir / "predictions.csv"
        cli.run_well("predict", "--checkpoint", run_dir, "--input", self.data, "--output", path)
        return np.genfromtxt(path, delimiter=",", names=True)

    def probabilities(self, run_dir, functions):
        """By NumPy, from what the checkpoint and the dataset hold."""
        with h5py.File(self.data) as file:
            a = file["test/x"][...].reshape(70, -1) / 255.0
        with h5py.File(run_dir / "checkpoints/best") as file:
            layers = file["parameters"]
            for name, function in zip(layers, [*functions, None]):
                a = a @ layers[name]["kernel"][...].astype(float) + layers[name]["bias"][...]
                if function:
                    a = function(a, *([layers[name]["activation"][...]] if "activation" in layers[name] else []))
        e = np.exp(a - a.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def check_predictions(self, run_dir, functions):
        found = self.predictions(run_dir)
        columns = [found[name] for name in found.dtype.names if name.startswith("probability") or name.startswith("p_")]
        self.assertEqual(len(columns), 4, found.dtype.names)
        np.testing.assert_allclose(np.stack(columns, axis=1), self.probabilities(run_dir, functions), atol=2e-5)

    def test_are_trained_stored_and_used_again(self):
        for spelling, size, start, function in (("prelu", 1, 0.25, prelu), ("PReLU(0,per=unit)", 9, 0, prelu),
                                                ("swish(trained)", 1, 1, trained_swish),
                                                ("swish(trained,1.5,per=unit)", 9, 1.5, trained_swish)):
            with self.subTest(spelling):
                run_dir = self.dir / "run"
                self.train(run_dir, "--data", self.data, "--hidden", "9", "--activation", spelling, "--epochs", "3",
                           "--resume", "never", "--learning-rate", "0.01")
                with h5py.File(run_dir / "checkpoints/last") as file:
                    trained = file["parameters/dense_0/activation"][...]
                    self.assertEqual(file["optimizer/velocity/dense_0/activation"].shape, (size,))
                    self.assertNotIn("activation", file["parameters/output"])
                self.assertEqual(trained.shape, (size,))
                self.assertTrue((np.abs(trained - start) > 1e-4).any(), trained)  # a unit may be positive for all rows
                self.assertTrue((np.abs(trained - start) < 0.5).all(), trained)
                self.check_predictions(run_dir, [function])
                info = cli.run_well("inspect", "--format", "json", run_dir).json()
                self.assertEqual(info["parameter_count"], 31 * 9 + size + 10 * 4)
                self.assertEqual(cli.parameters_sha256(run_dir), cli.sha256_of_checkpoint(run_dir / "checkpoints/last"))

    def test_penalties_and_constraints_leave_them_alone(self):
        # Every weight is pulled to 0 by far more than a gradient could push, and held there.
        self.train(self.dir / "run", "--data", self.data, "--hidden", "9", "--activation", "prelu(0.25,per=unit)",
                   "--l2", "1000", "--optimizer", "sgd", "--learning-rate", "0.0005", "--constraint", "max_norm(1e-9)")
        with h5py.File(self.dir / "run/checkpoints/last") as file:
            self.assertLess(np.abs(file["parameters/dense_0/kernel"][...]).max(), 1e-6)
            np.testing.assert_allclose(file["parameters/dense_0/activation"][...], 0.25, atol=1e-3)

    def test_resumed_on_other_ranks_they_go_on_where_they_were(self):
        flags = ["--data", self.data, "--hidden", "9,7", "--activation", "prelu(per=unit),swish(trained)"]
        self.train(self.dir / "whole", *flags, "--epochs", "3")
        self.train(self.dir / "parts", *flags, "--epochs", "1", ranks=2)
        self.train(self.dir / "parts", *flags, "--epochs", "3", ranks=3)
        self.assertEqual(cli.parameters_sha256(self.dir / "parts"), cli.parameters_sha256(self.dir / "whole"))

    def test_diagnostics_see_them(self):
        self.train(self.dir / "run", "--data", self.data, "--hidden", "9,7", "--activation",
                   "prelu(0,per=unit),formula(relu(x))", "--diagnostics", ranks=2)
        self.assertIn("dense_1", (self.dir / "run/diagnostics.csv").read_text())

    def test_formulas_are_stored_and_used_again(self):
        formula = "formula(x*tanh(log(1 + exp(b*x))), b=0.5)"
        run_dir = self.dir / "run"
        self.train(run_dir, "--data", self.data, "--hidden", "9,7", "--activation", formula + ",relu")
        self.check_predictions(run_dir, [lambda x: x * np.tanh(np.log1p(np.exp(0.5 * x))), lambda x: np.maximum(x, 0)])
        again = self.dir / "again"
        self.train(again, "--config", run_dir / "config.toml", ranks=2)
        self.assertEqual(cli.parameters_sha256(again), cli.parameters_sha256(run_dir))
        report = cli.run_well("evaluate", "--checkpoint", run_dir, "--data", self.data, "--format", "json").json()
        self.assertEqual(repr(report["accuracy"]), repr(cli.summary(run_dir)["test_accuracy"]))

    def test_run_directories_of_formulas_differ(self):
        for formula in ("x*sin(x)", "x+sin(x)"):
            cli.run_well("train", "--data", self.data, "--epochs", "1", "--hidden", "5", "--activation",
                         f"formula({formula})", cwd=self.dir)
        self.assertEqual(len(list((self.dir / "runs").iterdir())), 2)


class Mistakes(cli.CliTestCase):
    def test_end_the_program_with_one_message(self):
        cli.write_classification(self.dir / "data.h5")
        for activation, part in (("formula(x*sotfplus(x))", "character 3: expected a function, found 'sotfplus' (did you mean 'softplus'?)"),
                                 ("formula(x*(1+x)", "parentheses"),
                                 ("formula", "expected a formula in parentheses"),
                                 ("formula(sign(x))", "its derivative is zero everywhere"),
                                 ("formula(x/0)", "expected a function with finite values and slopes, found none"),
                                 ("prelu(per=row)", "per=layer or per=unit"),
                                 ("swish(2)", "swish(trained,2)")):
            result = cli.run("train", "--data", self.dir / "data.h5", "--activation", activation, "--run-dir", self.dir / "run",
                             ranks=2)
            self.assertEqual(result.status, cli.USER_ERROR, str(result))
            lines = cli.error_lines(result.err)
            self.assertEqual(len(lines), 1, str(result))
            self.assertIn("--activation", lines[0])
            self.assertIn(part, lines[0])
            self.assertFalse((self.dir / "run").exists())
        for arguments in (["check"], ["check", "x*tahn(x)"], ["check", "reul"], ["relu", "--plot", self.dir / "no/where.html"]):
            result = cli.run("activations", *arguments)
            self.assertEqual(result.status, cli.USER_ERROR if "--plot" not in arguments else result.status, str(result))
            self.assertNotEqual(result.status, 0)
            self.assertEqual(len(cli.error_lines(result.err)), 1, str(result))

    def test_a_run_that_a_formula_ends_says_how_to_check_it(self):
        cli.write_classification(self.dir / "data.h5")
        result = cli.run("train", "--data", self.dir / "data.h5", "--run-dir", self.dir / "run", "--activation",
                         "formula(log(x))", ranks=2)
        self.assertEqual(result.status, 1, str(result))
        [line] = cli.error_lines(result.err)
        self.assertIn("`lockstep activations check`", line)


def check(formula):
    """What `activations check` says, as {property: text}; warnings by their first word."""
    out = cli.run_well("activations", "check", formula).out
    found = {line[2:17].strip(): line[18:] for line in out.splitlines()[1:] if not line.startswith("  warning ")}
    found["warnings"] = re.findall(r"(?m)^  warning +([^:]*):", out)
    return found


class Check(unittest.TestCase):
    def test_of_a_smooth_formula(self):
        found = check("x*tanh(log(1+exp(x)))")
        for key in ("continuous", "differentiable", "non-linear"):
            self.assertEqual(found[key], "yes", key)
        self.assertEqual(found["finite"], "yes; in float32 yes")
        self.assertEqual(found["monotone"], "no")
        low, at, high, at_high = map(float, re.findall(r"-?\d[\d.e+-]*", found["bounds"]))
        self.assertAlmostEqual(low, -0.308843, 4)
        self.assertAlmostEqual(at, -1.1924, 3)
        self.assertEqual((high, at_high), (100, 100))
        self.assertTrue(found["largest slope"].startswith("1.0885 at x = 1.49"), found)
        self.assertEqual(found["warnings"], [])

    def test_of_kinks_and_jumps(self):
        found = check("x if x > 0.3 else 0.1*x + 0.27")
        self.assertEqual(found["continuous"], "yes")
        self.assertTrue(found["differentiable"].startswith("no, at x = 0.3 "), found)
        self.assertEqual(found["monotone"], "yes, nowhere falling")
        found = check("x if x > 0.3 else 0.1*x")
        self.assertEqual(found["continuous"], "no, at x = 0.3")
        self.assertEqual(found["warnings"], ["not continuous"])
        self.assertEqual(check("min(max(x, -1), 1)")["differentiable"].split(" (")[0], "no, at x = -1, 1")
        self.assertEqual(check("tanh(1000*x)")["continuous"], "yes")
        self.assertEqual(check("tanh(1000*x)")["differentiable"], "yes")

    def test_of_what_training_suffers(self):
        self.assertIn("linear", check("2*x + 1")["warnings"])
        self.assertEqual(check("2*x + 1")["non-linear"], "no")
        self.assertIn("explosion", check("x^2")["warnings"])
        self.assertIn("exploding gradients", check("5*tanh(x)")["warnings"])
        self.assertIn("vanishing gradients", check("sigmoid")["warnings"])
        self.assertIn("saturation", check("sigmoid")["warnings"])
        self.assertIn("dead units", check("relu")["warnings"])
        self.assertIn("no gradient", check("step")["warnings"])
        self.assertIn("shift", check("5 + 0.1*tanh(x)")["warnings"])
        self.assertEqual(check("selu")["warnings"], [])

    def test_of_where_it_is_not_finite(self):
        found = check("log(x)")
        self.assertEqual(found["finite"], "no, for x <= 0; in float32 no, for x <= 0")
        self.assertEqual(found["monotone"], "yes, nowhere falling, where it is finite")
        self.assertTrue(found["bounds"].endswith(", where it is finite"), found)
        self.assertEqual(found["non-linear"], "yes")
        self.assertEqual(found["warnings"][0], "non-finite")
        self.assertIn("number for x <= 0,", cli.run_well("activations", "check", "log(x)").out)
        for formula, places in (("log(x - 0.3)", "x <= 0.3"), ("sqrt(x)", "x <= 0"), ("1/x", "x = 0"),
                                ("sqrt(x^2 - 4)", "-2 <= x <= 2"), ("sqrt(1 - x^2)", "x <= -1, x >= 1"),
                                ("1/(x*(x-1)*(x+2)*(x-3)*(x-50)*(x+60))", "x = 0, x = 1, x = -2, x = 3 and 2 more")):
            self.assertEqual(check(formula)["finite"].split("; ")[0], "no, for " + places, formula)
        self.assertEqual(check("1/x")["finite"].split("; ")[1], "in float32 no, for x = 0")
        self.assertEqual(check("1/(x - 0.3)")["finite"], "no, for x = 0.3; in float32 no, for x = 0.3")
        self.assertEqual(check("1/(x - 0.3)^2")["continuous"], "no, for x = 0.3")
        self.assertEqual(check("1/(x - 0.3)")["bounds"], "-inf at x = 0.3, inf at x = 0.3, where it is finite")
        self.assertTrue(check("tan(x)")["finite"].startswith("no, for x = -1.571, x = 1.571, x = -4.712, x = 4.712 and 60 more;"))
        self.assertRegex(check("1/(x*x - 2)")["finite"], r"^no, for x = -?1\.414, x = -?1\.414;")
        self.assertTrue(check("1/sin(x)")["finite"].startswith("no, for x = 0, x = -3.142, x = 3.142, x = -6.283 and 59 more;"))
        self.assertEqual(check("exp(x)")["finite"].split("; ")[0], "yes")
        self.assertNotIn("saturation", check("log(x)")["warnings"] + check("exp(x^2/100)")["warnings"])
        self.assertEqual(check("1/x")["monotone"], "no")  # it falls on both sides, but rises across 0
        self.assertEqual(check("x*x/x")["non-linear"], "no")
        nowhere = check("log(-1 - x^2)")
        self.assertEqual(nowhere["finite"], "no, for all x")
        self.assertEqual(nowhere["warnings"], ["non-finite"])
        self.assertNotIn("bounds", nowhere)
        naive = check("(exp(x)-exp(-x))/(exp(x)+exp(-x))")
        low, high = map(float, re.fullmatch("yes; in float32 no, for x <= (.*), x >= (.*)", naive["finite"]).groups())
        overflow = np.log(float(np.finfo(np.float32).max))
        self.assertTrue(overflow / 2 - 1 < high <= overflow and low == -high, naive)
        self.assertIn("non-finite in float32", naive["warnings"])


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.paths, self.headings, self.links = [], 0, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.paths += tag == "path" and dict(attrs)["class"] in ("f", "slope")
        self.links += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


class Plot(cli.CliTestCase):
    def test_draws_every_activation_into_one_page_that_needs_no_other(self):
        names = [line.split()[0] for line in cli.run_well("activations").out.splitlines()[1:-1]]
        cli.run_well("activations", "--plot", self.dir / "all.html", ranks=2)
        page = Page((self.dir / "all.html").read_text())
        self.assertEqual(page.open, [])
        self.assertEqual(page.links, [])
        self.assertEqual(len(page.headings), len(names))
        self.assertEqual(page.paths, 2 * len(names))
        for name in names:
            self.assertTrue(any(heading.startswith(name.rstrip(")")) for heading in page.headings), name)

    def test_draws_what_is_named(self):
        cli.run_well("activations", "relu", "x if x < 1 else 1", "--plot", self.dir / "some.html")
        text = (self.dir / "some.html").read_text()
        self.assertIn("<h2>formula(x if x&lt;1 else 1)</h2>", text)
        self.assertEqual(len(Page(text).headings), 2)


if __name__ == "__main__":
    unittest.main()
