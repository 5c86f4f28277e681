"""The line that repeats a failure, pasted into a shell, collects that cell and no other."""

import re
import shutil
import sys

import pytest
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.run.reading import read_run
from matrix import LAYER, finished, said

WRONG = """
def layer(W, x):
    return {"loss": sum(W @ x)}, {"W": -W, "x": -x}
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
def here(matrix, monkeypatch):
    """A working directory with spaces in its names, in which nothing lies that an ini file would find."""
    (matrix.path / "pytest.ini").unlink()
    case = matrix.path / "my 'quoted' cases" / "a folder" / "layer.toml"
    case.parent.mkdir(parents=True)
    case.write_text(LAYER)
    (matrix.path / "my code").mkdir()
    (matrix.path / "my code" / "mine.py").write_text(WRONG)
    (matrix.path / "mine.toml").write_text("")
    (matrix.path / "fakes").rename(matrix.path / "my fakes")
    two = matrix.path / "my fakes" / "adapters" / "twofaced"
    shutil.copytree(two.with_name("negates"), two)
    text = (two / "adapter.py").read_text()
    (two / "adapter.py").write_text(text.replace('("eager",)', '("eager", "slow")'))
    monkeypatch.chdir(matrix.path)
    return matrix


def repeat_lines(here, options):
    """Runs pytest; the repeat lines on the terminal and in the report of its run file."""
    words = [word.replace("PYTHON", sys.executable) for word in options]
    if "interpreter" not in str(words):
        words += [f"--interpreter={name}={sys.executable}" for name in ("twofaced", "negates")]
    outcome = here.run(of="--cases=my 'quoted' cases", more=["--adapters=my fakes/adapters", *words])
    failed = [c for c in report(read_run(here.record)).cells if c.result.verdict.outcome() == "failed"]
    told = re.findall(r"^ *repeat: (.*)$", outcome.stdout.str(), re.MULTILINE)
    assert told == [cell.repeat for cell in failed]
    return {cell.result.cell: cell.repeat for cell in failed}


@pytest.mark.parametrize("options", WAYS.values(), ids=list(WAYS))
def test_pasted_it_collects_its_cell(here, options):
    repeated = repeat_lines(here, options)
    assert repeated
    for cell, line in repeated.items():
        pasted = finished(["sh", "-c", line.replace("pytest", r"printf '%s\n'", 1)], here.path).outlines
        outcome = here.run(of="--collect-only", more=["-q", *pasted])
        collected = [text for text in outcome.outlines if "::" in text]
        assert len(collected) == 1, said(outcome)
        assert collected[0].rpartition("::")[2] == cell.rpartition("::")[2]
        for option in options:
            name, _, value = option.partition("=")
            assert name in ("--framework", "--mode", "twofaced", "slow") or value in line or "PYTHON" in value


def test_what_lies_below_the_working_directory_is_told_from_there(here):
    lines = repeat_lines(here, ["--framework=mine", f"--subject={here.path}/my code/mine.py"])
    assert lines
    for line in lines.values():
        assert "'--subject=my code/mine.py'" in line
        assert str(here.path) not in line
