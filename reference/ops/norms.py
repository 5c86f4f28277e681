"""Rows for norms, and distances by them."""

import math

import numpy as np

from . import shapes
from .composed import composed
from .kinks import along, between, shared_out
from .limits import vanishing
from .reductions import spread
from .row import Doc, OpError, row


def _is(p, order):
    """Whether the order of a norm is this one; in a perturbed run it may have been rounded."""
    return bool(np.all(p == order))


def ordered(p):
    """The order of a norm. Raises OpError."""
    if p != math.inf and not shapes.number("p", p) >= 1:
        raise OpError(f"p is {p!r}, but must be at least 1")


def _reduced(x, *, p, axis, keepdims):
    ordered(p)
    return shapes.reduce(x, axis=axis, keepdims=keepdims)


def _scale(x, axis):
    """A power of two near the largest element: of what is divided by it no power over- or underflows."""
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    return np.ldexp(1.0, np.frexp(np.positive(largest, dtype=np.float64, casting="unsafe"))[1] - 1)


def _norm(c, x, *, p=2, axis=None, keepdims=False):
    """Scale * norm(x / scale). Of orders that are neither 1, 2 nor infinite frameworks take the powers as they are."""
    if _is(p, 1):
        return c.sum(np.abs(x), axis, keepdims)
    if _is(p, math.inf):
        return np.max(np.abs(x), axis=axis, keepdims=keepdims, initial=0)
    if _is(p, 2):
        scale = _scale(x, axis)
        out = scale * c.fn("sqrt", c.sum(c.r(np.square(x / scale)), axis, keepdims=True))
    else:
        scale = _scale(x, axis) if c.exact else 1.0
        total = c.sum(c.fn("pow", np.abs(x) / scale, p), axis, keepdims=True)
        out = scale * c.fn("pow", total, c.r(1.0) / p)
    return out if keepdims else np.squeeze(out, shapes.axes_of(axis, x.shape))


def _norm_vjp(c, out, x, g, *, p, axis, keepdims):
    """The gradient of the norm at 0 is taken as 0, the smallest of its subgradients; largest elements share alike."""
    g = spread(g, x, axis, keepdims)
    if _is(p, 1):
        return g * np.sign(c.kink(x))
    if _is(p, math.inf):
        size = np.abs(x)
        hit = c.attained(size - np.max(size, axis=axis, keepdims=True, initial=0)) >= 0
        share = g * hit / np.maximum(1, np.sum(hit, axis=axis, keepdims=True))
        return np.where(x == 0, 0.0, np.where(x < 0, -share, share))
    out = spread(out, x, axis, keepdims)
    if _is(p, 2):
        direction = c.r(_quotient(x, out))
    else:
        slope = c.r(_slope(c, np.abs(x), out, p - 1))
        direction = np.where(x < 0, -slope, slope)
    return c.r(vanishing(g, g * direction))


def _quotient(x, out):
    return np.divide(x, out, out=np.zeros_like(x), where=out != 0)


def _slope(c, size, out, power):
    """(|x| / norm)^(p - 1). Frameworks divide powers of each."""
    if c.exact:
        return c.fn("pow", _quotient(size, out), power)
    return _quotient(c.fn("pow", size, power), c.fn("pow", out, power))


def _dual_length(dx, p, axes):
    """The length of a subgradient: by the norm of order q, where 1 / p + 1 / q = 1."""
    if _is(p, math.inf):
        return np.sum(np.abs(dx), axis=axes, keepdims=True)
    q = p / (p - 1)
    largest = np.max(np.abs(dx), axis=axes, keepdims=True, initial=0)
    powers = np.power(np.divide(np.abs(dx), largest, out=np.zeros(np.shape(dx)), where=largest != 0), q)
    return largest * np.power(np.sum(powers, axis=axes, keepdims=True), 1 / q)


def _no_longer(dx, length, p, axes):
    """A vector, cut to this dual length."""
    own = _dual_length(dx, p, axes)
    return dx * np.minimum(1, np.divide(np.abs(length), own, where=own != 0, out=np.ones_like(own)))


