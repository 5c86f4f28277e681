"""The command `harness`: what is to be done with cases apart from running them, which is pytest's business.

Exit codes: 0 nothing failed, 1 something failed, 2 could not run.
"""

import argparse
import ast
import functools
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness import __version__, interpreters, rejudge
from harness import explain as explanation
from harness.case import load
from harness.engine import Engine
from harness.errors import HarnessError
from harness.interpreters import Absent, Interpreter
from harness.plan import (
    ADAPTER,
    REQUIREMENTS,
    Framework,
    Selection,
    frameworks,
    shipped_adapters,
    subject,
)
from harness.power import load_faults, measure_all, subjects
from harness.power_report import Power, power_markdown, power_text
from harness.record import read_run
from harness.report import command as report_command
from harness.report.json import report_schema
from harness.schema import case_schema
from reference.ops import OPS
from reference.program import nearest

CHECKOUT = Path(__file__).parent.parent


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
        ("schema", schema, "print the JSON Schema of case files, for editors, or of JSON reports"),
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
        if name == "schema":
            command.add_argument("of", nargs="?", choices=("case", "report"), default="case")
        if name in ("ops", "frameworks"):
            command.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    report_command.add(commands)
    _add_power(commands)
    _add_rejudge(commands)
    _add_certify(commands)
    _add_explain(commands)
    return parser


def _add_certify(commands: Any) -> None:
    help = "hold the reference to mpmath with 50 digits: every row of the op table, and whole programs"
    command = commands.add_parser("certify", help=help, description=help[0].upper() + help[1:] + ".")
    command.add_argument(
        "cases", nargs="*", type=Path, metavar="CASE", help="case files or folders (default: all rows, and cases)"
    )  # fmt: skip
    command.add_argument(
        "--op", action="append", default=[], metavar="NAME", help="only this row of the table"
    )
    command.set_defaults(run=certify)


def _add_explain(commands: Any) -> None:
    help = "run one cell as a trace: node by node reference, tolerance, and what each framework has there"
    command = commands.add_parser("explain", help=help, description=help[0].upper() + help[1:] + ".")
    command.add_argument("cell", metavar="CELL_ID", help="as in a report; without framework and mode: all")
    command.add_argument("--cases", action="append", type=Path, default=[], metavar="DIR", help="case root")
    command.add_argument("--framework", action="append", default=[], metavar="NAME", help="only beside these")
    command.add_argument("--subject", action="append", type=Path, default=[], metavar="FILE.py")
    command.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    command.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")
    command.set_defaults(run=explain)


def _add_power(commands: Any) -> None:
    help = "measure how many faults the tolerances catch, and how often they call correct code wrong"
    command = commands.add_parser("power", help=help, description=help[0].upper() + help[1:] + ".")
    command.add_argument("--networks", type=int, default=120, metavar="N", help="random networks (120)")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="number of the first network (0)")
    command.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    command.add_argument(
        "--faults", type=Path, default=CHECKOUT / "tests" / "faults", metavar="DIR", help="tests/faults of a checkout"
    )  # fmt: skip
    command.set_defaults(run=power)


def _add_rejudge(commands: Any) -> None:
    help = "judge a run file again, with another K or by the rules of now, without running a framework"
    command = commands.add_parser("rejudge", help=help, description=help[0].upper() + help[1:] + ".")
    command.add_argument("run_file", type=Path, metavar="RUN", help="a run file, such as reports/run.jsonl")
    command.add_argument(
        "--K", type=float, metavar="K", help="tolerance = K sigma (default: the run's own K)"
    )
    command.add_argument(
        "--arrays", type=Path, metavar="DIR", help="judge from the arrays kept there (default: only other rules need any)"
    )  # fmt: skip
    command.add_argument(
        "--record", type=Path, metavar="FILE", help="the new run file (default: RUN-rejudged)"
    )
    command.add_argument("--cases", action="append", type=Path, default=[], metavar="DIR", help="case root")
    command.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    command.set_defaults(run=rejudge_run)


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


