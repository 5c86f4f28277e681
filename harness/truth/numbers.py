"""Numbers with 50 digits, and arrays of them: what definitions are written in.

Numbers are mpmath's, in a context of our own (`MP`), so that nobody's `mpmath.mp.dps` changes an answer;
arrays are NumPy object arrays of them, 0-d for scalars. mpmath's exponents are unbounded: no formula needs a
shift against overflow. Finite numbers only: dividing by zero raises `ZeroDivisionError`, no limit is guessed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

MpArray = NDArray[Any]

DIGITS = 50
"""Decimal digits of every value that leaves a definition."""

MP = mpmath.MPContext()
MP.dps = DIGITS


def exact(array: Any) -> MpArray:
    """The same numbers as an object array of mpf; every binary floating-point number fits."""
    with np.errstate(invalid="ignore"):
        return objects(_to_mpf(np.asarray(array).astype(object)))


def _number(x: Any) -> Any:
    """One mpf; complex ones stay. Scalars that mpmath doesn't know (bfloat16) first become Python floats."""
    if hasattr(x, "_mpc_"):
        return x
    return MP.mpf(x if isinstance(x, int | float) or hasattr(x, "_mpf_") else float(x))


_to_mpf = np.frompyfunc(_number, 1, 1)


def objects(x: Any) -> MpArray:
    """An object array even where NumPy hands back a bare scalar."""
    return np.asarray(x, dtype=object)


def apply(function: Callable[..., Any], *arrays: Any) -> MpArray:
    """The scalar function on each element, after NumPy's broadcasting."""
    return objects(np.frompyfunc(function, len(arrays), 1)(*map(exact, arrays)))


def total(x: MpArray, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> MpArray:
    """The sum over an axis, several, or all (None)."""
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return objects(np.sum(x, axis=axes, keepdims=keepdims))
