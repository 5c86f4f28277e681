"""An entry by op excuses one wrong result of one call, exactly as it is written down, wherever the call stands."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.ledger.causes import WrongCall
from gradient_conformance.harness.ledger.entries import Ledger, LedgerError
from gradient_conformance.harness.ledger.reading import load, load_given
from gradient_conformance.harness.run.ids import CellId

HEAD = """\
[[deviation]]
op = "maximum"
version = "==1.9.*"
case = "exact/ties::form:larger"
reason = "the first argument takes all"
evidence = "measured"
"""
GIVES = 'gives = { x = "g * (x >= y)", y = "g * (x < y)" }\n'
X, Y, G = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0]), np.array([4.0, 5.0, 6.0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger's place."""
    return tmp_path / "deviations.toml"


def ledger(path: Path, *lines: str, head: str = HEAD) -> Ledger:
    """The ledger of mxnet with one entry by op."""
    path.write_text(head + "\n".join(lines))
    return load(path, "mxnet")


def wrong_call(got: Any = (4.0, 0.0, 6.0), want: Any = (2.0, 0.0, 3.0), **changes: Any) -> WrongCall:
    """The vjp of maximum towards x where the first argument takes the whole of a tie."""
    got, want = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
    tolerance = np.full(want.shape, 1e-6)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(got - want)
        relative = float(np.max(error) / np.max(np.abs(want)))
    call = WrongCall(
        op="maximum", phase="vjp", towards="x", dtype="float32", mode="imperative", names={"x": X, "y": Y}, g=G,
        got=got, want=want, tolerance=tolerance, wrong=~(error <= tolerance), relative=relative,
    )  # fmt: skip
    return replace(call, **changes)


def why_not(ledger: Ledger, call: WrongCall, version: str = "1.9.1") -> str:
    """Why the only entry doesn't excuse the call; empty where it does."""
    cause, near = ledger.cause_of(call, version)
    assert cause is (None if near else ledger.causes[0])
    return "\n".join(near)


def test_what_is_computed_instead_is_excused(path: Path) -> None:
    """To the result's own tolerance, and towards either input."""
    known = ledger(path, GIVES)
    assert why_not(known, wrong_call()) == ""
    assert why_not(known, wrong_call((4 + 9e-7, 0, 6))) == ""
    assert why_not(known, wrong_call((0, 5, 0), (2, 5, 3), towards="y")) == ""
    told = why_not(known, wrong_call((4 + 2e-6, 0, 6)))
    assert told == f"{path}:1: is not g * (x >= y), at [0]: 4.000002, not 4"
    assert why_not(known, wrong_call((2, 0, 5))) == f"{path}:1: is not g * (x >= y), at [2]: 5, not 6"


def test_only_wrong_elements_have_to_be_what_is_given(path: Path) -> None:
    """At the others the framework is right, whatever an expression that is true at a kink says of them."""
    known = ledger(path, 'at = "x == y"', 'gives = { x = "g" }')
    assert why_not(known, wrong_call()) == ""
    assert why_not(known, wrong_call((4, 5, 6))) == f"{path}:1: also wrong where not x == y, at [1]"


def test_a_broadcast_input_has_the_sum_of_what_is_given(path: Path) -> None:
    """And any of the elements that went into a sum may be where it errs."""
    known = ledger(path, 'at = "x == y"', GIVES)
    x = np.array([[1.0], [2.0]])
    g = np.ones((2, 3))
    call = wrong_call([[1.0], [1.0]], [[0.5], [1.0]], names={"x": x, "y": Y}, g=g)
    assert why_not(known, call) == ""
    off = replace(call, got=np.array([[1.5], [1.0]]))
    assert why_not(known, off) == f"{path}:1: is not g * (x >= y), at [0, 0]: 1.5, not 1"
    elsewhere = replace(call, got=np.array([[1.0], [2.0]]), wrong=np.array([[False], [True]]))
    assert why_not(known, elsewhere) == f"{path}:1: also wrong where not x == y, at [1, 0]"
    scalar = wrong_call(0.0, 1.0, towards="y", names={"x": X, "y": np.array(3.0)}, g=G)
    assert why_not(known, scalar) == f"{path}:1: is not g * (x < y), at []: 0, not 9"


