"""Ops that repeat, turn, join or leave out elements: each says of every place of the result which element stands there."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..drawing import draw, of
from ..numbers import MP, MpArray, exact, objects
from .table import define


def broadcast_to(x: Any, *, shape: Sequence[int]) -> MpArray:
    x, found = exact(x), np.empty(tuple(shape), dtype=object)
    for place in np.ndindex(found.shape):
        own = place[len(place) - x.ndim :]
        found[place] = x[tuple(min(i, size - 1) for i, size in zip(own, x.shape, strict=True))]
    return objects(found)


def stack(*xs: Any, axis: int = 0) -> MpArray:
    return np.stack(list(map(exact, xs)), axis)


def squeeze(x: Any, *, axis: Any = None) -> MpArray:
    return objects(np.squeeze(exact(x), axis))


def expand_dims(x: Any, *, axis: Any) -> MpArray:
    return np.expand_dims(exact(x), axis)


def moved(x: Any, places: Any, shape: Sequence[int]) -> MpArray:
    """The array whose element at each place is that of x at another, which a function of the place tells."""
    x, found = exact(x), np.empty(tuple(shape), dtype=object)
    for place in np.ndindex(found.shape):
        found[place] = x[places(place)]
    return found


def flip(x: Any, *, axis: Any = None) -> MpArray:
    shape = np.shape(x)
    axes = range(len(shape)) if axis is None else np.mod(axis, len(shape)).reshape(-1)
    return moved(
        x,
        lambda place: tuple(shape[i] - 1 - p if i in axes else p for i, p in enumerate(place)),
        shape,
    )


def roll(x: Any, *, shift: Any, axis: Any) -> MpArray:
    shape = np.shape(x)
    by = [0] * len(shape)
    for n, a in zip(np.ravel(shift).tolist(), np.ravel(axis).tolist(), strict=True):
        by[a] = n
    return moved(
        x,
        lambda place: tuple((p - n) % size for p, n, size in zip(place, by, shape, strict=True)),
        shape,
    )


def repeat(x: Any, *, repeats: int, axis: int) -> MpArray:
    shape, times = np.shape(x), [1] * np.ndim(x)
    times[axis] = repeats
    return moved(
        x,
        lambda place: tuple(p // n for p, n in zip(place, times, strict=True)),
        np.multiply(shape, times).tolist(),
    )


def tile(x: Any, *, repeats: Sequence[int]) -> MpArray:
    shape = np.shape(x)
    return moved(
        x,
        lambda place: tuple(p % size for p, size in zip(place, shape, strict=True)),
        np.multiply(shape, repeats).tolist(),
    )


def kept(x: Any, keeps: Any) -> MpArray:
    """Elements whose row and column are told to be kept, else 0."""
    found = exact(x).copy()
    for place in np.ndindex(found.shape):
        if not keeps(*place[-2:]):
            found[place] = MP.zero
    return found


def diag(x: Any) -> MpArray:
    found = np.full((*np.shape(x), np.shape(x)[-1]), MP.zero)
    for place in np.ndindex(np.shape(x)):
        found[(*place, place[-1])] = exact(x)[place]
    return found


def diagonal(x: Any, *, k: int = 0) -> MpArray:
    rows, columns = np.shape(x)[-2:]
    at = [(i, i + k) for i in range(rows) if 0 <= i + k < columns]
    return np.stack([exact(x)[..., i, j] for i, j in at], axis=-1)


MATRICES = [
    of(draw(3, 3)),
    of(draw(2, 3), k=1),
    of(draw(3, 2), k=-1),
    of(draw(2, 3, 4), k=1),
    of(draw(2, 3, 3), k=-1),
    of(draw(1, 3)),
]


define(
    "broadcast_to",
    broadcast_to,
    numpy=lambda x, *, shape: x + np.zeros(shape),
    relative_to="element",
    samples=[
        of(draw(3), shape=(2, 3)),
        of(draw(2, 1), shape=(2, 3)),
        of(draw(1, 2, 1), shape=(2, 2, 3)),
        of(draw(), shape=(2, 2)),
        of(draw(2, 3), shape=(2, 3)),
    ],
)
define(
    "stack",
    stack,
    numpy=lambda *xs, axis=0: np.moveaxis(np.array(xs), 0, axis),
    relative_to="terms",
    samples=[
        of(draw(2, 3), draw(2, 3)),
        of(draw(2, 2), draw(2, 2), draw(2, 2), axis=1),
        of(draw(3), draw(3), axis=-1),
        of(draw(2, 3), axis=0),
        of(draw(2, 2), draw(2, 2), axis=-2),
    ],
)
define(
    "squeeze",
    squeeze,
    numpy=lambda x, *, axis=None: np.squeeze(x, axis),
    relative_to="terms",
    samples=[
        of(draw(2, 1, 3)),
        of(draw(1, 2, 1), axis=0),
        of(draw(1, 2, 1), axis=-1),
        of(draw(1, 2, 1, 1), axis=(0, -1)),
        of(draw(1, 1)),
    ],
)
define(
    "expand_dims",
    expand_dims,
    numpy=lambda x, *, axis: np.expand_dims(x, axis),
    relative_to="terms",
    samples=[of(draw(2, 3), axis=0), of(draw(2, 3), axis=-1), of(draw(3), axis=(0, -1)), of(draw(), axis=0)],
)
define(
    "flip",
    flip,
    numpy=lambda x, *, axis=None: np.flip(x, axis),
    relative_to="terms",
    samples=[of(draw(2, 3)), of(draw(2, 3), axis=0), of(draw(2, 3, 2), axis=(0, -1)), of(draw(4), axis=-1)],
)
define(
    "roll",
    roll,
    numpy=lambda x, *, shift, axis: np.roll(x, shift, axis),
    relative_to="terms",
    samples=[
        of(draw(3, 2), shift=1, axis=0),
        of(draw(2, 4), shift=-1, axis=-1),
        of(draw(2, 3), shift=5, axis=1),
        of(draw(3, 3), shift=(1, -1), axis=(0, 1)),
    ],
)
define(
    "repeat",
    repeat,
    numpy=lambda x, *, repeats, axis: np.repeat(x, repeats, axis),
    relative_to="terms",
    samples=[
        of(draw(2, 3), repeats=2, axis=0),
        of(draw(2, 3), repeats=3, axis=-1),
        of(draw(3), repeats=1, axis=0),
        of(draw(2, 2, 2), repeats=2, axis=1),
    ],
)
define(
    "tile",
    tile,
    numpy=lambda x, *, repeats: np.tile(x, repeats),
    relative_to="terms",
    samples=[
        of(draw(2, 3), repeats=(2, 1)),
        of(draw(2, 3), repeats=(1, 2)),
        of(draw(2, 1, 2), repeats=(2, 3, 2)),
        of(draw(3), repeats=(2,)),
    ],
)
define(
    "tril",
    lambda x, *, k=0: kept(x, lambda i, j: j <= i + k),
    numpy=lambda x, *, k=0: np.tril(x, k),
    relative_to="element",
    samples=MATRICES,
)
define(
    "triu",
    lambda x, *, k=0: kept(x, lambda i, j: j >= i + k),
    numpy=lambda x, *, k=0: np.triu(x, k),
    relative_to="element",
    samples=MATRICES,
)
define(
    "diag",
    diag,
    numpy=lambda x: x[..., None] * np.eye(x.shape[-1]),
    relative_to="terms",
    samples=[of(draw(3)), of(draw(2, 3)), of(draw(1))],
)
define(
    "diagonal",
    diagonal,
    numpy=lambda x, *, k=0: np.diagonal(x, k, -2, -1),
    relative_to="terms",
    samples=MATRICES,
)
define(
    "trace",
    lambda x, *, k=0: objects(np.sum(diagonal(x, k=k), axis=-1)),
    numpy=lambda x, *, k=0: np.trace(x, k, -2, -1),
    relative_to="terms",
    samples=MATRICES,
)
