"""`harness ops` and `harness frameworks`: the columns of the matrix, from the adapters' sources."""

import argparse
import ast
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from ...reference.ops import OPS
from ..frameworks import installed
from ..frameworks.found import REQUIREMENTS, Framework, frameworks
from ..frameworks.installed import Installed
from ..frameworks.interpreters import Interpreter, has_tox_env, interpreter_of, requirements_in
from ..reading.text import visible
from .common import adapter_folders, command, ini_interpreters, interpreters, path


def add(commands: Any) -> None:
    text = "which op each framework has, and where a formula stands for a missing native call"
    made = command(commands, "ops", ops, text)
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    text = "which frameworks are here, in which versions, and how to get the others"
    made = command(commands, "frameworks", list_frameworks, text)
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def ops(arguments: argparse.Namespace) -> int:
    """A table of ops and frameworks, from the adapters' sources: nothing is imported."""
    known = frameworks(adapter_folders(arguments.adapters))
    named = {f.name: (_keys(f, "OPS"), _keys(f, "FORMULAS")) for f in known}
    table = Table(caption="native: the framework's own call; formula: there is none; -: unsupported")
    table.add_column("op")
    for name in named:
        table.add_column(name)
    for op in OPS:
        boxes = (
            "formula" if op in formulas else "native" if op in native else "-"
            for native, formulas in named.values()
        )
        table.add_row(op, *boxes)
    Console().print(table)
    return 0


def _keys(framework: Framework, name: str) -> set[str]:
    """The strings of a dict's keys, or of a set, that stands at the top of an adapter under `name`."""
    for node in ast.parse(framework.source).body:
        match node:
            case ast.AnnAssign(ast.Name(found), _, value) | ast.Assign([ast.Name(found)], value) if (
                found == name
            ):
                elements = getattr(value, "keys", None) or getattr(value, "elts", [])
                return {e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)}
    return set()


def list_frameworks(arguments: argparse.Namespace) -> int:
    """Each framework, its modes, its interpreter with what is installed there, and how to get what isn't."""
    known = frameworks(adapter_folders(arguments.adapters))
    given = interpreters(arguments.interpreter, known)
    named = ini_interpreters(known)
    found = {framework: interpreter_of(framework, given, named, Path()) for framework in known}
    pins = {framework: requirements_in(framework.folder / REQUIREMENTS) for framework in known}
    answers = installed.ask_all(
        {
            framework.name: (place.argv, installed.names(pins[framework]))
            for framework, place in found.items()
            if isinstance(place, Interpreter)
        }
    )
    for framework, place in found.items():
        print(visible(f"{framework.name}  modes: {', '.join(framework.modes)} (the first is the default)"))
        if isinstance(place, Interpreter):
            lines = list(_told(framework, place, pins[framework], answers[framework.name]))
        else:
            lines = str(place).splitlines()
        print("\n".join(f"  {visible(line)}" for line in lines))
    return 0


def _told(
    framework: Framework, place: Interpreter, pinned: Sequence[Requirement], answer: Installed | str
) -> Iterator[str]:
    """What an interpreter has, and how that differs from what the adapter is made for."""
    yield f"{shlex.join(place.argv)}  ({place.origin})"
    if isinstance(answer, str):
        yield answer
        yield _anew(framework, place) or f"name another with --interpreter={framework.name}=COMMAND"
        return
    advice = list(installed.advice(place.argv, pinned, answer))
    yield str(answer) + ("" if advice else "; as the adapter pins them")
    anew = _anew(framework, place)
    yield from [*advice[:1], anew] if advice and anew else advice


def _anew(framework: Framework, place: Interpreter) -> str | None:
    """A tox environment is made anew, where there is the tox.ini that knows what belongs in it."""
    if place.origin == f"tox env {framework.name}" and has_tox_env(Path(), framework.name):
        return f"get it with: tox -r -e {framework.name}"
    return None
