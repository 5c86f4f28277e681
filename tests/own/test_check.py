"""`check` in a notebook: right gradients are right in every style, wrong ones are named with their place."""

import re

import numpy as np
import pytest
from forwards import FORWARDS, drawn, sigmoid
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.own.checked import COLOURS
from gradient_conformance.harness.own.errors import OwnError
from gradient_conformance.harness.verdict import Verdict

from gradient_conformance import check

RANDOM = np.random.default_rng(0)
W, X = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=2)
PROGRAM = "y = sigmoid(W @ x)\nloss = sum(y * y)"
OF_LISTS = {"lists": {"parameters": ("W0", "W1", "W2")}}


def gradients(W=W, x=X):
    y = sigmoid(W @ x)
    dz = 2 * y * y * (1 - y)
    return {"W": np.outer(dz, x), "x": W.T @ dz}


def in_dtype(inputs, dtype):
    return {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in inputs.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORWARDS)
def test_right_code_is_right_in_every_style(name, dtype):
    found = check(FORWARDS[name], in_dtype(drawn()[name], dtype), **OF_LISTS.get(name, {}))
    assert found.agrees, found
    assert found.line.dtype == dtype
    assert found.digits >= (5 if dtype == "float32" else 12)
    assert found.place is None


def faulty(name, gradient, change):
    """One of the six, with something wrong in one gradient."""

    def forward(**inputs):
        told = FORWARDS[name](**inputs)
        found = told[1] if isinstance(told[1], dict) else dict(zip(("W0", "W1", "W2"), told[1], strict=True))
        return told[0], found | {gradient: change(np.asarray(found[gradient]))}

    return forward


FAULTS = {
    "a missing 1 / n": ("layers", "W1", lambda g: g * 8, "gradient of W1"),
    "a sign": ("lists", "W0", lambda g: -g, "gradient of W0"),
    "a transpose": ("recurrent", "Whh", lambda g: g.T, "gradient of Whh"),
    "a missing term": ("labels", "W", lambda g: g * 0.99, "gradient of W"),
    "rounding": ("attention", "Wq", lambda g: g.round(6), "gradient of Wq"),
    "one step of a chain": ("columns", "dZ1", lambda g: g * 1.001, "gradient of Z1"),
}


@pytest.mark.parametrize(("name", "gradient", "change", "told"), FAULTS.values(), ids=FAULTS)
def test_wrong_code_is_wrong_and_what_is_right_is_said_to_be(name, gradient, change, told):
    found = check(faulty(name, gradient, change), drawn()[name])
    assert found.verdict is Verdict.DISAGREE
    assert not found
    assert told in found.message
    assert "right: value loss" in str(found)


def test_the_place_is_the_line_of_their_own_file():
    found = check(faulty("columns", "dW1", lambda g: g * 1.001), drawn()["columns"])
    assert found.place == "backward of matmul towards W1, line 1 or backward of add towards its x, line 1"
    assert "lines are those of" not in str(found)
    assert re.search(r"^  line 1: Z1 = W1 @ X \+ b1  # forwards.py:\d+$", str(found), re.MULTILINE)


def entropy(x, w, y):
    """Of a sigmoid near 1 the derivative of the entropy is p - y, of which its parts give few digits."""
    z = x * w
    p = sigmoid(z)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    dz = (p - y) / y.size
    return {"loss": loss, "p": p}, {"z": dz, "w": x * dz}


SATURATED = {"x": np.linspace(3, 9, 16), "w": np.ones(16), "y": np.arange(16) % 2}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_cancels_in_a_region_accuses_nobody(dtype):
    inputs = in_dtype(SATURATED, dtype)
    assert check(entropy, inputs)

    def wrong(x, w, y):
        values, found = entropy(x, w, y)
        return values, found | {"w": 2 * found["w"]}

    found = check(wrong, inputs)
    assert not found
    assert found.message.count("wrong by") == 1
    assert found.place.startswith("backward of mul towards w, line 1: z = x * w")
    assert "right: value loss, value p, gradient of z" in str(found)


# What may be given


def test_inputs_without_names_are_refused():
    with pytest.raises(OwnError, match=r"must be arrays by name, as in \{'X': X, 'y': y\}"):
        check(lambda x: (x * x).sum(), [X])