def test_what_is_given_is_rounded_too_where_the_right_number_is_none(path: Path) -> None:
    """A sum in place of nothing: the tolerance of 0 is 0."""
    call = wrong_call((4.000001, 0, 6), (0, 0, 0), tolerance=np.zeros(3), relative=1.0)
    assert why_not(ledger(path, GIVES), call) == ""
    assert "is not" in why_not(ledger(path, GIVES), replace(call, dtype="float64"))


AT_MOST = "at_most = 1e-5"


def test_elements_of_a_reduced_result_are_not_guessed(path: Path) -> None:
    """Which of them an input went into isn't known but for a number, into which all of them do."""
    known = ledger(path, 'at = "x == 0"', AT_MOST)
    forward = {
        "phase": "forward",
        "towards": "",
        "g": None,
        "names": {"x": np.eye(3), "y": Y},
        "relative": 1e-6,
    }
    told = why_not(known, wrong_call(**forward))
    assert (
        told
        == f"{path}:1: can't be asked of this call: it speaks of elements of shape (3, 3), the result has (3,)"
    )
    assert why_not(known, wrong_call(4.0, 2.0, **forward)) == ""


def test_a_bound_is_of_the_calls_relative_error(path: Path) -> None:
    """Up to it and no further."""
    known = ledger(path, AT_MOST)
    assert why_not(known, wrong_call(relative=1e-5)) == ""
    above = math.nextafter(1e-5, 1)
    assert why_not(known, wrong_call(relative=above)) == f"{path}:1: larger than at_most 1e-05: 1e-05"
    assert why_not(known, wrong_call(relative=2e-3)) == f"{path}:1: larger than at_most 1e-05: 0.002"


def test_a_bound_may_be_absolute_and_of_each_result(path: Path) -> None:
    """A relative one is none where the right number may be nearly 0."""
    known = ledger(path, 'at_most = { out = "1e-5", x = "abs(g) / 2" }')
    assert why_not(known, wrong_call()) == ""
    assert (
        why_not(known, wrong_call((4.25, 0, 6)))
        == f"{path}:1: larger than at_most abs(g) / 2, at [0]: 4.25, not 2"
    )
    assert why_not(known, wrong_call(towards="y")) == f"{path}:1: nothing is said of y"
    forward = {"phase": "forward", "towards": "", "g": None}
    assert why_not(known, wrong_call((1.000009, 3, 3), (1, 3, 3), **forward)) == ""


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_within_no_bound(path: Path, strange: float) -> None:
    """Neither as a result nor in place of one, whatever the relative error is said to be."""
    for bound in (AT_MOST, 'at_most = { x = "1e300" }', 'at_most = { x = "inf" }', 'at_most = { x = "nan" }'):
        known = ledger(path, bound)
        wrong = np.array([True, False, False])
        for call in (wrong_call((strange, 0, 6), (2, 0, 6)), wrong_call((2, 0, 6), (strange, 0, 6))):
            assert why_not(known, replace(call, wrong=wrong, relative=0.0))
            assert why_not(known, replace(call, wrong=wrong, relative=math.nan))
            assert not known.speaks_of(replace(call, relative=math.nan), "1.9.1")


def test_what_is_given_decides_where_nothing_is_finite(path: Path) -> None:
    """NaN where NaN is given, the same infinity; and the tolerance there is that of a number rounded once."""
    known = ledger(path, 'gives = { x = "g / (x - x)" }')
    g = np.array([0.0, 1.0, -1.0])
    call = wrong_call((math.nan, math.inf, -math.inf), (2, 0, 3), g=g)
    assert why_not(known, call) == ""
    assert "is not" in why_not(known, replace(call, got=np.array([0, math.inf, -math.inf])))
    assert "is not" in why_not(known, replace(call, got=np.array([math.nan, -math.inf, -math.inf])))
    lost = replace(call, want=np.full(3, math.nan), tolerance=np.full(3, math.inf))
    assert why_not(known, lost) == ""
    for got in ([math.nan, 1e300, -math.inf], [math.nan, -math.inf, -math.inf], [0, math.inf, -math.inf]):
        assert "is not" in why_not(known, replace(lost, got=np.array(got)))
    finite = ledger(path, 'gives = { x = "g" }')
    lost = {"tolerance": np.full(3, math.inf), "wrong": np.ones(3, dtype=bool)}
    assert why_not(finite, wrong_call(G * (1 + 4e-7), (math.inf,) * 3, **lost)) == ""
    assert "is not g" in why_not(finite, wrong_call(G * (1 + 6e-7), (math.inf,) * 3, **lost))


