"""Losses with a margin, and of vectors."""

from typing import Any

import numpy as np

from ..drawing import Sample, draw, of, row, scaled
from ..numbers import MP, MpArray, apply, exact, objects, total
from .losses import REDUCE, losses, reduced
from .norms import norm
from .table import define

KINDS = ("mean", "sum", "none")
SIGNS = np.array([[1, -1, 1], [-1, -1, 1]])


def hinge(x: Any, y: Any, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda x, y: max(1 - y * x, MP.zero), x, y), reduction)


def squared_hinge(x: Any, y: Any, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda x, y: max(1 - y * x, MP.zero) ** 2, x, y), reduction)


def hinge_embedding(x: Any, y: Any, *, margin: float = 1.0, reduction: str = "mean") -> MpArray:
    m = MP.mpf(margin)
    return reduced(apply(lambda x, y: x if y == 1 else max(m - x, MP.zero), x, y), reduction)


def margin_ranking(x1: Any, x2: Any, y: Any, *, margin: float = 0.0, reduction: str = "mean") -> MpArray:
    m = MP.mpf(margin)
    return reduced(apply(lambda a, b, y: max(m - y * (a - b), MP.zero), x1, x2, y), reduction)


def soft_margin(x: Any, y: Any, *, reduction: str = "mean") -> MpArray:
    return reduced(apply(lambda x, y: MP.log1p(MP.exp(-y * x)), x, y), reduction)


def cosine_similarity(x: Any, y: Any, *, axis: int = -1, epsilon: float = 1e-8) -> MpArray:
    least = MP.mpf(epsilon)
    lengths = [apply(lambda n: max(n, least), norm(a, axis=axis)) for a in (x, y)]
    return objects(total(exact(x) * exact(y), axis) / (lengths[0] * lengths[1]))


def _cosine_similarity(x: Any, y: Any, *, axis: int = -1, epsilon: float = 1e-8) -> Any:
    lengths = (np.maximum(np.linalg.norm(a, axis=axis), epsilon) for a in (x, y))
    return np.sum(x * y, axis) / np.multiply(*lengths)


def cosine_embedding(
    x: Any, y: Any, label: Any, *, margin: float = 0.0, epsilon: float = 1e-12, reduction: str = "mean"
) -> MpArray:
    x, y, more, least = exact(x), exact(y), MP.mpf(epsilon), MP.mpf(margin)
    both = (total(x * x, -1) + more) * (total(y * y, -1) + more)
    alike = total(x * y, -1) / apply(MP.sqrt, both)
    return reduced(apply(lambda s, t: 1 - s if t == 1 else max(s - least, MP.zero), alike, label), reduction)


def _cosine_embedding(
    x: Any, y: Any, label: Any, *, margin: float = 0.0, epsilon: float = 1e-12, reduction: str = "mean"
) -> Any:
    units = [a / np.sqrt(np.einsum("...i,...i", a, a) + epsilon)[..., None] for a in (x, y)]
    alike = np.einsum("...i,...i", *units)
    return REDUCE[reduction](np.where(label > 0, 1 - alike, (alike - margin) * (alike > margin)))


def triplet_margin(
    a: Any, p: Any, n: Any, *, margin: float = 1.0, epsilon: float = 1e-6, reduction: str = "mean"
) -> MpArray:
    near, far = (norm(exact(a) - exact(other) + MP.mpf(epsilon), axis=-1) for other in (p, n))
    return reduced(apply(lambda d: max(d + MP.mpf(margin), MP.zero), near - far), reduction)


def _triplet_margin(
    a: Any, p: Any, n: Any, *, margin: float = 1.0, epsilon: float = 1e-6, reduction: str = "mean"
) -> Any:
    near, far = (np.linalg.norm(a - other + epsilon, axis=-1) for other in (p, n))
    return REDUCE[reduction](np.clip(near - far + margin, 0, None))


def scores() -> list[Sample]:
    return losses(
        [draw(2, 3), draw(), draw(4), row(1e-10, 1e10, -3.0)],
        [draw(2, 3), draw(), draw(4), row(1.0, -1.0, 1.0)],
    )


CORNER = of(row(1.0, -0.5, 2.0), row(1.0, -2.0, -1.0))

