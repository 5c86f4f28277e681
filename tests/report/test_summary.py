"""The table at the end of a run: what has a row and a column, and that no number is cut."""

import re

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.report.summary import table
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, write

FRAMEWORKS = ("jax", "mxnet", "tensorflow", "torch", "a_column_of_mine")


def shown(cells, width=None):
    return table(cells, width=width, colour=False)


def many(frameworks=FRAMEWORKS):
    """Every framework with agreement and differences in both dtypes, each with a number of its own."""
    made = []
    for i, name in enumerate(frameworks):
        for k, dtype in enumerate(("float32", "float64")):
            used = (10 * i + k + 10) / 100
            made.append(
                cell("a_folder/a_case_of_a_long_name", f"k:{k}", name, Verdict.AGREE, used, dtype=dtype)
            )
            made.append(
                cell("a_folder/a_case_of_a_long_name", f"j:{k}", name, Verdict.DISAGREE, 9.0, dtype=dtype)
            )
    return made


@pytest.mark.parametrize("width", [None, 40, 60, 80, 120, 10_000])
def test_no_number_and_no_verdict_is_cut_at_any_width(width):
    text = shown(many(), width)
    for i, name in enumerate(FRAMEWORKS, 1):
        assert re.search(rf"\b{name}\b", text)
        assert re.search(rf"\b0\.{i}1\b", text)
    assert len(re.findall(r"\b2 disagree\b", text)) == len(FRAMEWORKS)
    assert len(re.findall(r"\bagree to\b", text)) == 2
    assert len(re.findall(r"\b9\.0e-06\b", text)) == 2


@pytest.mark.parametrize("width", [60, 80, 100])
def test_what_a_terminal_has_no_room_for_stands_in_a_further_table(width):
    tables = shown(many(), width)
    cases = [line for line in tables.splitlines() if "a_case_of_a_long_name" in line or "…" in line]
    assert len(cases) > 1
    assert max(map(len, tables.partition("20 cells:")[0].splitlines())) <= width


def test_without_a_terminal_there_is_one_table_however_wide():
    assert shown(many()).count("a_case_of_a_long_name") == 1


def test_cases_that_no_column_answers_and_frameworks_that_are_absent_are_counted_in_a_line():
    cells = [
        cell("ops/mine", "", "mine", Verdict.AGREE, 0.25),
        *(cell(f"ops/other{i}", "", "mine", Verdict.UNSUPPORTED, None) for i in range(3)),
        *(cell(f"ops/other{i}", "", "jax", Verdict.ABSENT, None) for i in range(3)),
        cell("ops/mine", "", "jax", Verdict.ABSENT, None),
    ]
    text = shown(cells)
    assert "other" not in text
    assert "without a row: 3 cases that mine has no answer to (3 cells: 3 unsupported)" in text
    assert "absent: jax; `harness frameworks` says how to get what is missing" in text
    assert "8 cells: 1 agree, 3 unsupported, 4 absent" in text
    assert "jax" not in text.partition("absent: jax")[0]


def test_a_case_that_one_column_answers_has_its_row():
    cells = [
        cell("ops/a", "", "mine", Verdict.UNSUPPORTED, None),
        cell("ops/a", "", "jax", Verdict.AGREE, 0.1),
    ]
    assert re.search(r"  a +1 unsupported +0\.10", shown(cells))
    assert "without a row" not in shown(cells)


def test_a_run_in_which_nothing_was_there_says_so():
    assert "absent: jax" in shown([cell("ops/a", "", "jax", Verdict.ABSENT, None)])
    assert shown([]) == "no cell has a result\n"


def test_the_command_shows_a_run_again(here, capsys):
    file = write(here / "run.jsonl", a_run())
    assert main(["summary", str(file)]) == 0
    assert capsys.readouterr().out == shown(a_run().cells)


def test_and_its_failures_in_the_words_of_the_run(here, capsys):
    file = write(here / "run.jsonl", a_run())
    assert main(["summary", str(file), "--show", "failures"]) == 0
    told = capsys.readouterr().out
    failed = [own for own in a_run().cells if own.verdict.outcome() == "failed"]
    assert failed
    assert told.endswith(shown(a_run().cells))
    assert told.count("  repeat: pytest '") == len(failed)
    for own in failed:
        assert f"{own.verdict}  " in told
