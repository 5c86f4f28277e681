"""The independent truth is itself held to closed forms, to mpmath's own functions, and to NumPy's doubles."""

import math
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
from gradient_conformance.harness.truth.derivatives import (
    evaluate_program,
    numerical_jacobian,
    numerical_vjp,
    program_gradients,
)
from gradient_conformance.harness.truth.numbers import DEFINITIONS, MP, MpArray, attributes, exact
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(20)
X = RNG.uniform(-2, 2, (2, 3))
P = RNG.uniform(0.1, 0.9, (2, 3))
Z = RNG.uniform(-3, 3, (2, 4, 3))
G = RNG.uniform(-1, 1, (2, 3))
HALF = exact(0.5)[()]


def assert_digits(got: MpArray, wanted: Any, digits: int = 35) -> None:
    """Same shape, and every element within 10^-digits of the tensor's scale."""
    wanted = exact(wanted)
    assert got.shape == wanted.shape
    scale = max((abs(w) for w in wanted.flat), default=MP.one) or MP.one
    errors = [abs(a - b) / scale for a, b in zip(got.flat, wanted.flat, strict=True)]
    assert all(error <= MP.mpf(10) ** -digits for error in errors), (got, wanted)


def each(function: Any, *arrays: Any) -> MpArray:
    """A closed form, element by element."""
    return np.asarray(np.frompyfunc(function, len(arrays), 1)(*map(exact, arrays)), dtype=object)


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def numpy_softmax(z: Any, axis: int) -> Any:
    e = np.exp(z - z.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


IN_DOUBLES = [
    ("add", (X, 2.5), {}, X + 2.5),
    ("sub", (2.5, X), {}, 2.5 - X),
    ("mul", (X, X[0]), {}, X * X[0]),
    ("div", (X[:, :1], P), {}, X[:, :1] / P),
    ("pow", (X, 3), {}, X**3),
    ("pow", (P, X), {}, P**X),
    ("neg", (X,), {}, -X),
    ("exp", (X,), {}, np.exp(X)),
    ("log", (P,), {}, np.log(P)),
    ("sqrt", (P,), {}, np.sqrt(P)),
    ("square", (X,), {}, np.square(X)),
    ("abs", (X,), {}, np.abs(X)),
    ("sin", (X,), {}, np.sin(X)),
    ("cos", (X,), {}, np.cos(X)),
    ("sigmoid", (X,), {}, np.exp(-softplus(-X))),
    ("tanh", (X,), {}, np.tanh(X)),
    ("relu", (X,), {}, np.maximum(X, 0)),
    ("softplus", (X,), {}, softplus(X)),
    ("leaky_relu", (X,), {}, np.maximum(X, 0.01 * X)),
    ("leaky_relu", (X,), {"slope": 0.25}, np.maximum(X, 0.25 * X)),
    ("maximum", (X, P), {}, np.maximum(X, P)),
    ("where", (X > P, X, 1.5), {}, np.where(X > P, X, 1.5)),
    ("matmul", (X[0], X[1]), {}, X[0] @ X[1]),
    ("matmul", (X, X.T), {}, X @ X.T),
    ("matmul", (X, Z[:, :3]), {}, X @ Z[:, :3]),
    ("linear", (Z, X), {"weights": "out_in"}, Z @ X.T),
    ("linear", (Z, X.T, X[:, 0]), {"weights": "in_out"}, Z @ X.T + X[:, 0]),
    ("transpose", (Z,), {}, Z.T),
    ("transpose", (Z,), {"axes": [1, 0, 2]}, Z.transpose(1, 0, 2)),
    ("reshape", (Z,), {"shape": [6, 4]}, Z.reshape(6, 4)),
    ("index", (Z,), {"index": [1, 2, 0]}, Z[1, 2, 0]),
    ("index", (Z,), {"index": ["...", None, [None, None, -2]]}, Z[..., None, ::-2]),
    ("concat", (X, P, X), {}, np.concatenate([X, P, X])),
    ("sum", (Z,), {"axis": [0, -1], "keepdims": True}, Z.sum((0, -1), keepdims=True)),
    ("sum", (Z,), {}, Z.sum()),
    ("mean", (Z,), {"axis": [0, 2]}, Z.mean((0, 2))),
    ("mean", (Z,), {}, Z.mean()),
    ("max", (Z,), {"axis": [0, 2]}, Z.max((0, 2))),
    ("max", (Z,), {"keepdims": True}, Z.max(keepdims=True)),
    ("norm", (Z,), {"axis": 1}, np.linalg.norm(Z, axis=1)),
    ("norm", (Z,), {}, np.linalg.norm(Z)),
    ("sum_squares", (Z,), {}, (Z * Z).sum()),
    ("logsumexp", (Z,), {}, np.logaddexp.reduce(Z, axis=-1)),
    ("logsumexp", (Z,), {"axis": None, "keepdims": True}, np.logaddexp.reduce(Z, axis=None, keepdims=True)),
    ("softmax", (Z,), {"axis": 1}, numpy_softmax(Z, 1)),
    ("log_softmax", (Z,), {"axis": 1}, np.log(numpy_softmax(Z, 1))),
    ("mse", (X, P), {}, ((X - P) ** 2).mean()),
    ("mse", (X, P), {"reduction": "sum"}, ((X - P) ** 2).sum()),
    ("mse", (X, P), {"reduction": "none"}, (X - P) ** 2),
    ("bce", (P, P[::-1]), {"reduction": "sum"}, -(P[::-1] * np.log(P) + (1 - P[::-1]) * np.log(1 - P)).sum()),
    ("bce_with_logits", (X, P), {"reduction": "none"}, softplus(X) - P * X),
    (
        "cross_entropy",
        (Z, np.array([[0, 3, 1], [2, 2, 0]])),
        {"axis": 1},
        -np.log(numpy_softmax(Z, 1)[[[0], [1]], [[0, 3, 1], [2, 2, 0]], [[0, 1, 2]]]).mean(),
    ),
    (
        "cross_entropy",
        (Z, numpy_softmax(-Z, -1)),
        {"reduction": "none"},
        -(numpy_softmax(-Z, -1) * np.log(numpy_softmax(Z, -1))).sum(-1),
    ),
]


@pytest.mark.parametrize(("op", "inputs", "kw", "wanted"), IN_DOUBLES)
def test_a_definition_agrees_with_numpy_to_a_double_s_digits(
    op: str, inputs: Any, kw: Any, wanted: Any
) -> None:
    """Written again in NumPy, each op is the same function up to rounding."""
    assert_digits(DEFINITIONS[op](*inputs, **kw), wanted, digits=14)


def test_split_gives_equal_parts_along_its_axis() -> None:
    """By default two parts of the last axis."""
    for got, wanted in zip(DEFINITIONS["split"](Z[:, :, :2]), np.split(Z[:, :, :2], 2, -1), strict=True):
        assert_digits(got, wanted)
    assert [part.shape for part in DEFINITIONS["split"](Z, parts=4, axis=1)] == [(2, 1, 3)] * 4


def test_every_definition_is_compared_with_numpy() -> None:
    """The table above leaves out only split, which has a test of its own."""
    assert {op for op, *_ in IN_DOUBLES} | {"split"} == set(DEFINITIONS)


@pytest.mark.parametrize("op", sorted(DEFINITIONS))
def test_the_answer_does_not_depend_on_the_caller_s_precision(op: str) -> None:
    """Somebody else's mpmath.mp.dps = 5 loses no digit here."""
    _, inputs, kw, _ = next((row for row in IN_DOUBLES if row[0] == op), (op, (X,), {"parts": 3}, None))
    usual = DEFINITIONS[op](*inputs, **kw)
    with mpmath.workdps(5):
        coarse = DEFINITIONS[op](*inputs, **kw)
    assert all(np.array_equal(a, b) for a, b in zip(np.atleast_1d(usual), np.atleast_1d(coarse), strict=True))


def test_attributes_have_the_table_s_defaults() -> None:
    """As written in the table of ops; an attribute without a default is not among them."""
    written = {op: attributes(op) for op in DEFINITIONS if attributes(op)}
    assert written == {
        "leaky_relu": {"slope": 0.01},
        "transpose": {"axes": None},
        "concat": {"axis": 0},
        "split": {"parts": 2, "axis": -1},
        **{op: {"axis": None, "keepdims": False} for op in ("sum", "mean", "max", "norm")},
        "softmax": {"axis": -1},
        "log_softmax": {"axis": -1},
        "logsumexp": {"axis": -1, "keepdims": False},
        "linear": {"weights": "out_in"},
        **{op: {"reduction": "mean"} for op in ("mse", "bce", "bce_with_logits")},
        "cross_entropy": {"axis": -1, "reduction": "mean"},
    }


# Digits that doubles don't have


def test_sigmoid_and_softplus_are_the_printed_constants() -> None:
    """Sigmoid(log 2) = 2/3, softplus(0) = log 2, tanh(log 2) = 3/5, to 48 digits."""
    log2 = MP.log(2)
    assert_digits(DEFINITIONS["sigmoid"](log2), MP.mpf(2) / 3, 48)
    assert_digits(DEFINITIONS["softplus"](0), log2, 48)
    assert_digits(DEFINITIONS["tanh"](log2), MP.mpf(3) / 5, 48)
    assert_digits(DEFINITIONS["logsumexp"](exact([0, 0, 0, 0])), 2 * log2, 48)
    assert_digits(DEFINITIONS["norm"](exact([3, 4])), 5, 48)


def test_bce_with_logits_is_bce_of_the_sigmoid() -> None:
    """The identity behind the fused loss, to 45 digits."""
    probabilities = DEFINITIONS["sigmoid"](X)
    assert_digits(DEFINITIONS["bce_with_logits"](X, P), DEFINITIONS["bce"](probabilities, P), 45)


def test_labels_are_one_hot_distributions() -> None:
    """The two forms of cross_entropy's target agree, whichever axis holds the classes."""
    for axis in range(3):
        classes = Z.shape[axis]
        labels = RNG.integers(0, classes, np.delete(Z.shape, axis))
        one_hot = np.moveaxis(np.eye(classes)[labels], -1, axis)
        got = DEFINITIONS["cross_entropy"](Z, labels, axis=axis, reduction="none")
        assert got.shape == labels.shape
        assert_digits(got, DEFINITIONS["cross_entropy"](Z, one_hot, axis=axis, reduction="none"), 48)


def test_log_softmax_keeps_its_digits_beside_a_dominant_logit() -> None:
    """The log of softmax([0, -600]) is [-log(1 + e^-600), -600 - log(1 + e^-600)], not [0, -600]."""
    small = MP.exp(-600)
    first, second = DEFINITIONS["log_softmax"](np.array([0.0, -600.0]))
    assert_digits(exact(first), -small, 48)
    assert_digits(exact(second), -600 - small, 48)


# Derivatives known by hand

DERIVATIVES = [
    ("neg", X, lambda x: -MP.one),
    ("exp", X, MP.exp),
    ("log", P, lambda x: 1 / x),
    ("sqrt", P, lambda x: 1 / (2 * MP.sqrt(x))),
    ("square", X, lambda x: 2 * x),
    ("abs", X, MP.sign),
    ("sin", X, MP.cos),
    ("cos", X, lambda x: -MP.sin(x)),
    ("sigmoid", np.append(X, [40.0, -40.0]), lambda x: MP.mpf(0.25) / MP.cosh(x / 2) ** 2),
    ("tanh", np.append(X, 20.0), lambda x: MP.sech(x) ** 2),
    ("relu", X, lambda x: MP.mpf(x > 0)),
    ("leaky_relu", X, lambda x: MP.mpf(1 if x > 0 else 0.01)),
    ("softplus", np.append(X, [50.0, -50.0]), lambda x: 1 / (1 + MP.exp(-x))),
]


@pytest.mark.parametrize(("op", "x", "derivative"), DERIVATIVES)
def test_a_numerical_derivative_has_35_digits(op: str, x: Any, derivative: Any) -> None:
    """Of each single element, also where it is tiny beside the others."""
    for v in x.flat:
        got = numerical_vjp(op, (np.array(v),), {}, 0, np.array(0.75))
        assert_digits(got, each(lambda t: derivative(t) * MP.mpf(0.75), v))
    g = RNG.uniform(-1, 1, x.shape)
    assert_digits(numerical_vjp(op, (x,), {}, 0, g), each(lambda t, c: derivative(t) * c, x, g))


def test_a_broadcast_operand_collects_from_all_the_places_it_went() -> None:
    """Of x * y with x (2, 1), y (3,): sum(g * y) along the rows, sum(g * x) down the columns."""
    x, y, g = exact(X[:, :1]), exact(P[0]), exact(G)
    assert_digits(numerical_vjp("mul", (X[:, :1], P[0]), {}, 0, G), (g * y).sum(1, keepdims=True))
    assert_digits(numerical_vjp("mul", (X[:, :1], P[0]), {}, 1, G), (g * x).sum(0))
    assert_digits(numerical_vjp("div", (2.0, P), {}, 1, G), -2 * g / exact(P) ** 2)
    assert_digits(numerical_vjp("pow", (2.0, X), {}, 1, G), g * each(lambda v: MP.log(2) * 2**v, X))


def test_the_gradients_of_a_product_of_matrices_are_products_with_transposes() -> None:
    """With a cotangent that isn't ones, which would hide a transposition."""
    a, b, g = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4))
    assert_digits(numerical_vjp("matmul", (a, b), {}, 0, g), exact(g) @ exact(b).T)
    assert_digits(numerical_vjp("matmul", (a, b), {}, 1, g), exact(a).T @ exact(g))
    assert_digits(numerical_vjp("linear", (a, b.T, b[0]), {"weights": "out_in"}, 1, g), exact(g).T @ exact(a))
    assert_digits(numerical_vjp("linear", (a, b.T, b[0]), {"weights": "out_in"}, 2, g), exact(g).sum(0))