@pytest.mark.parametrize(
    ("line", "changes", "told"),
    [
        ('dtype = "float64"', {}, "known in float64, this is float32"),
        ('mode = "hybrid"', {}, "known in hybrid, this is imperative"),
        ('towards = ["y"]', {}, "known towards y, this is towards x"),
        ('when = "ndim(x) > 1"', {}, "known when ndim(x) > 1"),
        ('when = "x > 1"', {}, "can't be asked of this call: it is true or false for each of 3 elements; `at` asks that"),
        ('at = "x == y"', {"names": {"x": X, "y": np.ones(4)}}, "can't be asked of this call: shape mismatch"),
        ('at = "x - y"', {}, "can't be asked of this call: it is a number, neither true nor false; compare it"),
        ('when = "ndim(x)"', {}, "can't be asked of this call: it is a number, neither true nor false"),
        ('at = "x == y"', {"names": {"x": X}}, "can't be asked of this call: the call has no y"),
    ],
)  # fmt: skip
def test_an_entry_that_came_near_says_why_it_does_not_hold(
    path: Path, line: str, changes: dict[str, Any], told: str
) -> None:
    """With its place."""
    known = ledger(path, line, GIVES)
    assert why_not(known, wrong_call(**changes)).startswith(f"{path}:1: {told}")


def test_an_entry_of_another_op_or_phase_has_nothing_to_say(path: Path) -> None:
    """And one for another version names both versions."""
    known = ledger(path, 'phase = "vjp"', GIVES)
    assert known.cause_of(wrong_call(op="max"), "1.9.1") == (None, [])
    assert known.cause_of(wrong_call(phase="forward", towards=""), "1.9.1") == (None, [])
    assert why_not(known, wrong_call(), "2.0") == f"{path}:1: known for mxnet ==1.9.*, this is 2.0"


def test_the_entry_that_holds_is_found_behind_one_that_does_not(path: Path) -> None:
    """Two causes may have one op."""
    path.write_text(HEAD + AT_MOST + "\n" + HEAD + GIVES)
    known = load(path, "mxnet")
    assert known.cause_of(wrong_call(), "1.9.1") == (known.causes[1], [])
    _, near = known.cause_of(wrong_call((2, 0, 5)), "1.9.1")
    assert [line.partition(": ")[0] for line in near] == [f"{path}:1", f"{path}:8"]


def test_a_result_that_is_right_may_be_spoken_of(path: Path) -> None:
    """One cause may be at work just inside many calls' tolerances: where and what it gives is then not asked."""
    right = wrong_call((2, 0, 3), wrong=np.zeros(3, dtype=bool), relative=1e-6)
    assert ledger(path, 'at = "x > 100"', GIVES).speaks_of(right, "1.9.1")
    known = ledger(path, 'when = "ndim(x) == 1"', AT_MOST)
    assert known.speaks_of(right, "1.9.1")
    for other in (
        replace(right, op="max"),
        replace(right, relative=1e-4),
        replace(right, names={"x": Y[None], "y": Y}),
    ):
        assert not known.speaks_of(other, "1.9.1")
    assert not known.speaks_of(right, "2.0")
    absolute = ledger(path, 'at_most = { x = "1e-3" }')
    assert absolute.speaks_of(replace(right, got=right.want + 9e-4), "1.9.1")
    assert not absolute.speaks_of(replace(right, got=right.want + 2e-3), "1.9.1")


CELL = CellId("exact/ties", "form:larger", "float32", "mxnet", "imperative")


