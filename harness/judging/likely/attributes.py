"""What an attribute of an op is elsewhere, by its name: the conventions of other frameworks, and what people mistake it for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import permutations
from typing import Any

import numpy as np

EPSILONS = (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.0)
SLOPES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 1.0)
SMOOTHINGS = (0.0, 0.01, 0.05, 0.1, 0.2)

Shapes = tuple[tuple[int, ...], ...]
Others = Callable[[Any, Shapes], Iterable[Any]]
"""Of the value that the program has and the shapes of the call's arguments."""


def _among(*values: Any) -> Others:
    return lambda *_: values


def _scales(_: Any, shapes: Shapes) -> Iterator[float]:
    """None, the whole size of a head in place of its root, and the root of all heads' together."""
    size = shapes[0][-1]
    heads = shapes[0][-3] if len(shapes[0]) > 2 else 1
    yield from (1.0, 1 / size, (heads * size) ** -0.5, size**0.5)


def _orders(value: str, _: Shapes) -> Iterator[str]:
    """Gates in every other order."""
    return ("".join(order) for order in permutations(value) if "".join(order) != value)


def _multiples(value: float, _: Shapes) -> tuple[float, ...]:
    return (*SLOPES, 10 * value, value / 10)


ATTRIBUTES: Mapping[str, Others] = {
    "epsilon": _among(*EPSILONS),
    "reduction": _among("mean", "sum"),
    "approximate": _among("none", "tanh"),
    "slope": _multiples,
    "alpha": _among(0.1, 0.2, 0.3, 0.5, 1.0, 1.67326, 2.0),
    "delta": _among(0.1, 0.5, 1.0, 2.0),
    "beta": _among(0.1, 1 / 9, 0.5, 1.0, 2.0),
    "margin": _among(0.0, 0.1, 0.2, 0.5, 1.0),
    "label_smoothing": _among(*SMOOTHINGS),
    "causal": _among(False, True),
    "scale": _scales,
    "gates": _orders,
    "linear_before_reset": _among(False, True),
    "reverse": _among(False, True),
    "count_padding": _among(False, True),
    "align_corners": _among(False, True),
    "ddof": _among(0, 1),
    "keepdims": _among(),
    "log_input": _among(False, True),
    "full": _among(False, True),
    "axis": _among(),
}
"""By name, what else it may be. An axis is tried by a row of the table of causes."""


def others(name: str, value: Any, shapes: Shapes) -> list[Any]:
    """What an attribute may be in place of this value, each once."""
    found = ATTRIBUTES[name](value, shapes) if name in ATTRIBUTES else ()
    return [other for other in dict.fromkeys(found) if not _same(other, value)]


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(np.all(one == other)))
