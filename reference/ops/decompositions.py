"""Rows for square matrices: determinants, inverses, systems of equations, Cholesky's decomposition.

All of them eliminate, column by column and through the context: so a run errs as an elimination does, by what its
factors and the matrix's condition make of each rounding (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
edition, chapters 9, 10 and 14).
"""

import numpy as np

from . import shapes
from .arithmetic import unbroadcast
from .limits import vanishing
from .row import Doc, OpError, row

LARGEST = 200
"""Columns of a matrix: elimination is a step for each."""
FEW = 16
"""Columns of a singular matrix, at most, whose cofactors are worked out: there are as many determinants as elements."""


def square(a):
    """The shape of square matrices. Raises OpError."""
    if len(a) < 2 or a[-1] != a[-2] or not 1 <= a[-1] <= LARGEST:
        raise OpError(f"needs square matrices of 1 to {LARGEST} columns, not {shapes.text(a)}")
    return a


def _turned(a):
    return a.swapaxes(-1, -2)


def _rows_exchanged(a, k, other):
    """Row k and, of every matrix, another one, exchanged."""
    rows = np.broadcast_to(np.arange(a.shape[-2]), a.shape[:-1]).copy()
    np.put_along_axis(rows, other[..., None], k, -1)
    rows[..., k] = other
    return np.take_along_axis(a, rows[..., None], -2)


def _eliminated(c, a, b):
    """By Gauss with partial pivoting: the triangle U that a becomes, b with it, and the sign of the exchanges.

    The rows above the pivot stay as they are, and what is below it becomes 0.
    """
    n, sign = a.shape[-1], np.ones(a.shape[:-2])
    both = np.concatenate((a, b), -1)
    for k in range(n - 1):
        column = np.abs(c.order(both[..., k:, k]))
        other = k + np.argmax(column, axis=-1)
        both = _rows_exchanged(both, k, other)
        sign = np.where(other == k, sign, -sign)
        pivot = both[..., k : k + 1, k : k + 1]
        factor = c.r(np.divide(both[..., k + 1 :, k : k + 1], np.where(pivot == 0, 1.0, pivot)))
        rest = c.r(both[..., k + 1 :, k + 1 :] - c.r(factor * both[..., k : k + 1, k + 1 :]))
        left = np.concatenate((np.zeros_like(both[..., k + 1 :, : k + 1]), rest), -1)
        both = np.concatenate((both[..., : k + 1, :], left), -2)
    return both[..., :n], both[..., n:], sign


def _substituted(c, u, b):
    """The solution of u @ x = b for a triangle u with 0 below its diagonal, from the last row up."""
    n, x = u.shape[-1], b
    for k in reversed(range(n)):
        row = c.r(x[..., k : k + 1, :] / u[..., k : k + 1, k : k + 1])
        above = c.r(x[..., :k, :] - c.r(u[..., :k, k : k + 1] * row))
        x = np.concatenate((above, row, x[..., k + 1 :, :]), -2)
    return x


def _solved(c, a, b):
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    u, b, _ = _eliminated(c, a, b)
    return _substituted(c, u, b)


def _inverse(c, a):
    return _solved(c, a, np.eye(a.shape[-1]))


def _system(a, b):
    square(a)
    if len(b) < 2 or b[-2] != a[-1]:
        raise OpError(f"matrices {shapes.text(a)} and right sides {shapes.text(b)} do not fit")
    return (*shapes.broadcast(a[:-2], b[:-2]), *b[-2:])


def _inverse_vjp(c, out, a, g):
    turned = _turned(out)
    return -c.matmul(c.matmul(turned, g), turned)


def _solve_left(c, out, a, b, g):
    return unbroadcast(c, -c.matmul(_solved(c, _turned(a), g), _turned(out)), a)


row(
    "inv",
    square,
    _inverse,
    _inverse_vjp,
    doc=Doc(
        "the inverse of each matrix",
        gradient="-y.T @ g @ y.T, with y the inverse",
        arguments={"a": "(..., n, n), none of them singular"},
        example="y = inv(a)",
    ),
)
row(
    "solve",
    _system,
    _solved,
    _solve_left,
    lambda c, out, a, b, g: unbroadcast(c, _solved(c, _turned(a), g), b),
    doc=Doc(
        "the solution x of a @ x = b",
        gradient="h = solve(a.T, g) towards b, -h @ x.T towards a, summed over broadcast leading axes",
        arguments={
            "a": "(..., n, n), none of them singular",
            "b": "(..., n, k): k right sides; leading axes broadcast",
        },
        example="x = solve(a, b)",
    ),
)


