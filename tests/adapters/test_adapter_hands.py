"""The case's hands: objects are given the case's tensors, and tell values and gradients by the case's names."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node

MINE = '''
import numpy as np

class Linear:
    def __init__(self, weight, bias, names=("W", "b")):
        self.names = names
        setattr(self, names[0], weight)
        setattr(self, names[1], bias)

class Empty:
    __slots__ = ("W", "dW")

def tells(case, **more):
    """The case's loss and whatever else, so that the test sees it."""
    case.value("loss", 1.0)
    for name, array in more.items():
        case.gradient(name, array)

def right(case):
    case.value("y", case["W"] @ case["x"])
    case.gradient("W", np.outer(case["x"] * 0 + 1, case["x"])[:2])
    loss = case.value("loss", case["W"].sum())
    assert loss == case["W"].sum()

def numbers(case):
    assert case["k"] == 3 and case["how"] == "mean", case["how"]
    assert case.sizes == {"k": 3}
    assert case.cotangents["loss"] == 5 and case.optimizer is None
    tells(case)

def own_copies(case):
    layer = Linear(np.zeros((2, 3)), np.zeros(2))
    case.set(layer, W="W", b="b")
    layer.W -= 1; layer.b *= 0; case["x"][:] = 9
    assert case["W"].sum() == 15 and case["b"].sum() == 21
    y = np.zeros(2)
    case.value("y", y)
    y += case["x"][0]
    tells(case)

def expressions(case):
    layer = Linear(np.zeros((3, 2)), np.zeros((1, 2)))
    case.set(layer, W="W.T", b="b[None]")
    tells(case, W=layer.W.T, b=layer.b[0])
    column = {"W": None, "b": np.zeros((2, 1)), "x": [0.0, 0.0, 0.0]}
    case.set(column, W="W.T", b="b[:, None]", x="x")
    assert column["W"].shape == (3, 2) and isinstance(column["x"], list)
    assert column["b"].shape == (2, 1)

def reshaped(case):
    layer = Linear(np.zeros((2, 3)), np.zeros((1, 2)))
    case.set(layer, b="b")
    tells(case, b=layer.b[0])

def found(case):
    for names in (("weight", "bias"), ("W", "b"), ("_W", "_b"), ("w", "biases"), ("kernel", "b"), ("coef_", "intercept_")):
        layer = Linear(np.zeros((3, 2)), np.zeros((1, 2)), names)
        case.set(layer, "W", "b")
        assert np.array_equal(getattr(layer, names[0]), case["W"].T)
    tells(case, W=getattr(layer, names[0]).T, b=getattr(layer, names[1])[0])

def found_straight(case):
    slotted = Empty()
    slotted.W = np.zeros((2, 3))
    case.set(slotted, "W")
    tells(case, W=slotted.W)

def gradients(case):
    for keep in (
        lambda l, dw, db: vars(l).update(dW=dw, db=db),
        lambda l, dw, db: vars(l).update(grad_W=dw, grad_b=db),
        lambda l, dw, db: vars(l).update(W_grad=dw, b_grad=db),
        lambda l, dw, db: vars(l).update(_dW=dw, _db=db),
        lambda l, dw, db: vars(l).update(dw=dw, db=db, dx=3),
        lambda l, dw, db: vars(l).update(grads={"W": dw, "b": db}),
        lambda l, dw, db: vars(l).update(gradients={"dW": dw, "db": db}),
    ):
        layer = Linear(np.zeros((3, 2)), np.zeros((1, 2)))
        case.set(layer, "W", "b")
        keep(layer, np.arange(6.0).reshape(3, 2), np.array([[7.0, 8.0]]))
        before = dict(case._told["gradient"])
        case._told["gradient"].clear()
        case.gradients(layer)
        now = case._told["gradient"]
        assert not before or all(np.array_equal(before[name], now[name]) for name in ("W", "b"))
    tells(case)

def named_weight(case):
    layer = Linear(np.zeros((2, 3)), np.zeros(2), ("weight", "bias"))
    case.set(layer, "W", "b")
    layer.dW, layer.db = np.ones((2, 3)), np.ones(2)
    case.gradients(layer)
    tells(case)

def returns(case):
    return {"loss": 2.0}, {}

def other_names(case, x):
    return {"loss": 3.0}, {}

def moves(case):
    case.value("loss", case["W"].sum())
    case.parameter("W", case["W"] - 100)

def moved_by_the_optimizer(case):
    case.value("loss", case["W"].sum())
    case.gradient("W", np.ones((2, 3)))
