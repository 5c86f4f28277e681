"""Rows for elementary functions beside those of arithmetic.py: bounds, exponentials and logarithms near 1, error functions.

Where two formulas stand, the exact context takes the one that is accurate in its tails; a perturbed run takes the
one that frameworks use, from the rounded output.
"""

import math

import numpy as np

from . import shapes
from .composed import composed
from .elementary import erf_slope
from .kinks import between, divided
from .limits import vanishing
from .row import Doc, OpError, row

VANISHED = 28
"""Beyond it erfc is 0 in every dtype."""


def _bounds(x, *, low, high):
    for name, bound in (("low", low), ("high", high)):
        if bound is not None:
            shapes.number(name, bound)
    if low is None and high is None:
        raise OpError("low and high are None, but one of them must be a number")
    if low is not None and high is not None and not low < high:
        raise OpError(f"low is {low!r} and high is {high!r}, but low must be the smaller")
    return x


def _clipped(f, x, *, low=None, high=None):
    x = x if low is None else f.maximum(x, low)
    return x if high is None else f.minimum(x, high)


composed(
    "minimum",
    shapes.broadcast,
    lambda f, x, y: -f.maximum(-x, -y),
    kinks=divided,
    doc=Doc(
        "the smaller of x and y, element by element",
        gradient="g towards the smaller, 0 towards the other, summed over broadcast axes",
        kinks="where both are equal, non-negative shares that add up to g are right; the reference halves it",
        example="y = minimum(x, 1)",
    ),
)
composed(
    "clip",
    _bounds,
    _clipped,
    kinks=between,
    doc=Doc(
        "x, but low where it is smaller, and high where it is larger",
        gradient="g between the bounds, 0 beyond them",
        kinks="at a bound anything between 0 and g is right; the reference takes half of it",
        arguments={
            "low": "a finite number; None: there is no lower bound",
            "high": "a finite number above low; None: there is no upper bound",
        },
        example="y = clip(x, low=0, high=1)",
    ),
)
row(
    "expm1",
    shapes.same,
    lambda c, x: c.fn("expm1", x),
    lambda c, out, x, g: c.r(vanishing(g, g * (np.exp(x) if c.exact else c.r(out + 1)))),
    doc=Doc("e**x - 1, accurate near 0", gradient="g * exp(x)", example="y = expm1(x)"),
)
row(
    "log1p",
    shapes.same,
    lambda c, x: c.fn("log1p", x),
    lambda c, out, x, g: c.r(vanishing(g, g / c.r(1 + x))),
    doc=Doc("log(1 + x), accurate near 0", gradient="g / (1 + x)", example="y = log1p(x)"),
)


def _erf_slope(c, x):
    """2 exp(-x^2) / sqrt(pi). Frameworks round the square, so that far out the error is many units."""
    return erf_slope(x) if c.exact else c.r(2 / math.sqrt(math.pi) * c.fn("exp", -c.r(x * x)))


def _erfc(c, x):
    """Where it is small frameworks multiply by exp(-x^2), whose argument they round."""
    return c.r(c.fn("erfc", x), 1 + np.square(np.clip(x, 0.0, VANISHED)))


row(
    "erf",
    shapes.same,
    lambda c, x: c.fn("erf", x),
    lambda c, out, x, g: c.r(vanishing(g, g * _erf_slope(c, x))),
    doc=Doc(
        "the error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x",
        gradient="g * 2 / sqrt(pi) * exp(-x**2)",
        example="y = erf(x)",
    ),
)
row(
    "erfc",
    shapes.same,
    _erfc,
    lambda c, out, x, g: c.r(vanishing(g, -g * _erf_slope(c, x))),
    doc=Doc(
        "1 - erf(x), accurate where that is small",
        gradient="-g * 2 / sqrt(pi) * exp(-x**2)",
        example="y = erfc(x)",
    ),
)
row(
    "rsqrt",
    shapes.same,
    lambda c, x: c.fn("rsqrt", x),
    lambda c, out, x, g: c.r(vanishing(g, -0.5 * g * c.r(out / x))),
    doc=Doc("1 / sqrt(x)", gradient="-g / (2 * x * sqrt(x))", example="y = x * rsqrt(v + 1e-5)"),
)
row(
    "reciprocal",
    shapes.same,
    lambda c, x: c.fn("reciprocal", x),
    lambda c, out, x, g: c.r(vanishing(g, -g * c.r(out / x))),
    doc=Doc("1 / x", gradient="-g / x**2", example="y = reciprocal(x)"),
)
