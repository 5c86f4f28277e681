"""`harness deviations`: entries for the ledgers of known disagreements."""

import argparse
from pathlib import Path
from typing import Any

from ..ledger.propose import propose
from ..run.reading import read_run
from .common import command


def add(commands: Any) -> None:
    text = "write ledger entries for what disagrees in a run, for review"
    made = command(commands, "deviations", run, text)
    made.add_argument(
        "--propose", required=True, type=Path, metavar="RUN", help="a run file, such as reports/run.jsonl"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the entries; that there are some is no failure."""
    print(propose(read_run(arguments.propose)), end="")
    return 0
