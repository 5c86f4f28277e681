"""Rows that read and write by tables of integers: which elements is data, int64 tensors of the case or of an argmax.

An index is a number from 0 to n - 1; nothing counts from the end, for not every framework does.
"""

import math

import numpy as np

from . import shapes
from .comparisons import nothing
from .row import Doc, OpError, row

INTEGERS = ("int64",)


def scattered(c, g, indices, size, onto=None):
    """Of g (before, n, after): the sum of what goes to each of `size` places, of which indices (n,) name one each.

    `onto` (before, size, after) is one more term of each sum; they are added in any order.
    """
    order = np.argsort(indices, kind="stable")
    counts = np.bincount(indices, minlength=size)
    table = np.full((size, max([1, *counts])), indices.size)
    at = indices[order]
    table[at, np.arange(indices.size) - (np.cumsum(counts) - counts)[at]] = order
    before, _, after = g.shape
    padded = np.concatenate((g, np.zeros_like(g, shape=(before, 1, after))), 1)
    terms = np.take(padded, table, 1)
    if onto is not None:
        terms = np.concatenate((terms, np.expand_dims(onto, 2)), 2)
    return c.sum(terms, 2)


def _around(x, axis):
    """A shape as the elements before an axis, along it, and after it."""
    shape, axis = np.shape(x), axis % np.ndim(x)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _take(c, x, indices, *, axis=0):
    return np.take(x, shapes.placed(indices, x.shape[axis]), axis)


def _take_vjp(c, out, x, indices, g, *, axis):
    before, size, after = _around(x, axis)
    flat = np.reshape(g, (before, indices.size, after))
    return scattered(c, flat, np.reshape(indices, -1), size).reshape(x.shape)


def _taken(x, indices, *, axis):
    at = shapes.one_axis(axis, x.shape)
    return shapes.bounded((*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))


row(
    "take",
    _taken,
    _take,
    _take_vjp,
    nothing(1),
    dtypes={1: INTEGERS},
    doc=Doc(
        "the slices of x along an axis that the indices name, in the indices' shape in place of the axis",
        gradient="towards x, of each slice the sum of g wherever it was taken; 0 for those that were not",
        arguments={"indices": "int64, of any shape, each from 0 to n - 1 for an axis of n"},
        example="y = take(x, indices, axis=1)",
    ),
)


def _embedded(ids, W, *, padding_idx):
    if len(W.shape) != 2:
        raise OpError(f"the table needs two dimensions, not {shapes.text(W.shape)}")
    if padding_idx is not None and not (shapes.is_integer(padding_idx) and 0 <= padding_idx < W.shape[0]):
        raise OpError(f"padding_idx is {padding_idx!r}, but must be None or from 0 to {W.shape[0] - 1}")
    return shapes.bounded((*ids.shape, W.shape[1]))


def _embedding_vjp(c, out, ids, W, g, *, padding_idx):
    if padding_idx is not None:
        g = np.where(np.expand_dims(ids == padding_idx, -1), 0.0, g)
    return _take_vjp(c, out, W, ids, g, axis=0)


row(
    "embedding",
    _embedded,
    lambda c, ids, W, *, padding_idx=None: _take(c, W, ids),
    nothing(0),
    _embedding_vjp,
    dtypes={0: INTEGERS},
    doc=Doc(
        "the rows of W that ids name",
        gradient="towards W, of each row the sum of g wherever it was read; 0 for those that were not, and for the row of padding",
        arguments={
            "ids": "int64, of any shape, each from 0 to n - 1",
            "W": "(n, features)",
            "padding_idx": "a row that is read as any other, but has no gradient; None: every row has one",
        },
        example="y = embedding(ids, W)",
    ),
)


def _flat(indices, shape, axis):
    """Where in C order the elements of a tensor of that shape are, of which `indices` name the place along an axis."""
    axis %= len(shape)
    grid = list(np.ogrid[tuple(map(slice, np.shape(indices)))])
    grid[axis] = shapes.placed(indices, shape[axis])
    return np.reshape(sum(at * math.prod(shape[i + 1 :]) for i, at in enumerate(grid)), -1)


def _gather(c, x, indices, *, axis=-1):
    return np.take(np.reshape(x, -1), _flat(indices, x.shape, axis), 0).reshape(indices.shape)


def _sum_at(c, g, indices, shape, axis, onto=None):
    """What `scattered` gives, of elements that are named as `gather` names them."""
    onto = None if onto is None else np.reshape(onto, (1, -1, 1))
    at = _flat(indices, shape, axis)
    return scattered(c, np.reshape(g, (1, -1, 1)), at, math.prod(shape), onto).reshape(shape)


def _gathered(x, indices, *, axis):
    at = shapes.one_axis(axis, x.shape)
    others = [(*a.shape[:at], *a.shape[at + 1 :]) for a in (x, indices)]
    if len(indices.shape) != len(x.shape) or others[0] != others[1]:
        raise OpError(
            f"indices {shapes.text(indices.shape)} may differ from {shapes.text(x.shape)} only along axis {axis}"
        )
    return indices.shape


row(
    "gather",
    _gathered,
    _gather,
    lambda c, out, x, indices, g, *, axis: _sum_at(c, g, indices, x.shape, axis),
    nothing(1),
    dtypes={1: INTEGERS},
    doc=Doc(
        "y[i, j] = x[indices[i, j], j] along axis 0, x[i, indices[i, j]] along axis 1, and so on",
        gradient="towards x, of each element the sum of g wherever it was read; 0 for those that were not",
        arguments={"indices": "int64, in shape as x but along the axis, each from 0 to n - 1"},
        example="y = gather(x, indices, axis=1)",
    ),
)


def _scattered_to(x, indices, src, *, axis):
    if indices.shape != src.shape:
        raise OpError(
            f"indices {shapes.text(indices.shape)} and src {shapes.text(src.shape)} must have the same shape"
        )
    _gathered(x, indices, axis=axis)
    return x.shape


row(
    "scatter_add",
    _scattered_to,
    lambda c, x, indices, src, *, axis=-1: _sum_at(c, src, indices, x.shape, axis, x),
    lambda c, out, x, indices, src, g, *, axis: g,
    nothing(1),
    lambda c, out, x, indices, src, g, *, axis: _gather(c, g, indices, axis=axis),
    dtypes={1: INTEGERS},
    doc=Doc(
        "x, and each element of src added where its index says: y[indices[i, j], j] += src[i, j] along axis 0",
        gradient="g towards x, gather(g, indices) towards src",
        arguments={
            "indices": "int64, in shape as x but along the axis, each from 0 to n - 1; several may be the same",
            "src": "in shape as the indices",
        },
        example="y = scatter_add(x, indices, src, axis=1)",
    ),
)
