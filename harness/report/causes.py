"""The root causes of a run: some rows in place of many cells, and what the ledgers say of each.

A cause is an entry of a ledger with all that it excuses; of what no entry excuses, the calls of one op in one phase,
towards one input, in one dtype. Cells may have several, so the cells of all causes add up to more than there are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import HarnessError
from ..ledger.entries import Deviation as LedgerEntry
from ..ledger.reading import load as load_ledger
from ..ledger.reading import load_given
from ..reading.text import count_of
from ..run.causes import Entry, entry_of, in_words, key_of, wrong_calls
from ..run.lines import CallLine, CellLine, number
from ..verdict import Verdict
from .cases import _Facts

_LINK = re.compile(r"https?://[^\s<>\"'`;,)]+")

KINDS = ("gradients", "values", "values and gradients", "updates", "no single call")
"""What is wrong by a cause, in the words of a framework's sentence."""

NAMED = 4
"""Inputs that a row names; of the others it gives the number."""

_PHASES = ("forward", "vjp", "sum", "seed", "update")
_GRADIENT = frozenset({"vjp", "sum", "seed"})


class Deviation(_Facts, frozen=True, kw_only=True):
    """What a ledger says of a cell, or of calls of it."""

    place: str
    """File and line of the entry."""
    reason: str
    evidence: str
    """Empty where the entry can't be read any more, or says something else by now."""
    link: str
    """The entry's own, or the first address in its evidence, or empty."""
    case: str
    """The minimal case that shows it, or empty."""
    since: str
    """A date, or the framework's version, or empty."""


class Cause(_Facts, frozen=True, kw_only=True):
    """A row: one entry of a ledger, or calls alike that none excuses."""

    framework: str
    deviation: Deviation | None
    """None: new."""
    ops: list[str]
    """Empty where it is of no single call, as entries by cells are."""
    phases: list[str]
    towards: list[str]
    dtypes: list[str]
    cells: int
    of: int
    """The framework's cells of these dtypes that were judged and have one of the ops; all that were judged, if not `of_op`."""
    of_op: bool
    """Whether it is known of all of these cells which ops they have: a case that has changed since the run doesn't say."""
    calls: int
    relative: float | None
    """The largest relative error of a call."""
    case: str
    """The smallest case that shows it: the entry's, or that of `shown`."""
    shown: str
    """The id of the cell with the fewest elements."""
    likely: list[str]
    """What explains every element of its calls, in words."""

    @property
    def name(self) -> str:
        """The entry's reason, or that there is none."""
        return self.deviation.reason if self.deviation else "new"

    @property
    def result(self) -> str:
        """Which results of which ops."""
        if not self.ops:
            return in_words("", "".join(self.phases), "") if self.calls else "no single call"
        more = f" and {len(self.towards) - NAMED} more" * (len(self.towards) > NAMED)
        towards = f" towards {', '.join(self.towards[:NAMED])}{more}" * bool(self.towards)
        return f"{', '.join(self.ops)}: {', '.join(self.phases)}{towards}"

    @property
    def share(self) -> str:
        """The cells, and of how many: of those with the op, or of all."""
        return f"{self.cells} of {self.of}" + " in all" * (not self.of_op)

    @property
    def error(self) -> str:
        """The relative error."""
        return number(self.relative, 2)

    @property
    def link(self) -> str:
        """Where it is talked about, or empty."""
        return self.deviation.link if self.deviation else ""

    @property
    def kind(self) -> str:
        """One of KINDS."""
        phases = set(self.phases) - {""}
        if not phases or (phases == {"update"} and not self.ops):
            return "no single call"
        if phases <= _GRADIENT:
            return "gradients"
        return {frozenset({"forward"}): "values", frozenset({"update"}): "updates"}.get(
            frozenset(phases), "values and gradients"
        )


