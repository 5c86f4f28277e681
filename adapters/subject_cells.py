"""What a notebook defines, without running it from top to bottom: its training needs data, hours and plots.

Statement by statement, in order, imports, functions, classes and assignments run in one namespace, of all cells the
imports and of those that were chosen the rest. What fails, and what isn't run, is left out and remembered, so that
whoever misses a name is told which statement would have made it.
"""

import __future__

import ast
import linecache
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

IMPORTS = (ast.Import, ast.ImportFrom)
KEPT = (
    *IMPORTS,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
)
CONTINUES = re.compile(r"[\s)\]}#]|(elif|else|except|finally)\b")
"""How lines begin that go on with the statement before them."""
DECORATES = "@"
MAGIC = re.compile(r"^([ \t]*)[%!].*", re.MULTILINE)
PYTHON_CELLS = re.compile(r"%%(time|timeit|capture|prun)\b")
"""Magics of a whole cell whose other lines are Python all the same."""
BINDS = re.compile(r"^(?:def|class)\s+(\w+)|^(\w+)\s*=(?!=)|^(?:from\s+\S+\s+)?import\s+(\w+)", re.MULTILINE)


class LeftOut(NamedTuple):
    """A statement that was not run."""

    place: str
    names: tuple[str, ...]
    """What it would have made; `*` for all that is in some module."""
    why: str
    failed: bool
    """Whether it was to be run, and could not be."""


class Cells:
    """A notebook's code cells, numbered from 1, of which `first` to `last` are chosen."""

    def __init__(self, name: str, cells: Sequence[str], first: int, last: int) -> None:
        self.name, self.cells, self.first, self.last = name, cells, first, last
        self.left_out: list[LeftOut] = []

    def __str__(self) -> str:
        every = (self.first, self.last) == (1, len(self.cells))
        return self.name if every else f"{self.name}[{self.first}:{self.last}]"

    def file(self, number: int) -> str:
        """A cell as tracebacks name it."""
        return f"{self.name}[cell {number}]"

    def run(self, module: ModuleType) -> None:
        """Fill the module with what the cells define."""
        self.left_out, self._flags = [], 0
        for number, source in enumerate(self.cells, 1):
            file = self.file(number)
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            for statement in self._statements(module, number, source):
                self._take(module, number, statement)

    def why(self, name: str) -> str:
        """What would have made a name, and why it has not; empty where nothing would."""
        for own, verb in ((name, "would"), ("*", "may")):
            for left in reversed(self.left_out):
                if own in left.names:
                    return f"{left.place} {verb} make {name}, but {left.why}"
        return ""

    def failed_to_make(self, name: str) -> bool:
        """Whether the last statement that would have made a name failed."""
        return next((left.failed for left in reversed(self.left_out) if name in left.names), False)

    def _take(self, module: ModuleType, number: int, statement: ast.stmt) -> None:
        if not is_kept(statement):
            self._leave(number, statement, "only imports, functions, classes and assignments are run")
        elif not self.first <= number <= self.last and not isinstance(statement, IMPORTS):
            several = f"cells {self.first} to {self.last} were"
            chosen = several if self.first < self.last else f"cell {self.first} was"
            self._leave(number, statement, f"only {chosen} asked for")
        else:
            self._execute(module, number, statement)

    def _execute(self, module: ModuleType, number: int, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            self._flags |= sum(
                getattr(__future__, alias.name, __future__.division).compiler_flag
                for alias in statement.names
            )
        try:
            code = compile(
                ast.Module([statement], []), self.file(number), "exec", self._flags, dont_inherit=True
            )
            exec(code, module.__dict__)  # noqa: S102 - the user's own, in a process of its own
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the others may be right
            self._leave(number, statement, f"it raised {in_a_line(error)}", failed=True)
            self._say_what_stays(module)

    def _say_what_stays(self, module: ModuleType) -> None:
        """An earlier definition that the one just left out was to replace is judged in its place: that is told."""
        left = self.left_out[-1]
        for name in left.names:
            if hasattr(module, name):
                print(f"{left.place} would make {name} anew, but {left.why}; the earlier one stays")  # noqa: T201

    def _leave(self, number: int, statement: ast.stmt, why: str, *, failed: bool = False) -> None:
        place = f"{self.file(number)}:{statement.lineno}"
        self.left_out.append(LeftOut(place, tuple(bound(statement)), why, failed))

    def _statements(self, module: ModuleType, number: int, source: str) -> Iterator[ast.stmt]:
        """The cell's statements; where it is not all Python, those of its parts that are."""
        for start, text in [(0, source)] if parsed(source) else parts(source):
            padded = "\n" * start + text
            tree = parsed(padded) or parsed(MAGIC.sub(r"\1pass", padded))
            if tree is None:
                names = tuple(name for found in BINDS.findall(text) for name in found if name)
                place = f"{self.file(number)}:{start + 1}"
                chosen = self.first <= number <= self.last
                self.left_out.append(LeftOut(place, names, f"it is no Python: {complaint(text)}", chosen))
                self._say_what_stays(module)
            else:
                yield from tree.body


def is_kept(statement: ast.stmt) -> bool:
    """Whether it is of those that are run; a choice between such is too: `try: import a`, `except ImportError: ...`."""
    if isinstance(statement, ast.Try):
        handled = [part for handler in statement.handlers for part in handler.body]
        return all(map(is_kept, [*statement.body, *handled, *statement.orelse, *statement.finalbody]))
    if isinstance(statement, ast.If):
        return all(map(is_kept, [*statement.body, *statement.orelse]))
    return isinstance(statement, (*KEPT, ast.Pass))


def bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement makes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def parts(source: str) -> Iterator[tuple[int, str]]:
    """The lines that look like a statement each, with the number of lines before it."""
    lines = source.split("\n")
    if lines and lines[0].startswith("%%") and not PYTHON_CELLS.match(lines[0]):
        yield 0, source
        return
    starts = [
        number
        for number, line in enumerate(lines)
        if line and not CONTINUES.match(line) and not (number and lines[number - 1].startswith(DECORATES))
    ]
    for start, stop in zip(starts, [*starts[1:], len(lines)]):  # noqa: B905 - as long as each other
        yield start, "\n".join(lines[start:stop])


def parsed(source: str) -> Any:
    """Its tree; None where it is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def complaint(source: str) -> str:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return error.msg if isinstance(error, SyntaxError) else in_a_line(error)
    return ""


def in_a_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
