"""The run file: what became of every cell, so written that an interrupted run can't pass for a complete one.

JSON Lines, one object a line, each with its `kind`: a header, an `about` for each framework when its worker
has told its versions, a `cell` each, a footer with the totals. A line is written as soon as it is known, so
that a killed run keeps what it had; the footer comes last, and only when every planned cell is there.

JSON has no infinity, and encoders turn it into null without a word. Here an infinite *distance* (`error`,
`used`, `relative`, `ratio`, `ulp`, `width`: a NaN where a number should be) is written as the largest double,
1.7976931348623157e308; any other number that isn't finite is refused.
"""

import fcntl
import math
import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from harness.errors import HarnessError, shown
from harness.files import open_regular
from harness.verdict import Verdict
from reference.rounding import RULES_VERSION, K

MAX_LINE = 64 * 2**20
"""Bytes of a line that the reader takes."""

MAX_DEPTH = 100
"""Lists within lists of what a framework tells of itself."""

FORMAT = 1
"""Version of the run file's format."""

LARGEST = 1.7976931348623157e308
"""The largest double: how an infinite distance is written."""

DISTANCES = frozenset({"error", "used", "relative", "ratio", "ulp", "width"})
"""Fields that are never negative and may be infinite."""


class RunError(HarnessError):
    """A run file that can't be written or can't be believed."""


class NotARun(RunError):
    """Not lines of the run format: another file, another version of the format, or lines out of order."""


class EmptyRun(RunError):
    """A run of no cells: it shows nothing, so it isn't a result."""


class TruncatedRun(RunError):
    """No footer, or half a line: the run was interrupted."""


class DuplicateCell(RunError):
    """One cell twice: at most one of its two results is that of this run."""


class TotalsDoNotAddUp(RunError):
    """The cells counted aren't the cells planned, or aren't those that the footer tells of."""


class NotFinite(RunError):
    """A NaN or an infinity where the run file has only finite numbers."""


class AboutChanged(RunError):
    """A framework told two different things of itself in one run."""


class UnwritableRun(RunError):
    """The file can't be opened for writing, or can't be written any further."""


class BusyRun(RunError):
    """Another process is writing the file."""


class NotResumable(RunError):
    """An interrupted run that can't be continued here: its cells would stand beside cells of another kind."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Line(_Strict, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    pass


class Machine(_Strict, frozen=True, kw_only=True):
    """The host's processor, its cores and its operating system."""

    cpu: str
    cores: int
    os: str


class Header(_Line, frozen=True, kw_only=True):
    """All that is known before the first cell."""

    format: int
    harness: str
    """The harness's version."""
    rules: str
    """Version of the rules from which tolerances are derived."""
    K: float
    started: str
    """UTC, ISO 8601."""
    machine: Machine
    python: str
    commit: str | None
    """Of the harness; with `+dirty` if files differ from it, None outside a repository."""
    roots: list[str]
    """The case roots."""
    command: list[str]
    frameworks: list[str]
    """The columns planned, present or not."""


class About(_Line, frozen=True, kw_only=True):
    """What a framework's worker told of itself: versions and settings."""

    framework: str
    about: dict[str, Any]


class Tensor(_Strict, frozen=True, kw_only=True):
    """One compared tensor, by its element with the largest `used`."""

    role: str
    """value, gradient or parameter."""
    name: str
    step: int | None = None
    error: float
    """|got - want|"""
    tolerance: float
    """K sigma of the element."""
    used: float
    """error / tolerance"""
    ratio: float
    """The largest error / sigma, of all steps: enough to judge again with another K."""
    width: float | None = None
    """The largest median tolerance / scale of all steps: above 1/100 a tensor is inconclusive."""
    ulp: float | None
    """error in units of the last place of `want`, in the tested dtype."""
    relative: float
    """The largest error / the tensor's scale."""
    where: list[int] | None
    """Index of the element."""
    got: str
    want: str
    """Numbers as Python's repr, so that digits, nan and inf survive."""
    verdict: Verdict
    problem: str = ""
    """What kept the elements from being compared: a wrong shape, a tensor that did not come back."""


