"""Several workers of a framework: who gets what, when one more is started, and that no answer depends on how many."""

import os
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.plugin.session import workers_of
from gradient_conformance.harness.references.cache import Cache
from gradient_conformance.harness.workers import window as window_module
from gradient_conformance.harness.workers.sharing import limits, shares
from gradient_conformance.harness.workers.sharing.families import Families
from gradient_conformance.harness.workers.sharing.shares import Pace, Shares, dealt
from gradient_conformance.harness.workers.succession import Succession
from gradient_conformance.harness.workers.window import WINDOW, Request
from house import STRUCK, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers are POSIX processes")

# Who gets how many


@pytest.mark.parametrize(
    ("work", "workers", "given"),
    [
        ([10.0], 5, [5]),
        ([10.0, 10.0], 4, [2, 2]),
        ([100.0, 1.0, 1.0], 2, [2, 0, 0]),
        ([90.0, 40.0, 5.0], 4, [3, 1, 0]),
        ([0.0, 0.0], 1, [1, 0]),
    ],
)
def test_workers_are_dealt_out_by_the_work_that_is_left(work, workers, given):
    assert dealt(work, workers) == given


def paced(waiting, *answers):
    pace = Pace()
    for seconds in answers:
        pace.add(seconds)
    return SimpleNamespace(waiting=waiting, pace=pace)


def test_how_long_answers_take_is_known_after_some_of_them_and_the_first_does_not_count():
    assert paced(1, 9.0, *[0.5] * 7).pace.seconds is None
    assert paced(1, 9.0, *[0.5] * 8).pace.seconds == 0.5


def test_of_a_framework_that_has_not_answered_the_longest_is_feared():
    dealing = Shares(4)
    quick, slow, silent = paced(100, *[0.001] * 9), paced(100, *[1.0] * 9), paced(100)
    for one in (quick, slow, silent):
        dealing.add(one)
    assert [dealing.of(one) for one in (quick, slow, silent)] == [0, 2, 2]


# Who gets what


def families_of(*sizes):
    """Families of so many requests, and all their requests in order."""
    families = Families()
    requests = [Request(SimpleNamespace, f"family {n}") for n, size in enumerate(sizes) for _ in range(size)]
    families.put(requests)
    return families, requests


def test_a_lane_gets_whole_families_in_their_order():
    families, requests = families_of(*[5] * 40)
    assert families.take(0, lanes=2) == requests[:20]
    assert families.take(WINDOW - 1, lanes=2) == requests[20:25]
    assert families.take(WINDOW, lanes=2) == []
    assert families.count == 175


def test_a_long_family_is_shared_and_the_last_requests_are_dealt_out_one_by_one():
    families, requests = families_of(100)
    assert families.take(0, lanes=2) == requests[:25]
    assert families.take(0, lanes=2) == requests[25:43]
    assert families.count == 57
    families, requests = families_of(*[1] * 8)
    assert families.take(0, lanes=4) == requests[:2]
    assert families.take(1, lanes=4) == requests[2:3]


def test_a_single_lane_gets_all_in_order():
    families, requests = families_of(1, 2, 40, 3)
    found = []
    while families.count:
        found += families.take(0, lanes=1)
    assert found == requests


def test_what_is_asked_for_is_next_with_those_behind_it_and_what_it_overtakes_is_last():
    families, requests = families_of(2, 4, 2)
    assert families.pull(requests[3]) == requests[3:6]
    assert families.pull(requests[3]) == []
    assert families.count == 5
    assert families.all() == [*requests[6:], *requests[:2], requests[2]]


# With real workers

NAPS = """
import os
import time
from pathlib import Path
from numpy_adapter import differentiate as itself

STARTED = Path({folder!r})
NUMBER = len(list(STARTED.iterdir()))
(STARTED / str(os.getpid())).touch()
{at_start}

def differentiate(task, inputs):
    time.sleep({seconds})
    if inputs["x"].size == {struck}:
        os._exit(3)
    return itself(task, inputs)

def about():
    return {{"framework": "fake", "version": {version}}}
"""
SIZES = tuple(range(1, 49))


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """References, which are worked out once."""
    return Cache(tmp_path_factory.mktemp("cache") / "references")


@pytest.fixture
def quick_starts(monkeypatch):
    """Every start is held to take no time, so that a worker more pays however busy the machine is."""
    monkeypatch.setattr(Succession, "start_seconds", property(lambda _: 0.0, lambda *_: None), raising=False)


@pytest.fixture
def napping(running, tmp_path, known):
    """A run of one framework that naps in each cell and dies at the size 2; tells how many workers were started."""
    folder = tmp_path / "started"

    def start(workers, seconds=0.05, at_start="", version='"1"', sizes=SIZES, struck=STRUCK, **more):
        folder.mkdir()
        run = running(sizes=sizes, workers=workers, cache=known, **more)
        file = tmp_path / "adapters" / "faultless" / "adapter.py"
        told = {"folder": str(folder), "seconds": seconds, "at_start": at_start, "version": version}
        file.write_text(file.read_text() + NAPS.format(struck=struck, **told))
        naps = framework("faultless", file)
        run.cells = {key: replace(cell, framework=naps) for key, cell in run.cells.items()}
        run.submit()
        run.started = lambda: len(list(folder.iterdir()))
        return run

    return start


