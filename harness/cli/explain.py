"""`harness explain`: one cell node by node."""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...reference.names import nearest
from ...reference.program import Node
from ...reference.rounding import Reference
from ..case.library import Library
from ..case.variant import Case, Variant
from ..engine import Engine
from ..errors import HarnessError
from ..frameworks.found import DEVIATIONS, Framework
from ..frameworks.interpreters import interpreter_of
from ..judging.blame import results_of
from ..judging.calls import compared_with, diagnosis
from ..judging.examining import Examined
from ..ledger.reading import load as load_ledger
from ..plan import Cell, Selection
from ..reading.elements import Array
from ..references import cache
from ..roles import Key
from ..run.lines import LARGEST, CellLine, Compared
from ..verdict import Verdict
from .common import add_columns, case_roots, columns, command, console, ini_interpreters


def add(commands: Any) -> None:
    text = "run one cell as a trace: node by node reference, tolerance, and what each framework has there"
    made = command(commands, "explain", run, text)
    made.add_argument("cell", metavar="CELL_ID", help="as in a report; without framework and mode: all")
    made.add_argument("--framework", action="append", default=[], metavar="NAME", help="only beside these")
    add_columns(made)


def run(arguments: argparse.Namespace) -> int:
    """One cell node by node, the other frameworks beside it."""
    known, given = columns(arguments)
    always = ini_interpreters(known)
    named = tuple(name for text in arguments.framework for name in text.split(",") if name)
    wanted = Selection(frameworks=named)
    wanted.check(known)
    roots = case_roots(arguments.cases)
    selected = select(arguments.cell, roots, known, [f.name for f in wanted.of(known)])
    engine = Engine(
        lambda framework: interpreter_of(framework, given, always, Path()),
        ledgers={f.name: load_ledger(f.folder / DEVIATIONS, f.name) for f in known if f.subject is None},
        cache=cache.given(),
        every_call=True,
    )
    try:
        return explain(selected, engine, console())
    finally:
        engine.close()


NOT_RUN = {Verdict.UNSUPPORTED, Verdict.ABSENT, Verdict.ERRORED, Verdict.CRASHED}
COULD_NOT_RUN = 2
LISTED = 20
"""Variants with a dtype that are told where none is named."""

Row = tuple[Node, Key]


@dataclass(frozen=True)
class Selected:
    """The cells to put side by side; an id that names no framework selects all, and none is its own."""

    cells: tuple[Cell, ...]
    named: bool


def select(text: str, roots: Sequence[Path], known: Sequence[Framework], others: Iterable[str]) -> Selected:
    """The cell of an id, first, and the same in `others`; or, without framework and mode, the cells of `others`.

    The id may be pytest's too, with the path of the case file. Raises HarnessError with the nearest id.
    """
    name, _, rest = text.partition("::")
    case = Library(roots).meant(name)
    beside = [f for f in known if f.name in set(others)]
    cells: dict[str, Cell | None] = {}
    for variant, dtype in ((v, d) for v in case.variants for d in v.dtypes):
        stem = f"{variant.id}-{dtype}" if variant.id else dtype
        if stem == rest and beside:
            return Selected(tuple(Cell(variant, dtype, f, f.modes[0]) for f in beside), named=False)
        cells[stem] = None
        for cell in (Cell(variant, dtype, f, mode) for f in known for mode in f.modes):
            cells[cell.parts.name] = cell
    found = cells.get(rest)
    if found is None:
        raise HarnessError(_no_cell(text, case, rest, cells))
    rest_of = [f for f in beside if f.name != found.framework.name]
    return Selected((found, *(Cell(found.variant, found.dtype, f, f.modes[0]) for f in rest_of)), named=True)


