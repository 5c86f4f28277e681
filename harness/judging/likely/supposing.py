"""A call that is done in another way: what every result of a trace then has to be.

A supposition stands at places of a walk, calls forwards or towards one argument, and changes what is given there.
All else follows as in any walk, so that it is held to what the subject told also where names in between weren't told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....reference.contexts import Array, Exact
from ....reference.ops import OPS, Row
from ....reference.program import Node
from ....reference.told import Result, Told, use
from ..blame import FORWARD, SEED, SUM, VJP, Suspect
from ..trace import Trace

EVERY = "every"
"""The phase of a suspect beside those of `blame`: what is done to the gradients of all inputs alike, when all is known."""


class Supposed(Told):
    """A walk in which suspects give what `instead` makes of their places."""

    def __init__(
        self,
        own: Mapping[Result, Array],
        *,
        trace: Trace,
        places: frozenset[Suspect],
        instead: "Instead",
        explains: Callable[[Result, Array], bool] = lambda *_: True,
        **how: Any,
    ) -> None:
        """`explains`: whether a result may stand as it is walked; the walk ends at the first that may not."""
        super().__init__(own, **how)
        self.trace, self._places, self._instead, self._explains = trace, places, instead, explains

    def read(self, result: Result, a: Array, c: Exact) -> Array:
        suspect = next((s for s in self._places if self._gives(s, result)), None)
        if suspect is not None:
            argument = _of_use(result[1]).argument if result[0] == "use" else -1
            made = self._instead(Site(self, suspect, result, argument, c, a))
            if np.shape(made) != np.shape(a):
                raise DoesNotApply
            a = as_dtype(made, "float64")
        if not self._explains(result, a):
            raise Unexplained
        return super().read(result, a, c)

    def _gives(self, suspect: Suspect, result: Result) -> bool:
        role, name = result
        match suspect.phase:
            case "forward":
                return role == "value" and name in self.trace.program.nodes[suspect.call].outs
            case "vjp":
                return role == "use" and same(suspect, _of_use(name))
            case "every":
                return role == "gradient" and name in self.trace.inputs
        return role == "gradient" and suspect.phase in (SUM, SEED) and name == suspect.name

    def value(self, name: str) -> Array:
        """A name's value, as whoever reads it in this walk takes it."""
        if name in self.trace.inputs:
            return self.trace.inputs[name]
        return self.taken(("value", name))

    def taken(self, result: Result) -> Array:
        """A result that has been walked, as it is read."""
        return self.own.get(result, self.found.get(result))

    def outs(self, call: int) -> tuple[Array, ...]:
        return self._outs[call]


def as_dtype(a: Array, dtype: str) -> Array:
    """Its numbers in a dtype, of one run or of several."""
    return np.positive(a, dtype=dtype, casting="unsafe")


def _of_use(name: str) -> Suspect:
    """The vjp that gives a contribution `call.argument`."""
    call, _, argument = name.partition(".")
    return Suspect(VJP, int(call), int(argument))


def same(one: Suspect, other: Suspect) -> bool:
    """Whether two are the same, a whole vjp being each of its parts."""
    if one.phase != other.phase or one.phase != VJP:
        return one == other
    return one.call == other.call and (-1 in (one.argument, other.argument) or one.argument == other.argument)


class DoesNotApply(Exception):
    """A supposition that has nothing to say of a place: another shape, another kind of call."""


class Unexplained(Exception):
    """A result that was told is another than it has to be in this walk."""


