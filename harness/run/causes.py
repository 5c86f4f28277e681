"""The wrong calls of a run, gathered by what they have in common: some root causes in place of many cells.

A call that no ledger's entry excuses is told of as new, by its op, phase, input and dtype; one that is excused by the
reason of its entry, since the place of an entry moves with every line above it.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..verdict import Verdict
from .lines import CallLine, CellLine

_ENTRY = re.compile(r"^(?P<place>.+\.toml:\d+): (?P<reason>.*)$")


class Entry(NamedTuple):
    """A ledger's entry, as a run file tells of it."""

    place: str
    """File and line."""
    reason: str

    @property
    def file(self) -> str:
        return self.place.rpartition(":")[0]


class Wrong(NamedTuple):
    """A wrong call of a cell, and the entry that excuses it, if any does."""

    cell: CellLine
    call: CallLine
    entry: Entry | None


class Key(NamedTuple):
    """What calls of one cause have in common from one run to another."""

    framework: str
    mode: str
    dtype: str
    op: str
    phase: str
    towards: str


@dataclass(frozen=True)
class Found:
    """The wrong calls of one cause; there is at least one."""

    wrong: Sequence[Wrong]

    @property
    def cells(self) -> dict[str, CellLine]:
        """The cells by their ids."""
        return {one.cell.cell: one.cell for one in self.wrong}

    def relative_in(self, cells: Collection[str]) -> float:
        """The largest error in some of its cells, relative to the largest element of its result."""
        return max(one.call.relative for one in self.wrong if one.cell.cell in cells)


def entry_of(cell: CellLine) -> Entry | None:
    """The entry by cells that the last line of a message names; of a cell that no such entry speaks of, none."""
    if cell.verdict not in (Verdict.KNOWN_DEVIATION, Verdict.STALE) or not cell.message:
        return None
    found = _ENTRY.match(cell.message.rpartition("\n")[2])
    return Entry(found["place"], found["reason"]) if found else None


def wrong_calls(cells: Iterable[CellLine]) -> Iterator[Wrong]:
    """Every wrong call. Where an entry speaks of the whole cell, it excuses what no other entry does."""
    for cell in cells:
        whole = entry_of(cell) if cell.verdict is Verdict.KNOWN_DEVIATION else None
        for call in cell.calls:
            yield Wrong(cell, call, Entry(call.entry, call.note) if call.entry else whole)


def key_of(wrong: Wrong) -> Key:
    """What the call has in common with others."""
    cell, call = wrong.cell, wrong.call
    return Key(cell.framework, cell.mode, cell.dtype, call.op, call.phase, call.towards)


def by_key(cells: Iterable[CellLine]) -> Mapping[tuple[Key, str], Found]:
    """The causes of a run by their keys and by the reasons of the entries that excuse them, empty without one."""
    grouped: dict[tuple[Key, str], list[Wrong]] = {}
    for one in wrong_calls(cells):
        grouped.setdefault((key_of(one), one.entry.reason if one.entry else ""), []).append(one)
    return {key: Found(own) for key, own in grouped.items()}


def in_words(op: str, phase: str, towards: str) -> str:
    """`backward of where towards x`: a result of an op, whichever call it is of."""
    if phase == "seed":
        return "the seed of the backward pass"
    if phase == "sum":
        return "adding up cotangents"
    if phase == "update":
        return f"update by {op}" if op else "a gradient that is not shown, or its update"
    if not op:
        return "one of several calls"
    if phase == "vjp":
        return f"backward of {op}" + f" towards {towards}" * bool(towards)
    return op
