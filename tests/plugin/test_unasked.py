"""Cells that are on their way and that no test asks for, as plugins leave them: nothing waits for them to be judged."""

import subprocess
import time

import psutil
import pytest
from matrix import TINY

MANY = TINY.replace("k = [1, 2, 4]", f"k = {list(range(3, 83))}").replace(
    "[tensors]", 'dtypes = ["float32"]\n\n[tensors]'
)
SKIPPING = """
import pytest

def pytest_runtest_setup(item):
    if "first.toml" in item.nodeid:
        pytest.skip("not today")
"""


@pytest.fixture
def many(matrix):
    """Two files of 80 cells each: more than a lane runs ahead of what is judged."""
    matrix.case.unlink()
    for name in ("first", "second"):
        matrix.case.with_stem(name).write_text(MANY)
    return matrix


def test_cells_that_a_plugin_skips_do_not_hold_up_those_behind_them(many):
    (many.path / "conftest.py").write_text(SKIPPING)
    assert many.run("faultless").parseoutcomes() == {"passed": 80, "skipped": 80}


@pytest.mark.parametrize("dist", ["loadfile", "worksteal"])
def test_however_xdist_spreads_the_cells_each_is_run(many, dist):
    outcome = many.run("faultless", more=["-n2", f"--dist={dist}", "-q"])
    assert outcome.parseoutcomes() == {"passed": 160}
    assert set(many.verdicts().values()) == {"agree"}


def test_a_killed_process_of_xdist_holds_nothing_up(many):
    """Its cells go to another, which has them all on their way and asks for the rest."""
    command = many.command("faultless", "negates", more=["-n2", "-q"])
    with (many.path / "said").open("w") as said:
        host = subprocess.Popen(command, cwd=many.path, stdout=said, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while host.poll() is None and len(many.verdicts()) < 2 * 70:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        killed, *_ = psutil.Process(host.pid).children()
        below = killed.children(recursive=True)
        killed.kill()
        assert host.wait(120) != 0
    finally:
        host.kill()
    gone, _ = psutil.wait_procs(below, timeout=10)
    assert len(gone) == len(below)
    said = (many.path / "said").read_text()
    assert "run file: " in said or "the run is incomplete and has no footer" in said
