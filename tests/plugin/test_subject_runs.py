"""Somebody's own code under pytest: what it prints, what is said where it does not load, which Python it gets."""

import json
import sys

import nbformat
import pytest
from matrix import LAYER, Matrix, said
from nbformat.v4 import new_code_cell, new_notebook

RIGHT = """
import numpy as np

def layer(W, x):
    print("in the cell")
    a = 1 / (1 + np.exp(-(W @ x)))
    dz = 2 * a * a * (1 - a)
    return {'loss': np.sum(a * a)}, {'W': np.outer(dz, x), 'x': W.T @ dz}
"""


@pytest.fixture
def mine(matrix: Matrix):
    """Runs a subject's text over two cells."""
    matrix.case.write_text(LAYER)

    def run(text=RIGHT, *more):
        if text is not None:
            (matrix.path / "mine.py").write_text(text)
        return matrix.run(more=["--subject=mine.py", "--framework=mine", *more])

    run.matrix = matrix
    return run


def test_what_it_prints_is_shown_with_s_and_where_it_errs_and_nowhere_else(mine):
    assert "in the cell" not in said(mine())
    assert said(mine(RIGHT, "-s")).count("in the cell\n") == 2
    outcome = mine(RIGHT.replace("np.exp", "np.no_such_thing"))
    outcome.assert_outcomes(failed=2)
    outcome.stdout.fnmatch_lines(
        ["*has no attribute 'no_such_thing'*", "*Captured stdout call*", "in the cell"]
    )
    assert "in the cell" in said(mine(RIGHT.replace("2 * a", "3 * a")))
    assert set(mine.matrix.verdicts().values()) == {"disagree"}


def test_a_file_that_does_not_load_is_errored_with_its_own_line_and_tried_once(mine):
    outcome = mine("print('loading', flush=True)\nimport a_module_that_nobody_has\n" + RIGHT)
    outcome.assert_outcomes(failed=2)
    assert set(mine.matrix.verdicts().values()) == {"errored"}
    outcome.stdout.fnmatch_lines(
        [
            "  the worker could not load mine.py:",
            "*mine.py*, line 2, in <module>",
            "*import a_module_that_nobody_has",
            "*ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
            "  found Python 3*",
            "  another Python, which has what it imports, is named by --interpreter=mine=PATH or HARNESS_MINE=PATH",
            f"  interpreter: {sys.executable}",
        ]
    )
    text = said(outcome)
    for ours in ("load_adapter", "exec_module", "worker.py", "subject.py", "crashed"):
        assert ours not in text


@pytest.mark.parametrize(
    "text", ["def layer(W, x:\n", "raise SystemExit(3)\n", "x = '\\ud800'\nraise ValueError(x)\n"]
)
def test_whatever_it_raises_when_it_loads_is_errored(mine, text):
    mine(text + RIGHT)
    assert set(mine.matrix.verdicts().values()) == {"errored"}


def test_a_resumed_run_loads_it_again(mine):
    mine("import helper\n" + RIGHT)
    assert set(mine.matrix.verdicts().values()) == {"errored"}
    (mine.matrix.path / "helper.py").write_text("")
    record = mine.matrix.record
    lines = [line for line in record.read_text().splitlines(keepends=True) if '"kind":"footer"' not in line]
    record.write_text("".join(lines))
    mine(None, "--resume=reports/run.jsonl").assert_outcomes(passed=2)
    assert set(mine.matrix.verdicts().values()) == {"agree"}


def python(matrix, name="python"):
    """An interpreter that leaves a mark."""
    path = matrix.path / name
    path.write_text(f'#!/bin/sh\ntouch "{path}.used"\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def test_its_interpreter_is_named_by_option_variable_or_ini_file(mine, monkeypatch):
    option, variable, ini = (python(mine.matrix, name) for name in ("option", "variable", "ini"))
    mine(RIGHT, f"--interpreter=mine={option}").assert_outcomes(passed=2)
    file = mine.matrix.path / "pytest.ini"
    file.write_text(file.read_text() + f"harness_interpreters =\n    mine = {ini}\n")
    mine().assert_outcomes(passed=2)
    monkeypatch.setenv("HARNESS_MINE", str(variable))
    mine().assert_outcomes(passed=2)
    assert all((mine.matrix.path / f"{path.name}.used").exists() for path in (option, variable, ini))
    assert set(mine.matrix.verdicts().values()) == {"agree"}


def test_a_notebook_is_a_column_and_its_repeat_line_names_the_cells(mine):
    path = mine.matrix.path / "My net.ipynb"
    faulty = RIGHT.replace("2 * a", "3 * a")
    nbformat.write(new_notebook(cells=[new_code_cell(RIGHT), new_code_cell(faulty)]), path)
    first = mine.matrix.run(more=["--subject=My net.ipynb[1]", "--framework=My_net"])
    first.assert_outcomes(passed=2)
    outcome = mine.matrix.run(more=["--subject=My net.ipynb", "--framework=My_net"])
    outcome.assert_outcomes(failed=2)
    outcome.stdout.fnmatch_lines(
        ["  repeat: pytest *layer.toml::float32-My_net-eager' '--subject=My net.ipynb'"]
    )
    [about] = [
        line
        for line in map(json.loads, mine.matrix.record.read_text().splitlines())
        if line["kind"] == "about"
    ]
    assert about["about"]["file"] == "My net.ipynb"


@pytest.mark.parametrize(
    "cells", [["import numpy as np", "%matplotlib inline\nx = 3"], ["def other(W):\n    return {}, {}"]]
)
def test_a_notebook_that_answers_no_case_is_an_error_as_a_file_is(matrix, cells):
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, matrix.path / "mine.ipynb")
    outcome = matrix.run(more=["--subject=mine.ipynb", "--framework=mine"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "mine.ipynb: has no function for" in said(outcome)
    assert not matrix.record.exists()
