"""The ledger: known disagreements, each with its evidence, so that they stay visible and go when they end.

An entry excuses a disagreement only as it is written down. One that matches nothing, or something that has changed,
is a failure of its own: a ledger that nobody looks after would hide the next fault behind the last one. What it then
says holds the text to paste.

Most entries speak of an op, a root cause whichever programs call it: their keys stand at the top of `causes`. An
entry by cells is for what is the fault of no op call, such as a fusion, a wrong shape, somebody's own subject:

    [[deviation]]
    cell = "notebooks/two_branches::k:*-mxnet-eager"   # fnmatch's pattern over cell ids
    dtype = "float32"                                  # optional: without it, both
    mode = "eager"                                     # optional: without it, every one
    version = ">=1.9,<2"                               # of the framework, PEP 440
    used = [1.5, 3.0]                                  # error / tolerance, both ends included
    phase = "gradient"                                 # optional: what disagrees is all of this role, or of these
    reason = "one line that a report can print"
    evidence = "a link, or the measurement"
    link = "https://example.org/issue/1"               # optional: where it is talked about
    case = "ops/sigmoid"                               # optional: the minimal case that shows it
    since = 2026-11-22                                 # optional: a date, or the framework's version as a text

A framework's ledger lies beside its adapter. Whoever runs the harness may give ledgers of their own, whose
entries name their `framework` too; all of them count.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TypeVar

from ...reference.rounding import K
from ..reading.elements import digest
from ..roles import ROLES
from ..run.ids import CellId
from ..run.lines import LARGEST, Compared
from ..verdict import Verdict
from .causes import Cause, WrongCall
from .deviation import Deviation, LedgerError, fields
from .writing import outwards, phase_text, range_text

__all__ = ["Deviation", "LedgerError"]
"""Of this room's many modules, the others name this one and `reading`."""

MAX_PATTERN = 1_000
"""Characters of a pattern over cell ids: matching takes their product with those of the ids."""

Entry = TypeVar("Entry")
Numbered = tuple[int, Entry]
"""An entry and its number: where entries are gathered by what they speak of, their order isn't lost."""


class AmbiguousLedger(LedgerError):
    """Two entries that speak of the same cell."""


@dataclass(frozen=True)
class CellDeviation(Deviation):
    """An entry by cells: for what is the fault of no op, such as a crash, a fusion, somebody's own subject."""

    cell: str
    used: tuple[float, float]
    phase: tuple[str, ...]
    """Empty: whatever disagrees."""

    @cached_property
    def beginning(self) -> str:
        """What of the pattern stands for itself, before the first of its wildcards."""
        return re.split(r"[*?\[]", self.cell, maxsplit=1)[0]

    def concerns(self, cell_id: str, dtype: str) -> bool:
        """Whether it speaks of this cell, whatever the framework's version."""
        return (
            cell_id.startswith(self.beginning)
            and super().concerns(cell_id, dtype)
            and fnmatchcase(cell_id, self.cell)
        )

    def may_concern(self, case: str) -> bool:
        """Whether it may speak of the case, none of whose cells is known."""
        return f"{case}::".startswith(self.beginning[: len(case) + 2]) or super().may_concern(case)


