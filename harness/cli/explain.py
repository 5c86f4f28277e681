"""`harness explain`: one cell node by node."""

import argparse
import functools
from pathlib import Path
from typing import Any

from harness import cache
from harness import explain as explanation
from harness.cli.common import command, console, interpreter
from harness.engine import Engine
from harness.interpreters import assignment
from harness.plan import Selection, frameworks, shipped_adapters, subject


def add(commands: Any) -> None:
    text = "run one cell as a trace: node by node reference, tolerance, and what each framework has there"
    made = command(commands, "explain", explain, text)
    made.add_argument("cell", metavar="CELL_ID", help="as in a report; without framework and mode: all")
    made.add_argument("--cases", action="append", type=Path, default=[], metavar="DIR", help="case root")
    made.add_argument("--framework", action="append", default=[], metavar="NAME", help="only beside these")
    made.add_argument("--subject", action="append", type=Path, default=[], metavar="FILE.py")
    made.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def explain(arguments: argparse.Namespace) -> int:
    """One cell node by node, the other frameworks beside it."""
    known = frameworks([shipped_adapters(), *arguments.adapters])
    for path in arguments.subject:
        known.append(subject(path, known))
    named = tuple(name for text in arguments.framework for name in text.split(",") if name)
    wanted = Selection(frameworks=named)
    wanted.check(known)
    given = dict(assignment(text) for text in arguments.interpreter)
    roots = arguments.cases or [Path("cases")]
    selected = explanation.select(arguments.cell, roots, known, [f.name for f in wanted.of(known)])
    engine = Engine(functools.partial(interpreter, given), ledgers={}, cache=cache.given())
    try:
        return explanation.explain(selected, engine, console())
    finally:
        engine.close()