class Cell(_Line, frozen=True, kw_only=True):
    """One cell: what was run and what became of it.

    `used` is the largest of its tensors', None where nothing was judged; infinite, it is written as the
    largest double, 1.7976931348623157e308, since JSON has no infinity. `relative` likewise.
    """

    cell: str
    case: str
    variant: str
    dtype: str
    framework: str
    mode: str
    verdict: Verdict
    used: float | None
    relative: float | None
    tensors: list[Tensor]
    seconds: float
    """What the worker took."""
    compiling: float = 0.0
    """As much of it as its framework spent compiling."""
    message: str = ""
    first_difference: str | None = None
    content: str | None = None
    """Digest of the program and the inputs: the same for whatever must give the same answer."""
    arrays: str | None = None
    """The file of the arrays that were answered, from the run file's folder; None where none are kept."""


class Part(_Strict, frozen=True, kw_only=True):
    """What a shard knows of the run that it is a part of: enough to miss another shard."""

    index: int
    """From 1."""
    sizes: list[int]
    """How many cells each shard has."""
    whole: str
    """Digest of the ids of all cells of all shards."""


class Footer(_Line, frozen=True, kw_only=True, omit_defaults=True):
    """Written only when every planned cell is in the file."""

    totals: dict[Verdict, int]
    """All nine verdicts, those with 0 too."""
    cells: int
    seconds: float
    part: Part | None = None
    """None where the run is no shard."""


Line = Header | About | Cell | Footer


@dataclass(frozen=True)
class Run:
    """A complete run: its cells are those planned, each once."""

    header: Header
    abouts: dict[str, dict[str, Any]]
    cells: tuple[Cell, ...]
    footer: Footer


def header(
    *, harness: str, roots: Sequence[str], command: Sequence[str], frameworks: Sequence[str]
) -> Header:
    """A header of this moment, on this machine."""
    return Header(
        format=FORMAT,
        harness=harness,
        rules=RULES_VERSION,
        K=K,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=Machine(cpu=_cpu(), cores=os.cpu_count() or 1, os=platform.platform()),
        python=platform.python_version(),
        commit=commit(Path(__file__)),
        roots=list(roots),
        command=list(command),
        frameworks=list(frameworks),
    )


def _cpu() -> str:
    """The processor's name; `platform` doesn't know it on Linux, so the kernel is asked first."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def commit(file: Path) -> str | None:
    """The commit that `file` is part of, `+dirty` if its repository has changes; None if it is part of none.

    A package that was installed below somebody else's repository isn't part of their commit, hence a file.
    """
    known = _git(file.parent, "rev-parse", "HEAD", f"HEAD:./{file.name}")
    if known is None:
        return None
    return known.split()[0] + ("+dirty" if _git(file.parent, "status", "--porcelain") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (git, with words of our own)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


class RunWriter:
    """Writes a run as it happens, replacing an earlier file of that name.

    As a context manager it closes the file, and never writes a footer by itself: only `footer` says that a
    run is complete. Raises BusyRun where another process writes the file, and UnwritableRun where it can't be
    opened, or written any further: what was written until then stays.
    """

    def __init__(self, path: Path, header: Header, done: "Unfinished | None" = None) -> None:
        """`done` is what an interrupted run had: it is in the file, whole, before anything of it is replaced."""
        self.path = path
        self._started = time.monotonic()
        self._cells: set[str] = set()
        self._totals: Counter[Verdict] = Counter()
        self._abouts: dict[str, dict[str, Any]] = {}
        fresh = path if done is None else path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = None if done is None else _locked(path)
            self._file = _locked(fresh)
            self._file.truncate()
            self._end = 0
        except OSError as error:
            message = f"{path}: can't write the run file: {error.strerror}; name another with --record FILE"
            raise UnwritableRun(message) from error
        self._write(header)
        if done is not None and held is not None:
            try:
                self._take_over(done)
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
                held.close()

    def _take_over(self, done: "Unfinished") -> None:
        for framework, about in done.abouts.items():
            self.about(framework, about)
        for cell in done.cells:
            self.cell(cell)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; without a footer it stays an interrupted run."""
        self._file.close()

    def about(self, framework: str, about: dict[str, Any]) -> None:
        """Note what a worker told of itself; a restarted worker that tells the same again adds nothing.

        Raises AboutChanged where it tells something else.
        """
        if self._abouts.get(framework) == about:
            return
        if framework in self._abouts:
            message = (
                f"{self.path}: {framework} told two different things of itself in one run: "
                f"{self._abouts[framework]} and then {about}; one run is of one version: run it again"
            )
            raise AboutChanged(message)
        self._write(About(framework=framework, about=about))
        self._abouts[framework] = about

    def cell(self, cell: Cell) -> None:
        """Write a cell at once. Raises DuplicateCell or NotFinite, and then nothing of it is written."""
        if cell.cell in self._cells:
            raise DuplicateCell(f"{self.path}: {cell.cell} was given twice; a run holds each cell once")
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
                f"{self.path}: {expected} cells were planned and {len(self._cells)} written, "
                "so the run is not complete and gets no footer"
            )
            raise TotalsDoNotAddUp(message)
        totals = {verdict: self._totals[verdict] for verdict in Verdict}
        taken = time.monotonic() - self._started if seconds is None else seconds
        footer = Footer(totals=totals, cells=expected, seconds=round(taken, 3), part=part)
        self._write(footer)
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
            self._file.truncate(self._end)
            kept = (
                f"the {len(self._cells)} cells before it are kept, and --resume {self.path} goes on with them"
            )
            raise UnwritableRun(f"{self.path}: can't write on: {error.strerror}; {kept}") from error


