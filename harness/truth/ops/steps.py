"""Functions that are constant but where they jump, and what is held."""

import numpy as np

from ..drawing import draw, of, row
from ..numbers import MP
from .elementwise import unary
from .table import elementwise

APART = row(0.75, -0.25, 1e-300, -1e-300, 2.0**40 + 0.25, 1e16 + 2)
"""No integers: there they jump. The last is one, and has no neighbours that are not."""


for name, function, numpy, jumps in (
    ("floor", MP.floor, np.floor, row(1.0, -2.0, 0.0)),
    ("ceil", MP.ceil, np.ceil, row(1.0, -2.0, 0.0)),
    ("round", MP.nint, np.rint, row(0.5, 1.5, -2.5)),
    ("sign", MP.sign, np.sign, row(0.0, -0.0)),
):
    elementwise(
        name,
        lambda x, function=function: function(x),
        numpy=numpy,
        samples=unary(APART[:5]),
        at_kinks=[of(jumps)],
        analytic=False,
    )
elementwise(
    "mod",
    lambda x, y: x - y * MP.floor(x / y),
    numpy=np.mod,
    samples=[
        *(of(draw(3), draw(3)), of(draw(), draw(2, 3)), of(draw(2, 3), draw(3)), of(draw(2, 1), draw(1, 3))),
        *(of(draw(2, 3), 0.7), of(1.7, draw(2, 3)), of(row(7.5, -7.5, 7.5, -7.5), row(2.0, 2.0, -2.0, -2.0))),
        of(row(1e15 + 0.5, -1e-3, 300.25), row(0.7, 3.0, 1e-2)),
    ],
    at_kinks=[of(row(4.0, -4.0, 0.0), row(2.0, 2.0, 3.0))],
    analytic=False,
)


elementwise(
    "stop_gradient",
    lambda x: x,
    numpy=np.positive,
    samples=[of(x) for x in (draw(), draw(3), draw(2, 3), row(-8.5, 1000.0))],
    held=True,
)
