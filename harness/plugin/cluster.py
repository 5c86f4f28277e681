"""The matrix on a Dask cluster: families of cells are its tasks, and their lines come back as if they were run here.

A thread of the cluster has an engine of its own, with its lanes and references, and keeps it for its next family, so
that a framework is started once for many. Programs and adapters travel by their content; the harness itself and the
frameworks have to be there. What a lost process of the cluster had is Dask's to run again elsewhere.
"""

import contextlib
import shlex
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..engine import Engine
from ..errors import HarnessError
from ..frameworks.found import Framework
from ..frameworks.interpreters import Absent, Interpreter
from ..judging.settling import undecided
from ..ledger.entries import Ledger
from ..plan import Cell
from ..references import cache
from ..references.cache import Cache, Tally
from ..roles import Answered
from ..run.lines import CellLine, Kept, grounds_apart, noted
from ..run.provenance import own_contents
from ..verdict import Verdict
from ..workers.answer import Answer
from ..workers.waiting import Say, Seldom
from .options import Option

OPTIONS = (Option("--dask", "run the cells on the Dask cluster of this scheduler", {"metavar": "ADDRESS"}),)

GET = f"{shlex.quote(sys.executable)} -m pip install distributed"
CONNECT = 10.0
"""Seconds in which a scheduler has to answer."""
STEP = 0.05
"""Seconds after which whoever waits looks again."""
IDLE = 60.0
"""Seconds without a family after which an engine of the cluster ends its workers: nobody may be left who would."""
NOT_YET = Kept(bytes=0, sha256="")
"""What stands for kept arrays until they are written, where the run is."""


class ClusterError(HarnessError):
    """A Dask cluster that can't be reached, is of another version, or is lost."""


@dataclass(frozen=True)
class Work:
    """What all families of a run have in common: from it an engine is made wherever one of them is run."""

    contents: Mapping[str, str]
    """Our own code, by its content."""
    interpreter: Callable[[Framework], Interpreter | Absent]
    """Asked where the family is run: its variables and its tox environments are those of that machine."""
    ledgers: Mapping[str, Ledger]
    cell_timeout: float
    start_timeout: float
    every_call: bool
    cached: bool
    """Whether references are read from the cache of that machine, and kept there."""
    kept: bool
    """Whether what was answered comes back too."""
    abouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    session: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Returned:
    """What came back of one cell: its line, or in words why there is none."""

    line: CellLine | None
    error: str = ""
    arrays: Answered | None = None
    printed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What became of a family's cells, by their ids; what its frameworks told of themselves; its references."""

    outcomes: Mapping[str, Returned]
    abouts: Mapping[str, Mapping[str, Any]]
    tally: Tally


# On the cluster


class Place:
    """A thread's engine, and what it gave beside lines since it was last asked."""

    def __init__(self, work: Work) -> None:
        self.cache: Cache | None = cache.given() if work.cached else None
        self.printed: list[str] = []
        self.arrays: dict[str, Answered] = {}
        self.engine = Engine(
            work.interpreter,
            work.ledgers,
            work.cell_timeout,
            self._keep if work.kept else None,
            self.cache,
            every_call=work.every_call,
            start_timeout=work.start_timeout,
            abouts=work.abouts,
            hear=self.printed.append,
        )

    def _keep(self, cell_id: str, arrays: Answered) -> tuple[str, Kept]:
        self.arrays[cell_id] = arrays
        return "", NOT_YET

    def run(self, cells: list[Cell]) -> Done:
        """Every cell, judged."""
        tally = Tally()
        if self.cache is not None:
            self.cache.tally = tally
        self.engine.submit(cells)
        outcomes = {cell.id: self._outcome(cell) for cell in cells}
        told = {cell.framework.name: self.engine.about(cell.framework.name) for cell in cells}
        return Done(outcomes, {name: about for name, about in told.items() if about}, tally)

    def _outcome(self, cell: Cell) -> Returned:
        line, error = None, ""
        try:
            line = self.engine.result(cell)
        except HarnessError as told:
            error = str(told)
        except Exception:  # noqa: BLE001 (a mistake of ours: it fails this cell where the run is, as it would here)
            error = traceback.format_exc()
        printed, self.printed[:] = tuple(self.printed), []
        return Returned(line, error, self.arrays.pop(cell.id, None), printed)


_PLACES: dict[tuple[str, int], tuple[Place, threading.Timer]] = {}
"""By session and thread, those in which nothing is run now."""
_LOCK = threading.Lock()


def run_family(work: Work, cells: list[Cell]) -> Done:
    """A task. Raises ClusterError where this process has other code than the run."""
    if apart := _apart(own_contents(), work.contents):
        raise ClusterError(apart)
    with _place(work) as place:
        return place.run(cells)


@contextlib.contextmanager
def _place(work: Work) -> Iterator[Place]:
    key = work.session, threading.get_ident()
    with _LOCK:
        place, timer = _PLACES.pop(key, (None, None))
    if timer is not None:
        timer.cancel()
    place = place or Place(work)
    try:
        yield place
    finally:
        timer = threading.Timer(IDLE, _let_go, key)
        timer.daemon = True
        with _LOCK:
            _PLACES[key] = place, timer
        timer.start()


def _let_go(session: str, thread: int | None = None) -> None:
    """End the engines of a run that nothing uses, or that of one thread."""
    with _LOCK:
        keys = [key for key in _PLACES if key[0] == session and thread in (None, key[1])]
        places = [_PLACES.pop(key) for key in keys]
    for place, timer in places:
        timer.cancel()
        place.engine.close()


