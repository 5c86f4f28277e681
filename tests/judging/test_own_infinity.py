"""What a subject itself makes infinite or NaN is wrong, and excuses nothing: it disagrees, and its line is written."""

import os
import sys

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import subject
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.plan import Selection, cells
from gradient_conformance.harness.run.writing import encode

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers are POSIX processes")

TRAINING = """
title = "A layer that is trained"
source = "A test of the harness"
program = '''
z = W @ x
a = sigmoid(z + b)
loss = sum(a * a)
'''
gradients = ["W", "b", "a"]

[tensors]
W = { shape = [3, 2], uniform = [-1, 1] }
b = { shape = [3], uniform = [-1, 1] }
x = { shape = [2], uniform = [-1, 1], each = "step" }

[training]
optimizer = { sgd = { lr = 0.1 } }
parameters = ["W", "b"]
steps = 4
"""

RIGHT = """
import itertools
import numpy as np

CALLS = itertools.count()

def correct(W, b, x):
    f = W.dtype.type
    a = f(1) / (f(1) + np.exp(-(W @ x + b)))
    dz = f(2) * a * a * (f(1) - a)
    g = {"W": np.outer(dz, x), "b": dz, "a": f(2) * a}
    return {"loss": np.sum(a * a)}, g, {"W": W - f(0.1) * g["W"], "b": b - f(0.1) * g["b"]}
"""
FUNCTION = """
def {name}(W, b, x):
    v, g, p = correct(W, b, x)
    step = next(CALLS) % 4
    {fault}
    return (v, g, p) if p else (v, g)
"""
FAULTS = {
    "right": "pass",
    "infinite_parameter_and_a_wrong_sign": "p['W'][0, 0] = np.inf; g['b'] = -g['b']",
    "infinite_parameter_and_later_a_wrong_sign": "if step: g['b'] = -g['b']\n    else: p['W'][0, 0] = np.inf",
    "huge_parameter_and_a_wrong_sign": "p['W'][0, 0] = 1e38; g['b'] = -g['b']",
    "nan_parameters_and_a_wrong_sign": "p['b'][:] = np.nan; g['b'] = -g['b']",
    "nan_in_the_last_parameter": "p['W'][0, 0] = np.nan if step == 3 else p['W'][0, 0]",
    "infinite_gradient": "g['b'][0] = -np.inf",
    "infinite_gradient_in_one_step": "g['b'][0] = np.inf if step == 1 else g['b'][0]",
    "nan_gradient": "g['W'][0, 0] = np.nan",
    "infinite_gradient_that_moves": "g['W'][0, 0] = np.inf; p = None",
    "nan_gradient_that_moves": "g['W'][0, 0] = np.nan; p = None",
    "infinite_gradient_of_no_parameter": "g['a'][0] = np.inf",
    "infinite_value": "v['loss'] = np.asarray(np.inf, W.dtype)",
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What becomes of every cell, by the function and the dtype."""
    folder = tmp_path_factory.mktemp("infinity")
    mine = folder / "mine.py"
    mine.write_text(
        RIGHT + "".join(FUNCTION.format(name=name, fault=fault) for name, fault in FAULTS.items())
    )
    column = subject(mine, [])
    engine = Engine(lambda _: Interpreter((sys.executable,), "a test"), {})
    found = {}
    try:
        for name in FAULTS:
            path = folder / "cases" / "tiny" / f"{name}.toml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TRAINING)
            chosen = list(cells(load(path, folder / "cases").variants, [column], Selection()))
            engine.submit(chosen)
            found |= {(name, cell.dtype): engine.result(cell) for cell in chosen}
    finally:
        engine.close()
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FAULTS)
def test_what_a_subject_makes_infinite_itself_disagrees_and_is_written(lines, name, dtype):
    line = lines[name, dtype]
    assert line.verdict == ("agree" if name == "right" else "disagree"), line.message
    assert encode(line)
    assert "out of range" not in line.message
