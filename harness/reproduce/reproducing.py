"""From a wrong call of a cell to a script that has been run: as small as it can be and still give the very same number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import HarnessError
from ..plan import Cell
from .call import Wrong
from .cuts import cuts
from .expected import LARGEST, expected
from .script import printed, script

Run = Callable[[str], tuple[str, str]]
"""Runs a script; gives what it printed, and how it ended if it failed."""
SAME = "Called alone, on one thread, it gives the very number of the cell."


@dataclass(frozen=True)
class Reproduction:
    """What came of calling a wrong call alone."""

    alone: str
    """In words, whether it is wrong alone."""
    script: str | None
    """None where it is right alone."""
    printed: str = ""
    """What the script printed."""


def reproduce(cell: Cell, wrong: Wrong, run: Run) -> Reproduction:
    """The smallest cut that gives the cell's number bit for bit; or the whole, wrong in its own way; or none.

    Raises HarnessError where the call is too large for a script, or the whole of it does not run.
    """
    if not 0 < wrong.call.size:
        raise HarnessError(f"{cell.id}: {wrong.source}: the call has no tensor")
    for cut in cuts(wrong.call):
        if cut.size > LARGEST:
            raise HarnessError(
                f"{cell.id}: {wrong.source}: {cut.size} numbers are too many for a script, {LARGEST} are allowed; "
                "reduce the case"
            )
        due = expected(cut, wrong.want)
        output, failure = run(script(cell, wrong, cut, due, SAME))
        got = _number(output, cell.dtype)
        if got is not None and _same(got, wrong.got):
            return Reproduction(SAME, script(cell, wrong, cut, due, SAME), output)
    if got is None:
        raise HarnessError(f"{cell.id}: {wrong.source}: the call alone {failure or 'printed no number'}")
    if abs(float(got) - float(due)) <= wrong.tolerance:
        return Reproduction("right when called alone: it depends on its surroundings", None)
    note = f"Called alone, on one thread, it is wrong too, but gives {got}; the cell had {wrong.got}."
    return Reproduction(note, script(cell, wrong, cut, due, note), output)


def _number(output: str, dtype: str) -> Any:
    """What a script got, as a number of the cell's dtype."""
    text = printed(output)
    return None if text is None else np.dtype(dtype).type(text)


def _same(a: Any, b: Any) -> bool:
    return bool(a.tobytes() == b.tobytes() or (np.isnan(a) and np.isnan(b)))


