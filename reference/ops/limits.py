"""Limits: what a row takes where its formula would multiply 0 by infinity, or subtract infinities.

Written in comparisons alone, so that they also hold for fractions (reference/exact.py).
"""

import numpy as np


def vanishing(factor, product):
    """`product`, which has `factor` in it, as 0 where that is exactly 0: also beside what is infinite or undefined.

    So a cotangent of exactly 0, as a branch that is not taken has it, contributes exactly 0; and 0 log 0 is 0.
    """
    undefined = product != product  # noqa: PLR0124
    return np.where(undefined & (factor == 0), 0.0, product) if np.any(undefined) else product


def apart(x, y):
    """How far one is above the other; equal infinities are a tie as well."""
    return np.where((x == y) & infinite(x), 0.0, x - y)


def infinite(a):
    """Whether elements are infinite or NaN."""
    return a - a != 0


def reached(w, g):
    """An operand of the product g @ w, with 0 in place of what is not finite and meets cotangents of exactly 0 alone."""
    strange = infinite(w)
    if not np.any(strange):
        return w
    return np.where(strange & ~np.any(g != 0, axis=-2)[..., :, None], 0.0, w)


def unheld(c, a, m):
    """What follows from a maximum `m`. At +inf some subtract infinities and have NaN: so has a run in which anything may err."""
    at_infinity = m == np.inf
    return a if c.exact or not np.any(at_infinity) else np.where(at_infinity, np.nan, a)


def shifted(c, x, axis):
    """X - max(x). At an infinite maximum, if it is the only one, its limit 0; where there are several there is no limit.

    At +inf everybody's own formula subtracts infinities there: a correct run need not be finite, so that nobody is judged.
    """
    m = np.max(x, axis=axis, keepdims=True)
    difference = x - m
    if not c.exact or not np.any(infinite(m)):
        return difference
    highest = x == m
    alone = highest & (np.sum(highest, axis=axis, keepdims=True) == 1)
    return np.where(alone, 0.0, difference)
