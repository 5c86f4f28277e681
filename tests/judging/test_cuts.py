"""A call that is cut down has the same due in its wrong element, and nothing that the element isn't made of."""

import numpy as np
import pytest
from gradient_conformance.harness.judging.reproduce.cuts import cuts
from gradient_conformance.harness.judging.reproduce.expected import expected
from gradient_conformance.harness.truth.ops import TRUTH
from observed_calls import calls_of, made

EVERY = [(op, n) for op, truth in TRUTH.items() for n, s in enumerate(truth.samples) if s.plain]


@pytest.mark.parametrize(("op", "number"), EVERY, ids=str)
def test_a_cut_changes_nothing_of_what_is_due(op, number):
    """Of a mean over all elements another number is due, where some are left out: that cut isn't taken."""
    for call in calls_of(op, number):
        if 0 in np.shape(call.cotangents[-1]):
            continue
        whole = expected(call, 0.0)
        for cut in cuts(call):
            if call.kw.get("reduction") != "mean":
                assert float(expected(cut, 0.0)) == pytest.approx(float(whole), rel=1e-15)
            assert cut.size <= call.size
            assert [np.ndim(a) for a in cut.args] == [np.ndim(a) for a in call.args]


@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        (made("exp", [(2, 3)]), [[(1, 1)]]),
        (made("mul", [(2, 3), (3,)]), [[(1, 1), (1,)]]),
        (made("mul", [(2, 3), (3,)], towards=1), [[(2, 1), (1,)]]),
        (made("mul", [(3,), (3,)]), [[(1,), (1,)]]),
        (made("softmax", [(2, 3)], axis=1), [[(1, 3)]]),
        (made("sum", [(2, 3, 4)], axis=(0, 2), keepdims=False), [[(2, 1, 4)]]),
        (made("sum", [(2, 3)], axis=None, keepdims=False), []),
        (made("matmul", [(2, 3), (3, 4)]), [[(1, 3), (3, 1)]]),
        (made("matmul", [(2, 3), (3, 4)], towards=0), [[(1, 1), (1, 4)]]),
        (made("matmul", [(5, 2, 3), (3, 4)]), [[(1, 1, 3), (3, 1)], [(5, 1, 3), (3, 1)]]),
        (made("linear", [(2, 3), (4, 3), (4,)], weights="out_in"), [[(1, 3), (1, 3), (1,)]]),
        (made("linear", [(2, 3), (3, 4), (4,)], towards=2, weights="in_out"), [[(2, 3), (3, 1), (1,)]]),
        (made("mse", [(2, 3), (2, 3)], reduction="none"), [[(1, 1), (1, 1)]]),
        (made("mse", [(2, 3), (2, 3)], reduction="sum"), []),
        (made("reshape", [(2, 3)], shape=(6,)), []),
    ],
    ids=lambda value: f"{value.op}-{value.towards}" if hasattr(value, "op") else "",
)
def test_an_element_its_row_its_row_and_column(call, shapes):
    """And last the whole."""
    found = list(cuts(call))
    assert [[np.shape(a) for a in cut.args] for cut in found[:-1]] == shapes
    assert found[-1] is call
