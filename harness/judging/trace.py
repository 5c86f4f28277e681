"""Where a disagreement begins: the first op call, forwards and then backwards, that leaves its own tolerance.

A trace is the same cell run again with every float value and every cotangent asked for. A framework answers all of
them, through probes in the program. Hand-written code answers those it has names for; the place is then the op call
that best explains which of the known tensors are right and which are wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...reference.program import Node, Program
from ..roles import Key

NAMED = 3
"""So many op calls are named where several explain a difference."""


@dataclass(frozen=True)
class Place:
    """Where a difference begins: an op call, or several that explain what is known equally well."""

    nodes: tuple[Node, ...]
    backward: bool
    unknown: tuple[str, ...] = ()
    """Values that the call reads and that nobody knows."""


def traced_names(program: Program, floats: Iterable[str], output: str) -> tuple[str, ...]:
    """Every float name that lies on a way to the output, in program order: what a trace asks for."""
    useful = program.ancestors([output])
    return tuple(name for name in floats if name in useful)


def first_difference(program: Program, output: str, right: Mapping[Key, bool]) -> Place | None:
    """The place where `right` (known tensors: within tolerance or not) first turns wrong; None where all are right."""
    return _forward_place(program, right) or _backward_place(program, output, right)


def _forward_place(program: Program, right: Mapping[Key, bool]) -> Place | None:
    assigned = {name for node in program.nodes for name in node.outs}
    for node in program.nodes:
        if any(right.get(("value", name)) is False for name in node.outs):
            unknown = (n for n in node.inputs if n in assigned and ("value", n) not in right)
            return Place((node,), backward=False, unknown=tuple(unknown))
    return None


def _backward_place(program: Program, output: str, right: Mapping[Key, bool]) -> Place | None:
    """The op call whose vjp, if it alone were wrong, would make wrong what is wrong and leave right what is right.

    A wrong cotangent of a call's input makes wrong all that the input is computed from. Among the calls that explain
    every wrong tensor, those that leave fewest right tensors unexplained are taken, the nearest to the output first.
    """
    known = {name: ok for (role, name), ok in right.items() if role == "gradient"}
    wrong = {name for name, ok in known.items() if not ok}
    if not wrong:
        return None
    useful = program.ancestors([output])
    ranked: list[tuple[int, Node]] = []
    for node in reversed(program.nodes):
        if useful.intersection(node.outs):
            ranked += [
                (_unexplained(program, name, wrong, known), node) for name in dict.fromkeys(node.inputs)
            ]
    return _best(ranked)


def _unexplained(program: Program, name: str, wrong: set[str], known: Mapping[str, bool]) -> int:
    """How many known tensors speak against the cotangent of `name` being the first wrong one."""
    reached = program.ancestors([name])
    missed = len(wrong - reached)
    return len(known) * missed + sum(ok for n, ok in known.items() if n in reached)


def _best(ranked: list[tuple[int, Node]]) -> Place:
    least = min(score for score, _ in ranked)
    return Place(tuple(node for score, node in ranked if score == least), backward=True)


def describe_place(place: Place, program: Program, first_line: int) -> str:
    """The place in words; the program begins on line `first_line` of the case file."""
    lines = dict.fromkeys((program.source(node), first_line + node.line - 1) for node in place.nodes)
    text = ", or of ".join(f"{source}, line {line}" for source, line in list(lines)[:NAMED])
    if len(lines) > NAMED:
        text += f", or further back, up to line {min(line for _, line in lines)}"
    if place.unknown:
        text += f"; or before: nobody knows the value of {', '.join(place.unknown)}"
    return f"backward of {text} (all values agree)" if place.backward else text
