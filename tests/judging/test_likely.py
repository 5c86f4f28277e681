"""The likely cause: each that people make is named, and nothing is named that explains only a part or fits by chance."""

import dataclasses

import numpy as np
import pytest
from gradient_conformance.harness.judging.calls import diagnosis, judge_calls
from gradient_conformance.harness.judging.comparing import NOTHING_WRONG
from gradient_conformance.harness.judging.judge import Update
from gradient_conformance.harness.judging.likely.numbers import SIMPLE, simple
from gradient_conformance.harness.judging.likely.trying import likely
from gradient_conformance.harness.judging.likely.updates import likely_update
from gradient_conformance.reference.optimizers import OPTIMIZERS
from gradient_conformance.reference.rounding import expected
from played import played

NETWORK = "z = x @ W + b\nh = sigmoid(z)\ns = h @ U\nloss = mse(s, t)\n"
SHAPES = {"x": (6, 4), "W": (4, 4), "b": (4,), "U": (4, 3), "t": (6, 3)}
LOSS = "p = sigmoid(z)\nloss = bce(p, t)\n"
ENTROPY = "z = x @ W\nloss = cross_entropy(z, y)\n"
BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(shapes, seed=0, low=-1.0):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(low, 1, shape) for name, shape in shapes.items()}


def trace_of(text, inputs, key, change, dtype="float32", told=None, **more):
    """A played trace in which one result is `change(a, own)`, of its right numbers and of all others'."""
    own = played(text, inputs, dtype=dtype, told=lambda key: True, **more).own

    def fault(a):
        return np.asarray(change(a.astype(np.float64), own))

    return played(text, inputs, {key: fault}, dtype=dtype, told=told, **more)


def said(trace, options=None):
    """What is said of the first place that is wrong."""
    alarms = judge_calls(trace).alarms
    [suspects, *_] = diagnosis(trace, alarms)
    found = likely(trace, suspects, alarms, options or {})
    return found.words if found else ""


def sigma(z):
    return 1 / (1 + np.exp(-z))


def at(name):
    return ("gradient", name)


