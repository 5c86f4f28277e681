"""Losses of classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..drawing import (
    WIDE,
    Drawn,
    Sample,
    distribution,
    draw,
    labels,
    of,
    positive,
    probabilities,
    row,
    weights,
)
from ..numbers import MP, MpArray, apply, exact, objects, total
from .losses import REDUCE, losses, reduced
from .reductions import log_softmax
from .table import define


def cross_entropy(
    z: Any,
    target: Any,
    w: Any = None,
    *,
    axis: int = -1,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> MpArray:
    """-sum_c w_c q_c log softmax(z)_c, with q the target of which a share is spread over all classes.

    Integer labels (z's shape without the axis) mean one-hot rows; their mean is by the sum of their own weights.
    """
    target, classes = np.asarray(target), np.shape(z)[axis]
    weight = exact(np.ones(classes) if w is None else w)
    weight = weight.reshape(np.where(np.arange(np.ndim(z)) == axis % np.ndim(z), classes, 1))
    by_labels = target.dtype.kind in "iu"
    own = _one_hot(target, np.shape(z), axis) if by_labels else exact(target)
    share = MP.mpf(label_smoothing)
    spread = own * (1 - share) + share / classes
    if ignore_index is not None:
        kept = np.expand_dims(target != ignore_index, axis)
        own, spread = own * kept, spread * kept
    each = total(-weight * spread * log_softmax(z, axis=axis), axis)
    if by_labels and reduction == "mean":
        return objects(total(each) / total(own * weight))
    return reduced(each, reduction)


def _one_hot(classes: NDArray[np.integer], shape: tuple[int, ...], axis: int) -> MpArray:
    every = np.moveaxis(np.broadcast_to(np.arange(shape[axis]), (*classes.shape, shape[axis])), -1, axis)
    return exact(np.expand_dims(classes, axis) == every)


def _cross_entropy(
    z: Any,
    t: Any,
    w: Any = None,
    *,
    axis: int = -1,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """The same, picking the label's logarithm."""
    logs = np.moveaxis(z - np.logaddexp.reduce(z, axis, keepdims=True), axis, -1)
    w = np.ones(logs.shape[-1]) if w is None else w
    level = -np.mean(logs * w, axis=-1)
    if t.dtype == float:
        own = -np.sum(np.moveaxis(t, axis, -1) * logs * w, axis=-1)
        return REDUCE[reduction]((1 - label_smoothing) * own + label_smoothing * level)
    kept = t != ignore_index
    label = np.where(kept, t, 0)
    own = -np.take_along_axis(logs, label[..., None], -1)[..., 0] * w[label]
    each = ((1 - label_smoothing) * own + label_smoothing * level) * kept
    return np.sum(each) / np.sum(w[t[kept]]) if reduction == "mean" else REDUCE[reduction](each)


def nll(
    x: Any,
    target: Any,
    w: Any = None,
    *,
    axis: int = -1,
    reduction: str = "mean",
    ignore_index: int | None = None,
) -> MpArray:
    """-w_c x_c at the label c of each position, by the sum of the weights that count."""
    classes = np.shape(x)[axis]
    weight = exact(np.ones(classes) if w is None else w)
    rows = np.moveaxis(exact(x), axis, -1).reshape(-1, classes)
    each, weights_ = [], []
    for one, label in zip(rows, np.ravel(target), strict=True):
        kept = label != ignore_index
        each.append(-weight[label] * one[label] if kept else MP.zero)
        weights_.append(weight[label] if kept else MP.zero)
    found = np.array(each, dtype=object).reshape(np.shape(target))
    return objects(sum(each) / sum(weights_)) if reduction == "mean" else reduced(found, reduction)


def _nll(
    x: Any, t: Any, w: Any = None, *, axis: int = -1, reduction: str = "mean", ignore_index: int | None = None
) -> Any:
    own = np.moveaxis(np.eye(x.shape[axis])[np.where(t == ignore_index, 0, t)], -1, axis)
    own = own * np.expand_dims(t != ignore_index, axis)
    if w is not None:
        own = own * np.moveaxis(np.broadcast_to(w, (*np.moveaxis(x, axis, -1).shape,)), -1, axis)
    return (
        (-np.sum(own * x) / np.sum(own)) if reduction == "mean" else REDUCE[reduction](-np.sum(own * x, axis))
    )


def kl_div(x: Any, t: Any, *, reduction: str = "mean") -> MpArray:
    each = apply(lambda x, t: t * (MP.log(t) - x) if t else MP.zero, x, t)
    return objects(total(each) / len(each)) if reduction == "batchmean" else reduced(each, reduction)


def _kl_div(x: Any, t: Any, *, reduction: str = "mean") -> Any:
    each = t * np.log(t / np.exp(x))
    return np.sum(each) / len(each) if reduction == "batchmean" else REDUCE[reduction](each)


CLASSES: list[tuple[Any, Any, int]] = [
    (draw(2, 4, 3), labels(4, 2, 3), 1),
    (draw(2, 4, 3), labels(3, 2, 4), -1),
    (draw(2, 4, 3), labels(2, 4, 3), 0),
    (draw(2, 4, 3), distribution(2, 4, 3, axis=1), 1),
    (draw(2, 4, 3), distribution(2, 4, 3, axis=0), -3),
    (draw(5, 3), labels(3, 5), -1),
    (draw(5, 3), distribution(5, 3), -1),
    (draw(4), np.array(2), -1),
    (draw(4), np.array(0), 0),
    (draw(4), distribution(4), 0),
    (draw(4), weights(4), 0),
    (draw(2, 3), np.eye(3)[[2, 0]], -1),
    (np.stack([WIDE, -WIDE]), np.array([0, 2]), -1),
    (np.stack([WIDE, -WIDE]), distribution(2, 4), -1),
    (row(900.0, -900.0, 0.0), np.array(1), -1),
]


def weighted() -> list[Sample]:
    """Weights of classes, labels that are ignored, and labels that are smoothed, together and alone."""
    z, wide = draw(2, 4, 3), np.stack([WIDE, -WIDE])
    each: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((z, labels(4, 2, 3), positive(4)), {"axis": 1}),
        ((z, labels(4, 2, 3)), {"axis": 1, "label_smoothing": 0.1}),
        ((z, np.array([[0, 3, 1], [2, 3, 0]])), {"axis": 1, "ignore_index": 3}),
        (
            (z, np.array([[0, -100, 1], [2, 3, 0]]), positive(4)),
            {"axis": 1, "ignore_index": -100, "label_smoothing": 0.3},
        ),
        ((z, distribution(2, 4, 3), positive(3)), {"label_smoothing": 0.1}),
        ((draw(2, 3, 2), distribution(2, 3, 2, axis=0)), {"axis": 0, "label_smoothing": 0.75}),
        ((draw(5, 3), weights(5, 3), positive(3)), {}),
        ((draw(4), np.array(2), positive(4)), {"label_smoothing": 0.25}),
        ((wide, np.array([0, 2]), row(3.0, 1.0, 0.0, 0.5)), {"label_smoothing": 0.1}),
    ]
    every = [of(*inputs, **kw, reduction=kind) for inputs, kw in each for kind in ("mean", "none")]
    return [*every, *(of(*inputs, **kw, reduction="sum") for inputs, kw in each[3:5])]


