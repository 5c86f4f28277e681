"""The ledger: known disagreements, each with its evidence, so that they stay visible and go when they end.

An entry excuses a disagreement only as it is written down: this cell, this dtype, these versions, this
range of `used`. An entry that matches nothing, or something that has changed, is a failure of its own: a
ledger that nobody looks after would hide the next fault behind the last one. What it then says holds the text
to paste.

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
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fnmatch import fnmatchcase

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ...reference.rounding import K
from ..errors import HarnessError
from ..roles import ROLES
from ..run.lines import LARGEST, Compared
from ..text import visible
from ..verdict import Verdict

MAX_PATTERN = 1_000
MAX_VERSION = 200
"""Bytes of a ledger, characters of a pattern over cell ids, and of a version: matching takes their product."""


class LedgerError(HarnessError):
    """A ledger that isn't as it must be; the text names file, line and entry."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class AmbiguousLedger(LedgerError):
    """Two entries that speak of the same cell."""


@dataclass(frozen=True)
class Block:
    """An entry as it stands in its file: first and last line, text, and the values that may have to be corrected."""

    first: int
    last: int
    text: str
    spans: Mapping[str, tuple[int, int]]

    @property
    def lines(self) -> str:
        """`lines 3-9`"""
        return f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"

    def corrected(self, values: Mapping[str, str]) -> str:
        """The text with other values, and everything else as it was written."""
        text = self.text
        for key in sorted(values, key=lambda key: self.spans[key], reverse=True):
            start, end = self.spans[key]
            text = text[:start] + values[key] + text[end:]
        return text


@dataclass(frozen=True)
class Deviation:
    """One known disagreement, and where it is written down ("adapters/mxnet/deviations.toml:3")."""

    framework: str
    cell: str
    dtype: str | None
    mode: str | None
    version: SpecifierSet
    used: tuple[float, float]
    phase: tuple[str, ...]
    """Empty: whatever disagrees."""
    reason: str
    evidence: str
    link: str
    case: str
    since: str
    place: str
    block: Block

    def concerns(self, cell_id: str, dtype: str) -> bool:
        """Whether it speaks of this cell, whatever the framework's version."""
        _, _, mode = _fields(cell_id)
        return self.dtype in (None, dtype) and self.mode in (None, mode) and fnmatchcase(cell_id, self.cell)

    def may_concern(self, case: str) -> bool:
        """Whether it may speak of the case, none of whose cells is known."""
        literal = re.split(r"[*?\[]", self.cell, maxsplit=1)[0]
        return f"{case}::".startswith(literal[: len(case) + 2]) or self.case.startswith(case)

    def holds_for(self, version: str) -> bool:
        """Whether the version is one of its own; what isn't a PEP 440 version never is."""
        try:
            return self.version.contains(Version(version[:MAX_VERSION]), prereleases=True)
        except InvalidVersion:
            return False


