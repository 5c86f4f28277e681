"""Indexing, ordering, rearranging and products by letters.

No cumprod, no scatter_add, no triu: MXNet 1.9 has none (npx.index_add came later). np.take_along_axis is NumPy's own there,
and has no gradient.
"""

from collections.abc import Callable
from typing import Any

from mxnet import np, npx
from worker import Unsupported

FORMULAS = {"gather"}


def embedding(ids: Any, W: Any, *, padding_idx: int | None) -> Any:
    if padding_idx is not None:
        raise Unsupported("MXNet has no embedding whose padding has no gradient")
    return npx.embedding(ids, W, input_dim=W.shape[0], output_dim=W.shape[1], dtype=W.dtype)


def gather(x: Any, indices: Any, *, axis: int) -> Any:
    """npx.gather_nd is told every axis of a place."""
    places = np.meshgrid(*(np.arange(n, dtype=indices.dtype) for n in indices.shape), indexing="ij")
    places[axis] = indices
    return npx.gather_nd(x, np.stack(places))


def expand_dims(x: Any, *, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    for at in sorted(a % (x.ndim + len(axes)) for a in axes):  # np.expand_dims takes one
        x = np.expand_dims(x, at)
    return x


def flip(x: Any, *, axis: Any) -> Any:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return np.flip(x, axis=tuple(a % x.ndim for a in axes))  # a negative axis raises


def sort(x: Any, *, axis: int, descending: bool) -> Any:
    found = np.sort(x, axis=axis)  # always rising
    return flip(found, axis=axis) if descending else found


def diag(x: Any) -> Any:
    if x.ndim != 1:
        raise Unsupported("np.diag of MXNet takes one vector")
    return np.diag(x)


OPS: dict[str, Callable[..., Any]] = {
    "embedding": embedding,
    "take": lambda x, indices, *, axis: np.take(x, indices, axis=axis),
    "gather": gather,
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "min": lambda x, *, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims),
    "prod": lambda x, *, axis, keepdims: np.prod(x, axis=axis, keepdims=keepdims),
    "cumsum": lambda x, *, axis: np.cumsum(x, axis=axis % x.ndim),  # the gradient takes no negative axis
    "einsum": lambda *operands, equation: np.einsum(equation, *operands),
    "outer": np.outer,
    "argmax": lambda x, *, axis: np.argmax(x, axis=axis),
    "argmin": lambda x, *, axis: np.argmin(x, axis=axis),
    "sort": sort,
    "topk": lambda x, *, k, axis: tuple(npx.topk(x, k=k, axis=axis, ret_typ="both", dtype="int64")),
    "stack": lambda *xs, axis: np.stack(xs, axis=axis),
    "squeeze": lambda x, *, axis: np.squeeze(x, axis=axis),
    "expand_dims": expand_dims,
    "flip": flip,
    "roll": lambda x, *, shift, axis: np.roll(x, shift, axis=axis),
    "repeat": lambda x, *, repeats, axis: np.repeat(x, repeats, axis=axis),
    "tile": lambda x, *, repeats: np.tile(x, repeats),
    "tril": lambda x, *, k: np.tril(x, k),
    "diag": diag,
    "diagonal": lambda x, *, k: np.diagonal(x, offset=k, axis1=-2, axis2=-1),
    "trace": lambda x, *, k: np.trace(x, offset=k, axis1=-2, axis2=-1),
}
