"""How results depend on a number, as lines."""

import math

import plotly.graph_objects as go

from .cells import Cell
from .drawing import Figure, add_band, colour, empty_figure, escaped, rounded
from .groups import label_of, numeric, shortened

MOST_LINES = 10


def number_axis(groups, names):
    """(key, title) of the setting with the most distinct numbers, at least three; None if there is none. An
    activation's parameter counts: leaky_relu(0.1)."""
    found = []
    for key in names:
        by_family = [group.settings[key] for group in groups if numeric(group.settings[key]) is not None]
        families = {text.split("(")[0] for text in by_family if "(" in text}
        distinct = {numeric(text) for text in by_family}
        if key != "hidden" and len(distinct) >= 3 and len(families) <= 1:
            title = f"parameter of {families.pop()}" if families else key.replace("_", " ")
            found.append((len(distinct), key, title))
    if not found:
        return None
    _, key, title = max(found, key=lambda entry: entry[0])
    return key, title


def dead_units(run):
    """Mean share of dead units over the hidden layers after the last epoch."""
    if not run.diagnostics:
        return math.nan
    last = run.diagnostics[-1]["step"]
    shares = [row["dead_units"] for row in run.diagnostics if row["step"] == last and not math.isnan(row["dead_units"])]
    return sum(shares) / len(shares) if shares else math.nan


def lines_of(groups, key):
    """The other settings → number of the key → groups, and the other settings → family; of the first lines."""
    lines, families = {}, {}
    for group in groups:
        if numeric(group.settings[key]) is not None:
            rest = label_of((k, text) for k, text in group.settings.items() if k != key)
            lines.setdefault(rest, {}).setdefault(numeric(group.settings[key]), []).append(group)
            families[rest] = group.family
    return dict(list(lines.items())[:MOST_LINES]), families


def line_note(lines):
    """`lines`: name → number → Cell."""
    cells = [cell for line in lines.values() for cell in line.values()]
    notes = []
    if any(cell.interval.count > 1 for cell in cells):
        notes.append("bands: 95 % confidence interval of the mean over seeds")
    if any(cell.interval.count and not cell.standing.complete for cell in cells):
        notes.append("open points: runs are missing, and the mean is of the others")
    without = [" at ".join(filter(None, [rest, f"{x:g}"])) + f" ({cell.standing.short})"
               for rest, line in lines.items() for x, cell in sorted(line.items())
               if not cell.interval.count and not cell.standing.complete]
    if without:
        notes.append(f"no value: {shortened(without)}")
    return "; ".join(notes)


def line_figure(groups, key, title, value, y_title, name):
    """A value against a number, one line for each combination of the other settings, with intervals."""
    lines, families = lines_of(groups, key)
    lines = {rest: {x: Cell(here, value) for x, here in line.items()} for rest, line in lines.items()}
    by_family = len({families[rest] for rest in lines}) == len(lines)
    figure = empty_figure(title, y_title)
    for number, (rest, line) in enumerate(lines.items()):
        hue = colour(families[rest] if by_family else number)
        xs = sorted(line)
        figure.add_trace(go.Scatter(
            x=xs, y=rounded([line[x].interval.mean for x in xs]), name=escaped(rest), mode="lines+markers",
            line=dict(color=hue), legendgroup=rest, showlegend=len(lines) > 1, text=[line[x].tooltip for x in xs],
            marker=dict(size=7, symbol=["circle" if line[x].standing.complete else "circle-open" for x in xs]),
            hovertemplate=f"{escaped(rest)}<br>{title} %{{x}}: %{{text}}<extra></extra>"))
        add_band(figure, xs, [line[x].interval for x in xs], hue, rest,
                 highest=math.inf if y_title.endswith("loss") else 1)
    points = sorted({x for line in lines.values() for x in line})
    if points[0] > 0 and points[-1] / points[0] >= 50:
        figure.update_xaxes(type="log")
    return Figure(name, f"{y_title.capitalize()} by {title}", figure, line_note(lines))


def figures_by_number(groups, names, metric):
    """Of the metric, and of dead units where they are known; none without a number to draw them over."""
    axis = number_axis(groups, names)
    if not axis:
        return []
    key, title = axis
    figures = [line_figure(groups, key, title, lambda run: run.last(metric.column), metric.title, "by-number")]
    if any(run.diagnostics for group in groups for run in group.drawn):
        figures.append(line_figure(groups, key, title, dead_units, "share of dead units", "dead-by-number"))
    return figures
