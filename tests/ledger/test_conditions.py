"""A ledger's expressions mean what they say, and are read by a whitelist: nothing in them is ever executed."""

import math
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.ledger.conditions import FUNCTIONS, MAX_EXPRESSION, UnansweredError, read
from gradient_conformance.reference.program import ProgramError

X, Y = np.array([[1.0, 3.0, 3.0], [0.0, -2.0, -1.0]]), np.array([1.0, 2.0, 3.0])
NAMES = {
    "x": X, "y": Y, "z": np.array(2.0), "mask": X > 0, "labels": np.array([0, 2]), "half": 0.5, "slope": -0.5, "axis": 1,
    "keepdims": False, "reduction": "mean", "g": np.array([10.0, 20.0]), "weights": None, "a": np.ones((2, 1, 2, 2)),
    "b": np.ones((3, 2, 2)), "v": np.ones(2),
}  # fmt: skip


def value(text: str, **names: Any) -> Any:
    """The expression's value for the names above, with changes."""
    return read(text, NAMES).value({**NAMES, **names}).tolist()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("slope < 0", True),
        ("1 - 2 * 3 / 4", -0.5),
        ("-slope", 0.5),
        ("-x", (-X).tolist()),
        ("x == y", (X == Y).tolist()),
        ("x > 0 and x < 2 or x == -2", [[True, False, False], [False, True, False]]),
        ("y * mask", (Y * (X > 0)).tolist()),
        ("mask - 1", ((X > 0) - 1.0).tolist()),
        ("labels != 0", [False, True]),
        ("number(half)", True),
        ("number(z) or number(x)", False),
        ("ndim(x)", 2),
        ("ties(x, axis)", [[False, True, True], [False, False, False]]),
        ("inner_batch_axis(a, b)", True),
        ("inner_batch_axis(b, a)", True),
        ("inner_batch_axis(b, b) or inner_batch_axis(x, v)", False),
        ("abs(x - 1)", np.abs(X - 1).tolist()),
        ("log(y)", np.log(Y).tolist()),
        ("float32(1 / 3)", float(np.float32(1 / 3))),
        ("total(x, axis)", [[7.0], [-3.0]]),
        ("spread(g, x, axis, keepdims)", [[10.0] * 3, [20.0] * 3]),
        ("reduced(x, reduction)", 4 / 6),
        ("each(6, x, reduction)", 1.0),
        ("each(6, x, reduction, axis)", 3.0),
        ("losses(x, reduction, axis)", 1),
        ("transposed(x)", X.T.tolist()),
        ("matmul(x, transposed(x))", (X @ X.T).tolist()),
        ("folded(x, y)", (X[0] + X[1]).tolist()),
        ("y < inf", [True] * 3),
        ("1 / 0 * y", None),
    ],
)
def test_an_expression_has_the_value_that_it_has_on_paper(text: str, found: Any) -> None:
    """Elementwise over tensors; what divides by zero where it is read is a mistake, as in programs."""
    if found is None:
        with pytest.raises(ProgramError, match="cannot be worked out"):
            value(text)
    else:
        assert value(text) == found


def test_of_a_pool_every_largest_element_of_a_window_has_its_whole_cotangent() -> None:
    """Windows of two that overlap: 2 and 2 have the first's cotangent each, the second's 2 has that too."""
    pool = {
        "size": 2,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "ceil_mode": False,
        "layout": "channels_first",
    }
    text = f"to_every_largest(g, x, {', '.join(pool)})"
    names = {"x": np.array([[[2.0, 2, 1]]]), "g": np.array([[[3.0, 5]]]), **pool}
    assert read(text, names).value(names).tolist() == [[[3.0, 8.0, 0.0]]]
    assert read(text, names).value({**names, "stride": None, "g": np.array([[[3.0]]])}).tolist() == [
        [[3.0, 3.0, 0.0]]
    ]


def test_losses_of_a_sum_and_of_each() -> None:
    """A sum adds up every position's error, a cotangent without reduction is each position's own."""
    assert value("losses(x, reduction, axis)", reduction="sum") == 2
    assert value("each(g, x, reduction, axis)", reduction="none") == [[10.0], [20.0]]
    assert value("each(y, y, reduction)", reduction="none") == Y.tolist()


