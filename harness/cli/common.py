"""What several commands share."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..case.library import root_named
from ..frameworks.found import Framework, frameworks, shipped_adapters, subject
from ..frameworks.interpreters import assignment
from ..plan import check_names
from ..run.lines import CellLine


def command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    """A subcommand with its help, which is also its description."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + "."
    )
    made.set_defaults(run=run)
    return made


def given(text: str) -> str:
    """An option's text. An empty one, such as of a variable that isn't set, would mean the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a file or a folder")
    if "\0" in text:
        raise argparse.ArgumentTypeError("has a null byte; name a file or a folder")
    return text


def path(text: str) -> Path:
    """A path on the command line."""
    return Path(given(text))


def case_root(text: str) -> Path:
    """A case root on the command line."""
    return root_named(given(text))


def interpreters(texts: Iterable[str], known: Sequence[Framework]) -> dict[str, str]:
    """What `--interpreter NAME=COMMAND` gave, by the columns' names. Raises HarnessError for a name that none has."""
    named = dict(assignment(text) for text in texts)
    check_names("--interpreter", named, [framework.name for framework in known])
    return named


def add_columns(made: argparse.ArgumentParser) -> None:
    """The options that say where the cases are, which columns there are, and in which interpreters they run."""
    made.add_argument("--cases", action="append", type=case_root, default=[], metavar="DIR", help="case root")
    made.add_argument("--subject", action="append", type=path, default=[], metavar="FILE.py|FILE.ipynb")
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def columns(arguments: argparse.Namespace) -> tuple[list[Framework], dict[str, str]]:
    """Every column that there is, and the interpreters that were named, by the columns' names."""
    known = frameworks([shipped_adapters(), *arguments.adapters])
    for file in arguments.subject:
        known.append(subject(file, known))
    return known, interpreters(arguments.interpreter, known)


def written(target: Path, cells: Iterable[CellLine]) -> str:
    """What is said of a run file that was made of others."""
    shares = any(cell.arrays is not None for cell in cells)
    note = " (its kept arrays are those of what it was made of, and go when that is run anew)" * shares
    return f"run file: {target}{note}"


def console() -> Console:
    """As wide as the terminal, or a hundred columns."""
    return Console(width=None if sys.stdout.isatty() else 100)
