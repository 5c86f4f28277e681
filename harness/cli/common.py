"""What several commands share."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from ..case.library import root_named
from ..errors import HarnessError
from ..frameworks.found import Framework, frameworks, shipped_adapters, subject
from ..frameworks.interpreters import assignment
from ..plan import check_columns
from ..reading.files import real
from ..reading.text import display
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


class Ini(NamedTuple):
    """What pytest's ini file says of us, its paths as they are from the working directory."""

    cases: Sequence[Path] = ()
    adapters: Sequence[Path] = ()
    interpreters: Sequence[str] = ()


class _Reader:
    """Ends pytest when it has read its ini file."""

    found = Ini()

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        options = (config.getini(f"harness_{name}") for name in Ini._fields)
        self.found = Ini(*options)
        return 0


def ini() -> Ini:
    """What the ini file of the working directory says: pytest finds and reads it, and runs nothing of anybody's.

    Raises HarnessError where pytest can't read it.
    """
    return _ini_in(Path.cwd())


@cache
def _ini_in(_here: Path) -> Ini:
    reader = _Reader()
    # Ours by name, also where plugins aren't loaded by themselves; it is imported already, of which pytest would warn.
    words = ["-p", "gradient_conformance", "--noconftest", "-o", "addopts=", "-o", "filterwarnings="]
    if pytest.main(words, plugins=[reader]) != pytest.ExitCode.OK:
        raise HarnessError("the ini file can't be read, for the reason that pytest has told")
    return reader.found


def case_roots(given: Sequence[Path]) -> list[Path]:
    """Where cases are: what `--cases` says, else the ini file's harness_cases, else the folder `cases`."""
    return list(given) or [*map(Path, map(display, ini().cases))] or [Path("cases")]


def adapter_folders(given: Sequence[Path]) -> list[Path]:
    """Ours, the ini file's, and those that `--adapters` names, which may be one of these."""
    return list({real(folder): folder for folder in (shipped_adapters(), *ini().adapters, *given)}.values())


def ini_interpreters(known: Sequence[Framework]) -> dict[str, str]:
    """Those of the ini file, by the columns' names. Raises HarnessError for a name that none has."""
    named = dict(map(assignment, ini().interpreters))
    check_columns("harness_interpreters", named, known)
    return named


def interpreters(texts: Iterable[str], known: Sequence[Framework]) -> dict[str, str]:
    """What `--interpreter NAME=COMMAND` gave, by the columns' names. Raises HarnessError for a name that none has."""
    named = dict(assignment(text) for text in texts)
    check_columns("--interpreter", named, known)
    return named


def add_columns(made: argparse.ArgumentParser) -> None:
    """The options that say where the cases are, which columns there are, and in which interpreters they run."""
    made.add_argument("--cases", action="append", type=case_root, default=[], metavar="DIR", help="case root")
    made.add_argument("--subject", action="append", type=path, default=[], metavar="FILE.py|FILE.ipynb")
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def columns(arguments: argparse.Namespace) -> tuple[list[Framework], dict[str, str]]:
    """Every column that there is, and the interpreters that were named, by the columns' names."""
    known = frameworks(adapter_folders(arguments.adapters))
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
