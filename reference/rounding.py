"""How far correct arithmetic may be from the exact value: perturbed runs of the op table.

The rows are written once, through an arithmetic context. `EXACT` makes them the float64 reference. A `Rounding`
context makes the same rows one run in which every rounding error that a correct implementation may commit is drawn
at random. The spread of N such runs about the reference is, for every element of every output, sigma; the tolerance
is K sigma with one K for everything, so there is no tolerance rule for any op and none is chosen by hand.

A row calls six primitives: `r` after an elementwise operation, `fn` for an elementary function, `matmul` and `sum`
for contractions, `absolute` where a framework may use a formula with larger intermediate terms, and `kink` where a
branch is taken. Exact zeros and infinities err by nothing: a mask of minus infinity is data.

A dtype has its own range. Errors are float32's in every run, for a dtype's are those scaled; but a run of a dtype over-
and underflows where that dtype does, and its floors are that dtype's smallest normal number.

Contractions: with n products p, their sum s, bias b and output o, the error's amplitude is
u sqrt((n/6 + 2) q + (n/3 + 1) s^2 + n (b^2 + |b s|) + o^2), where q = sum p^2; the first two terms are the variance
of recursive summation in random order with roundings of variance u^2/3 (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., section 4.2), the next those of a bias added first.
"""

import hashlib
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .contexts import Array, Exact
from .formats import FORMATS
from .ops.elementary import FUNCTIONS
from .terms import effective_products, effective_terms

RULES_VERSION = "3"
K = 8.0
U = FORMATS["float32"].u

TERMS, TERM, PARTIAL_SUMS, SUM = 1 / 6, 2.0, 1 / 3, 1.0
"""Of a contraction's variance in u^2: n TERMS + TERM for each product's square, n PARTIAL_SUMS + SUM for the sum's."""
BIAS_FIRST, WITH_BIAS = 1.0, 1.0
"""And n BIAS_FIRST for b^2 + |b s|, WITH_BIAS for the output's square."""
ALIKE = 64.0
"""Outputs that differ by fewer units than about this round alike."""
POOLED_RUNS = 8
"""As many runs as the tensor's rows and columns stand for in the estimate of each element's deviation."""
FINAL_ROUNDING = 0.58
"""Sigma of storing a result, in units of u |value|: the root of 1/3."""

FOLLOWED = 0.0
"""A perturbed run takes the branches of the exact one: where somebody's rounding takes others, that is told call by call."""
KINK_MAGNIFICATION = 4.0
"""Of calls between names that nobody told: a unit that rounding might flip is seen to flip."""

LARGE = 2.0**300
"""Beyond it, and below its reciprocal, squares may leave the range of float64."""


@dataclass
class _Tape:
    """What the exact run leaves for the perturbed ones, by place and by order within the place."""

    kinks: dict[Hashable, Array] = field(default_factory=dict)
    terms: dict[Hashable, Array] = field(default_factory=dict)
    smallest: float = math.inf
    largest: float = 0.0
    """Of the magnitudes of all results, but for 0 and what is not finite."""

    def saw(self, a: Array) -> None:
        sizes = np.abs(a)
        told = np.isfinite(sizes) & (sizes > 0)
        self.largest = float(np.max(sizes, where=told, initial=self.largest))
        self.smallest = float(np.min(sizes, where=told, initial=self.smallest))

    def leaves(self, dtype: str) -> bool:
        """Whether some result is beyond the dtype's range, or so near its ends that a perturbed one may be."""
        return self.largest > FORMATS[dtype].largest / 4 or self.smallest < floor(dtype) / U


