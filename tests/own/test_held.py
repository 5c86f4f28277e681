"""What a function reads beside its arguments: its object's arrays and the variables around it, and nothing else."""

import numpy as np
import pytest
from gradient_conformance.harness.own.errors import OwnError

from gradient_conformance import check

RANDOM = np.random.default_rng(0)
W = np.ones(2)


class Layer:
    """Its attribute is called like a variable of this module, as in a notebook that has a `W` of its own."""

    def __init__(self):
        self.W = RANDOM.normal(size=3)

    def loss(self, X):
        return np.sum(X @ self.W), {"W": X.sum(axis=0)}


def test_an_attribute_is_no_variable_that_is_called_like_it():
    found = check(Layer().loss, {"X": RANDOM.normal(size=(5, 3))})
    assert found.agrees, found
    assert found.not_shown == ("X",)


def test_a_variable_of_the_module_is_an_input():
    found = check(lambda X: (np.sum(X @ W), {"W": X.sum(axis=0)}), {"X": RANDOM.normal(size=(5, 2))})
    assert found.agrees, found


def test_a_gradient_of_what_is_not_read_is_told_as_that():
    with pytest.raises(
        OwnError, match=r"a gradient of db came back, but nothing .* is computed from b by NumPy"
    ):
        check(
            lambda x, b: (np.sum(x * x), {"x": 2 * x, "db": 0 * b}),
            {"x": np.ones(3) * 2, "b": np.ones(2) * 3},
        )
