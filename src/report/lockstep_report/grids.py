"""How results depend on two settings (heat maps) or on a number (lines)."""

import math

import plotly.graph_objects as go

from .drawing import Figure, Section, add_band, colour, empty_figure, escaped, rounded
from .groups import Standing, label_part, layer_activations, numeric, setting_text, shortened
from .intervals import spread
from .records import FAILED

MOST_MAPS = 6
MOST_LINES = 10
# Scale of the heat maps, dark to light; the texts in cells are white below this share of the range, else black.
SCALE, DARK_BELOW = "Viridis", 0.6
MOST_WRITTEN = 12  # columns of a heat map with room for numbers in the cells


def is_pairs(groups):
    """Whether the groups are networks with two hidden layers whose activations vary one by one."""
    pairs = [layer_activations(group) for group in groups]
    return (len(groups) > 3 and all(len(pair) == 2 for pair in pairs)
            and all(len({pair[layer] for pair in pairs}) > 1 for layer in (0, 1))
            and any(pair[0] != pair[1] for pair in pairs))


def ordered(values):
    """Distinct values: numbers ascending, texts as they come."""
    distinct = list(dict.fromkeys(values))
    return sorted(distinct, key=numeric) if all(numeric(value) is not None for value in distinct) else distinct


class Cell:
    """What a place of a heat map or a point of a line stands for: the runs of one or more groups."""

    def __init__(self, groups, value):
        """`value`: of a run."""
        self.standing = Standing.of(run.status for group in groups for run in group.members)
        self.interval = spread(value(run) for group in groups for run in group.counted)

    @property
    def runs_text(self):
        return f"{self.standing.total} seeds" if self.standing.complete else (
            f"{self.standing.fraction} runs finished, {self.standing.missing}")

    @property
    def tooltip(self):
        if not self.interval.count:
            return self.runs_text
        half_width = f" ± {self.interval.half_width:.2g}" if self.interval.count > 1 else ""
        several = self.standing.total > 1 or not self.standing.complete
        return f"{self.interval.mean:.5g}{half_width}" + (f" ({self.runs_text})" if several else "")

    @property
    def mark(self):
        """2/5 where runs are missing, in words where all of them failed."""
        if self.standing.complete:
            return ""
        all_failed = self.standing.counts[FAILED] == self.standing.total
        return "failed" if all_failed else f"{self.standing.finished}/{self.standing.total}"


def cell_text(cell, metric):
    interval, lines = cell.interval, []
    if interval.count and metric.higher_is_better:
        lines = [f"{value:.4f}".removeprefix("0") for value in (interval.mean, interval.half_width)]
    elif interval.count:
        lines = [f"{interval.mean:.3g}", f"{interval.half_width:.1g}"]
    lines = lines[:1] + [f"±{half_width}" for half_width in lines[1:] if interval.count > 1]
    return "<br>".join(lines + [cell.mark] * bool(cell.mark))


def heat_map(cells, metric, x_title, y_title):
    """`cells`: (x, y) → Cell. Colours are of the means."""
    columns, rows = ordered([x for x, _ in cells]), ordered([y for _, y in cells])
    means = [cell.interval.mean for cell in cells.values() if cell.interval.count]
    low, high = min(means), max(means)
    most_lines = max(cell_text(cell, metric).count("<br>") + 1 for cell in cells.values())
    figure = empty_figure(x_title, y_title, height=120 + max(38, 15 * most_lines) * len(rows))
    figure.add_trace(go.Heatmap(
        x=[*map(escaped, columns)], y=[*map(escaped, rows)],
        z=[rounded([cells[x, y].interval.mean if (x, y) in cells else math.nan for x in columns]) for y in rows],
        text=[[cells[x, y].tooltip if (x, y) in cells else "no run" for x in columns] for y in rows],
        colorscale=SCALE if metric.higher_is_better else SCALE + "_r", xgap=2, ygap=2, hoverongaps=True,
        colorbar=dict(thickness=12, outlinewidth=0),
        hovertemplate=f"{x_title} %{{x}}, {y_title} %{{y}}<br>%{{text}}<extra></extra>"))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    for (x, y), cell in cells.items():
        text = cell_text(cell, metric) if len(columns) <= MOST_WRITTEN else "*" if cell.mark else ""
        if not text:
            continue
        place = (cell.interval.mean - low) / (high - low) if high > low else 1
        light = (place if metric.higher_is_better else 1 - place) > DARK_BELOW
        font = dict(size=10, color="#000000" if light else "#ffffff") if cell.interval.count else dict(size=10)
        # By number: plotly takes a text such as "2" for one.
        figure.add_annotation(x=columns.index(x), y=rows.index(y), text=text, showarrow=False, font=font)
    return figure


def heat_map_note(cells, metric):
    note = f"mean {metric.title} over seeds, ± half of its 95 % confidence interval"
    if any(cell.mark for cell in cells.values()):
        written = len({x for x, _ in cells}) <= MOST_WRITTEN
        note += ("; 2/5: only two of five runs finished, and the mean is theirs; 0/5: of runs as far as they came; "
                 "failed: all runs did" if written else "; *: runs are missing")
    return note


def maps_of(groups, place, others, metric, x_title, y_title, name, title):
    """One heat map for each value of the settings that are neither of the two."""
    parts = {}
    for group in groups:
        parts.setdefault(others(group), {}).setdefault(place(group), []).append(group)
    figures = []
    for number, (part, members) in enumerate(list(parts.items())[:MOST_MAPS]):
        cells = {at: Cell(here, lambda run: run.last(metric.column)) for at, here in members.items()}
        varies = len({x for x, _ in cells}) > 1 and len({y for _, y in cells}) > 1
        if varies and any(cell.interval.count for cell in cells.values()):
            figures.append(Figure(f"{name}-{number + 1}" if len(parts) > 1 else name,
                                  title + (f", {part}" if part else ""), heat_map(cells, metric, x_title, y_title),
                                  heat_map_note(cells, metric)))
    return figures


def rest_text(group, keys, groups):
    """The settings but some keys, those that vary between the groups."""
    varying = [key for key in group.settings
               if key not in keys and len({other.settings.get(key) for other in groups}) > 1]
    return " · ".join(f"{key} {group.settings[key]}" for key in varying)


def width_text(group):
    """What `hidden` says beside the depth; the width of the layers if they are equal."""
    hidden = set(group.first.config.get("hidden", []))
    return str(hidden.pop()) if len(hidden) == 1 else ""


def pair_maps(groups, metric):
    return maps_of(groups, lambda group: tuple(reversed(layer_activations(group))),
                   lambda group: rest_text(group, {"activation"}, groups), metric,
                   "second hidden layer", "first hidden layer", "pairs",
                   "Activation of the first by that of the second layer")


def depth_maps(groups, metric):
    """Activation by number of hidden layers: a map for each initializer, and for each width if there are several."""
    several_widths = len({width_text(group) for group in groups if group.first.depth}) > 1

    def others(group):
        if several_widths:
            return f"width {width_text(group)}"
        return rest_text(group, {"activation", "hidden", "init"}, groups)

    figures = []
    for number, (part, members) in enumerate(initializer_maps(groups), 1):
        figures += maps_of(members, lambda group: (str(group.first.depth), group.activation), others, metric,
                           "hidden layers", "activation", f"depth-{number}" if part else "depth",
                           "Activation by depth" + (f", {part}" if part else ""))
    return figures


def heat_maps(groups, names, metric):
    """Of pairs of activations, of activations by depth, or of the first two settings; none if only one varies."""
    if is_pairs(groups):
        return pair_maps(groups, metric)
    if "activation" in names and len({group.first.depth for group in groups}) > 1:
        return depth_maps(groups, metric)
    if len(names) < 2:
        return []
    first, second = names[:2]
    return maps_of(groups, lambda group: (group.settings[second], group.settings[first]),
                   lambda group: rest_text(group, {first, second}, groups), metric, second, first, "settings",
                   f"{first} by {second}".capitalize().replace("_", " "))


def hidden_initializer(group):
    return setting_text("init", group.first.config.get("init", [])[:-1])


def initializer_maps(groups):
    """[(title, groups)], one entry a map: one without a title if no activation occurs with several initializers. If all
    have one in common and some a second, their default, two maps: all with the common initializer; each activation with
    its own default. Else one map an initializer."""
    found = {}
    for group in groups:
        rest = tuple(text for key, text in group.settings.items() if key != "init")
        found.setdefault(rest, {})[hidden_initializer(group)] = group
    if max(map(len, found.values())) == 1:
        return [("", groups)]
    common = set.intersection(*(set(by_name) for by_name in found.values()))
    if len(common) != 1 or max(map(len, found.values())) > 2:
        names = sorted({name for by_name in found.values() for name in by_name})
        return [(f"initializer {name}", [g for g in groups if hidden_initializer(g) == name]) for name in names]
    [name] = common
    own = [next((group for other, group in by_name.items() if other != name), by_name[name])
           for by_name in found.values()]
    return [(f"initializer {name}", [group for group in groups if hidden_initializer(group) == name]),
            ("initializer by activation", own)]


def number_axis(groups, names):
    """(key, title) of the setting with the most distinct numbers, at least three; None if there
    is none. An activation's parameter counts: leaky_relu(0.1)."""
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
            rest = " · ".join(label_part(k, text) for k, text in group.settings.items() if k != key)
            lines.setdefault(rest, {}).setdefault(numeric(group.settings[key]), []).append(group)
            families[rest] = group.family
    return dict(list(lines.items())[:MOST_LINES]), families


def line_note(lines):
    """`lines`: name → number → Cell."""
    cells = [cell for line in lines.values() for cell in line.values()]
    note = "bands: 95 % confidence interval of the mean over seeds"
    if any(cell.interval.count and not cell.standing.complete for cell in cells):
        note += "; open points: runs are missing, and the mean is of the others"
    without = [" at ".join(filter(None, [rest, f"{x:g}"])) + f" ({cell.standing.short})"
               for rest, line in lines.items() for x, cell in sorted(line.items())
               if not cell.interval.count and not cell.standing.complete]
    return note + (f"; no value: {shortened(without)}" if without else "")


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


def settings_section(groups, names, metric):
    """Heat maps and lines; None if too few settings vary."""
    section = Section("What depends on what", heat_maps(groups, names, metric))
    axis = number_axis(groups, names)
    if axis:
        key, title = axis
        section.items.append(line_figure(groups, key, title, lambda run: run.last(metric.column), metric.title,
                                         "by-number"))
        if any(run.diagnostics for group in groups for run in group.runs):
            section.items.append(line_figure(groups, key, title, dead_units, "share of dead units", "dead-by-number"))
    return section if section.items else None
