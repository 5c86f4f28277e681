"""Infinities, zeros and the ends of a dtype's range: in rows, in perturbed runs, and in what is told of them."""

import numpy as np
import pytest
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.reference import backprop, parse
from gradient_conformance.reference.backprop import forward
from gradient_conformance.reference.formats import FORMATS
from gradient_conformance.reference.recording import Tape, floor
from gradient_conformance.reference.rounding import Rounding, U, expected
from gradient_conformance.reference.runs import raw

NEVER = np.array([False, True])
UNTAKEN = {
    "log(x)": [0.0, 2.0],
    "sqrt(x)": [0.0, 2.0],
    "sqrt(x) ": [-1.0, 2.0],
    "1 / x": [0.0, 2.0],
    "x / 0": [0.0, 2.0],
    "x * inf": [0.0, 2.0],
    "exp(x)": [np.inf, 2.0],
    "sin(x)": [np.inf, 2.0],
    "cos(x)": [np.inf, 2.0],
    "square(x)": [np.inf, 2.0],
    "softplus(x)": [np.nan, 2.0],
    "sigmoid(x)": [np.nan, 2.0],
    "tanh(x)": [np.nan, 2.0],
    "x ** -1": [0.0, 2.0],
    "2 ** x": [np.inf, 2.0],
}


def certified(text, inputs, role="gradient"):
    """In float64's range the references of the gradients of the float inputs, or of every value."""
    program = parse(text)

    def compute(c):
        env, gradients = backprop(program, inputs, c=c)
        return gradients if role == "gradient" else {n: env[n] for node in program.nodes for n in node.outs}

    return expected(compute, 8, 0, dtype="float64")


@pytest.mark.parametrize("branch", UNTAKEN)
def test_a_branch_that_is_not_taken_contributes_exactly_nothing(branch):
    """Whatever its slope is: the cotangent is 0. Nor does it make anything beside it uncertain."""
    x = np.array(UNTAKEN[branch])
    found = certified(f"y = sum(where(m, {branch.strip()}, 0))", {"x": x, "m": NEVER})["x"]
    assert found.value[0] == 0
    assert found.sigma[0] <= floor("float64")
    if "/ 0" not in branch and "inf" not in branch:
        assert 0 < abs(found.value[1]) < np.inf
        assert found.sigma[1] < 50 * U * abs(found.value[1])


@pytest.mark.parametrize("layer", ["x @ W", "linear(x, V)"])
def test_a_column_that_is_not_taken_contributes_nothing_to_a_product(layer):
    W = np.array([[np.inf, 1.0], [2.0, 3.0]])
    inputs = {"x": np.array([[1.0, -1.0], [2.0, 1.0]]), "m": NEVER}
    inputs |= {"W": W} if "W" in layer else {"V": W.T.copy()}
    found = certified(f"y = sum(where(m, {layer}, 0))", inputs)
    assert found["x"].value.tolist() == [[1, 3], [1, 3]]
    assert np.isfinite(found["x"].sigma).all()


LIMITS = [
    ("c = sum(x ** 0)", {"x": [0.0, 2.0]}, {"x": [0, 0]}),
    ("c = sum(square(norm(x)))", {"x": [0.0, 0.0]}, {"x": [0, 0]}),
    ("c = sum(a ** b)", {"a": [0.0, 1.0], "b": [0.5, 3.0]}, {"a": [np.inf, 3], "b": [0, 0]}),
    ("c = bce(p, t)", {"p": [1.0, 0.0], "t": [1.0, 0.0]}, {"p": [-0.5, 0.5]}),
    ("c = logsumexp(x)", {"x": [0.0, -np.inf, 0.0]}, {"x": [0.5, 0, 0.5]}),
    ("c = sum(log_softmax(x)[0:1])", {"x": [0.0, -np.inf]}, {"x": [0, 0]}),
    ("c = sum(cross_entropy(x, t))", {"x": [0.0, -np.inf, 0.0], "t": [1.0, 0.0, 0.0]}, {"x": [-0.5, 0, 0.5]}),
]


@pytest.mark.parametrize(("text", "inputs", "right"), LIMITS, ids=[text for text, *_ in LIMITS])
def test_the_derivative_is_the_limit_where_there_is_one(text, inputs, right):
    found = certified(text, {name: np.array(a) for name, a in inputs.items()})
    for name, slope in right.items():
        assert found[name].value.tolist() == slope
        assert np.isfinite(found[name].sigma).all()


@pytest.mark.parametrize(
    "text", ["c = sum(softmax(x) * w)", "c = cross_entropy(x, t)", "c = log_softmax(x)[1]"]
)
def test_a_softmax_of_infinity_has_a_limit_that_nobody_is_held_to(text):
    """Whoever subtracts the maximum subtracts infinities. A mask of -inf is another thing: its gradient is 0."""
    inputs = {"w": np.array([1.0, 2.0]), "t": np.array([0.0, 1.0])}
    inputs = {name: a for name, a in inputs.items() if name in text}
    found = certified(text, {"x": np.array([0.0, np.inf]), **inputs})["x"]
    assert found.value.tolist() == [0, 0]
    assert np.isinf(found.sigma).all()
    masked = certified(text, {"x": np.array([-np.inf, 1.0]), **inputs})["x"]
    assert masked.value.tolist() == [0, 0]
    assert np.isfinite(masked.sigma).all()


