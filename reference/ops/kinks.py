"""Generalised gradients: where an op has no derivative, every one that a correct implementation may give.

Each function gives, of the set that is admissible at a call's own numbers, the element nearest to `dx`, somebody's
cotangent of one input. Away from kinks the set has one element, the row's own. The sets are Clarke's (Optimization and
Nonsmooth Analysis, 1983, sections 2.3 and 2.5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import shapes

Array = Any


@dataclass(frozen=True)
class Kink:
    """A call, perhaps at a kink, and the input whose cotangent is asked about; the fields are what its row's vjp takes."""

    row: Any
    c: Any
    argument: int
    out: Array
    inputs: tuple[Array, ...]
    g: Array
    kw: dict[str, Any]
    others: Mapping[int, Array]
    """What somebody has for the cotangents of the call's other inputs, where that is known."""

    def vjp(self, c: Any, g: Array) -> Array:
        """The row's own, in a context and of a cotangent."""
        return self.row.vjp(c, self.argument, self.out, self.inputs, g, self.kw)


class Beside:
    """A context that takes every branch as it is on one side of its kink."""

    def __init__(self, c: Any, side: float) -> None:
        self._c, self._side = c, side

    def __getattr__(self, name: str) -> Any:
        return getattr(self._c, name)

    def kink(self, z: Array) -> Array:
        return np.where(z == 0, self._side, z)


def between(at: Kink, dx: Array) -> Array:
    """Anything between the derivatives of both sides, each element for itself.

    Positive and negative cotangents are taken apart: in a sum over broadcast axes every term chooses on its own.
    """
    low, high = np.zeros(np.shape(dx)), np.zeros(np.shape(dx))
    for part in (np.maximum(at.g, 0.0), np.minimum(at.g, 0.0)):
        left, right = (at.vjp(Beside(at.c, side), part) for side in (-1.0, 1.0))
        low, high = low + np.minimum(left, right), high + np.maximum(left, right)
    return np.clip(dx, low, high)


def divided(at: Kink, dx: Array) -> Array:
    """Of two inputs that are equal: what the other one was not given. Broadcast, each sum is judged for itself."""
    found, g = between(at, dx), at.g
    known = [other for other in at.others.values() if np.shape(other) == np.shape(g) == np.shape(dx)]
    if not known:
        return found
    rest = np.clip(g - known[0], np.minimum(g, 0), np.maximum(g, 0))
    return np.where(at.inputs[0] == at.inputs[1], rest, found)


def shares(at: Kink, dx: Array) -> Array:
    """Of a maximum: non-negative shares of the cotangent for those that are largest, which add up to all of it."""
    [x] = at.inputs
    axes, whole = _along(at)
    hit = x == np.max(x, axis=axes, keepdims=True)
    weights = np.where(
        hit & (whole != 0), np.maximum(np.divide(dx, whole, where=whole != 0, out=np.zeros_like(x)), 0), 0
    )
    total = np.sum(weights, axis=axes, keepdims=True)
    equal = hit / np.sum(hit, axis=axes, keepdims=True)
    return whole * np.where(total > 0, weights / np.where(total > 0, total, 1), equal)


def ball(at: Kink, dx: Array) -> Array:
    """Of a norm at 0: any vector no longer than the cotangent."""
    [x] = at.inputs
    axes, whole = _along(at)
    zero = np.all(x == 0, axis=axes, keepdims=True)
    length = np.sqrt(np.sum(np.square(dx), axis=axes, keepdims=True))
    inside = dx * np.minimum(1, np.divide(np.abs(whole), length, where=length != 0, out=np.ones_like(length)))
    return np.where(zero, inside, at.vjp(at.c, at.g))


def _along(at: Kink) -> tuple[tuple[int, ...], Array]:
    """The axes of a reduction, and its cotangent with these."""
    axes = shapes.axes_of(at.kw["axis"], at.inputs[0].shape)
    return axes, at.g if at.kw["keepdims"] else np.expand_dims(at.g, axes)
