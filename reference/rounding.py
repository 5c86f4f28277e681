"""How far correct arithmetic may be from the exact value: perturbed runs of the op table.

The rows are written once, through an arithmetic context. `EXACT` makes them the float64 reference. A `Rounding`
context makes the same rows one run in which every rounding error that a correct implementation may commit is drawn
at random. The spread of N such runs about the reference is, for every element of every output, sigma; the tolerance
is K sigma with one K for everything, so there is no tolerance rule for any op and none is chosen by hand.

A row calls six primitives: `r` after an elementwise operation, `fn` for an elementary function, `matmul` and `sum`
for contractions, `absolute` where a framework may use a formula with larger intermediate terms, and `kink` where a
branch is taken.

Contractions: with n products p, their sum s, bias b and output o, the error's amplitude is
u sqrt((n/6 + 2) q + (n/3 + 1) s^2 + n (b^2 + |b s|) + o^2), where q = sum p^2; the first two terms are the variance
of recursive summation in random order with roundings of variance u^2/3 (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., section 4.2), the next those of a bias added first.
"""

import hashlib
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .contexts import Array, Exact
from .formats import FORMATS
from .ops.elementary import FUNCTIONS

RULES_VERSION = "3"
K = 8.0
U = FORMATS["float32"].u
SMALLEST_NORMAL = FORMATS["float32"].smallest_normal

KINK_MAGNIFICATION = 4.0
LARGEST_MAGNIFIED = 1_000_000
"""Beyond so many input elements kinks are not magnified: on very wide nets that loosens whole columns."""


@dataclass
class _Tape:
    """What the exact run leaves for the perturbed ones, by place and by order within the place."""

    kinks: dict[Hashable, Array] = field(default_factory=dict)
    terms: dict[Hashable, Array] = field(default_factory=dict)


class _Places:
    """Counts the calls made at a place, so that the same call of another run has the same key."""

    def __init__(self) -> None:
        self.place: Hashable = None
        self.calls = 0

    def at(self, place: Hashable) -> None:
        self.place, self.calls = place, 0

    def key(self, what: str) -> Hashable:
        self.calls += 1
        return self.place, what, self.calls


class Recording(Exact):
    """The exact context, keeping branch arguments and counts of repeated terms."""

    def __init__(self, tape: _Tape) -> None:
        self.tape = tape
        self.kink_calls, self.sum_calls = _Places(), _Places()

    def at(self, place: Hashable) -> None:
        self.kink_calls.at(place)
        self.sum_calls.at(place)

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        self.tape.terms[self.sum_calls.key("sum")] = effective_terms(a, axis)
        return super().sum(a, axis, keepdims)

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        self.tape.terms[self.sum_calls.key("matmul")] = effective_products(x, w)
        return super().matmul(x, w, bias)

    def kink(self, z: Array) -> Array:
        self.tape.kinks[self.kink_calls.key("kink")] = z
        return z


def repetition(terms: Array) -> Array:
    """How often a nonzero term repeats on average, along the last axis, as float32 sees them."""
    ordered = np.sort(terms.astype(np.float32), axis=-1)
    nonzero = np.count_nonzero(ordered, axis=-1)
    distinct = 1 + np.count_nonzero(np.diff(ordered, axis=-1), axis=-1) - (nonzero < terms.shape[-1])
    return np.maximum(1, nonzero) / np.maximum(1, distinct)


def effective_terms(a: Array, axis: Any) -> Array:
    """For each sum over `axis`: its nonzero terms, times how often a term repeats on average.

    A sum of equal terms drifts one way, so its error grows with n and not with the root of n.
    """
    a = np.asarray(a)
    axes = tuple(range(a.ndim)) if axis is None else tuple(np.atleast_1d(axis) % a.ndim)
    kept = tuple(i for i in range(a.ndim) if i not in axes)
    terms = math.prod(a.shape[i] for i in axes)  # -1 would not do for an array of nothing
    rows = a.transpose(kept + axes).reshape(*(a.shape[i] for i in kept), terms)
    return np.count_nonzero(rows, axis=-1) * repetition(rows) if rows.shape[-1] else np.zeros(rows.shape[:-1])