def test_a_program_is_checked_against_gradients_by_name():
    assert check(PROGRAM, {"W": W, "x": X}, gradients())
    wrong = check(
        PROGRAM, {"W": W, "x": X}, gradients() | {"x": gradients()["x"] * 2}, values={"y": sigmoid(W @ X)}
    )
    assert wrong.place == "backward of matmul towards x, line 1: y = sigmoid(W @ x)"
    assert "value y" in str(wrong)


def test_gradients_come_in_many_shapes():
    y = sigmoid(W @ X)
    loss = (y * y).sum()
    found = gradients()
    named = {"dW": found["W"], "grad_x": found["x"]}
    shapes = {
        "by name": lambda W, x: (_loss(W, x), gradients(W, x)),
        "as people call them": lambda W, x: (_loss(W, x), named),
        "values by name": lambda W, x: ({"loss": _loss(W, x)}, gradients(W, x)),
        "in order": lambda W, x: (_loss(W, x), list(gradients(W, x).values())),
        "one after the other": lambda W, x: (_loss(W, x), *gradients(W, x).values()),
        "a number": lambda W, x: (float(_loss(W, x)), gradients(W, x)),
    }
    for what, function in shapes.items():
        assert check(function, {"W": W, "x": X}), what
    assert check(_loss, {"W": W, "x": X}, found)
    assert check(_loss, {"W": W, "x": X}, [found["W"], found["x"]])
    assert check(_loss, {"W": W, "x": X}, gradients)
    assert check(_loss, {"W": W.tolist(), "x": X.tolist()}, {"W": found["W"].tolist()})
    assert loss == _loss(W, X)


def _loss(W, x):
    y = 1 / (1 + np.exp(-(W @ x)))
    return (y * y).sum()


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dout.dot(w.T).reshape(x.shape), x.reshape(x.shape[0], -1).T.dot(dout), dout.sum(axis=0)


LAYER = {"x": RANDOM.normal(size=(4, 2, 3)), "w": RANDOM.normal(size=(6, 5)), "b": RANDOM.normal(size=5)}


def test_a_layer_is_checked_with_its_backward_pass_at_a_drawn_cotangent():
    assert check(affine_forward, LAYER, affine_backward)

    def wrong(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        return dx, dw, np.ones_like(db)

    found = check(affine_forward, LAYER, wrong)
    assert not found
    assert "right: value out, gradient of x, gradient of w" in str(found)


class Network:
    """Its weights are its own, in a dict; a keyword says how they are regularized."""

    def __init__(self, seed=0):
        r = np.random.default_rng(seed)
        self.params = {"W1": r.normal(size=(4, 5)), "b1": r.normal(size=5), "W2": r.normal(size=(5, 3))}

    def loss(self, X, y, reg=0.0, kind="l2"):
        W1, b1, W2 = (self.params[name] for name in ("W1", "b1", "W2"))
        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2)
        scores = scores - scores.max(axis=1, keepdims=True)
        probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        loss = -np.log(probs[range(len(X)), y]).sum() / len(X)
        if kind == "l2":
            loss += reg * np.sum(W1 * W1)
        dscores = probs.copy()
        dscores[range(len(X)), y] -= 1
        dscores /= len(X)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads = {
            "W2": hidden.T.dot(dscores),
            "b1": dhidden.sum(axis=0),
            "W1": X.T.dot(dhidden) + 2 * reg * W1,
        }
        return loss, grads


def test_weights_of_an_object_are_judged_by_the_names_that_it_gives_them():
    network = Network()
    inputs = {"X": RANDOM.normal(size=(6, 4)), "y": np.array([0, 2, 1, 1, 0, 2]), "reg": 0.25, "kind": "l2"}
    found = check(network.loss, inputs)
    assert found.agrees, found
    assert [t.name for t in found.tensors] == ["loss", "W2", "b1", "W1"]
    assert '"W1"' in found.case()
    assert isinstance(network.params["W1"], np.ndarray)
    narrow = {name: a.astype("float32") if name == "X" else a for name, a in inputs.items() if name != "reg"}
    network.history = np.ones(3, dtype="float16")  # nobody reads it
    with pytest.raises(OwnError, match="X is float32, W2 is float64: give all of one dtype"):
        check(network.loss, narrow)


