"""`harness adapter check`: an adapter, also one outside the repository, through what ours must pass.

The shipped cases of single ops show what each of its ops is; small programs made here show what no single op does.
"""

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ...reference.names import nearest
from ...reference.ops import OPS
from ...reference.optimizers import OPTIMIZERS
from .. import ROOT
from ..case.library import Library
from ..case.loading import parse
from ..case.variant import Variant
from ..engine import Engine
from ..errors import HarnessError
from ..frameworks import found
from ..frameworks.found import ADAPTER, DEVIATIONS, Framework, checked_name, source_of
from ..frameworks.interpreters import Interpreter, interpreter_of
from ..ledger.reading import load as load_ledger
from ..plan import Cell, Selection, cells
from ..reading.files import real
from ..reading.text import visible
from ..references import cache
from ..report.failure import lines
from ..run.lines import CellLine, apart
from ..verdict import counted, totals
from ..workers.process import WorkerDied, require_posix
from ..workers.worker import ADAPTERS_PAGE, Worker
from .common import command, interpreters, path

CASES = ROOT / "cases"
OPTION = 0.125
"""What an optimizer's option is where it has no default."""

TRIALS = {
    "gradients within a program": """
program = '''
u = x * w
v = u * u
loss = sum(v)
'''
values = ["u", "v"]
gradients = ["x", "w", "u", "v"]
""",
    "a gradient without a path is zeros": """
program = '''
aside = x * x
loss = sum(w * w)
'''
values = ["aside"]
gradients = ["x", "w"]
""",
}
"""What is tried, in every mode and dtype, and a case for it; the tensors x and w are added."""

TENSORS = """
[tensors]
x = {{ shape = [2, 3], uniform = [-1, 1]{each} }}
w = {{ shape = [2, 3], uniform = [-1, 1] }}
"""

TRAINING = """
program = '''
d = x * w
loss = sum(d * d)
'''
gradients = ["w"]

[training]
optimizer  = {{ {name} = {{ {options} }} }}
parameters = ["w"]
steps      = 3
"""


def add(commands: Any) -> None:
    text = "work on an adapter, also one of your own"
    inner = command(commands, "adapter", None, text).add_subparsers(required=True, metavar="WHAT")
    text = "run an adapter through what ours must pass, and tell what it lacks"
    made = command(inner, "check", check, text)
    made.add_argument("folder", type=path, metavar="FOLDER", help=f"the folder with its {ADAPTER}")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")
    text = "run the shipped cases of ops in this mode; all: every one (default: the adapter's first)"
    made.add_argument("--mode", action="append", default=[], metavar="NAME", help=text)


def check(arguments: argparse.Namespace) -> int:
    """Tell what the adapter has and lacks; the exit code is 1 if anything is wrong with it."""
    require_posix()
    folder = real(arguments.folder)
    adapter = folder / ADAPTER
    if not adapter.is_file():
        raise HarnessError(f"{arguments.folder}: has no {ADAPTER}; what one is: {ADAPTERS_PAGE}")
    name = checked_name(folder.name, folder)
    framework = Framework(
        name, adapter, (), families=found.families_beside(adapter), source=source_of(adapter)
    )
    place = interpreter_of(framework, interpreters(arguments.interpreter, [framework]), {}, Path())
    if not isinstance(place, Interpreter):
        raise HarnessError(str(place))
    print(f"{framework.name}: {adapter}\n  in {shlex.join(place.argv)}  ({place.origin})")
    try:
        about, tables = _told(place, framework)
    except WorkerDied as error:
        print("\n".join(visible(line) for line in f"the worker {error}".splitlines()))
        return 1
    framework = found.framework(name, adapter)
    print("\n".join(f"  {visible(line)}" for line in _described(framework, about, tables)))
    mistakes = list(_misnamed(tables))
    print("".join(f"{mistake}\n" for mistake in mistakes), end="")
    failed = _run(framework, place, tables, Selection(modes=tuple(arguments.mode)))
    wrong = len(mistakes) + failed
    print(
        f"{wrong} things are wrong; what an adapter has to do: {ADAPTERS_PAGE}"
        if wrong
        else "nothing is wrong"
    )
    return int(bool(wrong))


