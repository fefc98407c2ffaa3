"""Which settings did best, and whether that could be chance."""

import math

import plotly.graph_objects as go

from .drawing import GREY, Figure, Section, Table, colours_of, empty_figure, escaped, rounded
from .groups import Metric, ranked
from .intervals import holm, paired_p_value

MOST_ROWS = 40
LEVEL = 0.05


def differences(best, other, column):
    """Of the values of equal seeds."""
    of_best, of_other = best.by_seed(column), other.by_seed(column)
    pairs = [(of_best[seed], of_other[seed]) for seed in of_best if seed in of_other]
    return [a - b for a, b in pairs if math.isfinite(a) and math.isfinite(b)]


def comparisons(order, metric):
    """Holm-adjusted p of each group against the first; NaN for the first itself and where there are no pairs."""
    return [math.nan] + holm([paired_p_value(differences(order[0], group, metric.column)) for group in order[1:]])


def significance_note(order, metric, p_values):
    """What may be said of the best one."""
    pairs = [len(differences(order[0], group, metric.column)) for group in order[1:]]
    if not order[1:] or max(pairs) < 2:
        return "One seed a setting: differences may be chance, and no interval can be given."
    test = (f"paired t-test over the seeds that both have ({min(pairs)} to {max(pairs)} pairs; Holm's correction for "
            f"{len(order) - 1} comparisons)") if min(pairs) < max(pairs) else (
            f"paired t-test over {max(pairs)} seeds; Holm's correction for {len(order) - 1} comparisons")
    close = [group.label for group, p in zip(order[1:], p_values[1:]) if not p < LEVEL]
    if not close:
        return f"{order[0].label} differs from every other setting at the 5 % level ({test})."
    names = ", ".join(close[:8]) + (f" and {len(close) - 8} more" if len(close) > 8 else "")
    return f"At the 5 % level, {order[0].label} is not told apart from: {names} ({test})."


def p_text(p):
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def ranking_figure(order, metric, hues):
    first = order[:MOST_ROWS]
    intervals = [group.final(metric.column) for group in first]
    figure = empty_figure(metric.title, "", height=90 + 26 * len(first), margin=dict(l=60, r=16, t=8, b=52))
    figure.add_trace(go.Scatter(
        x=rounded([interval.mean for interval in intervals]), y=[escaped(group.label) for group in first],
        mode="markers", marker=dict(size=10, color=[hues[group.label] for group in first]), showlegend=False,
        error_x=dict(array=rounded([0 if math.isnan(interval.half_width) else interval.half_width
                                    for interval in intervals]), thickness=1.5, width=5, color=GREY),
        text=[f"± {interval.half_width:.2g}, {interval.count} seeds" if interval.count > 1 else "one seed"
              for interval in intervals],
        hovertemplate="%{y}<br>%{x:.5g} %{text}<extra></extra>"))
    figure.update_yaxes(autorange="reversed", type="category", showgrid=True)
    ends = [end for interval in intervals for end in (interval.mean, interval.low, interval.high)
            if math.isfinite(end)]
    if metric.higher_is_better and (min(ends) < 0 or max(ends) > 1):  # an interval may be wider than the possible
        margin = 0.03 * (min(max(ends), 1) - max(min(ends), 0))
        figure.update_xaxes(range=[max(min(ends), 0) - margin, min(max(ends), 1) + margin])
    return Figure("ranking", f"Ranking by {metric.title}", figure,
                  "after the last epoch; lines: 95 % confidence interval of the mean over seeds"
                  + (f"; the first {MOST_ROWS} of {len(order)}" if len(order) > MOST_ROWS else ""))


def ranking_section(groups, metric):
    """None if no run has a value to rank by."""
    order = [group for group in ranked(groups, metric) if group.final(metric.column).count]
    if not order:
        return None
    p_values = comparisons(order, metric)
    other = {"val_accuracy": "test_accuracy", "test_accuracy": "test_loss", "val_loss": "test_loss"}.get(metric.column)
    rows = []
    for place, (group, p) in enumerate(zip(order, p_values), 1):
        interval = group.final(metric.column)
        cells = [str(place), group.label, metric.text(interval.mean),
                 "" if interval.count < 2 else f"± {interval.half_width:.2g}", str(interval.count), p_text(p)]
        if other:
            mean = group.final(other).mean
            cells.append("" if math.isnan(mean) else Metric(other).text(mean))
        cells.append(str(group.first.summary.get("parameter_count", "")))
        rows.append(cells)
    header = ["", "setting", metric.title, "95 %", "seeds", "p against 1"]
    header += ([other.replace("_", " ")] if other else []) + ["parameters"]
    hues = colours_of(order, may_repeat=True)
    section = Section("Ranking", [ranking_figure(order, metric, hues)] if len(order) > 1 else [])
    if len(order) > 1:
        section.notes.append(significance_note(order, metric, p_values))
    section.items.append(Table("", header, rows))
    return section