def test_an_object_that_learns_while_it_is_asked_is_judged_and_has_learnt_nothing():
    class Learns(Network):
        def loss(self, X, y):
            loss, grads = super().loss(X, y)
            for name, g in grads.items():
                self.params[name] -= 0.1 * g
            return loss, grads

    network = Learns()
    before = {name: a.copy() for name, a in network.params.items()}
    found = check(network.loss, {"X": RANDOM.normal(size=(6, 4)), "y": np.array([0, 2, 1, 1, 0, 2])})
    assert found.agrees, found
    for name, a in before.items():
        np.testing.assert_array_equal(network.params[name], a)


def test_layers_of_an_object_and_what_a_function_closes_over_are_weights():
    class Layer:
        def __init__(self, inputs, outputs):
            self.W, self.b = RANDOM.normal(size=(inputs, outputs)), np.zeros(outputs)

        def forward(self, x):
            self.x = x
            self.out = np.tanh(x @ self.W + self.b)
            return self.out

        def backward(self, grad):
            grad = grad * (1 - self.out**2)
            self.dW, self.db = self.x.T @ grad, grad.sum(axis=0)
            return grad @ self.W.T

    layers, scale = [Layer(3, 4), Layer(4, 2)], np.array([2.0, 0.5])

    def loss_and_gradients(X):
        a = X
        for layer in layers:
            a = layer.forward(a)
        grad = 2 * scale * scale * a
        for layer in reversed(layers):
            grad = layer.backward(grad)
        first, second = layers
        found = {"X": grad, "layers_0_W": first.dW, "layers_1_W": second.dW, "layers_1_b": second.db}
        return np.sum((scale * a) ** 2) + 0 * np.sum(layers[0].W ** 2), found

    for _ in range(2):  # what the first left behind in the layers is no weight
        found = check(loss_and_gradients, {"X": RANDOM.normal(size=(5, 3))})
        assert found.agrees, found
        assert found.not_shown == ("layers_0_b", "scale")


def test_weights_in_a_dict_or_in_lists_are_arguments_too():
    def in_a_dict(X, Y, parameters):
        Z = X @ parameters["W"] + parameters["b"]
        A = np.tanh(Z)
        dZ = 2 * (A - Y) * (1 - A**2) / Y.size
        return np.mean((A - Y) ** 2), {"dW": X.T @ dZ, "db": dZ.sum(axis=0)}

    def in_lists(x, y, weights, biases):
        activations = [x]
        for w, b in zip(weights, biases, strict=True):
            activations.append(1 / (1 + np.exp(-(np.dot(w, activations[-1]) + b))))
        delta = activations[-1] - y
        cost, nabla_w, nabla_b = 0.5 * np.sum(delta**2), [], []
        for i in reversed(range(len(weights))):
            delta = delta * activations[i + 1] * (1 - activations[i + 1])
            nabla_w.insert(0, np.dot(delta, activations[i].T))
            nabla_b.insert(0, delta)
            delta = np.dot(weights[i].T, delta)
        return cost, nabla_w, nabla_b

    r = np.random.default_rng(0)
    given = {"X": r.normal(size=(5, 3)), "Y": r.normal(size=(5, 2))}
    found = check(in_a_dict, given | {"parameters": {"W": r.normal(size=(3, 2)), "b": r.normal(size=2)}})
    assert found.agrees, found
    assert [t.name for t in found.tensors] == ["loss", "W", "b"]
    lists = {
        "weights": [r.normal(size=(3, 4)), r.normal(size=(2, 3))],
        "biases": [r.normal(size=(3, 1)), r.normal(size=(2, 1))],
    }
    given = {"x": r.normal(size=(4, 1)), "y": r.normal(size=(2, 1))}
    found = check(in_lists, given | lists, parameters=("weights", "biases"))
    assert found.agrees, found
    assert {t.name for t in found.tensors} == {"cost", "weights_0", "weights_1", "biases_0", "biases_1"}
    with pytest.raises(
        OwnError, match="1 gradients of weights came back, for 2 arrays: weights_0, weights_1"
    ):
        check(
            lambda x, y, weights, biases: (in_lists(x, y, weights, biases)[0], {"weights": [x]}),
            given | lists,
        )


def test_a_name_of_several_values_is_no_name_of_a_gradient():
    def forward(x, w):
        z = x @ w
        a = np.tanh(z)
        z = a @ w
        dz = 2 * z
        return {"loss": (z * z).sum(), "a": a}, {"dz": dz, "a": dz @ w.T}

    inputs = {"x": RANDOM.normal(size=(4, 3)), "w": RANDOM.normal(size=(3, 3))}
    with pytest.raises(
        OwnError, match=r"a gradient of dz came back, but .*forward calls several values z: give each a"
    ):
        check(forward, inputs)


