"""Generalised gradients: where an op has no derivative, every one that a correct implementation may give.

Each function gives, of the set that is admissible at a call's own numbers, the element nearest to what somebody has:
`nearest(row, c, i, out, inputs, g, kw, dx, others)`, with the arguments of a vjp, `dx`, somebody's cotangent of input `i`, and
what is known of the same of other inputs. Away from kinks the set has one element, the row's own. The sets are Clarke's (Optimization and Nonsmooth Analysis, 1983,
sections 2.3 and 2.5).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import shapes

Array = Any


class Beside:
    """A context that takes every branch as it is on one side of its kink."""

    def __init__(self, c: Any, side: float) -> None:
        self._c, self._side = c, side

    def __getattr__(self, name: str) -> Any:
        return getattr(self._c, name)

    def kink(self, z: Array) -> Array:
        return np.where(z == 0, self._side, z)


def between(
    row: Any,
    c: Any,
    i: int,
    out: Array,
    inputs: tuple[Array, ...],
    g: Array,
    kw: dict[str, Any],
    dx: Array,
    others: Mapping[int, Array],
) -> Array:
    """Anything between the derivatives of both sides, each element for itself.

    Positive and negative cotangents are taken apart: in a sum over broadcast axes every term chooses on its own.
    """
    low, high = np.zeros(np.shape(dx)), np.zeros(np.shape(dx))
    for part in (np.maximum(g, 0.0), np.minimum(g, 0.0)):
        left, right = (row.vjp(Beside(c, side), i, out, inputs, part, kw) for side in (-1.0, 1.0))
        low, high = low + np.minimum(left, right), high + np.maximum(left, right)
    return np.clip(dx, low, high)


def divided(
    row: Any,
    c: Any,
    i: int,
    out: Array,
    inputs: tuple[Array, ...],
    g: Array,
    kw: dict[str, Any],
    dx: Array,
    others: Mapping[int, Array],
) -> Array:
    """Of two inputs that are equal: what the other one was not given. Broadcast, each sum is judged for itself."""
    found = between(row, c, i, out, inputs, g, kw, dx, others)
    known = [other for other in others.values() if np.shape(other) == np.shape(g) == np.shape(dx)]
    if not known:
        return found
    rest = np.clip(g - known[0], np.minimum(g, 0), np.maximum(g, 0))
    return np.where(inputs[0] == inputs[1], rest, found)


def shares(
    row: Any,
    c: Any,
    i: int,
    out: Array,
    inputs: tuple[Array, ...],
    g: Array,
    kw: dict[str, Any],
    dx: Array,
    others: Mapping[int, Array],
) -> Array:
    """Of a maximum: non-negative shares of the cotangent for those that are largest, which add up to all of it."""
    [x] = inputs
    axes = shapes.axes_of(kw["axis"], x.shape)
    hit = x == np.max(x, axis=axes, keepdims=True)
    whole = g if kw["keepdims"] else np.expand_dims(g, axes)
    weights = np.where(
        hit & (whole != 0), np.maximum(np.divide(dx, whole, where=whole != 0, out=np.zeros_like(x)), 0), 0
    )
    total = np.sum(weights, axis=axes, keepdims=True)
    equal = hit / np.sum(hit, axis=axes, keepdims=True)
    return whole * np.where(total > 0, weights / np.where(total > 0, total, 1), equal)


def ball(
    row: Any,
    c: Any,
    i: int,
    out: Array,
    inputs: tuple[Array, ...],
    g: Array,
    kw: dict[str, Any],
    dx: Array,
    others: Mapping[int, Array],
) -> Array:
    """Of a norm at 0: any vector no longer than the cotangent."""
    [x] = inputs
    axes = shapes.axes_of(kw["axis"], x.shape)
    zero = np.all(x == 0, axis=axes, keepdims=True)
    longest = np.abs(g if kw["keepdims"] else np.expand_dims(g, axes))
    length = np.sqrt(np.sum(np.square(dx), axis=axes, keepdims=True))
    inside = dx * np.minimum(1, np.divide(longest, length, where=length != 0, out=np.ones_like(length)))
    return np.where(zero, inside, row.vjp(c, i, out, inputs, g, kw))
