"""Somebody's own code is judged by what it shows, in the shape in which people write it: by a real worker."""

import itertools
import textwrap
import time

import numpy as np
import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import subject
from gradient_conformance.harness.frameworks.interpreters import interpreter_of
from gradient_conformance.harness.judging.judge import judge
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.harness.workers.waiting import Seldom

LAYER = """
title = "A layer"
source = "A test"
program = "z = X @ W + b\\na = tanh(z)\\nloss = mean(a * a)"
values = ["a", "loss"]
gradients = ["X", "W", "b"]
[tensors]
X = { shape = [5, 4], uniform = [-1, 1] }
W = { shape = [4, 3], uniform = [-1, 1] }
b = { shape = [3], uniform = [-1, 1] }
"""
TRAINED = LAYER.replace(
    "[tensors]", '[training]\noptimizer = { OPTIMIZER }\nparameters = ["W", "b"]\nsteps = 4\n[tensors]'
)
SGD = TRAINED.replace("OPTIMIZER", "sgd = { lr = 0.5 }")
MOMENTUM = TRAINED.replace("OPTIMIZER", "sgd = { lr = 0.5, momentum = 0.9 }")

BACKWARD = """
import numpy as np

def forward(X, W, b):
    a = np.tanh(X @ W + b)
    return a, (a * a).mean()

def backward(X, W, b):
    a, _ = forward(X, W, b)
    dz = 2 * a / a.size * (1 - a * a)
    return {"X": dz @ W.T, "W": X.T @ dz, "b": dz.sum(axis=0)}

"""


@pytest.fixture
def judged(tmp_path):
    """Runs a function called `layer` on a case: the line of its cell."""
    engines = []

    def run(body, case=LAYER, dtype="float32", strict=False):
        file = tmp_path / "mine.py"
        file.write_text(BACKWARD + textwrap.dedent(body))
        [variant] = parse(case, "own/layer").variants
        column = subject(file, [], strict=strict)
        engine = Engine(lambda framework: interpreter_of(framework, {}, {}, tmp_path), ledgers={})
        engines.append(engine)
        return engine.result(Cell(variant, dtype, column, "eager"))

    yield run
    for engine in engines:
        engine.close()


def unshown(line):
    return {f"{t.role} {t.name}": t.unshown for t in line.tensors if t.unshown}


def test_what_is_not_shown_is_not_wrong_and_is_counted(judged):
    line = judged("""
        def layer(X, W, b):
            return {"loss": forward(X, W, b)[1]}, {"W": backward(X, W, b)["W"]}
    """)
    assert line.verdict is Verdict.AGREE, line.message
    assert line.agrees_in_part
    assert unshown(line) == {"value a": 1, "gradient X": 1, "gradient b": 1}


def test_beside_what_is_wrong_it_is_said_what_was_not_shown(judged):
    line = judged("""
        def layer(X, W, b):
            return {"loss": forward(X, W, b)[1]}, {"W": 2 * backward(X, W, b)["W"]}
    """)
    assert line.verdict is Verdict.DISAGREE
    assert "not shown: value a, gradient of X, gradient of b" in line.message
    assert "did not come back" not in line.message


def test_asked_strictly_everything_has_to_come_back(judged):
    line = judged("def layer(X, W, b): return {}, backward(X, W, b)", strict=True)
    assert line.verdict is Verdict.DISAGREE
    assert "value a did not come back" in line.message


