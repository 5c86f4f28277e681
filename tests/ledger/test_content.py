"""A ledger is known by what its entries say: the same in every process, another for every edit of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.ledger.entries import Ledger
from gradient_conformance.harness.ledger.reading import load

ROOT = Path(__file__).parents[2]
SHIPPED = [
    path
    for path in sorted((ROOT / "adapters").glob("*/deviations.toml"))
    if "[[deviation]]" in path.read_text()
]
ASK = (
    "import sys, pathlib; from gradient_conformance.harness.ledger.reading import load; "
    "print(*(load(pathlib.Path(p), pathlib.Path(p).parent.name).content for p in sys.argv[1:]))"
)


def content(path):
    return load(path, path.parent.name).content


def test_it_is_the_same_in_every_process():
    """Whatever order its sets have, and wherever its functions lie."""
    told = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", ASK, *map(str, SHIPPED)]
        told.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert told == {" ".join(map(content, SHIPPED)) + "\n"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_an_edit_of_an_entry_changes_it_and_a_remark_above_does_not(path, tmp_path):
    text = path.read_text()
    own = tmp_path / path.parent.name / "deviations.toml"
    own.parent.mkdir()
    own.write_text(f"# a remark\n{text}")
    assert content(own) == content(path) != "none"
    own.write_text(text.replace('evidence = "', 'evidence = "also: ', 1))
    assert content(own) != content(path)


def test_a_ledger_of_nothing_is_none():
    assert Ledger("torch").content == "none"