IN_NETWORK = {
    "n": (at("s"), lambda a, o: 18 * a, "all of it is 18 × what it should be: a division by 18 = s.size is missing"),
    "1/n": (at("s"), lambda a, o: a / 6, "all of it is 1/6 × what it should be: it is divided by 6 = s.shape[0] once too often"),
    "2/n": (at("s"), lambda a, o: 9 * a, "a factor of 2/18, with 18 = s.size, is missing"),
    "sign": (at("h"), lambda a, o: -a, "all of it has the other sign"),
    "2": (at("h"), lambda a, o: 2 * a, "all of it is 2 × what it should be"),
    "1/2": (at("h"), lambda a, o: a / 2, "all of it is 1/2 × what it should be"),
    "2/3": (at("h"), lambda a, o: a * 2 / 3, "all of it is 2/3 × what it should be"),
    "lr": (at("h"), lambda a, o: a * 0.05, "all of it is 1/20 × what it should be"),
    "nothing": (at("b"), lambda a, o: 0 * a, "what add contributes to the gradient of b is missing"),
    "transpose": (at("W"), lambda a, o: a.T, "it is the transpose of what it should be"),
    "at z": (at("z"), lambda a, o: o[at("h")] * o["value", "z"] * (1 - o["value", "z"]), "the derivative of sigmoid is fed its input z where its formula has the output"),
    "at a": (at("z"), lambda a, o: o[at("h")] * sigma(o["value", "h"]) * sigma(-o["value", "h"]), "the derivative of sigmoid is taken at its output, not at its input z"),
    "f for f'": (at("z"), lambda a, o: o[at("h")] * o["value", "h"], "sigmoid stands where its derivative should"),
    "left out": (at("z"), lambda a, o: o[at("h")], "the derivative of sigmoid is left out: the cotangent is passed on as it is"),
    "ones": (at("z"), lambda a, o: o["value", "h"] * (1 - o["value", "h"]), "a cotangent of ones is taken for that of h"),
    "decimals of the cotangent": (at("U"), lambda a, o: o["value", "h"].T @ np.round(o[at("s")], 3), "the cotangent of s is rounded to 3 decimals in it"),
    "decimals": (at("h"), lambda a, o: np.round(a, 4), "it is rounded to 4 decimals"),
    "decimals of a value": (("value", "s"), lambda a, o: np.round(o["value", "h"], 2) @ o["value", "U"], "h is rounded to 2 decimals in it"),
    "after the step": (at("h"), lambda a, o: o[at("s")] @ (o["value", "U"] - 0.1 * o[at("U")]).T, "U is taken in it as it is after a step of 0.1 × its gradient"),
    "last example": (at("U"), lambda a, o: o["value", "h"][:-1].T @ o[at("s")][:-1], "the last row of the cotangent of s is not counted"),
    "last row": (at("b"), lambda a, o: o[at("z")][-1], "a sum is left out: it is the last row of the cotangent alone"),
    "last column": (at("h"), lambda a, o: np.c_[a[:, :-1], 0 * a[:, -1:]], "the last column of it is 0, all else is right"),
    "turned": (at("U"), lambda a, o: a[::-1], "it is turned round along axis 0"),
    "shifted": (at("U"), lambda a, o: np.roll(a, 1, axis=1), "it is shifted by one along axis 1"),
    "penalty": (at("b"), lambda a, o: a + 0.01 * o["value", "b"], "0.01 × b itself is added to it: a penalty on it"),
    "bias twice": (("value", "z"), lambda a, o: a + o["value", "b"], "b is added twice"),
    "no bias": (("value", "z"), lambda a, o: a - o["value", "b"], "b is left out"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("cause", IN_NETWORK)
def test_what_people_do_wrong_in_a_network_is_named(cause, dtype):
    key, change, words = IN_NETWORK[cause]
    inputs = drawn(SHAPES)
    told = {("value", n): a.astype(dtype).astype(np.float64) for n, a in inputs.items()}
    trace = trace_of(NETWORK, inputs, key, lambda a, own: change(a, own | told), dtype)
    assert words in said(trace)


ELSEWHERE = {
    "relu's mask": ("y = relu(x)", {"x": (9, 3)}, at("x"), lambda a, x, g: g * (g > 0), "the derivative of relu is taken at the cotangent"),
    "guided": ("y = relu(x)", {"x": (9, 3)}, at("x"), lambda a, x, g: a * (g > 0), "negative cotangents are not passed through relu either"),
    "tanh at z": ("y = tanh(x)", {"x": (9, 3)}, at("x"), lambda a, x, g: g * (1 - x * x), "the derivative of tanh is fed its input x where"),
    "tanh's square": ("y = tanh(x)", {"x": (9, 3)}, at("x"), lambda a, x, g: g * (1 - np.tanh(x)), "the square is left out of 1 - tanh²"),
    "slope": ("y = leaky_relu(x, slope=0.01)", {"x": (9, 3)}, at("x"), lambda a, x, g: np.where(x > 0, g, 0.3 * g), "its slope is 0.3"),
    "square": ("y = square(x)", {"x": (9, 3)}, at("x"), lambda a, x, g: g * x, "all of it is 1/2 × what it should be"),
    "axis": ("y = softmax(x, axis=-1)", {"x": (9, 3)}, ("value", "y"), lambda a, x, g: np.exp(x) / np.exp(x).sum(axis=0), "softmax is taken along axis 0, not along axis -1"),
    "log": ("y = log(x)", {"x": (9, 3)}, ("value", "y"), lambda a, x, g: np.log(x + 1e-3), "0.001 is added inside the logarithm"),
    "root": ("y = sqrt(x)", {"x": (9, 3)}, ("value", "y"), lambda a, x, g: np.sqrt(x + 1e-5), "1e-05 is added inside the root"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("cause", ELSEWHERE)
def test_what_people_do_wrong_in_one_call_is_named(cause, dtype):
    text, shapes, key, change, words = ELSEWHERE[cause]
    inputs = drawn(shapes, low=0.05 if cause in ("log", "root") else -1)
    x, seed = inputs["x"].astype(dtype).astype(np.float64), drawn(shapes, seed=1)["x"]
    seed = seed.astype(dtype).astype(np.float64)
    trace = trace_of(text, inputs, key, lambda a, own: change(a, x, seed), dtype, seed=seed)
    assert words in said(trace)


@BOTH
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: np.clip(g, -0.5, 0.5), "it is clipped to [-0.5, 0.5]"),
        (lambda g: g / np.linalg.norm(g), "it is clipped to a norm of 1"),
    ],
)
def test_a_gradient_that_is_clipped_is_named_with_its_limit(change, words, dtype):
    shapes = {"x": (9, 3)}
    seed = drawn(shapes, seed=1)["x"].astype(dtype).astype(np.float64)
    trace = trace_of("y = tanh(x)", drawn(shapes), at("x"), lambda a, own: change(a), dtype, seed=seed)
    assert words in said(trace)


def test_gradients_that_are_clipped_to_a_common_norm_are_named():
    inputs = drawn(SHAPES)
    right = played(NETWORK.replace("mse(s, t)", 'mse(s, t, reduction="sum")'), inputs, dtype="float64")
    told = {at(n): right.own[at(n)] for n in ("W", "b", "U")}
    norm = np.sqrt(sum(np.sum(g * g) for g in told.values()))
    assert norm > 1
    clipped = {key: g / norm for key, g in told.items()}
    trace = dataclasses.replace(right, answered=clipped)
    assert "the gradients of all inputs together are clipped to a norm of 1" in said(trace)


@pytest.mark.filterwarnings("error")
def test_a_sum_with_a_number_among_sums_without_one_is_looked_into():
    """What is tried at several places alike may fit one of them alone; nor does what is tried warn anybody."""
    inputs = {"a": np.array([0.0, 1.0, -2.0]), "b": np.array([1.0, 0.5, 3.0])}
    for text in ("y = sum(square(a + 1 + b))", "y = sum(sqrt(a * a) + 1 + b)"):
        told = {("value", "y"), at("a")}.__contains__
        wrong = trace_of(text, inputs, at("a"), lambda a, own: np.array([0.3, 7.0, 1.1]), "float64", told)
        assert said(wrong) == ""


def test_gradients_each_of_which_is_clipped_are_named_together():
    """Whichever of them is small: what is not told, and what no limit reaches, tells nothing of it."""
    right = played(NETWORK.replace("mse(s, t)", 'mse(s, t, reduction="sum")'), drawn(SHAPES), dtype="float64")
    told = {at(n): right.own[at(n)] for n in ("W", "b", "U")}
    assert all(np.any(np.abs(g) > 0.1) for g in told.values())
    trace = dataclasses.replace(right, answered={key: np.clip(g, -0.1, 0.1) for key, g in told.items()})
    assert "each gradient of an input is clipped to [-0.1, 0.1]" in said(trace)


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ("y = sigmoid(x)", lambda x, e: 1 / (1 + e(-x)), "exp(-x) is computed in float32 in it"),
        (
            "y = softmax(x)",
            lambda x, e: (
                e(x - x.max(-1, keepdims=True)) / e(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
            ),
            "exp(x - max) is computed in float32 in it",
        ),
    ],
)
def test_an_exponential_in_float32_within_float64_is_named(text, value, words):
    inputs = drawn({"x": (9, 3)})

    def e(a):
        return np.exp(a.astype(np.float32)).astype(np.float64)

    trace = trace_of(
        text, inputs, ("value", "y"), lambda a, own: value(inputs["x"], e), "float64", seed=np.ones((9, 3))
    )
    assert said(trace) == words


