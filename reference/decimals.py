"""Elementary functions of decimal numbers, to 50 digits and more of their own size.

The standard library has roots, exponentials and logarithms; sines, arctangents and error functions are summed here.
Nothing is trapped: what has no value is NaN, as it is in float64.
"""

import decimal
import functools
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

PRECISION = 50
CONTEXT = decimal.Context(prec=PRECISION, Emin=-(10**6), Emax=10**6, traps=[])
NAN, INFINITY = Decimal("NaN"), Decimal("Infinity")
ASYMPTOTIC = 16
"""From here on the smallest term of erfc's asymptotic series, about exp(-x^2), is below all digits that are kept."""

Function = Callable[[Decimal], Decimal]


def wide(compute: Function) -> Function:
    """With digits to spare for what is lost beside 1 to tiny numbers, and beside pi to large ones."""

    @functools.wraps(compute)
    def apply(x: Decimal) -> Decimal:
        if x.is_nan():
            return x
        own = 2 * PRECISION + (abs(x.adjusted()) if x.is_finite() and x else 0)
        with decimal.localcontext(CONTEXT, prec=max(own, _digits())):
            return compute(x)

    return apply


def _digits() -> int:
    """That are worked with."""
    return decimal.getcontext().prec


def _summed(term: Decimal, ratio: Callable[[int], Decimal]) -> Decimal:
    """A series, by its first term and what the one after number n is a multiple of, to all digits."""
    total, n = term, 0
    while term and term.adjusted() > total.adjusted() - _digits():
        term *= ratio(n)
        total, n = total + term, n + 1
    return total


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


def pi() -> Decimal:
    return _pi(_digits())


@wide
def expm1(x: Decimal) -> Decimal:
    return x.exp() - 1


@wide
def log1p(x: Decimal) -> Decimal:
    return (1 + x).ln()


@wide
def tanh(x: Decimal) -> Decimal:
    e = (-2 * abs(x)).exp()
    return ((1 - e) / (1 + e)).copy_sign(x)


@wide
def sinh(x: Decimal) -> Decimal:
    return (x.exp() - (-x).exp()) / 2


@wide
def cosh(x: Decimal) -> Decimal:
    return (x.exp() + (-x).exp()) / 2


@wide
def arcsinh(x: Decimal) -> Decimal:
    return (abs(x) + (x * x + 1).sqrt()).ln().copy_sign(x)


@wide
def arccosh(x: Decimal) -> Decimal:
    return (x + ((x - 1) * (x + 1)).sqrt()).ln()


@wide
def arctanh(x: Decimal) -> Decimal:
    return ((1 + x) / (1 - x)).ln() / 2


@wide
def log2(x: Decimal) -> Decimal:
    return x.ln() / Decimal(2).ln()


@wide
def exp2(x: Decimal) -> Decimal:
    return (x * Decimal(2).ln()).exp()


HALVINGS = 8


@wide
def arctan(x: Decimal) -> Decimal:
    """Of large numbers by the reciprocal, and by the series of an angle halved so often that it is small."""
    if abs(x) > 1:
        return (pi() / 2).copy_sign(x) - (arctan(1 / x) if x.is_finite() else 0)
    for _ in range(HALVINGS):
        x = x / (1 + (1 + x * x).sqrt())
    return Decimal(2**HALVINGS) * _summed(x, lambda n: -x * x * (2 * n + 1) / (2 * n + 3))


@wide
def arcsin(x: Decimal) -> Decimal:
    return arctan(x / ((1 - x) * (1 + x)).sqrt())


@wide
def arccos(x: Decimal) -> Decimal:
    return 2 * arctan(((1 - x) / (1 + x)).sqrt())


def arctan2(y: Decimal, x: Decimal) -> Decimal:
    """The angle of (x, y)."""
    if not x:
        return arctan(INFINITY.copy_sign(y)) if y else Decimal(0)
    angle = arctan(y / x)
    return angle if x > 0 else angle + pi().copy_sign(y)


def _sine(x: Decimal, turned: int) -> Decimal:
    """sin(x + turned pi / 2), by its series around the nearest multiple of pi."""
    if not x.is_finite():
        return NAN
    x = x + turned * pi() / 2
    halves = (x / pi()).to_integral_value()
    x -= halves * pi()
    total = _summed(x, lambda n: -x * x / ((2 * n + 2) * (2 * n + 3)))
    return -total if halves % 2 else total


