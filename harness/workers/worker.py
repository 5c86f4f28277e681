"""One worker, seen from the host: started, sent requests, listened to, and killed when it must be.

Whoever waits for an answer writes meanwhile what the pipe takes, so neither side can block the other for ever, and
holds the only timer: when nothing has come for too long it kills the process group, which ends every kind of hang.
"""

import os
import select
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import ROOT
from ..frameworks import installed
from ..frameworks.found import REQUIREMENTS, Framework
from ..frameworks.interpreters import requirements_in, variable
from .asked import NOTHING, Asked
from .process import (
    LONGEST_LINE,
    PIPE,
    READ_AHEAD,
    TICK,
    NotLoaded,
    Process,
    WorkerDied,
    poll_of,
    readable,
    sentence,
)
from .remote import remote_shells
from .wire import PROTOCOL, Frame, Nonsense, Sent, frame, read_frame, sources

START_TIMEOUT = 300.0
"""Seconds for interpreter and framework to start: on a busy machine an import has taken 22 s."""

CELL_TIMEOUT = 120.0
PIECES = 512
"""Pieces of a message that one system call writes; Linux takes 1,024."""


ADAPTERS_PAGE = ROOT / "docs" / "adapters.md"


class Outgoing:
    """Pieces of messages on their way into a pipe."""

    def __init__(self) -> None:
        self._pieces: deque[bytes | memoryview] = deque()
        self.size = 0
        """Bytes that wait to be written."""

    def add(self, pieces: Iterable[bytes | memoryview]) -> None:
        for piece in pieces:
            self._pieces.append(piece)
            self.size += len(piece)

    def write(self, pipe: int) -> None:
        """Write what the pipe takes, copying nothing: requests with many small arrays are one system call."""
        left = self._pieces
        try:
            while left:
                count = os.writev(pipe, [left[i] for i in range(min(PIECES, len(left)))])
                self.size -= count
                while left and count >= len(left[0]):
                    count -= len(left.popleft())
                if count:
                    left[0] = memoryview(left[0])[count:]
        except BlockingIOError:
            pass
        except (OSError, ValueError):  # it has ended, which `receive` tells
            left.clear()
            self.size = 0


