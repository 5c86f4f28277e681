"""The certificate of the reference: every row of the op table, and whole programs, against mathematics in 50 digits.

The truth is `truth.ops`: forwards written from the mathematics, and derivatives of those. A row's own code
never judges it. Each vjp is held to two-sided differences element by element; then, along a random direction, to the
complex step where the definition is analytic (Squire and Trapp, SIAM Review 40 (1998)), and to a Taylor remainder
|f(x + h v) - f(x) - h <vjp, v>| that falls with the square of h until rounding is all that is left of it.

Errors are in units of u = 2^-53. Two bounds, one for elementwise ops and one for all others:

* Elementwise: 8 u of each single element. A good row is a few library functions, each within an ulp (2 u), and a
  few roundings of u, on operands that are exact. Where broadcasting sums n of them, (n - 1) u more.
* All others: 16 u of the sum of the |terms| of each element: a dozen additions at most in these samples, and a few
  more roundings and library functions.

The sums of |terms| come from the exact Jacobian J: |J|^T |g| for a vjp, |y| + |J| |x| for a value (for matmul, sums
and the like that is literally the sum of the |terms|). In softmax and its relatives J is itself a difference of
numbers about 1, and log(1 + e) is known to u, not to u e: there a value's scale is at least 1, and a vjp's is its
tensor's largest, at least the largest cotangent. Below the smallest normal number relative accuracy ends for
every op: no scale is smaller than that.

A program's values and gradients are held to the reference's own share of the float64 tolerance: what lies between
it and the truth is lost to everybody who is judged by it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...reference.contexts import EXACT
from ...reference.ops import OPS
from .derivatives import contract, digits_for, numerical_jacobian, tensors
from .drawing import Sample
from .numbers import MP, MpArray, apply, exact
from .ops import TRUTH, Definition
from .ops.table import Scale

U = MP.mpf(2) ** -53
SMALLEST_NORMAL = MP.mpf(2) ** -1022
ELEMENTWISE_BOUND = 8
CONTRACTION_BOUND = 16

COMPLEX_STEP = MP.mpf("1e-40")
SMOOTH_STEPS = -24, -34
KINKED_STEPS = -60, -70
"""Exponents of the two steps of a Taylor remainder, relative to each element; samples beside a branch lie 2^-53 from it."""
WIDEST = 1000.0
"""The largest element of a direction: h v is to be small beside a period of sin."""
CURVED = 1000
"""A remainder so many times what rounding may leave of it has a slope."""

Array = Any


@dataclass(frozen=True)
class Measured:
    """The worst element of one comparison: its error and what is allowed, in one unit, and where it was."""

    what: str
    error: float
    bound: float
    where: str
    slope: float | None = None

    @property
    def ok(self) -> bool:
        """NaN is within no bound."""
        return self.error <= self.bound

    def __str__(self) -> str:
        return f"{self.what} of {self.where}: off by {self.error:.4g} u, {self.bound:.4g} u allowed"


@dataclass(frozen=True)
class Certificate:
    """All that was measured of a row, and why it fails."""

    op: str
    samples: int
    measured: tuple[Measured, ...]
    problems: tuple[str, ...]

    def worst(self, what: str) -> float:
        """The largest error of one kind: "value", "vjp 0", "complex step"; NaN where nothing was measured."""
        return max((m.error for m in self.measured if m.what.startswith(what)), default=math.nan)

    @property
    def slope(self) -> float:
        """The smallest slope of a Taylor remainder; NaN for a row that is linear wherever it was measured."""
        return min((m.slope for m in self.measured if m.slope is not None), default=math.nan)

    @property
    def vjps(self) -> list[float]:
        """The largest error of each vjp, in the order of the inputs."""
        names = sorted({m.what for m in self.measured if m.what.startswith("vjp ")})
        return [self.worst(name) for name in names]


# Rows


def certify_row(op: str) -> Certificate:
    """Measure a row on all its samples. It fails where anything is out of bounds, raises, or isn't measured."""
    if op not in TRUTH:
        return Certificate(op, 0, (), (f"{op} is not covered: no module of harness/truth/ops defines it",))
    truth, measured, problems = TRUTH[op], list[Measured](), list[str]()
    for sample in truth.samples:
        try:
            measured += measure(op, sample)
        except Exception as error:  # noqa: BLE001 (whatever a broken row raises is that row's failure)
            problems.append(f"{call(op, sample)} raised {type(error).__name__}: {error}")
    for sample in truth.at_kinks:
        measured += measure_kink(op, sample)
    problems += [str(m) for m in measured if not m.ok]
    return Certificate(op, len(truth.samples), tuple(measured), (*uncovered(op, measured), *problems))


