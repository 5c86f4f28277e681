"""Rows for losses. With reduction "mean" a loss is the mean over its elements (cross-entropy: over its positions)."""

import numpy as np

from . import shapes
from .elementary import sigmoid
from .reductions import log_softmax, logsumexp, softmax
from .row import row


def reduced(c, loss, reduction):
    if reduction == "none":
        return loss
    total = c.sum(loss, None)
    return c.r(total / loss.size) if reduction == "mean" else total


def unreduced(c, g, size, reduction):
    """The cotangent of each element of a loss before its reduction."""
    return c.r(g / size) if reduction == "mean" else g


row(
    "mse",
    shapes.pair_loss,
    lambda c, p, t, *, reduction="mean": reduced(c, c.r(np.square(c.r(p - t))), reduction),
    lambda c, out, p, t, g, *, reduction: c.r(2 * c.r(p - t) * unreduced(c, g, p.size, reduction)),
    lambda c, out, p, t, g, *, reduction: c.r(2 * c.r(t - p) * unreduced(c, g, p.size, reduction)),
)


def _bce(c, p, t, *, reduction="mean"):
    log1m = c.fn("log1p", -p) if c.exact else c.fn("log", c.r(1 - p))
    return reduced(c, c.r(-c.r(t * c.fn("log", p)) - c.r((1 - t) * log1m)), reduction)


def _bce_p(c, out, p, t, g, *, reduction):
    g = unreduced(c, g, p.size, reduction)
    if c.exact:
        return g * ((p - t) / (p * (1 - p)))
    return c.r(g * c.r(c.r((1 - t) / c.r(1 - p)) - c.r(t / p)))


def _bce_t(c, out, p, t, g, *, reduction):
    return c.r(unreduced(c, g, p.size, reduction) * c.r(c.fn("log1p", -p) - c.fn("log", p)))


row("bce", shapes.pair_loss, _bce, _bce_p, _bce_t)


def _bce_with_logits(c, z, t, *, reduction="mean"):
    """max(z, 0) - z t + log(1 + exp(-|z|)), or (1 - t) z - log(sigmoid(z)): the terms that are rounded are as large."""
    loss = np.maximum(z, 0) - z * t + c.fn("log1p", c.fn("exp", -np.abs(z)))
    return reduced(
        c, c.absolute(loss, 2 + 2 * np.maximum(z, 0) + np.abs(z * t) + np.abs(z * (1 - t))), reduction
    )


def _bce_with_logits_z(c, out, z, t, g, *, reduction):
    residual = (1 - t) * sigmoid(z) - t * sigmoid(-z) if c.exact else c.r(c.fn("sigmoid", z) - t)
    return c.r(unreduced(c, g, z.size, reduction) * residual)


def _bce_with_logits_t(c, out, z, t, g, *, reduction):
    """-z; a framework that takes the loss from two log-sigmoids gets it as a difference of two softplus."""
    slope = -z if c.exact else c.r(c.fn("softplus", -z) - c.fn("softplus", z))
    return c.r(slope * unreduced(c, g, z.size, reduction))


row(
    "bce_with_logits",
    shapes.pair_loss,
    _bce_with_logits,
    _bce_with_logits_z,
    _bce_with_logits_t,
)


def distribution(z, target, axis):
    """The target as a distribution over `axis`: labels become one-hot."""
    if target.dtype.kind != "i":
        return target
    return np.moveaxis(np.eye(z.shape[axis])[target], -1, axis)


def positions(z, axis):
    return z.size // z.shape[axis]


def _cross_entropy(c, z, target, *, axis=-1, reduction="mean"):
    """logsumexp(z) sum(t) - sum(t z), from shifted logits; the rounded terms are as large as |max z| and |t z|."""
    t = distribution(z, target, axis)
    loss = -np.sum(t * log_softmax_terms(c, z, axis), axis=axis)
    size = 2 + np.abs(np.max(z, axis=axis)) + np.sum(np.abs(t * z), axis=axis)
    return reduced(c, c.absolute(loss, size), reduction)


def log_softmax_terms(c, z, axis):
    return z - logsumexp(c, z, axis)


def _cross_entropy_z(c, out, z, target, g, *, axis, reduction):
    t = distribution(z, target, axis)
    g = np.expand_dims(unreduced(c, g, positions(z, axis), reduction), () if reduction != "none" else axis)
    return c.r(g * c.r(c.r(softmax(c, z, axis) * np.sum(t, axis=axis, keepdims=True)) - t))


def _cross_entropy_target(c, out, z, target, g, *, axis, reduction):
    g = np.expand_dims(unreduced(c, g, positions(z, axis), reduction), () if reduction != "none" else axis)
    return c.r(-g * log_softmax(c, z, axis))


row(
    "cross_entropy",
    shapes.cross_entropy,
    _cross_entropy,
    _cross_entropy_z,
    _cross_entropy_target,
    dtypes={1: ("float", "int64")},
)
