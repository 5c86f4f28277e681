"""Rows for logarithms and powers to other bases, angles, hyperbolic functions, functions of two numbers, and gamma.

Where two formulas stand, the exact context takes the one that is accurate at the ends of the domain; a perturbed run
takes the one that frameworks use.
"""

import math

import numpy as np

from . import shapes
from .arithmetic import unbroadcast
from .elementary import digamma, logaddexp, sigmoid
from .kinks import disc
from .limits import apart, vanishing
from .row import Doc, row

LOG2, LOG10 = math.log(2), math.log(10)


def _by(name):
    return lambda c, x: c.fn(name, x)


def _scaled(name):
    """Some take exp(x log(2)), or exp(x - log(2)), whose argument errs by a share of |x|."""
    return lambda c, x: c.r(c.fn(name, x), 1 + np.abs(x))


def _unary(name, slope, doc, forward=_by):
    """A function of the table of elementary ones, by its slope from the context, output and input."""
    row(
        name,
        shapes.same,
        forward(name),
        lambda c, out, x, g: c.r(vanishing(g, g * slope(c, out, x))),
        doc=doc,
    )


def _inverse_root(c, x, sign):
    """1 / sqrt(1 - x^2), or of x^2 - 1 with a negative sign: the square that frameworks subtract has been rounded."""
    if c.exact:
        return 1 / (np.sqrt(sign * (1 - x)) * np.sqrt(1 + x))
    return c.r(1 / c.fn("sqrt", c.r(sign * (1 - c.r(x * x)))))


_unary(
    "log2",
    lambda c, out, x: c.r(1 / c.r(LOG2 * x)),
    Doc("the logarithm of x to base 2", gradient="g / (x * log(2))", example="y = log2(x)"),
)
_unary(
    "log10",
    lambda c, out, x: c.r(1 / c.r(LOG10 * x)),
    Doc("the logarithm of x to base 10", gradient="g / (x * log(10))", example="y = log10(x)"),
)
_unary(
    "exp2",
    lambda c, out, x: c.r(LOG2 * out),
    Doc("2**x", gradient="g * 2**x * log(2)", example="y = exp2(x)"),
    _scaled,
)
_unary(
    "tan",
    lambda c, out, x: c.r(1 + c.r(out * out)),
    Doc("the tangent of x, in radians", gradient="g * (1 + tan(x)**2)", example="y = tan(x)"),
)
_unary(
    "asin",
    lambda c, out, x: _inverse_root(c, x, 1),
    Doc("the angle from -pi/2 to pi/2 whose sine is x", gradient="g / sqrt(1 - x**2)", example="y = asin(x)"),
)
_unary(
    "acos",
    lambda c, out, x: -_inverse_root(c, x, 1),
    Doc("the angle from 0 to pi whose cosine is x", gradient="-g / sqrt(1 - x**2)", example="y = acos(x)"),
)
_unary(
    "atan",
    lambda c, out, x: c.r(1 / c.r(1 + c.r(x * x))),
    Doc("the angle from -pi/2 to pi/2 whose tangent is x", gradient="g / (1 + x**2)", example="y = atan(x)"),
)
_unary(
    "sinh",
    lambda c, out, x: _scaled("cosh")(c, x),
    Doc("(e**x - e**-x) / 2", gradient="g * cosh(x)", example="y = sinh(x)"),
    _scaled,
)
_unary(
    "cosh",
    lambda c, out, x: _scaled("sinh")(c, x),
    Doc("(e**x + e**-x) / 2", gradient="g * sinh(x)", example="y = cosh(x)"),
    _scaled,
)
_unary(
    "asinh",
    lambda c, out, x: 1 / c.fn("hypot", x, 1.0) if c.exact else c.r(1 / c.fn("sqrt", c.r(1 + c.r(x * x)))),
    Doc("the number whose sinh is x", gradient="g / sqrt(1 + x**2)", example="y = asinh(x)"),
)
_unary(
    "acosh",
    lambda c, out, x: _inverse_root(c, x, -1),
    Doc("the number of at least 0 whose cosh is x", gradient="g / sqrt(x**2 - 1)", example="y = acosh(x)"),
)
_unary(
    "atanh",
    lambda c, out, x: 1 / ((1 - x) * (1 + x)) if c.exact else c.r(1 / c.r(1 - c.r(x * x))),
    Doc("the number whose tanh is x", gradient="g / (1 - x**2)", example="y = atanh(x)"),
)