def schema(arguments: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    print(json.dumps(report_schema() if arguments.of == "report" else case_schema(), indent=2))
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
        found = _interpreter({}, framework)
        print(f"{framework.name}  modes: {', '.join(framework.modes)} (the first is the default)")
        if isinstance(found, Interpreter):
            print(f"  {' '.join(found.argv)}  ({found.origin})")
        else:
            print("\n".join(f"  {line}" for line in str(found).splitlines()))
    return 0


def power(arguments: argparse.Namespace) -> int:
    """Faults against tolerances: the figures, or everything as JSON, or the page docs/power.md."""
    folder = arguments.faults.resolve()
    faults = load_faults(folder).FAULTS
    found = Power(
        measure_all(subjects(arguments.networks, arguments.seed, CHECKOUT / "cases"), folder), faults
    )
    if arguments.format == "json":
        print(json.dumps(found.as_json(), indent=1))
    elif arguments.format == "markdown":
        command = f"harness power --networks {arguments.networks} --seed {arguments.seed} --format markdown"
        print(power_markdown(found, command), end="")
    else:
        print(power_text(found))
    return 0


def rejudge_run(arguments: argparse.Namespace) -> int:
    """Write the run with its new verdicts and tell what changed."""
    file, run = arguments.run_file, read_run(arguments.run_file)
    new_k = run.header.K if arguments.K is None else arguments.K
    if not 0 < new_k < math.inf:
        raise HarnessError(f"--K {new_k}: must be a positive number")
    target = arguments.record or file.with_name(f"{file.stem}-rejudged{file.suffix}")
    if target.resolve() == file.resolve():
        raise HarnessError(f"--record {target}: that is the run itself; name another file")
    sources = rejudge.Sources(
        run,
        file,
        roots=[*arguments.cases, *map(Path, run.header.roots)],
        frameworks={f.name: f for f in frameworks([shipped_adapters(), *arguments.adapters])},
        arrays=arguments.arrays,
    )
    cells = rejudge.rejudge(run, sources, new_k)
    header = rejudge.header(run, sources, new_k, ["harness", "rejudge", str(file), "--K", f"{new_k:g}"])
    rejudge.write(run, file, cells, target, header)
    print(rejudge.summary(run, header, rejudge.changes(run.cells, cells), cells))
    print(f"run file: {target}")
    return int(any(cell.verdict.outcome() == "failed" for cell in cells))


def _interpreter(given: Mapping[str, str], framework: Framework) -> Interpreter | Absent:
    if framework.subject is not None and framework.name not in given:
        return Interpreter((sys.executable,), "the running interpreter")
    return interpreters.find(
        framework.name,
        option=given.get(framework.name),
        ini={},
        requirements=framework.folder / REQUIREMENTS,
        environ=os.environ,
        toxworkdir=Path(os.environ.get("TOX_WORK_DIR", ".tox")),
    )


def certify(arguments: argparse.Namespace) -> int:
    """All rows and the small shipped programs; or the rows and the cases that are named."""
    try:
        from harness import certify as certificate  # noqa: PLC0415 (mpmath is optional)
    except ModuleNotFoundError as error:
        if error.name != "mpmath":
            raise
        raise HarnessError("mpmath is missing: pip install 'gradient-conformance-harness[certify]'") from None
    for name in arguments.op:
        if name not in OPS:
            raise HarnessError(f'no op "{name}"{nearest(name, OPS)}; `harness ops` lists all')
    everything = not arguments.op and not arguments.cases
    paths = arguments.cases or ([Path("cases")] if everything and Path("cases").is_dir() else [])
    variants = [v for path, root in _case_files(paths, None) for v in load(path, root).variants]
    if everything:
        variants = [variant for variant in variants if certificate.is_small(variant)]
    rows = list(OPS) if everything else arguments.op
    if not rows and not variants:
        raise HarnessError(f"no case file (*.toml) in {', '.join(map(str, paths))}")
    return 0 if certificate.report(rows, variants, _console()) else 1


def explain(arguments: argparse.Namespace) -> int:
    """One cell node by node, the other frameworks beside it."""
    known = frameworks([shipped_adapters(), *arguments.adapters])
    for path in arguments.subject:
        known.append(subject(path, known))
    named = tuple(name for text in arguments.framework for name in text.split(",") if name)
    wanted = Selection(frameworks=named)
    wanted.check(known)
    given = dict(_assignment(text) for text in arguments.interpreter)
    roots = arguments.cases or [Path("cases")]
    selected = explanation.select(arguments.cell, roots, known, [f.name for f in wanted.of(known)])
    engine = Engine(functools.partial(_interpreter, given), ledgers={})
    try:
        return explanation.explain(selected, engine, _console())
    finally:
        engine.close()


def _console() -> Console:
    """As wide as the terminal, or a hundred columns."""
    return Console(width=None if sys.stdout.isatty() else 100)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, command = text.partition("=")
    if not (name and equals and command):
        raise HarnessError(f'"{text}": an interpreter is given as NAME=COMMAND')
    return name, command