@dataclass(frozen=True)
class Ledger:
    """The known disagreements of one framework."""

    framework: str
    entries: tuple[Deviation, ...] = ()

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
    ) -> tuple[Verdict, str, Deviation | None]:
        """What the ledger makes of a verdict, what to say of it, and the entry that speaks of the cell.

        `phases` are the roles of the tensors that disagree; an entry with a phase excuses nothing without them.
        Only agree and disagree can change; the text is empty where the ledger has nothing to say. Its last line
        begins with the entry's place; the lines before it are to paste.
        Raises AmbiguousLedger where two entries speak of this cell and version.
        """
        if verdict not in (Verdict.AGREE, Verdict.DISAGREE):
            return verdict, "", None
        concerned = [entry for entry in self.entries if entry.concerns(cell_id, dtype)]
        entry = self._only(cell_id, [entry for entry in concerned if entry.holds_for(version)])
        if entry is None:
            return verdict, self._not_these(concerned, version) if verdict is Verdict.DISAGREE else "", None
        if verdict is Verdict.AGREE:
            return Verdict.STALE, _ended(entry), entry
        return *_judge_range(entry, used, phases), entry

    def unmatched(self, cells_judged: Iterable[str]) -> list[str]:
        """A message for each entry that speaks of none of these cell ids.

        Cells of other frameworks among them don't count. Only a complete selection shows that an entry is
        stale: whether this one is complete, the caller knows.
        """
        judged = [(cell, _fields(cell)) for cell in cells_judged]
        own = [(cell, dtype) for cell, (dtype, framework, _) in judged if framework == self.framework]
        matchless = [
            f"{entry.place}: {entry.cell!r} matches no cell of {self.framework}; "
            f"correct it or delete {entry.block.lines}"
            for entry in self.entries
            if not any(entry.concerns(cell, dtype) for cell, dtype in own)
        ]
        return matchless + [
            f"{entry.place}: case = {entry.case!r} is no case of {self.framework}'s cells; correct it"
            for entry in self.entries
            if entry.case
            and not any(cell.startswith((f"{entry.case}::", f"{entry.case}-")) for cell, _ in own)
        ]

    def besides(self, cases: Collection[str]) -> "Ledger":
        """The ledger without the entries that may speak of one of these cases."""
        kept = (entry for entry in self.entries if not any(map(entry.may_concern, cases)))
        return Ledger(self.framework, tuple(kept))

    def _only(self, cell_id: str, entries: Sequence[Deviation]) -> Deviation | None:
        if len(entries) > 1:
            first, second, *_ = entries
            message = (
                f"{second.place}: {cell_id} is spoken of by {first.place} too; let one entry speak of a cell"
            )
            raise AmbiguousLedger(message)
        return entries[0] if entries else None

    def _not_these(self, entries: Sequence[Deviation], version: str) -> str:
        """Entries for other versions excuse nothing; whoever reads the disagreement wants to know of them."""
        return "\n".join(
            f"{entry.place}: known for {self.framework} {entry.version}, this is {version}"
            for entry in entries
        )


def _fields(cell_id: str) -> list[str]:
    """Dtype, framework and mode: the last three fields of an id, whether or not its case has variants."""
    return cell_id.rpartition("::")[2].rsplit("-", 3)[-3:]


def phases_of(tensors: Iterable[Compared]) -> frozenset[str]:
    """The roles of the tensors that disagree."""
    return frozenset(t.role for t in tensors if t.verdict is Verdict.DISAGREE)


def used_of(tensors: Iterable[Compared]) -> float:
    """The largest error / tolerance as ledgers mean it, whatever K the tensors were judged with."""
    ratio = max(t.ratio for t in tensors)
    return LARGEST if ratio >= LARGEST else ratio / K


def outwards(low: float, high: float) -> tuple[float, float]:
    """A range of two digits around this one, so that the last bits of another machine don't leave it."""
    return _two_digits(low, ROUND_FLOOR), _two_digits(high, ROUND_CEILING)


def _two_digits(number: float, rounding: str) -> float:
    if number >= LARGEST:
        return LARGEST
    exact = Decimal(repr(number))
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding)
    return min(float(rounded), LARGEST)


def range_text(low: float, high: float) -> str:
    """A range as a ledger has it."""
    ends = ("inf" if end >= LARGEST else _shortest(end) for end in (low, high))
    return f"[{', '.join(ends)}]"


def _shortest(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def phase_text(phases: Collection[str]) -> str:
    """Roles as a ledger has them, in one order."""
    names = [f'"{phase}"' for phase in ROLES if phase in phases]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _ended(entry: Deviation) -> str:
    lines = entry.block.lines
    if {"*", "?", "["}.isdisjoint(entry.cell):
        return f"{entry.place}: this deviation no longer occurs; delete {lines}"
    return f"{entry.place}: this deviation no longer occurs here; delete {lines}, or narrow its pattern to what still deviates"


def _judge_range(entry: Deviation, used: float | None, phases: Collection[str]) -> tuple[Verdict, str]:
    """A disagreement that an entry speaks of: within its range of `used` and its phases, or not."""
    low, high = entry.used
    number = None if used is None else min(used, LARGEST)
    left, corrected = [], {}
    if number is None or not low <= number <= high:
        told = "no number" if number is None else f"{number:.4g}"
        left.append(f"range: used is {told}, was {low:.4g} to {high:.4g}")
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


def _wider(entry: Deviation, used: float | None) -> str:
    """The entry's range widened to hold `used`; empty where no range that a ledger may have does.

    Widened, not moved: the entry's other cells may still be where they were.
    """
    if used is None or used < 1:
        return ""
    (low, high), (below, above) = entry.used, outwards(used, used)
    return range_text(below if used < low else low, above if used > high else high)