def _told(place: Interpreter, framework: Framework) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
    """What the adapter says of itself, and the names in its tables. Raises WorkerDied where it isn't complete."""
    worker = Worker(place.argv)
    try:
        return worker.hello(framework), worker.tables
    finally:
        worker.stop()


def _described(
    framework: Framework, about: Mapping[str, Any], tables: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in about.items())
    yield f"modes: {', '.join(framework.modes)} (the first is the default)"
    lacking = [op for op in OPS if op not in tables["ops"]]
    yield f"ops: {len(OPS) - len(lacking)} of {len(OPS)}" + (
        f"; without {' '.join(lacking)}" if lacking else ""
    )
    for name in ("formulas", "optimizers"):
        yield f"{name}: {' '.join(tables[name]) or 'none'}"


def _misnamed(tables: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Names that nothing will ever ask for."""
    for table, known in (("ops", OPS), ("optimizers", OPTIMIZERS)):
        for name in tables[table]:
            if name not in known:
                yield f'{table.upper()} has "{name}", which is none of the {table} that cases use{nearest(name, known)}'
    for name in tables["formulas"]:
        if name not in tables["ops"]:
            yield f'FORMULAS has "{name}", which is not in OPS{nearest(name, tables["ops"])}'


def _run(
    framework: Framework, place: Interpreter, tables: Mapping[str, Sequence[str]], selection: Selection
) -> int:
    """Run everything, tell each failure as it comes, and count them."""
    selection.check([framework])
    trials = dict(_trials(tables["optimizers"]))
    for name in [name for name, variants in trials.items() if _ops_in(variants) - set(tables["ops"])]:
        print(f"not tried, since it needs the ops {' and '.join(sorted(_ops_in(trials.pop(name))))}: {name}")
    library = Library([CASES])
    ops = [library.load(*place).variants for place in library.files() if place[0].parent == CASES / "ops"]
    every = Selection(modes=("all",))
    asked = [
        *cells(chain(*trials.values()), [framework], every),
        *cells(chain(*ops), [framework], selection),
    ]
    found = list(_results(framework, place, asked))
    print(counted(totals(line.verdict for line in found), apart(found)))
    return sum(line.verdict.outcome() == "failed" for line in found)


def _ops_in(variants: Sequence[Variant]) -> set[str]:
    return {node.op for variant in variants for node in variant.program.nodes}


def _results(framework: Framework, place: Interpreter, asked: Sequence[Cell]) -> Iterator[CellLine]:
    """What became of each cell; of one that failed it is told at once."""
    ledger = load_ledger(framework.folder / DEVIATIONS, framework.name)
    engine = Engine(lambda _: place, {framework.name: ledger}, cache=cache.given())
    try:
        engine.submit(asked)
        for cell in asked:
            line = engine.result(cell)
            if line.verdict.outcome() == "failed":
                print(
                    "\n".join([f"{line.verdict}  {cell.id}", *(f"  {visible(text)}" for text in lines(line))])
                )
            yield line
    finally:
        engine.close()


def _trials(optimizers: Sequence[str]) -> Iterator[tuple[str, Sequence[Variant]]]:
    """What is tried beside single ops, by name."""
    texts = {name: text + TENSORS.format(each="") for name, text in TRIALS.items()}
    for name in optimizers:
        if name in OPTIMIZERS:
            given = OPTIMIZERS[name].options.values()
            options = ", ".join(f"{p.name} = {OPTION}" for p in given if p.default is p.empty)
            texts[f"training with {name}"] = TRAINING.format(name=name, options=options) + TENSORS.format(
                each=', each = "step"'
            )
    for name, text in texts.items():
        yield name, parse(f'title = "{name}"\n{text}', name.replace(" ", "_")).variants
