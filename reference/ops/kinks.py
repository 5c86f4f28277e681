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
    out: Any
    inputs: tuple[Array, ...]
    g: Any
    """The output's cotangent; of several outputs a tuple, as `out` is."""
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
    for of in (np.maximum, np.minimum):
        part = tuple(of(g, 0.0) for g in at.g) if isinstance(at.g, tuple) else of(at.g, 0.0)
        left, right = (at.vjp(Beside(at.c, side), part) for side in (-1.0, 1.0))
        low, high = low + np.minimum(left, right), high + np.maximum(left, right)
    return np.clip(dx, low, high)


def shared(at: Kink, dx: Array) -> Array:
    """Of vectors along the last axis, each of which turns as a whole: the same share of both sides for all of a vector."""
    one, other = (at.vjp(Beside(at.c, side), at.g) for side in (-1.0, 1.0))
    step = other - one
    length = np.sum(np.square(step), axis=-1, keepdims=True)
    along = np.sum((dx - one) * step, axis=-1, keepdims=True)
    share = np.divide(along, length, where=length != 0, out=np.zeros_like(length))
    return one + np.clip(share, 0, 1) * step


def divided(at: Kink, dx: Array) -> Array:
    """Of two inputs that are equal: what the other one was not given. Broadcast, each sum is judged for itself."""
    found, g = between(at, dx), at.g
    known = [other for other in at.others.values() if np.shape(other) == np.shape(g) == np.shape(dx)]
    if not known:
        return found
    rest = np.clip(g - known[0], np.minimum(g, 0), np.maximum(g, 0))
    return np.where(at.inputs[0] == at.inputs[1], rest, found)


def shares(at: Kink, dx: Array) -> Array:
    """Of a maximum or minimum: non-negative shares of the cotangent for those that are it, which add up to all of it."""
    [x] = at.inputs
    axes, whole = along(at)
    return shared_out(dx, whole, x == at.row.forward(at.c, x, axis=axes, keepdims=True), axes)


def shared_out(dx: Array, whole: Array, hit: Array, axes: tuple[int, ...]) -> Array:
    """Non-negative shares of the whole for those that are hit: those of `dx`, so far as they are."""
    known = hit & (whole != 0)
    weights = np.where(known, np.maximum(np.divide(dx, whole, where=known, out=np.zeros(np.shape(dx))), 0), 0)
    total = np.sum(weights, axis=axes, keepdims=True)
    equal = hit / np.sum(hit, axis=axes, keepdims=True)
    return whole * np.where(total > 0, weights / np.where(total > 0, total, 1), equal)


def centred_ball(at: Kink, dx: Array) -> Array:
    """Of a standard deviation of what is all equal: the part of a norm's ball that adds up to 0."""
    [x] = at.inputs
    axes, whole = along(at)
    equal = np.all(x == np.max(x, axis=axes, keepdims=True), axis=axes, keepdims=True)
    n = x.size // max(1, whole.size)
    centred = dx - np.sum(dx, axis=axes, keepdims=True) / n
    length = np.sqrt(np.sum(np.square(centred), axis=axes, keepdims=True) * (n - at.kw["ddof"]))
    inside = centred * np.minimum(
        1, np.divide(np.abs(whole), length, where=length != 0, out=np.ones_like(length))
    )
    return np.where(equal, inside, at.vjp(at.c, at.g))


def disc(at: Kink, dx: Array) -> Array:
    """Of a hypotenuse at the origin: what the other input has left of the cotangent's length. Broadcast, each sum for itself."""
    zero, own = at.out == 0, at.vjp(at.c, at.g)
    if np.shape(dx) != np.shape(at.g):
        room = np.abs(at.vjp(at.c, np.where(zero, at.g, 0.0)))
        return np.clip(dx, own - room, own + room)
    known = [other for other in at.others.values() if np.shape(other) == np.shape(dx)]
    rest = np.sqrt(np.maximum(np.square(at.g) - np.square(known[0]), 0)) if known else np.abs(at.g)
    return np.where(zero, np.clip(dx, -rest, rest), own)


def dealt(at: Kink, dx: Array) -> Array:
    """Of what is sorted: equal elements may be dealt their cotangents in any order, or in a mean of several."""
    axis, own = at.kw["axis"], at.vjp(at.c, at.g)
    [x] = at.inputs
    lines = [np.moveaxis(a, axis, -1).reshape(-1, x.shape[axis]) for a in (x, dx, own)]
    found = np.array(lines[2])
    for line, near, right in zip(*lines[:2], found, strict=True):
        for value in np.unique(line):
            same = line == value
            right[same] = _nearest_mean(near[same], right[same])
    return np.moveaxis(found.reshape(np.moveaxis(x, axis, -1).shape), -1, axis)


def _nearest_mean(z: Array, w: Array) -> Array:
    """The nearest to `z` of all means of the orders of `w`.

    Blondel, Teboul, Berthet and Djolonga, Fast Differentiable Sorting and Ranking (2020), proposition 3.
    """
    falling = np.argsort(-z, kind="stable")
    blocks: list[list[float]] = []
    for excess in z[falling] - np.sort(w)[::-1]:
        blocks.append([excess, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] < blocks[-1][0] * blocks[-2][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    found = np.empty_like(w)
    found[falling] = z[falling] - np.repeat([t / n for t, n in blocks], [int(n) for _, n in blocks])
    return found


def along(at: Kink) -> tuple[tuple[int, ...], Array]:
    """The axes of a reduction, and its cotangent with these."""
    axes = shapes.axes_of(at.kw["axis"], at.inputs[0].shape)
    return axes, at.g if at.kw["keepdims"] else np.expand_dims(at.g, axes)
