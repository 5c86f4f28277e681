"""The independent truth is itself held to closed forms, to mpmath's own functions, and to NumPy's doubles."""

from typing import Any

import mpmath
import numpy as np
import pytest
from gradient_conformance.harness.truth.derivatives import contract, numerical_jacobian, tensors
from gradient_conformance.harness.truth.drawing import Sample, all_drawn, draw, of
from gradient_conformance.harness.truth.numbers import MP, MpArray, exact
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.truth.ops.table import define
from gradient_conformance.harness.truth.rows import float_inputs
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(20)
X = RNG.uniform(-2, 2, (2, 3))
P = RNG.uniform(0.1, 0.9, (2, 3))
Z = RNG.uniform(-3, 3, (2, 4, 3))
G = RNG.uniform(-1, 1, (2, 3))
HALF = exact(0.5)[()]


def value(op: str, *inputs: Any, **kw: Any) -> Any:
    return TRUTH[op].forward(*inputs, **kw)


def vjp(op: str, inputs: Any, which: int, g: Any, **kw: Any) -> MpArray:
    return contract(numerical_jacobian(TRUTH[op].forward, inputs, kw, which), tensors(g))


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


# The records


@pytest.mark.parametrize("op", sorted(TRUTH))
def test_a_definition_agrees_with_its_numpy_formula_to_a_double_s_digits(op: str) -> None:
    """Written again in NumPy, each op is the same function up to rounding, wherever any formula is accurate."""
    plain = [sample for sample in TRUTH[op].samples if sample.plain]
    assert plain
    for sample in plain:
        found, wanted = (f(*sample.inputs, **sample.kw) for f in (TRUTH[op].forward, TRUTH[op].numpy))
        for got, double in zip(tensors(found), tensors(wanted), strict=True):
            assert_digits(got, double, digits=14)


@pytest.mark.parametrize("op", sorted(TRUTH))
def test_the_answer_does_not_depend_on_the_caller_s_precision(op: str) -> None:
    """Somebody else's mpmath.mp.dps = 5 loses no digit here."""
    sample = TRUTH[op].samples[0]
    usual = tensors(value(op, *sample.inputs, **sample.kw))
    with mpmath.workdps(5):
        coarse = tensors(value(op, *sample.inputs, **sample.kw))
    assert all(np.array_equal(a, b) for a, b in zip(usual, coarse, strict=True))


def fits(shape: Any, out: Any) -> bool:
    """Whether one shape broadcasts to the other."""
    padded = (1,) * (len(out) - len(shape)) + shape
    return len(padded) == len(out) and all(a in (1, b) for a, b in zip(padded, out, strict=True))


def works_by_element(op: str, sample: Sample) -> bool:
    """Whether each output element depends on the inputs' elements in its own place alone, seen by moving one."""
    inputs = [np.asarray(x) for x in sample.inputs]
    out = value(op, *inputs, **sample.kw)
    if isinstance(out, tuple) or not all(fits(x.shape, out.shape) for x in inputs):
        return False
    for i in float_inputs(sample.inputs):
        moved = inputs[i].copy()
        moved.flat[0] *= 1.5
        changed = value(op, *inputs[:i], moved, *inputs[i + 1 :], **sample.kw) != out
        here = np.broadcast_to(np.arange(moved.size).reshape(moved.shape) == 0, out.shape)
        if np.any(changed & ~here):
            return False
    return True


def test_what_works_element_by_element_is_held_to_each_element() -> None:
    """Nothing that could be held to it is certified by a laxer scale."""
    found = {op for op, truth in TRUTH.items() if all(works_by_element(op, s) for s in truth.samples)}
    assert found == {op for op, truth in TRUTH.items() if truth.relative_to == "element"}


