"""The comparison, from both sides."""

import math
import re

import numpy as np
import pytest
from gradient_conformance.harness.judging.comparing import INCONCLUSIVE, compare, describe, verdict_of
from gradient_conformance.harness.judging.judge import judge
from gradient_conformance.harness.references.row import References
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.formats import FORMATS
from gradient_conformance.reference.recording import floor
from gradient_conformance.reference.rounding import K, Reference

KEY = ("gradient", "W")
PRODUCT = """title = "t"
source = "s"
program = "Y = A @ B"

[tensors]
A = { shape = [4, 3], uniform = [-1, 1] }
B = { shape = [3, 4], uniform = [-1, 1] }
"""


def expected(value, sigma=1e-7):
    value = np.asarray(value, dtype=np.float64)
    return Reference(value, np.broadcast_to(np.float64(sigma), value.shape))


def judged(got, want, dtype="float32", scale=1.0, strict=True):
    told = {KEY: got} if got is not None else {}
    [tensor] = compare(References.of({KEY: want}), told, dtype, [scale], strict=strict)
    return tensor


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_error_just_inside_the_tolerance_agrees_and_just_outside_disagrees(dtype, sign):
    want = expected([1.0, 0.0, -2.0], sigma=1e-3)
    tolerance = K * FORMATS[dtype].scale * 1e-3
    inside, outside = np.zeros(3), np.zeros(3)
    inside[1], outside[1] = 0.999 * sign * tolerance, 1.001 * sign * tolerance
    assert judged((want.value + inside).astype(dtype), want, dtype).verdict is Verdict.AGREE
    worse = judged((want.value + outside).astype(dtype), want, dtype)
    assert worse.verdict is Verdict.DISAGREE
    assert worse.where == [1]
    assert worse.used == pytest.approx(1.001, rel=1e-3)
    assert worse.ratio == pytest.approx(K * worse.used)


@pytest.mark.parametrize("strict", [True, False])
def test_a_transpose_in_another_shape_is_told_where_its_elements_are_right(strict):
    right = np.arange(6.0).reshape(3, 2)
    words = "has shape (2, 3), should be (3, 2): it is the transpose of what it should be"
    assert judged(right.T.astype(np.float32), expected(right), strict=strict).problem == words
    assert judged(right.T, expected(right), "float64", strict=strict).problem == words
    for wrong in (right.reshape(2, 3), 1.001 * right.T):
        told = judged(wrong.astype(np.float32), expected(right), strict=strict)
        assert told.problem == "has shape (2, 3), should be (3, 2)"
    assert judged(np.ones((0, 2), np.float32), expected(np.ones((2, 0)))).problem.endswith("should be (2, 0)")


def test_one_wrong_element_is_named_with_its_numbers():
    got = np.ones((3, 4), np.float32)
    got[2, 1] = 1.5
    tensor = judged(got, expected(np.ones((3, 4))))
    assert (tensor.where, tensor.got, tensor.want) == ([2, 1], "1.5", "1.0")
    assert tensor.error == 0.5
    assert tensor.ulp == 0.5 / np.spacing(np.float32(1))
    assert describe([tensor], Verdict.DISAGREE) == (
        "gradient of W[2, 1] = 1.5, should be 1 ± 8e-07   (6.25e+05 × tolerance)"
    )


