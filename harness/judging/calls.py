"""Every op call judged by itself: at the subject's own inputs, every vjp at its own cotangent.

What is wrong here is wrong whatever came before it, and all of it is found at once. One exact walk clears most results:
no tolerance is below that of the final rounding. The rest are held to perturbed runs of their own calls.
"""

import functools
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.contexts import EXACT
from ...reference.formats import FORMATS
from ...reference.ops import OPS
from ...reference.ops.kinks import Beside, Kink
from ...reference.recording import Placed, U
from ...reference.rounding import FINAL_ROUNDING, K, Reference
from ...reference.told import Result, use
from ..reading.elements import Array
from ..references.row import References
from ..run.lines import Compared
from .blame import FORWARD, SEED, VJP, Suspect, calls_of, cleared_by, contribution, suspects_of
from .comparing import INCONCLUSIVE, compare, compare_discrete
from .trace import Trace, beyond, chosen_at_a_tie


@dataclass(frozen=True)
class Alarm:
    """A result that is wrong at the subject's own numbers, and what may have made it so."""

    key: Result
    suspects: frozenset[Suspect]
    compared: Compared
    due: Reference = field(compare=False, repr=False)
    got: Array = field(compare=False, repr=False)
    dtype: str

    @property
    def suspect(self) -> Suspect | None:
        """The one that is to blame, where it is one."""
        return next(iter(self.suspects)) if len(self.suspects) == 1 else None

    @cached_property
    def tolerance(self) -> Array:
        allowed: Array = self.due.tolerance(self.dtype)
        return allowed

    @cached_property
    def wrong(self) -> Array:
        """Mask of the elements that are outside."""
        if self.got.shape != self.due.value.shape:
            return np.ones(self.due.value.shape, dtype=bool)
        with np.errstate(all="ignore"):
            same = (self.got == self.due.value) | (np.isnan(self.got) & np.isnan(self.due.value))
            return np.asarray(~(same | (np.abs(self.got - self.due.value) <= self.tolerance)))

    @cached_property
    def relative(self) -> float:
        """The largest error as a share of the result's largest element."""
        with np.errstate(all="ignore"):
            error = float(np.max(np.abs(self.got - self.due.value), initial=0))
        scale = _largest(self.due.value) or _largest(self.got) or 1.0
        return error / scale if np.isfinite(error) else np.inf


@dataclass(frozen=True)
class Judged:
    """What judging a trace call by call gave."""

    alarms: tuple[Alarm, ...]
    chosen: tuple[Alarm, ...] = ()
    """Results at a kink that are none of ours but generalised gradients all the same: conventions."""
    used: Mapping[Result, float] = field(default_factory=dict)
    """Of every result that was judged the largest error / tolerance, or a bound on it where that is small enough."""
    of_own_output: frozenset[Result] = frozenset()
    """Gradients that are right for the outputs which the subject itself computed, and for those alone."""
    wide: frozenset[Result] = frozenset()
    """Results of which most elements have a tolerance that says nothing, at the subject's own numbers too."""
    cancelled: frozenset[Result] = frozenset()
    """Results that would be, but that the terms which are added there are large beside the tolerance: they cancel."""

    @property
    def ambiguous(self) -> bool:
        """Whether it is left open who is to blame for an alarm."""
        return any(len(alarm.suspects) > 1 for alarm in self.alarms)


def judge_calls(trace: Trace) -> Judged:
    """Judge every told result of a trace at the subject's own numbers."""
    zero = proven(trace) if trace.exact else frozenset()
    used = {key: _at_most(trace, key, key in zero) for key in trace.own}
    doubtful = [key for key, u in used.items() if not u <= 1]
    due = _due(trace, [key for key in doubtful if key not in trace.discrete], zero)
    due |= {
        key: _only(trace.here[key])
        for key in doubtful
        if key in trace.discrete and not chosen_at_a_tie(trace, key)
    }
    found = _compared(trace, due)
    used |= {key: compared.used for key, compared in found.items()}
    alarms = [_alarm(trace, key, due[key], compared) for key, compared in found.items() if compared.used > 1]
    left_over = _not_of_own_output(trace, alarms)
    of_own_output = frozenset(a.key for a in alarms) - {a.key for a in left_over}
    alarms = [a for a in left_over if not _overflowed(trace, a)]
    chosen = [alarm for alarm in alarms if _is_generalised_gradient(trace, alarm)]
    left = tuple(alarm for alarm in alarms if alarm not in chosen)
    if left and not any(alarm.suspect for alarm in left) and _of_another_convention(trace, left):
        chosen, left = [*chosen, *left], ()
    wide = frozenset(key for key, compared in found.items() if (compared.width or 0) > INCONCLUSIVE)
    cancelled = _cancelled(trace, {key: due[key] for key in wide if key[0] == "gradient"})
    return Judged(left, tuple(chosen), used, of_own_output, wide - cancelled, cancelled)


