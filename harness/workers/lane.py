"""Requests on their way to a worker, one lane of its framework's, and the thread that sends them and takes the answers.

A lane takes from its source when it could send more than it has, and runs ahead of what is judged, but not far. Whoever waits for a cell makes it the next one, so that cells for
which nobody ever asks hold nothing up. However the thread ends, nobody waits for it: every request gets an answer.
"""

import contextlib
import os
import threading
from collections.abc import Iterable
from typing import Protocol

from ..errors import HarnessError
from ..verdict import Verdict
from .answer import Answer, read_answer
from .process import READ_AHEAD, WorkerDied, readable
from .succession import Succession
from .window import HELD, Promises, Request, Window
from .worker import Worker

JOIN = 5.0
"""Seconds that closing a lane waits for its thread."""


class Bell:
    """A pipe that wakes whoever waits for a worker's answer."""

    def __init__(self) -> None:
        self.reader = self._writer = -1

    def open(self) -> None:
        """Raises OSError where there are too many files."""
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # so many calls are waiting already, or nobody waits
            os.write(self._writer, b"!")

    def silence(self) -> None:
        """Take what has been rung."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, READ_AHEAD)

    def close(self) -> None:
        ends, self.reader, self._writer = (self.reader, self._writer), -1, -1
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


class Source(Protocol):
    """Where a lane has its requests from; it is asked from the lane's thread."""

    def more(self, lane: "Lane") -> Iterable[Request]:
        """What a lane is to send that could send more than it has."""

    def answered(self, answer: Answer) -> None:
        """A worker has answered."""

    def ended(self, lane: "Lane") -> None:
        """A lane takes nothing any more."""


class Lane:
    """A worker, or one after the other, and the requests on their way to them."""

    def __init__(
        self, workers: Succession, source: Source, most_held: int = HELD, *, additional: bool = False
    ) -> None:
        """An `additional` lane takes nothing before its worker has started, and ends where that does not start."""
        self.framework, self.workers = workers.framework, workers
        self._source, self._additional = source, additional
        self._promises, self._window = Promises(), Window(most_held)
        self._closing = False
        self._changed = threading.Condition()
        self._bell = Bell()
        self._thread = threading.Thread(target=self._run, name=f"lane {self.framework.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the operating system has no thread left
            self._promises.end(_why_over(self.framework.name, error))

    def submit(self, requests: Iterable[Request]) -> None:
        """Queue requests behind those that wait, an urgent one before them, and look whether the source has more."""
        with self._changed:
            self._put(requests)
            self._wake()

    def _put(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self._window.put(request)
            self._promises.give(request)

    def demand(self, request: Request) -> None:
        """Somebody waits for this request, so that it goes before those that nobody waits for."""
        if not request.sent:
            with self._changed:
                self._window.demand(request)
                self._wake()

    def judged(self, request: Request) -> None:
        """An answer has been used: the lane may go on by one."""
        with self._changed:
            if self._window.judged(request):
                self._wake()

    def close(self) -> None:
        """Kill the worker; whoever still waits for an answer gets an error."""
        with self._changed:
            self._closing = True
            self._wake()
        self.workers.close()
        if self._thread.ident is not None:
            self._thread.join(timeout=JOIN)
        self._promises.end(_closed(self.framework.name))

    @property
    def lives(self) -> bool:
        """Whether there is a thread that answers."""
        return self._thread.is_alive()

    @property
    def load(self) -> int:
        """How many requests are here that have no answer."""
        return self._window.load

    def _wake(self) -> None:
        """Let the lane look again what may be sent, whether it waits for that or for its worker."""
        self._changed.notify()
        self._bell.ring()

    def _run(self) -> None:
        end: Answer | HarnessError = _closed(self.framework.name)
        try:
            self._bell.open()
            if not self._additional or self.workers.start() is not None:
                self._serve()
        except BaseException as error:  # noqa: BLE001 (whatever it is, nobody must wait for ever)
            end = _why_over(self.framework.name, error)
        finally:
            self._promises.end(end)
            with self._changed:
                self._bell.close()
            if self.workers.worker is not None:
                self.workers.worker.stop()
            self._source.ended(self)

    def _serve(self) -> None:
        while not self._closing:
            request = self._next()
            if request is not None:
                self._begin(request)
            elif self._window.flying and not self._closing:
                self._receive()

    def _next(self) -> Request | None:
        """A request to send now, or None when it is time to receive, or to end."""
        with self._changed:
            while not self._closing:
                worker = self.workers.worker
                full = worker is not None and worker.is_full
                if self._window.is_short(full=full):
                    self._put(self._source.more(self))
                request = self._window.next(full=full)
                if request is not None or self._window.flying:
                    return request
                self._changed.wait()
            return None

    def _begin(self, request: Request) -> None:
        worker = self.workers.worker
        if worker is not None and not self._window.flying and worker.over:
            self.workers.bury()  # it died when nothing was asked of it, so no cell pays
        worker = self.workers.start()
        if worker is None:
            self._promises.keep(request, self.workers.unavailable())
            return
        try:
            header, arrays, shared, asked = request.build()
            worker.send({**header, "id": request.number}, arrays, shared, asked)
            request.size = asked.size
        except Exception as error:  # noqa: BLE001 (whatever it is belongs to this cell, and must not end the lane)
            self._promises.keep(request, error)
            return
        self._window.flying.append(request)

    def _receive(self) -> None:
        """Take the answers that are there, or wait a moment for one."""
        worker = self.workers.worker
        assert worker is not None
        if not worker.wait(self._bell.reader):
            self._bell.silence()
            return
        self._take(worker)
        while self._window.flying and self.workers.worker is worker and worker.has_begun:
            self._take(worker)

    def _take(self, worker: Worker) -> None:
        """The answer to the request that was sent first, or why there is none."""
        request = self._window.flying[0]
        try:
            answer = read_answer(worker.receive(), request.number)
            request.size = sum(array.nbytes for array in answer.arrays.values())
            self._window.flying.popleft()
            self.workers.answered()
        except Exception as error:  # noqa: BLE001 (whatever it is, the lane must not end of it)
            reason = (
                str(error) if isinstance(error, WorkerDied) else f"spoke nonsense: {readable(str(error))}"
            )
            answer = Answer(Verdict.CRASHED, f"the worker {reason}")
            self._window.flying.popleft()
            self.workers.lose(reason)
            with self._changed:
                self._window.send_again()
        self._promises.keep(request, answer)
        self._source.answered(answer)


def _closed(name: str) -> HarnessError:
    return HarnessError(f"{name}: the run is over, so no more of its cells are run")


def _why_over(name: str, error: BaseException) -> Answer:
    told = f"not run: the harness's own thread for {name} ended: {error!r}"
    return Answer(Verdict.CRASHED, f"{told}; run this cell again")
