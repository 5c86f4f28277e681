"""What became of root causes from one run to another."""

from dataclasses import replace

import msgspec
import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.run.diff import diff, render
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, call, cell, write

AGAIN = msgspec.structs.replace(a_run().header, started="2026-01-02T03:14:05+00:00")
KNOWN = {"entry": "adapters/torch/deviations.toml:3", "note": "the other places"}


def known(**more):
    return call(**KNOWN, **more)


def traced(variant, *calls, mode="eager", dtype="float32", verdict=None):
    """A cell with wrong calls; known where each is excused."""
    excused = all(one.entry for one in calls)
    verdict = verdict or (Verdict.KNOWN_DEVIATION if excused else Verdict.DISAGREE)
    return cell("ops/a", variant, "torch", verdict, 9.0, calls=list(calls), mode=mode, dtype=dtype)


def causes(before, now):
    rest = cell("ops/rest", "", "jax", Verdict.AGREE, 0.5)
    old, new = a_run([rest, *before]), a_run([rest, *now])
    return diff(old, replace(new, header=AGAIN))


def lists(found):
    return {title: [change.name for change in own] for title, own in found.causes.sections().items() if own}


WHERE = "torch, eager, float32: backward of where towards x"


def test_a_cause_that_no_entry_excuses_and_that_was_not_there_is_new_and_bad_news():
    """Also in a cell that failed before, where no verdict tells of it."""
    matmul = call("matmul")
    found = causes([traced("k:1", matmul)], [traced("k:1", matmul, call())])
    assert found.newly_wrong == []
    assert lists(found) == {"new causes": [WHERE]}
    assert found.is_bad
    assert found.headline == "What changed: nothing newly wrong, 1 new cause"
    (new,) = found.causes.new
    assert new.said == "ops/a::k:1-float32-torch-eager: backward of where towards x, line 7: y = where(x)"


@pytest.mark.parametrize(
    "other",
    [
        traced("k:1", call(), dtype="float64"),
        traced("k:1", call(), mode="compiled"),
        traced("k:1", call(towards="y")),
        traced("k:1", call(phase="forward")),
        traced("k:1", call("matmul")),
    ],
    ids=["dtype", "mode", "towards", "phase", "op"],
)
def test_a_cause_is_another_by_each_part_of_its_key(other):
    assert list(lists(causes([traced("k:1", call())], [traced("k:1", call()), traced("k:2", *other.calls, mode=other.mode, dtype=other.dtype)]))) == ["new causes"]  # fmt: skip


def test_the_same_cause_in_further_cells_is_not_new():
    found = causes([traced("k:1", call())], [traced("k:1", call()), traced("k:2", call())])
    assert lists(found) == {}
    assert found.causes.same == 1


def test_a_known_cause_in_new_cells_is_counted_and_not_bad_news():
    found = causes([traced("k:1", known())], [traced("k:1", known()), traced("k:2", known(relative=0.7))])
    assert lists(found) == {"known causes in new cells": [WHERE]}
    assert not found.is_bad
    (change,) = found.causes.in_new_cells
    assert change.became == "in 2 cells, 1 of them new; relative error 0.5 -> 0.5"
    assert change.said == "known: the other places"


def test_an_entry_that_stands_on_another_line_now_is_the_same():
    moved = call(entry="adapters/torch/deviations.toml:9", note="the other places")
    assert lists(causes([traced("k:1", known())], [traced("k:1", moved)])) == {}


def test_a_known_cause_that_leaves_its_entry_is_new_and_says_why():
    left = call(note="adapters/torch/deviations.toml:3: larger than at_most 0.1: 0.5")
    found = causes([traced("k:1", known())], [traced("k:1", left)])
    assert lists(found) == {"new causes": [WHERE]}
    assert found.causes.new[0].said.endswith(
        "; adapters/torch/deviations.toml:3: larger than at_most 0.1: 0.5"
    )


def test_a_cause_that_got_an_entry_is_told_and_is_not_gone():
    found = causes([traced("k:1", call())], [traced("k:1", known())])
    assert lists(found) == {"causes excused now": [WHERE]}
    assert not found.is_bad


