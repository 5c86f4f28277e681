"""Notebooks as subjects: their code cells, as Jupyter numbers them, and which of them are asked for."""

import json
import re
import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HarnessError
from ..reading.files import read_at_most
from ..reading.text import shown

SUFFIX = ".ipynb"
MAX_BYTES = 100_000_000
"""Of a notebook: its pictures are part of it."""
MAX_SOURCE = 10_000_000
"""Characters of its code cells together."""
WITH_CELLS = re.compile(r"(.*\.ipynb)\[([^\[\]]*)\]", re.DOTALL)
CELLS = re.compile(r"(\d{0,9})(:?)(\d{0,9})")
HALF = re.compile("[\ud800-\udfff]")
HOW = "[7] is one cell, [2:5] are cells 2 to 5, [:5] and [3:] those up to and from one"
GET = f"{shlex.quote(sys.executable)} -m pip install nbformat"


@dataclass(frozen=True)
class Notebook:
    """The code cells that have something in them, and the first and last that are asked for, counted from 1.

    So Jupyter numbers them itself when all are run in order, after a restart.
    """

    cells: tuple[str, ...]
    first: int
    last: int

    def told(self) -> dict[str, Any]:
        """As a worker is told it."""
        return {"cells": self.cells, "first": self.first, "last": self.last}

    def content(self) -> bytes:
        return json.dumps(self.told()).encode()


def split(path: Path) -> tuple[Path, str | None]:
    """`mine.ipynb[2:5]` as a path and what stands in brackets; None where nothing does."""
    found = WITH_CELLS.fullmatch(path.name)
    if found is None or path.exists():
        return path, None
    return path.with_name(found[1]), found[2]


def read(path: Path, chosen: str | None) -> Notebook:
    """The notebook. Raises HarnessError where it is none, cannot be read here, or has not the cells that are chosen."""
    cells = _code_cells(path)
    if not cells:
        raise HarnessError(f"{path}: has no code cell with anything in it")
    if sum(map(len, cells)) > MAX_SOURCE:
        raise HarnessError(f"{path}: its code cells have more than {MAX_SOURCE} characters")
    for number, cell in enumerate(cells, 1):
        if HALF.search(cell):
            raise HarnessError(f"{path}: cell {number} has half a character, which is no text")
    return Notebook(cells, *_range(path, chosen, len(cells)))


def _code_cells(path: Path) -> tuple[str, ...]:
    try:
        import nbformat  # noqa: PLC0415  (an extra: only those who have notebooks need it)
    except ImportError:
        raise HarnessError(f"{path}: reading notebooks needs nbformat: {GET}") from None
    try:
        text = read_at_most(path, MAX_BYTES).decode()
    except OSError as error:
        raise HarnessError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HarnessError(f"{path}: is no notebook: not text in UTF-8") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells without ids, which nbformat mends itself
            found = nbformat.reads(text, as_version=4).cells
        sources = [cell.source for cell in found if cell.cell_type == "code"]
        return tuple(source for source in sources if source.strip())
    except Exception as error:  # noqa: BLE001  (whatever a stranger's file makes nbformat raise)
        raise HarnessError(f"{path}: is no notebook that nbformat can read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return shown(lines[0]).strip("'\"") if lines else type(error).__name__


def _range(path: Path, chosen: str | None, count: int) -> tuple[int, int]:
    if chosen is None:
        return 1, count
    found = CELLS.fullmatch(chosen)
    if found is None or not chosen:
        raise HarnessError(f"{path}: [{chosen}] names no cells: {HOW}")
    first, colon, last = found.groups()
    start = int(first or 1)
    stop = int(last or count) if colon else start
    if not 1 <= start <= stop <= count:
        raise HarnessError(
            f"{path}: there are no cells [{chosen}]: it has {count} code cells with anything in them, "
            f"counted from 1 as Jupyter numbers them when all are run after a restart; {HOW}"
        )
    return start, stop
