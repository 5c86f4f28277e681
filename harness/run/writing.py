"""Writes a run file, a line as soon as it is known."""

import math
import os
import re
import time
from collections import Counter
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

try:
    import fcntl
except ImportError:  # not a POSIX system: cells don't run there, so nobody else writes the file meanwhile
    fcntl = None  # type: ignore[assignment]

from ..reading.files import open_regular, real
from ..reading.replacing import check_ours
from ..reading.text import count_of
from ..verdict import Verdict
from .lines import (
    DISTANCES,
    LARGEST,
    About,
    AboutChanged,
    BusyRun,
    CellLine,
    DuplicateCell,
    EmptyRun,
    Footer,
    Header,
    Line,
    NotFinite,
    NotOurs,
    Part,
    RunError,
    TotalsDoNotAddUp,
    UnwritableRun,
    grounds_apart,
    noted,
)
from .reading import Unfinished, check_content

BINARY = getattr(os, "O_BINARY", 0)
"""Where text files are other than bytes, a run file isn't one."""


OPENING = re.compile(rb'\A\s*\{\s*"kind"\s*:\s*"header"')
"""How every run file begins."""


class RunWriter:
    """Writes a run as it happens, beside an earlier file of that name until there is a result to put in its place.

    As a context manager it closes the file, and never writes a footer by itself: only `footer` says that a
    run is complete. Raises BusyRun where another process writes the file, NotOurs where something else is in its
    place, and UnwritableRun where it can't be opened, or written any further: what was written until then stays.
    """

    def __init__(
        self, path: Path, header: Header, done: "Unfinished | None" = None, *, whole: bool = False
    ) -> None:
        """`done` is what an interrupted run had. The file takes its place with its first further cell; `whole`: complete."""
        self.path, self._whole = path, whole
        self._started = time.monotonic()
        self._cells: set[str] = set()
        self._totals: Counter[Verdict] = Counter()
        self._abouts: dict[str, dict[str, Any]] = {}
        self._contents: dict[tuple[str, str], str] = {}
        self._earlier: FileIO | None = None
        self._place = real(path)  # where a link stands, the file that it leads to is meant
        self._beside: Path | None = _beside(self._place)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            check_run_file(path)
            self._earlier = _locked_if_there(self._place)
            self._file = _locked(self._beside)
            self._file.truncate()
        except OSError as error:
            message = f"{path}: can't write the run file: {error.strerror}; name another with --record FILE"
            raise UnwritableRun(message) from error
        self._end = 0
        try:
            self._write(header)
            self._take_over(done)
        except RunError:
            self.close()
            raise

    def _take_over(self, done: "Unfinished | None") -> None:
        if done is not None:
            for framework, about in done.abouts.items():
                self.about(framework, about)
            for cell in done.cells:
                self._add(cell)

    def _take_place(self) -> None:
        """Be the run file, if it isn't yet. Raises BusyRun and UnwritableRun."""
        if self._beside is None:
            return
        try:
            self._earlier = self._earlier or _locked_if_there(self._place)
            self._beside.replace(self._place)
        except OSError as error:
            raise UnwritableRun(f"{self.path}: can't write the run file: {error.strerror}") from error
        self._beside = None
        if self._earlier is not None:
            self._earlier.close()

    @property
    def is_begun(self) -> bool:
        """Whether anything of this run is in its place: until then an earlier one is as it was."""
        return self._beside is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; without a footer it stays an interrupted run, and without a cell nothing."""
        if self._beside is not None:
            self._beside.unlink(missing_ok=True)
            self._beside = None
        if self._earlier is not None:
            self._earlier.close()
        self._file.close()

    def about(self, framework: str, about: dict[str, Any]) -> None:
        """Note what a worker told of itself; a restarted worker that tells the same again adds nothing.

        Raises AboutChanged where it tells something else that answers depend on.
        """
        known = self._abouts.get(framework)
        if known is not None and (differing := grounds_apart(known, about)):
            told = f"{framework} told two different things of itself in one run: {differing}"
            raise AboutChanged(f"{self.path}: {told}; one run is of one version: run it again")
        if known is None or noted(known, about) != known:
            self._write(About(framework=framework, about=about))
        self._abouts[framework] = about if known is None else noted(known, about)

    def cell(self, cell: CellLine) -> None:
        """Write a cell at once. Raises DuplicateCell, InputsChanged or NotFinite, and then nothing of it is written."""
        self._add(cell)
        if not self._whole:
            self._take_place()

    def _add(self, cell: CellLine) -> None:
        if cell.cell in self._cells:
            raise DuplicateCell(f"{self.path}: {cell.cell} was given twice; a run holds each cell once")
        check_content(self.path, cell, self._contents)
        self._write(cell)
        self._cells.add(cell.cell)
        self._totals[cell.verdict] += 1

    def footer(self, expected: int, *, seconds: float | None = None, part: Part | None = None) -> Footer:
        """Declare the run complete and close the file. `seconds`: what the run took, if not the time since its header.

        Raises EmptyRun for no cells and TotalsDoNotAddUp where they aren't the `expected` number: there is no
        footer then.
        """
        if not expected:
            raise EmptyRun(
                f"{self.path}: no cell was planned: an empty run is no result; select at least one"
            )
        if len(self._cells) != expected:
            message = (
                f"{self.path}: {count_of(expected, 'cell')} planned and {len(self._cells)} written, "
                "so the run is not complete and gets no footer"
            )
            raise TotalsDoNotAddUp(message)
        counts = {verdict: self._totals[verdict] for verdict in Verdict}
        taken = time.monotonic() - self._started if seconds is None else seconds
        footer = Footer(totals=counts, cells=expected, seconds=round(taken, 3), part=part)
        self._write(footer)
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UnwritableRun(f"{self.path}: can't write on: {error.strerror}") from error
        self._take_place()
        self.close()
        return footer

    def _write(self, line: Line) -> None:
        """Write a whole line, or nothing of it."""
        text = encode(line) + b"\n"
        left = memoryview(text)
        try:
            while left:
                left = left[self._file.write(left) :]
            self._end += len(text)
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._end)
            kept = f"{count_of(len(self._cells), 'cell')} before it kept, and --resume {self.path} goes on from there"
            raise UnwritableRun(f"{self.path}: can't write on: {error.strerror}; {kept}") from error


def check_run_file(path: Path) -> None:
    """Raises NotOurs where a file is no run file, and OSError where it is no file."""
    if not os.path.lexists(real(path)):  # what is left of links in a circle is one
        return
    open_regular(path).close()
    try:
        check_ours(path, OPENING)
    except FileExistsError:
        message = f"{path}: is no run file, and would be replaced by one; name another with --record FILE"
        raise NotOurs(message) from None


def remove(path: Path) -> None:
    """Remove a run file, or one that was begun, but not under a process that writes it."""
    with suppress(BusyRun, OSError), _locked(path, 0):
        path.unlink()


def is_busy(path: Path) -> bool:
    """Whether another process writes the run file, or is about to."""
    for own in (path, _beside(path)):
        try:
            if (file := _locked_if_there(own)) is not None:
                file.close()
        except BusyRun:
            return True
    return False


def _beside(place: Path) -> Path:
    """Where a run is written until it has a result."""
    return place.with_name(f".{place.name}.new")


def _locked_if_there(path: Path) -> FileIO | None:
    return _locked(path, 0) if path.exists() else None


def _locked(path: Path, create: int = os.O_CREAT) -> FileIO:
    """The file, open for writing from its beginning, for this process alone. Raises BusyRun and OSError."""
    while True:
        file = FileIO(os.open(path, os.O_RDWR | create | BINARY, 0o666), "r+")
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError:
            file.close()
            message = (
                f"{path}: another run is writing it; wait for it, or name another file with --record FILE"
            )
            raise BusyRun(message) from None
        except FileNotFoundError:
            pass
        file.close()  # it was replaced between opening and locking


def encode(line: Line) -> bytes:
    """A line of the run file, without its line end, as JSON that `read_run` takes.

    Raises NotFinite, and msgspec.ValidationError for a field of a wrong type.
    """
    try:
        text = msgspec.json.encode(line)
        if msgspec.json.decode(text, type=Line) == line:
            return text
    except msgspec.ValidationError:
        pass  # such as a number that isn't finite: what is wrong with it is told below
    return _encode_slowly(line)


def _encode_slowly(line: Line) -> bytes:
    """`encode` of what wouldn't read back as it is: bounded where that is right, refused by name where it isn't."""
    subject = line.cell if isinstance(line, CellLine) else type(line).__name__.lower()
    plain = _finite(msgspec.to_builtins(line), subject, "")
    msgspec.convert(plain, Line, str_keys=True)
    return msgspec.json.encode(plain)


def _finite(value: Any, subject: str, place: str) -> Any:
    """The same data with infinite distances bounded. Raises NotFinite, naming the place, for any other."""
    if isinstance(value, dict):
        return {key: _finite(v, subject, f"{place}.{key}".lstrip(".")) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v, subject, f"{place}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    if value > 0 and place.rpartition(".")[2] in DISTANCES:
        return LARGEST
    raise NotFinite(f"{subject}: {place} is {value!r}, which JSON can't hold; give a finite number, or text")