@pytest.mark.parametrize("tolerance", [1e-3, 3.7e-5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_number_of_a_message_is_the_one_that_was_used(tolerance, dtype):
    want = expected([1.0], sigma=tolerance / K / FORMATS[dtype].scale)
    text = describe([judged(np.array([1.25], dtype), want, dtype)], Verdict.DISAGREE)
    said = re.fullmatch(r"gradient of W\[0\] = (\S+), should be (\S+) ± (\S+) +\((\S+) × tolerance\)", text)
    used = [1.25, 1, tolerance, 0.25 / tolerance]
    assert [float(number) for number in said.groups()] == pytest.approx(used, rel=5e-2)


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_a_tolerance_grows_neither_from_element_to_element_nor_with_the_output(size):
    want = expected(np.ones(size), sigma=1e-3 / K)
    for at in {0, size // 2, size - 1}:
        for factor, verdict in ((0.99, Verdict.AGREE), (1.01, Verdict.DISAGREE)):
            got = np.ones(size, np.float32)
            got[at] += factor * 1e-3
            tensor = judged(got, want)
            assert (tensor.verdict, tensor.where) == (verdict, [at])
            assert tensor.tolerance == pytest.approx(1e-3)


@pytest.mark.parametrize("width", [0.0, INCONCLUSIVE, math.nextafter(INCONCLUSIVE, 1), 1.0, math.inf])
def test_there_is_no_hole_between_the_verdicts(width):
    usual = Verdict.AGREE if width <= INCONCLUSIVE else Verdict.INCONCLUSIVE
    for used in (0.0, 0.595, math.nextafter(1, 0), 1.0):
        assert verdict_of(used, width) is usual
    for used in (math.nextafter(1, 2), 2.0, LARGEST, math.inf, math.nan):
        assert verdict_of(used, width) is Verdict.DISAGREE
    assert verdict_of(0.0, math.nan) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("want", [1.0, -1.0, 0.0])
def test_not_a_number_and_infinity_never_pass_for_a_number(bad, want):
    """Not beside a thousand right ones either."""
    got, right = np.zeros((2, 1000))
    got[617], right[617] = bad, want
    tensor = judged(got.astype(np.float32), expected(right, sigma=1e30))
    assert (tensor.verdict, tensor.where) == (Verdict.DISAGREE, [617])
    assert not tensor.used <= 1


@pytest.mark.parametrize("want", [5.0, -5.0])
@pytest.mark.parametrize("got", [1e9, -1e9, 0.0])
def test_the_sign_of_the_reference_does_not_turn_the_comparison_around(want, got):
    for wrong in (got, -want):
        tensor = judged(np.array([wrong], np.float32), expected([want]))
        assert tensor.verdict is Verdict.DISAGREE
        assert tensor.used > 1


@pytest.mark.parametrize(("got", "want"), [(-0.0, 0.0), (0.0, -0.0)])
def test_the_two_zeros_are_no_distance_apart(got, want):
    tensor = judged(np.array([got], np.float32), expected([want], sigma=0.0))
    assert (tensor.verdict, tensor.used, tensor.ulp, tensor.error) == (Verdict.AGREE, 0, 0, 0)


def test_an_overflow_is_as_good_as_a_largest_number_that_is_near():
    largest = float(np.finfo(np.float32).max)
    near = expected([largest * (1 - 1e-7)], sigma=largest * 1e-6)
    far = expected([largest / 2], sigma=largest * 1e-6)
    infinite = np.array([np.inf], np.float32)
    assert judged(infinite, near, scale=largest).verdict is Verdict.AGREE
    assert judged(infinite, expected([largest * 8], sigma=1e30), scale=largest).verdict is Verdict.AGREE
    assert judged(infinite, far, scale=largest).verdict is Verdict.DISAGREE
    assert judged(-infinite, near, scale=largest).verdict is Verdict.DISAGREE


@pytest.mark.parametrize("got", [np.nan, np.inf, 1.0])
def test_an_infinity_that_a_correct_run_need_not_have_is_held_against_nobody(got):
    """As a log-softmax of +inf, where frameworks subtract infinities."""
    assert (
        judged(np.array([got], np.float32), expected([np.inf], sigma=np.inf)).verdict is Verdict.INCONCLUSIVE
    )
    beside = judged(
        np.array([1.0, 2.0, got], np.float32),
        expected([1.0, 2.0, np.inf], sigma=np.array([1e-7, 1e-7, np.inf])),
    )
    assert (beside.verdict, beside.unjudged) == (Verdict.AGREE, 1)


@pytest.mark.parametrize(
    ("got", "problem"),
    [
        (None, "did not come back"),
        *(
            (np.full(shape, 2, np.float32), f"has shape {shape}, should be (2, 3)")
            for shape in ((), (1,), (1, 1), (3,), (1, 3), (2, 1), (6,), (3, 2))
        ),
        (np.ones((2, 3), np.float64), "has dtype float64, should be float32"),
        (np.ones((2, 3), np.int64), "has dtype int64, should be float32"),
    ],
)
def test_structure_is_compared_before_any_element(got, problem):
    """A scalar doesn't pass for an array."""
    tensor = judged(got, expected(np.ones((2, 3))))
    assert (tensor.verdict, tensor.problem, tensor.used) == (Verdict.DISAGREE, problem, LARGEST)
    assert problem in describe([tensor], Verdict.DISAGREE)


def test_what_a_subject_does_not_show_is_no_disagreement_and_more_digits_than_asked_are_as_good():
    want = expected(np.ones((2, 3)))
    hidden = judged(None, want, strict=False)
    assert (hidden.verdict, hidden.unshown, hidden.used) == (Verdict.NOT_SHOWN, 1, 0)
    assert judged(np.ones((2, 3)), want, strict=False).verdict is Verdict.AGREE
    assert judged(np.full((2, 3), 1 + 1e-3), want, strict=False).verdict is Verdict.DISAGREE
    narrow = judged(np.ones((2, 3), np.float32), want, "float64", strict=False)
    assert (narrow.verdict, narrow.problem) == (
        Verdict.DISAGREE,
        "has dtype float32, should be float64",
    )


def test_an_empty_tensor_agrees_only_in_its_shape():
    empty = expected(np.zeros((0, 3)))
    assert judged(np.zeros((0, 3), np.float32), empty).verdict is Verdict.AGREE
    assert judged(np.zeros((3, 0), np.float32), empty).verdict is Verdict.DISAGREE


def test_a_single_number_is_compared():
    assert judged(np.array(1.0, np.float32), expected(1.0)).verdict is Verdict.AGREE
    tensor = judged(np.array(1.1, np.float32), expected(1.0))
    assert (tensor.verdict, tensor.where) == (Verdict.DISAGREE, [])


def test_a_tolerance_of_zero_is_hit_or_missed():
    exact = expected([1.0], sigma=0.0)
    assert judged(np.array([1.0], np.float32), exact).used == 0
    missed = judged(np.array([1.0 + 2**-23], np.float32), exact)
    assert (missed.verdict, missed.used) == (Verdict.DISAGREE, LARGEST)


@pytest.mark.parametrize("want", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("got", [np.nan, np.inf, -np.inf, 0.0, 1.0])
def test_where_the_reference_is_not_finite_right_is_the_same(got, want):
    tensor = judged(np.array([2.0, got], np.float32), expected([2.0, want]))
    same = repr(got) == repr(want)
    assert tensor.verdict is (Verdict.AGREE if same else Verdict.DISAGREE)
    if not same:
        assert (tensor.where, tensor.used, tensor.got) == ([1], LARGEST, str(got))
        used = "NaN" if np.isnan(got) else "∞ × tolerance"
        assert f"W[1] = {got}, should be {want} ± 8e-07   ({used})" in describe([tensor], tensor.verdict)


def test_what_is_not_finite_widens_nothing_beside_it():
    """Neither the width of a tensor's tolerance nor the scale of its errors."""
    want = References.of({KEY: expected([1.0, np.inf, np.nan, 1e-3])})
    assert want.magnitudes == want.scales == [1.0]
    assert want.median_tolerance("float32") == [K * 1e-7]


def test_an_element_whose_tolerance_is_not_finite_is_not_judged():
    """A tensor of which half can't be judged says nothing, and names such an element."""
    want = expected([1.0, 2.0, 3.0], sigma=np.array([1e-7, np.inf, 1e-7]))
    assert judged(np.array([1.0, np.nan, 3.0], np.float32), want).verdict is Verdict.AGREE
    assert judged(np.array([1.1, np.nan, 3.0], np.float32), want).verdict is Verdict.DISAGREE
    want = expected([1.0, 2.0, 3.0], sigma=np.array([1e-7, np.inf, np.inf]))
    tensor = judged(np.array([1.0, np.nan, 3.0], np.float32), want)
    assert (tensor.verdict, tensor.where, tensor.used) == (Verdict.INCONCLUSIVE, [1], 0)
    assert "gradient of W[1] can't be judged" in describe([tensor], tensor.verdict)


def test_zeros_with_the_least_tolerance_are_judged():
    """A share of their scale would be infinite."""
    zeros = expected([0.0, 0.0], sigma=floor("float32"))
    for dtype in FORMATS:
        assert judged(np.zeros(2, dtype), zeros, dtype, scale=0.0).verdict is Verdict.AGREE
    assert judged(np.full(2, 1e-30, np.float32), zeros, scale=0.0).verdict is Verdict.DISAGREE


def test_a_tolerance_wider_than_a_hundredth_of_its_own_tensor_is_inconclusive():
    """Whatever larger tensors of its role there are; and it never hides a disagreement."""
    loose = expected([1.0, 1.0], sigma=0.011 / K)
    assert judged(np.ones(2, np.float32), loose, scale=1.0).verdict is Verdict.INCONCLUSIVE
    assert judged(np.ones(2, np.float32), loose, scale=1e3).verdict is Verdict.INCONCLUSIVE
    assert (
        judged(1.2 * np.ones(2, np.float32), expected([1.2, 1.2], sigma=0.011 / K)).verdict is Verdict.AGREE
    )
    assert judged(2 * np.ones(2, np.float32), loose, scale=1.0).verdict is Verdict.DISAGREE


def test_elements_that_are_not_judged_are_counted():
    few = Reference(np.array([1.0, 0.5, 0.25]), np.array([0.02, 0.001, 0.001]) / K)
    tensor = judged(np.array([1.0, 0.5, 0.25], np.float32), few)
    assert (tensor.unjudged, tensor.verdict) == (1, Verdict.AGREE)
    most = Reference(np.array([1.0, 0.5, 0.25]), np.array([0.02, 0.02, 0.001]) / K)
    tensor = judged(np.array([1.0, 0.5, 0.25], np.float32), most)
    assert (tensor.unjudged, tensor.verdict) == (2, Verdict.INCONCLUSIVE)


EMPTY = """
title = "t"
source = "s"
program = "y = sum(x, axis=0)"
[tensors]
x = { shape = [3, 0], uniform = [-1, 1] }
"""
DEAD = """
title = "t"
source = "s"
program = "loss = sum(relu(W @ x))"
[tensors]
W = { values = [[-1.0, -2.0], [-3.0, -1.0]] }
x = { values = [1.0, 2.0] }
"""


def correct(variant, dtype="float32"):
    """What the case asks for, as the reference has it."""
    due = VariantReference(variant).single(dtype)
    return {(role, name, None): due[role, name].value.astype(dtype) for role, name in due}


def test_a_cell_in_which_nothing_was_judged_is_inconclusive(case):
    [variant] = case(text=EMPTY).variants
    judgement = judge(VariantReference(variant), "float32", correct(variant))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "has nothing to judge" in judgement.message


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ("[[nan, nan, nan]]", Verdict.INCONCLUSIVE),
        ("[[nan, 1.0, 2.0]]", Verdict.AGREE),
        ("[[inf, inf, inf]]", Verdict.AGREE),
    ],
)
def test_what_is_nan_everywhere_tells_nothing(case, values, verdict):
    text = EMPTY.replace("{ shape = [3, 0], uniform = [-1, 1] }", f"{{ values = {values} }}")
    [variant] = case(text=text.replace("sum(x, axis=0)", "x * x")).variants
    assert judge(VariantReference(variant), "float32", correct(variant)).verdict is verdict


def test_gradients_that_are_zero_everywhere_are_told(case):
    [variant] = case(text=DEAD).variants
    judgement = judge(VariantReference(variant), "float32", correct(variant))
    assert judgement.verdict is Verdict.AGREE
    assert judgement.silent == ("W", "x")


@pytest.fixture
def product(case):
    """A case whose output is a square matrix, and what a perfect framework answers."""
    wanted = VariantReference(case(text=PRODUCT).variants[0])
    right = {(role, name, None): e.value.astype("float32") for (role, name), e in wanted.single().items()}
    return wanted, right


def test_fewer_or_more_outputs_than_expected_disagree(product):
    wanted, full = product
    assert judge(wanted, "float32", full).verdict is Verdict.AGREE
    for missing in full:
        judgement = judge(wanted, "float32", {k: a for k, a in full.items() if k != missing})
        assert judgement.verdict is Verdict.DISAGREE
        assert "did not come back" in judgement.message
        assert len(judgement.tensors) == len(full)
    assert judge(wanted, "float32", {}).verdict is Verdict.DISAGREE
    extra = judge(wanted, "float32", {**full, ("gradient", "C", None): np.zeros(1, np.float32)})
    assert "was not asked for" in extra.message


def test_the_cotangent_does_not_hide_a_transposition(product):
    """With ones, a gradient made from the transposed cotangent is the right one; with ours it is caught."""
    wanted, full = product
    [upstream], B = wanted.cotangents.values(), wanted.inputs["B"]
    assert len(np.unique(upstream)) == upstream.size == 16
    np.testing.assert_allclose(full["gradient", "A", None], upstream @ B.T, rtol=1e-6)
    transposed = {**full, ("gradient", "A", None): (upstream.T @ B.T).astype("float32")}
    assert judge(wanted, "float32", transposed).verdict is Verdict.DISAGREE
    ones = np.ones_like(upstream)
    np.testing.assert_array_equal(ones.T @ B.T, ones @ B.T)
