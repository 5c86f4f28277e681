"""Numbers of a program: functions of numbers and sizes alone are numbers, known when the program is read."""

import math

import mpmath
import pytest
from gradient_conformance.reference import parse
from gradient_conformance.reference.program import ProgramError

FUNCTIONS = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "square": lambda x: x * x,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tanh": mpmath.tanh,
    "abs": abs,
    "neg": lambda x: -x,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}


def number(text, **sizes):
    """The number that stands beside x once the program is read."""
    [node] = parse(f"y = x * ({text})", sizes).nodes
    assert node.op == "mul"
    return node.args[1]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("x", [8.0, 0.2, 0.1, 1e-9, 300.5, 64.0])
def test_a_function_of_a_number_is_the_nearest_float64(name, x):
    with mpmath.workdps(60):
        assert number(f"{name}({x!r})") == float(FUNCTIONS[name](mpmath.mpf(x)))


def test_operators_and_functions_nest_and_sizes_are_numbers():
    assert number("1 / sqrt(d)", d=48) == 1 / math.sqrt(48)
    assert number("2 * pi * sqrt(d + 1) - log(0.2)", d=3) == 2 * math.pi * 2.0 - math.log(0.2)
    assert number("maximum(d, 3) + pow(2, d)", d=5) == 37.0
    assert number("sqrt({s})", s=9) == 3.0


def test_an_attribute_may_be_such_a_number():
    [node] = parse("y = leaky_relu(x, slope=1 / sqrt(16))").nodes
    assert node.kw == {"slope": 0.25}


@pytest.mark.parametrize("text", ["log(0)", "sqrt(-8)", "exp(1000)", "pow(-8, 0.5)"])
def test_what_has_no_number_is_told_with_its_place(text):
    with pytest.raises(ProgramError, match=r"column 10: this number cannot be worked out: .* is -?(inf|nan)"):
        number(text)


def test_a_function_of_a_tensor_stays_an_op_call():
    assert [node.op for node in parse("y = sqrt(x) / sqrt(4)").nodes] == ["sqrt", "div"]


def test_only_functions_of_single_numbers_are_numbers():
    [inner, _] = parse("y = x * sum(3)").nodes
    assert inner.op == "sum"
