"""A program in single-assignment form: op calls, the names between them, and what shapes those have."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .formats import FORMATS
from .ops import OPS, OpError, Spec
from .ops.shapes import MAX_DIMENSIONS

Number = int | float
SCALAR = Spec(())


class ProgramError(ValueError):
    """A mistake in a program; `line` and `column` count from 1 within the program's text.

    `unknown` is the name that nobody knows where it stands, if the mistake is that.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, unknown: str = "") -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message, self.line, self.column, self.unknown = message, line, column, unknown


@dataclass(frozen=True, slots=True)
class Node:
    """One op call: `outs = op(*args, **kw)`; an argument is a name or a number."""

    outs: tuple[str, ...]
    op: str
    args: tuple[str | Number, ...]
    kw: Mapping[str, Any]
    line: int
    column: int
    inputs: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The names among the arguments."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple([arg for arg in self.args if isinstance(arg, str)]))


@dataclass(frozen=True, slots=True)
class Program:
    """A program in single-assignment form: a DAG of op calls in an order in which they can be evaluated."""

    nodes: tuple[Node, ...]
    text: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names that are read but not assigned, in the order of their first use."""
        assigned = {name for node in self.nodes for name in node.outs}
        return tuple(dict.fromkeys(n for node in self.nodes for n in node.inputs if n not in assigned))

    def source(self, node: Node) -> str:
        """The line of the text on which the node's statement begins."""
        return lines_of(self.text)[node.line - 1].strip()

    def specs(self, inputs: Mapping[str, Spec]) -> dict[str, Spec]:
        """Shape and dtype of every name. Raises ProgramError where a shape, dtype or attribute does not fit."""
        env = dict(inputs)
        for node in self.nodes:
            env.update(specs_of_outs(node, env))
        return env

    def rounded(self, dtype: str) -> "Program":
        """The same program with every float literal rounded to `dtype`, so that it is exact in wider ones too."""
        narrow = FORMATS[dtype].rounded

        def rounded(n: Node) -> Node:
            if not any(isinstance(value, float) for value in (*n.args, *n.kw.values())):
                return n
            kw = {key: narrow(value) for key, value in n.kw.items()}
            return Node(n.outs, n.op, tuple(map(narrow, n.args)), kw, n.line, n.column)

        return Program(tuple(map(rounded, self.nodes)), self.text)

    @property
    def calls(self) -> list[tuple[Any, ...]]:
        """What is computed, but not where it stands: for digests, and for seeds of what is drawn at random."""
        return [(n.outs, n.op, n.args, sorted(n.kw.items())) for n in self.nodes]

    def ancestors(self, names: Iterable[str]) -> set[str]:
        """Every name that `names` are computed from, and `names` themselves."""
        found = set(names)
        for node in reversed(self.nodes):
            if found.intersection(node.outs):
                found.update(node.inputs)
        return found

    def descendants(self, names: Iterable[str]) -> set[str]:
        """Every name that is computed from `names`, and `names` themselves."""
        found = set(names)
        for node in self.nodes:
            if found.intersection(node.inputs):
                found.update(node.outs)
        return found


def traced_names(
    program: Program, floats: Iterable[str], outputs: Iterable[str], values: Iterable[str] = ()
) -> tuple[str, ...]:
    """Every float name that lies on a way to an output, or to a compared value, in program order."""
    useful = program.ancestors([*outputs, *values])
    return tuple(name for name in floats if name in useful)


def with_copies(program: Program, uses: Collection[tuple[int, int]]) -> tuple[Program, dict[str, str]]:
    """The program in which each of these uses reads a copy of its own; and what is copied, by the copy's zero.

    A copy is `name + zero`, the zero an input of -0.0, which alone leaves every number as it is: its gradient is what
    the use contributes. No adapter need know of it.
    """
    nodes, zeros = [], {}
    for i, node in enumerate(program.nodes):
        args = list(node.args)
        for k, a in enumerate(node.args):
            if (i, k) in uses:
                zero, copy = f"use {i}.{k}", f"copy {i}.{k}"
                zeros[zero], args[k] = str(a), copy
                nodes.append(Node((copy,), "add", (a, zero), {}, node.line, node.column))
        nodes.append(Node(node.outs, node.op, tuple(args), node.kw, node.line, node.column))
    return Program(tuple(nodes), program.text), zeros


def specs_of_outs(node: Node, env: Mapping[str, Spec]) -> dict[str, Spec]:
    """What one op call gives, from what is known of its arguments. Raises ProgramError."""
    args = [env[arg] if isinstance(arg, str) else SCALAR for arg in node.args]
    try:
        specs = OPS[node.op].infer(*args, **node.kw)
    except OpError as error:
        raise ProgramError(f"{node.op}: {error}", node.line, node.column) from None
    if len(specs) != len(node.outs):
        message = f"{node.op} gives {len(specs)} values, but {len(node.outs)} names are assigned"
        raise ProgramError(message, node.line, node.column)
    for spec in specs:
        if len(spec.shape) > MAX_DIMENSIONS:
            message = f"{node.op} gives {len(spec.shape)} dimensions; at most {MAX_DIMENSIONS} are allowed"
            raise ProgramError(message, node.line, node.column)
    return dict(zip(node.outs, specs, strict=True))


def lines_of(text: str) -> list[str]:
    """The lines as Python's parser counts them: str.splitlines knows further line ends."""
    return re.split(r"\r\n|\r|\n", text)
