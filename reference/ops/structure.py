"""Rows that only move elements: no rounding, so forward and vjp are exact in every arithmetic."""

import numpy as np

from . import shapes
from .row import row


def _basic_index(index):
    return tuple(slice(*i) if isinstance(i, tuple) else ... if i == "..." else i for i in index)


def _index_vjp(c, out, x, g, *, index):
    dx = np.zeros_like(x)
    dx[_basic_index(index)] = g
    return dx


def _concat_vjp(c, i, out, *inputs_and_g, axis):
    *inputs, g = inputs_and_g
    start = sum(x.shape[axis] for x in inputs[:i])
    return np.take(g, range(start, start + inputs[i].shape[axis]), axis)


row(
    "transpose",
    shapes.transpose,
    lambda c, x, *, axes=None: np.transpose(x, axes),
    lambda c, out, x, g, *, axes: np.transpose(g, None if axes is None else np.argsort(np.mod(axes, g.ndim))),
)
row(
    "reshape",
    shapes.reshape,
    lambda c, x, *, shape: np.reshape(x, shape),
    lambda c, out, x, g, *, shape: np.reshape(g, x.shape),
)
row("index", shapes.index, lambda c, x, *, index: x[_basic_index(index)], _index_vjp)
row("concat", shapes.concat, lambda c, *inputs, axis=0: np.concatenate(inputs, axis), _concat_vjp)
row(
    "split",
    shapes.split,
    lambda c, x, *, parts=2, axis=-1: tuple(np.split(x, parts, axis)),
    lambda c, out, x, g, *, parts, axis: np.concatenate(g if isinstance(g, tuple) else (g,), axis),
)