def test_a_sample_moves_no_other_wherever_it_stands() -> None:
    """Its stream is seeded by the name of the op and by its own text."""
    two = [of(draw(3), axis=0), of(draw(2, 3))]
    before, after = all_drawn("f", two), all_drawn("f", [of(draw(3)), two[1], of(draw()), two[0]])
    for sample, number in zip(before, (3, 1), strict=True):
        assert np.array_equal(sample.inputs[0], after[number].inputs[0])
    texts = {s.inputs[0].tobytes() for s in (*after, *all_drawn("g", two))}
    assert len(texts) == len(after) + len(two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "exp"}, "exp is defined twice"),
        ({"samples": []}, "novel has no samples: nothing of it would be certified"),
        ({"samples": [of(draw(3))] * 2}, r"novel has the sample draw\(\(3,\), -2, 2\) twice"),
        ({"relative_to": "tensor"}, "novel is relative to 'tensor', but must be to one of"),
        ({"analytic": False}, "novel isn't analytic: where does it turn"),
        ({"numpy": lambda x, *, a=2: x}, "novel has the defaults {'a': 1}, its NumPy formula has {'a': 2}"),
    ],
)
def test_a_record_that_says_too_little_is_refused(change: Any, message: str) -> None:
    """What is forgotten is an error here, and never a laxer certificate."""
    facts = {"numpy": lambda x, *, a=1: x, "samples": [of(draw(3))], "relative_to": "element"}
    name = change.pop("name", "novel")
    with pytest.raises(ValueError, match=message):
        define(name, lambda x, *, a=1: x, **{**facts, **change})
    with pytest.raises(TypeError, match="relative_to"):
        define("novel", lambda x: x, numpy=lambda x: x, samples=[of(draw(3))])


# Digits that doubles don't have


def test_sigmoid_and_softplus_are_the_printed_constants() -> None:
    """Sigmoid(log 2) = 2/3, softplus(0) = log 2, tanh(log 2) = 3/5, to 48 digits."""
    log2 = MP.log(2)
    assert_digits(value("sigmoid", log2), MP.mpf(2) / 3, 48)
    assert_digits(value("softplus", 0), log2, 48)
    assert_digits(value("tanh", log2), MP.mpf(3) / 5, 48)
    assert_digits(value("logsumexp", exact([0, 0, 0, 0])), 2 * log2, 48)
    assert_digits(value("norm", exact([3, 4])), 5, 48)


def test_bce_with_logits_is_bce_of_the_sigmoid() -> None:
    """The identity behind the fused loss, to 45 digits."""
    probabilities = value("sigmoid", X)
    assert_digits(value("bce_with_logits", X, P), value("bce", probabilities, P), 45)


def test_labels_are_one_hot_distributions() -> None:
    """The two forms of cross_entropy's target agree, whichever axis holds the classes."""
    for axis in range(3):
        classes = Z.shape[axis]
        labels = RNG.integers(0, classes, np.delete(Z.shape, axis))
        one_hot = np.moveaxis(np.eye(classes)[labels], -1, axis)
        got = value("cross_entropy", Z, labels, axis=axis, reduction="none")
        assert got.shape == labels.shape
        assert_digits(got, value("cross_entropy", Z, one_hot, axis=axis, reduction="none"), 48)


def test_log_softmax_keeps_its_digits_beside_a_dominant_logit() -> None:
    """The log of softmax([0, -600]) is [-log(1 + e^-600), -600 - log(1 + e^-600)], not [0, -600]."""
    small = MP.exp(-600)
    first, second = value("log_softmax", np.array([0.0, -600.0]))
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
        got = vjp(op, (np.array(v),), 0, np.array(0.75))
        assert_digits(got, each(lambda t: derivative(t) * MP.mpf(0.75), v))
    g = RNG.uniform(-1, 1, x.shape)
    assert_digits(vjp(op, (x,), 0, g), each(lambda t, c: derivative(t) * c, x, g))