def test_what_was_chosen_at_a_kink_and_what_cannot_be_judged_are_told():
    at_zero = check(
        "loss = sum(relu(X))", {"X": np.array([0.0, 1.0, -2.0])}, {"X": np.array([1.0, 1.0, 0.0])}
    )
    assert at_zero
    assert str(at_zero).startswith(
        "agree  1 gradient in float64, to 0 digits (by a convention)\n  by a convention: relu, line 1"
    )
    x, T = np.random.default_rng(0).normal(size=(2, 8)) * 0.3, np.eye(8)[[1, 3]]
    e = np.exp(100 * x)
    p = np.exp(e - e.max(axis=1, keepdims=True))
    wide = check(
        "loss = -sum(T * log_softmax(exp(100 * x), axis=1))",
        {"x": x, "T": T},
        {"x": (p / p.sum(axis=1, keepdims=True) - T) * e * 100},
    )
    assert wide
    assert "1 element of gradient of x can't be judged: " in str(wide)


def test_what_is_not_returned_is_not_judged_and_told():
    found = check(PROGRAM, {"W": W, "x": X}, {"W": gradients()["W"]})
    assert found.agrees
    assert found.not_shown == ("x",)
    assert "not shown, so not judged: gradient of x" in str(found)


def test_inputs_that_are_changed_in_place_are_told():
    def forward(W, x):
        loss, found = _loss(W, x), gradients(W, x)
        W -= 0.1 * found["W"]
        return loss, found

    found = check(forward, {"W": W.copy(), "x": X})
    assert found.agrees
    assert "changes its inputs in place: W" in str(found)


