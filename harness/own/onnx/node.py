"""A node of ONNX with its data, and what of it becomes text of ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...reading.elements import Array


class NotOurs(Exception):
    """Why a call of theirs has no program of ours."""


class Same(NotOurs):
    """It gives its first input as it is."""

    def __init__(self, when: str) -> None:
        super().__init__(f"{when} it is its input: there is no op")


def said(op: str, *args: str, **kw: Any) -> str:
    return f"{op}({', '.join([*args, *(f'{name}={value!r}' for name, value in kw.items())])})"


def y(text: str) -> str:
    return f"y0 = {text}"


@dataclass
class Node:
    """One node of ONNX: arrays by position, None where it leaves one out; `more` are inputs that the text needs beside them."""

    inputs: list[Array | None]
    attributes: dict[str, Any]
    outputs: list[Array | None]
    more: dict[str, Array] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def get(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)

    def has(self, position: int) -> bool:
        return position < len(self.inputs) and self.inputs[position] is not None

    def array(self, position: int) -> Array:
        array = self.inputs[position]
        assert array is not None
        return array

    def output(self, position: int) -> Array:
        array = self.outputs[position]
        assert array is not None
        return array

    def ints(self, position: int) -> tuple[int, ...]:
        """An input that says a shape, axes or the like."""
        return tuple(np.atleast_1d(self.array(position)).astype(int).tolist())

    def number(self, position: int) -> float:
        return float(self.array(position).reshape(()))

    @property
    def ndim(self) -> int:
        return self.array(0).ndim

    @property
    def names(self) -> list[str]:
        """Of the inputs that are there."""
        return [f"x{i}" for i in range(len(self.inputs)) if self.has(i)]


Said = Callable[[Node], str]


def call(op: str, **defaults: Any) -> Said:
    """Our op of the same inputs, with those of ONNX's attributes, or their defaults, that it names as ours."""

    def text(node: Node) -> str:
        return y(said(op, *node.names, **{name: node.get(name, value) for name, value in defaults.items()}))

    return text


def in_words(text: str, **defaults: Any) -> Said:
    """An expression with attributes in braces."""
    return lambda node: y(
        text.format(**{name: repr(node.get(name, value)) for name, value in defaults.items()})
    )


def axis(node: Node, default: int, count: int | None = None) -> int:
    return int(node.get("axis", default)) % (node.ndim if count is None else count)


def pairs(pads: Sequence[int]) -> tuple[tuple[int, int], ...]:
    half = len(pads) // 2
    return tuple(zip(pads[:half], pads[half:], strict=True))


def chain(joined: str) -> Said:
    """An operator of two, over any number of inputs."""

    def text(node: Node) -> str:
        if len(node.inputs) == 1:
            raise Same("of one input")
        found = "x0"
        for name in node.names[1:]:
            found = joined.format(found, name)
        return y(found)

    return text
