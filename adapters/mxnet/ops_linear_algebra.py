"""Norms, distances, and what is made of matrices.

No rfft: what MXNet has, contrib.fft, is for GPUs alone.
"""

import math
from collections.abc import Callable
from typing import Any

from mxnet import np, npx
from worker import Unsupported

FORMULAS = {"cdist"}


def norm(x: Any, *, p: float, axis: Any, keepdims: bool) -> Any:
    if p == math.inf:
        raise Unsupported("np.linalg.norm of MXNet has no gradient of order inf")
    if p == 2:
        if isinstance(axis, tuple) and len(axis) > 2:
            raise Unsupported("np.linalg.norm of MXNet takes two axes at most")
        return np.linalg.norm(x, axis=axis, keepdims=keepdims)
    if x.ndim != 1 and (axis is None or (isinstance(axis, tuple) and len(axis) > 1)):
        raise Unsupported("np.linalg.norm of MXNet takes one axis of another order than 2")
    return np.linalg.norm(x, ord=p, axis=axis, keepdims=keepdims)


def cdist(x: Any, y: Any, *, p: float) -> Any:
    return norm(np.expand_dims(x, -2) - np.expand_dims(y, -3), p=p, axis=-1, keepdims=False)


def solve(a: Any, b: Any) -> Any:
    if a.shape[:-2] != b.shape[:-2]:
        raise Unsupported("np.linalg.solve of MXNet broadcasts nothing")
    return np.linalg.solve(a, b)


OPS: dict[str, Callable[..., Any]] = {
    "norm": norm,
    "cdist": cdist,
    "one_hot": lambda labels, *, classes, dtype: npx.one_hot(labels, depth=classes, dtype=dtype),
    "inv": np.linalg.inv,
    "solve": solve,
    "det": np.linalg.det,
    "slogdet": lambda a: tuple(np.linalg.slogdet(a)),
    "cholesky": np.linalg.cholesky,
}
