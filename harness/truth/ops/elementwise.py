"""Functions of single numbers."""

from typing import Any

import numpy as np

from ..drawing import BRANCH, HUGE, SPREAD, TINY, Sample, bools, draw, of, positive, row
from ..numbers import MP
from .table import elementwise


def unary(*xs: Any) -> list[Sample]:
    return [of(x) for x in (draw(), draw(3), draw(2, 3), draw(2, 1, 3), *xs)]


def unary_positive(*xs: Any) -> list[Sample]:
    return [of(x) for x in (positive(), positive(3), positive(2, 3), *xs)]


BINARY = [
    of(draw(3), draw(3)),
    of(draw(), draw()),
    of(draw(), draw(2, 3)),
    of(draw(2, 3), draw()),
    of(draw(3), draw(2, 3)),
    of(draw(2, 3), draw(3)),
    of(draw(2, 1), draw(1, 3)),
    of(draw(1), draw(3)),
    of(draw(2, 1, 3), draw(4, 1)),
    of(draw(2, 3), 0.7),
    of(1.7, draw(2, 3)),
    of(draw(3), 2),
    of(1, draw(3)),
    of(row(1e-200, 1e200, 3.0), row(7.0, 1e-5, 1e15)),
    of(TINY, row(0.3, -0.7, 1.1, 2.0, -3.0, 5.0)),
    of(HUGE, row(3.3, -2.7, 1.1, 2.0, -3.0, 5.0)),
]
"""Broadcasting in all its forms, on either side; numbers, integers and floats, on either side."""

elementwise("add", lambda x, y: x + y, numpy=np.add, samples=BINARY)
elementwise(
    "sub",
    lambda x, y: x - y,
    numpy=np.subtract,
    samples=[*BINARY, of(row(1.0, 1e16), row(1 - 2**-53, 1.0))],
)
elementwise("mul", lambda x, y: x * y, numpy=np.multiply, samples=BINARY)
elementwise("div", lambda x, y: x / y, numpy=np.divide, samples=BINARY)
elementwise(
    "pow",
    MP.power,
    numpy=np.power,
    samples=[
        *(of(draw(2, 3), 2), of(draw(3), 3), of(draw(3), -1), of(draw(), 1), of(draw(3), 0)),
        *(of(positive(2, 3), 0.5), of(positive(3), -1.5), of(positive(3), 2.5)),
        *(of(row(0.0, 1.5, -2.0), 2), of(row(0.0, -1.0), 1)),
        *(of(positive(3), draw(3)), of(positive(2, 3), draw(3)), of(positive(2, 1), draw(1, 3))),
        *(of(positive(), draw(2, 3)), of(2, draw(2, 3)), of(1.3, draw())),
        of(row(1e-100, 1e100, 1 + 2**-40), row(2.5, -1.5, 300.0)),
    ],
)
elementwise(
    "maximum",
    max,
    numpy=np.maximum,
    samples=[*BINARY, of(row(1.0, -1.0), row(1 + 2**-52, -1 - 2**-52)), of(draw(2, 3), 0)],
    at_kinks=[of(row(1.0, 0.0), row(1.0, 0.0)), of(row(0.0, 2.0), 0), of(0.5, row(0.5, 2.0))],
    analytic=False,
)
elementwise(
    "where",
    lambda c, x, y: x if c else y,
    numpy=np.where,
    samples=[
        of(bools(2, 3), draw(2, 3), draw(2, 3)),
        of(bools(3), draw(2, 3), draw()),
        of(bools(2, 1), draw(3), draw(2, 3)),
        of(bools(2, 3), draw(3), 0.5),
        of(bools(2, 3), -1, draw(2, 1)),
        of(np.array(True), draw(3), draw(3)),
        of(bools(2, 3), draw(), draw()),
    ],
)

elementwise("neg", lambda x: -x, numpy=np.negative, samples=unary(TINY, HUGE))
elementwise("exp", MP.exp, numpy=np.exp, samples=unary(SPREAD, TINY, row(709.7, -708.4, 2**-53)))
elementwise(
    "log",
    MP.log,
    numpy=np.log,
    samples=unary_positive(
        row(1 - 2**-53, 1 + 2**-52, 0.999, 1.001, 1e-300, 1e300), abs(TINY[3:]), abs(HUGE)
    ),
)
elementwise(
    "sqrt", MP.sqrt, numpy=np.sqrt, samples=unary_positive(row(1e-300, 1e300, 4.0), abs(TINY), abs(HUGE))
)
elementwise("square", lambda x: x * x, numpy=np.square, samples=unary(row(1e-150, 1e150, 0.0), TINY))

PERIODS = unary(row(1e-200, 3.14159, 1.5707963, 100.0, 1e5), TINY, HUGE[3:])
elementwise("sin", MP.sin, numpy=np.sin, samples=PERIODS)
elementwise("cos", MP.cos, numpy=np.cos, samples=PERIODS)

TURN = of(row(0.0, -0.0, 1.0))
elementwise(
    "abs",
    abs,
    numpy=np.abs,
    samples=unary(row(1e-300, -1e300), TINY, HUGE, BRANCH),
    at_kinks=[TURN],
    analytic=False,
)
elementwise(
    "relu",
    lambda x: max(x, MP.zero),
    numpy=lambda x: np.maximum(x, 0),
    samples=unary(TINY, HUGE, BRANCH),
    at_kinks=[TURN],
    analytic=False,
)
elementwise(
    "leaky_relu",
    lambda x, *, slope=0.01: x if x > 0 else MP.mpf(slope) * x,
    numpy=lambda x, *, slope=0.01: np.where(x > 0, x, slope * x),
    samples=[*unary(TINY, HUGE, BRANCH), of(draw(2, 3), slope=0.2), of(row(1e-300, -1e-300), slope=-0.5)],
    at_kinks=[of(*TURN.inputs, slope=0.2)],
    analytic=False,
)
elementwise(
    "sigmoid",
    lambda x: 1 / (1 + MP.exp(-x)),
    numpy=lambda x: 1 / (1 + np.exp(-x)),
    samples=unary(SPREAD, TINY),
)
elementwise(
    "tanh",
    MP.tanh,
    numpy=np.tanh,
    samples=unary(row(-20.0, -5.0, 1e-10, 1e-200, 0.0, 5.0, 20.0), TINY, row(-350.0, 350.0)),
)
elementwise(
    "softplus",
    lambda x: MP.log1p(MP.exp(x)),
    numpy=lambda x: np.logaddexp(0, x),
    samples=unary(SPREAD, TINY, row(-50.0, 50.0)),
)