def test_values_are_limits_too():
    program = parse("p = softmax(x)\nq = log_softmax(x)\nl = logsumexp(x)")
    with np.errstate(all="ignore"):
        env, _ = backprop(program, {"x": np.array([1.0, np.inf])}, [], {"l": np.ones(())})
        low, _ = backprop(program, {"x": np.array([-np.inf, -np.inf])}, [], {"l": np.ones(())})
    assert [env[name].tolist() for name in "pql"] == [[0, 1], [-np.inf, 0], np.inf]
    assert np.isnan(low["p"]).all()  # from no side the same
    assert low["l"] == -np.inf


@pytest.mark.parametrize("text", ["c = log_softmax(x)[0]", "c = cross_entropy(x, t)"])
def test_what_infinities_are_subtracted_for_has_a_value_that_nobody_is_held_to(text):
    """The loss is infinite; torch has NaN. Beside a mask of -inf the same loss is judged."""
    target = {"t": np.array([1.0, 0.0])} if "t)" in text else {}
    found = certified(text, {"x": np.array([0.0, np.inf]), **target}, "value")["c"]
    assert np.isinf(found.value).any()
    assert np.isinf(found.sigma).all()
    masked = certified(text, {"x": np.array([-np.inf, 1.0]), **target}, "value")["c"]
    assert np.isinf(masked.value).any()
    assert np.isfinite(masked.sigma).all()


@pytest.mark.parametrize(("base", "exponent"), [(0.0, 0.0), (-1.0, 2.0)])
def test_where_no_derivative_exists_nothing_is_judged(base, exponent):
    found = certified("c = sum(a ** b)", {"a": np.array([base, 2.0]), "b": np.array([exponent, 3.0])})["b"]
    assert np.isinf(found.sigma).tolist() == [True, False]
    assert np.isfinite(found.value).all()


def test_exact_zeros_and_infinities_err_by_nothing():
    c = Rounding(3, Tape(), range(5))
    data = np.array([0.0, -0.0, np.inf, -np.inf])
    with np.errstate(invalid="ignore"):
        both = c.r(data), c.absolute(data, np.abs(data))
    for found in both:
        np.testing.assert_array_equal(raw(found), np.repeat(data[:, None], 5, axis=1))
    assert np.all(raw(c.fn("exp", np.array([-np.inf]))) == 0)


def test_a_perturbed_run_has_the_range_of_its_dtype():
    tape = Tape()
    tape.saw(np.array([1e300, 1e-300]))
    narrow, wide = (Rounding(3, tape, range(5), dtype) for dtype in ("float32", "float64"))
    numbers = np.array([1e39, -1e39, 1e-46, 1.0])
    assert np.isin(raw(narrow.r(numbers))[:3], [np.inf, -np.inf, 0]).all()
    np.testing.assert_allclose(raw(wide.r(numbers)), np.repeat(numbers[:, None], 5, axis=1), rtol=U)


def test_squares_of_extreme_numbers_neither_over_nor_underflow():
    """The errors of contractions come from squares."""
    for size in (1e200, 1e-200):
        x = size * np.linspace(1, 2, 6).reshape(2, 3)
        for text in ("y = sum(x)", "y = sum(x @ w)"):
            found = certified(text, {"x": x, "w": np.linspace(0.1, 1, 3)}, "value")["y"]
            assert 0.1 * U < found.sigma / abs(found.value) < 10 * U


def test_small_numbers_beside_large_ones_keep_their_tolerance():
    found = certified("y = x * 3\nz = sum(y)", {"x": np.array([1e200, 1e-200])}, "value")["y"]
    assert np.all(found.sigma < U * found.value)
    assert np.all(found.sigma > 0.5 * U * found.value)


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_exp_of_what_is_left_by_a_rounded_logsumexp_stays_within(dtype):
    """As torch has it."""
    x = np.random.default_rng(0).uniform(1000, 1010, 2_000).astype(np.float32).astype(np.float64)
    found = certified("y = logsumexp(x)", {"x": x})["x"]
    narrow = x.astype(dtype)
    out = np.max(narrow) + np.log(np.sum(np.exp(narrow - np.max(narrow)), dtype=dtype))
    assert np.max(np.abs(np.exp(narrow - out) - found.value) / found.tolerance(dtype)) < 1


def test_where_numbers_leave_the_range_is_told_in_the_order_of_the_walk(case):
    text = """title = "t"
source = "s"
program = '''
y = exp(x)
z = log(y)
s = sum(z * w)
'''

[tensors]
x = {{ values = [{0}, 1.0] }}
w = {{ values = [1.0, 2.0] }}
"""
    beyond = VariantReference(case(text=text.format("89")).variants[0])
    assert (
        str(beyond.out_of_range("float32"))
        == "out of range: exp(x), line 4, is 4.49e+38 at [0], beyond float32"
    )
    assert beyond.out_of_range("float64") is None
    small = VariantReference(case(text=text.format("88")).variants[0])
    assert str(small.out_of_range("float32")) == (
        "out of range: gradient of y, through log(y), line 5, is 6.05e-39 at [0], below the normal numbers of float32"
    )
    assert small.out_of_range("float32", small=False) is None
    assert VariantReference(case(text=text.format("8")).variants[0]).out_of_range("float32") is None


@pytest.mark.parametrize("text", ["y = linear(x, W)", "y = sum(x, axis=1)"])
def test_a_row_of_very_small_numbers_errs_by_its_own_size(text):
    """Beside others: as the cotangents of saturated units do."""
    x, W = np.full((2, 9), 1.5), np.ones((4, 9))
    x[1] = np.linspace(1, 2, 9) * 1e-250
    given = {"x": x, "W": W} if "W" in text else {"x": x}
    found = expected(lambda c: {"y": forward(parse(text), given, c)["y"]}, 8, 0, dtype="float64")["y"]
    assert np.all(found.sigma[1] > U * np.abs(found.value[1]))