@wide
def sin(x: Decimal) -> Decimal:
    return _sine(x, 0)


@wide
def cos(x: Decimal) -> Decimal:
    return _sine(x, 1)


@wide
def tan(x: Decimal) -> Decimal:
    return _sine(x, 0) / _sine(x, 1)


@wide
def erf(x: Decimal) -> Decimal:
    """2x exp(-x^2) / sqrt(pi) (1 + 2x^2/3 (1 + 2x^2/5 (1 + ...))), whose terms are all positive (DLMF 7.6.2)."""
    if abs(x) > ASYMPTOTIC:
        return 1 - erfc(x) if x > 0 else erfc(-x) - 1
    return _summed(x * erf_slope(x), lambda n: 2 * x * x / (2 * n + 3))


@wide
def erfc(x: Decimal) -> Decimal:
    """By its asymptotic series where x is large (DLMF 7.12.1), so that the tail has digits of its own."""
    if x.is_infinite():
        return Decimal(0 if x > 0 else 2)
    if x < ASYMPTOTIC:
        with decimal.localcontext(prec=_digits() + ASYMPTOTIC**2 // 2):
            return 1 - erf(x)
    term = total = Decimal(1)
    n = 0
    while term and term.adjusted() > -2 * PRECISION:
        term *= -(2 * n + 1) / (2 * x * x)
        total, n = total + term, n + 1
    return total * erf_slope(x) / (2 * x)


@wide
def erf_slope(x: Decimal) -> Decimal:
    """2 exp(-x^2) / sqrt(pi)."""
    return 2 * (-x * x).exp() / pi().sqrt()


@wide
def normal_cdf(x: Decimal) -> Decimal:
    """The share of the normal distribution below x."""
    return erfc(-x / Decimal(2).sqrt()) / 2


@wide
def normal_density(x: Decimal) -> Decimal:
    return (-x * x / 2).exp() / (2 * pi()).sqrt()


@functools.cache
def _stirling(count: int) -> tuple[Fraction, ...]:
    """B_2k / (2k (2k - 1)) for k = 1, 2, ..., by the Bernoulli numbers' recurrence."""
    bernoulli = [Fraction(1)]
    for m in range(1, 2 * count + 1):
        below = sum((math.comb(m + 1, k) * b for k, b in enumerate(bernoulli)), Fraction(0))
        bernoulli.append(-below / (m + 1))
    return tuple(bernoulli[2 * k] / (2 * k * (2 * k - 1)) for k in range(1, count + 1))


SHIFTED, TERMS = 60, 60
"""Stirling's series is used of numbers above the first, with so many terms: the last is about 1e-84."""


def _raised(x: Decimal) -> list[Decimal]:
    """X, x + 1, ... below what Stirling's series is used of."""
    return [x + n for n in range(max(0, SHIFTED - int(x)))]


@wide
def lgamma(x: Decimal) -> Decimal:
    """Log |gamma(x)| (DLMF 5.11.1); of negative numbers by reflection."""
    if not x.is_finite() or (x <= 0 and x == x.to_integral_value()):
        return INFINITY
    if x in (1, 2):
        return Decimal(0)
    if x < 0:
        return (pi() / abs(x * _sine(pi() * x, 0))).ln() - lgamma(-x)
    lower = _raised(x)
    high = x + len(lower)
    series = sum(_ratio(c) / high ** (2 * k + 1) for k, c in enumerate(_stirling(TERMS)))
    found = (high - Decimal("0.5")) * high.ln() - high + (2 * pi()).ln() / 2 + series
    return found - sum(a.ln() for a in lower)


@wide
def digamma(x: Decimal) -> Decimal:
    """The derivative of `lgamma` (DLMF 5.11.2)."""
    if not x.is_finite() or (x <= 0 and x == x.to_integral_value()):
        return x if x > 0 else NAN
    if x < 0:
        return digamma(1 - x) - pi() * _sine(pi() * x, 1) / _sine(pi() * x, 0)
    lower = _raised(x)
    high = x + len(lower)
    series = sum((2 * k + 1) * _ratio(c) / high ** (2 * k + 2) for k, c in enumerate(_stirling(TERMS)))
    return high.ln() - 1 / (2 * high) - series - sum(1 / a for a in lower)


def _ratio(c: Fraction) -> Decimal:
    return Decimal(c.numerator) / Decimal(c.denominator)
