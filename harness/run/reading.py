"""Reads a run file: a file that is less than a complete run is never read as one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from ...reference.formats import DTYPES
from ..reading.files import open_regular
from ..reading.names import case_name_problem
from ..reading.text import count_of, shown
from ..verdict import Verdict
from .ids import CellId
from .lines import (
    READ,
    About,
    CellLine,
    DuplicateCell,
    EmptyRun,
    Footer,
    Header,
    InputsChanged,
    Line,
    NotARun,
    NotResumable,
    Run,
    TotalsDoNotAddUp,
    TruncatedRun,
    grounds_apart,
    noted,
)

MAX_DEPTH = 100
"""Lists within lists of what a framework tells of itself."""

MAX_LINE = 64 * 2**20
"""Bytes of a line that the reader takes."""


class _Opening(msgspec.Struct, frozen=True):
    """As much of a first line as every version of the format has."""

    kind: str
    format: int


def read_run(path: Path) -> Run:
    """Read a complete run.

    Raises NotARun, EmptyRun, TruncatedRun, DuplicateCell or TotalsDoNotAddUp: a file that is less than a
    complete run is never read as one.
    """
    with _lines_of(path) as lines:
        reader = _begun(path, lines)
        for number, line in enumerate(lines, 2):
            reader.take(number, _decode(path, number, line, cells=len(reader.cells)))
        return reader.finish()


@contextmanager
def _lines_of(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        with open_regular(path) as stream:
            yield _lines(path, stream)
    except OSError as error:
        raise NotARun(f"{path}: can't read it: {error.strerror}; {repeat_text(path)} writes it") from error


def _begun(path: Path, lines: Iterator[bytes]) -> "_Reader":
    """A reader that has the first line."""
    first = next(lines, b"")
    if not first.strip() and not any(line.strip() for line in lines):
        raise EmptyRun(f"{path}: the file is empty; {repeat_text(path)} writes it anew")
    return _Reader(path, _decode_header(path, first))


def _lines(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    """The file's lines, one at a time, each with its line end: a half-written last line lacks it."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise NotARun(
                f"{path}:{number}: a line of more than {MAX_LINE} bytes; {repeat_text(path)} writes it anew"
            )
        yield line


def repeat_text(path: Path) -> str:
    return f"`pytest cases --record {path}`"


def _decode_header(path: Path, line: bytes) -> Header:
    """The first line, if this is a run in a version of the format that is read."""
    try:
        opening = msgspec.json.decode(line, type=_Opening)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if not line.endswith(b"\n") and line.startswith(b'{"kind":"header"'):
            raise _truncated(path, 0, "its header breaks off") from error
        raise NotARun(
            f"{path}:1: not the header of a run: {error}; {repeat_text(path)} writes a run"
        ) from error
    if opening.kind != "header":
        raise NotARun(f"{path}:1: a run begins with its header, this with {opening.kind!r}")
    if opening.format not in READ:
        told = f"format {opening.format}, and this harness reads {' and '.join(map(str, READ))}"
        raise NotARun(f"{path}:1: {told}; {repeat_text(path)} writes it anew")
    try:
        header = msgspec.json.decode(line, type=Header)
        datetime.fromisoformat(header.started)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NotARun(f"{path}:1: {error}; {repeat_text(path)} writes it anew") from error
    return header


def _decode(path: Path, number: int, line: bytes, *, cells: int) -> Line:
    """One line. `cells`: how many came before it, for a file that breaks off here."""
    try:
        found: Line = msgspec.json.decode(line, type=Line)
    except msgspec.ValidationError as error:
        raise NotARun(f"{path}:{number}: {error}; {repeat_text(path)} writes it anew") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if not line.endswith(b"\n"):
            raise _truncated(path, cells, f"line {number} breaks off") from error
        raise NotARun(f"{path}:{number}: not JSON: {error}; {repeat_text(path)} writes it anew") from error
    if isinstance(found, About) and _is_deep(found.about):
        told = f"nested too deeply; at most {MAX_DEPTH} levels"
        raise NotARun(f"{path}:{number}: {told}; {repeat_text(path)} writes it anew")
    return found


