"""One worker process, seen from the host: started, sent requests, listened to, and killed when it must be.

Whoever waits for an answer writes meanwhile what the pipe takes, so neither side can block the other for ever, and
holds the only timer: when nothing has come for too long it kills the process group, which ends every kind of hang.
Whatever ends a worker, its group is killed once more, so nothing that it started lives on; only a process that took
itself out of the group is out of reach, and nobody waits for it. What ends a worker whose host has died is in
`adapters/worker.py`, since that has to work at the far end of an ssh too.
"""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..frameworks import installed
from ..frameworks.found import REQUIREMENTS, shipped_adapters
from ..frameworks.interpreters import requirements_in
from ..text import shortened, visible
from .remote import command, remote_shells
from .wire import PROTOCOL, Frame, Nonsense, Sent, frame, read_frame

START_TIMEOUT = 300.0
"""Seconds for interpreter and framework to start: on a busy machine an import has taken 22 s."""

CELL_TIMEOUT = 120.0
LOG_TAIL = 8192
LOG_LINES = 24
"""The last lines of a worker's log that a message shows: the stack of a fatal signal stands there, its top first."""
LONGEST_LINE = 500
LONGEST_TEXT = 20_000
"""Characters that a report takes over from a worker; the middle of a longer text is left out."""
LINGER = 2.0
"""Seconds that a worker may take to end once it is asked to, and once its pipe is closed."""
PIPE = 2**20
"""Bytes that a pipe may hold, the most that Linux lets anybody have: an array up to that waits for nobody."""
TICK = 0.2
"""Seconds after which somebody who waits for a worker looks whether it still lives."""
READ_AHEAD = 65536
"""Bytes that one read may bring of messages to come: small cells then cost one system call, large arrays no copy."""
PIECES = 512
"""Pieces of a message that one system call writes; Linux takes 1,024."""
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
ENVIRONMENT = {**ONE_THREAD, "PYTHONUNBUFFERED": "1"}
WORKER_SOURCE = "worker.py"


