"""Rows for functions that are constant but where they jump, and for what is held: nothing of a gradient passes them."""

import numpy as np

from . import shapes
from .arithmetic import unbroadcast
from .comparisons import nothing
from .kinks import between
from .row import Doc, row


def _step(name, function, formula, example):
    row(
        name,
        shapes.same,
        lambda c, x: c.step(function, x),
        nothing(0),
        kinks=between,
        doc=Doc(
            formula, gradient="0", kinks="where it jumps there is no derivative; 0 is right", example=example
        ),
    )


_step("floor", np.floor, "the largest integer that is at most x", "n = floor(x)")
_step("ceil", np.ceil, "the smallest integer that is at least x", "n = ceil(x)")
_step("round", np.rint, "the nearest integer to x, of two that are as near the even one", "n = round(x)")
_step("sign", np.sign, "1 where x > 0, -1 where x < 0, 0 at 0", "s = sign(x)")


def _quotient(c, x, y):
    return c.step(np.floor_divide, x, y)


def _mod(c, x, y):
    """What is left in the quotient that the exact run has."""
    quotient = _quotient(c, x, y)
    return np.mod(x, y) if c.exact else c.r(x - y * quotient)


row(
    "mod",
    shapes.broadcast,
    _mod,
    lambda c, out, x, y, g: unbroadcast(c, g, x),
    lambda c, out, x, y, g: unbroadcast(c, c.r(-g * _quotient(c, x, y)), y),
    kinks=between,
    doc=Doc(
        "x - y * floor(x / y), which has the sign of y, as Python's %",
        gradient="g towards x, -g * floor(x / y) towards y, summed over broadcast axes",
        kinks="where y divides x it jumps, and there is no derivative; the reference takes the same",
        example="phase = mod(x, 2 * pi)",
    ),
)
row(
    "stop_gradient",
    shapes.same,
    lambda c, x: x,
    nothing(0),
    doc=Doc(
        "x, held: what comes after it depends on x no more",
        gradient="0",
        example="y = x + stop_gradient(round(x) - x)",
    ),
)
