"""Elementary functions: what each is in float64, and how far a correct implementation may be from it.

`spread` bounds the error that differs from call to call, `bias` the error that all calls of one implementation
share (its polynomial), both in units of u |f|. The comments are the largest errors of correct frameworks in the same
units, measured by `python -m benchmarks.constants.elementary` (table in benchmarks/measured/elementary.md), and OpenCL's yardsticks (The
OpenCL C Specification 3.0, section 7.4, "Relative Error as ULPs"; 1 ulp is at most 2u |f|). The tolerance of a
function alone, K sigma, is at least twice the largest measured error: with the final rounding it is
8 sqrt((spread^2 + bias^2 + 1) / 3) u |f|.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .limits import apart


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow, accurate in both tails."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def sigmoid_slope(x: Any) -> Any:
    """The derivative of `sigmoid`, s(x) s(-x), accurate in both tails."""
    e = np.exp(-np.abs(x))
    return e / np.square(1 + e)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)) without overflow, accurate in both tails."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def named(name: str, double: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function that NumPy has not: of floats as `double` has it, of other numbers by their method of that name."""
    method = np.frompyfunc(lambda a: getattr(a, name)(), 1, 1)
    return lambda x: (
        method(x) if getattr(x, "dtype", None) == np.dtype(object) or hasattr(x, name) else double(x)
    )


def each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of the standard library's, element by element."""
    elements = np.frompyfunc(function, 1, 1)
    return lambda x: np.positive(elements(x), dtype=np.float64, casting="unsafe")


def _lead(x: Any) -> Any:
    """The leading 24 bits: products of two of them are exact."""
    return np.positive(np.positive(x, dtype=np.float32, casting="same_kind"), dtype=np.float64)


def gaussian(x: Any, rate: float) -> Any:
    """exp(-rate x^2), also where that is small, for a rate that is a power of two: x^2 is not rounded."""
    x = np.clip(x, -GONE, GONE)
    lead = _lead(x)
    return np.exp(-rate * lead * lead) * np.exp(-rate * (x - lead) * (x + lead))


def _normal_cdf(x: Any) -> Any:
    """erfc(-x / sqrt(2)) / 2, corrected by its slope for what was rounded off the argument."""
    x = np.clip(x, -GONE, GONE)
    z = -ROOT * x
    lead, of_root = _lead(x), float(_lead(ROOT))
    rest, rest_of_root = x - lead, ROOT - of_root
    left = -(
        ((of_root * lead + z) + of_root * rest + rest_of_root * lead) + rest_of_root * rest + BELOW_ROOT * x
    )
    return 0.5 * (erfc(z) - left * erf_slope(z))


GONE = 40.0
"""Beyond it a Gaussian is 0."""
ROOT, BELOW_ROOT = math.sqrt(0.5), -4.833646656726457e-17
"""The root of 1/2, and what it is more than that."""

erf = named("erf", each(math.erf))
erfc = named("erfc", each(math.erfc))
erf_slope = named("erf_slope", lambda x: 2 / math.sqrt(math.pi) * gaussian(x, 1.0))
"""The derivative of `erf`, 2 exp(-x^2) / sqrt(pi)."""
normal_cdf = named("normal_cdf", _normal_cdf)
"""The share of the normal distribution below x."""
normal_density = named("normal_density", lambda x: gaussian(x, 0.5) / math.sqrt(2 * math.pi))
"""The derivative of `normal_cdf`, exp(-x^2 / 2) / sqrt(2 pi)."""


