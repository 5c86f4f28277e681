"""Results that are true or false, or integers: what a program may do with them, and what is told where it may not."""

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.errors import CaseError

CASE = """title = "t"
program = '''
m = x > 0
z = where(m, x, -x)
'''
%s
[tensors]
x = { shape = [3], uniform = [-1, 1] }
"""


def told(text):
    with pytest.raises(CaseError) as refused:
        parse(text, "t.toml")
    return str(refused.value)


def test_what_is_true_or_false_is_read_by_others():
    [variant] = parse(CASE % "", "t.toml").variants
    assert variant.specs["m"].dtype == "bool"
    assert variant.values == ("z",)


def test_itself_it_is_compared_where_it_is_asked_for():
    [variant] = parse(CASE % 'values = ["m"]', "t.toml").variants
    assert variant.values == ("z",)
    assert variant.discrete == ("m",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('output = "m"', 'the output "m" is bool'),
        ('gradients = ["m"]', '"m" is bool'),
    ],
)
def test_itself_it_is_not_differentiated(line, message):
    assert message.partition(";")[0] in told(CASE % line)


def test_a_program_that_ends_with_it_is_told_to_name_an_output():
    assert 'ends with "m", which is bool and has no gradient; name an output of floats' in told(
        CASE.replace("z = where(m, x, -x)\n", "") % ""
    )


def test_a_tensor_may_be_called_like_an_op():
    text = CASE.replace("x", "norm") % ""
    [variant] = parse(text, "t.toml").variants
    assert variant.gradients == ("norm",)
