"""What a step hands to the next one is judged there as the subject had it: by a real worker."""

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import subject
from gradient_conformance.harness.frameworks.interpreters import interpreter_of
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.verdict import Verdict

CASE = """
title = "A layer beside a running mean"
source = "A test"
program = \"\"\"
mean = 0.75 * m + 0.25 * sum(x, axis=0) / 4
loss = mean(square(x @ W - mean))
\"\"\"
gradients = ["W"]
[tensors]
x = { shape = [4, 3], uniform = [-1, 1], each = "step" }
W = { shape = [3, 3], uniform = [-1, 1] }
m = { shape = [3], full = 1 }
[training]
optimizer = { sgd = { lr = 0.5 } }
parameters = ["W"]
steps = 4
[state]
m = "mean"
"""
RIGHT = """
import numpy as np

def layer(x, W, m):
    mean = 0.75 * m + 0.25 * x.mean(axis=0)
    d = x @ W - mean
    return {"loss": (d * d).mean(), "mean": mean}, {"W": 2 * x.T @ d / d.size}
"""


@pytest.fixture
def judged(tmp_path):
    """Runs a function called `layer` on the case: the line of its cell."""
    engines = []

    def run(*changed, strict=False):
        text = RIGHT
        for before, after in changed:
            assert before in text
            text = text.replace(before, after)
        file = tmp_path / "mine.py"
        file.write_text(text)
        [variant] = parse(CASE, "own/layer").variants
        engines.append(Engine(lambda framework: interpreter_of(framework, {}, {}, tmp_path), ledgers={}))
        return engines[-1].result(Cell(variant, "float64", subject(file, [], strict=strict), "eager"))

    yield run
    for engine in engines:
        engine.close()


def test_the_next_step_is_given_what_this_one_assigned(judged):
    found = judged()
    assert found.verdict is Verdict.AGREE
    [variant] = parse(CASE, "own/layer").variants
    walk = VariantReference(variant).walk()
    assert {name: set(map(float, a)) for name, [a] in walk.state.items()} == {"m": {1.0}}


def test_a_state_that_is_worked_out_wrongly_is_named_in_the_first_step_that_does(judged):
    """It is right while nothing has been handed on; later steps are judged from what it has itself."""
    wrong = judged(("0.75 * m + 0.25 * x", "np.where(m == 1, 0.75, 0.5) * m + 0.25 * x"))
    assert wrong.verdict is Verdict.DISAGREE
    assert "step 0 agrees; from step 1 on all are wrong" in wrong.message
    assert "value mean" in wrong.message


def test_a_wrong_state_in_one_step_accuses_no_other(judged):
    """The reference goes on from the subject's own."""
    wrong = judged(("return {", "mean = mean + (np.abs(m - 1).max() == 0)\n    return {"))
    assert wrong.verdict is Verdict.DISAGREE
    assert "step 0 is the first that is wrong" in wrong.message
    assert "behind it" not in wrong.message


def test_behind_a_state_that_is_not_shown_nothing_is_judged(judged):
    hidden = ', "mean": mean}', "}"
    found = judged(hidden)
    assert found.verdict is Verdict.AGREE
    assert {(t.role, t.name): t.unshown for t in found.tensors}["gradient", "W"] == 3
    assert judged(hidden, strict=True).verdict is Verdict.DISAGREE
