"""`harness ops` and `harness frameworks`: the columns of the matrix, from the adapters' sources."""

import argparse
import ast
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.cli.common import command, interpreter
from harness.interpreters import Interpreter
from harness.plan import ADAPTER, Framework, frameworks, shipped_adapters
from reference.ops import OPS


def add(commands: Any) -> None:
    text = "which op each framework has, and where a formula stands for a missing native call"
    for made in (
        command(commands, "ops", ops, text),
        command(
            commands, "frameworks", list_frameworks, "which frameworks are here, and how to get the others"
        ),
    ):
        made.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")


def ops(arguments: argparse.Namespace) -> int:
    """A table of ops and frameworks, from the adapters' sources: nothing is imported."""
    known = frameworks([shipped_adapters(), *arguments.adapters])
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
    for node in ast.parse((framework.folder / ADAPTER).read_text(encoding="utf-8")).body:
        match node:
            case ast.AnnAssign(ast.Name(found), _, value) | ast.Assign([ast.Name(found)], value) if (
                found == name
            ):
                elements = getattr(value, "keys", None) or getattr(value, "elts", [])
                return {e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)}
    return set()


def list_frameworks(arguments: argparse.Namespace) -> int:
    """Each framework, its modes, and its interpreter or the places that were looked at."""
    for framework in frameworks([shipped_adapters(), *arguments.adapters]):
        found = interpreter({}, framework)
        print(f"{framework.name}  modes: {', '.join(framework.modes)} (the first is the default)")
        if isinstance(found, Interpreter):
            print(f"  {' '.join(found.argv)}  ({found.origin})")
        else:
            print("\n".join(f"  {line}" for line in str(found).splitlines()))
    return 0
