"""An unknown op is told what to write: its name here, what it is made of, or what was misspelt; nothing far-fetched."""

import re

import numpy as np
import pytest
from gradient_conformance.reference import parse
from gradient_conformance.reference.backprop import forward
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.names import folded
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.program import ProgramError
from gradient_conformance.reference.spellings import (
    ATTRIBUTES,
    COMPOSED,
    OTHERS,
    RENAMED,
    WRITTEN,
    unknown_op,
)

ABSENT = [
    name
    for name in [
        "acos",
        "acosh",
        "arcsin",
        "arctan",
        "argmax",
        "argmin",
        "argsort",
        "asin",
        "atan",
        "atan2",
        "bilinear",
        "bincount",
        "cbrt",
        "ceil",
        "cholesky",
        "cond",
        "cross",
        "cummax",
        "deg2rad",
        "det",
        "diff",
        "digamma",
        "eigh",
        "erfinv",
        "exp10",
        "fft",
        "float16",
        "float32",
        "floor",
        "fmod",
        "gammaln",
        "histogram",
        "interpolate",
        "inv",
        "kron",
        "lgamma",
        "logdet",
        "lu",
        "maxout",
        "median",
        "mod",
        "nan_to_num",
        "nonzero",
        "one_hot",
        "pinv",
        "qr",
        "quantile",
        "rand",
        "remainder",
        "repeat",
        "rnn",
        "roll",
        "round",
        "rrelu",
        "scan",
        "scatter",
        "searchsorted",
        "sign",
        "sinc",
        "solve",
        "sort",
        "sparsemax",
        "svd",
        "topk",
        "trunc",
        "unique",
        "vmap",
        "zeta",
    ]
    if name not in OPS and folded(name) not in RENAMED
]


def said(text):
    with pytest.raises(ProgramError) as caught:
        parse(text)
    return caught.value.message


@pytest.mark.parametrize("name", ABSENT)
def test_nothing_is_guessed_for_an_op_that_is_not_there(name):
    assert name not in OPS
    message = unknown_op(name)
    assert "did you mean" not in message
    assert "write" not in message
    assert message.endswith('compose it of these, or add it as "Add an op" in CONTRIBUTING.md says')


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("reduce_sum", "write sum"),
        ("ReLU", "write relu"),
        ("LeakyReLU", "write leaky_relu"),
        ("BCEWithLogitsLoss", "write bce_with_logits"),
        ("BCELoss", "write bce"),
        ("MSELoss", "write mse"),
        ("CrossEntropyLoss", "write cross_entropy"),
        ("binary_cross_entropy_with_logits", "write bce_with_logits"),
        ("softmax_cross_entropy_with_logits", "write cross_entropy"),
        ("LogSoftmax", "write log_softmax"),
        ("concatenate", "write concat"),
        ("expit", "write sigmoid"),
        ("Dense", "write linear"),
        ("Linear", "write linear"),
        ("permute", "write transpose"),
        ("multiply", "write x * y"),
        ("bmm", "write x @ y"),
        ("dot", "it is made of others: write x @ y"),
        ("SiLU", "write silu"),
        ("Swish", "write silu"),
        ("l1_loss", "write mae"),
        ("nll_loss", "write nll"),
    ],
)
def test_an_op_that_has_another_name_here_is_told_so(name, told):
    assert said(f"y = {name}(x)").startswith(f'unknown op "{name}"; {told}')


@pytest.mark.parametrize(
    ("text", "told"),
    [("y = np.exp(x)", "; write exp"), ("y = x.reduce_sum()", "; write sum"), ("y = os.system(x)", "")],
)
def test_a_call_through_a_module_or_a_method_is_told_the_op(text, told):
    assert said(text) == f"only ops can be called, by their name{told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("y = max(x, dim=1)", 'max has no attribute "dim"; it has: axis, keepdims; write axis'),
        (
            "y = sum(x, keepdim=True)",
            'sum has no attribute "keepdim"; it has: axis, keepdims; write keepdims',
        ),
        ("y = leaky_relu(x, alpha=0.1)", 'leaky_relu has no attribute "alpha"; it has: slope; write slope'),
        ("y = transpose(x, perm=(1, 0))", 'transpose has no attribute "perm"; it has: axes; write axes'),
        ("y = relu(x, dim=1)", 'relu has no attribute "dim"; it has: none'),
        ("y = (x - t)^2", "operator not allowed; allowed are + - * / @ ** & |; a power is **"),
        ("y = where(0 < x < 1, x, 0)", "a comparison has two sides"),
        ("y = where(x in t, x, 0)", "a comparison has two sides"),
        ("y = x if t else 0", "a condition is not allowed: a program does the same"),
        ("y = where(x > 0 and t > 0, x, 0)", "a condition is not allowed: a program does the same"),
    ],
)
def test_what_people_write_by_habit_is_told_what_to_write(text, told):
    assert said(text).startswith(told)


def test_attributes_elsewhere_are_attributes_here():
    assert set(ATTRIBUTES.values()) <= {name for row in OPS.values() for name in row.attributes}


def test_a_slip_is_still_a_slip():
    assert said("y = sigmiod(x)") == 'unknown op "sigmiod"; did you mean "sigmoid"?'


def test_the_tables_speak_of_what_is_there_and_of_nothing_twice():
    ops = {op.replace("_", "") for op in OPS}
    assert set(RENAMED.values()) | set(WRITTEN) <= set(OPS)
    for table in (RENAMED, COMPOSED, OTHERS):
        assert not ops & set(table)
        assert all(re.fullmatch("[a-z0-9]+", key) for key in table)
    assert not set(RENAMED) & set(COMPOSED)


@pytest.mark.parametrize("text", [*COMPOSED.values(), *WRITTEN.values()])
def test_what_is_to_be_written_can_be_written(text):
    parse(f"result = {text.partition(', with')[0]}")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


X, Y = np.array([-2.0, -0.4, 0.3, 1.7]), np.array([0.5, -1.2, 0.2, 0.9])
FUNCTIONS = {
    "l2": lambda x: np.sum(x**2) / 2,
    "l2normalize": lambda x: x / np.linalg.norm(x),
    "logcosh": lambda x: np.log(np.cosh(x)),
    "softmin": lambda x: np.exp(-x) / np.exp(-x).sum(),
    "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "tanhshrink": lambda x: x - np.tanh(x),
}
OF_TWO = {
    "inner": np.inner,
}
OF_POSITIVE = {
    "logit": lambda x: np.log(x / (1 - x)),
}  # fmt: skip


def value(name, **inputs):
    program = parse(f"result = {COMPOSED[name]}")
    return forward(program, inputs, EXACT)["result"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_to_be_written_is_the_function(name):
    np.testing.assert_allclose(value(name, x=X), FUNCTIONS[name](X), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OF_TWO)
def test_what_is_to_be_written_is_the_function_of_two(name):
    np.testing.assert_allclose(value(name, x=X, y=Y), OF_TWO[name](X, Y), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OF_POSITIVE)
def test_what_is_to_be_written_is_the_function_of_positive_numbers(name):
    x = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(value(name, x=x), OF_POSITIVE[name](x), rtol=1e-12, atol=1e-15)
