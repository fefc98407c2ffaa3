"""How many runs there are, what became of them, and how that is said."""

import collections

from .records import FAILED, FINISHED


class Standing:
    """What became of some runs, as those of a setting."""

    def __init__(self, statuses):
        self.counts = collections.Counter(statuses)

    @property
    def total(self):
        return self.counts.total()

    @property
    def finished(self):
        return self.counts[FINISHED]

    @property
    def complete(self):
        return self.finished == self.total

    @property
    def missing(self):
        """"3 failed, 1 running"; nothing if all finished."""
        statuses = sorted(self.counts.keys() - {FINISHED}, key=lambda status: (status != FAILED, status))
        return ", ".join(f"{self.counts[status]} {status}" for status in statuses)

    @property
    def short(self):
        """"2 of 5; 3 failed"; nothing if all finished."""
        return "" if self.complete else f"{self.finished} of {self.total}; {self.missing}"

    @property
    def mark(self):
        """For a cell of a heat map: "2/5", or "failed" if all did; nothing if all finished."""
        if self.complete:
            return ""
        return "failed" if self.counts[FAILED] == self.total else f"{self.finished}/{self.total}"

    @property
    def count_text(self):
        """For the head of a report: "5 runs: 2 finished, 3 failed", or "5 runs" if all finished."""
        runs = "1 run" if self.total == 1 else f"{self.total} runs"
        return runs if self.complete else f"{runs}: {self.finished} finished, {self.missing}"
