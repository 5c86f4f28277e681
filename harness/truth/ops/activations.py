"""Activation functions beside those of elementwise.py: gated ones, and pieces of lines and exponentials.

The slope of a gated one is a difference that is 0 somewhere; beside that place no formula has digits of its own, and
errors are relative to the sum of its |terms|.
"""

from typing import Any

import numpy as np

from ..drawing import BRANCH, HUGE, SPREAD, TINY, Sample, draw, of, row
from ..numbers import MP, MpArray, apply, exact, objects
from .elementwise import unary
from .table import define, elementwise

MODERATE = row(-30.0, -8.0, -3.0, -1e-3, 1e-10, 5.0, 40.0)
TURN: list[Sample] = [of(row(0.0, -0.0, 1.0))]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + MP.exp(-x))


def logistic(x: Any) -> Any:
    """In doubles."""
    return 1 / (1 + np.exp(-x))


# Gated ones


def gelu_argument(x: Any) -> Any:
    return MP.sqrt(2 / MP.pi) * (x + MP.mpf(0.044715) * x**3)


def gelu(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return x * sigmoid(2 * gelu_argument(x))
    return x * MP.erfc(-x / MP.sqrt(2)) / 2


def gelu_size(x: Any, *, approximate: str = "none") -> Any:
    """The argument of tanh is rounded."""
    return abs(gelu(x, approximate=approximate)) * (
        1 + 2 * abs(gelu_argument(x)) if approximate == "tanh" else 1
    )


def gelu_slope_size(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none":
        return MP.ncdf(x) + abs(x) * MP.npdf(x)
    u = gelu_argument(x)
    hill = 2 * sigmoid(2 * u) * sigmoid(-2 * u) * MP.sqrt(2 / MP.pi) * (1 + 3 * MP.mpf(0.044715) * x * x)
    return (sigmoid(2 * u) + abs(x) * hill) * (1 + 2 * abs(u))


def gelu_in_doubles(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = np.asarray(x)[..., None] * (nodes + 1) / 2
    share = np.sum(weights * np.exp(-t * t / 2), axis=-1) * x / 2 / np.sqrt(2 * np.pi)
    return x * (0.5 + share)


elementwise(
    "gelu",
    gelu,
    numpy=gelu_in_doubles,
    samples=[
        *unary(row(-20.0, -8.0, -3.0, -0.7517915246935645, 1e-10, 5.0, 40.0), TINY),
        *(of(x, approximate="tanh") for x in (draw(), draw(2, 3), row(-6.0, -3.0, 1e-10, 5.0, 40.0))),
    ],
    size=gelu_size,
    slope_size=gelu_slope_size,
)
elementwise(
    "silu",
    lambda x: x * sigmoid(x),
    numpy=lambda x: x * logistic(x),
    samples=unary(SPREAD[1:], TINY, row(-700.0, -1.2784645427610738, -1.3)),
    slope_size=lambda x: sigmoid(x) * (1 + abs(x) * sigmoid(-x)),
)
elementwise(
    "mish",
    lambda x: x * MP.tanh(MP.log1p(MP.exp(x))),
    numpy=lambda x: x * np.tanh(np.logaddexp(0, x)),
    samples=unary(row(-300.0, -40.0, -1.1924, -1e-3, 1e-10, 1e-3, 20.0, 300.0), TINY),
    slope_size=lambda x: (
        MP.tanh(MP.log1p(MP.exp(x)))
        + abs(x) * MP.sech(MP.log1p(MP.exp(x))) ** 2 * sigmoid(x) * (1 + 2 * MP.log1p(MP.exp(x)))
    ),
)
elementwise(
    "log_sigmoid",
    lambda x: -MP.log1p(MP.exp(-x)),
    numpy=lambda x: -np.logaddexp(0, -x),
    samples=unary(SPREAD, TINY, row(-50.0, 50.0)),
)


def glu(x: Any, *, axis: int = -1) -> MpArray:
    left, right = np.split(exact(x), 2, axis)
    return objects(left * apply(sigmoid, right))


define(
    "glu",
    glu,
    numpy=lambda x, *, axis=-1: (
        np.take(x, range(x.shape[axis] // 2), axis)
        * logistic(np.take(x, range(x.shape[axis] // 2, x.shape[axis]), axis))
    ),
    relative_to="terms",
    samples=[
        *(of(draw(4, 2, 6), **kw) for kw in ({}, {"axis": 0}, {"axis": 1}, {"axis": -2})),
        *(of(draw(4)), of(row(3.0, -2.0, 40.0, -40.0)), of(TINY)),
    ],
)

# Pieces of lines and exponentials


def clipped(x: Any, low: Any, high: Any) -> Any:
    return min(max(x, MP.mpf(low)), MP.mpf(high))


elementwise(
    "softsign",
    lambda x: x / (1 + (x if x.real > 0 else -x)),
    numpy=lambda x: np.sign(x) - np.sign(x) / (1 + np.abs(x)),
    samples=unary(TINY, HUGE, row(0.0, 1e-10, -1e-3, 40.0)),
)
elementwise(
    "hard_tanh",
    lambda x, *, low=-1, high=1: clipped(x, low, high),
    numpy=lambda x, *, low=-1, high=1: np.clip(x, low, high),
    samples=[*unary(TINY, HUGE, row(1 - 2**-53, -1 - 2**-52)), of(draw(2, 3), low=-0.5, high=0.75)],
    at_kinks=[of(row(1.0, -1.0, 0.0)), of(row(0.75), low=0, high=0.75)],
    analytic=False,
)
elementwise(
    "relu6",
    lambda x: clipped(x, 0, 6),
    numpy=lambda x: np.clip(x, 0, 6),
    samples=unary(TINY, HUGE, BRANCH, row(6 - 2**-50, 6 + 2**-50)),
    at_kinks=[of(row(0.0, -0.0, 1.0, 6.0))],
    analytic=False,
)
elementwise(
    "hard_sigmoid",
    lambda x: clipped((x + 3) / 6, 0, 1),
    numpy=lambda x: np.clip(x / 6 + 0.5, 0, 1),
    samples=unary(TINY, HUGE, row(3 - 2**-51, -3 + 2**-51, -4.0, 4.0)),
    at_kinks=[of(row(3.0, -3.0, 0.0))],
    analytic=False,
)
elementwise(
    "hard_swish",
    lambda x: x * clipped((x + 3) / 6, 0, 1),
    numpy=lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    samples=unary(TINY, HUGE, row(3 - 2**-51, -3 + 2**-51, -4.0, 4.0, -1.5)),
    at_kinks=[of(row(3.0, -3.0, 0.0))],
    analytic=False,
    slope_size=lambda x: clipped((x + 3) / 6, 0, 1) + (abs(x) / 6 if abs(x) < 3 else 0),
)


def elu(x: Any, alpha: Any) -> Any:
    return x if x > 0 else MP.mpf(alpha) * MP.expm1(x)


elementwise(
    "elu",
    lambda x, *, alpha=1.0: elu(x, alpha),
    numpy=lambda x, *, alpha=1.0: np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1)),
    samples=[*unary(TINY, HUGE, BRANCH, MODERATE), of(draw(2, 3), alpha=0.3)],
    at_kinks=[*TURN, of(*TURN[0].inputs, alpha=0.3)],
    analytic=False,
)
elementwise(
    "selu",
    lambda x: MP.mpf(1.0507009873554805) * elu(x, 1.6732632423543772),
    numpy=lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(np.minimum(x, 0)) - 1))
    ),
    samples=unary(TINY, row(3e307, -1e300, 1e160), BRANCH, MODERATE),
    at_kinks=TURN,
    analytic=False,
)


def celu(x: Any, *, alpha: float = 1.0) -> Any:
    return x if x > 0 else MP.mpf(alpha) * MP.expm1(x / MP.mpf(alpha))


elementwise(
    "celu",
    celu,
    numpy=lambda x, *, alpha=1.0: np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0) / alpha) - 1)),
    samples=[
        *unary(TINY, HUGE, BRANCH, MODERATE),
        *(of(draw(2, 3), alpha=0.3), of(row(-20.0, -3.0, 1.0), alpha=0.7)),
    ],
    at_kinks=[*TURN, of(*TURN[0].inputs, alpha=0.3)],
    analytic=False,
    slope_size=lambda x, *, alpha=1.0: (
        MP.exp(min(x, MP.zero) / MP.mpf(alpha)) * (1 + abs(min(x, MP.zero)) / MP.mpf(alpha))
    ),
)


def prelu(x: Any, weight: Any, *, axis: int = 1) -> MpArray:
    slopes = np.moveaxis(np.broadcast_to(exact(weight), (*np.moveaxis(exact(x), axis, -1).shape,)), -1, axis)
    return apply(lambda v, w: v if v > 0 else w * v, x, slopes)


def prelu_in_doubles(x: Any, weight: Any, *, axis: int = 1) -> Any:
    last = np.moveaxis(x, axis, -1)
    return np.moveaxis(np.maximum(last, 0) + weight * np.minimum(last, 0), -1, axis)


define(
    "prelu",
    prelu,
    numpy=prelu_in_doubles,
    relative_to="terms",
    samples=[
        *(of(draw(2, 3), draw(3)), of(draw(2, 3), draw(1)), of(draw(2, 3, 4), draw(3))),
        *(of(draw(2, 3, 4), draw(4), axis=-1), of(draw(2, 3), draw(2), axis=0), of(draw(5), draw(1), axis=0)),
        *(of(TINY, row(0.3), axis=0), of(row(1e-300, -1e-300), row(-0.5), axis=0)),
    ],
    at_kinks=[of(np.array([[0.0, 1.0], [-1.0, 0.0]]), row(0.25, 0.5))],
    analytic=False,
)
