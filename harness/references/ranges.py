"""Where a variant's own numbers leave the range of a dtype.

From there on a framework whose every call is right may answer what the whole program isn't: log(exp(89)) is infinite
in float32.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.formats import FORMATS
from ...reference.program import Node
from ..case.variant import Variant
from ..roles import Key, in_words

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class OutOfRange:
    """A result of an op call that a dtype has no normal number for; `line` is the case file's, `index` the element's."""

    node: Node
    key: Key
    index: tuple[int, ...]
    value: float
    dtype: str
    line: int

    def __str__(self) -> str:
        call = f"{self.node.op}({', '.join(map(str, self.node.args))})"
        what = call if self.key[0] == "value" else f"{in_words(self.key)}, through {call}"
        at = f" at [{', '.join(map(str, self.index))}]" if self.index else ""
        limit = f"beyond {self.dtype}" if self.beyond else f"below the normal numbers of {self.dtype}"
        return f"out of range: {what}, line {self.line}, is {self.value:.3g}{at}, {limit}"

    @property
    def beyond(self) -> bool:
        """Whether it is too large; else it is too small."""
        return abs(self.value) > FORMATS[self.dtype].largest


def first_out_of_range(
    variant: Variant, values: Mapping[str, Array], gradients: Mapping[str, Array], dtype: str, *, small: bool
) -> OutOfRange | None:
    """The first in the order of the walk: values forward, then cotangents backward.

    Numbers that are too small count where `small` says so.
    """
    form = FORMATS[dtype]
    least = form.smallest_normal if small else 0.0
    for node, key in _results(variant, gradients):
        found = np.asarray((values if key[0] == "value" else gradients)[key[1]])
        sizes = np.abs(found)
        outside = np.isfinite(sizes) & ((sizes > form.largest) | ((sizes > 0) & (sizes < least)))
        if outside.any():
            index = tuple(int(i) for i in np.unravel_index(int(outside.argmax()), outside.shape))
            line = variant.program_line + node.line - 1
            return OutOfRange(node, key, index, float(found[index]), dtype, line)
    return None


def _results(variant: Variant, gradients: Mapping[str, Array]) -> Iterator[tuple[Node, Key]]:
    """Every result with the call that gives it; a cotangent is complete at the first call that reads its name."""
    nodes = variant.program.nodes
    yield from ((node, ("value", name)) for node in nodes for name in node.outs)
    first = {name: node for node in reversed(nodes) for name in node.inputs}
    for node in reversed(nodes):
        yield from (
            (node, ("gradient", name))
            for name in dict.fromkeys(node.inputs)
            if first[name] is node and name in gradients
        )
