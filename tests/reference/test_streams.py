"""A tolerance follows from what is computed, not from where it stands, nor from what else the table has."""

import numpy as np
import pytest
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.reference.ops import elementary

PROGRAM = "y = tanh(A @ x)\nz = exp(y)"
TEXT = f'''
title = "t"
source = "s"
program = """
{PROGRAM}
"""

[tensors]
A = {{ shape = [2, 3], uniform = [-1, 1] }}
x = {{ shape = [3], uniform = [-1, 1] }}
'''


def sigmas(case, program=PROGRAM):
    [variant] = case((PROGRAM, program), text=TEXT).variants
    wanted = VariantReference(variant)
    traced = wanted.at(wanted.inputs, ["y", "z"], ["A", "x", "y"])
    return wanted.content, wanted.single().sigma.tobytes(), traced.sigma.tobytes()


@pytest.mark.parametrize(
    "program",
    [
        "\n\ny = tanh(A @ x)\n\nz = exp(y)\n",
        "# what it is\ny = tanh(A @ x)  # here\nz = exp(y)",
        "y =   tanh( A@x )\nz = (exp(y))",
        "y = tanh(A @ x); z = exp(y)",
    ],
)
def test_an_empty_line_or_a_comment_moves_no_tolerance(case, program):
    assert sigmas(case, program) == sigmas(case)


def test_a_new_elementary_function_moves_no_tolerance(case, monkeypatch):
    """Of a program that does not call it."""
    before = sigmas(case)
    first = {"aardvark": elementary.Elementary(np.exp, spread=9, bias=9)}
    known = dict(elementary.FUNCTIONS)
    elementary.FUNCTIONS.clear()
    elementary.FUNCTIONS.update(first | known)
    try:
        assert sigmas(case) == before
    finally:
        elementary.FUNCTIONS.clear()
        elementary.FUNCTIONS.update(known)


def test_another_program_has_other_noise(case):
    assert sigmas(case, "y = tanh(A @ x)\nz = cos(y)")[0] != sigmas(case)[0]
