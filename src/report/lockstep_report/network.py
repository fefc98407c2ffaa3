"""What the best networks learned: mistakes, weights, regions of the plane."""

import numpy as np
import plotly.graph_objects as go

from .drawing import GREY, Figure, Section, Table, colour, empty_figure, escaped, matrix, mosaic_figure, rounded
from .groups import representatives

WORST = 24
WEIGHT_IMAGES = 40
REGION_STEPS = 120
REGION_POINTS = 200  # each takes about 250 bytes of an SVG
MOST_REGIONS = 8
MOST_SCATTERED = 2000
DIVERGING = [[0, "#b2402f"], [0.5, "#f7f7f7"], [1, "#2f66b2"]]


def confusion_figure(found, name):
    """From `evaluate --format json`."""
    counts = np.array(found["confusion_matrix"])
    names = [escaped(entry["name"]) for entry in found["classes"]]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.where(np.eye(len(names), dtype=bool), np.nan, shares)
    figure = empty_figure("predicted class", "true class", height=max(300, 130 + 34 * len(names)))
    figure.add_trace(go.Heatmap(
        x=names, y=names, z=matrix(wrong), text=counts.tolist(), colorscale=[[0, "rgba(224,120,47,0)"], [1, "#e0782f"]],
        showscale=False, xgap=1, ygap=1, hoverongaps=False,
        hovertemplate="true %{y}, predicted %{x}: %{text} rows (%{z:.2%})<extra></extra>"))
    if len(names) <= 20:
        for i in range(len(names)):
            for j in range(len(names)):
                if counts[i, j]:
                    text = f"<b>{counts[i, j]}</b>" if i == j else str(counts[i, j])
                    figure.add_annotation(x=j, y=i, text=text, showarrow=False, font=dict(size=11))
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    return Figure(name, "Confusion matrix", figure, "rows of the test split; the colour is the share of a class "
                  "that is taken for another", wide=len(names) > 4)


def worst_rows(probabilities, truth, count):
    """(row, predicted class, its probability) of the wrong rows whose own class seemed least probable."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    order = wrong[np.argsort(probabilities[wrong, truth[wrong]], kind="stable")][:count]
    return [(int(row), int(predicted[row]), float(probabilities[row, predicted[row]])) for row in order]


def both_classes(probabilities):
    """(N, K) for one output too."""
    return np.hstack([1 - probabilities, probabilities]) if probabilities.shape[1] == 1 else probabilities


def mistakes_section(run, label, data, program, suffix=""):
    """Confusion matrix and most-wrong rows, or predictions against targets; None without a test split. `suffix`: of
    the figures' names."""
    if not data or not data.has_test or not run.checkpoint:
        return None
    limit = run.config.get("limit_test", "all")
    x, y = data.rows("test", None if limit == "all" else limit)
    if data.task == "regression":
        predictions, _ = program.predict(run.checkpoint, x)
        return Section(f"Predictions: {label}",
                       [regression_figure(predictions, y.reshape(len(y), -1), "predictions" + suffix)])
    found = program.evaluate(run.checkpoint, data.path, limit)
    too_many_classes = found["confusion_matrix"] is None
    section = Section(f"Mistakes: {label}", [] if too_many_classes else [confusion_figure(found, "confusion" + suffix)])
    section.notes.append("The run's best checkpoint; the ranking is by the last epoch.")
    probabilities = both_classes(program.predict(run.checkpoint, x)[0])
    worst = worst_rows(probabilities, y.astype(int), WORST)
    if data.image_shape and worst:
        images = np.array([x[row].reshape(data.image_shape) for row, _, _ in worst], float)
        captions = [escaped(f"{data.class_name(int(y[row]))}→{data.class_name(predicted)}")
                    for row, predicted, _ in worst]
        figure = mosaic_figure(images, captions, 6, "gray", (images.min(), images.max()))
        section.items.append(Figure("most-wrong" + suffix, "Most wrong images", figure,
                                    "true → predicted class; the rows whose true class seemed least probable"))
    elif worst:
        section.items.append(Table("Most wrong rows", ["row", "true", "predicted", "probability"], [
            [str(row), data.class_name(int(y[row])), data.class_name(predicted), f"{probability:.4f}"]
            for row, predicted, probability in worst[:10]]))
    return section