class WorkerDied(Exception):
    """The worker ended, hung or spoke nonsense; the message says how, with its last lines."""


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
        self._worker_source = (shipped_adapters() / WORKER_SOURCE).read_bytes()
        self._argv = list(argv)
        self._cell_timeout, self._start_timeout = cell_timeout, start_timeout
        self._outgoing: deque[bytes | memoryview] = deque()
        self._unwritten = 0
        self._log = b""
        self._waiting = 0
        self._deadline = time.monotonic() + start_timeout
        self._killed_for = ""
        self._ready = False
        self._over = False
        self._end = ""
        self._ahead = memoryview(b"")
        self._process = _started(self._argv)
        os.set_blocking(self._stdin.fileno(), False)
        for pipe in (self._stdin, self._stdout):
            _widen(pipe.fileno())
        self._incoming = _poll((self._stdout.fileno(), select.POLLIN))
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()

    def hello(
        self, adapter: Path, subject: Path | None = None, compiled: Path | None = None
    ) -> Mapping[str, Any]:
        """Hand over the adapter; what the framework says of itself. Raises WorkerDied where it does not start.

        `compiled` is a folder in which the framework may keep what it compiles. It is of this machine, and not told
        to another.
        """
        source = b"%d\n" % len(self._worker_source) + self._worker_source
        greeting = {
            "type": "hello",
            "protocol": PROTOCOL,
            "adapter": adapter.read_text(encoding="utf-8"),
            "path": str(adapter),
            "threads": 1,
            "seed": 0,
            "subject": None if subject is None else str(subject),
            "compiled": None if compiled is None else self._folder_for(compiled),
        }
        self._send([source, *frame(greeting)], self._start_timeout)
        ready = self.receive().header
        if ready.get("type") == "failed":
            raise WorkerDied(self._not_loaded(ready, adapter.with_name(REQUIREMENTS)))
        if (
            ready.get("type") != "ready"
            or ready.get("protocol") != PROTOCOL
            or not isinstance(ready.get("about"), dict)
        ):
            raise WorkerDied(f"spoke nonsense at the start: {readable(str(ready))[:LONGEST_LINE]}")
        self._ready = True
        return dict(ready["about"])

    def _folder_for(self, compiled: Path) -> str | None:
        """The folder, made; None where the worker's machine is another, or it cannot be made."""
        if remote_shells(self._argv):
            return None
        try:
            compiled.mkdir(exist_ok=True)
        except OSError:
            return None
        return str(compiled)

    def _not_loaded(self, answer: Mapping[str, Any], requirements: Path) -> str:
        """Why an adapter could not be loaded, in which Python, what that lacks and the command that installs it."""
        lines = [
            "could not load the adapter:",
            *(f"  {line}" for line in readable(str(answer.get("error", ""))).splitlines()),
            f"found Python {answer.get('python')} with NumPy {answer.get('numpy')}",
        ]
        pinned = requirements_in(requirements)
        found = installed.ask(self._argv, installed.names(pinned))
        if not isinstance(found, str):
            lines += installed.advice(self._argv, pinned, found)
        return "\n".join(lines)

    def send(self, header: Mapping[str, Any], arrays: Sequence[Sent], shared: bytes) -> None:
        """Queue one request, which `wait` and `receive` write; `shared` is `wire.shared_line`."""
        self._send(frame(header, arrays, shared), self._cell_timeout)

    def receive(self) -> Frame:
        """The next answer. Raises WorkerDied where none can come any more."""
        while not self.wait():
            pass
        if self._over:
            raise WorkerDied(self._obituary())
        try:
            frame = read_frame(self._read_exactly)
        except Nonsense as error:
            self.kill(f"spoke nonsense: {readable(str(error))}")
        except EOFError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever a broken row raises is that row's failure)
            self.kill(f"could not be understood: {error!r}")
        else:
            self._waiting -= 1
            self._deadline = time.monotonic() + self._cell_timeout
            return frame
        raise WorkerDied(self._obituary())

    def wait(self, wake: int | None = None) -> bool:
        """Write what the pipe takes, then wait: for the worker, for room to write, for `wake` to be readable, or a moment.

        Whether `receive` has something to say: a message has begun, or none will come any more.
        """
        if self._over or self._ahead:
            return True
        self._write()
        watched = [(self._stdout.fileno(), select.POLLIN)]
        if self._outgoing:
            watched.append((self._stdin.fileno(), select.POLLOUT))
        if wake is not None:
            watched.append((wake, select.POLLIN))
        ready = dict((_poll(*watched) if len(watched) > 1 else self._incoming).poll(self._patience() * 1000))
        if not ready:
            self._check_deadline()
        return self._stdout.fileno() in ready or (not ready and self._process.poll() is not None)

    @property
    def is_full(self) -> bool:
        """Whether as much waits to be written as a pipe holds."""
        return self._unwritten >= PIPE

    @property
    def has_begun(self) -> bool:
        """Whether a message, or a part of one, has been read beyond the last."""
        return bool(self._ahead)

    def stop(self) -> None:
        """End the worker, kindly at first; afterwards no process is left."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=LINGER)
        self.kill("stopped")
        self._obituary()

    def kill(self, reason: str) -> None:
        """Kill the worker and everything it started."""
        self._killed_for = self._killed_for or reason
        self._kill_group()
        with contextlib.suppress(subprocess.TimeoutExpired):  # not even a signal ends a wait for a dead disk
            self._process.wait(timeout=LINGER)

    def _kill_group(self) -> None:
        if not self._over:  # after that, its number may be another's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def over(self) -> bool:
        """Whether a worker of which nothing is asked has ended, or says something all the same."""
        return (
            self._over or self.has_begun or bool(self._incoming.poll(0)) or self._process.poll() is not None
        )

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _send(self, pieces: Iterable[bytes | memoryview], timeout: float) -> None:
        if self._waiting == 0:
            self._deadline = time.monotonic() + timeout
        self._waiting += 1
        for piece in pieces:
            self._outgoing.append(piece)
            self._unwritten += len(piece)

    def _write(self) -> None:
        """Write what the pipe takes, copying nothing: requests with many small arrays are one system call."""
        left = self._outgoing
        try:
            while left:
                count = os.writev(self._stdin.fileno(), [left[i] for i in range(min(PIECES, len(left)))])
                self._unwritten -= count
                while left and count >= len(left[0]):
                    count -= len(left.popleft())
                if count:
                    left[0] = memoryview(left[0])[count:]
        except BlockingIOError:
            pass
        except (OSError, ValueError):  # it has ended, which `receive` tells
            left.clear()
            self._unwritten = 0

    def _read_exactly(self, size: int) -> bytearray | memoryview:
        """So many bytes. Memory for many is not touched before they come: a claim alone costs the host nothing."""
        fd = self._stdout.fileno()
        data = bytearray(size) if size < READ_AHEAD else np.empty(size, np.uint8).data
        view, got = memoryview(data), 0
        while got < size:
            if not self._ahead:
                if not self._incoming.poll(self._patience() * 1000):
                    self._check_deadline()
                    self._check_life()
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
        return min(TICK, max(0.01, self._deadline - time.monotonic())) if self._waiting else TICK

    def _check_deadline(self) -> None:
        """Kill a worker that is late: one that says nothing, or never comes to the end of a message."""
        if self._waiting > 0 and time.monotonic() > self._deadline:
            self.kill(self._lateness())

    def _lateness(self) -> str:
        if self._ready:
            return (
                f"gave no answer within {self._cell_timeout:g} s and was killed; "
                "pytest --cell-timeout=SECONDS allows more"
            )
        return f"was not ready within {self._start_timeout:g} s and was killed"

    def _check_life(self) -> None:
        """Raises EOFError for a dead worker whose pipe stays open, since a process that it started holds it."""
        if self._process.poll() is not None:
            raise EOFError

    def _read_log(self) -> None:
        """Keep the end of what the worker prints, however much it is; after its death, what is still in the pipe."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            words = _poll((stream.fileno(), select.POLLIN))
            after_death = 0
            while after_death < PIPE:
                over = self._over
                if words.poll(0 if over else TICK * 1000):
                    chunk = os.read(stream.fileno(), READ_AHEAD)
                    if not chunk:
                        return
                    self._log = (self._log + chunk)[-LOG_TAIL:]
                    after_death += len(chunk) if over else 0
                elif over:
                    return

    def _obituary(self) -> str:
        """How it ended: killed by us, by a signal, or its exit code; and its last lines."""
        if self._end:
            return self._end
        try:
            self._process.wait(timeout=LINGER)
        except subprocess.TimeoutExpired:
            self.kill("closed its end of the pipe, lived on and was killed")
        self._kill_group()
        self._over = True
        self._log_reader.join(timeout=LINGER)
        how = self._killed_for or how_it_ended(self._process.returncode)
        lines = readable(self._log.decode(errors="replace")).splitlines()[-LOG_LINES:]
        self._stdout.close()
        self._end = "\n".join([how, *(f"  {line}" for line in lines)])
        return self._end


