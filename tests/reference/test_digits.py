"""The rows with 50 digits: every row can be evaluated so, and functions have the digits that they promise."""

import math

import mpmath
import numpy as np
import pytest
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.digits import Digits, Number, digits, nearest
from gradient_conformance.reference.ops import OPS

SAMPLES = [(name, i) for name, definition in TRUTH.items() for i in range(len(definition.samples))]


def as_tuple(out):
    return out if isinstance(out, tuple) else (out,)


def alone(outs):
    """What a vjp is given of the outputs: the one, or all of several."""
    outs = as_tuple(outs)
    return outs[0] if len(outs) == 1 else outs


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_every_row_has_its_values_and_gradients_in_decimals_too(name, number):
    """As float64 has them, to within its own rounding."""
    row, sample = OPS[name], TRUTH[name].samples[number]
    kw = {**row.defaults, **sample.kw}
    inputs = tuple(sample.inputs)
    wide = tuple(digits(a) if np.asarray(a).dtype.kind == "f" else a for a in inputs)
    out = row.forward(EXACT, *inputs, **kw)
    room = 1e-11 * max(1.0, *(float(np.max(np.abs(a), initial=0)) for a in inputs))
    with Digits() as c:
        precise = row.forward(c, *wide, **kw)
        for ours, due in zip(as_tuple(precise), as_tuple(out), strict=True):
            np.testing.assert_allclose(nearest(ours), due, rtol=1e-12, atol=room)
        g = tuple(np.linspace(0.5, 2, np.size(a)).reshape(np.shape(a)) for a in as_tuple(out))
        for i, a in enumerate(inputs):
            if np.asarray(a).dtype.kind == "f":
                due = row.vjp(EXACT, i, alone(out), inputs, alone(g), kw)
                ours = row.vjp(c, i, alone(precise), wide, alone(tuple(map(digits, g))), kw)
                np.testing.assert_allclose(nearest(ours), due, rtol=1e-11, atol=room)


FUNCTIONS = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": mpmath.log10,
    "exp2": lambda x: mpmath.power(2, x),
    "log1p": mpmath.log1p,
    "sqrt": mpmath.sqrt,
    "tanh": mpmath.tanh,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "arcsin": mpmath.asin,
    "arccos": mpmath.acos,
    "arctan": mpmath.atan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "arcsinh": mpmath.asinh,
    "arccosh": mpmath.acosh,
    "arctanh": mpmath.atanh,
    "lgamma": mpmath.loggamma,
    "digamma": mpmath.digamma,
    "normal_cdf": mpmath.ncdf,
    "normal_density": mpmath.npdf,
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erf_slope": lambda x: 2 * mpmath.exp(-x * x) / mpmath.sqrt(mpmath.pi),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("x", [1e-20, 0.3, 1.0, 3.141592653589793, 12.5, 355.0])
def test_an_elementary_function_has_forty_digits_and_more(name, x):
    with mpmath.workdps(80), Digits():
        found = getattr(Number(digits(x).item().value), name)()
        due = FUNCTIONS[name](mpmath.mpf(x)) if name != "arctanh" or x < 1 else mpmath.nan
        if not mpmath.isfinite(due) or mpmath.im(due):
            assert not found.value.is_finite()
            return
        assert abs(mpmath.mpf(str(found.value)) - due) <= abs(due) * mpmath.mpf(10) ** -40


def test_what_has_no_value_is_no_number_and_what_is_infinite_stays_so():
    with Digits():
        zero, one = digits(0.0).item(), digits(1.0).item()
        assert math.isinf(float(one / zero))
        assert math.isnan(float(zero / zero))
        assert math.isinf(float(digits(-np.inf).item()))
