"""The whole way under pytest, with fakes in real worker processes: case, adapters and interpreter lie elsewhere."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.run.lines import TruncatedRun
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict

FAKES = Path(__file__).parents[1] / "fakes"
CASE = """
title = "A tiny layer"
source = "A test of the harness"
program = '''
z = W @ x
a = sigmoid(z)
loss = sum(a * a)
'''
gradients = ["W", "x"]

[tensors]
W = { shape = [3, "k"], uniform = [-1, 1] }
x = { shape = ["k"], uniform = [-1, 1] }

[sweep]
k = [1, 2, 4]
"""


@pytest.fixture
def matrix(pytester, tmp_path_factory, monkeypatch):
    """Runs pytest on one case with some fakes, all of them outside the repository; gives outcome and cells."""
    pytester.makeini("[pytest]")
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(FAKES, elsewhere / "fakes")
    case = elsewhere / "my_cases" / "tiny" / "layer.toml"
    case.parent.mkdir(parents=True)
    case.write_text(CASE)
    python = elsewhere / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)

    def run(*frameworks, more=(), cases=elsewhere / "my_cases"):
        named = [f"--framework={name}" for name in frameworks]
        interpreters = [f"--interpreter={name}={python}" for name in frameworks]
        outcome = pytester.runpytest_subprocess(
            f"--cases={cases}", f"--adapters={elsewhere / 'fakes' / 'adapters'}", *named, *interpreters, *more
        )
        record = pytester.path / "reports" / "run.jsonl"
        lines = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        return outcome, {line["cell"]: line for line in lines if line["kind"] == "cell"}

    run.case, run.path = case, pytester.path
    return run


def verdicts(cells):
    return {name.removeprefix("tiny/layer::"): cell["verdict"] for name, cell in cells.items()}


def test_a_faultless_framework_agrees_and_the_run_file_adds_up(matrix):
    outcome, cells = matrix("faultless")
    outcome.assert_outcomes(passed=6)
    assert set(verdicts(cells).values()) == {"agree"}
    run = read_run(matrix.path / "reports" / "run.jsonl")
    assert run.footer.cells == 6
    assert run.footer.totals[Verdict.AGREE] == 6
    assert run.abouts["faultless"]["version"] == "1.0"
    assert all(0 <= cell.used <= 1 and cell.seconds > 0 and len(cell.tensors) == 3 for cell in run.cells)
    outcome.stdout.fnmatch_lines(["*tiny/layer*", "6 cells: 6 agree", "run file: *"])


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
    outcome, cells = matrix(fake, more=["--cell-timeout=5"])
    outcome.assert_outcomes(passed=4, failed=2)
    expected = {f"k:{k}-{dtype}-{fake}-eager": "agree" for k in (1, 4) for dtype in ("float32", "float64")}
    expected |= {f"k:2-{dtype}-{fake}-eager": verdict for dtype in ("float32", "float64")}
    assert verdicts(cells) == expected
    for cell in cells.values():
        if cell["verdict"] == verdict:
            for word in words.split("*"):
                assert word in cell["message"]


def test_what_a_framework_prints_does_not_reach_the_protocol(matrix):
    outcome, cells = matrix("prints")
    outcome.assert_outcomes(passed=6)


def test_a_framework_that_cannot_start_is_crashed_with_the_reason_and_not_a_disagreement(matrix):
    outcome, cells = matrix("unimportable", "faultless")
    assert {c["verdict"] for c in cells.values() if c["framework"] == "unimportable"} == {"crashed"}
    assert {c["verdict"] for c in cells.values() if c["framework"] == "faultless"} == {"agree"}
    assert all(
        "a_module_that_nobody_has" in c["message"] for c in cells.values() if c["verdict"] == "crashed"
    )


def test_a_wrong_sign_disagrees_with_value_allowance_place_and_repeat_line(matrix):
    outcome, cells = matrix("negates")
    outcome.assert_outcomes(failed=6)
    outcome.stdout.fnmatch_lines(
        [
            "disagree  tiny/layer::k:1-float32-negates-eager",
            "  gradient of W* = *, should be * ± *   (* × tolerance)",
            "  first difference: backward of loss = sum(a * a), line 7 (all values agree)",
            "  repeat: pytest '*layer.toml::k:1-float32-negates-eager'*",
        ]
    )


def test_a_float64_answer_to_a_float32_cell_disagrees(matrix):
    outcome, cells = matrix("widens")
    assert {name: c["verdict"] for name, c in cells.items() if c["dtype"] == "float32"} == dict.fromkeys(
        (n for n in cells if "float32" in n), "disagree"
    )
    assert all(
        "has dtype float64, should be float32" in c["message"]
        for c in cells.values()
        if c["dtype"] == "float32"
    )


def test_an_absent_framework_is_skipped_with_the_places_looked_at_and_fails_where_required(matrix):
    more = ["--interpreter=segfaults=/nowhere/python", "--framework=segfaults"]
    outcome, cells = matrix(more=more)
    outcome.assert_outcomes(skipped=6)
    assert {c["verdict"] for c in cells.values()} == {"absent"}
    assert all(c["used"] is None and "/nowhere/python" in c["message"] for c in cells.values())
    outcome, cells = matrix(more=[*more, "--require=all"])
    outcome.assert_outcomes(failed=6)
    assert {c["verdict"] for c in cells.values()} == {"absent"}


def test_an_interrupted_run_has_no_footer_and_is_refused(matrix):
    outcome, _ = matrix("negates", more=["-x"])
    outcome.stdout.fnmatch_lines(["*the run is incomplete and has no footer: 5 of 6 cells have no result"])
    with pytest.raises(TruncatedRun):
        read_run(matrix.path / "reports" / "run.jsonl")


def test_xdist_gives_the_same_verdicts_and_writes_one_run_file(matrix):
    _, alone = matrix("faultless", "negates")
    outcome, spread = matrix("faultless", "negates", more=["-n2"])
    outcome.assert_outcomes(passed=6, failed=6)
    assert verdicts(spread) == verdicts(alone)
    assert read_run(matrix.path / "reports" / "run.jsonl").footer.cells == 12


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--framework=faultles"], 'did you mean "faultless"?'),
        (["--dtype=float16"], '"float16" is none of float32, float64'),
        (["--mode=eagre"], 'did you mean "eager"?'),
        (["--subject=nowhere.py"], "no such file to take as a subject"),
        (["--interpreter=torch"], "an interpreter is given as NAME=COMMAND"),
    ],
)
def test_a_wrong_option_is_one_message(matrix, options, words):
    outcome, _ = matrix(more=options)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines([f"*{words}*"])
    assert "Traceback" not in outcome.stderr.str() + outcome.stdout.str()


def test_a_mistake_in_a_case_file_is_one_message_at_its_place(matrix):
    matrix.case.write_text(CASE.replace("sigmoid", "sigmiod"))
    outcome, _ = matrix("faultless")
    outcome.stdout.fnmatch_lines(
        ['*layer.toml:6:5: unknown op "sigmiod"; did you mean "sigmoid"? (variant k:1)']
    )
    assert "Traceback" not in outcome.stdout.str()


def test_toml_files_outside_a_case_root_are_left_alone(matrix):
    (matrix.path / "settings.toml").write_text("this is [no TOML")
    outcome, _ = matrix("faultless", more=[matrix.path, matrix.case])
    outcome.assert_outcomes(passed=6)


def test_a_known_deviation_is_expected_to_fail_and_a_stale_entry_fails(matrix):
    ledger = matrix.case.parents[2] / "fakes" / "adapters" / "negates" / "deviations.toml"
    entry = """
