"""Ops that only move elements."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..drawing import draw, of
from ..numbers import MpArray, exact, objects
from .table import define


def transpose(x: Any, *, axes: Sequence[int] | None = None) -> MpArray:
    return np.transpose(exact(x), axes)


def reshape(x: Any, *, shape: Sequence[int]) -> MpArray:
    return np.reshape(exact(x), tuple(shape))


def index(x: Any, *, index: Sequence[Any]) -> MpArray:
    """Basic indexing by integers, (start, stop, step), "..." and None (a new axis)."""
    return objects(exact(x)[tuple(map(_index_entry, index))])


def _index_entry(entry: Any) -> Any:
    if isinstance(entry, list | tuple):
        return slice(*entry)
    return ... if entry == "..." else entry


def _taken(x: Any, *, index: Sequence[Any]) -> Any:
    """The same axis by axis, from the left."""
    axis, rest = 0, np.ndim(x) - sum(entry is not None and entry != "..." for entry in index)
    for entry in index:
        if entry == "...":
            axis += rest
        elif isinstance(entry, int):
            x = np.take(x, entry, axis)
        else:
            new = entry is None
            x = np.expand_dims(x, axis) if new else np.take(x, np.arange(x.shape[axis])[slice(*entry)], axis)
            axis += 1
    return x


def concat(*xs: Any, axis: int = 0) -> MpArray:
    return np.concatenate([exact(x) for x in xs], axis=axis)


def split(x: Any, *, parts: int = 2, axis: int = -1) -> tuple[MpArray, ...]:
    return tuple(np.split(exact(x), parts, axis=axis))


INDICES: list[tuple[Any, ...]] = [
    (0,),
    (-1,),
    (1, 2, 0),
    ((None, None, None),),
    ((1, 3, None), (None, None, 2)),
    ((None, None, -1), 0),
    ("...", (None, None, -2)),
    ("...", 1),
    (None, 0, "...", None),
    (0, (None, -1, None), (-2, None, 1)),
    ((5, None, None),),
    ("...",),
]

define(
    "transpose",
    transpose,
    numpy=lambda x, *, axes=None: x.T if axes is None else np.moveaxis(x, axes, range(x.ndim)),
    relative_to="terms",
    samples=[
        *(of(draw(2, 3)), of(draw(2, 3, 4)), of(draw(3))),
        *(of(draw(2, 3, 4), axes=axes) for axes in ((1, 2, 0), (0, 2, 1), (-1, 0, 1))),
    ],
)
define(
    "reshape",
    reshape,
    numpy=lambda x, *, shape: np.array(x.ravel().tolist()).reshape(shape),
    relative_to="terms",
    samples=[
        *(of(draw(2, 3, 2), shape=shape) for shape in ((12,), (3, 4), (2, 1, 6), (2, 3, 2))),
        *(of(draw(), shape=(1, 1)), of(draw(1, 1), shape=())),
    ],
)
define(
    "index",
    index,
    numpy=_taken,
    relative_to="terms",
    samples=[*(of(draw(2, 3, 2), index=entries) for entries in INDICES), of(draw(), index=(None,))],
)
define(
    "concat",
    concat,
    numpy=lambda *xs, axis=0: np.concatenate(xs, axis),
    relative_to="terms",
    samples=[
        of(draw(2, 3), draw(1, 3)),
        of(draw(2, 3), draw(2, 1), draw(2, 2), axis=1),
        of(draw(2, 3), draw(2, 1), axis=-1),
        of(draw(3), axis=0),
        of(draw(1, 2, 2), draw(1, 1, 2), axis=-2),
    ],
)
define(
    "split",
    split,
    numpy=lambda x, *, parts=2, axis=-1: tuple(np.split(x, parts, axis)),
    relative_to="terms",
    samples=[
        of(draw(2, 4)),
        of(draw(6), parts=3),
        of(draw(4, 3), parts=4, axis=0),
        of(draw(2, 4, 3), parts=2, axis=-2),
        of(draw(2, 3), parts=1, axis=1),
    ],
)