def _apart(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """In words that the harness there is another; empty where it is the same."""
    told = [f"{name} {there.get(name)}, here {own}" for name, own in here.items() if there.get(name) != own]
    return f"it has another harness: {', '.join(told)}; install the same there" if told else ""


def _same(work: Work) -> Work:
    return work


# Where the run is


@dataclass
class Family:
    """A task, and what became of it; it is let go of with the last of its cells."""

    future: Any
    done: Done | None = None


class Cluster:
    """Runs and judges cells as `Engine` does, on the cluster of a Dask scheduler."""

    def __init__(
        self,
        address: str,
        work: Work,
        keep: Callable[[str, Answered], tuple[str, Kept]] | None,
        tally: Tally,
        say: Say | None,
        hear: Say,
    ) -> None:
        """`keep`, `say` and `hear` are those of `Engine`; `tally` counts references.

        Raises ClusterError where no scheduler answers, or a process of its cluster has other code.
        """
        self._address, self._work = address, work
        self._keep, self._tally, self._say, self._hear = keep, tally, say, hear
        self._families: dict[str, Family] = {}
        self._abouts = dict(work.abouts)
        self._client = _client(address)
        try:
            self._check_versions()
            self._shared = self._client.submit(_same, work, pure=False)
        except BaseException:
            self._client.close()
            raise

    def _check_versions(self) -> None:
        """Of the processes that are there; one that comes later is asked before it runs anything."""
        for name, found in self._client.run(own_contents, on_error="return").items():
            if isinstance(found, Exception):
                told = f"{found!r}; install the harness there, as it is here"
                raise ClusterError(f"{name}, of the cluster at {self._address}, can't run cells: {told}")
            if apart := _apart(found, self._work.contents):
                raise ClusterError(f"{name}, of the cluster at {self._address}: {apart}")

    def submit(self, cells: Iterable[Cell]) -> None:
        """Set cells on their way, a family a task, in order."""
        families: dict[Hashable, list[Cell]] = {}
        for cell in cells:
            families.setdefault(cell.variant.family, []).append(cell)
        for number, own in enumerate(families.values()):
            future = self._client.submit(run_family, self._shared, own, pure=False, priority=-number)
            self._families.update(dict.fromkeys((cell.id for cell in own), Family(future)))

    def about(self, framework: str) -> Mapping[str, Any] | None:
        """What the framework's workers told of themselves, as of one; None while none has."""
        return self._abouts.get(framework)

    def result(self, cell: Cell) -> CellLine:
        """Wait for a cell's line; a cell that has not been submitted since its last result is run now.

        Raises HarnessError where the engine there did, and ClusterError where the cluster is lost or other code is there.
        """
        if cell.id not in self._families:
            self.submit([cell])
        family = self._families.pop(cell.id)
        try:
            outcome, apart = self._outcome(cell, family)
        except HarnessError:
            raise
        except Exception as error:  # noqa: BLE001 (Dask's own, and whatever else comes over the wire)
            return self._lost(cell, error)
        for text in outcome.printed:
            self._hear(text)
        if apart:
            told = f"not judged: its worker and that of the cells before are not the same: {apart}"
            same = "one run is of one version; have the same on the whole cluster"
            return undecided(cell, Answer(Verdict.CRASHED, f"{told}; {same}"))
        if outcome.line is None:
            raise HarnessError(outcome.error)
        if outcome.arrays is None or self._keep is None:
            return outcome.line
        file, kept = self._keep(cell.id, outcome.arrays)
        return msgspec.structs.replace(outcome.line, arrays=file, kept=kept)

    def _outcome(self, cell: Cell, family: Family) -> tuple[Returned, str]:
        """A cell's, and in words how its framework there is another than that of the cells before."""
        if family.done is None:
            self._wait(cell, family.future)
            family.done = family.future.result()
            self._tally.add(family.done.tally)
        name = cell.framework.name
        told, known = family.done.abouts.get(name, {}), self._abouts.get(name, {})
        apart = grounds_apart(told, known) if told and known else ""
        if told and not apart:
            self._abouts[name] = noted(known, told)
        return family.done.outcomes[cell.id], apart

    def _wait(self, cell: Cell, future: Any) -> None:
        say = Seldom(self._say)
        while not future.done():
            time.sleep(STEP)
            say(f"waiting for the cluster at {self._address}: {cell.id}")

    def _lost(self, cell: Cell, error: Exception) -> CellLine:
        """The line of a cell whose processes died one after the other. Raises ClusterError where all is lost."""
        from distributed import KilledWorker  # noqa: PLC0415 (an extra)

        if isinstance(error, KilledWorker):
            told = "the processes of the cluster that ran it or its family died, one after the other"
            return undecided(cell, Answer(Verdict.CRASHED, f"{told}; run this cell alone, without --dask"))
        told = f"the cluster at {self._address} gives no answer: {type(error).__name__}: {error}"
        raise ClusterError(f"{cell.id}: {told}; the run can go on with --resume") from None

    def close(self) -> None:
        """End what runs for this run on the cluster, and leave it."""
        with contextlib.suppress(Exception):  # a cluster that is gone has nothing left to end
            self._client.cancel([family.future for family in self._families.values()])
            self._client.run(_let_go, self._work.session)
        self._client.close()


def _client(address: str) -> Any:
    """A client of the scheduler. Raises ClusterError."""
    try:
        from distributed import Client  # noqa: PLC0415 (an extra: only those who have a cluster need it)
    except ImportError:
        raise ClusterError(f"--dask needs dask.distributed: {GET}") from None
    try:
        return Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        told = f"{error}; give the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786"
        raise ClusterError(f"--dask {address}: no Dask scheduler answers there: {told}") from None
