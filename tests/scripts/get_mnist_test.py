"""scripts/get-mnist.sh against mirrors that lie, break off, or are not there."""

import gzip
import http.server
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "get-mnist.sh"
NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
MNIST_DIR = os.environ.get("MNIST_DIR")


def zipped(name):
    file = pathlib.Path(MNIST_DIR) / (name + ".gz")
    return file.read_bytes() if file.exists() else gzip.compress((pathlib.Path(MNIST_DIR) / name).read_bytes())


class Mirror(http.server.BaseHTTPRequestHandler):
    """/good serves MNIST, /torn the same but hangs up after 4 MB, /wrong something else."""

    def do_GET(self):
        kind, name = re.fullmatch(r"/(\w+)/(.*)\.gz", self.path).groups()
        content = gzip.compress(b"not MNIST") if kind == "wrong" else zipped(name)
        start = 0
        if "Range" in self.headers:
            start = int(re.match(r"bytes=(\d+)-", self.headers["Range"]).group(1))
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + 4_000_000] if kind == "torn" else content[start:])

    def log_message(self, *_):
        pass


class GetMnist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def run_script(self, *mirrors, mnist_dir=None, path=None, flags=("--only-mnist",)):
        environment = {k: v for k, v in os.environ.items() if k != "MNIST_DIR"}
        address = f"http://127.0.0.1:{self.server.server_port}"
        environment["LOCKSTEP_MNIST_MIRRORS"] = " ".join(m if ":" in m else f"{address}/{m}" for m in mirrors)
        if path is not None:
            environment["PATH"] = path
        if mnist_dir is not None:
            environment["MNIST_DIR"] = str(mnist_dir)
        return subprocess.run(
            [SCRIPT, *flags, self.directory / "data"],
            env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    def assert_complete(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.strip(), str((self.directory / "data" / "mnist").resolve()))
        self.assertEqual(sorted(f.name for f in (self.directory / "data" / "mnist").iterdir()),
                         sorted(name + ".gz" for name in NAMES))

    @unittest.skipUnless(MNIST_DIR, "needs MNIST_DIR")
    def test_takes_the_next_mirror_where_one_has_something_else(self):
        result = self.run_script("wrong", "good")
        self.assert_complete(result)
        self.assertIn("is not MNIST's file", result.stderr)

    @unittest.skipUnless(MNIST_DIR, "needs MNIST_DIR")
    def test_resumes_downloads_that_break_off(self):
        self.assert_complete(self.run_script("torn"))

    @unittest.skipUnless(MNIST_DIR, "needs MNIST_DIR")
    def test_goes_on_after_an_interruption_and_a_time_offline(self):
        mnist = self.directory / "data" / "mnist"
        address = f"http://127.0.0.1:{self.server.server_port}"
        checksum = subprocess.run(["cksum"], input=f"{address}/good\n".encode(), capture_output=True, check=True).stdout
        mnist.mkdir(parents=True)
        part = mnist / f"{NAMES[0]}.gz.{checksum.split()[0].decode()}.part"
        part.write_bytes(zipped(NAMES[0])[:1000])
        (self.directory / "bin").mkdir()
        curl = self.directory / "bin" / "curl"
        curl.write_text("#!/bin/sh\nexit 7\n")  # could not connect
        curl.chmod(0o755)
        offline = self.run_script("good", path=f"{self.directory / 'bin'}:{os.environ['PATH']}")
        self.assertEqual(offline.returncode, 1)
        self.assertEqual(part.stat().st_size, 1000)
        self.assert_complete(self.run_script("good"))

    @unittest.skipUnless(MNIST_DIR, "needs MNIST_DIR")
    def test_links_to_an_mnist_dir(self):
        result = self.run_script("http://127.0.0.1:9", mnist_dir=MNIST_DIR)
        self.assertEqual(result.returncode, 0, result.stderr)
        for file in (self.directory / "data" / "mnist").iterdir():
            self.assertTrue(file.is_symlink() and file.exists(), file)

    @unittest.skipUnless(MNIST_DIR, "needs MNIST_DIR")
    def test_an_mnist_dir_that_is_where_the_files_go_stays_as_it_is(self):
        mnist = self.directory / "data" / "mnist"
        mnist.mkdir(parents=True)
        for name in NAMES:
            (mnist / (name + ".gz")).write_bytes(zipped(name))
        linked = self.directory / "linked"
        linked.mkdir()
        for name in NAMES:
            (linked / (name + ".gz")).symlink_to(mnist / (name + ".gz"))
        for source in (mnist, linked):
            self.assert_complete(self.run_script("http://127.0.0.1:9", mnist_dir=source))
            self.assertFalse(any(file.is_symlink() for file in mnist.iterdir()))

    def test_says_what_to_do_offline(self):
        result = self.run_script("http://127.0.0.1:9")
        self.assertEqual(result.returncode, 1)
        self.assertIn("MNIST_DIR", result.stderr)
        self.assertFalse((self.directory / "data" / "mnist").exists())

    def test_takes_the_fashion_mnist_of_an_earlier_call_only_while_it_is_there(self):
        fashion, programs = self.directory / "data" / "fashion-mnist", self.directory / "programs"
        fashion.mkdir(parents=True)
        programs.mkdir()
        for program in ("apt-get", "sudo"):  # nothing may be installed
            (programs / program).write_text("#!/bin/sh\nexit 1\n")
            (programs / program).chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        for name in NAMES:
            (fashion / f"{name}.gz").write_bytes(b"")
        result = self.run_script("http://127.0.0.1:9", path=path, flags=())
        self.assertEqual((result.returncode, result.stdout.strip()), (0, str(fashion.resolve())), result.stderr)
        (fashion / f"{NAMES[2]}.gz").unlink()
        (fashion / f"{NAMES[2]}.gz").symlink_to("where-it-was")
        result = self.run_script("http://127.0.0.1:9", path=path, flags=())
        if result.returncode == 0:  # the package is installed here
            self.assertTrue((fashion / f"{NAMES[2]}.gz").exists())
        else:
            self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)

    def test_refuses_an_mnist_dir_with_other_content(self):
        for name in NAMES:
            (self.directory / name).write_bytes(b"not MNIST")
        result = self.run_script("http://127.0.0.1:9", mnist_dir=self.directory)
        self.assertEqual(result.returncode, 2)
        self.assertIn("SHA-256", result.stderr)

    def test_names_the_files_that_an_mnist_dir_lacks(self):
        result = self.run_script("http://127.0.0.1:9", mnist_dir=self.directory)
        self.assertEqual(result.returncode, 2)
        self.assertIn(NAMES[0], result.stderr)


if __name__ == "__main__":
    unittest.main()
