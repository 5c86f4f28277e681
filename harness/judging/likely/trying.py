"""The likely cause of a difference: each of the table is tried at each suspect, and said where it explains everything.

A cause explains a difference if, with it in the walk, every element of every result that it touches is within the tolerance
that perturbed runs of this other walk derive, those that are wrong and those that aren't. And it must be no chance: an element
that was off by 2^n of its new tolerances and is inside it now tells n bits, and all together have to tell more than are
needed to choose one of all that were tried, by CHANCE; of a number that was fitted also among those that are simpler.
Where several explain it, as where all numbers have one sign, the first of the table are said, joined by "or".

One suspect is tried alone, then all calls of its op: a loop over layers makes one mistake in each.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from ....reference.contexts import Array
from ....reference.formats import FORMATS
from ....reference.rounding import K, Reference
from ....reference.told import Result
from ...references.row import References
from ..blame import FORWARD, VJP, Suspect, suspects_of
from ..calls import Alarm, around, calls_behind
from ..comparing import compare
from ..trace import Trace
from .causes import Cause, Multiple, table
from .numbers import USUAL, explained, named, near
from .supposing import EVERY, DoesNotApply, Instead, Site, Supposed, Unexplained, same

CHANCE = 12.0
"""Bits by which what a cause explains has to exceed the choice among all that were tried: 1 in 4096 by chance."""
CLEARLY = 8.0
"""What a cause leaves of the largest error, as a share: only then is it held to tolerances, which cost many walks."""
MOST = 2**26
"""Elements that are walked while causes are tried, at most: of a large tensor only the first of the table are."""
NEAREST = 3
"""Named numbers that are tried for one that was fitted."""
ALTERNATIVES = 3
"""Causes that are said where several explain everything."""
NOT_HERE = (DoesNotApply, ValueError, IndexError)
"""What a row says of a call that it doesn't fit: shapes, axes, the number of arguments."""
LOST = 29
"""Bits by which a float64 is longer than a float32."""


class Likely(NamedTuple):
    """A cause in words, and where it is: in one call, or in each of its op."""

    words: str
    places: frozenset[Suspect]


class _Attempt(NamedTuple):
    rank: int
    region: "_Region"
    site: Site
    cause: Cause
    option: Any


def likely(
    trace: Trace, suspects: Iterable[Suspect], alarms: Sequence[Alarm], options: Mapping[str, Any]
) -> Likely | None:
    """The cause of the alarms that these suspects explain; `options` are the optimizer's. None where nobody knows."""
    explained = [a for a in alarms if any(same(s, t) for s in suspects for t in a.suspects)]
    discrete = any(a.key in trace.discrete for a in explained)
    if not explained or discrete or not all(np.isfinite(a.got).all() for a in explained):
        return None
    if trace.dtype == "float64" and all(map(_in_float32, explained)):
        return Likely(
            "it is computed in float32: its numbers are float32's, and right to as many digits", frozenset()
        )
    regions = [
        _Region(trace, places, alarms, options) for places in _places(trace, sorted(set(suspects)), alarms)
    ]
    with np.errstate(all="ignore"):  # what is supposed may be of no numbers: then it explains nothing
        attempts = sorted((a for region in regions for a in region.attempts()), key=lambda a: a.rank)
        found = list(itertools.islice(_explaining(attempts), ALTERNATIVES))
    if not found:
        return None
    words = dict.fromkeys(words for words, _ in found)
    return Likely(", or ".join(words), found[0][1])


def _explaining(attempts: Sequence[_Attempt]) -> Iterator[tuple[str, frozenset[Suspect]]]:
    """What is said of each cause that explains everything, and where it is."""
    room = MOST
    for attempt in attempts:
        room -= attempt.region.elements
        if room < 0:
            return
        with suppress(*NOT_HERE):
            words = attempt.region.explains(attempt, len(attempts))
            if words:
                yield words, attempt.region.places


