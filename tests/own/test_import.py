"""`harness import --numpy`: a function of somebody's file is a case, on which the frameworks agree."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from forwards import FORWARDS, drawn
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.own.writing import case_text
from matrix import finished, said

MINE = """
import numpy as np

def forward(X, W, y):
    p = 1 / (1 + np.exp(-(X @ W)))
    loss = ((p - y) ** 2).mean()
    return loss

def inputs():
    random = np.random.default_rng(0)
    return {"X": random.normal(size=(8, 4)), "W": random.normal(size=4), "y": random.integers(0, 2, 8)}

few = {"X": np.ones((1, 2)), "W": np.array([0.5, 2.0]), "y": 1}
none = 3
"""
WRITTEN = '''title = "forward, as it was traced"
source = "a NumPy function, traced"
program = """
p = sigmoid(X @ W)  # mine.py:5
loss = mean((p - y) ** 2)  # mine.py:6
"""
output = "loss"
gradients = ["X", "W"]

[tensors]
X = { shape = [8, 4], uniform = [-2.32, 1.36] }
W = { shape = [4], values = [LITERAL] }
y = { shape = [8], values = [LABELS] }
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def numbers(a):
    return ", ".join(map(repr, np.asarray(a, float).tolist()))


def test_a_function_is_written_as_a_case_that_is_right(mine, capsys):
    assert main(["import", "--numpy", "mine.py:forward", "--write", "cases/own/mlp.toml"]) == 0
    assert (
        capsys.readouterr().out
        == "cases/own/mlp.toml: run it with: pytest --cases=cases cases/own/mlp.toml\n"
    )
    names = {}
    exec(MINE, names)
    arrays = names["inputs"]()
    expected = WRITTEN.replace("LITERAL", numbers(arrays["W"])).replace("LABELS", numbers(arrays["y"]))
    assert Path("cases/own/mlp.toml").read_text() == expected
    assert main(["check", "cases"]) == 0
    assert load(Path("cases/own/mlp.toml"), Path("cases")).name == "own/mlp"


def test_its_inputs_are_a_dict_a_function_or_a_file(mine, capsys):
    assert main(["import", "--numpy", "mine.py:forward", "--inputs", "few"]) == 0
    assert "W = { shape = [2], values = [0.5, 2.0] }" in capsys.readouterr().out
    np.savez("mine.npz", X=np.ones((1, 2)), W=np.array([0.5, 2.0]), y=np.array(0))
    assert main(["import", "--numpy", "mine.py:forward", "--inputs", "mine.npz"]) == 0
    assert "p - 0" in capsys.readouterr().out


WRONG = {
    "no function": (["mine.py"], "--numpy mine.py: should be FILE.py:FUNCTION"),
    "no file": (["yours.py:forward"], "--numpy yours.py: no such Python file"),
    "misspelt": (["mine.py:forwrad"], '--numpy: mine.py has no forwrad; did you mean "forward"?'),
    "no callable": (["mine.py:none"], "--numpy mine.py:none: none is int, but must be a function"),
    "no such inputs": (["mine.py:forward", "--inputs", "fwe"], "--inputs: mine.py has no fwe"),
    "inputs that are none": (["mine.py:forward", "--inputs", "none"], "--inputs none is int, but must be a dict"),
    "no such archive": (["mine.py:forward", "--inputs", "x.npz"], "--inputs x.npz: [Errno 2] No such file"),
    "another file in its place": (["mine.py:forward", "--write", "other.toml"], "--write other.toml: a file of another kind"),
    "a file of another name": (["mine.py:forward", "--write", "mine.txt"], "--write mine.txt: a case is a file NAME.toml"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_a_sentence(mine, capsys, words, told):
    (mine.parent / "other.toml").write_text(MINE)
    assert main(["import", "--numpy", *words]) == 2
    assert capsys.readouterr().err.startswith(told)
    assert mine.read_text() == (mine.parent / "other.toml").read_text() == MINE


def test_inputs_on_which_a_branch_hangs_are_written_as_they_are():
    def forward(x):
        return np.where(x > 0, x, np.exp(x) - 1).sum()

    text = case_text(forward, {"x": np.linspace(-1, 1, 20).reshape(4, 5)})
    assert "near which its branches are as they are here: c (test_import.py:" in text
    assert "x = { shape = [4, 5], values = [[-1.0, " in text


@pytest.mark.framework
def test_the_frameworks_agree_on_six_notebooks(tmp_path):
    """24 of 24, in both dtypes."""
    (tmp_path / "cases").mkdir()
    for name, function in FORWARDS.items():
        (tmp_path / "cases" / f"{name}.toml").write_text(case_text(function, drawn()[name]))
    words = [sys.executable, "-m", "pytest", "cases", "--cases=cases", "--require=all", "--record=run.jsonl"]
    run = finished(words, tmp_path)
    assert run.ret == 0, said(run)
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    cells = [line for line in lines if line["kind"] == "cell"]
    assert {cell["verdict"] for cell in cells} == {"agree"}
    assert len({(cell["case"], cell["framework"]) for cell in cells}) == 24
    assert len(cells) == 48