def uncovered(op: str, measured: Iterable[Measured]) -> list[str]:
    """What of a row isn't certified: the vjp of some input."""
    row, seen = OPS[op], {m.what for m in measured}
    inputs = [i for i in range(len(row.vjps)) if "float" in row.dtypes.get(i, ("float",))]
    return [f"{op}: the vjp of input {i} is not covered" for i in inputs if f"vjp {i}" not in seen]


def measure(op: str, sample: Sample) -> Iterator[Measured]:
    """Each output and each vjp of one call, with random cotangents: ones would hide a transposition."""
    row, truth, inputs, kw = OPS[op], TRUTH[op], sample.inputs, {**TRUTH[op].defaults, **sample.kw}
    out = row.forward(EXACT, *frozen(inputs), **kw)
    g = cotangents(out)
    jacobians = {i: numerical_jacobian(truth.forward, inputs, kw, i) for i in float_inputs(inputs)}
    yield from _values(truth, sample, tensors(out), jacobians)
    for which, slopes in jacobians.items():
        jacobian = numerical_jacobian(truth.near(inputs), inputs, kw, which) if truth.held else slopes
        got = row.vjp(EXACT, which, out, frozen(inputs), g, kw)
        scale, bound = vjp_scale(truth, sample, jacobian, tensors(g))
        where = f"input {which} of {call(op, sample)}"
        yield compare(f"vjp {which}", got, contract(jacobian, tensors(g)), scale, bound, where)
        along = _Direction(truth, sample, which, tensors(g))
        slack = np.sum(along.direction_size * scale)
        slope = np.sum(exact(got) * along.direction)
        if truth.analytic:
            error = abs(slope - along.complex_step()) / (U * slack)
            yield Measured(f"complex step {which}", float(error), bound, where)
        yield along.taylor(slope, slack, bound, where)


def _values(
    truth: Definition,
    sample: Sample,
    outs: Sequence[Array],
    jacobians: Mapping[int, tuple[MpArray, ...]],
) -> Iterator[Measured]:
    right = tensors(truth.forward(*sample.inputs, **sample.kw))
    bound = ELEMENTWISE_BOUND if truth.relative_to == "element" else CONTRACTION_BOUND
    for number, (got, value) in enumerate(zip(outs, right, strict=True)):
        slopes = {i: jacobian[number] for i, jacobian in jacobians.items()}
        scale = value_scale(truth.relative_to, sample.inputs, value, slopes)
        if truth.size is not None:
            scale = apply(partial(truth.size, **sample.kw), *sample.inputs)
        where = f"output {number} of {call(truth.name, sample)}"
        yield compare("value", _as_number(got), value, scale, bound, where)


def _as_number(got: Array) -> Array:
    """Integers, and what is true or false, as floats; floats as they are, so that a wrong dtype is seen."""
    return np.asarray(got, np.float64) if np.asarray(got).dtype.kind in "biu" else got


