"""One framework's workers, one after the other: each does what the one before it did, or is not used."""

import functools
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import HarnessError
from ..frameworks.found import Framework
from ..frameworks.interpreters import Absent, Interpreter
from ..reading.text import shown
from ..run.lines import changed_grounds, noted
from ..verdict import Verdict
from .answer import Answer
from .process import NotLoaded, WorkerDied, readable
from .worker import Worker

START_ATTEMPTS = 2
LOST_IN_A_ROW = 100
"""Workers that may be lost one after the other without an answer between: more than the largest sweep of one op has."""
NOTED = 10
"""Workers of which is noted what they tell otherwise than the first."""

Find = Callable[[], Interpreter | Absent]


class Abouts:
    """What the workers of one framework told of themselves, in whatever lane: each is held to the first."""

    def __init__(self, earlier: Mapping[str, Any] | None = None) -> None:
        """`earlier`: what those told by whom earlier cells of the run were answered."""
        self._told: list[Mapping[str, Any]] = [] if earlier is None else [earlier]
        self._lock = threading.Lock()

    @property
    def joined(self) -> Mapping[str, Any] | None:
        """As of one worker, joined by a plus where it differs; None while none has started."""
        return functools.reduce(noted, self._told) if self._told else None

    def refused(self, about: Mapping[str, Any]) -> str:
        """Why a worker that tells this can't go on with what others began; empty where it can, and it is noted."""
        with self._lock:
            if self._told and (changed := changed_grounds(self._told[0], about)):
                return _unlike(changed, self._told[0], about)
            if about not in self._told and len(self._told) < NOTED:
                self._told.append(about)
            return ""


class Succession:
    """A framework's worker and, where one is lost, its successor."""

    def __init__(
        self,
        framework: Framework,
        find: Find,
        compiled: Path | None,
        abouts: Abouts,
        cell_timeout: float,
        start_timeout: float,
    ) -> None:
        """`find` says where the framework is; `abouts` is that of all its lanes."""
        self.framework = framework
        self.cell_timeout, self.start_timeout = cell_timeout, start_timeout
        self.worker: Worker | None = None
        self.starting = False
        """Whether a worker has been started of which nothing is known yet."""
        self.interpreter: Interpreter | None = None
        self.start_seconds = 0.0
        self.memory = 0
        """What the last start took, and the bytes that the worker then had in memory."""
        self._find, self._compiled, self._abouts = find, compiled, abouts
        self._lock = threading.Lock()
        self._closing = False
        self._failed_starts = 0
        self._lost = 0
        self._given_up = False
        self._instead = Answer(Verdict.CRASHED, "not run: no worker was started")

    @property
    def is_ready(self) -> bool:
        """Whether there is a worker that has started."""
        return self.worker is not None and not self.starting

    @property
    def given_up(self) -> bool:
        """Whether there will be no worker any more."""
        return self._given_up

    def start(self) -> Worker | None:
        """The worker that lives, or a new one; None where there can be none, which `unavailable` tells."""
        if self.worker is None and not self._given_up:
            self.starting = True
            try:
                self._start()
            except Exception as error:  # noqa: BLE001 (whatever it is, the lane must not end of it)
                self.bury()
                self._failed_starts += 1
                own = isinstance(error, NotLoaded)
                self._instead = Answer(Verdict.ERRORED if own else Verdict.CRASHED, self._why_none(error))
                self._given_up = own or self._failed_starts == START_ATTEMPTS
            finally:
                self.starting = False
        return self.worker

    def _start(self) -> None:
        """Find the interpreter, start a worker in it and keep it if it may succeed those before it."""
        if self.interpreter is None:
            found = self._find()
            if isinstance(found, Absent):
                self._give_up(Answer(Verdict.ABSENT, str(found)))
                return
            self.interpreter = found
        begun = time.monotonic()
        worker = self._new_worker(self.interpreter)
        if refused := self._abouts.refused(worker.hello(self.framework, self._compiled)):
            self.bury()
            self._give_up(Answer(Verdict.CRASHED, refused))
            return
        self.start_seconds, self.memory = time.monotonic() - begun, worker.memory
        self._failed_starts = 0

    def _new_worker(self, interpreter: Interpreter) -> Worker:
        """Started under the lock: `close` finds either it or no later one."""
        with self._lock:
            if self._closing:
                raise WorkerDied("was not started: the run is over")
            self.worker = Worker(interpreter.argv, self.cell_timeout, self.start_timeout)
            return self.worker

    def _why_none(self, error: Exception) -> str:
        if self.interpreter is None:
            told = str(error) if isinstance(error, HarnessError) else repr(error)
            return f"not run: its interpreter could not be looked for: {told}"
        reason = str(error) if isinstance(error, WorkerDied) else f"could not be started: {error!r}"
        return f"the worker {reason}\ninterpreter: {readable(shlex.join(self.interpreter.argv))}"

    def _give_up(self, answer: Answer) -> None:
        self._given_up, self._instead = True, answer

    def unavailable(self) -> Answer:
        """What stands for an answer where there is no worker."""
        return self._instead

    def answered(self) -> None:
        """The worker is of use: those before it were not lost in a row."""
        self._lost = 0

    def lose(self, reason: str) -> None:
        """End a worker that is lost. After too many in a row there is no other."""
        self.bury()
        self._lost += 1
        if self._lost == LOST_IN_A_ROW:
            why = (
                f"not run: {self._lost} workers in a row were lost without one answer, so no other is started; "
                f"run this cell alone to try again\nthe last worker {reason}"
            )
            self._give_up(Answer(Verdict.CRASHED, why))

    def bury(self) -> None:
        """End the worker, if there is one."""
        if self.worker is not None:
            self.worker.kill("was killed")
            self.worker.stop()
            self.worker = None

    def close(self) -> None:
        """Kill the worker, from another thread than the one that uses it; no other is started."""
        with self._lock:
            self._closing = True
            worker = self.worker
        if worker is not None:
            worker.kill("stopped")


def _unlike(changed: Iterable[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    told = "; ".join(
        f"this worker tells {key} {shown(after.get(key))}, the cells before were run with {shown(before.get(key))}"
        for key in changed
    )
    return f"not run: {told}; one run is of one version: run it again with --record"
