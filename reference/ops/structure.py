"""Rows that only move elements: no rounding, so forward and vjp are exact in every arithmetic."""

import numpy as np

from . import shapes
from .row import Doc, row


def _basic_index(index):
    return tuple(slice(*i) if isinstance(i, tuple) else ... if i == "..." else i for i in index)


def _index_vjp(c, out, x, g, *, index):
    dx = np.zeros_like(g, shape=x.shape)
    dx[_basic_index(index if "..." in index else (*index, "..."))] = (
        g  # of a single fraction itself, not its array
    )
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
    doc=Doc(
        "the axes of x in another order; x.T of a matrix",
        gradient="the axes of g back in their order",
        arguments={"axes": "a tuple with each axis once; None: all of them, the last first"},
        example="y = transpose(x, axes=(0, 2, 1))",
    ),
)
row(
    "reshape",
    shapes.reshape,
    lambda c, x, *, shape: np.reshape(x, shape),
    lambda c, out, x, g, *, shape: np.reshape(g, x.shape),
    doc=Doc(
        "the elements of x, in C order, in another shape",
        gradient="g in the shape of x",
        arguments={"shape": "a tuple of integers and sizes with as many elements; no -1"},
        example="y = reshape(x, shape=(6, 2))",
    ),
)
row(
    "index",
    shapes.index,
    lambda c, x, *, index: x[_basic_index(index)],
    _index_vjp,
    doc=Doc(
        "x[...], so written",
        gradient="g at the places that were taken, else 0",
        arguments={
            "index": "integers, slices, ... and None in brackets; no arrays: a one-hot tensor and @ pick rows"
        },
        example="y = x[0, 1:, ..., None]",
    ),
)
row(
    "concat",
    shapes.concat,
    lambda c, *inputs, axis=0: np.concatenate(inputs, axis),
    _concat_vjp,
    doc=Doc(
        "the inputs one after the other",
        gradient="of each input its part of g",
        arguments={
            "inputs": "tensors that differ in shape along the axis alone",
            "axis": "the axis along which they follow each other",
        },
        example="y = concat(a, b, axis=1)",
    ),
)
row(
    "split",
    shapes.split,
    lambda c, x, *, parts=2, axis=-1: tuple(np.split(x, parts, axis)),
    lambda c, out, x, g, *, parts, axis: np.concatenate(g if isinstance(g, tuple) else (g,), axis),
    doc=Doc(
        "equal parts of x, one after the other",
        gradient="the parts' gradients, one after the other; 0 for a part that nothing depends on",
        arguments={"parts": "how many, which divides the axis", "axis": "the axis that is divided"},
        example="left, right = split(x)",
    ),
)
