"""Beside other plugins of pytest, and with pytest's own ways to run less: the same verdicts, and no hang.

They are installed by `tox -e plugins`; what is not there is skipped.
"""

import importlib.util
import json
import os

import pytest
from gradient_conformance.harness.run.reading import read_run
from matrix import cell_lines, finished, said

LIMIT = 120
"""Seconds that a run of these few cells may take: it takes a few."""
PLUGINS = {
    "pytest_asyncio": [["--asyncio-mode=auto"]],
    "pytest_cov": [["--cov=mine", "--cov-report="]],
    "pytest_randomly": [["-p", "randomly", "-p", "no:repeat"], ["-p", "randomly", "-n2"]],
    "pytest_repeat": [["--count=2"]],
    "pytest_rerunfailures": [["--reruns=2"], ["--reruns=1", "-n2"], ["--reruns=1", "--only-rerun=nothing"]],
    "pytest_timeout": [["--timeout=100"], ["--timeout=100", "--timeout-method=thread"]],
    "xdist": [
        ["-n2"],
        *(["-n2", f"--dist={how}"] for how in ("loadscope", "loadfile", "loadgroup", "worksteal")),
    ],
}
WAYS = [(name, more) for name, ways in PLUGINS.items() for more in ways]


FLAKY = """
from pathlib import Path
import numpy as np

def layer(W, x):
    with Path(__file__).with_name("calls").open("a+") as told:
        told.write("x")
        told.seek(0)
        calls = told.read()
    a = 1 / (1 + np.exp(-(W @ x)))
    dz = 2 * a * a * (1 - a) * (1 if len(calls) > 2 else 2)
    return {"loss": np.sum(a * a)}, {"W": np.outer(dz, x), "x": W.T @ dz}
"""
"""Wrong in the first cell and in its trace, right from then on; a module would be found as it was loaded."""


def needs(plugin):
    """Skip where it isn't installed, unless that is what the environment is for."""
    if importlib.util.find_spec(plugin) is None:
        assert os.environ.get("NEIGHBOURS") != "all", f"{plugin} isn't in the environment that is made for it"
        pytest.skip(f"{plugin} isn't here (tox -e plugins)")


def many(matrix, sizes=45):
    """More cells than a lane answers ahead of those who ask."""
    text = matrix.case.read_text().replace("k = [1, 2, 4]", f"k = {list(range(1, sizes + 1))}")
    matrix.case.write_text(text)
    return matrix


def run(matrix, *more):
    command = matrix.command("faultless", "negates", more=["-p", "no:cacheprovider", *more])
    return finished(command, matrix.path, timeout=LIMIT)


def verdicts(record):
    return {line["cell"]: line["verdict"] for line in cell_lines(record)}


def expected(matrix, sizes):
    return {
        f"tiny/layer::k:{k}-{dtype}-{name}-eager": "agree" if name == "faultless" else "disagree"
        for k in range(1, sizes + 1)
        for dtype in ("float32", "float64")
        for name in ("faultless", "negates")
    }


@pytest.mark.parametrize(("plugin", "more"), WAYS, ids=[" ".join([name, *more]) for name, more in WAYS])
def test_the_verdicts_are_the_same_beside_it(matrix, plugin, more):
    needs(plugin)
    outcome = run(many(matrix, 12), *more)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in said(outcome)
    assert verdicts(matrix.record) == expected(matrix, 12)
    assert read_run(matrix.record).footer.cells == 48


@pytest.mark.parametrize("more", [[], ["-n2"], ["-n2", "--dist=loadfile"], ["-n2", "--dist=worksteal"]])
def test_cells_that_a_plugin_skips_hold_nobody_up(matrix, more):
    """More of them than a lane answers ahead."""
    many(matrix, 90)
    (matrix.path / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_runtest_setup(item):\n"
        "    if 'k:90-' not in item.nodeid: pytest.skip('not today')\n"
    )
    outcome = run(matrix, *more)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    found = verdicts(matrix.record)
    assert found.items() <= expected(matrix, 90).items()
    assert len(found) == 4
    assert "356 of 360 cells have no result" in said(outcome)


@pytest.mark.parametrize("more", [["-x"], ["--maxfail=3"], ["-x", "-n2"], ["--maxfail=3", "-n2"]])
def test_a_run_that_stops_at_failures_ends_and_goes_on(matrix, more):
    many(matrix, 40)
    assert run(matrix, *more).ret != 0
    found = verdicts(matrix.record)
    assert 0 < len(found) < 160
    assert run(matrix, f"--resume={matrix.record}").ret == pytest.ExitCode.TESTS_FAILED
    assert verdicts(matrix.record) == expected(matrix, 40)


@pytest.mark.parametrize("again", ["--lf", "--ff", "--sw"])
def test_what_failed_is_run_again_by_pytests_own_means(matrix, again):
    many(matrix, 12)
    command = matrix.command("faultless", "negates")
    finished(command, matrix.path, timeout=LIMIT)
    outcome = finished([*command, again], matrix.path, timeout=LIMIT)
    assert outcome.ret != 0
    found = verdicts(matrix.record)
    assert found.items() <= expected(matrix, 12).items()
    assert set(found.values()) >= {"disagree"}


def test_a_cell_that_is_run_again_stands_once_in_the_run_with_what_came_last(matrix):
    """Its subject is right the second time."""
    needs("pytest_rerunfailures")
    (matrix.path / "mine.py").write_text(FLAKY)
    more = ["--subject=mine.py", "-k", "k:2 and float64", "--reruns=2", "-p", "no:randomly"]
    command = matrix.command("mine", more=more)
    outcome = finished(command, matrix.path, timeout=LIMIT)
    outcome.assert_outcomes(passed=1)
    [line] = cell_lines(matrix.record)
    assert line["verdict"] == "agree", json.dumps(line)


RUN_TWICE = """
import pytest
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        runtestprotocol(item, nextitem=nextitem, log=True)
    return True
"""


def test_a_cell_that_is_run_twice_with_one_verdict_stands_once(matrix):
    """As xdist does with what a process that died was at, and others without a word of it in their reports."""
    (matrix.path / "conftest.py").write_text(RUN_TWICE)
    assert run(matrix).ret == pytest.ExitCode.TESTS_FAILED
    assert verdicts(matrix.record) == {**expected(matrix, 2), **verdicts(matrix.record)}
    assert read_run(matrix.record).footer.cells == 12


def test_a_cell_that_is_run_twice_with_two_verdicts_makes_no_complete_run(matrix):
    (matrix.path / "conftest.py").write_text(RUN_TWICE)
    (matrix.path / "mine.py").write_text(FLAKY)
    more = ["--subject=mine.py", "-k", "k:2 and float64"]
    outcome = finished(matrix.command("mine", more=more), matrix.path, timeout=LIMIT)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    assert "k:2-float64-mine-eager was run twice, disagree and then agree: run it anew" in said(outcome)
    assert "--resume" not in said(outcome)


def test_a_session_without_a_terminal_runs_and_goes_on(matrix):
    for target in ("record", "resume"):
        more = ["-p", "no:terminal", f"--{target}={matrix.record}"]
        outcome = finished(matrix.command("faultless", more=more), matrix.path)
        assert outcome.ret == 0, said(outcome)
        assert len(read_run(matrix.record).cells) == 6
