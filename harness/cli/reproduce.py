"""`harness reproduce`: a wrong call of a cell as a script of plain framework code, run before it is written."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ..engine import Engine
from ..errors import HarnessError
from ..frameworks.found import DEVIATIONS, Framework
from ..frameworks.interpreters import Absent, Interpreter, interpreter_of
from ..judging.examining import Examination
from ..judging.reproduce.call import Wrong, told, wrong
from ..judging.reproduce.reproducing import reproduce
from ..judging.reproduce.running import output_of
from ..judging.reproduce.script import MARK
from ..ledger.reading import load as load_ledger
from ..plan import Cell
from ..reading.replacing import check_ours, replace
from ..references import cache
from ..run.lines import CellLine
from ..verdict import Verdict
from .common import add_columns, case_roots, columns, command, ini_interpreters, path
from .explain import NOT_RUN, select


def add(commands: Any) -> None:
    text = "write a wrong call of a cell as a short script of the framework alone, which has been run"
    made = command(commands, "reproduce", run, text)
    made.add_argument("cell", metavar="CELL_ID", help="as in a report")
    text = "which of the calls that the cell tells of as wrong, in that order (default: 1)"
    made.add_argument("--call", type=int, default=1, metavar="N", help=text)
    text = "where the script goes (default: it is printed)"
    made.add_argument("--write", type=path, metavar="FILE", help=text)
    add_columns(made)


def run(arguments: argparse.Namespace) -> int:
    """Find the call, try it alone, and write the script; 1 where it is right alone."""
    known, given = columns(arguments)
    cell = _cell(arguments, known)
    interpreter = interpreter_of(cell.framework, given, ini_interpreters(known), Path())
    if isinstance(interpreter, Absent):
        raise HarnessError(str(interpreter))
    found = reproduce(
        cell, _wrong(cell, interpreter, arguments.call), partial(output_of, interpreter=interpreter)
    )
    print(f"alone: {'yes' if found.alone else 'no'}: {found.note}", file=sys.stderr)
    if not found.alone:
        return 1
    if arguments.write is None:
        print(found.script, end="")
        return 0
    try:
        check_ours(arguments.write, MARK)
        replace(arguments.write, found.script)
    except OSError as error:
        raise HarnessError(f"--write {arguments.write}: {error.strerror}") from None
    print(found.printed, end="")
    return 0


def _cell(arguments: argparse.Namespace, known: list[Framework]) -> Cell:
    """The one cell that is named. Raises HarnessError where it is none of a framework."""
    roots = case_roots(arguments.cases)
    selected = select(arguments.cell, roots, known, [framework.name for framework in known])
    cell = selected.cells[0]
    if not selected.named:
        raise HarnessError(f"{arguments.cell}: name a framework and a mode too, as in {cell.id}")
    if cell.framework.subject is not None:
        raise HarnessError(
            f"{cell.id}: {cell.framework.name} is code of your own, which has no op calls to take out of it; "
            "`harness explain` shows where it goes wrong"
        )
    return cell


def _wrong(cell: Cell, interpreter: Interpreter, number: int) -> Wrong:
    """Run the cell, and take of the calls that it tells of the one with this number. Raises HarnessError."""
    line, examination = _looked_into(cell, interpreter)
    if line.verdict in NOT_RUN or line.verdict is Verdict.INCONCLUSIVE:
        raise HarnessError(f"{cell.id}: {line.verdict}: {line.message}")
    calls = told(cell, line, examination)
    if not calls:
        agrees = line.verdict is Verdict.AGREE
        raise HarnessError(
            f"{cell.id}: {line.verdict}: "
            + ("nothing to reproduce" if agrees else "no op call is wrong by itself")
        )
    if not 1 <= number <= len(calls):
        count = f"{len(calls)} wrong call{'s' * (len(calls) > 1)}"
        raise HarnessError(f"--call {number}: {cell.id} tells of {count}; allowed is 1 to {len(calls)}")
    return wrong(cell, calls[number - 1])


def _looked_into(cell: Cell, interpreter: Interpreter) -> tuple[CellLine, Examination]:
    framework = cell.framework
    engine = Engine(
        lambda _: interpreter,
        ledgers={framework.name: load_ledger(framework.folder / DEVIATIONS, framework.name)},
        cache=cache.given(),
        every_call=True,
    )
    try:
        engine.submit([cell])
        return engine.looked_into(cell)
    finally:
        engine.close()
