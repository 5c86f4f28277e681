"""Runs cells: each framework in a lane of its own, side by side, while the host computes what they must be.

A lane is a thread that keeps a window of cells in flight to its worker and never runs far ahead of what has been
judged. A lost worker costs one cell, the first whose answer is still due: the cells behind it go to its successor.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from ..reference.rounding import References
from .frameworks.found import Framework
from .frameworks.interpreters import Absent, Interpreter
from .judging.judge import Judgement, judge, within
from .judging.settling import judged_line, unjudged
from .judging.trace import describe_place, first_difference, traced_names
from .ledger.entries import Ledger, phases_of
from .plan import Cell
from .reading.elements import Array
from .references.cache import Cache, for_compilers
from .references.variant import Wanted, each_step
from .roles import Answered
from .run.lines import CellLine
from .verdict import Verdict
from .workers.answer import Answer
from .workers.lane import Lane, Message, Request
from .workers.wire import Sent, python_json, shared_line
from .workers.worker import CELL_TIMEOUT

KEPT_REFERENCES = 64


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
        self._local = {} if cache is None else for_compilers()
        self._interpreter, self._ledgers, self._cell_timeout = interpreter, ledgers, cell_timeout
        self._lock = threading.Lock()
        self._wanted_by_variant: OrderedDict[tuple[str, str], Wanted] = OrderedDict()
        self._lanes: dict[str, Lane] = {}
        self._requests: dict[str, Request] = {}

    def submit(self, cells: Iterable[Cell]) -> None:
        """Set cells on their way, in order, each framework in its lane."""
        queues: dict[str, list[Request]] = {}
        for cell in cells:
            self._requests[cell.id] = request = Request(functools.partial(self._message, cell))
            queues.setdefault(self._lane(cell.framework).framework.name, []).append(request)
        for name, requests in queues.items():
            self._lanes[name].submit(requests)

    def _lane(self, framework: Framework) -> Lane:
        if framework.name not in self._lanes:
            interpreter = self._interpreter(framework)
            self._lanes[framework.name] = Lane(framework, interpreter, self._cell_timeout, local=self._local)
        return self._lanes[framework.name]

    def about(self, framework: str) -> Mapping[str, Any] | None:
        """What the framework's worker told of itself; None while it has not started."""
        return self._lanes[framework].about

    def result(self, cell: Cell) -> CellLine:
        """Wait for a cell's answer and judge it."""
        lane = self._lanes[cell.framework.name]
        answer = self._requests.pop(cell.id).future.result()
        lane.judged()
        if answer.verdict is Verdict.ABSENT:
            return unjudged(cell, answer)
        wanted = self._wanted(cell)
        line = self._judge(cell, wanted, answer, lane)
        kept = self._keep(cell.id, answer.arrays) if self._keep and answer.arrays else None
        return msgspec.structs.replace(line, content=wanted.content, arrays=kept)

    def _judge(self, cell: Cell, wanted: Wanted, answer: Answer, lane: Lane) -> CellLine:
        """Judge an answer. A case whose tolerances are not finite says nothing."""
        if answer.verdict is not None:
            return unjudged(cell, answer)
        try:
            judgement = judge(wanted, cell.dtype, answer.arrays)
        except FloatingPointError as error:
            return unjudged(cell, replace(answer, verdict=Verdict.INCONCLUSIVE, message=str(error)))
        verdict, message = self._look_up(cell, judgement, lane)
        place = self._place(cell, wanted, answer, judgement) if judgement.wrong_numbers else None
        return judged_line(cell, answer, judgement, verdict, message, place)

    def close(self) -> None:
        """End every lane and its worker."""
        for lane in self._lanes.values():
            lane.close()

    def _look_up(self, cell: Cell, judgement: Judgement, lane: Lane) -> tuple[Verdict, str]:
        ledger = self._ledgers.get(cell.framework.name)
        if ledger is None:
            return judgement.verdict, judgement.message
        version = str((lane.about or {}).get("version", ""))
        phases = phases_of(judgement.tensors)
        verdict, note, _ = ledger.judge(
            cell.id, cell.dtype, version, judgement.verdict, judgement.used, phases
        )
        return verdict, "\n".join(text for text in (judgement.message, note) if text)

    def _wanted(self, cell: Cell) -> Wanted:
        key = (cell.case, cell.variant.id)
        with self._lock:
            if key not in self._wanted_by_variant:
                self._wanted_by_variant[key] = Wanted(cell.variant, self._cache)
                if len(self._wanted_by_variant) > KEPT_REFERENCES:
                    self._wanted_by_variant.popitem(last=False)
            return self._wanted_by_variant[key]

    def _message(self, cell: Cell) -> Message:
        variant, wanted = cell.variant, self._wanted(cell)
        arrays = self._arrays(cell, wanted, wanted.inputs, each_step(variant))
        if cell.dtype not in wanted.lines:
            shared = _shared(cell, wanted, variant.values, variant.gradients)
            wanted.lines[cell.dtype] = shared_line(shared, arrays)
        return _own(cell), arrays, wanted.lines[cell.dtype]

    def _arrays(
        self, cell: Cell, wanted: Wanted, inputs: Mapping[str, Array], each: Iterable[str] = ()
    ) -> list[Sent]:
        sent = [Sent("input", n, _cast(a, cell.dtype), n in each) for n, a in inputs.items()]
        if wanted.cotangent is not None:
            sent.append(Sent("cotangent", cell.variant.output, _cast(wanted.cotangent, cell.dtype)))
        return sent

    def _place(self, cell: Cell, wanted: Wanted, answer: Answer, judgement: Judgement) -> str:
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

    def _parameters(self, wanted: Wanted, answer: Answer, step: int) -> dict[str, Array]:
        """The subject's own parameters before a step of a training; before the first, those of the case."""
        if step == 0:
            return {}
        assert wanted.variant.training is not None
        names = wanted.variant.training.parameters
        return {n: answer.arrays["parameter", n, step - 1].astype(np.float64) for n in names}

    def trace(self, cell: Cell, step: int = 0, parameters: Mapping[str, Array] | None = None) -> Trace:
        """Run a cell (one step of a training) with every value and cotangent on a way to its output asked for."""
        wanted = self._wanted(cell)
        inputs = wanted.inputs
        if cell.variant.training is not None:
            inputs = wanted.inputs_at(step, parameters or {})
        names = traced_names(wanted.program, self._floats(cell), cell.variant.output)
        values = [n for n in names if n not in inputs]

        def build() -> Message:
            arrays = self._arrays(cell, wanted, inputs)
            return _own(cell), arrays, shared_line(_shared(cell, wanted, values, names, steps=1), arrays)

        request = Request(build, urgent=True)
        self._lane(cell.framework).submit([request])
        return Trace(wanted.at(inputs, values, names), request.future.result())


