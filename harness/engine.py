"""Runs cells: each framework in a lane of its own, side by side, while the host computes what they must be.

A lane is a thread that keeps a window of cells in flight to its worker and never runs far ahead of what has been
judged. A lost worker costs one cell, the first whose answer is still due: the cells behind it go to its successor.
"""

import contextlib
import functools
import itertools
import math
import os
import shlex
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from harness import record
from harness.cache import Cache, for_compilers
from harness.deviations import Ledger, phases_of
from harness.interpreters import Absent, Interpreter
from harness.judge import Judgement, judge, within
from harness.plan import Cell, Framework
from harness.trace import describe_place, first_difference, traced_names
from harness.verdict import Verdict
from harness.wanted import Wanted, each_step
from harness.wire import Answered, Array, Frame, Nonsense, Sent, python_json, shared_line
from harness.worker import CELL_TIMEOUT, READ_AHEAD, START_TIMEOUT, Worker, WorkerDied, readable
from reference.rounding import References

WINDOW = 16
BATCH = 8
"""Requests that are sent together: the threads of host and lanes then seldom wait for each other."""
AHEAD = 64
START_ATTEMPTS = 2
LOST_IN_A_ROW = 100
"""Workers that may be lost one after the other without an answer between: more than the largest sweep of one op has."""
KEPT_REFERENCES = 64


@dataclass(frozen=True)
class Answer:
    """What a lane got for a request: a verdict where there is nothing to judge, or arrays."""

    verdict: Verdict | None
    message: str = ""
    arrays: Answered = field(default_factory=dict)
    seconds: float = 0.0
    compiling: float = 0.0


@dataclass(frozen=True)
class Trace:
    """What every value and cotangent on the way to a cell's output must be, and what the subject answered."""

    due: References
    answer: Answer


Message = tuple[dict[str, Any], list[Sent], bytes]
"""A request without its number: the header's own part, the arrays, the header's shared line."""


@dataclass(frozen=True)
class Request:
    """One message to a worker, built when its turn comes."""

    build: Callable[[], "Message"]
    future: "Future[Answer]" = field(default_factory=Future)
    urgent: bool = False
    number: int = field(default_factory=itertools.count(1).__next__)


