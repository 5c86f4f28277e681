"""The functions that move elements: reshaping, turning, joining and cutting, each by the few ops that a case has for it."""

from typing import Any

import numpy as np

from .arrays import Unsaid, plain
from .functions import call, integers, known
from .indexing import full_slices


@known(np.reshape, methods="reshape")
def _reshape(x: Any, *shape: Any, order: str = "C", **named: Any) -> Any:
    if order != "C":
        raise Unsaid(f"with order={order!r} can't be traced")
    wanted = named.get("shape", named.get("newshape", shape[0] if len(shape) == 1 else shape))
    value = np.reshape(plain(x), plain(wanted))
    return call(f"reshape({{0}}, shape={value.shape})", value, x)


@known(np.ravel, methods="ravel flatten")
def _ravel(x: Any, order: str = "C") -> Any:
    return _reshape(x, -1, order=order)


@known(np.transpose, methods="transpose")
def _transpose(x: Any, *axes: Any, **named: Any) -> Any:
    value = plain(x)
    given = named.get("axes", axes[0] if len(axes) == 1 else axes or None)
    if np.ndim(value) < 2:
        return x
    order = tuple(reversed(range(value.ndim))) if given is None else tuple(a % value.ndim for a in given)
    moved = np.transpose(value, order)
    if order == (1, 0):
        return call("{0}.T", moved, x)
    return call(f"transpose({{0}}, axes={integers(order)!r})", moved, x)


@known(np.swapaxes, methods="swapaxes")
def _swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = [*range(np.ndim(plain(x)))]
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _transpose(x, order)


@known(np.moveaxis)
def _moveaxis(x: Any, source: Any, destination: Any) -> Any:
    rank = np.ndim(plain(x))
    moved, to = ([int(a) % rank for a in np.atleast_1d(axes)] for axes in (source, destination))
    order = [axis for axis in range(rank) if axis not in moved]
    for place, axis in sorted(zip(to, moved, strict=True)):
        order.insert(place, axis)
    return _transpose(x, order)


@known(np.expand_dims)
def _expand_dims(x: Any, axis: Any) -> Any:
    return _reshape(x, np.expand_dims(plain(x), axis).shape)


@known(np.squeeze, methods="squeeze")
def _squeeze(x: Any, axis: Any = None) -> Any:
    return _reshape(x, np.squeeze(plain(x), axis).shape)


@known(np.atleast_2d)
def _atleast_2d(x: Any) -> Any:
    return _reshape(x, np.atleast_2d(plain(x)).shape)


@known(np.broadcast_to)
def _broadcast_to(x: Any, shape: Any, **_how: Any) -> Any:
    return x + np.zeros(plain(shape))


@known(np.tile)
def _tile(x: Any, reps: Any) -> Any:
    value, times = plain(x), (reps,) if np.ndim(reps) == 0 else tuple(reps)
    rank = max(np.ndim(value), len(times))
    x = _reshape(x, (1,) * (rank - np.ndim(value)) + np.shape(value)) if rank > np.ndim(value) else x
    for axis, count in enumerate((1,) * (rank - len(times)) + times):
        x = _concatenate([x] * int(count), axis) if count != 1 else x
    return x


@known(np.repeat, methods="repeat")
def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    if np.ndim(repeats):
        raise Unsaid("with several counts can't be traced")
    if axis is None:
        x, axis = _ravel(x), 0
    value = plain(x)
    axis %= value.ndim
    inner = (*value.shape[: axis + 1], 1, *value.shape[axis + 1 :])
    spread = _reshape(x, inner) + np.zeros((*inner[: axis + 1], int(repeats), *inner[axis + 2 :]))
    return _reshape(spread, np.repeat(value, repeats, axis).shape)


@known(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0, **_how: Any) -> Any:
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    parts = list(arrays)
    places = ", ".join(f"{{{i}}}" for i in range(len(parts)))
    value = np.concatenate([plain(part) for part in parts], axis)
    return call(f"concat({places}, axis={int(axis)})", value, *parts)


@known(np.stack)
def _stack(arrays: Any, axis: int = 0, **_how: Any) -> Any:
    return _concatenate([np.expand_dims(a, axis) for a in arrays], axis)


@known(np.vstack)
def _vstack(arrays: Any, **_how: Any) -> Any:
    return _concatenate([_row(a) for a in arrays], 0)


def _row(x: Any) -> Any:
    shape = np.atleast_2d(plain(x)).shape
    return x if shape == np.shape(plain(x)) else np.reshape(x, shape)


@known(np.hstack)
def _hstack(arrays: Any, **_how: Any) -> Any:
    parts = [np.reshape(a, (1,)) if np.ndim(plain(a)) == 0 else a for a in arrays]
    return _concatenate(parts, 0 if np.ndim(plain(parts[0])) == 1 else 1)


@known(np.column_stack)
def _column_stack(arrays: Any) -> Any:
    return _concatenate([np.reshape(a, (-1, 1)) if np.ndim(plain(a)) == 1 else a for a in arrays], 1)


@known(np.split, np.array_split)
def _split(x: Any, parts: Any, axis: int = 0) -> Any:
    value = plain(x)
    stops = np.cumsum([np.shape(part)[axis] for part in np.array_split(value, parts, axis)])
    before = full_slices(axis % value.ndim)
    starts = [0, *stops[:-1]]
    return [x[(*before, slice(int(a), int(b)))] for a, b in zip(starts, stops, strict=True)]


@known(np.hsplit)
def _hsplit(x: Any, parts: Any) -> Any:
    return _split(x, parts, 0 if np.ndim(plain(x)) == 1 else 1)


@known(np.flip)
def _flip(x: Any, axis: Any = None) -> Any:
    value = plain(x)
    axes = range(value.ndim) if axis is None else np.atleast_1d(axis) % value.ndim
    for one in axes:
        rows = [x[(*full_slices(one), slice(i, i + 1))] for i in reversed(range(value.shape[one]))]
        x = _concatenate(rows, one)
    return x


@known(np.roll)
def _roll(x: Any, shift: int, axis: int | None = None) -> Any:
    if axis is None:
        raise Unsaid("without an axis can't be traced")
    size = np.shape(plain(x))[axis]
    cut, before = (size - int(shift)) % size, full_slices(axis % np.ndim(plain(x)))
    return _concatenate([x[(*before, slice(cut, size))], x[(*before, slice(0, cut))]], axis)


@known(np.pad)
def _pad(x: Any, width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise Unsaid(f"with mode={mode!r} can't be traced")
    for axis, (before, after) in enumerate(np.broadcast_to(width, (np.ndim(plain(x)), 2))):
        shape = list(np.shape(plain(x)))
        parts = [x]
        for count, at in ((before, 0), (after, len(parts))):
            if count:
                shape[axis] = int(count)
                parts.insert(at if at == 0 else len(parts), np.full(shape, float(constant_values)))
        x = _concatenate(parts, axis) if len(parts) > 1 else x
    return x


@known(np.take, methods="take")
def _take(x: Any, indices: Any, axis: int | None = None, **_how: Any) -> Any:
    if axis is None:
        return np.ravel(x)[indices]
    return x[(*full_slices(axis % np.ndim(plain(x))), indices)]
