"""A cell that does not agree, looked into: traced, judged call by call, and once more as a whole.

Each step that matters is judged for itself. The subject is asked for its trace, and where an alarm leaves open which
of several uses of a name is wrong, for a second one of the program in which every use reads a copy.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...reference.rounding import Reference
from ...reference.told import Result
from ..ledger.causes import WrongCall
from ..plan import Cell
from ..reading.elements import Array
from ..references.variant import VariantReference
from ..roles import COPIED, TRACED, Answered, by_step, marked
from ..run.lines import LARGEST, Compared
from ..workers.answer import Answer
from .blame import FORWARD, SUM, UPDATE, VJP, Suspect, contribution, results_of, several, suspects_of
from .calls import Alarm, Judged, diagnosis, judge_calls
from .comparing import NOTHING_WRONG, distance
from .composition import flips
from .judge import Judgement, Update
from .likely.trying import likely
from .precise import alarms_of_more_digits
from .trace import Trace

MOST_STEPS = 16
"""Of a training so many of the steps that disagree are looked into: the worst, the first, and others evenly spread."""

Uses = Collection[tuple[int, int]]
Ask = Callable[[Uses], Answer]
"""Gets the cell's trace, of the program in which each of these uses reads a copy."""


@dataclass(frozen=True)
class Examined:
    """One step, judged call by call."""

    trace: Trace
    judged: Judged
    answer: Mapping[Result, Array]
    """What the cell itself answered for the step."""
    flips: frozenset[Result] = frozenset()
    """Results of calls in which rounding took another branch."""

    @property
    def chosen(self) -> set[Result]:
        """What is other than the reference's and as right."""
        return {alarm.key for alarm in self.judged.chosen} | self.flips

    def every(self) -> Iterator[Alarm]:
        """Each told result at the subject's own numbers, right or wrong, with no more room than it has of itself."""
        for key, got in self.trace.own.items():
            due = Reference(np.asarray(self.trace.here[key], np.float64), np.full(np.shape(got), np.inf))
            compared = NOTHING_WRONG(role=key[0], name=key[1])
            yield Alarm(key, suspects_of(self.trace, key), compared, due, got, self.trace.dtype)


@dataclass(frozen=True)
class Examination:
    """All that looking into a cell gave."""

    steps: Sequence[Examined] = ()
    updates: Sequence[Update] = ()
    """Steps of an optimizer that are wrong for the subject's own gradients."""
    problem: str = ""
    """Why there is nothing: the trace has no answer."""
    kept: Answered = field(default_factory=dict)
    """What was answered to the traces, as it is kept beside what the cell answered."""

    @property
    def alarms(self) -> list[tuple[Examined, Alarm]]:
        return [(step, alarm) for step in self.steps for alarm in step.judged.alarms]

    @property
    def complete(self) -> bool:
        """Whether every result was told, so that each was judged alone."""
        return bool(self.steps) and all(step.trace.complete for step in self.steps)


def examine(
    cell: Cell, wanted: VariantReference, answer: Answer, judgement: Judgement, ask: Ask
) -> Examination:
    """Look into a cell that was judged as a whole, or into one that agrees: then some of its steps."""
    if judgement.updates and all(used <= 1 for used in judgement.steps.values()):
        return Examination(updates=judgement.updates)
    plain = ask(())
    if plain.verdict is not None:
        return Examination(
            problem=f"the trace gave {plain.verdict} ({plain.message.rstrip().splitlines()[-1]})"
        )
    copies = Copies(ask)
    found: list[Examined] = []
    for step in sorted(chosen_steps(judgement.steps), key=lambda step: step or 0):
        trace = trace_of(cell, wanted, plain.arrays, step)
        if trace is not None:
            own = {key: a for key, a in by_step(answer.arrays)[step].items() if key[0] != "parameter"}
            found.append(_examined(cell, wanted, trace, own, copies))
    kept = marked(TRACED, plain.arrays) | marked(COPIED, copies.arrays)
    return Examination(found, judgement.updates, kept=kept)


