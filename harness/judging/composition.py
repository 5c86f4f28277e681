"""The whole once more, given what single calls did: whether they, and nothing else, are why a cell disagrees.

The whole program's tolerances stay the check. Results that are excused are taken as the subject has them, and all
else follows from these. Where every call is right and the whole is not, its error is shared out among the calls.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.formats import FORMATS
from ...reference.rounding import FOLLOWED, KINK_MAGNIFICATION, Recorded, Reference
from ...reference.told import EachAnew, Result
from ..reading.elements import Array
from ..references.row import References
from ..run.lines import Compared
from .blame import FORWARD, VJP, contribution, suspects_of
from .comparing import compare, compare_discrete
from .trace import Trace, chosen_at_a_tie

DueOf = Callable[[Trace, Mapping[Result, Array], Collection[Result]], Mapping[Result, Reference]]
STEP = 100.0
"""An element that errs by so many times more with free branches than with those of the exact run depends on a branch."""
CHUNKS = 32
"""Into so many parts the told results are divided, and again the part that is looked into, for the error budget."""


def composed(
    trace: Trace, excused: Collection[Result], answer: Mapping[Result, Array], due_of: DueOf = Trace.due
) -> list[Compared]:
    """What is compared, by the whole program's tolerances, if the excused results are taken as the subject has them.

    `due_of` gives what has to be; by default what follows from one evaluation of each name.

    Of an exact case nothing may err but what the excuse has changed: that is computed from numbers nobody proved.
    """
    own = {key: trace.own[key] for key in excused}
    asked = [key for key in answer if key in trace.true and key not in own]
    keys = [key for key in asked if key not in trace.discrete]
    due = due_of(trace, own, keys) if keys else {}
    if trace.exact:
        due = {
            key: Reference(e.value, np.zeros_like(e.sigma)) if np.array_equal(e.value, trace.true[key]) else e
            for key, e in due.items()
        }
    references = References.of(due)
    found = compare(references, {key: answer[key] for key in due}, trace.dtype, references.scales, trace.step)
    discrete = trace.walk(own) if len(keys) < len(asked) else {}
    chosen = {key: np.asarray(discrete[key]) for key in asked if key in trace.discrete}
    return found + compare_discrete(chosen, answer, trace.step)


def each_anew(trace: Trace, own: Mapping[Result, Array], keys: Collection[Result]) -> dict[Result, Reference]:
    """What has to be where every use of a name reads another evaluation of it, each of which takes its own branches.

    A step is as high in every dtype: an element that depends on a branch which the dtype's rounding may turn is not
    held to the dtype's, but may be wherever perturbed runs are.
    """
    scale = FORMATS[trace.dtype].scale
    plain, free = (
        trace.due(own, keys, made=EachAnew, magnification=magnification)
        for magnification in (FOLLOWED, KINK_MAGNIFICATION * scale)
    )
    return {
        key: Reference(e.value, np.where(free[key].sigma > STEP * e.sigma, free[key].sigma / scale, e.sigma))
        for key, e in plain.items()
    }


@dataclass(frozen=True)
class Flips:
    """Calls that took another branch at the subject's numbers than at the reference's: rounding did that."""

    told: frozenset[Result]
    """What they gave, as far as it was told."""
    hidden: bool
    """Whether a contribution is among them that is known only as part of a sum."""


def flips(trace: Trace) -> Flips:
    """The calls whose branches rounding turned."""
    found: set[Result] = set()
    for place in _turned(trace):
        if isinstance(place, tuple):
            found.add(contribution(trace, *place))
        else:
            found.update(("value", name) for name in trace.program.nodes[place].outs)
    found.update(key for key in trace.discrete & trace.own.keys() if _chose_otherwise(trace, key))
    told = frozenset(key for key in found if key in trace.own)
    return Flips(told, any(role == "use" for role, _ in found - told))


def _chose_otherwise(trace: Trace, key: Result) -> bool:
    """Whether a place, a whole number or what is true is another one than the reference's, and as right."""
    own = trace.own[key]
    if np.array_equal(own, trace.true[key]):
        return False
    return np.array_equal(own, trace.here[key]) or chosen_at_a_tie(trace, key)


