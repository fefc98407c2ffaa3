"""A bar chart of a summarized run: samples per second of lockstep and its peers, row by row."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend comes first)

from report import contender_names, times, value  # noqa: E402
from summary import LOCKSTEP, is_peer  # noqa: E402

COLORS = ("#d1495b", "#30638e", "#5b8db8", "#9fc1dd", "#edae49", "#66a182")  # as many as contenders


def draw(result, paths):
    """Speeds relative to lockstep's, so that rows of different sizes share an axis."""
    rows = result["rows"]
    names = [LOCKSTEP, *contender_names(rows, is_peer)]
    height = 0.8 / len(names)
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.75 * len(rows)), layout="constrained")
    for bar, (name, color) in enumerate(zip(names, COLORS)):
        points = [(place, value(row, name, "median"), value(row, LOCKSTEP, "median"))
                  for place, row in enumerate(rows)]
        points = [(place, theirs, ours) for place, theirs, ours in points if theirs and ours]
        axes.barh([place + bar * height for place, _, _ in points], [theirs / ours for _, theirs, ours in points],
                  height, color=color, label=name)
        for place, theirs, _ in points:
            axes.text(0.005, place + bar * height, f"{theirs:,.0f}", va="center", fontsize=6)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(rows))],
                    [f"{row['case']}\n{times(row['ratio_to_best_peer'])} the best peer" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("speed relative to lockstep; numbers: samples per second")
    machine = result["machine"]
    axes.set_title(f"MNIST training on {machine['cores']} cores, {machine['cpu'].split(' (')[0]}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8)
    for path in paths:
        figure.savefig(path, dpi=150)