define(
    "cross_entropy",
    cross_entropy,
    numpy=_cross_entropy,
    relative_to="one",
    samples=[
        *(of(z, t, axis=axis, reduction=kind) for z, t, axis in CLASSES for kind in ("mean", "sum", "none")),
        *weighted(),
    ],
)


def logarithms(*shape: int) -> Drawn:
    """Log-probabilities, which are never above 0."""
    return draw(*shape, low=-4, high=-0.1)


LABELS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((logarithms(2, 4, 3), labels(3, 2, 4)), {}),
    ((logarithms(2, 4, 3), labels(4, 2, 3), positive(4)), {"axis": 1}),
    ((logarithms(5, 3), np.array([2, 0, -1, 1, 1])), {"ignore_index": -1}),
    ((logarithms(5, 3), np.array([2, 0, 2, 1, 1]), positive(3)), {"ignore_index": 1}),
    ((logarithms(4), np.array(2)), {}),
    ((row(-1e-300, -1e300, -3.0), np.array(1)), {"axis": 0}),
]
define(
    "nll",
    nll,
    numpy=_nll,
    relative_to="one",
    samples=[of(*inputs, **kw, reduction=kind) for inputs, kw in LABELS for kind in ("mean", "sum", "none")],
)
define(
    "kl_div",
    kl_div,
    numpy=_kl_div,
    relative_to="terms",
    samples=[
        *losses(
            [logarithms(2, 3), logarithms(), logarithms(4), row(-1e-300, -1e3, -3.0)],
            [probabilities(2, 3), probabilities(), probabilities(4), row(1.0, 1e-10, 1e-300)],
        ),
        of(logarithms(2, 3), probabilities(2, 3), reduction="batchmean"),
    ],
)