class Worker:
    """A started worker. `send` requests, `receive` one frame for each, then `stop`.

    It is used by one thread; only `kill` may come from another.
    """

    def __init__(
        self,
        argv: Iterable[str],
        cell_timeout: float = CELL_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        """Raises WorkerDied where the operating system cannot start it."""
        self._argv = list(argv)
        self._cell_timeout, self._start_timeout = cell_timeout, start_timeout
        self._outgoing = Outgoing()
        self._asked: deque[Asked] = deque()
        self._deadline = time.monotonic() + start_timeout
        self._ready = False
        self._ahead = memoryview(b"")
        self._process = Process(self._argv)
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._incoming = poll_of((self._stdout, select.POLLIN))
        self.memory = 0
        """Bytes that it had in memory when it had started."""

    def hello(self, framework: Framework, compiled: Path | None = None) -> Mapping[str, Any]:
        """Hand over the framework's adapter; what the framework says of itself. Raises WorkerDied where it does not start.

        `compiled` is a folder in which the framework may keep what it compiles. It is of this machine, and not told
        to another.
        """
        greeting = {
            "type": "hello",
            "protocol": PROTOCOL,
            "adapter": framework.source,
            "path": str(framework.adapter),
            "content": framework.content,
            "threads": 1,
            "seed": 0,
            "subject": None if framework.subject is None else str(framework.subject),
            "notebook": None if framework.notebook is None else framework.notebook.told(),
            "modules": dict(framework.modules),
            "families": dict(framework.families),
            "compiled": None if compiled is None else _made(compiled, self._argv),
        }
        self._send([sources(), *frame(greeting)], self._start_timeout, NOTHING)
        ready = self.receive().header
        if ready.get("type") == "failed" and framework.subject is not None and ready.get("refused") is True:
            raise NotLoaded(_refused(ready, framework))
        if ready.get("type") == "failed":
            raise WorkerDied(_not_loaded(self._argv, ready, framework.folder / REQUIREMENTS))
        if (
            ready.get("type") != "ready"
            or ready.get("protocol") != PROTOCOL
            or not isinstance(ready.get("about"), dict)
        ):
            raise WorkerDied(f"spoke nonsense at the start: {readable(str(ready))[:LONGEST_LINE]}")
        self._ready = True
        told = ready.get("memory")
        self.memory = told if isinstance(told, int) and told > 0 else 0
        self.tables = {name: ready.get(name, []) for name in ("ops", "formulas", "optimizers")}
        return dict(ready["about"])

    def send(self, header: Mapping[str, Any], arrays: Sequence[Sent], shared: bytes, asked: Asked) -> None:
        """Queue one request, which `wait` and `receive` write; `shared` is `wire.shared_line`."""
        self._send(frame(header, arrays, shared), self._cell_timeout, asked)

    def receive(self) -> Frame:
        """The next answer. Raises WorkerDied where none can come any more."""
        while not self.wait():
            pass
        if self._process.over:
            raise WorkerDied(self._process.obituary())
        try:
            frame = read_frame(self._read_exactly, self._asked[0] if self._asked else NOTHING)
        except Nonsense as error:
            self.kill(f"spoke nonsense: {readable(str(error))}")
        except EOFError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it is, it is the end of this worker)
            self.kill(f"could not be understood: {error!r}")
        else:
            self._asked.popleft()
            self._deadline = time.monotonic() + self._cell_timeout
            return frame
        raise WorkerDied(self._process.obituary())

    def wait(self, wake: int | None = None) -> bool:
        """Write what the pipe takes, then wait: for the worker, for room to write, for `wake` to be readable, or a moment.

        Whether `receive` has something to say: a message has begun, or none will come any more.
        """
        if self._process.over or self._ahead:
            return True
        self._outgoing.write(self._stdin)
        watched = [(self._stdout, select.POLLIN)]
        if self._outgoing.size:
            watched.append((self._stdin, select.POLLOUT))
        if wake is not None:
            watched.append((wake, select.POLLIN))
        ready = dict(
            (poll_of(*watched) if len(watched) > 1 else self._incoming).poll(self._patience() * 1000)
        )
        if not ready:
            self._check_deadline()
        return self._stdout in ready or (not ready and not self._process.lives)

    @property
    def is_full(self) -> bool:
        """Whether as much waits to be written as a pipe holds."""
        return self._outgoing.size >= PIPE

    @property
    def has_begun(self) -> bool:
        """Whether a message, or a part of one, has been read beyond the last."""
        return bool(self._ahead)

    def stop(self) -> None:
        """End the worker, kindly at first; afterwards no process is left."""
        self._process.stop()

    def kill(self, reason: str) -> None:
        """Kill the worker and everything it started."""
        self._process.kill(reason)

    @property
    def over(self) -> bool:
        """Whether a worker of which nothing is asked has ended, or says something all the same."""
        return self._process.over or self.has_begun or bool(self._incoming.poll(0)) or not self._process.lives

    def _send(self, pieces: Iterable[bytes | memoryview], timeout: float, asked: Asked) -> None:
        if not self._asked:
            self._deadline = time.monotonic() + timeout
        self._asked.append(asked)
        self._outgoing.add(pieces)

    def _read_exactly(self, size: int) -> bytearray | memoryview:
        """So many bytes. Memory for many is not touched before they come: a claim alone costs the host nothing."""
        fd = self._stdout
        data = bytearray(size) if size < READ_AHEAD else np.empty(size, np.uint8).data
        view, got = memoryview(data), 0
        while got < size:
            if not self._ahead:
                if not self._incoming.poll(self._patience() * 1000):
                    self._check_deadline()
                    if not self._process.lives:  # its pipe stays open: a process that it started holds it
                        raise EOFError
                    continue
                if size - got >= READ_AHEAD:
                    got += _some(os.readv(fd, [view[got:]]))
                    self._check_deadline()
                    continue
                self._ahead = memoryview(os.read(fd, READ_AHEAD))
                _some(len(self._ahead))
            count = min(len(self._ahead), size - got)
            view[got : got + count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
            got += count
            if got < size:
                self._check_deadline()
        return data

    def _patience(self) -> float:
        return min(TICK, max(0.01, self._deadline - time.monotonic())) if self._asked else TICK

    def _check_deadline(self) -> None:
        """Kill a worker that is late: one that says nothing, or never comes to the end of a message."""
        if self._asked and time.monotonic() > self._deadline:
            self.kill(self._lateness())

    def _lateness(self) -> str:
        if self._ready:
            return (
                f"gave no answer within {self._cell_timeout:g} s and was killed; "
                "pytest --cell-timeout=SECONDS allows more"
            )
        return (
            f"was not ready within {self._start_timeout:g} s and was killed; "
            "pytest --start-timeout=SECONDS allows more"
        )


def _some(count: int) -> int:
    """What a read brought. Raises EOFError for nothing: the pipe is closed."""
    if not count:
        raise EOFError
    return count


def _made(compiled: Path, argv: Sequence[str]) -> str | None:
    """The folder for compiled code, made; None where the worker's machine is another, or it cannot be made."""
    if remote_shells(argv):
        return None
    try:
        compiled.mkdir(exist_ok=True)
    except OSError:
        return None
    return str(compiled)


def _refused(answer: Mapping[str, Any], framework: Framework) -> str:
    """Why a subject could not be loaded, in which Python, and how another is named."""
    assert framework.subject is not None
    name, lines = framework.name, sentence(str(answer.get("error", "")), "it does not say why").splitlines()
    return "\n".join(
        [
            f"could not load {framework.subject.name}:",
            *(f"  {line}" for line in lines),
            readable(f"found Python {answer.get('python')} with NumPy {answer.get('numpy')}"),
            f"another Python, which has what it imports, is named by --interpreter={name}=PATH or {variable(name)}=PATH",
        ]
    )


def _not_loaded(argv: Sequence[str], answer: Mapping[str, Any], requirements: Path) -> str:
    """Why an adapter could not be loaded, in which Python, what that lacks and the command that installs it."""
    lines = [
        "could not load the adapter:",
        *(f"  {line}" for line in sentence(str(answer.get("error", "")), "it does not say why").splitlines()),
        readable(f"found Python {answer.get('python')} with NumPy {answer.get('numpy')}"),
    ]
    if answer.get("incomplete") is True:
        return "\n".join([*lines, f"what an adapter has, and how it looks: {ADAPTERS_PAGE}"])
    pinned = requirements_in(requirements)
    found = installed.ask(argv, installed.names(pinned))
    if not isinstance(found, str):
        lines += installed.advice(argv, pinned, found)
    return "\n".join(lines)
