"""A folder with a tiny case and fake adapters that may have a fault, and an engine that runs it with real workers."""

import contextlib
import os
import sys
import time
from pathlib import Path

import psutil
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import frameworks
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.plan import Selection, cells
from gradient_conformance.harness.run.writing import encode

FAKES = Path(__file__).parents[1] / "fakes"
MARKER = "HARNESS_TEST_MARKER"
SOON = 30.0
"""Seconds within which everything here is over, also on a busy machine."""

CASE = """
title = "A tiny layer"
source = "A test of the harness"
program = '''
z = W @ x
loss = sum(z * z)
'''
gradients = ["W", "x"]
dtypes = ["float32"]

[tensors]
W = {{ shape = [3, "k"], uniform = [-1, 1] }}
x = {{ shape = ["k"], uniform = [-1, 1] }}

[sweep]
k = {sizes}
"""
STRUCK = 2
"""The size at which a fault strikes."""

ADAPTER = """
import sys

sys.path.insert(0, {fakes!r})

from numpy_adapter import *  # noqa: F403
import worker_faults

MODES = ("eager",)
"""
IN_THE_CELL = "differentiate = worker_faults.striking({name!r})\n"
AT_THE_START = "from numpy_adapter import differentiate\nworker_faults.{name}()\n"


def marked(value):
    """The processes that live and carry the marker."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            carries = process.environ().get(MARKER) == value
            if carries and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until(condition, seconds=SOON):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.05)


def assert_nothing_lives(value, within=1.5):
    """What has been killed may need a moment to be gone."""
    deadline = time.monotonic() + within
    while (left := marked(value)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, [(p.pid, p.cmdline()[:1], p.status()) for p in left]


class Run:
    """An engine with its cells; `line(framework, size)` waits for the line that the report gets."""

    def __init__(self, root, adapters, *, interpreters, timeout, **more):
        interpreters = {**dict.fromkeys(p.name for p in adapters.iterdir()), **interpreters}
        argv = {name: given or (sys.executable,) for name, given in interpreters.items()}
        self.engine = Engine(lambda f: Interpreter(argv[f.name], "a test"), {}, cell_timeout=timeout, **more)
        found = cells(load(root / "tiny" / "layer.toml", root).variants, frameworks([adapters]), Selection())
        self.cells = {(c.framework.name, c.variant.bindings["k"]): c for c in found}

    def submit(self, keys=None):
        self.engine.submit(self.cells[key] for key in (keys or self.cells))

    def line(self, framework, size):
        """The cell's line, after it has been to the run file and back."""
        cell = self.cells[framework, size]
        self.engine._requests[cell.id].future.result(timeout=SOON)
        line = self.engine.result(cell)
        assert encode(line)
        return line

    def lines(self):
        return {key: self.line(*key) for key in self.cells}