def test_an_entry_by_cells_excuses_calls_that_no_other_does():
    whole = msgspec.structs.replace(
        traced("k:1", call(), verdict=Verdict.KNOWN_DEVIATION), message="x\nmine.toml:3: it fuses"
    )
    found = causes([cell("ops/a", "k:1", "torch", Verdict.AGREE, 0.1)], [whole])
    assert lists(found) == {"known causes in new cells": [WHERE]}
    assert found.causes.in_new_cells[0].entry == "it fuses"


def test_a_cause_is_gone_only_where_its_cells_were_run_again():
    agrees = cell("ops/a", "k:1", "torch", Verdict.AGREE, 0.5)
    assert lists(causes([traced("k:1", call())], [])) == {}
    found = causes([traced("k:1", call()), traced("k:2", call())], [agrees])
    assert lists(found) == {"causes gone": [WHERE]}
    assert found.causes.gone[0].became == "not in 1 cell any more"


@pytest.mark.parametrize(
    ("now", "told"), [(0.5, False), (1.0, False), (1.01, True), (LARGEST, True), (1e-9, False)]
)
def test_a_relative_error_that_more_than_doubled_is_told_and_no_bad_news(now, told):
    found = causes([traced("k:1", known())], [traced("k:1", known(relative=now))])
    assert bool(found.causes.grown) is told
    assert not found.is_bad


def test_an_error_grows_only_in_cells_that_had_it():
    found = causes([traced("k:1", known())], [traced("k:1", known()), traced("k:2", known(relative=9.0))])
    assert found.causes.grown == []


def test_an_infinite_error_is_told_as_one():
    found = causes([traced("k:1", known())], [traced("k:1", known(relative=LARGEST))])
    assert "relative error 0.5 -> ∞" in render(found)


@pytest.mark.parametrize("which", ["earlier", "later"])
def test_with_a_run_of_the_first_format_causes_are_not_compared(which):
    runs = {"earlier": a_run([traced("k:1")]), "later": a_run([traced("k:1", call())])}
    head = msgspec.structs.replace(runs[which].header, format=1, started="2026-01-02T03:14:05+00:00")
    runs[which] = replace(runs[which], header=head)
    found = diff(*runs.values())
    assert lists(found) == {}
    assert f"causes not compared: the {which} run is of format 1, which tells no wrong calls\n" in render(
        found
    )


def test_the_text_names_causes_before_cells():
    now = [traced("k:1", call(), known(towards="y")), traced("k:2", known(towards="y"))]
    text = render(causes([traced("k:1", known(towards="y"))], now))
    assert text.index("new causes: 1\n") < text.index("newly wrong: 1\n")
    assert "\n1 new causes, 0 causes with larger errors, 1 known causes in new cells, " in text
    assert (
        "known causes in new cells: 1\n"
        "  torch, eager, float32: backward of where towards y: in 2 cells, 1 of them new; relative error 0.5 -> 0.5\n"
        "    known: the other places\n"
    ) in text


def test_cells_that_agree_by_a_convention_are_counted_apart():
    chosen = cell("ops/a", "k:1", "torch", Verdict.AGREE, 3.0, conventions=["backward of relu, line 4: ..."])
    text = render(causes([], [chosen]))
    assert "1 cell, 1 agree\n" in text
    assert "2 cells, 2 agree (1 by a convention)\n" in text


def test_the_command_fails_for_a_new_cause_alone(tmp_path, capsys):
    old = write(tmp_path / "old.jsonl", a_run([traced("k:1", call("matmul"))]))
    new = write(tmp_path / "new.jsonl", replace(a_run([traced("k:1", call("matmul"), call())]), header=AGAIN))
    assert main(["diff", str(old), str(new)]) == 1
    assert main(["diff", str(new), str(old)]) == 0
    assert main(["diff", str(old), str(new), "--format", "markdown"]) == 1
    assert "<details open><summary>new causes: 1</summary>" in capsys.readouterr().out
