"""The whole way under pytest, with fakes in real worker processes."""

import sys

import pytest
from gradient_conformance.harness.run.lines import TruncatedRun
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict
from matrix import TINY, said

SIX = [f"k:{k}-{dtype}" for k in (1, 2, 4) for dtype in ("float32", "float64")]


def test_a_faultless_framework_agrees_and_the_run_file_adds_up(matrix):
    outcome = matrix.run("faultless")
    outcome.assert_outcomes(passed=6)
    run = read_run(matrix.record)
    assert run.footer.cells == run.footer.totals[Verdict.AGREE] == 6
    assert run.abouts["faultless"]["version"] == "1.0"
    assert all(0 <= cell.used <= 1 and cell.seconds > 0 and len(cell.tensors) == 3 for cell in run.cells)
    outcome.stdout.fnmatch_lines(["*tiny/layer*", "6 cells: 6 agree", "run file: *"])


def test_case_adapters_and_interpreter_may_lie_elsewhere(matrix, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for own in ("cases", "fakes"):
        (matrix.path / own).rename(elsewhere / own)
    (matrix.path / "pytest.ini").write_text("[pytest]")
    python = elsewhere / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    options = [f"--adapters={elsewhere}/fakes/adapters", f"--interpreter=faultless={python}"]
    outcome = matrix.run(of=f"--cases={elsewhere}/cases", more=[*options, "--framework=faultless"])
    outcome.assert_outcomes(passed=6)
    assert matrix.verdicts() == {f"{cell}-faultless-eager": "agree" for cell in SIX}


@pytest.mark.parametrize(
    ("fake", "verdict", "words"),
    [
        ("segfaults", "crashed", "died of signal 11 (SIGSEGV)*about to die"),
        (
            "hangs",
            "crashed",
            "gave no answer within 5 s and was killed; pytest --cell-timeout=SECONDS allows more",
        ),
        ("forgets", "disagree", "did not come back"),
        ("raises", "errored", "this framework does not like two elements"),
        ("overwrites", "disagree", "changed its inputs in place: W, x"),
        ("babbles", "crashed", "spoke nonsense"),
    ],
)
def test_a_fault_costs_its_own_cells_and_nothing_else(matrix, fake, verdict, words):
    matrix.run(fake, more=["--cell-timeout=5"]).assert_outcomes(passed=4, failed=2)
    assert matrix.verdicts() == {
        f"{cell}-{fake}-eager": verdict if "k:2" in cell else "agree" for cell in SIX
    }
    for cell in matrix.cells().values():
        if cell["verdict"] == verdict:
            assert all(word in cell["message"] for word in words.split("*"))


def test_what_a_framework_prints_does_not_reach_the_protocol(matrix):
    matrix.run("prints").assert_outcomes(passed=6)


def test_a_framework_that_cannot_start_is_crashed_with_the_reason(matrix):
    """And is no disagreement."""
    matrix.run("unimportable", "faultless")
    for cell in matrix.cells().values():
        assert cell["verdict"] == ("agree" if cell["framework"] == "faultless" else "crashed")
        assert ("a_module_that_nobody_has" in cell["message"]) == (cell["verdict"] == "crashed")


def test_a_wrong_sign_disagrees_with_value_allowance_place_and_repeat_line(matrix):
    outcome = matrix.run("negates")
    outcome.assert_outcomes(failed=6)
    outcome.stdout.fnmatch_lines(
        [
            "disagree  tiny/layer::k:1-float32-negates-eager",
            "  gradient of W* = *, should be * ± *   (* × tolerance)",
            "  wrong by itself:",
            "    the seed of the backward pass*",
            "  repeat: pytest '*layer.toml::k:1-float32-negates-eager'*",
        ]
    )


def test_a_float64_answer_to_a_float32_cell_disagrees(matrix):
    matrix.run("widens", more=["--dtype=float32"])
    assert set(matrix.verdicts().values()) == {"disagree"}
    for cell in matrix.cells().values():
        assert "has dtype float64, should be float32" in cell["message"]


def test_an_absent_framework_is_skipped_and_fails_where_it_is_required(matrix):
    """With the places that were looked at."""
    more = ["--interpreter=segfaults=/nowhere/python", "--framework=segfaults"]
    matrix.run(more=more).assert_outcomes(skipped=6)
    cells = matrix.cells().values()
    assert {cell["verdict"] for cell in cells} == {"absent"}
    assert all(cell["used"] is None and "/nowhere/python" in cell["message"] for cell in cells)
    matrix.run(more=[*more, "--require=all"]).assert_outcomes(failed=6)
    assert set(matrix.verdicts().values()) == {"absent"}


def test_what_vanishes_when_it_is_looked_at_is_said_to(matrix):
    """Calls that are fused, or a buffer that is used again: the trace agrees, and the cell still does not."""
    outcome = matrix.run("fuses", more=["-k", "k:1-float32"])
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*it vanishes when it is looked at: with a probe at every value*"])


def test_an_interrupted_run_has_no_footer_and_is_refused(matrix):
    outcome = matrix.run("negates", more=["-x"])
    outcome.stdout.fnmatch_lines(["*the run is incomplete and has no footer: 5 of 6 cells have no result"])
    with pytest.raises(TruncatedRun):
        read_run(matrix.record)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--framework=faultles", 'did you mean "faultless"?'),
        ("--dtype=float16", '"float16" is none of float32, float64'),
        ("--mode=eagre", 'did you mean "eager"?'),
        ("--framework=faultless --mode=jit", '--mode: "jit" is none of all, eager'),
        ("--subject=nowhere.py", "no such file to take as a subject"),
        ("--interpreter=torch", "an interpreter is given as NAME=COMMAND"),
        ("--shard=9/8", "a shard is given as INDEX/COUNT"),
        ("--shard-seconds=run.jsonl", "say which to run, such as --shard=3/8"),
        ("--shard=1/2 --shard-seconds=gone.jsonl", "gone.jsonl: can't read it"),
    ],
)
def test_a_wrong_option_is_one_message_before_anything_runs(matrix, option, words):
    outcome = matrix.run(more=option.split())
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines([f"*{words}*"])
    assert "Traceback" not in said(outcome)


