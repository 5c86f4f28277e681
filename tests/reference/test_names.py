"""The nearest of some names: a slip of the fingers is mended, another word is left alone."""

import pytest
from gradient_conformance.reference.names import nearest, slips
from gradient_conformance.reference.ops import OPS


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sigmiod", "sigmoid"),
        ("sigmod", "sigmoid"),
        ("tahn", "tanh"),
        ("rleu", "relu"),
        ("reluu", "relu"),
        ("Softmax", "softmax"),
        ("logsoftmax", "log_softmax"),
        ("LeakyReLU", "leaky_relu"),
        ("leaky", "leaky_relu"),
        ("cros_entropy", "cross_entropy"),
        ("bce_with_logit", "bce_with_logits"),
        ("matmull", "matmul"),
        ("maximun", "maximum"),
        ("trasnpose", "transpose"),
        ("softpluss", "softplus"),
        ("sqaure", "square"),
        ("meen", "mean"),
        ("exp_", "exp"),
        ("lienar", "linear"),
        ("concta", "concat"),
    ],
)
def test_a_slip_is_mended(written, meant):
    assert nearest(written, OPS) == f'; did you mean "{meant}"?'


@pytest.mark.parametrize(
    ("written", "allowed"),
    [("gelu", "relu"), ("float16", "float64"), ("float32", "float64"), ("mine", "mxnet"), ("elu", "relu")],
)
def test_another_word_is_no_slip(written, allowed):
    assert nearest(written, [allowed]) == ""


def test_of_two_that_differ_in_capitals_the_first_is_meant():
    assert nearest("relu", ["ReLU", "RELU"]) == '; did you mean "ReLU"?'


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [("", "", 0), ("ab", "ba", 1), ("tanh", "tan", 1), ("gelu", "relu", 1), ("abc", "", 3)],
)
def test_slips_are_counted(a, b, count):
    assert slips(a, b) == slips(b, a) == count
