"""Runs that differ in nothing but the seed, and what tells groups of them apart."""

import collections
import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path

from .intervals import spread
from .records import FAILED, FINISHED, NO_DIFFERENCE
from .standing import Standing

# In this order a key is kept to name a group; one that follows from those before it is left out.
NAMING_ORDER = ["activation", "hidden", "optimizer", "learning_rate", "data"]
NAMED_LAST = ["init", "constraint", "dropout"]


def setting_text(key, value):
    """A config value as people write it: a list of equal entries as one of them, widths as 512x6."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, list):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    if key == "hidden" and not value:
        return "none"
    texts = [setting_text("", entry) for entry in value]
    if texts and len(set(texts)) == 1:
        return f"{texts[0]}x{len(texts)}" if key == "hidden" and len(texts) > 1 else texts[0]
    if key == "init":  # one a layer: long lists of few names
        return ",".join(name + (f" x{count}" if count > 1 else "") for name, count in
                        ((name, len(list(same))) for name, same in itertools.groupby(texts)))
    return ",".join(texts)


def setting(run, key):
    """What a run's config says of a key; keys that were never set are not in it."""
    return setting_text(key, run.config[key]) if key in run.config else "default"


def naming_place(key):
    """By what the keys in a name are sorted."""
    if key in NAMING_ORDER:
        return NAMING_ORDER.index(key), key
    return (100 if key in NAMED_LAST else 50), key


def differing_keys(runs):
    """Config keys with more than one value, those that name best first."""
    keys = {key for run in runs for key in run.config} - NO_DIFFERENCE
    values = {key: {setting(run, key) for run in runs} for key in keys}
    return sorted((key for key in keys if len(values[key]) > 1), key=naming_place)


def naming_keys(runs, differing):
    """Those of the differing keys that are needed to tell all groups apart."""
    kept = []
    for key in differing:
        seen = {}
        follows = all(seen.setdefault(tuple(setting(run, k) for k in kept),
                                      setting(run, key)) == setting(run, key)
                      for run in runs)
        if not follows:
            kept.append(key)
    return kept


@dataclass
class Group:
    """Runs that differ in nothing but the seed. Means are over those that finished; a group of which none did is
    shown as far as its runs have come, but what failed never counts."""

    label: str
    settings: dict  # naming key → text, as the label has it
    members: list  # all runs, also those that failed or are not done
    family: int = 0  # the number of its activation among those of all groups: its colour

    @property
    def drawn(self):
        """The runs whose epochs are shown."""
        finished = [run for run in self.members if run.status == FINISHED]
        return finished or [run for run in self.members if run.has_epochs]

    @property
    def counted(self):
        """Those of the drawn runs whose last values count."""
        return [run for run in self.drawn if run.status != FAILED]

    @property
    def standing(self):
        return Standing(run.status for run in self.members)

    @property
    def label_with_counts(self):
        """The label, and if runs are missing how many."""
        return self.label + (f" ({self.standing.short})" if self.standing.short else "")

    @property
    def first(self):
        return self.members[0]

    @property
    def activation(self):
        return setting_text("activation", self.first.config.get("activation", [])) or "none"

    def final(self, column):
        """The Spread of a column of metrics.csv after the last epochs."""
        return spread(run.last(column) for run in self.counted)

    def by_seed(self, column):
        """seed → value after the last epoch."""
        return {run.config.get("seed", 0): run.last(column) for run in self.counted}

    def best_run(self, metric):
        sign = -1 if metric.higher_is_better else 1
        return min(self.counted or self.drawn,
                   key=lambda run: (math.isnan(run.last(metric.column)), sign * run.last(metric.column)))


def label_part(key, value):
    """A setting in the name of a group."""
    return value if key in ("activation", "hidden", "data") else f"{key} {value}"


def label_of(settings):
    """Of (key, text)."""
    return " · ".join(label_part(key, text) for key, text in settings)


def title_of(run):
    """What a setting is called that is the only one: as its run directory, but those of trials are named by digests."""
    if run.sweep is None:
        return run.path.resolve().name
    return label_of(run.cell) or run.sweep.resolve().name