@dataclass(frozen=True)
class Ledger:
    """The known disagreements of one framework."""

    framework: str
    entries: tuple[Deviation, ...] = ()

    @cached_property
    def cells(self) -> tuple[CellDeviation, ...]:
        """The entries by cells."""
        return tuple(entry for entry in self.entries if isinstance(entry, CellDeviation))

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """The entries by ops."""
        return tuple(entry for entry in self.entries if isinstance(entry, Cause))

    @property
    def content(self) -> str:
        """Short digest of the entries' texts, wherever they stand."""
        said = [entry.block.text.strip().encode() for entry in self.entries]
        return digest(*said).hex()[:12] if said else "none"

    @cached_property
    def _by_op(self) -> Mapping[str, Sequence[Cause]]:
        """The entries by ops, under each of their ops: a ledger may have thousands, and every wrong call asks."""
        return _gathered((op, cause) for cause in self.causes for op in dict.fromkeys(cause.ops))

    @cached_property
    def _by_case(self) -> Mapping[str, Sequence[Numbered[CellDeviation]]]:
        """The entries by cells with their numbers, by the case that they speak of; "" where a wildcard leaves it open."""
        cases = ((entry.beginning.partition("::"), entry) for entry in self.cells)
        return _gathered((case if end else "", (i, entry)) for i, ((case, end, _), entry) in enumerate(cases))

    @cached_property
    def _by_minimal_case(self) -> Mapping[str, Sequence[Numbered[Deviation]]]:
        """All entries with their numbers, by the case that shows them."""
        return _gathered((entry.case.partition("::")[0], (i, entry)) for i, entry in enumerate(self.entries))

    def _near(self, cell_id: str) -> Sequence[Numbered[CellDeviation]]:
        """The entries by cells that may speak of a cell, in their order."""
        found = [*self._by_case.get(cell_id.partition("::")[0], ()), *self._by_case.get("", ())]
        return sorted(found, key=lambda numbered: numbered[0])

    def joined(self, entries: Iterable[Deviation]) -> "Ledger":
        """The same ledger with those of the entries that are of its framework."""
        own = (entry for entry in entries if entry.framework == self.framework)
        return Ledger(self.framework, (*self.entries, *own))

    def judge(
        self,
        cell_id: str,
        dtype: str,
        version: str,
        verdict: Verdict,
        used: float | None,
        phases: Collection[str] = (),
    ) -> tuple[Verdict, str, CellDeviation | None]:
        """What the entries by cells make of a verdict, what to say of it, and the entry that speaks of the cell.

        `phases` are the roles of the tensors that disagree; an entry with a phase excuses nothing without them.
        Only agree and disagree can change; the text is empty where the ledger has nothing to say. Its last line
        begins with the entry's place; the lines before it are to paste.
        Raises AmbiguousLedger where two entries speak of this cell and version.
        """
        if verdict not in (Verdict.AGREE, Verdict.DISAGREE):
            return verdict, "", None
        concerned = [entry for _, entry in self._near(cell_id) if entry.concerns(cell_id, dtype)]
        entry = self._only(cell_id, [entry for entry in concerned if entry.holds_for(version)])
        if entry is None:
            others = "\n".join(entry.not_this(version) for entry in concerned)
            return verdict, others if verdict is Verdict.DISAGREE else "", None
        if verdict is Verdict.AGREE:
            return Verdict.STALE, _ended(entry), entry
        return *_judge_range(entry, used, phases), entry

    def cause_of(self, call: WrongCall, version: str) -> tuple[Cause | None, list[str]]:
        """The entry that excuses a call; without one, a line for each entry that came near, and why it doesn't hold."""
        near = []
        for cause in self._by_op.get(call.op, ()):
            if cause.is_near(call):
                if not (why := cause.why_not(call, version)):
                    return cause, []
                near.append(why)
        return None, near

    def speaks_of(self, call: WrongCall, version: str) -> bool:
        """Whether an entry speaks of a call that need not be wrong by itself: where it is wrong isn't asked."""
        return any(cause.speaks_of(call, version) for cause in self._by_op.get(call.op, ()))

    def ended(self, cell: CellId, used: Collection[str], version: str = "") -> list[str]:
        """A message for each entry by ops whose minimal case this cell is, though the cell didn't need it.

        `used` are the places of the entries that excused a call of the cell. An entry for other versions than
        the one given has not ended.
        """
        shown = (
            entry
            for _, entry in self._by_minimal_case.get(cell.case, ())
            if isinstance(entry, Cause)
            and entry.place not in used
            and entry.shown_by(str(cell))
            and entry.concerns(str(cell), cell.dtype)
        )
        return [
            f"{cause.place}: this deviation no longer occurs in {cell}, which must show it; delete "
            f"{cause.block.lines}, or correct its case"
            for cause in shown
            if not version or cause.holds_for(version)
        ]

    def unmatched(self, cells_judged: Iterable[str]) -> list[str]:
        """A message for each entry that speaks of none of these cell ids, or whose minimal case isn't among them.

        Cells of other frameworks among them don't count. Only a complete selection shows that an entry is
        stale: whether this one is complete, the caller knows.
        """
        met, shown = set[int](), set[int]()
        for cell in cells_judged:
            dtype, framework, _ = fields(cell)
            if framework == self.framework:
                near = self._near(cell)
                met.update(i for i, entry in near if i not in met and entry.concerns(cell, dtype))
                minimal = self._by_minimal_case.get(cell.partition("::")[0], ())
                shown.update(i for i, entry in minimal if i not in shown and entry.shown_by(cell))
        matchless = [
            f"{entry.place}: {entry.cell!r} matches no cell of {self.framework}; "
            f"correct it or delete {entry.block.lines}"
            for i, entry in enumerate(self.cells)
            if i not in met
        ]
        caseless = [
            f"{entry.place}: case = {entry.case!r} is no case of {self.framework}'s cells; correct it"
            for i, entry in enumerate(self.entries)
            if entry.case and i not in shown
        ]
        return matchless + caseless

    def besides(self, cases: Collection[str]) -> "Ledger":
        """The ledger without the entries that may speak of one of these cases."""
        kept = (entry for entry in self.entries if not any(map(entry.may_concern, cases)))
        return Ledger(self.framework, tuple(kept))

    def _only(self, cell_id: str, entries: Sequence[CellDeviation]) -> CellDeviation | None:
        if len(entries) > 1:
            first, second, *_ = entries
            message = (
                f"{second.place}: {cell_id} is spoken of by {first.place} too; let one entry speak of a cell"
            )
            raise AmbiguousLedger(message)
        return entries[0] if entries else None


