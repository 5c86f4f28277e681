"""Rows whose results are true or false: comparisons and logic. Nothing of a gradient passes them.

A perturbed run compares as the exact one does (`Exact.kink`): where rounding may turn a comparison round, what reads
it is judged at the subject's own numbers.
"""

from collections.abc import Callable

import numpy as np

from . import shapes
from .limits import apart
from .row import Doc, row

BOOL = ("bool",)
OPERANDS = {"x": "a bool tensor", "y": "a bool tensor; both broadcast as in NumPy"}


def bools(*operands):
    """The shape rule of logic, whose operands are told with their dtypes."""
    return shapes.broadcast(*(spec.shape for spec in operands))


def nothing(i: int) -> Callable[..., np.ndarray]:
    """The vjp towards input `i` of what has no slope."""
    return lambda c, out, *inputs_and_g, **attributes: np.zeros(np.shape(inputs_and_g[i]))


def _comparison(name, sign, holds, text):
    row(
        name,
        shapes.broadcast,
        lambda c, x, y: holds(c.kink(apart(x, y))),
        nothing(0),
        nothing(1),
        gives=BOOL,
        doc=Doc(
            f"where x {text} y, so written: x {sign} y",
            gradient="0 towards both",
            example=f"y = where(x {sign} 1, x, 0)",
        ),
    )


_comparison("greater", ">", lambda z: z > 0, "is greater than")
_comparison("greater_equal", ">=", lambda z: z >= 0, "is at least")
_comparison("less", "<", lambda z: z < 0, "is less than")
_comparison("less_equal", "<=", lambda z: z <= 0, "is at most")
_comparison("equal", "==", lambda z: z == 0, "is equal to")
_comparison("not_equal", "!=", lambda z: z != 0, "differs from")

row(
    "logical_and",
    bools,
    lambda c, x, y: np.logical_and(x, y),
    nothing(0),
    nothing(1),
    dtypes={0: BOOL, 1: BOOL},
    gives=BOOL,
    doc=Doc(
        "where both are true, so written: x & y",
        gradient="0 towards both",
        arguments=OPERANDS,
        example="y = where((x > 0) & (x < 1), x, 0)",
    ),
)
row(
    "logical_or",
    bools,
    lambda c, x, y: np.logical_or(x, y),
    nothing(0),
    nothing(1),
    dtypes={0: BOOL, 1: BOOL},
    gives=BOOL,
    doc=Doc(
        "where either is true, so written: x | y",
        gradient="0 towards both",
        arguments=OPERANDS,
        example="y = where((x < 0) | (x > 1), x, 0)",
    ),
)
row(
    "logical_not",
    lambda x: x.shape,
    lambda c, x: np.logical_not(x),
    nothing(0),
    dtypes={0: BOOL},
    gives=BOOL,
    doc=Doc("where it is false, so written: ~x", gradient="0", example="y = where(~(x > 0), x, 0)"),
)