def _is_deep(value: Any) -> bool:
    """Whether it is nested further than Python may follow: how far JSON itself is read differs from Python to Python."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [item for item in level if isinstance(item, list | dict)]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
    return bool(level)


def _truncated(path: Path, cells: int, why: str) -> TruncatedRun:
    told = f"{why} after {count_of(cells, 'cell')}: the run was interrupted and is no result"
    return TruncatedRun(
        f"{path}: {told}; {repeat_text(path)} runs it again, and with --resume {path} it goes on"
    )


@dataclass(frozen=True)
class Unfinished:
    """What an interrupted run had until then."""

    header: Header
    abouts: dict[str, dict[str, Any]]
    cells: tuple[CellLine, ...]
    dropped: int = 0
    """Cells that it had and that are to be run again."""


ALIKE = ("format", "harness", "rules", "K", "python", "frameworks")
"""Beside the contents that headers name, what an interrupted run and its continuation must have in common: otherwise they are two runs, for `harness merge`."""


def read_unfinished(path: Path) -> Unfinished:
    """As much of a run as is there; the half of a last line is no part of it.

    Raises TruncatedRun where not even the header is whole, and NotARun, EmptyRun or DuplicateCell where a line is
    damaged in another way.
    """
    with _lines_of(path) as lines:
        reader = _begun(path, lines)
        for number, line in enumerate(lines, 2):
            if line.endswith(b"\n"):
                reader.take(number, _decode(path, number, line, cells=len(reader.cells)))
    return Unfinished(reader.header, reader.abouts, tuple(cell for _, cell in reader.cells.values()))


def check_resumable(path: Path, old: Header, new: Header) -> None:
    """Raises NotResumable where a run with the header `new` is no continuation of one with the header `old`."""
    differing = [
        (what, getattr(old, what), getattr(new, what))
        for what in ALIKE
        if getattr(old, what) != getattr(new, what)
    ]
    differing += contents_that_differ(old.contents, new.contents)
    if differing:
        before = ", ".join(f"{what} {value}" for what, value, _ in differing)
        now = ", ".join(f"{what} {value}" for what, _, value in differing)
        raise NotResumable(
            f"{path}: was begun with {before}, and this is {now}: {repeat_text(path)} runs it anew"
        )


def contents_that_differ(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What verdicts stand on and is not the same: its name, and its content in each, `none` where it isn't there."""
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [(name, old.get(name, "none"), new.get(name, "none")) for name in names]


def check_content(path: Path, cell: CellLine, contents: dict[tuple[str, str], str]) -> None:
    """Note the content of a cell's variant. Raises InputsChanged where another cell of it had another."""
    if cell.content is None:
        return
    first = contents.setdefault((cell.case, cell.variant), cell.content)
    if first != cell.content:
        told = f"its program or inputs are {cell.content}, and {first} in another cell of its variant"
        raise InputsChanged(f"{path}: {cell.cell}: {told}; run it anew with the case as it is now")


class _Reader:
    """The order of a run's lines: header, abouts and cells, footer."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.header = header
        self.abouts: dict[str, dict[str, Any]] = {}
        self.cells: dict[str, tuple[int, CellLine]] = {}
        self.contents: dict[tuple[str, str], str] = {}
        self.footer: Footer | None = None

    def take(self, number: int, line: Line) -> None:
        """The next line."""
        if self.footer is not None:
            raise NotARun(f"{self.path}:{number}: a line after the footer; a file holds one run")
        if isinstance(line, Header):
            raise NotARun(f"{self.path}:{number}: a second header; a file holds one run")
        if isinstance(line, CellLine):
            self._take_cell(number, line)
        elif isinstance(line, Footer):
            self.footer = line
        else:
            self._take_about(number, line)

    def _take_about(self, number: int, line: About) -> None:
        """What it tells a second time is noted, where answers don't depend on it."""
        known = self.abouts.get(line.framework, line.about)
        if differing := grounds_apart(known, line.about):
            told = f"{line.framework} tells of itself a second time, and otherwise: {differing}"
            raise NotARun(f"{self.path}:{number}: {told}; {repeat_text(self.path)} writes it anew")
        self.abouts[line.framework] = noted(known, line.about)

    def _take_cell(self, number: int, cell: CellLine) -> None:
        if problem := _problem(cell):
            raise NotARun(f"{self.path}:{number}: {problem}; {repeat_text(self.path)} writes it anew")
        if cell.cell in self.cells:
            told = f"{cell.cell} is here a second time, first in line {self.cells[cell.cell][0]}"
            raise DuplicateCell(f"{self.path}:{number}: {told}; {repeat_text(self.path)} writes it anew")
        check_content(self.path, cell, self.contents)
        self.cells[cell.cell] = (number, cell)

    def finish(self) -> Run:
        """The run, if it is complete."""
        if self.footer is None:
            raise _truncated(self.path, len(self.cells), "no footer")
        cells = tuple(cell for _, cell in self.cells.values())
        _check_totals(self.path, cells, self.footer)
        if not cells:
            raise EmptyRun(
                f"{self.path}: a run of no cells is no result; {repeat_text(self.path)} writes it anew"
            )
        return Run(self.header, self.abouts, cells, self.footer)


def _problem(cell: CellLine) -> str:
    """What is wrong with the names of a cell, which lead to files and stand in commands; empty where nothing is."""
    if cell.dtype not in DTYPES:
        return f"dtype is {shown(cell.dtype)}; allowed are {', '.join(DTYPES)}"
    own = CellId(cell.case, cell.variant, cell.dtype, cell.framework, cell.mode)
    if cell.cell != str(own) or CellId.parse(cell.cell) != own:
        told = f"the id {shown(cell.cell)} is not that of its own case, variant, dtype, framework and mode"
        return f"{told}, {shown(str(own))}"
    return case_name_problem(cell.case)


def _check_totals(path: Path, cells: Sequence[CellLine], footer: Footer) -> None:
    """Hold the footer to the cells that are really there."""
    counted = Counter(cell.verdict for cell in cells)
    told = {**dict.fromkeys(Verdict, 0), **footer.totals}
    wrong = [f"{told[v]} {v}, counted {counted[v]}" for v in Verdict if told[v] != counted[v]]
    if footer.cells != len(cells):
        wrong.insert(0, f"{count_of(footer.cells, 'cell')}, counted {len(cells)}")
    if wrong:
        message = f"{path}: the footer tells of {'; '.join(wrong)}. {repeat_text(path)} writes it anew"
        raise TotalsDoNotAddUp(message)