class Lane:
    """One framework's worker and the requests on their way to it."""

    def __init__(
        self,
        framework: Framework,
        interpreter: Interpreter | Absent,
        cell_timeout: float = CELL_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
        local: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.framework, self.interpreter, self._local = framework, interpreter, local
        self.cell_timeout, self.start_timeout = cell_timeout, start_timeout
        self.about: Mapping[str, Any] | None = None
        self._pending: deque[Request] = deque()
        self._flying: deque[Request] = deque()
        self._unjudged = 0
        self._failed_starts = 0
        self._lost = 0
        self._why_none = ""
        self._closing = False
        self._worker: Worker | None = None
        self._changed = threading.Condition()
        self._sending = False
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._thread = threading.Thread(target=self._run, name=f"lane {framework.name}", daemon=True)
        self._thread.start()

    def submit(self, requests: Iterable[Request]) -> None:
        """Queue requests behind those that wait; an urgent one goes first."""
        with self._changed:
            for request in requests:
                self._pending.appendleft(request) if request.urgent else self._pending.append(request)
            self._wake()

    def judged(self) -> None:
        """One answer has been used: the lane may go on by one."""
        with self._changed:
            self._unjudged -= 1
            if self._unjudged == AHEAD - BATCH:
                self._wake()

    def close(self) -> None:
        """Kill the worker; answers that are still awaited never come."""
        with self._changed:
            self._closing = True
            self._wake()
            worker = self._worker
        if worker is not None:
            worker.kill("stopped")
        self._thread.join(timeout=5)

    def _wake(self) -> None:
        """Let the lane look again what may be sent, whether it waits for that or for its worker."""
        self._changed.notify()
        with contextlib.suppress(OSError):  # so many calls are waiting already, or the lane has ended
            os.write(self._wake_writer, b"!")

    def _run(self) -> None:
        try:
            while not self._closing:
                request = self._next()
                if request is not None:
                    self._begin(request)
                elif self._flying and not self._closing:
                    self._receive()
        finally:
            if self._worker is not None:
                self._worker.stop()
            with self._changed:
                os.close(self._wake_reader)
                os.close(self._wake_writer)
                self._wake_writer = -1

    def _next(self) -> Request | None:
        """A request to send now, or None when it is time to receive, or to end."""
        with self._changed:
            while not self._closing:
                if self._pending and self._may_send():
                    request = self._pending.popleft()
                    self._unjudged += not request.urgent
                    return request
                if self._flying:
                    return None
                self._changed.wait()
            return None

    def _may_send(self) -> bool:
        """An urgent request at once; others when there is room for a batch, until there is none for one."""
        if self._pending[0].urgent:
            return True
        room = min(WINDOW - len(self._flying), AHEAD - self._unjudged)
        full = self._worker is not None and self._worker.is_full
        self._sending = room > 0 and not full and (self._sending or room >= BATCH or not self._flying)
        return self._sending

    def _begin(self, request: Request) -> None:
        worker = self._started()
        if worker is None:
            request.future.set_result(self._unavailable())
            return
        try:
            header, arrays, shared = request.build()
        except Exception as error:  # noqa: BLE001 (whatever it is belongs to this cell, and must not end the lane)
            request.future.set_exception(error)
            return
        self._flying.append(request)
        worker.send({**header, "id": request.number}, arrays, shared)

    def _started(self) -> Worker | None:
        if self._worker is not None and not self._flying and self._worker.over:
            self._bury()  # it died when nothing was asked of it, so no cell pays
        if (
            self._worker is None
            and isinstance(self.interpreter, Interpreter)
            and self._failed_starts < START_ATTEMPTS
            and self._lost < LOST_IN_A_ROW
        ):
            try:
                self._worker = self._new_worker(self.interpreter)
                self.about = self._worker.hello(self.framework.adapter, self.framework.subject)
                self._failed_starts = 0
            except Exception as error:  # noqa: BLE001 (whatever it is, the lane must not end of it)
                self._bury()
                self._failed_starts += 1
                reason = str(error) if isinstance(error, WorkerDied) else f"could not be started: {error!r}"
                self._why_none = f"the worker {reason}\ninterpreter: {shlex.join(self.interpreter.argv)}"
        return self._worker

    def _new_worker(self, interpreter: Interpreter) -> Worker:
        """Started under the lock: `close` finds either it or no later one."""
        with self._changed:
            if self._closing:
                raise WorkerDied("was not started: the run is over")
            self._worker = Worker(interpreter.argv, self.cell_timeout, self.start_timeout, self._local)
            return self._worker

    def _unavailable(self) -> Answer:
        if isinstance(self.interpreter, Absent):
            return Answer(Verdict.ABSENT, str(self.interpreter))
        return Answer(Verdict.CRASHED, self._why_none)

    def _receive(self) -> None:
        """Take the answers that are there, or wait a moment for one."""
        assert self._worker is not None
        if not self._worker.wait(self._wake_reader):
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, READ_AHEAD)
            return
        self._take()
        while self._flying and self._worker is not None and self._worker.has_begun:
            self._take()

    def _take(self) -> None:
        """The answer to the request that was sent first, or why there is none."""
        assert self._worker is not None
        request = self._flying[0]
        try:
            answer = read_answer(self._worker.receive(), request.number)
            self._flying.popleft()
            self._lost = 0
        except Exception as error:  # noqa: BLE001 (whatever it is, the lane must not end of it)
            reason = (
                str(error) if isinstance(error, WorkerDied) else f"spoke nonsense: {readable(str(error))}"
            )
            answer = Answer(Verdict.CRASHED, f"the worker {reason}")
            self._flying.popleft()
            self._send_again(reason)
        request.future.set_result(answer)

    def _send_again(self, reason: str) -> None:
        """The worker is lost: requests behind the one that killed it wait for its successor."""
        self._bury()
        self._lost += 1
        if self._lost == LOST_IN_A_ROW:
            self._why_none = (
                f"not run: {self._lost} workers in a row were lost without one answer, so no other is started; "
                f"run this cell alone to try again\nthe last worker {reason}"
            )
        with self._changed:
            for request in reversed(self._flying):
                self._unjudged -= not request.urgent
                self._pending.appendleft(request)
            self._flying.clear()

    def _bury(self) -> None:
        if self._worker is not None:
            self._worker.kill("was killed")
            self._worker.stop()
            self._worker = None


