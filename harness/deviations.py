"""The ledger: known disagreements, each with its evidence, so that they stay visible and go when they end.

An entry excuses a disagreement only as it is written down: this cell, this dtype, these versions, this
range of `used`. An entry that matches nothing, or something that has changed, is a failure of its own: a
ledger that nobody looks after would hide the next fault behind the last one.

    [[deviation]]
    cell = "notebooks/two_branches::k:*-mxnet-eager"   # fnmatch's pattern over cell ids
    dtype = "float32"                                  # optional: without it, both
    version = ">=1.9,<2"                               # of the framework, PEP 440
    used = [1.5, 3.0]                                  # error / tolerance, both ends included
    reason = "one line that a report can print"
    evidence = "a link, or the measurement"
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from harness.errors import HarnessError, allowed_names
from harness.locate import Locator
from harness.record import LARGEST
from harness.verdict import Verdict

REQUIRED = ("cell", "version", "used", "reason", "evidence")
KEYS = (*REQUIRED, "dtype")
DTYPES = ("float32", "float64")

_CLASS = re.compile(r"\[!?[^\[][^\]]*\]")


class LedgerError(HarnessError):
    """A ledger that isn't as it must be; the text names file, line and entry."""


class AmbiguousLedger(LedgerError):
    """Two entries that speak of the same cell."""


@dataclass(frozen=True)
class Deviation:
    """One known disagreement, and where it is written down ("adapters/mxnet/deviations.toml:3")."""

    cell: str
    dtype: str | None
    version: SpecifierSet
    used: tuple[float, float]
    reason: str
    evidence: str
    place: str

    def concerns(self, cell_id: str, dtype: str) -> bool:
        """Whether it speaks of this cell, whatever the framework's version."""
        return self.dtype in (None, dtype) and fnmatchcase(cell_id, self.cell)

    def holds_for(self, version: str) -> bool:
        """Whether the version is one of its own; what isn't a PEP 440 version never is."""
        try:
            return self.version.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False


@dataclass(frozen=True)
class Ledger:
    """The known disagreements of one framework."""

    framework: str
    entries: tuple[Deviation, ...] = ()

    def judge(
        self, cell_id: str, dtype: str, version: str, verdict: Verdict, used: float | None
    ) -> tuple[Verdict, str, Deviation | None]:
        """What the ledger makes of a verdict, what to say of it, and the entry that speaks of the cell.

        Only agree and disagree can change; the text is empty where the ledger has nothing to say.
        Raises AmbiguousLedger where two entries speak of this cell and version.
        """
        if verdict not in (Verdict.AGREE, Verdict.DISAGREE):
            return verdict, "", None
        concerned = [entry for entry in self.entries if entry.concerns(cell_id, dtype)]
        entry = self._only(cell_id, [entry for entry in concerned if entry.holds_for(version)])
        if entry is None:
            return verdict, self._not_these(concerned, version) if verdict is Verdict.DISAGREE else "", None
        if verdict is Verdict.AGREE:
            return Verdict.STALE, f"{entry.place}: this deviation no longer occurs; delete it", entry
        return *_judge_used(entry, used), entry

    def unmatched(self, cells_judged: Iterable[str]) -> list[str]:
        """A message for each entry that speaks of none of these cell ids.

        Cells of other frameworks among them don't count. Only a complete selection shows that an entry is
        stale: whether this one is complete, the caller knows.
        """
        judged = [(cell, _fields(cell)) for cell in cells_judged]
        own = [(cell, dtype) for cell, (dtype, framework, _) in judged if framework == self.framework]
        return [
            f"{entry.place}: {entry.cell!r} matches no cell of {self.framework}; correct it or delete it"
            for entry in self.entries
            if not any(entry.concerns(cell, dtype) for cell, dtype in own)
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


def _judge_used(entry: Deviation, used: float | None) -> tuple[Verdict, str]:
    """A disagreement that an entry speaks of: within its range of `used`, or not."""
    low, high = entry.used
    if used is not None and low <= min(used, LARGEST) <= high:
        return Verdict.KNOWN_DEVIATION, f"{entry.place}: {entry.reason}"
    told = "no number" if used is None else f"{min(used, LARGEST):.4g}"
    message = (
        f"{entry.place}: this deviation left its range: used is {told}, was {low:.4g} to {high:.4g}; "
        "find out what changed, then correct the entry"
    )
    return Verdict.STALE, message


def load(path: Path, framework: str) -> Ledger:
    """Read a framework's ledger; a file that isn't there holds no entries.

    Raises LedgerError for everything that isn't exactly as it must be.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        return Ledger(framework)
    except OSError as error:
        raise LedgerError(f"{path}: can't read it: {error.strerror}") from error
    except ValueError as error:
        raise LedgerError(f"{path}: not TOML: {error}") from error
    file = _File(path, Locator(text), data)
    return Ledger(framework, tuple(entry.read() for entry in file.entries()))


@dataclass(frozen=True)
class _File:
    """A ledger's data, and where each key of it stands."""

    path: Path
    locator: Locator
    data: dict[str, Any]

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
        return [_Entry(self, index, table) for index, table in enumerate(tables)]


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
            cell=self._pattern(),
            dtype=self._dtype(),
            version=self._version(),
            used=self._used(),
            reason=self._text("reason"),
            evidence=self._text("evidence"),
            place=self.file.place("deviation", self.index),
        )

    def _error(self, message: str, *key: str) -> LedgerError:
        place = self.file.place("deviation", self.index, *key)
        return LedgerError(f"{place}: deviation {self.index + 1}: {message}")

    def _wrong(self, key: str, must: str) -> LedgerError:
        return self._error(f"{key} = {self.table[key]!r}: {must}", key)

    def _check_keys(self) -> None:
        for key in self.table:
            if key not in KEYS:
                raise self._error(f"unknown key {key!r}; {allowed_names(key, KEYS)}", key)
        missing = [key for key in REQUIRED if key not in self.table]
        if missing:
            raise self._error(f"{', '.join(missing)} missing; an entry needs {', '.join(REQUIRED)}")

    def _text(self, key: str) -> str:
        text = self.table[key]
        if not isinstance(text, str) or not text.strip():
            raise self._wrong(key, "must be a text that isn't empty")
        return text.strip()

    def _pattern(self) -> str:
        """A bracket left open stands for itself in fnmatch, and cell ids hold none: it could never match."""
        pattern = self._text("cell")
        if "[" in _CLASS.sub("", pattern):
            raise self._wrong("cell", "'[' opens a set of characters, and no ']' closes it")
        return pattern

    def _dtype(self) -> str | None:
        dtype: str | None = self.table.get("dtype")
        if dtype is not None and dtype not in DTYPES:
            raise self._wrong("dtype", f"must be {' or '.join(DTYPES)}, or left out for both")
        return dtype

    def _version(self) -> SpecifierSet:
        try:
            return SpecifierSet(self._text("version"))
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
