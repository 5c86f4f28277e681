"""Somebody's own file as a column, under pytest: what is said where it isn't asked, or can't be."""

import json

import pytest
from matrix import said

RIGHT = """
import numpy as np

def layer(W, x):
    a = 1 / (1 + np.exp(-(W @ x)))
    dz = 2 * a * a * (1 - a)
    return {"loss": np.sum(a * a)}, {"W": np.outer(dz, x), "x": W.T @ dz}
"""


@pytest.fixture
def mine(matrix):
    """Runs a subject of this text alone."""

    def run(text, *more):
        (matrix.path / "mine.py").write_text(text)
        return matrix.run(more=["--subject=mine.py", "--framework=mine", *more])

    return run


@pytest.mark.parametrize("option", ["--subject=mine.py", "--framework=faultless", "--dtype=float32"])
def test_without_cases_it_is_said_that_there_are_none_and_how_to_give_some(matrix, option):
    (matrix.path / "mine.py").write_text(RIGHT)
    (matrix.path / "pytest.ini").write_text("[pytest]\n")
    outcome = matrix.run(of=option)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    told = said(outcome)
    assert (
        f"{option.partition('=')[0]}: there are no cases to run; name a folder of yours with --cases=DIR"
        in told
    )
    assert "the shipped ones with --cases=shipped" in told
    assert f"the line harness_cases = DIR in {matrix.path / 'pytest.ini'}" in told


def test_a_session_that_names_nothing_of_ours_needs_no_cases(matrix):
    (matrix.path / "pytest.ini").write_text("[pytest]\n")
    (matrix.path / "test_other.py").write_text("def test_other():\n    pass\n")
    matrix.run(of="test_other.py").assert_outcomes(passed=1)


@pytest.mark.parametrize("more", [[], ["-n2"], ["--shard=1/2"]])
def test_a_subject_that_answers_no_case_is_an_error_that_names_the_nearest(mine, matrix, more):
    outcome = mine(RIGHT.replace("def layer", "def layers"), *more)
    assert outcome.ret != 0
    told = said(outcome)
    assert "mine.py: has no function for tiny/layer; it has layers" in told
    assert "layers: did you mean layer, for tiny/layer?" in told
    assert (
        "a case is answered by a function called like the last part of its name: tiny/layer by layer" in told
    )
    assert not matrix.record.exists()


def test_what_reading_the_file_does_not_tell_is_left_to_the_worker(mine, matrix):
    (matrix.path / "impl.py").write_text(RIGHT)
    for text in (
        "from impl import *",
        "from impl import layer",
        "import impl\nlayer = impl.layer",
        "try:\n    from impl import layer\nexcept ImportError:\n    pass",
        "import impl\ndef __getattr__(name):\n    return getattr(impl, name)",
    ):
        mine(text).assert_outcomes(passed=6)


def test_a_name_of_no_column_is_told_what_a_subject_is_called_and_nothing_far_fetched(matrix):
    (matrix.path / "layers.py").write_text(RIGHT)
    outcome = matrix.run(more=["--subject=layers.py", "--framework=hang"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert '--framework: "hang" is none of ' in said(outcome)
    assert "; a column of your own is called like its file: layers for layers.py" in said(outcome)
    assert "did you mean" not in said(outcome)


def test_a_case_that_a_subject_has_no_function_for_is_told_in_whole_words(mine, matrix):
    (matrix.case.with_stem("other")).write_text(matrix.case.read_text())
    outcome = mine(RIGHT, "-rs")
    outcome.assert_outcomes(passed=6, skipped=6)
    assert "unsupported: mine.py has no function other" in said(outcome)
    assert "None" not in said(outcome)


@pytest.mark.parametrize(("option", "told"), [([], "no"), (["--strict-subjects"], "yes")])
def test_how_strictly_subjects_are_asked_is_told_by_their_runs_and_by_no_others(matrix, option, told):
    """Or a framework's run and a subject's could not be merged."""
    (matrix.path / "mine.py").write_text(RIGHT)
    matrix.run(more=[*option, "--subject=mine.py", "--framework=mine"])
    assert header(matrix)["contents"]["--strict-subjects"] == told
    assert header(matrix)["carried"] == [*option, "--subject=mine.py"]
    matrix.run("faultless", more=["-kfloat64-faultless"])
    assert "--strict-subjects" not in header(matrix)["contents"]


def header(matrix):
    return json.loads(matrix.record.read_text().splitlines()[0])