def test_the_sum_over_another_axis_is_named():
    inputs = drawn({"x": (5, 5), "b": (5,)})
    seed = drawn({"g": (5, 5)}, seed=1)["g"].astype(np.float32).astype(np.float64)
    trace = trace_of("y = x + b", inputs, at("b"), lambda a, own: seed.sum(axis=1), seed=seed)
    assert (
        said(trace) == "it is summed over axis 1 of the cotangent, which is another than b is repeated along"
    )


def test_operands_that_are_exchanged_are_named():
    inputs, seed = drawn({"x": (5, 2), "y": (5, 2)}), np.ones((5, 2))
    trace = trace_of("w = x * y", inputs, at("x"), lambda a, own: inputs["x"], seed=seed)
    assert said(trace) == "it is what the other operand's should be"
    trace = trace_of("w = x - y", inputs, ("value", "w"), lambda a, own: inputs["y"] - inputs["x"], seed=seed)
    assert said(trace) == "all of it has the other sign, or its operands are exchanged"


USED_TWICE = "h = tanh(x)\ny = h * h + sigmoid(h)\nloss = sum(square(y))"


def test_a_term_of_a_sum_that_is_missing_is_named():
    inputs = drawn({"x": (5, 3)})
    trace = trace_of(USED_TWICE, inputs, at("h"), lambda a, own: a - own["use", "2.0"], told=lambda key: True)
    assert said(trace) == "a term is missing: what sigmoid gives to y.2"
    trace = trace_of(USED_TWICE, inputs, at("h"), lambda a, own: own["use", "2.0"], told=lambda key: True)
    assert said(trace) == "nothing is added up: it is what sigmoid gives to y.2 alone"


