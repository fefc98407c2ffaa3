"""Everything that a report shows, section by section, each as it applies."""

from .curves import curves_section, throughput_section
from .drawing import Section, Table
from .errors import ReportError
from .functions import activations_section
from .groups import choose_metric, label_of, make_groups, ranked, setting, shortened
from .heat_maps import heat_maps
from .layers import diagnostics_section, histogram_section
from .lines import figures_by_number
from .network import mistakes_section, region_section, weights_section
from .program import find_dataset
from .ranking import ranking_section
from .records import FAILED

MOST_FEATURED = 4
MOST_COLUMNS = 8
MOST_TRIALS = 20


class Datasets:
    """The datasets of runs, each opened once."""

    def __init__(self, chosen, program):
        self.chosen, self.program, self.found, self.whole = chosen, program, {}, {}
        self.digests, self.compared = {}, set()
        self.notes = []  # on what is missing, or from elsewhere

    def of(self, run):
        """None, with a note, where the run's own file does not fit any more or its checkpoint is damaged. Throws ReportError
        if the file chosen by the user does not fit."""
        if run.checkpoint and not self.has_whole_checkpoint(run):
            return None
        name = run.config.get("data", "")
        if name not in self.found:
            features = run.first_kernel()[0].shape[0] if run.checkpoint else None
            try:
                data = find_dataset(run, self.chosen, features)
                self.digests[data.path] = self.program.dataset_digest(data.path)
                self.found[name] = data
            except ReportError as error:
                if self.chosen:
                    raise ReportError(f"--data {error}") from error
                self.found[name] = None
                self.notes.append(f"{error}. What needs the dataset is left out; --data names its new place")
        if self.found[name]:
            self.note_other_rows(run, self.found[name].path)
        return self.found[name]

    def note_other_rows(self, run, path):
        """Notes, once for each run, a dataset that is not the one it was trained on."""
        trained_on, here = run.summary.get("dataset", {}).get("sha256"), self.digests[path]
        if not trained_on or here == trained_on or run.path in self.compared:
            return
        self.compared.add(run.path)
        if here:
            self.notes.append(f"{path} (digest {here[:12]}) is not the dataset that {run.path} was trained on "
                              f"({trained_on[:12]}). What needs the dataset shows {path}")
        else:
            self.notes.append(f"{path} has no digest: whether it holds the rows that {run.path} was trained on is unknown")

    def has_whole_checkpoint(self, run):
        if run.path not in self.whole:
            try:
                self.program.run("inspect", run.checkpoint)
                self.whole[run.path] = True
            except ReportError as error:
                self.whole[run.path] = False
                self.notes.append(f"{error}. What needs this checkpoint is left out")
        return self.whole[run.path]


def feature(groups, metric):
    """The best run of each of the best groups: [(group, run)]. Of many groups, one for each activation."""
    chosen, seen = [], set()
    for group in ranked(groups, metric):
        if group.activation not in seen or len(groups) <= MOST_FEATURED:
            seen.add(group.activation)
            chosen.append((group, group.best_run(metric)))
    return chosen[:MOST_FEATURED]


def by_task(groups):
    """[[Group]]: apart where data or outputs differ, as their losses cannot be compared then."""
    parts = {}
    for group in groups:
        parts.setdefault((group.first.config.get("data"), group.first.config.get("output")), []).append(group)
    return list(parts.values())


def mistakes_sections(groups, metric, program, datasets):
    """Of the best run of each task."""
    parts = by_task(groups)[:MOST_FEATURED]
    for number, part in enumerate(parts, 1):
        [(group, run), *_] = feature(part, metric)
        yield mistakes_section(run, group.label, datasets.of(run), program, f"-{number}" if len(parts) > 1 else "")


def settings_section(groups, names, metric):
    """Heat maps and lines; None if too few settings vary."""
    figures = heat_maps(groups, names, metric) + figures_by_number(groups, names, metric)
    return Section("What depends on what", figures) if figures else None


