"""`harness merge`: runs that were made apart become one."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import HarnessError
from ..frameworks.found import frameworks, shipped_adapters
from ..run.lines import Run, RunError
from ..run.merge import MergeError, Named, merge, write
from ..run.reading import read_run
from ..verdict import Verdict
from .common import command


def add(commands: Any) -> None:
    text = "make one run file of several that were made apart, such as one of each framework's CI job"
    made = command(commands, "merge", run, text)
    made.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run file, such as reports/run.jsonl"
    )
    made.add_argument("--record", type=Path, required=True, metavar="FILE", help="the merged run file")
    text = (
        "a framework that must have run; all: every adapter. A run that can't be read is told and left out, "
        "the others are merged, and the exit code is 1 if anything is missing"
    )
    made.add_argument("--require", action="append", default=[], metavar="NAME", help=text)
    made.add_argument(
        "--adapters",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="one more folder of adapters",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the merged run and tell of what it was made, and what is missing."""
    target = arguments.record
    if target.resolve() in {file.resolve() for file in arguments.runs}:
        raise HarnessError(f"--record {target}: that is one of the runs; name another file")
    required = _required(arguments)
    runs, refused = _read(arguments.runs, lenient=bool(required))
    merged = merge(runs, target)
    write(merged, target)
    print(f"{len(runs)} runs, {len(merged.cells)} cells of {', '.join(merged.header.frameworks)}")
    print(f"run file: {target}")
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


def _read(files: Sequence[Path], *, lenient: bool) -> tuple[list[Named], list[str]]:
    """The runs, and what is said of those that can't be read. Raises RunError unless lenient, MergeError for none."""
    runs: list[Named] = []
    refused = []
    for file in files:
        try:
            runs.append((file, read_run(file)))
        except RunError as error:
            if not lenient:
                raise
            refused.append(str(error))
    if not runs:
        raise MergeError("\n".join([*refused, "no run is left to be merged"]))
    return runs, refused


def _missing(merged: Run, required: Sequence[str]) -> Iterator[str]:
    """A line for each required framework of which no cell was run."""
    ran = {cell.framework for cell in merged.cells if cell.verdict is not Verdict.ABSENT}
    for name in required:
        if name not in ran:
            yield f"{name}: missing: no run has a cell that {name} ran"
