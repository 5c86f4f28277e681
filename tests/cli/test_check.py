"""`harness check`: what is wrong with cases, and what says nothing in them."""

from gradient_conformance.harness.cli import main

DEAD = """
title = "t"
source = "s"
program = "loss = sum({f}(W @ x))"
[sweep]
f = ["relu", "tanh"]
[tensors]
W = { values = [[-1.0, -2.0], [-3.0, -1.0]] }
x = { values = [1.0, 2.0] }
"""


def test_gradients_that_dead_units_make_zero_are_warned_of(tmp_path, capsys):
    (tmp_path / "dead.toml").write_text(DEAD)
    assert main(["check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "dead.toml: warning: no gradient of W carries information in f:relu: all are exactly 0" in printed
    assert "tanh" not in printed


def test_a_name_that_leads_nowhere_is_no_warning(tmp_path, capsys):
    program = 'program = "y = x * 2\\nloss = sum({f}(W))"\nvalues = ["y"]\noutput = "loss"'
    text = DEAD.replace('program = "loss = sum({f}(W @ x))"', program).replace("-1.0", "1.0")
    (tmp_path / "lone.toml").write_text(text)
    assert main(["check", str(tmp_path)]) == 0
    assert "of x carries" not in capsys.readouterr().out
