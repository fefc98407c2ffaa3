"""The command: `lockstep report` hands on its checked flags."""

import argparse
import datetime
import itertools
import sys

from .contents import sections_of
from .errors import ReportError
from .files import refuse_to_replace_other, write_atomically
from .groups import shortened
from .page import figures_of, make_page
from .pictures import find_chromium, make_directory, write_pictures
from .program import Program
from .records import read_sources
from .standing import Standing

FAILURE = 1
USER_ERROR = 2


def parse(arguments):
    parser = argparse.ArgumentParser(prog="report.py", description=__doc__)
    parser.add_argument("--program", required=True, help="the lockstep program")
    parser.add_argument("--output", default="report.html")
    parser.add_argument("--data")
    parser.add_argument("--figures")
    parser.add_argument("--format", choices=["png", "svg"], default="png")
    parser.add_argument("sources", nargs="+")
    return parser.parse_args(arguments)


def page_title(sources):
    names = [source.rstrip("/").rsplit("/", 1)[-1] for source in sources]
    return shortened(names, 4)


def standing_of(runs, sweeps):
    """Of all runs and trials."""
    statuses = [run.status for run in runs]
    for sweep in sweeps:
        statuses += itertools.chain(*sweep.settings_without_config.values())
    return Standing(statuses)


def write_report(arguments):
    if arguments.figures:
        find_chromium()  # before anything is computed
    refuse_to_replace_other(arguments.output, b"<!doctype html>", "a page")
    runs, sweeps = read_sources(arguments.sources)
    sections, notes, best = sections_of(runs, sweeps, Program(arguments.program), arguments.data)
    count = standing_of(runs, sweeps).count_text
    subtitle = f"{count} · lockstep {best.summary.get('versions', {}).get('lockstep', '')} · {datetime.date.today()}"
    page = make_page(page_title(arguments.sources), subtitle, sections, notes, best.config_text)
    figures = figures_of(sections)
    if arguments.figures:
        make_directory(arguments.figures)  # before anything is written
    write_atomically(arguments.output, page.encode())
    print(f"{arguments.output}: {count}, {len(figures)} figures, {len(page) / 1e6:.1f} MB")
    if arguments.figures:
        write_pictures(figures, arguments.figures, arguments.format)
        print(f"{arguments.figures}: {len(figures)} {arguments.format} files")


def main(arguments=None):
    """The exit status."""
    try:
        write_report(parse(arguments))
    except ReportError as error:
        print(f"lockstep report: error: {error}", file=sys.stderr)
        return USER_ERROR
    except OSError as error:  # the system's: no room for temporary files, say
        print(f"lockstep report: error: {error}", file=sys.stderr)
        return FAILURE
    return 0
