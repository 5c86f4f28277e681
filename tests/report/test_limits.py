"""A Markdown report stays within what GitHub takes, whatever the run's size: what is cut is told, the result never cut."""

import msgspec
import pytest
from gradient_conformance.harness.report import markdown
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.run.diff import diff
from gradient_conformance.harness.run.lines import Machine
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, header, large

COMMENT = 65_536
LONG = "a long message " * 1_000


def failing(count):
    return a_run([
        cell(f"folder{i}/case{i}", "", "torch", Verdict.ERRORED, message=f"{i} {LONG}") for i in range(count)
    ])  # fmt: skip


def unsupported(count):
    return a_run(
        [cell(f"f/c{i}", "", "torch", Verdict.UNSUPPORTED, message=f"{i} {LONG}") for i in range(count)]
    )


def of_many_folders(count):
    return a_run([cell(f"folder{i}/c", "", "torch", Verdict.AGREE, 0.5) for i in range(count)])


def of_an_odd_machine(count):
    machine = Machine(cpu="c" * 50 * count, cores=2, os="o")
    return a_run(list(of_many_folders(1).cells), msgspec.structs.replace(header(), machine=machine))


@pytest.mark.parametrize("count", [1, 3, 50, 20_000])
@pytest.mark.parametrize("make", [failing, unsupported, of_many_folders, of_an_odd_machine, large])
def test_a_comment_takes_the_report_of_a_run_of_any_size(nothing, make, count):
    if count == 20_000 and make in (failing, unsupported):
        count = 2_000
    run = make(count)
    facts = report(run)
    text = markdown.render(facts)
    assert len(text) <= COMMENT
    assert text.startswith(f"## {facts.headline}\n\n")
    assert f"{facts.sentence}." in text
    assert "<sub>" in text
    whole = len(run.cells) <= 3
    assert whole or make is of_an_odd_machine or "fit here" in text or len(text) < 60_000


def test_what_changed_is_left_out_whole_and_told(nothing):
    now, before = failing(300), of_many_folders(300)
    text = markdown.render(report(now, since=diff(before, now)))
    assert len(text) <= COMMENT
    assert "fit here" in text
    assert text.count("<details>") + text.count("<details open>") == text.count("</details>")


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """A working directory without cases and ledgers."""
    monkeypatch.chdir(tmp_path)
