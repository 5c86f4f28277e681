"""From nodes to the text of a program: a statement for what the author's lines name, what is unnamed in its place."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from keyword import iskeyword

import numpy as np

from ....reference.constants import CONSTANTS
from ...reading.elements import Array
from ...reading.text import visible
from .arrays import ATOM, NEGATIVE, POWER, PRODUCT, SUM, Node

DEEPEST = 12
"""Calls in each other in one statement: a longer expression is no line that somebody would write."""


@dataclass(frozen=True)
class Text:
    """A program, its constants, and what its names are."""

    program: str
    output: str
    constants: Mapping[str, Array]
    branches: Mapping[str, str]
    """Of constants that were worked out from the inputs, and so hold near these alone: where and by what."""
    read: frozenset[str]
    """The inputs that it reads."""
    several: frozenset[str]
    """Names that its author gave to several values, one after the other."""
    calls: tuple[object, ...]
    """What is computed, whatever it is called: the same for two runs that did the same."""


def needed_for(output: Node) -> list[Node]:
    """Every node that a node depends on, each before those that read it, and itself."""
    found: dict[int, Node] = {}
    waiting = [(output, False)]
    while waiting:
        node, read = waiting.pop()
        if read:
            found[id(node)] = node
        elif id(node) not in found:
            waiting.append((node, True))
            waiting.extend((arg, False) for arg in reversed(node.args))
    return list(found.values())


class Renderer:
    """Renders one graph, whose inputs are called as they are."""

    def __init__(self, output: Node, inputs: Collection[str]) -> None:
        self.nodes, self.output = needed_for(output), output
        self.uses = Counter(id(arg) for node in self.nodes for arg in node.args)
        self.names: dict[int, str] = {}
        self.stems: dict[int, str] = {}
        self.taken = {*inputs, *CONSTANTS}
        self.depth: dict[int, int] = {}

    def text(self) -> Text:
        """The program."""
        lines, constants, branches = [], {}, {}
        self.named(self.output, "loss")
        for node in self.nodes:
            if node.name:
                self.names[id(node)] = node.name
            elif node.is_constant and node.number() is None:
                name = self.named(node, "c")
                constants[name] = node.value
                if node.branch:
                    branches[name] = node.branch
            elif node.form and self.stands_alone(node):
                expression = self.expression(node)
                name = self.names.get(id(node)) or self.named(node, "v")
                lines.append((name, expression, visible(node.place)))
        read = frozenset(node.name for node in self.nodes if node.name)
        program = "".join(f"{name} = {expression}  # {place}\n" for name, expression, place in lines)
        return Text(
            program, self.names[id(self.output)], constants, branches, read, self.several(), self.calls()
        )

    def several(self) -> frozenset[str]:
        """But for what was returned by that name, and the output."""
        named = Counter(self.stems[id(node)] for node in self.nodes if id(node) in self.stems)
        plain = {
            self.stems[id(node)]
            for node in self.nodes
            if id(node) in self.stems and (node is self.output or (node.called and node.called[1] < 0))
        }
        return frozenset(stem for stem, count in named.items() if count > 1) - plain

    def calls(self) -> tuple[object, ...]:
        number = {id(node): i for i, node in enumerate(self.nodes)}
        return tuple(
            (node.form, node.name, node.number(), tuple(number[id(arg)] for arg in node.args))
            for node in self.nodes
        )

    def stands_alone(self, node: Node) -> bool:
        """Whether a call is a statement: it has a name, or several read it, or it is too deep."""
        self.depth[id(node)] = 1 + max((self.depth.get(id(arg), 0) for arg in node.args), default=0)
        alone = (
            node is self.output
            or node.called is not None
            or self.uses[id(node)] > 1
            or self.depth[id(node)] > DEEPEST
        )
        if alone:
            self.depth[id(node)] = 0
        return alone

    def named(self, node: Node, otherwise: str) -> str:
        """A name of its own, the author's where there is one."""
        wanted = node.called[2] if node.called else otherwise
        stem = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        stem = f"{stem}_" if iskeyword(stem) or stem in CONSTANTS else stem
        stem = f"v{stem}" if not re.match(r"[A-Za-z_]", stem) else stem
        name, count = stem, 1
        while name in self.taken:
            count += 1
            name = f"{stem}_{count}"
        self.taken.add(name)
        self.names[id(node)] = name
        self.stems[id(node)] = stem
        return name

    def expression(self, node: Node) -> str:
        """The call with its arguments in their places."""
        texts = [self.argument(node, i, arg) for i, arg in enumerate(node.args)]
        return node.form.format(*texts)

    def argument(self, reader: Node, i: int, node: Node) -> str:
        number = node.number()
        if number is not None:
            text, binding = repr(number), ATOM if str(number)[0] != "-" else NEGATIVE
        elif id(node) in self.names:
            return self.names[id(node)]
        else:
            text, binding = self.expression(node), node.binding
        return f"({text})" if binding < _needs(reader, i) else text


def _needs(reader: Node, i: int) -> int:
    """How tightly an argument has to bind to stand as it is where it is read."""
    match reader.binding:
        case b if b in (SUM, PRODUCT):
            return b + (i > 0)
        case b if b in (NEGATIVE, POWER):
            return ATOM
    is_postfix = reader.form.startswith("{0}")
    return ATOM if is_postfix else 0


def constants_apart(one: Text, other: Text) -> list[str]:
    """The constants that are not the same in two runs that did the same, by their names in the first."""
    pairs = zip(one.constants.items(), other.constants.values(), strict=True)
    return [name for (name, a), b in pairs if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")]
