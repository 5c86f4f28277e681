"""Rows for losses of classes: labels or distributions along an axis. With "mean" they are means over positions."""

import numpy as np

from . import shapes
from .limits import shifted, unheld, vanishing
from .losses import counted, reduced, unreduced
from .reductions import log_softmax, logsumexp, softmax
from .row import Doc, OpError, row


def distribution(z, target, axis, ignore_index=None):
    """The target as a distribution over `axis`: labels become one-hot, what is ignored 0 everywhere."""
    if target.dtype.kind != "i":
        return target
    kept = target != ignore_index if ignore_index is not None else np.full(target.shape, True)
    classes = z.shape[axis]
    one_hot = np.eye(classes)[shapes.placed(np.where(kept, target, 0), classes)] * kept[..., None]
    return np.moveaxis(one_hot, -1, axis)


def positions(z, axis):
    return z.size // z.shape[axis]


def along_classes(w, z, axis):
    """The weights of the classes, as they broadcast to the logits."""
    return w.reshape(tuple(size if a == axis % z.ndim else 1 for a, size in enumerate(z.shape)))


def smoothed(c, t, kept, axis, label_smoothing):
    """(1 - s) t + s / n: of every position that is kept a share s is spread over all n classes."""
    if not np.any(label_smoothing != 0):
        return t
    return c.r(c.r((1 - label_smoothing) * t) + c.r(label_smoothing / t.shape[axis]) * kept)


class Targets:
    """What a loss of classes multiplies log-probabilities by, and what its mean divides by.

    By labels a mean is weighted: it divides by the weights of the labels. By distributions it divides by the number
    of positions (torch.nn.CrossEntropyLoss has both).
    """

    def __init__(self, c, z, target, w, axis, ignore_index, label_smoothing):
        self.axis = axis
        self.hits = distribution(z, target, axis, ignore_index)
        kept = np.sum(self.hits, axis=axis, keepdims=True) if target.dtype.kind == "i" else 1.0
        self.shares = smoothed(c, self.hits, kept, axis, label_smoothing)
        self.w = None if w is None else along_classes(w, z, axis)
        self.weights = self.shares if w is None else c.r(self.shares * self.w)
        self.labels = target.dtype.kind == "i" and not (w is None and ignore_index is None)
        self.count = positions(z, axis)
        if self.labels:
            own = np.sum(self.hits if w is None else self.hits * self.w, axis=axis)
            self.count = np.sum(own) if w is None else c.sum(own, None)

    def reduced(self, c, loss, reduction):
        if reduction == "mean":
            return c.r(c.sum(loss, None) / self.count)
        return reduced(c, loss, reduction)

    def unreduced(self, c, g, reduction):
        """The cotangent of every position's loss, as it broadcasts to the logits."""
        g = c.r(g / self.count) if reduction == "mean" else g
        return np.expand_dims(g, () if reduction != "none" else self.axis)

    def towards_shares(self, c, logs, g, label_smoothing, reduction):
        """The cotangent of a distribution that is given."""
        slope = self.unreduced(c, g, reduction) * (1 if self.w is None else self.w)
        if np.any(label_smoothing != 0):
            slope = c.r(slope * c.r(1 - label_smoothing))
        return c.r(vanishing(slope, -slope * logs))

    def towards_weights(self, c, out, logs, g, reduction):
        """The cotangent of the classes' weights; of a weighted mean they are also what divides."""
        g = self.unreduced(c, g, reduction)
        terms = c.r(vanishing(self.shares, -g * c.r(self.shares * logs)))
        if self.labels and reduction == "mean":
            terms = c.r(terms - c.r(g * out) * self.hits)
        others = tuple(a for a in range(logs.ndim) if a != self.axis % logs.ndim)
        return c.sum(terms, others) if others else terms


def _cross_entropy(
    c, z, target, w=None, *, axis=-1, reduction="mean", ignore_index=None, label_smoothing=0.0
):
    """logsumexp(z) sum(t) - sum(t z), from shifted logits; the rounded terms are as large as |max z| and |t z|."""
    targets = Targets(c, z, target, w, axis, ignore_index, label_smoothing)
    t = targets.weights
    loss = -np.sum(vanishing(t, t * log_softmax_terms(c, z, axis)), axis=axis)
    share = 1 if w is None else np.sum(np.abs(t), axis=axis)
    size = (2 + np.abs(np.max(z, axis=axis))) * share + np.sum(np.abs(vanishing(t, t * z)), axis=axis)
    return targets.reduced(c, c.absolute(loss, size), reduction)


def log_softmax_terms(c, z, axis):
    return unheld(c, z - logsumexp(c, z, axis), np.max(z, axis=axis, keepdims=True))


def _probabilities(c, z, axis):
    """The softmax as torch has it: exp of the rounded z - max(z) - log(sum(exp(z - max(z))))."""
    below = shifted(c, z, axis)
    logarithm = below - np.log(c.sum(np.exp(below), axis, keepdims=True))
    return c.fn("exp", c.absolute(logarithm, 1 + np.abs(below) + np.abs(logarithm)))


def _cross_entropy_z(c, out, z, target, w, g, *, axis, reduction, ignore_index, label_smoothing):
    """The softmax of z times the sum of t, less t."""
    targets = Targets(c, z, target, w, axis, ignore_index, label_smoothing)
    t = targets.weights
    p = softmax(c, z, axis) if c.exact else _probabilities(c, z, axis)
    residual = c.r(c.r(p * np.sum(t, axis=axis, keepdims=True)) - t)
    return c.r(targets.unreduced(c, g, reduction) * residual)


