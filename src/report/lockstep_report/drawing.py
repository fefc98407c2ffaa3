"""What all figures share: colours that show on light and dark pages, axes, images as mosaics."""

import math
import statistics
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go

PALETTE = ["#3b82c4", "#e0782f", "#2f9e5f", "#c94f6d", "#8b6fc9", "#b08a1e", "#1fa3a3", "#d266b8", "#7a8794", "#8aa52b"]
GREY = "#8a939c"
HEIGHT = 380  # pixels
HIDES = 100  # a loss so many times as large as the others' median


@dataclass
class Figure:
    """A picture: its name is unique in a report, and the name of its file. `figure`: plotly's."""

    name: str
    title: str
    figure: go.Figure
    note: str = ""
    wide: bool = True  # takes a whole row of the page


@dataclass
class Table:
    """Texts in rows; a cell is a text."""

    title: str
    header: list
    rows: list
    note: str = ""
    wraps: bool = False  # long texts take several lines


@dataclass
class Section:
    """A heading and what stands below it: figures and tables."""

    title: str
    items: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def colour(number):
    return PALETTE[number % len(PALETTE)]


def escaped(text):
    """As plotly has to get a text that is shown as it is: it takes what stands between < and > for a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def colours_of(groups, may_repeat=False):
    """Label → colour. An activation has the same colour everywhere, unless only other settings tell the groups
    apart."""
    families = {group.family for group in groups}
    by_family = len(families) == len(groups) or (may_repeat and len(families) > 1)
    return {group.label: colour(group.family if by_family else number) for number, group in enumerate(groups)}


def faint(hex_colour, opacity=0.18):
    red, green, blue = (int(hex_colour[i:i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def empty_figure(x_title="", y_title="", height=HEIGHT, **layout):
    """An empty plot; the page adds the colours of text and grid."""
    result = go.Figure()
    result.update_layout(template="none", height=height, margin=dict(l=60, r=16, t=16, b=52), hovermode="closest",
                         paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font=dict(size=13),
                         xaxis=dict(title=dict(text=x_title, font=dict(size=13)), automargin=True, zeroline=False),
                         yaxis=dict(title=dict(text=y_title, font=dict(size=13), standoff=12), automargin=True,
                                    zeroline=False))
    result.update_layout(**layout)
    return result


def rounded(values, digits=5):
    """As a list for plotly: rounded, so that pages stay small; None where a number is missing."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in np.asarray(values, float)]


def matrix(values, digits=4):
    return [rounded(row, digits) for row in values]


def add_band(figure, xs, intervals, hue, legend_group, lowest=0, highest=math.inf):
    """The confidence intervals, where there are any, as an area. They may be wider than what is possible: from
    `lowest` to `highest`."""
    known = [(x, interval) for x, interval in zip(xs, intervals) if interval.count > 1]
    if known:
        upper = [min(interval.high, highest) for _, interval in known]
        lower = [max(interval.low, lowest) for _, interval in known]
        figure.add_trace(go.Scatter(
            x=[x for x, _ in known] + [x for x, _ in reversed(known)], y=rounded(upper + lower[::-1]), mode="lines",
            fill="toself", fillcolor=faint(hue), line=dict(width=0), hoverinfo="skip", legendgroup=legend_group,
            showlegend=False))


def hides_others(values):
    """Whether the largest of some losses is so large that on a linear axis the others cannot be told apart."""
    *others, largest = sorted(value for value in values if math.isfinite(value)) or [0]
    return bool(others) and 0 < HIDES * statistics.median(others) < largest


def log_scale(figure, tickformat):
    """A logarithmic y axis: ticks at all digits, at 1, 2 and 5, or at powers of ten, by how much it spans."""
    values = [value for trace in figure.data for value in trace.y if value]
    decades = math.log10(max(values) / min(values)) if values else 0
    dtick = "D1" if decades < 0.7 else "D2" if decades < 2.5 else max(1, math.ceil(decades / 8))
    figure.update_yaxes(type="log", tickformat=tickformat, dtick=dtick)


def layer_colours(count):
    """From the first layer to the last, blue to orange, light enough for a dark page."""
    first, last = np.array([59, 130, 196]), np.array([224, 120, 47])
    return [f"rgb({','.join(str(int(c)) for c in first + (last - first) * i / max(count - 1, 1))})"
            for i in range(count)]


def mosaic(images, columns, gap=2):
    """(n, H, W) images side by side as one (rows·(H+gap), columns·(W+gap)) array with NaN between, and the
    centre of each image's upper edge, (x, y)."""
    count, height, width = images.shape
    rows = -(-count // columns)
    board = np.full((rows * (height + gap), columns * (width + gap)), np.nan)
    places = []
    for number, image in enumerate(images):
        top, left = number // columns * (height + gap) + gap, number % columns * (width + gap)
        board[top:top + height, left:left + width] = image
        places.append((left + (width - 1) / 2, top - 0.5))
    return board, places


def mosaic_figure(images, captions, columns, colour_scale, limits):
    """Images with a caption above each. `limits`: the values of the colour scale's ends."""
    gap = max(2, round(0.28 * images.shape[1]))
    board, places = mosaic(images, columns, gap)
    rows, width = board.shape
    result = empty_figure(height=round(700 * rows / width) + 20, margin=dict(l=4, r=4, t=4, b=4))
    result.add_trace(go.Heatmap(z=matrix(board, 3), colorscale=colour_scale, zmin=limits[0], zmax=limits[1],
                                showscale=False, hovertemplate="%{z}<extra></extra>", hoverongaps=False))
    result.update_xaxes(visible=False, constrain="domain")
    result.update_yaxes(visible=False, autorange="reversed", scaleanchor="x", constrain="domain")
    result.update_layout(meta=dict(square=rows / width, captions=gap / width))
    for (x, y), caption in zip(places, captions):
        result.add_annotation(x=x, y=y, text=caption, showarrow=False, yanchor="bottom", yshift=-3, font=dict(size=11))
    return result
