"""From a wrong call of a cell to a script that has been run: as small as it can be and still give the very same number."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import HarnessError
from ...plan import Cell
from .call import Wrong
from .cuts import cuts
from .expected import LARGEST, expected
from .script import printed, script

Run = Callable[[str], tuple[str, str]]
"""Runs a script; gives what it printed, and how it ended if it failed."""
SAME = "Called alone, on one thread, it gives the very number of the cell."
RIGHT = "right when called alone: it depends on its surroundings"


@dataclass(frozen=True)
class Reproduction:
    """What came of calling a wrong call alone."""

    alone: bool
    """Whether it is wrong when called alone."""
    note: str
    """The same in words."""
    script: str = ""
    printed: str = ""
    """What the script printed."""


def reproduce(cell: Cell, wrong: Wrong, run: Run) -> Reproduction:
    """The smallest cut with the cell's number, bit for bit, where the same is due; or the whole, wrong in its own way.

    Raises HarnessError where the call is too large for a script, the whole of it does not run, or the reference is off.
    """
    for cut in cuts(wrong.call):
        if cut.size > LARGEST:
            raise _problem(
                cell,
                wrong,
                f"{cut.size} numbers are too many for a script, {LARGEST} are allowed; reduce the case",
            )
        due = expected(cut, wrong.want)
        if not _within(float(due), wrong):
            continue  # as of a mean over fewer elements
        text = script(cell, wrong, cut, due, SAME)
        output, failure = run(text)
        got = _number(output, cell.dtype)
        if got is not None and _same(got, wrong.got):
            return Reproduction(True, SAME, text, output)
    if not _within(float(due), wrong):
        told = f"the reference has {wrong.want!r}, mpmath {due}: the reference is off; `harness certify --op {wrong.call.op}`"
        raise _problem(cell, wrong, told)
    if got is None:
        raise _problem(cell, wrong, f"the call alone {failure or 'printed no number'}")
    if _within(float(got), wrong):
        return Reproduction(False, RIGHT)
    note = f"Called alone, on one thread, it is wrong too, but gives {got}; the cell had {wrong.got}."
    return Reproduction(True, note, script(cell, wrong, cut, due, note), output)


def _problem(cell: Cell, wrong: Wrong, what: str) -> HarnessError:
    return HarnessError(f"{cell.id}: {wrong.source}: {what}")


def _within(number: float, wrong: Wrong) -> bool:
    """Whether a number is what the reference has, as far as rounding may move it."""
    same = number == wrong.want or (math.isnan(number) and math.isnan(wrong.want))
    return same or abs(number - wrong.want) <= wrong.tolerance


def _number(output: str, dtype: str) -> Any:
    """What a script got, as a number of the cell's dtype."""
    text = printed(output)
    return None if text is None else np.dtype(dtype).type(text)


def _same(a: Any, b: Any) -> bool:
    return bool(a.tobytes() == b.tobytes() or (np.isnan(a) and np.isnan(b)))