def test_a_minimal_case_that_does_not_show_its_cause_makes_the_entry_stale(path: Path) -> None:
    """Also in a run of that case alone."""
    known = ledger(path, GIVES)
    assert known.ended(CELL, {f"{path}:1"}) == []
    (told,) = known.ended(CELL, ())
    assert told.startswith(
        f"{path}:1: this deviation no longer occurs in exact/ties::form:larger-float32-mxnet-imp"
    )
    assert told.endswith(", which must show it; delete lines 1-7, or correct its case")
    for other in (
        CELL._replace(variant="form:larger2"),
        CELL._replace(case="exact/ties2"),
        CELL._replace(variant=""),
    ):
        assert known.ended(other, ()) == []
    assert known.ended(CELL, (), "1.9.0")
    assert known.ended(CELL, (), "2.0") == []


def test_only_cells_of_its_dtype_and_mode_have_to_show_a_cause(path: Path) -> None:
    """By the entry's own dtype and mode, or where its case names them."""
    for line in ('dtype = "float64"', 'mode = "hybrid"'):
        assert ledger(path, line, GIVES).ended(CELL, ()) == []
    narrow = HEAD.replace("form:larger", "form:larger-float64")
    assert ledger(path, GIVES, head=narrow).ended(CELL, ()) == []
    assert len(ledger(path, GIVES, head=narrow).ended(CELL._replace(dtype="float64"), ())) == 1


def test_a_minimal_case_must_be_among_the_cells(path: Path) -> None:
    """An entry by op speaks of no cell but that one."""
    known = ledger(path, 'dtype = "float64"', GIVES)
    told = f"{path}:1: case = 'exact/ties::form:larger' is no case of mxnet's cells; correct it"
    assert known.unmatched([str(CELL), str(CELL._replace(dtype="float64", framework="torch"))]) == [told]
    assert known.unmatched([str(CELL._replace(dtype="float64"))]) == []
    assert known.besides(["exact/ties"]).causes == ()
    assert known.besides(["exact/other"]).causes == known.causes


def test_a_ledger_of_ones_own_may_have_causes(path: Path) -> None:
    """Of any framework, and of subjects; beside entries by cell."""
    by_cell = '[[deviation]]\nframework = "mine"\ncell = "*"\nversion = ">=0"\nused = [1, 2]\nreason = "r"\nevidence = "e"\n'
    path.write_text(HEAD + 'framework = "mine"\n' + GIVES + by_cell)
    joined = Ledger("mine").joined(load_given([path], ["mine"]))
    assert (len(joined.causes), len(joined.cells)) == (1, 1)
    assert joined.cause_of(wrong_call(), "1.9.1")[0] is joined.causes[0]


def test_an_optimizers_step_may_be_known(path: Path) -> None:
    """Its phase is update, and its options are read by name."""
    head = HEAD.replace("maximum", "sgd")
    known = ledger(path, 'when = "lr > 1"', 'gives = { out = "parameter - gradient" }', head=head)
    names = {"parameter": X, "gradient": Y, "lr": 2.0}
    call = wrong_call(X - Y, X - 2 * Y, op="sgd", phase="update", towards="", names=names, g=None)
    assert why_not(known, call) == ""
    assert why_not(known, replace(call, names={**names, "lr": 0.5})) == f"{path}:1: known when lr > 1"


