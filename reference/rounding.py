"""How far correct arithmetic may be from the exact value: perturbed runs of the op table.

The rows are written once, through an arithmetic context. `EXACT` makes them the float64 reference. A `Rounding`
context makes the same rows runs in which every rounding error that a correct implementation may commit is drawn at
random: many at once, for the run is an axis of the arrays that rows don't see (reference/runs.py). The spread of such
runs about the reference is, for every element of every output, sigma; the tolerance is K sigma with one K for
everything, so there is no tolerance rule for any op and none is chosen by hand.

A row calls six primitives: `r` after an elementwise operation, `fn` for an elementary function, `matmul` and `sum`
for contractions, `absolute` where a framework may use a formula with larger intermediate terms, and `kink` where a
branch is taken. Exact zeros and infinities err by nothing: a mask of minus infinity is data.

A dtype has its own range. Errors are float32's in every run, for a dtype's are those scaled; but a run of a dtype over-
and underflows where that dtype does, and its floors are that dtype's smallest normal number.

How far a contraction may err is what the exact run has left (reference/recording.py): for a perturbed run it would be
the same, but for the error of an error.
"""

import hashlib
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .contexts import Array, Exact
from .formats import FORMATS
from .ops.elementary import FUNCTIONS
from .recording import Contraction, Placed, Recording, Tape, U, floor
from .runs import Runs, in_runs, raw

RULES_VERSION = "4"
K = 8.0

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

AT_ONCE = 2**16
"""Elements of all runs that are evaluated together, for the largest result: more leave the processor's caches."""
LEVELS = 2**15
"""Noise is one of so many numbers on either side of 0."""


class _Shared(dict[str, Array]):
    """Numbers in (-1, 1), one for each run, that follow from a seed and a name alone: what all calls of a function
    have in common, or all uses of a literal.

    So a function that comes to the table, or that a program does not call, moves no tolerance.
    """

    def __init__(self, seed: int, runs: range) -> None:
        super().__init__()
        self.seed, self.runs = seed, runs

    def __missing__(self, name: str) -> Array:
        digest = hashlib.shake_256(b"%d %s" % (self.seed, name.encode())).digest(8 * self.runs.stop)
        self[name] = np.frombuffer(digest, "<i8")[self.runs.start :] / 2**63
        return self[name]


