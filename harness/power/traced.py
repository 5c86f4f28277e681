"""A faulty implementation judged call by call, and whether what is blamed is what is faulty.

Unlike a framework's, all of its numbers are in reach: each value, each cotangent and what each call contributes to one
that several calls add up to. What is faulty is told without any tolerance: with no fault in it, the implementation
makes something else of the very same numbers.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np

from ...reference.formats import FORMATS
from ...reference.told import Result, use
from ..case.variant import Variant
from ..judging.blame import FORWARD, SEED, SUM, VJP, Suspect, contribution, several
from ..judging.calls import Judged, judge_calls
from ..judging.trace import Trace
from ..references.variant import Array

PLAIN = 2.0**12
"""A part that is off by more than so many u is wrong by any measure, and has to be named: see `Due.scale`."""


@dataclass(frozen=True)
class Traced:
    """An implementation's trace, and all of its parts that are faulty, each with its error in u of its scale."""

    trace: Trace
    faulty: Mapping[Suspect, float]

    @cached_property
    def judged(self) -> Judged:
        return judge_calls(self.trace)

    def names(self, parts: Collection[Suspect]) -> bool:
        """Whether some alarm may be for one of these parts."""
        return any(not alarm.suspects.isdisjoint(parts) for alarm in self.judged.alarms)


@dataclass(frozen=True)
class Placement:
    """What judging call by call made of the faults in one cell."""

    alarms: int
    false: list[str] = field(default_factory=list)
    """Alarms of which no suspect is faulty."""
    vague: list[str] = field(default_factory=list)
    """Alarms with several suspects."""
    unnamed: list[str] = field(default_factory=list)
    """Parts that are plainly faulty and that no alarm names."""

    @property
    def exact(self) -> bool:
        """Whether the alarms name what is faulty, nothing else, and all that is plainly so."""
        return not (self.false or self.vague or self.unnamed)


def traced(implementation: Any, problem: Any, variant: Variant, faults: Sequence[Any] = ()) -> Traced:
    """The trace of an implementation with all of these faults, or with none; `implementation` is its module."""
    with np.errstate(all="ignore"):
        n = implementation.changed(problem, problem.dtype, faults)
        n.run()
        inputs, kind = {name: np.asarray(a) for name, a in problem.inputs.items()}, np.dtype(problem.dtype)
        bare = Trace(
            program=variant.program,
            inputs=inputs,
            seeds={name: np.asarray(g, np.float64) for name, g in problem.cotangents.items()},
            dtype=problem.dtype,
            answered={},
            values=problem.values,
            exact=variant.exact,
        )
        answered = {key: np.asarray(a).astype(kind) for key, a in _told(bare, n)}
        trace = replace(bare, answered=answered)
        return Traced(trace, dict(_faulty(trace, implementation.changed(problem, problem.dtype))))


def placement(given: Traced) -> Placement:
    """Whether the alarms are where the faults are."""
    alarms = given.judged.alarms
    named = {suspect for alarm in alarms for suspect in alarm.suspects}
    return Placement(
        len(alarms),
        [str(a.key) for a in alarms if not a.suspects & given.faulty.keys()],
        [str(a.key) for a in alarms if len(a.suspects) > 1],
        [str(tuple(s)) for s, error in given.faulty.items() if error > PLAIN and s not in named],
    )


def _told(trace: Trace, n: Any) -> Iterator[tuple[Result, Array]]:
    """Everything that a run has; what nothing reached is zero, as a framework tells it."""
    for name in trace.producer:
        yield ("value", name), n.env[name]
    for name in trace.floats:
        yield ("gradient", name), n.grads.get(name, np.zeros(np.shape(n.env[name])))
    for i, k in several(trace):
        name = str(trace.program.nodes[i].args[k])
        yield use(i, k), n.grads.get((i, k), np.zeros(np.shape(n.env[name])))


# What is faulty


class Due(NamedTuple):
    """A part, and what the correct implementation makes of a trace's numbers there."""

    suspect: Suspect
    result: Result
    value: Array
    terms: tuple[Array, ...] = ()
    """What it was added up from; of a vjp the cotangent that it was given."""

    @property
    def scale(self) -> float:
        """The largest number in it: where terms cancel, what is left says nothing of how large an error is."""
        return max(float(np.max(np.abs(a), initial=0)) for a in (self.value, *self.terms))


def _faulty(trace: Trace, correct: Any) -> Iterator[tuple[Suspect, float]]:
    """Every part that gave another result than the correct implementation gives at the numbers that the trace has."""
    for due in (*_due_calls(trace, correct), *_due_sums(trace)):
        got = trace.answered[due.result]
        if not np.array_equal(got, due.value, equal_nan=True):
            yield due.suspect, _error(got, due) / FORMATS[trace.dtype].u


def _due_calls(trace: Trace, correct: Any) -> Iterator[Due]:
    env = {name: correct.cast(a) for name, a in trace.inputs.items()}
    env |= {name: trace.answered["value", name] for name in trace.producer}
    for i, node in enumerate(trace.program.nodes):
        args = tuple(env[a] if isinstance(a, str) else a for a in node.args)
        yield Due(Suspect(FORWARD, i), ("value", node.outs[0]), np.asarray(correct.call(i, node, args)))
        if node.outs[0] in trace.useful:
            g = trace.answered["gradient", node.outs[0]]
            dxs = correct.vjp(i, node, env[node.outs[0]], args, g)
            for k, (name, dx) in enumerate(zip(node.args, dxs, strict=True)):
                if isinstance(name, str) and name in trace.uses and dx is not None:
                    yield Due(Suspect(VJP, i, k), contribution(trace, i, k), np.asarray(dx), (g,))


def _due_sums(trace: Trace) -> Iterator[Due]:
    """The cotangents of names that several calls read, added up as the walk does; and of the output, the seed."""
    for name in trace.floats:
        uses = sorted(trace.uses.get(name, ()), key=lambda u: (-u[0], u[1]))
        seed = (trace.seeds[name].astype(trace.dtype),) if name in trace.seeds else ()
        terms = (*seed, *(trace.answered[use(i, k)] for i, k in uses)) if len(uses) + len(seed) > 1 else seed
        if terms:
            suspect = Suspect(SUM, name=name) if uses[1:] or (uses and seed) else Suspect(SEED, name=name)
            yield Due(suspect, ("gradient", name), np.asarray(reduce(np.add, terms)), terms)


def _error(got: Array, due: Due) -> float:
    """The largest error as a share of the scale; infinite where a number is lost."""
    if got.shape != due.value.shape:
        return np.inf
    wide, right = got.astype(np.float64), due.value.astype(np.float64)
    error = float(np.max(np.abs(np.where(wide == right, 0, wide - right)), initial=0))
    return error / due.scale if np.isfinite(error) and due.scale else np.inf