define(
    "hinge",
    hinge,
    numpy=lambda x, y, *, reduction="mean": REDUCE[reduction](np.maximum(0, 1 - x * y)),
    relative_to="one",
    samples=scores(),
    at_kinks=[CORNER],
    analytic=False,
)
define(
    "squared_hinge",
    squared_hinge,
    numpy=lambda x, y, *, reduction="mean": REDUCE[reduction](np.maximum(0, 1 - x * y) ** 2),
    relative_to="one",
    samples=scores(),
    at_kinks=[CORNER],
    analytic=False,
)
define(
    "hinge_embedding",
    hinge_embedding,
    numpy=lambda x, y, *, margin=1.0, reduction="mean": REDUCE[reduction](
        np.where(y == 1, x, np.maximum(0, margin - x))
    ),
    relative_to="terms",
    samples=[
        *(of(draw(2, 3), SIGNS, reduction=kind) for kind in KINDS),
        of(draw(2, 3), SIGNS, margin=0.3, reduction="none"),
        of(draw(), np.array(-1)),
        of(row(1 - 2**-53, 1 + 2**-52, -1e300), np.array([-1, -1, 1])),
    ],
    at_kinks=[of(row(1.0, 1.0), np.array([-1, 1])), of(row(0.5, 2.0), np.array([-1, -1]), margin=0.5)],
    analytic=False,
)
define(
    "margin_ranking",
    margin_ranking,
    numpy=lambda x1, x2, y, *, margin=0.0, reduction="mean": REDUCE[reduction](
        np.maximum(0, margin - y * (x1 - x2))
    ),
    relative_to="one",
    samples=[
        *(of(draw(2, 3), draw(2, 3), draw(2, 3), reduction=kind) for kind in KINDS),
        of(draw(2, 3), draw(2, 3), draw(2, 3), margin=0.3, reduction="none"),
        of(draw(), draw(), draw(), margin=1.0),
    ],
    at_kinks=[
        of(row(1.0, 0.5, 1.0), row(1.0, 0.0, 2.0), row(1.0, 1.0, 1.0)),
        of(row(1.0, 0.5), row(0.5, 1.0), row(1.0, -1.0), margin=0.5),
    ],
    analytic=False,
)
define(
    "soft_margin",
    soft_margin,
    numpy=lambda x, y, *, reduction="mean": REDUCE[reduction](np.log1p(np.exp(-y * x))),
    relative_to="terms",
    samples=[
        *(of(draw(2, 3), SIGNS, reduction=kind) for kind in KINDS),
        of(draw(), np.array(-1)),
        of(row(700.0, -700.0, 40.0, 1e-10), np.array([1, 1, -1, -1]), reduction="none"),
    ],
)
define(
    "cosine_similarity",
    cosine_similarity,
    numpy=_cosine_similarity,
    relative_to="one",
    samples=[
        of(draw(2, 3), draw(2, 3)),
        of(draw(2, 3), draw(2, 3), axis=0, epsilon=1e-7),
        of(draw(2, 3, 2), draw(2, 3, 2), axis=1),
        of(draw(4), draw(4), epsilon=1.5),
        of(draw(4), draw(4), epsilon=100.0),
        of(scaled(1e-100, 4), scaled(1e100, 4)),
    ],
    at_kinks=[of(row(3.0, 4.0), row(1.0, -2.0), epsilon=5.0)],
    analytic=False,
)
define(
    "cosine_embedding",
    cosine_embedding,
    numpy=_cosine_embedding,
    relative_to="one",
    samples=[
        *(of(draw(2, 3, 4), draw(2, 3, 4), SIGNS, reduction=kind) for kind in KINDS),
        of(draw(2, 3, 2), draw(2, 3, 2), SIGNS, margin=-0.4, reduction="none"),
        of(draw(2, 3, 4), draw(2, 3, 4), SIGNS, margin=0.3, epsilon=2.5),
    ],
    at_kinks=[of(np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [4.0, -3.0]]), np.array([-1, 1]))],
    analytic=False,
)
define(
    "triplet_margin",
    triplet_margin,
    numpy=_triplet_margin,
    relative_to="one",
    samples=[
        *(of(draw(5, 3), draw(5, 3), draw(5, 3), reduction=kind) for kind in KINDS),
        of(draw(2, 2, 3), draw(2, 2, 3), draw(2, 2, 3), margin=0.3, epsilon=0.1, reduction="none"),
        of(draw(4), draw(4), draw(4)),
    ],
    at_kinks=[of(row(3.5, 4.5), row(0.0, 0.0), row(-5.0, -12.0), margin=8.0, epsilon=0.5)],
    analytic=False,
)
