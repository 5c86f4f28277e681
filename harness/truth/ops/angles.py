"""Logarithms and powers to other bases, angles, hyperbolic functions, functions of two numbers, and gamma."""

import math
from typing import Any

import numpy as np

from ..drawing import HUGE, TINY, Sample, draw, of, positive, row
from ..numbers import MP
from .elementwise import BINARY, unary, unary_positive
from .table import elementwise

SMALL = (row(1e-3, -1e-10, 1e-200), TINY)


def inside(*xs: Any) -> list[Sample]:
    """Between -1 and 1."""
    near = draw(low=-0.95, high=0.95)
    return [of(x) for x in (near, draw(3, low=-0.9, high=0.9), draw(2, 3, low=-1, high=1), *SMALL, *xs)]


NEAR_ONE = row(1 - 2**-12, -1 + 2**-12, 0.99, -0.5)

elementwise(
    "log2",
    lambda x: MP.log(x) / MP.log(2),
    numpy=np.log2,
    samples=unary_positive(row(0.999, 1.001, 1e-300, 1e300, 8.0)),
)
elementwise(
    "log10", MP.log10, numpy=np.log10, samples=unary_positive(row(0.999, 1.001, 1e-300, 1e300, 100.0))
)
elementwise(
    "exp2",
    lambda x: MP.power(2, x),
    numpy=np.exp2,
    samples=unary(row(-1000.0, -40.5, 1e-10, 3.0, 1000.5), TINY),
)
elementwise("tan", MP.tan, numpy=np.tan, samples=unary(row(1e-200, 3.14159, 100.0, 1.4), TINY))
elementwise("asin", MP.asin, numpy=np.arcsin, samples=inside(NEAR_ONE))
elementwise("acos", MP.acos, numpy=np.arccos, samples=inside(NEAR_ONE))
elementwise("atan", MP.atan, numpy=np.arctan, samples=unary(*SMALL, row(1e16, -1e8, 300.0, 1.0)))
elementwise("sinh", MP.sinh, numpy=np.sinh, samples=unary(*SMALL, row(-700.0, 20.0, 300.0)))
elementwise("cosh", MP.cosh, numpy=np.cosh, samples=unary(*SMALL, row(-700.0, 20.0, 300.0)))
elementwise("asinh", MP.asinh, numpy=np.arcsinh, samples=unary(*SMALL, row(1e16, -1e8, 300.0, 1.0), HUGE))
elementwise(
    "acosh",
    MP.acosh,
    numpy=np.arccosh,
    samples=[
        of(x)
        for x in (
            draw(low=1.1, high=3),
            draw(3, low=1.1, high=3),
            draw(2, 3, low=1.1, high=9),
            row(1 + 2**-12, 1.01, 300.0, 1e16, 1e300),
        )
    ],
)
elementwise("atanh", MP.atanh, numpy=np.arctanh, samples=inside(NEAR_ONE))
elementwise(
    "lgamma",
    lambda x: MP.log(MP.gamma(x) if MP.gamma(x).real > 0 else -MP.gamma(x)),
    numpy=np.vectorize(lambda v: math.log(math.gamma(v)), otypes=[float]),
    samples=unary_positive(
        row(1e-10, 0.999, 1.001, 1.999, 2.001, 1.4616321449683622),
        row(0.5, 12.5, 300.0, 1e5),
        row(-0.5, -1.25, -3.7, -20.3),
    ),
    size=lambda x: 1 + abs(MP.log(abs(MP.gamma(x)))),
    slope_size=lambda x: (
        1 + abs(MP.digamma(x)) + (MP.pi * abs(MP.cot(MP.pi * x)) * (1 + abs(x)) if x < 0 else 0)
    ),
)


def atan2(y: Any, x: Any) -> Any:
    """By the flatter of two triangles: analytic, as MP.atan2 is not."""
    turned = MP.pi if y.real >= 0 else -MP.pi
    if abs(x.real) >= abs(y.real):
        return MP.atan(y / x) + (turned if x.real < 0 else 0)
    return turned / 2 - MP.atan(x / y)


elementwise("atan2", atan2, numpy=np.arctan2, samples=BINARY)
elementwise(
    "hypot",
    lambda x, y: MP.sqrt(x * x + y * y),
    numpy=lambda x, y: np.sqrt(x * x + y * y),
    samples=BINARY,
    at_kinks=[of(row(0.0, 3.0), row(0.0, 4.0))],
)
elementwise(
    "logaddexp",
    lambda x, y: MP.log(MP.exp(x) + MP.exp(y)),
    numpy=np.logaddexp,
    samples=[
        *(of(draw(3), draw(3)), of(draw(), draw(2, 3)), of(draw(2, 3), draw(3)), of(draw(2, 1), draw(1, 3))),
        *(of(draw(2, 3), 0.7), of(1.7, draw(2, 3)), of(row(300.0, -300.0, 40.0), row(299.0, 20.0, -40.0))),
    ],
    size=lambda x, y: 1 + max(abs(x), abs(y)),
)
elementwise(
    "xlogy",
    lambda x, y: x * MP.log(y) if x != 0 else MP.zero,
    numpy=lambda x, y: x * np.log(y),
    samples=[
        *(
            of(draw(3), positive(3)),
            of(draw(), positive(2, 3)),
            of(draw(2, 3), positive(3)),
            of(draw(2, 1), positive(1, 3)),
        ),
        *(of(draw(2, 3), 0.7), of(1.7, positive(2, 3)), of(row(0.0, -3.0, 1e-300), row(2.0, 1e-300, 1e300))),
    ],
)
