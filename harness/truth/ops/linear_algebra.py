"""Products by letters."""

import itertools
from typing import Any

import numpy as np

from ..drawing import draw, labels, of
from ..numbers import MP, MpArray, exact
from .table import define


def einsum(*operands: Any, equation: str) -> MpArray:
    """The sum over all values of all letters."""
    left, result = equation.split("->")
    letters = left.split(",")
    arrays = list(map(exact, operands))
    sizes = {
        a: n for names, x in zip(letters, arrays, strict=True) for a, n in zip(names, x.shape, strict=True)
    }
    found = np.full([sizes[a] for a in result], MP.zero)
    for values in itertools.product(*map(range, sizes.values())):
        at = dict(zip(sizes, values, strict=True))
        term = MP.one
        for names, x in zip(letters, arrays, strict=True):
            term = term * x[tuple(at[a] for a in names)]
        found[tuple(at[a] for a in result)] += term
    return found


def outer(x: Any, y: Any) -> MpArray:
    return np.multiply.outer(exact(x), exact(y))


define(
    "einsum",
    einsum,
    numpy=lambda *operands, equation: np.einsum(equation, *operands),
    relative_to="terms",
    samples=[
        of(draw(2, 3), draw(3, 4), equation="ij,jk->ik"),
        of(draw(2, 3), draw(4, 3), equation="ij,kj->ki"),
        of(draw(2, 3, 2), draw(2, 4, 2), equation="bqd,bkd->bqk"),
        of(draw(2, 3, 2), draw(3, 2, 4), equation="bij,ijk->kb"),
        of(draw(3), draw(3), equation="i,i->"),
        of(draw(3), draw(2), equation="i,j->ji"),
        of(draw(2, 3), draw(2, 3), equation="ij,ij->ij"),
        of(draw(2, 3), draw(2, 2), equation="ij,ik->ki"),
        of(draw(2, 3, 2), draw(3), equation="ijk,j->k"),
        of(draw(2, 3), equation="ij->ji"),
        of(draw(2, 3, 2), equation="ijk->kj"),
        of(draw(3), equation="i->"),
        of(draw(2, 3), equation="ij->ij"),
    ],
)
define(
    "outer",
    outer,
    numpy=np.outer,
    relative_to="terms",
    samples=[of(draw(3), draw(2)), of(draw(2), draw(2)), of(draw(1), draw(3))],
)


def one_hot(labels: Any, *, classes: int) -> MpArray:
    found = np.full((*np.shape(labels), classes), MP.zero)
    for at, label in np.ndenumerate(labels):
        found[(*at, label)] = MP.one
    return found


define(
    "one_hot",
    one_hot,
    numpy=lambda labels, *, classes: np.eye(classes)[labels],
    relative_to="terms",
    samples=[of(labels(4, 2, 3), classes=4), of(labels(3, 5), classes=4), of(labels(2), classes=2)],
)
