"""A framework that has no derivative towards what the cell doesn't ask about: the trace is asked again, without that."""

import pytest
from client import ADAPTERS, interpreter
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.verdict import Verdict

pytestmark = pytest.mark.framework
CASE = """
title = "Classes of different weight"
source = "A test of the harness"
program = '''
v = w * 2
h = x @ W
loss = cross_entropy(h, t, v)
'''
gradients = ["W"]

[tensors]
W = { shape = [3, 4], uniform = [-1, 1] }
x = { shape = [5, 3], uniform = [-1, 1] }
w = { shape = [4], uniform = [0.5, 1] }
t = { shape = [5], labels = 4 }
"""


@pytest.fixture
def engine():
    made = Engine(lambda _: Interpreter(tuple(interpreter("torch")), "the tests"), {}, every_call=True)
    yield made
    made.close()


def test_what_torch_has_no_derivative_towards_is_left_out_and_all_else_is_judged(engine, case):
    [variant] = case(text=CASE).variants
    torch = framework("torch", ADAPTERS / "torch" / "adapter.py")
    cell = Cell(variant, "float64", torch, torch.modes[0])
    engine.submit([cell])
    line, found = engine.looked_into(cell)
    assert line.verdict is Verdict.AGREE
    assert not found.problem
    assert found.complete  # so the judge of calls takes nothing for granted
    [step] = found.steps
    told = {name for role, name in step.trace.own if role == "gradient"}
    assert told == {"W", "h", "loss"}
    assert {name for role, name in step.trace.own if role == "value"} >= {"v", "h", "loss"}
