"""Names of cases that no ASCII letter is in: through a run, its reports, its ledger and the command that repeats a cell."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from gradient_conformance.harness.cli import main
from matrix import LAYER, Matrix

NAMES = ("a b", "größe", "日本", "x=1,y", "a+b@c", "deep er/v1.2")


@pytest.fixture
def matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Matrix:
    made = Matrix(tmp_path, LAYER)
    for name in NAMES:
        path = tmp_path / "cases" / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(LAYER)
    made.case.unlink()
    monkeypatch.chdir(tmp_path)
    return made


def pytest_run(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words], capture_output=True, text=True, check=False)  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr
    return done.stdout


def test_a_name_of_any_script_works_wherever_ids_do(
    matrix: Matrix, capsys: pytest.CaptureFixture[str]
) -> None:
    words = matrix.words("negates", more=["-q"])
    assert f"{2 * len(NAMES)} failed" in pytest_run(*words, "--keep-arrays=arrays")
    cells = [json.loads(line) for line in matrix.record.read_text().splitlines()]
    ids = [cell["cell"] for cell in cells if cell["kind"] == "cell"]
    assert {id.partition("::")[0] for id in ids} == set(NAMES)

    given = ["--html", "page", "--json", "r.json", "--junit", "r.xml", "--markdown", "-"]
    assert main(["report", str(matrix.record), *given]) == 0
    told = capsys.readouterr().out
    facts = json.loads(Path("r.json").read_text())
    repeats = [cell["repeat"] for cell in facts["cells"]]
    assert all(repeat in told for repeat in repeats)
    assert all(case["program"] for case in facts["cases"])
    assert all(unquote(id) == id for id in ids)
    for name in NAMES:  # what repeats a cell runs that cell alone, as a shell reads it
        repeat = next(repeat for repeat in repeats if f"cases/{name}.toml" in repeat)
        own = pytest_run(*shlex.split(repeat)[1:], "-q", "--record=again.jsonl")
        assert "1 failed" in own, own
    for word in ("größe", "日本"):
        assert "2 failed" in pytest_run(*words, "-k", word, "--record=again.jsonl")

    capsys.readouterr()
    assert main(["deviations", "--propose", str(matrix.record)]) == 0
    ledger = capsys.readouterr().out.replace('evidence  = ""', 'evidence = "e"')
    Path("own.toml").write_text(ledger)
    for name in NAMES:
        assert f"{name}::" in ledger or f'case      = "{name}' in ledger
    assert f"{2 * len(NAMES)} xfailed" in pytest_run(*words, "--deviations=own.toml", "--record=known.jsonl")
    assert main(["rejudge", str(matrix.record), "--K", "9", "--adapters", "fakes/adapters", "--record", "j.jsonl"]) == 1  # fmt: skip
    explained = [
        "explain", f"{NAMES[1]}::float32-negates-eager", "--cases", "cases", "--adapters", "fakes/adapters", "--framework", "negates",
        "--interpreter", f"negates={sys.executable}",
    ]  # fmt: skip
    assert main(explained) == 1
    assert "größe::float32-negates-eager" in capsys.readouterr().out
