"""A NumPy function becomes the program that it is, or is refused in a sentence: never something else."""

import math
from math import exp as bare_exp

import numpy as np
import pytest
from forwards import FORWARDS, drawn
from gradient_conformance.harness.own import tracing
from gradient_conformance.harness.own.answers import output_in
from gradient_conformance.harness.own.errors import OwnError
from gradient_conformance.harness.own.inputs import Inputs

RANDOM = np.random.default_rng(0)
X, Y, V, W = (RANDOM.normal(size=shape) for shape in ((4, 3), (4, 3), 3, (3, 3)))
POSITIVE = RANDOM.uniform(0.5, 1.5, (4, 3))
LABELS = np.array([2, 0, 1, 1])


def trace(function, inputs, *pick):
    return tracing.trace(function, Inputs.of(inputs), *pick)


def statements(function, **inputs):
    """The program that a function is, without the places, which stand behind each statement."""
    return [line.split("  #")[0] for line in trace(function, inputs).program.splitlines()]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


SPELLINGS = {
    "a sum over all": (lambda x: x.sum(), "sum(x)"),
    "over an axis": (lambda x: x.sum(axis=0).sum(), "sum(sum(x, axis=0))"),
    "axes kept": (lambda x: (x - x.mean(axis=1, keepdims=True)).sum(), "sum(x - mean(x, axis=1, keepdims=True))"),
    "a maximum": (lambda x: np.max(x, axis=(0, 1)), "max(x, axis=(0, 1))"),
    "a minimum": (lambda x: x.min(), "-max(-x)"),
    "dot of matrices": (lambda x: np.dot(x, x.T).sum(), "sum(x @ x.T)"),
    "dot of vectors": (lambda x: x[0].dot(x[1]), "x[0] @ x[1]"),
    "a number's dot": (lambda x: np.dot(2.0, x).sum(), "sum(2.0 * x)"),
    "matmul": (lambda x: np.matmul(x, x.T).sum(), "sum(x @ x.T)"),
    "precedence": (lambda x: (-(x + 1) ** 2 / (x - (x - 2))).sum(), "sum(-((x + 1) ** 2) / (x - (x - 2)))"),
    "a power of a negation": (lambda x: ((-x) ** 2).sum(), "sum((-x) ** 2)"),
    "a number's power": (lambda x: (2.0**x).sum(), "sum(2.0 ** x)"),
    "relu": (lambda x: np.maximum(0, x).sum(), "sum(relu(x))"),
    "relu by a mask": (lambda x: (x * (x > 0)).sum(), "sum(relu(x))"),
    "relu by where": (lambda x: np.where(x > 0, x, 0).sum(), "sum(relu(x))"),
    "relu the other way round": (lambda x: np.where(np.less(0, x), x, 0).sum(), "sum(relu(x))"),
    "a leaky relu": (lambda x: np.where(x > 0, x, 0.1 * x).sum(), "sum(leaky_relu(x, slope=0.1))"),
    "clip": (lambda x: np.clip(x, -0.5, 0.5).sum(), "sum(-maximum(-maximum(x, -0.5), -0.5))"),
    "sigmoid": (lambda x: sigmoid(x).sum(), "sum(sigmoid(x))"),
    "sigmoid of a quotient": (lambda x: (np.exp(x) / (1 + np.exp(x))).sum(), None),
    "tanh of exponentials": (
        lambda x: ((np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))).sum(),
        None,
    ),
    "a softmax": (lambda x: (np.exp(x) / np.sum(np.exp(x), axis=0, keepdims=True))[0, 0], None),
    "softplus": (lambda x: np.log1p(np.exp(x)).sum(), "sum(softplus(x))"),
    "logaddexp": (lambda x: np.logaddexp(0, x).sum(), "sum(softplus(x))"),
    "log1p": (lambda x: np.log1p(x * x).sum(), "sum(log(1 + x * x))"),
    "expm1, tan, reciprocal": (lambda x: (np.expm1(x) + np.tan(x) * np.reciprocal(x)).sum(), None),
    "logarithms": (lambda x: (np.log2(x * x) + np.log10(x * x)).sum(), None),
    "a norm": (np.linalg.norm, "norm(x)"),
    "norms of rows": (lambda x: np.linalg.norm(x, axis=1).sum(), "sum(norm(x, axis=1))"),
    "a norm of absolute values": (lambda x: np.linalg.norm(x[0], ord=1), "sum(abs(x[0]))"),
    "a variance": (lambda x: x.var(axis=0).sum(), "sum(mean(square(x - mean(x, axis=0, keepdims=True)), axis=0))"),
    "an unbiased deviation": (lambda x: np.std(x, ddof=1), "sqrt(sum(square(x - mean(x, keepdims=True))) / 11)"),
    "outer": (lambda x: np.outer(x[0], x[1]).sum(), None),
    "einsum as a product": (lambda x: np.einsum("ij,kj->ik", x, x).sum(), None),
    "einsum as a sum": (lambda x: np.einsum("ij,ij->", x, x), "sum(x * x, axis=(0, 1))"),
    "einsum turned": (lambda x: (np.einsum("ij->ji", x)[0] * 2).sum(), None),
    "shapes": (
        lambda x: (x.reshape(2, 6).T.ravel() * x.flatten() + np.expand_dims(x, 0).squeeze(0).reshape(-1)).sum(),
        None,
    ),
    "axes": (lambda x: (x.swapaxes(0, 1) * np.moveaxis(x, 0, 1) * np.transpose(x)).sum(), None),
    "joined": (lambda x: (np.concatenate([x, x * 2]) * np.vstack([x, x])).sum(), None),
    "stacked": (lambda x: (np.stack([x, x], axis=1)[:, 0] * np.hstack([x, x])[:, 3:]).sum(), None),
    "a list of them": (lambda x: (np.array([x[0], x[1] * 2]) ** 2).sum(), None),
    "cut": (lambda x: sum((i * part**2).sum() for i, part in enumerate(np.split(x, 3, axis=1))), None),
    "tiled": (lambda x: (np.tile(x[0], (2, 2)) * np.repeat(x[:2], 2, axis=1)).sum(), None),
    "rolled, flipped, padded": (
        lambda x: (np.roll(x, 1, axis=0) * np.flip(x, 1) * np.pad(x, 1)[1:-1, 1:-1]).sum(),
        None,
    ),
    "new axes": (lambda x: (x[:, None, :] * x[None, ..., ::1]).sum(), None),
    "rows by number": (lambda x: (x[[2, 0, 0]] ** 2).sum(), None),
    "one of each row": (lambda x: x[np.arange(4), LABELS].sum(), None),
    "one of each column": (lambda x: x[[3, 0, 1], np.arange(3)].sum(), None),
    "math": (lambda x: math.exp(x[0, 0]) + math.sqrt(x[0, 1] ** 2) + math.pow(x[1, 1], 2), None),
    "Python's own sum": (lambda x: sum(row.sum() for row in x), None),
    "Python's float": (lambda x: float((x * x).sum()), "sum(x * x)"),
    "NumPy's number": (lambda x: np.float64((x * x).sum()), "sum(x * x)"),
    "item": (lambda x: (x * x).sum().item(), "sum(x * x)"),
    "another dtype": (lambda x: x.astype(np.float32).sum(), "sum(x)"),
    "elements by a mask": (lambda x: (x[x > 0] ** 2).sum(), None),
    "elements by numbers": (lambda x: (x[[[0], [2]], [0, 1]] ** 2).sum(), None),
    "numbers that are written": (lambda x: _written(x).sum(), None),
    "tensordot": (lambda x: (np.tensordot(x, x, axes=([0], [0])) * np.tensordot(x, x.T, 1)[:3, :3]).sum(), None),
    "cumsum": (lambda x: (np.cumsum(x, axis=1) * np.cumsum(x).reshape(4, 3)).sum(), None),
    "zeros that are filled": (lambda x: _filled(x).sum(), None),
}  # fmt: skip


