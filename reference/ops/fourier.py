"""Rows for Fourier transforms of real numbers.

A transform is a product with a matrix here, which errs by at least what a fast one does: its sums are of n terms, those of
a fast one of log2(n) (Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 24.1).
"""

from functools import lru_cache

import numpy as np

from . import shapes
from .composed import composed
from .row import Doc, OpError

LONGEST = 1024
"""Numbers of an axis that is transformed: the matrix has half their square."""


@lru_cache(maxsize=64)
def waves(n):
    """Cosines and sines of 2 pi j k / n, (j, k) with k up to n / 2; 0, 1 and -1 are exactly that."""
    quarters = 4 * np.outer(np.arange(n), np.arange(n // 2 + 1))
    return _cosine(quarters, n), _cosine(quarters - n, n)


def _cosine(quarters, n):
    """Of so many n-ths of a quarter of a turn: folded into the first quarter, and from its middle as a sine."""
    folded = np.minimum(quarters % (4 * n), -quarters % (4 * n))
    first = np.minimum(folded, 2 * n - folded)
    angle = np.pi / (2 * n)
    size = np.where(2 * first > n, np.sin(angle * (n - first)), np.cos(angle * first))
    return np.where(folded > n, -size, size)


def _long(n):
    if not 1 <= n <= LONGEST:
        raise OpError(f"an axis of {n} numbers, but must be of 1 to {LONGEST}")
    return n


def _transformed(x, *, axis):
    at = shapes.one_axis(axis, x)
    return [(*x[:at], _long(x[at]) // 2 + 1, *x[at + 1 :])] * 2


def _to_last(f, x, axis):
    """With an axis as the last one: the same of an axis and the last one, exchanged, and so its own inverse."""
    order = list(range(x.ndim))
    order[axis], order[-1] = order[-1], order[axis]
    return f.transpose(x, axes=tuple(order)) if axis % x.ndim != x.ndim - 1 else x


def _rfft(f, x, *, axis=-1):
    cosines, sines = waves(x.shape[axis])
    x = _to_last(f, x, axis)
    return _to_last(f, x @ cosines, axis), _to_last(f, -(x @ sines), axis)


composed(
    "rfft",
    _transformed,
    _rfft,
    terms=lambda x, *, axis: 2 * x[axis],  # of both parts
    doc=Doc(
        "the Fourier transform of real numbers along an axis, its real and its imaginary part: the sums of x[j] * cos(2 pi j k / n)"
        " and of -x[j] * sin(2 pi j k / n), for k from 0 to n // 2",
        gradient="the sum over k of g_real * cos(2 pi j k / n) - g_imaginary * sin(2 pi j k / n)",
        example="re, im = rfft(x, axis=1)",
    ),
)


def _length(m, n):
    return 2 * (m - 1) if n is None else n


def _transformed_back(re, im, *, n, axis):
    at = shapes.one_axis(axis, re)
    if re != im:
        raise OpError(f"real part {shapes.text(re)} and imaginary part {shapes.text(im)} must have one shape")
    if n is not None and not shapes.is_integer(n):
        raise OpError(f"n is {n!r}, but must be an integer or None")
    length = _long(_length(re[at], n))
    if length // 2 + 1 != re[at]:
        raise OpError(f"{length} numbers have a transform of {length // 2 + 1}, not of {re[at]}")
    return (*re[:at], length, *re[at + 1 :])


def _irfft(f, re, im, *, n=None, axis=-1):
    length = _length(re.shape[axis], n)
    k = np.arange(re.shape[axis])
    twice = np.where((k == 0) | (2 * k == length), 1.0, 2.0)
    cosines, sines = ((twice * a).T for a in waves(length))
    summed = _to_last(f, re, axis) @ cosines - _to_last(f, im, axis) @ sines
    return _to_last(f, summed / length, axis)


composed(
    "irfft",
    _transformed_back,
    _irfft,
    terms=lambda re, im, *, n, axis: 2 * re[axis],
    doc=Doc(
        "the real numbers whose transform along an axis is re + i * im; of the first number, and of the last for an even n, the"
        " imaginary part is not read",
        gradient="of the transform of g / n, twice where there is a number and its mirror",
        arguments={
            "re": "the real part, n // 2 + 1 long",
            "im": "the imaginary part",
            "n": "how many numbers; 2 * (m - 1) of a transform of m without it",
        },
        example="x = irfft(re, im, axis=1)",
    ),
)
