"""Losses."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..drawing import Sample, draw, of, positive, probabilities, row
from ..numbers import MP, MpArray, apply, objects, total
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


def bce(p: Any, t: Any, w: Any = 1, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda p, t, w: -w * (t * MP.log(p) + (1 - t) * MP.log1p(-p)), p, t, w), reduction)


def _bce(p: Any, t: Any, w: Any = 1, *, reduction: str = "mean") -> Any:
    return REDUCE[reduction](-w * (t * np.log(p) + (1 - t) * np.log(1 - p)))


def bce_with_logits(z: Any, t: Any, w: Any = 1, pos_weight: Any = 1, *, reduction: str = "mean") -> MpArray:
    """`bce` at p = sigmoid(z): log p = -log(1 + e^-z), log(1 - p) = -log(1 + e^z); a weight for the first of them."""

    def loss(z: Any, t: Any, w: Any, own: Any) -> Any:
        return w * (own * t * MP.log1p(MP.exp(-z)) + (1 - t) * MP.log1p(MP.exp(z)))

    return reduced(apply(loss, z, t, w, pos_weight), reduction)


def _bce_with_logits(z: Any, t: Any, w: Any = 1, pos_weight: Any = 1, *, reduction: str = "mean") -> Any:
    p = 1 / (1 + np.exp(-z))
    return REDUCE[reduction](-w * (pos_weight * t * np.log(p) + (1 - t) * np.log(1 - p)))


def losses(prediction: Sequence[Any], target: Sequence[Any]) -> list[Sample]:
    pairs = list(zip(prediction, target, strict=True))
    every = [of(*pairs[0], reduction=kind) for kind in ("mean", "sum", "none")]
    return every + [of(*pair, reduction=kind) for pair in pairs[1:] for kind in ("mean", "none")]


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
    numpy=_bce,
    relative_to="one",
    samples=[
        *losses(
            [probabilities(2, 3), probabilities(), row(1e-10, 1 - 1e-10, 0.5, 0.3), row(1e-3, 0.7)],
            [probabilities(2, 3), probabilities(), row(0.0, 1.0, 0.5, 0.3), row(1.0, 0.0)],
        ),
        of(probabilities(2, 3), probabilities(2, 3), positive(2, 3)),
        of(probabilities(2, 3), probabilities(2, 3), positive(3), reduction="none"),
    ],
)
define(
    "bce_with_logits",
    bce_with_logits,
    numpy=_bce_with_logits,
    relative_to="one",
    samples=[
        *losses(
            [draw(2, 3), draw(), row(60.0, -60.0, 60.0, -60.0), row(800.0, -800.0, 0.1)],
            [probabilities(2, 3), probabilities(), row(1.0, 0.0, 0.0, 1.0), row(0.0, 1.0, 0.5)],
        ),
        of(draw(2, 3), probabilities(2, 3), positive(2, 3)),
        of(draw(2, 3), probabilities(2, 3), positive(2, 1), positive(3), reduction="none"),
        of(draw(2, 3), probabilities(2, 3), 1, positive(2, 3), reduction="sum"),
        of(row(60.0, -60.0, 1.0), row(1.0, 0.0, 0.3), row(2.0, 0.3, 1.0), row(3.0, 0.1, 7.0)),
    ],
)
