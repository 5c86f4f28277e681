"""Who may be to blame for a result that is wrong: everything between it and what was told before it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ...reference.contexts import EXACT
from ...reference.ops import OPS
from ...reference.told import Result, use
from ..reading.elements import Array
from .trace import Trace

FORWARD, VJP, SUM, SEED, UPDATE = "forward", "vjp", "sum", "seed", "update"


class Suspect(NamedTuple):
    """What may have made a result wrong: a call, forwards or towards one argument; adding up a name's cotangents; the seed."""

    phase: str
    call: int = -1
    argument: int = -1
    name: str = ""


def several(trace: Trace) -> set[tuple[int, int]]:
    """Every use of a name that is read several times, or is an output too."""
    return {u for name, uses in trace.uses.items() if len(uses) + (name in trace.seeds) > 1 for u in uses}


def contribution(trace: Trace, call: int, argument: int) -> Result:
    """The result by which a call's contribution is known: the cotangent itself where nothing else is added to it."""
    name = trace.program.nodes[call].args[argument]
    alone = len(trace.uses[str(name)]) + (name in trace.seeds) == 1
    return ("gradient", str(name)) if alone else use(call, argument)


Values = Callable[[Trace, int, int], list[tuple[str, str]]]
"""The untold values that a vjp towards an argument is taken to read."""


def suspects_of(trace: Trace, key: Result) -> frozenset[Suspect]:
    """All that may have made a told result wrong; with every name told, it is one."""
    return frozenset(_behind(trace, key, _values_used))


def cleared_by(trace: Trace, key: Result, *, values: bool) -> frozenset[Suspect]:
    """All that is right where a told result is; without the values that its vjps read, where those were another's."""
    return frozenset(_behind(trace, key, _values_needed if values else lambda *_: []))


def calls_of(trace: Trace, key: Result) -> set[int]:
    """The calls without which a told result can't be worked out: also those of whose values only the shapes are read."""
    return {s.call for s in _behind(trace, key, _untold_values) if s.call >= 0}


def _behind(trace: Trace, key: Result, values: Values) -> Iterator[Suspect]:
    """Everything between a result and what was told before it."""
    role, of = key
    asked: list[tuple[Any, ...]] = [("use", *map(int, of.split("."))) if role == "use" else key]
    seen = set(asked)

    def ask(*new: tuple[Any, ...]) -> None:
        asked.extend(n for n in new if n not in seen)
        seen.update(new)

    while asked:
        match asked.pop():
            case "value", name:
                i = trace.producer[name]
                yield Suspect(FORWARD, i)
                ask(*_untold_values(trace, i))
            case "use", i, k:
                yield Suspect(VJP, i, k)
                ask(*values(trace, i, k))
                outs = (o for o in trace.program.nodes[i].outs if o in trace.useful)
                ask(*(("gradient", o) for o in outs if ("gradient", o) not in trace.own))
            case "gradient", name:
                uses = trace.uses.get(name, [])
                if name in trace.seeds:
                    yield Suspect(SEED, name=name)
                if len(uses) + (name in trace.seeds) > 1:
                    yield Suspect(SUM, name=name)
                ask(*(("use", i, k) for i, k in uses if use(i, k) not in trace.own))


def _untold_values(trace: Trace, call: int, _argument: int = -1) -> list[tuple[str, str]]:
    names = trace.program.nodes[call].inputs
    return [("value", n) for n in names if n in trace.producer and ("value", n) not in trace.own]


OTHERS = ((-1.7, 0.3), (2.0, -5.0), (0.5, 7.0))
"""In place of a value: so many times it, and so much more. One of them is on the other side of most branches."""


def _values_needed(trace: Trace, call: int, argument: int) -> list[tuple[str, str]]:
    """Those on which the vjp depends: that of a sum depends on none, that of a product on the other factor.

    A gradient that is right says nothing of a value that it doesn't depend on, and one that is wrong accuses none.
    """
    untold = _untold_values(trace, call)
    return [key for key in untold if _depends(trace, call, argument, key[1])]


def _values_used(trace: Trace, call: int, argument: int) -> list[tuple[str, str]]:
    """And the output of a function of one tensor, which people take f' from: sigma' = y (1 - y), that of relu is 1 where y > 0."""
    node = trace.program.nodes[call]
    found = _values_needed(trace, call, argument)
    given = OPS[node.op].given(len(node.outs))
    floats = [out for out, dtype in zip(node.outs, given, strict=True) if dtype == "float"]
    untold = [("value", o) for o in floats if ("value", o) not in trace.own]
    alone = untold and len(node.inputs) == 1
    return found + (untold if alone and _depends(trace, call, argument, str(node.args[argument])) else [])


_known: WeakKeyDictionary[Trace, dict[tuple[int, int, str], bool]] = WeakKeyDictionary()


def _depends(trace: Trace, call: int, argument: int, name: str) -> bool:
    """Whether a vjp depends on a value that its call reads; seen by giving it others."""
    known = _known.setdefault(trace, {})
    if (call, argument, name) not in known:
        a = np.asarray(trace.value(name))
        right = _vjp(trace, call, argument, {})
        others = (_vjp(trace, call, argument, {name: other}) for other in _others(a))
        known[call, argument, name] = any(not np.array_equal(right, b, equal_nan=True) for b in others)
    return known[call, argument, name]


def _others(a: Array) -> Iterator[Array]:
    """In place of a value; of places those that are there, for others may be none."""
    if a.dtype.kind == "f":
        return (a * factor + more for factor, more in OTHERS)
    if a.dtype.kind == "b":
        return iter((~a, np.zeros_like(a)))
    return iter((np.full_like(a, np.min(a, initial=0)), np.full_like(a, np.max(a, initial=0)), np.flip(a)))


def _vjp(trace: Trace, call: int, argument: int, instead: dict[str, Array]) -> Array:
    """A vjp at the subject's values, or at others, of some cotangent."""
    node, random = trace.program.nodes[call], np.random.default_rng(0)
    args = tuple(instead.get(a, trace.value(a)) if isinstance(a, str) else a for a in node.args)
    row, kw = OPS[node.op], dict(node.kw)
    with np.errstate(all="ignore"):
        out = row.forward(EXACT, *args, **kw)
        g = [random.normal(size=np.shape(o)) for o in (out if isinstance(out, tuple) else (out,))]
        found: Array = row.vjp(EXACT, argument, out, args, tuple(g) if isinstance(out, tuple) else g[0], kw)
    return np.asarray(found)


def results_of(trace: Trace, suspect: Suspect) -> list[Result]:
    """What a suspect gives: the values of a call, the cotangents that a vjp goes into, those that are added up."""
    match suspect.phase:
        case "forward":
            return [("value", name) for name in trace.program.nodes[suspect.call].outs]
        case "vjp":
            node = trace.program.nodes[suspect.call]
            names = node.inputs if suspect.argument < 0 else [str(node.args[suspect.argument])]
            return [("gradient", name) for name in names if name in trace.floats]
    return [("gradient", suspect.name)]
