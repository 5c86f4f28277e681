"""Where a framework's interpreter is: every framework lives in its own, and nothing is imported to find out.

What somebody names is taken at its word: if it isn't there, the framework is absent, and nothing further down
the list quietly takes its place.
"""

import contextlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import HarnessError
from ..reading.files import read_at_most
from .found import REQUIREMENTS, Framework

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OURS = {"HARNESS_CACHE", "HARNESS_CACHE_SIZE", "HARNESS_REQUIRE"}
"""Variables that mean something else: a subject may be called `cache`."""

MAX_BYTES = 1_000_000
"""Of a requirements.txt or a tox.ini."""


@dataclass(frozen=True)
class Interpreter:
    """The command that starts a Python with the framework, and who says so."""

    argv: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class Absent:
    """No interpreter: what was looked at, a line for each place."""

    framework: str
    looked: tuple[str, ...]
    remedy: str
    """What makes one, and where to name it."""

    def __str__(self) -> str:
        places = "".join(f"  {line}\n" for line in self.looked)
        return f"no interpreter for {self.framework}; looked at\n{places}{self.remedy}"


def interpreter_of(
    framework: Framework, given: Mapping[str, str], ini: Mapping[str, str], root: Path
) -> Interpreter | Absent:
    """Where a framework runs, as this process sees it; a subject runs in this interpreter unless another is given.

    `given` is what `--interpreter` says, `ini` what an ini file does, `root` the folder of a tox.ini.
    """
    if framework.subject is not None and not _is_named(framework.name, given, ini):
        return Interpreter((sys.executable,), "the running interpreter")
    return find(
        framework.name,
        option=given.get(framework.name),
        ini=ini,
        requirements=framework.folder / REQUIREMENTS,
        environ=os.environ,
        toxworkdir=Path(os.environ.get("TOX_WORK_DIR", root / ".tox")),
        root=root,
    )


def _is_named(framework: str, given: Mapping[str, str], ini: Mapping[str, str]) -> bool:
    return any(
        command is not None for _, command, _ in _named(framework, given.get(framework), ini, os.environ)
    )


def find(
    framework: str,
    *,
    option: str | None,
    ini: Mapping[str, str],
    requirements: Path,
    environ: Mapping[str, str],
    toxworkdir: Path,
    root: Path = Path(),
) -> Interpreter | Absent:
    """The framework's interpreter: named by option, environment or ini file, else its tox env, else this one.

    `option` is what `--interpreter` gave for this framework (None: nothing), `ini` what
    `harness_interpreters` gives for each, `requirements` the adapter's requirements.txt, whose first
    distribution tells whether this interpreter has the framework, `root` the folder whose tox.ini may have
    an environment of that name. A named command is split as a shell does, so that `ssh host python3` works.
    """
    get = remedy(framework, requirements, root)
    looked: list[Interpreter | str] = []
    for origin, command, otherwise in _named(framework, option, ini, environ):
        if command is not None:
            named = _resolve(origin, command, environ)
            return _found(framework, [named], f"name another there, or none and {get}")
        looked.append(f"{origin}: {otherwise}")
    return _found(framework, [*looked, _of_tox(framework, toxworkdir), _this(requirements)], get)


def _found(framework: str, looked: Sequence[Interpreter | str], get: str) -> Interpreter | Absent:
    """The first interpreter among what was looked at, else all that was said instead of one."""
    for found in looked:
        if isinstance(found, Interpreter):
            return found
    return Absent(framework, tuple(line for line in looked if isinstance(line, str)), get)


def remedy(framework: str, requirements: Path, root: Path) -> str:
    """What gets an interpreter with the framework: tox where its tox.ini knows how, else a new environment.

    A new one, so that nothing is put over a release that somebody has in an environment of their own.
    """
    if has_tox_env(root, framework):
        return f"get it with: tox -e {framework}"
    if not requirements.is_file():
        return f"name a Python that has it with: --interpreter={framework}=PATH or {variable(framework)}=PATH"
    place, lock = f".venv-{framework}", requirements.with_name("lock.txt")
    given = ["-r", str(requirements), *(["-c", str(lock)] if lock.is_file() else [])]
    return (
        f"get it with: python3.11 -m venv {place} && {place}/bin/pip install {shlex.join(given)}\n"
        f"and name it with: --interpreter={framework}={place}/bin/python or {variable(framework)}={place}/bin/python"
    )