UNCLEAR = {
    "mixed dtypes": (
        lambda: check(PROGRAM, {"W": W, "x": X.astype("float32")}, gradients()),
        "W is float64, x is float32: give all of one dtype, which is then judged",
    ),
    "another dtype": (
        lambda: check(PROGRAM, {"W": W.astype("float16"), "x": X.astype("float16")}, gradients()),
        "the inputs are float16; what can be judged: float32, float64",
    ),
    "no floats": (lambda: check(PROGRAM, {"W": np.eye(3, dtype=int), "x": np.arange(3)}, gradients()), "no input has floats; what can be judged"),
    "no array": (lambda: check(PROGRAM, {"W": W, "x": None}, gradients()), "input x is None, but must be an array"),
    "a misspelt op": (
        lambda: check("y = sigmiod(x)", {"x": X}, {"x": X}),
        'the program, line 1, column 5: unknown op "sigmiod"; did you mean "sigmoid"?',
    ),
    "a tensor that nothing uses": (
        lambda: check(PROGRAM, {"W": W, "x": X, "b": X}, gradients()),
        'the program does not use the tensor "b"',
    ),
    "no gradients": (
        lambda: check(_loss, {"W": W, "x": X}),
        "the function returns no gradients: it returns (loss, gradients), or they are given apart",
    ),
    "none in the dict": (lambda: check(_loss, {"W": W, "x": X}, {}), "no gradient came back"),
    "too few without names": (
        lambda: check(_loss, {"W": W, "x": X}, [W]),
        "1 gradient came back without names, for 2 inputs (W, x): return a dict by name, or say whose",
    ),
    "of nothing": (
        lambda: check(_loss, {"W": W, "x": X}, {"dV": W}),
        "a gradient of dV came back; names are W, x, y, loss",
    ),
    "twice": (
        lambda: check(_loss, {"W": W, "x": X}, {"dW": W, "W": W}),
        "the gradient of W came back twice, once as W",
    ),
    "not an array": (
        lambda: check(_loss, {"W": W, "x": X}, {"W": "much"}),
        "the gradient of W is 'much', but must be an array of floats",
    ),
    "no scalar": (
        lambda: check(lambda W, x: (W @ x, {"W": W}), {"W": W, "x": X}),
        "of shape (3,): gradients are those of one number. Say of which sum, cotangent=array, or give the backward pass",
    ),
    "values without a loss": (
        lambda: check(lambda W, x: ({"a": W @ x, "b": (W @ x).sum()}, {"W": W}), {"W": W, "x": X}),
        "which of the values a, b is differentiated? call it loss, or name it: output=...",
    ),
    "a backward pass that asks for more": (
        lambda: check(_loss, {"W": W, "x": X}, lambda grad, cache: {}),
        "takes grad, cache, which are no inputs; there is nothing else to give it",
    ),
    "an unknown value": (
        lambda: check(PROGRAM, {"W": W, "x": X}, gradients(), values={"z": X}),
        "no value z; the program has",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("act", "words"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_not_clear_is_a_sentence(act, words):
    with pytest.raises(HarnessError) as caught:
        act()
    assert words in str(caught.value)
    assert isinstance(caught.value, OwnError)
    assert caught.value._render_traceback_() == str(caught.value).splitlines()


def test_a_wrong_shape_or_a_narrower_dtype_is_a_disagreement():
    found = check(PROGRAM, {"W": W, "x": X}, {"W": gradients()["W"].T})
    assert (
        found.message
        == "gradient of W has shape (2, 3), should be (3, 2): it is the transpose of what it should be"
    )
    narrow = check(PROGRAM, {"W": W, "x": X}, {"W": gradients()["W"].astype("float32")})
    assert narrow.message == "gradient of W has dtype float32, should be float64"


def test_more_digits_than_the_inputs_have_are_as_good_and_told():
    found = check(
        PROGRAM,
        in_dtype({"W": W, "x": X}, "float32"),
        gradients(*(a.astype("float32").astype("float64") for a in (W, X))),
    )
    assert found.agrees, found
    assert "it computes in float64: in float32 cells it is judged by float32's tolerances" in str(found)


def test_an_error_of_their_own_is_their_own():
    def forward(x):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        check(forward, {"x": X})


# What is shown


def test_it_is_shown_as_text_and_as_html_in_which_nothing_is_markup():
    found = check(PROGRAM.replace("y", "y_"), {"W": W, "x": X}, gradients())
    assert str(found) == repr(found)
    assert str(found).startswith("agree  2 gradients in float64, to 1")
    page = found._repr_html_()
    assert "✓ agree" in page.replace("</b>", "")
    assert page.count("<tr>") == 3
    wrong = check("y = W @ x  # <b>\nloss = sum(y)", {"W": W, "x": X}, {"W": np.outer(np.ones(3), X), "x": X})
    assert "&lt;b&gt;" in wrong._repr_html_()
    assert "<b>" not in wrong._repr_html_().partition("<pre>")[2]
    assert "✗" in wrong._repr_html_()


def test_its_case_is_a_case_and_replaces_no_other_file(tmp_path):
    found = check(FORWARDS["labels"], drawn()["labels"])
    [variant] = parse(found.write(tmp_path / "cases" / "own.toml").read_text(), "own").variants
    assert variant.gradients == ("X", "W", "b")
    np.testing.assert_array_equal(variant.draw()["X"], drawn()["labels"]["X"])
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(FileExistsError):
        found.write(tmp_path / "mine.py")
    assert (tmp_path / "mine.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_its_colour_in_a_notebook(verdict):
    assert verdict.face.style in COLOURS


LOSSES = {
    "np.float32": np.float32,
    "np.float64": np.float64,
    "float": float,
    "0-d": np.array,
    "(1,)": lambda loss: np.array([loss]),
    "(1, 1)": lambda loss: np.array([[loss]]),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_one_number_however_it_is_held(kind):
    inputs = in_dtype({"W": W, "x": X}, "float32")

    def held(W, x):
        return LOSSES[kind](_loss(W, x)), gradients(W, x)

    found = check(held, inputs)
    assert found, found
    assert ("the one number in it is differentiated" in str(found)) is kind.startswith("(")


def _by_rows(W, x):
    z = np.empty(3)
    for i in range(3):
        z[i] = W[i] @ x
    return z


def _by_numbers(W, x):
    z = np.zeros(3)
    z[[2, 0, 1]] = (W @ x)[[2, 0, 1]]
    return z


def _by_a_mask(W, x):
    z = np.zeros(3)
    right = W @ x
    positive = right > 0
    z[positive], z[~positive] = right[positive], right[~positive]
    return z


def _by_parts_of_two_axes(W, x):
    z = np.zeros((4, 3))
    z[1:4, 1:] = W * x
    z[0, 2:] = 0.0
    return z.sum(axis=1)[1:]


def _by_every_other(W, x):
    z = np.zeros(6)
    z[::2] = W @ x
    return z[::2] + z[1::2]


def _broadcast(W, x):
    z = np.zeros((2, 3))
    z[:] = W @ x
    return z[1]


@pytest.mark.parametrize(
    "write", [_by_rows, _by_numbers, _by_a_mask, _by_parts_of_two_axes, _by_every_other, _broadcast]
)
def test_what_is_written_part_by_part_is_traced(write):
    def forward(W, x):
        y = 1 / (1 + np.exp(-write(W, x)))
        return (y * y).sum(), gradients(W, x)

    found = check(forward, {"W": W, "x": X})
    assert found, found
    assert not check(lambda W, x: (forward(W, x)[0], {"W": 2 * gradients(W, x)["W"]}), {"W": W, "x": X})


def test_what_is_written_twice_into_one_place_is_refused():
    def forward(W, x):
        z = np.zeros(3)
        z[[0, 1, 0]] = W @ x
        return (z * z).sum(), {"W": W}

    with pytest.raises(OwnError, match="writing several numbers into one place can't be traced"):
        check(forward, {"W": W, "x": X})


class Caching:
    def __init__(self, W):
        self.W, self.h = W, None

    def loss(self, x):
        if self.h is None:
            self.h = self.W @ x
        return (self.h * self.h).sum(), {"x": 2 * self.W.T @ self.h}


def test_every_call_starts_from_what_was_there_and_leaves_that():
    """What is kept from the first call would be a constant in the next ones."""
    caching = Caching(W)
    assert check(caching.loss, {"x": X})
    assert caching.h is None


class Accumulating:
    """Gradients that are set to zero by those who ask for them; `add` says where they lie."""

    def __init__(self, W, zero):
        self.W, self.kept = W, zero

    def loss(self, x):
        z = self.W @ x
        self.kept["dW"] = self.kept.get("dW", 0) + np.outer(2 * z, x)
        return (z * z).sum(), self.kept


@pytest.mark.parametrize("zero", [{}, {"dW": 0.0}, {"dW": np.zeros_like(W)}])
def test_gradients_that_add_up_are_those_of_the_first_call(zero):
    found = check(Accumulating(W, zero).loss, {"x": X})
    assert found, found
    assert not np.any(zero.get("dW", 0))


class Behind:
    """Its gradient is that of the input of the call before, which `seen` has."""

    def __init__(self, seen):
        self.seen = seen

    def loss(self, W, x):
        old = self.seen["x"]
        self.seen["x"] = x
        z = W @ x
        return (z * z).sum(), {"W": np.outer(2 * z, old)}


def test_what_is_taken_from_the_call_before_is_found():
    behind = Behind({"x": None})
    behind.seen["x"] = X + 1
    assert not check(behind.loss, {"W": W, "x": X})
    np.testing.assert_array_equal(behind.seen["x"], X + 1)


class Storing(Caching):
    def loss(self, x):
        self.h = sigmoid(self.W @ x)
        return (self.h * self.h).sum(), gradients(self.W, x)


def test_what_a_call_keeps_for_its_backward_pass_is_nobody_s_business():
    assert check(Storing(W).loss, {"x": X})


def test_a_number_that_is_added_inside_a_logarithm_and_not_in_its_derivative_is_named():
    def forward(x, w, y):
        p = sigmoid(x * w)
        loss = -np.sum(y * np.log(p + 1e-8))
        return {"loss": loss, "p": p}, {"p": -y / p}

    found = check(forward, SATURATED | {"x": -SATURATED["x"]})
    assert "likely: the derivative of log is taken as if 1e-08 were not added before it" in str(found)


def test_a_number_inside_both_logarithms_of_an_entropy_is_named_where_p_less_y_was_told():
    """The parts of `p - y` cancel: what each logarithm contributes is known by no digit more than its rounded p has."""

    def forward(X, w, y):
        p = sigmoid(X @ w)
        loss = -np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))
        return loss, {"w": X.T @ (p - y) / y.size}

    rng = np.random.default_rng(0)
    inputs = {"X": 3 * rng.normal(size=(12, 3)), "w": 3 * rng.normal(size=3), "y": rng.integers(0, 2, 12)}
    found = check(forward, inputs)
    told = (
        "the derivative of log is taken as if 1e-12 were not added before it (in every such call of line 2)"
    )
    assert f"likely: {told}" in str(found), found
