"""What depends on which elements of an axis are largest, or on those that come before."""

import math
from typing import Any

import numpy as np

from ..drawing import HUGE, TINY, draw, of, row
from ..numbers import MP, MpArray, exact, objects
from .reductions import Axis, reductions
from .table import define


def smallest(x: Any, *, axis: Axis = None, keepdims: bool = False) -> MpArray:
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return objects(np.min(exact(x), axis=axes, keepdims=keepdims))


def product(x: Any, *, axis: Axis = None, keepdims: bool = False) -> MpArray:
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return objects(np.prod(exact(x), axis=axes, keepdims=keepdims))


def cumulated(function: Any, x: Any, axis: int) -> MpArray:
    """The function of the first elements along an axis, of so many as there are up to each."""
    rows = np.moveaxis(exact(x), axis, -1)
    found = np.empty(rows.shape, dtype=object)
    for place in np.ndindex(rows.shape):
        found[place] = function(rows[(*place[:-1], slice(place[-1] + 1))].tolist())
    return np.moveaxis(found, -1, axis)


def place_of_largest(x: Any, *, axis: int = -1) -> MpArray:
    return objects(each_line(lambda line: [MP.mpf(line.index(max(line)))], x, axis)[0])


def place_of_smallest(x: Any, *, axis: int = -1) -> MpArray:
    return objects(each_line(lambda line: [MP.mpf(line.index(min(line)))], x, axis)[0])


def each_line(function: Any, x: Any, axis: int) -> MpArray:
    """The function of each list of elements along an axis, which comes first."""
    rows = np.moveaxis(exact(x), axis, -1)
    results = [function(rows[place].tolist()) for place in np.ndindex(rows.shape[:-1])]
    return np.moveaxis(objects(results).reshape(*rows.shape[:-1], -1), -1, 0)


def sort(x: Any, *, axis: int = -1, descending: bool = False) -> MpArray:
    return np.moveaxis(each_line(lambda line: sorted(line, reverse=descending), x, axis), 0, axis)


def topk(x: Any, *, k: int, axis: int = -1) -> tuple[MpArray, MpArray]:
    def places(line: list[Any]) -> list[int]:
        return sorted(range(len(line)), key=lambda i: -line[i])[:k]

    values = each_line(lambda line: [line[i] for i in places(line)], x, axis)
    found = each_line(lambda line: [MP.mpf(i) for i in places(line)], x, axis)
    return np.moveaxis(values, 0, axis), np.moveaxis(found, 0, axis)


def _largest(x: Any, *, k: int, axis: int = -1) -> tuple[Any, Any]:
    places = np.flip(np.argsort(x, axis), axis).take(range(k), axis)
    return np.take_along_axis(x, places, axis), places


CUMULATED = [
    of(draw(2, 3)),
    of(draw(4), axis=0),
    of(draw(3, 2), axis=0),
    of(draw(2, 3, 2), axis=1),
    of(draw(2, 3, 2), axis=-2),
    of(draw(2, 1), axis=-1),
    of(draw(1, 7), axis=1),
]
ZEROS = [
    of(row(2.0, 0.0, -3.0, 0.5), axis=0),
    of(np.array([[0.0, 2.0, 0.0], [3.0, -1.0, 0.0]]), axis=-1),
    of(row(0.0), axis=0),
]

define(
    "min",
    smallest,
    numpy=lambda x, *, axis=None, keepdims=False: np.min(x, axis, keepdims=keepdims),
    relative_to="terms",
    samples=reductions(of(row(1.0, 1 + 2**-52, 1e300)), of(TINY), of(HUGE)),
    at_kinks=[of(row(1.0, 1.0, 3.0)), of(np.array([[1.0, 1.0], [2.0, 3.0]]), axis=1)],
    analytic=False,
)
define(
    "prod",
    product,
    numpy=lambda x, *, axis=None, keepdims=False: np.prod(x, axis, keepdims=keepdims),
    relative_to="terms",
    samples=reductions(*ZEROS, of(draw(2, 5), axis=1), of(row(1e150, 1e-150, 3e100, 1e-90))),
)
define(
    "cumsum",
    lambda x, *, axis=-1: cumulated(MP.fsum, x, axis),
    numpy=lambda x, *, axis=-1: np.cumsum(x, axis),
    relative_to="terms",
    samples=[*CUMULATED, of(row(1e16, 1.0, -1e16), axis=0), of(TINY), of(HUGE[1:])],
)
define(
    "cumprod",
    lambda x, *, axis=-1: cumulated(math.prod, x, axis),
    numpy=lambda x, *, axis=-1: np.cumprod(x, axis),
    relative_to="terms",
    samples=[*CUMULATED, *ZEROS, of(row(1e150, 1e-150, 3e100, 1e-90))],
)
COMPARED = [
    of(draw(2, 4)),
    of(draw(4, 2), axis=0),
    of(draw(2, 3, 2), axis=1),
    of(draw(5), axis=-1),
    of(draw(2, 1)),
    of(row(1.0, 1 + 2**-52, -1e300)),
    of(TINY),
    of(HUGE),
]
TIES = [of(row(1.0, 3.0, 3.0, -2.0)), of(np.array([[0.0, 0.0], [2.0, 1.0]]), axis=0)]

for name, function, numpy in (
    ("argmax", place_of_largest, lambda x, *, axis=-1: np.argmax(x, axis)),
    ("argmin", place_of_smallest, lambda x, *, axis=-1: np.argmin(x, axis)),
):
    define(
        name,
        function,
        numpy=numpy,
        relative_to="terms",
        samples=COMPARED,
        at_kinks=[*TIES, of(row(2.0, -1.0, -1.0))],
        analytic=False,
    )
define(
    "sort",
    sort,
    numpy=lambda x, *, axis=-1, descending=False: (
        (-1 if descending else 1) * np.sort((-1 if descending else 1) * x, axis)
    ),
    relative_to="terms",
    samples=[*COMPARED, of(draw(2, 4), descending=True), of(draw(3, 3), axis=0, descending=True)],
    at_kinks=[*TIES, of(row(1.0, 1.0, 2.0, 1.0), descending=True)],
    analytic=False,
)
define(
    "topk",
    topk,
    numpy=_largest,
    relative_to="terms",
    samples=[
        of(draw(2, 4), k=2),
        of(draw(4, 2), k=3, axis=0),
        of(draw(2, 3, 2), k=1, axis=1),
        of(draw(3), k=3),
        of(TINY, k=2),
        of(HUGE, k=3),
    ],
    at_kinks=[of(row(1.0, 3.0, 3.0, 3.0), k=2), of(np.array([[0.0, 0.0], [2.0, 1.0]]), k=1, axis=0)],
    analytic=False,
)
