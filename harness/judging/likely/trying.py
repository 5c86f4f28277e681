"""The likely cause of a difference: each of the table is tried at each suspect, and said where it explains everything.

A cause explains a difference if, with it in the walk, every element of every result that it touches is within the tolerance
that perturbed runs of this other walk derive, those that are wrong and those that aren't. And it must be no chance: an element
that was off by 2^n of its new tolerances and is inside it now tells n bits, and all together have to tell more than are
needed to choose one of all that were tried, by CHANCE; of a number that was fitted also among those that are simpler. Of several that explain it the first of the table is said.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from ....reference.formats import FORMATS
from ....reference.rounding import K, Reference
from ....reference.told import Result
from ...reading.elements import Array
from ...references.row import References
from ..blame import VJP, Suspect, suspects_of
from ..calls import Alarm, calls_behind
from ..judge import compare
from ..trace import Trace
from .causes import Cause, Multiple, table
from .numbers import named, near
from .supposing import EVERY, DoesNotApply, Instead, Site, Supposed

CHANCE = 12.0
"""Bits by which what a cause explains has to exceed the choice among all that were tried: 1 in 4096 by chance."""
CLEARLY = 8.0
"""What a cause leaves of the largest error, as a share: only then is it held to tolerances, which cost many walks."""
MOST = 2**26
"""Elements that are walked while causes are tried, at most: of a large tensor only the first of the table are."""
NEAREST = 3
"""Named numbers that are tried for one that was fitted."""


class Likely(NamedTuple):
    """A cause in words, and where it is."""

    words: str
    suspect: Suspect


class _Attempt(NamedTuple):
    rank: int
    site: Site
    cause: Cause
    option: Any


def likely(
    trace: Trace, suspects: Iterable[Suspect], alarms: Sequence[Alarm], options: Mapping[str, float]
) -> Likely | None:
    """The cause of the alarms that these suspects explain; `options` are the optimizer's. None where nobody knows."""
    own = sorted(set(suspects))
    explained = [a for a in alarms if any(_same(s, t) for s in own for t in a.suspects)]
    if not explained or not all(np.isfinite(a.got).all() for a in explained):
        return None
    every = [Suspect(EVERY)] if all(_of_input(trace, a) for a in explained) else []
    return _Region(trace, (*own, *every), explained, options).likely()


def _same(one: Suspect, other: Suspect) -> bool:
    """Whether two are the same, a whole vjp being each of its parts."""
    if one.phase != other.phase or one.phase != VJP:
        return one == other
    return one.call == other.call and (-1 in (one.argument, other.argument) or one.argument == other.argument)


def _of_input(trace: Trace, alarm: Alarm) -> bool:
    role, name = alarm.key
    return role == "gradient" and name in trace.inputs


