"""Which settings did best, and whether that could be chance."""

import math

import plotly.graph_objects as go

from .drawing import GREY, Figure, Section, Table, colours_of, empty_figure, escaped, hides_others, rounded
from .groups import Metric, label_of, ranked, setting, shortened
from .intervals import holm, paired_p_value
from .standing import Standing

MOST_ROWS = 40
LEVEL = 0.05


def differences(best, other, column):
    """Of the values of equal seeds."""
    of_best, of_other = best.by_seed(column), other.by_seed(column)
    pairs = [(of_best[seed], of_other[seed]) for seed in of_best if seed in of_other]
    return [a - b for a, b in pairs if math.isfinite(a) and math.isfinite(b)]


def comparisons(valued, metric):
    """Label → Holm-adjusted p against the best, NaN where there are too few pairs. Only of groups all of whose runs
    finished: where runs are missing, those that are left are no fair sample. `valued`: groups with a value, ranked."""
    complete = [group for group in valued if group.standing.complete]
    p_values = [paired_p_value(differences(complete[0], group, metric.column)) for group in complete[1:]]
    return dict(zip([group.label for group in complete[1:]], holm(p_values)))


def significance_note(order, metric, p_values):
    """What may be said of the best one."""
    best, compared = order[0], [group for group in order if group.label in p_values]
    if max(group.standing.total for group in order) < 2:
        return "One seed a setting: differences may be chance, and no interval can be given."
    if not compared:
        return "No settings are compared: that takes two with values, all of whose runs finished."
    pairs = [len(differences(best, group, metric.column)) for group in compared]
    if max(pairs) < 2:
        return f"No other setting has two seeds in common with {best.label}, so none are compared."
    holms = f"Holm's correction for {len(pairs)} comparison" + ("s" if len(pairs) > 1 else "")
    test = (f"paired t-test over the seeds that both have ({min(pairs)} to {max(pairs)} pairs); {holms}"
            if min(pairs) < max(pairs) else f"paired t-test over {max(pairs)} seeds; {holms}")
    every = "every other setting" + ("" if len(compared) == len(order) - 1 else " that can be compared")
    close = [group.label for group in compared if not p_values[group.label] < LEVEL]
    if not close:
        return f"{best.label} differs from {every} at the 5 % level ({test})."
    return f"At the 5 % level, {best.label} is not told apart from: {shortened(close)} ({test})."


def datasets_of(runs):
    """What tells the runs' datasets apart: their contents, or the files' paths where not all runs have ended."""
    digests = {run.summary.get("dataset", {}).get("sha256") for run in runs}
    return digests if None not in digests else {setting(run, "data") for run in runs}


def unequal_note(groups):
    """None if the runs were trained and tested on the same."""
    runs = [run for group in groups for run in group.members]
    unequal = ["data"] if len(datasets_of(runs)) > 1 else []
    unequal += [word for key, word in (("limit_train", "training rows"), ("limit_test", "test rows"),
                                       ("validation_split", "validation rows"), ("epochs", "epochs"))
                if len({setting(run, key) for run in runs}) > 1]
    if not unequal:
        return None
    words = " and ".join(filter(None, [", ".join(unequal[:-1]), unequal[-1]]))
    return f"Not like for like: these runs differ in {words}."


def incomplete_note(groups):
    """None if no runs are missing."""
    incomplete = [group for group in groups if not group.standing.complete]
    if not incomplete:
        return None
    note = (f"Incomplete: {shortened([group.label_with_counts for group in incomplete])}. These settings stand behind "
            "the complete ones and are not compared with the best. ")
    if any(group.standing.finished for group in incomplete):
        note += "Their means are over the finished runs, which may be the lucky ones. "
    if any(group.counted and not group.standing.finished for group in incomplete):
        note += "Where no run has finished, the mean is over those that have not failed, as far as they came."
    return note.strip()


def p_text(p):
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def ranking_figure(order, metric, hues):
    first = order[:MOST_ROWS]
    intervals = [group.final(metric.column) for group in first]
    figure = empty_figure(metric.title, "", height=90 + 26 * len(first), margin=dict(l=60, r=16, t=8, b=52))
    figure.add_trace(go.Scatter(
        x=rounded([interval.mean for interval in intervals]), y=[escaped(group.label_with_counts) for group in first],
        mode="markers", showlegend=False,
        marker=dict(size=10, color=[hues[group.label] for group in first],
                    symbol=["circle" if group.standing.complete else "circle-open" for group in first]),
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
    if not metric.higher_is_better and hides_others(interval.mean for interval in intervals):
        figure.update_xaxes(type="log", tickformat="~g")
    return Figure("ranking", f"Ranking by {metric.title}", figure,
                  "after the last epoch"
                  + ("; lines: 95 % confidence interval of the mean over seeds"
                     if any(interval.count > 1 for interval in intervals) else "")
                  + ("" if all(group.standing.complete for group in first) else "; open: runs are missing")
                  + (f"; the first {MOST_ROWS} of {len(order)}" if len(order) > MOST_ROWS else ""))


def ranking_row(place, group, p, metric, other):
    """`place`: None if the group has none."""
    interval = group.final(metric.column)
    cells = ["" if place is None else str(place), group.label, metric.text(interval.mean),
             "" if interval.count < 2 else f"± {interval.half_width:.2g}",
             group.standing.short or str(group.standing.total), p_text(p)]
    if other:
        mean = group.final(other).mean
        cells.append("" if math.isnan(mean) else Metric(other).text(mean))
    return [*cells, next((str(run.summary["parameter_count"]) for run in group.members
                          if "parameter_count" in run.summary), "")]


def rows_without_config(sweeps, columns):
    """Of the settings that have no config, as none of their trials began."""
    for sweep in sweeps:
        for cell, statuses in sweep.settings_without_config.items():
            yield ["", label_of(cell), "–", "", Standing(statuses).short] + [""] * (columns - 5)


def ranking_section(groups, metric, sweeps=()):
    """None if no run has a value to rank by."""
    order = ranked(groups, metric)
    valued = [group for group in order if group.final(metric.column).count]
    if not valued:
        return None
    p_values = comparisons(valued, metric)
    other = {"val_accuracy": "test_accuracy", "test_accuracy": "test_loss", "val_loss": "test_loss"}.get(metric.column)
    header = ["", "setting", metric.title, "95 %", "runs", "p against 1"]
    header += ([other.replace("_", " ")] if other else []) + ["parameters"]
    any_finished = any(group.standing.finished for group in valued)
    rows = []
    for place, group in enumerate(order, 1):
        has_rank = group.final(metric.column).count and (group.standing.finished or not any_finished)
        rows.append(ranking_row(place if has_rank else None, group, p_values.get(group.label, math.nan), metric, other))
    rows += rows_without_config(sweeps, len(header))
    section = Section("Ranking")
    if len(valued) > 1:
        section.items.append(ranking_figure(valued, metric, colours_of(order, may_repeat=True)))
    if len(order) > 1:
        section.notes.append(significance_note(order, metric, p_values))
    section.notes += filter(None, [unequal_note(order), incomplete_note(order)])
    section.items.append(Table("", header, rows))
    return section