def _written(x):
    margins = x * 1
    margins[np.arange(4), LABELS] = 0
    margins[x > 1] = 1
    margins[0, 1:] = 2
    return margins * margins


def _filled(x):
    out = np.zeros((4, 3))
    for i in range(4):
        out[i] = x[i] * i
    out[1:3, :] = x[:2]
    return out * out


@pytest.mark.parametrize(("function", "text"), SPELLINGS.values(), ids=SPELLINGS)
def test_what_numpy_computes_the_program_computes(function, text):
    """Its value is held to the function's own at two draws, whenever a function is traced."""
    found = statements(function, x=X)
    assert text is None or [line.partition(" = ")[2] for line in found] == [text]


def test_exponentials_that_have_a_name_are_known_too():
    def forward(x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        p = e / np.sum(e, axis=1, keepdims=True)
        up, down = np.exp(x), np.exp(-x)
        a = (up - down) / (up + down)
        s = up / (1 + up)
        return (p * a * s).sum()

    assert statements(forward, x=X) == [
        "p = softmax(x, axis=1)", "a = tanh(x)", "s = sigmoid(x)", "loss = sum(p * a * s)",
    ]  # fmt: skip


def test_names_are_the_authors_and_stand_once():
    def forward(x, w):
        x = x @ w
        max = np.tanh(x)
        for _ in range(2):
            max = np.tanh(max @ w)
        return max.sum()

    assert statements(forward, x=X, w=W) == [
        "x_2 = x @ w", "max = tanh(x_2)", "max_2 = tanh(max @ w)", "max_3 = tanh(max_2 @ w)", "loss = sum(max_3)",
    ]  # fmt: skip


def test_a_statement_says_where_it_was_written():
    text = trace(FORWARDS["labels"], drawn()["labels"], output_in).program
    assert text.splitlines()[0].startswith("scores = X @ W + b  # forwards.py:")


@pytest.mark.parametrize("name", FORWARDS)
def test_six_styles_of_notebooks_are_traced(name):
    text = trace(FORWARDS[name], drawn()[name], output_in)
    assert text.output.startswith("loss")
    assert not text.branches


def _in_place(x, y):
    x += y
    x *= 2
    z = x
    z -= 1
    np.multiply(z, y, out=z)
    z[z < 0] = 0.5
    return (x * z).sum()


def _view(x, y):
    row = x[0]
    x += y
    return (row * x).sum()


def _accumulated(x, y):
    total = np.zeros(3)
    for row in x * y:
        total += row
    return total @ total


def test_what_is_done_in_place_is_right():
    assert statements(_in_place, x=X, y=Y)
    assert statements(_accumulated, x=X, y=Y)


def _unknown(x):
    y = np.sort(x)
    return y.sum()


def _taken(x):
    return (x * float(np.sum(x))).sum()


def _filled_elsewhere(x):
    plain = np.asarray([0.0, 0.0, 0.0])
    plain[:] = x[0]
    return (x * plain).sum()


def _drawn_anew(x):
    return (x * np.random.default_rng().uniform(size=x.shape)).sum()


def _odd_index(x):
    return np.tile(x, (40, 40))[np.arange(160)[::-1][:, None], np.arange(120)].sum()


def _own_numbers(x):
    return (x * bare_exp(x[0, 0])).sum()


def _nothing(x):
    return 3.0 + 0 * len(x)


def _raises(x):
    return x.sum() if isinstance(x, np.ndarray) else x.nope.sum()


def _taken_beside_a_branch(x):
    taken = float(np.sum(x * x))
    return x.sum() * taken if np.sum(x * x) > 0 else x.sum()


def _complex(x):
    return (x * x).sum() + np.abs(x.astype(complex)).sum()


def _objects(x):
    return (x * x).sum() + np.frompyfunc(lambda v: v**3, 1, 1)(x).sum()


def _nothing_at_all(x):
    x.sum()


REFUSED = {
    "a number that is taken out, beside a branch of Python": (_taken_beside_a_branch, "changes with the inputs past the trace: at test_tracing.py:{first}: a plain number"),
    "complex numbers": (_complex, "test_tracing.py:{last}: .astype to complex128 can't be traced"),
    "objects": (_objects, "test_tracing.py:{last}: np."),
    "what returns nothing": (_nothing_at_all, "_nothing_at_all returns None, but a loss is a number"),
    "an unknown function": (_unknown, "test_tracing.py:{first}: np.sort is none of what can be traced: "),
    "a number that is taken out": (_taken, "changes with the inputs past the trace: at test_tracing.py:{last}: a plain number"),
    "an array that isn't the trace's": (_filled_elsewhere, "changes with the inputs past the trace: at test_tracing.py:"),
    "random numbers": (_drawn_anew, "for the same inputs: it draws random numbers"),
    "an index of too many": (_odd_index, "test_tracing.py:{last}: picking 19200 of 19200 elements by numbers or a mask is too much"),
    "a number for a function that isn't NumPy's": (_own_numbers, "changes with the inputs past the trace: at test_tracing.py:"),
    "what has no inputs": (_nothing, "_nothing returns float, which isn't computed from the inputs by NumPy alone"),
    "an error of its own": (_raises, "test_tracing.py:{last}: raises AttributeError: "),
}  # fmt: skip


DRAWS = {
    "a generator": lambda: np.random.default_rng(7).normal(size=(4, 3)),
    "one of before": lambda: np.random.RandomState(7).randn(4, 3),
    "several at once": lambda: np.random.default_rng(7).multivariate_normal(np.zeros(3), np.eye(3), size=4),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_compiled_code_that_makes_an_array_gets_a_plain_one(draw):
    """It writes into the memory of what it takes for NumPy's; the same numbers in each run are constants."""
    noise = draw()
    text = trace(lambda x: (x * draw()).sum(), {"x": np.ones((4, 3))})
    assert [a.tolist() for a in text.constants.values()] == [noise.tolist()]


@pytest.mark.parametrize(("function", "words"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_said_is_refused_with_its_place(function, words):
    first = function.__code__.co_firstlineno + 1
    last = max(line for _, _, line in function.__code__.co_lines() if line)
    with pytest.raises(OwnError) as caught:
        trace(function, {"x": X})
    assert words.format(first=first, last=last) in str(caught.value)


@pytest.mark.parametrize("start", [np.zeros(3), np.ones(3), np.array([0.0, 1.0, 1.0])], ids=str)
def test_zeros_and_ones_do_not_leave_the_trace_unseen(start):
    def forward(x, g):
        scale = g.tolist()
        return sum((x[i] * scale[i]).sum() for i in range(3)) + (g - g).sum()

    with pytest.raises(OwnError, match=r"program changes with g past the trace: at test_tracing\.py:"):
        trace(forward, {"x": X, "g": start})


def test_labels_of_zeros_and_ones_may_choose_a_path():
    def forward(x, y):
        p = sigmoid(x)
        return -sum(np.log(p[i, 0]) if y[i] == 1 else np.log(1 - p[i, 0]) for i in range(4))

    assert len(trace(forward, {"x": X, "y": np.array([0.0, 1.0, 1.0, 0.0])}).program.splitlines()) > 1


def test_a_softmax_shifted_along_another_axis_is_what_it_is():
    def forward(x):
        e = np.exp(x - x.max(axis=0, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True))[0, 0]

    assert "max(x, axis=0, keepdims=True)" in trace(forward, {"x": X}).program


def test_a_view_that_is_written_through_is_never_silently_wrong():
    with pytest.raises(
        OwnError, match=r"but what was seen of it gives .* it writes into an array that shares"
    ):
        trace(_view, {"x": X, "y": Y})


def test_what_only_the_backward_pass_does_is_nobodys_business():
    def both(x):
        loss = (x * x).sum()
        return loss, {"x": np.sort(x)[None] + np.linalg.svd(x)[1].sum()}

    assert statements(lambda x: both(x)[0], x=X) == ["loss = sum(x * x)"]


def test_a_branch_is_taken_as_it_is_and_told():
    def forward(x):
        return np.where(x > 0, x, np.exp(x) - 1).sum()

    text = trace(forward, {"x": X})
    [(name, told)] = text.branches.items()
    assert told.endswith(": a comparison")
    assert f"where({name}, x, exp(x) - 1)" in text.program
    np.testing.assert_array_equal(text.constants[name], X > 0)


def test_a_path_of_python_holds_at_these_inputs():
    assert statements(lambda x: x.sum() if x[0, 0] > 0 else -x.sum(), x=np.abs(X)) == ["loss = sum(x)"]


def test_labels_and_masks_are_constants_by_their_own_names():
    def forward(x, y):
        return -(y * np.log(x) + (1 - y) * np.log(2 - x)).mean()

    text = trace(forward, {"x": POSITIVE, "y": (X > 0).astype(int)})
    assert text.constants["y"].dtype == np.float64
    assert "loss = -mean(y * log(x) + c * log(2 - x))" in text.program


def test_numpy_and_math_are_themselves_again_also_behind_an_error():
    before = np.zeros, np.array, math.exp
    for function in (_raises, FORWARDS["labels"]):
        with pytest.raises(OwnError):
            trace(function, {"x": X})
    assert (np.zeros, np.array, math.exp) == before


def test_what_was_kept_of_a_trace_is_an_array_like_any_other():
    def forward(x):
        forward.kept = [*forward.kept, np.tanh(x)]
        return forward.kept[-1].sum()

    forward.kept = []
    trace(forward, {"x": X})
    assert forward.kept
    for a in forward.kept:
        assert isinstance(a + 1, np.ndarray)
        assert isinstance(np.concatenate([a, a]), np.ndarray)
        np.testing.assert_allclose(a.sum(), np.sum(np.asarray(a)))


def test_names_of_parameters_and_inputs_have_to_be_the_same():
    with pytest.raises(
        OwnError, match=r"needs weights, but the inputs are x, weihgts; did you mean \"weihgts\"\?"
    ):
        trace(lambda x, weights: (x @ weights).sum(), {"x": X, "weihgts": W})
    with pytest.raises(OwnError, match=r"has no parameter v; it takes x"):
        trace(lambda x: x.sum(), {"x": X, "v": V})
