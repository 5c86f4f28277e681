"""Runs a script in a framework's interpreter, as its workers run: the same environment, one thread, killed in time."""

import contextlib
import os
import signal
import subprocess

from ...errors import HarnessError
from ...frameworks.interpreters import Interpreter
from ...workers.process import ENVIRONMENT, how_it_ended, opened, readable
from ...workers.remote import command

TIMEOUT = 300.0
"""Seconds, as a worker has to start; the framework's import takes most of them."""
FROM_PIPE = "import sys; exec(compile(sys.stdin.buffer.read(), 'reproduce.py', 'exec'))"
"""What the interpreter runs after `-c`: nothing of ours is where it is, so the script comes through the pipe."""


def output_of(script: str, interpreter: Interpreter) -> tuple[str, str]:
    """What the script prints, and how it ended if it failed, as it does where it shows what is wrong.

    Raises HarnessError where it can't be started.
    """
    try:
        process = opened(command(interpreter.argv, ENVIRONMENT, FROM_PIPE))
    except OSError as error:
        raise HarnessError(f"{interpreter.argv[0]} could not be started: {error.strerror}") from None
    try:
        out, log = process.communicate(script.encode(), TIMEOUT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "", f"took longer than {TIMEOUT:g} s"
    printed = out.decode(errors="replace")
    if process.returncode == 0:
        return printed, ""
    last = readable(log.decode(errors="replace")).splitlines()[-1:]
    return printed, "\n".join([how_it_ended(process.returncode), *last])
