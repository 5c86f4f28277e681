"""Trainings: a step goes on from what the step before has left, and has the same reference and tolerance as the whole walk."""

import numpy as np
import pytest
from gradient_conformance.harness.references.training import Walk
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.optimizers import Optimizer

CASE = """
title = "A layer that is trained"
source = "A test of the harness"
program = '''
z = relu(x @ W * 0.3)
loss = sum(z * z)
'''
gradients = ["W"]

[tensors]
W = { shape = [3, 2], uniform = [-1, 1] }
x = { shape = [4, 3], uniform = [-1, 1] }

[training]
parameters = ["W"]
steps = 7
"""
OPTIMIZERS = {
    "momentum": "optimizer = { sgd = { lr = 0.1, momentum = 0.9 } }",
    "adam": "optimizer = { adam = { lr = 0.01, beta1 = 0.9, beta2 = 0.999 } }",
    "nadam": "optimizer = { nadam = { lr = 0.01 } }",
    "plain": "optimizer = { sgd = { lr = 0.1 } }",
    "clipped": "optimizer = { adagrad = { lr = 0.1 } }\nclip = { norm = 0.3 }",
}


@pytest.fixture
def wanted(case):
    return lambda optimizer: VariantReference(case(text=CASE + OPTIMIZERS[optimizer]).variants[0])


def walked(wanted, derived, each=lambda walk: None):
    """The references of each step of the training."""
    walk = wanted.walk()
    for step in range(wanted.variant.training.steps):
        gradients = wanted.gradients_at(walk.inputs(), ["W"])
        walk.took(gradients, derived=["W"] if step in derived else [])
        each(walk)
        yield wanted.update(walk, "float32")
        walk.go_on(walk.moved(EXACT), {})


def forgetful(walk):
    walk.checkpoints.clear()


@pytest.mark.parametrize("derived", [(), range(7), (2, 3)], ids=["told", "derived", "two derived"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_from_what_is_left_is_bit_for_bit_that_of_the_whole_walk(wanted, optimizer, derived):
    one = wanted(optimizer)
    for going_on, anew in zip(walked(one, derived), walked(one, derived, forgetful), strict=True):
        assert going_on.value.tobytes() == anew.value.tobytes()
        assert going_on.sigma.tobytes() == anew.sigma.tobytes()


def test_steps_that_were_read_elsewhere_are_walked_when_they_are_needed(wanted):
    one = wanted("adam")
    [*_, last] = walked(one, ())
    walk = one.walk()
    for step in range(7):
        walk.took(one.gradients_at(walk.inputs(), ["W"]))
        if step == 2:
            one.update(walk)
        if step < 6:
            walk.go_on(walk.moved(EXACT), {})
    assert one.update(walk).sigma.tobytes() == last.sigma.tobytes()


def test_what_a_retold_gradient_makes_of_its_step_is_not_left_for_the_next(wanted):
    one = wanted("momentum")

    def retelling(walk):
        before = walk.retold({"W": np.full((3, 2), 100.0)})
        one.update(walk)
        walk.retold(before)

    for plain, retold in zip(walked(one, ()), walked(one, (), retelling), strict=True):
        assert plain.sigma.tobytes() == retold.sigma.tobytes()


def test_a_training_costs_what_its_steps_cost(wanted, monkeypatch):
    took, count = Optimizer.took, [0]

    def counted(*args, **kwargs):
        count[0] += 1
        return took(*args, **kwargs)

    one = wanted("adam")
    walk, counts = one.walk(), []
    for _ in range(7):
        walk.took(one.gradients_at(walk.inputs(), ["W"]))
        with monkeypatch.context() as patch:
            patch.setattr(Optimizer, "took", counted)
            count[0] = 0
            one.update(walk, "float32")
            counts.append(count[0])
        walk.go_on(walk.moved(EXACT), {})
    assert counts[0] == 2  # exactly, and in all perturbed runs
    assert set(counts[1:]) == {4}  # and the step before, whose gradient is settled now


def test_a_case_without_training_takes_no_step(case):
    text = CASE.split("[training]", maxsplit=1)[0]
    variant = case(text=text).variants[0]
    with pytest.raises(ValueError, match="takes no step"):
        Walk(variant, variant.draw()).moved(EXACT)
