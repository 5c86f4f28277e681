"""Arrays of several runs at once: the run is a hidden last axis.

Rows see the shape of one run. What they write broadcasts from the right, so that axes, indices and shapes mean what
they mean for one run's arrays, and an array that is the same in all runs stays a plain one until it meets another.
In memory the run comes first: each run's matrices are whole, and a product of matrices is one call of BLAS for each.
"""

import math
from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Array = Any
Axes = int | Sequence[int] | None


class Runs(NDArrayOperatorsMixin):
    """An array whose last axis, the run, is not seen; `a` has it. Truth and conversion are refused: runs may differ."""

    __slots__ = ("a",)

    def __init__(self, a: Array) -> None:
        self.a = a

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one run."""
        shape: tuple[int, ...] = self.a.shape[:-1]
        return shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> Any:
        return self.a.dtype

    @property
    def T(self) -> "Runs":  # noqa: N802
        return _transposed(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> "Runs":
        return Runs(self.a[_with_runs(index)])

    def __setitem__(self, index: Any, value: Array) -> None:
        self.a[_with_runs(index)] = raw(value)

    def __bool__(self) -> bool:
        raise TypeError("runs may differ: ask np.any or np.all of them, and choose with np.where")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("runs may differ: no plain array stands for them all")

    def reshape(self, *shape: Any) -> "Runs":
        return _reshaped(self, shape[0] if len(shape) == 1 else shape)

    def swapaxes(self, one: int, other: int) -> "Runs":
        return Runs(self.a.swapaxes(one % self.ndim, other % self.ndim))

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Array, out: Any = None, where: Any = True, **more: Any
    ) -> Any:
        if ufunc is np.matmul and method == "__call__":
            return _product(*inputs)
        if method != "__call__" or ufunc.signature is not None:
            raise TypeError(
                f"np.{ufunc.__name__}{'' if method == '__call__' else f'.{method}'} isn't known of runs"
            )
        arrays = [raw(a) for a in inputs]
        if out is not None:  # what isn't computed is taken from it; it may itself be the same in all runs
            shapes = [np.shape(a) for a in (*arrays, raw(out[0]), raw(where))]
            more["out"] = np.array(np.broadcast_to(raw(out[0]), np.broadcast_shapes(*shapes)))
        if where is not True:
            more["where"] = raw(where)
        found = ufunc(*arrays, **more)
        return tuple(map(Runs, found)) if isinstance(found, tuple) else Runs(found)

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise TypeError(
                f"np.{function.__name__} isn't known of runs: add it to {__name__.rpartition('.')[2]}.py"
            )
        return FUNCTIONS[function](*args, **kwargs)


class Left:
    """An array that one evaluation leaves for another: of an exact one, and of runs in parts as they were evaluated."""

    def __init__(self) -> None:
        self._exact: Array = None
        self._runs: list[Array] = []

    def keep(self, a: Array) -> None:
        """An array of one evaluation; those of runs come in their order."""
        if isinstance(a, Runs):
            self._runs.append(a.a)
        else:
            self._exact = a

    def kept(self, numbers: range | None) -> Array:
        """That of these runs, by default the exact one."""
        if numbers is None or not self._runs:
            return self._exact
        if len(self._runs) > 1:
            self._runs = [np.concatenate(self._runs, axis=-1)]
        return Runs(self._runs[0][..., numbers.start : numbers.stop])


def in_runs(a: Array, shape: tuple[int, ...], runs: int) -> Array:
    """The elements of a row as those of so many runs, each of that shape; the run is the last axis."""
    return a.reshape(runs, *shape).transpose(*range(1, len(shape) + 1), 0)


def raw(a: Array) -> Array:
    """With an axis for the run; numbers do without."""
    if isinstance(a, Runs):
        return a.a
    return a[..., None] if np.ndim(a) else a


def _with_runs(index: Any) -> tuple[Any, ...]:
    """A basic index, of all runs."""
    index = index if isinstance(index, tuple) else (index,)
    if not all(i is None or isinstance(i, int | np.integer | slice | EllipsisType) for i in index):
        raise TypeError("an array as an index isn't known of runs: use np.take or np.where")
    return (*index, slice(None)) if any(i is ... for i in index) else (*index, ..., slice(None))


def _axes(axis: Axes, ndim: int) -> tuple[int, ...]:
    """Axes of one run, from 0; None: all."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(a) % ndim for a in ((axis,) if isinstance(axis, int | np.integer) else axis))


def _first(a: Array, rank: int) -> Array:
    """The runs of an array first, before so many axes."""
    found = raw(a)
    found = found.transpose(found.ndim - 1, *range(found.ndim - 1))
    return found.reshape(found.shape[0], *(1,) * (rank + 1 - found.ndim), *found.shape[1:])