FLOAT32 = {
    "the result": (("value", "s"), lambda a, o: a.astype(np.float32), "it is computed in float32"),
    "the cotangent": (at("U"), lambda a, o: o["value", "h"].T @ o[at("s")].astype(np.float32).astype(np.float64), "the cotangent of s is rounded to float32 in it"),
    "a value": (("value", "s"), lambda a, o: o["value", "h"].astype(np.float32).astype(np.float64) @ o["value", "U"], "h is rounded to float32 in it"),
}  # fmt: skip


@pytest.mark.parametrize("cause", FLOAT32)
def test_float32_in_the_middle_of_float64_is_named(cause):
    key, change, words = FLOAT32[cause]
    inputs = drawn(SHAPES)
    told = {("value", n): a for n, a in inputs.items()}
    assert words in said(trace_of(NETWORK, inputs, key, lambda a, own: change(a, own | told), "float64"))


LOSSES = {
    "eps": (lambda p, t: -(t * np.log(p + 1e-3) + (1 - t) * np.log(1 - p + 1e-3)).mean(), "0.001 is added inside its logarithms"),
    "sum": (lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum(), 'all of it is 30 × what it should be: a division by 30 = p.size is missing, or its reduction is "sum"'),
}  # fmt: skip


@pytest.mark.parametrize("cause", LOSSES)
def test_conventions_of_a_loss_are_named_from_its_one_number(cause):
    inputs = drawn({"z": (10, 3)}) | {"t": np.random.default_rng(1).integers(0, 2, (10, 3)).astype(float)}
    loss, words = LOSSES[cause]
    key = ("value", "loss")
    trace = trace_of(LOSS, inputs, key, lambda a, own: loss(own["value", "p"], inputs["t"]), "float64")
    assert said(trace) == words


def test_the_clipping_of_probabilities_is_named():
    inputs = {"p": np.array([1e-9, 0.3, 0.6, 1e-8, 0.9]), "t": np.array([1.0, 0, 1, 1, 0])}

    def clipped(a, own):
        p = np.clip(inputs["p"].astype(np.float32).astype(np.float64), 1e-7, 1 - 1e-7)
        return ((1 - inputs["t"]) / (1 - p) - inputs["t"] / p) / 5

    trace = trace_of("loss = bce(p, t)", inputs, at("p"), clipped)
    assert said(trace) == "probabilities are clipped to [1e-07, 1 - 1e-07]"


TARGETS = {
    "labels": (lambda hot: np.roll(hot, 1, axis=1), "its labels are taken by +1 off"),
    "smoothing": (lambda hot: 0.9 * hot + 0.1 / 4, "its label_smoothing is 0.1"),
}


@pytest.mark.parametrize("cause", TARGETS)
def test_other_targets_of_a_cross_entropy_are_named(cause):
    change, words = TARGETS[cause]
    y = np.array([0, 3, 1, 2, 1])
    inputs = drawn({"x": (5, 3), "W": (3, 4)}) | {"y": y}

    def other(a, own):
        p = np.exp(own["value", "z"])
        return (p / p.sum(axis=1, keepdims=True) - change(np.eye(4)[y])) / 5

    assert said(trace_of(ENTROPY, inputs, at("z"), other)) == words


def test_a_cause_is_found_between_names_that_were_told():
    """Neither z nor its gradient is told: the gradients of W, b and x are wrong alike."""
    keys = [("value", "h"), at("h"), at("W"), at("b"), at("x"), at("U"), at("s")]
    trace = trace_of(NETWORK, drawn(SHAPES), *IN_NETWORK["at z"][:2], told=lambda key: key in keys)
    assert said(trace) == IN_NETWORK["at z"][2]