@dataclass(frozen=True)
class Site:
    """A place of a walk at the moment at which it gives a result, `right` as the program has it."""

    walk: Supposed
    suspect: Suspect
    result: Result
    argument: int
    """Of a vjp, that of the input whose cotangent is given; else -1."""
    c: Exact
    right: Array

    @property
    def trace(self) -> Trace:
        return self.walk.trace

    @property
    def forwards(self) -> bool:
        return self.suspect.phase == FORWARD

    @property
    def node(self) -> Node:
        """The call. Raises DoesNotApply where it is none."""
        if self.suspect.call < 0:
            raise DoesNotApply
        return self.walk.trace.program.nodes[self.suspect.call]

    @property
    def row(self) -> Row:
        return OPS[self.node.op]

    @cached_property
    def args(self) -> tuple[Array, ...]:
        call = self.suspect.call
        return tuple(
            self.walk.value(a) if isinstance(a, str) else self.c.literal(call, a) for a in self.node.args
        )

    @cached_property
    def kw(self) -> dict[str, Any]:
        """The attributes, those that have a default too."""
        return dict(self.row.defaults) | dict(self.node.kw)

    @property
    def x(self) -> Array:
        """The input whose cotangent is given; forwards the first."""
        return self.args[max(self.argument, 0)]

    @property
    def name(self) -> str:
        """That input's name, or the name whose gradient it is."""
        role, name = self.result
        return name if role == "gradient" else str(self.node.args[max(self.argument, 0)])

    @property
    def told(self) -> str:
        """That name in words."""
        return "each of them" if self.suspect.phase == EVERY else self.name

    @property
    def it(self) -> str:
        """The result in words: where it is what the subject told, `it` is enough."""
        alone = self.suspect.phase == VJP and len(self.trace.uses.get(self.name, ())) == 1
        if self.result in self.trace.own or (alone and ("gradient", self.name) in self.trace.own):
            return "it"
        if self.forwards:
            return f"what {self.node.op} gives"
        return f"what {self.node.op} passes on" if self.suspect.phase == VJP else "it"

    @property
    def out(self) -> Array:
        """The call's output, of several the first."""
        return self.walk.outs(self.suspect.call)[0]

    @property
    def g(self) -> Array:
        """The cotangent of the call's output."""
        if self.suspect.phase != VJP or len(self.node.outs) > 1:
            raise DoesNotApply
        return self.walk.taken(("gradient", self.node.outs[0]))

    @property
    def terms(self) -> dict[str, Array]:
        """What is added up to a name's cotangent, by the ops that contribute it."""
        if self.suspect.phase != SUM:
            raise DoesNotApply
        uses = self.trace.uses.get(self.suspect.name, ())
        found = {(i, k): self.walk.taken(use(i, k)) for i, k in uses}
        return {_given_by(self.trace, i): a for (i, _), a in found.items() if a is not None}

    def again(
        self,
        args: tuple[Array, ...] | None = None,
        *,
        g: Array | None = None,
        out: Array | None = None,
        argument: int | None = None,
        c: Exact | None = None,
        **kw: Any,
    ) -> Array:
        """The call's own row with something else in place of its arguments, output, cotangent or attributes."""
        c, taken = c or self.c, self.args if args is None else args
        attributes = self.kw | kw
        if self.forwards:
            made = self.row.forward(c, *taken, **attributes)
            return made[self.node.outs.index(self.result[1])] if isinstance(made, tuple) else made
        if out is None:
            own, several = self.walk.outs(self.suspect.call), len(self.node.outs) > 1
            own = own if several else own[0]
            out = own if args is None and not kw else self.row.forward(c, *taken, **attributes)
        g = _cotangents(self) if g is None else g
        return self.row.vjp(c, self.argument if argument is None else argument, out, taken, g, attributes)

    def with_argument(self, k: int, a: Array, **more: Any) -> Array:
        """The call's own row with another array as argument `k`."""
        return self.again((*self.args[:k], a, *self.args[k + 1 :]), **more)


def _cotangents(site: Site) -> Any:
    """Of a call's output, or of all where there are several; 0 of those that nobody reads."""
    if len(site.node.outs) == 1:
        return site.g
    if site.suspect.phase != VJP:
        raise DoesNotApply
    found = (site.walk.taken(("gradient", name)) for name in site.node.outs)
    outs = site.walk.outs(site.suspect.call)
    return tuple(np.zeros_like(out) if g is None else g for g, out in zip(found, outs, strict=True))


def _given_by(trace: Trace, call: int) -> str:
    node = trace.program.nodes[call]
    return f"what {node.op} gives to {', '.join(node.outs)}"


Instead = Callable[[Site], Array]
