"""A worker's process: started, its log read, and killed with everything that it started.

Only a process that took itself out of the group is out of reach, and nobody waits for it. What ends a worker whose
host has died is in `adapters/worker.py`, since that has to work at the far end of an ssh too.
"""

import contextlib
import errno
import os
import select
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not a POSIX system: this can be imported there, and no worker is started
    fcntl = None  # type: ignore[assignment]

from ..errors import HarnessError
from ..reading.text import shortened, visible
from .remote import command

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
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
ENVIRONMENT = {**ONE_THREAD, "PYTHONUNBUFFERED": "1"}


class WorkerDied(Exception):
    """The worker ended, hung or spoke nonsense; the message says how, with its last lines."""


class NotLoaded(WorkerDied):
    """The subject's own code raised when it was loaded: another worker would fare no better."""


class Process:
    """A started interpreter that runs the worker's bootstrap.

    It is used by one thread; only `kill` may come from another.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Raises WorkerDied where the operating system cannot start it."""
        self._log = b""
        self._killed_for = ""
        self._end = ""
        self.over = False
        self._popen = _started(argv)
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self.stdin: IO[bytes] = self._popen.stdin
        self.stdout: IO[bytes] = self._popen.stdout
        self.pid = self._popen.pid
        os.set_blocking(self.stdin.fileno(), False)
        for pipe in (self.stdin, self.stdout):
            _widen(pipe.fileno())
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()

    @property
    def lives(self) -> bool:
        return self._popen.poll() is None

    def stop(self) -> None:
        """End it, kindly at first; afterwards nothing of it is left."""
        with contextlib.suppress(OSError):
            self.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=LINGER)
        self.kill("stopped")
        self.obituary()

    def kill(self, reason: str) -> None:
        """Kill it and everything it started."""
        self._killed_for = self._killed_for or reason
        self._kill_group()
        with contextlib.suppress(subprocess.TimeoutExpired):  # not even a signal ends a wait for a dead disk
            self._popen.wait(timeout=LINGER)

    def _kill_group(self) -> None:
        if not self.over:  # after that, its number may be another's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _read_log(self) -> None:
        """Keep the end of what the worker prints, however much it is; after its death, what is still in the pipe."""
        assert self._popen.stderr is not None
        with self._popen.stderr as stream:
            words = poll_of((stream.fileno(), select.POLLIN))
            after_death = 0
            while after_death < PIPE:
                over = self.over
                if words.poll(0 if over else TICK * 1000):
                    chunk = os.read(stream.fileno(), READ_AHEAD)
                    if not chunk:
                        return
                    self._log = (self._log + chunk)[-LOG_TAIL:]
                    after_death += len(chunk) if over else 0
                elif over:
                    return

    def obituary(self) -> str:
        """How it ended: killed by us, by a signal, or its exit code; and its last lines."""
        if self._end:
            return self._end
        try:
            self._popen.wait(timeout=LINGER)
        except subprocess.TimeoutExpired:
            self.kill("closed its end of the pipe, lived on and was killed")
        self._kill_group()
        self.over = True
        self._log_reader.join(timeout=LINGER)
        how = self._killed_for or how_it_ended(self._popen.returncode)
        lines = readable(self._log.decode(errors="replace")).splitlines()[-LOG_LINES:]
        self.stdout.close()
        self._end = "\n".join([how, *(f"  {line}" for line in lines)])
        return self._end


def require_posix() -> None:
    """Raises HarnessError on a system that has not what keeps workers in check."""
    if os.name != "posix":
        raise HarnessError(
            "running cells needs a POSIX system (Linux, macOS): workers are process groups behind pipes; "
            "on Windows run this in WSL. `harness check`, `harness report` and the reference work here"
        )


def _widen(fd: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a user has only so many pages for pipes
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)


def poll_of(*watched: tuple[int, int]) -> "select.poll":
    """What waits for descriptors and their events; `select.select` knows only the first 1,024."""
    poll = select.poll()
    for fd, event in watched:
        poll.register(fd, event)
    return poll


def opened(words: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process with the environment of workers and a pipe at each end. Raises OSError where it can't be started."""
    if any("\0" in word for word in words):
        raise OSError(errno.EINVAL, "its command has a null byte")
    return subprocess.Popen(  # noqa: S603 (the user names the interpreter)
        words,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **ENVIRONMENT},
        start_new_session=True,
    )


def _started(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """The interpreter's process, in a session of its own, so that Ctrl-C reaches only the host."""
    try:
        return opened(command(argv, ENVIRONMENT))
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


def sentence(text: str, otherwise: str) -> str:
    """A worker's text, readable, or what stands for it where it says nothing."""
    told = readable(text)
    return told if told.strip() else otherwise


def readable(text: str) -> str:
    """A worker's text as a report takes it: visible, and neither it nor a line of it endless."""
    lines = shortened(text, LONGEST_TEXT).splitlines()
    return "\n".join(shortened(visible(line.expandtabs()), LONGEST_LINE) for line in lines)