def test_a_broadcast_operand_collects_from_all_the_places_it_went() -> None:
    """Of x * y with x (2, 1), y (3,): sum(g * y) along the rows, sum(g * x) down the columns."""
    x, y, g = exact(X[:, :1]), exact(P[0]), exact(G)
    assert_digits(vjp("mul", (X[:, :1], P[0]), 0, G), (g * y).sum(1, keepdims=True))
    assert_digits(vjp("mul", (X[:, :1], P[0]), 1, G), (g * x).sum(0))
    assert_digits(vjp("div", (2.0, P), 1, G), -2 * g / exact(P) ** 2)
    assert_digits(vjp("pow", (2.0, X), 1, G), g * each(lambda v: MP.log(2) * 2**v, X))


def test_the_gradients_of_a_product_of_matrices_are_products_with_transposes() -> None:
    """With a cotangent that isn't ones, which would hide a transposition."""
    a, b, g = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4))
    assert_digits(vjp("matmul", (a, b), 0, g), exact(g) @ exact(b).T)
    assert_digits(vjp("matmul", (a, b), 1, g), exact(a).T @ exact(g))
    assert_digits(vjp("linear", (a, b.T, b[0]), 1, g), exact(g).T @ exact(a))
    assert_digits(vjp("linear", (a, b.T, b[0]), 2, g), exact(g).sum(0))


def test_the_gradient_of_cross_entropy_is_softmax_less_the_target() -> None:
    """By the mean over positions, and for logits 600 apart as for moderate ones."""
    for scale in (1, 100):
        z, target = scale * Z, np.array([[0, 3, 1], [2, 2, 0]])
        one_hot = np.moveaxis(np.eye(4)[target], -1, 1)
        wanted = (value("softmax", z, axis=1) - exact(one_hot)) * HALF / 6
        assert_digits(vjp("cross_entropy", (z, target), 0, np.array(0.5), axis=1), wanted)


def test_each_part_of_a_split_has_its_cotangent() -> None:
    """A tuple of cotangents for several outputs: joined again, they are the gradient."""
    got = vjp("split", (X,), 0, tuple(np.split(G, 3, axis=1)), parts=3)
    assert_digits(got, G)


def test_the_jacobian_lists_the_input_s_axes_first() -> None:
    """The softmax's: s_i (delta_ij - s_j)."""
    s = value("softmax", X[0])
    (jacobian,) = numerical_jacobian(TRUTH["softmax"].forward, (X[0],), {}, 0)
    assert_digits(jacobian, np.diag(s) - np.outer(s, s))


@given(st.floats(-300, 300), st.floats(0.1, 1))
def test_the_norm_s_gradient_is_a_unit_vector_at_every_magnitude(exponent: float, ratio: float) -> None:
    """Of (r, 1) 10^e; one far smaller element (or a zero) beside it costs no digit."""
    x = np.array([ratio, 1.0, 0.0]) * 10.0**exponent
    gradient = vjp("norm", (x,), 0, np.array(1.0))
    length = value("norm", x)[()]
    assert_digits(gradient, exact(x) / length)


@given(st.floats(1e-300, 1e-10))
def test_a_tiny_argument_of_a_moderate_function_loses_no_digit(x: float) -> None:
    """The step is far below the last digit of sigmoid(x) = 1/2 + x/4 in 80 digits: the precision follows."""
    wanted = 1 / (4 * MP.cosh(MP.mpf(x) / 2) ** 2)
    assert_digits(vjp("sigmoid", (np.array(x),), 0, np.array(1.0)), wanted)


def test_bfloat16_float32_and_mpf_are_taken_as_they_are() -> None:
    """No digit is invented, and none lost: float32's 0.1 stays float32's 0.1."""
    assert exact(np.float32([0.1]))[0] == MP.mpf(float(np.float32(0.1)))
    assert exact(0.1).shape == ()
    assert exact(exact(X)).shape == X.shape
    assert exact(MP.pi)[()] == MP.mpf(MP.pi)
