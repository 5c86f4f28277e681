"""`harness summary`, `diff`, `merge` and `deviations`: what is done with runs once they are there.

What one's end printed, what changed from one to another, many made one, and what disagrees, for a ledger.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...reference.names import nearest
from ..errors import HarnessError
from ..frameworks.found import DEVIATIONS, frameworks, shipped_adapters
from ..ledger import findings
from ..ledger.propose import propose
from ..ledger.reading import load
from ..reading.files import real
from ..reading.text import count_of
from ..report import markdown, model
from ..report.failure import text
from ..report.summary import table
from ..run import diff as run_diff
from ..run import merge as run_merge
from ..run.diff import Difference
from ..run.lines import Run, RunError
from ..run.reading import read_run
from ..verdict import Verdict
from .common import case_root, command, path, written


def _json(difference: Difference) -> str:
    return msgspec.json.encode(difference).decode() + "\n"


FORMATS = {"text": run_diff.render, "markdown": markdown.difference, "json": _json}


def add(commands: Any) -> None:
    _add_summary(commands)
    _add_diff(commands)
    _add_merge(commands)
    text = "the shipped ledgers as a page; or ledger entries for what disagrees in a run, for review"
    made = command(commands, "deviations", deviations, text)
    made.add_argument(
        "--propose", type=path, metavar="RUN", help="entries for a run file, such as reports/latest.jsonl"
    )


def _add_summary(commands: Any) -> None:
    made = command(commands, "summary", summary, "what the end of a run printed, again from its file")
    made.add_argument("run_file", type=path, metavar="RUN", help="a run file, such as reports/latest.jsonl")
    text = "failures: before it, each cell that failed, in the words that the run had for it"
    made.add_argument("--show", choices=("failures",), help=text)
    text = "a case root, where the run's own moved"
    made.add_argument("--cases", action="append", type=case_root, default=[], metavar="DIR", help=text)


def _add_diff(commands: Any) -> None:
    text = "tell what changed from one run to another; the exit code is 1 if a cell is newly wrong or a cause is new"
    made = command(commands, "diff", diff, text)
    made.add_argument("old", type=path, metavar="OLD", help="the earlier run file")
    made.add_argument("new", type=path, metavar="NEW", help="the later run file")
    made.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    text = f"tell of headroom (used) that moved by more than X, between agreeing cells (default: {run_diff.FACTOR:g})"
    made.add_argument("--factor", type=float, default=run_diff.FACTOR, metavar="X", help=text)


def _add_merge(commands: Any) -> None:
    text = "make one run file of several that were made apart, such as one of each framework's CI job"
    made = command(commands, "merge", merge, text)
    made.add_argument(
        "runs", nargs="+", type=path, metavar="RUN", help="a run file, such as reports/latest.jsonl"
    )
    made.add_argument("--record", type=path, required=True, metavar="FILE", help="the merged run file")
    text = (
        "a framework that must have run; all: every adapter. A run that can't be read is told and left out, "
        "the others are merged, and the exit code is 1 if anything is missing"
    )
    made.add_argument("--require", action="append", default=[], metavar="NAME", help=text)
    made.add_argument(
        "--adapters",
        action="append",
        type=path,
        default=[],
        metavar="DIR",
        help="one more folder of adapters",
    )


def summary(arguments: argparse.Namespace) -> int:
    """Print the run's causes, table and totals, and its failures where they are asked for; that some failed is no failure here."""
    run = read_run(arguments.run_file)
    if arguments.show == "failures":
        for cell in model.report(run, arguments.cases).cells:
            if cell.result.verdict.outcome() == "failed":
                print(text(cell.result, cell.repeat), end="\n\n")
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    print(table(run.cells, width=width, colour=terminal), end="")
    return 0


def diff(arguments: argparse.Namespace) -> int:
    """Print what changed."""
    if not 1 <= arguments.factor < math.inf:
        raise HarnessError(f"--factor {arguments.factor}: must be a number, 1 or more")
    found = run_diff.diff(read_run(arguments.old), read_run(arguments.new), arguments.factor)
    sys.stdout.write(FORMATS[arguments.format](found))
    return int(found.is_bad)


def deviations(arguments: argparse.Namespace) -> int:
    """Print the page, or the entries; that there are some is no failure."""
    if arguments.propose is None:
        known = frameworks([shipped_adapters()])
        print(findings.page(load(f.folder / DEVIATIONS, f.name) for f in known), end="")
    else:
        print(propose(read_run(arguments.propose)), end="")
    return 0


def merge(arguments: argparse.Namespace) -> int:
    """Write the merged run and tell of what it was made, and what is missing."""
    target = arguments.record
    if real(target) in map(real, arguments.runs):
        raise HarnessError(f"--record {target}: that is one of the runs; name another file")
    required = _required(arguments)
    runs, refused = _read(arguments.runs, lenient=bool(required))
    merged = run_merge.merge(runs, target)
    run_merge.write(merged, target)
    print(
        f"{count_of(len(runs), 'run')}, {count_of(len(merged.cells), 'cell')} of {', '.join(merged.header.frameworks)}"
    )
    print(written(target, merged.cells))
    problems = [*refused, *_missing(merged, required)]
    print("".join(f"{problem}\n" for problem in problems), end="", file=sys.stderr)
    return int(bool(problems))


def _required(arguments: argparse.Namespace) -> list[str]:
    """The frameworks that are asked for; `all` are those of the adapter folders."""
    names = [name for text in arguments.require for name in text.split(",") if name]
    if "all" not in names:
        return names
    known = [framework.name for framework in frameworks([shipped_adapters(), *arguments.adapters])]
    return list(dict.fromkeys([*known, *(name for name in names if name != "all")]))


def _read(files: Sequence[Path], *, lenient: bool) -> tuple[list[run_merge.Named], list[str]]:
    """The runs, and what is said of those that can't be read. Raises RunError unless lenient, run_merge.MergeError for none."""
    runs: list[run_merge.Named] = []
    refused = []
    for file in files:
        try:
            runs.append((file, read_run(file)))
        except RunError as error:
            if not lenient:
                raise
            refused.append(str(error))
    if not runs:
        raise run_merge.MergeError("\n".join([*refused, "no run is left to be merged"]))
    return runs, refused


def _missing(merged: Run, required: Sequence[str]) -> Iterator[str]:
    """A line for each required framework of which no cell was run."""
    ran = {cell.framework for cell in merged.cells if cell.verdict is not Verdict.ABSENT}
    for name in required:
        if name not in ran:
            yield f"{name}: missing: no run has a cell that {name} ran{nearest(name, ran)}"