class Copies:
    """The trace of the program with copies, asked for once if at all."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._answer: Answer | None = None

    @property
    def arrays(self) -> Answered:
        return self._answer.arrays if self._answer else {}

    def answer(self, uses: Uses) -> Answer:
        if self._answer is None:
            self._answer = self._ask(uses)
        return self._answer


def chosen_steps(used: Mapping[int | None, float]) -> list[int | None]:
    """The steps to look into, by the largest error / tolerance of each: of those that disagree the worst, the first and others, else some of all."""
    wrong = [step for step, u in used.items() if not u <= 1]
    steps = sorted(wrong, key=lambda step: -used[step]) or list(used)
    rest = steps[1 :: max(1, len(steps) // (MOST_STEPS - 1))]
    return list(dict.fromkeys([*steps[:1], *wrong[:1], *rest]))[:MOST_STEPS]


def trace_of(
    cell: Cell, wanted: VariantReference, arrays: Answered, step: int | None, *, alone: bool = False
) -> Trace | None:
    """One step of a traced answer, with the step before it if not alone; None where the parameters did not come back."""
    variant, inputs = cell.variant, wanted.inputs
    if variant.training is not None and step is not None:
        from_before = {n: ("parameter", n) for n in variant.training.parameters}
        from_before |= {n: ("value", out) for n, out in variant.training.state.items()}
        moved = {n: arrays.get((*key, step - 1)) for n, key in from_before.items()} if step else {}
        if any(a is None or a.shape != wanted.inputs[n].shape for n, a in moved.items()):
            return None
        inputs = wanted.inputs_at(step, {n: np.asarray(a, np.float64) for n, a in moved.items()})
    told = {
        _result(role, name): a for (role, name), a in by_step(arrays)[step].items() if role != "parameter"
    }
    before = trace_of(cell, wanted, arrays, step - 1, alone=True) if step and not alone else None
    return Trace(
        program=wanted.program,
        inputs=inputs,
        seeds=wanted.cotangents,
        dtype=cell.dtype,
        answered=told,
        values=variant.values,
        constants=variant.constants | _without_derivative(cell, wanted, told),
        compiled=cell.mode in cell.framework.compiled,
        exact=variant.exact,
        step=step,
        earlier=before,
    )


def _without_derivative(cell: Cell, wanted: VariantReference, told: Collection[Result]) -> set[str]:
    """Names on which no gradient that the cell asks for depends, where a framework has no derivative towards them.

    A framework is asked for all cotangents, and answers all of them but these.
    """
    if cell.framework.subject is not None:
        return set()
    depending = wanted.program.descendants(cell.variant.gradients)
    return {n for n in cell.variant.specs if ("gradient", n) not in told and n not in depending}


def _result(role: str, name: str) -> Result:
    """The gradient of a copy's zero is what the use contributes."""
    return ("use", name.removeprefix("use ")) if name.startswith("use ") else (role, name)


def _examined(
    cell: Cell, wanted: VariantReference, trace: Trace, answer: Mapping[Result, Array], copies: Copies
) -> Examined:
    judged = judge_calls(trace)
    turned = flips(trace)
    if (judged.ambiguous or turned.hidden) and several(trace) and cell.framework.subject is None:
        again = copies.answer(several(trace))
        other = trace_of(cell, wanted, again.arrays, trace.step) if again.verdict is None else None
        if other is not None:
            before, trace, judged = judged, other, judge_calls(other)
            judged = replace(judged, alarms=(*judged.alarms, *_vanished(before, judged)))
            turned = flips(trace)
    judged = replace(judged, alarms=alarms_of_more_digits(trace, judged.alarms))
    return Examined(trace, judged, answer, turned.told)


def _vanished(before: Judged, after: Judged) -> Iterator[Alarm]:
    """Alarms that the copies made vanish: a fault in adding up, since nothing is added up where every use has its copy."""
    still = frozenset[Suspect]().union(*(alarm.suspects for alarm in (*after.alarms, *after.chosen)))
    for alarm in before.alarms:
        if len(alarm.suspects) > 1 and not alarm.suspects & still:
            sums = frozenset(s for s in alarm.suspects if s.phase == SUM)
            yield replace(alarm, suspects=sums or alarm.suspects)


# What a person and a ledger are told


@dataclass(frozen=True)
class Found:
    """One thing that is wrong by itself."""

    step: int | None
    suspects: frozenset[Suspect]
    key: Result
    compared: Compared
    wrong: int
    elements: int
    relative: float
    call: WrongCall | None
    """What a ledger is asked about; None where no single op call is to blame, as of an update by a gradient that isn't shown."""
    of: Examined | Update
    """The step in which it was found, or that of an optimizer."""

    @property
    def trace(self) -> Trace | None:
        """None of an optimizer's step."""
        return self.of.trace if isinstance(self.of, Examined) else None


def findings(cell: Cell, examination: Examination) -> list[Found]:
    """All that is wrong by itself, in the order of the walk: the fewest causes, each by its largest alarm."""
    found: list[Found] = []
    for step in (part for whole in examination.steps for part in _apart(cell, whole)):
        for suspects in _diagnosed(step):
            found += _explained(cell, step, suspects)
    return found + [_update(cell, update) for update in examination.updates]


def _diagnosed(step: Examined) -> list[frozenset[Suspect]]:
    return diagnosis(step.trace, step.judged.alarms, step.judged.of_own_output)


