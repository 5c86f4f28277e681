"""One framework's workers, one after the other, and the requests on their way to them."""

import contextlib
import itertools
import os
import shlex
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..frameworks.found import Framework
from ..frameworks.interpreters import Absent, Interpreter
from ..verdict import Verdict
from .answer import Answer, read_answer
from .asked import Asked
from .process import READ_AHEAD, WorkerDied, readable, require_posix
from .wire import Sent
from .worker import CELL_TIMEOUT, START_TIMEOUT, Worker

WINDOW = 16
BATCH = 8
"""Requests that are sent together: the threads of host and lanes then seldom wait for each other."""
AHEAD = 64
START_ATTEMPTS = 2
LOST_IN_A_ROW = 100
"""Workers that may be lost one after the other without an answer between: more than the largest sweep of one op has."""


Message = tuple[dict[str, Any], list[Sent], bytes, Asked]
"""A request without its number: the header's own part, the arrays, the header's shared line, what it asks for."""


@dataclass(frozen=True)
class Request:
    """One message to a worker, built when its turn comes."""

    build: Callable[[], "Message"]
    future: "Future[Answer]" = field(default_factory=Future)
    urgent: bool = False
    number: int = field(default_factory=itertools.count(1).__next__)


class Bell:
    """A pipe that wakes whoever waits for a worker's answer."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # so many calls are waiting already, or nobody waits any more
            os.write(self._writer, b"!")

    def silence(self) -> None:
        """Take what has been rung."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, READ_AHEAD)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)
        self._writer = -1


class Succession:
    """A framework's worker and, where one is lost, its successor."""

    def __init__(
        self, framework: Framework, interpreter: Interpreter | Absent, compiled: Path | None, *timeouts: float
    ) -> None:
        self.framework, self.interpreter = framework, interpreter
        self._compiled, self._timeouts = compiled, timeouts
        self.about: Mapping[str, Any] | None = None
        self.worker: Worker | None = None
        self._lock = threading.Lock()
        self._closing = False
        self._failed_starts = 0
        self._lost = 0
        self._why_none = ""

    def start(self) -> Worker | None:
        """The worker that lives, or a new one; None where there can be none, which `unavailable` tells."""
        if (
            self.worker is None
            and isinstance(self.interpreter, Interpreter)
            and self._failed_starts < START_ATTEMPTS
            and self._lost < LOST_IN_A_ROW
        ):
            try:
                self.worker = self._new_worker(self.interpreter)
                self.about = self.worker.hello(self.framework.adapter, self.framework.subject, self._compiled)
                self._failed_starts = 0
            except Exception as error:  # noqa: BLE001 (whatever it is, the lane must not end of it)
                self.bury()
                self._failed_starts += 1
                reason = str(error) if isinstance(error, WorkerDied) else f"could not be started: {error!r}"
                self._why_none = f"the worker {reason}\ninterpreter: {shlex.join(self.interpreter.argv)}"
        return self.worker

    def _new_worker(self, interpreter: Interpreter) -> Worker:
        """Started under the lock: `close` finds either it or no later one."""
        with self._lock:
            if self._closing:
                raise WorkerDied("was not started: the run is over")
            self.worker = Worker(interpreter.argv, *self._timeouts)
            return self.worker

    def unavailable(self) -> Answer:
        """What stands for an answer where there is no worker."""
        if isinstance(self.interpreter, Absent):
            return Answer(Verdict.ABSENT, str(self.interpreter))
        return Answer(Verdict.CRASHED, self._why_none)

    def answered(self) -> None:
        """The worker is of use: those before it were not lost in a row."""
        self._lost = 0

    def lose(self, reason: str) -> None:
        """End a worker that is lost. After too many in a row there is no other."""
        self.bury()
        self._lost += 1
        if self._lost == LOST_IN_A_ROW:
            self._why_none = (
                f"not run: {self._lost} workers in a row were lost without one answer, so no other is started; "
                f"run this cell alone to try again\nthe last worker {reason}"
            )

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


