"""pytest-xdist: the same verdicts as without it, and each framework loaded once."""

import sys
from collections import Counter

import pytest
from gradient_conformance.harness.run.lines import TruncatedRun
from gradient_conformance.harness.run.reading import read_run
from matrix import lasting

SUBJECT = """
import numpy as np
def layer(W, x):
    a = 1 / (1 + np.exp(-(W @ x)))
    dz = 2 * a * a * (1 - a)
    return {"loss": np.sum(a * a)}, {"W": np.outer(dz, x), "x": W.T @ dz}
"""
COLUMNS = ("faultless", "negates", "mine")


@pytest.fixture
def run(matrix):
    """Runs two fakes and a subject, whose interpreters leave a line in a file at each start; tells the starts."""
    starts = matrix.path / "starts"
    (matrix.path / "mine.py").write_text(SUBJECT)
    for name in COLUMNS:
        python = matrix.path / name
        python.write_text(f'#!/bin/sh\necho {name} >> {starts}\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    chosen = [f"--framework={name}" for name in COLUMNS]
    chosen += [f"--interpreter={name}={matrix.path / name}" for name in COLUMNS]

    def run(*options, record="run.jsonl"):
        starts.write_text("")
        outcome = matrix.run(more=[*chosen, "--subject=mine.py", f"--record={record}", *options])
        return outcome.parseoutcomes(), Counter(starts.read_text().split())

    run.path = matrix.path
    return run


@pytest.mark.parametrize(
    "options",
    [[], ["--keep-arrays={run}"], ["--require=all"], ["-k", "float32 and not k:2"]],
    ids=["record", "keep-arrays", "require", "k"],
)
def test_two_processes_write_the_run_of_one_and_load_each_framework_once(run, options):
    alone, _ = run(*(o.format(run="alone") for o in options), record="alone.jsonl")
    spread, starts = run("-n2", *(o.format(run="spread") for o in options), record="spread.jsonl")
    assert {**spread, "deselected": 0} == {**alone, "deselected": 0}  # which xdist leaves untold
    assert starts == {"faultless": 1, "negates": 1, "mine": 1}
    assert lasting(run.path / "spread.jsonl") == lasting(run.path / "alone.jsonl")
    one, two = (read_run(run.path / f"{name}.jsonl") for name in ("alone", "spread"))
    assert (one.abouts, one.footer.totals) == (two.abouts, two.footer.totals)


def test_x_stops_and_leaves_a_run_that_is_refused(run):
    outcome, _ = run("-n2", "-x")
    assert outcome["failed"] >= 1
    with pytest.raises(TruncatedRun):
        read_run(run.path / "run.jsonl")


def test_lf_runs_again_what_failed(run):
    run("-n2")
    again, starts = run("-n2", "--lf")
    assert again == {"failed": 6}
    assert starts == {"negates": 1}
    assert {cell.framework for cell in read_run(run.path / "run.jsonl").cells} == {"negates"}
