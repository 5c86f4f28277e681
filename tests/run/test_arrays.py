"""A folder of kept arrays belongs to one run file: what is in it is never another run's, and never piles up."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.run import arrays
from gradient_conformance.harness.run.reading import read_run

FAKES = Path(__file__).parents[1] / "fakes"
CASE = """
title = "A square"
source = "A test of the harness"
program = "loss = sum(x * x)"
[tensors]
x = { shape = ["n"], uniform = [-1, 1] }
[sweep]
n = [3, 4]
"""
SMALL = {("value", "loss", None): np.zeros(())}


@pytest.fixture
def here(tmp_path):
    shutil.copytree(FAKES, tmp_path / "fakes")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "square.toml").write_text(CASE)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nharness_cases = mine\nharness_adapters = fakes/adapters\n"
    )
    return tmp_path


def run(here, *arguments):
    command = [sys.executable, "-m", "pytest", "mine", "--framework=faultless", "--keep-arrays=kept"]
    command += [f"--interpreter=faultless={sys.executable}", *arguments]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("more", [[], ["-n2"]])
def test_a_run_written_anew_leaves_the_arrays_of_its_own_cells_alone_in_the_folder(here, more):
    assert run(here).returncode == 0
    unfinished = here / "kept" / arrays.file_name("a/killed::run")
    unfinished.with_suffix(".12345").write_bytes(b"half")
    (here / "kept" / "notes.txt").write_text("of a person")
    (here / "kept" / "weights.npz").write_bytes(b"of a person")
    assert run(here, "-k", "n:3", *more).returncode == 0
    cells = read_run(here / "reports" / "run.jsonl").cells
    assert len(cells) == 2
    own = [Path(cell.arrays).name for cell in cells]
    assert names(here / "kept") == sorted([*own, "notes.txt", "run.txt", "weights.npz"])


def test_arrays_of_another_run_file_are_neither_replaced_nor_removed_and_the_run_is_refused(here):
    assert run(here).returncode == 0
    before = {path: path.read_bytes() for path in (here / "kept").iterdir()}
    done = run(here, "--record=other.jsonl")
    assert done.returncode == 4
    assert "has arrays of" in done.stderr
    assert "reports/run.jsonl" in done.stderr
    assert "--keep-arrays=DIR" in done.stderr
    assert {path: path.read_bytes() for path in (here / "kept").iterdir()} == before
    assert not (here / "other.jsonl").exists()


def test_arrays_of_which_nobody_says_whose_they_are_are_left_alone(tmp_path):
    arrays.keep(tmp_path, "a::b", SMALL)
    with pytest.raises(arrays.ArraysOfAnotherRun, match=r"a run that no run\.txt names"):
        arrays.claim(tmp_path, tmp_path / "run.jsonl")
    assert len(names(tmp_path)) == 1


def test_a_folder_whose_arrays_are_gone_may_be_taken_by_another_run(tmp_path):
    folder = tmp_path / "kept"
    arrays.claim(folder, tmp_path / "one.jsonl")
    arrays.claim(folder, tmp_path / "two.jsonl")
    assert (folder / arrays.OWNER).read_text() == "../two.jsonl\n"


def test_a_run_that_moved_with_its_arrays_owns_them_still(tmp_path):
    arrays.claim(tmp_path / "here" / "arrays", tmp_path / "here" / "run.jsonl")
    arrays.keep(tmp_path / "here" / "arrays", "a::b", SMALL)
    shutil.move(tmp_path / "here", tmp_path / "there")
    arrays.claim(tmp_path / "there" / "arrays", tmp_path / "there" / "run.jsonl")
    assert names(tmp_path / "there" / "arrays") == [arrays.OWNER]


def test_collecting_alone_removes_nothing(here):
    assert run(here).returncode == 0
    before = names(here / "kept")
    assert run(here, "--collect-only").returncode == 0
    assert names(here / "kept") == before


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(arrays.ArraysUnwritable, match="--keep-arrays=DIR"):
        arrays.claim(tmp_path / "file" / "arrays", tmp_path / "run.jsonl")
