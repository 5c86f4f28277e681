"""How far a run is, on a terminal and in a log."""

import os
import pty
import re
import subprocess

import pytest
from gradient_conformance.harness.plugin.progress import LAST, Lines, Pace


def lines_of(monkeypatch, frameworks, totals, *times):
    """What is told, every ten seconds at most, where a cell of each of these frameworks is done at each of these times."""
    clock = iter([0.0, *times])
    monkeypatch.setattr("gradient_conformance.harness.plugin.progress.time.monotonic", lambda: next(clock))
    told = []
    lines = Lines(told.append, totals, every=10)
    for framework in frameworks:
        lines.advance(framework)
    return told


def test_a_line_is_written_now_and_then_with_every_framework_and_who_is_starting(monkeypatch):
    frameworks = ("torch", "torch", "jax", "jax")
    assert lines_of(monkeypatch, frameworks, {"torch": 3, "jax": 5}, 4.0, 10.0, 12.0, 21.0) == [
        "8 cells, torch, jax starting",
        "2 of 8 cells (torch 2/3, jax 0/5), jax starting",
        "4 of 8 cells (torch 2/3, jax 2/5), about 0:00:36 left",
    ]


def test_the_time_left_is_told_by_the_last_cells_and_not_by_how_long_frameworks_took_to_start(monkeypatch):
    """60 seconds until the second answers, then a cell a second."""
    frameworks = ["torch", "jax"] * 11
    told = lines_of(monkeypatch, frameworks, {"torch": 50, "jax": 50}, 1.0, *(60.0 + i for i in range(21)))
    assert told[1:] == [
        "2 of 100 cells (torch 1/50, jax 1/50)",
        "12 of 100 cells (torch 6/50, jax 6/50), about 0:01:28 left",
        "22 of 100 cells (torch 11/50, jax 11/50), about 0:01:18 left",
    ]


def test_a_pace_that_changes_is_followed():
    pace = Pace({"torch": 1000})
    for i in range(500):
        pace.advance("torch", 10.0 * i)
    for i in range(LAST):
        pace.advance("torch", 5000.0 + 0.1 * i)
    assert pace.told() == "about 0:00:30 left"


@pytest.fixture
def on_a_terminal(matrix):
    """What pytest shows on a terminal."""
    (matrix.path / "test_other.py").write_text("def test_other():\n    pass\n")

    def run(*more):
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        command = matrix.command("faultless", "negates", more=more)
        process = subprocess.Popen(command, cwd=matrix.path, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        shown = bytearray()
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:
            pass  # the terminal's other end is closed
        process.wait()
        os.close(ours)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())

    return run


@pytest.mark.parametrize("more", [(), ("-n2",)])
def test_a_terminal_has_a_bar_for_each_framework_in_the_place_of_dots(on_a_terminal, more):
    shown = on_a_terminal(*more)
    assert re.search(r"cells .*12/12", shown)
    assert re.search(r"faultless .*6/6", shown)
    assert re.search(r"negates .*6/6", shown)
    assert not re.search(r"^[.F]+", shown, re.MULTILINE)
    assert "6 failed, 6 passed" in shown


def test_bars_leave_a_terminal_to_other_tests(on_a_terminal):
    shown = on_a_terminal("test_other.py")
    assert "6/6" not in shown
    assert re.search(r"test_other.py\s+\.", shown)
