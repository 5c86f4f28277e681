"""The rows once more with 50 decimal digits: what the reference would be if float64 did not round.

Where every op call of a program is right and the whole is not, it may be the reference's own rounding that is
amplified: p / (p (1 - p)) at a rounded p, where a framework takes p (1 - p) of the same p. The rows are evaluated
through a context whose numbers are decimal.
"""

import decimal
import operator
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import numpy as np

from . import decimals
from .contexts import Exact

Array = Any


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


def _rounded(way: str) -> Callable[["Number"], "Number"]:
    """To an integer."""
    return _function(lambda x: x.to_integral_value(way))


def _quotient(x: Decimal, y: Decimal) -> Decimal:
    return (x / y).to_integral_value(decimal.ROUND_FLOOR)


def _modulo(x: Decimal, y: Decimal) -> Decimal:
    return x - y * _quotient(x, y)


def _power(x: Decimal, y: Decimal) -> Decimal:
    return Decimal(1) if not y else x**y


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
    expm1, log1p, tanh = _function(decimals.expm1), _function(decimals.log1p), _function(decimals.tanh)
    sin, cos, tan = _function(decimals.sin), _function(decimals.cos), _function(decimals.tan)
    arcsin, arccos, arctan = map(_function, (decimals.arcsin, decimals.arccos, decimals.arctan))
    sinh, cosh = _function(decimals.sinh), _function(decimals.cosh)
    arcsinh, arccosh, arctanh = map(_function, (decimals.arcsinh, decimals.arccosh, decimals.arctanh))
    log2, log10, exp2 = _function(decimals.log2), _function(Decimal.log10), _function(decimals.exp2)
    lgamma, digamma = _function(decimals.lgamma), _function(decimals.digamma)
    arctan2, _ = _arithmetic(decimals.arctan2)
    hypot, _ = _arithmetic(lambda x, y: (x * x + y * y).sqrt())
    __mod__, __rmod__ = _arithmetic(_modulo)
    __floordiv__, __rfloordiv__ = _arithmetic(_quotient)
    __floor__, __ceil__ = _rounded(decimal.ROUND_FLOOR), _rounded(decimal.ROUND_CEILING)
    rint = _rounded(decimal.ROUND_HALF_EVEN)
    erf, erfc, erf_slope = _function(decimals.erf), _function(decimals.erfc), _function(decimals.erf_slope)

    normal_cdf, normal_density = _function(decimals.normal_cdf), _function(decimals.normal_density)

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
        return self.r(super().fn(name, *map(digits, args)))

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        return self.r(super().matmul(x, w, bias))

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        return self.r(super().sum(a, axis, keepdims))

    def kink(self, z: Array) -> Array:
        return np.sign(nearest(z))

    def step(self, function: Any, *args: Array) -> Array:
        return self.r(function(*args))

    def order(self, z: Array) -> Array:
        return nearest(z)

    def __enter__(self) -> Self:
        self._manager = decimal.localcontext(decimals.CONTEXT)
        self._manager.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.__exit__(None, None, None)
