"""Attention, and the softmax over what a mask leaves."""

from typing import Any

import numpy as np

from ..drawing import WIDE, Drawn, draw, of
from ..numbers import MP, MpArray, apply, exact, objects, total
from .table import define


def keeping(*shape: int) -> Drawn:
    """True and false, the first of each row true: a mask that leaves nothing has no softmax."""

    def make(rng: np.random.Generator) -> Any:
        mask = rng.integers(0, 2, shape).astype(bool)
        mask[..., 0] = True
        return mask

    return Drawn(f"keeping({shape})", make)


def masked_softmax(x: Any, mask: Any, *, axis: int = -1) -> MpArray:
    exponentials = objects(apply(MP.exp, x) * exact(mask))
    return objects(exponentials / total(exponentials, axis, keepdims=True))


def attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    groups: int = 1,
) -> MpArray:
    """Each query's mean of the values, by its exponentials, one query and one head after the other."""
    q, k, v = map(exact, (q, k, v))
    length, keys = q.shape[-2], k.shape[-2]
    factor = 1 / MP.sqrt(q.shape[-1]) if scale is None else MP.mpf(scale)
    bools = mask is not None and np.asarray(mask).dtype == bool
    added = exact(np.broadcast_to(np.asarray(0 if mask is None else mask), (*q.shape[:-1], keys)))
    out = np.empty((*q.shape[:-1], v.shape[-1]), dtype=object)
    for place in np.ndindex(*q.shape[:-2]):
        shared = (*place[:-1], place[-1] // groups) if place else ()
        for i in range(length):
            weights = []
            for j in range(keys):
                score = factor * np.sum(q[place][i] * k[shared][j])
                open_ = not (causal and j > i) and not (bools and not added[place][i, j])
                weights.append(MP.exp(score + (0 if bools else added[place][i, j])) if open_ else MP.zero)
            out[place][i] = sum(w * row for w, row in zip(weights, v[shared], strict=True)) / sum(weights)
    return out


def _masked_softmax(x: Any, mask: Any, *, axis: int = -1) -> Any:
    e = np.where(mask, np.exp(x), 0)
    return e / np.sum(e, axis, keepdims=True)


def _attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    groups: int = 1,
) -> Any:
    k, v = (np.repeat(a, groups, -3) if groups > 1 else a for a in (k, v))
    scores = np.einsum("...ld,...sd->...ls", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    kept = np.tril(np.ones(scores.shape[-2:], bool)) if causal else np.ones(scores.shape[-2:], bool)
    return np.einsum("...ls,...se->...le", _masked_softmax(scores, kept), v)


define(
    "masked_softmax",
    masked_softmax,
    numpy=_masked_softmax,
    relative_to="one",
    samples=[
        of(draw(2, 3, 4), keeping(2, 3, 4)),
        of(draw(2, 3), keeping(3)),
        of(draw(3, 2), np.array([[True], [False], [True]]), axis=0),
        of(WIDE, np.array([False, True, True, True])),
        of(draw(2, 1), np.array(True)),
    ],
)
define(
    "attention",
    attention,
    numpy=_attention,
    relative_to="one",
    samples=[
        of(draw(3, 2), draw(4, 2), draw(4, 3)),
        of(draw(2, 3, 2), draw(2, 4, 2), draw(2, 4, 2), keeping(3, 4)),
        of(draw(2, 2, 2, 3), draw(2, 2, 3, 3), draw(2, 2, 3, 1), draw(2, 1, 2, 3)),
        of(draw(1, 2, 2), draw(1, 3, 2), draw(1, 3, 2), draw(3), causal=True),
        of(draw(3, 2), draw(2, 2), draw(2, 2), causal=True, scale=0.5),
        of(draw(4, 2, 2), draw(2, 3, 2), draw(2, 3, 2), groups=2),
        of(draw(1, 4, 2, 2), draw(1, 1, 2, 2), draw(1, 1, 2, 2), keeping(4, 2, 2), groups=4, causal=True),
        of(draw(2, 1), draw(1, 1), draw(1, 2), scale=3.0),
    ],
)
