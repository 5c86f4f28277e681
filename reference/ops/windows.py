"""Windows that slide over the last axes of a tensor: where they lie, and tables for gathering what lies in them.

A gather by a table, and its adjoint, which is a gather by the opposite table and a sum, are all that convolutions and
pools need: both work for every kind of number, and for several runs at once.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import shapes
from .indexing import scattered
from .row import OpError, Shape

LAYOUTS = ("channels_first", "channels_last")
LARGEST_TABLE = 2**24
"""Elements of a table, at most: a window of a million on each of a million places would fill the memory."""


class Axis(NamedTuple):
    """How windows lie along one axis."""

    size: int
    """Of the tensor that they slide over."""
    window: int
    stride: int
    before: int
    """So much lies before the axis; the first window begins there."""
    out: int
    """How many windows there are."""
    dilation: int = 1


@lru_cache(maxsize=256)
def inside(axes: tuple[Axis, ...]) -> np.ndarray:
    """What each window has at each of its places: (windows, places) of flat positions, all axes' product for none."""
    tables = []
    for axis in axes:
        at = np.arange(axis.out)[:, None] * axis.stride + np.arange(axis.window) * axis.dilation - axis.before
        tables.append(np.where(at < axis.size, at, -1))
    return _joined(tables, [axis.size for axis in axes])


@lru_cache(maxsize=256)
def around(axes: tuple[Axis, ...]) -> np.ndarray:
    """Which window has each element at each of its places: (elements, places) of flat windows, their number for none."""
    tables = []
    for axis in axes:
        start = np.arange(axis.size)[:, None] - np.arange(axis.window) * axis.dilation + axis.before
        fits = (start % axis.stride == 0) & (start < axis.out * axis.stride)
        tables.append(np.where(fits, start // axis.stride, -1))
    return _joined(tables, [axis.out for axis in axes])


def _joined(tables: Iterable[np.ndarray], sizes: Iterable[int]) -> np.ndarray:
    """Of several axes as of one: each table is (rows, places), negative for none."""
    flat, there = np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=bool)
    sizes = tuple(sizes)
    for table, size in zip(tables, sizes, strict=True):
        shape = (len(flat) * len(table), flat.shape[1] * table.shape[1])
        flat = (flat[:, None, :, None] * size + table[:, None, :]).reshape(shape)
        there = (there[:, None, :, None] & (table >= 0)[:, None, :]).reshape(shape)
    return np.where(there, flat, math.prod(sizes))


def gathered(a: Any, table: np.ndarray) -> Any:
    """(..., elements) by a table: (..., *table's shape), with 0 for none."""
    if np.any(table == a.shape[-1]):
        a = np.concatenate((a, np.zeros((*a.shape[:-1], 1))), -1)
    return np.take(a, table, -1)


def given_back(c: Any, parts: Any, table: np.ndarray, size: int) -> Any:
    """The adjoint of gathering: (..., *table's shape) summed for each of so many elements."""
    lead = parts.shape[: parts.ndim - table.ndim]
    kept = np.flatnonzero(table < size)
    parts = np.take(parts.reshape(math.prod(lead), table.size, 1), kept, 1)
    return scattered(c, parts, table.ravel()[kept], size).reshape(*lead, size)


def flat(x: Any, rank: int) -> Any:
    """The last so many axes as one."""
    lead = x.shape[: x.ndim - rank]
    return x.reshape(*lead, math.prod(x.shape[len(lead) :]))


def channels_first(x: Any, layout: str) -> Any:
    """The channels before the axes that windows slide over."""
    return x if layout == "channels_first" else np.moveaxis(x, -1, 1)


def channels_as(x: Any, layout: str) -> Any:
    """The channels from there to where the layout has them."""
    return x if layout == "channels_first" else np.moveaxis(x, 1, -1)


def divided(x: Shape, rank: int, layout: Any) -> tuple[int, int, Shape]:
    """Samples, channels and the axes that windows slide over, of a shape. Raises OpError."""
    shapes.choice("layout", layout, LAYOUTS)
    if len(x) != rank + 2:
        raise OpError(
            f"shape {shapes.text(x)} has not {rank + 2} dimensions: samples, channels and {rank} more"
        )
    return (x[0], x[1], x[2:]) if layout == "channels_first" else (x[0], x[-1], x[1:-1])


def together(samples: int, channels: int, spatial: Shape, layout: str) -> Shape:
    """The shape that these make."""
    return (samples, channels, *spatial) if layout == "channels_first" else (samples, *spatial, channels)


def for_each(name: str, value: Any, rank: int, least: int) -> tuple[int, ...]:
    """An attribute that is an integer, or a tuple with one for each axis."""
    values = value if isinstance(value, tuple) else (value,) * rank
    if len(values) != rank or not all(shapes.is_integer(v) and v >= least for v in values):
        raise OpError(
            f"{name} is {value!r}, but must be an integer of at least {least}, or a tuple of {rank} of them"
        )
    return values


def pairs(padding: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """What is before and after each axis: an integer, or a tuple with an integer or a pair for each axis."""
    each = padding if isinstance(padding, tuple) else (padding,) * rank
    result = tuple(p if isinstance(p, tuple) else (p, p) for p in each)
    if len(result) != rank or not all(
        len(pair) == 2 and all(shapes.is_integer(p) and p >= 0 for p in pair) for pair in result
    ):
        raise OpError(
            f"padding is {padding!r}, but must be an integer of at least 0, or a tuple with one, or a pair of them,"
            f" for each of {rank} axes"
        )
    return result


def bounded(samples_and_channels: int, axes: tuple[Axis, ...]) -> None:
    """Raises OpError where what windows see would be more than fits."""
    places = math.prod(axis.window for axis in axes)
    rows = max(math.prod(axis.out for axis in axes), math.prod(axis.size for axis in axes))
    if samples_and_channels * rows * places > LARGEST_TABLE:
        raise OpError(
            f"windows of {places} places over {rows} elements, {samples_and_channels} times,"
            f" are more than {LARGEST_TABLE} numbers"
        )
