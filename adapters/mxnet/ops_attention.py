"""Attention: MXNet 1.9 has it for interleaved projections alone, and no softmax with a mask; people write these."""

from collections.abc import Callable
from typing import Any

import numpy as onp  # noqa: ICN001 - np is MXNet's own
from mxnet import np, npx

FORMULAS = {"masked_softmax", "attention"}
CLOSED = -1e30  # in the place of scores that are masked: their exponentials are 0


def masked_softmax(x: Any, mask: Any, *, axis: int) -> Any:
    return npx.softmax(np.where(mask, x, np.full_like(x, CLOSED)), axis=axis)


def attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool, scale: float | None, groups: int
) -> Any:
    if groups > 1:
        k, v = (np.repeat(a, groups, axis=-3) for a in (k, v))
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = (
            np.where(mask, scores, np.full_like(scores, CLOSED)) if mask.dtype == onp.bool_ else scores + mask
        )
    if causal:
        closed = onp.where(onp.tri(*scores.shape[-2:], dtype=bool), 0, CLOSED)
        scores = scores + np.array(closed, dtype=scores.dtype)
    return np.matmul(npx.softmax(scores, axis=-1), v)


OPS: dict[str, Callable[..., Any]] = {"masked_softmax": masked_softmax, "attention": attention}
