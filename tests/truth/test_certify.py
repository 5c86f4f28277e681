"""The certificate: it names what is wrong or uncovered, and holds for cases that lie anywhere."""

import dataclasses
import functools
import sys

import numpy as np
import pytest
from gradient_conformance.harness import cli, truth
from gradient_conformance.harness.truth import rows as certify
from gradient_conformance.harness.truth import steps
from gradient_conformance.harness.truth.derivatives import numerical_jacobian
from gradient_conformance.harness.truth.drawing import of, row
from gradient_conformance.harness.truth.numbers import MP, apply
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.truth.rows import certify_row, compare, magnitude
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.optimizers import Optimizer

CASE = """
title = "Somebody's own"
source = "A test of the certificate"
program = '''
a = {activation}(W @ x + b)
loss = mse(a, t)
'''

[tensors]
W = {{ shape = [3, "k"], uniform = [-1, 1] }}
x = {{ shape = ["k"], uniform = [-1, 1] }}
b = {{ shape = [3], uniform = [-1, 1] }}
t = {{ shape = [3], uniform = [-1, 1] }}

[sweep]
k = {k}
"""


@pytest.fixture
def case(tmp_path):
    def write(k="[2]", activation="tanh"):
        path = tmp_path / "mine.toml"
        path.write_text(CASE.format(k=k, activation=activation))
        return str(path)

    return write


def with_vjp(monkeypatch, op, which, change):
    """Put a row in the table whose vjp of one input is changed."""
    right = OPS[op].vjps[which]
    vjps = list(OPS[op].vjps)
    vjps[which] = lambda *args, **kw: change(right(*args, **kw))
    monkeypatch.setitem(OPS, op, dataclasses.replace(OPS[op], vjps=vjps))


@pytest.mark.parametrize(("op", "which"), [("tanh", 0), ("div", 1), ("linear", 1), ("bce", 1), ("max", 0)])
def test_a_vjp_that_is_wrong_by_1e_10_fails_by_its_name_and_input(monkeypatch, capsys, op, which):
    with_vjp(monkeypatch, op, which, lambda g: g * (1 + 1e-10))
    assert cli.main(["certify", "--op", op]) == 1
    printed = capsys.readouterr().out
    assert f"FAILED  vjp {which} of input {which} of {op}(" in printed
    assert "1 rows, 0 optimizers, 0 programs: 1 failed" in printed


def test_every_independent_measure_of_a_vjp_finds_it_wrong(monkeypatch):
    """Two-sided differences, complex step, and Taylor remainder, each by itself."""
    with_vjp(monkeypatch, "tanh", 0, lambda g: g * (1 + 1e-10))
    failed = {m.what for m in certify_row("tanh").measured if not m.ok}
    assert failed == {"vjp 0", "complex step 0", "Taylor remainder 0"}


def test_a_remainder_falls_with_the_square_of_the_step_and_with_a_wrong_vjp_does_not(monkeypatch):
    assert certify_row("tanh").slope == pytest.approx(2, abs=1e-3)
    with_vjp(monkeypatch, "tanh", 0, lambda g: g * 1.5)
    assert certify_row("tanh").slope < 1.1


def test_transposed_cotangents_fail(monkeypatch):
    with_vjp(monkeypatch, "linear", 1, lambda g: g.T if g.shape[0] == g.shape[1] else g)
    assert certify_row("linear").problems


def test_a_wrong_value_and_a_row_that_raises_fail(monkeypatch):
    forward = OPS["exp"].forward
    wrong = dataclasses.replace(OPS["exp"], forward=lambda c, x: forward(c, x) * (1 + 1e-14))
    monkeypatch.setitem(OPS, "exp", wrong)
    assert any(problem.startswith("value of output 0 of exp(") for problem in certify_row("exp").problems)
    monkeypatch.setitem(OPS, "exp", dataclasses.replace(wrong, forward=lambda c, x: x.no_such_thing))
    assert "raised AttributeError" in certify_row("exp").problems[-1]


def test_an_uncovered_row_fails_by_name(monkeypatch, capsys):
    monkeypatch.setitem(OPS, "novel", dataclasses.replace(OPS["exp"], name="novel"))
    assert cli.main(["certify", "--op", "novel"]) == 1
    told = "FAILED  novel is not covered: no module of harness/truth/ops defines it"
    assert told in capsys.readouterr().out


