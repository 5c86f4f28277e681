"""Ops that read and write by tables of integers, element by element."""

from typing import Any

import numpy as np

from ..drawing import Drawn, draw, labels, of
from ..numbers import MP, MpArray, apply, exact, objects
from .table import define


def take(x: Any, indices: Any, *, axis: int = 0) -> MpArray:
    slices = np.moveaxis(exact(x), axis, 0)
    taken = objects([slices[i] for i in np.ravel(indices)]).reshape((*np.shape(indices), *slices.shape[1:]))
    first, count = axis % np.ndim(x), np.ndim(indices)
    return np.moveaxis(taken, range(count), range(first, first + count))


def embedding(ids: Any, W: Any, *, padding_idx: int | None = None) -> MpArray:
    """Rows of W. That of padding is held: of a number of few digits no derivative sees it move."""
    table = exact(W).copy()
    if padding_idx is not None:
        table[padding_idx] = apply(lambda x: MP.nint(MP.re(x) * 1024) / 1024, table[padding_idx])
    return take(table, ids)


def few_digits(*shape: int) -> Drawn:
    """Multiples of 1/16."""
    return Drawn(f"few_digits({shape})", lambda rng: np.asarray(rng.integers(-64, 65, shape) / 16))


def gather(x: Any, indices: Any, *, axis: int = -1) -> MpArray:
    found = np.empty(np.shape(indices), dtype=object)
    for place, i in np.ndenumerate(indices):
        found[place] = exact(x)[_at(place, axis, i)]
    return found


def _at(place: tuple[int, ...], axis: int, i: int) -> tuple[int, ...]:
    there = list(place)
    there[axis] = i
    return tuple(there)


def scatter_add(x: Any, indices: Any, src: Any, *, axis: int = -1) -> MpArray:
    found, added = exact(x).copy(), exact(src)
    for place, i in np.ndenumerate(indices):
        found[_at(place, axis, i)] += added[place]
    return found


def _added_at(x: Any, indices: Any, src: Any, *, axis: int = -1) -> Any:
    found, where = np.array(x), list(np.indices(np.shape(indices)))
    where[axis] = indices
    np.add.at(found, tuple(where), src)
    return found


define(
    "take",
    take,
    numpy=lambda x, indices, *, axis=0: np.take(x, indices, axis),
    relative_to="terms",
    samples=[
        of(draw(3, 2), labels(3, 4)),
        of(draw(3, 2), labels(3, 2, 2)),
        of(draw(2, 3, 2), labels(3, 5), axis=1),
        of(draw(2, 3), labels(3, 2, 3), axis=-1),
        of(draw(4, 2), labels(4), axis=0),
        of(draw(5), labels(5, 3)),
        of(draw(4), labels(4)),
    ],
)
define(
    "embedding",
    embedding,
    numpy=lambda ids, W, *, padding_idx=None: W[ids],  # noqa: ARG005 - its value is read as any other
    relative_to="terms",
    samples=[
        of(labels(4, 3), draw(4, 2)),
        of(labels(3, 2, 4), draw(3, 2)),
        of(labels(5), draw(5, 3)),
        of(labels(2, 6), draw(2, 3)),
        of(labels(2, 6), few_digits(2, 3), padding_idx=0),
        of(labels(3, 2, 3), few_digits(3, 2), padding_idx=2),
    ],
)
define(
    "gather",
    gather,
    numpy=lambda x, indices, *, axis=-1: np.take_along_axis(x, indices, axis),
    relative_to="terms",
    samples=[
        of(draw(2, 3), labels(3, 2, 4)),
        of(draw(3, 2), labels(3, 4, 2), axis=0),
        of(draw(2, 3, 2), labels(3, 2, 2, 2), axis=1),
        of(draw(4), labels(4, 6)),
        of(draw(2, 3), labels(2, 1, 3), axis=-2),
    ],
)
define(
    "scatter_add",
    scatter_add,
    numpy=_added_at,
    relative_to="terms",
    samples=[
        of(draw(2, 3), labels(3, 2, 4), draw(2, 4)),
        of(draw(3, 2), labels(3, 4, 2), draw(4, 2), axis=0),
        of(draw(2, 3, 2), labels(3, 2, 2, 2), draw(2, 2, 2), axis=1),
        of(draw(4), labels(4, 6), draw(6)),
        of(draw(2, 3), labels(2, 1, 3), draw(1, 3), axis=-2),
    ],
)