def effective_products(x: Array, w: Array) -> Array:
    """For each output of x @ w: the number of products, times how often both of their factors repeat."""
    n = x.shape[-1]
    if n == 0:
        return n
    left = repetition(x)
    right = repetition(w if w.ndim == 1 else w.swapaxes(-1, -2))
    if x.ndim > 1 and w.ndim > 1:
        left, right = left[..., :, None], right[..., None, :]
    terms = n * np.minimum(left, right)
    return terms if np.any(terms > n) else n


class _Shared(dict[str, float]):
    """Numbers in (-1, 1) that follow from the run and a name alone: what all calls of a function have in common, or
    all uses of a literal.

    So a function that comes to the table, or that a program does not call, moves no tolerance.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def __missing__(self, name: str) -> float:
        drawn = seed_of(str(self.seed).encode(), name.encode())
        self[name] = drawn / 2**63 - 1
        return self[name]


class Rounding(Exact):
    """One perturbed run: every operation of the rows errs as a correct float32 implementation may."""

    exact = False

    def __init__(self, seed: int, tape: _Tape, magnification: float = KINK_MAGNIFICATION) -> None:
        self.random = np.random.Generator(np.random.SFC64(seed))
        self.tape, self.magnification = tape, magnification
        self.kink_calls, self.sum_calls = _Places(), _Places()
        self.shared = _Shared(seed)

    def at(self, place: Hashable) -> None:
        self.kink_calls.at(place)
        self.sum_calls.at(place)

    def literal(self, place: Hashable, number: float) -> Array:
        """Rounded to a dtype, once: forward and vjp of the call, or all steps of an optimizer, have the same number."""
        if FORMATS["float32"].rounded(float(number)) == number:
            return number
        return number * (1 + U * self.shared[f"{number!r} at {place!r}"])

    def noise(self, shape: tuple[int, ...]) -> Array:
        """Independent float32 numbers, uniform on (-1, 1)."""
        noise = self.random.random(shape, dtype=np.float32)
        noise *= 2
        noise -= 1
        return noise

    def r(self, a: Array, c: float = 1.0) -> Array:
        error = np.abs(a)
        error *= c * U
        error += SMALLEST_NORMAL  # several frameworks flush subnormals to zero: hence the floor
        error *= self.noise(np.shape(a))
        error += a
        return error

    def fn(self, name: str, *args: Array) -> Array:
        function = FUNCTIONS[name]
        exact = function.exact(*args)
        return self.r(exact, function.spread) + (function.bias * U * self.shared[name]) * exact

    def absolute(self, a: Array, m: Array) -> Array:
        return a + U * m * self.noise(np.shape(a))

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        n = self.tape.terms[self.sum_calls.key("matmul")]
        s = x @ w
        left = np.sum(x * x, axis=-1)
        right = np.sum(w * w, axis=-2) if w.ndim > 1 else np.sum(w * w)
        if x.ndim > 1 and w.ndim > 1:
            left, right = left[..., :, None], right[..., None, :]
        variance = (n / 6 + 2) / max(x.shape[-1], 1) * left * right
        variance += (n / 3 + 1) * (s * s)
        out = s
        if bias is not None:
            out = s + bias
            variance = variance + n * (bias * bias + np.abs(bias * s)) + out * out
        error = np.sqrt(variance)
        error *= U
        error *= self.coherent(out)
        error += out
        return error

    def coherent(self, out: Array) -> Array:
        """Noise in (-1, 1) that is the same for nearly equal outputs of one column, or of one row.

        A product rounds equal rows of x alike, and equal columns of w, so that the outputs of saturated units err
        together. Which of the two is drawn for each product and run: both layouts of a layer, examples in rows and
        in columns, are then seen.
        """
        if out.ndim == 0:
            return self.random.uniform(-1, 1)
        matrix = out if out.ndim > 1 else out[:, None]
        axis = -1 if self.random.random() < 0.5 else -2
        phase_shape = [1] * matrix.ndim
        phase_shape[axis] = matrix.shape[axis]
        largest = np.max(np.abs(matrix), axis=-3 - axis, keepdims=True, initial=SMALLEST_NORMAL)
        turns = matrix * (self.random.uniform(0.5, 1) / (64 * U) / largest)
        turns += self.random.random(phase_shape)
        turns -= np.rint(turns)  # what is left needs no more than float32, whose cosine is many times faster
        return np.cos(np.float32(2 * math.pi) * turns.astype(np.float32)).reshape(out.shape)

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        s = np.sum(a, axis=axis, keepdims=keepdims)
        terms = self.tape.terms[self.sum_calls.key("sum")]
        n = np.reshape(terms, np.shape(s))
        q = np.sum(a * a, axis=axis, keepdims=keepdims)
        variance = np.where(n > 1, (n / 6 + 2) * q + (n / 3 + 1) * s * s, 0)
        return s + U * np.sqrt(variance) * self.noise(np.shape(s))

    def kink(self, z: Array) -> Array:
        """The argument, moved further from the reference's: a unit that rounding might flip is seen to flip."""
        reference = self.tape.kinks[self.kink_calls.key("kink")]
        return reference + self.magnification * (z - reference)


