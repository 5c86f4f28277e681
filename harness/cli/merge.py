"""`harness merge`: runs that were made apart become one."""

import argparse
from pathlib import Path
from typing import Any

from harness.cli.common import command
from harness.errors import HarnessError
from harness.merge import merge, write
from harness.record import read_run


def add(commands: Any) -> None:
    text = "make one run file of several that were made apart, such as one of each framework's CI job"
    made = command(commands, "merge", run, text)
    made.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="a run file, such as reports/run.jsonl"
    )
    made.add_argument("--record", type=Path, required=True, metavar="FILE", help="the merged run file")


def run(arguments: argparse.Namespace) -> int:
    """Write the merged run and tell of what it was made."""
    target = arguments.record
    if target.resolve() in {file.resolve() for file in arguments.runs}:
        raise HarnessError(f"--record {target}: that is one of the runs; name another file")
    merged = merge([(file, read_run(file)) for file in arguments.runs], target)
    write(merged, target)
    columns = ", ".join(merged.header.frameworks)
    print(f"{len(arguments.runs)} runs, {len(merged.cells)} cells of {columns}\nrun file: {target}")
    return 0