def _cancelled(trace: Trace, due: Mapping[Result, Reference]) -> frozenset[Result]:
    """The gradients whose tolerance is narrow beside the terms that they are the sum of.

    A bias in front of a batch normalization has the gradient 0 and tolerances of rounding. Beside the cotangents that are
    added there these are small: a term that is wrong or left out shows, though a factor of the whole does not.
    """
    if not due:
        return frozenset()
    adding = Adding()
    found = trace.walk(trace.own, adding, calls=calls_behind(trace, due))
    terms = {
        key: max(
            (adding.terms(place, found[use(*place)]) for place in trace.uses[key[1]] if use(*place) in found),
            default=0.0,
        )
        for key in due
    }
    medians = References.of(due).median_tolerance(trace.dtype)
    return frozenset(
        key for key, median in zip(due, medians, strict=True) if 0 < median <= INCONCLUSIVE * terms[key]
    )


class Adding(Placed):
    """The exact context, which keeps of each sum and product how large the terms are that it adds."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[Hashable, list[tuple[Array, Array]]] = defaultdict(list)

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        return self._kept(super().sum(a, axis, keepdims), np.sum(np.abs(a), axis, keepdims=keepdims))

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        return self._kept(super().matmul(x, w, bias), np.abs(x) @ np.abs(w))

    def _kept(self, out: Array, sizes: Array) -> Array:
        out = np.asarray(out)  # a number, too, is then known again in another shape
        self._sums[self.place].append((out, sizes))
        return out

    def terms(self, place: Hashable, made: Array) -> float:
        """The largest of the sums of |terms| that `made` there, where it is a sum as it came out; else the largest of it."""
        for out, sizes in self._sums[place]:
            if out.size == np.size(made) and np.shares_memory(out, made):
                return _largest(np.asarray(sizes))
        return _largest(np.asarray(made))


def _at_most(trace: Trace, key: Result, exact: bool) -> float:
    """Error / tolerance of a result if it were allowed the final rounding alone: more it never is."""
    got, due = (np.asarray(a, dtype=np.float64) for a in (trace.own[key], trace.here[key]))
    with np.errstate(all="ignore"):
        room = (
            0.0
            if exact or key in trace.discrete
            else K * FINAL_ROUNDING * FORMATS[trace.dtype].u * np.abs(due)
        )
        used = np.where(got == due, 0.0, np.abs(got - due) / room)
        return float(np.max(np.where(np.isnan(used), np.inf, used), initial=0.0))


def _due(trace: Trace, keys: Sequence[Result], zero: Collection[Result]) -> dict[Result, Reference]:
    """References of results that one exact walk does not clear, from runs of the calls that they depend on."""
    if not keys:
        return {}
    calls = calls_behind(trace, keys)
    if trace.compiled:  # what these read may have been another evaluation: that is worked out too
        calls |= calls_behind(trace, _read(trace, calls))
    due = trace.due(trace.own, keys, calls=calls)
    return {key: Reference(e.value, np.zeros_like(e.sigma)) if key in zero else e for key, e in due.items()}


def calls_behind(trace: Trace, keys: Iterable[Result]) -> set[int]:
    """The calls that results depend on, from what was told before them."""
    keys = list(keys)
    return {call for key in keys for call in calls_of(trace, key)} | _users(trace, keys)


def _read(trace: Trace, calls: Iterable[int]) -> Iterator[Result]:
    """The told results that calls read, forwards and back."""
    for i in calls:
        node = trace.program.nodes[i]
        yield from (("value", n) for n in node.inputs if n in trace.producer)
        yield from (("gradient", o) for o in node.outs if o in trace.useful)


def _users(trace: Trace, keys: Iterable[Result]) -> set[int]:
    """The calls that read these names: their contributions add up to the names' cotangents, told or not."""
    return {i for role, name in keys if role == "gradient" for i, _ in trace.uses.get(name, ())}


def _compared(trace: Trace, due: Mapping[Result, Reference]) -> dict[Result, Compared]:
    found = compared_with(trace, due, trace.answered)
    return {(c.role, c.name): c for c in found}


def compared_with(
    trace: Trace, due: Mapping[Result, Reference], answered: Mapping[Result, Array]
) -> list[Compared]:
    """Results of a trace, each against what it has to be."""
    numbers = {key: e for key, e in due.items() if key not in trace.discrete}
    discrete = {key: e.value for key, e in due.items() if key in trace.discrete}
    found = compare(References.of(numbers), {key: answered[key] for key in numbers}, trace.dtype)
    return found + compare_discrete(discrete, answered)


