"""Somebody's own optimizer, which returns the parameters that it moved: a right one agrees, of a wrong one it is said what it does."""

import textwrap

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import subject
from gradient_conformance.harness.frameworks.interpreters import interpreter_of
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.verdict import Verdict

CASE = """
title = "A line"
source = "A test"
program = "y = X @ W\\nloss = mse(y, Y)"
gradients = ["W"]
[tensors]
X = { shape = [5, 3], uniform = [-1, 1], each = "step" }
Y = { shape = [5, 2], uniform = [-1, 1], each = "step" }
W = { shape = [3, 2], uniform = [-1, 1] }
[training]
optimizer = { OPTIMIZER }
parameters = ["W"]
steps = 4
"""
ADAM = "adam = { lr = 0.125, beta1 = 0.75, beta2 = 0.5, epsilon = 0.125 }"
OWN = """
import numpy as np

t, m, v = 0, 0, 0

def line(X, Y, W, optimizer):
    global t, m, v
    [o] = optimizer.values()
    d = 2 * (X @ W - Y) / Y.size
    g = X.T @ d
    W, before = STEP
    return {"loss": ((X @ before - Y) ** 2).mean()}, {"W": X.T @ d}, {"W": W}

def adam(W, g, o):
    global t, m, v
    t, m, v = t + 1, o["beta1"] * m + (1 - o["beta1"]) * g, o["beta2"] * v + (1 - o["beta2"]) * g * g
    return W - o["lr"] * (m / (1 - o["beta1"] ** t)) / (np.sqrt(v / (1 - o["beta2"] ** t)) + o["epsilon"])
"""


@pytest.fixture
def judged(tmp_path):
    engines = []

    def run(optimizer, step="adam(W, g, o)", *changes):
        code = OWN.replace("STEP", f"{step}, W")
        for old, new in changes:
            assert old in code
            code = code.replace(old, new)
        file = tmp_path / "mine.py"
        file.write_text(textwrap.dedent(code))
        [variant] = parse(CASE.replace("OPTIMIZER", optimizer), "own/line").variants
        engine = Engine(lambda framework: interpreter_of(framework, {}, {}, tmp_path), ledgers={})
        engines.append(engine)
        return engine.result(Cell(variant, "float64", subject(file, []), "eager"))

    yield run
    for engine in engines:
        engine.close()


RIGHT = {
    "adam": (ADAM, "adam(W, g, o)"),
    "coupled decay": (ADAM.replace("}", ", weight_decay = 0.5 }"), 'adam(W, g + o["weight_decay"] * W, o)'),
    "decoupled decay": (
        ADAM.replace("adam", "adamw").replace("}", ", weight_decay = 0.5 }"),
        'adam(W, g, o) - o["lr"] * o["weight_decay"] * W',
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_agrees(judged, name):
    line = judged(*RIGHT[name])
    assert line.verdict is Verdict.AGREE, line.message


def test_code_without_one_is_moved_by_the_cases(judged):
    line = judged(ADAM, "W", (', {"W": W}\n', "\n"))
    assert line.verdict is Verdict.AGREE, line.message


WRONG = {
    "no correction": (
        [("m / (1 - ", "m / (1 - 0 * "), ("v / (1 - ", "v / (1 - 0 * ")],
        "it is the step with bias_correction = false",
    ),
    "epsilon before the correction": (
        [("/ (np.sqrt(v /", "/ ((np.sqrt(v) + o['epsilon']) / np.sqrt(1 *"), (') + o["epsilon"])', "))")],
        "it is the step with epsilon_hat = true",
    ),
    "no epsilon": ([(' + o["epsilon"]', "")], "it is the step with epsilon = 0"),
    "no first moment": ([('o["beta1"] * m + (1 - o["beta1"]) * g', "g"), (' / (1 - o["beta1"] ** t)', "")], "it is the step with beta1 = 0"),
    "forgetful": ([("t, m, v = t + 1,", "t = m = v = 0; t, m, v = t + 1,")], "it is a first step: the optimizer has forgotten those before"),
    "decay": ([("adam(W, g, o), W", "adam(W, g, o) - 0.01 * 0.125 * W, W")], "lr × 0.01 × the parameter itself is subtracted: a weight decay that the case doesn't have"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_of_a_wrong_one_it_is_said_what_it_does(judged, name):
    changes, told = WRONG[name]
    line = judged(ADAM, "adam(W, g, o)", *changes)
    assert line.verdict is Verdict.DISAGREE
    assert [call.likely for call in line.calls if call.likely] == [told]