def _locked(path: Path) -> FileIO:
    """The file, open for writing from its beginning, for this process alone. Raises BusyRun and OSError."""
    while True:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
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
    subject = line.cell if isinstance(line, Cell) else type(line).__name__.lower()
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
        raise NotARun(f"{path}: can't read it: {error.strerror}; {_repeat(path)} writes it") from error


def _begun(path: Path, lines: Iterator[bytes]) -> "_Reader":
    """A reader that has the first line."""
    first = next(lines, b"")
    if not first.strip() and not any(line.strip() for line in lines):
        raise EmptyRun(f"{path}: the file is empty; {_repeat(path)} writes it anew")
    return _Reader(path, _decode_header(path, first))


def _lines(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    """The file's lines, one at a time, each with its line end: a half-written last line lacks it."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise NotARun(
                f"{path}:{number}: a line of more than {MAX_LINE} bytes; {_repeat(path)} writes it anew"
            )
        yield line


def _repeat(path: Path) -> str:
    return f"`pytest cases --record {path}`"


def _decode_header(path: Path, line: bytes) -> Header:
    """The first line, if this is a run in this version of the format."""
    try:
        opening = msgspec.json.decode(line, type=_Opening)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if not line.endswith(b"\n") and line.startswith(b'{"kind":"header"'):
            raise _truncated(path, 0, "its header breaks off") from error
        raise NotARun(f"{path}:1: not the header of a run: {error}; {_repeat(path)} writes a run") from error
    if opening.kind != "header":
        raise NotARun(f"{path}:1: a run begins with its header, this with {opening.kind!r}")
    if opening.format != FORMAT:
        told = f"format {opening.format}, and this harness reads {FORMAT}"
        raise NotARun(f"{path}:1: {told}; {_repeat(path)} writes it anew")
    try:
        return msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NotARun(f"{path}:1: {error}; {_repeat(path)} writes it anew") from error


def _decode(path: Path, number: int, line: bytes, *, cells: int) -> Line:
    """One line. `cells`: how many came before it, for a file that breaks off here."""
    try:
        found: Line = msgspec.json.decode(line, type=Line)
    except msgspec.ValidationError as error:
        raise NotARun(f"{path}:{number}: {error}; {_repeat(path)} writes it anew") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if not line.endswith(b"\n"):
            raise _truncated(path, cells, f"line {number} breaks off") from error
        raise NotARun(f"{path}:{number}: not JSON: {error}; {_repeat(path)} writes it anew") from error
    if isinstance(found, About) and _is_deep(found.about):
        told = f"nested too deeply; at most {MAX_DEPTH} levels"
        raise NotARun(f"{path}:{number}: {told}; {_repeat(path)} writes it anew")
    return found


def _is_deep(value: Any) -> bool:
    """Whether it is nested further than Python may follow: how far JSON itself is read differs from Python to Python."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner = [item for item in level if isinstance(item, list | dict)]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
    return bool(level)


def _truncated(path: Path, cells: int, why: str) -> TruncatedRun:
    count = "1 cell" if cells == 1 else f"{cells} cells"
    told = f"{why} after {count}: the run was interrupted and is no result"
    return TruncatedRun(f"{path}: {told}; {_repeat(path)} runs it again, and with --resume {path} it goes on")


@dataclass(frozen=True)
class Unfinished:
    """What an interrupted run had until then."""

    header: Header
    abouts: dict[str, dict[str, Any]]
    cells: tuple[Cell, ...]
    dropped: int = 0
    """Cells that it had and that are to be run again."""


ALIKE = ("format", "harness", "rules", "K", "commit", "python", "frameworks")
"""What an interrupted run and its continuation must have in common: otherwise they are two runs, for `harness merge`."""


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
    for what in ALIKE:
        before, now = getattr(old, what), getattr(new, what)
        if before != now:
            message = f"{path}: was begun with {what} {before}, and this is {what} {now}: {_repeat(path)} runs it anew"
            raise NotResumable(message)


class _Reader:
    """The order of a run's lines: header, abouts and cells, footer."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.header = header
        self.abouts: dict[str, dict[str, Any]] = {}
        self.cells: dict[str, tuple[int, Cell]] = {}
        self.footer: Footer | None = None

    def take(self, number: int, line: Line) -> None:
        """The next line."""
        if self.footer is not None:
            raise NotARun(f"{self.path}:{number}: a line after the footer; a file holds one run")
        if isinstance(line, Header):
            raise NotARun(f"{self.path}:{number}: a second header; a file holds one run")
        if isinstance(line, Cell):
            self._take_cell(number, line)
        elif isinstance(line, Footer):
            self.footer = line
        elif line.framework in self.abouts:
            raise NotARun(f"{self.path}:{number}: {line.framework} tells of itself a second time")
        else:
            self.abouts[line.framework] = line.about

    def _take_cell(self, number: int, cell: Cell) -> None:
        fields = f"{cell.dtype}-{cell.framework}-{cell.mode}"
        if not cell.cell.endswith(fields):
            told = f"the id {shown(cell.cell)} does not end in {shown(fields)[1:-1]}"
            raise NotARun(f"{self.path}:{number}: {told}; {_repeat(self.path)} writes it anew")
        if cell.cell in self.cells:
            told = f"{cell.cell} is here a second time, first in line {self.cells[cell.cell][0]}"
            raise DuplicateCell(f"{self.path}:{number}: {told}; {_repeat(self.path)} writes it anew")
        self.cells[cell.cell] = (number, cell)

    def finish(self) -> Run:
        """The run, if it is complete."""
        if self.footer is None:
            raise _truncated(self.path, len(self.cells), "no footer")
        cells = tuple(cell for _, cell in self.cells.values())
        _check_totals(self.path, cells, self.footer)
        if not cells:
            raise EmptyRun(
                f"{self.path}: a run of no cells is no result; {_repeat(self.path)} writes it anew"
            )
        return Run(self.header, self.abouts, cells, self.footer)


def _check_totals(path: Path, cells: Sequence[Cell], footer: Footer) -> None:
    """Hold the footer to the cells that are really there."""
    counted = Counter(cell.verdict for cell in cells)
    told = {**dict.fromkeys(Verdict, 0), **footer.totals}
    wrong = [f"{told[v]} {v}, counted {counted[v]}" for v in Verdict if told[v] != counted[v]]
    if footer.cells != len(cells):
        wrong.insert(0, f"{footer.cells} cells, counted {len(cells)}")
    if wrong:
        message = f"{path}: the footer tells of {'; '.join(wrong)}. {_repeat(path)} writes it anew"
        raise TotalsDoNotAddUp(message)