def _product(x: Array, w: Array) -> Runs:
    """The product of matrices, run by run; of several runs' rows with one matrix, all rows at once."""
    row, column = np.ndim(x) == 1, np.ndim(w) == 1
    if row:
        x = x[None, :]
    if column:
        w = w[:, None]
    rank = max(np.ndim(x), np.ndim(w))
    if not isinstance(w, Runs) and w.ndim == 2:
        rows = _first(x, rank)
        found = (rows.reshape(-1, rows.shape[-1]) @ w).reshape(*rows.shape[:-1], w.shape[-1])
    else:
        found = np.matmul(*(_first(a, rank) for a in (x, w)))
    found = found[..., 0, :] if row else found
    found = found[..., 0] if column else found
    return Runs(found.transpose(*range(1, found.ndim), 0))


def _reduction(function: Any) -> Callable[..., Runs]:
    """Over axes of one run."""

    def reduced(a: Runs, axis: Axes = None, **more: Any) -> Runs:
        return Runs(function(a.a, axis=_axes(axis, a.ndim), **more))

    return reduced


def _question(function: Any) -> Callable[..., Any]:
    """Without an axis a question about all runs: whether any element of any has it, or all of all."""

    def asked(a: Runs, axis: Axes = None, **more: Any) -> Any:
        return bool(function(a.a)) if axis is None else Runs(function(a.a, axis=_axes(axis, a.ndim), **more))

    return asked


def _reshaped(a: Runs, shape: int | tuple[int, ...]) -> Runs:
    runs = np.moveaxis(a.a, -1, 0)
    return Runs(np.moveaxis(runs.reshape(len(runs), *((shape,) if isinstance(shape, int) else shape)), 0, -1))


def _squeezed(a: Runs, axis: Axes) -> Runs:
    return Runs(np.squeeze(a.a, _axes(axis, a.ndim)))


def _transposed(a: Runs, axes: Axes = None) -> Runs:
    order = _axes(axes, a.ndim) if axes is not None else reversed(range(a.ndim))
    return Runs(np.transpose(a.a, (*order, a.ndim)))


def _expanded(a: Runs, axis: int | tuple[int, ...]) -> Runs:
    count = 1 if isinstance(axis, int) else len(axis)
    return Runs(np.expand_dims(a.a, _axes(axis, a.ndim + count)))


def _chosen(condition: Array, x: Array, y: Array) -> Runs:
    return Runs(np.where(raw(condition), raw(x), raw(y)))


def _repeated(a: Runs, shape: tuple[int, ...]) -> Runs:
    return Runs(np.broadcast_to(a.a, (*shape, a.a.shape[-1])))


def _zeros(a: Runs, shape: tuple[int, ...] | None = None) -> Runs:
    shape = a.shape if shape is None else shape
    runs = a.a.shape[-1]
    return Runs(in_runs(np.zeros(math.prod(shape) * runs, a.dtype), shape, runs))


def _clipped(a: Array, low: Array, high: Array) -> Runs:
    return Runs(np.clip(raw(a), raw(low), raw(high)))


def _rolled(a: Runs, by: int, axis: int) -> Runs:
    return Runs(np.roll(a.a, by, axis % a.ndim))


def _joined(arrays: Sequence[Array], axis: int = 0) -> Runs:
    runs = max(a.a.shape[-1] for a in arrays if isinstance(a, Runs))
    wide = [np.broadcast_to(raw(a), (*np.shape(a), runs)) for a in arrays]
    return Runs(np.concatenate(wide, axis % np.ndim(arrays[0])))


def _parts(a: Runs, parts: int, axis: int) -> list[Runs]:
    return list(map(Runs, np.split(a.a, parts, axis % a.ndim)))


def _taken(a: Runs, indices: Sequence[int], axis: int) -> Runs:
    return Runs(np.moveaxis(np.take(np.moveaxis(a.a, -1, 0), indices, axis % a.ndim + 1), 0, -1))


def _taken_along(a: Runs, indices: Array, axis: int) -> Runs:
    return Runs(np.take_along_axis(a.a, indices[..., None], axis % a.ndim))


def _moved(a: Runs, source: int, destination: int) -> Runs:
    return Runs(np.moveaxis(a.a, source % a.ndim, destination % a.ndim))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
    np.sum: _reduction(np.sum),
    np.max: _reduction(np.max),
    np.any: _question(np.any),
    np.all: _question(np.all),
    np.where: _chosen,
    np.reshape: _reshaped,
    np.squeeze: _squeezed,
    np.transpose: _transposed,
    np.expand_dims: _expanded,
    np.broadcast_to: _repeated,
    np.zeros_like: _zeros,
    np.ones_like: lambda a: Runs(np.ones_like(a.a)),
    np.clip: _clipped,
    np.round: lambda a, decimals: Runs(np.round(a.a, decimals)),
    np.flip: lambda a, axis: Runs(np.flip(a.a, axis % a.ndim)),
    np.roll: _rolled,
    np.concatenate: _joined,
    np.split: _parts,
    np.take: _taken,
    np.take_along_axis: _taken_along,
    np.moveaxis: _moved,
}
"""The functions of NumPy that rows use, and what is tried in their place, of runs."""