def _own(cell: Cell) -> dict[str, Any]:
    """What a request says of this cell alone."""
    return {"type": "run", "case": cell.case, "bindings": dict(cell.variant.bindings), "mode": cell.mode}


def _shared(
    cell: Cell, wanted: Wanted, values: Iterable[str], gradients: Iterable[str], steps: int | None = None
) -> dict[str, Any]:
    """What a request says of its family. Gradients of assigned names are asked for through probes.

    `steps` is how many steps a case with training takes, by default its own number.
    """
    gradients, program, variant = list(gradients), wanted.program, cell.variant
    assigned = {name for node in program.nodes for name in node.outs}
    return {
        "dtype": cell.dtype,
        "program": wanted.nodes,
        "output": variant.output,
        "values": list(values),
        "gradients": gradients,
        "probes": {n: variant.specs[n].shape for n in gradients if n in assigned},
        "training": python_json(_training(wanted, steps)),
    }


def _training(wanted: Wanted, steps: int | None) -> dict[str, Any] | None:
    training = wanted.variant.training
    if training is None:
        return None
    return {
        "optimizer": {training.optimizer: wanted.optimizer_options},
        "parameters": list(training.parameters),
        "steps": steps or training.steps,
    }


def _cast(array: Array, dtype: str) -> Array:
    return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array