class _Direction:
    """The definition along x + h v for one input x and a random v, every element of v of the size of x's, at most `WIDEST`."""

    def __init__(self, truth: Definition, sample: Sample, which: int, g: Sequence[Array]) -> None:
        self.truth, self.inputs, self.kw, self.which = truth, sample.inputs, sample.kw, which
        self.cotangents = [exact(c) for c in g]
        self.digits = digits_for(sample.inputs)
        x = np.asarray(sample.inputs[which])
        smallest = np.min(np.abs(x), where=x != 0, initial=1.0)
        rng = np.random.default_rng(11)
        size = exact(np.where(x == 0, smallest, np.minimum(np.abs(x), WIDEST)))
        signs = rng.choice([-1, 1], x.shape) * rng.uniform(0.5, 1, x.shape)
        self.direction: MpArray = np.asarray(size * exact(signs), dtype=object)
        self.direction_size = magnitude(self.direction)

    def forward(self, step: Any) -> Any:
        """The sum of cotangent times output, at x + step v."""
        moved = np.asarray(exact(self.inputs[self.which]) + step * self.direction, dtype=object)
        arguments = (*self.inputs[: self.which], moved, *self.inputs[self.which + 1 :])
        outs = tensors(self.truth.near(self.inputs)(*arguments, **self.kw))
        return sum(np.sum(c * out) for c, out in zip(self.cotangents, outs, strict=True))

    def complex_step(self) -> Any:
        """Im f(x + i h v) / h: nothing is subtracted, so h may be as small as one likes."""
        with MP.workdps(self.digits):
            return MP.im(self.forward(MP.mpc(0, COMPLEX_STEP))) / COMPLEX_STEP

    def taylor(self, slope: Any, slack: Any, bound: float, where: str) -> Measured:
        """By how much the remainder at the smaller step exceeds a slope of 2, in u of the directional derivative.

        A factor of 1.5 is left to the third derivative.
        """
        exponents = SMOOTH_STEPS if self.truth.analytic else KINKED_STEPS
        coarse, fine = (MP.mpf(2) ** e for e in exponents)
        with MP.workdps(self.digits):
            start = self.forward(MP.zero)
            large, small = (abs(self.forward(h) - start - h * slope) for h in (coarse, fine))
        rounding = fine * U * slack
        excess = max(small - MP.mpf(1.5) * (fine / coarse) ** 2 * large, 0) / rounding
        curved = small > CURVED * bound * rounding
        fall = float(MP.log(large / small, 2)) / (exponents[0] - exponents[1]) if curved and large else None
        return Measured(f"Taylor remainder {self.which}", float(excess), bound, where, fall)


def measure_kink(op: str, sample: Sample) -> Iterator[Measured]:
    """At a kink every number between the derivatives of both sides is a correct convention, and the value is as ever."""
    truth, inputs, kw = TRUTH[op], sample.inputs, {**TRUTH[op].defaults, **sample.kw}
    out = OPS[op].forward(EXACT, *frozen(inputs), **kw)
    value = truth.forward(*inputs, **kw)
    where = f"{call(op, sample)} at a kink"
    for got, right in zip(tensors(out), tensors(value), strict=True):
        yield compare("value", _as_number(got), right, magnitude(right), CONTRACTION_BOUND, where)
    ones = tuple(np.ones(np.shape(part)) for part in tensors(out))
    for which in float_inputs(inputs):
        g = ones if isinstance(out, tuple) else ones[0]
        got = exact(OPS[op].vjp(EXACT, which, out, frozen(inputs), g, kw))
        beyond = []
        for place in np.ndindex(got.shape):
            low, high = sorted(one_sided_slope(truth, sample, which, place, side) for side in (-1, 1))
            beyond.append(max(low - got[place], got[place] - high, MP.zero) / U)
        yield Measured(f"vjp {which}", float(max(beyond)), CONTRACTION_BOUND, f"input {which} of {where}")


def one_sided_slope(truth: Definition, sample: Sample, which: int, place: tuple[int, ...], side: int) -> Any:
    """(f(x + 2h) - f(x + h)) / h, h of the given sign, f the sum of the outputs that are floats: 20 digits, also where f jumps at x."""
    step = side * MP.mpf("1e-22")
    further, beside = (_stepped(truth, sample, which, place, h) for h in (2 * step, step))
    return (further - beside) / step


def _stepped(truth: Definition, sample: Sample, which: int, place: tuple[int, ...], step: Any) -> Any:
    """The sum of the outputs that are floats, with one element moved."""
    moved = exact(sample.inputs[which]).copy()
    moved[place] += step
    outs = tensors(truth.forward(*sample.inputs[:which], moved, *sample.inputs[which + 1 :], **sample.kw))
    dtypes = OPS[truth.name].given(len(outs))
    return sum(np.sum(out) for out, dtype in zip(outs, dtypes, strict=True) if dtype == "float")


# Scales: exact sums of |terms|