def differences_section(groups, differing):
    """What tells the groups apart; None if nothing does."""
    if len(groups) < 2 or not differing:
        return None
    keys = differing[:MOST_COLUMNS]
    rows = [[str(number), *(setting(group.first, key) for key in keys)]
            for number, group in enumerate(groups, 1)]
    section = Section("Differences", [Table("", ["", *keys], rows)])
    section.notes.append("Only these keys of the configs differ, beside the seed."
                         + (f" Also: {', '.join(differing[MOST_COLUMNS:])}." if differing[MOST_COLUMNS:] else ""))
    return section


def sweeps_section(sweeps):
    """How the sweeps stand, and why trials failed."""
    if not sweeps:
        return None
    rows = [[str(sweep.path), ", ".join(f"{count} {status}" for status, count in sweep.counts.items())]
            for sweep in sweeps]
    items = [Table("", ["sweep", "trials"], rows)]
    trials = {}  # (sweep, message) → texts
    for sweep in sweeps:
        for trial, settings, message in sweep.failures:
            trials.setdefault((str(sweep.path), message), []).append(f"{trial}: {label_of(settings)}")
    if trials:
        rows = [[sweep, message, shortened(texts, MOST_TRIALS)] for (sweep, message), texts in trials.items()]
        items.append(Table("Failed trials", ["sweep", "message", "trials"], rows, wraps=True))
    return Section("Sweeps", items)


def failed_runs_section(groups):
    """Why runs failed that are no trials; None if none did."""
    names = {}  # reason → texts
    for group in groups:
        for run in group.members:
            if run.status == FAILED and run.sweep is None:
                names.setdefault(run.reason, []).append(str(run.path))
    rows = [[reason, shortened(paths, MOST_TRIALS)] for reason, paths in names.items()]
    return Section("Failed runs", [Table("", ["reason", "runs"], rows, wraps=True)]) if rows else None


def provenance_section(runs):
    """Where the numbers come from: one row a run."""
    rows = []
    for run in runs:
        found = run.summary
        versions = found.get("versions", {})
        rows.append([str(run.path), run.status, str(run.config.get("seed", "")),
                     str(found.get("ranks", "")), ", ".join(found.get("hosts", [])),
                     f"lockstep {versions.get('lockstep', '?')}, {versions.get('mpi', '')}",
                     f"{run.config.get('arithmetic', '')} {run.config.get('precision', '')}, "
                     f"{found.get('instruction_set', '')}",
                     found.get("dataset", {}).get("sha256", "")[:16], found.get("parameters_sha256", "")[:16]])
    header = ["run", "status", "seed", "ranks", "hosts", "versions", "arithmetic", "data SHA-256", "parameters SHA-256"]
    return Section("Provenance", [Table("", header, rows)])


def sections_of(runs, sweeps, program, chosen_data):
    """[Section], and the notes that stand at the top."""
    groups, names, differing = make_groups(runs, sweeps)
    drawn = [group for group in groups if group.drawn]
    not_drawn = [group for group in groups if not group.drawn]
    metric = choose_metric(runs)
    datasets = Datasets(chosen_data, program)
    featured = feature(drawn, metric)
    best_run = featured[0][1]
    comparable = len({group.first.config.get("output") for group in groups}) == 1
    sections = [
        ranking_section(groups, metric, sweeps) if comparable else None,
        settings_section(groups, names, metric) if comparable else None,
        curves_section(drawn, not_drawn, metric),
        region_section(drawn, metric, program, datasets),
        *mistakes_sections(drawn, metric, program, datasets),
        weights_section(featured, datasets),
        diagnostics_section(drawn, featured, metric),
        histogram_section(featured, program, datasets),
        activations_section(drawn, program),
        throughput_section(drawn),
        differences_section(groups, differing),
        failed_runs_section(groups),
        sweeps_section(sweeps),
        provenance_section([run for run in runs if run.has_epochs]),
    ]
    notes = datasets.notes
    notes += [f"{sweep.path / 'sweep.csv'} is older than its trials: {sweep.outdated} of {sweep.counts.total()} have "
              "another status by now. That is shown; the sweep's command, started again, writes the table anew."
              for sweep in sweeps if sweep.outdated]
    if not comparable:
        notes.append("Outputs and losses differ, so these runs are not ranked.")
    if len(drawn) > len(featured):
        notes.append("Pictures of single networks show the best run of "
                     + ("each of the best activations." if len(featured) > 1 else "the best setting."))
    return [section for section in sections if section and (section.items or section.notes)], notes, best_run
