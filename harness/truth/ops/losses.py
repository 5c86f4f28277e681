"""Losses."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..drawing import WIDE, Sample, distribution, draw, labels, of, probabilities, row, weights
from ..numbers import MP, MpArray, apply, exact, objects, total
from .reductions import log_softmax
from .table import define


def reduced(losses: MpArray, reduction: str) -> MpArray:
    """The losses of all positions: their "mean", their "sum", or "none": as they are."""
    totals: dict[str, Callable[[], MpArray]] = {
        "none": lambda: losses,
        "sum": lambda: total(losses),
        "mean": lambda: objects(total(losses) / losses.size),
    }
    return totals[reduction]()


REDUCE: dict[str, Callable[..., Any]] = {"mean": np.mean, "sum": np.sum, "none": np.asarray}


def mse(prediction: Any, target: Any, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda p, t: (p - t) ** 2, prediction, target), reduction)


def bce(p: Any, t: Any, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda p, t: -(t * MP.log(p) + (1 - t) * MP.log1p(-p)), p, t), reduction)


def bce_with_logits(z: Any, t: Any, *, reduction: str = "mean") -> MpArray:
    """`bce` at p = sigmoid(z): log p = -log(1 + e^-z), log(1 - p) = -log(1 + e^z)."""

    def loss(z: Any, t: Any) -> Any:
        return t * MP.log1p(MP.exp(-z)) + (1 - t) * MP.log1p(MP.exp(z))

    return reduced(apply(loss, z, t), reduction)


def cross_entropy(z: Any, target: Any, *, axis: int = -1, reduction: str = "mean") -> MpArray:
    """-sum_c t_c log softmax(z)_c; integer labels (z's shape without the axis) mean one-hot rows."""
    target = np.asarray(target)
    weights = _one_hot(target, np.shape(z), axis) if target.dtype.kind in "iu" else exact(target)
    return reduced(total(-weights * log_softmax(z, axis=axis), axis), reduction)


def _one_hot(classes: NDArray[np.integer], shape: tuple[int, ...], axis: int) -> MpArray:
    every = np.moveaxis(np.broadcast_to(np.arange(shape[axis]), (*classes.shape, shape[axis])), -1, axis)
    return exact(np.expand_dims(classes, axis) == every)


def _cross_entropy(z: Any, t: Any, *, axis: int = -1, reduction: str = "mean") -> Any:
    """The same, picking the label's logarithm."""
    logs = z - np.logaddexp.reduce(z, axis, keepdims=True)
    if t.dtype == float:
        return REDUCE[reduction](-np.sum(t * logs, axis))
    return REDUCE[reduction](-np.take_along_axis(logs, np.expand_dims(t, axis), axis).squeeze(axis))


def losses(prediction: Sequence[Any], target: Sequence[Any]) -> list[Sample]:
    pairs = list(zip(prediction, target, strict=True))
    every = [of(*pairs[0], reduction=kind) for kind in ("mean", "sum", "none")]
    return every + [of(*pair, reduction=kind) for pair in pairs[1:] for kind in ("mean", "none")]


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

define(
    "mse",
    mse,
    numpy=lambda p, t, *, reduction="mean": REDUCE[reduction]((p - t) ** 2),
    relative_to="terms",
    samples=losses(
        [draw(2, 3), draw(), draw(4), row(1.0, 1e100)], [draw(2, 3), draw(), draw(4), row(1 - 2**-53, -1e100)]
    ),
)
define(
    "bce",
    bce,
    numpy=lambda p, t, *, reduction="mean": REDUCE[reduction](-(t * np.log(p) + (1 - t) * np.log(1 - p))),
    relative_to="one",
    samples=losses(
        [probabilities(2, 3), probabilities(), row(1e-10, 1 - 1e-10, 0.5, 0.3), row(1e-3, 0.7)],
        [probabilities(2, 3), probabilities(), row(0.0, 1.0, 0.5, 0.3), row(1.0, 0.0)],
    ),
)
define(
    "bce_with_logits",
    bce_with_logits,
    numpy=lambda z, t, *, reduction="mean": REDUCE[reduction](np.logaddexp(0, z) - t * z),
    relative_to="one",
    samples=losses(
        [draw(2, 3), draw(), row(60.0, -60.0, 60.0, -60.0), row(800.0, -800.0, 0.1)],
        [probabilities(2, 3), probabilities(), row(1.0, 0.0, 0.0, 1.0), row(0.0, 1.0, 0.5)],
    ),
)
define(
    "cross_entropy",
    cross_entropy,
    numpy=_cross_entropy,
    relative_to="one",
    samples=[
        of(z, t, axis=axis, reduction=kind) for z, t, axis in CLASSES for kind in ("mean", "sum", "none")
    ],
)
