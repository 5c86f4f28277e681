"""The rows once more with 50 decimal digits: what the reference would be if float64 did not round.

Where every op call of a program is right and the whole is not, it may be the reference's own rounding that is
amplified: p / (p (1 - p)) at a rounded p, where a framework takes p (1 - p) of the same p. The rows are evaluated
through a context whose numbers are decimal; the standard library has their arithmetic, roots, exponentials and
logarithms, and sines are summed here.
"""

import decimal
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import numpy as np

from .contexts import Exact

Array = Any

PRECISION = 50
_CONTEXT = decimal.Context(prec=PRECISION, Emin=-(10**6), Emax=10**6, traps=[])
"""Nothing is trapped: what has no value is NaN, as it is in float64."""


def _value(number: Any) -> Decimal:
    return number.value if isinstance(number, Number) else Decimal(float(number))


def _arithmetic(compute: Callable[[Decimal, Decimal], Decimal]) -> tuple[Any, Any]:
    """The operation, and the same with its operands the other way round."""

    def apply(x: "Number", y: Any) -> Any:
        return NotImplemented if isinstance(y, np.ndarray) else Number(compute(x.value, _value(y)))

    def turned(x: "Number", y: Any) -> Any:
        return NotImplemented if isinstance(y, np.ndarray) else Number(compute(_value(y), x.value))

    return apply, turned


def _comparison(compute: Callable[[Any, Any], bool]) -> Any:
    def apply(x: "Number", y: Any) -> Any:
        if isinstance(y, np.ndarray):
            return NotImplemented
        a, b = x.value, _value(y)
        return compute(a, b) if not (a.is_nan() or b.is_nan()) else compute is operator.ne

    return apply


def _function(compute: Callable[[Decimal], Decimal]) -> Callable[["Number"], "Number"]:
    def apply(x: "Number") -> "Number":
        return Number(compute(x.value))

    return apply


def _log1p(x: Decimal) -> Decimal:
    with decimal.localcontext(_CONTEXT) as wide:
        wide.prec = 2 * PRECISION + max(0, -x.adjusted()) if x else PRECISION
        return (1 + x).ln()


def _tanh(x: Decimal) -> Decimal:
    with decimal.localcontext(_CONTEXT) as wide:
        wide.prec = 2 * PRECISION + max(0, -x.adjusted()) if x else PRECISION
        e = (-2 * abs(x)).exp()
        return ((1 - e) / (1 + e)).copy_sign(x)


def _power(x: Decimal, y: Decimal) -> Decimal:
    return Decimal(1) if not y else x**y


@functools.cache
def _pi(digits: int) -> Decimal:
    """Pi to so many digits, by Machin's formula."""
    one: int = 10 ** (digits + 10)

    def arccot(n: int) -> int:
        total = term = one // n
        k, sign = 3, -1
        while term:
            term //= n * n
            total, k, sign = total + sign * (term // k), k + 2, -sign
        return total

    return Decimal(4 * (4 * arccot(5) - arccot(239))).scaleb(-(digits + 10))


def _sine(x: Decimal, turned: int) -> Decimal:
    """sin(x + turned pi / 2), by its series around the nearest multiple of pi."""
    if not x.is_finite():
        return Decimal("NaN")
    with decimal.localcontext(_CONTEXT) as wide:
        wide.prec = 2 * PRECISION + max(0, x.adjusted())
        pi = _pi(wide.prec)
        x = x + turned * pi / 2
        halves = (x / pi).to_integral_value()
        x -= halves * pi
        term = total = x
        k = 1
        while term and term.adjusted() > -2 * PRECISION + min(0, x.adjusted()):
            term *= -x * x / ((k + 1) * (k + 2))
            total, k = total + term, k + 2
        return -total if halves % 2 else total


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """An element of an object array; NumPy's functions call its methods of their names."""

    value: Decimal

    ndim = 0
    size = 1
    shape = ()

    __add__, __radd__ = _arithmetic(operator.add)
    __sub__, __rsub__ = _arithmetic(operator.sub)
    __mul__, __rmul__ = _arithmetic(operator.mul)
    __truediv__, __rtruediv__ = _arithmetic(lambda x, y: x / y if y or x.is_nan() else _over_zero(x, y))
    __pow__, __rpow__ = _arithmetic(_power)
    __eq__, __ne__ = _comparison(operator.eq), _comparison(operator.ne)
    __lt__, __le__ = _comparison(operator.lt), _comparison(operator.le)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)
    exp, log, sqrt = _function(Decimal.exp), _function(Decimal.ln), _function(Decimal.sqrt)
    log1p, tanh = _function(_log1p), _function(_tanh)
    sin, cos = _function(lambda x: _sine(x, 0)), _function(lambda x: _sine(x, 1))

    def __neg__(self) -> "Number":
        return Number(self.value.copy_negate())

    def __abs__(self) -> "Number":
        return Number(abs(self.value))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)


def _over_zero(x: Decimal, y: Decimal) -> Decimal:
    if not x:
        return Decimal("NaN")
    return Decimal("Infinity").copy_sign(x if not y.is_signed() else x.copy_negate())


_NUMBER = np.frompyfunc(lambda a: a if isinstance(a, Number) else Number(_value(a)), 1, 1)


def digits(a: Array) -> Array:
    """The array with every element in decimal."""
    return np.asarray(_NUMBER(a), dtype=object)


def nearest(a: Array) -> Array:
    """The array in float64 again, infinite where that has no such number."""
    with np.errstate(over="ignore"):
        return np.asarray(a).astype(np.float64)


class Digits(Exact):
    """Exact arithmetic in decimal. Branches compare floats, whose sign is that of the decimal number."""

    def r(self, a: Array, c: float = 1.0) -> Array:  # noqa: ARG002
        """An array also where it is one number, which NumPy hands out by itself; limits put plain numbers among its elements."""
        return digits(a)

    def fn(self, name: str, *args: Array) -> Array:
        return self.r(super().fn(name, *args))

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        return self.r(super().matmul(x, w, bias))

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        return self.r(super().sum(a, axis, keepdims))

    def kink(self, z: Array) -> Array:
        return np.sign(nearest(z))

    def __enter__(self) -> Self:
        self._manager = decimal.localcontext(_CONTEXT)
        self._manager.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.__exit__(None, None, None)