def regression_figure(predictions, targets, name):
    figure = empty_figure("target", "prediction")
    for column in range(targets.shape[1]):
        figure.add_trace(go.Scatter(
            x=rounded(targets[:MOST_SCATTERED, column]), y=rounded(predictions[:MOST_SCATTERED, column]),
            mode="markers", name=f"value {column}", marker=dict(size=5, color=colour(column), opacity=0.6),
            showlegend=targets.shape[1] > 1, hovertemplate="target %{x:.4g}, predicted %{y:.4g}<extra></extra>"))
    ends = [float(targets.min()), float(targets.max())]
    figure.add_trace(go.Scatter(x=ends, y=ends, mode="lines", line=dict(color=GREY, dash="dot"), hoverinfo="skip",
                                showlegend=False))
    error = float(np.sqrt(np.mean((predictions - targets) ** 2)))
    return Figure(name, "Predictions against targets", figure,
                  f"test rows; root mean square error {error:.4g}; dotted: equal")


def weights_figure(run, label, data, name):
    """The weights of units of the first layer as images: of all, or of those with the largest norm."""
    kernel, is_output = run.first_kernel()
    height, width = data.image_shape
    if kernel.shape[0] != height * width:
        return None
    units = np.arange(kernel.shape[1])
    if len(units) > WEIGHT_IMAGES:
        units = np.argsort(-np.linalg.norm(kernel, axis=0), kind="stable")[:WEIGHT_IMAGES]
    images = kernel.T[units].reshape(len(units), height, width)
    limit = float(np.quantile(np.abs(images), 0.999)) or 1.0
    captions = [escaped(data.class_name(int(unit))) if is_output else str(unit) for unit in units]
    figure = mosaic_figure(images, captions, 5 if len(units) <= 10 else 8, DIVERGING, (-limit, limit))
    note = f"blue: positive, red: negative, up to ±{limit:.2g}" + (
        "" if len(units) == kernel.shape[1] else f"; the {len(units)} of {kernel.shape[1]} units with the largest norm")
    title = "Weights to each class" if is_output else "Weights of the first layer"
    return Figure(f"weights-{name}", f"{title}: {label}", figure, note, wide=False)


def weights_section(featured, datasets):
    figures = []
    for number, (group, run) in enumerate(featured, 1):
        data = datasets.of(run)
        if data and data.image_shape and run.checkpoint:
            figures.append(weights_figure(run, group.label, data, number))
    figures = [figure for figure in figures if figure]
    return Section("Weights as images", figures) if figures else None


def region_figure(run, label, data, program, name):
    """What the network says of each point of the plane, and some of the points it was trained with."""
    x, y = data.rows("train", REGION_POINTS)
    margin = 0.1 * (x.max(axis=0) - x.min(axis=0))
    ends = np.array([x.min(axis=0) - margin, x.max(axis=0) + margin])
    axes = [np.linspace(ends[0, i], ends[1, i], REGION_STEPS) for i in (0, 1)]
    plane = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2).astype(x.dtype)
    probabilities = both_classes(program.predict(run.checkpoint, plane)[0])
    classes = probabilities.shape[1]
    levels = probabilities[:, 1] if classes == 2 else probabilities.argmax(axis=1)
    steps = [[k / max(classes - 1, 1), colour(k)] for k in range(classes)]
    scale = [[0, colour(0)], [0.5, "#f4f4f4"], [1, colour(1)]] if classes == 2 else steps
    figure = empty_figure("x₁", "x₂", height=340)
    figure.add_trace(go.Heatmap(
        x=rounded(axes[0], 4), y=rounded(axes[1], 4), z=matrix(levels.reshape(REGION_STEPS, REGION_STEPS), 3),
        colorscale=scale, zmin=0, zmax=classes - 1, opacity=0.6, showscale=False,
        hovertemplate="(%{x:.3g}, %{y:.3g}): %{z}<extra></extra>"))
    for k in range(classes):
        mine, name_of_class = x[y.astype(int) == k], escaped(data.class_name(k))
        figure.add_trace(go.Scatter(
            x=rounded(mine[:, 0], 4), y=rounded(mine[:, 1], 4), mode="markers", name=name_of_class, showlegend=True,
            marker=dict(size=5, color=colour(k), line=dict(width=0.8, color="#ffffff")),
            hovertemplate=f"{name_of_class} (%{{x:.3g}}, %{{y:.3g}})<extra></extra>"))
    figure.update_xaxes(showgrid=False, range=ends[:, 0].tolist())
    figure.update_yaxes(showgrid=False, range=ends[:, 1].tolist())
    return Figure(f"region-{name}", f"Decision region: {label}", figure, wide=False)


def region_section(groups, metric, program, datasets):
    """For classes in the plane."""
    figures = []
    for number, group in enumerate(representatives(groups, metric, MOST_REGIONS), 1):
        run = group.best_run(metric)
        data = datasets.of(run)
        if data and data.shape == (2,) and data.task != "regression" and run.checkpoint:
            figures.append(region_figure(run, group.label, data, program, number))
    return Section("Decision regions", figures) if figures else None
