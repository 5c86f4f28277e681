"""Square matrices: determinants, inverses and systems by Cramer's rule, Cholesky's triangle by its equations."""

import itertools
from typing import Any

import numpy as np

from ..drawing import Drawn, draw, of
from ..numbers import MP, MpArray, exact, objects
from .table import define


def _each(function: Any, a: Any, *shape: int) -> MpArray:
    """Of every matrix of a stack."""
    a = exact(a)
    found = np.empty((*a.shape[:-2], *shape), dtype=object)
    for at in np.ndindex(a.shape[:-2]):
        found[at] = function(a[at])
    return found


def _determinant(a: MpArray) -> Any:
    """Leibniz's formula: the signed products of all permutations."""
    total = MP.zero
    for places in itertools.permutations(range(len(a))):
        sign = 1
        for i, j in itertools.combinations(range(len(a)), 2):
            sign = -sign if places[i] > places[j] else sign
        term = MP.mpf(sign)
        for i, j in enumerate(places):
            term = term * a[i, j]
        total = total + term
    return total


def _solution(a: MpArray, b: MpArray) -> MpArray:
    """Cramer's rule."""
    whole, found = _determinant(a), np.empty(b.shape, dtype=object)
    for i, j in np.ndindex(b.shape):
        exchanged = a.copy()
        exchanged[:, i] = b[:, j]
        found[i, j] = _determinant(exchanged) / whole
    return found


def det(a: Any) -> MpArray:
    return objects(_each(_determinant, a))


def slogdet(a: Any) -> tuple[MpArray, MpArray]:
    found = det(a)
    signs = np.frompyfunc(lambda d: MP.mpf(1 if MP.re(d) > 0 else -1), 1, 1)(found)
    return objects(signs), objects(np.frompyfunc(MP.log, 1, 1)(found * signs))


def inv(a: Any) -> MpArray:
    n = np.shape(a)[-1]
    return _each(lambda m: _solution(m, exact(np.eye(n))), a, n, n)


def solve(a: Any, b: Any) -> MpArray:
    a, b = exact(a), exact(b)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    found = np.empty(b.shape, dtype=object)
    for at in np.ndindex(lead):
        found[at] = _solution(a[at], b[at])
    return found


def _triangle(a: MpArray) -> MpArray:
    """Of a symmetric matrix: of any other, of its symmetric part."""
    a = (a + a.T) / 2
    n = len(a)
    y = np.full((n, n), MP.zero)
    for i in range(n):
        for j in range(i + 1):
            left = a[i, j] - sum((y[i, k] * y[j, k] for k in range(j)), MP.zero)
            y[i, j] = MP.sqrt(left) if i == j else left / y[j, j]
    return y


def cholesky(a: Any) -> MpArray:
    return _each(_triangle, a, *np.shape(a)[-2:])


def matrices(*shape: int) -> Drawn:
    """Square ones, far from singular."""
    n = shape[-1]
    return Drawn(
        f"matrices({shape})",
        lambda rng: np.asarray(rng.uniform(-1, 1, shape) + 2 * rng.choice([-1, 1]) * np.eye(n)),
    )


def positive_definite(*shape: int) -> Drawn:
    def make(rng: np.random.Generator) -> Any:
        x = rng.uniform(-1, 1, shape)
        found = x @ x.swapaxes(-1, -2) + np.eye(shape[-1])
        return (found + found.swapaxes(-1, -2)) / 2

    return Drawn(f"positive_definite({shape})", make)


SINGULAR = [
    of(np.array([[1.0, 2.0], [2.0, 4.0]])),
    of(np.array([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0], [3.0, -1.0, 2.0]])),
    of(np.zeros((1, 1))),
]
# Where two could be the pivot the row turns, though not the function.
TIED = np.array([[1.0, 2.0], [-1.0, 3.0]])


def _lower(a: Any) -> Any:
    """NumPy's, which could give the upper one."""
    return np.linalg.cholesky(a)


SQUARES = [of(matrices(3, 3)), of(matrices(2, 2)), of(matrices(1, 1)), of(matrices(2, 4, 4))]
EXCHANGED = of(np.array([[0.0, 2.0, 1.0], [1.0, 0.5, -1.0], [3.0, 1.0, 0.25]]))

define(
    "inv",
    inv,
    numpy=np.linalg.inv,
    relative_to="terms",
    samples=[*SQUARES, EXCHANGED, of(TIED)],
)
# The slopes of a determinant are differences themselves: of each small one the error is that of its terms.
define(
    "det",
    det,
    numpy=np.linalg.det,
    relative_to="one",
    samples=[*SQUARES, EXCHANGED, *SINGULAR, of(TIED)],
)
define(
    "slogdet",
    slogdet,
    numpy=lambda a: tuple(np.linalg.slogdet(a)),
    relative_to="one",
    samples=[*SQUARES, EXCHANGED, of(TIED)],
)
define(
    "solve",
    solve,
    numpy=np.linalg.solve,
    relative_to="terms",
    samples=[
        of(matrices(3, 3), draw(3, 2)),
        of(matrices(2, 2), draw(2, 2)),
        of(matrices(2, 3, 3), draw(3, 1)),
        of(matrices(3, 3), draw(2, 3, 2)),
        of(matrices(2, 1, 2, 2), draw(3, 2, 2)),
        of(np.array([[0.0, 2.0], [1.0, 0.5]]), draw(2, 1)),
        of(TIED, np.array([[1.0], [2.0]])),
    ],
)
define(
    "cholesky",
    cholesky,
    numpy=_lower,
    relative_to="terms",
    samples=[
        of(positive_definite(3, 3)),
        of(positive_definite(2, 2)),
        of(positive_definite(1, 1)),
        of(positive_definite(2, 4, 4)),
    ],
)
