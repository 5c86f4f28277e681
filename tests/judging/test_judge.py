"""The comparison, from both sides."""

import numpy as np
import pytest
from gradient_conformance.harness.judging.judge import compare, describe, within
from gradient_conformance.harness.references.row import References
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.formats import FORMATS
from gradient_conformance.reference.rounding import Expected, K

KEY = ("gradient", "W")


def expected(value, sigma=1e-7):
    value = np.asarray(value, dtype=np.float64)
    return Expected(value, np.broadcast_to(np.float64(sigma), value.shape))


def judged(got, want, dtype="float32", scale=1.0):
    [tensor] = compare(References.of({KEY: want}), {KEY: got} if got is not None else {}, dtype, [scale])
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


def test_one_wrong_element_is_named_with_its_numbers():
    got = np.ones((3, 4), np.float32)
    got[2, 1] = 1.5
    tensor = judged(got, expected(np.ones((3, 4))))
    assert (tensor.where, tensor.got, tensor.want) == ([2, 1], "1.5", "1.0")
    assert tensor.error == 0.5
    assert tensor.ulp == 0.5 / np.spacing(np.float32(1))
    assert "gradient of W[2, 1] = 1.5, should be 1.00000000 ± 8e-07" in describe(
        [tensor], Verdict.DISAGREE
    ).replace("should be 1 ±", "should be 1.00000000 ±")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_and_infinity_never_pass_for_a_number(bad):
    tensor = judged(np.array([1.0, bad], np.float32), expected([1.0, 1.0], sigma=1e30))
    assert tensor.verdict is Verdict.DISAGREE
    assert tensor.where == [1]


def test_a_negative_reference_does_not_turn_the_comparison_around():
    assert judged(np.array([5.0], np.float32), expected([-5.0])).verdict is Verdict.DISAGREE


def test_negative_zero_is_zero():
    tensor = judged(np.array([-0.0], np.float32), expected([0.0]))
    assert (tensor.verdict, tensor.used, tensor.ulp) == (Verdict.AGREE, 0.0, 0.0)


def test_an_overflow_is_as_good_as_the_largest_number_where_the_reference_is_near_it():
    largest = float(np.finfo(np.float32).max)
    near = expected([largest * (1 - 1e-7)], sigma=largest * 1e-6)
    far = expected([largest / 2], sigma=largest * 1e-6)
    infinite = np.array([np.inf], np.float32)
    assert judged(infinite, near, scale=largest).verdict is Verdict.AGREE
    assert judged(infinite, expected([largest * 8], sigma=1e30), scale=largest).verdict is Verdict.AGREE
    assert judged(infinite, far, scale=largest).verdict is Verdict.DISAGREE
    assert judged(-infinite, near, scale=largest).verdict is Verdict.DISAGREE


@pytest.mark.parametrize(
    ("got", "problem"),
    [
        (None, "did not come back"),
        (np.ones((2, 1), np.float32), "has shape (2, 1), should be (2,)"),
        (np.ones((), np.float32), "has shape (), should be (2,)"),
        (np.ones(2, np.float64), "has dtype float64, should be float32"),
        (np.ones(2, np.int64), "has dtype int64, should be float32"),
    ],
)
def test_structure_is_compared_before_any_element(got, problem):
    tensor = judged(got, expected([1.0, 1.0]))
    assert (tensor.verdict, tensor.problem, tensor.used) == (Verdict.DISAGREE, problem, LARGEST)
    assert problem in describe([tensor], Verdict.DISAGREE)


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


def test_a_tolerance_that_is_not_finite_is_an_error():
    for sigma in (np.nan, np.inf):
        with pytest.raises(FloatingPointError, match="not finite"):
            judged(np.array([1.0], np.float32), expected([1.0], sigma=sigma))


def test_a_tolerance_wider_than_a_hundredth_of_the_scale_is_inconclusive_but_never_hides_a_disagreement():
    loose = expected([1.0, 1.0], sigma=0.011 / K)
    assert judged(np.ones(2, np.float32), loose, scale=1.0).verdict is Verdict.INCONCLUSIVE
    assert judged(np.ones(2, np.float32), loose, scale=1.2).verdict is Verdict.AGREE
    assert judged(2 * np.ones(2, np.float32), loose, scale=1.0).verdict is Verdict.DISAGREE


def test_within_tells_only_of_tensors_that_were_answered():
    wanted = References.of({("value", "y"): expected([1.0]), ("value", "z"): expected([1.0])})
    assert within(wanted, "float32", {("value", "y", None): np.array([1.5], np.float32)}) == {
        ("value", "y"): False
    }