@dataclass(frozen=True)
class Reference:
    """What one tensor must be: the float64 reference and, for each element, sigma in float32's terms."""

    value: Array
    sigma: Array

    def tolerance(self, dtype: str) -> Array:
        """K sigma in `dtype`. Raises FloatingPointError where it is not finite: that would let everything pass."""
        return tolerance(self.sigma, dtype)


def tolerance(sigma: Array, dtype: str) -> Array:
    """K sigma in `dtype`, of sigma in float32's terms. Raises FloatingPointError where it is not finite."""
    allowed: Array = K * FORMATS[dtype].scale * sigma
    if not np.isfinite(allowed).all():
        raise FloatingPointError("a tolerance is not finite: the case leaves an op's domain, or overflows")
    return allowed


def runs_for(size: int) -> int:
    """How many perturbed runs a case with `size` input elements needs; below 8 cry wolf, beyond 64 gain nothing."""
    if size < 10_000:
        return 64
    return 32 if size <= 1_000_000 else 16


def seed_of(*parts: bytes) -> int:
    """A seed from content: the same case has the same tolerances everywhere."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return int.from_bytes(digest.digest()[:8], "little")


def expected(
    compute: Callable[[Exact], Mapping[Any, Array]], size: int, seed: int, runs: int | None = None
) -> dict[Any, Reference]:
    """Reference and sigma of every tensor that `compute` returns.

    `compute` evaluates rows through the context it is given; `size` is the number of input elements.
    """
    tape, count = _Tape(), runs or runs_for(size)
    magnification = KINK_MAGNIFICATION if size <= LARGEST_MAGNIFIED else 1.0
    # Outside an op's domain the tolerance is not finite, which is an error of its own.
    with np.errstate(all="ignore"):
        exact = {key: np.asarray(a, dtype=np.float64) for key, a in compute(Recording(tape)).items()}
        squares = {key: np.zeros(a.shape) for key, a in exact.items()}
        for run in range(count):
            for key, a in compute(Rounding(seed + run, tape, magnification)).items():
                squares[key] += np.square(a - exact[key])
        return {key: Reference(a, _sigma(a, squares[key] / count, count)) for key, a in exact.items()}


def _sigma(reference: Array, mean_square: Array, runs: int) -> Array:
    """The root of the mean square deviation, shrunk towards its rows and columns, and the final rounding."""
    shrunk = (runs * mean_square + 8 * _pool(mean_square)) / (runs + 8)
    return np.sqrt(shrunk + np.square(0.58 * U * reference))


def _pool(mean_square: Array) -> Array:
    """Row mean times column mean over the mean: what an element's deviation would be if the tensor had rank one."""
    if mean_square.ndim < 2 or not np.any(mean_square):
        return mean_square
    matrix = mean_square.reshape(mean_square.shape[0], -1)
    pool = matrix.mean(axis=1, keepdims=True) * (matrix.mean(axis=0, keepdims=True) / matrix.mean())
    return pool.reshape(mean_square.shape)
