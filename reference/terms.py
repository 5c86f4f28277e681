"""How many independent terms a sum has, for the error that its partial sums make.

Terms that repeat err alike, and terms in an unlucky order round numbers larger than a random walk would reach.
"""

import math
from typing import Any

import numpy as np

Array = Any

UNLUCKY = 4.0
"""Partial sums are a random walk unless their squares, in the order in which the terms stand, are so many times larger."""
FEW = 3 * UNLUCKY
"""Of n terms in whatever order they are at most (n - 1/n) / 3 times larger, by Cauchy and Schwarz."""
LARGEST_ORDERED = 2**22
"""Products, at most, whose order is looked at: of more, frameworks sum blocks."""
TOGETHER = 2**12
"""Products that are looked at in one go."""


def repetition(terms: Array) -> Array:
    """How often a nonzero term repeats on average, along the last axis, as float32 sees them."""
    ordered = np.sort(terms.astype(np.float32), axis=-1)
    nonzero = np.count_nonzero(ordered, axis=-1)
    distinct = 1 + np.count_nonzero(np.diff(ordered, axis=-1), axis=-1) - (nonzero < terms.shape[-1])
    return np.maximum(1, nonzero) / np.maximum(1, distinct)


def effective_terms(a: Array, axis: Any) -> Array:
    """For each sum over `axis`: its nonzero terms, times how often a term repeats on average.

    A sum of equal terms drifts one way, so its error grows with n and not with the root of n.
    """
    a = np.asarray(a)
    axes = tuple(range(a.ndim)) if axis is None else tuple(np.atleast_1d(axis) % a.ndim)
    kept = tuple(i for i in range(a.ndim) if i not in axes)
    terms = math.prod(a.shape[i] for i in axes)  # -1 would not do for an array of nothing
    rows = a.transpose(kept + axes).reshape(*(a.shape[i] for i in kept), terms)
    if not rows.shape[-1]:
        return np.zeros(rows.shape[:-1])
    return np.count_nonzero(rows, axis=-1) * np.maximum(repetition(rows), unluckiness(rows, -1))


def effective_products(x: Array, w: Array) -> Array:
    """For each output of x @ w: the number of products, times how often both of their factors repeat."""
    n = x.shape[-1]
    if n == 0:
        return n
    left = repetition(x)
    right = repetition(w if w.ndim == 1 else w.swapaxes(-1, -2))
    if x.ndim > 1 and w.ndim > 1:
        left, right = left[..., :, None], right[..., None, :]
    terms = n * np.minimum(left, right)
    if (
        max(np.size(x) * (w.shape[-1] if w.ndim > 1 else 1), np.size(w)) <= LARGEST_ORDERED
        and x.ndim > 1 < w.ndim
    ):
        terms = np.maximum(terms, n * unlucky_products(x, w))
    return terms if np.any(terms > n) else n


def unluckiness(terms: Array, axis: int) -> Array:
    """How many times larger the squares of partial sums are than those of a random walk; 1 where that may be chance.

    Terms in an order, such as sorted ones that cancel, run far away and come back; who adds them as they stand rounds
    numbers of that size on the way.
    """
    if terms.shape[axis] <= FEW:
        return 1.0
    away = np.cumsum(
        terms - np.mean(terms, axis=axis, keepdims=True), axis=axis
    )  # from the straight way to the sum
    walked = np.sum(np.square(away), axis=axis)
    return _beyond_chance(walked, np.sum(np.square(terms), axis=axis), terms.shape[axis])


def unlucky_products(x: Array, w: Array) -> Array:
    """The same for the terms of each output of x @ w, a few at a time: all products together would fill the memory."""
    if x.shape[-1] <= FEW:
        return 1.0
    rank = max(x.ndim, w.ndim)
    x, w = (a.reshape(*(1,) * (rank - a.ndim), *a.shape) for a in (x, w))
    x, w = (np.float32(a / (np.max(np.abs(a), initial=0.0) or 1.0)) for a in (x, w))
    n, mean = x.shape[-1], x @ w / x.shape[-1]
    walked, away = np.zeros_like(mean), np.zeros_like(mean)
    columns, rows = np.moveaxis(x, -1, 0)[..., None], np.moveaxis(w, -2, 0)[..., None, :]
    some = max(1, TOGETHER // max(1, mean.size))
    for start in range(0, n, some):
        way = columns[start : start + some] * rows[start : start + some]
        way -= mean
        way[0] += away
        away = (np.cumsum(way, axis=0, out=way) if len(way) > 1 else way)[-1]
        walked += np.einsum("k...,k...->...", way, way)
    return _beyond_chance(walked, np.square(x) @ np.square(w), n)


def _beyond_chance(walked: Array, squares: Array, n: int) -> Array:
    """By the squares of n partial sums, less the straight way, and those of the terms."""
    by_chance = n / 2 * squares
    if not np.any(walked > UNLUCKY * by_chance):
        return 1.0
    ratio = np.divide(walked, by_chance, out=np.ones_like(walked), where=by_chance > 0)
    return np.where(np.isfinite(ratio) & (ratio > UNLUCKY), ratio, 1.0)
