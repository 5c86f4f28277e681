"""Rows for attention, and for the softmax over what a mask leaves."""

import math
from fractions import Fraction

import numpy as np

from . import arithmetic, shapes
from .composed import composed
from .limits import vanishing
from .reductions import softmax
from .row import Doc, OpError, row


def _left(x, mask, *, axis):
    shapes.along(x.shape, axis=axis)
    if shapes.broadcast(x.shape, mask.shape) != x.shape:
        raise OpError(
            f"mask {shapes.text(mask.shape)} does not broadcast to the shape of x, {shapes.text(x.shape)}"
        )
    return x.shape


composed(
    "masked_softmax",
    _left,
    lambda f, x, mask, *, axis=-1: f.softmax(f.where(mask, x, -math.inf), axis=axis),
    dtypes={1: ("bool",)},
    doc=Doc(
        "the softmax over those elements along one axis where the mask is true; 0 for the others",
        gradient="y * (g - sum(g * y)) along the axis",
        arguments={
            "mask": "a bool tensor, which broadcasts to x: True where an element takes part."
            " Where none does there is no value: NaN",
            "axis": "the axis that adds up to 1",
        },
        example="p = masked_softmax(z, keep)",
    ),
)


def _attended(q, k, v, mask=None, *, causal, scale, groups):
    shapes.flag("causal", causal)
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
        raise OpError(f"scale is {scale!r}, but must be a number, or None for 1 / sqrt(d)")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise OpError(f"groups is {groups!r}, but must be an integer of at least 1")
    q, k, v = q.shape, k.shape, v.shape
    found = f"q {shapes.text(q)}, k {shapes.text(k)} and v {shapes.text(v)}"
    if not len(q) == len(k) == len(v) >= (3 if groups > 1 else 2):
        raise OpError(f"{found} must all have the axes (..., {'heads, ' * (groups > 1)}length, size)")
    if q[-1] != k[-1] or k[-2] != v[-2] or 0 in (q[-1], k[-2], v[-1]):
        raise OpError(f"{found} do not fit: q and k have one size, k and v one length, none of them 0")
    heads = q[:-2] if groups == 1 else (*q[:-3], q[-3] // groups)
    if not heads == k[:-2] == v[:-2] or (groups > 1 and q[-3] % groups):
        raise OpError(f"{found} do not fit: with groups={groups} q has {groups} times the heads of k and v")
    scores = (*q[:-1], k[-2])
    if mask is not None and shapes.broadcast(scores, mask.shape) != scores:
        raise OpError(f"mask {shapes.text(mask.shape)} does not broadcast to {shapes.text(scores)}")
    return (*q[:-1], v[-1])


def _repeated(a, groups):
    """Keys or values, each of their heads for as many heads of queries as share it."""
    if groups == 1:
        return a
    wide = np.broadcast_to(np.expand_dims(a, -3), (*a.shape[:-2], groups, *a.shape[-2:]))
    return wide.reshape(*a.shape[:-3], a.shape[-3] * groups, *a.shape[-2:])


def _shared(c, da, groups):
    """The cotangent of keys or values from those of their repetitions."""
    if groups == 1:
        return da
    heads = da.shape[-3] // groups
    return c.sum(da.reshape(*da.shape[:-3], heads, groups, *da.shape[-2:]), -3)


def _scale(q, scale):
    return 1 / math.sqrt(q.shape[-1]) if scale is None else scale


def _scores(c, q, k, mask, causal, scale, groups):
    """By which each query chooses among the keys. A framework may scale q and k before they are multiplied."""
    scores = c.r(c.matmul(q, _repeated(k, groups).swapaxes(-1, -2)) * _scale(q, scale), 3)
    if mask is not None:
        scores = np.where(mask, scores, -math.inf) if mask.dtype.kind == "b" else c.r(scores + mask)
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -math.inf)
    return scores


def _attention(c, q, k, v, mask=None, *, causal=False, scale=None, groups=1):
    weights = softmax(c, _scores(c, q, k, mask, causal, scale, groups), -1)
    return c.matmul(weights, _repeated(v, groups))


def _weights_again(c, *given):
    """What each query gives to each key, as flash attention makes it backwards: exp(score - L), L = log(sum(exp(score))).

    L, about the largest score, was rounded at its own size, which is an error of that size in all of a query's weights
    (Dao, FlashAttention-2, 2023, Algorithm 2).
    """
    scores = _scores(c, *given)
    largest = np.max(scores, axis=-1, keepdims=True)
    off = c.absolute(0 * largest, np.abs(largest))
    return c.r(softmax(c, scores, -1) * (1 + off))


def _scores_cotangent(c, out, q, k, v, mask, g, causal, scale, groups):
    """P (dP - sum(dP P)); flash attention has the sum of g * out for that of dP P, whose terms may be larger."""
    p = _weights_again(c, q, k, mask, causal, scale, groups)
    dp = c.matmul(g, _repeated(v, groups).swapaxes(-1, -2))
    mean = c.sum(c.r(dp * p), -1, keepdims=True)
    mean = c.absolute(mean, np.sum(np.abs(g * out), axis=-1, keepdims=True))
    return c.r(vanishing(p, p * c.r(dp - mean)))


def _attention_q(c, out, q, k, v, mask, g, *, causal, scale, groups):
    ds = _scores_cotangent(c, out, q, k, v, mask, g, causal, scale, groups)
    return c.r(c.matmul(ds, _repeated(k, groups)) * _scale(q, scale), 3)


def _attention_k(c, out, q, k, v, mask, g, *, causal, scale, groups):
    ds = _scores_cotangent(c, out, q, k, v, mask, g, causal, scale, groups)
    return _shared(c, c.r(c.matmul(ds.swapaxes(-1, -2), q) * _scale(q, scale), 3), groups)


def _attention_v(c, out, q, k, v, mask, g, *, causal, scale, groups):
    p = _weights_again(c, q, k, mask, causal, scale, groups)
    return _shared(c, c.matmul(p.swapaxes(-1, -2), g), groups)


def _attention_mask(c, out, q, k, v, mask, g, *, causal, scale, groups):
    return arithmetic.unbroadcast(c, _scores_cotangent(c, out, q, k, v, mask, g, causal, scale, groups), mask)


row(
    "attention",
    _attended,
    _attention,
    _attention_q,
    _attention_k,
    _attention_v,
    _attention_mask,
    dtypes={3: ("float", "bool")},
    terms=lambda q, k, v, *_, **kw: k[-2] * (1 + Fraction(q[-1], v[-1])),
    doc=Doc(
        "softmax(q @ k.T * scale + mask) @ v, for each head",
        gradient="with p the softmax, dp = g @ v.T and ds = p * (dp - sum(dp * p)): ds @ k * scale towards q,"
        " ds.T @ q * scale towards k, p.T @ g towards v, ds towards the mask, summed over broadcast axes",
        arguments={
            "q": "queries, (..., heads, length, d)",
            "k": "keys, (..., heads / groups, length of the keys, d)",
            "v": "values, (..., heads / groups, length of the keys, e)",
            "mask": "broadcasts to (..., heads, length, length of the keys): floats are added to the scores;"
            " bools are True where a query attends to a key. A query that attends to none has no value: NaN",
            "causal": "query number i attends to the keys up to number i alone",
            "scale": "a number; None: 1 / sqrt(d)",
            "groups": "how many heads of queries share a head of keys and values, one after the other",
        },
        example="y = attention(q, k, v, causal=True)",
    ),
)
