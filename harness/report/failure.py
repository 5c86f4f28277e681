"""A failing cell in words, and the command that repeats it: the same in pytest, in reports and in `harness explain`."""

import shlex
from collections.abc import Sequence

from ..reading.text import visible
from ..run.ids import CellId
from ..run.lines import CellLine

MODE = "--mode"


def repeat(cell: CellLine, file: str, carried: Sequence[str]) -> str:
    """The command that repeats a cell of the case in `file`; `carried` are the words of its run's that it needs too.

    Quoted for a shell, whatever stands in them.
    """
    node = f"{file}::{CellId(cell.case, cell.variant, cell.dtype, cell.framework, cell.mode).name}"
    words = [f"{MODE}={cell.mode}" if word.partition("=")[0] == MODE else word for word in carried]
    quoted = shlex.quote(node)
    quoted = quoted if quoted.startswith("'") else f"'{quoted}'"
    return " ".join(["pytest", quoted, *map(shlex.quote, dict.fromkeys(words))])


def lines(cell: CellLine) -> list[str]:
    """What is to say of the cell below its name: what was found and allowed, and where it begins."""
    told = cell.message.splitlines()
    place = cell.first_difference if not cell.calls else None  # a message tells of every wrong call
    return [*told, f"first difference: {place}"] if place else told


def text(cell: CellLine, command: str) -> str:
    """The verdict, what was found and allowed, where it begins, and the command that repeats it."""
    body = [*lines(cell), f"repeat: {command}"]
    return "\n".join([f"{cell.verdict}  {cell.cell}", *(f"  {visible(line)}" for line in body)])