def test_a_rounding_between_names_is_not_said_of_what_was_told():
    keys = [("value", "h"), at("h"), at("W"), at("b"), at("x"), at("U"), at("s")]
    trace = trace_of(
        NETWORK, drawn(SHAPES), at("z"), lambda a, own: np.round(a, 3), told=lambda key: key in keys
    )
    assert said(trace) == "what sigmoid passes on is rounded to 3 decimals"


def test_the_same_mistake_in_each_call_of_an_op_is_one_cause():
    text = "h = tanh(x @ W)\ny = tanh(h @ U)\nloss = mse(y, t)\n"
    inputs = drawn({"x": (6, 4), "W": (4, 5), "U": (5, 3), "t": (6, 3)})
    own = {n: a.astype(np.float32).astype(np.float64) for n, a in inputs.items()}
    h = np.tanh(own["x"] @ own["W"])
    y = np.tanh(h @ own["U"])
    d = 2 * (y - own["t"]) / y.size * y
    faults = {at("U"): lambda _: h.T @ d, at("W"): lambda _: own["x"].T @ ((d @ own["U"].T) * h)}
    right = played(text, inputs, faults, told=lambda key: key in (at("U"), at("W"), ("value", "loss")))
    alarms = judge_calls(right).alarms
    [suspects, *_] = diagnosis(right, alarms)
    found = likely(right, suspects, alarms, {})
    assert found.words == "tanh stands where its derivative should"
    assert len(found.places) == 2


# What is not said


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_random_numbers_have_no_cause(dtype, seed):
    rng = np.random.default_rng(seed)
    for key in (at("s"), at("z"), at("W"), at("b"), ("value", "s"), ("value", "loss")):
        assert (
            said(trace_of(NETWORK, drawn(SHAPES), key, lambda a, own: rng.normal(size=a.shape), dtype)) == ""
        )
        assert (
            said(trace_of(NETWORK, drawn(SHAPES), key, lambda a, own: a * rng.normal(size=a.shape), dtype))
            == ""
        )


@BOTH
def test_a_cause_that_explains_a_part_is_not_said(dtype):
    def first(a):
        return np.arange(a.size).reshape(a.shape) < a.size - 1

    for _, (key, change, words) in sorted(IN_NETWORK.items()):
        inputs = drawn(SHAPES)
        told = {("value", n): a.astype(dtype).astype(np.float64) for n, a in inputs.items()}

        def partly(a, own, change=change, told=told):
            return np.where(first(a), change(a, own | told), a * 1.2345)

        assert words not in said(trace_of(NETWORK, inputs, key, partly, dtype))


@BOTH
@pytest.mark.parametrize("ratio", [1.37, np.pi, 0.123, 1.0101, 7.77])
def test_a_ratio_without_a_name_is_not_told(ratio, dtype):
    assert said(trace_of(NETWORK, drawn(SHAPES), at("h"), lambda a, own: ratio * a, dtype)) == ""


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_no_number_has_no_cause(odd):
    assert said(trace_of(NETWORK, drawn(SHAPES), at("h"), lambda a, own: np.where(a > 0, odd, 2 * a))) == ""


def test_zeros_in_the_place_of_an_upstream_rounding_are_no_rounding():
    """All that is below half a unit of the last decimal would be explained by any coarse rounding."""
    trace = trace_of(NETWORK, drawn(SHAPES), at("h"), lambda a, own: 0 * a)
    assert said(trace) == "what matmul contributes to the gradient of h is missing"


def test_simple_numbers_are_few_and_told_as_themselves():
    assert len(SIMPLE) < 500
    for f in SIMPLE:
        top, _, bottom = simple(f).partition("/")
        assert np.isclose(float(top) / float(bottom or 1), f, rtol=1e-15)
    for f in (1.37, np.pi, 0.123, 1.0101, 13 / 7, 17.0):
        assert f not in SIMPLE


# Steps of an optimizer


