"""The line that repeats a failure, pasted into a shell, collects that cell and no other."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.run.reading import read_run

FAKES = Path(__file__).parents[1] / "fakes"
CASE = """
title = "A tiny layer"
source = "A test of the harness"
program = "loss = sum(x * x)"

[tensors]
x = { shape = [2], uniform = [-1, 1] }
"""
WRONG = """
def layer(x):
    return {"loss": sum(x * x)}, {"x": -2 * x}
"""
WAYS = {
    "a mode that is no default": ["--framework=twofaced", "--mode=all"],
    "a mode by name, as a word of its own": ["--framework", "twofaced", "--mode", "slow"],
    "a subject": ["--framework=mine", "--subject=my code/mine.py"],
    "an interpreter": ["--framework=negates", "--interpreter=negates=env X=1 PYTHON"],
    "a ledger": ["--framework=negates", "--deviations=mine.toml"],
    "a limit": ["--framework=negates", "--cell-timeout=77"],
}


@pytest.fixture
def here(pytester):
    """A working directory with spaces in its names, in which nothing lies that an ini file would find."""
    case = pytester.path / "my cases" / "a 'quoted' folder" / "layer.toml"
    case.parent.mkdir(parents=True)
    case.write_text(CASE)
    (pytester.path / "my code").mkdir()
    (pytester.path / "my code" / "mine.py").write_text(WRONG)
    (pytester.path / "mine.toml").write_text("")
    shutil.copytree(FAKES, pytester.path / "my fakes")
    two = pytester.path / "my fakes" / "adapters" / "twofaced"
    shutil.copytree(pytester.path / "my fakes" / "adapters" / "negates", two)
    text = (two / "adapter.py").read_text()
    (two / "adapter.py").write_text(text.replace('("eager",)', '("eager", "slow")'))
    return pytester.path


def lines_of(here, options, cases="--cases=my cases"):
    """Runs pytest; the repeat lines on the terminal and in the report of its run file."""
    words = [word.replace("PYTHON", sys.executable) for word in options]
    named = [
        f"--interpreter={n}={sys.executable}"
        for n in ("twofaced", "negates")
        if "interpreter" not in str(words)
    ]
    command = [sys.executable, "-m", "pytest", cases, "--adapters=my fakes/adapters", *named, *words]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    run = read_run(here / "reports" / "run.jsonl")
    failed = [cell for cell in report(run).cells if cell.result.verdict.outcome() == "failed"]
    told = re.findall(r"^ *repeat: (.*)$", done.stdout, re.MULTILINE)
    assert told == [cell.repeat for cell in failed]
    return {cell.result.cell: cell.repeat for cell in failed}


@pytest.mark.parametrize("options", WAYS.values(), ids=list(WAYS))
def test_pasted_it_collects_its_cell(here, monkeypatch, options):
    monkeypatch.chdir(here)
    repeated = lines_of(here, options)
    assert repeated
    for cell, line in repeated.items():
        pasted = line.replace("pytest", f"{sys.executable} -m pytest --collect-only -q", 1)
        done = subprocess.run(["sh", "-c", pasted], cwd=here, capture_output=True, text=True, check=False)
        collected = [text for text in done.stdout.splitlines() if "::" in text]
        assert len(collected) == 1, done.stdout + done.stderr
        assert collected[0].rpartition("::")[2] == cell.rpartition("::")[2]
        for option in options:
            name, _, value = option.partition("=")
            assert name in ("--framework", "--mode", "twofaced", "slow") or value in line or "PYTHON" in value