class Affected(_Facts, frozen=True, kw_only=True):
    """How many cells of a framework are known deviations or disagree, and by how many causes."""

    framework: str
    cells: int
    unexplained: int
    """Those of them without any cause: no call is wrong by itself, or nothing could be looked into."""
    causes: dict[str, int]
    """By KINDS; they add up to the framework's causes."""
    new: int
    """Causes among them that no entry excuses."""

    @property
    def sentence(self) -> str:
        """`mxnet: 60 cells deviate, 10 causes: 5 in gradients, 2 in values, 3 in values and gradients; 1 of them new`."""
        count = sum(self.causes.values())
        told = f"{self.framework}: {count_of(self.cells, 'cell')} deviate{'s' * (self.cells == 1)}"
        if count:
            kinds = ", ".join(f"{own} in {kind}" for kind, own in self.causes.items() if own)
            told += f", {count_of(count, 'cause')}: {kinds}"
        told += f"; {self.new} of them new" * bool(self.new)
        return told + f"; {count_of(self.unexplained, 'cell')} without a cause" * bool(self.unexplained)


@dataclass
class _Group:
    """What one cause has gathered."""

    framework: str
    entry: Entry | None
    cells: dict[str, CellLine] = field(default_factory=dict)
    calls: list[CallLine] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)

    def add(self, cell: CellLine, call: CallLine | None) -> None:
        self.cells[cell.cell] = cell
        if call is not None:
            self.calls.append(call)
        self.sizes[cell.cell] += call.elements if call else 1


class _Known:
    """The entries of one ledger, by what a run file says of them: a run has many cells, and a ledger may have many entries."""

    def __init__(self, entries: Iterable[LedgerEntry]) -> None:
        self.by_place: dict[str, LedgerEntry] = {}
        self.by_reason: dict[str, list[LedgerEntry]] = {}
        for entry in entries:
            self.by_place[entry.place] = entry
            self.by_reason.setdefault(entry.reason, []).append(entry)


class Ledgers:
    """What the ledgers that a run names say now, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], _Known] = {}

    def of(self, cell: CellLine) -> list[Deviation]:
        """Every entry that excuses a call of the cell, or speaks of the whole of it."""
        entries = [Entry(call.entry, call.note) for call in cell.calls if call.entry]
        whole = entry_of(cell)
        return [self.told(entry, cell) for entry in dict.fromkeys([*entries, *([whole] if whole else [])])]

    def told(self, entry: Entry, cell: CellLine) -> Deviation:
        """What is known of an entry that a run file names."""
        found = self._entry(entry, cell)
        text, own = (found.evidence, found.link) if found else ("", "")
        link = _LINK.search(f"{own} {text} {entry.reason}") if found else None  # a run file leads nowhere
        return Deviation(
            place=entry.place,
            reason=entry.reason,
            evidence=text,
            link=link[0] if link else "",
            case=found.case if found else "",
            since=found.since if found else "",
        )

    def _entry(self, entry: Entry, cell: CellLine) -> LedgerEntry | None:
        """The entry that spoke of the cell: the one of that reason, wherever it stands by now.

        What is said of a stale one is no reason: it is the one that stood there, if it still speaks of the cell.
        """
        key = entry.file, cell.framework
        if key not in self._read:
            self._read[key] = _Known(_ledger(*key))
        known = self._read[key]
        for own in known.by_reason.get(entry.reason, ()):
            if own.concerns(cell.cell, cell.dtype):
                return own
        there = known.by_place.get(entry.place) if cell.verdict is Verdict.STALE else None
        return there if there and there.concerns(cell.cell, cell.dtype) else None


def _ledger(file: str, framework: str) -> Sequence[LedgerEntry]:
    """The entries of a framework's ledger or a user's; none where it can't be read any more."""
    for read in (lambda: load_ledger(Path(file), framework).entries, lambda: load_given([Path(file)])):
        with suppress(HarnessError):
            return read()
    return ()


Ops = Mapping[tuple[str, str], frozenset[str]]
"""The ops of the variants whose case is still what was run."""