def test_a_mistake_in_a_case_file_is_one_message_at_its_place(matrix):
    matrix.case.write_text(TINY.replace("sigmoid", "sigmiod"))
    outcome = matrix.run("faultless")
    outcome.stdout.fnmatch_lines(
        ['*layer.toml:6:5: unknown op "sigmiod"; did you mean "sigmoid"? (variant k:1)']
    )
    assert "Traceback" not in said(outcome)


def test_toml_files_outside_a_case_root_are_left_alone(matrix):
    (matrix.path / "settings.toml").write_text("this is [no TOML")
    matrix.run("faultless", of=".").assert_outcomes(passed=6)


def test_a_known_deviation_is_expected_to_fail_and_a_stale_entry_fails(matrix):
    """So does one that matches no cell of the cases."""
    matrix.entries("negates", ("tiny/layer::k:1-*", 1e300), ("tiny/layer::k:2-*", 2), ("tiny/gone::*", 2))
    outcome = matrix.run("negates", more=["--xfail-tb"])
    outcome.assert_outcomes(xfailed=2, failed=5)
    expected = {"k:1": "known deviation", "k:2": "stale ledger entry", "k:4": "disagree"}
    assert {name[:3]: verdict for name, verdict in matrix.verdicts().items()} == expected
    assert "harness/plugin" not in said(outcome)  # the lines that raised it: pytest takes 0.1 s to find them
    outcome.stdout.fnmatch_lines(["*deviations.toml:16: 'tiny/gone::*' matches no cell of negates*"])


def test_a_ledger_of_ones_own_counts_beside_those_of_the_frameworks(matrix):
    entry = """
[[deviation]]
framework = "negates"
cell = "tiny/{case}::{k}*"
version = ">=1"
used = [1, {high}]
phase = "{phase}"
reason = "every sign is wrong"
evidence = "it is a fake"
"""
    whole = {"high": 1e300, "phase": "gradient"}
    (matrix.path / "own.toml").write_text(
        entry.format(case="layer", k="k:1", **whole)
        + entry.format(case="layer", k="k:2", high=1e300, phase="value")
        + entry.format(case="gone", k="", **whole)
    )
    outcome = matrix.run("negates", more=["--deviations=own.toml"])
    outcome.assert_outcomes(xfailed=2, failed=5)
    expected = {"k:1": "known deviation", "k:2": "stale ledger entry", "k:4": "disagree"}
    assert {name[:3]: verdict for name, verdict in matrix.verdicts().items()} == expected
    outcome.stdout.fnmatch_lines(['*phase = ?"value", "gradient"]', "*--deviations=own.toml"])
    outcome.stdout.fnmatch_lines(
        ["*own.toml:20: *matches no cell of negates; correct it or delete lines 20-27"]
    )


