"""The activation functions that were used, and their derivatives."""

import plotly.graph_objects as go

from .drawing import Figure, Section, colour, empty_figure, escaped, rounded
from .groups import layer_activations

MOST_FUNCTIONS = 12


def activations_section(groups, program):
    """None without hidden layers."""
    texts = list(dict.fromkeys(text for group in groups for text in layer_activations(group)))
    if not texts:
        return None
    figures = []
    values, slopes = empty_figure("x", "f(x)"), empty_figure("x", "f'(x)")
    for number, (text, (x, f, slope)) in enumerate(zip(texts[:MOST_FUNCTIONS],
                                                       program.activation_curves(texts[:MOST_FUNCTIONS]))):
        for figure, y in ((values, f), (slopes, slope)):
            figure.add_trace(go.Scatter(
                x=rounded(x), y=rounded(y, 4), name=escaped(text), mode="lines", showlegend=True,
                line=dict(color=colour(number), width=2),
                hovertemplate=f"{escaped(text)}<br>%{{x:.3g}}: %{{y:.4g}}<extra></extra>"))
    for figure, low, high in ((values, -2.2, 4.2), (slopes, -0.6, 1.6)):
        ys = [y for trace in figure.data for y in trace.y if y is not None]
        figure.update_yaxes(range=[max(low, min(ys) - 0.1), min(high, max(ys) + 0.1)], zeroline=True)
        figure.update_xaxes(zeroline=True)
    figures = [Figure("activations", "Activations", values, wide=False),
               Figure("derivatives", "Their derivatives", slopes, "at a kink, of the left branch", wide=False)]
    section = Section("Activations", figures)
    if len(texts) > MOST_FUNCTIONS:
        section.notes.append(f"The first {MOST_FUNCTIONS} of {len(texts)}.")
    return section