def told(run):
    """All lines in the order of the cells, without what is never the same twice."""
    return [msgspec.structs.replace(run.engine.result(cell), seconds=0.0) for cell in run.cells.values()]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.usefixtures("quick_starts")
def test_verdicts_do_not_depend_on_the_number_of_workers_and_a_lost_one_costs_one_cell(napping, workers):
    run = napping(workers)
    lines = told(run)
    assert [line.variant for line in lines] == [f"k:{size}" for size in SIZES]
    crashed = [line for line in lines if line.verdict != "agree"]
    assert [(line.variant, line.verdict) for line in crashed] == [(f"k:{STRUCK}", "crashed")]
    wait_until(lambda: run.started() == workers + 1)  # the successor of the lost one
    assert run.engine.about("faultless")["version"] == "1"


@pytest.mark.usefixtures("quick_starts")
def test_eight_workers_on_cells_that_sleep_are_several_times_as_fast(napping):
    run = napping(8, struck=0)
    told(run)
    wait_until(lambda: all(lane.workers.is_ready for lane in run.engine._lanes["faultless"].lanes))
    assert run.started() == 8
    begun = time.monotonic()
    run.submit()
    told(run)
    assert time.monotonic() - begun < len(SIZES) * 0.05 / 3


def test_no_worker_more_is_started_for_cells_that_take_next_to_nothing(napping):
    run = napping(8, seconds=0, struck=0)
    told(run)
    assert len(run.engine._lanes["faultless"].lanes) == 1


@pytest.mark.usefixtures("quick_starts")
@pytest.mark.parametrize(
    "failing",
    [{"at_start": "if NUMBER: raise RuntimeError"}, {"version": "str(NUMBER)"}],
    ids=["it raises", "it is another version"],
)
def test_a_worker_more_that_cannot_be_used_costs_nothing(napping, failing):
    run = napping(4, seconds=0.1, struck=0, **failing)
    assert {line.verdict for line in told(run)} == {"agree"}
    assert 1 < run.started() <= 4
    assert run.engine.about("faultless")["version"] in ("0", "1")
    wait_until(lambda: len(run.engine._lanes["faultless"].lanes) == 1)


def test_a_family_is_fetched_while_its_lane_can_take_no_other(napping, monkeypatch):
    """Else another may go before it; where that hangs, whoever waits does so until it is given up."""
    pull, held = Families.pull, []

    def watched(families, request):
        held.append(run.engine._lanes["faultless"].lanes[0]._changed._is_owned())
        return pull(families, request)

    monkeypatch.setattr(Families, "pull", watched)
    run = napping(1, struck=0)
    run.engine.result(list(run.cells.values())[-1])
    assert held == [True]


@pytest.mark.usefixtures("quick_starts")
@pytest.mark.parametrize(
    "order", [reversed(SIZES), SIZES[-1:], SIZES[::9]], ids=["backwards", "last", "some"]
)
def test_with_several_workers_too_cells_that_nobody_asks_for_hold_nothing_up(napping, monkeypatch, order):
    monkeypatch.setattr(window_module, "AHEAD", 8)
    run = napping(4, seconds=0.02, struck=0)
    for size in order:
        assert run.engine.result(run.cells["faultless", size]).variant == f"k:{size}"


@pytest.mark.usefixtures("quick_starts")
def test_whoever_waits_is_told_when_a_run_of_several_workers_is_closed(napping):
    run = napping(4, struck=0)
    wait_until(lambda: run.started() == 4)
    requests = list(run.engine._requests.values())
    run.engine.close()
    for request in requests:
        if (error := request.future.exception(timeout=10)) is not None:
            assert "faultless: the run is over" in str(error)


@pytest.mark.usefixtures("quick_starts")
def test_where_memory_is_scarce_no_worker_more_is_started_and_it_is_said_once(napping, monkeypatch):
    monkeypatch.setattr(shares, "available", lambda: 10 * 2**20)
    said = []
    run = napping(4, struck=0, say=said.append)
    assert {line.verdict for line in told(run)} == {"agree"}
    assert run.started() == 1
    [words] = [words for words in said if "memory" in words]
    assert words.startswith("faultless gets no worker more: it may take ")
    assert words.endswith(" MiB of memory, 10 MiB are free; --workers=4 bounds their number")


# What bounds their number


def test_memory_is_what_the_system_has_or_what_the_container_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(limits, "CGROUP", tmp_path)
    assert limits.available() is None
    (tmp_path / "meminfo").write_text("MemTotal:  9 kB\nMemAvailable:    2048 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.available() == 2 * 2**20
    (tmp_path / "memory.max").write_text(f"{3 * 2**20}\n")
    (tmp_path / "memory.current").write_text(f"{2 * 2**20}\n")
    assert limits.available() == 2**20


@pytest.mark.parametrize(("given", "processes", "each"), [(8, 3, 2), (1, 2, 1), (5, 1, 5)])
def test_processes_of_xdist_share_the_workers(given, processes, each):
    config = SimpleNamespace(option=SimpleNamespace(workers=given), workerinput={"workercount": processes})
    assert workers_of(config) == each


def test_by_default_there_are_as_many_workers_as_cores():
    assert workers_of(SimpleNamespace(option=SimpleNamespace(workers=None))) == limits.cores()
    assert 1 <= limits.cores() <= (os.cpu_count() or sys.maxsize)