def _lgamma(c, x):
    """Lanczos's formula adds (x + 1/2) log(x + 7.5) and such, which are larger than what is left near 1 and 2."""
    return c.absolute(c.fn("lgamma", x), 6 * (1 + np.abs(x)))


def _digamma(c, x):
    return c.r(c.absolute(digamma(x), 4.0), 4)


row(
    "lgamma",
    shapes.same,
    _lgamma,
    lambda c, out, x, g: c.r(vanishing(g, g * _digamma(c, x))),
    doc=Doc(
        "the logarithm of |gamma(x)|",
        gradient="g * digamma(x)",
        example="y = lgamma(n + 1)",
    ),
)


def _unjudged(c, a, undefined):
    """With 0 where there is no derivative, and nobody's number is wrong."""
    if not np.any(undefined):
        return a
    return c.absolute(np.where(undefined, 0.0, a), np.where(undefined, np.inf, 0.0))


def _angle_slope(c, part, other):
    """Part / (part^2 + other^2). There is no derivative at the origin."""
    if c.exact:
        length = c.fn("hypot", part, other)
        slope = part / length / length
    else:
        slope = c.r(part / c.r(c.r(part * part) + c.r(other * other)))
    return _unjudged(c, slope, (part == 0) & (other == 0))


row(
    "atan2",
    shapes.broadcast,
    lambda c, y, x: c.fn("atan2", y, x),
    lambda c, out, y, x, g: unbroadcast(c, c.r(vanishing(g, g * _angle_slope(c, x, y))), y),
    lambda c, out, y, x, g: unbroadcast(c, c.r(vanishing(g, -g * _angle_slope(c, y, x))), x),
    doc=Doc(
        "the angle of the point (x, y), from -pi to pi: the first input is y",
        gradient="g * x / (x**2 + y**2) towards y, -g * y / (x**2 + y**2) towards x, summed over broadcast axes",
        example="angle = atan2(y, x)",
    ),
)


def _cosine(c, out, x):
    """X / hypot(x, y), 0 at the origin."""
    return c.r(x / np.where(out == 0, 1.0, out))


row(
    "hypot",
    shapes.broadcast,
    lambda c, x, y: c.fn("hypot", x, y),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * _cosine(c, out, x))), x),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * _cosine(c, out, y))), y),
    kinks=disc,
    doc=Doc(
        "sqrt(x**2 + y**2)",
        gradient="g * x / hypot(x, y) towards x, g * y / hypot(x, y) towards y, summed over broadcast axes",
        kinks="where both are 0 any pair whose own hypot is at most |g| is right; the reference takes 0",
        example="r = hypot(x, y)",
    ),
)


def _logaddexp_slope(c, out, x, y):
    """The logistic function of x - y; some take exp(x - out), whose argument errs by shares of both."""
    slope = sigmoid(apart(x, y))
    return slope if c.exact else c.r(slope, 3 + np.abs(x) + np.abs(out))


row(
    "logaddexp",
    shapes.broadcast,
    lambda c, x, y: c.absolute(logaddexp(x, y), 2 + np.maximum(np.abs(x), np.abs(y))),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * _logaddexp_slope(c, out, x, y))), x),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * _logaddexp_slope(c, out, y, x))), y),
    doc=Doc(
        "log(e**x + e**y), without overflow",
        gradient="g * sigmoid(x - y) towards x, g * sigmoid(y - x) towards y, summed over broadcast axes",
        example="y = logaddexp(a, b)",
    ),
)


def _xlogy_x(c, out, x, y, g):
    """log(y). There is no derivative at 0 log 0."""
    return unbroadcast(c, c.r(vanishing(g, g * _unjudged(c, c.fn("log", y), (x == 0) & (y == 0)))), x)


row(
    "xlogy",
    shapes.broadcast,
    lambda c, x, y: c.r(vanishing(x, x * c.fn("log", y))),
    _xlogy_x,
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * c.r(vanishing(x, x / y)))), y),
    doc=Doc(
        "x * log(y), which is 0 for x = 0, at y = 0 too",
        gradient="g * log(y) towards x, g * x / y towards y, which is 0 for x = 0, summed over broadcast axes",
        example="loss = -sum(xlogy(t, p))",
    ),
)