def test_the_gradient_of_cross_entropy_is_softmax_less_the_target() -> None:
    """By the mean over positions, and for logits 600 apart as for moderate ones."""
    for scale in (1, 100):
        z, target = scale * Z, np.array([[0, 3, 1], [2, 2, 0]])
        one_hot = np.moveaxis(np.eye(4)[target], -1, 1)
        wanted = (DEFINITIONS["softmax"](z, axis=1) - exact(one_hot)) * HALF / 6
        assert_digits(numerical_vjp("cross_entropy", (z, target), {"axis": 1}, 0, np.array(0.5)), wanted)


def test_each_part_of_a_split_has_its_cotangent() -> None:
    """A tuple of cotangents for several outputs: joined again, they are the gradient."""
    got = numerical_vjp("split", (X,), {"parts": 3}, 0, tuple(np.split(G, 3, axis=1)))
    assert_digits(got, G)


def test_the_jacobian_lists_the_input_s_axes_first() -> None:
    """The softmax's: s_i (delta_ij - s_j)."""
    s = DEFINITIONS["softmax"](X[0])
    (jacobian,) = numerical_jacobian("softmax", (X[0],), {}, 0)
    assert_digits(jacobian, np.diag(s) - np.outer(s, s))


@given(st.floats(-300, 300), st.floats(0.1, 1))
def test_the_norm_s_gradient_is_a_unit_vector_at_every_magnitude(exponent: float, ratio: float) -> None:
    """Of (r, 1) 10^e; one far smaller element (or a zero) beside it costs no digit."""
    x = np.array([ratio, 1.0, 0.0]) * 10.0**exponent
    gradient = numerical_vjp("norm", (x,), {}, 0, np.array(1.0))
    length = DEFINITIONS["norm"](x)[()]
    assert_digits(gradient, exact(x) / length)


