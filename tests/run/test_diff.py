"""What changed between two runs is told completely, and only what is newly wrong fails."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import runs
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.report.json import report_schema
from gradient_conformance.harness.run.diff import Difference, diff, render
from gradient_conformance.harness.run.lines import LARGEST, CellLine
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, write

FAILING = [verdict for verdict in Verdict if verdict.outcome() == "failed"]
FINE = [verdict for verdict in Verdict if verdict not in FAILING]


AGAIN = msgspec.structs.replace(a_run().header, started="2026-01-02T03:14:05+00:00")
"""Of a run made again, ten minutes later."""


def one(verdict: Verdict, used: float | None = None, **more: object) -> CellLine:
    return cell("ops/a", "k:3", "torch", verdict, used, **more)


def changed(before, now, factor=2.0):
    """What becomes of one cell that may be lacking on either side; another one is always there."""
    rest = cell("ops/rest", "", "jax", Verdict.AGREE, 0.5)
    old, new = (a_run([rest, *([some] if some else [])]) for some in (before, now))
    return diff(old, replace(new, header=AGAIN), factor)


def lists(difference):
    return {title.partition(" by more")[0] for title, changes in difference.sections().items() if changes}


@pytest.mark.parametrize("now", FAILING)
def test_each_failure_that_was_none_before_is_newly_wrong(now):
    for before in FINE:
        assert lists(changed(one(before), one(now))) == {"newly wrong"}
    assert lists(changed(None, one(now))) == {"newly wrong", "new"}


@pytest.mark.parametrize("now", FAILING)
def test_a_cell_that_failed_before_is_not_newly_wrong_however_it_fails_now(now):
    for before in FAILING:
        expected = set() if before is now else {"verdict changed otherwise"}
        assert lists(changed(one(before), one(now))) == expected


@pytest.mark.parametrize("before", FAILING)
def test_only_agreement_is_mended_and_what_is_skipped_or_excused_now_is_not(before):
    for now in FINE:
        expected = "mended" if now is Verdict.AGREE else "verdict changed otherwise"
        assert lists(changed(one(before), one(now))) == {expected}


def test_agreement_that_became_a_skip_is_told():
    assert lists(changed(one(Verdict.AGREE), one(Verdict.ABSENT))) == {"verdict changed otherwise"}


def test_new_and_gone_cells_are_told_and_do_not_fail():
    assert lists(changed(None, one(Verdict.AGREE))) == {"new"}
    assert lists(changed(one(Verdict.DISAGREE), None)) == {"gone"}


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (0.2, 0.41, True),
        (0.41, 0.2, True),
        (0.2, 0.4, False),
        (0.0, 0.049, False),
        (0.0, 0.06, True),
        (0.04, 0.06, False),
    ],
)
def test_headroom_counts_beyond_the_factor_in_either_direction_unless_both_are_tiny(before, now, told):
    found = changed(one(Verdict.AGREE, before), one(Verdict.AGREE, now))
    assert bool(found.headroom) is told
    assert not found.newly_wrong


def test_headroom_is_only_that_of_agreeing_cells_and_the_factor_is_the_callers():
    assert not changed(one(Verdict.DISAGREE, 2.0), one(Verdict.DISAGREE, LARGEST)).headroom
    assert not changed(one(Verdict.KNOWN_DEVIATION, 2.0), one(Verdict.KNOWN_DEVIATION, 9.0)).headroom
    assert changed(one(Verdict.AGREE, 0.2), one(Verdict.AGREE, 0.3), factor=1.4).headroom
    assert not changed(one(Verdict.AGREE, 0.2), one(Verdict.AGREE, 0.3), factor=1.6).headroom


def test_nothing_changed_in_a_run_made_again():
    found = diff(a_run(), a_run(head=AGAIN))
    assert lists(found) == set()
    assert (found.same, found.versions) == (15, [])


def pair():
    """Two runs that differ in everything that is told."""
    old = [
        one(Verdict.AGREE, 0.25, content="aaaa"),
        cell("ops/b", "", "torch", Verdict.ERRORED, message="RuntimeError: `none`"),
        cell("ops/c", "", "torch", Verdict.DISAGREE, 3.0),
        cell("ops/d", "", "torch", Verdict.AGREE, 0.1),
        cell("ops/e", "", "torch", Verdict.AGREE, 0.1),
        cell("ops/f", "", "torch", Verdict.AGREE, 0.1),
    ]
    new = [
        one(Verdict.DISAGREE, 30.0, content="bbbb", message="gradient of A is off\n  and more"),
        cell("ops/b", "", "torch", Verdict.AGREE, 0.5),
        cell("ops/c", "", "torch", Verdict.UNSUPPORTED, message="torch has none"),
        cell("ops/d", "", "torch", Verdict.AGREE, 0.75),
        cell("ops/e", "", "torch", Verdict.AGREE, 0.11),
        cell("ops/g", "", "torch", Verdict.CRASHED, message="died of signal 11"),
    ]
    before, now = a_run(old), a_run(new)
    head = msgspec.structs.replace(now.header, rules="2", started="2026-02-02T00:00:00+00:00", commit=None)
    abouts = {**now.abouts, "torch": {"framework": "torch", "version": "2.14.0", "threads": 1}}
    del abouts["jax"]
    return before, replace(now, header=head, abouts=abouts)


GOLDEN = """\
2 newly wrong (1 of them new), 1 mended, 1 verdict changed otherwise, 1 new, 1 gone, 1 headroom moved by more than 2, 1 as before
0 new causes, 0 causes with larger errors, 0 known causes in new cells, 0 causes excused now, 0 causes gone, 0 as before
before: 2026-01-02T03:04:05+00:00, commit 0123456789abcdef0123456789abcdef01234567, 6 cells, 4 agree
now:    2026-02-02T00:00:00+00:00, commit unknown, 6 cells, 3 agree
the run: rules 1 -> 2
jax: version 0.10.2 -> not told
torch: version 2.13.0 -> 2.14.0

