"""The optimizers against steps worked out on paper."""

import numpy as np
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.optimizers import OPTIMIZERS, clipped


def test_momentum_adds_up_over_steps():
    # v = 4, then 0.5 * 4 + 2 = 4, then 0.5 * 4 - 8 = -6; the parameter before the last step is 1.
    assert OPTIMIZERS["sgd"].moved(EXACT, [9.0, 9.0, 1.0], [4.0, 2.0, -8.0], lr=0.25, momentum=0.5) == 2.5


def test_the_first_step_with_momentum_is_plain_descent():
    plain = OPTIMIZERS["sgd"].moved(EXACT, [1.0], [4.0], lr=0.25)
    assert OPTIMIZERS["sgd"].moved(EXACT, [1.0], [4.0], lr=0.25, momentum=0.5) == plain == 0.0


GRADIENTS = {"W": np.array([[3.0, 0.0], [-1.0, 1.0]]), "b": np.array([5.0])}
"""The root of the sum of their squares is 6."""


def test_gradients_are_clipped_by_the_norm_of_all_of_them():
    found = clipped(EXACT, GRADIENTS, norm=3.0)
    np.testing.assert_array_equal(found["W"], [[1.5, 0], [-0.5, 0.5]])
    np.testing.assert_array_equal(found["b"], [2.5])
    found = clipped(EXACT, GRADIENTS, norm=3.0, epsilon=2.0)
    np.testing.assert_array_equal(found["b"], [1.875])


def test_gradients_within_the_norm_are_left_as_they_are():
    for norm in (6.0, 7.0):
        found = clipped(EXACT, GRADIENTS, norm=norm)
        assert all(np.array_equal(found[name], g) for name, g in GRADIENTS.items())


def test_each_element_is_clipped_by_value():
    found = clipped(EXACT, GRADIENTS, value=2.0)
    np.testing.assert_array_equal(found["W"], [[2, 0], [-1, 1]])
    np.testing.assert_array_equal(found["b"], [2])
