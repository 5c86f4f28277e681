"""What collection costs: nothing is loaded, read or watched that it can do without."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASE = """
title = "Twice"
source = "A test of the harness"
program = "y = sum(x * 2)"

[tensors]
x = { shape = [3], uniform = [-1, 1] }
"""


@pytest.fixture
def collected(pytester):
    """The output of a collection, with a conftest.py of this text and with or without a case root."""

    def run(conftest, *, cases):
        pytester.makeini(f"[pytest]\n{'harness_cases = cases' * cases}")
        pytester.makeconftest(conftest)
        pytester.makepyfile("def test_of_somebody_else(): pass")
        pytester.mkdir("cases").joinpath("twice.toml").write_text(CASE)
        result = pytester.runpytest_subprocess("--collect-only", "-q", "-s")
        assert result.ret == 0
        return result.stdout.str()

    return run


def test_what_only_a_run_needs_is_not_loaded():
    """Each of these takes as long to load as dozens of case files."""
    spared = ("rich", "packaging.requirements", "numpy.random", "mpmath", "jinja2")
    code = f"import sys, gradient_conformance.harness.plugin.hooks\nprint([name for name in {spared} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


WATCH = """
import gc
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop():
    print(f"enabled {gc.isenabled()}, frozen {gc.get_freeze_count() > 0}")
    return (yield)
"""


def test_what_was_collected_is_searched_for_garbage_no_more_and_all_else_is(collected):
    assert "enabled True, frozen True" in collected(WATCH, cases=True)


def test_a_session_without_cases_is_left_as_it_is(collected):
    assert "enabled True, frozen False" in collected(WATCH, cases=False)


def test_who_has_switched_the_search_off_finds_it_off(collected):
    assert "enabled False, frozen True" in collected(f"{WATCH}\ngc.disable()\n", cases=True)


COUNT = """
from collections import Counter
from gradient_conformance.harness.case import library

loads, usual = Counter(), library.load

def counted(path, root, **more):
    loads[path] += 1
    return usual(path, root, **more)

library.load = counted

def pytest_sessionfinish():
    print(f"{len(loads)} files, each read {set(loads.values())} times")
"""


def test_a_case_is_read_once_however_many_ledgers_ask_for_it(tmp_path):
    """The ledgers shipped here ask for every case, selected or not."""
    (tmp_path / "counting.py").write_text(COUNT)
    command = [sys.executable, "-m", "pytest", "-p", "counting", "--collect-only", "-q", "-s", "cases/exact"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    files = len(list((ROOT / "cases").rglob("*.toml")))
    assert f"{files} files, each read {{1}} times" in done.stdout