newly wrong: 2
  ops/a::k:3-float32-torch-eager: agree -> disagree (the case has changed)
    gradient of A is off
  ops/g::float32-torch-eager: not there -> crashed
    died of signal 11

mended: 1
  ops/b::float32-torch-eager: errored -> agree

verdict changed otherwise: 1
  ops/c::float32-torch-eager: disagree -> unsupported
    torch has none

new: 1
  ops/g::float32-torch-eager: not there -> crashed
    died of signal 11

gone: 1
  ops/f::float32-torch-eager: agree -> not there

headroom moved by more than 2: 1
  ops/d::float32-torch-eager: used 0.1 -> 0.75
"""


def test_the_text_is_the_golden_one():
    assert render(diff(*pair())) == GOLDEN


def test_of_a_traceback_the_line_with_the_error_is_shown():
    told = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: two shapes\n'
    (change,) = changed(one(Verdict.AGREE), one(Verdict.ERRORED, message=told)).newly_wrong
    assert change.message == "ValueError: two shapes"


def test_a_long_list_is_cut_with_the_number_of_what_is_left():
    new = a_run([cell(f"ops/{i}", "", "torch", Verdict.CRASHED) for i in range(25)])
    text = render(diff(a_run(), new))
    assert text.count("-> crashed") == 2 * 20  # newly wrong, and new
    assert "  and 5 more; the JSON has all\n" in text


@pytest.fixture
def files(here):
    old, new = pair()
    return str(write(here / "old.jsonl", old)), str(write(here / "new.jsonl", new))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_fails_for_what_is_newly_wrong_and_for_nothing_else(files, capsys):
    old, new = files
    assert main(["diff", old, new]) == 1
    assert capsys.readouterr().out == GOLDEN
    mended = write(Path("mended.jsonl"), a_run([one(Verdict.ABSENT)]))
    assert main(["diff", old, str(mended)]) == 0


def test_json_holds_the_same_facts_and_reads_back(files, capsys):
    assert main(["diff", *files, "--format", "json"]) == 1
    assert msgspec.json.decode(capsys.readouterr().out, type=Difference) == diff(*pair())


def test_markdown_opens_what_is_newly_wrong_and_no_text_becomes_markup(here, capsys):
    wrong = one(Verdict.ERRORED, message=f"``` {runs.HOSTILE}")
    files = (write(here / "old.jsonl", a_run()), write(here / "new.jsonl", a_run([wrong])))
    assert main(["diff", *map(str, files), "--format", "markdown"]) == 1
    text = capsys.readouterr().out
    assert text.startswith("### What changed: 1 newly wrong\n\n1 newly wrong (1 of them new), 0 mended, ")
    assert "<details open><summary>newly wrong: 1</summary>\n\n````text\n" in text
    assert "<details><summary>gone: 15</summary>" in text
    assert "and 5 more; the JSON has all" in text


def test_a_version_from_a_stranger_is_escaped_in_markdown(here, capsys):
    old = a_run()
    new = replace(
        old, abouts={**old.abouts, "torch": {"framework": "torch", "version": runs.HOSTILE, "threads": 1}}
    )
    files = (write(here / "old.jsonl", old), write(here / "new.jsonl", new))
    assert main(["diff", *map(str, files), "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    assert "| torch | version | 2.13.0 | &lt;script&gt;alert(1)&lt;/script&gt; |" in text
    assert "<script>" not in text


@pytest.mark.parametrize("side", [0, 1])
def test_a_damaged_run_is_refused_by_name_on_either_side(files, side, capsys):
    damaged = Path(files[side])
    damaged.write_text("".join(damaged.read_text().splitlines(keepends=True)[:-1]))
    assert main(["diff", *files]) == 2
    assert capsys.readouterr().err.startswith(f"{damaged}: ")


@pytest.mark.parametrize("factor", ["0.5", "nan", "inf"])
def test_a_factor_that_orders_nothing_is_refused(files, factor, capsys):
    assert main(["diff", *files, "--factor", factor]) == 2
    assert "must be a number, 1 or more" in capsys.readouterr().err


def test_a_report_tells_what_changed_since_a_run_in_markdown_and_json(files, here, capsys):
    old, new = files
    given = ["--markdown", "r.md", "--json", "r.json"]
    assert main(["report", new, "--since", old, *given]) == 0
    assert "\n\n### What changed: 2 newly wrong\n\n" in (here / "r.md").read_text()
    assert len(json.loads((here / "r.json").read_text())["since"]["newly_wrong"]) == 2
    assert "Difference" in report_schema()["$defs"]
    assert main(["report", new, *given]) == 0
    assert "What changed" not in (here / "r.md").read_text()
    assert "since" not in json.loads((here / "r.json").read_text())
