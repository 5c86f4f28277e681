"""An axis of no elements: the reference works it out, or loading refuses it; nothing in between."""

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.errors import CaseError
from gradient_conformance.harness.references.variant import VariantReference

FORM = """
title = "t"
program = '''
{}
'''
[tensors]
A = {{ shape = {}, uniform = [0, 1] }}
"""


@pytest.mark.parametrize("shape", [[0, 2], [2, 0], [0, 0]])
@pytest.mark.parametrize(
    "program",
    [
        "y = sum(sum(A, axis=1))",
        "y = sum(sum(A, axis=0) * 2)",
        "y = sum(A @ A.T)",
        "y = sum(linear(A, A))",
        "y = sum(linear(A, A.T, weights='in_out'))",
        "y = sum(A.T @ A)",
        "y = sum(exp(A) / A)",
        "y = norm(A)",
        "y = sum(softmax(A, axis=1))",
        "y = sum(log_softmax(A, axis=0))",
        "y = sum(logsumexp(A, axis=1))",
        "y = sum(mean(A, axis=0))",
        "y = mse(A, A)",
        "y = sum(concat(A, A, axis=1))",
    ],
)
def test_an_empty_axis_is_worked_out_or_refused(program, shape):
    try:
        variant = parse(FORM.format(program, shape), "empty").variants[0]
    except CaseError as refused:
        told = str(refused)
    else:
        told = ""
    if told:
        assert "empty" in told
        return
    references = VariantReference(variant).single()
    assert references["value", "y"].value.shape == ()
