"""Products of matrices."""

from typing import Any

import numpy as np

from ..drawing import HUGE, TINY, Drawn, Sample, draw, of, row
from ..numbers import MpArray, exact, objects
from .table import define


def matmul(x: Any, y: Any) -> MpArray:
    """Sums of products; 1-D operands, stacks and their broadcasting as in `numpy.matmul`."""
    return objects(np.matmul(exact(x), exact(y)))


def linear(x: Any, W: Any, b: Any = None, *, weights: str = "out_in") -> MpArray:
    """Product of x (..., in) with W^T for W (out, in), or W for W (in, out); plus b."""
    matrix = {"out_in": exact(W).T, "in_out": exact(W)}[weights]
    product = matmul(x, matrix)
    return product if b is None else objects(product + exact(b))


def layers() -> list[Sample]:
    samples: list[Sample] = []
    for x in ((3,), (2, 3), (2, 2, 3)):
        for bias in ((), (draw(4),), (draw(1, 4),)):
            samples.append(of(draw(*x), draw(4, 3), *bias, weights="out_in"))
            samples.append(of(draw(*x), draw(3, 4), *bias, weights="in_out"))
    square = [of(draw(2, 3), draw(3, 3), draw(3), weights=way) for way in ("out_in", "in_out")]
    return [*samples, *square, of(draw(2, 3), draw(4, 3))]


define(
    "matmul",
    matmul,
    numpy=np.matmul,
    relative_to="terms",
    samples=[
        of(draw(3), draw(3)),
        of(draw(3), draw(3, 2)),
        of(draw(2, 3), draw(3)),
        of(draw(2, 3), draw(3, 4)),
        of(draw(2, 2, 3), draw(2, 3, 2)),
        of(draw(2, 2, 3), draw(3, 4)),
        of(draw(2, 3), draw(2, 3, 2)),
        of(draw(2, 2, 3), draw(3)),
        of(draw(3), draw(2, 3, 2)),
        of(draw(2, 1, 2, 3), draw(2, 3, 2)),
        of(draw(1, 2, 3), draw(2, 3, 1)),
        of(draw(1, 1), draw(1, 1)),
        of(row(1e150, 1.0, -1e150), row(1.0, 1e-9, 1.0)),
        of(TINY, HUGE),
    ],
)
define(
    "linear",
    linear,
    numpy=lambda x, W, b=0.0, *, weights="out_in": x @ (W.T if weights == "out_in" else W) + b,
    relative_to="terms",
    samples=layers(),
)


def grouped_matmul(x: Any, W: Any, sizes: Any) -> MpArray:
    """Group by group."""
    parts = np.split(exact(x), np.cumsum(sizes)[:-1])
    return objects(np.concatenate([part @ own for part, own in zip(parts, exact(W), strict=True)]))


def _grouped_matmul(x: Any, W: Any, sizes: Any) -> Any:
    return np.einsum("ni,nio->no", x, np.repeat(W, sizes, axis=0))


def counts(*sizes: int) -> Drawn:
    return Drawn(f"counts{sizes}", lambda _: np.asarray(sizes))


define(
    "grouped_matmul",
    grouped_matmul,
    numpy=_grouped_matmul,
    relative_to="terms",
    samples=[
        of(draw(5, 3), draw(2, 3, 4), counts(2, 3)),
        of(draw(4, 2), draw(3, 2, 2), counts(1, 0, 3)),
        of(draw(2, 3), draw(1, 3, 2), counts(2)),
    ],
)
