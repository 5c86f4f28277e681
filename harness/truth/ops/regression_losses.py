"""Losses of predictions and targets of any real value."""

from typing import Any

import numpy as np

from ..drawing import Sample, draw, of, positive, row
from ..numbers import MP, MpArray, apply
from .losses import REDUCE, losses, reduced
from .table import define


def mae(p: Any, t: Any, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda p, t: abs(p - t), p, t), reduction)


def huber(p: Any, t: Any, *, delta: float = 1.0, reduction: str = "mean") -> MpArray:
    """The integral of the error, cut off at -delta and delta."""
    d = MP.mpf(delta)
    return reduced(
        apply(lambda p, t: (p - t) ** 2 / 2 if abs(p - t) < d else d * abs(p - t) - d**2 / 2, p, t), reduction
    )


def _huber(p: Any, t: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    near = np.minimum(np.abs(p - t), delta)
    return REDUCE[reduction](near**2 / 2 + delta * (np.abs(p - t) - near))


def smooth_l1(p: Any, t: Any, *, beta: float = 1.0, reduction: str = "mean") -> MpArray:
    b = MP.mpf(beta)
    return reduced(
        apply(lambda p, t: (p - t) ** 2 / (2 * b) if abs(p - t) < b else abs(p - t) - b / 2, p, t), reduction
    )


def _smooth_l1(p: Any, t: Any, *, beta: float = 1.0, reduction: str = "mean") -> Any:
    return _huber(p, t, delta=beta, reduction=reduction) / beta


def pairs(**kw: float) -> list[Sample]:
    """Of both sides of |p - t| = 1 and 1/2, and beside them."""
    samples = losses(
        [draw(2, 3), draw(), draw(4), row(1.0, 1e100, 3.0), row(1.0, 2.0, -0.5)],
        [draw(2, 3), draw(), draw(4), row(1 - 2**-53, -1e100, -1.5), row(2**-53, 1 - 2**-52, -1e-8)],
    )
    return samples + [of(draw(2, 3), draw(2, 3), reduction=kind, **kw) for kind in ("mean", "none") if kw]


AT_ZERO = of(row(0.5, -1.0, 2.0), row(0.5, -1.0, 1.0))


define(
    "mae",
    mae,
    numpy=lambda p, t, *, reduction="mean": REDUCE[reduction](abs(p - t)),
    relative_to="terms",
    samples=pairs(),
    at_kinks=[AT_ZERO],
    analytic=False,
)
define(
    "huber",
    huber,
    numpy=_huber,
    relative_to="terms",
    samples=pairs(delta=0.3),
    at_kinks=[AT_ZERO, of(row(1.5, 0.0), row(1.0, 0.5), delta=0.5)],
    analytic=False,
)
define(
    "smooth_l1",
    smooth_l1,
    numpy=_smooth_l1,
    relative_to="terms",
    samples=pairs(beta=0.3),
    at_kinks=[AT_ZERO, of(row(1.5, 0.0), row(1.0, 0.5), beta=0.5)],
    analytic=False,
)


def gaussian_nll(x: Any, t: Any, var: Any, *, full: bool = False, reduction: str = "mean") -> MpArray:
    """-log of the normal density, without sqrt(2 pi) unless it is full."""
    scale = 2 * MP.pi if full else MP.one
    return reduced(
        apply(lambda x, t, v: MP.log(scale * v) / 2 + (x - t) ** 2 / (2 * v), x, t, var), reduction
    )


def _gaussian_nll(x: Any, t: Any, var: Any, *, full: bool = False, reduction: str = "mean") -> Any:
    density = np.exp(-((x - t) ** 2) / (2 * var)) / np.sqrt(var * (2 * np.pi if full else 1))
    return REDUCE[reduction](-np.log(density))


def poisson_nll(
    x: Any, t: Any, *, log_input: bool = True, epsilon: float = 1e-8, reduction: str = "mean"
) -> MpArray:
    def loss(x: Any, t: Any) -> Any:
        return MP.exp(x) - t * x if log_input else x - t * MP.log(x + MP.mpf(epsilon))

    return reduced(apply(loss, x, t), reduction)


def _poisson_nll(
    x: Any, t: Any, *, log_input: bool = True, epsilon: float = 1e-8, reduction: str = "mean"
) -> Any:
    mean = np.exp(x) if log_input else x
    return REDUCE[reduction](mean - t * np.log(mean if log_input else mean + epsilon))


define(
    "gaussian_nll",
    gaussian_nll,
    numpy=_gaussian_nll,
    relative_to="one",
    samples=[
        *(of(draw(2, 3), draw(2, 3), positive(2, 3), reduction=kind) for kind in ("mean", "sum", "none")),
        of(draw(2, 3), draw(2, 3), positive(2, 3), full=True, reduction="none"),
        of(draw(), draw(), positive(), full=True),
        of(row(1.0, 3.0), row(1 - 2**-53, 5.0), row(1e-10, 1e10), reduction="none"),
    ],
)
define(
    "poisson_nll",
    poisson_nll,
    numpy=_poisson_nll,
    relative_to="one",
    samples=[
        *losses(
            [draw(2, 3), draw(), draw(4), row(-30.0, 5.0, 1e-10)],
            [positive(2, 3), positive(), positive(4), row(0.0, 1e3, 2.0)],
        ),
        *(
            of(positive(2, 3), positive(2, 3), log_input=False, epsilon=eps, reduction=kind)
            for eps, kind in ((1e-8, "mean"), (0.1, "sum"), (1e-7, "none"))
        ),
    ],
)
