"""What became of the root causes from one run to another: the question behind the cells that changed.

A cause is what its calls have in common: framework, mode, dtype, op, phase, input, and the reason of the ledger's
entry if one excuses them. Only one that no entry excuses and that wasn't there before is bad news. A known one is
counted where it turns up in further cells, and one that is gone, or errs by more than it did, is told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ..reading.text import count_of
from .causes import Found, Key, Wrong, by_key, in_words
from .lines import CellLine, Run, number

FACTOR = 2.0
"""A relative error that grew by no more than this isn't told of."""


NEW = "new causes"
"""Title of the list that is bad news."""


class CauseChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cause, before and now."""

    framework: str
    mode: str
    dtype: str
    op: str
    phase: str
    towards: str
    entry: str
    """The reason of the ledger's entry that excuses it; empty where none does."""
    cells_before: int
    """Of a cause that is gone those that were run again."""
    cells_now: int
    added: int
    """Cells of now that had no such call before, those among them that weren't run before."""
    relative_before: float | None
    """The largest relative error in the cells that have it in both runs; None where there are none."""
    relative_now: float | None
    """The same; in all of its cells where none had it before."""
    cell: str
    """The id of the cell that shows it most."""
    place: str
    """The call there, in words."""
    note: str
    """Why no entry excuses that call, where one comes near."""

    @property
    def name(self) -> str:
        """Whose it is, and which result of an op."""
        what = in_words(self.op, self.phase, self.towards)
        return f"{self.framework}, {self.mode}, {self.dtype}: {what}"

    @property
    def became(self) -> str:
        """What became of it, on one line."""
        if not self.cells_now:
            return f"not in {count_of(self.cells_before, 'cell')} any more"
        added = f", {self.added} of them new" * bool(self.cells_before and self.added)
        errors = number(self.relative_now)
        if self.relative_before is not None:
            errors = f"{number(self.relative_before)} -> {errors}"
        return f"in {count_of(self.cells_now, 'cell')}{added}; relative error {errors}"

    @property
    def said(self) -> str:
        """What is known of it, or where it is."""
        if self.entry:
            return f"known: {self.entry}"
        return f"{self.cell}: {self.place}" + f"; {self.note}" * bool(self.note)


class CauseChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that changed of the causes; a known one may be in several lists."""

    new: list[CauseChange]
    """Excused by no entry, and not so before."""
    grown: list[CauseChange]
    """In both runs, with a relative error that more than doubled."""
    in_new_cells: list[CauseChange]
    """Excused by an entry, and in cells that had no such call before."""
    excused_now: list[CauseChange]
    """Excused by an entry that didn't excuse it before, when none did."""
    gone: list[CauseChange]
    """In none of those of its cells that were run again."""
    same: int
    """Causes of now that are in none of the lists."""
    problem: str = ""
    """Why nothing is known of causes; empty where it is."""

    def sections(self) -> dict[str, list[CauseChange]]:
        """The lists by their titles, worst first."""
        return {
            NEW: self.new,
            "causes with larger errors": self.grown,
            "known causes in new cells": self.in_new_cells,
            "causes excused now": self.excused_now,
            "causes gone": self.gone,
        }

    @property
    def sentence(self) -> str:
        """The numbers of all lists, those of nothing too."""
        if self.problem:
            return self.problem
        counts = [f"{len(changes)} {title}" for title, changes in self.sections().items()]
        return ", ".join([*counts, f"{self.same} as before"])


Causes = Mapping[tuple[Key, str], Found]
"""A run's causes by their keys, and by the reasons of the entries that excuse them."""


def diff_causes(old: Run, new: Run) -> CauseChanges:
    """What became of the causes from `old` to `new`."""
    for run, which in ((old, "earlier"), (new, "later")):
        if not run.tells_calls:
            told = f"causes not compared: the {which} run is of format {run.header.format}, which tells no wrong calls"
            return CauseChanges(
                new=[], grown=[], in_new_cells=[], excused_now=[], gone=[], same=0, problem=told
            )
    before, now = by_key(old.cells), by_key(new.cells)
    having = _cells_having(before)
    changes = {key: _change(key, before.get(key), found, having) for key, found in now.items()}
    fresh = [change for change in changes.values() if not (change.entry or change.cells_before)]
    grown = [change for change in changes.values() if _grew(change)]
    spread = [change for change in changes.values() if change.entry and change.added]
    excused = [
        c for (key, entry), c in changes.items() if entry and (key, "") in before and not c.cells_before
    ]
    listed = {id(change) for change in (*fresh, *grown, *spread, *excused)}
    return CauseChanges(
        new=fresh,
        grown=grown,
        in_new_cells=spread,
        excused_now=excused,
        gone=list(_gone(before, now, new.cells)),
        same=len(changes) - len(listed),
    )


def _cells_having(causes: Causes) -> dict[Key, set[str]]:
    """The cells with a call of each key, excused or not."""
    found: dict[Key, set[str]] = {}
    for (key, _), own in causes.items():
        found.setdefault(key, set()).update(own.cells)
    return found


def _change(
    key: tuple[Key, str], old: Found | None, new: Found, having: Mapping[Key, set[str]]
) -> CauseChange:
    """A cause of now, beside what it was, if it was; `having` are the cells of then that had such calls."""
    shared = new.cells.keys() & (old.cells if old else {}).keys()
    worst = max(new.wrong, key=lambda one: one.call.relative)
    return CauseChange(
        **key[0]._asdict(),
        entry=key[1],
        cells_before=len(old.cells) if old else 0,
        cells_now=len(new.cells),
        added=len(new.cells.keys() - having.get(key[0], set())),
        relative_before=old.relative_in(shared) if old and shared else None,
        relative_now=new.relative_in(shared or new.cells.keys()),
        **_place(worst),
    )


def _gone(before: Causes, now: Causes, cells: Iterable[CellLine]) -> Iterator[CauseChange]:
    """Causes whose cells were run again, some at least, and have no such call any more, excused or not."""
    run_again, having = {cell.cell for cell in cells}, _cells_having(now)
    for (key, entry), found in before.items():
        own = found.cells.keys() & run_again
        if own and not own & having.get(key, set()):
            worst = max(found.wrong, key=lambda one: one.call.relative)
            yield CauseChange(
                **key._asdict(), entry=entry, cells_before=len(own), cells_now=0, added=0,
                relative_before=found.relative_in(own), relative_now=None, **_place(worst),
            )  # fmt: skip


def _grew(change: CauseChange) -> bool:
    before, now = change.relative_before, change.relative_now
    return before is not None and now is not None and now > FACTOR * before


def _place(worst: Wrong) -> dict[str, str]:
    call = worst.call
    return {"cell": worst.cell.cell, "place": call.place, "note": "" if worst.entry else call.note}


def render(changes: CauseChanges, limit: int) -> Iterator[str]:
    """The causes for a terminal, after the cells."""
    for title, own in changes.sections().items():
        if own:
            yield from ("", f"{title}: {len(own)}", *listing(own, limit))


def listing(changes: Sequence[CauseChange], limit: int) -> list[str]:
    """Two lines a cause, up to a limit: a cut is never silent."""
    lines = [line for c in changes[:limit] for line in (f"  {c.name}: {c.became}", f"    {c.said}")]
    left = len(changes) - limit
    return lines + ([f"  and {left} more; the JSON has all"] if left > 0 else [])