def shortened(labels, most=8):
    """A list as text, of many labels the first."""
    return ", ".join(labels[:most]) + (f" and {len(labels) - most} more" if len(labels) > most else "")


def data_names(paths):
    """Path → what groups call the dataset: its file's name without the ending, or the whole path if another has that
    name."""
    count = collections.Counter(Path(path).stem for path in set(paths))
    return {path: Path(path).stem if count[Path(path).stem] == 1 else path for path in paths}


def keys_of_waiting(runs, sweeps):
    """Axes that tell settings from those that have no config yet."""
    keys = set()
    for sweep in sweeps:
        if sweep.settings_without_config:
            cells = [*sweep.settings_without_config, *(run.cell for run in runs if run.sweep == sweep.path)]
            axes = [axis for axis, _ in cells[0]]
            keys |= {axis for axis in axes if len({dict(cell)[axis] for cell in cells}) > 1}
    return {key for key in keys if all(key in run.config for run in runs)}


def make_groups(runs, sweeps=()):
    """(groups in the order of their first runs, naming keys, differing keys)."""
    differing = differing_keys(runs)
    names = naming_keys(runs, differing)
    members = {}
    for run in runs:
        members.setdefault(tuple(setting(run, key) for key in names), []).append(run)
    also_named = keys_of_waiting(runs, sweeps)
    names_of_data = data_names([setting(run, "data") for run in runs])
    groups = []
    for values, group_runs in members.items():
        settings = dict(zip(names, values))
        if "data" in settings:
            settings["data"] = names_of_data[settings["data"]]
        shown = {key: setting(group_runs[0], key) for key in also_named} | settings
        label = label_of((key, shown[key]) for key in sorted(shown, key=naming_place))
        groups.append(Group(label or title_of(group_runs[0]), settings, group_runs))
    families = {name: number for number, name in enumerate(dict.fromkeys(group.activation for group in groups))}
    for group in groups:
        group.family = families[group.activation]
    return groups, names, differing


@dataclass(frozen=True)
class Metric:
    """A column of metrics.csv that groups are ranked by."""

    column: str

    @property
    def higher_is_better(self):
        return self.column.endswith("accuracy")

    @property
    def title(self):
        split, _, what = self.column.rpartition("_")
        return {"val": "validation ", "test": "test ", "": "training "}[split] + what

    def text(self, value):
        return "–" if math.isnan(value) else f"{value:.4f}" if self.higher_is_better else f"{value:.4g}"


def choose_metric(runs):
    """As sweeps do: validation before test, accuracy before loss; what all runs have that finished."""
    runs = [run for run in runs if run.status == FINISHED] or [run for run in runs if run.has_epochs]
    for column in ("val_accuracy", "test_accuracy", "val_loss", "test_loss", "accuracy", "loss"):
        if all(math.isfinite(run.last(column)) for run in runs):
            return Metric(column)
    return Metric("loss")


def layer_activations(group):
    """One name a hidden layer."""
    found = group.first.config.get("activation", [])
    return found * group.first.depth if len(found) == 1 else found[:group.first.depth]


def ranked(groups, metric):
    """The best first; behind the complete ones those of which runs are missing, whose means may be those of the lucky
    ones, then those none of whose runs finished, and last those without a value."""
    sign = -1 if metric.higher_is_better else 1
    def place(group):
        mean, standing = group.final(metric.column).mean, group.standing
        if math.isnan(mean):
            return 3, 0.0
        return 0 if standing.complete else 1 if standing.finished else 2, sign * mean
    return sorted(groups, key=place)


def representatives(groups, metric, most):
    """At most so many groups: if there are more, the best of each activation, the best first."""
    if len(groups) <= most:
        return groups
    best = {}
    for group in ranked(groups, metric):
        best.setdefault(group.activation, group)
    chosen = list(best.values()) if len(best) > 1 else ranked(groups, metric)
    return chosen[:most]


def numeric(text):
    """The number that a setting is, or that it has as its only parameter, as leaky_relu(0.2); else None."""
    found = re.fullmatch(r"(?:\w+\((?:\w+=)?)?([-+0-9.eE]+)\)?", text)
    try:
        return float(found.group(1)) if found else None
    except ValueError:
        return None