[[deviation]]
cell = "tiny/layer::k:{k}-*"
version = ">=1"
used = [1.0, {high}]
reason = "every sign is wrong"
evidence = "it is a fake"
"""
    ledger.write_text(entry.format(k=1, high="1e300") + entry.format(k=2, high=2.0))
    outcome, cells = matrix("negates")
    outcome.assert_outcomes(xfailed=2, failed=4)
    by_variant = {name.split("-")[0]: v for name, v in verdicts(cells).items()}
    assert by_variant == {"k:1": "known deviation", "k:2": "stale ledger entry", "k:4": "disagree"}


def test_an_entry_that_matches_no_cell_of_the_cases_fails(matrix):
    ledger = matrix.case.parents[2] / "fakes" / "adapters" / "faultless" / "deviations.toml"
    ledger.write_text(
        '[[deviation]]\ncell = "tiny/gone::*"\nversion = ">=1"\nused = [1, 2]\nreason = "r"\nevidence = "e"\n'
    )
    outcome, cells = matrix("faultless")
    outcome.assert_outcomes(passed=6, failed=1)
    outcome.stdout.fnmatch_lines(["*deviations.toml:1: 'tiny/gone::*' matches no cell of faultless*"])


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
    outcome, cells = matrix("negates", more=["--deviations=own.toml"])
    outcome.assert_outcomes(xfailed=2, failed=5)
    by_variant = {name.split("-")[0]: v for name, v in verdicts(cells).items()}
    assert by_variant == {"k:1": "known deviation", "k:2": "stale ledger entry", "k:4": "disagree"}
    outcome.stdout.fnmatch_lines(['*phase = ?"value", "gradient"]', "*--deviations=own.toml"])
    outcome.stdout.fnmatch_lines(
        ["*own.toml:20: *matches no cell of negates; correct it or delete lines 20-27"]
    )


def test_a_subject_is_one_more_column(matrix):
    subject = matrix.path / "mine.py"
    subject.write_text(
        "import numpy as np\n"
        "def layer(W, x):\n"
        "    a = 1 / (1 + np.exp(-(W @ x)))\n"
        "    dz = 2 * a * a * (1 - a)\n"
        "    return {'loss': np.sum(a * a)}, {'W': np.outer(dz, x), 'x': W.T @ dz}\n"
    )
    outcome, cells = matrix("faultless", more=[f"--subject={subject}", "--framework=mine"])
    outcome.assert_outcomes(passed=12)
    assert {cell["framework"] for cell in cells.values()} == {"faultless", "mine"}


def test_a_case_that_leaves_the_domain_of_an_op_is_inconclusive_and_never_green(matrix):
    matrix.case.write_text(CASE.replace("a = sigmoid(z)", "a = log(z - 100)"))
    outcome, cells = matrix("faultless")
    outcome.assert_outcomes(failed=6)
    assert {c["verdict"] for c in cells.values()} == {"inconclusive"}
    assert all("a tolerance is not finite" in c["message"] for c in cells.values())


def test_a_case_whose_tolerance_is_too_wide_is_inconclusive(matrix):
    """The sum cancels to nothing: what is left of it is rounding error."""
    cancels = CASE.replace("a = sigmoid(z)", "a = (z + 1e6) - 1e6 - z").replace("a * a", "a")
    matrix.case.write_text(cancels)
    outcome, cells = matrix("faultless", more=["--dtype=float32"])
    assert {c["verdict"] for c in cells.values()} == {"inconclusive"}