def floor(dtype: str) -> float:
    """In float32's terms, below which numbers of the dtype lose accuracy: several frameworks flush subnormals to zero."""
    return FORMATS[dtype].smallest_normal * (U / FORMATS[dtype].u)


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
    """The exact context, keeping branch arguments, counts of repeated terms and the range of the results."""

    def __init__(self, tape: _Tape) -> None:
        self.tape = tape
        self.kink_calls, self.sum_calls = _Places(), _Places()

    def at(self, place: Hashable) -> None:
        self.kink_calls.at(place)
        self.sum_calls.at(place)

    def r(self, a: Array, c: float = 1.0) -> Array:
        self.tape.saw(a)
        return super().r(a, c)

    def fn(self, name: str, *args: Array) -> Array:
        return self.r(super().fn(name, *args))

    def absolute(self, a: Array, m: Array) -> Array:
        return self.r(super().absolute(a, m))

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        self.tape.terms[self.sum_calls.key("sum")] = effective_terms(a, axis)
        return self.r(super().sum(a, axis, keepdims))

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        self.tape.terms[self.sum_calls.key("matmul")] = effective_products(x, w)
        return self.r(super().matmul(x, w, bias))

    def kink(self, z: Array) -> Array:
        self.tape.kinks[self.kink_calls.key("kink")] = z
        return z


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
    """One perturbed run: every operation of the rows errs as a correct float32 implementation may.

    It has the range of `dtype`, and is float32's in all else.
    """

    exact = False

    def __init__(
        self,
        seed: int,
        tape: _Tape,
        dtype: str = "float32",
        magnification: float = FOLLOWED,
    ) -> None:
        self.random = np.random.Generator(np.random.SFC64(seed))
        self.tape, self.magnification = tape, magnification
        self.kink_calls, self.sum_calls = _Places(), _Places()
        self.shared = _Shared(seed)
        self.form, self.floor, self.leaves = FORMATS[dtype], floor(dtype), tape.leaves(dtype)
        flushes = self.shared["flushed subnormals"] > 0
        self.least = self.form.smallest_normal if flushes else self.form.smallest / 2
        self.extreme = tape.largest > LARGE or tape.smallest < 1 / LARGE

    def at(self, place: Hashable) -> None:
        self.kink_calls.at(place)
        self.sum_calls.at(place)

    def literal(self, place: Hashable, number: float) -> Array:
        """Rounded to a dtype, once: forward and vjp of the call, or all steps of an optimizer, have the same number."""
        if FORMATS["float32"].rounded(float(number)) == number:
            return number
        return self.held(number * (1 + U * self.shared[f"{number!r} at {place!r}"]))

    def noise(self, shape: tuple[int, ...]) -> Array:
        """Independent float32 numbers, uniform on (-1, 1)."""
        noise = self.random.random(shape, dtype=np.float32)
        noise *= 2
        noise -= 1
        return noise

    def r(self, a: Array, c: float = 1.0) -> Array:
        """Relative to the element, so that a zero stays zero and an infinity infinite; near 0 it may be flushed."""
        noise = self.noise(np.shape(a))
        result = np.multiply(noise, c * U, dtype=np.float64)
        result += 1
        result *= a
        flushed = np.minimum(np.abs(result), self.floor)
        flushed *= noise
        result += flushed
        return self.held(result)

    def held(self, a: Array) -> Array:
        """As the dtype holds it: infinite or 0 where it has no such number."""
        if not self.leaves:
            return a
        sizes = np.abs(a)
        a = np.where(sizes > self.form.largest, np.copysign(np.inf, a), a)
        return np.where(sizes < self.least, np.copysign(0.0, a), a)

    def fn(self, name: str, *args: Array) -> Array:
        function = FUNCTIONS[name]
        biased = function.exact(*args) * (1 + function.bias * U * self.shared[name])
        return self.r(biased, function.spread)

    def absolute(self, a: Array, m: Array) -> Array:
        return self.held(_but_infinities(a, a + U * m * self.noise(np.shape(a))))

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        n = self.tape.terms[self.sum_calls.key("matmul")]
        s = x @ w
        out = s if bias is None else s + bias
        size, other = self.size(x), self.size(w)
        if size * other != 1:
            x, w, s = x / size, w / other, s / size / other
            bias = None if bias is None else bias / size / other
        left = np.sum(x * x, axis=-1)
        right = np.sum(w * w, axis=-2) if w.ndim > 1 else np.sum(w * w)
        if x.ndim > 1 and w.ndim > 1:
            left, right = left[..., :, None], right[..., None, :]
        variance = (n * TERMS + TERM) / max(x.shape[-1], 1) * left * right
        variance += (n * PARTIAL_SUMS + SUM) * (s * s)
        if bias is not None:
            variance = variance + n * BIAS_FIRST * (bias * bias + np.abs(bias * s))
            variance += WITH_BIAS * np.square(s + bias)
        error = np.sqrt(variance)
        error *= U
        error *= self.coherent(out)
        error = error * size * other if size * other != 1 else error
        error += out
        return self.held(_but_infinities(out, error))

    def size(self, a: Array) -> float:
        """What to divide an operand by, so that no square of it over- or underflows: a power of two near its largest."""
        if not self.extreme:
            return 1.0
        largest = np.max(np.abs(a), where=np.isfinite(a), initial=0.0)
        return float(np.ldexp(1.0, np.frexp(largest)[1] - 1)) if largest else 1.0

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
        largest = np.max(np.abs(matrix), axis=-3 - axis, keepdims=True, initial=self.floor)
        turns = matrix * (self.random.uniform(0.5, 1) / (ALIKE * U) / largest)
        turns += self.random.random(phase_shape)
        turns -= np.rint(turns)  # what is left needs no more than float32, whose cosine is many times faster
        return np.cos(np.float32(2 * math.pi) * turns.astype(np.float32)).reshape(out.shape)

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        out = np.sum(a, axis=axis, keepdims=keepdims)
        terms = self.tape.terms[self.sum_calls.key("sum")]
        n, size = np.reshape(terms, np.shape(out)), self.size(a)
        a, s = (a, out) if size == 1 else (a / size, out / size)
        q = np.sum(a * a, axis=axis, keepdims=keepdims)
        variance = np.where(n > 1, (n * TERMS + TERM) * q + (n * PARTIAL_SUMS + SUM) * s * s, 0)
        error = U * np.sqrt(variance) * self.noise(np.shape(out)) * size
        return self.held(_but_infinities(out, out + error))

    def kink(self, z: Array) -> Array:
        """The reference's argument, or one that is moved further from it than rounding has."""
        reference = self.tape.kinks[self.kink_calls.key("kink")]
        if not self.magnification:
            return reference
        return _but_infinities(reference, reference + self.magnification * (z - reference))

    def order(self, count: int) -> Sequence[int]:
        """Any: a sum of two is the same in both."""
        return self.random.permutation(count).tolist() if count > 2 else range(count)


