"""Parts of a traced array: read as a case reads them, and written as a new array, since a case's names are assigned once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...reading.elements import Array
from .arrays import SUBSCRIPTS, Traced, Unsaid, plain

FULL = slice(None)
LARGEST = 200_000
"""Elements of a matrix that picks elements."""


def full_slices(count: int) -> tuple[slice, ...]:
    """The index of everything along so many axes, to stand before another."""
    return (FULL,) * int(count)


def get(x: Traced, index: Any, value: Any) -> Any:
    """`x[index]`, whose value is `value`."""
    parts = index if isinstance(index, tuple) else (index,)
    if all(map(_is_basic, parts)):
        return x.recorder.call(f"{{0}}[{index_text(parts)}]", value, x)
    try:
        return _picked(x, parts, value)
    except Unsaid as error:
        return x.recorder.opaque(str(error), value, x)


def index_text(parts: Sequence[Any]) -> str:
    """A basic index as a case has it."""
    return ", ".join(map(_part, parts)) or "..."


def _part(part: Any) -> str:
    if isinstance(part, slice):
        ends = [part.start, part.stop] + [part.step] * (part.step is not None)
        return ":".join("" if end is None else str(end.__index__()) for end in ends)
    return "..." if part is Ellipsis else str(None if part is None else part.__index__())


def _is_basic(part: Any) -> bool:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return True
    array = np.asarray(plain(part))
    return array.ndim == 0 and array.dtype.kind in "iu"


def _picked(x: Traced, parts: Sequence[Any], value: Array) -> Any:
    """Rows by their numbers, or an element of each row: products with ones and zeros, as on paper."""
    if len(parts) == 1 and _numbers(parts[0], 1):
        size = x.node.value.shape[0]
        hot = x.recorder.constant("the rows that are picked", np.eye(size)[plain(parts[0])], *_sources(parts))
        rows: Any = x if x.node.value.ndim == 2 else np.reshape(x, (size, -1))
        found: Any = hot @ rows
        return found if rows is x else np.reshape(found, value.shape)
    if len(parts) == 2 and x.node.value.ndim == 2 and all(_numbers(part, 1) for part in parts):
        first, second = (np.asarray(plain(part)) for part in parts)
        for axis, every in ((1, first), (0, second)):
            if np.array_equal(every, np.arange(x.node.value.shape[1 - axis])):
                ones = np.zeros(x.node.value.shape)
                ones[first, second] = 1
                picks = x.recorder.constant("the elements that are picked", ones, *_sources(parts))
                return np.sum(x * picks, axis=axis)
    size = x.node.value.size
    places = np.arange(size).reshape(x.node.value.shape)[plain(parts if len(parts) > 1 else parts[0])]
    if size * places.size > LARGEST:
        raise Unsaid(
            f"picking {places.size} of {size} elements by numbers or a mask is too much to be traced, as a matrix of ones"
            f" and zeros of {size * places.size} elements; at most {LARGEST}"
        )
    hot = x.recorder.constant("the elements that are picked", np.eye(size)[places.ravel()], *_sources(parts))
    found = hot @ (x if x.node.value.ndim == 1 else np.reshape(x, (size,)))
    return found if places.ndim == 1 else np.reshape(found, places.shape)


def _numbers(part: Any, dimensions: int) -> bool:
    if isinstance(part, slice) or part is None or part is Ellipsis:
        return False
    array = np.asarray(plain(part))
    return array.ndim == dimensions and array.dtype.kind in "iu" and array.size > 0


def _sources(parts: Sequence[Any]) -> list[Any]:
    return [part for part in parts if isinstance(part, Traced)]


def put(x: Traced, index: Any, new: Any, value: Array) -> Traced:
    """The array after `x[index] = new`, whose value is `value`."""
    parts = index if isinstance(index, tuple) else (index,)
    try:
        return _written(x, parts, new, value)
    except Unsaid as error:
        found = x.recorder.opaque(str(error), value, x, new)
        return found if isinstance(found, Traced) else Traced(x.recorder, x.recorder.node(value))


def _written(x: Traced, parts: tuple[Any, ...], new: Any, value: Array) -> Traced:
    shape = value.shape
    if np.ndim(plain(new)) == 0:
        return x.recorder.call("where({0}, {1}, {2})", value, _mask(x, parts), new, x)
    if not all(map(_is_basic, parts)) or any(part is None for part in parts):
        return _scattered(x, parts, new, value)
    parts = _every_axis(parts, len(shape))
    cut = [
        axis
        for axis, part in enumerate(parts)
        if isinstance(part, slice) and part.indices(shape[axis]) != (0, shape[axis], 1)
    ]
    if not cut:
        return _where_written(x, parts, new, value)
    if len(cut) > 1 or any(not isinstance(part, slice) for part in parts):
        return _scattered(x, parts, new, value)
    axis = cut[0]
    start, stop, step = parts[axis].indices(shape[axis])
    if step != 1:
        return _scattered(x, parts, new, value)
    there = (*shape[:axis], stop - start, *shape[axis + 1 :])
    middle: Any = new if np.shape(plain(new)) == there else np.zeros(there) + new
    before, after = (x[(*full_slices(axis), slice(*ends))] for ends in ((0, start), (stop, shape[axis])))
    pieces = [p for p in (before, middle, after) if np.shape(plain(p))[axis]]
    found = np.concatenate(pieces, axis) if len(pieces) > 1 else pieces[0]
    return found if isinstance(found, Traced) else Traced(x.recorder, x.recorder.node(value))


def _where_written(x: Traced, parts: tuple[Any, ...], new: Any, value: Array) -> Traced:
    """Whole rows, columns and the like: chosen with a mask, the new ones broadcast along the axes that are picked."""
    mask = np.zeros(value.shape, bool)
    mask[plain(parts)] = True
    shape = tuple(
        size if isinstance(part, slice) else 1 for size, part in zip(value.shape, parts, strict=True)
    )
    left = tuple(size for size, part in zip(value.shape, parts, strict=True) if isinstance(part, slice))
    given = np.shape(plain(new))
    rows = new if given == left else np.zeros(left) + new
    rows = rows if shape == left else np.reshape(rows, shape)
    return x.recorder.call("where({0}, {1}, {2})", value, _mask(x, parts), rows, x)


def _scattered(x: Traced, parts: tuple[Any, ...], new: Any, value: Array) -> Traced:
    """What is written into places of any kind, by a product with ones and zeros that brings each element to its own."""
    size = value.size
    places = np.arange(size).reshape(value.shape)[plain(parts if len(parts) > 1 else parts[0])]
    if size * places.size > LARGEST:
        raise Unsaid(
            f"writing into {places.size} of {size} elements is too much to be traced, as a matrix of ones and zeros of"
            f" {size * places.size} elements; at most {LARGEST}"
        )
    if np.unique(places).size < places.size:
        raise Unsaid("writing several numbers into one place can't be traced; add them up before")
    if not places.size:
        return x.recorder.call("where({0}, {1}, {2})", value, _mask(x, parts), 0.0, x)
    given = new if np.shape(plain(new)) == places.shape else np.zeros(places.shape) + new
    hot = x.recorder.constant(
        "the places that are written", np.eye(size)[:, places.ravel()], *_sources(parts)
    )
    found: Any = hot @ (given if places.ndim == 1 else np.reshape(given, (places.size,)))
    spread = found if value.ndim == 1 else np.reshape(found, value.shape)
    return x.recorder.call("where({0}, {1}, {2})", value, _mask(x, parts), spread, x)


def _every_axis(parts: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    """The index with a part for each axis."""
    at = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    rest = parts[at + 1 :]
    return (*parts[:at], *full_slices(rank - at - len(rest)), *rest)


def _mask(x: Traced, parts: tuple[Any, ...]) -> Traced:
    """Where an index is, as a mask; worked out from the inputs if the index is."""
    mask = np.zeros(x.node.value.shape, bool)
    mask[plain(parts)] = True
    return x.recorder.constant("the places that are written", mask, *_sources(parts))


SUBSCRIPTS.update(get=get, set=put)
