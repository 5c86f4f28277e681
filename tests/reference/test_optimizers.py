"""The optimizers against steps worked out on paper."""

from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.optimizers import MOMENTUM, OPTIMIZERS


def test_momentum_adds_up_over_steps():
    # v = 4, then 0.5 * 4 + 2 = 4, then 0.5 * 4 - 8 = -6; the parameter before the last step is 1.
    assert MOMENTUM.moved(EXACT, [9.0, 9.0, 1.0], [4.0, 2.0, -8.0], lr=0.25, momentum=0.5) == 2.5


def test_the_first_step_with_momentum_is_plain_descent():
    plain = OPTIMIZERS["sgd"].moved(EXACT, [1.0], [4.0], lr=0.25)
    assert MOMENTUM.moved(EXACT, [1.0], [4.0], lr=0.25, momentum=0.5) == plain == 0.0
