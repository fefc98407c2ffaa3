"""The activation functions that were used, and their derivatives."""

import plotly.graph_objects as go

from .drawing import Figure, Section, colour, graph, numbers, plain
from .groups import layer_activations

MOST_FUNCTIONS = 12


def activations_section(groups, program):
    """None without hidden layers."""
    texts = list(dict.fromkeys(text for group in groups for text in layer_activations(group)))
    if not texts:
        return None
    figures = []
    values, slopes = graph("x", "f(x)"), graph("x", "f'(x)")
    for number, (text, (x, f, slope)) in enumerate(zip(texts[:MOST_FUNCTIONS],
                                                       program.activation_curves(texts[:MOST_FUNCTIONS]))):
        for figure, y in ((values, f), (slopes, slope)):
            figure.add_trace(go.Scatter(
                x=numbers(x), y=numbers(y, 4), name=plain(text), mode="lines", line=dict(color=colour(number), width=2),
                showlegend=True, hovertemplate=f"{plain(text)}<br>%{{x:.3g}}: %{{y:.4g}}<extra></extra>"))
    for figure, low, high in ((values, -2.2, 4.2), (slopes, -0.6, 1.6)):
        shown = [y for trace in figure.data for y in trace.y if y is not None]
        figure.update_yaxes(range=[max(low, min(shown) - 0.1), min(high, max(shown) + 0.1)], zeroline=True)
        figure.update_xaxes(zeroline=True)
    figures = [Figure("activations", "Activations", values, wide=False),
               Figure("derivatives", "Their derivatives", slopes, "at a kink, of the left branch", wide=False)]
    section = Section("Activations", figures)
    if len(texts) > MOST_FUNCTIONS:
        section.notes.append(f"The first {MOST_FUNCTIONS} of {len(texts)}.")
    return section
