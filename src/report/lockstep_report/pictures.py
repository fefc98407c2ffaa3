"""Figures as PNG or SVG files: headless Chromium draws them with the page's own plotly.js."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

import plotly.offline

from .errors import ReportError
from .files import write_atomically
from .page import figure_json

WIDTH = 760  # pixels; PNG files have twice as many
NAMES = ["chromium", "chromium-browser", "google-chrome", "chrome"]
SECONDS = 300

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><script>%s</script></head><body><script>
const figures = [%s], format = %s, width = %d;
(async () => {
  const images = [];
  for (const { data, layout } of figures) {
    const square = layout.meta && layout.meta.square;
    const height = square ? Math.round(width * square) : layout.height;
    const place = document.createElement("div");
    Object.assign(layout, { paper_bgcolor: "#ffffff", width, height });
    await Plotly.newPlot(place, data, layout);
    images.push(await Plotly.toImage(place, { format, width, height, scale: format === "png" ? 2 : 1 }));
  }
  document.body.innerHTML = "";
  document.body.dataset.images = JSON.stringify(images);
})();
</script></body></html>"""


def find_chromium():
    """Throws ReportError."""
    for name in NAMES:
        if shutil.which(name):
            return shutil.which(name)
    raise ReportError("--figures: expected chromium, which draws the files, found none; mend it by: apt-get install "
                      "chromium")


def image_urls(figures, kind):
    """A data: URL of each figure."""
    page = PAGE % (plotly.offline.get_plotlyjs().replace("</script", "<\\/script"),
                   ",".join(figure_json(figure) for figure in figures), json.dumps(kind), WIDTH)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "figures.html")
        path.write_text(page, encoding="utf-8")
        command = [find_chromium(), "--headless=new", "--disable-gpu", f"--user-data-dir={directory}/profile",
                   "--disable-dev-shm-usage", "--virtual-time-budget=600000", "--dump-dom", path.as_uri()]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
                                  check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReportError(f"--figures: {error}") from error
    found = re.search(r'data-images="([^"]*)"', done.stdout)
    if not found:
        lines = done.stderr.strip().splitlines() or ["nothing"]
        raise ReportError(f"--figures: expected images from {command[0]}, found: {lines[-1]}")
    return json.loads(html.unescape(found.group(1)))


def make_directory(path):
    """Throws ReportError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"--figures {path}: expected a directory that can be written, found: "
                          f"{error.strerror}") from error


def write_pictures(figures, directory, kind):
    """One file a figure, DIR/<name>.png or .svg, in a directory that is there. Throws ReportError."""
    urls = image_urls(figures, kind)
    for figure, url in zip(figures, urls):
        head, _, body = url.partition(",")
        content = base64.b64decode(body) if head.endswith(";base64") else urllib.parse.unquote(body).encode()
        write_atomically(Path(directory, f"{figure.name}.{kind}"), content)
