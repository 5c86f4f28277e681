"""Printed numbers hold the reference, and nothing passes uncompared."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.truth.printed import NothingExpectedError, check_variant, half_unit

ROOT = Path(__file__).parents[2] / "cases"
PRINTING = [path for path in sorted(ROOT.rglob("*.toml")) if "[[expect]]" in path.read_text()]
NUMBER = re.compile(r'"([+-]?[0-9./]+)"')


def entries(path: Path) -> list[tuple[Path, int, int]]:
    """Where each printed number of a file stands."""
    text = path.read_text()
    found = [m for m in NUMBER.finditer(text) if re.search(r"is\s*=[^=]*$", text[: m.start()])]
    return [(path, *m.span(1)) for m in found]


def check(case: Any) -> list[Any]:
    """The failures of all variants that something is expected of."""
    spoken_of = [v for v in case.variants if any(e.applies(v) for e in case.expects)]
    return [failure for variant in spoken_of for failure in check_variant(variant, case.expects)]


PRINTED = [entry for path in PRINTING for entry in entries(path)]


@pytest.mark.parametrize("path", PRINTING, ids=lambda path: path.stem)
def test_the_shipped_numbers_hold(path: Path) -> None:
    assert check(load(path, ROOT)) == []


def test_the_shipped_numbers_are_all_found() -> None:
    loaded = [load(path, ROOT) for path in sorted(ROOT.rglob("*.toml"))]
    assert len(PRINTED) == sum(len(list(e.elements())) for case in loaded for e in case.expects)


@pytest.mark.parametrize(("path", "start", "end"), PRINTED, ids=lambda part: getattr(part, "stem", str(part)))
def test_a_number_that_is_changed_in_its_last_digit_is_called(
    path: Path, start: int, end: int, tmp_path: Path
) -> None:
    text = path.read_text()
    digit = text[end - 1]
    changed = tmp_path / path.name
    changed.write_text(text[: end - 1] + str(int(digit) + (1 if digit < "9" else -1)) + text[end:])
    (failure,) = check(load(changed, tmp_path))
    assert "but the case expects" in failure.message
    assert failure.message.endswith(f"{path.name}:{failure.expectation.place.rpartition(':')[2]})")


EXPECT = "\n[[expect]]\n{}\nis = {}\n"
HALF = (("shape = [2, 3], uniform = [-1, 1]", "shape = [2, 3], full = 0.5"), ("sigmoid(y)", "sum(y)"))


def expecting(case: Any, what: str, number: str, *more: tuple[str, str]) -> Any:
    """The failures of a case in which z = 1.5 sum(x)."""
    numbers = ("shape = [3], uniform = [-1, 1]", "values = [1, 2, 3]")
    return check(case(*HALF, numbers, *more, add=EXPECT.format(what, number)))


def test_a_message_says_what_where_and_by_how_much(case: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (failure,) = expecting(case, 'gradient = "A"\nat = [0, 1]', '"2.01"')
    wanted = "gradient of A[0, 1] is 2, but the case expects 2.01 ± 5e-03 (group/base.toml:12)"
    assert failure.message == wanted


def test_digits_are_held_to_half_a_unit_of_the_last() -> None:
    assert half_unit("0.511301270") == Fraction(1, 2 * 10**9)
    assert half_unit("-1.5e3") == 50
    assert half_unit("7") == Fraction(1, 2)


@pytest.mark.parametrize(
    ("number", "holds"),
    [
        ('"6"', True),
        ('"6.0"', True),
        ('"6.4"', False),
        ('"6.1e0"', False),
        ('"12/2"', True),
        ('"601/100"', False),
        ('"600000000001/100000000000"', False),
    ],
)
def test_numbers_hold_or_do_not(case: Any, number: str, holds: bool) -> None:
    assert (expecting(case, 'value = "z"', number) == []) is holds


def test_a_whole_tensor_is_compared_element_by_element(case: Any) -> None:
    assert expecting(case, 'gradient = "x"', '["1", "1", "1"]') == []
    (failure,) = expecting(case, 'gradient = "x"', '["1", "1", "1.1"]')
    assert failure.message.startswith("gradient of x[2] is 1, but the case expects 1.1")


def test_what_is_not_finite_is_a_failure(case: Any) -> None:
    more = [("sum(y)", "sum(y) / 0")]
    assert len(expecting(case, 'value = "z"', '"1"', *more)) == 1


def test_training_steps_are_those_of_the_reference(case: Any) -> None:
    training = '\n[training]\noptimizer = { sgd = { lr = 0.5 } }\nparameters = ["A"]\nsteps = 3\n'
    add = training + EXPECT.format('parameter = "A"\nat = [1, 2]\nafter_step = 2', '"-2.5"')
    add += EXPECT.format('value = "z"\nafter_step = 1', '"-8.0"')
    numbers = ("shape = [3], uniform = [-1, 1]", "values = [1, 2, 3]")
    assert check(case(*HALF, numbers, add=add)) == []


def test_an_expectation_without_variant_speaks_of_all(case: Any) -> None:
    add = '\n[sweep]\nf = ["sum", "mean"]\n' + EXPECT.format('value = "z"', '"6.0"')
    numbers = ("shape = [3], uniform = [-1, 1]", "values = [1, 2, 3]")
    loaded = case(*HALF, ("sum(y)", "{f}(y)"), numbers, add=add)
    (failure,) = check(loaded)
    assert "is 3, but the case expects 6.0 ± 5e-02 in variant f:mean" in failure.message
    assert check_variant(loaded.variants[0], loaded.expects) == []


def test_comparing_nothing_is_an_error(case: Any) -> None:
    loaded = case()
    with pytest.raises(NothingExpectedError):
        check_variant(loaded.variants[0], loaded.expects)


@pytest.mark.parametrize(("number", "holds"), [("0/1", True), ("1/3", False)])
def test_where_the_own_error_is_not_known_only_the_number_itself_holds(
    case: Any, number: str, holds: bool
) -> None:
    """At 0 ** 0 the slope in the exponent has no limit: a correct run need not be finite, the reference says 0."""
    text = (
        'title = "t"\nsource = "s"\nprogram = "y = sum(a ** b)"\n'
        "[tensors]\na = { values = [0] }\nb = { values = [0] }\n"
    )
    found = check(case(text=text, add=f'\n[[expect]]\ngradient = "b"\nis = ["{number}"]\n'))
    assert (found == []) is holds
