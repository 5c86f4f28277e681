"""Runs cells: each framework in a lane of its own, side by side, while the host computes what they must be.

A lane is a thread that keeps a window of cells in flight to its worker and never runs far ahead of what has been
judged. A lost worker costs one cell, the first whose answer is still due: the cells behind it go to its successor.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from .frameworks.found import Framework
from .frameworks.interpreters import Absent, Interpreter
from .judging.judge import Judgement, judge, within
from .judging.settling import inconclusive, settled, undecided
from .judging.trace import describe_place, first_difference, traced_names
from .ledger.entries import Ledger
from .plan import Cell
from .reading.elements import Array
from .references.cache import Cache, for_compilers
from .references.row import References
from .references.variant import VariantReference
from .roles import Answered
from .run.lines import CellLine
from .verdict import Verdict
from .workers import requests
from .workers.answer import Answer
from .workers.lane import Lane, Message, Request
from .workers.worker import CELL_TIMEOUT

KEPT_REFERENCES = 64


@dataclass(frozen=True)
class _Prepared:
    """What cells of one variant share."""

    wanted: VariantReference
    lines: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """What every value and cotangent on the way to a cell's output must be, and what the subject answered."""

    due: References
    answer: Answer


class Engine:
    """Runs and judges cells. `submit` some, then `result` waits for each; `close` leaves no process behind."""

    def __init__(
        self,
        interpreter: Callable[[Framework], Interpreter | Absent],
        ledgers: Mapping[str, Ledger],
        cell_timeout: float = CELL_TIMEOUT,
        keep: Callable[[str, Answered], str] | None = None,
        cache: Cache | None = None,
    ) -> None:
        """`keep` puts a cell's arrays away and says what the run file calls them; `cache` knows references."""
        self._keep, self._cache = keep, cache
        self._compiled = None if cache is None else for_compilers()
        self._interpreter, self._ledgers, self._cell_timeout = interpreter, ledgers, cell_timeout
        self._lock = threading.Lock()
        self._prepared_by_variant: OrderedDict[tuple[str, str], _Prepared] = OrderedDict()
        self._lanes: dict[str, Lane] = {}
        self._requests: dict[str, Request] = {}

    def submit(self, cells: Iterable[Cell]) -> None:
        """Set cells on their way, in order, each framework in its lane."""
        queues: dict[str, list[Request]] = {}
        for cell in cells:
            self._requests[cell.id] = request = Request(functools.partial(self._message, cell))
            queues.setdefault(self._lane(cell.framework).framework.name, []).append(request)
        for name, queue in queues.items():
            self._lanes[name].submit(queue)

    def _lane(self, framework: Framework) -> Lane:
        if framework.name not in self._lanes:
            interpreter = self._interpreter(framework)
            compiled = None if self._compiled is None else self._compiled / framework.name
            self._lanes[framework.name] = Lane(framework, interpreter, self._cell_timeout, compiled=compiled)
        return self._lanes[framework.name]

    def about(self, framework: str) -> Mapping[str, Any] | None:
        """What the framework's worker told of itself; None while it has not started."""
        return self._lanes[framework].about

    def result(self, cell: Cell) -> CellLine:
        """Wait for a cell's answer and judge it."""
        lane = self._lanes[cell.framework.name]
        answer = self._requests.pop(cell.id).future.result()
        lane.judged()
        line = undecided(cell, answer)
        if answer.verdict is Verdict.ABSENT:
            return line
        wanted = self._prepared(cell).wanted
        if answer.verdict is None:
            line = self._judged(cell, line, wanted, answer)
        kept = self._keep(line.cell, answer.arrays) if self._keep and answer.arrays else None
        return msgspec.structs.replace(line, content=wanted.content, arrays=kept)

    def _judged(self, cell: Cell, line: CellLine, wanted: VariantReference, answer: Answer) -> CellLine:
        """The line of an answer. A case whose tolerances are not finite says nothing."""
        try:
            judgement = judge(wanted, cell.dtype, answer.arrays)
        except FloatingPointError as error:
            return inconclusive(line, str(error))
        name = cell.framework.name
        if judgement.wrong_numbers:
            place = self._place(cell, wanted, answer, judgement)
            line = msgspec.structs.replace(line, first_difference=place)
        version = str((self.about(name) or {}).get("version", ""))
        return settled(line, judgement.tensors, self._ledgers.get(name, Ledger(name)), version)

    def close(self) -> None:
        """End every lane and its worker."""
        for lane in self._lanes.values():
            lane.close()

    def _prepared(self, cell: Cell) -> "_Prepared":
        key = (cell.case, cell.variant.id)
        with self._lock:
            if key not in self._prepared_by_variant:
                self._prepared_by_variant[key] = _Prepared(VariantReference(cell.variant, self._cache))
                if len(self._prepared_by_variant) > KEPT_REFERENCES:
                    self._prepared_by_variant.popitem(last=False)
            return self._prepared_by_variant[key]

    def _message(self, cell: Cell) -> Message:
        prepared = self._prepared(cell)
        return requests.whole(cell, prepared.wanted, prepared.lines)

    def _place(self, cell: Cell, wanted: VariantReference, answer: Answer, judgement: Judgement) -> str:
        """Run the cell again as a trace, at the step that disagrees, and say where the difference begins."""
        worst = max(judgement.wrong_numbers, key=lambda t: t.used)
        if worst.role == "parameter":
            return f"the optimizer's update of {worst.name} in step {worst.step} (its gradients are judged apart)"
        step = worst.step or 0
        trace = self.trace(cell, step, self._parameters(wanted, answer, step))
        if trace.answer.verdict is not None:
            problem = trace.answer.message.splitlines()[-1]
            return f"not found: the trace gave {trace.answer.verdict} ({problem})"
        try:
            right = within(trace.due, cell.dtype, trace.answer.arrays)
        except FloatingPointError as error:
            return f"not found: within the program {error}"
        place = first_difference(wanted.program, cell.variant.output, right)
        if place is None:
            return "not found: the trace, with a probe at every value, agrees"
        return describe_place(place, wanted.program, cell.variant.program_line)

    def _floats(self, cell: Cell) -> list[str]:
        return [name for name, spec in cell.variant.specs.items() if spec.dtype == "float"]

    def _parameters(self, wanted: VariantReference, answer: Answer, step: int) -> dict[str, Array]:
        """The subject's own parameters before a step of a training; before the first, those of the case."""
        if step == 0:
            return {}
        assert wanted.variant.training is not None
        names = wanted.variant.training.parameters
        return {n: answer.arrays["parameter", n, step - 1].astype(np.float64) for n in names}

    def trace(self, cell: Cell, step: int = 0, parameters: Mapping[str, Array] | None = None) -> Trace:
        """Run a cell (one step of a training) with every value and cotangent on a way to its output asked for."""
        wanted = self._prepared(cell).wanted
        inputs = wanted.inputs
        if cell.variant.training is not None:
            inputs = wanted.inputs_at(step, parameters or {})
        names = traced_names(wanted.program, self._floats(cell), cell.variant.output)
        values = [n for n in names if n not in inputs]
        request = Request(lambda: requests.trace(cell, wanted, inputs, values, names), urgent=True)
        self._lane(cell.framework).submit([request])
        return Trace(wanted.at(inputs, values, names), request.future.result())