def _widen(fd: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a user has only so many pages for pipes
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)


def _poll(*watched: tuple[int, int]) -> select.poll:
    """What waits for descriptors and their events; `select.select` knows only the first 1,024."""
    poll = select.poll()
    for fd, event in watched:
        poll.register(fd, event)
    return poll


def _started(argv: list[str]) -> subprocess.Popen[bytes]:
    """The interpreter's process, in a session of its own, so that Ctrl-C reaches only the host."""
    try:
        return subprocess.Popen(  # noqa: S603 (the user names the interpreter)
            command(argv, ENVIRONMENT),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
    except OSError as error:
        hint = ""
        if isinstance(error, FileNotFoundError) and Path(argv[0]).exists():
            hint = " (the file is there: what its first line names is not)"
        raise WorkerDied(f"could not be started: {error.strerror}{hint}") from None


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "could not be killed: the operating system does not let go of it"
    if code == -signal.SIGKILL:
        return "died of signal 9 (SIGKILL), which the harness did not send: perhaps the machine ran out of memory"
    if code < 0:
        return f"died of signal {-code}{_name_of_signal(-code)}"
    if code > 128 and _name_of_signal(code - 128):
        name = f"{code - 128}{_name_of_signal(code - 128)}"
        return f"ended with exit code {code}, which is how a shell tells of signal {name}"
    return f"ended with exit code {code} and without an answer"


def _name_of_signal(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


def readable(text: str) -> str:
    """A worker's text as a report takes it: visible, and neither it nor a line of it endless."""
    lines = shortened(text, LONGEST_TEXT).splitlines()
    return "\n".join(shortened(visible(line.expandtabs()), LONGEST_LINE) for line in lines)


def _some(count: int) -> int:
    """What a read brought. Raises EOFError for nothing: the pipe is closed."""
    if not count:
        raise EOFError
    return count
