"""`harness ops NAME` and the page of ops: what is told of each row is there, and right where it can be tried."""

import re
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.cli.columns import ALWAYS, described, signature
from gradient_conformance.reference import parse
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS, shapes

ROOT = Path(__file__).parents[2]
OF_ONE = ["neg", "exp", "log", "sqrt", "square", "sin", "cos", "abs", "sigmoid", "tanh", "softplus"]


def test_the_page_is_what_the_command_writes(capsys):
    assert main(["ops", "--format", "markdown"]) == 0
    assert (ROOT / "docs" / "ops.md").read_text() == capsys.readouterr().out


@pytest.mark.parametrize("op", OPS)
def test_every_argument_and_kink_of_a_row_is_described(op):
    row = OPS[op]
    names = [parameter.name for parameter in row.parameters]
    assert set(row.doc.arguments) <= set(names)
    for name in row.attributes:
        assert name in row.doc.arguments or name in ALWAYS
    if row.shape not in (shapes.same, shapes.broadcast) and row.arity[1] != 1:
        assert set(names) - set(row.attributes) - {"x"} <= set(
            row.doc.arguments
        )  # of any shape where nothing is said
    assert bool(row.doc.kinks) == (row.kinks is not None)
    told = [name for name, _ in described(row)]
    assert told == [*names, "gradient", *["kinks"] * bool(row.doc.kinks), "example"]


@pytest.mark.parametrize("op", OPS)
def test_the_example_of_a_row_calls_it(op):
    assert op in [node.op for node in parse(OPS[op].doc.example).nodes]


@pytest.mark.parametrize("op", OF_ONE)
def test_the_gradient_that_is_told_is_the_row_s(op):
    """Of functions of one number, where the text is a formula up to its first comma or semicolon."""
    row, x, g = OPS[op], np.array([0.3, 0.7, 1.9]), np.array([0.5, -1.1, 2.0])
    y = row.forward(EXACT, x)
    functions = {name: lambda a, of=name: OPS[of].forward(EXACT, a) for name in OF_ONE}
    formula = re.split("[,;]", row.doc.gradient)[0]
    told = eval(formula, {**functions, "sign": np.sign, "x": x, "y": y, "g": g})
    np.testing.assert_allclose(told, row.vjp(EXACT, 0, y, (x,), g, {}), rtol=1e-12)


def test_an_op_is_told_with_its_layouts_and_defaults(capsys):
    assert main(["ops", "linear", "softmax"]) == 0
    printed = capsys.readouterr().out
    assert 'linear(x, W, b=None, *, weights="out_in")\n' in printed
    assert re.search(r'W +\(out, in\) with weights="out_in", \(in, out\) with weights="in_out"', printed)
    assert re.search(r"torch +native", printed)
    assert "softmax(x, *, axis=-1)\n" in printed


def test_an_op_that_there_is_not_is_told_what_to_write(capsys):
    assert main(["ops", "reduce_sum"]) == 2
    assert capsys.readouterr().err == 'unknown op "reduce_sum"; write sum\n'


def test_signatures_are_written_as_programs_are():
    assert signature(OPS["concat"]) == "concat(*inputs, axis=0)"
    assert signature(OPS["mse"]) == 'mse(p, t, *, reduction="mean")'