def value_scale(
    relative_to: Scale, inputs: Sequence[Array], value: MpArray, jacobians: Mapping[int, MpArray]
) -> MpArray:
    """|y| if that is what errors are relative to, else |y| + the sum over all float inputs of |J| |x|."""
    scale = magnitude(value)
    if relative_to == "element":
        return scale
    for which, jacobian in jacobians.items():
        size = magnitude(inputs[which])
        scale = magnitude(scale + np.tensordot(size, magnitude(jacobian), axes=size.ndim))
    return at_least(scale, MP.one) if relative_to == "one" else scale


def vjp_scale(
    truth: Definition, sample: Sample, jacobians: Sequence[MpArray], g: Sequence[Array]
) -> tuple[MpArray, int]:
    """|J|^T |g| for each element of the input, and how many u of it a correct row may be off."""
    if truth.slope_size is not None:
        sizes = apply(partial(truth.slope_size, **sample.kw), *sample.inputs)
        return magnitude(sizes * magnitude(g[0])), ELEMENTWISE_BOUND
    scale = at_least(
        contract([magnitude(jacobian) for jacobian in jacobians], [magnitude(c) for c in g]), SMALLEST_NORMAL
    )
    if truth.relative_to == "element":
        return scale, ELEMENTWISE_BOUND + max(np.size(g[0]) // max(scale.size, 1), 1) - 1
    if truth.relative_to == "one":
        scale = at_least(scale, max([*scale.flat, *magnitude(g[0]).flat]))
    return scale, CONTRACTION_BOUND


def magnitude(x: Any) -> MpArray:
    """|x| as an array, also where NumPy would hand back a bare number."""
    return np.asarray(abs(exact(x)), dtype=object)


def at_least(scale: Any, floor: Any) -> MpArray:
    """The scale, nowhere below `floor`."""
    return np.asarray(np.frompyfunc(lambda s: max(s, floor), 1, 1)(scale), dtype=object)


def compare(what: str, got: Array, truth: MpArray, scale: MpArray, bound: float, where: str) -> Measured:
    """Shape and dtype first (a scalar would broadcast), then each element; infinite and NaN errors are kept."""
    got = np.asarray(got)
    if (got.shape, got.dtype) != (truth.shape, np.float64):
        found = f"{where}, which has shape {got.shape} and dtype {got.dtype}, should be {truth.shape} float64"
        return Measured(what, math.inf, bound, found)
    errors = [
        (float(abs(exact(value)[()] - right) / (U * max(size, SMALLEST_NORMAL))), place)
        for place, value, right, size in _elements(got, truth, scale)
    ]
    error, place = max(errors, key=lambda e: math.inf if math.isnan(e[0]) else e[0], default=(0.0, ()))
    if not error <= bound:
        where = f"{where}, element {list(place)} = {got[place]!r}, should be {MP.nstr(truth[place], 20)}"
    return Measured(what, error, bound, where)


def _elements(*arrays: Array) -> Iterator[tuple[Any, ...]]:
    for place in np.ndindex(arrays[0].shape):
        yield (place, *(array[place] for array in arrays))


# Small things


def frozen(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Read-only copies: a row that writes to its inputs raises."""
    return tuple(_frozen(x) if isinstance(x, np.ndarray) else x for x in inputs)


def _frozen(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    x = x.copy()
    x.setflags(write=False)
    return x


def cotangents(out: Any) -> Any:
    """Random, of both signs, in the outputs' structure and shapes; the same for the same shapes."""
    rng = np.random.default_rng(7)
    drawn = frozen([np.asarray(rng.uniform(-1, 1, np.shape(o))) for o in tensors(out)])
    return drawn if isinstance(out, tuple) else drawn[0]


def float_inputs(inputs: Sequence[Any]) -> list[int]:
    """The positions of float tensors; a Python number, a label or a condition has no gradient."""
    return [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype == np.float64]


def call(op: str, sample: Sample) -> str:
    """As it would be typed, with shapes for tensors: `sum((2, 3), axis=0)`."""
    shown = [str(x.shape) if isinstance(x, np.ndarray) else repr(x) for x in sample.inputs]
    return f"{op}({', '.join([*shown, *(f'{key}={value!r}' for key, value in sample.kw.items())])})"