@pytest.mark.parametrize(
    "returned", ["{}, {}", '{}, {"grads": backward(X, W, b)["W"]}', '{"z": X @ W + b}, {}']
)
def test_where_nothing_is_shown_there_is_nothing_to_agree(judged, returned):
    line = judged(f"def layer(X, W, b): return {returned}")
    assert (line.verdict, line.verdict.outcome()) == (Verdict.NOT_SHOWN, "failed")
    assert "nothing to judge: of what the case compares it returned none: value a" in line.message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dW", "the case calls it W, and W's is what is judged"),
        ("grad_W", "the case calls it W, and W's is what is judged"),
        ("W_grad", "the case calls it W, and W's is what is judged"),
        ("w", "the case calls it W"),
        ("WW", 'the case has W, X, a, b, loss, z; did you mean "W"?'),
        ("scale", "the case has W, X, a, b, loss, z"),
    ],
)
def test_what_comes_back_under_another_name_is_told_by_the_case_s(judged, name, told):
    line = judged(f"""
        def layer(X, W, b):
            own = backward(X, W, b)
            return {{}}, {{"b": own["b"], "{name}": own["W"]}}
    """)
    assert line.verdict is Verdict.AGREE, line.message
    assert line.notes == [f"it returned gradient of {name}, a name that the case does not have; {told}"]


@pytest.mark.parametrize("name", ["dW", "grad_W", "W_grad"])
def test_a_wrong_gradient_under_the_name_that_people_give_it_is_wrong(judged, name):
    line = judged(f"""
        def layer(X, W, b):
            own = backward(X, W, b)
            return {{}}, {{"b": own["b"], "{name}": 5 * own["W"]}}
    """)
    assert [f"{t.role} {t.name}" for t in line.tensors if t.verdict is Verdict.DISAGREE] == ["gradient W"]


def test_two_gradients_that_may_be_the_same_are_refused(judged):
    """Which of them is meant nobody knows: one may be wrong."""
    found = judged(
        """
        def layer(X, W, b):
            a, loss = forward(X, W, b)
            g = backward(X, W, b)
            return {"a": a, "loss": loss}, {"dW": 5 * g["W"], "W_grad": g["W"]}
        """
    )
    assert found.verdict is Verdict.ERRORED
    assert (
        "it returned gradients dW and W_grad, which may both be that of W; return one, called W"
        in found.message
    )


def test_a_gradient_that_came_back_by_its_name_is_not_replaced(judged):
    line = judged("""
        def layer(X, W, b):
            own = backward(X, W, b)
            return {}, {"dW": 5 * own["W"], "W": own["W"]}
    """)
    assert line.verdict is Verdict.AGREE, line.message


def test_names_that_are_no_text_are_told_too(judged):
    line = judged("def layer(X, W, b): return {0: 1.0}, {None: W, **backward(X, W, b)}")
    assert line.verdict is Verdict.AGREE, line.message
    assert [note.partition(",")[0] for note in line.notes] == [
        "it returned value 0",
        "it returned gradient of None",
    ]


MOVED = """
    def layer(X, W, b):
        own = backward(X, W, b)
        return {}, {}, {"W": W - np.float32(LR) * own["W"], "b": b - np.float32(0.5) * own["b"]}
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_without_gradients_is_judged_as_a_step(judged, dtype):
    right = judged(MOVED.replace("LR", "0.5"), SGD, dtype)
    assert right.verdict is Verdict.AGREE, right.message
    assert unshown(right) == {
        "value a": 4,
        "value loss": 4,
        "gradient X": 4,
        "gradient W": 4,
        "gradient b": 4,
    }


def test_a_wrong_step_without_gradients_is_told_by_what_it_should_be(judged):
    [variant] = parse(SGD, "own/layer").variants
    drawn = variant.draw("float32")
    a = np.tanh(drawn["X"] @ drawn["W"] + drawn["b"])
    moved = drawn["W"] - 0.5 * drawn["X"].T @ (2 * a / a.size * (1 - a * a))
    line = judged(MOVED.replace("LR", "0.25"), SGD.replace("steps = 4", "steps = 1"))
    assert line.verdict is Verdict.DISAGREE
    [wrong] = [t for t in line.tensors if t.verdict is Verdict.DISAGREE]
    assert (wrong.role, wrong.name) == ("parameter", "W")
    assert float(wrong.want) == pytest.approx(moved[tuple(wrong.where)], rel=1e-6)
    assert (
        "  the gradient of W, which is not shown, or the optimizer's update of W" in line.message.splitlines()
    )
    assert {(call.op, call.phase) for call in line.calls} == {("", "update")}


STEPPED = """
    velocity = {}
    def layer(X, W, b):
        own, out = backward(X, W, b), {}
        for name, p in (("W", W), ("b", b)):
            velocity[name] = np.float32(MU) * velocity.get(name, 0) + own[name]
            out[name] = p - np.float32(0.5) * velocity[name]
        return {}, SHOWN, out