class Lane:
    """One framework's workers and the requests on their way to them."""

    def __init__(
        self,
        framework: Framework,
        interpreter: Interpreter | Absent,
        cell_timeout: float = CELL_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
        compiled: Path | None = None,
    ) -> None:
        """Raises HarnessError on a system that has no workers."""
        require_posix()
        self.framework = framework
        self._workers = Succession(framework, interpreter, compiled, cell_timeout, start_timeout)
        self._pending: deque[Request] = deque()
        self._flying: deque[Request] = deque()
        self._unjudged = 0
        self._closing = False
        self._changed = threading.Condition()
        self._sending = False
        self._bell = Bell()
        self._thread = threading.Thread(target=self._run, name=f"lane {framework.name}", daemon=True)
        self._thread.start()

    @property
    def about(self) -> Mapping[str, Any] | None:
        """What the framework's worker told of itself; None while none has started."""
        return self._workers.about

    def submit(self, requests: Iterable[Request]) -> None:
        """Queue requests behind those that wait; an urgent one goes first."""
        with self._changed:
            for request in requests:
                self._pending.appendleft(request) if request.urgent else self._pending.append(request)
            self._wake()

    def judged(self) -> None:
        """One answer has been used: the lane may go on by one."""
        with self._changed:
            self._unjudged -= 1
            if self._unjudged == AHEAD - BATCH:
                self._wake()

    def close(self) -> None:
        """Kill the worker; answers that are still awaited never come."""
        with self._changed:
            self._closing = True
            self._wake()
        self._workers.close()
        self._thread.join(timeout=5)

    def _wake(self) -> None:
        """Let the lane look again what may be sent, whether it waits for that or for its worker."""
        self._changed.notify()
        self._bell.ring()

    def _run(self) -> None:
        try:
            while not self._closing:
                request = self._next()
                if request is not None:
                    self._begin(request)
                elif self._flying and not self._closing:
                    self._receive()
        finally:
            if self._workers.worker is not None:
                self._workers.worker.stop()
            with self._changed:
                self._bell.close()

    def _next(self) -> Request | None:
        """A request to send now, or None when it is time to receive, or to end."""
        with self._changed:
            while not self._closing:
                if self._pending and self._may_send():
                    request = self._pending.popleft()
                    self._unjudged += not request.urgent
                    return request
                if self._flying:
                    return None
                self._changed.wait()
            return None

    def _may_send(self) -> bool:
        """An urgent request at once; others when there is room for a batch, until there is none for one."""
        if self._pending[0].urgent:
            return True
        room = min(WINDOW - len(self._flying), AHEAD - self._unjudged)
        worker = self._workers.worker
        full = worker is not None and worker.is_full
        self._sending = room > 0 and not full and (self._sending or room >= BATCH or not self._flying)
        return self._sending

    def _begin(self, request: Request) -> None:
        worker = self._workers.worker
        if worker is not None and not self._flying and worker.over:
            self._workers.bury()  # it died when nothing was asked of it, so no cell pays
        worker = self._workers.start()
        if worker is None:
            request.future.set_result(self._workers.unavailable())
            return
        try:
            header, arrays, shared, asked = request.build()
        except Exception as error:  # noqa: BLE001 (whatever it is belongs to this cell, and must not end the lane)
            request.future.set_exception(error)
            return
        self._flying.append(request)
        worker.send({**header, "id": request.number}, arrays, shared, asked)

    def _receive(self) -> None:
        """Take the answers that are there, or wait a moment for one."""
        worker = self._workers.worker
        assert worker is not None
        if not worker.wait(self._bell.reader):
            self._bell.silence()
            return
        self._take(worker)
        while self._flying and self._workers.worker is worker and worker.has_begun:
            self._take(worker)

    def _take(self, worker: Worker) -> None:
        """The answer to the request that was sent first, or why there is none."""
        request = self._flying[0]
        try:
            answer = read_answer(worker.receive(), request.number)
            self._flying.popleft()
            self._workers.answered()
        except Exception as error:  # noqa: BLE001 (whatever it is, the lane must not end of it)
            reason = (
                str(error) if isinstance(error, WorkerDied) else f"spoke nonsense: {readable(str(error))}"
            )
            answer = Answer(Verdict.CRASHED, f"the worker {reason}")
            self._flying.popleft()
            self._workers.lose(reason)
            self._send_again()
        request.future.set_result(answer)

    def _send_again(self) -> None:
        """The requests behind the one that cost its worker wait for the successor."""
        with self._changed:
            for request in reversed(self._flying):
                self._unjudged -= not request.urgent
                self._pending.appendleft(request)
            self._flying.clear()