def read_answer(frame: Frame, identity: int) -> Answer:
    """An Answer from a worker's message. Raises Nonsense where it is none, or of another request."""
    header = frame.header
    if header.get("id") != identity:
        raise Nonsense(f"it answered another request: {header.get('id')!r}, should be {identity}")
    match header:
        case {
            "type": "done",
            "seconds": float(seconds),
            "compiling": float(compiling),
        } if math.isfinite(seconds + compiling):
            return Answer(None, "", frame.arrays(), seconds, compiling)
        case {"type": "unsupported", "op": op, "reason": reason}:
            return Answer(Verdict.UNSUPPORTED, readable(f"{op}: {reason}"))
        case {"type": "raised", "error": str(text)}:
            return Answer(Verdict.ERRORED, readable(text))
        case {"type": "changed", "names": list(names)}:
            listed = ", ".join(map(str, names))
            return Answer(Verdict.DISAGREE, readable(f"changed its inputs in place: {listed}"))
    raise Nonsense(f"a message of type {header.get('type')!r} with {', '.join(header)}")


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

    def result(self, cell: Cell) -> record.Cell:
        """Wait for a cell's answer and judge it."""
        lane = self._lanes[cell.framework.name]
        answer = self._requests.pop(cell.id).future.result()
        lane.judged()
        if answer.verdict is Verdict.ABSENT:
            return _unjudged(cell, answer)
        wanted = self._wanted(cell)
        line = self._judge(cell, wanted, answer, lane)
        kept = self._keep(cell.id, answer.arrays) if self._keep and answer.arrays else None
        return msgspec.structs.replace(line, content=wanted.content, arrays=kept)

    def _judge(self, cell: Cell, wanted: Wanted, answer: Answer, lane: Lane) -> record.Cell:
        """Judge an answer. A case whose tolerances are not finite says nothing."""
        if answer.verdict is not None:
            return _unjudged(cell, answer)
        try:
            judgement = judge(wanted, cell.dtype, answer.arrays)
        except FloatingPointError as error:
            return _unjudged(cell, replace(answer, verdict=Verdict.INCONCLUSIVE, message=str(error)))
        verdict, message = self._look_up(cell, judgement, lane)
        place = self._place(cell, wanted, answer, judgement) if judgement.wrong_numbers else None
        return _judged(cell, answer, judgement, verdict, message, place)

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


def _identity(cell: Cell) -> dict[str, str]:
    return {
        "cell": cell.id,
        "case": cell.case,
        "variant": cell.variant.id,
        "dtype": cell.dtype,
        "framework": cell.framework.name,
        "mode": cell.mode,
    }


def _unjudged(cell: Cell, answer: Answer) -> record.Cell:
    assert answer.verdict is not None
    return record.Cell(
        **_identity(cell),
        verdict=answer.verdict,
        used=None,
        relative=None,
        tensors=[],
        seconds=answer.seconds,
        compiling=answer.compiling,
        message=answer.message,
    )


def _judged(
    cell: Cell, answer: Answer, judgement: Judgement, verdict: Verdict, message: str, place: str | None
) -> record.Cell:
    return record.Cell(
        **_identity(cell),
        verdict=verdict,
        used=judgement.used,
        relative=judgement.relative,
        tensors=list(judgement.tensors),
        seconds=answer.seconds,
        compiling=answer.compiling,
        message=message,
        first_difference=place,
    )
