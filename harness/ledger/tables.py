"""From the tables of a ledger to its entries, every part of them checked."""

import functools
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from ...reference.formats import DTYPES
from ...reference.names import nearest
from ...reference.ops import OPS
from ...reference.optimizers import OPTIMIZERS
from ...reference.program import ProgramError
from ..reading.locate import SCALAR, STRING, Locator
from ..reading.text import SHOWN, allowed_names, shortened, shown, visible
from ..roles import ROLES
from ..run.lines import LARGEST
from . import conditions
from .causes import OUT, PHASES, Cause
from .conditions import Expression
from .deviation import MAX_VERSION, Block, Deviation, LedgerError
from .entries import MAX_PATTERN, CellDeviation

OPTIONAL = ("framework", "dtype", "mode", "phase", "link", "case", "since")

_CLASS = re.compile(r"\[!?[^\[][^\]]*\]")
_VALUE = re.compile(rf"\[[^\]]*\]|{STRING.pattern}|{SCALAR.pattern}", re.DOTALL)


@dataclass(frozen=True)
class File:
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

    def entries(self) -> list["Table"]:
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
        return [self._table(index, table) for index, table in enumerate(tables)]

    def _table(self, index: int, table: dict[str, Any]) -> "Table":
        if ("cell" in table) != ("op" in table):
            return (CauseTable if "op" in table else CellTable)(self, index, table)
        found = "cell and op are both there" if "op" in table else "cell or op missing"
        place = self.place("deviation", index)
        raise LedgerError(
            f"{place}: deviation {index + 1}: {found}; an entry speaks either of cells or of an op"
        )

    @functools.cached_property
    def values_of_entries(self) -> Mapping[int, Mapping[tuple[str | int, ...], int]]:
        """Where the values of each entry begin, those inside others too, by its number and their keys."""
        found: dict[int, dict[tuple[str | int, ...], int]] = {}
        for path, at in self.locator.values.items():
            if len(path) > 2 and path[0] == "deviation":
                found.setdefault(int(path[1]), {})[path[2:]] = at
        return found

    def block(self, index: int) -> Block:
        """An entry's own lines. What stands between its last value and the next entry belongs to that one."""
        text, keys = self.locator.text, self.locator.keys
        start = text.rfind("\n", 0, keys["deviation", index]) + 1
        own = self.values_of_entries[index]
        spans = {
            str(key): (at - start, _end(text, at) - start) for (key, *rest), at in own.items() if not rest
        }
        last = max(_end(text, at) for at in own.values())
        (first, _), (final, _) = self.locator.place(start), self.locator.place(last)
        end = text.find("\n", last)
        return Block(first, final, text[start : end if end >= 0 else len(text)], spans)


def _end(text: str, start: int) -> int:
    """Where a value ends: a text, a list, or what is neither; of a list of tables or a table at least where it begins."""
    match = _VALUE.match(text, start)
    return match.end() if match else start


@dataclass(frozen=True)
class Table:
    """One table on its way to an entry."""

    file: File
    index: int
    table: dict[str, Any]

    required: ClassVar[tuple[str, ...]]
    keys: ClassVar[tuple[str, ...]]

    def read(self) -> Deviation:
        """The entry, every part of it checked."""
        raise NotImplementedError

    def _common(self) -> dict[str, Any]:
        """What every entry says."""
        self._check_keys()
        return {
            "framework": self._framework(),
            "dtype": self._dtype(),
            "mode": self._text("mode") if "mode" in self.table else None,
            "version": self._version(),
            "reason": self._text("reason"),
            "evidence": self._text("evidence"),
            "link": self._link(),
            "case": self._text("case") if "case" in self.table else "",
            "since": self._since(),
            "block": self.file.block(self.index),
            "place": self.file.place("deviation", self.index),
        }

    def _error(self, message: str, *key: str) -> LedgerError:
        place = self.file.place("deviation", self.index, *key)
        return LedgerError(f"{place}: deviation {self.index + 1}: {message}")

    def _wrong(self, key: str, must: str) -> LedgerError:
        return self._error(f"{key} = {shown(self.table[key])}: {must}", key)

    def _check_keys(self) -> None:
        for key in self.table:
            if key not in self.keys:
                raise self._error(f"unknown key {key!r}; {allowed_names(key, self.keys)}", key)
        needed = self.required if self.file.framework else (*self.required, "framework")
        missing = [key for key in needed if key not in self.table]
        if missing:
            raise self._error(f"{', '.join(missing)} missing; an entry needs {', '.join(needed)}")

    def _framework(self) -> str:
        framework = self._text("framework") if "framework" in self.table else str(self.file.framework)
        if self.file.framework not in (None, framework):
            raise self._wrong("framework", f"this is the ledger of {self.file.framework}; leave it out")
        return framework

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

    def _several(self, key: str, allowed: Collection[str]) -> tuple[str, ...]:
        """A name, or a list of names."""
        value = self.table[key]
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and names and all(name in allowed for name in names):
            return tuple(names)
        strange = (
            next((n for n in names if isinstance(n, str) and n not in allowed), "")
            if isinstance(names, list)
            else ""
        )
        told = f'; "{visible(shortened(strange, SHOWN))}" is none of them' * bool(strange)
        raise self._wrong(
            key, f"must be {', '.join(allowed)} or a list of them{told}{nearest(strange, allowed)}"
        )

    def _text(self, key: str) -> str:
        text = self.table[key]
        if not isinstance(text, str) or not text.strip():
            raise self._wrong(key, "must be a text that isn't empty")
        return text.strip()

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


