"""What pytest's ini file says of cases, adapters and interpreters holds for commands too."""

import sys

import pytest
from gradient_conformance.harness.cli import main
from matrix import Matrix

CELL = "tiny/layer::k:1-float32-faultless-eager"
INI = "[pytest]\naddopts = --no-such-option\nharness_cases = here\nharness_adapters = fakes/adapters\nharness_interpreters =\n    faultless = {}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder whose ini file names everything, in a folder below which commands are given."""
    Matrix(tmp_path)
    (tmp_path / "cases").rename(tmp_path / "here")
    (tmp_path / "conftest.py").write_text("raise SystemError('nothing of anybody is run')\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "pytest.ini").write_text(INI.format(sys.executable))
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def test_check_takes_the_cases_of_the_ini_file(project, capsys):
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "1 case file, 6 cells a framework, 0 files with mistakes\n"


def test_explain_takes_cases_adapters_and_interpreters(project, capsys):
    assert main(["explain", CELL]) == 0
    assert "faultless" in capsys.readouterr().out


def test_what_is_given_comes_before_the_ini_file(project, capsys):
    (project / "other").mkdir()
    assert main(["check", str(project / "other")]) == 2
    assert "no case file (*.toml) in" in capsys.readouterr().err


def test_frameworks_has_the_columns_of_the_ini_file(project, capsys):
    assert main(["frameworks"]) == 0
    assert f"{sys.executable}  (harness_interpreters)" in capsys.readouterr().out


def test_a_name_that_no_column_has_is_refused(project, capsys):
    (project / "pytest.ini").write_text(INI.format(sys.executable).replace("    faultless", "    faultles"))
    assert main(["explain", CELL]) == 2
    assert 'harness_interpreters: "faultles" is none of ' in capsys.readouterr().err


def test_a_file_that_pytest_cannot_read_is_one_message_of_ours(project, capsys):
    (project / "pytest.ini").write_text("harness_cases = here\n")
    assert main(["check"]) == 2
    assert "the ini file can't be read, for the reason that pytest has told" in capsys.readouterr().err


def test_without_an_ini_file_cases_are_in_the_folder_of_that_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 2
    assert capsys.readouterr().err == "cases: no such file or folder\n"
