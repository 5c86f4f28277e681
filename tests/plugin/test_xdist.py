"""pytest-xdist: the same verdicts as without it, and each framework loaded once."""

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from gradient_conformance.harness.run.lines import TruncatedRun
from gradient_conformance.harness.run.reading import read_run

FAKES = Path(__file__).parents[1] / "fakes"
CASE = """
title = "A tiny layer"
source = "A test of the harness"
program = '''
z = W @ x
loss = sum(z * z)
'''
gradients = ["W", "x"]

[tensors]
W = { shape = [2, "k"], uniform = [-1, 1] }
x = { shape = ["k"], uniform = [-1, 1] }

[sweep]
k = [1, 3, 4]
"""
SUBJECT = """
import numpy as np
def layer(W, x):
    z = W @ x
    return {"loss": np.sum(z * z)}, {"W": np.outer(2 * z, x), "x": W.T @ (2 * z)}
"""


@pytest.fixture
def matrix(pytester, tmp_path_factory, monkeypatch):
    """Runs pytest on two fakes and a subject, whose interpreters leave a line in a file at each start."""
    pytester.makeini("[pytest]")
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(FAKES, elsewhere / "fakes")
    case = elsewhere / "my_cases" / "tiny" / "layer.toml"
    case.parent.mkdir(parents=True)
    case.write_text(CASE)
    (pytester.path / "mine.py").write_text(SUBJECT)
    columns = ("faultless", "negates", "mine")
    for name in columns:
        python = elsewhere / name
        python.write_text(f'#!/bin/sh\necho {name} >> {elsewhere}/starts\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)

    def run(*options, record="run.jsonl"):
        (elsewhere / "starts").write_text("")
        runner = pytester.runpytest_subprocess if "-n2" in options else pytester.runpytest_inprocess
        outcome = runner(
            f"--cases={elsewhere / 'my_cases'}",
            f"--adapters={elsewhere / 'fakes' / 'adapters'}",
            *(f"--framework={name}" for name in columns),
            *(f"--interpreter={name}={elsewhere / name}" for name in columns),
            "--subject=mine.py",
            f"--record={record}",
            *options,
        )
        return outcome, Counter((elsewhere / "starts").read_text().split())

    run.path = pytester.path
    return run


def cells(file):
    """The cells of a run, whole or interrupted, sorted, without times and the folder of their arrays."""
    lines = (json.loads(line) for line in file.read_text().splitlines())
    return sorted(json.dumps(_lasting(c)) for c in lines if c["kind"] == "cell")


def _lasting(cell):
    arrays = cell["arrays"] and Path(cell["arrays"]).name
    return {**cell, "seconds": 0, "compiling": 0, "arrays": arrays}


@pytest.mark.parametrize(
    "options",
    [[], ["--keep-arrays={run}"], ["--require=all"], ["-k", "float32 and not k:3"]],
    ids=["record", "keep-arrays", "require", "k"],
)
def test_two_processes_write_the_run_of_one_and_load_each_framework_once(matrix, options):
    alone, _ = matrix(*(o.format(run="alone") for o in options), record="alone.jsonl")
    spread, starts = matrix("-n2", *(o.format(run="spread") for o in options), record="spread.jsonl")
    found = {**alone.parseoutcomes(), "deselected": 0}  # which xdist leaves untold
    assert {**spread.parseoutcomes(), "deselected": 0} == found
    assert starts == {"faultless": 1, "negates": 1, "mine": 1}
    assert cells(matrix.path / "spread.jsonl") == cells(matrix.path / "alone.jsonl")
    one, two = (read_run(matrix.path / f"{name}.jsonl") for name in ("alone", "spread"))
    assert (one.abouts, one.footer.totals) == (two.abouts, two.footer.totals)


def test_x_stops_and_leaves_a_run_that_is_refused(matrix):
    outcome, _ = matrix("-n2", "-x")
    assert outcome.parseoutcomes()["failed"] >= 1
    with pytest.raises(TruncatedRun):
        read_run(matrix.path / "run.jsonl")


def test_lf_runs_again_what_failed(matrix):
    matrix("-n2")
    again, starts = matrix("-n2", "--lf")
    again.assert_outcomes(failed=6)
    assert starts == {"negates": 1}
    assert {json.loads(c)["framework"] for c in cells(matrix.path / "run.jsonl")} == {"negates"}
