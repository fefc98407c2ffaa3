"""How results depend on two settings (heat maps) or on a number (lines)."""

import math

import plotly.graph_objects as go

from .drawing import Figure, Section, colours_of, faint, graph, numbers
from .groups import layer_activations, numeric, shown
from .intervals import spread

MOST_MAPS = 6
MOST_LINES = 10
# Scale of the heat maps, dark to light; the texts in cells are white below this share of the range, else black.
SCALE, DARK_BELOW = "Viridis", 0.6


def depth(group):
    return group.first.depth



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


def cell_text(found, metric):
    if metric.higher_is_better:
        return f"{found.mean:.4f}".lstrip("0") + (f"<br>±{found.half_width:.4f}".replace("±0", "±") if found.count > 1
                                                  else "")
    return f"{found.mean:.3g}" + (f"<br>±{found.half_width:.1g}" if found.count > 1 else "")


def heat_map(cells, metric, x_title, y_title):
    """`cells`: (x, y) → values. Colours are of the means."""
    columns, rows = ordered([x for x, _ in cells]), ordered([y for _, y in cells])
    spreads = {place: spread(values) for place, values in cells.items()}
    means = [found.mean for found in spreads.values() if found.count]
    low, high = min(means), max(means)
    empty = spread([])
    texts = [[f"± {spreads[x, y].half_width:.2g} ({spreads[x, y].count} seeds)"
              if spreads.get((x, y), empty).count > 1 else "" for x in columns] for y in rows]
    figure = graph(x_title, y_title, height=120 + 38 * len(rows))
    figure.add_trace(go.Heatmap(
        x=columns, y=rows, z=[numbers([spreads.get((x, y), empty).mean for x in columns]) for y in rows], text=texts,
        colorscale=SCALE if metric.higher_is_better else SCALE + "_r", xgap=2, ygap=2, hoverongaps=False,
        colorbar=dict(thickness=12, outlinewidth=0),
        hovertemplate=f"{x_title} %{{x}}, {y_title} %{{y}}<br>%{{z:.5g}} %{{text}}<extra></extra>"))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    if len(columns) <= 12:
        for (x, y), found in spreads.items():
            if not found.count:
                continue
            place = (found.mean - low) / (high - low) if high > low else 1
            light = (place if metric.higher_is_better else 1 - place) > DARK_BELOW
            # By number: plotly takes a text such as "2" for one.
            figure.add_annotation(x=columns.index(x), y=rows.index(y), text=cell_text(found, metric), showarrow=False,
                                  font=dict(size=10, color="#000000" if light else "#ffffff"))
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
            figures.append(Figure(f"{name}-{number + 1}" if len(parts) > 1 else name, title + (f", {part}" if part else ""),
                                  heat_map(cells, metric, x_title, y_title),
                                  f"mean {metric.title} over seeds, with the half width of its 95 % confidence interval"))
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


def heat_maps(groups, names, metric):
    if is_pairs(groups):
        place = lambda group: tuple(reversed(layer_activations(group)))
        others = lambda group: rest_text(group, {"activation"}, groups)
        return maps_of(groups, place, others, metric, "second hidden layer", "first hidden layer", "pairs",
                       "Activation of the first by that of the second layer")
    if "activation" in names and len({depth(group) for group in groups}) > 1:
        widths = {width_text(group) for group in groups if depth(group)}
        place = lambda group: (str(depth(group)), group.activation)
        others = lambda group: f"width {width_text(group)}" if len(widths) > 1 else rest_text(
            group, {"activation", "hidden", "init"}, groups)
        return [figure for number, (part, members) in enumerate(initializer_maps(groups), 1)
                for figure in maps_of(members, place, others, metric, "hidden layers", "activation",
                                      f"depth-{number}" if part else "depth",
                                      "Activation by depth" + (f", {part}" if part else ""))]
    if len(names) >= 2:
        first, second = names[0], names[1]
        place = lambda group: (group.settings[second], group.settings[first])
        others = lambda group: rest_text(group, {first, second}, groups)
        return maps_of(groups, place, others, metric, second, first, "settings", f"{first} by {second}".capitalize().replace("_", " "))
    return []


def hidden_initializer(group):
    return shown("init", group.first.config.get("init", [])[:-1])


def initializer_maps(groups):
    """[(title, groups)]: where activations occur with more than one initializer at the same depth, the groups of
    that which all activations have, and, of each activation, those of the other one, or of its only one."""
    found = {}
    for group in groups:
        found.setdefault((group.activation, depth(group)), {})[hidden_initializer(group)] = group
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
    """(title, Group → number or None) of the setting with the most distinct numbers, at least three; None if there
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
    lines = {}
    for group in groups:
        if numeric(group.settings[key]) is not None:
            rest = " · ".join(v if k == "activation" else f"{k} {v}" for k, v in group.settings.items() if k != key)
            lines.setdefault(rest, {}).setdefault(numeric(group.settings[key]), []).extend(map(value, group.runs))
    points = sorted({x for line in lines.values() for x in line})
    figure = graph(title, y_title)
    from_colours = colours_of(groups)
    for number, (rest, line) in enumerate(list(lines.items())[:MOST_LINES]):
        hue = list(dict.fromkeys(from_colours.values()))[number % len(set(from_colours.values()))]
        xs = sorted(line)
        spreads = [spread(line[x]) for x in xs]
        figure.add_trace(go.Scatter(
            x=xs, y=numbers([found.mean for found in spreads]), name=rest, mode="lines+markers", line=dict(color=hue),
            showlegend=len(lines) > 1, hovertemplate=f"{rest}<br>{title} %{{x}}: %{{y:.4g}}<extra></extra>"))
        known = [(x, found) for x, found in zip(xs, spreads) if found.count > 1]
        if known:
            figure.add_trace(go.Scatter(
                x=[x for x, _ in known] + [x for x, _ in reversed(known)], mode="lines", line=dict(width=0),
                y=numbers([found.high for _, found in known] + [found.low for _, found in reversed(known)]),
                fill="toself", fillcolor=faint(hue), hoverinfo="skip", legendgroup=rest, showlegend=False))
    if points[0] > 0 and points[-1] / points[0] >= 50:
        figure.update_xaxes(type="log")
    return Figure(name, f"{y_title.capitalize()} by {title}", figure,
                  "bands: 95 % confidence interval of the mean over seeds")


def settings_section(groups, names, metric):
    """Heat maps and lines; None if too few settings vary."""
    section = Section("What depends on what")
    axis = number_axis(groups, names)
    if axis:
        key, title = axis
        section.items.append(line_figure(groups, key, title, lambda run: run.last(metric.column), metric.title,
                                         "by-number"))
        if any(run.diagnostics for group in groups for run in group.runs):
            section.items.append(line_figure(groups, key, title, dead_units, "share of dead units", "dead-by-number"))
    maps = heat_maps(groups, names, metric)
    section.items[:0] = maps
    return section if section.items else None

