"""`harness ops` and `harness frameworks`: the columns of the matrix, from the adapters' sources, and what each op is."""

import argparse
import ast
import inspect
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from ...reference.ops import OPS, Row, shapes
from ...reference.spellings import unknown_op
from ..errors import HarnessError
from ..frameworks import installed
from ..frameworks.found import REQUIREMENTS, Framework, frameworks
from ..frameworks.installed import Installed
from ..frameworks.interpreters import Interpreter, has_tox_env, interpreter_of, requirements_in
from ..reading.text import visible
from ..workers.process import WorkerDied
from ..workers.worker import Worker
from .common import adapter_folders, command, ini_interpreters, interpreters, path

ALWAYS = {
    "axis": "an axis, a tuple of axes, or None for all",
    "keepdims": "whether the reduced axes stay, with size 1",
    "reduction": '"mean" over all elements, their "sum", or "none": as they are',
}
"""What attributes are that mean the same in several ops."""
BROADCAST = "a tensor or a number; shapes broadcast as in NumPy"
PAGE = """# Ops

What programs of cases may call, written by `harness ops --format markdown` from the table in `reference/ops`. g is the gradient of an
op's output. Where an op stands for an operator, programs write the operator. Which framework has which op: `harness ops`; an op that is missing is
composed of others, or [added](../CONTRIBUTING.md#add-an-op).
"""


def add(commands: Any) -> None:
    text = (
        "which op each framework has, and where a formula stands for a missing native call; or what an op is"
    )
    made = command(commands, "ops", ops, text)
    made.add_argument("op", nargs="*", metavar="NAME", help="tell what these ops are")
    text = "markdown: what every op is, as a page"
    made.add_argument("--format", choices=("text", "markdown"), default="text", help=text)
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    text = "which frameworks are here, in which versions, and how to get the others"
    made = command(commands, "frameworks", list_frameworks, text)
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")
    text = "start a worker of each: how long that takes, and how much memory it has then"
    made.add_argument("--start", action="store_true", help=text)


def ops(arguments: argparse.Namespace) -> int:
    """A table of ops and frameworks, from the adapters' sources: nothing is imported. Or what the named ops are."""
    for name in arguments.op:
        if name not in OPS:
            raise HarnessError(unknown_op(name))
    if arguments.format == "markdown":
        rows = [OPS[name] for name in arguments.op or OPS]
        print("\n".join([PAGE * (not arguments.op), *map(op_markdown, rows)]).strip())
        return 0
    known = frameworks(adapter_folders(arguments.adapters))
    named = {f.name: (_keys(f, "OPS"), _keys(f, "FORMULAS")) for f in known}
    if arguments.op:
        print("\n\n".join(op_text(OPS[name], named) for name in arguments.op))
        return 0
    table = Table(caption="native: the framework's own call; formula: there is none; -: unsupported")
    table.add_column("op")
    for name in named:
        table.add_column(name)
    for op in OPS:
        table.add_row(op, *(_how(op, *tables) for tables in named.values()))
    Console().print(table)
    return 0


def _how(op: str, native: set[str], formulas: set[str]) -> str:
    return "formula" if op in formulas else "native" if op in native else "-"


def signature(row: Row) -> str:
    """`linear(x, W, b=None, *, weights="out_in")`."""
    parameters = [
        p if p.default is p.empty else p.replace(default=_Written(p.default)) for p in row.parameters
    ]
    return f"{row.name}{inspect.Signature(parameters)}"


class _Written:
    """A default as a program has it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return json.dumps(self.value) if isinstance(self.value, str) else repr(self.value)


def described(row: Row) -> Iterator[tuple[str, str]]:
    """What is told of an op, each with its name."""
    for parameter in row.parameters:
        broadcast = {shapes.broadcast: BROADCAST, shapes.same: "a tensor of any shape"}
        own = row.doc.arguments.get(parameter.name) or ALWAYS.get(parameter.name)
        yield parameter.name, own or broadcast.get(row.shape, "a tensor of any shape")
    yield "gradient", row.doc.gradient
    if row.doc.kinks:
        yield "kinks", row.doc.kinks
    yield "example", row.doc.example


def op_text(row: Row, named: Mapping[str, tuple[set[str], set[str]]]) -> str:
    """An op, a line for each thing that is told of it, and how each framework has it."""
    found = [*described(row), *((name, _how(row.name, *tables)) for name, tables in named.items())]
    width = max(len(name) for name, _ in found)
    return "\n".join(
        [signature(row), f"  {row.doc.formula}", *(f"  {name:{width}}  {text}" for name, text in found)]
    )


def op_markdown(row: Row) -> str:
    """The same as a section of the page."""
    lines = [
        f"- {name}: {f'`{text}`' if name == 'example' else _literal(text)}" for name, text in described(row)
    ]
    return "\n".join([f"## {row.name}", f"`{signature(row)}`", "", _literal(row.doc.formula), "", *lines, ""])


def _literal(text: str) -> str:
    """The text as Markdown shows it: no sign in it means emphasis."""
    return re.sub(r"([*_|<\\\[\]])", r"\\\1", text)


def _keys(framework: Framework, name: str) -> set[str]:
    """The strings of the keys of dicts, or of sets, that stand at the top of an adapter and its families under `name`."""
    keys = set[str]()
    for node in (node for text in framework.sources for node in ast.parse(text).body):
        match node:
            case ast.AnnAssign(ast.Name(found), _, value) | ast.Assign([ast.Name(found)], value) if (
                found == name
            ):
                elements = getattr(value, "keys", None) or getattr(value, "elts", [])
                constants = [e.value for e in elements if isinstance(e, ast.Constant)]
                keys.update(word for word in constants if isinstance(word, str))
    return keys


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
            lines += started(framework, place) if arguments.start else []
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


def started(framework: Framework, place: Interpreter) -> list[str]:
    """What a worker costs before it has answered anything, or why there is none."""
    begun, worker = time.monotonic(), None
    try:
        worker = Worker(place.argv)
        worker.hello(framework)
        memory = f"{worker.memory / 2**20:.0f} MiB of memory" if worker.memory else "memory unknown"
        return [f"a worker: started in {time.monotonic() - begun:.1f} s, {memory}"]
    except WorkerDied as error:
        return f"a worker {error}".splitlines()
    finally:
        if worker is not None:
            worker.stop()


def _anew(framework: Framework, place: Interpreter) -> str | None:
    """A tox environment is made anew, where there is the tox.ini that knows what belongs in it."""
    if place.origin == f"tox env {framework.name}" and has_tox_env(Path(), framework.name):
        return f"get it with: tox -r -e {framework.name}"
    return None
