"""Rows that are formulas over others: what is remembered between the gradients of one call."""

import numpy as np
from gradient_conformance.reference.contexts import EXACT, AsComputed
from gradient_conformance.reference.ops import OPS

X, T = np.linspace(-1, 1, 6).reshape(2, 3), np.array([[0.5, 0.25, 0], [1, 0, 0.125]])
KW = {"delta": 0.3, "reduction": "mean"}


def towards(i, x, t, g=1.0, c=EXACT, **kw):
    row, kw = OPS["huber"], KW | kw
    return row.vjp(c, i, row.forward(c, x, t, **kw), (x, t), np.asarray(g), kw)


def test_each_gradient_is_that_of_its_own_call_however_calls_follow_each_other():
    alone = {(i, scale): towards(i, scale * X, T) for i in (0, 1) for scale in (1, 2)}
    first, again = X.copy(), 2 * X
    for x, scale in ((first, 1), (again, 2), (first, 1)):
        for i in (1, 0):
            np.testing.assert_array_equal(towards(i, x, T), alone[i, scale])
    np.testing.assert_array_equal(towards(0, first, T, g=3.0), 3 * alone[0, 1])
    np.testing.assert_array_equal(towards(0, first, T, reduction="sum"), 6 * alone[0, 1])
    np.testing.assert_allclose(towards(0, first, T, c=AsComputed(EXACT)), alone[0, 1], rtol=1e-14)


def test_towards_integers_a_gradient_is_0():
    labels, row = np.array([2, 0]), OPS["one_hot"]
    out = row.forward(EXACT, labels, classes=3)
    assert not np.any(row.vjp(EXACT, 0, out, (labels,), np.ones((2, 3)), {"classes": 3}))
