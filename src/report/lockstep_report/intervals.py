"""Means with confidence intervals, and paired comparisons: Student's t.

Whole degrees of freedom only, so the distribution is a finite sum and no further library is needed.
"""

import math
from dataclasses import dataclass

CONFIDENCE = 0.95


def student_t_probability(t, degrees):
    """P(T <= t) for a whole number of degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    theta = math.atan2(t, math.sqrt(degrees))
    cosine, sine = math.cos(theta), math.sin(theta)
    odd = degrees % 2 == 1
    term = cosine if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    two_sided = 2 / math.pi * (theta + sine * total) if odd else sine * total
    return 0.5 + two_sided / 2


def student_t_quantile(probability, degrees):
    """The t > 0 with student_t_probability(t, degrees) = probability, which is above one half."""
    low, high = 0.0, 1.0
    while student_t_probability(high, degrees) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if student_t_probability(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True)
class Spread:
    """Of some values: how many, mean, standard deviation (of a sample), confidence interval of the mean. NaN
    where there are too few values."""

    count: int
    mean: float = math.nan
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def half_width(self):
        return (self.high - self.low) / 2


def spread(values):
    """The Spread of those values that are finite numbers."""
    finite = [float(value) for value in values if math.isfinite(value)]
    count = len(finite)
    if count == 0:
        return Spread(0)
    mean = math.fsum(finite) / count
    if count == 1:
        return Spread(1, mean)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in finite) / (count - 1))
    half = student_t_quantile((1 + CONFIDENCE) / 2, count - 1) * sd / math.sqrt(count)
    return Spread(count, mean, sd, mean - half, mean + half)


def paired_p_value(differences):
    """Two-sided p of Student's paired t-test that the mean of the differences is zero; NaN for fewer than two."""
    interval = spread(differences)
    if interval.count < 2:
        return math.nan
    if interval.sd == 0:
        return 1.0 if interval.mean == 0 else 0.0
    t = abs(interval.mean) / (interval.sd / math.sqrt(interval.count))
    return 2 * (1 - student_t_probability(t, interval.count - 1))


def holm(p_values):
    """Adjusted for several tests at once (Holm 1979: the k-th smallest of n times n - k + 1, never falling, at
    most 1). NaN stays NaN and does not count."""
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted
