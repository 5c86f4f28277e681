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
from ..case.library import Library, root_named
from ..case.variant import Variant
from ..engine import Engine, Trace
from ..errors import HarnessError
from ..frameworks.found import Framework, frameworks, shipped_adapters, subject
from ..frameworks.interpreters import assignment, interpreter_of
from ..judging.judge import compare
from ..judging.trace import Place, describe_place, first_difference
from ..plan import Cell, Selection
from ..references import cache
from ..references.row import References
from ..roles import Key, of_one_step
from ..run.lines import CellLine, Compared
from ..verdict import Verdict
from ..workers.answer import Answer
from .common import command, console


def add(commands: Any) -> None:
    text = "run one cell as a trace: node by node reference, tolerance, and what each framework has there"
    made = command(commands, "explain", run, text)
    made.add_argument("cell", metavar="CELL_ID", help="as in a report; without framework and mode: all")
    made.add_argument(
        "--cases", action="append", type=root_named, default=[], metavar="DIR", help="case root"
    )
    made.add_argument("--framework", action="append", default=[], metavar="NAME", help="only beside these")
    made.add_argument("--subject", action="append", type=Path, default=[], metavar="FILE.py")
    made.add_argument("--adapters", action="append", type=Path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def run(arguments: argparse.Namespace) -> int:
    """One cell node by node, the other frameworks beside it."""
    known = frameworks([shipped_adapters(), *arguments.adapters])
    for path in arguments.subject:
        known.append(subject(path, known))
    named = tuple(name for text in arguments.framework for name in text.split(",") if name)
    wanted = Selection(frameworks=named)
    wanted.check(known)
    given = dict(assignment(text) for text in arguments.interpreter)
    roots = arguments.cases or [Path("cases")]
    selected = select(arguments.cell, roots, known, [f.name for f in wanted.of(known)])
    engine = Engine(
        lambda framework: interpreter_of(framework, given, {}, Path()), ledgers={}, cache=cache.given()
    )
    try:
        return explain(selected, engine, console())
    finally:
        engine.close()


NOT_RUN = {Verdict.UNSUPPORTED, Verdict.ABSENT, Verdict.ERRORED, Verdict.CRASHED}
COULD_NOT_RUN = 2

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
        raise HarnessError(
            f'no cell "{text}": case {case.name} has no "{rest}"{nearest(rest, cells)};'
            f" a cell is {case.name}::VARIANT-DTYPE-FRAMEWORK-MODE"
        )
    rest_of = [f for f in beside if f.name != found.framework.name]
    return Selected((found, *(Cell(found.variant, found.dtype, f, f.modes[0]) for f in rest_of)), named=True)


@dataclass(frozen=True)
class Column:
    """One framework's answer to the cell, and its trace where it gave one."""

    cell: Cell
    result: CellLine
    trace: Trace
    tensors: Mapping[Key, Compared]
    """Judged one by one: those of the trace that were answered."""
    place: Place | None

    @property
    def ran(self) -> bool:
        return self.result.verdict not in NOT_RUN and self.trace.answer.verdict not in NOT_RUN

    @property
    def agrees(self) -> bool:
        return self.result.verdict is Verdict.AGREE and all(t.used <= 1 for t in self.tensors.values())

    def element(self, key: Key, at: tuple[int, ...]) -> str:
        """What the framework has at one place."""
        array = of_one_step(self.trace.answer.arrays).get(key)
        return "-" if array is None or array.shape != self.trace.due[key].value.shape else f"{array[at]:.7g}"

    def mark(self, rows: Sequence[Row]) -> Key | None:
        """The tensor beside which "first" is written: of the place's op calls, the first that is wrong."""
        if self.place is None:
            return None
        role = "gradient" if self.place.backward else "value"
        here = [key for node, key in rows if node in self.place.nodes and key[0] == role]
        wrong = [key for key in here if key in self.tensors and self.tensors[key].used > 1]
        return next(iter(wrong or here), None)


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
    result = engine.result(cell)
    if result.verdict in NOT_RUN:
        return Column(cell, result, Trace(References.of({}), Answer(result.verdict)), {}, None)
    trace = engine.trace(cell)
    answered = of_one_step(trace.answer.arrays)
    try:
        found = compare(trace.due.only(answered), answered, cell.dtype)
    except FloatingPointError as error:
        raise HarnessError(f"{cell.id}: {error}") from None
    tensors = {(tensor.role, tensor.name): tensor for tensor in found}
    right = {key: tensor.used <= 1 for key, tensor in tensors.items()}
    place = first_difference(cell.variant.program, cell.variant.output, right)
    return Column(cell, result, trace, tensors, place)


def _rows(variant: Variant, due: Mapping[Key, Any]) -> Iterator[Row]:
    """Values in program order; then cotangents, each where it is complete: at the first call that reads the name."""
    program = variant.program
    useful = program.ancestors([variant.output])
    nodes = [node for node in program.nodes if useful.intersection(node.outs)]
    yield from ((node, ("value", name)) for node in nodes for name in node.outs if name in useful)
    seen: set[str] = set()
    complete: list[Row] = []
    for node in nodes:
        new = [name for name in dict.fromkeys(node.inputs) if name not in seen]
        seen.update(new)
        own = [variant.output] if variant.output in node.outs else []
        complete = [(node, ("gradient", name)) for name in (*own, *new)] + complete
    yield from (row for row in complete if row[1] in due)


def _table(variant: Variant, columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("line, tensor", overflow="fold")
    table.add_column("reference\n± tolerance", justify="right")
    for column in columns:
        table.add_column(f"{column.cell.framework.name}\n{column.cell.mode}", justify="right")
    due = columns[0].trace.due
    rows = list(_rows(variant, due))
    marks = [column.mark(rows) for column in columns]
    written: tuple[int, str] | None = None
    for node, key in rows:
        at = _shown_element(key, columns)
        lines = [f"  {_name(key, at)}"]
        if (node.line, key[0]) != written:
            if written and written[1] != key[0]:
                table.add_section()
            lines.insert(0, f"{variant.program_line + node.line - 1}: {variant.program.source(node)}")
            written = node.line, key[0]
        wanted = due[key]
        tolerance = wanted.tolerance(columns[0].cell.dtype)
        reference = f"{wanted.value[at]:.7g}\n± {tolerance[at]:.2g}" if wanted.value.size else "empty"
        boxes = [_box(c, key, at, first=mark == key) for c, mark in zip(columns, marks, strict=True)]
        table.add_row(Text("\n".join(lines)), reference, *boxes)
    return table


def _name(key: Key, at: tuple[int, ...]) -> str:
    place = f"[{', '.join(map(str, at))}]" if at else ""
    return f"gradient of {key[1]}{place}" if key[0] == "gradient" else f"{key[1]}{place}"


def _shown_element(key: Key, columns: Sequence[Column]) -> tuple[int, ...]:
    """Where the largest error / tolerance is; the largest element where nobody errs."""
    judged = [c.tensors[key] for c in columns if key in c.tensors]
    worst = max((t for t in judged if t.where is not None), key=lambda t: t.used, default=None)
    if worst is not None and worst.used > 0:
        return tuple(worst.where or ())
    value = columns[0].trace.due[key].value
    if not value.size:
        return ()
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(value))), value.shape))


def _box(column: Column, key: Key, at: tuple[int, ...], *, first: bool) -> Text:
    """The framework's number, and below it the largest error / tolerance of the whole tensor."""
    tensor = column.tensors.get(key)
    if tensor is None:
        return Text("-\n◄ first" if first else "-", style="bold red" if first else "")
    wrong = tensor.used > 1
    ratio = tensor.problem or f"{tensor.used:.2g}{' ✗' if wrong else ''}"
    text = f"{column.element(key, at) if tensor.where is not None else '-'}\n{ratio}"
    return Text(f"{text}\n◄ first" if first else text, style="bold red" if wrong else "")


def _summary(column: Column) -> Text:
    name = f"{column.cell.framework.name} {column.cell.mode}"
    verdict, message = column.result.verdict, column.result.message
    if column.trace.answer.verdict is not None and verdict not in NOT_RUN:
        message = f"the trace: {column.trace.answer.verdict}, {column.trace.answer.message}"
    lines = [f"{name}: {verdict}", *(f"  {line}" for line in message.splitlines())]
    if column.place is not None:
        variant = column.cell.variant
        lines.append(
            f"  first difference: {describe_place(column.place, variant.program, variant.program_line)}"
        )
    elif column.result.first_difference:
        lines.append(f"  first difference: {column.result.first_difference}")
    return Text("\n".join(lines))
