"""The reference with more digits than float64 has, before anybody is accused, or told what should be.

Where float64's own rounding is amplified beyond a tolerance, as in p / (p (1 - p)) at a rounded p, the reference is off and
whoever computes otherwise is right. The whole is held to it, and what calls were given between names that were told.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...reference.contexts import EXACT, Exact
from ...reference.digits import Digits, digits, nearest
from ...reference.ops import OPS
from ...reference.program import Node
from ...reference.rounding import Reference
from ...reference.told import Result
from ..reading.elements import Array
from ..references.row import References
from ..run.lines import Compared
from .calls import Alarm
from .comparing import compare
from .trace import Trace

LARGEST_PRECISE = 1_000_000
"""Operations of a program, at most, that is worked out with 50 digits: some seconds."""
LARGEST_WIDE = 300_000_000
"""The same in longdouble, which has no fast products of matrices."""
AMPLIFIED = 0.5
"""Tolerances by which float64's own walk is off from that in longdouble where 50 digits are asked."""


@dataclass(frozen=True)
class Precise:
    """What results have to be, by a walk of more digits."""

    trace: Trace
    due: References
    off: float
    """By how many tolerances float64's own walk is off."""
    unsure: float
    """By how many this one may be: of 50 digits by none, of longdouble by what is left of its 11 bits more."""

    def compared(self, answer: Mapping[Result, Array]) -> list[Compared]:
        """What was answered of these results."""
        answered = {key: answer[key] for key in self.due}
        return compare(self.due, answered, self.trace.dtype, self.due.scales, self.trace.step)


def precisely(
    trace: Trace, excused: Collection[Result], asked: Collection[Result], most: int = LARGEST_WIDE
) -> Precise | None:
    """What is asked, given what is excused, by a more precise reference; None where that takes more operations than `most`."""
    own = {key: trace.own[key] for key in excused}
    keys = [key for key in asked if key in trace.true and key not in own and key not in trace.discrete]
    return _precise(trace, own, trace.due(own, keys)) if keys and _operations(trace) <= most else None


def alarms_of_more_digits(trace: Trace, alarms: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """The alarms that are left, with what should be, where the rounding of float64 is amplified between told names."""
    numbers = {alarm.key: alarm.due for alarm in alarms if alarm.key not in trace.discrete}
    if not numbers or _operations(trace) > LARGEST_PRECISE:
        return tuple(alarms)
    precise = _precise(trace, trace.own, numbers)
    if precise.off <= 1:
        return tuple(alarms)
    found = {(t.role, t.name): t for t in precise.compared(trace.answered)}
    return tuple(
        replace(a, due=precise.due[a.key], compared=found[a.key]) if a.key in found else a
        for a in alarms
        if a.key not in found or found[a.key].used > 1
    )


def _precise(trace: Trace, own: Mapping[Result, Array], due: Mapping[Result, Reference]) -> Precise:
    """The same deviations about what a walk of more digits gives: longdouble's, and 50 where it shows that something is amplified."""
    found = _held_to(trace, due, _in_numbers(trace, own, _longdouble, EXACT))
    if found.off <= AMPLIFIED and np.all(np.isfinite(found.due.value)):
        return found
    if _operations(trace) > LARGEST_PRECISE:
        return replace(found, unsure=found.off / 2**10)
    with Digits() as c:
        return _held_to(trace, due, _in_numbers(trace, own, digits, c))


def _longdouble(a: Array) -> Array:
    return np.asarray(a, dtype=np.longdouble)


def _held_to(trace: Trace, due: Mapping[Result, Reference], walked: Mapping[Result, Array]) -> Precise:
    precise = References.of({key: Reference(nearest(walked[key]), e.sigma) for key, e in due.items()})
    with np.errstate(over="ignore"):  # what is beyond the dtype's range is told as that
        before = {key: e.value.astype(trace.dtype) for key, e in due.items()}
    return Precise(trace, precise, max(t.used for t in compare(precise, before, trace.dtype)), 0.0)


def _in_numbers(
    trace: Trace, own: Mapping[Result, Array], wide: Callable[[Array], Array], c: Exact
) -> dict[Result, Array]:
    told = {key: a if key in trace.discrete else wide(a) for key, a in own.items()}
    inputs = {name: wide(a) if a.dtype.kind == "f" else a for name, a in trace.inputs.items()}
    return replace(trace, inputs=inputs, seeds={name: wide(g) for name, g in trace.seeds.items()}).walk(
        told, c
    )


def _operations(trace: Trace) -> int:
    """About how many operations on numbers the program has, forwards."""
    sizes = {**trace.inputs, **{n: a for (role, n), a in trace.true.items() if role == "value"}}
    return sum(_operations_of(node, sizes) for node in trace.program.nodes)


def _operations_of(node: Node, arrays: Mapping[str, Array]) -> int:
    inputs = [np.shape(arrays[name]) for name in node.inputs]
    terms = OPS[node.op].terms
    each = sum(np.size(arrays[name]) for name in node.outs) * (terms(*inputs, **node.kw) if terms else 1)
    return max(each, *(np.size(arrays[name]) for name in node.inputs), 1)