def _pivots(c, a):
    """The diagonal of the triangle that each matrix becomes, and the sign of the exchanges."""
    n = a.shape[-1]
    u, _, sign = _eliminated(c, a, np.zeros((*a.shape[:-1], 0)))
    return np.sum(u * np.eye(n), axis=-1), sign


def _det(c, a):
    pivots, sign = _pivots(c, a)
    out = sign * pivots[..., 0]
    for k in range(1, a.shape[-1]):
        out = c.r(out * pivots[..., k])
    return out


def _cofactors(c, a):
    """The signed determinants of what is left of each matrix without one row and one column."""
    n = a.shape[-1]
    if n == 1:
        return np.ones(a.shape)
    kept = np.array([[k for k in range(n) if k != i] for i in range(n)])
    minors = np.moveaxis(np.take(np.take(a, kept, -2), kept, -1), -2, -3)
    return _det(c, minors) * np.where(np.add.outer(np.arange(n), np.arange(n)) % 2, -1.0, 1.0)


def _det_vjp(c, out, a, g):
    """The inverse times the determinant; of a singular matrix, which has none, the cofactors."""
    singular = (c.order(out) == 0)[..., None, None]
    regular = np.where(singular, np.eye(a.shape[-1]), a)
    found = c.r(c.r(g * out)[..., None, None] * _turned(_inverse(c, regular)))
    if np.any(singular):
        slopes = (
            _cofactors(c, a) if a.shape[-1] <= FEW else c.absolute(np.zeros_like(a), np.full(a.shape, np.inf))
        )
        found = np.where(singular, c.r(g[..., None, None] * slopes), found)
    return c.r(vanishing(g[..., None, None], found))


row(
    "det",
    lambda a: square(a)[:-2],
    _det,
    _det_vjp,
    doc=Doc(
        "the determinant of each matrix",
        gradient="g * det(a) * inv(a).T: g times the cofactors",
        arguments={"a": "(..., n, n)"},
        example="d = det(a)",
    ),
)


def _slogdet(c, a):
    pivots, sign = _pivots(c, a)
    signs = sign
    for k in range(a.shape[-1]):
        signs = signs * np.sign(c.order(pivots[..., k]))
    return signs, c.sum(c.fn("log", np.abs(pivots)), -1)


row(
    "slogdet",
    lambda a: [square(a)[:-2]] * 2,
    _slogdet,
    lambda c, out, a, g: c.r(g[1][..., None, None] * _turned(_inverse(c, a))),
    doc=Doc(
        "the sign of each matrix's determinant, and the logarithm of its size",
        gradient="0 from the sign, g * inv(a).T from the logarithm",
        arguments={"a": "(..., n, n), none of them singular"},
        example="sign, size = slogdet(a)",
    ),
)


def _cholesky(c, a):
    """Column by column, of the lower half alone."""
    n, columns, rest = a.shape[-1], [], a
    for k in range(n):
        root = c.fn("sqrt", rest[..., :1, :1])
        below = c.r(rest[..., 1:, :1] / root)
        above = np.zeros_like(a[..., :k, :1])
        columns.append(np.concatenate((above, root, below), -2))
        rest = c.r(rest[..., 1:, 1:] - c.r(below * _turned(below)))
    return np.concatenate(columns, -1)


def _cholesky_vjp(c, out, a, g):
    """Half of each element and of its mirror: of the function of symmetric matrices (Murray, arXiv:1602.07527)."""
    half = np.tri(a.shape[-1]) - np.eye(a.shape[-1]) / 2
    inner = c.matmul(_turned(out), g) * half
    triangle = _turned(out)
    left = _substituted(c, triangle, inner)
    both = _turned(_substituted(c, triangle, _turned(left)))
    return c.r(both + _turned(both)) / 2


row(
    "cholesky",
    square,
    _cholesky,
    _cholesky_vjp,
    doc=Doc(
        "the lower triangle y with y @ y.T = a, of each symmetric matrix with positive eigenvalues",
        gradient="inv(y).T @ P @ inv(y), of which the symmetric part, with P the lower triangle of y.T @ g, its diagonal halved",
        arguments={"a": "(..., n, n), symmetric: only its lower half is read"},
        example="y = cholesky(x @ x.T + eye)",
    ),
)