def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow."""
    return np.maximum(x, y) + np.log1p(np.exp(-np.abs(apart(x, y))))


RISEN = 10
"""Above it the asymptotic series of `digamma` has all digits of float64."""


def _digamma(x: Any) -> Any:
    """By its asymptotic series (DLMF 5.11.2), after its recurrence; of numbers below 1/2 by reflection."""
    low = x < 0.5
    high = np.where(low, 1 - x, x)
    lower = sum(np.where(high + n < RISEN, 1 / (high + n), 0.0) for n in range(RISEN))
    high = high + np.maximum(0.0, np.ceil(RISEN - high))
    square = 1 / np.square(high)
    series = 0.0
    for b in (-1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        series = (series + b) * square
    found = np.log(high) - 0.5 / high + series - lower
    period = math.pi * (x - np.rint(x))
    return np.where(low, found - math.pi / np.tan(np.where(low, period, 1.0)), found)


lgamma = named("lgamma", each(lambda x: math.lgamma(x) if x > 0 or x != math.floor(x) else math.inf))
digamma = named("digamma", _digamma)
"""The derivative of `lgamma`."""


@dataclass(frozen=True, slots=True)
class Elementary:
    """A function in float64, with the error allowed to an implementation in units of u |f|."""

    exact: Callable[..., Any]
    spread: float
    bias: float


FUNCTIONS = {
    "exp": Elementary(np.exp, spread=2, bias=1),  # 1.9; OpenCL 3 ulp
    "log": Elementary(np.log, spread=2, bias=1),  # 3.3, near 1; OpenCL 3 ulp
    "expm1": Elementary(np.expm1, spread=2, bias=1),  # 4.8; OpenCL 3 ulp
    "log1p": Elementary(np.log1p, spread=2, bias=1),  # 3.8; OpenCL 2 ulp
    "sin": Elementary(np.sin, spread=2, bias=1),  # 2.1; OpenCL 4 ulp
    "cos": Elementary(np.cos, spread=2, bias=1),  # 2.2; OpenCL 4 ulp
    "log2": Elementary(np.log2, spread=2, bias=1),  # 3.7; OpenCL 3 ulp
    "log10": Elementary(np.log10, spread=2, bias=1),  # 3.5; OpenCL 3 ulp
    "exp2": Elementary(np.exp2, spread=2, bias=1),  # 1.9; OpenCL 3 ulp
    "tan": Elementary(np.tan, spread=2, bias=1),  # 1.1; OpenCL 5 ulp
    "asin": Elementary(np.arcsin, spread=2.5, bias=1.5),  # 6.6; OpenCL 4 ulp
    "acos": Elementary(np.arccos, spread=2, bias=1),  # 4.5; OpenCL 4 ulp
    "atan": Elementary(np.arctan, spread=2, bias=1),  # 3.6; OpenCL 5 ulp
    "atan2": Elementary(np.arctan2, spread=2, bias=1),  # 3.9; OpenCL 6 ulp
    "sinh": Elementary(np.sinh, spread=2, bias=1),  # 6.2; OpenCL 4 ulp
    "cosh": Elementary(np.cosh, spread=2, bias=1),  # 2.4; OpenCL 4 ulp
    "asinh": Elementary(np.arcsinh, spread=2, bias=1),  # 3.1; OpenCL 4 ulp
    "acosh": Elementary(np.arccosh, spread=2, bias=1),  # 3.7; OpenCL 4 ulp
    "atanh": Elementary(np.arctanh, spread=2, bias=1),  # 2.8; OpenCL 5 ulp
    "hypot": Elementary(np.hypot, spread=2, bias=1),  # 2.3; OpenCL 4 ulp
    "lgamma": Elementary(lgamma, spread=8, bias=4),  # 19.2, by Lanczos's formula
    "sqrt": Elementary(np.sqrt, spread=1.5, bias=0),  # 1.1; OpenCL 3 ulp
    "reciprocal": Elementary(lambda x: 1 / x, spread=1.5, bias=0),  # 2.6; OpenCL 2.5 ulp
    "rsqrt": Elementary(lambda x: 1 / np.sqrt(x), spread=1.5, bias=0),  # 3.2; OpenCL 2 ulp
    "erf": Elementary(erf, spread=2, bias=1),  # 4.2; OpenCL 16 ulp
    "erfc": Elementary(erfc, spread=5, bias=2.5),  # 12.9 up to 2, as 1 - erf; OpenCL 16 ulp
    "pow": Elementary(np.power, spread=2, bias=1),  # 2.1; OpenCL 16 ulp
    "sigmoid": Elementary(sigmoid, spread=3, bias=1.5),  # 7.6, an exp and a division
    "tanh": Elementary(np.tanh, spread=3, bias=1.5),  # 4.9 (7.4 in older releases); OpenCL 5 ulp
    "softplus": Elementary(softplus, spread=3, bias=1.5),  # 7.6, an exp and a log1p
    "softmax": Elementary(lambda y: y, spread=3, bias=2),  # 8.6, an exp and a division by a sum of them
}