def causes(cells: Sequence[CellLine], ledgers: Ledgers, ops: Ops | None = None) -> list[Cause]:
    """The causes, framework by framework: new ones first, then those of most cells."""
    made = [_cause(group, cells, ledgers, ops or {}) for group in _groups(cells)]
    order = list(dict.fromkeys(cell.framework for cell in cells))
    return sorted(made, key=lambda c: (order.index(c.framework), c.deviation is not None, -c.cells))


def _groups(cells: Iterable[CellLine]) -> Iterable[_Group]:
    found: dict[object, _Group] = {}
    for cell in cells:
        for wrong in wrong_calls([cell]):
            key = (cell.framework, wrong.entry) if wrong.entry else key_of(wrong)._replace(mode="")
            found.setdefault(key, _Group(cell.framework, wrong.entry)).add(cell, wrong.call)
        whole = entry_of(cell) if cell.verdict is Verdict.KNOWN_DEVIATION and not cell.calls else None
        if whole:
            found.setdefault((cell.framework, whole), _Group(cell.framework, whole)).add(cell, None)
    return found.values()


def _cause(group: _Group, every: Iterable[CellLine], ledgers: Ledgers, ops: Ops) -> Cause:
    smallest = min(group.cells.values(), key=lambda cell: (group.sizes[cell.cell], cell.cell))
    deviation = ledgers.told(group.entry, smallest) if group.entry else None
    own = _distinct(call.op for call in group.calls)
    dtypes = _distinct(cell.dtype for cell in group.cells.values())
    of, of_op = _among(
        group, [c for c in every if c.framework == group.framework and c.dtype in dtypes], own, ops
    )
    return Cause(
        framework=group.framework,
        deviation=deviation,
        ops=own,
        phases=[phase for phase in _PHASES if any(call.phase == phase for call in group.calls)],
        towards=_distinct(call.towards for call in group.calls),
        dtypes=dtypes,
        cells=len(group.cells),
        of=of,
        of_op=of_op,
        calls=len(group.calls),
        relative=max((call.relative for call in group.calls), default=None),
        case=(deviation and deviation.case) or _variant(smallest),
        shown=smallest.cell,
        likely=_distinct(call.likely for call in group.calls),
    )


def _among(group: _Group, every: Sequence[CellLine], own: Sequence[str], ops: Ops) -> tuple[int, bool]:
    """Of how many cells a cause has its own: of those that were judged and have one of its ops, where that is known."""
    judged = [cell for cell in every if cell.used is not None or cell.cell in group.cells]
    if own and all((cell.case, cell.variant) in ops for cell in judged):
        having = {cell.cell for cell in judged if not ops[cell.case, cell.variant].isdisjoint(own)}
        if group.cells.keys() <= having:
            return len(having), True
    return len(judged), False


def _distinct(texts: Iterable[str]) -> list[str]:
    """Each once, without those that are empty, in the order in which they come."""
    return [text for text in dict.fromkeys(texts) if text]


def _variant(cell: CellLine) -> str:
    return f"{cell.case}::{cell.variant}" if cell.variant else cell.case


def affected(cells: Sequence[CellLine], found: Sequence[Cause]) -> list[Affected]:
    """A row for each framework that has cells which are known deviations or disagree, or causes."""
    rows = (_affected(name, cells, found) for name in dict.fromkeys(cell.framework for cell in cells))
    return [row for row in rows if row.cells or sum(row.causes.values())]


def _affected(framework: str, cells: Iterable[CellLine], found: Iterable[Cause]) -> Affected:
    wrong = [
        cell
        for cell in cells
        if cell.framework == framework and cell.verdict in (Verdict.KNOWN_DEVIATION, Verdict.DISAGREE)
    ]
    own = [cause for cause in found if cause.framework == framework]
    counts = Counter(cause.kind for cause in own)
    return Affected(
        framework=framework,
        cells=len(wrong),
        unexplained=sum(not cell.calls and entry_of(cell) is None for cell in wrong),
        causes={kind: counts[kind] for kind in KINDS},
        new=sum(cause.deviation is None for cause in own),
    )