def _only(a: Array) -> Reference:
    """What has to be met exactly."""
    value = np.asarray(a, dtype=np.float64)
    return Reference(value, np.zeros_like(value))


def _alarm(trace: Trace, key: Result, due: Reference, compared: Compared) -> Alarm:
    got = np.asarray(trace.own[key], dtype=np.float64)
    return Alarm(key, suspects_of(trace, key), compared, due, got, trace.dtype)


def _not_of_own_output(trace: Trace, alarms: list[Alarm]) -> list[Alarm]:
    """Without the gradients that are right for the outputs which the subject itself computed: what is wrong there is wrong already.

    Rounding moves a gradient as far from that output as from the right one, which is near. So it is with calls that are
    judged as one: what one's derivative takes from its rounded output may cancel against another's, as in `p - y`.
    """
    wrong = {s.call for a in alarms if a.key[0] == "value" for s in a.suspects if s.phase == FORWARD}
    together = [a for a in alarms if a.key[0] == "gradient" and len(a.suspects) > 1]
    again = {a.key: a for a in alarms if any(s.phase == VJP and s.call in wrong for s in a.suspects)}
    again |= {a.key: a for a in together}
    wrong |= {s.call for a in together for s in a.suspects if s.phase == VJP}
    if not again:
        return alarms
    found = trace.walk(trace.own, own_output=wrong)
    compared = _compared(trace, around(found, {key: a.due for key, a in again.items()}))
    return [a for a in alarms if a.key not in compared or compared[a.key].used > 1]


def _overflowed(trace: Trace, alarm: Alarm) -> bool:
    """Whether a gradient is no number since its call's own output is beyond the range: 0 times infinity is none."""
    suspect = alarm.suspect
    if suspect is None or suspect.phase != VJP or np.any(np.isfinite(alarm.got[alarm.wrong])):
        return False
    return any(
        bool(np.any(beyond(trace.here["value", name], trace.dtype)))
        for name in trace.program.nodes[suspect.call].outs
    )


def _is_generalised_gradient(trace: Trace, alarm: Alarm) -> bool:
    """Whether a gradient that is none of ours is admissible all the same, its call being at a kink."""
    suspect = alarm.suspect
    if suspect is None or suspect.phase != VJP:
        return False
    node = trace.program.nodes[suspect.call]
    row = OPS[node.op]
    if row.kinks is None:
        return False
    args = tuple(trace.value(a) if isinstance(a, str) else a for a in node.args)
    outs = tuple(trace.here["value", o] for o in node.outs)
    gs = tuple(
        trace.cotangent(o) if o in trace.floats else np.zeros(np.shape(a))
        for o, a in zip(node.outs, outs, strict=True)
    )
    out, g = (outs[0], gs[0]) if len(outs) == 1 else (outs, gs)
    with np.errstate(all="ignore"):
        own = np.nan_to_num(alarm.got)  # what is no number is no gradient
        at = Kink(row, EXACT, suspect.argument, out, args, g, dict(node.kw), _others(trace, suspect))
        nearest = np.asarray(row.kinks(at, own))
    rounding = U * np.abs(nearest) if np.any(alarm.due.sigma) else np.zeros_like(nearest)
    moved = Reference(nearest.astype(np.float64), np.hypot(alarm.due.sigma, rounding))
    return _explained(trace, {alarm.key: moved}, {alarm.key: alarm.due})


def _others(trace: Trace, suspect: Suspect) -> dict[int, Array]:
    """What the same call was told to contribute to its other inputs; what is no number is no gradient of these either."""
    args = enumerate(trace.program.nodes[suspect.call].args)
    keys = {
        k: contribution(trace, suspect.call, k)
        for k, a in args
        if k != suspect.argument and a in trace.floats
    }
    return {k: np.nan_to_num(trace.own[key]) for k, key in keys.items() if key in trace.own}


def _of_another_convention(trace: Trace, alarms: Sequence[Alarm]) -> bool:
    """Whether all that was told is right if every kink between names that nobody told is taken from one side.

    Of a call among several that are judged as one, nobody knows what was chosen: the two conventions that people have
    are tried, and each has to explain everything.
    """
    rows = (OPS[trace.program.nodes[s.call].op] for a in alarms for s in a.suspects if s.phase == VJP)
    if not any(row.kinks for row in rows):
        return False
    due = trace.due(trace.own, list(trace.own))
    for side in (-1.0, 1.0):
        found = trace.walk(trace.own, Beside(EXACT, side))  # type: ignore[arg-type]  # it stands for a context
        if _explained(trace, around(found, due), due) and _held(trace, found):
            return True
    return False


