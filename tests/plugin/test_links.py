"""Links: in a circle they are a mistake that is told, and a folder that is reached by two of them is one folder."""

import os

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.run.reading import read_run
from matrix import Matrix, finished, said


@pytest.mark.parametrize("option", ["record", "resume", "subject", "keep-arrays"])
def test_links_in_a_circle_are_told_in_a_line(matrix, option):
    circle = matrix.path / "circle.py"
    circle.symlink_to(circle)
    outcome = matrix.run("faultless", of="cases/tiny/layer.toml", more=[f"--{option}={circle}"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "circle.py" in said(outcome)
    assert "INTERNALERROR" not in said(outcome)
    assert circle.is_symlink()
    assert not list(matrix.path.glob(".*.new"))


def test_case_roots_that_are_links_in_a_circle(matrix):
    circle = matrix.path / "circle"
    circle.symlink_to(circle)
    outcome = matrix.run("faultless", of=f"--cases={circle}")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert f"not found: {circle}" in said(outcome)
    (matrix.path / "pytest.ini").write_text("[pytest]\nharness_cases = circle\n")
    assert "INTERNALERROR" not in said(matrix.run("faultless"))


def test_a_worker_on_whose_path_are_links_in_a_circle(matrix, monkeypatch):
    circle = matrix.path / "circle"
    circle.symlink_to(circle)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(circle)]))
    outcome = finished(matrix.command("faultless"), matrix.path)
    assert outcome.ret == 0, said(outcome)


def test_a_folder_of_arrays_that_two_runs_reach_by_links_is_that_of_the_first(matrix, tmp_path_factory):
    other, shared = Matrix(tmp_path_factory.mktemp("other")), tmp_path_factory.mktemp("shared")
    for each in (matrix, other):
        (each.path / "kept").symlink_to(shared)
    assert matrix.run("faultless", more=["--keep-arrays=kept"]).ret == 0
    before = sorted(shared.iterdir())
    refused = finished(other.command("negates", more=["--keep-arrays=kept"]), other.path)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert f"has arrays of {matrix.record}" in said(refused)
    assert sorted(shared.iterdir()) == before


@pytest.mark.parametrize("what", ["folder", "file", "both"])
def test_arrays_are_found_from_a_run_file_behind_a_link(matrix, tmp_path_factory, monkeypatch, what):
    monkeypatch.chdir(matrix.path)
    far = tmp_path_factory.mktemp("far") / "away"
    far.mkdir()
    if what == "file":
        matrix.record.parent.mkdir()
    else:
        matrix.record.parent.symlink_to(far)
    if what != "folder":
        (far / "elsewhere").mkdir()
        matrix.record.symlink_to(far / "elsewhere" / "mine.jsonl")
    matrix.run("faultless", "negates", more=["--keep-arrays=kept"])
    again = ["--arrays", "kept", "--adapters", "fakes/adapters"]
    page = matrix.path / "page" / "pairwise.html"
    merged, rejudged = str(far / "merged.jsonl"), str(matrix.path / "rejudged.jsonl")
    for run in (matrix.record, matrix.record.resolve()):
        assert main(["report", str(run), "--html", "page"]) == 0
        assert "read kept arrays" not in page.read_text()
        assert main(["merge", str(run), "--record", merged]) == 0
        assert main(["rejudge", str(run), *again, "--record", rejudged]) == 1
        for made in (merged, rejudged):
            assert main(["report", made, "--html", "page"]) == 0
            assert "read kept arrays" not in page.read_text()
    assert len(read_run(matrix.record).cells) == 12


def test_a_link_to_a_case_root_inside_it_is_told_as_a_link(matrix):
    (matrix.path / "cases" / "again").symlink_to("../cases")
    outcome = matrix.run("faultless")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    told = "cases/tiny/layer.toml and cases/again/tiny/layer.toml are one file, to which a link leads; leave the link out"
    assert told in said(outcome)


def test_a_case_that_is_collected_twice_is_told_as_that(matrix):
    outcome = matrix.run(
        "faultless", of="cases/tiny/layer.toml", more=["--keep-duplicates", "cases/tiny/layer.toml"]
    )
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "cases/tiny/layer.toml is collected twice; name it once" in said(outcome)