def _no_cell(text: str, case: Case, rest: str, cells: Mapping[str, Cell | None]) -> str:
    """What is said of an id that names no cell: those that begin so, without framework and mode, or the nearest."""
    begun = [
        stem for stem, cell in cells.items() if cell is None and (not rest or stem.startswith(f"{rest}-"))
    ]
    if begun:
        more = [f"  and {len(begun) - LISTED} more"] * (len(begun) > LISTED)
        told = [f"  {case.name}::{stem}" for stem in begun[:LISTED]]
        return "\n".join(
            [f"{text}: name one of these, or a framework and its mode of it, -FRAMEWORK-MODE:", *told, *more]
        )
    return (
        f'no cell "{text}": case {case.name} has no "{rest}"{nearest(rest, cells)};'
        f" a cell is {case.name}::VARIANT-DTYPE-FRAMEWORK-MODE; `harness explain {case.name}` lists the variants"
    )


@dataclass(frozen=True)
class Column:
    """One framework's answer to the cell, and its trace where it gave one."""

    cell: Cell
    result: CellLine
    step: Examined | None
    """The step that is looked into: the worst of a training."""
    whole: Mapping[Key, Compared]
    """What was told, each held to the whole program's tolerance."""

    @property
    def at_step(self) -> str:
        """A line for a heading: the step of a training that is looked into."""
        step, training = self.step.trace.step if self.step else None, self.cell.variant.training
        if step is None or training is None:
            return ""
        return f"\nstep {step}" + f" of 0 to {training.steps - 1}" * (training.steps > 1)

    @property
    def ran(self) -> bool:
        return self.result.verdict not in NOT_RUN and self.step is not None

    @property
    def agrees(self) -> bool:
        return self.result.verdict in (Verdict.AGREE, Verdict.KNOWN_DEVIATION) and not self.wrong

    @property
    def wrong(self) -> set[Key]:
        """Results that are wrong by themselves."""
        return {alarm.key for alarm in self.step.judged.alarms} if self.step else set()

    @property
    def marks(self) -> set[Key]:
        """Where the causes are: what each suspect gives, told or not."""
        if self.step is None:
            return set()
        trace, judged = self.step.trace, self.step.judged
        groups = diagnosis(trace, judged.alarms, judged.of_own_output)
        return {key for suspects in groups for suspect in suspects for key in results_of(trace, suspect)}

    def number(self, key: Key, at: tuple[int, ...]) -> str:
        """What the framework has at one place."""
        array = self.step.trace.own.get(key) if self.step else None
        return "-" if array is None else f"{array[at]:.7g}"

    def local(self, key: Key) -> float | None:
        """The largest error / tolerance at the framework's own numbers; None where they were not told."""
        return self.step.judged.used.get(key) if self.step else None


def explain(selected: Selected, engine: Engine, console: Console) -> int:
    """Run, print, and return the exit code: 0 within tolerance, 1 not, 2 could not run."""
    engine.submit(selected.cells)
    columns = [_column(cell, engine) for cell in selected.cells]
    first = selected.cells[0]
    console.print(Text(first.id if selected.named else f"{first.case}, {first.dtype}"))
    shown = [column for column in columns if column.ran]
    if shown:
        console.print(_table(first.variant, shown))
    for column in columns:
        console.print(_summary(column))
    judged = columns[:1] if selected.named else shown
    if not judged or not all(column.ran for column in judged):
        return COULD_NOT_RUN
    return 0 if all(column.agrees for column in judged) else 1


def _column(cell: Cell, engine: Engine) -> Column:
    result, examination = engine.looked_into(cell)
    step = next(iter(examination.steps), None)
    if result.verdict in NOT_RUN or step is None:
        return Column(cell, result, None, {})
    trace = step.trace
    told = [key for key in trace.own if key[0] != "use"]
    found = compared_with(trace, trace.due({}, told), trace.answered)
    return Column(cell, result, step, {(t.role, t.name): t for t in found})