@dataclass(frozen=True)
class CellTable(Table):
    """An entry by cells."""

    required = ("cell", "version", "used", "reason", "evidence")
    keys = (*required, *OPTIONAL)

    def read(self) -> CellDeviation:
        common = self._common()
        return CellDeviation(**common, cell=self._pattern(), used=self._used(), phase=self._phase())

    def _phase(self) -> tuple[str, ...]:
        return self._several("phase", ROLES) if "phase" in self.table else ()

    def _pattern(self) -> str:
        """A bracket left open stands for itself in fnmatch, and cell ids hold none: it could never match."""
        pattern = self._text("cell")
        if len(pattern) > MAX_PATTERN:
            raise self._wrong("cell", f"a pattern may have at most {MAX_PATTERN} characters")
        if "[" in _CLASS.sub("", pattern):
            raise self._wrong("cell", "'[' opens a set of characters, and no ']' closes it")
        return pattern

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


@dataclass(frozen=True)
class CauseTable(Table):
    """An entry by op."""

    required = ("op", "version", "case", "reason", "evidence")
    keys = (*required, *OPTIONAL, "towards", "when", "at", "at_most", "gives")

    def read(self) -> Cause:
        common = self._common()
        if ("at_most" in self.table) == ("gives" in self.table):
            found = "both there" if "gives" in self.table else "missing"
            raise self._error(f"at_most and gives are {found}; an entry by op says one of them")
        ops = self._several("op", (*OPS, *OPTIMIZERS))
        phases = self._phases(ops)
        return Cause(
            **common,
            ops=ops,
            phases=phases,
            towards=self._several("towards", _inputs(ops)) if "towards" in self.table else (),
            when=self._expression(_names(ops, phases), "when") if "when" in self.table else None,
            at=self._expression(_names(ops, phases), "at") if "at" in self.table else None,
            at_most=self._bound(ops, phases) if "at_most" in self.table else None,
            gives=self._results("gives", ops, phases) if "gives" in self.table else None,
        )

    def _phases(self, ops: Iterable[str]) -> tuple[str, ...]:
        """Ops are called and differentiated, optimizers update: nothing else could ever be meant."""
        own = {PHASES[2:] if op in OPTIMIZERS else PHASES[:2] for op in ops}
        if len(own) > 1:
            raise self._wrong("op", "let one entry speak of ops of the table, another of optimizers")
        (allowed,) = own
        return self._several("phase", allowed) if "phase" in self.table else allowed

    def _bound(self, ops: tuple[str, ...], phases: Collection[str]) -> float | Mapping[str, Expression]:
        value = self.table["at_most"]
        if isinstance(value, dict):
            return self._results("at_most", ops, phases)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise self._wrong(
                "at_most", "must be a relative error, a number above 0, or a bound for each result"
            )
        return float(value)

    def _results(self, key: str, ops: tuple[str, ...], phases: Collection[str]) -> Mapping[str, Expression]:
        """An expression for each of some results."""
        inputs = _inputs(ops) if "vjp" in phases else []
        results = [*inputs, *([] if list(phases) == ["vjp"] else [OUT])]
        table = self.table[key]
        if not isinstance(table, dict) or not table:
            raise self._wrong(key, f'must be a table of expressions, such as {{ {results[0]} = "0" }}')
        for name in table:
            if name not in results:
                raise self._error(
                    f"{key}: unknown result {name!r}; {allowed_names(name, results)}", key, name
                )
        return {
            name: self._expression(_names(ops, ("vjp",) if name in inputs else ()), key, name)
            for name in table
        }

    def _expression(self, names: Collection[str], *path: str) -> Expression:
        value: Any = self.table
        for key in path:
            value = value[key]
        said = ".".join(path)
        if not isinstance(value, str):
            raise self._error(f"{said} = {shown(value)}: must be an expression, a text", *path)
        try:
            return conditions.read(value, names)
        except ProgramError as error:
            line, column = error.line or 1, error.column or 1
            line, column = self.file.locator.in_string(("deviation", self.index, *path), line, column) or (
                1,
                1,
            )
            message = f"{self.file.path}:{line}:{column}: deviation {self.index + 1}: {said}: {error.message}"
            raise LedgerError(message) from None


def _inputs(ops: Iterable[str]) -> list[str]:
    """The inputs of any of the ops, by the names of their rows."""
    found = [p.name for op in ops if op in OPS for p in OPS[op].parameters if p.kind is not p.KEYWORD_ONLY]
    return list(dict.fromkeys(found))


def _names(ops: Iterable[str], phases: Collection[str]) -> Collection[str]:
    """What an expression may read: what all the ops have, the cell's dtype, and in a vjp the cotangent."""
    own = [
        set(OPTIMIZERS[op].options) | {"parameter", "gradient"}
        if op in OPTIMIZERS
        else {p.name for p in OPS[op].parameters if p.kind is not p.VAR_POSITIONAL}
        for op in ops
    ]
    return set.intersection(*own) | {"dtype"} | ({"g"} if list(phases) == ["vjp"] else set())


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
