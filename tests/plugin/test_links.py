"""Links: in a circle they are a mistake that is told, and a folder that is reached by two of them is one folder."""

import os

import pytest
from matrix import finished, said


@pytest.mark.parametrize("option", ["record", "resume", "subject", "keep-arrays"])
def test_links_in_a_circle_are_told_in_a_line(matrix, option):
    circle = matrix.path / "circle.py"
    circle.symlink_to(circle)
    outcome = matrix.run("faultless", of="cases/tiny/layer.toml", more=[f"--{option}={circle}"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "circle.py" in said(outcome)
    assert "INTERNALERROR" not in said(outcome)
    assert circle.is_symlink()
    assert not list(matrix.path.glob(".*.new"))


def test_case_roots_that_are_links_in_a_circle(matrix):
    circle = matrix.path / "circle"
    circle.symlink_to(circle)
    outcome = matrix.run("faultless", of=f"--cases={circle}")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert f"not found: {circle}" in said(outcome)
    (matrix.path / "pytest.ini").write_text("[pytest]\nharness_cases = circle\n")
    assert "INTERNALERROR" not in said(matrix.run("faultless"))


def test_a_worker_on_whose_path_are_links_in_a_circle(matrix, monkeypatch):
    circle = matrix.path / "circle"
    circle.symlink_to(circle)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(circle)]))
    outcome = finished(matrix.command("faultless"), matrix.path)
    assert outcome.ret == 0, said(outcome)
