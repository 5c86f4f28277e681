"""Sums, means, maxima, and the softmax family."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..drawing import HUGE, TINY, WIDE, Sample, draw, of, row, scaled
from ..numbers import MP, MpArray, apply, exact, objects, total
from .table import define

Axis = int | Sequence[int] | None


def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> MpArray:
    result = total(exact(x), axis, keepdims)
    return objects(result / (np.size(x) // max(1, result.size)))


def largest(x: Any, *, axis: Axis = None, keepdims: bool = False) -> MpArray:
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return objects(np.max(exact(x), axis=axes, keepdims=keepdims))


def logsumexp(x: Any, *, axis: Axis = -1, keepdims: bool = False) -> MpArray:
    return apply(MP.log, total(apply(MP.exp, x), axis, keepdims))


def softmax(x: Any, *, axis: int = -1) -> MpArray:
    exponentials = apply(MP.exp, x)
    return objects(exponentials / total(exponentials, axis, keepdims=True))


def log_softmax(x: Any, *, axis: int = -1) -> MpArray:
    """log(e_i / sum_j e_j) = -log(1 + sum_{j != i} e_j / e_i), exact also when e_i outweighs the rest."""
    exponentials = np.moveaxis(apply(MP.exp, x), axis, -1)
    logs = apply(lambda others, own: -MP.log1p(others / own), _sum_of_others(exponentials), exponentials)
    return np.moveaxis(logs, -1, axis)


def _sum_of_others(x: MpArray) -> MpArray:
    """For each element of the last axis the sum of all others, added from both ends, never subtracted."""
    before, after = np.full_like(x, MP.zero), np.full_like(x, MP.zero)
    before[..., 1:] = np.add.accumulate(x, axis=-1)[..., :-1]
    after[..., :-1] = np.add.accumulate(x[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    return before + after


AXES: list[dict[str, Any]] = [
    {},
    {"keepdims": True},
    {"axis": 0},
    {"axis": -1},
    {"axis": 1, "keepdims": True},
    {"axis": (0, 2)},
    {"axis": (-1, 0), "keepdims": True},
    {"axis": (0, 1, 2)},
]


def reductions(*special: Sample) -> list[Sample]:
    return [*(of(draw(2, 3, 2), **kw) for kw in AXES), of(draw()), of(draw(5), axis=0), *special]


def normalizations(*special: Sample) -> list[Sample]:
    plain = [of(draw(2, 3, 2), axis=axis) for axis in (0, 1, -1, -2)]
    extreme = (WIDE, WIDE[:2], row(800.0, -800.0, 799.0), row(-800.0, -801.0), 1e-9 * WIDE, TINY)
    return [*plain, *map(of, extreme), of(draw(4)), of(draw(2, 1)), *special]


define(
    "sum",
    lambda x, *, axis=None, keepdims=False: total(exact(x), axis, keepdims),
    numpy=lambda x, *, axis=None, keepdims=False: np.sum(x, axis, keepdims=keepdims),
    relative_to="terms",
    samples=reductions(of(row(1e16, 1.0, -1e16)), of(TINY), of(HUGE[1:])),
)
define(
    "mean",
    mean,
    numpy=lambda x, *, axis=None, keepdims=False: np.mean(x, axis, keepdims=keepdims),
    relative_to="terms",
    samples=reductions(of(TINY), of(HUGE[1:])),
)
define(
    "max",
    largest,
    numpy=lambda x, *, axis=None, keepdims=False: np.max(x, axis, keepdims=keepdims),
    relative_to="terms",
    samples=reductions(of(row(1.0, 1 + 2**-52, -1e300)), of(TINY), of(HUGE)),
    at_kinks=[of(row(1.0, 1.0, 0.0)), of(np.array([[1.0, 1.0], [2.0, 3.0]]), axis=1)],
    analytic=False,
)
define(
    "sum_squares",
    lambda x: total(exact(x) ** 2),
    numpy=lambda x: np.vdot(x, x),
    relative_to="terms",
    samples=[of(x) for x in (draw(), draw(3), draw(2, 3), scaled(1e-100, 2, 3), scaled(1e150, 3))],
)
define(
    "softmax",
    softmax,
    numpy=lambda x, *, axis=-1: np.exp(x) / np.sum(np.exp(x), axis, keepdims=True),
    relative_to="one",
    samples=normalizations(),
)
define(
    "log_softmax",
    log_softmax,
    numpy=lambda x, *, axis=-1: x - np.logaddexp.reduce(x, axis, keepdims=True),
    relative_to="one",
    samples=normalizations(),
)
define(
    "logsumexp",
    logsumexp,
    numpy=lambda x, *, axis=-1, keepdims=False: np.logaddexp.reduce(x, axis, keepdims=keepdims),
    relative_to="one",
    samples=normalizations(
        *(of(draw(2, 3, 2), **kw) for kw in AXES if kw not in ({"axis": 0}, {"axis": -1})),
        of(draw(2, 2), axis=None),
    ),
)