def _explained(trace: Trace, moved: Mapping[Result, Reference], due: Mapping[Result, Reference]) -> bool:
    """Whether all that was told is within tolerance of other values than what is due; what is no number explains nothing."""
    numbers = all(
        bool(
            np.all(
                np.isfinite(moved[key].tolerance(trace.dtype)) | ~np.isfinite(due[key].tolerance(trace.dtype))
            )
        )
        for key in moved
        if key not in trace.discrete
    )
    return numbers and all(t.used <= 1 for t in _compared(trace, moved).values())


def _held(trace: Trace, found: Mapping[Result, Array]) -> bool:
    """Whether nothing rounded, if the case says that nothing does."""
    return not trace.exact or all(np.array_equal(a, found[key]) for key, a in trace.own.items())


def around(found: Mapping[Result, Array], due: Mapping[Result, Reference]) -> dict[Result, Reference]:
    """The same deviations about other values, which may round also where those are proven not to."""
    moved = {key: np.asarray(found[key], dtype=np.float64) for key in due}
    return {key: Reference(a, np.hypot(due[key].sigma, U * np.abs(a))) for key, a in moved.items()}


def proven(trace: Trace) -> frozenset[Result]:
    """Of an exact case the results whose calls were given the very numbers that the proof is about: none may round."""
    true, own, program = trace.true, trace.own, trace.program
    same = {key for key in true if key not in own or np.array_equal(own[key], true[key])}
    same |= {("value", name) for name in trace.inputs}
    read = [all(("value", a) in same for a in node.inputs) for node in program.nodes]
    fed = [
        ok and all(("gradient", o) in same for o in node.outs if o in trace.useful)
        for ok, node in zip(read, program.nodes, strict=True)
    ]
    found = {("value", name) for i, node in enumerate(program.nodes) if read[i] for name in node.outs}
    found |= {("use", f"{i}.{k}") for uses in trace.uses.values() for i, k in uses if fed[i]}
    found |= {("gradient", n) for n in trace.floats if all(fed[i] for i, _ in trace.uses.get(n, ()))}
    return frozenset(found)


def diagnosis(
    trace: Trace, alarms: Sequence[Alarm], of_own_output: Collection[Result] = ()
) -> list[frozenset[Suspect]]:
    """The fewest suspects that explain every alarm, each with those that would do as well.

    With every name told each alarm has one, and this is the list of them. Otherwise a region that is right clears its
    calls, but by a gradient that is `of_own_output` no values; and the suspect that explains most alarms is taken first: a vjp towards one input before a whole vjp, the
    seed only where nothing else would do.
    """
    wrong = {alarm.key for alarm in alarms}
    if all(alarm.suspect for alarm in alarms):
        return list(dict.fromkeys(alarm.suspects for alarm in alarms))
    right = (key for key in trace.own if key not in wrong)
    cleared = frozenset().union(*(cleared_by(trace, key, values=key not in of_own_output) for key in right))
    left = [_with_whole_vjps((alarm.suspects - cleared) or alarm.suspects) for alarm in alarms]
    found = []
    while left:
        hits = {s: tuple(s in one for one in left) for one in left for s in one}
        most = max(sum(hit) for hit in hits.values())
        rank = functools.partial(_rank, trace)
        first = min((s for s, hit in hits.items() if sum(hit) == most), key=rank)
        same = {s for s, hit in hits.items() if hit == hits[first] and rank(s) == rank(first)}
        found.append(frozenset(s for s in same if s.argument >= 0 or s.phase != VJP or _is_needed(s, same)))
        left = [one for one in left if first not in one]
    return found


def _is_needed(whole: Suspect, same: Iterable[Suspect]) -> bool:
    """Whether a whole vjp tells more than one of its parts, which would do as well."""
    return not any(s.call == whole.call and s.phase == VJP and s.argument >= 0 for s in same)


def _with_whole_vjps(suspects: frozenset[Suspect]) -> frozenset[Suspect]:
    return suspects | {Suspect(VJP, s.call) for s in suspects if s.phase == VJP}


def _rank(trace: Trace, suspect: Suspect) -> tuple[bool, bool]:
    """The seed last, and a whole vjp behind its parts, but where they share one cotangent, as at a kink."""
    whole = suspect.phase == VJP and suspect.argument < 0
    return suspect.phase == SEED, whole and not OPS[trace.program.nodes[suspect.call].op].kinks


def _largest(a: Array) -> float:
    finite = np.abs(a[np.isfinite(a)])
    return float(finite.max(initial=0))
