"""The page of `lockstep report` in a browser: headless Chromium, driven by Selenium. Exit status 77 (skipped) where
either is missing."""

import json
import os
import pathlib
import shutil
import struct
import sys
import tempfile
import time
import unittest

from lockstep_cli import run_well, write_classification

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SKIPPED = 77
SECONDS = 60


def start_browser(width, height):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 f"--window-size={width},{height}", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(DRIVER), options=options)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.dir = pathlib.Path(directory.name)
        write_classification(cls.dir / "d.h5", shape=(8, 8))
        (cls.dir / "s.toml").write_text(
            f'[base]\ndata = "{cls.dir}/d.h5"\nepochs = 3\nbatch_size = 20\ndiagnostics = true\n'
            '[grid]\nactivation = ["relu", "formula(x*exp(x) if x < 0 else x if x > 1 else x)"]\n'
            'hidden = ["6", "6x3"]\nseed = [1, 2]\n')
        run_well("sweep", cls.dir / "s.toml", "--sweep-dir", cls.dir / "s", "--progress", "off")
        run_well("report", cls.dir / "s", "-o", cls.dir / "r.html")
        cls.browser = start_browser(1100, 900)
        cls.addClassCleanup(cls.browser.quit)

    def open(self, width=1100, **media):
        """Shows the page on a screen so wide, and waits until all is drawn."""
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]})
        self.browser.get((self.dir / "r.html").as_uri())
        end = time.monotonic() + SECONDS
        while not self.js("return document.documentElement.dataset.drawn"):
            self.assertLess(time.monotonic(), end, f"not drawn: {self.browser.get_log('browser')}")
            time.sleep(0.1)

    def js(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def test_draws_everything_without_errors_and_without_network(self):
        self.browser.get_log("performance")
        self.open()
        graphs = self.js("return [...document.querySelectorAll('.graph')]"
                         ".map(g => [g.id, g.querySelectorAll('svg').length])")
        self.assertGreater(len(graphs), 15)
        self.assertEqual([name for name, drawn in graphs if not drawn], [])
        self.assertEqual(self.browser.get_log("browser"), [])
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = {message["params"]["request"]["url"].split(":")[0] for message in messages
                if message["method"] == "Network.requestWillBeSent"}
        self.assertLessEqual(urls, {"file", "data", "blob"})

    def test_formulas_are_shown_as_they_are(self):
        self.open()
        for place in ("#accuracy-test-training .legendtext", "#ranking .ytick"):
            texts = self.js("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", place)
            self.assertTrue(any("if x<0 else x if x>1" in text for text in texts), texts)

    def test_legends_toggle_and_points_tell_their_values(self):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.by import By
        self.open()
        graph = self.browser.find_element(By.ID, "accuracy-test-training")
        self.js("arguments[0].scrollIntoView({block: 'center'})", graph)
        visible = "return arguments[0].data.filter(t => t.visible === undefined || t.visible === true).length"
        lines = self.js(visible, graph)
        graph.find_element(By.CSS_SELECTOR, ".legendtoggle").click()
        end = time.monotonic() + SECONDS  # a click waits for a second one
        while self.js(visible, graph) == lines:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        graph.find_element(By.CSS_SELECTOR, ".legendtoggle").click()
        while self.js(visible, graph) != lines:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        point = self.js("""const g = arguments[0], f = g._fullLayout, t = g.data[0], r = g.getBoundingClientRect();
            return [f._size.l + f.xaxis.d2p(t.x[1]), f._size.t + f.yaxis.d2p(t.y[1]), r.width / 2, r.height / 2];""",
                        graph)
        ActionChains(self.browser).move_to_element_with_offset(
            graph, round(point[0] - point[2]), round(point[1] - point[3])).perform()
        end = time.monotonic() + SECONDS
        while not graph.find_elements(By.CSS_SELECTOR, ".hoverlayer .hovertext"):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        self.assertIn("epoch 2", graph.find_element(By.CSS_SELECTOR, ".hoverlayer").text)

    def test_follows_the_colours_of_the_device(self):
        lightness = """const c = getComputedStyle(arguments[0]).%s.match(/[\\d.]+/g).map(Number);
            return (c[0] + c[1] + c[2]) / 765;"""
        for scheme, dark in (("dark", True), ("light", False)):
            self.open(prefers_color_scheme=scheme)
            body = self.js("return document.body")
            text = self.js("return document.querySelector('.graph .xtick text')")
            self.assertEqual(self.js(lightness % "backgroundColor", body) < 0.5, dark)
            self.assertEqual(self.js(lightness % "fill", text) > 0.5, dark)

    def test_fits_a_phone(self):
        self.open(width=390)
        self.assertEqual(self.js("return document.documentElement.scrollWidth"), 390)
        widest = self.js("return Math.max(...[...document.querySelectorAll('.graph .main-svg')]"
                         ".map(s => s.getBoundingClientRect().right))")
        self.assertLessEqual(widest, 390)
        covered = self.js("""return [...document.querySelectorAll('.graph')].filter(g => {
            const legend = g.querySelector('.legend');
            return legend && legend.getBoundingClientRect().top < g.getBoundingClientRect().top + 150;
            }).map(g => g.id)""")
        self.assertEqual(covered, [])  # legends stand below

    def test_prints_on_white(self):
        self.open(prefers_color_scheme="dark")
        pdf = self.browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
        self.assertGreater(len(pdf), 50_000)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        back = self.js("return getComputedStyle(document.documentElement).getPropertyValue('--back')")
        self.assertEqual(back.strip(), "#ffffff")

    def test_figures_as_files(self):
        for kind in ("png", "svg"):
            run_well("report", self.dir / "s", "-o", self.dir / "f.html", "--figures", self.dir / kind,
                     "--format", kind, timeout=120)
        pictures = sorted(path.stem for path in (self.dir / "png").iterdir())
        self.assertEqual(pictures, sorted(path.stem for path in (self.dir / "svg").iterdir()))
        self.assertIn("accuracy-test-training", pictures)
        content = (self.dir / "png/accuracy-test-training.png").read_bytes()
        self.assertEqual((content[:8], struct.unpack(">I", content[16:20])[0]), (b"\x89PNG\r\n\x1a\n", 2 * 760))
        self.assertIn("epoch", (self.dir / "svg/accuracy-test-training.svg").read_text())


if __name__ == "__main__":
    try:
        import selenium  # noqa: F401
    except ImportError:
        DRIVER = None
    if not CHROMIUM or not DRIVER:
        print("skipped: needs the Debian packages chromium, chromium-driver and python3-selenium")
        sys.exit(SKIPPED)
    unittest.main()
