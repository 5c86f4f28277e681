"""Rows for losses. With reduction "mean" a loss is the mean over its elements (cross-entropy: over its positions)."""

import numpy as np

from . import shapes
from .elementary import sigmoid
from .limits import shifted, unheld, vanishing
from .reductions import log_softmax, logsumexp, softmax
from .row import Doc, row
from .units import softplus_slope


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
    doc=Doc(
        "(p - t)**2, reduced; there is no 1/2",
        gradient='2 * (p - t) * g towards p, the negative towards t; by the number of elements with reduction="mean"',
        arguments={"p": "the prediction, of any shape", "t": "the target, of the same shape"},
        example="loss = mse(y, t)",
    ),
)


def _bce(c, p, t, *, reduction="mean"):
    """-t log(p) - (1 - t) log(1 - p), in which 0 log 0 is 0."""
    log1m = c.fn("log1p", -p) if c.exact else c.fn("log", c.r(1 - p))
    hit, missed = vanishing(t, t * c.fn("log", p)), vanishing(1 - t, (1 - t) * log1m)
    return reduced(c, c.r(-c.r(hit) - c.r(missed)), reduction)


def _bce_p(c, out, p, t, g, *, reduction):
    """(p - t) / (p (1 - p)): -1 / p for t = 1, also at p = 1, and 1 / (1 - p) for t = 0."""
    g = unreduced(c, g, p.size, reduction)
    if c.exact:
        slope = np.where(t == 1, -1 / p, np.where(t == 0, 1 / (1 - p), (p - t) / (p * (1 - p))))
    else:
        missed = c.r(vanishing(1 - t, (1 - t) / c.r(1 - p)))
        slope = c.r(missed - c.r(vanishing(t, t / p)))
    return c.r(vanishing(g, g * slope))


def _bce_t(c, out, p, t, g, *, reduction):
    g = unreduced(c, g, p.size, reduction)
    return c.r(vanishing(g, g * c.r(c.fn("log1p", -p) - c.fn("log", p))))


row(
    "bce",
    shapes.pair_loss,
    _bce,
    _bce_p,
    _bce_t,
    doc=Doc(
        "-t log(p) - (1 - t) log(1 - p), reduced; 0 log 0 is 0, and nothing is clipped",
        gradient='g * (p - t) / (p * (1 - p)) towards p, g * log((1 - p) / p) towards t; by the number of elements with reduction="mean"',
        arguments={"p": "probabilities, of any shape", "t": "targets from 0 to 1, of the same shape"},
        example="loss = bce(p, t)",
    ),
)


def _bce_with_logits(c, z, t, *, reduction="mean"):
    """max(z, 0) - z t + log(1 + exp(-|z|)), or (1 - t) z - log(sigmoid(z)): the terms that are rounded are as large."""
    loss = np.maximum(z, 0) - z * t + c.fn("log1p", c.fn("exp", -np.abs(z)))
    return reduced(
        c, c.absolute(loss, 2 + 2 * np.maximum(z, 0) + np.abs(z * t) + np.abs(z * (1 - t))), reduction
    )


def _bce_with_logits_z(c, out, z, t, g, *, reduction):
    """The logistic function of z, less t; optax takes the slopes of two softplus, others subtract t."""
    if c.exact:
        residual = (1 - t) * sigmoid(z) - t * sigmoid(-z)
    else:
        up, down = softplus_slope(c, z), softplus_slope(c, -z)
        residual = c.absolute((1 - t) * up - t * down, np.maximum(up, np.abs(t)))
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
    doc=Doc(
        "bce(sigmoid(z), t), that is max(z, 0) - z t + log(1 + exp(-|z|)), reduced",
        gradient='g * (sigmoid(z) - t) towards z, -g * z towards t; by the number of elements with reduction="mean"',
        arguments={"z": "logits, of any shape", "t": "targets from 0 to 1, of the same shape"},
        example='loss = bce_with_logits(z, t, reduction="sum")',
    ),
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
    loss = -np.sum(vanishing(t, t * log_softmax_terms(c, z, axis)), axis=axis)
    size = 2 + np.abs(np.max(z, axis=axis)) + np.sum(np.abs(vanishing(t, t * z)), axis=axis)
    return reduced(c, c.absolute(loss, size), reduction)


def log_softmax_terms(c, z, axis):
    return unheld(c, z - logsumexp(c, z, axis), np.max(z, axis=axis, keepdims=True))


def _probabilities(c, z, axis):
    """The softmax as torch has it: exp of the rounded z - max(z) - log(sum(exp(z - max(z))))."""
    below = shifted(c, z, axis)
    logarithm = below - np.log(c.sum(np.exp(below), axis, keepdims=True))
    return c.fn("exp", c.absolute(logarithm, 1 + np.abs(below) + np.abs(logarithm)))


def _cross_entropy_z(c, out, z, target, g, *, axis, reduction):
    """The softmax of z times the sum of t, less t."""
    t = distribution(z, target, axis)
    g = np.expand_dims(unreduced(c, g, positions(z, axis), reduction), () if reduction != "none" else axis)
    p = softmax(c, z, axis) if c.exact else _probabilities(c, z, axis)
    return c.r(g * c.r(c.r(p * np.sum(t, axis=axis, keepdims=True)) - t))


def _cross_entropy_target(c, out, z, target, g, *, axis, reduction):
    g = np.expand_dims(unreduced(c, g, positions(z, axis), reduction), () if reduction != "none" else axis)
    return c.r(vanishing(g, -g * log_softmax(c, z, axis)))


row(
    "cross_entropy",
    shapes.cross_entropy,
    _cross_entropy,
    _cross_entropy_z,
    _cross_entropy_target,
    dtypes={1: ("float", "int64")},
    doc=Doc(
        "-sum(t * log_softmax(z)) along the axis, reduced over the positions that are left",
        gradient='g * (softmax(z) * sum(t) - t) towards z, -g * log_softmax(z) towards t; by the number of positions, not of elements, with reduction="mean"',
        arguments={
            "z": "logits, with the classes along the axis",
            "target": "int64 labels, of z's shape without the axis; or weights of the classes t, of z's shape",
            "axis": "the axis of the classes",
            "reduction": '"mean" over the positions, "sum" of them, or "none": a loss for each',
        },
        example="loss = cross_entropy(z, labels)",
    ),
)
