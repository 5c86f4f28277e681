"""The exact run, and what it leaves for perturbed ones.

Contractions: with n products p, their sum s, bias b and output o, the error's amplitude is
u sqrt((n/6 + 2) q + (n/3 + 1) s^2 + n (b^2 + |b s|) + o^2), where q = sum p^2; the first two terms are the variance
of recursive summation in random order with roundings of variance u^2/3 (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., section 4.2), the next those of a bias added first.
"""

import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .contexts import Array, Exact
from .formats import FORMATS
from .terms import effective_products, effective_terms

U = FORMATS["float32"].u

TERMS, TERM, PARTIAL_SUMS, SUM = 1 / 6, 2.0, 1 / 3, 1.0
"""Of a contraction's variance in u^2: n TERMS + TERM for each product's square, n PARTIAL_SUMS + SUM for the sum's."""
BIAS_FIRST, WITH_BIAS = 1.0, 1.0
"""And n BIAS_FIRST for b^2 + |b s|, WITH_BIAS for the output's square."""

LARGE = 2.0**300
"""Beyond it, and below its reciprocal, squares may leave the range of float64."""
FLUSHED = 2.0**10
"""So many times the smallest number that keeps its accuracy: above it what is flushed is less than a share of u."""
TOGETHER = 2**14
"""Elements of results that are looked at in one go."""


@dataclass(frozen=True)
class Contraction:
    """Of a contraction's outputs: how far they may err, and, of a product, the largest of each column and each row."""

    amplitude: Array
    columns: Array = None
    rows: Array = None


@dataclass
class Tape:
    """What the exact run leaves for the perturbed ones, by place and by order within the place."""

    kinks: dict[Hashable, Array] = field(default_factory=dict)
    contractions: dict[Hashable, Contraction] = field(default_factory=dict)
    elements: int = 1
    """Of the result that has most."""
    _range: tuple[float, float] = (math.inf, 0.0)
    _unseen: list[Array] = field(default_factory=list)
    _waiting: int = 0

    def saw(self, a: Array) -> None:
        self._unseen.append(np.ravel(a))
        self._waiting += np.size(a)
        self.elements = max(self.elements, np.size(a))
        if self._waiting > TOGETHER:
            self._look()

    def _look(self) -> tuple[float, float]:
        """The smallest and the largest magnitude of all results, but for 0 and what is not finite; of many in one go."""
        if not self._unseen:
            return self._range
        sizes = np.abs(np.concatenate(self._unseen))
        told = sizes[np.isfinite(sizes) & (sizes > 0)]
        smallest, largest = self._range
        self._range = float(np.min(told, initial=smallest)), float(np.max(told, initial=largest))
        self._unseen, self._waiting = [], 0
        return self._range

    def leaves(self, dtype: str) -> bool:
        """Whether some result is beyond the dtype's range, or so near its ends that a perturbed one may be."""
        smallest, largest = self._look()
        return largest > FORMATS[dtype].largest / 4 or smallest < floor(dtype) / U

    def flushes(self, dtype: str) -> bool:
        """Whether some result is so small that a dtype which flushes subnormals may err by more than it rounds."""
        return self._look()[0] < FLUSHED * floor(dtype) / U

    @property
    def extreme(self) -> bool:
        """Whether the square of some result, or of its error, may leave the range of float64."""
        smallest, largest = self._look()
        return largest > LARGE or smallest < 1 / LARGE


def floor(dtype: str) -> float:
    """In float32's terms, below which numbers of the dtype lose accuracy: several frameworks flush subnormals to zero."""
    return FORMATS[dtype].smallest_normal * (U / FORMATS[dtype].u)


class Placed(Exact):
    """Counts the calls made at a place, so that the same call of another run has the same key."""

    def __init__(self) -> None:
        self._step: tuple[int, ...] = ()
        self._place: Hashable = None
        self._calls: Counter[str] = Counter()

    def begin(self, step: int) -> None:
        self._step = (step,)

    def at(self, place: Hashable) -> None:
        self._place = place
        self._calls.clear()

    @property
    def place(self) -> Hashable:
        """Where the walk is."""
        return self._place

    def key(self, what: str) -> Hashable:
        self._calls[what] += 1
        return *self._step, self._place, what, self._calls[what]


class Recording(Placed):
    """The exact context, keeping branch arguments, how far contractions may err and the range of the results."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def r(self, a: Array, c: float = 1.0) -> Array:
        self.tape.saw(a)
        return super().r(a, c)

    def fn(self, name: str, *args: Array) -> Array:
        return self.r(super().fn(name, *args))

    def absolute(self, a: Array, m: Array) -> Array:
        return self.r(super().absolute(a, m))

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        out = self.r(super().sum(a, axis, keepdims))
        sizes = _sizes(a, axis)
        n, size = (np.reshape(each, np.shape(out)) for each in (effective_terms(a, axis), sizes))
        q = np.sum(np.square(a / sizes), axis=axis, keepdims=keepdims)
        variance = np.where(
            n > 1, (n * TERMS + TERM) * q + (n * PARTIAL_SUMS + SUM) * np.square(out / size), 0
        )
        self.tape.contractions[self.key("sum")] = Contraction(U * size * np.sqrt(variance))
        return out

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        out = self.r(super().matmul(x, w, bias))
        matrix = out if np.ndim(out) > 1 else np.reshape(out, (-1, 1))
        columns, rows = (np.max(np.abs(matrix), axis=axis, keepdims=True, initial=0) for axis in (-2, -1))
        self.tape.contractions[self.key("matmul")] = Contraction(_erring(x, w, bias), columns, rows)
        return out

    def kink(self, z: Array) -> Array:
        self.tape.kinks[self.key("kink")] = z
        return z


def _erring(x: Array, w: Array, bias: Array | None) -> Array:
    """The amplitude of a product's error."""
    n, shape = effective_products(x, w), np.shape(x @ w)
    x, w = x[None] if x.ndim == 1 else x, w[:, None] if w.ndim == 1 else w
    size, other = _sizes(x, -1), _sizes(w, -2)
    x, w = x / size, w / other
    s = x @ w
    n = np.reshape(n, s.shape) if np.ndim(n) else n
    left, right = np.sum(x * x, axis=-1, keepdims=True), np.sum(w * w, axis=-2, keepdims=True)
    variance = (n * TERMS + TERM) / max(x.shape[-1], 1) * left * right
    variance = variance + (n * PARTIAL_SUMS + SUM) * (s * s)
    if bias is not None:
        bias = bias / size / other
        variance = variance + n * BIAS_FIRST * (bias * bias + np.abs(bias * s))
        variance = variance + WITH_BIAS * np.square(s + bias)
    return np.reshape(U * np.sqrt(variance) * size * other, shape)


def _sizes(a: Array, axis: Any) -> Array:
    """What to divide operands by, so that no square over- or underflows: a power of two near the largest of each sum."""
    largest = np.max(np.abs(a), axis=axis, where=np.isfinite(a), initial=0.0, keepdims=True)
    return np.where(largest > 0, np.ldexp(1.0, np.frexp(largest)[1] - 1), 1.0)
