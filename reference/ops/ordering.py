"""Rows along an axis: what depends on which elements are largest, or on those that come before."""

import numpy as np

from . import shapes
from .comparisons import nothing
from .composed import composed
from .kinks import dealt, shares
from .limits import vanishing
from .reductions import count, spread
from .row import Doc, OpError, row

composed(
    "min",
    shapes.nonempty_reduce,
    lambda f, x, *, axis=None, keepdims=False: -f.max(-x, axis=axis, keepdims=keepdims),
    kinks=shares,
    doc=Doc(
        "the smallest element of x",
        gradient="g for the smallest element, 0 for the others",
        kinks="among several that are smallest, non-negative shares that add up to g are right; the reference gives equal ones",
        example="m = min(x, axis=1)",
    ),
)


def _times(c, x, y):
    """X * y, where a factor of 1 rounds nothing."""
    return c.r(x * y, np.where((x == 1) | (y == 1), 0.0, 1.0))


def _pairs(c, a):
    """The products of pairs along the last axis, of pairs of these, and so on: all levels, the last with one element."""
    size = a.shape[-1]
    whole = 1 << (size - 1).bit_length()
    levels = [np.concatenate((a, np.ones((*a.shape[:-1], whole - size))), -1)]
    while levels[-1].shape[-1] > 1:
        levels.append(_times(c, levels[-1][..., ::2], levels[-1][..., 1::2]))
    return levels


def _product(c, a):
    """Of the elements of the last axis, which stays."""
    return _pairs(c, a)[-1]


