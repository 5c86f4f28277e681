"""Reads ledgers: TOML from strangers, every part of it checked."""

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from ...reference.formats import DTYPES
from ..reading import toml
from ..reading.files import read_at_most
from ..reading.locate import STRING, Locator
from ..roles import ROLES
from ..run.lines import LARGEST
from ..text import allowed_names, shown
from .entries import MAX_PATTERN, MAX_VERSION, Block, Deviation, Ledger, LedgerError

REQUIRED = ("cell", "version", "used", "reason", "evidence")
KEYS = (*REQUIRED, "framework", "dtype", "mode", "phase", "link", "case", "since")

MAX_BYTES = 1_000_000

_CLASS = re.compile(r"\[!?[^\[][^\]]*\]")
_VALUE = re.compile(rf"\[[^\]]*\]|{STRING.pattern}", re.DOTALL)


def load(path: Path, framework: str) -> Ledger:
    """Read a framework's ledger; a file that isn't there holds no entries.

    Raises LedgerError for everything that isn't exactly as it must be.
    """
    return Ledger(framework, read_ledger(path, framework)) if path.exists() else Ledger(framework)


def load_given(paths: Iterable[Path], known: Collection[str] | None = None) -> list[Deviation]:
    """The entries of ledgers that a user gives, each of which names its framework.

    Raises LedgerError as `load` does, and for a file that isn't there or a framework that isn't known.
    """
    entries = [entry for path in paths for entry in read_ledger(path, None)]
    for entry in entries:
        if known is not None and entry.framework not in known:
            told = allowed_names(entry.framework, sorted(known))
            raise LedgerError(f"{entry.place}: framework = {entry.framework!r}: {told}")
    return entries


def read_ledger(path: Path, framework: str | None) -> tuple[Deviation, ...]:
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
        right = isinstance(phases, list) and all(phase in ROLES for phase in phases)
        if "phase" in self.table and not (right and phases):
            raise self._wrong("phase", f"must be {', '.join(ROLES)} or a list of them")
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