def _places(
    trace: Trace, suspects: Sequence[Suspect], alarms: Sequence[Alarm]
) -> Iterator[frozenset[Suspect]]:
    """Each suspect alone, a call also forwards and back, then with those of its op that may be at work in the alarms, then all inputs' gradients."""
    accused = {s for a in alarms for s in a.suspects}
    nodes, told = trace.program.nodes, set()
    forwards = [s for s in suspects if s.phase == FORWARD]
    for suspect in suspects:
        yield frozenset({suspect})
    for suspect in forwards:
        yield frozenset({suspect, Suspect(VJP, suspect.call)})
    for suspect in suspects:
        if suspect.call >= 0:
            alike = frozenset(
                s for s in accused
                if s.call >= 0 and (s.phase, s.argument, nodes[s.call].op) == (suspect.phase, suspect.argument, nodes[suspect.call].op)
            )  # fmt: skip
            if len(alike) > 1 and alike not in told:
                told.add(alike)
                yield alike
    for op in dict.fromkeys(nodes[s.call].op for s in forwards):
        every = [i for i, node in enumerate(nodes) if node.op == op]
        if len(every) > 1:
            yield frozenset(Suspect(phase, i) for i in every for phase in (FORWARD, VJP))
    if all(a.key[0] == "gradient" and a.key[1] in trace.inputs for a in alarms):
        yield frozenset({Suspect(EVERY)})


def _is_one_number(alarms: Collection[Alarm]) -> bool:
    """Whether what is wrong is one number alone: any ratio fits that."""
    return sum(np.unique(a.got).size for a in alarms) == 1


def concern(places: Iterable[Suspect], suspects: Collection[Suspect]) -> bool:
    """Whether one of these places is among the suspects."""
    return any(p.phase == EVERY or same(p, s) for p in places for s in suspects)


@dataclass(frozen=True)
class _Region:
    """Places that may be wrong by one cause, and what they may have made wrong."""

    trace: Trace
    places: frozenset[Suspect]
    accusing: Sequence[Alarm]
    options: Mapping[str, Any]

    def attempts(self) -> Iterator[_Attempt]:
        """Every cause that may be here, with each of its options. A number is fitted for one call alone."""
        site = self._site
        if site is None:
            return
        one = len({p.call for p in self.places}) == 1
        for rank, cause in enumerate(table(site, {p.phase for p in self.places})):
            if not cause.fitted or one:
                with suppress(*NOT_HERE):
                    for option in list(cause.options(site)):
                        yield _Attempt(rank, self, site, cause, option)

    def explains(self, attempt: _Attempt, tried: int) -> str:
        """What is said of a cause if it explains everything, of so many; else an empty text."""
        site, cause, option = attempt.site, attempt.cause, attempt.option
        if not cause.fitted:
            holds = self._holds(lambda s: cause.instead(s, option), tried)
            return cause.says(site, option) if holds else ""
        whole, fitted = self._fitted(attempt)
        numbers, holding = list(self._names), list[float]()
        for f in near(numbers, fitted)[:NEAREST]:
            simpler = 1 + numbers.index(f)
            if self._holds(lambda s, f=f: cause.instead(s, option, f), tried * simpler):  # type: ignore[misc]
                holding.append(f)
        if not holding or (
            not self._names[holding[0]] and holding[0] not in USUAL and _is_one_number(self._alarms.values())
        ):
            return ""
        return cause.says(site, option, Multiple(*explained(holding, self._names), whole))

    def _fitted(self, attempt: _Attempt) -> tuple[bool, float]:
        """Whether nothing is left with 0 in the number's place, and the number by least squares."""
        instead, option = attempt.cause.instead, attempt.option
        none, one = (self._walk(lambda s, f=f: instead(s, option, f)) for f in (0.0, 1.0))  # type: ignore[misc]
        keys = list(self._alarms)
        start, got = (_flat(found, keys) for found in (none, self.trace.own))
        step = _flat(one, keys) - start
        length = float(step @ step)
        if not length or not math.isfinite(length):
            raise DoesNotApply
        return not start.any(), float(step @ (got - start)) / length

    def _holds(self, instead: Instead, tried: int) -> bool:
        """Whether all that was told is right if this is so, and not by the chance of one among so many.

        Behind a call that is wrong forwards a derivative may be that of its input, or be taken from what it gave.
        """
        if not any(p.phase == FORWARD for p in self.places):
            return self._holds_as(instead, tried)
        return self._holds_as(instead, 2 * tried) or self._holds_as(
            instead, 2 * tried, own_output=self._calls
        )

    def _holds_as(self, instead: Instead, tried: int, own_output: Collection[int] = ()) -> bool:
        trace = self.trace
        try:
            found = self._walk(instead, own_output=own_output, explains=self._clearly)
        except Unexplained:
            return False
        touched = [
            key for key in self._near if key in found and not np.array_equal(found[key], trace.here[key])
        ]
        if not self._alarms.keys() <= set(touched):
            return False
        due = trace.due(trace.own, touched, self._calls, self._made(instead))
        if own_output:
            due = around(found, due)
        elif not self._within(due) and any(a.suspect is None for a in self._alarms.values()):
            due = around(self._walk(instead, own_output=self._calls), due)
        if not self._within(due):
            return False
        told = (
            bits(a.got, a.due.value, due[a.key], trace.dtype, exact=trace.exact)
            for a in self._alarms.values()
        )
        return sum(told) > CHANCE + math.log2(tried)

    def _within(self, due: Mapping[Result, Reference]) -> bool:
        answered = {key: self.trace.answered[key] for key in due}
        return all(t.used <= 1 for t in compare(References.of(due), answered, self.trace.dtype))

    def _clearly(self, key: Result, a: Array) -> bool:
        """Whether what was told is far nearer to this than to what is due, if anybody accuses it."""
        alarm = self._alarms.get(key)
        if alarm is None:
            return True
        left, error = (np.max(np.abs(alarm.got - due)) for due in (a, alarm.due.value))
        return bool(left <= error / CLEARLY)

    def _walk(self, instead: Instead, **how: Any) -> dict[Result, Array]:
        """With `own_output`, as of calls that are judged as one: where their rounded outputs cancel, as in `p - y`."""
        return self.trace.walk(self.trace.own, made=self._made(instead), calls=self._calls, **how)

    def _made(self, instead: Instead) -> Any:
        return partial(Supposed, trace=self.trace, places=self.places, instead=instead)

    @cached_property
    def _site(self) -> Site | None:
        """The first place, as it is without any supposition."""
        seen: list[Site] = []

        def watch(site: Site) -> Array:
            seen.append(site)
            return site.right

        self._walk(watch)
        return seen[0] if seen else None

    @cached_property
    def _alarms(self) -> dict[Result, Alarm]:
        """Those that the places may explain, and so have to, by what is wrong."""
        return {a.key: a for a in self.accusing if concern(self.places, a.suspects)}

    @cached_property
    def _near(self) -> list[Result]:
        """Told results that the places may have made."""
        return [key for key in self.trace.own if concern(self.places, suspects_of(self.trace, key))]

    @cached_property
    def _calls(self) -> set[int]:
        return calls_behind(self.trace, self._near)

    @cached_property
    def elements(self) -> int:
        """What one walk costs, in elements of what its calls give and read."""
        nodes = [self.trace.program.nodes[i] for i in self._calls]
        names = {name for node in nodes for name in (*node.inputs, *node.outs)}
        return sum(int(np.size(self.trace.value(name))) for name in names)

    @cached_property
    def _names(self) -> dict[float, str]:
        calls = {s.call for s in self.places if s.call >= 0} or self._calls
        return named(self.trace, sorted(calls), self.options)


