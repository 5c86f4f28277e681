"""exact = true is accepted where nothing can round, refused with the op call and the number otherwise."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.case.limits import MAX_EXACT, MAX_EXACT_VARIANTS
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case
from gradient_conformance.harness.errors import CaseError
from gradient_conformance.harness.judging.judge import judge
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.exact import Fractions, Rational, rational, representable
from gradient_conformance.reference.formats import DTYPES

Exact = Callable[..., Case]


@pytest.fixture
def exact(tmp_path: Path) -> Exact:
    """Loads an exact case with this program, of x = [1, 3, -2] and what else is given."""

    def make(program: str, x: str = "values = [1, 3, -2]", add: str = "") -> Case:
        path = tmp_path / "x.toml"
        tensors = f"[tensors]\nx = {{ {x} }}\n"
        path.write_text(
            f'title = "t"\nsource = "s"\nexact = true\nprogram = """\n{program}\n"""\n{tensors}{add}'
        )
        return load(path, tmp_path)

    return make


ACCEPTED = [
    "y = sum(x * x)", "y = x @ x", "y = sum(relu(x) * 0.25 - x)", "y = max(x)", "y = norm(x * 0)", "y = sum(x / 4)",
    "y = sum(maximum(x, 0))", "y = sum(leaky_relu(x, slope=0.5))", "y = x[0] * x[1] - x[2]", "y = sum(concat(x, x))",
    "y = sum(x * 4194304)",
]  # fmt: skip


@pytest.mark.parametrize("program", ACCEPTED)
def test_what_cannot_round_is_accepted(exact: Exact, program: str) -> None:
    assert exact(program).variants[0].exact


REFUSED = {
    "y = sum(1 / x)": "y.1 at [1] needs 1/3, which is not representable in float32",
    "y = mean(x)": "y needs 2/3, which is not representable in float32",
    "y = sum(x * 0.1)": "y.1 needs 0.1, which is not representable in float32",
    "y = sum(x / 5)": "y.1 at [0] needs 1/5, which is not representable in float32",
    "y = 6 / x[1]": "y needs 6 / 3: only a power of two may divide, for 6 * (1 / 3) rounds",
    "y = x[0] / (x[0] - 1)": "y needs 1 / 0, which has no value",
    "y = sum(exp(x))": "y.1 needs exp, which rounds in general",
    "y = sum(x ** 2)": "y.1 needs pow, which rounds in general",
    "y = sum(softmax(x) * x)": "y.1 needs exp, which rounds in general",
    "y = sqrt(x[1])": "y needs the root of 3, which is not representable in any dtype",
    "y = norm(x)": "y needs the root of 7/2, which is not representable in any dtype",
    "y = bce_with_logits(x, x)": "y needs exp, which rounds in general",
    "y = sum(x * 16777217)": "y.1 needs 16777217, which is not representable in float32",
    "y = sum(x * 4194304 + 0.25)": "y.2 at [0] needs 16777217/4, which is not representable in float32",
    "y = sum(x * 8388608 + 1)": "y.2 at [1] needs 25165825, which is not representable in float32",
    "y = sum(x * inf)": "y.1 needs inf, which is no finite number",
    "y = sum(x * 1e-45)": "y.1 needs 1e-45, which is not representable in float32",
}


@pytest.mark.parametrize("program", REFUSED)
def test_what_rounds_is_refused_with_its_place_and_number(exact: Exact, program: str) -> None:
    with pytest.raises(CaseError, match="the case is not exact: ") as caught:
        exact(program)
    assert REFUSED[program] in caught.value.message
    assert caught.value.line == 5
    assert caught.value.column  # that of the call inside the line


def test_a_sum_must_be_exact_in_every_order(exact: Exact) -> None:
    """2^24 + 1 - 2^24 is exact in the order 2^24 - 2^24 + 1 only."""
    values = "values = [16777216, 1, -16777216]"
    for program in ("y = sum(x)", "ones = x * 0 + 1\ny = x @ ones"):
        with pytest.raises(CaseError, match="needs a sum of multiples of 1 whose magnitudes add up to"):
            exact(program, values)
    assert exact("y = sum(x)", "values = [8388608, 1, -8388607]")


def test_gradients_and_their_sums_must_be_exact_too(exact: Exact) -> None:
    with pytest.raises(CaseError, match=r"gradient of x at \[0\] needs 1/3, which"):
        exact("y = max(x)", "values = [1, 1, 1]")
    with pytest.raises(CaseError, match=r"gradient of x needs a sum of multiples of 1 whose"):
        exact(
            "y = x * w",
            "values = 1",
            "w = { values = [16777216, 1] }\n[cotangents]\ny = { values = [1, 1] }\n",
        )


def test_what_holds_in_float64_may_not_hold_in_float32(tmp_path: Path, exact: Exact) -> None:
    text = 'title = "t"\nsource = "s"\nexact = true\nprogram = "y = x * 16777217"\n'
    path = tmp_path / "y.toml"
    path.write_text(f'{text}dtypes = ["float64"]\n[tensors]\nx = {{ values = 3 }}\n')
    assert load(path, tmp_path).variants[0].exact
    with pytest.raises(CaseError, match="not representable in float32"):
        exact("y = x * 16777217", "values = 3")


def test_the_random_default_cotangent_is_seldom_exact(exact: Exact) -> None:
    with pytest.raises(CaseError, match="gradient of x"):
        exact("y = x * 0.1875")
    assert exact("y = x * 0.1875", add="[cotangents]\ny = { values = [1, -0.5, 2] }\n")


def test_limits(exact: Exact) -> None:
    with pytest.raises(CaseError, match=rf"elements, but an exact case may have at most {MAX_EXACT}"):
        exact("y = sum(x)", f"shape = [{MAX_EXACT}], full = 0")
    sweep = f"[sweep]\nk = [{', '.join(map(str, range(MAX_EXACT_VARIANTS + 1)))}]\n"
    with pytest.raises(CaseError, match=rf"an exact case may have at most {MAX_EXACT_VARIANTS}"):
        exact("y = sum(x) * k", add=sweep)
    with pytest.raises(CaseError, match=r"an exact case has no \[training\]"):
        exact(
            "y = sum(x)",
            add='[training]\noptimizer = { sgd = { lr = 0.5 } }\nparameters = ["x"]\nsteps = 2\n',
        )


def test_the_tolerance_is_zero(exact: Exact) -> None:
    wanted = VariantReference(exact("y = sum(x * x)").variants[0])
    for expected in wanted.single().values():
        assert not np.any(expected.tolerance("float32"))
        assert expected.tolerance("float32").shape == expected.value.shape
    right = {("value", "y", None): np.asarray(14.0), ("gradient", "x", None): np.asarray([2.0, 6.0, -4.0])}
    assert judge(wanted, "float64", right).verdict is Verdict.AGREE
    off: dict[Any, Any] = {**right, ("value", "y", None): np.nextafter(np.asarray(14.0), 15)}
    assert judge(wanted, "float64", off).verdict is Verdict.DISAGREE


@pytest.mark.parametrize(
    ("value", "float32", "float64"),
    [
        (Fraction(0), True, True),
        (Fraction(1, 3), False, False),
        (Fraction(2**24 + 1), False, True),
        (Fraction(2**24 + 2), True, True),
        (Fraction(2) ** -126, True, True),
        (Fraction(2) ** -127, False, True),  # subnormal in float32: several frameworks flush it
        (-(Fraction(2) ** 128), False, True),
        (Fraction(2) ** 1024, False, False),
    ],
)
def test_representable_is_zero_or_normal_with_a_short_significand(
    value: Fraction, float32: bool, float64: bool
) -> None:
    assert (representable(value, "float32"), representable(value, "float64")) == (float32, float64)


def test_fractions_never_turn_into_floats_beside_one() -> None:
    """2^-60 would vanish beside 1.0."""
    tiny = rational(np.asarray([2.0**-60]))
    for total in (tiny + 1.0, 1.0 + tiny, np.float64(1) + tiny, tiny + np.ones(1), np.ones(1) + tiny):
        assert total[0].value == 1 + Fraction(1, 2**60)
    assert isinstance((tiny * np.asarray([3]))[0], Rational)


def test_numbers_of_numpy_do_not_overflow() -> None:
    assert (Rational(Fraction(2) ** 60) * np.int64(2) ** 62).value == 2**122


def values(a: Any) -> Any:
    """The fractions of an array."""
    return np.frompyfunc(lambda element: element.value, 1, 1)(a)


@pytest.mark.parametrize("exponents", [(0, 1), (-3, 4), (-40, -30), (5, 9)])
def test_products_and_sums_are_those_of_the_fractions(exponents: tuple[int, int]) -> None:
    """They are computed with integers, which is fast: here again element by element, with the fractions themselves."""
    random = np.random.default_rng(0)
    x, w, b = (
        rational(random.integers(-9, 9, shape) * 2.0 ** random.integers(*exponents, shape))
        for shape in ((4, 3), (3, 2), (2,))
    )
    c = Fractions(["float64"])
    product = values(x) @ values(w)
    assert (values(c.matmul(x, w)) == product).all()
    assert (values(c.matmul(x, w, b)) == product + values(b)).all()
    assert (values(c.sum(x, axis=0)) == values(x).sum(axis=0)).all()
    assert values(c.sum(x, axis=None)) == values(x).sum()


EXPONENTS = (*range(-1090, 960, 50), *range(-40, 40, 7), -149, -126, -24, -14, 0, 104, 960)


@pytest.mark.parametrize("dtype", DTYPES)
def test_representable_is_what_a_conversion_keeps(dtype: str) -> None:
    random, kind, info = np.random.default_rng(0), np.dtype(dtype).type, np.finfo(dtype)
    found = set()
    for bits, exponent in itertools.product((1, info.nmant, info.nmant + 1, info.nmant + 2), EXPONENTS):
        value = int(random.integers(1, 2**bits, endpoint=True)) * Fraction(2) ** exponent
        with np.errstate(over="ignore"):
            kept = float(kind(float(value)))
        keeps = math.isfinite(kept) and kept >= info.smallest_normal and Fraction(kept) == value
        assert representable(value, dtype) == keeps
        found.add(keeps)
    assert found == {True, False}