def _but_infinities(exact: Array, noisy: Array) -> Array:
    """The perturbed result, with no error where it is infinite."""
    return noisy if np.isfinite(noisy).all() else np.where(np.isinf(exact), exact, noisy)


@dataclass(frozen=True)
class Reference:
    """What one tensor must be: the float64 reference and, for each element, sigma in float32's terms.

    Sigma is infinite where the value is finite and a correct run need not be: such an element can't be judged.
    """

    value: Array
    sigma: Array

    def tolerance(self, dtype: str) -> Array:
        """K sigma in `dtype`."""
        return tolerance(self.sigma, dtype)


def tolerance(sigma: Array, dtype: str) -> Array:
    """K sigma in `dtype`, of sigma in float32's terms."""
    allowed: Array = K * FORMATS[dtype].scale * sigma
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


Computed = Callable[[Exact], Mapping[Any, Array]]
"""Evaluates rows through the context that it is given."""


def alike(compute: Computed) -> bool:
    """Whether the range of no dtype matters to any result of `compute`: one evaluation then serves them all."""
    tape = _Tape()
    with np.errstate(all="ignore"):
        compute(Recording(tape))
    return not any(tape.leaves(dtype) for dtype in FORMATS)


def expected(
    compute: Computed,
    size: int,
    seed: int,
    runs: int | None = None,
    dtype: str = "float32",
    magnification: float = FOLLOWED,
) -> dict[Any, Reference]:
    """Reference, and sigma in the range of `dtype`, of every tensor that `compute` returns.

    `size` is the number of input elements. The reference is the float64 number whatever the dtype's range.
    """
    tape, count = _Tape(), runs or runs_for(size)
    # What is not finite concerns its elements, and is told of them.
    with np.errstate(all="ignore"):
        exact = {key: np.asarray(a, dtype=np.float64) for key, a in compute(Recording(tape)).items()}
        total = {key: np.zeros(a.shape) for key, a in exact.items()}
        for run in range(count):
            for key, a in compute(Rounding(seed + run, tape, dtype, magnification)).items():
                total[key] = np.hypot(total[key], _deviation(a, exact[key]))  # whose squares may underflow
        rms = {key: a / math.sqrt(count) for key, a in total.items()}
        return {key: Reference(a, _sigma(a, rms[key], count, floor(dtype))) for key, a in exact.items()}


def kinks(compute: Callable[[Exact], Any]) -> dict[Hashable, Array]:
    """The arguments of all branches that an exact run takes, by place: which, and by order within the place."""
    tape = _Tape()
    compute(Recording(tape))
    return tape.kinks


def _deviation(perturbed: Array, exact: Array) -> Array:
    """How far a run is from the exact value: 0 where that is not finite, infinite where the run alone is not."""
    difference = perturbed - exact
    if np.isfinite(difference).all():
        return difference
    return np.where(np.isfinite(exact), np.where(np.isfinite(difference), difference, np.inf), 0.0)


def _sigma(reference: Array, rms: Array, runs: int, floor: float) -> Array:
    """The root mean square deviation, shrunk towards its rows and columns, the final rounding, and the floor."""
    finite = np.isfinite(reference)
    together = runs + POOLED_RUNS
    own, pooled = rms * math.sqrt(runs / together), _pool(rms, finite) * math.sqrt(POOLED_RUNS / together)
    rounding = FINAL_ROUNDING * U * np.where(finite, reference, 0)
    return np.hypot(np.hypot(own, pooled), np.hypot(rounding, floor))


def _pool(rms: Array, judged: Array) -> Array:
    """Row mean times column mean over the mean: what an element's deviation would be if the tensor had rank one.

    Of mean squares, and of those elements alone whose deviation and exact value are finite.
    """
    known = judged & np.isfinite(rms)
    largest = np.max(rms, where=known, initial=0.0)
    if rms.ndim < 2 or not largest:
        return rms
    known = known.reshape(rms.shape[0], -1)
    mean_square = np.where(known, np.square(rms.reshape(known.shape) / largest), 0)
    rows, columns = (_means(mean_square, known, axis) for axis in (1, 0))
    pool = rows * (columns / (mean_square.sum() / np.count_nonzero(known)))
    return largest * np.sqrt(pool).reshape(rms.shape)


def _means(a: Array, known: Array, axis: int) -> Array:
    """Means over an axis of the elements that are known, 0 of none."""
    return a.sum(axis=axis, keepdims=True) / np.maximum(1, np.count_nonzero(known, axis=axis, keepdims=True))