BY_OP = """
[[deviation]]
framework = "errs"
op = "{op}"
version = ">=1"
at_most = {at_most}
case = "tiny/layer"
reason = "it multiplies by 1.001"
evidence = "it is a fake"
"""
SQUARES = """
title = "Squares"
source = "A test of the harness"
program = "loss = square(x)"
[tensors]
x = { values = [1.0, 2.0] }
"""


@pytest.mark.parametrize(
    ("op", "at_most", "verdict", "words"),
    [
        ("square", 2e-3, "known deviation", "known: it multiplies by 1.001"),
        ("square", 1e-4, "disagree", "own.toml:2: larger than at_most 0.0001: 0.001"),
        ("sin", 1e-3, "disagree", "own.toml:2: this deviation no longer occurs in tiny/layer"),
    ],
)
def test_an_entry_by_op_excuses_what_it_says_and_its_case_must_show_it(matrix, op, at_most, verdict, words):
    matrix.case.write_text(SQUARES)
    (matrix.path / "own.toml").write_text(BY_OP.format(op=op, at_most=at_most))
    matrix.run("errs", more=["--deviations=own.toml"])
    assert set(matrix.verdicts().values()) == {verdict}
    assert all(words in cell["message"] for cell in matrix.cells().values())


def test_a_cell_that_must_show_an_entry_by_op_and_agrees_makes_it_stale(matrix):
    matrix.case.write_text(SQUARES.replace("square(x)", "cos(x)"))
    (matrix.path / "own.toml").write_text(BY_OP.format(op="square", at_most=2e-3))
    matrix.run("errs", more=["--deviations=own.toml"])
    assert set(matrix.verdicts().values()) == {"stale ledger entry"}
    told = "this deviation no longer occurs in tiny/layer"
    assert all(told in cell["message"] for cell in matrix.cells().values())


def test_a_subject_is_one_more_column(matrix):
    subject = matrix.path / "mine.py"
    subject.write_text(
        "import numpy as np\n"
        "def layer(W, x):\n"
        "    a = 1 / (1 + np.exp(-(W @ x)))\n"
        "    dz = 2 * a * a * (1 - a)\n"
        "    return {'loss': np.sum(a * a)}, {'W': np.outer(dz, x), 'x': W.T @ dz}\n"
    )
    matrix.run("faultless", more=[f"--subject={subject}", "--framework=mine"]).assert_outcomes(passed=12)
    assert {cell["framework"] for cell in matrix.cells().values()} == {"faultless", "mine"}


def changed_run(matrix, *changes, framework="faultless", more=()):
    text = TINY
    for old, new in changes:
        text = text.replace(old, new)
    matrix.case.write_text(text)
    return matrix.run(framework, more=["--dtype=float32", *more])


def test_a_case_that_leaves_the_range_is_inconclusive_and_never_green(matrix):
    changed_run(matrix, ("a = sigmoid(z)", "a = log(exp(z * 0 + 89))")).assert_outcomes(failed=3)
    assert set(matrix.verdicts().values()) == {"inconclusive"}
    assert all(
        "out of range: exp(a.2), line 6, is 4.49e+38" in cell["message"] for cell in matrix.cells().values()
    )


CANCELS = [("a = sigmoid(z)", "a = (z + 1e6) - 1e6 - z"), ("a * a", "a")]
"""The sum cancels to nothing: what is left of it is rounding error."""
SUBJECT = """
import numpy as np

def layer(W, x):
    zero = W.dtype.type(0)
    return {"loss": zero}, {"W": 0 * W, "x": 0 * x}
"""


def test_what_is_too_wide_as_a_whole_is_judged_call_by_call(matrix):
    changed_run(matrix, *CANCELS).assert_outcomes(passed=3)
    assert all("too wide as a whole: value loss" in cell["message"] for cell in matrix.cells().values())


def test_where_calls_are_not_told_it_stays_inconclusive_and_never_green(matrix):
    (matrix.path / "mine.py").write_text(SUBJECT)
    more = [f"--subject={matrix.path / 'mine.py'}", "--framework=mine"]
    changed_run(matrix, *CANCELS, more=more)
    verdicts = {cell["framework"]: cell["verdict"] for cell in matrix.cells().values()}
    assert verdicts["mine"] == "inconclusive"