@given(st.floats(1e-300, 1e-10))
def test_a_tiny_argument_of_a_moderate_function_loses_no_digit(x: float) -> None:
    """The step is far below the last digit of sigmoid(x) = 1/2 + x/4 in 80 digits: the precision follows."""
    wanted = 1 / (4 * MP.cosh(MP.mpf(x) / 2) ** 2)
    assert_digits(numerical_vjp("sigmoid", (np.array(x),), {}, 0, np.array(1.0)), wanted)


def test_bfloat16_float32_and_mpf_are_taken_as_they_are() -> None:
    """No digit is invented, and none lost: float32's 0.1 stays float32's 0.1."""
    assert exact(np.float32([0.1]))[0] == MP.mpf(float(np.float32(0.1)))
    assert exact(0.1).shape == ()
    assert exact(exact(X)).shape == X.shape
    assert exact(MP.pi)[()] == MP.mpf(MP.pi)


# Whole programs


def node(outs: str, op: str, *args: Any, **kw: Any) -> SimpleNamespace:
    return SimpleNamespace(outs=tuple(outs.split()), op=op, args=args, kw=kw)


PROGRAM = SimpleNamespace(
    nodes=[
        node("y", "matmul", "A", "x"),
        node("u", "sigmoid", "y"),
        node("v w", "split", "u", parts=2, axis=-1),
        node("d", "sub", "v", "w"),
        node("e", "mul", "d", 2.0),
        node("loss", "sum_squares", "e"),
    ]
)
INPUTS = {"A": RNG.normal(size=(2, 3)), "x": RNG.normal(size=3), "labels": np.array([1, 0])}


def test_a_program_s_values_are_all_there_by_name() -> None:
    """Inputs, both outputs of a split, and the last value; labels stay integers."""
    values = evaluate_program(PROGRAM, INPUTS)
    assert set(values) == {"A", "x", "labels", "y", "u", "v", "w", "d", "e", "loss"}
    assert values["labels"].dtype == np.int64
    u = 1 / (1 + np.exp(-INPUTS["A"] @ INPUTS["x"]))
    assert math.isclose(float(values["loss"]), 4 * (u[0] - u[1]) ** 2)


def test_a_program_s_gradients_follow_the_chain_rule() -> None:
    """Of 0.5 * 4 (u_0 - u_1)^2, by hand: with respect to inputs and to the intermediate u."""
    values = evaluate_program(PROGRAM, INPUTS)
    got = program_gradients(PROGRAM, INPUTS, "loss", np.array(0.5), ["A", "x", "u", "loss"])
    u = values["u"]
    du = 4 * (u[0] - u[1]) * exact([1, -1])
    dy = du * u * (1 - u)
    assert_digits(got["u"], du)
    assert_digits(got["A"], np.outer(dy, values["x"]))
    assert_digits(got["x"], values["A"].T @ dy)
    assert_digits(got["loss"], HALF)