def _subgradients(at, dx):
    """At 0 any vector whose dual norm is at most the cotangent; of the largest elements non-negative shares."""
    [x], p = at.inputs, at.kw["p"]
    if _is(p, 1):
        return between(at, dx)
    axes, whole = along(at)
    if _is(p, math.inf):
        hit = np.abs(x) == np.max(np.abs(x), axis=axes, keepdims=True, initial=0)
        own = np.sign(x) * shared_out(np.sign(x) * dx, whole, hit, axes)
    else:
        own = at.vjp(at.c, at.g)
    zero = np.all(x == 0, axis=axes, keepdims=True)
    return np.where(zero, _no_longer(dx, whole, p, axes), own)


row(
    "norm",
    _reduced,
    _norm,
    _norm_vjp,
    kinks=_subgradients,
    doc=Doc(
        "the root of the sum of squares (of a matrix, Frobenius'); sum(|x|**p)**(1 / p) of another order, max(|x|) of order inf",
        gradient="g * x / norm(x); g * sign(x) * (|x| / norm(x))**(p - 1); of order inf g * sign(x) for the largest |x|, else 0",
        kinks="where all of x is 0 any vector is right whose norm of the order q, 1 / p + 1 / q = 1, is at most |g|; of order 1 at"
        " each 0 anything between -g and g; among several |x| that are largest, non-negative shares that add up to g;"
        " the reference takes 0, and equal shares",
        arguments={"p": "the order: a number of at least 1, or inf"},
        example="length = norm(x, axis=-1)",
    ),
)


def _pairs(x, y, *, p):
    ordered(p)
    if len(x) < 2 or len(y) < 2 or x[-1] != y[-1]:
        raise OpError(f"{shapes.text(x)} and {shapes.text(y)} are no two lists of vectors of one length")
    return (*shapes.broadcast(x[:-2], y[:-2]), x[-2], y[-2])


def _differences(x, y):
    """From every vector of y to every one of x: (..., m, n, d), from (..., m, d) and (..., n, d)."""
    return x[..., :, None, :] - y[..., None, :, :]


def _cdist(f, x, y, *, p=2):
    one = f.reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))
    other = f.reshape(y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    return f.norm(one - other, p=p, axis=-1)


def _of_pairs(at, dx):
    """Of each vector what the norms of all its differences allow together; of order inf each number for itself."""
    p = at.kw["p"]
    if _is(p, 1):
        return between(at, dx)
    (x, y), own, i = at.inputs, at.vjp(at.c, at.g), at.argument
    z, g = _differences(x, y), at.g[..., None]
    zero = np.all(z == 0, axis=-1, keepdims=True)

    def together(parts):
        summed = np.sum(parts, axis=-2 if i == 0 else -3)
        lead = summed.ndim - own.ndim
        axes = (
            *range(lead),
            *(lead + k for k, n in enumerate(own.shape[:-2]) if n != summed.shape[lead + k]),
        )
        return np.sum(summed, axis=axes, keepdims=True).reshape(*own.shape[:-1], -1)

    if not _is(p, math.inf):
        return own + _no_longer(dx - own, together(np.abs(g) * zero), p, (-1,))
    size = np.abs(z)
    hit = size == np.max(size, axis=-1, keepdims=True)
    alone = np.sum(hit, axis=-1, keepdims=True) == 1
    slope = (1 if i == 0 else -1) * g * np.sign(z) * hit
    low = np.where(zero, -np.abs(g), np.where(alone, slope, np.minimum(slope, 0)))
    high = np.where(zero, np.abs(g), np.where(alone, slope, np.maximum(slope, 0)))
    return np.clip(dx, *(together(np.broadcast_to(bound, z.shape)) for bound in (low, high)))


composed(
    "cdist",
    _pairs,
    _cdist,
    kinks=_of_pairs,
    doc=Doc(
        "the distance of every vector of x to every one of y: y[i, j] = norm(x[i] - y[j], p=p)",
        gradient="the sum over j of g[i, j] times the gradient of the norm at x[i] - y[j], towards x; less that over i, towards y",
        kinks="where two vectors are the same, and where the norm turns, its own gradients are right; the reference takes 0",
        arguments={
            "x": "(..., m, d): m vectors",
            "y": "(..., n, d); leading axes broadcast",
            "p": "the order of the norm: a number of at least 1, or inf",
        },
        example="distances = cdist(x, centres)",
    ),
)
