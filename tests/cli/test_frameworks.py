"""`harness frameworks --start`: what a worker of each costs."""

import os
import re
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.cli.columns import started
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.frameworks.interpreters import Interpreter

FAKES = Path(__file__).parents[1] / "fakes" / "adapters"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers are POSIX processes")


def told(name, *argv):
    return started(framework(name, FAKES / name / "adapter.py"), Interpreter(argv, "a test"))


def test_a_worker_tells_its_start_and_its_memory():
    [line] = told("faultless", sys.executable)
    found = re.fullmatch(r"a worker: started in \d+\.\d s, (\d+) MiB of memory", line)
    assert 10 < int(found[1]) < 500


def test_one_that_does_not_start_tells_why():
    lines = told("unimportable", sys.executable)
    assert lines[0] == "a worker could not load the adapter:"
    assert "  ModuleNotFoundError: No module named 'a_module_that_nobody_has'" in lines
    assert told("faultless", "/nowhere") == ["a worker could not be started: No such file or directory"]