@dataclass(frozen=True)
class _Region:
    """What is wrong by one cause, and all that may be."""

    trace: Trace
    suspects: tuple[Suspect, ...]
    alarms: Sequence[Alarm]
    options: Mapping[str, float]

    def likely(self) -> Likely | None:
        attempts = sorted(self._attempts(), key=lambda a: a.rank)
        room = MOST // max(1, self._elements)
        for attempt in attempts[:room]:
            with suppress(DoesNotApply, ValueError):
                words = self._explains(attempt, len(attempts))
                if words:
                    return Likely(words, attempt.site.suspect)
        return None

    def _attempts(self) -> Iterator[_Attempt]:
        for suspect in self.suspects:
            site = self._site(suspect)
            for rank, cause in enumerate(table(site) if site else ()):
                with suppress(DoesNotApply, ValueError):
                    yield from (_Attempt(rank, site, cause, option) for option in list(cause.options(site)))

    def _site(self, suspect: Suspect) -> Site | None:
        """The first place of a suspect, as it is without any supposition."""
        seen: list[Site] = []

        def watch(site: Site) -> Array:
            seen.append(site)
            return site.right

        self._walk(suspect, watch)
        return seen[0] if seen else None

    def _walk(self, suspect: Suspect, instead: Instead) -> dict[Result, Array]:
        return self.trace.walk(self.trace.own, made=self._made(suspect, instead), calls=self._calls)

    def _made(self, suspect: Suspect, instead: Instead) -> Any:
        return partial(Supposed, trace=self.trace, suspect=suspect, instead=instead)

    def _explains(self, attempt: _Attempt, tried: int) -> str:
        """What is said of a cause if it explains everything, of so many; else an empty text."""
        site, cause, option = attempt.site, attempt.cause, attempt.option
        if not cause.fitted:
            holds = self._holds(site.suspect, lambda s: cause.instead(s, option), tried)
            return cause.says(site, option) if holds else ""
        whole, fitted = self._fitted(attempt)
        numbers = list(self._names)
        for f in near(numbers, fitted)[:NEAREST]:
            simpler = 1 + numbers.index(f)
            if self._holds(site.suspect, lambda s, f=f: cause.instead(s, option, f), tried * simpler):  # type: ignore[misc]
                return cause.says(site, option, Multiple(f, self._names[f], whole))
        return ""

    def _fitted(self, attempt: _Attempt) -> tuple[bool, float]:
        """Whether nothing is left with 0 in the number's place, and the number by least squares."""
        suspect, instead, option = attempt.site.suspect, attempt.cause.instead, attempt.option
        none, one = (self._walk(suspect, lambda s, f=f: instead(s, option, f)) for f in (0.0, 1.0))  # type: ignore[misc]
        keys = [a.key for a in self.alarms]
        start, got = (_flat(found, keys) for found in (none, self.trace.own))
        step = _flat(one, keys) - start
        length = float(step @ step)
        if not length or not math.isfinite(length):
            raise DoesNotApply
        return not start.any(), float(step @ (got - start)) / length

    def _holds(self, suspect: Suspect, instead: Instead, tried: int) -> bool:
        """Whether all that was told is right if this is so, and not by the chance of one among so many."""
        found = self._walk(suspect, instead)
        here, own = self.trace.here, self.trace.own
        touched = [key for key in self._near if key in found and not np.array_equal(found[key], here[key])]
        if not {a.key for a in self.alarms} <= set(touched) or not all(self._clearly(a, found) for a in self.alarms):
            return False
        due = self.trace.due(own, touched, self._calls, self._made(suspect, instead))
        compared = compare(References.of(due), {key: self.trace.answered[key] for key in due}, self.trace.dtype)
        if any(not t.used <= 1 for t in compared):
            return False
        return sum(self._bits(a, due[a.key]) for a in self.alarms) > CHANCE + math.log2(tried)

    def _clearly(self, alarm: Alarm, found: Mapping[Result, Array]) -> bool:
        left, error = (np.max(np.abs(alarm.got - a)) for a in (found[alarm.key], alarm.due.value))
        return bool(left <= error / CLEARLY)

    def _bits(self, alarm: Alarm, due: Reference) -> float:
        """What it tells that elements which were off are inside their tolerances now; alike elements count once.

        Of exact numbers, which are small integers mostly, each is worth its size.
        """
        error = np.abs(alarm.got - alarm.due.value)
        least = K * FORMATS[self.trace.dtype].u * np.maximum(np.abs(alarm.got), np.abs(alarm.due.value))
        allowed = np.maximum(due.tolerance(self.trace.dtype), least)
        bits = np.log2(np.maximum(1.0, np.where(self.trace.exact, 1 + error, error / np.where(allowed, allowed, 1))))
        alike = np.stack([np.ravel(a) for a in (alarm.got, alarm.due.value)])
        _, first = np.unique(alike, axis=1, return_index=True)
        return float(np.sum(np.ravel(bits)[first]))

    @cached_property
    def _near(self) -> list[Result]:
        """Told results that the suspects may have made."""
        if any(s.phase == EVERY for s in self.suspects):
            return list(self.trace.own)
        return [
            key
            for key in self.trace.own
            if any(_same(s, t) for t in suspects_of(self.trace, key) for s in self.suspects)
        ]

    @cached_property
    def _calls(self) -> set[int]:
        return calls_behind(self.trace, self._near)

    @cached_property
    def _elements(self) -> int:
        """What one walk of the region costs, in elements of what its calls give and read."""
        names = {name for i in self._calls for name in (*self.trace.program.nodes[i].inputs, *self.trace.program.nodes[i].outs)}
        return sum(int(np.size(self.trace.value(name))) for name in names)

    @cached_property
    def _names(self) -> dict[float, str]:
        calls = {s.call for s in self.suspects if s.call >= 0} or self._calls
        return named(self.trace, sorted(calls), self.options)


def _flat(found: Mapping[Result, Array], keys: Iterable[Result]) -> Array:
    return np.concatenate([np.ravel(found[key]) for key in keys])