def _rows(variant: Variant, due: Mapping[Key, Any]) -> Iterator[Row]:
    """Values in program order; then cotangents, each where it is complete: at the first call that reads the name."""
    program = variant.program
    useful = program.ancestors(variant.outputs)
    nodes = [node for node in program.nodes if useful.intersection(node.outs)]
    yield from ((node, ("value", name)) for node in nodes for name in node.outs if name in useful)
    seen: set[str] = set()
    complete: list[Row] = []
    for node in nodes:
        new = [name for name in dict.fromkeys(node.inputs) if name not in seen]
        seen.update(new)
        own = [name for name in node.outs if name in variant.outputs]
        complete = [(node, ("gradient", name)) for name in (*own, *new)] + complete
    yield from (row for row in complete if row[1] in due)


def _table(variant: Variant, columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("line, tensor", overflow="fold")
    table.add_column(f"reference\n± tolerance{columns[0].at_step}", justify="right")
    for column in columns:
        heading = f"{column.cell.framework.name}\n{column.cell.mode}{column.at_step}"
        table.add_column(heading, justify="right")
    due = _due(columns[0])
    written: tuple[int, str] | None = None
    for node, key in _rows(variant, due):
        at = _shown_element(key, columns, due[key].value)
        lines = [f"  {_name(key, at)}"]
        if (node.line, key[0]) != written:
            if written and written[1] != key[0]:
                table.add_section()
            lines.insert(0, f"{variant.program_line + node.line - 1}: {variant.program.source(node)}")
            written = node.line, key[0]
        wanted = due[key]
        tolerance = wanted.tolerance(columns[0].cell.dtype)
        reference = f"{wanted.value[at]:.7g}\n± {tolerance[at]:.2g}" if wanted.value.size else "empty"
        table.add_row(Text("\n".join(lines)), reference, *(_box(column, key, at) for column in columns))
    return table


def _due(column: Column) -> Mapping[Key, Reference]:
    """What every value and cotangent has to be, whoever told it."""
    assert column.step is not None
    trace = column.step.trace
    return trace.due({}, [key for key in trace.true if key[0] != "use"])


def _name(key: Key, at: tuple[int, ...]) -> str:
    place = f"[{', '.join(map(str, at))}]" if at else ""
    return f"gradient of {key[1]}{place}" if key[0] == "gradient" else f"{key[1]}{place}"


def _shown_element(key: Key, columns: Sequence[Column], value: Array) -> tuple[int, ...]:
    """Where the largest error / tolerance is; the largest element where nobody errs."""
    judged = [c.whole[key] for c in columns if key in c.whole]
    worst = max((t for t in judged if t.where is not None), key=lambda t: t.used, default=None)
    if worst is not None and worst.used > 0:
        return tuple(worst.where or ())
    if not value.size:
        return ()
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(value))), value.shape))


def _box(column: Column, key: Key, at: tuple[int, ...]) -> Text:
    """The framework's number; the whole tensor's largest error / tolerance, and the same at the framework's own numbers."""
    tensor, local = column.whole.get(key), column.local(key)
    mark = "\n◄ here" if key in column.marks else ""
    if tensor is None:
        return Text(f"-{mark}", style="bold red" if mark else "")
    number = column.number(key, at) if tensor.where is not None else "-"
    ratios = f"{_ratio(tensor.used)} | {_ratio(local)}"
    if key in column.wrong:
        return Text(f"{number}\n{ratios} ✗{mark}", style="bold red")
    if not tensor.used <= 1:
        return Text(f"{number}\n{ratios} follows{mark}", style="dim")
    return Text(f"{number}\n{ratios}{mark}")


def _ratio(used: float | None) -> str:
    if used is None:
        return "-"
    return "∞" if used >= LARGEST else f"{used:.2g}"


def _summary(column: Column) -> Text:
    name, result = f"{column.cell.framework.name} {column.cell.mode}", column.result
    told = f", by a convention: {result.conventions[0]}" if result.conventions else ""
    lines = [f"{name}: {result.verdict}{told}", *(f"  {line}" for line in result.message.splitlines())]
    if column.step is not None and column.step.trace.step is not None:
        lines.append(f"  shown is step {column.step.trace.step}")
    return Text("\n".join(lines))
