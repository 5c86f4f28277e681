"""A case file with a mistake is an error of its own, and breaks no run that isn't of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from wrong import BASE, WRONG

FAKES = Path(__file__).parents[1] / "fakes" / "adapters"
ENTRY = """
[[deviation]]
framework = "faultless"
cell = "{}::*"
version = ">=0"
used = [1, inf]
reason = "a reason"
evidence = "none"
"""
CHECK = "import sys; from gradient_conformance.harness.cli import main; sys.exit(main())"
TOLD = 'broken.toml:5:5: unknown op "sigmiod"; did you mean "sigmoid"?'


@pytest.fixture
def run(tmp_path):
    """Runs pytest in a folder with a right case and a broken one."""
    for name, text in {
        "tiny/right": BASE.replace("sigmoid(y)", "sum(y)"),
        "broken": WRONG["misspelt_op"],
    }.items():
        path = tmp_path / "cases" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nharness_cases = cases\n")
    (tmp_path / "ledger.toml").write_text(ENTRY.format("broken"))

    def run(*options):
        named = [f"--adapters={FAKES}", "--framework=faultless", f"--interpreter=faultless={sys.executable}"]
        command = [sys.executable, "-m", "pytest", "-q", "-rs", *named, *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        told = done.stdout + done.stderr
        assert "INTERNALERROR" not in told
        assert "Traceback" not in told
        return done.returncode, told

    run.path = tmp_path
    return run


def test_a_file_with_a_mistake_breaks_no_run_of_others(run):
    """The ledger's entry, which may speak of its cells, isn't called stale: nobody can say."""
    code, told = run("cases/tiny", "--deviations=ledger.toml", "--record=reports/run.jsonl")
    assert code == 0
    assert f"1 ledger entries can't be held against all cells: cases/{TOLD}" in told
    code, told = run(
        "cases/tiny", "--deviations=ledger.toml", "--resume=reports/run.jsonl", "-k", "float32", "-n2"
    )
    assert "has cells that are not selected now" in told
    with (run.path / "ledger.toml").open("a") as file:
        file.write(ENTRY.format("tiny/rigth"))
    code, told = run("cases/tiny", "--deviations=ledger.toml")
    assert code == 1
    assert "stale ledger entry  " in told
    assert "'tiny/rigth::*' matches no cell of faultless" in told
    assert "'broken::*' matches" not in told


@pytest.mark.parametrize("options", [["-k", "right"], ["--lf"], ["-n2"], ["--shard=1/2"], ["--collect-only"]])
def test_a_file_with_a_mistake_that_is_selected_is_a_collection_error(run, options):
    code, told = run("cases", *options)
    assert code in (1, 2)
    assert told.count(f"cases/{TOLD}") >= 1


@pytest.mark.parametrize("options", [[], ["-n2"]])
def test_two_cases_of_one_name_are_refused(run, options):
    (run.path / "more/tiny").mkdir(parents=True)
    (run.path / "more/tiny/right.toml").write_text(BASE)
    code, told = run("cases/tiny", "more", "--cases=more", *options)
    assert code in (1, 4)
    assert "tiny/right::float32-faultless-eager: two case roots have a case of this name" in told


def no_utf8(path):
    path.write_bytes(b'title = "\xff"\n')


BROKEN = {
    "no UTF-8": no_utf8,
    "a null byte": lambda path: path.write_bytes(b"\0"),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a link in a circle": lambda path: path.symlink_to(path.name),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "too large": lambda path: path.write_bytes(b"#" * 1_000_001),
    "no name of a case": lambda path: path.with_name("a;b.toml").write_text(BASE),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_broken_in_any_way_ends_no_run_of_others(run, broken):
    """`harness check` tells of it, and in a run of all the other case has its cells."""
    path = run.path / "cases/broken.toml"
    path.unlink()
    broken(path)
    ledger = run.path / "ledger.toml"
    ledger.write_text(ENTRY.format("tiny/rigth"))
    code, told = run("cases/tiny", "--deviations=ledger.toml")
    assert code in (0, 1)
    assert "2 passed" in told
    code, told = run("cases", "--deviations=ledger.toml", "--continue-on-collection-errors")
    assert code == 1
    assert "2 passed" in told
    command = [sys.executable, "-c", CHECK, "check", "cases"]
    done = subprocess.run(command, cwd=run.path, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if path.is_dir() else 1), done.stderr