def test_what_is_not_finite_is_a_value_like_any_other() -> None:
    """No warning, and no error."""
    x = np.array([0.0, math.inf, math.nan])
    (a, b, c) = value("x * inf - x / x", x=x)
    assert all(map(math.isnan, (a, b, c)))
    assert value("log(x) == -inf", x=x) == [True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels(x)", r"1:1: only these can be called: number ndim .*"),
        ("x.shape == 3", "1:1: attribute is not allowed; allowed are names, numbers, "),
        ("x.__class__.__mro__", "1:1: attribute is not allowed"),
        ("().__class__", "attribute is not allowed"),
        ("__import__('os')", "1:1: only these can be called"),
        ("number.__globals__", "attribute is not allowed"),
        ("(lambda: x)()", "only these can be called"),
        ("[x for x in y]", "listcomp is not allowed"),
        ("x[0]", "subscript is not allowed"),
        ("x @ y", "binop is not allowed"),
        ("x ** y", "binop is not allowed"),
        ("10 ** 10 ** 10 * x", "1:1: this number cannot be worked out"),
        ("9 ** 9 ** 9", "this number cannot be worked out"),
        ("x < 99999999999999999999", "1:5: this integer is beyond 2"),
        ("x == 1e999", "1:6: this number is beyond what a float64 holds"),
        ("x < 'a'", "1:5: constant is not allowed"),
        ("'a' == x", "1:1: constant is not allowed"),
        ("y == 'a' or q == 'b'", '1:13: unknown name "q"'),
        ("not x", "unaryop is not allowed"),
        ("x if y else z", "ifexp is not allowed"),
        ("(x := 3)", "namedexpr is not allowed"),
        ("f'{x}'", "joinedstr is not allowed"),
        ("0 < x < 1", "1:1: a comparison has two sides; join two comparisons with `and`"),
        ("x in y", "compare is not allowed"),
        ("abs(x, y)", "1:1: abs takes 1 arguments, by position"),
        ("each(x)", "each takes 3 to 4 arguments"),
        ("abs(x=x)", "abs takes 1 arguments, by position"),
        ("abs(*x)", "starred is not allowed"),
        ("abz(x)", '1:1: only these can be called: .*did you mean "abs"'),
        ("slop < 0", '1:1: unknown name "slop"; did you mean "slope"'),
        ("x == 0 and\\\n  qqq == 0", '2:3: unknown name "qqq"; known here are: a axis b g half'),
        ("{half}", 'the placeholder "half" is bound neither'),
        ("x = 3", "1:1: one expression such as `x == 0` is allowed here"),
        ("x == 0\ny == 0", "2:1: one expression"),
        ("import os", "one expression"),
        ("", "1:1: an expression such as `x == 0` is missing"),
        (" # x", "is missing"),
        ("x ==", "cannot be read"),
        ("x\0", "cannot be read"),
        ("(" * 400 + "x" + ")" * 400, "at most 500 characters"),
        ("(" * 240 + "x" + ")" * 240, "cannot be read|nested too deeply"),
        ("-" * 499 + "x", "nested too deeply; at most 100 levels"),
        ("-(x or " * 60 + "x" + ")" * 60, "nested too deeply"),
        ("x" * (MAX_EXPRESSION + 1), "an expression may have at most 500 characters, not 501"),
    ],
)
def test_what_is_not_listed_is_refused_with_its_place(text: str, message: str) -> None:
    """Attributes, powers, depth, foreign names: all of it when the ledger is read, before any call is looked at."""
    with pytest.raises(ProgramError) as caught:
        read(text, NAMES)
    error = caught.value
    assert re.search(message, f"{error.line}:{error.column}: {error.message}")


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("x == y", {"y": np.ones(4)}, "shape mismatch"),
        ("weights == 1", {}, "the call has no weights"),
        ("weights == 'a'", {}, "the call has no weights"),
        ("x == 'a'", {}, "x is no word"),
        ("rounded(x, reduction)", {}, "'mean' is no dtype"),
        ("reduction == 1", {}, "'mean' is no number"),
        ("ties(x, axis)", {"axis": 7}, "axis 7 is out of bounds"),
        ("spread(g, y, axis, keepdims)", {"g": np.ones(5), "axis": 0}, "more dimensions than allowed"),
        ("reduced(x, axis) * total(x, reduction)", {}, "'str'|mean"),
        ("folded(y, x)", {}, "reshape"),
        ("matmul(x, x)", {}, "mismatch"),
        ("transposed(y)", {}, "axis"),
        ("x * y == 0", {"x": np.ones((20_000, 1)), "y": np.ones(20_000)}, "too large"),
        ("matmul(x, y)", {"x": np.ones((20_000, 1)), "y": np.ones((1, 20_000))}, "too large"),
        ("x == 0 and y == 0", {"x": np.ones((20_000, 1)), "y": np.ones(20_000)}, "too large"),
    ],
)
def test_what_cannot_be_asked_of_a_call_is_said(text: str, changes: dict[str, Any], message: str) -> None:
    """An entry doesn't bring a run down, and fills no memory."""
    with pytest.raises(UnansweredError, match=message):
        value(text, **changes)


def test_a_condition_of_the_whole_call_is_one_truth_value() -> None:
    """Elements are asked by `at`."""
    assert read("slope < 0", NAMES).holds(NAMES)
    assert read("reduction == 'mean' and slope < 0", NAMES).holds(NAMES)
    assert not read("reduction == 'sum'", NAMES).holds(NAMES)


def test_a_square_may_leave_the_range_of_the_cells_dtype() -> None:
    for dtype, squared in (("float32", 0.0), ("float64", 1e-60)):
        given = {**NAMES, "half": 1e-30, "dtype": dtype}
        assert read("rounded(half * half, dtype)", given).value(given) == pytest.approx(
            squared, rel=1e-15, abs=0
        )


def test_a_condition_of_elements_is_none_of_the_call() -> None:
    with pytest.raises(UnansweredError, match="for each of 6 elements; `at` asks that"):
        read("x < 0", NAMES).holds(NAMES)


def test_every_function_takes_what_is_no_tensor_without_harm() -> None:
    """Whatever a hostile ledger hands to them: an answer or a reason."""
    for name, (_, least, most) in FUNCTIONS.items():
        for argument in ("half", "reduction", "weights", "x", "labels", "z"):
            for count in range(least, most + 1):
                with suppress(UnansweredError):
                    value(f"{name}({', '.join([argument] * count)})")
