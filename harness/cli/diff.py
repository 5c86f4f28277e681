"""`harness diff` and `harness deviations`: what changed from one run to another, and what disagrees, for a ledger."""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import msgspec

from ..errors import HarnessError
from ..ledger.propose import propose
from ..report import markdown
from ..run import diff
from ..run.diff import Difference
from ..run.reading import read_run
from .common import command


def _json(difference: Difference) -> str:
    return msgspec.json.encode(difference).decode() + "\n"


FORMATS = {"text": diff.render, "markdown": markdown.difference, "json": _json}


def add(commands: Any) -> None:
    text = "tell what changed from one run to another; the exit code is 1 if a cell is newly wrong or a cause is new"
    made = command(commands, "diff", run, text)
    made.add_argument("old", type=Path, metavar="OLD", help="the earlier run file")
    made.add_argument("new", type=Path, metavar="NEW", help="the later run file")
    made.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    text = f"tell of headroom (used) that moved by more than X, between agreeing cells (default: {diff.FACTOR:g})"
    made.add_argument("--factor", type=float, default=diff.FACTOR, metavar="X", help=text)
    text = "write ledger entries for what disagrees in a run, for review"
    made = command(commands, "deviations", deviations, text)
    made.add_argument(
        "--propose", required=True, type=Path, metavar="RUN", help="a run file, such as reports/run.jsonl"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what changed."""
    if not 1 <= arguments.factor < math.inf:
        raise HarnessError(f"--factor {arguments.factor}: must be a number, 1 or more")
    found = diff.diff(read_run(arguments.old), read_run(arguments.new), arguments.factor)
    sys.stdout.write(FORMATS[arguments.format](found))
    return int(found.is_bad)


def deviations(arguments: argparse.Namespace) -> int:
    """Print the entries; that there are some is no failure."""
    print(propose(read_run(arguments.propose)), end="")
    return 0
