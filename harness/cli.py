"""The command `harness`: what is to be done with cases apart from running them, which is pytest's business.

Exit codes: 0 nothing failed, 1 something failed, 2 could not run.
"""

import argparse
import ast
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import __version__, interpreters
from harness.case import load
from harness.errors import HarnessError
from harness.plan import ADAPTER, REQUIREMENTS, Framework, frameworks, shipped_adapters
from harness.schema import case_schema
from reference.ops import OPS


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; a mistake is one message on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # `harness ops | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness", description="Cross-framework gradient conformance.")
    parser.add_argument("--version", action="version", version=f"harness {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("check", check, "validate case files without running anything"),
        ("schema", schema, "print the JSON Schema of case files, for editors"),
        ("ops", ops, "which op each framework has, and where a formula stands for a missing native call"),
        ("frameworks", list_frameworks, "which frameworks are here, and how to get the others"),
    ):
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(run=run)
        if name == "check":
            command.add_argument(
                "paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: cases)"
            )
            command.add_argument(
                "--root", type=Path, help="the case root (default: each PATH that is a folder)"
            )
        if name in ("ops", "frameworks"):
            command.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    return parser


def check(arguments: argparse.Namespace) -> int:
    """Load every case file and tell all mistakes, one line each."""
    mistakes = count = cells = 0
    for path, root in _case_files(arguments.paths or [Path("cases")], arguments.root):
        count += 1
        try:
            cells += sum(len(variant.dtypes) for variant in load(path, root).variants)
        except HarnessError as error:
            mistakes += 1
            print(error, file=sys.stderr)
    if not count:
        raise HarnessError(f"no case file (*.toml) in {', '.join(map(str, arguments.paths)) or 'cases'}")
    print(f"{count} case files, {cells} cells a framework, {mistakes} files with mistakes")
    return 1 if mistakes else 0


def _case_files(paths: Sequence[Path], root: Path | None) -> Iterator[tuple[Path, Path]]:
    for path in paths:
        if not path.exists():
            raise HarnessError(f"{path}: no such file or folder")
        files = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
        yield from ((file, root or (path if path.is_dir() else path.parent)) for file in files)


def schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    print(json.dumps(case_schema(), indent=2))
    return 0


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
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and target.id == name:
            value = getattr(node, "value", None)
            elements = (
                value.keys
                if isinstance(value, ast.Dict)
                else value.elts
                if isinstance(value, ast.Set)
                else []
            )
            return {e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)}
    return set()


def list_frameworks(arguments: argparse.Namespace) -> int:
    """Each framework, its modes, and its interpreter or the places that were looked at."""
    for framework in frameworks([shipped_adapters(), *arguments.adapters]):
        found = interpreters.find(
            framework.name,
            option=None,
            ini={},
            requirements=framework.folder / REQUIREMENTS,
            environ=os.environ,
            toxworkdir=Path(os.environ.get("TOX_WORK_DIR", ".tox")),
        )
        print(f"{framework.name}  modes: {', '.join(framework.modes)} (the first is the default)")
        if isinstance(found, interpreters.Interpreter):
            print(f"  {' '.join(found.argv)}  ({found.origin})")
        else:
            print("\n".join(f"  {line}" for line in str(found).splitlines()))
    return 0