def test_the_lines_of_an_entry_hold_its_tables(path: Path) -> None:
    """Whether they stand on one line or below it."""
    below = '\n[deviation.gives]\nx = "g * (x >= y)"\ny = "g"  # measured\n'
    known = ledger(path, below, HEAD + GIVES)
    assert [(e.block.first, e.block.last) for e in known.causes] == [(1, 10), (12, 18)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reason =", 'cell = "*"\nreason =', "1: deviation 1: cell and op are both there; an entry speaks either of"),
        ('op = "maximum"\n', "", "1: deviation 1: cell or op missing; an entry speaks either of cells or of an op"),
        ('op = "maximum"', 'op = "maximun"', '2: .*: must be add, sub, .* or a list of them; "maximun" is none of them; did you mean "maximum"'),
        ('op = "maximum"', 'op = ["norm", "nope"]', '2: .*or a list of them; "nope" is none of them$'),
        ('op = "maximum"', "op = []", r"2: deviation 1: op = \[\]: must be add"),
        ('op = "maximum"', 'op = ["max", 1]', "2: .*must be add"),
        ('op = "maximum"', 'op = ["max", "sgd"]', "2: .*: let one entry speak of ops of the table, another of optim"),
        ('case = "exact/ties::form:larger"\n', "", "1: deviation 1: case missing; an entry needs op, version, case, rea"),
        ("reason =", "used = [1, 2]\nreason =", "5: .*unknown key 'used'; allowed are op, version, case, reason"),
        ("reason =", 'phase = "gradient"\nreason =', "5: .*'gradient': must be forward, vjp or a list"),
        ("reason =", 'phase = "update"\nreason =', "5: .*'update': must be forward, vjp or a list"),
        ("reason =", 'towards = "z"\nreason =', "5: .*towards = 'z': must be x, y or a list"),
        ("reason =", 'when = "slope < 0"\nreason =', '5:9: deviation 1: when: unknown name "slope"; known here are: dtype x y'),
        ("reason =", 'at = "g == 0"\nreason =', '5:7: deviation 1: at: unknown name "g"'),
        ("reason =", "at = 3\nreason =", "5: deviation 1: at = 3: must be an expression, a text"),
        ("reason =", 'at = """\nx ==\n"""\nreason =', "6:.*: deviation 1: at: cannot be read"),
        (GIVES, "", "1: deviation 1: at_most and gives are missing; an entry by op says one of them"),
        (GIVES, f"{GIVES}at_most = 1e-5\n", "1: deviation 1: at_most and gives are both there"),
        *((GIVES, f"at_most = {bad}\n", "7: .*at_most = .*: must be a relative error, a number above 0, or a bound")
          for bad in ("0", "-1", "inf", "nan", "true", '"1"', "[1]")),
        (GIVES, "gives = {}\n", r"7: .*gives = {}: must be a table of expressions, such as { x = "),
        (GIVES, 'gives = "g"\n', "7: .*gives = 'g': must be a table"),
        (GIVES, 'gives = { z = "g" }\n', "7: deviation 1: gives: unknown result 'z'; allowed are x, y, out"),
        (GIVES, 'gives = { out = "g" }\n', '7:18: deviation 1: gives.out: unknown name "g"; known here are: dtype x y'),
        (GIVES, "gives = { x = 1 }\n", "7: deviation 1: gives.x = 1: must be an expression, a text"),
        (GIVES, 'phase = "vjp"\ngives = { out = "x" }\n', "8: .*unknown result 'out'; allowed are x, y"),
        (GIVES, 'phase = "forward"\ngives = { x = "x" }\n', "8: .*unknown result 'x'; allowed are out"),
        (GIVES, 'at_most = { x = "x.T" }\n', "7:18: deviation 1: at_most.x: attribute is not allowed; allowed are"),
        (GIVES, '[deviation.gives]\nx = "g"\ny = "gg"\n', '9:6: deviation 1: gives.y: unknown name "gg"'),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_column(path: Path, old: str, new: str, message: str) -> None:
    """When the ledger is read, not when a call first asks it."""
    assert old in HEAD + GIVES
    with pytest.raises(LedgerError, match=f"{path}:{message}"):
        ledger(path, head=(HEAD + GIVES).replace(old, new))


def test_the_cotangent_may_be_asked_about_in_a_vjp(path: Path) -> None:
    """Of which a forward pass has none."""
    known = ledger(path, 'phase = "vjp"', 'at = "g > 3 and x == y"', GIVES)
    assert why_not(known, wrong_call()) == ""


def test_several_ops_share_the_names_that_they_all_have(path: Path) -> None:
    """An expression that only one of them could answer is a mistake."""
    head = HEAD.replace('"maximum"', '["log_softmax", "cross_entropy"]')
    assert ledger(path, 'towards = ["x", "z"]', 'when = "axis == 1"', AT_MOST, head=head).causes[
        0
    ].towards == ("x", "z")
    with pytest.raises(LedgerError, match='unknown name "x"; known here are: axis'):
        ledger(path, 'at = "x == 0"', AT_MOST, head=head)
