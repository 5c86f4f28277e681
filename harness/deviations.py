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

import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from harness import toml
from harness.errors import HarnessError, allowed_names, printable, shown
from harness.files import read_at_most
from harness.locate import STRING, Locator
from harness.record import LARGEST, Tensor
from harness.verdict import Verdict
from reference.rounding import DTYPE_SCALE, K

REQUIRED = ("cell", "version", "used", "reason", "evidence")
KEYS = (*REQUIRED, "framework", "dtype", "mode", "phase", "link", "case", "since")
DTYPES = tuple(DTYPE_SCALE)
PHASES = ("value", "gradient", "parameter")
"""The roles of tensors: a program's values, its gradients, the parameters after an optimizer's step."""

MAX_BYTES = 1_000_000
MAX_PATTERN = 1_000
MAX_VERSION = 200
"""Bytes of a ledger, characters of a pattern over cell ids, and of a version: matching takes their product."""

_CLASS = re.compile(r"\[!?[^\[][^\]]*\]")
_VALUE = re.compile(rf"\[[^\]]*\]|{STRING.pattern}", re.DOTALL)


class LedgerError(HarnessError):
    """A ledger that isn't as it must be; the text names file, line and entry."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


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


def phases_of(tensors: Iterable[Tensor]) -> frozenset[str]:
    """The roles of the tensors that disagree."""
    return frozenset(t.role for t in tensors if t.verdict is Verdict.DISAGREE)


def used_of(tensors: Iterable[Tensor]) -> float:
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
    names = [f'"{phase}"' for phase in PHASES if phase in phases]
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
        told = ", ".join(phase for phase in PHASES if phase in phases) or "nothing"
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


def load(path: Path, framework: str) -> Ledger:
    """Read a framework's ledger; a file that isn't there holds no entries.

    Raises LedgerError for everything that isn't exactly as it must be.
    """
    return Ledger(framework, _read(path, framework)) if path.exists() else Ledger(framework)


def load_given(paths: Iterable[Path], known: Collection[str] | None = None) -> list[Deviation]:
    """The entries of ledgers that a user gives, each of which names its framework.

    Raises LedgerError as `load` does, and for a file that isn't there or a framework that isn't known.
    """
    entries = [entry for path in paths for entry in _read(path, None)]
    for entry in entries:
        if known is not None and entry.framework not in known:
            told = allowed_names(entry.framework, sorted(known))
            raise LedgerError(f"{entry.place}: framework = {entry.framework!r}: {told}")
    return entries


def _read(path: Path, framework: str | None) -> tuple[Deviation, ...]:
    try:
        text = read_at_most(path, MAX_BYTES).decode("utf-8").replace("\r\n", "\n")
        data = toml.loads(text)
    except OSError as error:
        raise LedgerError(f"{path}: can't read it: {error.strerror}") from error
    except ValueError as error:
        raise LedgerError(f"{path}: not TOML: {error}") from error
    file = _File(path, Locator(text), data, framework)
    return tuple(entry.read() for entry in file.entries())


@dataclass(frozen=True)
class _File:
    """A ledger's data, and where each key of it stands."""

    path: Path
    locator: Locator
    data: dict[str, Any]
    framework: str | None
    """Whose ledger it is; None where each entry says it."""

    def place(self, *keys: str | int) -> str:
        """File and line of a key, or of what is around it."""
        line, _ = self.locator.key(keys) or (1, 1)
        return f"{self.path}:{line}"

    def entries(self) -> list["_Entry"]:
        """Everything in the file, which is deviations and nothing else."""
        for key in self.data:
            if key != "deviation":
                allowed = allowed_names(key, ["deviation"])
                raise LedgerError(f"{self.place(key)}: unknown key {key!r}; {allowed}")
        tables = self.data.get("deviation", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise LedgerError(f"{self.place('deviation')}: begin each entry with a line [[deviation]]")
        if any(("deviation", index) not in self.locator.keys for index in range(len(tables))):
            raise LedgerError(f"{self.place('deviation')}: begin each entry with a line [[deviation]]")
        return [_Entry(self, index, table) for index, table in enumerate(tables)]

    @functools.cached_property
    def values_of_entries(self) -> Mapping[int, Mapping[str, int]]:
        """Where the values of each entry begin, by its number and their keys."""
        found: dict[int, dict[str, int]] = {}
        for path, at in self.locator.values.items():
            if len(path) == 3 and path[0] == "deviation":
                found.setdefault(int(path[1]), {})[str(path[2])] = at
        return found

    def block(self, index: int) -> Block:
        """An entry's own lines. What stands between its last value and the next entry belongs to that one."""
        text, keys = self.locator.text, self.locator.keys
        start = text.rfind("\n", 0, keys["deviation", index]) + 1
        own = self.values_of_entries[index]
        spans = {key: (at - start, _end(text, at) - start) for key, at in own.items()}
        last = start + max(end for _, end in spans.values())
        (first, _), (final, _) = self.locator.place(start), self.locator.place(last)
        end = text.find("\n", last)
        return Block(first, final, text[start : end if end >= 0 else len(text)], spans)


def _end(text: str, start: int) -> int:
    """Where a value ends: a text, a list, or what is neither and has no blank in it."""
    match = _VALUE.match(text, start) or re.compile(r"\S+").match(text, start)
    return match.end() if match else start


@dataclass(frozen=True)
class _Entry:
    """One table on its way to a Deviation."""

    file: _File
    index: int
    table: dict[str, Any]

    def read(self) -> Deviation:
        """The entry, every part of it checked."""
        self._check_keys()
        return Deviation(
            framework=self._framework(),
            cell=self._pattern(),
            dtype=self._dtype(),
            mode=self._text("mode") if "mode" in self.table else None,
            version=self._version(),
            used=self._used(),
            phase=self._phase(),
            reason=self._text("reason"),
            evidence=self._text("evidence"),
            link=self._link(),
            case=self._text("case") if "case" in self.table else "",
            since=self._since(),
            block=self.file.block(self.index),
            place=self.file.place("deviation", self.index),
        )

    def _error(self, message: str, *key: str) -> LedgerError:
        place = self.file.place("deviation", self.index, *key)
        return LedgerError(f"{place}: deviation {self.index + 1}: {message}")

    def _wrong(self, key: str, must: str) -> LedgerError:
        return self._error(f"{key} = {shown(self.table[key])}: {must}", key)

    def _check_keys(self) -> None:
        for key in self.table:
            if key not in KEYS:
                raise self._error(f"unknown key {key!r}; {allowed_names(key, KEYS)}", key)
        needed = REQUIRED if self.file.framework else (*REQUIRED, "framework")
        missing = [key for key in needed if key not in self.table]
        if missing:
            raise self._error(f"{', '.join(missing)} missing; an entry needs {', '.join(needed)}")

    def _framework(self) -> str:
        framework = self._text("framework") if "framework" in self.table else str(self.file.framework)
        if self.file.framework not in (None, framework):
            raise self._wrong("framework", f"this is the ledger of {self.file.framework}; leave it out")
        return framework

    def _phase(self) -> tuple[str, ...]:
        value = self.table.get("phase", [])
        phases = [value] if isinstance(value, str) else value
        right = isinstance(phases, list) and all(phase in PHASES for phase in phases)
        if "phase" in self.table and not (right and phases):
            raise self._wrong("phase", f"must be {', '.join(PHASES)} or a list of them")
        return tuple(phases)

    def _link(self) -> str:
        link = self._text("link") if "link" in self.table else ""
        if link and not re.fullmatch(r"https?://\S+", link):
            raise self._wrong("link", "must be an address, https://...")
        return link

    def _since(self) -> str:
        """A date, TOML's own or as a text, or a version."""
        since = self.table.get("since", "")
        if type(since) is date:
            return since.isoformat()
        if "since" not in self.table or (isinstance(since, str) and _is_date_or_version(since)):
            return str(since)
        raise self._wrong("since", "must be a date such as 2026-01-31, or a version such as '1.9.1'")

    def _text(self, key: str) -> str:
        text = self.table[key]
        if not isinstance(text, str) or not text.strip():
            raise self._wrong(key, "must be a text that isn't empty")
        return text.strip()

    def _pattern(self) -> str:
        """A bracket left open stands for itself in fnmatch, and cell ids hold none: it could never match."""
        pattern = self._text("cell")
        if len(pattern) > MAX_PATTERN:
            raise self._wrong("cell", f"a pattern may have at most {MAX_PATTERN} characters")
        if "[" in _CLASS.sub("", pattern):
            raise self._wrong("cell", "'[' opens a set of characters, and no ']' closes it")
        return pattern

    def _dtype(self) -> str | None:
        dtype: str | None = self.table.get("dtype")
        if dtype is not None and dtype not in DTYPES:
            raise self._wrong("dtype", f"must be {' or '.join(DTYPES)}, or left out for both")
        return dtype

    def _version(self) -> SpecifierSet:
        text = self._text("version")
        if len(text) > MAX_VERSION:
            raise self._wrong("version", f"may have at most {MAX_VERSION} characters")
        try:
            return SpecifierSet(text)
        except InvalidSpecifier as error:
            raise self._wrong("version", "must be a PEP 440 specifier such as '>=1.9,<2'") from error

    def _used(self) -> tuple[float, float]:
        """The range; infinity is the largest double here, as it is in run files."""
        value = self.table["used"]
        pair = isinstance(value, list) and [type(number) in (int, float) for number in value] == [True, True]
        if not pair:
            raise self._wrong("used", "must be two numbers, [lowest, highest]")
        low, high = value
        if not 1 <= low <= high:
            raise self._wrong("used", "must be 1 <= lowest <= highest: up to 1 a cell agrees")
        return float(min(low, LARGEST)), float(min(high, LARGEST))


def _is_date_or_version(text: str) -> bool:
    if len(text) > MAX_VERSION:
        return False
    for read in (date.fromisoformat, Version):
        try:
            read(text)
        except ValueError:  # InvalidVersion is one
            continue
        return True
    return False
