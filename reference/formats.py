"""Binary floating-point formats: each one record, from which everything that depends on a dtype is read."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Format:
    """A format of IEEE 754: `digits` binary digits of the significand, exponents from `lowest` to `highest`.

    `scale` is sigma in units of float32's (reference/rounding.py).
    """

    name: str
    digits: int
    lowest: int
    highest: int
    scale: float

    @cached_property
    def u(self) -> float:
        """The unit roundoff: the largest relative error of one rounding to nearest."""
        return 2.0**-self.digits

    @cached_property
    def smallest_normal(self) -> float:
        return 2.0**self.lowest

    @cached_property
    def smallest(self) -> float:
        """The smallest number above zero."""
        return math.ldexp(1.0, self.lowest - self.digits + 1)

    @cached_property
    def largest(self) -> float:
        return math.ldexp(2.0 - 2 * self.u, self.highest)

    def spacing(self, value: float) -> float:
        """The distance from a finite number to the next of this format, away from zero."""
        exponent = min(math.frexp(value)[1], self.highest + 1)
        return max(math.ldexp(2 * self.u, exponent - 1), self.smallest)

    def spacings(self, sizes: Any) -> Any:
        """`spacing` of each of many magnitudes; at 0 in place of NaN, at the largest number in place of infinity."""
        bounded = np.fmax(np.fmin(sizes, self.largest), 0.0)
        return np.maximum(np.ldexp(2 * self.u, np.frexp(bounded)[1] - 1), self.smallest)

    def rounded(self, number: Any) -> Any:
        """A Python float rounded to this format, infinite beyond its range; anything else as it is."""
        if not isinstance(number, float):
            return number
        with np.errstate(over="ignore"):
            return float(np.dtype(self.name).type(number))


FORMATS = {
    made.name: made
    for made in (
        Format("float32", 24, -126, 127, scale=1.0),
        # the reference's own rounding adds the root of 2
        Format("float64", 53, -1022, 1023, scale=2.0**-29 * math.sqrt(2)),
    )
}
"""By dtype, those in which cells run, the narrowest first."""

DTYPES = tuple(FORMATS)


def narrowest(dtypes: Iterable[str]) -> str:
    """The least precise of some dtypes."""
    return min(dtypes, key=lambda dtype: FORMATS[dtype].digits)
