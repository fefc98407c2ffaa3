"""The page: one HTML file that holds all it needs, plotly.js included."""

import base64
import gzip
from pathlib import Path

import jinja2
import markupsafe
import plotly.io
import plotly.offline

from .drawing import Figure

HERE = Path(__file__).parent


def plotly_script():
    """plotly.js, zipped, as text for the page: a quarter of its size."""
    return base64.b64encode(gzip.compress(plotly.offline.get_plotlyjs().encode(), 6, mtime=0)).decode()


def figure_json(figure):
    """For a script element: no text of a label can end it."""
    return plotly.io.to_json(figure.figure, validate=False).replace("<", "\\u003c")


def figures_of(sections):
    return [item for section in sections for item in section.items if isinstance(item, Figure)]


def make_page(title, subtitle, sections, notes, config_text):
    """The HTML text."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    for number, section in enumerate(sections):
        section.anchor = f"section-{number + 1}"
    return environment.get_template("page.html.j2").render(
        title=title, subtitle=subtitle, sections=sections, notes=notes, config_text=config_text,
        is_figure=lambda item: isinstance(item, Figure),
        figure_json=lambda figure: markupsafe.Markup(figure_json(figure)),
        style=markupsafe.Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=markupsafe.Markup((HERE / "page.js").read_text(encoding="utf-8")),
        plotly_script=plotly_script())
