"""Frameworks against each other: distances, and the odd one out."""

import numpy as np
import pytest
from gradient_conformance.harness.report import html
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.report.pairwise import Distance, column_names, distances, pairwise
from gradient_conformance.harness.run.arrays import keep
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, tensor


def f32(*numbers):
    return np.array(numbers, dtype="float32")


@pytest.mark.parametrize(
    ("a", "b", "relative", "ulp"),
    [
        (f32(1, 2), f32(1, 2), 0, 0),
        (f32(1, 2), f32(1 + 2**-23, 2), 2**-24, 1),
        (f32(-0.0), f32(0.0), 0, 0),
        (f32(np.nan, np.inf), f32(np.nan, np.inf), 0, 0),
        (f32(np.nan), f32(1), LARGEST, LARGEST),
        (f32(np.inf), f32(-np.inf), LARGEST, LARGEST),
        (f32(0.0), f32(2**-149), 1, 1),
        (f32(1, 2), f32(1), LARGEST, LARGEST),
        (f32(), f32(), 0, 0),
    ],
)
def test_the_distance_of_two_arrays(a, b, relative, ulp):
    expected = (pytest.approx(relative), pytest.approx(ulp))
    assert distances({"a": a, "b": b}, "float32") == {("a", "b"): expected}
    assert distances({"a": b, "b": a}, "float32") == {("a", "b"): expected}
    with_others = distances({"a": a, "b": b, "c": f32(1, 2), "d": f32(5)}, "float32")
    assert with_others["a", "b"] == expected
    assert with_others["c", "d"] == (LARGEST, LARGEST)


@pytest.fixture
def four(tmp_path):
    """A run of four frameworks, the third of which answers something else; its arrays are kept."""
    own = []
    for framework, factor, used in (
        ("jax", 1, 0.1),
        ("mxnet", 1 + 2e-7, 0.2),
        ("tensorflow", 2, 1e7),
        ("torch", 1, 0.1),
    ):
        array = f32(1, 3) * np.float32(factor)
        file, kept = keep(tmp_path / "kept", framework, {("gradient", "A", None): array})
        verdict = Verdict.DISAGREE if used > 1 else Verdict.AGREE
        own.append(
            cell(
                "a",
                "",
                framework,
                verdict,
                used,
                arrays=str(file.relative_to(tmp_path)),
                kept=kept,
                tensors=[tensor("A", used, where=[1], got=str(array[1]))],
            )
        )
    return a_run(own)


def test_the_odd_one_out_is_named_when_three_agree(four, tmp_path):
    found = pairwise(four, tmp_path)
    assert (found.with_arrays, found.cells, found.problem) == (4, 4, "")
    assert {row.column: (row.outside, row.judged, row.farthest, row.compared) for row in found.apart} == {
        "jax": (0, 1, 0, 1),
        "mxnet": (0, 1, 0, 1),
        "tensorflow": (1, 1, 1, 1),
        "torch": (0, 1, 0, 1),
    }
    assert found.odd("float32") == "Alone outside its tolerance: tensorflow in 1 of 1 tensors."
    odd = next(row for row in found.apart if row.farthest)
    assert odd.example.tensor == "gradient of A"
    assert odd.example.value == pytest.approx(0.5)
    assert (odd.largest.value, odd.largest.cell) == (1e7, "a::float32-tensorflow-eager")
    page = dict(html.render(report(four), found))["pairwise.html"]
    assert '<p class="odd">Alone outside its tolerance: tensorflow in 1 of 1 tensors.</p>' in page
    assert (
        '<a href="index.html#a::float32-tensorflow-eager" title="a::float32-tensorflow-eager">1e+07 ×' in page
    )


def test_each_pair_tells_its_largest_distance_and_where_it_is(four, tmp_path):
    pairs = {(p.first, p.second): p for p in pairwise(four, tmp_path).pairs}
    assert len(pairs) == 6
    assert pairs["jax", "torch"].relative.value == 0
    assert pairs["jax", "mxnet"].ulp.value == pytest.approx(3)
    assert pairs["jax", "tensorflow"].relative.value == pytest.approx(0.5)
    assert pairs["jax", "tensorflow"].relative.cell == "a::float32-jax-eager"


def test_what_disagrees_is_left_out_of_the_distance_of_those_that_agree(four, tmp_path):
    pairs = {(p.first, p.second): p for p in pairwise(four, tmp_path).pairs}
    assert pairs["jax", "mxnet"].agreeing == pairs["jax", "mxnet"].relative
    assert pairs["jax", "tensorflow"].agreeing == Distance()


def test_a_tensor_is_counted_once_however_many_steps_it_has(tmp_path):
    own = []
    for framework, factor in (("jax", 1), ("mxnet", 1), ("torch", 3)):
        arrays = {("gradient", "A", step): f32(step + 1) * np.float32(factor) for step in range(5)}
        file, kept = keep(tmp_path, framework, arrays)
        told = tensor("A", 0.1, where=[0], step=4, got=str(np.float32(5 * factor)))
        own.append(cell("a", "", framework, Verdict.AGREE, 0.1, arrays=file.name, kept=kept, tensors=[told]))
    found = {row.column: row for row in pairwise(a_run(own), tmp_path).apart}
    assert {name: (row.farthest, row.compared) for name, row in found.items()} == {
        "jax": (0, 1),
        "mxnet": (0, 1),
        "torch": (1, 1),
    }


def test_two_that_disagree_are_not_one_odd_one_out(tmp_path):
    own = [
        cell("a", "", "jax", Verdict.DISAGREE, 5.0),
        cell("a", "", "mxnet", Verdict.DISAGREE, 5.0),
        cell("a", "", "torch", Verdict.AGREE, 0.1),
    ]
    found = pairwise(a_run(own), tmp_path)
    assert [row.outside for row in found.apart] == [0, 0, 0]
    assert found.odd("float32") == "None is alone outside its tolerance."


def test_without_arrays_the_verdicts_still_name_the_odd_one(tmp_path):
    """But there are no distances."""
    own = [cell("a", "", name, Verdict.AGREE, 0.1) for name in ("jax", "mxnet")]
    own.append(cell("a", "", "torch", Verdict.DISAGREE, 5.0))
    found = pairwise(a_run(own), tmp_path)
    assert (found.pairs, found.with_arrays) == ([], 0)
    assert [row.column for row in found.apart if row.outside] == ["torch"]


def test_arrays_that_are_gone_are_told_of(four, tmp_path):
    next((tmp_path / "kept").iterdir()).unlink()
    found = pairwise(four, tmp_path)
    assert found.with_arrays == 3
    assert "can't read kept arrays" in found.problem


def test_modes_are_columns_of_their_own_only_where_there_are_several():
    own = [
        cell("a", "", "jax", Verdict.AGREE, 0.1, mode="jit"),
        cell("a", "", "jax", Verdict.AGREE, 0.1, mode="eager"),
        cell("a", "", "torch", Verdict.AGREE, 0.1),
    ]
    assert list(column_names(own).values()) == ["jax eager", "jax jit", "torch"]
