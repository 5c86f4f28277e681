"""Norms by their order, and distances by them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..drawing import draw, of, row, scaled
from ..numbers import MP, MpArray, apply, exact, objects, total
from .reductions import Axis, reductions
from .table import define


def norm(x: Any, *, p: float = 2, axis: Axis = None, keepdims: bool = False) -> MpArray:
    if p == 2:
        return apply(MP.sqrt, total(exact(x) ** 2, axis, keepdims))
    sizes = apply(lambda t: -t if t < 0 else t, x)
    if p == float("inf"):
        return objects(
            np.max(sizes, axis=tuple(axis) if isinstance(axis, Sequence) else axis, keepdims=keepdims)
        )
    return apply(
        lambda s: s ** (1 / MP.mpf(p)), total(apply(lambda t: t ** MP.mpf(p), sizes), axis, keepdims)
    )


def cdist(x: Any, y: Any, *, p: float = 2) -> MpArray:
    x, y = exact(x), exact(y)
    pairs = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, y = (np.broadcast_to(a, (*pairs, *a.shape[-2:])) for a in (x, y))
    found = np.empty((*pairs, x.shape[-2], y.shape[-2]), dtype=object)
    for *at, i, j in np.ndindex(found.shape):
        found[(*at, i, j)] = norm(x[(*at, i)] - y[(*at, j)], p=p)[()]
    return found


def _numpy_norm(x: Any, *, p: float = 2, axis: Axis = None, keepdims: bool = False) -> Any:
    if p == float("inf"):
        return np.max(np.abs(x), axis, keepdims=keepdims)
    return np.sum(np.abs(x) ** p, axis, keepdims=keepdims) ** (1 / p)


INF = float("inf")
define(
    "norm",
    norm,
    numpy=_numpy_norm,
    relative_to="terms",
    # The vjp divides by the result: below the smallest normal number that has no 53 bits left.
    samples=reductions(
        *(of(scaled(size, 2, 3), axis=-1) for size in (1e-305, 1e-170, 1e-9, 1e9, 1e170)),
        *(of(draw(2, 3, 2), p=p, axis=axis, keepdims=True) for p in (1, INF, 3, 1.5) for axis in (1, (0, 2))),
        *(of(draw(2, 3), p=p) for p in (1, INF, 4, 2.5)),
        *(of(scaled(size, 2, 3), p=3, axis=-1) for size in (1e-170, 1e170)),
        of(scaled(1e-200, 3), p=1.5),
    ),
    at_kinks=[
        of(row(0.0, 0.0)),
        of(np.array([[0.0, 0.0], [3.0, 4.0]]), axis=-1),
        *(of(np.array([[0.0, 0.0], [3.0, -4.0], [-2.0, 2.0]]), p=p, axis=-1) for p in (1, INF, 3, 1.5)),
    ],
    analytic=False,
)
VECTORS = draw(3, 2), draw(4, 2)
define(
    "cdist",
    cdist,
    numpy=lambda x, y, *, p=2: _numpy_norm(x[..., :, None, :] - y[..., None, :, :], p=p, axis=-1),
    relative_to="terms",
    samples=[
        of(*VECTORS),
        *(of(*VECTORS, p=p) for p in (1, INF, 3, 1.5)),
        of(draw(2, 3, 2), draw(2, 1, 2)),
        of(draw(2, 1, 3, 2), draw(2, 2, 2), p=1),
        of(draw(2, 3), draw(2, 3)),
    ],
    at_kinks=[
        of(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [2.0, 3.0]]), p=p)
        for p in (1, 2, INF, 3)
    ],
    analytic=False,
)
