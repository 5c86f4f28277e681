"""The facts of a report, and that they add up wherever they are counted."""

import os

import pytest
from gradient_conformance.harness.case.library import Library
from gradient_conformance.harness.report.cases import case_facts
from gradient_conformance.harness.report.model import EDGES, report
from gradient_conformance.harness.report.summary import table
from gradient_conformance.harness.run.lines import number
from gradient_conformance.harness.verdict import Verdict
from msgspec import structs
from runs import HOSTILE, a_run, cell, cells, header, large, tensor
from wrong import BASE


def test_every_view_counts_every_cell_once(here):
    facts = report(a_run())
    for boxes in (
        [facts.box],
        [framework.box for framework in facts.frameworks],
        [box for folder in facts.folders for box in folder.frameworks.values()],
    ):
        assert sum(box.cells for box in boxes) == 15
        for verdict in Verdict:
            assert sum(box.totals[verdict] for box in boxes) == sum(c.verdict is verdict for c in cells())
        assert all(sum(box.totals.values()) == box.cells for box in boxes)
    assert sum(sum(row.counts) for row in facts.headroom) == sum(c.used is not None for c in cells())


def test_the_result_names_all_ten_verdicts_and_counts_failures_as_pytest_does(here):
    facts = report(a_run())
    assert facts.headline == "5 of 15 cells agree (1 by a convention); 7 failed"
    assert facts.sentence.startswith("15 cells: 5 agree (1 by a convention), 1 known deviation, ")
    assert all(f"{facts.box.totals[verdict]} {verdict}" in facts.sentence for verdict in Verdict)


def test_what_agrees_in_what_was_shown_is_counted_apart_and_notes_are_told_once(here):
    hidden = [tensor(0.1), structs.replace(tensor(0.0), name="b", verdict=Verdict.NOT_SHOWN, unshown=1)]
    own = [
        structs.replace(cell("a", f"k:{i}", "torch", Verdict.AGREE, 0.1), tensors=hidden, notes=["it is odd"])
        for i in range(3)
    ] + [cell("a", "k:9", "torch", Verdict.AGREE, 0.1)]
    facts = report(a_run(own))
    assert facts.headline == "4 of 4 cells agree (3 in what was shown); none failed"
    shown = table(own, width=100, colour=False)
    assert shown.count("torch: it is odd (3 cells)") == 1
    assert "4 cells: 4 agree (3 in what was shown)" in shown


def test_a_framework_that_was_planned_and_has_no_cell_is_still_listed(here):
    facts = report(a_run([cell("a", "", "torch", Verdict.AGREE, 0.1)]))
    assert [(f.name, f.version, f.box.cells) for f in facts.frameworks] == [
        ("gone", None, 0),
        ("jax", "0.10.2", 0),
        ("mxnet", "1.9.1", 0),
        ("torch", "2.13.0", 1),
    ]


@pytest.mark.parametrize(
    ("used", "index"), [(0.0, 0), (1e-9, 1), (1.0, 13), (1.0001, 14), (1e300, len(EDGES) - 1)]
)
def test_a_cell_that_uses_exactly_all_of_its_tolerance_is_counted_inside(here, used, index):
    verdict = Verdict.AGREE if used <= 1 else Verdict.DISAGREE
    (row,) = report(a_run([cell("a", "", "torch", verdict, used)])).headroom
    assert row.counts[index] == 1 == sum(row.counts)


def test_the_median_and_the_largest_are_those_of_the_cells(here):
    own = [cell("a", f"k:{i}", "torch", Verdict.AGREE, i / 10) for i in range(5)]
    (row,) = report(a_run(own)).headroom
    assert (row.median, row.largest, row.cells) == (0.2, 0.4, 5)


def test_a_case_is_told_by_its_file_and_one_that_is_gone_by_a_message(here):
    found = {case.name: case for case in report(a_run()).cases}
    assert found["notebooks/hostile"].title == HOSTILE
    assert found["notebooks/hostile"].program == "y = A @ x\nloss = sum(y * y)"
    assert found["notebooks/hostile"].file == "cases/notebooks/hostile.toml"
    assert found["ops/twist"].problem.startswith("cases/ops/twist.toml isn't here any more")


def test_a_given_case_root_comes_before_those_of_the_run(here):
    (here / "moved/ops").mkdir(parents=True)
    (here / "moved/ops/twist.toml").write_text(BASE.replace('"t"', '"Moved"'))
    found = {case.name: case for case in report(a_run(), [here / "moved"]).cases}
    assert found["ops/twist"].title == "Moved"


