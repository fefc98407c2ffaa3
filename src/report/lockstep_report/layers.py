"""What happens in each layer: gradients over time, dead and saturated units, outputs."""

import math

import numpy as np
import plotly.graph_objects as go

from .drawing import Figure, Section, colours_of, empty_figure, escaped, layer_colours, log_scale, rounded
from .groups import representatives
from .intervals import spread

HISTOGRAM_ROWS = 1000
BINS = 60
MOST_PROFILES = 10


def layer_names(run):
    return list(dict.fromkeys(row["layer"] for row in run.diagnostics))


def layer_number(name, names):
    return names.index(name) + 1


def profile(group, quantity, epoch_of):
    """Layer number → Spread over the seeds of a quantity, at each run's epoch_of(its epochs)."""
    values = {}
    for run in group.drawn:
        names = layer_names(run)
        epoch = epoch_of([row["epoch"] for row in run.diagnostics]) if run.diagnostics else None
        steps = {row["step"] for row in run.diagnostics if row["epoch"] == epoch}
        for row in run.diagnostics:
            if steps and row["step"] == max(steps) and math.isfinite(row[quantity]):
                values.setdefault(layer_number(row["layer"], names), []).append(row[quantity])
    return {layer: spread(of_layer) for layer, of_layer in sorted(values.items())}


def gradient_profile_figure(groups, when, epoch_of):
    """The gradient's norm from the first layer to the last: where it vanishes or explodes."""
    figure = empty_figure("layer, from the input", "gradient norm")
    hues = colours_of(groups)
    for group in groups:
        norms = {layer: interval.mean for layer, interval in profile(group, "gradient_norm", epoch_of).items()
                 if interval.mean > 0}
        if norms:
            figure.add_trace(go.Scatter(
                x=list(norms), y=rounded(list(norms.values())), name=escaped(group.label_with_counts),
                mode="lines+markers", line=dict(color=hues[group.label]), showlegend=True,
                hovertemplate=f"{escaped(group.label)}<br>layer %{{x}}: %{{y:.3g}}<extra></extra>"))
    log_scale(figure, "~g")
    figure.update_xaxes(dtick=1)
    return Figure(f"gradients-{when}-epoch", f"Gradient norm by layer, {when} epoch", figure,
                  "of the last step of the epoch, on a logarithmic scale; mean over seeds", wide=False)


OVER_TIME = [("gradient_norm", "gradient norm", "gradient-norm"), ("dead_units", "share of dead units", "dead"),
             ("saturated_units", "share of saturated units", "saturated")]


def over_time_figures(run, label, name):
    """One line a layer; shares that are zero throughout are left out."""
    names = layer_names(run)
    hues = layer_colours(len(names))
    figures = []
    for quantity, title, word in OVER_TIME:
        if not any(row[quantity] > 0 for row in run.diagnostics):
            continue
        figure = empty_figure("step", title, height=320)
        for layer, hue in zip(names, hues):
            rows = [row for row in run.diagnostics if row["layer"] == layer and math.isfinite(row[quantity])]
            if rows:
                figure.add_trace(go.Scatter(
                    x=[int(row["step"]) for row in rows], y=rounded([row[quantity] for row in rows]), name=layer,
                    mode="lines+markers" if len(rows) < 12 else "lines", line=dict(color=hue, width=2), showlegend=True,
                    hovertemplate=f"{layer}<br>step %{{x}}: %{{y:.3g}}<extra></extra>"))
        if quantity == "gradient_norm":
            log_scale(figure, "~g")
        else:
            figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
        figures.append(Figure(f"{word}-{name}", f"{title.capitalize()}: {label}", figure, wide=False))
    return figures


def diagnostics_section(groups, featured, metric):
    """None if no run was made with --diagnostics."""
    known = [group for group in groups if any(run.diagnostics for run in group.drawn)]
    if not known:
        return None
    section, none_of = Section("Layers while training"), {}
    section.notes.append("A dead unit has slope 0 for every row, a saturated one less than 5 % of its activation's "
                         "largest slope.")
    deepest = max(group.first.depth for group in known)
    chosen = representatives([group for group in known if group.first.depth == deepest], metric, MOST_PROFILES)
    if deepest >= 2:
        section.items.append(gradient_profile_figure(chosen, "first", min))
        section.items.append(gradient_profile_figure(chosen, "last", max))
    for number, (group, run) in enumerate(featured, 1):
        if run.diagnostics:
            section.items.extend(over_time_figures(run, group.label, number))
            for quantity, title, _ in OVER_TIME[1:]:
                if not any(row[quantity] > 0 for row in run.diagnostics):
                    none_of.setdefault(title.removeprefix("share of "), []).append(group.label)
    for what, labels in none_of.items():
        section.notes.append(f"No {what} at any time: {', '.join(labels)}.")
    return section


def histogram_figure(layers, label, name):
    """Of the outputs of each hidden layer, [(rows, width)]."""
    everything = np.concatenate([layer.ravel() for layer in layers])
    low, high = np.quantile(everything, [0.001, 0.999])
    if not low < high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    figure = empty_figure("output of a unit", "share", height=320)
    for number, (layer, hue) in enumerate(zip(layers, layer_colours(len(layers)))):
        counts, _ = np.histogram(np.clip(layer, low, high), bins=edges)
        shares = counts / layer.size
        figure.add_trace(go.Scatter(
            x=rounded(centres), y=rounded(np.where(shares > 0, shares, np.nan), 3), name=f"dense_{number}",
            mode="lines+markers", line=dict(color=hue, width=2, shape="hvh"), marker=dict(size=3), showlegend=True,
            hovertemplate=f"dense_{number}<br>about %{{x:.3g}}: %{{y:.2%}}<extra></extra>"))
    log_scale(figure, "~%")
    return Figure(f"histogram-{name}", f"Outputs of the hidden layers: {label}", figure,
                  f"over {len(layers[0])} test rows; the outermost bins hold what lies beyond", wide=False)


def histogram_section(featured, program, datasets):
    """None without hidden layers or data."""
    figures = []
    for number, (group, run) in enumerate(featured, 1):
        data = datasets.of(run)
        if run.depth and run.checkpoint and data:
            x, _ = data.rows("test" if data.has_test else "train", HISTOGRAM_ROWS)
            _, layers = program.predict(run.checkpoint, x, layers=True)
            figures.append(histogram_figure(layers, group.label, number))
    return Section("Outputs by layer", figures) if figures else None