def has_tox_env(root: Path, name: str) -> bool:
    """Whether the folder's tox.ini has a section for this environment: `[testenv:a]`, or `[testenv:{a,b}]` for two."""
    try:
        text = read_at_most(root / "tox.ini", MAX_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return False
    sections = re.findall(r"^\[testenv:(?:\{(.*)\}|(.*))\]", text, re.MULTILINE)
    return any(name in (word.strip() for word in (several or one).split(",")) for several, one in sections)


def variable(framework: str) -> str:
    """The environment variable that names the framework's interpreter: HARNESS_TORCH."""
    return "HARNESS_" + re.sub(r"[^A-Z0-9]", "_", framework.upper())


def _named(
    framework: str, option: str | None, ini: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str]]:
    """Who may name an interpreter, the command if there is one, and what to say if there is none.

    An empty environment variable counts as unset, as usual; an empty option or ini value is a mistake.
    """
    yield f"--interpreter {framework}=...", option, "not given"
    if variable(framework) not in OURS:
        yield variable(framework), environ.get(variable(framework)) or None, "not set"
    yield "harness_interpreters", ini.get(framework), f"says nothing of {framework}"


def _resolve(origin: str, command: str, environ: Mapping[str, str]) -> Interpreter | str:
    """A command that somebody named, or why its first word can't be executed."""
    try:
        words = _split(command)
    except (ValueError, RuntimeError, OSError) as error:
        # in this order: quotes that stay open, nobody's home, a working directory that is gone
        return f"{origin}: {command!r} is no command: {error}"
    if not words:
        return f"{origin}: names no command"
    if shutil.which(words[0], path=environ.get("PATH", os.defpath)) is None:
        problem = "isn't an executable file" if _is_path(words[0]) else "isn't on PATH"
        return f"{origin}: {words[0]} {problem}"
    return Interpreter(tuple(words), origin)


def _split(command: str) -> list[str]:
    """As a shell does; a path stays good when the worker starts in another folder."""
    if "\0" in command:
        raise ValueError("it has a null byte")
    words = shlex.split(command.replace("\\", "/") if os.name == "nt" else command)
    if words and _is_path(words[0]):
        words[0] = str(Path(words[0]).expanduser().absolute())
    return words


def _is_path(word: str) -> bool:
    return "/" in word or os.sep in word


def _of_tox(framework: str, toxworkdir: Path) -> Interpreter | str:
    relative = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
    python = toxworkdir / framework / relative
    try:
        if python.exists():
            return Interpreter((str(python.absolute()),), f"tox env {framework}")
    except OSError as error:  # of a folder that may not be looked into, of a name that is too long
        return f"{python}: {error.strerror}"
    return f"{python}: no such file"


def _this(requirements: Path) -> Interpreter | str:
    """The running interpreter, if the distribution that the adapter names first is installed in it."""
    place = f"{sys.executable} (this interpreter)"
    distribution = _first_distribution(requirements)
    if distribution is None:
        return f"{place}: not asked, since {requirements} names no distribution"
    try:
        found = version(distribution)
    except PackageNotFoundError:
        return f"{place}: doesn't have {distribution}"
    return Interpreter((sys.executable,), f"this interpreter, which has {distribution} {found}")


def _first_distribution(file: Path) -> str | None:
    return next((requirement.name for requirement in requirements_in(file)), None)


def requirements_in(file: Path) -> "list[Requirement]":
    """What a requirements.txt names; comments, pip's options and links are passed over."""
    from packaging.requirements import (  # noqa: PLC0415  (long to load, and collection reads none)
        InvalidRequirement,
        Requirement,
    )

    try:
        lines = read_at_most(file, MAX_BYTES).decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        with contextlib.suppress(InvalidRequirement):
            found.append(Requirement(line.partition(" #")[0].strip()))
    return found


def assignment(text: str) -> tuple[str, str]:
    """Name and command of an interpreter that is given as NAME=COMMAND."""
    name, equals, command = text.partition("=")
    if not equals or not name.strip() or not command.strip():
        raise HarnessError(
            f'"{text}": an interpreter is given as NAME=COMMAND, such as mine=/opt/mine/bin/python'
        )
    return name.strip(), command.strip()
