"""Rows for reductions: sums, means, maxima, and the softmax family."""

import math

import numpy as np

from . import shapes
from .kinks import shares
from .limits import infinite, shifted, vanishing
from .row import Doc, row


def spread(g, x, axis, keepdims):
    """The cotangent of a reduction, repeated over the axes that were reduced."""
    if not keepdims:
        g = np.expand_dims(g, shapes.axes_of(axis, x.shape))
    return np.broadcast_to(g, x.shape)


def count(x, axis):
    return math.prod(x.shape[a] for a in shapes.axes_of(axis, x.shape))


def _max(c, x, *, axis=None, keepdims=False):
    return np.max(x, axis=axis, keepdims=keepdims)


def _max_vjp(c, out, x, g, *, axis, keepdims):
    """Ties share the cotangent equally."""
    hit = c.attained(x - np.max(x, axis=axis, keepdims=True)) >= 0
    return spread(g, x, axis, keepdims) * hit / np.sum(hit, axis=axis, keepdims=True)


row(
    "sum",
    shapes.reduce,
    lambda c, x, *, axis=None, keepdims=False: c.sum(x, axis, keepdims),
    lambda c, out, x, g, *, axis, keepdims: spread(g, x, axis, keepdims),
    doc=Doc("the sum of x", gradient="g for every element", example="loss = sum(x * x)"),
)
row(
    "mean",
    shapes.nonempty_reduce,
    lambda c, x, *, axis=None, keepdims=False: c.r(c.sum(x, axis, keepdims) / count(x, axis)),
    lambda c, out, x, g, *, axis, keepdims: spread(c.r(g / count(x, axis)), x, axis, keepdims),
    doc=Doc(
        "the mean of x: its sum by the number of elements that are reduced",
        gradient="g / n for every element",
        example="loss = mean(x)",
    ),
)
row(
    "max",
    shapes.nonempty_reduce,
    _max,
    _max_vjp,
    kinks=shares,
    doc=Doc(
        "the largest element of x",
        gradient="g for the largest element, 0 for the others",
        kinks="among several that are largest, non-negative shares that add up to g are right; the reference gives equal ones",
        example="m = max(x, axis=1)",
    ),
)


row(
    "sum_squares",
    shapes.scalar(shapes.same),
    lambda c, x: c.sum(c.r(x * x), None),
    lambda c, out, x, g: c.r(vanishing(g, g * (2 * x))),
    doc=Doc(
        "the sum of the squares of all elements, a scalar",
        gradient="2 * g * x",
        example="penalty = 0.5 * sum_squares(W)",
    ),
)


def logsumexp(c, x, axis, keepdims=True):
    """Max + log(sum(exp(x - max))): Blanchard, Higham and Higham, IMA J. Numer. Anal. 41 (2021), algorithm 3.2.

    With m the maximum, a framework may round a sum of the size of |m| on the way. Where m is infinite so is the result.
    """
    m = np.max(x, axis=axis, keepdims=True)
    shift = np.where(infinite(m), 0.0, m) if np.any(infinite(m)) else m
    s = m + c.fn("log", c.sum(c.fn("exp", c.r(x - shift)), axis, keepdims=True))
    s = c.absolute(s, 1 + np.abs(m))
    return s if keepdims else np.squeeze(s, shapes.axes_of(axis, x.shape))


def softmax(c, x, axis):
    """exp(x - max) / sum(exp(x - max))."""
    e = np.exp(c.r(shifted(c, x, axis)))
    return c.fn("softmax", e / c.sum(e, axis, keepdims=True))


def log_softmax(c, x, axis):
    """X - max - log(sum(exp(x - max))); a framework may as well subtract a rounded logsumexp."""
    m = np.max(x, axis=axis, keepdims=True)
    below = c.r(shifted(c, x, axis))
    out = below - c.fn("log", c.sum(c.fn("exp", below), axis, keepdims=True))
    return c.absolute(c.r(out), 1 + np.abs(m) + np.abs(x))


def _logsumexp_vjp(c, out, x, g, *, axis, keepdims):
    """The softmax. torch takes exp(x - out) from the rounded out, whose error is a share of |out|."""
    g = spread(g, x, axis, keepdims)
    p = softmax(c, x, axis) if c.exact else c.fn("exp", c.r(x - spread(out, x, axis, keepdims)))
    return c.r(vanishing(g, g * p))


def _log_softmax_vjp(c, y, x, g, *, axis):
    """G less the softmax times the sum of g. torch and MXNet take exp(y) from the rounded y for the softmax."""
    total = c.sum(g, axis, keepdims=True)
    p = softmax(c, x, axis) if c.exact else c.fn("exp", y)
    return c.r(g - c.r(p * total))


row(
    "logsumexp",
    shapes.nonempty_reduce,
    lambda c, x, *, axis=-1, keepdims=False: logsumexp(c, x, axis, keepdims),
    _logsumexp_vjp,
    doc=Doc(
        "log(sum(exp(x))), without overflow", gradient="g * softmax(x)", example="y = logsumexp(x, axis=1)"
    ),
)
row(
    "softmax",
    shapes.along,
    lambda c, x, *, axis=-1: softmax(c, x, axis),
    lambda c, y, x, g, *, axis: c.r(y * c.r(g - c.sum(c.r(g * y), axis, keepdims=True))),
    doc=Doc(
        "exp(x) / sum(exp(x)) along one axis, without overflow; where one element is inf, its limit, which nobody is held to",
        gradient="y * (g - sum(g * y)) along the axis, with y the softmax",
        arguments={"axis": "the axis that adds up to 1"},
        example="p = softmax(z, axis=0)",
    ),
)
row(
    "log_softmax",
    shapes.along,
    lambda c, x, *, axis=-1: log_softmax(c, x, axis),
    _log_softmax_vjp,
    doc=Doc(
        "x - logsumexp(x) along one axis",
        gradient="g - softmax(x) * sum(g) along the axis",
        arguments={"axis": "the axis whose exponentials add up to 1"},
        example="y = log_softmax(z)",
    ),
)
