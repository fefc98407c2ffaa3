"""How results depend on two settings (heat maps) or on a number (lines)."""

import math

import plotly.graph_objects as go

from .drawing import Figure, Section, add_band, colour, empty_figure, escaped, rounded
from .groups import label_part, layer_activations, numeric, setting_text
from .intervals import spread

MOST_MAPS = 6
MOST_LINES = 10
# Scale of the heat maps, dark to light; the texts in cells are white below this share of the range, else black.
SCALE, DARK_BELOW = "Viridis", 0.6


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


def cell_text(interval, metric):
    if metric.higher_is_better:
        mean, half_width = (f"{value:.4f}".removeprefix("0") for value in (interval.mean, interval.half_width))
    else:
        mean, half_width = f"{interval.mean:.3g}", f"{interval.half_width:.1g}"
    return mean + (f"<br>±{half_width}" if interval.count > 1 else "")


def heat_map(cells, metric, x_title, y_title):
    """`cells`: (x, y) → values. Colours are of the means."""
    columns, rows = ordered([x for x, _ in cells]), ordered([y for _, y in cells])
    intervals = {place: spread(values) for place, values in cells.items()}
    means = [interval.mean for interval in intervals.values() if interval.count]
    low, high = min(means), max(means)
    empty = spread([])
    texts = [[f"± {intervals[x, y].half_width:.2g} ({intervals[x, y].count} seeds)"
              if intervals.get((x, y), empty).count > 1 else "" for x in columns] for y in rows]
    figure = empty_figure(x_title, y_title, height=120 + 38 * len(rows))
    figure.add_trace(go.Heatmap(
        x=[*map(escaped, columns)], y=[*map(escaped, rows)],
        z=[rounded([intervals.get((x, y), empty).mean for x in columns]) for y in rows], text=texts,
        colorscale=SCALE if metric.higher_is_better else SCALE + "_r", xgap=2, ygap=2, hoverongaps=False,
        colorbar=dict(thickness=12, outlinewidth=0),
        hovertemplate=f"{x_title} %{{x}}, {y_title} %{{y}}<br>%{{z:.5g}} %{{text}}<extra></extra>"))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    if len(columns) <= 12:
        for (x, y), interval in intervals.items():
            if not interval.count:
                continue
            place = (interval.mean - low) / (high - low) if high > low else 1
            light = (place if metric.higher_is_better else 1 - place) > DARK_BELOW
            # By number: plotly takes a text such as "2" for one.
            figure.add_annotation(x=columns.index(x), y=rows.index(y), text=cell_text(interval, metric),
                                  showarrow=False, font=dict(size=10, color="#000000" if light else "#ffffff"))
    return figure


def values_of(group, metric):
    return [run.last(metric.column) for run in group.runs]


def maps_of(groups, place, others, metric, x_title, y_title, name, title):
    """One heat map for each value of the settings that are neither of the two."""
    parts = {}
    for group in groups:
        cells = parts.setdefault(others(group), {})
        cells.setdefault(place(group), []).extend(values_of(group, metric))
    figures = []
    for number, (part, cells) in enumerate(list(parts.items())[:MOST_MAPS]):
        if len({x for x, _ in cells}) > 1 and len({y for _, y in cells}) > 1:
            figures.append(Figure(f"{name}-{number + 1}" if len(parts) > 1 else name,
                                  title + (f", {part}" if part else ""), heat_map(cells, metric, x_title, y_title),
                                  f"mean {metric.title} over seeds, ± half of its 95 % confidence interval"))
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


def line_figure(groups, key, title, value, y_title, name):
    """A value against a number, one line for each combination of the other settings, with intervals."""
    lines, families = {}, {}
    for group in groups:
        if numeric(group.settings[key]) is not None:
            rest = " · ".join(label_part(k, text) for k, text in group.settings.items() if k != key)
            lines.setdefault(rest, {}).setdefault(numeric(group.settings[key]), []).extend(map(value, group.runs))
            families[rest] = group.family
    lines = dict(list(lines.items())[:MOST_LINES])
    by_family = len({families[rest] for rest in lines}) == len(lines)
    figure = empty_figure(title, y_title)
    for number, (rest, line) in enumerate(lines.items()):
        hue = colour(families[rest] if by_family else number)
        xs = sorted(line)
        intervals = [spread(line[x]) for x in xs]
        figure.add_trace(go.Scatter(
            x=xs, y=rounded([interval.mean for interval in intervals]), name=escaped(rest), mode="lines+markers",
            line=dict(color=hue), legendgroup=rest, showlegend=len(lines) > 1,
            hovertemplate=f"{escaped(rest)}<br>{title} %{{x}}: %{{y:.4g}}<extra></extra>"))
        add_band(figure, xs, intervals, hue, rest, highest=math.inf if y_title.endswith("loss") else 1)
    points = sorted({x for line in lines.values() for x in line})
    if points[0] > 0 and points[-1] / points[0] >= 50:
        figure.update_xaxes(type="log")
    return Figure(name, f"{y_title.capitalize()} by {title}", figure,
                  "bands: 95 % confidence interval of the mean over seeds")


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
