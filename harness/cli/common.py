"""What several commands share."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import ROOT
from ..errors import HarnessError


def command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    """A subcommand with its help, which is also its description."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + "."
    )
    made.set_defaults(run=run)
    return made


def case_files(paths: Sequence[Path], root: Path | None) -> Iterator[tuple[Path, Path]]:
    """Case files with their roots: a folder is the root of the files below it, `shipped` that of the shipped ones."""
    for given in paths:
        path = ROOT / "cases" if given == Path("shipped") else given
        if not path.exists():
            raise HarnessError(f"{path}: no such file or folder")
        files = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
        yield from ((file, root or (path if path.is_dir() else path.parent)) for file in files)


def console() -> Console:
    """As wide as the terminal, or a hundred columns."""
    return Console(width=None if sys.stdout.isatty() else 100)
