"""A compiler may evaluate a name once for each use, rounded otherwise: where a step then falls otherwise, nobody is accused."""

import pytest
from client import ADAPTERS, interpreter
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.judging.composition import composed, each_anew
from gradient_conformance.harness.judging.trace import Trace
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.verdict import Verdict

pytestmark = pytest.mark.framework
CASE = """
title = "A step at a difference that is 0"
source = "A test of the harness"
program = '''
x2 = mod(x1, 1.5 + sigmoid(x0))
x3 = sqrt(1 + square(x2))
x4 = clip(x3, low=-0.8, high=0.9)
x5 = log2(1 + exp(-abs(x4)))
x6 = x5 - min(x5, axis=0, keepdims=True)
z = x6 * 0.5 + ceil(x6)
'''
values = ["x3", "z"]
gradients = ["x0"]
dtypes = ["float64"]

[tensors]
x0 = { shape = [6, 8], uniform = [-1, 1] }
x1 = { shape = [6, 8], uniform = [-1, 1] }
"""


def test_a_step_that_only_a_fused_evaluation_takes_otherwise_is_inconclusive(case):
    [variant] = case(text=CASE).variants
    jax = framework("jax", ADAPTERS / "jax" / "adapter.py")
    cell = Cell(variant, "float64", jax, "jit")
    engine = Engine(lambda _: Interpreter(tuple(interpreter("jax")), "the tests"), {})
    engine.submit([cell])
    line, found = engine.looked_into(cell)
    engine.close()
    assert line.verdict is Verdict.INCONCLUSIVE, line.message
    assert "may take another branch" in line.message

    [step] = found.steps
    due = each_anew(step.trace, {}, [("value", "z"), ("value", "x3")])
    assert (due["value", "z"].tolerance("float64") > 1).all()  # every element is at its column's least
    assert worst(step, z=1.0) <= 1
    assert worst(step, x3=1e-9) > 1
    assert worst(step, Trace.due, z=1.0) > 1


def worst(step, due_of=each_anew, **off):
    """The largest error / tolerance of the right numbers, moved by so much."""
    answer = {("value", n): step.trace.true["value", n] + by for n, by in off.items()}
    return max(t.used for t in composed(step.trace, (), answer, due_of))
