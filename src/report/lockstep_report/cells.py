"""Places in pictures of how results depend on settings."""

from .intervals import spread
from .standing import Standing


class Cell:
    """What a place of a heat map or a point of a line stands for: the runs of one or more groups."""

    def __init__(self, groups, value):
        """`value`: run → number."""
        self.standing = Standing(run.status for group in groups for run in group.members)
        self.interval = spread(value(run) for group in groups for run in group.counted)

    @property
    def tooltip(self):
        runs = self.standing.short or f"{self.standing.total} seeds"
        if not self.interval.count:
            return runs
        half_width = f" ± {self.interval.half_width:.2g}" if self.interval.count > 1 else ""
        several = self.standing.total > 1 or not self.standing.complete
        return f"{self.interval.mean:.5g}{half_width}" + (f" ({runs})" if several else "")
