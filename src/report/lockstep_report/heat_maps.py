"""How results depend on two settings, as heat maps."""

import math

import plotly.graph_objects as go

from .cells import Cell
from .drawing import Figure, empty_figure, escaped, rounded
from .groups import layer_activations, numeric, setting_text

MOST_MAPS = 6
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


def number_text(value, metric, digits):
    return f"{value:.4f}".removeprefix("0") if metric.higher_is_better else f"{value:.{digits}g}"


def cell_text(cell, metric):
    """What is written into a cell: mean, half of the interval and mark, each where there is one."""
    lines = []
    if cell.interval.count:
        lines.append(number_text(cell.interval.mean, metric, digits=3))
    if cell.interval.count > 1:
        lines.append("±" + number_text(cell.interval.half_width, metric, digits=1))
    if cell.standing.mark:
        lines.append(cell.standing.mark)
    return "<br>".join(lines)


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
        colorscale=SCALE if metric.higher_is_better else SCALE + "_r", xgap=2, ygap=2,
        colorbar=dict(thickness=12, outlinewidth=0),
        hovertemplate=f"{x_title} %{{x}}, {y_title} %{{y}}<br>%{{text}}<extra></extra>"))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    for (x, y), cell in cells.items():
        text = cell_text(cell, metric) if len(columns) <= MOST_WRITTEN else "*" if cell.standing.mark else ""
        if not text:
            continue
        place = (cell.interval.mean - low) / (high - low) if high > low else 1
        light = (place if metric.higher_is_better else 1 - place) > DARK_BELOW
        font = dict(size=10, color="#000000" if light else "#ffffff") if cell.interval.count else dict(size=10)
        # By number: plotly takes a text such as "2" for one.
        figure.add_annotation(x=columns.index(x), y=rows.index(y), text=text, showarrow=False, font=font)
    return figure


def heat_map_note(cells, metric):
    note = metric.title
    if any(cell.interval.count > 1 for cell in cells.values()):
        note = f"mean {metric.title} over seeds, ± half of its 95 % confidence interval"
    if any(cell.standing.mark for cell in cells.values()):
        written = len({x for x, _ in cells}) <= MOST_WRITTEN
        note += ("; n/m: n of m runs finished, the mean is over these (0/m: over those not failed, as far as they "
                 "came); failed: all failed" if written else "; *: runs are missing")
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
