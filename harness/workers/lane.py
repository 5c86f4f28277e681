"""One framework's worker, and the requests on their way to it."""

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
from .wire import Sent
from .worker import CELL_TIMEOUT, READ_AHEAD, START_TIMEOUT, Worker, WorkerDied, readable

WINDOW = 16
BATCH = 8
"""Requests that are sent together: the threads of host and lanes then seldom wait for each other."""
AHEAD = 64
START_ATTEMPTS = 2
LOST_IN_A_ROW = 100
"""Workers that may be lost one after the other without an answer between: more than the largest sweep of one op has."""


Message = tuple[dict[str, Any], list[Sent], bytes]
"""A request without its number: the header's own part, the arrays, the header's shared line."""


@dataclass(frozen=True)
class Request:
    """One message to a worker, built when its turn comes."""

    build: Callable[[], "Message"]
    future: "Future[Answer]" = field(default_factory=Future)
    urgent: bool = False
    number: int = field(default_factory=itertools.count(1).__next__)


class Lane:
    """One framework's worker and the requests on their way to it."""

    def __init__(
        self,
        framework: Framework,
        interpreter: Interpreter | Absent,
        cell_timeout: float = CELL_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
        compiled: Path | None = None,
    ) -> None:
        self.framework, self.interpreter, self._compiled = framework, interpreter, compiled
        self.cell_timeout, self.start_timeout = cell_timeout, start_timeout
        self.about: Mapping[str, Any] | None = None
        self._pending: deque[Request] = deque()
        self._flying: deque[Request] = deque()
        self._unjudged = 0
        self._failed_starts = 0
        self._lost = 0
        self._why_none = ""
        self._closing = False
        self._worker: Worker | None = None
        self._changed = threading.Condition()
        self._sending = False
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._thread = threading.Thread(target=self._run, name=f"lane {framework.name}", daemon=True)
        self._thread.start()

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
            worker = self._worker
        if worker is not None:
            worker.kill("stopped")
        self._thread.join(timeout=5)

    def _wake(self) -> None:
        """Let the lane look again what may be sent, whether it waits for that or for its worker."""
        self._changed.notify()
        with contextlib.suppress(OSError):  # so many calls are waiting already, or the lane has ended
            os.write(self._wake_writer, b"!")

    def _run(self) -> None:
        try:
            while not self._closing:
                request = self._next()
                if request is not None:
                    self._begin(request)
                elif self._flying and not self._closing:
                    self._receive()
        finally:
            if self._worker is not None:
                self._worker.stop()
            with self._changed:
                os.close(self._wake_reader)
                os.close(self._wake_writer)
                self._wake_writer = -1

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
        full = self._worker is not None and self._worker.is_full
        self._sending = room > 0 and not full and (self._sending or room >= BATCH or not self._flying)
        return self._sending

    def _begin(self, request: Request) -> None:
        worker = self._started()
        if worker is None:
            request.future.set_result(self._unavailable())
            return
        try:
            header, arrays, shared = request.build()
        except Exception as error:  # noqa: BLE001 (whatever a broken row raises is that row's failure)
            request.future.set_exception(error)
            return
        self._flying.append(request)
        worker.send({**header, "id": request.number}, arrays, shared)

    def _started(self) -> Worker | None:
        if self._worker is not None and not self._flying and self._worker.over:
            self._bury()  # it died when nothing was asked of it, so no cell pays
        if (
            self._worker is None
            and isinstance(self.interpreter, Interpreter)
            and self._failed_starts < START_ATTEMPTS
            and self._lost < LOST_IN_A_ROW
        ):
            try:
                self._worker = self._new_worker(self.interpreter)
                self.about = self._worker.hello(
                    self.framework.adapter, self.framework.subject, self._compiled
                )
                self._failed_starts = 0
            except Exception as error:  # noqa: BLE001 (whatever a broken row raises is that row's failure)
                self._bury()
                self._failed_starts += 1
                reason = str(error) if isinstance(error, WorkerDied) else f"could not be started: {error!r}"
                self._why_none = f"the worker {reason}\ninterpreter: {shlex.join(self.interpreter.argv)}"
        return self._worker

    def _new_worker(self, interpreter: Interpreter) -> Worker:
        """Started under the lock: `close` finds either it or no later one."""
        with self._changed:
            if self._closing:
                raise WorkerDied("was not started: the run is over")
            self._worker = Worker(interpreter.argv, self.cell_timeout, self.start_timeout)
            return self._worker

    def _unavailable(self) -> Answer:
        if isinstance(self.interpreter, Absent):
            return Answer(Verdict.ABSENT, str(self.interpreter))
        return Answer(Verdict.CRASHED, self._why_none)

    def _receive(self) -> None:
        """Take the answers that are there, or wait a moment for one."""
        assert self._worker is not None
        if not self._worker.wait(self._wake_reader):
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, READ_AHEAD)
            return
        self._take()
        while self._flying and self._worker is not None and self._worker.has_begun:
            self._take()

    def _take(self) -> None:
        """The answer to the request that was sent first, or why there is none."""
        assert self._worker is not None
        request = self._flying[0]
        try:
            answer = read_answer(self._worker.receive(), request.number)
            self._flying.popleft()
            self._lost = 0
        except Exception as error:  # noqa: BLE001 (whatever a broken row raises is that row's failure)
            reason = (
                str(error) if isinstance(error, WorkerDied) else f"spoke nonsense: {readable(str(error))}"
            )
            answer = Answer(Verdict.CRASHED, f"the worker {reason}")
            self._flying.popleft()
            self._send_again(reason)
        request.future.set_result(answer)

    def _send_again(self, reason: str) -> None:
        """The worker is lost: requests behind the one that killed it wait for its successor."""
        self._bury()
        self._lost += 1
        if self._lost == LOST_IN_A_ROW:
            self._why_none = (
                f"not run: {self._lost} workers in a row were lost without one answer, so no other is started; "
                f"run this cell alone to try again\nthe last worker {reason}"
            )
        with self._changed:
            for request in reversed(self._flying):
                self._unjudged -= not request.urgent
                self._pending.appendleft(request)
            self._flying.clear()

    def _bury(self) -> None:
        if self._worker is not None:
            self._worker.kill("was killed")
            self._worker.stop()
            self._worker = None