def _of_others(c, a):
    """Of each element of the last axis the product of all others, without a division: zeros are as good as others."""
    *levels, top = _pairs(c, a)
    found = np.ones(top.shape)
    for level in reversed(levels):
        places = np.arange(level.shape[-1])
        found = _times(c, np.take(found, places // 2, -1), np.take(level, places ^ 1, -1))
    return found[..., : a.shape[-1]]


def _in_any_order(c, a, function):
    """A function of products. Nobody prescribes an order: some first multiply all that is below 1, or all that is above.

    Where that leaves the range of a dtype, no correct run has to stay in it.
    """
    below = np.abs(a) < 1
    small, large = (c.r(function(c, np.where(kept, a, 1.0)), 0.0) for kept in (below, ~below))
    return function(c, a) if c.exact else _times(c, small, large)


def _reduced_last(x, axis):
    """The axes of x with those that are reduced at the end, and its shape with one axis in place of these."""
    axes = shapes.axes_of(axis, x.shape)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    return (*kept, *axes), (*(x.shape[i] for i in kept), count(x, axis))


def _prod(c, x, *, axis=None, keepdims=False):
    order, rows = _reduced_last(x, axis)
    out = _in_any_order(c, np.transpose(x, order).reshape(rows), _product)[..., 0]
    return np.expand_dims(out, shapes.axes_of(axis, x.shape)) if keepdims else out


def _prod_vjp(c, out, x, g, *, axis, keepdims):
    order, rows = _reduced_last(x, axis)
    moved = np.transpose(x, order)
    others = _in_any_order(c, moved.reshape(rows), _of_others).reshape(moved.shape)
    g = spread(g, x, axis, keepdims)
    return c.r(vanishing(g, g * np.transpose(others, np.argsort(order))))


row(
    "prod",
    shapes.nonempty_reduce,
    _prod,
    _prod_vjp,
    doc=Doc(
        "the product of the elements of x",
        gradient="g times the product of all other elements, also where some are 0",
        example="y = prod(x, axis=-1)",
    ),
)


def _preceding(f, x, axis, rest):
    """X with an axis more, over which the elements up to each place follow each other, `rest` in place of later ones."""
    axis %= x.ndim
    shape, size = x.shape, x.shape[axis]
    before = np.reshape(np.tri(size, dtype=bool), (size, size, *(1,) * (x.ndim - axis - 1)))
    rows = f.reshape(x, shape=(*shape[:axis], 1, *shape[axis:]))
    return f.where(before, rows, rest), axis + 1


def _cumulated(x, *, axis):
    shapes.one_axis(axis, x)
    return x


def _cumsum(f, x, *, axis=-1):
    terms, along = _preceding(f, x, axis, 0.0)
    return f.sum(terms, axis=along)


def _cumprod(f, x, *, axis=-1):
    factors, along = _preceding(f, x, axis, 1.0)
    return f.prod(factors, axis=along)


composed(
    "cumsum",
    _cumulated,
    _cumsum,
    doc=Doc(
        "of each element the sum of all up to it along the axis",
        gradient="of each element the sum of g from it on",
        arguments={"axis": "the axis along which elements add up"},
        example="y = cumsum(x, axis=0)",
    ),
)
composed(
    "cumprod",
    shapes.along,
    _cumprod,
    doc=Doc(
        "of each element the product of all up to it along the axis",
        gradient="of each element the sum of g times the product of the others, over all products that it is in; also where some are 0",
        arguments={"axis": "the axis along which elements are multiplied"},
        example="y = cumprod(x, axis=0)",
    ),
)


INDICES = ("int64",)


def _first(x, *, axis):
    """The shape without an axis, which has elements."""
    return shapes.nonempty_reduce(x, axis=shapes.one_axis(axis, x), keepdims=False)


def _place(name, what, example, sign):
    row(
        name,
        _first,
        lambda c, x, *, axis=-1: np.argmax(c.order(sign * x), axis),
        nothing(0),
        gives=INDICES,
        doc=Doc(
            f"where the {what} element along an axis is, as an int64; the first of several",
            gradient="0",
            arguments={"axis": "the axis along which elements are compared"},
            example=example,
        ),
    )


_place("argmax", "largest", "best = embedding(argmax(scores), W)", 1)
_place("argmin", "smallest", "nearest = take(codes, argmin(distances))", -1)


def _sorting(c, x, axis, *, descending):
    """Which element comes when; equal ones as they stood."""
    z = c.order(x)
    return np.argsort(-z if descending else z, axis, kind="stable")


def _sort_vjp(c, out, x, g, *, axis, descending):
    order = _sorting(c, x, axis, descending=descending)
    return np.take_along_axis(g, np.argsort(order, axis), axis)


def _sorted(x, *, axis, descending):
    shapes.flag("descending", descending)
    return _cumulated(x, axis=axis)


row(
    "sort",
    _sorted,
    lambda c, x, *, axis=-1, descending=False: np.take_along_axis(
        x, _sorting(c, x, axis, descending=descending), axis
    ),
    _sort_vjp,
    kinks=dealt,
    doc=Doc(
        "the elements of x in rising order along an axis",
        gradient="g, each element where it came from",
        kinks="equal elements may be given their cotangents in any order, or a mean of such; the reference takes the order in which they stand",
        arguments={
            "axis": "the axis along which elements are sorted",
            "descending": "True: in falling order",
        },
        example="y = sort(x, axis=0)",
    ),
)


def _topk(c, x, *, k, axis=-1):
    places = np.take(_sorting(c, x, axis, descending=True), range(k), axis)
    return np.take_along_axis(x, places, axis), places


def _topk_vjp(c, out, x, g, *, k, axis):
    g = g[0] if isinstance(g, tuple) else g
    left = np.zeros_like(
        g, shape=(*g.shape[: axis % x.ndim], x.shape[axis] - k, *g.shape[axis % x.ndim + 1 :])
    )
    order = _sorting(c, x, axis, descending=True)
    return np.take_along_axis(np.concatenate((g, left), axis), np.argsort(order, axis), axis)


def _largest(x, *, k, axis):
    at = shapes.one_axis(axis, x)
    if not shapes.is_integer(k) or not 1 <= k <= x[at]:
        raise OpError(f"k is {k!r}, but must be an integer from 1 to {x[at]}, for shape {shapes.text(x)}")
    return [(*x[:at], k, *x[at + 1 :])] * 2


row(
    "topk",
    _largest,
    _topk,
    _topk_vjp,
    kinks=dealt,
    gives=("float", *INDICES),
    doc=Doc(
        "the k largest elements of x along an axis, the largest first, and where they are, as int64",
        gradient="of the values g, each element where it came from, 0 for all others; none of the places",
        kinks="equal elements may be given their cotangents in any order, or a mean of such; the reference takes the first",
        arguments={"k": "how many", "axis": "the axis along which elements are compared"},
        example="values, places = topk(x, k=2)",
    ),
)
