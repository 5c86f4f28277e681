"""Where a disagreement begins."""

import pytest
from gradient_conformance.harness.judging.trace import describe_place, first_difference, traced_names
from gradient_conformance.reference import parse

TEXT = """z = W @ X + b
a = sigmoid(z)
y = V @ a
loss = mse(y, t)"""
PROGRAM = parse(TEXT, {}, ["W", "X", "b", "V", "t"])
EVERY = ["W", "X", "b", "V", "z.1", "z", "a", "y", "loss"]


def place(wrong_gradients=(), wrong_values=(), known=EVERY):
    right = {("gradient", n): n not in wrong_gradients for n in known}
    right |= {("value", n): n not in wrong_values for n in known if n not in ("W", "X", "b", "V")}
    found = first_difference(PROGRAM, "loss", right)
    return found and describe_place(found, PROGRAM, 5)


def test_all_right_has_no_place():
    assert place() is None


def test_the_first_wrong_value_comes_before_any_gradient():
    assert place(["W", "X", "b", "V"], ["a", "y", "loss"]) == "a = sigmoid(z), line 6"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            ["y", "V", "a", "z", "z.1", "W", "X", "b"],
            "backward of loss = mse(y, t), line 8 (all values agree)",
        ),
        (["z", "z.1", "W", "X", "b"], "backward of a = sigmoid(z), line 6 (all values agree)"),
        (["V"], "backward of y = V @ a, line 7 (all values agree)"),
        (["a", "z", "z.1", "W", "X", "b"], "backward of y = V @ a, line 7 (all values agree)"),
        (["b"], "backward of z = W @ X + b, line 5 (all values agree)"),
        (["W"], "backward of z = W @ X + b, line 5 (all values agree)"),
    ],
)
def test_with_every_cotangent_known_the_op_call_is_exact(wrong, text):
    assert place(wrong) == text


def test_hand_written_code_is_placed_by_what_its_parameters_have_in_common():
    known = ["W", "b", "V", "X"]
    assert place(["W", "b", "X"], known=known).startswith("backward of y")
    assert "line 8" not in place(["W", "b", "X"], known=known)
    assert place(["V"], known=known) == "backward of y = V @ a, line 7 (all values agree)"


def test_what_cannot_be_told_apart_is_said():
    text = place(["W", "b", "X"], known=["W", "b", "V", "X"])
    assert text == "backward of y = V @ a, line 7, or of a = sigmoid(z), line 6 (all values agree)"


def test_a_trace_asks_for_what_leads_to_the_output():
    program = parse("y = x * x\nz = x + 1\nloss = sum(y)", {}, ["x"])
    assert traced_names(program, ["x", "y", "z", "loss"], "loss") == ("x", "y", "loss")