def _apart(cell: Cell, step: Examined) -> tuple[Examined, ...]:
    """The step, or what is wrong of its values and of its gradients, each alone: where a likely cause explains one of these, and none both.

    Between names that nobody told a call forwards explains either, and one fault is fewer than two: the 1e-12 of a `log(p + 1e-12)` in
    the loss would be all that is said of gradients that lack a division.
    """
    alarms = step.judged.alarms
    values, gradients = (
        tuple(a for a in alarms if (a.key[0] == "value") is forwards) for forwards in (True, False)
    )
    both = [s for s in _diagnosed(step) if all(any(a.suspects & s for a in of) for of in (values, gradients))]
    if not both or any(_is_named(cell, step, suspects) for suspects in both):
        return (step,)
    hidden = {a.key for a in gradients}
    answered = {key: a for key, a in step.trace.answered.items() if key not in hidden}
    apart = (
        replace(
            step,
            trace=replace(step.trace, answered=answered),
            judged=replace(step.judged, alarms=values),
        ),
        replace(step, judged=replace(step.judged, alarms=gradients)),
    )
    told = (all(_is_named(cell, part, suspects) for suspects in _diagnosed(part)) for part in apart)
    return apart if any(told) else (step,)


def _is_named(cell: Cell, step: Examined, suspects: frozenset[Suspect]) -> bool:
    training = cell.variant.training
    return likely(step.trace, suspects, step.judged.alarms, training.options if training else {}) is not None


def _explained(cell: Cell, step: Examined, suspects: frozenset[Suspect]) -> Iterator[Found]:
    alarms = [a for a in step.judged.alarms if a.suspects == suspects] or [
        max(
            (a for a in step.judged.alarms if a.suspects & suspects or _towards(a.suspects) & suspects),
            key=lambda a: a.compared.used,
        )
    ]
    for alarm in alarms:
        yield Found(
            step.trace.step,
            suspects,
            alarm.key,
            alarm.compared,
            int(np.count_nonzero(alarm.wrong)),
            alarm.wrong.size,
            alarm.relative,
            wrong_call(cell, step.trace, alarm, suspects),
            step,
        )


def _towards(suspects: Iterable[Suspect]) -> frozenset[Suspect]:
    return frozenset(Suspect(VJP, s.call) for s in suspects if s.phase == VJP)


def wrong_call(
    cell: Cell, trace: Trace, alarm: Alarm, suspects: frozenset[Suspect] | None = None
) -> WrongCall | None:
    """What a ledger is asked about an alarm; None where it is not one op call's own result that is wrong.

    `suspects` are those that are left once what is right has cleared others (None: all of the alarm's).
    """
    suspects = alarm.suspects if suspects is None else suspects
    suspect = next(iter(suspects))
    if len(suspects) > 1 or suspect.phase not in (FORWARD, VJP) or not _gives(trace, suspect, alarm.key):
        return None
    node, backwards = trace.program.nodes[suspect.call], suspect.phase == VJP
    names = trace.arguments(suspect.call)
    return WrongCall(
        op=node.op,
        phase=suspect.phase,
        towards=list(names)[suspect.argument] if backwards else "",
        dtype=trace.dtype,
        mode=cell.mode,
        names=names,
        g=trace.cotangent(node.outs[0]) if backwards else None,
        got=alarm.got,
        want=alarm.due.value,
        tolerance=alarm.tolerance,
        wrong=alarm.wrong,
        relative=alarm.relative,
    )


def _gives(trace: Trace, suspect: Suspect, key: Result) -> bool:
    """Whether a result is what the call itself gives."""
    if suspect.phase == FORWARD:
        return key in results_of(trace, suspect)
    return suspect.argument >= 0 and key == contribution(trace, suspect.call, suspect.argument)


def _update(cell: Cell, update: Update) -> Found:
    training = cell.variant.training
    assert training is not None
    with np.errstate(all="ignore"):
        error = distance(update.got, update.due.value, cell.dtype)
    wrong = ~(error <= update.tolerance)
    scale = float(np.max(np.abs(update.due.value), initial=0)) or 1.0
    relative = min(float(np.max(error, initial=0)) / scale, LARGEST)
    names = {"parameter": update.before, "gradient": update.gradient, **update.options(training.options)}
    call = None if update.derived else WrongCall(
        op=training.optimizer, phase=UPDATE, towards="", dtype=cell.dtype, mode=cell.mode, names=names,
        g=update.gradient, got=update.got, want=update.due.value, tolerance=update.tolerance, wrong=wrong,
        relative=relative,
    )  # fmt: skip
    suspects = frozenset({Suspect(UPDATE, name=update.compared.name)})
    key = (update.compared.role, update.compared.name)
    count = int(np.count_nonzero(wrong))
    return Found(
        update.compared.step, suspects, key, update.compared, count, wrong.size, relative, call, update
    )
