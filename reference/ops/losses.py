"""Rows for losses. With reduction "mean" a loss is the mean over its elements."""

import numpy as np

from . import shapes
from .arithmetic import unbroadcast
from .elementary import sigmoid
from .limits import vanishing
from .row import Doc, row
from .units import softplus_slope

MEANS = ("mean", "batchmean")


def counted(x, reduction):
    """By how many a mean divides: all elements, or as many as the first axis has."""
    return len(x) if reduction == "batchmean" else x.size


def reduced(c, loss, reduction):
    if reduction == "none":
        return loss
    total = c.sum(loss, None)
    return c.r(total / counted(loss, reduction)) if reduction in MEANS else total


def unreduced(c, g, size, reduction):
    """The cotangent of each element of a loss before its reduction."""
    return c.r(g / size) if reduction in MEANS else g


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


def weighted(c, a, w):
    """Each element by its weight, where there are weights."""
    return a if w is None else c.r(a * w)


def _bce_losses(c, p, t):
    """-t log(p) - (1 - t) log(1 - p), in which 0 log 0 is 0."""
    log1m = c.fn("log1p", -p) if c.exact else c.fn("log", c.r(1 - p))
    hit, missed = vanishing(t, t * c.fn("log", p)), vanishing(1 - t, (1 - t) * log1m)
    return c.r(-c.r(hit) - c.r(missed))


def _bce(c, p, t, w=None, *, reduction="mean"):
    return reduced(c, weighted(c, _bce_losses(c, p, t), w), reduction)


def _bce_p(c, out, p, t, w, g, *, reduction):
    """(p - t) / (p (1 - p)): -1 / p for t = 1, also at p = 1, and 1 / (1 - p) for t = 0."""
    g = weighted(c, unreduced(c, g, p.size, reduction), w)
    if c.exact:
        slope = np.where(t == 1, -1 / p, np.where(t == 0, 1 / (1 - p), (p - t) / (p * (1 - p))))
    else:
        missed = c.r(vanishing(1 - t, (1 - t) / c.r(1 - p)))
        slope = c.r(missed - c.r(vanishing(t, t / p)))
    return c.r(vanishing(g, g * slope))


def _bce_t(c, out, p, t, w, g, *, reduction):
    g = weighted(c, unreduced(c, g, p.size, reduction), w)
    return c.r(vanishing(g, g * c.r(c.fn("log1p", -p) - c.fn("log", p))))


def _bce_w(c, out, p, t, w, g, *, reduction):
    g = unreduced(c, g, p.size, reduction)
    return unbroadcast(c, c.r(vanishing(g, g * _bce_losses(c, p, t))), w)


WEIGHTS = "weights of the elements, which broadcast to their shape; may be left out; no mean divides by them"

row(
    "bce",
    shapes.weighted_loss,
    _bce,
    _bce_p,
    _bce_t,
    _bce_w,
    doc=Doc(
        "w * (-t log(p) - (1 - t) log(1 - p)), reduced; 0 log 0 is 0, and nothing is clipped",
        gradient='g * w * (p - t) / (p * (1 - p)) towards p, g * w * log((1 - p) / p) towards t; by the number of elements with reduction="mean"',
        arguments={
            "p": "probabilities, of any shape",
            "t": "targets from 0 to 1, of the same shape",
            "w": WEIGHTS,
        },
        example="loss = bce(p, t)",
    ),
)


def _logit_losses(c, z, t, pos_weight):
    """max(z, 0) - z t + log(1 + exp(-|z|)), or (1 - t) z - log(sigmoid(z)): the terms that are rounded are as large."""
    size = 2 + 2 * np.maximum(z, 0) + np.abs(z * t) + np.abs(z * (1 - t))
    if pos_weight is None:
        return c.absolute(np.maximum(z, 0) - z * t + c.fn("log1p", c.fn("exp", -np.abs(z))), size)
    loss = pos_weight * t * c.fn("softplus", -z) + (1 - t) * c.fn("softplus", z)
    return c.absolute(loss, size * np.maximum(1, np.abs(pos_weight)))


def _bce_with_logits(c, z, t, w=None, pos_weight=None, *, reduction="mean"):
    return reduced(c, weighted(c, _logit_losses(c, z, t, pos_weight), w), reduction)


def _bce_with_logits_z(c, out, z, t, w, pos_weight, g, *, reduction):
    """The logistic function of z, less t; optax takes the slopes of two softplus, others subtract t."""
    hit = t if pos_weight is None else pos_weight * t
    if c.exact:
        residual = (1 - t) * sigmoid(z) - hit * sigmoid(-z)
    else:
        up, down = softplus_slope(c, z), softplus_slope(c, -z)
        size = np.maximum(up, np.abs(t))
        if pos_weight is not None:
            size = size * (1 + np.abs(pos_weight))
        residual = c.absolute((1 - t) * up - hit * down, size)
    return c.r(weighted(c, unreduced(c, g, z.size, reduction), w) * residual)


def _bce_with_logits_t(c, out, z, t, w, pos_weight, g, *, reduction):
    """-z; a framework that takes the loss from two log-sigmoids gets it as a difference of two softplus."""
    if pos_weight is not None:
        slope = c.r(c.r(pos_weight * c.fn("softplus", -z)) - c.fn("softplus", z))
    else:
        slope = -z if c.exact else c.r(c.fn("softplus", -z) - c.fn("softplus", z))
    return c.r(slope * weighted(c, unreduced(c, g, z.size, reduction), w))


def _bce_with_logits_w(c, out, z, t, w, pos_weight, g, *, reduction):
    return unbroadcast(c, c.r(unreduced(c, g, z.size, reduction) * _logit_losses(c, z, t, pos_weight)), w)


def _bce_with_logits_pos_weight(c, out, z, t, w, pos_weight, g, *, reduction):
    """Frameworks have softplus(-z) as max(-z, 0) + log(1 + exp(-|z|))."""
    g = weighted(c, unreduced(c, g, z.size, reduction), w)
    return unbroadcast(c, c.r(g * c.r(t * c.fn("softplus", -z))), pos_weight)


row(
    "bce_with_logits",
    shapes.weighted_loss,
    _bce_with_logits,
    _bce_with_logits_z,
    _bce_with_logits_t,
    _bce_with_logits_w,
    _bce_with_logits_pos_weight,
    doc=Doc(
        "bce(sigmoid(z), t, w), that is w * (max(z, 0) - z t + log(1 + exp(-|z|))), reduced; where t is 1, times pos_weight",
        gradient='g * w * ((1 - t) * sigmoid(z) - pos_weight * t * sigmoid(-z)) towards z, -g * w * z towards t; by the number of elements with reduction="mean"',
        arguments={
            "z": "logits, of any shape",
            "t": "targets from 0 to 1, of the same shape",
            "w": WEIGHTS,
            "pos_weight": "what the part with t is multiplied by; it broadcasts to their shape, and may be left out",
        },
        example='loss = bce_with_logits(z, t, reduction="sum")',
    ),
)
