"""Nothing of a finished run is touched before the next one has a result, and what isn't on disk isn't done."""

import os
import re
import sys

import pytest
from gradient_conformance.harness.run.reading import read_run
from matrix import finished, said


def run(matrix, *more):
    """In a process of its own: Ctrl-C would end this one too."""
    command = matrix.command("faultless", "negates", more=["--keep-arrays=kept", *more])
    return finished(command, matrix.path)


@pytest.fixture
def ran(matrix):
    """A complete run with its arrays, and what lies there."""
    run(matrix)
    assert len(read_run(matrix.record).cells) == 12
    return matrix


def there(matrix):
    folders = (matrix.record.parent, matrix.path / "kept")
    return {path: path.read_bytes() for folder in folders for path in folder.iterdir()}


def a_mistake(matrix):
    matrix.case.with_name("broken.toml").write_text('title = "x')


def ctrl_c_while_collecting(matrix):
    hook = "def pytest_collection_modifyitems(): raise KeyboardInterrupt"
    (matrix.path / "conftest.py").write_text(hook)


def ctrl_c_at_the_first_cell(matrix):
    (matrix.path / "conftest.py").write_text("def pytest_runtest_setup(): raise KeyboardInterrupt")


def a_plugin_that_fails_when_all_is_collected(matrix):
    hook = "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_collection_finish(): raise SystemError"
    (matrix.path / "conftest.py").write_text(hook)


def a_plugin_that_skips_every_cell(matrix):
    hook = "import pytest\ndef pytest_runtest_setup(item): pytest.skip('not today')"
    (matrix.path / "conftest.py").write_text(hook)


def test_a_mistake_in_a_case_leaves_the_last_run_and_its_arrays(ran):
    """Under xdist pytest runs the others, and its exit code tells of the mistake."""
    before = there(ran)
    a_mistake(ran)
    assert run(ran).ret != 0
    assert there(ran) == before
    assert run(ran, "-n2").ret != 0


@pytest.mark.parametrize("more", [[], ["-n2"]])
@pytest.mark.parametrize(
    "happens",
    [ctrl_c_while_collecting, ctrl_c_at_the_first_cell, a_plugin_that_fails_when_all_is_collected,
     a_plugin_that_skips_every_cell],
)  # fmt: skip
def test_a_run_that_comes_to_nothing_leaves_the_last_one_and_its_arrays(ran, happens, more):
    before = there(ran)
    happens(ran)
    assert run(ran, *more).ret != 0
    assert there(ran) == before


def test_a_run_that_is_complete_lets_go_of_the_arrays_of_the_last(ran):
    run(ran, "-k", "k:2 and float32")
    cells = read_run(ran.record).cells
    assert len(cells) == 2
    kept = {path.name for path in (ran.path / "kept").glob("*.npz")}
    assert kept == {cell.arrays.rpartition("/")[2] for cell in cells}


def test_a_selection_of_some_that_a_plugin_skips_is_not_complete(matrix):
    (matrix.path / "conftest.py").write_text(
        "import pytest\n"
        "def pytest_runtest_setup(item):\n"
        "    if 'k:2' in item.nodeid: pytest.skip('not today')\n"
    )
    outcome = matrix.run("faultless")
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    outcome.stdout.fnmatch_lines(["*the run is incomplete and has no footer: 2 of 6 cells have no result"])


LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[2:]])
"""
"""A disk with room for so many bytes of each file."""
COMMAND = "import sys; from gradient_conformance.harness.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_footer_that_the_disk_has_no_room_for_is_no_success(matrix, part):
    """Cut well inside the footer: what a run took, and so the digits of its figures, differ from one to the next."""
    matrix.run("faultless")
    written = matrix.record.read_bytes()
    room = len(written) - round(part * len(written.splitlines()[-1]))
    words = matrix.words("faultless", more=["--record=reports/run.jsonl"])
    outcome = finished([sys.executable, "-c", LIMITED, str(room), *words], matrix.path)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    assert "has no footer" in said(outcome)
    assert os.strerror(27) in said(outcome)
    assert "cells have no result" not in said(outcome)


@pytest.mark.parametrize("command", ["merge", "rejudge"])
def test_what_is_made_of_runs_on_a_full_disk_leaves_what_was_there(matrix, command):
    matrix.run("faultless", more=["--record=a.jsonl"])
    target = matrix.path / "all.jsonl"
    target.write_bytes((matrix.path / "a.jsonl").read_bytes())
    size = target.stat().st_size
    limited = LIMITED.replace('"-m", "pytest"', f'"-c", "{COMMAND}"')
    words = [command, "a.jsonl", "--record", "all.jsonl"]
    outcome = finished([sys.executable, "-c", limited, str(size // 2), *words], matrix.path)
    assert outcome.ret == 2
    assert "Traceback" not in said(outcome)
    assert target.read_bytes() == (matrix.path / "a.jsonl").read_bytes()
    assert sorted(path.name for path in matrix.path.glob(".*jsonl*")) == []


def test_a_file_of_somebody_else_is_not_replaced_by_a_run(matrix):
    (matrix.path / "README.md").write_text("# mine\n")
    outcome = matrix.run("faultless", more=["--record=README.md"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "README.md: is no run file, and would be replaced by one" in said(outcome)
    assert (matrix.path / "README.md").read_text() == "# mine\n"


@pytest.mark.parametrize("option", ["--junitxml", "--log-file"])
def test_a_report_of_pytest_is_not_written_over_the_run_file(ran, option):
    before = there(ran)
    outcome = run(ran, f"{option}=reports/../reports/run.jsonl")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "that is a run file; name another" in said(outcome)
    assert there(ran) == before


@pytest.mark.parametrize(
    ("option", "where"),
    [
        ("--interpreter=faultles=python", "--interpreter"),
        ("--interpreter=torhc=python", "--interpreter"),
        ("--require=faultles", "--require"),
        ("--require=all,nobody", "--require"),
    ],
)
def test_a_name_that_no_framework_has_is_refused_and_the_nearest_named(matrix, option, where):
    outcome = matrix.run("faultless", more=[option])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(rf'{where}: "\w+" is none of .*faultless', said(outcome))


@pytest.mark.parametrize("way", ["environment", "ini"])
def test_so_is_one_in_the_environment_or_in_the_ini_file(matrix, way, monkeypatch):
    monkeypatch.setenv("HARNESS_REQUIRE", "faultles" if way == "environment" else "")
    if way == "ini":
        with (matrix.path / "pytest.ini").open("a") as file:
            file.write("harness_interpreters =\n    faultles = python\n")
    outcome = matrix.run("faultless")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert '"faultles" is none of ' in said(outcome)
    assert 'did you mean "faultless"' in said(outcome)


def test_a_case_that_is_edited_while_two_processes_collect_it_is_never_two_in_one_run(matrix):
    (matrix.path / "conftest.py").write_text(
        "import pathlib, time\n"
        "def pytest_sessionstart(session):\n"
        "    if getattr(session.config, 'workerinput', {}).get('workerid') == 'gw1':\n"
        "        time.sleep(3)\n"  # the other has collected by then
        "        case = pathlib.Path('cases/tiny/layer.toml')\n"
        "        case.write_text('seed = 5\\n' + case.read_text())\n"
    )
    outcome = run(matrix, "-n2")
    assert outcome.ret != 0
    assert "in another cell of its variant; run it anew" in said(outcome)
    assert "run file:" not in outcome.stdout.str()