def test_an_input_whose_vjp_no_sample_reaches_is_not_covered(monkeypatch):
    monkeypatch.setitem(TRUTH, "add", dataclasses.replace(TRUTH["add"], samples=(of(row(1.0), 2),)))
    assert certify_row("add").problems == ("add: the vjp of input 1 is not covered",)


def test_an_optimizer_is_certified_after_every_step(monkeypatch, capsys):
    assert cli.main(["certify", "--optimizer", "sgd", "--optimizer", "lion"]) == 0
    assert "0 rows, 2 optimizers, 0 programs: none failed" in capsys.readouterr().out
    usual = steps.OPTIMIZERS["sgd"].step

    @functools.wraps(usual)
    def off(*args, **options):
        after, state = usual(*args, **options)
        return after * (1 + 1e-12), state

    monkeypatch.setitem(steps.OPTIMIZERS, "sgd", Optimizer(off, ("velocity",)))
    assert cli.main(["certify", "--optimizer", "sgd"]) == 1
    assert "FAILED  value of sgd((2, 3), (3, 2, 3), lr=0.1) after step 1" in capsys.readouterr().out
    assert steps.certify_optimizer("ftrl").problems == (
        "ftrl is not covered: harness/truth/optimizers.py does not define it",
    )


def test_a_slope_that_vanishes_at_zero_comes_out_as_zero():
    """That of x^3 is the square of a step there, which must be no number of float64."""
    x = np.array([0.0, 1e-90, 2.0])
    [slopes] = numerical_jacobian(lambda x: x**3, [x], {}, 0)
    assert abs(slopes[0, 0]) < 5e-324
    np.testing.assert_allclose(np.diagonal(slopes)[1:].astype(float), 3 * x[1:] ** 2, rtol=1e-15)
    [cosine] = numerical_jacobian(lambda x: apply(MP.cos, x), [x], {}, 0)
    assert abs(cosine[0, 0]) < 5e-324


def test_a_case_outside_the_repository_is_certified(case, capsys):
    assert cli.main(["certify", case("[2, 5]")]) == 0
    printed = capsys.readouterr().out
    assert "mine::k:2 " in printed
    assert "mine::k:5 " in printed
    assert "0 rows, 0 optimizers, 2 programs: none failed" in printed


def test_a_wrong_row_fails_the_case_that_uses_it_with_the_element(monkeypatch, case, capsys):
    with_vjp(monkeypatch, "tanh", 0, lambda g: g * (1 + 1e-10))
    assert cli.main(["certify", case()]) == 1
    printed = capsys.readouterr().out
    assert "FAILED  mine::k:2: gradient of W[" in printed
    assert "FAILED  mine::k:2: value" not in printed


def test_of_a_large_program_some_elements_are_differentiated_and_a_huge_one_is_refused(case, capsys):
    assert cli.main(["certify", case("[100]")]) == 0
    assert " of 406 " in capsys.readouterr().out
    assert cli.main(["certify", case("[10000]")]) == 1
    assert "are too many for 50 digits; at most 20000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--op", "sofmax"], 'did you mean "softmax"?'),
        (["--optimizer", "sdg"], 'no optimizer "sdg"; did you mean "sgd"?'),
        (["nowhere.toml"], "nowhere.toml: no such file or folder"),
    ],
)
def test_a_wrong_argument_is_one_message(capsys, arguments, words):
    assert cli.main(["certify", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_without_mpmath_there_is_one_message_with_the_extra_to_install(monkeypatch, capsys):
    for name in ("rows", "numbers", "steps", "optimizers", "certificate", "programs", "derivatives", "ops"):
        monkeypatch.delitem(sys.modules, f"{truth.__name__}.{name}", raising=False)
        monkeypatch.delattr(truth, name, raising=False)
    monkeypatch.setitem(sys.modules, "mpmath", None)
    assert cli.main(["certify"]) == 2
    printed = capsys.readouterr().err
    assert printed == "mpmath is missing: pip install mpmath\n"


def test_subnormal_numbers_are_held_to_the_smallest_subnormal_steps():
    """Below the smallest normal number a row may lose digits, but not the number."""
    truth = certify.exact(row(1e-310))
    size = magnitude(truth)
    assert compare("value", row(1e-310), truth, size, 8, "x").ok
    assert not compare("value", np.zeros(1), truth, size, 8, "x").ok
