"""Rows for products by letters, and vectors that are one number's."""

import math

import numpy as np

from . import shapes
from .composed import composed
from .indexing import INTEGERS
from .row import Doc, OpError


def _letters(equation):
    """Of `ij,jk->ik`: those of each operand, and of the result. Raises OpError."""
    parts = equation.replace(" ", "").split("->") if isinstance(equation, str) else []
    if len(parts) != 2:
        raise OpError(f'equation is {equation!r}, but must have operands and result, as in "ij,jk->ik"')
    operands, result = parts[0].split(","), parts[1]
    for letters in (*operands, result):
        if len(set(letters)) != len(letters) or not all(a.isascii() and a.isalpha() for a in letters):
            raise OpError(f"equation {equation!r}: {letters!r} must be letters, each of them once")
    return operands, result


def _sizes(equation, *operands):
    """The size of each letter. Raises OpError where operands and equation do not fit."""
    given, result = _letters(equation)
    if len(given) != len(operands):
        raise OpError(f"equation {equation!r} has {len(given)} operands, but there are {len(operands)}")
    sizes: dict[str, int] = {}
    for letters, shape in zip(given, operands, strict=True):
        if len(letters) != len(shape):
            raise OpError(f"equation {equation!r}: {letters!r} does not fit shape {shapes.text(shape)}")
        for letter, size in zip(letters, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise OpError(f"equation {equation!r}: {letter!r} is both {sizes[letter]} and {size}")
    if unknown := sorted(set(result) - set(sizes)):
        raise OpError(f"equation {equation!r}: {unknown[0]!r} of the result stands in no operand")
    return sizes


def _product(x, y=None, *, equation):
    sizes = _sizes(equation, *(shape for shape in (x, y) if shape is not None))
    return tuple(sizes[letter] for letter in _letters(equation)[1])


def _products(x, y=None, *, equation):
    """The products that each element of the result sums."""
    (left, *others), result = _letters(equation)
    summed = [a for a in left if others and a in others[0] and a not in result]
    sizes = _sizes(equation, *(shape for shape in (x, y) if shape is not None))
    return math.prod(sizes[a] for a in summed) if summed else 0


def _summed(f, x, letters, kept):
    """Without the letters that stand nowhere else, over which the operand is summed."""
    axes = tuple(i for i, letter in enumerate(letters) if letter not in kept)
    return (f.sum(x, axis=axes) if axes else x), [letter for letter in letters if letter in kept]


def _ordered(f, x, letters, wanted):
    axes = tuple(letters.index(letter) for letter in wanted)
    return f.transpose(x, axes=axes) if axes != tuple(range(x.ndim)) else x


def _einsum(f, x, y=None, *, equation):
    """One product of matrices for all letters of both operands that are summed; without any, a broadcast product."""
    (left, *others), result = _letters(equation)
    if y is None:
        x, left = _summed(f, x, left, result)
        return _ordered(f, x, left, result)
    [right] = others
    sizes = _sizes(equation, x.shape, y.shape)
    x, left = _summed(f, x, left, result + right)
    y, right = _summed(f, y, right, [*result, *left])
    batch = [a for a in left if a in right and a in result]
    inner = [a for a in left if a in right and a not in result]
    rows, columns = ([a for a in letters if a not in batch + inner] for letters in (left, right))

    def size(letters):
        return math.prod(sizes[a] for a in letters)

    lead = tuple(sizes[a] for a in batch)
    x = f.reshape(_ordered(f, x, left, batch + rows + inner), shape=(*lead, size(rows), size(inner)))
    y = f.reshape(_ordered(f, y, right, batch + inner + columns), shape=(*lead, size(inner), size(columns)))
    found = x @ y if inner else x * y
    letters = batch + rows + columns
    return _ordered(f, f.reshape(found, shape=tuple(sizes[a] for a in letters)), letters, result)


composed(
    "einsum",
    _product,
    _einsum,
    terms=_products,
    doc=Doc(
        "Einstein's sum: the products of the operands' elements, summed over every letter that the result has not",
        gradient="towards each operand, g times the other, summed over every letter that the operand has not",
        arguments={
            "x": "a tensor with an axis for each of its letters",
            "y": "a second one; may be left out",
            "equation": 'the letters of the operands and, behind "->", of the result; no letter twice in one of them',
        },
        example='scores = einsum(q, k, equation="bqd,bkd->bqk")',
    ),
)


def _pairs(x, y):
    for shape in (x, y):
        if len(shape) != 1:
            raise OpError(f"both need one dimension, not {shapes.text(shape)}")
    return x + y


composed(
    "outer",
    _pairs,
    lambda f, x, y: f.reshape(x, shape=(*x.shape, 1)) * y,
    doc=Doc(
        "every product of an element of x and one of y: y[i, j] = x[i] * y[j]",
        gradient="g @ y towards x, x @ g towards y",
        arguments={"x": "(n,)", "y": "(m,)"},
        example="A = outer(x, y)",
    ),
)


def _units(labels, *, classes):
    shapes.integers("classes", classes, 1)
    if not shapes.is_integer(classes):
        raise OpError(f"classes is {classes!r}, but must be an integer")
    return shapes.bounded((*labels.shape, classes))


composed(
    "one_hot",
    _units,
    lambda f, labels, *, classes: f.where(
        np.equal(shapes.placed(labels.value, classes)[..., None], np.arange(classes)), 1.0, 0.0
    ),
    dtypes={0: INTEGERS},
    doc=Doc(
        "for each label a vector with a 1 in its place, else 0",
        gradient="none: the labels are integers",
        arguments={
            "labels": "int64, of any shape, each from 0 to classes - 1",
            "classes": "the length of the vectors, which are a new last axis",
        },
        example="t = one_hot(labels, classes=10)",
    ),
)


def _grouped(x, W, sizes):
    if len(x.shape) != 2 or len(W.shape) != 3 or sizes.shape != W.shape[:1] or x.shape[1] != W.shape[1]:
        found = ", ".join(shapes.text(a.shape) for a in (x, W, sizes))
        raise OpError(
            f"x, W and sizes have shapes {found}, but must be (rows, in), (groups, in, out) and (groups,)"
        )
    return shapes.bounded((x.shape[0], W.shape[2]))


def _group_of(sizes, rows):
    """The group of each row. Raises IndexError where the sizes are none of so many rows."""
    if np.any(sizes < 0) or np.sum(sizes) != rows:
        raise IndexError(
            f"sizes {list(map(int, sizes))} must be of at least 0 each, and of {rows} rows together"
        )
    return np.repeat(np.arange(len(sizes)), sizes)


def _grouped_matmul(f, x, W, sizes):
    own = f.take(W, _group_of(sizes.value, x.shape[0]), axis=0)
    return f.squeeze(f.expand_dims(x, axis=1) @ own, axis=1)


composed(
    "grouped_matmul",
    _grouped,
    _grouped_matmul,
    dtypes={2: INTEGERS},
    terms=lambda x, W, sizes: x[1],
    doc=Doc(
        "x[i] @ W[k], k the group of row i: the first sizes[0] rows are of the first group, and so on",
        gradient="g[i] @ W[k].T towards x[i]; towards W[k] the sum of outer(x[i], g[i]) over its rows, 0 where it has none",
        arguments={
            "x": "(rows, in)",
            "W": "(groups, in, out)",
            "sizes": "int64, how many rows each group has; of all rows together",
        },
        example="y = grouped_matmul(x, W, sizes)",
    ),
)