'''
LAYER = "layer = Linear(np.zeros((3, 2)), np.zeros((1, 2)))\n    "
WRONG = {
    "nothing told": ("pass", "wrong returned nothing and told nothing: call case.value(name, array) and"),
    "unknown input": ("case['w']", "LookupError: 'w' is nothing that this case gives; it gives how, k, W, b, x, N; did you mean \"W\"?"),
    "an assigned name as input": ("case['y']", "LookupError: 'y' is nothing that this case gives; it gives how, k, W, b, x, N"),
    "unknown value": ("case.value('yy', 1)", "LookupError: 'yy' is no value of this case; it works out y, loss; did you mean \"y\"?"),
    "unknown gradient": ("case.gradient('dW', 1)", "LookupError: 'dW' is nothing that has a gradient in this case; there are W, b, x, y, loss"),
    "gradient of integers": ("case.gradient('N', 1)", "LookupError: 'N' is nothing that has a gradient"),
    "unknown parameter": ("case.parameter('W', 1)", "LookupError: 'W' is no parameter that this case trains; it trains nothing"),
    "told twice": ("case.value('y', 1); case.value('y', 1)", "ValueError: the value of y was told already; it is told once"),
    "unknown tensor": (LAYER + "case.set(layer, W='V.T')", "LookupError: 'V' is no tensor of this case; it has W, b, x, N"),
    "no expression": (LAYER + "case.set(layer, W='W + 1')", "ValueError: 'W + 1' is no tensor of a case: allowed are a name, W1.T, b1[None], b1[:, None]"),
    "code": (LAYER + "case.set(layer, W='W[__import__(\"os\")]')", "is no tensor of a case: allowed are"),
    "an element": (LAYER + "case.set(layer, W='W[0]')", "'W[0]' is no tensor of a case: allowed are"),
    "no text": (LAYER + "case.set(layer, W=3)", "ValueError: 3 is no tensor of a case: allowed are"),
    "transposed": (LAYER + "case.set(layer, W='W')", "ValueError: W of Linear has shape (3, 2), W has (2, 3): W.T has it"),
    "another shape": (LAYER + "case.set(layer, W='x')", "ValueError: W of Linear has shape (3, 2), x has (3,)\n"),
    "no such attribute": (LAYER + "case.set(layer, WW='W')", 'LookupError: Linear has no WW; it has names, W, b; did you mean "W"?'),
    "no weight": ("case.set(Empty(), 'W')", 'LookupError: Empty has no weight or weights or kernel or W or _W or w or _w or coef_; it has nothing: name the one that is the weight, case.set(..., NAME="W")'),
    "three found": (LAYER + "case.set(layer, 'W', 'b', 'x')", "TypeError: case.set finds a weight and a bias, not 3 of them"),
    "not there yet": ("case.set(Linear(None, None), 'W')", 'ValueError: W is None yet: say how it lies, W="W" or "W.T"'),
    "square": ("case.set(Linear(np.zeros((2, 2)), 0.0), 'S')", "ValueError: S is square, so its shape doesn't say how W lies: W=\"S\" or W=\"S.T\""),
    "nothing set": (LAYER + "case.gradients(layer)", "LookupError: case.set has put nothing into this Linear"),
    "no gradient": (LAYER + "case.set(layer, 'W'); case.gradients(layer)", 'LookupError: no gradient of W of Linear was found; there are names, W, b: tell it by case.gradient("W", ...)'),
    "two gradients": (LAYER + "case.set(layer, 'W'); layer.dW = layer.grad_W = 1; case.gradients(layer)", 'LookupError: dW, grad_W may each be the gradient of W of Linear: tell it by case.gradient("W", ...)'),
    "no backward": (LAYER + "case.set(layer, 'W'); layer.dW = None; case.gradients(layer)", "LookupError: dW, the gradient of W of Linear, is None: has backward been called?"),
    "gradient of another shape": (LAYER + "case.set(layer, 'W'); layer.dW = np.ones((2, 3)); case.gradients(layer)", "ValueError: dW has shape (2, 3), what it belongs to (3, 2): it isn't clear how its elements lie; tell it by case.gradient(\"W\", ...) in shape (2, 3)"),
    "told and returned": ("case.gradient('W', 9); return {'loss': 2.0}, {}", "tells case its numbers and returns a tuple too: tell all of it to case, and return nothing"),
}  # fmt: skip

W, B, X = np.arange(6.0).reshape(2, 3), np.array([10.0, 11.0]), np.array([3.0, 4.0, 5.0])
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    path = tmp_path_factory.mktemp("subject") / "mine.py"
    wrong = (f"def wrong_{number}(case):\n    {code}\n" for number, (code, _) in enumerate(WRONG.values()))
    path.write_text(MINE + "\n".join(wrong))
    client = Client([sys.executable], ADAPTERS / "subject.py", subject=path)
    assert client.ready["type"] == "ready", client.ready

    def run(function: str, **request: Any) -> dict[str, Any]:
        program = [node("y", "matmul", "W", "x"), node("loss", "sum", "y")]
        given = {"values": ["loss", "y"], "gradients": ["W", "b"], "bindings": {"how": "mean", "k": 3}}
        inputs = {"W": W, "b": B, "x": X, "N": np.array([1])} | request.pop("inputs", {})
        return client.run(program, inputs, case=f"notebooks/{function}", **(given | request))

    yield run
    assert client.close() == 0


def arrays(reply: dict[str, Any]) -> dict[Any, Any]:
    assert reply["type"] == "done", reply.get("error", reply)
    return reply["arrays"]


def test_what_is_told_is_the_answer(ask: Ask) -> None:
    told = arrays(ask("right"))
    np.testing.assert_array_equal(told["value", "y"], W @ X)
    np.testing.assert_array_equal(told["gradient", "W"], np.array([X, X]))
    assert told["value", "loss"] == W.sum()


def test_sizes_words_cotangents_and_optimizer_are_there(ask: Ask) -> None:
    arrays(ask("numbers", cotangent=np.array([5.0])))


def test_what_is_given_and_told_are_copies(ask: Ask) -> None:
    np.testing.assert_array_equal(arrays(ask("own_copies"))["value", "y"], [0, 0])


@pytest.mark.parametrize("function", ["expressions", "found"])
def test_tensors_come_into_attributes_as_they_lie_there(ask: Ask, function: str) -> None:
    told = arrays(ask(function))
    np.testing.assert_array_equal(told["gradient", "W"], W)
    np.testing.assert_array_equal(told["gradient", "b"], B)


def test_axes_of_length_one_are_fitted(ask: Ask) -> None:
    np.testing.assert_array_equal(arrays(ask("reshaped"))["gradient", "b"], B)


def test_what_was_found_is_said(ask: Ask) -> None:
    assert ask("found")["printed"].startswith(
        "weight of Linear is W.T\nbias of Linear is b\nW of Linear is W.T\n"
    )
    assert ask("found_straight")["printed"] == "W of Empty is W\n"


def test_gradients_of_an_object_are_found_in_the_layout_of_its_parameters(ask: Ask) -> None:
    told = arrays(ask("gradients"))
    np.testing.assert_array_equal(told["gradient", "W"], np.arange(6.0).reshape(3, 2).T)
    np.testing.assert_array_equal(told["gradient", "b"], [7, 8])
    assert set(arrays(ask("named_weight"))) >= {("gradient", "W"), ("gradient", "b")}


@pytest.mark.parametrize("number", range(len(WRONG)), ids=WRONG)
def test_what_is_wrong_is_refused_in_a_sentence_that_says_what_there_is(ask: Ask, number: int) -> None:
    reply = ask(f"wrong_{number}", inputs={"S": np.zeros((2, 2))} if "square" in [*WRONG][number] else {})
    assert reply["type"] == "raised"
    words = [*WRONG.values()][number][1].replace("wrong returned", f"wrong_{number} returned")
    assert words in reply["error"]
    assert "subject_hands" not in reply["error"]


def test_a_function_may_return_as_others_do(ask: Ask) -> None:
    assert arrays(ask("returns"))["value", "loss"] == 2


def test_the_rule_is_one_parameter_called_case_where_no_tensor_is(ask: Ask) -> None:
    assert ask("other_names")["error"] == (
        "mine.py: other_names has the parameter case, and beside it x; one that is given the case's hands has "
        "case alone, and what else there is from it: case['x']"
    )
    assert "unexpected keyword argument 'W'" in ask("returns", inputs={"case": np.array(1.0)})["error"]


def training(steps: int) -> dict[str, Any]:
    return {"optimizer": {"sgd": {"lr": 0.5}}, "parameters": ["W"], "steps": steps}


def test_a_training_calls_it_once_a_step_with_the_parameters_that_it_told(ask: Ask) -> None:
    told = arrays(ask("moves", training=training(3)))
    np.testing.assert_array_equal(told["parameter", "W", 2], W - 300)
    assert told["value", "loss", 2] == (W - 200).sum()


def test_where_it_tells_no_parameter_the_optimizer_moves_them(ask: Ask) -> None:
    told = arrays(ask("moved_by_the_optimizer", training=training(2)))
    np.testing.assert_array_equal(told["parameter", "W", 1], W - 1)