"""


@pytest.mark.parametrize("shown", ["{}", '{"W": own["W"]}', "own"])
def test_steps_of_an_optimizer_with_a_state_are_judged_whatever_gradients_are_shown(judged, shown):
    code = STEPPED.replace("SHOWN", shown)
    right = judged(code.replace("MU", "0.9"), MOMENTUM)
    assert right.verdict is Verdict.AGREE, right.message


def test_a_wrong_state_of_an_optimizer_is_found_without_gradients(judged):
    line = judged(STEPPED.replace("SHOWN", "{}").replace("MU", "0.5"), MOMENTUM)
    assert line.verdict is Verdict.DISAGREE
    assert "step 0 agrees; from step 1 on all are wrong" in line.message


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ('{}, {"W": own["W"]}', {"parameter W": 4, "gradient b": 4, "value a": 4}),
        (
            '{"a": forward(X, W, b)[0]}, {}, {"W": W - np.float32(0.5) * own["W"]}',
            {"value a": 3, "parameter W": 3},
        ),
    ],
)
def test_a_training_that_cannot_be_followed_is_judged_as_far_as_it_was_shown(judged, returned, told):
    line = judged(
        f"""
        def layer(X, W, b):
            own = backward(X, W, b)
            return {returned}
    """,
        SGD,
    )
    assert line.verdict is Verdict.AGREE, line.message
    assert told.items() <= unshown(line).items()


def test_gradients_that_are_never_zeroed_are_right_until_they_are_not(judged):
    line = judged(
        """
        total = {}
        def layer(X, W, b):
            for name, g in backward(X, W, b).items():
                total[name] = total.get(name, 0) + g
            return {"loss": forward(X, W, b)[1]}, dict(total)
    """,
        SGD,
    )
    assert line.verdict is Verdict.DISAGREE
    assert "step 0 agrees; from step 1 on all are wrong" in line.message


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({2}, "steps 0 and 1 agree; step 2 is the first that is wrong"),
        ({3}, "steps 0 to 2 agree; step 3 is the first that is wrong"),
        ({1, 3}, "step 0 agrees; step 1 is the first that is wrong, and 1 of the 2 behind it"),
        ({2, 3}, "steps 0 and 1 agree; from step 2 on all are wrong"),
        ({0, 1, 2, 3}, "from step 0 on all are wrong"),
        ({0, 2}, "step 0 is the first that is wrong, and 1 of the 3 behind it"),
    ],
)
def test_the_first_wrong_step_is_named_and_what_was_right_before_it(judged, wrong, told):
    line = judged(
        f"""
        calls = [-1]
        def layer(X, W, b):
            calls[0] += 1
            own = backward(X, W, b)
            return {{}}, {{"X": own["X"] * (1 + (calls[0] % 4 in {wrong})), "W": own["W"], "b": own["b"]}}
    """,
        SGD,
    )
    assert told in line.message.splitlines()


def test_of_a_training_that_diverges_the_first_wrong_step_is_shown_with_its_cause(judged):
    """In the end everything is NaN, of whatever cause."""
    line = judged(
        """
        factors = iter([1, 2, 1e9, np.inf])
        def layer(X, W, b):
            own = backward(X, W, b)
            return {}, {**own, "X": own["X"] * np.float32(next(factors))}
    """,
        SGD,
    )
    assert line.verdict is Verdict.DISAGREE
    assert "in step 1 = " in line.message.splitlines()[0]
    assert "step 0 agrees; from step 1 on all are wrong" in line.message
    assert "all of it is 2 × what it should be" in line.message
    assert "inf" not in line.message
    assert line.calls[0].step == 1


def test_behind_a_parameter_that_is_no_number_nothing_is_said_to_be_wrong(judged):
    """From it no step can be worked out: what should be there isn't known."""
    line = judged(
        """
        calls = [-1]
        def layer(X, W, b):
            calls[0] += 1
            own = backward(X, W, b)
            return {}, own if calls[0] != 1 else {**own, "W": own["W"] * np.nan}
    """,
        SGD,
    )
    assert line.verdict is Verdict.DISAGREE
    assert "gradient of W[0, 0] in step 1 = nan" in line.message
    assert "in step 2" not in line.message
    assert "in step 3" not in line.message
    assert unshown(line) == dict.fromkeys(
        ("gradient X", "gradient W", "gradient b", "parameter W", "parameter b"), 2
    ) | dict.fromkeys(("value a", "value loss"), 4)