def _gathered(pairs: Iterable[tuple[str, Entry]]) -> Mapping[str, Sequence[Entry]]:
    found: dict[str, list[Entry]] = {}
    for key, entry in pairs:
        found.setdefault(key, []).append(entry)
    return found


def phases_of(tensors: Iterable[Compared]) -> frozenset[str]:
    """The roles of the tensors that disagree."""
    return frozenset(t.role for t in tensors if t.verdict is Verdict.DISAGREE)


def used_of(tensors: Iterable[Compared]) -> float:
    """The largest error / tolerance as ledgers mean it, whatever K the tensors were judged with."""
    ratio = max(t.ratio for t in tensors)
    return LARGEST if ratio >= LARGEST else ratio / K


def _ended(entry: CellDeviation) -> str:
    lines = entry.block.lines
    if {"*", "?", "["}.isdisjoint(entry.cell):
        return f"{entry.place}: this deviation no longer occurs; delete {lines}"
    return f"{entry.place}: this deviation no longer occurs here; delete {lines}, or narrow its pattern to what still deviates"


def _size(used: float) -> str:
    return "∞" if used >= LARGEST else f"{used:.4g}"


def _judge_range(entry: CellDeviation, used: float | None, phases: Collection[str]) -> tuple[Verdict, str]:
    """A disagreement that an entry speaks of: within its range of `used` and its phases, or not."""
    low, high = entry.used
    number = None if used is None else min(used, LARGEST)
    left, corrected = [], {}
    if number is None or not low <= number <= high:
        told = "no number" if number is None else _size(number)
        left.append(f"range: used is {told}, was {_size(low)} to {_size(high)}")
        corrected["used"] = _wider(entry, number)
    if entry.phase and not (phases and set(phases) <= set(entry.phase)):
        told = ", ".join(phase for phase in ROLES if phase in phases) or "nothing"
        left.append(f"phase: what disagrees is {told}, was {', '.join(entry.phase)}")
        corrected["phase"] = phase_text({*entry.phase, *phases})
    if not left:
        return Verdict.KNOWN_DEVIATION, f"{entry.place}: {entry.reason}"
    message = f"{entry.place}: this deviation left its {' and its '.join(left)}; find out what changed, "
    if "" in corrected.values():
        return Verdict.STALE, f"{message}then correct {entry.block.lines}"
    replaced = f"{message}then put the text above in place of {entry.block.lines}"
    return Verdict.STALE, f"{entry.block.corrected(corrected)}\n{replaced}"


def _wider(entry: CellDeviation, used: float | None) -> str:
    """The entry's range widened to hold `used`; empty where no range that a ledger may have does.

    Widened, not moved: the entry's other cells may still be where they were.
    """
    if used is None or used < 1:
        return ""
    (low, high), (below, above) = entry.used, outwards(used, used)
    return range_text(below if used < low else low, above if used > high else high)
