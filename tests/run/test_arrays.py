"""A folder of kept arrays belongs to one run file: what is in it is never another run's, and never piles up."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.run import arrays
from gradient_conformance.harness.run.reading import read_run

SMALL = {("value", "loss", None): np.zeros(())}


def run(matrix, *more):
    return matrix.run("faultless", more=["--keep-arrays=kept", *more])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("more", [[], ["-n2"]])
def test_a_run_written_anew_leaves_the_arrays_of_its_own_cells_alone(matrix, more):
    assert run(matrix).ret == 0
    unfinished = matrix.path / "kept" / arrays.file_name("a/killed::run", "")
    unfinished.with_suffix(".12345").write_bytes(b"half")
    (matrix.path / "kept" / "notes.txt").write_text("of a person")
    (matrix.path / "kept" / "weights.npz").write_bytes(b"of a person")
    assert run(matrix, "-k", "k:2", *more).ret == 0
    cells = read_run(matrix.path / "reports" / "run.jsonl").cells
    assert len(cells) == 2
    own = [Path(cell.arrays).name for cell in cells]
    assert names(matrix.path / "kept") == sorted([*own, "notes.txt", "run.txt", "weights.npz"])


def test_arrays_of_another_run_file_are_left_alone_and_the_run_is_refused(matrix):
    assert run(matrix).ret == 0
    before = {path: path.read_bytes() for path in (matrix.path / "kept").iterdir()}
    done = run(matrix, "--record=other.jsonl")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*has arrays of*reports/run.jsonl*--keep-arrays=DIR*"])
    assert {path: path.read_bytes() for path in (matrix.path / "kept").iterdir()} == before
    assert not (matrix.path / "other.jsonl").exists()


def test_arrays_of_which_nobody_says_whose_they_are_are_left_alone(tmp_path):
    arrays.keep(tmp_path, "a::b", SMALL)
    with pytest.raises(arrays.ArraysOfAnotherRun, match=r"a run that no run\.txt names"):
        arrays.claim(tmp_path, tmp_path / "run.jsonl")
    assert len(names(tmp_path)) == 1


def test_a_folder_whose_arrays_are_gone_may_be_taken_by_another_run(tmp_path):
    folder = tmp_path / "kept"
    arrays.claim(folder, tmp_path / "one.jsonl")
    arrays.claim(folder, tmp_path / "two.jsonl")
    assert (folder / arrays.OWNER).read_text().splitlines() == ["../two.jsonl", arrays.MARK]


def test_a_file_of_somebody_that_is_called_like_the_owners_is_left_alone(tmp_path):
    owner = tmp_path / arrays.OWNER
    for text in ("run 5 km", "two\nlines", "", "\xff"):
        owner.write_bytes(text.encode("latin-1"))
        with pytest.raises(arrays.ArraysOfAnotherRun, match="is none of ours, and would be replaced"):
            arrays.claim(tmp_path, tmp_path / "run.jsonl")
        assert owner.read_bytes() == text.encode("latin-1")
    owner.write_text("run.jsonl\n")  # as before it had a mark
    arrays.claim(tmp_path, tmp_path / "run.jsonl")


def test_a_pipe_in_the_owners_place_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / arrays.OWNER)
    with pytest.raises(arrays.ArraysUnwritable, match="it is no regular file"):
        arrays.claim(tmp_path, tmp_path / "run.jsonl")


def test_a_run_that_moved_with_its_arrays_owns_them_still(tmp_path):
    arrays.claim(tmp_path / "here" / "arrays", tmp_path / "here" / "run.jsonl")
    arrays.keep(tmp_path / "here" / "arrays", "a::b", SMALL)
    shutil.move(tmp_path / "here", tmp_path / "there")
    arrays.claim(tmp_path / "there" / "arrays", tmp_path / "there" / "run.jsonl")
    arrays.tidy(tmp_path / "there" / "arrays", [])
    assert names(tmp_path / "there" / "arrays") == [arrays.OWNER]


def test_collecting_alone_removes_nothing(matrix):
    assert run(matrix).ret == 0
    before = names(matrix.path / "kept")
    assert run(matrix, "--collect-only").ret == 0
    assert names(matrix.path / "kept") == before


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(arrays.ArraysUnwritable, match="--keep-arrays=DIR"):
        arrays.claim(tmp_path / "file" / "arrays", tmp_path / "run.jsonl")