FORMS = {
    "lists": "{k: g.tolist() for k, g in own.items()}",
    "float64": "{k: g.astype(float) for k, g in own.items()}",
    "Fortran order": "{k: np.asfortranarray(g) for k, g in own.items()}",
    "the other byte order": "{k: g.astype(g.dtype.newbyteorder()) for k, g in own.items()}",
    "views": "{k: g[::-1][::-1] for k, g in own.items()}",
    "long doubles": "{k: g.astype(np.longdouble) for k, g in own.items()}",
    "masked arrays without a mask": "{k: np.ma.masked_array(g) for k, g in own.items()}",
    "tuples of rows": "{k: tuple(g) for k, g in own.items()}",
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_arrays_are_taken_as_what_they_are(judged, form, dtype):
    line = judged(
        f"""
        def layer(X, W, b):
            own = backward(X, W, b)
            return {{}}, {form}
    """,
        dtype=dtype,
    )
    assert line.verdict is Verdict.AGREE, line.message


def test_numbers_of_no_dtype_are_said_to_be_judged_by_the_cell_s(judged):
    code = "def layer(X, W, b): return {'loss': float(forward(X, W, b)[1])}, {}"
    assert judged(code).notes == [
        "it computes in float64: in float32 cells it is judged by float32's tolerances"
    ]
    assert judged(code, dtype="float64").notes == []


def test_less_digits_than_asked_are_a_fault(judged):
    line = judged("def layer(X, W, b): return {'loss': np.float32(forward(X, W, b)[1])}, {}", dtype="float64")
    assert line.verdict is Verdict.DISAGREE
    assert "value loss has dtype float32, should be float64" in line.message


@pytest.mark.parametrize(
    ("gradient", "told"),
    [
        ("None", "gradient W is None; it should be an array, a list or a number, of real numbers"),
        ("'much'", "gradient W is a str; it should be"),
        ("[[1, 2], [3]]", "gradient W is a list, of which NumPy makes no array"),
        ("W + 0j", "gradient W is a ndarray of complex64; it should be"),
        ("[[W, None]]", "gradient W is a list"),
        ("(g for g in W)", "gradient W is a generator; it should be"),
        ("np.ma.masked_less(W, 0)", "masked elements, and the case has no masks"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_in_a_sentence(judged, gradient, told):
    line = judged(f"def layer(X, W, b): return {{}}, {{'W': {gradient}}}")
    assert line.verdict is Verdict.ERRORED
    assert told in line.message
    assert "Traceback" not in line.message


@pytest.mark.parametrize("returned", ["None", "5", "{}", "({},)", "({}, [])", "({}, {}, {}, {})"])
def test_what_is_returned_in_another_form_is_told_in_a_sentence(judged, returned):
    line = judged(f"def layer(X, W, b): return {returned}")
    assert line.verdict is Verdict.ERRORED
    assert line.message.startswith("mine.py: layer should return (values, gradients)")
    assert "Traceback" not in line.message


CHANGED = "def layer(X, W, b):\n    own = backward(X, W, b)\n    W *= 0\n    return {}, "


@pytest.mark.parametrize(("returned", "numbers"), [("own", "is right"), ("{'W': own['X']}", ": disagree")])
def test_an_input_that_is_changed_in_place_is_told_with_what_its_numbers_are(judged, returned, numbers):
    line = judged(CHANGED + returned)
    assert line.verdict is Verdict.DISAGREE
    assert line.message.startswith(
        f"changed its inputs in place: W; what it returned{numbers}"
        if numbers[0] == ":"
        else f"changed its inputs in place: W; what it returned {numbers}"
    )
    assert "work on copies" in line.message
    assert line.changed == ["W"]


def test_layers_that_move_their_own_weights_may_where_they_return_them(judged):
    code = """
        def layer(X, W, b):
            own = backward(X, W, b)
            W -= np.float32(0.5) * own["W"]
            b -= np.float32(0.5) * own["b"]
            return {{}}, own, {moved}
    """
    line = judged(code.format(moved="{'W': W, 'b': b}"), SGD)
    assert line.verdict is Verdict.AGREE, line.message
    line = judged(code.format(moved="{'W': W, 'b': b}").replace("return", "X *= 1.5; return"), SGD)
    assert line.verdict is Verdict.DISAGREE
    assert line.changed == ["X"]


@pytest.mark.parametrize("told", ["2 * own['W']", "own['W'].T", "np.full_like(W, np.nan)"])
def test_a_step_by_another_gradient_than_was_told_is_no_second_fault(judged, told):
    """The gradient is wrong, and the parameter that it did not move is not said to be."""
    line = judged(
        f"""
        def layer(X, W, b):
            own = backward(X, W, b)
            moved = {{"W": W - np.float32(0.5) * own["W"], "b": b - np.float32(0.5) * own["b"]}}
            return {{}}, {{**own, "W": {told}}}, moved
    """,
        SGD,
    )
    assert [f"{t.role} {t.name}" for t in line.tensors if t.verdict is Verdict.DISAGREE] == ["gradient W"]
    assert "parameter" not in line.message


def test_a_step_that_is_wrong_by_either_gradient_is_told_by_the_one_that_was_told(judged):
    line = judged(
        """
        def layer(X, W, b):
            own = backward(X, W, b)
            moved = {"W": W - np.float32(0.7) * own["W"], "b": b - np.float32(0.5) * own["b"]}
            return {}, {**own, "W": 2 * own["W"]}, moved
    """,
        SGD,
    )
    wrong = {f"{t.role} {t.name}" for t in line.tensors if t.verdict is Verdict.DISAGREE}
    assert wrong == {"gradient W", "parameter W"}


@pytest.mark.parametrize(
    "fault", ["1 / 0", "np.zeros(3)[7]", "undefined", "(_ for _ in ()).throw(SystemExit(3))"]
)
def test_an_error_is_told_from_the_first_line_that_is_theirs(judged, fault):
    line = judged(f"""
        def helper():
            return {fault}

        def layer(X, W, b):
            return {{"loss": helper()}}, {{}}
    """)
    assert line.verdict is Verdict.ERRORED
    told = line.message.splitlines()
    assert told[0] == "Traceback (most recent call last):"
    assert "mine.py" in told[1]
    assert f"return {fault}" in line.message
    assert not [text for text in told if "worker.py" in text or "subject.py" in text]


@pytest.mark.parametrize("number", ["np.nan", "np.inf"])
def test_a_step_by_a_gradient_that_is_not_finite_is_what_that_gives(judged, number):
    """The gradient is wrong; that the parameter follows it is no second fault, and nothing finite is said to be right."""
    line = judged(
        f"""
        def layer(X, W, b):
            own = backward(X, W, b)
            own["W"][1, 2] = {number}
            return {{}}, own, {{"W": W - np.float32(0.5) * own["W"], "b": b - np.float32(0.5) * own["b"]}}
    """,
        SGD.replace("steps = 4", "steps = 1"),
    )
    assert [f"{t.role} {t.name}" for t in line.tensors if t.verdict is Verdict.DISAGREE] == ["gradient W"]


TWO = """
title = "Two layers"
source = "A test"
program = "A = sigmoid(X @ W + b)\\nP = sigmoid(A @ V + c)\\nloss = mse(P, Y)"
values = ["loss", "P"]
gradients = ["W", "b", "V", "c"]
[tensors]
X = { shape = [5, 3], normal = [0, 1] }
W = { shape = [3, 4], normal = [0, 1] }
b = { shape = [4], normal = [0, 1] }
V = { shape = [4, 2], normal = [0, 1] }
c = { shape = [2], normal = [0, 1] }
Y = { shape = [5, 2], uniform = [0, 1] }
"""
CODE = """
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def layer(X, W, b, V, c, Y):
        A = FIRST
        P = SECOND
        dz = 2 * (P - Y) / P.size * P * (1 - P)
        da = dz @ V.T * A * (1 - A)
        return {"loss": np.mean((P - Y) ** 2), "P": P}, {"W": X.T @ da, "b": da.sum(0), "V": A.T @ dz, "c": dz.sum(0)}
"""
RIGHT = {"FIRST": "sigmoid(X @ W + b)", "SECOND": "sigmoid(A @ V + c)"}


@pytest.mark.parametrize(
    "changed",
    [
        {"FIRST": "np.tanh(X @ W + b)"},
        {"FIRST": "sigmoid(X @ W)"},
        {"FIRST": "X @ W + b"},
        {"SECOND": "sigmoid(A @ V)"},
    ],
    ids=str,
)
def test_a_forward_that_is_not_shown_is_among_those_that_are_named(judged, changed):
    """A gradient that doesn't depend on a value, or was taken from the subject's own output, says nothing of that value."""
    code = CODE
    for name, text in {**RIGHT, **changed}.items():
        code = code.replace(name, text)
    found = judged(code, TWO, dtype="float64")
    assert {call.place for call in found.calls} == {found.first_difference}
    assert found.first_difference.startswith("matmul, line 4 or add, line 4 or sigmoid, line 4, or ")
    assert "backward" not in found.first_difference


def test_beside_what_is_not_shown_right_code_is_right(judged):
    code = CODE
    for name, text in RIGHT.items():
        code = code.replace(name, text)
    assert judged(code, TWO, dtype="float64").verdict is Verdict.AGREE


@pytest.mark.parametrize("worked", [True, False])
def test_a_step_by_a_gradient_that_is_no_number_is_no_second_fault(judged, worked):
    found = judged(
        f"""
        def layer(X, W, b):
            g = backward(X, W, b)
            told = dict(g, W=np.where(g["W"] == g["W"].max(), np.nan, g["W"]))
            moved = told["W"] if {worked} else np.nan_to_num(told["W"], nan=9)
            a, loss = forward(X, W, b)
            return {{"a": a, "loss": loss}}, told, {{"W": W - 0.5 * moved, "b": b - 0.5 * g["b"]}}
        """,
        SGD,
    )
    assert found.verdict is Verdict.DISAGREE
    assert "backward of matmul towards W" in found.message
    assert ("update of W" in found.message) is not worked


def test_a_wrong_output_that_the_backward_took_its_derivative_from_is_among_those_that_are_named(judged):
    """The gradients behind it accuse the two calls before it as much: sigma' depends on what they give."""
    code = (
        CODE.replace("FIRST", "np.tanh(X @ W + b)")
        .replace("SECOND", "A @ V + c")
        .replace(" * P * (1 - P)", "")
    )
    case = TWO.replace("sigmoid(A @ V + c)", "A @ V + c")
    found = judged(code, case, dtype="float64")
    assert found.first_difference == "matmul, line 4 or add, line 4 or sigmoid, line 4"


def test_the_tolerance_of_a_step_by_a_gradient_that_is_not_shown_is_that_of_both():
    [variant] = parse(SGD.replace("lr = 0.5", "lr = 64.0"), "own/layer").variants
    wanted, sigma = VariantReference(variant), {}
    for derived in ((), ("W",)):
        walk = wanted.walk()
        walk.took(wanted.gradients_at(walk.inputs(), ["W", "b"]), derived)
        sigma[derived] = {name: reference.sigma for (_, name), reference in wanted.update(walk).items()}
    assert np.median(sigma["W",]["W"] / sigma[()]["W"]) > 1.5
    np.testing.assert_allclose(sigma["W",]["b"], sigma[()]["b"], rtol=0.3)


def test_a_long_training_says_which_step_is_judged(monkeypatch):
    """After a while, and then ever more seldom."""
    said, clock = [], itertools.count(0, 4)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    seldom = Seldom(said.append)
    for step in range(20):
        seldom(f"judging a: step {step} of 20")
    assert said == [
        "judging a: step 2 of 20 (12 s)",
        "judging a: step 4 of 20 (20 s)",
        "judging a: step 9 of 20 (40 s)",
        "judging a: step 19 of 20 (80 s)",
    ]


BEYOND = """
title = "A place beyond"
source = "A test"
program = "y = take(x, argmax(W, axis=0))"
[tensors]
W = { values = [[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]] }
x = { values = [1.0, 2.0] }
"""


def test_a_place_that_the_program_works_out_and_is_none_is_held_against_nobody(judged):
    found = judged("def layer(W, x): return {'y': x}, {}", BEYOND)
    assert found.verdict is Verdict.ERRORED
    assert found.message == "own/layer.toml:4:16: take: index 2 is outside 0 to 1"


def test_each_step_of_a_training_is_told_before_it_is_judged():
    [variant] = parse(SGD, "own/layer").variants
    reached = []
    judge(VariantReference(variant), "float32", {}, strict=False, reached=lambda *told: reached.append(told))
    assert reached[0] == (0, variant.training.steps)


LOGARITHM = """
title = "A loss by a logarithm"
source = "A test"
program = "p = softmax(X @ W, axis=-1)\\nloss = -mean(sum(T * log(p), axis=-1))"
gradients = ["W"]
[tensors]
X = { shape = [5, 3], uniform = [-1, 1] }
W = { shape = [3, 4], uniform = [-1, 1] }
T = { shape = [5, 4], uniform = [0, 1] }
"""


@pytest.mark.parametrize(
    ("epsilon", "times", "told"),
    [
        ("1e-12", 5, ["all of it is 5 × what it should be"]),
        ("1e-8", 5, ["1e-08 is added inside the logarithm", "all of it is 5 × what it should be"]),
        ("1e-8", 1, ["1e-08 is added inside the logarithm"]),
        ("0", 5, ["all of it is 5 × what it should be"]),
    ],
)
def test_what_is_added_inside_a_logarithm_hides_no_other_fault(judged, epsilon, times, told):
    """Between names that aren't shown one wrong call forwards would explain the loss and the gradient."""
    line = judged(
        f"""
        def layer(X, W, T):
            e = np.exp(X @ W)
            p = e / e.sum(axis=1, keepdims=True)
            loss = -np.mean(np.sum(T * np.log(p + {epsilon}), axis=1))
            return {{"loss": loss}}, {{"W": X.T @ (p * T.sum(axis=1, keepdims=True) - T) / 5 * {times}}}
    """,
        LOGARITHM,
        "float64",
    )
    wrong = ["value loss"] * (epsilon != "0") + ["gradient of W"] * (times != 1)
    assert [call.name for call in line.calls] == wrong
    named = [call.likely for call in line.calls if call.likely]
    assert len(named) == len(told)
    assert all(words in likely for words, likely in zip(told, named, strict=True))
    assert "follows" not in line.message
