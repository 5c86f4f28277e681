"""Elementary functions beside those of elementwise.py: bounds, exponentials and logarithms near 1, error functions."""

from typing import Any

import numpy as np

from ..drawing import BRANCH, HUGE, TINY, draw, of, row
from ..numbers import MP
from .elementwise import BINARY, unary, unary_positive
from .table import elementwise


def clip(x: Any, *, low: float | None = None, high: float | None = None) -> Any:
    x = x if low is None else max(x, MP.mpf(low))
    return x if high is None else min(x, MP.mpf(high))


elementwise(
    "minimum",
    min,
    numpy=np.minimum,
    samples=[*BINARY, of(row(1.0, -1.0), row(1 + 2**-52, -1 - 2**-52)), of(draw(2, 3), 0)],
    at_kinks=[of(row(1.0, 0.0), row(1.0, 0.0)), of(row(0.0, 2.0), 0), of(0.5, row(0.5, 2.0))],
    analytic=False,
)
elementwise(
    "clip",
    clip,
    numpy=lambda x, *, low=None, high=None: np.clip(x, low, high),
    samples=[
        *(of(x, low=-0.7, high=1) for x in (draw(), draw(3), draw(2, 3), draw(2, 1, 3))),
        *(of(draw(2, 3), low=0), of(draw(2, 3), high=0.3), of(draw(5), low=None, high=-0.3)),
        *(of(x, low=0, high=1) for x in (TINY, HUGE, BRANCH, row(1 - 2**-53, 1 + 2**-52))),
    ],
    at_kinks=[of(row(0.0, -0.0, 1.0, 2.0), low=0, high=2), of(row(0.5), low=0.5), of(row(0.5), high=0.5)],
    analytic=False,
)
elementwise(
    "expm1",
    MP.expm1,
    numpy=np.expm1,
    samples=unary(row(-700.0, -40.0, -1e-3, 1e-10, 1e-300, 40.0, 700.0), TINY, row(0.0)),
)
elementwise(
    "log1p",
    MP.log1p,
    numpy=np.log1p,
    samples=unary_positive(
        row(-1 + 2**-20, -0.999, -0.4, -0.3, -1e-10, 1e-300, 1e-3, 1e300), TINY, abs(HUGE), row(0.0)
    ),
)
elementwise(
    "erf",
    MP.erf,
    numpy=lambda x: np.sign(x) * np.sqrt(2 / np.pi) * _integral(np.abs(x) * np.sqrt(2)),
    samples=unary(row(-26.0, -6.0, -3.0, -1e-3, 1e-10, 1e-300, 1.0, 5.9, 20.0), TINY, row(0.0)),
)
elementwise(
    "erfc",
    MP.erfc,
    numpy=lambda x: 1 - np.sign(x) * np.sqrt(2 / np.pi) * _integral(np.abs(x) * np.sqrt(2)),
    samples=unary(row(-5.0, -1e-3, 1e-10, 0.5, 3.0, 5.9, 10.0, 25.0), TINY, row(0.0)),
)
elementwise(
    "rsqrt",
    lambda x: 1 / MP.sqrt(x),
    numpy=lambda x: x**-0.5,
    samples=unary_positive(row(1e-200, 1e200, 4.0)),
)
elementwise(
    "reciprocal",
    lambda x: 1 / x,
    numpy=np.reciprocal,
    samples=unary(row(1e-150, -1e150, 3.0, 7.0, -10.0), HUGE[2:]),
)


def _integral(x: Any) -> Any:
    """Of exp(-t^2 / 2) from 0 to x, by Gauss's rule."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = np.asarray(x)[..., None]
    return np.sum(weights * x / 2 * np.exp(-np.square(x * (nodes + 1) / 2) / 2), axis=-1)