class Rounding(Placed):
    """Perturbed runs, all at once: every operation of the rows errs as a correct float32 implementation may.

    They have the range of `dtype`, and are float32's in all else. What the rows are given may be plain arrays, the same
    in all runs; what they make of it are arrays of runs.
    """

    exact = False
    numbers: range

    def __init__(
        self,
        seed: int,
        tape: Tape,
        runs: range = range(1),
        dtype: str = "float32",
        magnification: float = FOLLOWED,
    ) -> None:
        """`runs` are the numbers of the runs, from which together with the seed all that is drawn follows."""
        super().__init__()
        self.random = np.random.Generator(np.random.SFC64([seed, runs.start]))
        self.seed, self.numbers = seed, runs
        self.tape, self.runs, self.magnification = tape, len(runs), magnification
        self.shared = _Shared(seed, runs)
        self.form, self.floor = FORMATS[dtype], floor(dtype)
        self.leaves, self.flushes = tape.leaves(dtype), tape.flushes(dtype)
        flushed = self.shared["flushed subnormals"] > 0
        self.least = np.where(flushed, self.form.smallest_normal, self.form.smallest / 2)

    def begin(self, step: int) -> None:
        super().begin(step)
        self.random = np.random.Generator(np.random.SFC64([self.seed, self.numbers.start, step]))

    def literal(self, place: Hashable, number: float) -> Array:
        """Rounded to a dtype, once: forward and vjp of the call, or all steps of an optimizer, have the same number."""
        if FORMATS["float32"].rounded(float(number)) == number:
            return number
        return self.held(number * (1 + U * self.shared[f"{number!r} at {place!r}"]))

    def noise(self, shape: tuple[int, ...], scale: float, about: Array = 0.0) -> Array:
        """Independent numbers, uniform on (about - scale, about + scale), with an axis for the run.

        Of 16 bits each: four of them cost what one number of 64 bits does.
        """
        count = math.prod(shape) * self.runs
        drawn = self.random.bit_generator.random_raw(-(-count // 4)).view(np.int16)[:count]
        noise = np.multiply(in_runs(drawn, shape, self.runs), scale / LEVELS, dtype=np.float64)
        noise += about + scale / (2 * LEVELS)
        return noise

    def r(self, a: Array, c: Array = 1.0, bias: Array = 0.0) -> Array:
        """Relative to the element, so that a zero stays zero and an infinity infinite; near 0 it may be flushed.

        The elements of a run share an error of `bias` u |a| beside their own of at most c u |a|.
        """
        if np.ndim(c) or isinstance(c, Runs):  # a single number of every run has no axis that is seen
            noise = self.noise(np.shape(a), U)
            noise *= raw(c)
            noise += 1 + U * bias
        else:
            noise = self.noise(np.shape(a), c * U, 1 + U * bias)
        noise *= raw(a)
        if self.flushes:
            noise += np.minimum(np.abs(noise), self.floor) * self.noise(np.shape(a), 1.0)
        return self.held(noise)

    def held(self, a: Array) -> Runs:
        """As the dtype holds it: infinite or 0 where it has no such number. `a` has an axis for the run."""
        if self.leaves:
            sizes = np.abs(a)
            a = np.where(sizes > self.form.largest, np.copysign(np.inf, a), a)
            a = np.where(sizes < self.least, np.copysign(0.0, a), a)
        return Runs(a)

    def fn(self, name: str, *args: Array) -> Array:
        function = FUNCTIONS[name]
        bias = function.bias * self.shared[name] if function.bias else 0.0
        return self.r(function.exact(*args), function.spread, bias)

    def absolute(self, a: Array, m: Array) -> Array:
        noise = self.noise(np.shape(a), U)
        noise *= raw(m)
        return self._off(a, noise)

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        left = self.tape.contractions[self.key("matmul")]
        out = super().matmul(x, w, bias)
        return self._off(out, self.coherent(out, left) * raw(left.amplitude))

    def coherent(self, out: Array, of: Contraction) -> Array:
        """Noise in (-1, 1) that is the same for nearly equal outputs of one column, or of one row.

        A product rounds equal rows of x alike, and equal columns of w, so that the outputs of saturated units err
        together. Which of the two is drawn for each product and run: both layouts of a layer, examples in rows and
        in columns, are then seen.
        """
        if np.ndim(out) == 0:
            return self.noise((), 1.0)
        matrix = raw(out if np.ndim(out) > 1 else np.reshape(out, (-1, 1)))
        matrix = np.broadcast_to(matrix, (*matrix.shape[:-1], self.runs))
        turns = in_runs(np.empty(matrix.size), matrix.shape[:-1], self.runs)
        by_columns = self.random.binomial(self.runs, 0.5)
        for runs, axis, largest in (
            (slice(by_columns), -1, of.columns),
            (slice(by_columns, None), -2, of.rows),
        ):
            part, count = matrix[..., runs], len(range(self.runs)[runs])
            if not count:
                continue
            units = self.random.uniform(0.5, 1, count) / (ALIKE * U)
            phases = [1] * (matrix.ndim - 1)
            phases[axis] = matrix.shape[axis - 1]
            some = turns[..., runs]
            np.multiply(part, raw(1 / np.maximum(largest, self.floor)) * units, out=some)
            some += in_runs(self.random.random(math.prod(phases) * count), tuple(phases), count)
        turns -= np.rint(turns)  # what is left needs no more than float32, whose cosine is many times faster
        found = np.multiply(turns, 2 * math.pi, dtype=np.float32, casting="same_kind")
        np.cos(found, out=found)
        return found if np.ndim(out) > 1 else found[:, 0]

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        left = self.tape.contractions[self.key("sum")]
        out = np.sum(a, axis=axis, keepdims=keepdims)
        noise = self.noise(np.shape(out), 1.0)
        noise *= raw(left.amplitude)
        return self._off(out, noise)

    def _off(self, out: Array, noise: Array) -> Runs:
        """Off by the noise, with no error where the result is infinite."""
        noise += raw(out)
        return self.held(_but_infinities(raw(out), noise))

    def order(self, z: Array) -> Array:
        return self.tape.kinks[self.key("kink")]

    def kink(self, z: Array) -> Array:
        """The reference's argument, or one that is moved further from it than rounding has."""
        reference = self.order(z)
        if not self.magnification:
            return reference
        moved = reference + self.magnification * (z - reference)
        return Runs(_but_infinities(raw(reference), raw(moved))) if isinstance(moved, Runs) else reference

    def shuffled(self, terms: Sequence[Array]) -> Sequence[Array]:
        """In any order, each run in its own: a sum of two is the same in both."""
        if len(terms) <= 2:
            return terms
        shape = np.broadcast_shapes(*(np.shape(a) for a in terms))
        stacked = np.stack([np.broadcast_to(raw(a), (*shape, self.runs)) for a in terms])
        order = np.argsort(self.random.random((len(terms), self.runs)), axis=0)
        order = order.reshape(len(terms), *(1,) * len(shape), self.runs)
        return [Runs(a) for a in np.take_along_axis(stacked, order, axis=0)]


def _but_infinities(exact: Array, noisy: Array) -> Array:
    """The perturbed result, with no error where it is infinite."""
    return noisy if np.isfinite(noisy).all() else np.where(np.isinf(exact), exact, noisy)


@dataclass(frozen=True)
class Reference:
    """What one tensor must be: the float64 reference and, for each element, sigma in float32's terms.

    Sigma is infinite where a correct run need not be finite and the value is, or need not be what an infinite value is:
    such an element can't be judged.
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
    """How many perturbed runs a case with `size` input elements needs; below 8 cry wolf, beyond 64 gain nothing.

    In large tensors rows and columns, which are pooled, stand for many.
    """
    if size < 10_000:
        return 64
    return 32 if size < 100_000 else 16


def seed_of(*parts: bytes) -> int:
    """A seed from content: the same case has the same tolerances everywhere."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return int.from_bytes(digest.digest()[:8], "little")


Computed = Callable[[Exact], Mapping[Any, Array]]
"""Evaluates rows through the context that it is given."""


class Recorded:
    """An exact run of `compute`, from which perturbed ones are started."""

    def __init__(self, compute: Computed) -> None:
        self._compute, self._tape = compute, Tape()
        with np.errstate(all="ignore"):  # what is not finite concerns its elements, and is told of them
            found = compute(Recording(self._tape))
        self.values = {key: np.asarray(a, dtype=np.float64) for key, a in found.items()}

    @property
    def alike(self) -> bool:
        """Whether the range of no dtype matters to any result: one evaluation then serves them all."""
        return not any(self._tape.leaves(dtype) for dtype in FORMATS)

    @property
    def kinks(self) -> dict[Hashable, Array]:
        """The arguments of all branches that were taken, by place: which, and by order within the place."""
        return self._tape.kinks

    def expected(
        self,
        size: int,
        seed: int,
        runs: int | None = None,
        dtype: str = "float32",
        magnification: float = FOLLOWED,
    ) -> dict[Any, Reference]:
        """Reference, and sigma in the range of `dtype`, of every tensor; `size` is the number of input elements.

        The reference is the float64 number whatever the dtype's range.
        """
        count = runs or runs_for(size)
        at_once = min(count, max(1, AT_ONCE // self._tape.elements))
        total = {key: np.zeros(a.shape) for key, a in self.values.items()}
        with np.errstate(all="ignore"):
            for start in range(0, count, at_once):
                some = range(start, min(count, start + at_once))
                found = self._compute(Rounding(seed, self._tape, some, dtype, magnification))
                for key, a in found.items():
                    self._add(total[key], _deviation(a, self.values[key], len(some)))
            rms = {key: self._root(a, count) for key, a in total.items()}
            return {
                key: Reference(a, _sigma(a, rms[key], count, floor(dtype))) for key, a in self.values.items()
            }

    def _add(self, total: Array, deviation: Array) -> None:
        """To what there is of earlier runs: the sum of squares, or the root of that where squares may underflow."""
        if self._tape.extreme:
            np.hypot(total, np.hypot.reduce(deviation, axis=-1), out=total)
        else:
            total += np.sum(np.square(deviation, out=deviation), axis=-1)

    def _root(self, total: Array, count: int) -> Array:
        return total / math.sqrt(count) if self._tape.extreme else np.sqrt(total / count)


def expected(
    compute: Computed,
    size: int,
    seed: int,
    runs: int | None = None,
    dtype: str = "float32",
    magnification: float = FOLLOWED,
) -> dict[Any, Reference]:
    """What `Recorded.expected` gives, of every tensor that `compute` returns."""
    return Recorded(compute).expected(size, seed, runs, dtype, magnification)


def _deviation(perturbed: Array, exact: Array, runs: int) -> Array:
    """How far runs are from the exact value: infinite where one of the two alone is infinite or NaN."""
    difference = raw(perturbed) - raw(exact)
    if difference.shape[-1:] != (runs,) or not isinstance(perturbed, Runs):  # the same in all runs
        difference = np.array(np.broadcast_to(difference, (*exact.shape, runs)))
    if np.isfinite(difference).all():
        return difference
    same = (raw(perturbed) == raw(exact)) | (np.isnan(raw(perturbed)) & np.isnan(raw(exact)))
    return np.where(same, 0.0, np.where(np.isfinite(difference), difference, np.inf))


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
