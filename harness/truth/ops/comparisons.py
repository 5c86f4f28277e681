"""Comparisons and logic: 1 where it holds, 0 where it doesn't."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..drawing import TINY, Sample, bools, draw, of, row
from ..numbers import MP, apply
from .table import define, elementwise

PAIRS = [
    of(draw(2, 3), draw(3)),
    of(draw(), draw(2, 1)),
    of(draw(3), 0.5),
    of(TINY, TINY[::-1].copy()),
    of(row(1.0, -1e300, 1e-300), row(1 + 2**-52, 1e300, -1e-300)),
]
TIES: list[Sample] = [of(row(1.0, -2.0), row(1.0, -2.0))]

for name, compare, numpy in (
    ("greater", operator.gt, np.greater),
    ("greater_equal", operator.ge, np.greater_equal),
    ("less", operator.lt, np.less),
    ("less_equal", operator.le, np.less_equal),
    ("equal", operator.eq, np.equal),
    ("not_equal", operator.ne, np.not_equal),
):
    elementwise(
        name,
        lambda x, y, compare=compare: MP.mpf(compare(x, y)),
        numpy=numpy,
        samples=PAIRS,
        at_kinks=TIES,
        analytic=False,
    )


def logic(name: str, function: Callable[..., Any], numpy: Any, samples: list[Sample]) -> None:
    """A function of what is true or false."""

    def forward(*inputs: Any) -> Any:
        return apply(lambda *xs: MP.mpf(function(*map(bool, xs))), *inputs)

    define(name, forward, numpy=numpy, relative_to="element", samples=samples)


logic(
    "logical_and", lambda x, y: x and y, np.logical_and, [of(bools(2, 3), bools(3)), of(bools(4), bools(4))]
)
logic("logical_or", lambda x, y: x or y, np.logical_or, [of(bools(2, 3), bools(3)), of(bools(4), bools(4))])
logic("logical_not", lambda x: not x, np.logical_not, [of(bools(2, 3)), of(bools(4))])
