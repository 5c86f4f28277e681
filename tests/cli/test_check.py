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


def test_an_output_that_is_no_number_is_warned_of(tmp_path, capsys):
    (tmp_path / "nan.toml").write_text(DEAD.replace("sum({f}(W @ x))", "sum(sqrt({f}(W @ x) - 2))"))
    assert main(["check", str(tmp_path)]) == 0
    assert (
        "warning: the output loss carries no information in f:relu, f:tanh: it is NaN everywhere"
        in capsys.readouterr().out
    )


COMPUTED = """
title = "t"
source = "s"
program = "y = take(x, argmax(W, axis=0))"
[tensors]
W = { values = [[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]] }
x = { values = [1.0, 2.0] }
"""


def test_a_place_that_the_program_works_out_and_is_none_is_a_mistake_with_its_line(tmp_path, capsys):
    (tmp_path / "beyond.toml").write_text(COMPUTED)
    (tmp_path / "dead.toml").write_text(DEAD)
    assert main(["check", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "beyond.toml:4:16: take: index 2 is outside 0 to 1" in printed.err
    assert "2 case files" in printed.out


def test_a_name_that_leads_nowhere_is_no_warning(tmp_path, capsys):
    program = 'program = "y = x * 2\\nloss = sum({f}(W))"\nvalues = ["y"]\noutput = "loss"'
    text = DEAD.replace('program = "loss = sum({f}(W @ x))"', program).replace("-1.0", "1.0")
    (tmp_path / "lone.toml").write_text(text)
    assert main(["check", str(tmp_path)]) == 0
    assert "of x carries" not in capsys.readouterr().out
