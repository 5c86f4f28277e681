"""Where a disagreement begins: the first op call, forwards and then backwards, that leaves its own tolerance.

A trace is the same cell run again with every float value and every cotangent asked for. A framework answers all of
them, through probes in the program. Hand-written code answers those it has names for; the place is then the op call
that best explains which of the known tensors are right and which are wrong.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.wanted import Key
from reference.program import Node, Program


@dataclass(frozen=True)
class Place:
    """An op call and the direction in which it was taken."""

    node: Node
    backward: bool
    note: str = ""


def traced_names(program: Program, floats: Iterable[str], output: str) -> tuple[str, ...]:
    """Every float name that lies on a way to the output, in program order: what a trace asks for."""
    useful = program.ancestors([output])
    return tuple(name for name in floats if name in useful)


def first_difference(program: Program, output: str, right: Mapping[Key, bool]) -> Place | None:
    """The place where `right` (known tensors: within tolerance or not) first turns wrong; None where all are right."""
    return _forward_place(program, right) or _backward_place(program, output, right)


def _forward_place(program: Program, right: Mapping[Key, bool]) -> Place | None:
    for node in program.nodes:
        if any(right.get(("value", name)) is False for name in node.outs):
            unknown = [n for n in node.inputs if n in _assigned(program) and ("value", n) not in right]
            return Place(node, backward=False, note=_unknown_note("value", unknown))
    return None


def _assigned(program: Program) -> set[str]:
    return {name for node in program.nodes for name in node.outs}


def _unknown_note(role: str, names: list[str]) -> str:
    return f"the {role} of {', '.join(names)} is not known: it may begin before" if names else ""


def _backward_place(program: Program, output: str, right: Mapping[Key, bool]) -> Place | None:
    """The op call whose vjp, if it alone were wrong, would make wrong what is wrong and leave right what is right.

    A wrong cotangent of a call's input makes wrong all that the input is computed from. Among the calls that explain
    every wrong tensor, the one that leaves fewest right tensors unexplained is taken; of equals, the one nearest to
    the output, and the others are named.
    """
    known = {name: ok for (role, name), ok in right.items() if role == "gradient"}
    wrong = {name for name, ok in known.items() if not ok}
    if not wrong:
        return None
    useful = program.ancestors([output])
    ranked: list[tuple[int, Node]] = []
    for node in reversed(program.nodes):
        if useful.intersection(node.outs):
            ranked += [(_unexplained(program, name, wrong, known), node) for name in dict.fromkeys(node.inputs)]
    return _best(program, ranked, known)


def _unexplained(program: Program, name: str, wrong: set[str], known: Mapping[str, bool]) -> int:
    """How many known tensors speak against the cotangent of `name` being the first wrong one."""
    reached = program.ancestors([name])
    missed = len(wrong - reached)
    return len(known) * missed + sum(ok for n, ok in known.items() if n in reached)


def _best(program: Program, ranked: list[tuple[int, Node]], known: Mapping[str, bool]) -> Place:
    least = min(score for score, _ in ranked)
    nodes = list(dict.fromkeys(id(node) for score, node in ranked if score == least))
    by_id = {id(node): node for _, node in ranked}
    first, last = by_id[nodes[0]], by_id[nodes[-1]]
    if first is last:
        return Place(first, backward=True)
    return Place(first, backward=True, note=f"or of a later step back, up to line {last.line}: nothing between is known")


def describe_place(place: Place, program: Program, first_line: int) -> str:
    """The place in words, with the line in the case file whose program begins on `first_line`."""
    direction = "backward of " if place.backward else ""
    agree = " (all values agree)" if place.backward else ""
    note = f"; {place.note}" if place.note else ""
    line = first_line + place.node.line - 1
    return f"{direction}{program.source(place.node)}, line {line}{agree}{note}"
