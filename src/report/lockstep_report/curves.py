"""Accuracy and loss over the epochs, and throughput."""

import math

import numpy as np
import plotly.graph_objects as go

from .drawing import Figure, Section, add_band, colour, colours_of, graph, numbers, plain
from .groups import representatives
from .intervals import spread

MOST_LINES = 10
SPLITS = {"val_": "validation", "": "training", "test_": "test"}


def over_epochs(group, column):
    """(epochs, [Spread over the seeds]) where anything was evaluated."""
    values = {}
    for run in group.runs:
        for epoch, value in zip(run.epochs["epoch"], run.epochs.get(column, [])):
            if math.isfinite(value):
                values.setdefault(int(epoch), []).append(value)
    epochs = sorted(values)
    return epochs, [spread(values[epoch]) for epoch in epochs]


def add_curve(figure, group, column, split, style, hue, in_legend):
    epochs, spreads = over_epochs(group, column)
    if not epochs:
        return
    means = [found.mean for found in spreads]
    marker = dict(size=6) if len(epochs) < 3 else None
    figure.add_trace(go.Scatter(
        x=epochs, y=numbers(means), name=plain(group.label), legendgroup=group.label, showlegend=in_legend,
        mode="lines+markers" if marker else "lines", line=dict(color=hue, dash=style, width=2), marker=marker,
        text=[f"± {found.half_width:.2g}, {found.count} seeds" if found.count > 1 else "" for found in spreads],
        hovertemplate=f"{plain(group.label)}<br>{split}, epoch %{{x}}: %{{y:.4g}} %{{text}}<extra></extra>"))
    if split != "training":
        add_band(figure, epochs, spreads, hue, group.label, highest=1 if column.endswith("accuracy") else math.inf)


def line_styles(splits):
    """Split → how its lines are drawn: the first held-out one solid."""
    held_out = [prefix for prefix in splits if prefix]
    return {"": "dot"} | dict(zip(held_out, ("solid", "dash")))


def curve_figure(groups, what, splits, hues, name):
    """None if nothing was evaluated."""
    styles = line_styles(splits)
    figure = graph("epoch", what)
    for group in groups:
        for number, prefix in enumerate(splits):
            add_curve(figure, group, prefix + what, SPLITS[prefix], styles[prefix] if len(splits) > 1 else "solid",
                      hues[group.label], in_legend=number == 0)
    if not figure.data:
        return None
    if what == "loss":
        figure.update_yaxes(rangemode="tozero")
    words = {"solid": "solid", "dot": "dotted", "dash": "dashed"}
    note = " · ".join(f"{words[styles[prefix]]}: {SPLITS[prefix]}" for prefix in splits) if len(splits) > 1 else ""
    if any(len(group.runs) > 1 for group in groups):
        note += ("; " if note else "") + "bands: 95 % confidence interval of the mean over seeds"
    title = what.capitalize() + ": " + " and ".join(SPLITS[prefix] for prefix in splits)
    figure.update_xaxes(dtick=1 if max(run.last("epoch") for g in groups for run in g.runs) <= 12 else None)
    return Figure(name, title, figure, note)


def evaluated(groups, column):
    return any(np.isfinite(run.epochs.get(column, np.array([]))).any() for group in groups for run in group.runs)


def curves_section(groups, metric):
    shown = representatives(groups, metric, MOST_LINES)
    hues = colours_of(shown)
    section = Section("Learning curves")
    if len(shown) < len(groups):
        section.notes.append(f"{len(shown)} of {len(groups)} settings: for each activation that with the best "
                             f"{metric.title}.")
    for what in ("accuracy", "loss"):
        held_out = [prefix for prefix in ("val_", "test_") if evaluated(shown, prefix + what)]
        if len(shown) <= 2 or len(held_out) < 2:
            pictures = [held_out + [""]]
        else:
            pictures = [["val_", ""], ["test_"]]
        for splits in pictures:
            name = "-".join([what, *(SPLITS[prefix] for prefix in splits)])
            section.items.append(curve_figure(shown, what, splits, hues, name))
    section.items = [item for item in section.items if item is not None]
    return section


def throughput_section(groups):
    """Rows a second while training, over the epochs of a run and its seeds."""
    found = []
    for group in groups:
        speeds = [value for run in group.runs for value in run.epochs.get("samples_per_second", [])]
        ranks = sorted({run.summary.get("ranks", 0) for run in group.runs})
        found.append((group, spread(speeds), "/".join(str(count) for count in ranks)))
    found = [entry for entry in found if entry[1].count][:40]
    if not found:
        return None
    figure = graph("rows a second", "", height=90 + 24 * len(found), margin=dict(l=60, r=16, t=8, b=52))
    figure.add_trace(go.Bar(
        x=numbers([speed.mean for _, speed, _ in found]), y=[plain(group.label) for group, _, _ in found], orientation="h",
        marker=dict(color=colour(0)), width=0.6,
        error_x=dict(array=numbers([0 if math.isnan(speed.sd) else speed.sd for _, speed, _ in found]), thickness=1),
        text=[f"{ranks} rank(s), {speed.count} epochs" for _, speed, ranks in found], textposition="none",
        hovertemplate="%{y}<br>%{x:.4g} rows/s, %{text}<extra></extra>"))
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(rangemode="tozero")
    return Section("Throughput", [Figure("throughput", "Rows a second", figure,
                                         "mean over epochs and seeds; lines: standard deviation")])
