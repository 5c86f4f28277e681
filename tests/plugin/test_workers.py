"""How many workers a run has changes how long it takes, and nothing else."""

import re
import sys

import pytest
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.workers.succession import Succession
from matrix import TINY, lasting

NAPS = """
import time
from numpy_adapter import differentiate as itself

def differentiate(task, inputs):
    time.sleep(0.04)
    return itself(task, inputs)
"""
COLUMNS = ("faultless", "negates", "segfaults")
MANY = TINY.replace("k = [1, 2, 4]", f"k = {list(range(1, 25))}")


@pytest.fixture
def starts(matrix, monkeypatch):
    """Two frameworks that nap in each cell and one that dies in one; each start of a worker leaves a line in this file."""
    monkeypatch.setattr(Succession, "start_seconds", property(lambda _: 0.0, lambda *_: None), raising=False)
    matrix.case.write_text(MANY)
    for name in COLUMNS:
        python = matrix.path / name
        python.write_text(f'#!/bin/sh\necho {name} >> {matrix.path}/starts\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    adapter = matrix.adapters / "faultless" / "adapter.py"
    adapter.write_text(adapter.read_text() + NAPS)
    return matrix.path / "starts"


def test_order_verdicts_and_content_of_a_run_do_not_depend_on_the_number_of_workers(matrix, starts):
    told, order, started = [], [], []
    for workers in (1, 2, 5):
        starts.write_text("")
        record = f"{workers}.jsonl"
        chosen = [f"--framework={name}" for name in COLUMNS]
        chosen += [f"--interpreter={name}={matrix.path / name}" for name in COLUMNS]
        matrix.run(more=[*chosen, f"--record={record}", f"--workers={workers}"])
        run = read_run(matrix.path / record)
        lines = [re.sub("0x[0-9a-f]+", "0x", line) for line in lasting(matrix.path / record)]  # of a thread
        told.append((lines, run.abouts, run.footer.totals, run.header.contents))
        order.append([cell.cell for cell in run.cells])
        started.append(starts.read_text().split().count("faultless"))
    assert told[0] == told[1] == told[2]
    assert order[0] == order[1] == order[2]
    assert started[0] == 1 < started[2] <= 5


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_workers_that_is_none_is_refused(matrix, given):
    outcome = matrix.run("faultless", more=[f"--workers={given}"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{given}: must be a number of at least 1, such as 4" in outcome.stderr.str()
