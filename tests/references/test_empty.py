"""An axis of no elements: the reference works it out, or loading refuses it; nothing in between."""

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.cli import main
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


PROGRAMS = [
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
    "y = sum(mean(A, axis=1))",
    "y = sum(max(A, axis=1))",
    "y = sum(max(A, axis=0))",
    "y = sum(norm(A, axis=1))",
    "y = mse(A, A * 2, reduction='sum')",
    "y = sum(mse(A, A * 2, reduction='none'))",
    "y = sum(concat(A, A, axis=1))",
]


@pytest.mark.parametrize("shape", [[0, 2], [2, 0], [0, 0]])
@pytest.mark.parametrize("program", PROGRAMS)
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


@pytest.mark.parametrize("shape", [[0, 2], [2, 0], ["k", 2]])
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_worked_out_is_certified_too(program, shape, tmp_path, capsys):
    """Every command that reads a case: what `harness check` takes, none falls over."""
    path = tmp_path / "empty.toml"
    swept = "" if "k" not in shape else "[sweep]\nk = [0, 1]\n"
    path.write_text(FORM.format(program, shape).replace("[tensors]", f"{swept}[tensors]"))
    if main(["check", str(path)]):
        assert "is empty along axis" in capsys.readouterr().err
        assert main(["certify", str(path)]) == 2
    else:
        assert main(["certify", str(path)]) in (0, 1)  # a mean of no losses is no number, and is told so