def stepped(change, parameters=None, gradients=None, dtype="float32", options=None, optimizer=None, **more):
    """What is said of a step that gives `change(before, gradient, right)`."""
    options = options or {"lr": 0.125}
    optimizer = optimizer or OPTIMIZERS["sgd"]
    shape = (4, 3)
    rows = parameters or [drawn({"p": shape}, seed=i)["p"] for i in range(2)]
    grads = gradients or [drawn({"g": shape}, seed=5 + i)["g"] for i in range(2)]
    rows, grads = ([a.astype(dtype).astype(np.float64) for a in arrays] for arrays in (rows, grads))
    due = expected(lambda c: {"p": optimizer.moved(c, rows, grads, **options)}, 12, 1, dtype=dtype)["p"]
    got = np.asarray(change(rows, grads, due.value)).astype(dtype).astype(np.float64)
    compared = NOTHING_WRONG(role="parameter", name="p")
    update = Update(compared, {"p": tuple(rows)}, {"p": tuple(grads)}, got, due, due.tolerance(dtype), **more)
    return likely_update(update, optimizer, options, dtype, {"X": (32, 4), "W": (4, 3)})


STEPS = {
    "still": (lambda p, g, right: p[-1], "it has not moved"),
    "sign": (lambda p, g, right: p[-1] + 0.125 * g[-1], "the step goes the other way: it is added, not subtracted"),
    "no lr": (lambda p, g, right: p[-1] - g[-1], "the step is 8 × what it should be: a factor of lr = 0.125 is missing"),
    "lr twice": (lambda p, g, right: p[-1] - 0.125**2 * g[-1], "the step is 1/8 × what it should be: lr = 0.125 is multiplied into it once too often"),
    "twice": (lambda p, g, right: p[-1] - 0.25 * g[-1], "the step is 2 × what it should be"),
    "stale": (lambda p, g, right: p[-1] - 0.125 * g[0], "it is a step by the gradient of the step before"),
    "not zeroed": (lambda p, g, right: p[-1] - 0.125 * (g[0] + g[1]), "the gradient of the step before is added to it: gradients are not set to zero between steps"),
    "from the one before": (lambda p, g, right: p[0] - 0.125 * g[-1], "the step is taken from the parameter before the last one"),
    "momentum": (lambda p, g, right: right + 0.9 * (p[1] - p[0]), "0.9 × the last movement is added to it: a momentum that the case doesn't have"),
    "decay": (lambda p, g, right: right - 0.125 * 0.01 * p[-1], "lr × 0.01 × the parameter itself is subtracted: a weight decay that the case doesn't have"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("cause", STEPS)
def test_what_people_do_wrong_in_a_step_is_named(cause, dtype):
    change, words = STEPS[cause]
    assert stepped(change, dtype=dtype) == words


@BOTH
def test_a_step_by_the_gradient_before_clipping_is_named(dtype):
    told = 3 * drawn({"g": (4, 3)}, seed=9)["g"].astype(dtype).astype(np.float64)
    clipping = {"gradients": [told, np.clip(told, -0.5, 0.5)], "unclipped": (told, told), "dtype": dtype}
    words = "it is a step by gradients that are not clipped"
    assert stepped(lambda p, g, right: p[-1] - 0.125 * told, **clipping) == words
    assert stepped(lambda p, g, right: right - 0.125 * told, **clipping) != words


def test_of_a_gradient_that_was_not_told_the_sizes_of_the_inputs_explain_a_multiple():
    def change(p, g, right):
        return p[-1] - 0.125 * 32 * g[-1]

    missing = "a division by 32 = X.shape[0] is missing"
    assert stepped(change, derived=True) == f"the step is 32 × what it should be: {missing}"
    assert stepped(change) == ""


def test_a_velocity_with_the_wrong_sign_or_scale_is_named():
    options = {"lr": 0.125, "momentum": 0.75}
    same = [drawn({"p": (4, 3)})["p"]] * 2
    more = {"parameters": same, "options": options}
    assert (
        stepped(lambda p, g, right: p[-1] - 0.125 * (g[1] - 0.75 * g[0]), **more)
        == "momentum has the other sign"
    )
    scaled = stepped(lambda p, g, right: p[-1] - 0.125 * 0.25 * (0.75 * g[0] + g[1]), **more)
    assert scaled == "the step is 1/4 × what it should be: it is 1 - momentum"


def test_a_random_step_has_no_cause():
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert stepped(lambda p, g, right: right + rng.normal(size=right.shape)) == ""
        assert stepped(lambda p, g, right: right * (1 + 0.01 * rng.normal(size=right.shape))) == ""