def test_a_case_outside_its_root_is_not_read(here):
    (here / "secret.toml").write_text('title = "secret"')
    assert facts_of("../secret", here).title == ""


def facts_of(name, here, ran=None):
    return case_facts(name, Library([here / "cases"], proven=False), ran or {})


HUGE = "# " + "x" * 1_000_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", ":1:9: this is no TOML"),
        (f"{BASE}{HUGE}", ": cannot be read: the file is larger than 1000000 bytes"),
        (f"x = {'[' * 5_000}", ": this is no TOML: the file is nested too deeply"),
        (f"{'a.' * 400_000}a = 1", ":1:1: this is no TOML: a dotted key may have at most 100 parts"),
        (BASE.replace("sigmoid", "sigmiod") + "[sizes]\nk = 'x'\n", 'unknown op "sigmiod"'),
    ],
    ids=["no TOML", "huge", "deep", "dotted", "no case"],
)
@pytest.mark.parametrize("ran", [{}, {"": "0123456789abcdef"}], ids=["nothing judged", "judged"])
def test_a_case_file_is_read_within_the_limits_of_every_case(here, text, problem, ran):
    (here / "cases/notebooks/hostile.toml").write_text(text)
    facts = facts_of("notebooks/hostile", here, ran)
    assert problem in facts.problem
    assert "\n" not in facts.problem
    assert (facts.title, facts.program, facts.changed) == ("", "", bool(ran))


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_below_the_root_is_no_case(here, kind):
    path = here / "cases/notebooks/hostile.toml"
    path.unlink()
    (here / "secret.toml").write_text(BASE)
    make = {
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to(here / "secret.toml"),
        "folder": path.mkdir,
    }
    make[kind]()
    facts = facts_of("notebooks/hostile", here)
    assert facts.title == ""
    assert "isn't here any more" in facts.problem


def test_a_cell_is_repeated_with_the_words_that_its_run_carried_and_in_its_own_mode(here):
    facts = report(a_run(head=header(carried=("--subject=my file.py", "--mode=all"))))
    assert facts.cells[0].repeat == (
        "pytest 'cases/notebooks/hostile.toml::float32-jax-eager' '--subject=my file.py' --mode=eager"
    )


def test_a_known_deviation_carries_the_evidence_and_the_link_of_its_entry(here):
    found = {c.result.cell: c.deviations[0] for c in report(a_run()).cells if c.deviations}
    known = found["ops/twist::k:3-float32-mxnet-eager"]
    assert known.reason == "twist turns the wrong way"
    assert known.evidence == "https://example.org/issues/7 (open); tests/test_twist.py"
    assert known.link == "https://example.org/issues/7"
    assert (known.case, known.since) == ("ops/twist", "2026-01-01")
    assert found["ops/twist::k:16-float32-mxnet-eager"].reason == "this deviation no longer occurs; delete it"


def test_an_entry_of_a_users_own_ledger_lends_its_evidence_and_its_own_link(here):
    ledger = here / "adapters/mxnet/deviations.toml"
    entry = ledger.read_text() + 'framework = "torch"\nlink = "https://example.org/own"\n'
    ledger.write_text(entry.rstrip() + entry.replace("torch", "mxnet").replace("twist::", "other::"))
    found = {c.result.cell: c.deviations[0] for c in report(a_run()).cells if c.deviations}
    assert found["ops/twist::k:3-float32-mxnet-eager"].link == "https://example.org/own"
    assert found["ops/twist::k:3-float32-mxnet-eager"].evidence.startswith("https://example.org/issues/7")


def test_an_entry_that_says_something_else_by_now_lends_no_evidence(here):
    ledger = here / "adapters/mxnet/deviations.toml"
    ledger.write_text(ledger.read_text().replace("turns the wrong way", "is mended"))
    found = {c.result.cell: c.deviations[0] for c in report(a_run()).cells if c.deviations}
    known = found["ops/twist::k:3-float32-mxnet-eager"]
    assert (known.reason, known.evidence, known.link) == ("twist turns the wrong way", "", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0"),
        (1.797693134862315708e308, "∞"),
        (0.12345, "0.123"),
        (1234.5, "1234"),
        (3e7, "3e+07"),
    ],
)
def test_numbers_are_short_and_infinity_is_told(value, text):
    assert number(value) == text


def test_a_large_run_is_counted_completely(here):
    facts = report(large(5_000))
    assert facts.box.totals[Verdict.AGREE] == 5_000 == sum(f.box.cells for f in facts.frameworks)
