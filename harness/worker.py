"""One worker process, seen from the host: started, sent requests, listened to, and killed when it must be.

A reader thread empties the worker's stdout whatever else happens, so neither side can block the other for ever, and
holds the only timer: when nothing has come for too long it kills the process group, which ends every kind of hang.
"""

import contextlib
import os
import queue
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from harness.plan import shipped_adapters
from harness.remote import command
from harness.wire import PROTOCOL, Frame, Nonsense, Sent, frame, read_frame

START_TIMEOUT = 300.0
"""Seconds for interpreter and framework to start: on a busy machine an import has taken 22 s."""

CELL_TIMEOUT = 120.0
LOG_TAIL = 8192
READ_AHEAD = 65536
"""Bytes that one read may bring of messages to come: small cells then cost one system call, large arrays no copy."""
PIECES = 512
"""Pieces of a message that one system call writes; Linux takes 1,024."""
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
ENVIRONMENT = {
    **ONE_THREAD,
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MXNET_SUBGRAPH_VERBOSE": "0",
    "PYTHONUNBUFFERED": "1",
}
WORKER_SOURCE = "worker.py"


class WorkerDied(Exception):
    """The worker ended, hung or spoke nonsense; the message says how, with its last lines."""


class Worker:
    """A started worker. `send` requests, `receive` one frame for each, then `stop`."""

    def __init__(self, argv: Iterable[str], cell_timeout: float = CELL_TIMEOUT) -> None:
        self._worker_source = (shipped_adapters() / WORKER_SOURCE).read_bytes()
        self._cell_timeout = cell_timeout
        self._frames: queue.Queue[Frame | WorkerDied] = queue.Queue()
        self._log: deque[bytes] = deque(maxlen=64)
        self._waiting = 0
        self._deadline = time.monotonic() + START_TIMEOUT
        self._lock = threading.Lock()
        self._killed_for = ""
        self._ahead = memoryview(b"")
        self._process = subprocess.Popen(  # noqa: S603 (the user names the interpreter)
            command(list(argv), ENVIRONMENT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._read_frames, self._read_log)
        ]
        for thread in self._threads:
            thread.start()

    def hello(self, adapter: Path, subject: Path | None = None) -> Mapping[str, Any]:
        """Hand over the adapter; what the framework says of itself. Raises WorkerDied where it does not start."""
        source = b"%d\n" % len(self._worker_source) + self._worker_source
        greeting = {
            "type": "hello",
            "protocol": PROTOCOL,
            "adapter": adapter.read_text(encoding="utf-8"),
            "path": str(adapter),
            "threads": 1,
            "seed": 0,
            "subject": None if subject is None else str(subject),
        }
        self._send([source, *frame(greeting)], START_TIMEOUT)
        ready = self.receive().header
        if ready.get("type") == "failed":
            raise WorkerDied(f"did not start:\n{ready.get('error', '')}")
        if (
            ready.get("type") != "ready"
            or ready.get("protocol") != PROTOCOL
            or not isinstance(ready.get("about"), dict)
        ):
            raise WorkerDied(f"spoke nonsense at the start: {str(ready)[:200]}")
        return dict(ready["about"])

    def send(self, header: Mapping[str, Any], arrays: Iterable[Sent]) -> None:
        """Queue one request. A worker that died is noticed by `receive`."""
        self._send(frame(header, arrays), self._cell_timeout)

    def receive(self) -> Frame:
        """The next answer. Raises WorkerDied where none can come any more."""
        item = self._frames.get()
        if isinstance(item, WorkerDied):
            self._frames.put(item)
            raise item
        return item

    def stop(self) -> None:
        """End the worker, kindly at first; afterwards no process is left."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self.kill("stopped")

    def kill(self, reason: str) -> None:
        """Kill the worker and everything it started."""
        self._killed_for = self._killed_for or reason
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _send(self, pieces: Iterable[bytes | memoryview], timeout: float) -> None:
        with self._lock:
            if self._waiting == 0:
                self._deadline = time.monotonic() + timeout
            self._waiting += 1
        with contextlib.suppress(OSError, ValueError):
            _write(self._stdin.fileno(), pieces)

    def _read_frames(self) -> None:
        try:
            while True:
                message = read_frame(self._read_exactly)
                with self._lock:
                    self._waiting -= 1
                    self._deadline = time.monotonic() + self._cell_timeout
                    uninvited = self._waiting < 0
                if uninvited:
                    self.kill("spoke nonsense: it answered what nobody asked")
                    break
                self._frames.put(message)
        except Nonsense as error:
            self.kill(f"spoke nonsense: {error}")
        except EOFError:
            pass
        self._frames.put(WorkerDied(self._obituary()))
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read_exactly(self, size: int) -> bytearray:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            if not self._ahead:
                if not select.select([fd], [], [], self._patience())[0]:
                    self._check_deadline()
                    continue
                if size - got >= READ_AHEAD:
                    got += _some(os.readv(fd, [view[got:]]))
                    continue
                self._ahead = memoryview(os.read(fd, READ_AHEAD))
                _some(len(self._ahead))
            count = min(len(self._ahead), size - got)
            view[got : got + count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
            got += count
        return data

    def _patience(self) -> float:
        with self._lock:
            return min(1.0, max(0.01, self._deadline - time.monotonic())) if self._waiting else 0.2

    def _check_deadline(self) -> None:
        with self._lock:
            late = self._waiting > 0 and time.monotonic() > self._deadline
        if late:
            self.kill("gave no answer in time and was killed")

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while chunk := os.read(stream.fileno(), LOG_TAIL):
                self._log.append(chunk)

    def _obituary(self) -> str:
        """How it ended: killed by us, by a signal, or its exit code; and its last lines."""
        code = self._process.wait()
        self._threads[1].join(timeout=1)
        if self._killed_for:
            how = self._killed_for
        elif code < 0:
            how = f"died of signal {-code} ({signal.Signals(-code).name})"
        else:
            how = f"ended with exit code {code}"
        lines = b"".join(self._log)[-LOG_TAIL:].decode(errors="replace").splitlines()[-12:]
        return "\n".join([how, *(f"  {line}" for line in lines)])


def _some(count: int) -> int:
    """What a read brought. Raises EOFError for nothing: the pipe is closed."""
    if not count:
        raise EOFError
    return count


def _write(fd: int, pieces: Iterable[bytes | memoryview]) -> None:
    """Write all pieces, copying none: a message of many small arrays is one system call."""
    left = deque(piece for piece in pieces if len(piece))
    while left:
        count = os.writev(fd, [left[i] for i in range(min(PIECES, len(left)))])
        while left and count >= len(left[0]):
            count -= len(left.popleft())
        if count:
            left[0] = memoryview(left[0])[count:]
