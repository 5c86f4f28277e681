"""What several commands share."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from ..case.library import root_named
from ..frameworks.found import Framework, frameworks, shipped_adapters, subject
from ..frameworks.interpreters import assignment


def command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    """A subcommand with its help, which is also its description."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + "."
    )
    made.set_defaults(run=run)
    return made


def add_columns(made: argparse.ArgumentParser) -> None:
    """The options that say where the cases are, which columns there are, and in which interpreters they run."""
    made.add_argument(
        "--cases", action="append", type=root_named, default=[], metavar="DIR", help="case root"
    )
    made.add_argument("--subject", action="append", type=Path, default=[], metavar="FILE.py")
    made.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def columns(arguments: argparse.Namespace) -> tuple[list[Framework], dict[str, str]]:
    """Every column that there is, and the interpreters that were named, by the columns' names."""
    known = frameworks([shipped_adapters(), *arguments.adapters])
    for path in arguments.subject:
        known.append(subject(path, known))
    return known, dict(assignment(text) for text in arguments.interpreter)


def console() -> Console:
    """As wide as the terminal, or a hundred columns."""
    return Console(width=None if sys.stdout.isatty() else 100)