def _in_float32(alarm: Alarm) -> bool:
    """Whether a result in float64 has numbers of float32 alone, right by that dtype's tolerance, where its own would be longer."""
    got, due = alarm.got, alarm.due.value
    longer = np.unique(due[due.astype(np.float32) != due]).size
    narrow = np.array_equal(got.astype(np.float32), got) and bool(
        np.all(np.abs(got - due) <= alarm.due.tolerance("float32"))
    )
    return narrow and longer * LOST > CHANCE


def bits(got: Array, plain: Array, due: Reference, dtype: str, *, exact: bool = False) -> float:
    """What it tells that elements of `got` which were off from `plain` are inside the tolerances of `due`; alike ones count once.

    Of exact numbers, which are small integers mostly, each is worth its size.
    """
    error = np.abs(got - plain)
    least = K * FORMATS[dtype].u * np.maximum(np.abs(got), np.abs(plain))
    allowed = np.maximum(due.tolerance(dtype), least)
    told = np.log2(np.maximum(1.0, 1 + error if exact else error / np.where(allowed, allowed, 1)))
    alike = np.stack([np.ravel(got), np.ravel(plain)])
    _, first = np.unique(alike, axis=1, return_index=True)
    return float(np.sum(np.ravel(told)[first]))


def _flat(found: Mapping[Result, Array], keys: Iterable[Result]) -> Array:
    return np.concatenate([np.ravel(found[key]) for key in keys])
