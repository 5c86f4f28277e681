"""Every benchmark runs, with as little as shows it: they would rot first, since nobody needs them from day to day."""

import subprocess
import sys
from pathlib import Path

import pytest
from gradient_conformance.benchmarks import common
from gradient_conformance.benchmarks.figures import __main__ as figures
from runs import large, write

ROOT = Path(__file__).parents[2]
MODULES = [f"benchmarks.figures {row}" for row in figures.ROWS]
MODULES += [
    f"benchmarks.{path.parent.name}.{path.stem}"
    for folder in ("constants", "studies")
    for path in sorted((ROOT / "benchmarks" / folder).glob("[a-z]*.py"))
]
MORE = {
    "benchmarks.studies.many_machines": ["run.jsonl"],
    "benchmarks.studies.correct_called_wrong": ["--framework=torch", "--record=networks.jsonl"],
    "benchmarks.studies.transport": [sys.executable],
    **{f"benchmarks.figures {row}": ["--framework=torch"] for row in figures.ROWS},
}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_it_runs(module, tmp_path):
    if module.endswith(" reference"):
        pytest.importorskip("threadpoolctl")
    write(tmp_path / "run.jsonl", large(160))
    words = [*module.split(), "--quick", *MORE.get(module, [])]
    done = subprocess.run(
        [sys.executable, "-m", f"gradient_conformance.{words[0]}", *words[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 1
    assert "Traceback" not in done.stdout + done.stderr


def test_what_is_printed_is_kept_below_its_command_where_it_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "FOLDER", tmp_path / "measured")
    monkeypatch.setattr(sys, "argv", ["x", "--rounds", "3", "--write"])
    for write_too in (False, True):
        with common.kept("row", "benchmarks.figures", write_too):
            print("a line")
        assert capsys.readouterr().out == "a line\n"
        assert (tmp_path / "measured").exists() is write_too
    kept = (tmp_path / "measured" / "row.md").read_text()
    assert kept == "`python -m benchmarks.figures --rounds 3`\n\n```\na line\n```\n"
