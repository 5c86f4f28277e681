"""Where things stand in a TOML file: the offset of every key and value.

tomllib gives values without positions. This scanner walks the same text and remembers where each key and value
begins. It does not judge TOML: tomllib does. So it may read more than TOML allows, and it stops quietly where it
cannot go on; what it has seen until then is enough to name a duplicate key.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from .toml import MAX_KEY_PARTS

Path = tuple[str | int, ...]

SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
BARE = re.compile(r"[A-Za-z0-9_-]+")
SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d[^,\]}\s#]*|[^,\]}\s#]+")
ESCAPE = re.compile(r"\\(?:[ \t]*\n[ \t\n]*|u.{4}|U.{8}|.)", re.DOTALL)
SIMPLE_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A key that stands in the file twice."""

    path: Path
    first: int
    second: int


@dataclass
class Locator:
    """Offsets of keys and values of one text, by path: `("tensors", "x", "shape", 0)`."""

    text: str
    keys: dict[Path, int] = field(default_factory=dict)
    values: dict[Path, int] = field(default_factory=dict)
    duplicates: list[Duplicate] = field(default_factory=list)

    _strings: dict[Path, tuple[str, list[int] | None]] = field(default_factory=dict, repr=False)
    """The content of each string that was asked for, and where each of its characters stands."""

    def __post_init__(self) -> None:
        with suppress(_UnreadableError, RecursionError):  # what was found so far stands
            _Scanner(self).document()

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def key(self, path: Path) -> tuple[int, int] | None:
        """Where the key of `path` stands, or the nearest thing around it."""
        return self._nearest(path, self.keys, self.values)

    def value(self, path: Path) -> tuple[int, int] | None:
        """Where the value of `path` begins, or the nearest thing around it."""
        return self._nearest(path, self.values, self.keys)

    def in_string(self, path: Path, line: int, column: int) -> tuple[int, int] | None:
        """Where line and column of a string's content stand in the file."""
        if path not in self._strings:
            start = self.values.get(path)
            match = STRING.match(self.text, start) if start is not None else None
            content = list(_content(match.group())) if match else []
            text = "".join([character for character, _ in content])
            self._strings[path] = text, [match.start() + offset for _, offset in content] if match else None
        text, offsets = self._strings[path]
        if offsets is None:
            return self.value(path)
        at = _offset(text, line, column)
        return self.place(offsets[min(at, len(offsets) - 1)] if offsets else self.values[path])

    def _nearest(self, path: Path, *tables: dict[Path, int]) -> tuple[int, int] | None:
        while path:
            for table in tables:
                if path in table:
                    return self.place(table[path])
            path = path[:-1]
        return None


def _offset(content: str, line: int, column: int) -> int:
    """The index of line and column in a string's content."""
    start = 0
    for _ in range(line - 1):
        start = content.find("\n", start) + 1 or start
    return start + column - 1


def _content(literal: str) -> Iterator[tuple[str, int]]:
    """The characters of a TOML string, each with its offset in the literal."""
    quote = literal[:3] if literal.startswith(('"""', "'''")) else literal[:1]
    i, end = len(quote), len(literal) - len(quote)
    if len(quote) == 3 and literal[i : i + 1] == "\n":
        i += 1
    while i < end:
        escape = ESCAPE.match(literal, i, end) if quote[0] == '"' else None
        if escape is None:
            yield literal[i], i
            i += 1
        else:
            if "\n" not in escape.group():  # a line continuation stands for nothing
                yield _escaped(escape.group()), i
            i = escape.end()


def _escaped(escape: str) -> str:
    return SIMPLE_ESCAPES.get(escape[1], "?")  # which letter \u stands for does not matter here


class _UnreadableError(Exception):
    """The text cannot be read further."""


class _Scanner:
    """Reads one text into a locator's tables."""

    def __init__(self, found: Locator) -> None:
        self.found, self.text, self.at = found, found.text, 0
        self.counts: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self.skip() < len(self.text):
            if self.take("[["):
                table = self.header(array=True)
            elif self.take("["):
                table = self.header(array=False)
            else:
                self.pair(table)

    def header(self, array: bool) -> Path:
        path, offset = self.dotted(())
        if array:
            self.counts[path] = self.counts.get(path, -1) + 1
            path = (*path, self.counts[path])
            self.found.keys.setdefault(path, offset)
        else:
            self.mark(path, offset)
        if not (self.take("]]") if array else self.take("]")):
            raise _UnreadableError
        return path

    def dotted(self, table: Path) -> tuple[Path, int]:
        """A key after its table; an array of tables on the way means its last element."""
        while True:
            start, name = self.name()
            last = not self.peek(".")
            table = (*table, name)
            if last:
                return table, start
            if len(table) > MAX_KEY_PARTS:
                raise _UnreadableError
            self.found.keys.setdefault(table, start)
            if table in self.counts:
                table = (*table, self.counts[table])
            self.take(".")

    def name(self) -> tuple[int, str]:
        start = self.skip()
        if match := BARE.match(self.text, start):
            self.at = match.end()
            return start, match.group()
        match = STRING.match(self.text, start)
        if match is None:
            raise _UnreadableError
        self.at = match.end()
        return start, "".join(character for character, _ in _content(match.group()))

    def mark(self, path: Path, offset: int) -> None:
        if path in self.found.values or (path in self.found.keys and path in self.counts):
            first = self.found.keys.get(path, 0)
            self.found.duplicates.append(Duplicate(path, first, offset))
        self.found.keys.setdefault(path, offset)
        self.found.values.setdefault(path, offset)

    def pair(self, table: Path) -> None:
        path, offset = self.dotted(table)
        seen = path in self.found.values
        self.mark(path, offset)
        if not self.take("="):
            raise _UnreadableError
        self.value(path, seen)

    def value(self, path: Path, seen: bool = False) -> None:
        start = self.skip()
        if not seen:
            self.found.values[path] = start
        if self.take("["):
            self.array(path)
        elif self.take("{"):
            self.table(path)
        elif match := STRING.match(self.text, start) or SCALAR.match(self.text, start):
            self.at = match.end()
        else:
            raise _UnreadableError

    def array(self, path: Path) -> None:
        index = 0
        while not self.take("]"):
            self.value((*path, index))
            index += 1
            if not self.take(",") and not self.peek("]"):
                raise _UnreadableError

    def table(self, path: Path) -> None:
        while not self.take("}"):
            self.pair(path)
            if not self.take(",") and not self.peek("}"):
                raise _UnreadableError

    def skip(self) -> int:
        match = SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at

    def peek(self, token: str) -> bool:
        return self.text.startswith(token, self.skip())

    def take(self, token: str) -> bool:
        found = self.peek(token)
        self.at += len(token) * found
        return found
