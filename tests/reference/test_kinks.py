"""The sets of generalised gradients: every op that turns has one, and it holds what the row itself gives."""

import numpy as np
import pytest
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.ops.kinks import Kink

TURNING = sorted(
    name for name, definition in TRUTH.items() if definition.at_kinks and "float" in OPS[name].given(1)
)
"""But for those whose results have no gradient."""
SAMPLES = [(name, i) for name in TURNING for i in range(len(TRUTH[name].at_kinks))]


def test_an_op_that_turns_and_no_other_has_a_set():
    """By its definition: else a gradient chosen at its kink would be called wrong, or any would be called right."""
    assert sorted(name for name, row in OPS.items() if row.kinks) == TURNING


def places(name, number):
    """Each float input of a sample at a kink, with a cotangent of both signs."""
    row, sample = OPS[name], TRUTH[name].at_kinks[number]
    inputs, kw = tuple(sample.inputs), {**row.defaults, **sample.kw}
    out = row.forward(EXACT, *inputs, **kw)
    random = np.random.default_rng(3)
    outs = out if isinstance(out, tuple) else (out,)
    gs = tuple(random.uniform(-2, 2, np.shape(a)) for a in outs)
    g = gs if isinstance(out, tuple) else gs[0]
    for i, a in enumerate(inputs):
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            yield Kink(row, EXACT, i, out, inputs, g, kw, {})


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_the_row_s_own_gradient_is_in_its_set(name, number):
    for at in places(name, number):
        own = at.vjp(EXACT, at.g)
        np.testing.assert_allclose(at.row.kinks(at, own), own, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("name", "number"), SAMPLES)
def test_what_is_nearest_is_in_the_set_and_ten_times_the_cotangent_is_not(name, number):
    for at in places(name, number):
        far = np.full(np.shape(at.inputs[at.argument]), 10.0)
        near = at.row.kinks(at, far)
        assert not np.array_equal(near, far)
        np.testing.assert_allclose(at.row.kinks(at, near), near, rtol=1e-14, atol=0)