def _turned(trace: Trace) -> set[Any]:
    """Places of the walk, a call's number or that and an argument's, at which a branch's argument has another sign."""

    def branches(own: Mapping[Result, Array]) -> dict[Any, Array]:
        return Recorded(lambda c: trace.walk(own, c)).kinks

    true = branches({})
    return {
        key[0]
        for key, z in branches(trace.own).items()
        if key in true and not np.array_equal(np.sign(z), np.sign(true[key]))
    }


def budget(trace: Trace, key: Result, at: tuple[int, ...]) -> list[tuple[float, Result]]:
    """What each told result adds to the error of one element, as a share of it: the largest first.

    One after the other, in the order of the walk, is taken as the subject has it and the rest worked out from these:
    the step that the element makes is that result's share. The shares of all add up to the error exactly.
    """
    order = [k for k in trace.true if k in trace.own]

    def element(own: Mapping[Result, Array]) -> float:
        found = own.get(key)
        return float((trace.walk(own)[key] if found is None else found)[at])

    found = _steps(order, trace.own, {}, element)
    total = sum(step for step, _ in found) or 1.0
    return [(step / total, k) for step, k in sorted(found, key=lambda found: -abs(found[0]))]


def _steps(
    order: Sequence[Result],
    own: Mapping[Result, Array],
    before: dict[Result, Array],
    element: Callable[[Mapping[Result, Array]], float],
) -> list[tuple[float, Result]]:
    """The steps of an element over these results; of many only those of the part with the largest step are told."""
    size = max(1, math.ceil(len(order) / CHUNKS))
    parts = [order[i : i + size] for i in range(0, len(order), size)]
    taken, last, found = dict(before), element(before), []
    for part in parts:
        start = dict(taken)
        taken |= {k: own[k] for k in part}
        now = element(taken)
        found.append((now - last, part, start))
        last = now
    if size == 1:
        return [(step, part[0]) for step, part, _ in found]
    _, part, start = max(found, key=lambda found: abs(found[0]))
    rest = [(step, other[-1]) for step, other, _ in found if other is not part]
    return _steps(part, own, start, element) + rest


@dataclass(frozen=True)
class Pooled:
    """Error / sigma of one op in one phase over all its calls in a trace.

    Of a correct implementation the root mean square is below 1, and the mean as small as chance makes it.
    """

    op: str
    phase: str
    rms: float
    mean: float
    count: int

    @property
    def drift(self) -> float:
        """How many times larger the mean is than chance lets it be."""
        return abs(self.mean) * math.sqrt(self.count)


def pooled(trace: Trace) -> list[Pooled]:
    """Every op's errors in units of sigma, the largest first: where no call is wrong by itself, whose are large."""
    found: dict[tuple[str, str], list[Array]] = defaultdict(list)
    keys = [key for key in trace.own if key not in trace.discrete and len(suspects_of(trace, key)) == 1]
    for key, e in trace.due(trace.own, keys).items():
        [suspect] = suspects_of(trace, key)
        if suspect.phase in (FORWARD, VJP):
            with np.errstate(all="ignore"):
                ratio = (trace.own[key] - e.value) / (e.sigma * FORMATS[trace.dtype].scale)
            found[trace.program.nodes[suspect.call].op, suspect.phase].append(ratio[np.isfinite(ratio)])
    rows = {key: np.concatenate(parts) for key, parts in found.items()}
    made = [
        Pooled(op, phase, float(np.sqrt(np.mean(r**2))), float(np.mean(r)), r.size)
        for (op, phase), r in rows.items()
        if r.size
    ]
    return sorted(made, key=lambda row: -row.rms)
