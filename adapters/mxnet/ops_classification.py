"""Losses of classes: Gluon's."""

from typing import Any

import numpy as onp  # noqa: ICN001 - np is MXNet's own
from adapter import REDUCE
from mxnet import np
from mxnet.gluon import loss as losses
from worker import Unsupported


def by_classes(x: Any, target: Any, w: Any, axis: int, reduction: str, **kw: Any) -> Any:
    """Each position is its own sample; a label's weight is that of its sample."""
    sparse = target.dtype == onp.int64
    if w is not None and (not sparse or reduction == "mean"):
        raise Unsupported("Gluon weights samples, not classes, and divides by no weights")
    x = np.moveaxis(x, axis, -1)
    positions, classes = x.shape[:-1], x.shape[-1]
    target = target.reshape(-1) if sparse else np.moveaxis(target, axis, -1).reshape(-1, classes)
    weights = () if w is None else (np.take(w, target).reshape(-1, 1),)
    loss = losses.SoftmaxCrossEntropyLoss(sparse_label=sparse, **kw)
    return REDUCE[reduction](loss(x.reshape(-1, classes), target, *weights).reshape(positions))


def cross_entropy(
    z: Any,
    target: Any,
    w: Any = None,
    *,
    axis: int,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> Any:
    if ignore_index is not None or label_smoothing:
        raise Unsupported("Gluon ignores no label, and smooths none")
    return by_classes(z, target, w, axis, reduction)


def nll(x: Any, target: Any, w: Any = None, *, axis: int, reduction: str, ignore_index: int | None) -> Any:
    if ignore_index is not None:
        raise Unsupported("Gluon ignores no label")
    return by_classes(x, target, w, axis, reduction, from_logits=True)


OPS = {
    "cross_entropy": cross_entropy,
    "nll": nll,
}