def _cross_entropy_target(c, out, z, target, w, g, *, axis, reduction, ignore_index, label_smoothing):
    targets = Targets(c, z, target, w, axis, ignore_index, label_smoothing)
    return targets.towards_shares(c, log_softmax(c, z, axis), g, label_smoothing, reduction)


def _cross_entropy_w(c, out, z, target, w, g, *, axis, reduction, ignore_index, label_smoothing):
    targets = Targets(c, z, target, w, axis, ignore_index, label_smoothing)
    return targets.towards_weights(c, out, log_softmax(c, z, axis), g, reduction)


CLASSES = {
    "axis": "the axis of the classes",
    "ignore_index": "positions with this label don't count, neither as a loss nor in a mean; None: all do",
    "w": "(classes,): a weight for each; may be left out",
}

row(
    "cross_entropy",
    shapes.cross_entropy,
    _cross_entropy,
    _cross_entropy_z,
    _cross_entropy_target,
    _cross_entropy_w,
    dtypes={1: ("float", "int64")},
    doc=Doc(
        "-sum(w * t * log_softmax(z)) along the axis, reduced over the positions that are left",
        gradient='g * (softmax(z) * sum(w * t) - w * t) towards z, -g * w * log_softmax(z) towards t; with reduction="mean" by the number of positions, not of elements, or, of labels, by the sum of their weights',
        arguments={
            "z": "logits, with the classes along the axis",
            "target": "int64 labels, of z's shape without the axis; or weights of the classes t, of z's shape",
            "reduction": '"mean" over the positions, weighted if labels have weights; "sum" of them, or "none": a loss for each',
            "label_smoothing": "s from 0 to 1: t is then (1 - s) * t + s / classes",
            **CLASSES,
        },
        example="loss = cross_entropy(z, labels)",
    ),
)


def _labels_only(x, target, w=None, *, axis, reduction, ignore_index):
    return shapes.cross_entropy(
        x, target, w, axis=axis, reduction=reduction, ignore_index=ignore_index, label_smoothing=0.0
    )


def _nll(c, x, target, w=None, *, axis=-1, reduction="mean", ignore_index=None):
    targets = Targets(c, x, target, w, axis, ignore_index, 0.0)
    loss = -np.sum(vanishing(targets.weights, targets.weights * x), axis=axis)
    return targets.reduced(c, loss if w is None else c.r(loss), reduction)


def _nll_x(c, out, x, target, w, g, *, axis, reduction, ignore_index):
    targets = Targets(c, x, target, w, axis, ignore_index, 0.0)
    slope = -targets.unreduced(c, g, reduction) * targets.weights
    return slope if w is None else c.r(slope)


def _nll_w(c, out, x, target, w, g, *, axis, reduction, ignore_index):
    targets = Targets(c, x, target, w, axis, ignore_index, 0.0)
    return targets.towards_weights(c, out, x, g, reduction)


row(
    "nll",
    _labels_only,
    _nll,
    _nll_x,
    lambda c, out, x, target, w, g, **_: np.zeros(target.shape),
    _nll_w,
    dtypes={1: ("int64",)},
    doc=Doc(
        "-w[label] * x[label] of every position, reduced",
        gradient='-g * w[label] at the labels, 0 elsewhere; with reduction="mean" by the number of positions, or by the sum of the labels\' weights',
        arguments={
            "x": "log-probabilities, with the classes along the axis; nothing of them is checked or normalised",
            "target": "int64 labels, of x's shape without the axis",
            "reduction": '"mean" over the positions, weighted if there are weights; "sum" of them, or "none": a loss for each',
            **CLASSES,
        },
        example="loss = nll(log_softmax(z), labels)",
    ),
)


def _divergence(x, t, *, reduction):
    if reduction != "batchmean":
        return shapes.pair_loss(x, t, reduction=reduction)
    if not x:
        raise OpError('reduction="batchmean" needs a first axis, over which it is the mean; this is a scalar')
    return shapes.pair_loss(x, t, reduction="sum")


def _kl_div(c, x, t, *, reduction="mean"):
    """T log(t) - t x, in which 0 log 0 is 0."""
    entropy = c.r(vanishing(t, t * c.fn("log", t)))
    return reduced(c, c.r(entropy - c.r(vanishing(t, t * x))), reduction)


def _kl_div_x(c, out, x, t, g, *, reduction):
    return c.r(-t * unreduced(c, g, counted(x, reduction), reduction))


def _kl_div_t(c, out, x, t, g, *, reduction):
    slope = c.r(c.r(c.fn("log", t) + 1) - x)
    return c.r(unreduced(c, g, counted(x, reduction), reduction) * slope)


row(
    "kl_div",
    _divergence,
    _kl_div,
    _kl_div_x,
    _kl_div_t,
    doc=Doc(
        "t * (log(t) - x), reduced; 0 log 0 is 0",
        gradient='-g * t towards x, g * (log(t) + 1 - x) towards t; by what reduction="mean" or "batchmean" divides by',
        arguments={
            "x": "log-probabilities, of any shape",
            "t": "probabilities, of the same shape",
            "reduction": '"mean" over all elements, "batchmean": the sum by the size of the first axis, "sum", or "none"',
        },
        example='loss = kl_div(log_softmax(z), t, reduction="batchmean")',
    ),
)
