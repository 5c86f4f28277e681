"""Who may be to blame for a result that is wrong: everything between it and what was told before it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...reference.told import Result, use
from .trace import Trace

FORWARD, VJP, SUM, SEED, UPDATE = "forward", "vjp", "sum", "seed", "update"


class Suspect(NamedTuple):
    """What may have made a result wrong: a call, forwards or towards one argument; adding up a name's cotangents; the seed."""

    phase: str
    call: int = -1
    argument: int = -1
    name: str = ""


def several(trace: Trace) -> set[tuple[int, int]]:
    """Every use of a name that is read several times, or is the output too."""
    return {u for name, uses in trace.uses.items() if len(uses) + (name == trace.output) > 1 for u in uses}


def contribution(trace: Trace, call: int, argument: int) -> Result:
    """The result by which a call's contribution is known: the cotangent itself where nothing else is added to it."""
    name = trace.program.nodes[call].args[argument]
    alone = len(trace.uses[str(name)]) + (name == trace.output) == 1
    return ("gradient", str(name)) if alone else use(call, argument)


def suspects_of(trace: Trace, key: Result) -> frozenset[Suspect]:
    """All that may have made a told result wrong; with every name told, it is one."""
    role, name = key
    if role == "use":
        i, k = map(int, name.split("."))
        return frozenset(_behind(trace, [("use", i, k)]))
    return frozenset(_behind(trace, [(role, name)]))


def _behind(trace: Trace, asked: list[tuple[Any, ...]]) -> Iterator[Suspect]:
    """Everything between these results and what was told before them."""
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
                ask(*_untold_values(trace, i))
                outs = (o for o in trace.program.nodes[i].outs if o in trace.useful)
                ask(*(("gradient", o) for o in outs if ("gradient", o) not in trace.own))
            case "gradient", name:
                uses = trace.uses.get(name, [])
                if name == trace.output:
                    yield Suspect(SEED)
                if len(uses) + (name == trace.output) > 1:
                    yield Suspect(SUM, name=name)
                ask(*(("use", i, k) for i, k in uses if use(i, k) not in trace.own))


def _untold_values(trace: Trace, call: int) -> list[tuple[str, str]]:
    names = trace.program.nodes[call].inputs
    return [("value", n) for n in names if n in trace.producer and ("value", n) not in trace.own]


def results_of(trace: Trace, suspect: Suspect) -> list[Result]:
    """What a suspect gives: the values of a call, the cotangents that a vjp goes into, those that are added up."""
    match suspect.phase:
        case "forward":
            return [("value", name) for name in trace.program.nodes[suspect.call].outs]
        case "vjp":
            node = trace.program.nodes[suspect.call]
            names = node.inputs if suspect.argument < 0 else [str(node.args[suspect.argument])]
            return [("gradient", name) for name in names if name in trace.floats]
        case "sum":
            return [("gradient", suspect.name)]
    return [("gradient", trace.output)]
