"""What is installed in a framework's interpreter, and how that differs from what its adapter pins.

Asked of the interpreter's own importlib.metadata, so that no framework is imported. The question is a script on stdin:
it needs nothing of ours there, and no quoting on its way through ssh. An interpreter that hangs is killed with
everything that it started.
"""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from packaging.requirements import Requirement

TIMEOUT = 30.0
"""Seconds that an interpreter may take to start and to look its distributions up."""

MARK = "installed: "

SCRIPT = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry not in ("", ".")]
import json, platform
from importlib.metadata import PackageNotFoundError, version
def found(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
versions = {{name: found(name) for name in {names!r}}}
print({mark!r} + json.dumps({{"python": platform.python_version(), "versions": versions}}))
"""


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What an interpreter has."""

    python: str
    versions: dict[str, str | None]
    """Of each distribution that was asked for; None where it isn't there."""

    def __str__(self) -> str:
        there = [f"{name} {version}" for name, version in self.versions.items() if version is not None]
        return ", ".join([f"Python {self.python}", *there])


Question = tuple[Sequence[str], Sequence[str]]
"""The command of an interpreter, and the distributions to ask it for."""


def ask_all(questions: Mapping[str, Question]) -> dict[str, Installed | str]:
    """The answers by the questions' names, all asked side by side."""
    with ThreadPoolExecutor(max(1, len(questions))) as pool:
        return dict(zip(questions, pool.map(lambda own: ask(*own), questions.values()), strict=True))


def ask(argv: Sequence[str], distributions: Sequence[str], timeout: float | None = None) -> Installed | str:
    """What an interpreter has of these distributions, or in words why it doesn't tell."""
    timeout = TIMEOUT if timeout is None else timeout
    script = SCRIPT.format(names=list(distributions), mark=MARK).encode()
    try:
        process = subprocess.Popen(  # noqa: S603 (the user names the interpreter)
            [*argv, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # the latter where a word has a null byte
        return f"can't be started: {getattr(error, 'strerror', None) or error}"
    try:
        out, err = process.communicate(script, timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"gave no answer in {timeout:g} s and was killed"
    return _answer(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        with contextlib.suppress(OSError):
            stream.close()


def _answer(code: int, out: str, err: str) -> Installed | str:
    """The last line with the mark: an interpreter may greet before it."""
    marked = [line.removeprefix(MARK) for line in out.splitlines() if line.startswith(MARK)]
    said = (err.strip() or out.strip()).splitlines()[-1:]
    words = f": {said[0]}" if said else ""
    if code < 0:
        return f"died of signal {-code}{words}"
    if code > 0:
        return f"ended with exit code {code}{words}"
    try:
        return msgspec.json.decode(marked[-1], type=Installed)
    except (IndexError, msgspec.DecodeError):
        return f"isn't a Python that tells what is installed in it{words}"


def names(pinned: "Sequence[Requirement]") -> list[str]:
    """The distributions to ask for: what the adapter pins, and NumPy, which every worker needs."""
    return list(dict.fromkeys([*(requirement.name for requirement in pinned), "numpy"]))


def differing(
    pinned: "Sequence[Requirement]", found: Installed
) -> "Iterator[tuple[Requirement, str | None]]":
    """The requirements that what is installed doesn't fulfil, each with the version that is there instead."""
    for requirement in pinned:
        version = found.versions.get(requirement.name)
        if not _fulfils(requirement, version):
            yield requirement, version


def _fulfils(requirement: "Requirement", version: str | None) -> bool:
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415  (long to load, and a run needs none)

    if version is None:
        return False
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def advice(argv: Sequence[str], pinned: "Sequence[Requirement]", found: Installed) -> Iterator[str]:
    """How what is installed differs from the pins, and what installs that of which there is nothing.

    Another version may be the very one that is tested: it is told, and no command puts the pin over it.
    """
    different = list(differing(pinned, found))
    if different:
        told = ", ".join(f"{needed} (here {version or 'none'})" for needed, version in different)
        yield f"the adapter is made for {told}"
    lacking = [str(needed) for needed, version in different if version is None]
    if lacking:
        yield f"get what is missing with: {shlex.join([*argv, '-m', 'pip', 'install', *lacking])}"
