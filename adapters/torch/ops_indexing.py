"""Indexing, ordering, rearranging and products by letters."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Unsupported


def take(x: torch.Tensor, indices: torch.Tensor, *, axis: int) -> torch.Tensor:
    at = axis % x.ndim
    taken = torch.index_select(x, at, indices.reshape(-1))  # indices: one dimension
    return taken.reshape((*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))


def prod(x: torch.Tensor, *, axis: Any, keepdims: bool) -> torch.Tensor:
    """torch.prod takes one axis, or all of them and keeps none."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    if len(axes) == x.ndim and not keepdims:
        return torch.prod(x)
    for at in sorted((a % x.ndim for a in axes), reverse=True):
        x = torch.prod(x, dim=at, keepdim=keepdims)
    return x


def squeeze(x: torch.Tensor, *, axis: Any) -> torch.Tensor:
    return torch.squeeze(x) if axis is None else torch.squeeze(x, axis)


def expand_dims(x: torch.Tensor, *, axis: Any) -> torch.Tensor:
    axes = axis if isinstance(axis, tuple) else (axis,)
    for at in sorted(a % (x.ndim + len(axes)) for a in axes):  # torch.unsqueeze takes one
        x = torch.unsqueeze(x, at)
    return x


def flip(x: torch.Tensor, *, axis: Any) -> torch.Tensor:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return torch.flip(x, tuple(axes))


def trace(x: torch.Tensor, *, k: int) -> torch.Tensor:
    if k or x.ndim != 2:
        raise Unsupported("torch.trace takes the main diagonal of one matrix")
    return torch.trace(x)


OPS: dict[str, Callable[..., Any]] = {
    "embedding": lambda ids, W, *, padding_idx: F.embedding(ids, W, padding_idx=padding_idx),
    "take": take,
    "gather": lambda x, indices, *, axis: torch.gather(x, axis, indices),
    "scatter_add": lambda x, indices, src, *, axis: torch.scatter_add(x, axis, indices, src),
    "broadcast_to": lambda x, *, shape: torch.broadcast_to(x, shape),
    "min": lambda x, *, axis, keepdims: torch.amin(x, dim=() if axis is None else axis, keepdim=keepdims),
    "prod": prod,
    "cumsum": lambda x, *, axis: torch.cumsum(x, dim=axis),
    "cumprod": lambda x, *, axis: torch.cumprod(x, dim=axis),
    "einsum": lambda *operands, equation: torch.einsum(equation, *operands),
    "outer": torch.outer,
    "argmax": lambda x, *, axis: torch.argmax(x, dim=axis),
    "argmin": lambda x, *, axis: torch.argmin(x, dim=axis),
    "sort": lambda x, *, axis, descending: torch.sort(x, dim=axis, descending=descending).values,
    "topk": lambda x, *, k, axis: tuple(torch.topk(x, k, dim=axis)),
    "stack": lambda *xs, axis: torch.stack(xs, dim=axis),
    "squeeze": squeeze,
    "expand_dims": expand_dims,
    "flip": flip,
    "roll": lambda x, *, shift, axis: torch.roll(x, shift, axis),
    "repeat": lambda x, *, repeats, axis: torch.repeat_interleave(x, repeats, dim=axis),
    "tile": lambda x, *, repeats: torch.tile(x, repeats),
    "tril": lambda x, *, k: torch.tril(x, diagonal=k),
    "triu": lambda x, *, k: torch.triu(x, diagonal=k),
    "diag": torch.diag_embed,
    "diagonal": lambda x, *, k: torch.diagonal(x, offset=k, dim1=-2, dim2=-1),
    "trace": trace,
}
