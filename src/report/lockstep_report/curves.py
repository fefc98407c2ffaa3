"""Accuracy and loss over the epochs, and throughput."""

import math

import numpy as np
import plotly.graph_objects as go

from .drawing import (Figure, Section, add_band, colour, colours_of, empty_figure, escaped, hides_others, log_scale,
                      rounded)
from .groups import representatives, shortened
from .intervals import spread

MOST_LINES = 10
SPLITS = {"val_": "validation", "": "training", "test_": "test"}


def over_epochs(group, column):
    """(epochs, [Spread over the seeds]) where anything was evaluated."""
    values = {}
    for run in group.drawn:
        for epoch, value in zip(run.epochs["epoch"], run.epochs.get(column, [])):
            if math.isfinite(value):
                values.setdefault(int(epoch), []).append(value)
    epochs = sorted(values)
    return epochs, [spread(values[epoch]) for epoch in epochs]


def logarithmic_from(groups, columns):
    """The lowest value if one group's largest hides the curves of the others, so that the axis has to be logarithmic;
    else None."""
    values = [[interval.mean for column in columns for interval in over_epochs(group, column)[1]] for group in groups]
    if not hides_others(max(of_group) for of_group in values if of_group):
        return None
    return min(value for of_group in values for value in of_group if value > 0)


def add_curve(figure, group, column, split, style, hue, in_legend, lowest=0):
    """The means over a group's seeds as a line, with a band but for training rows; none if nothing was evaluated.
    `lowest`: where bands end."""
    epochs, intervals = over_epochs(group, column)
    if not epochs:
        return
    means = [interval.mean for interval in intervals]
    marker = dict(size=6) if len(epochs) < 3 else None
    figure.add_trace(go.Scatter(
        x=epochs, y=rounded(means), name=escaped(group.label_with_counts), legendgroup=group.label,
        showlegend=in_legend, mode="lines+markers" if marker else "lines", marker=marker,
        line=dict(color=hue, dash=style, width=2),
        text=[f"± {interval.half_width:.2g}, {interval.count} seeds" if interval.count > 1 else ""
              for interval in intervals],
        hovertemplate=f"{escaped(group.label)}<br>{split}, epoch %{{x}}: %{{y:.4g}} %{{text}}<extra></extra>"))
    if split != "training":
        add_band(figure, epochs, intervals, hue, group.label, lowest,
                 highest=1 if column.endswith("accuracy") else math.inf)


def line_styles(splits):
    """Split → how its lines are drawn: the first held-out one solid."""
    held_out = [prefix for prefix in splits if prefix]
    return {"": "dot"} | dict(zip(held_out, ("solid", "dash")))


def curve_figure(groups, what, splits, hues, name):
    """None if nothing was evaluated."""
    styles = line_styles(splits)
    figure = empty_figure("epoch", what)
    logarithmic = logarithmic_from(groups, [prefix + what for prefix in splits]) if what == "loss" else None
    for group in groups:
        for number, prefix in enumerate(splits):
            add_curve(figure, group, prefix + what, SPLITS[prefix], styles[prefix] if len(splits) > 1 else "solid",
                      hues[group.label], in_legend=number == 0, lowest=logarithmic or 0)
    if not figure.data:
        return None
    if logarithmic:
        log_scale(figure, "~g")
    elif what == "loss":
        figure.update_yaxes(rangemode="tozero")
    words = {"solid": "solid", "dot": "dotted", "dash": "dashed"}
    note = " · ".join(f"{words[styles[prefix]]}: {SPLITS[prefix]}" for prefix in splits) if len(splits) > 1 else ""
    if any(len(group.drawn) > 1 for group in groups):
        note += ("; " if note else "") + "bands: 95 % confidence interval of the mean over seeds"
    title = what.capitalize() + ": " + " and ".join(SPLITS[prefix] for prefix in splits)
    figure.update_xaxes(dtick=1 if max(run.last("epoch") for g in groups for run in g.drawn) <= 12 else None)
    return Figure(name, title, figure, note)


def evaluated(groups, column):
    """Whether any run has a value in this column."""
    return any(np.isfinite(run.epochs.get(column, np.array([]))).any() for group in groups for run in group.drawn)


def curves_section(drawn, not_drawn, metric):
    """`not_drawn`: groups of which no run has an epoch."""
    chosen = representatives(drawn, metric, MOST_LINES)
    hues = colours_of(chosen)
    section = Section("Learning curves")
    if len(chosen) < len(drawn):
        section.notes.append(f"{len(chosen)} of {len(drawn)} settings: for each activation that with the best "
                             f"{metric.title}.")
    if not_drawn:
        section.notes.append(f"Not one epoch finished: {shortened([group.label_with_counts for group in not_drawn])}.")
    for what in ("accuracy", "loss"):
        held_out = [prefix for prefix in ("val_", "test_") if evaluated(chosen, prefix + what)]
        if len(chosen) <= 2 or len(held_out) < 2:
            pictures = [held_out + [""]]
        else:
            pictures = [["val_", ""], ["test_"]]
        for splits in pictures:
            name = "-".join([what, *(SPLITS[prefix] for prefix in splits)])
            section.items.append(curve_figure(chosen, what, splits, hues, name))
    section.items = [item for item in section.items if item is not None]
    return section


def throughput_section(groups):
    """Rows a second while training, over the epochs of a run and its seeds."""
    entries = []  # (label, Spread of the speeds, ranks)
    for group in groups:
        speeds = [value for run in group.drawn for value in run.epochs.get("samples_per_second", [])]
        ranks = sorted({run.summary.get("ranks", 0) for run in group.drawn})
        entries.append((escaped(group.label), spread(speeds), "/".join(map(str, ranks))))
    entries = [entry for entry in entries if entry[1].count][:40]
    if not entries:
        return None
    figure = empty_figure("rows a second", "", height=90 + 24 * len(entries), margin=dict(l=60, r=16, t=8, b=52))
    figure.add_trace(go.Bar(
        x=rounded([speed.mean for _, speed, _ in entries]), y=[label for label, _, _ in entries], orientation="h",
        marker=dict(color=colour(0)), width=0.6,
        error_x=dict(array=rounded([0 if math.isnan(speed.sd) else speed.sd for _, speed, _ in entries]), thickness=1),
        text=[f"{ranks} rank(s), {speed.count} epochs" for _, speed, ranks in entries], textposition="none",
        hovertemplate="%{y}<br>%{x:.4g} rows/s, %{text}<extra></extra>"))
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(rangemode="tozero")
    return Section("Throughput", [Figure("throughput", "Rows a second", figure,
                                         "mean over epochs and seeds; lines: standard deviation")])
