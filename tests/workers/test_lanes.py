"""Nobody waits for ever: whatever is asked for in whatever order, however a lane ends, and it is said what is waited for."""

import errno
import os
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.workers import lane as lane_module
from gradient_conformance.harness.workers import waiting as waiting_module
from gradient_conformance.harness.workers import window as window_module
from gradient_conformance.harness.workers.lane import Bell, Lane
from gradient_conformance.harness.workers.window import Promises, Request, Window
from house import STRUCK, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers are POSIX processes")

MANY = tuple(range(1, 41))


@pytest.fixture
def short_window(monkeypatch):
    """A lane that runs no more than 8 cells ahead."""
    monkeypatch.setattr(window_module, "AHEAD", 8)


def soon(act, seconds=30):
    """What `act` gives; it must come in time."""
    found = []
    thread = threading.Thread(target=lambda: found.append(outcome(act)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, f"nothing came in {seconds} s"
    return found[0]


def outcome(act):
    try:
        return act()
    except HarnessError as error:
        return error


ORDERS = {
    "backwards": list(reversed(MANY)),
    "the last alone": [40],
    "each tenth": [10, 20, 30, 40],
    "the second half first": [*range(21, 41), *range(1, 21)],
    "one and then all": [33, *range(1, 33)],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.usefixtures("short_window")
def test_cells_that_nobody_asks_for_hold_nothing_up(running, order):
    run = running(sizes=MANY)
    run.submit()
    for size in order:
        line = soon(lambda size=size: run.engine.result(run.cells["faultless", size]))
        assert (line.verdict, line.variant) == ("agree", f"k:{size}")


@pytest.mark.usefixtures("short_window")
def test_a_lost_worker_beside_cells_that_nobody_asks_for_holds_nothing_up(running):
    run = running("leaves", sizes=(*range(3, 30), STRUCK, *range(30, 41)))
    run.submit()
    lines = [soon(lambda k=k: run.engine.result(run.cells["leaves", k])) for k in (20, STRUCK, 39)]
    assert [line.verdict for line in lines] == ["agree", "crashed", "agree"]


def test_a_cell_is_run_again_where_it_is_asked_for_again_or_was_never_submitted(running):
    run = running("sleeps", timeout=2)
    run.submit([("faultless", 1)])
    for _ in range(3):
        assert soon(lambda: run.engine.result(run.cells["faultless", 1])).verdict == "agree"
    assert soon(lambda: run.engine.result(run.cells["faultless", 4])).verdict == "agree"
    assert soon(lambda: run.engine.result(run.cells["sleeps", 4])).verdict == "agree"


def window_of(count):
    window, requests = Window(), [Request(SimpleNamespace) for _ in range(count)]
    for request in requests:
        window.put(request)
    return window, requests


def sent(window):
    """All that may be sent; it is answered at once."""
    found = []
    while (request := window.next(full=False)) is not None:
        found.append(request)
    return found


def test_a_lane_runs_ahead_of_what_is_judged_but_not_far():
    window, requests = window_of(200)
    assert sent(window) == requests[: window_module.AHEAD]
    for request in requests[: window_module.BATCH - 1]:
        assert not window.judged(request)
    assert window.judged(requests[window_module.BATCH - 1])
    assert sent(window) == requests[64:72]


def test_what_is_asked_for_is_next_and_the_lane_goes_on_behind_it():
    window, requests = window_of(400)
    assert len(sent(window)) == 64
    window.demand(requests[150])
    assert sent(window)[:3] == [requests[150], requests[151], requests[152]]
    window.demand(requests[70])
    assert sent(window)[:2] == [requests[70], requests[71]]


def test_a_lane_holds_few_answers_that_are_large():
    """What is asked for is held as soon as it is sent, and is not any more once it is judged."""
    window, requests = window_of(20)
    for request in requests:
        request.size = window_module.HELD // 2
    assert sent(window) == requests[:2]
    assert window.judged(requests[0])
    assert sent(window) == requests[2:3]
    window.demand(requests[10])
    assert sent(window)[0] is requests[10]


# However a lane ends


def test_whoever_waits_when_a_run_is_closed_gets_an_error(running):
    run = running("sleeps")
    run.submit([("sleeps", STRUCK), ("sleeps", 1)])
    waiters = [
        threading.Thread(
            target=lambda k=k: found.append(outcome(lambda: run.engine.result(run.cells["sleeps", k])))
        )
        for k in (1, STRUCK)
    ]
    found = []
    for waiter in waiters:
        waiter.start()
    lane = run.engine._lanes["sleeps"].lanes[0]
    wait_until(lambda: lane._window.flying)
    run.engine.close()
    for waiter in waiters:
        waiter.join(20)
    told = [str(x) if isinstance(x, HarnessError) else x.verdict for x in found]
    assert len(told) == 2
    assert "sleeps: the run is over, so no more of its cells are run" in told
    error = soon(lambda: run.engine.result(run.cells["sleeps", 4]))
    assert "the run is over" in str(error)


BREAKS = {
    "as it sends": (Lane, "_begin", KeyError("lost")),
    "as it receives": (Lane, "_receive", MemoryError()),
    "as it looks what to send": (Window, "next", SystemExit(3)),
    "as it hands over an answer": (lane_module, "read_answer", GeneratorExit("unfit")),
    "as it is made, without a descriptor": (Bell, "open", OSError(errno.EMFILE, "Too many open files")),
    "as it is made, without a thread": (threading.Thread, "start", RuntimeError("can't start new thread")),
}


@pytest.mark.parametrize(("owner", "name", "error"), BREAKS.values(), ids=BREAKS)
def test_a_lane_that_breaks_leaves_nobody_waiting_and_no_line_unwritten(
    running, monkeypatch, owner, name, error
):
    run = running()
    real = getattr(owner, name)

    def broken(own, *args, **kwargs):
        if isinstance(own, threading.Thread) and not own.name.startswith("lane "):
            return real(own, *args, **kwargs)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        run.submit()
        wait_until(lambda: not run.engine._lanes["faultless"].lanes[0].lives)
    for _ in range(2):  # also what is asked for once it has ended
        for key in run.cells:
            line = soon(lambda key=key: run.line(*key) if key in run.cells else None)
            assert line.verdict == "crashed"
            assert line.message.startswith("not run: the harness's own thread for faultless ended: ")
            assert repr(error) in line.message
        run.submit()


def test_where_nobody_lives_to_answer_there_is_an_error(running, monkeypatch):
    run = running()
    monkeypatch.setattr(Promises, "end", lambda *_: None)
    monkeypatch.setattr(Lane, "_begin", lambda *_: sys.exit(3))
    run.submit()
    error = soon(lambda: run.engine.result(run.cells["faultless", 1]))
    assert "k:1-float32-faultless-eager: nobody is left who could run it; run it again" in str(error)


# While lanes are made

LOOKUPS = {
    "a mistake": HarnessError("~nobody/bin/python: no such home"),
    "what nobody thought of": RuntimeError("Could not determine home directory."),
    "a folder that is gone": FileNotFoundError(errno.ENOENT, "No such file or directory"),
}


@pytest.mark.parametrize("error", LOOKUPS.values(), ids=LOOKUPS)
def test_an_interpreter_that_cannot_be_looked_for_costs_its_own_framework(running, error):
    run = running("leaves", "sleeps", sizes=(1, 4))

    def find(framework):
        if framework.name == "leaves":
            raise error
        return Interpreter((sys.executable,), "a test")

    run.engine = Engine(find, {}, cell_timeout=20)
    run.submit()
    for (name, _), line in run.lines().items():
        assert line.verdict == ("crashed" if name == "leaves" else "agree"), line.message
        if name == "leaves":
            told = str(error) if isinstance(error, HarnessError) else repr(error)
            assert line.message == f"not run: its interpreter could not be looked for: {told}"


COMMANDS = {
    "a null byte": ("python\0",),
    "a name that is too long": ("/" + "p" * 5000,),
    "a word that is too long": (sys.executable, "-c", "#" + "x" * 2**22),
    "a folder": ("/",),
}


@pytest.mark.parametrize("argv", COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_cannot_be_started_is_told_in_a_sentence(running, argv):
    run = running("leaves", interpreters={"leaves": argv}, sizes=(1, 4))
    run.submit()
    for (name, _), line in run.lines().items():
        assert line.verdict == ("crashed" if name == "leaves" else "agree"), line.message
        if name == "leaves":
            assert line.message.startswith("the worker could not be started: ")
            assert "Error(" not in line.message


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EMFILE, errno.ENOMEM])
def test_a_process_that_cannot_be_forked_is_told_in_a_sentence(running, monkeypatch, number):
    def popen(*_, **__):
        raise OSError(number, os.strerror(number))

    run = running(sizes=(1, 4))
    monkeypatch.setattr("gradient_conformance.harness.workers.process.subprocess.Popen", popen)
    run.submit()
    for line in run.lines().values():
        assert line.verdict == "crashed"
        assert line.message.startswith(
            f"the worker could not be started: {os.strerror(number)}\ninterpreter: "
        )


# What is waited for


@pytest.fixture
def impatient(monkeypatch):
    for name, seconds in (("LONG_START", 0.3), ("LONG_ANSWER", 0.4), ("TICK", 0.05)):
        monkeypatch.setattr(waiting_module, name, seconds)


@pytest.mark.usefixtures("impatient")
def test_it_is_said_that_an_answer_is_waited_for_at_ever_longer_intervals(running):
    said = []
    run = running("sleeps", timeout=8, say=said.append)
    run.submit([("sleeps", 1), ("sleeps", STRUCK)])
    assert run.engine.result(run.cells["sleeps", 1]).verdict == "agree"
    said.clear()
    assert run.engine.result(run.cells["sleeps", STRUCK]).verdict == "crashed"
    assert said[-1].startswith(
        f"waiting for sleeps's answer to tiny/layer::k:{STRUCK}-float32-sleeps-eager for "
    )
    assert said[-1].endswith(" s (at most 8 s: --cell-timeout)")
    assert 2 <= len(said) <= 6


@pytest.mark.usefixtures("impatient")
def test_it_is_said_that_a_start_is_waited_for(running):
    said = []
    run = running(at_start=["hangs_while_it_is_loaded"], start_timeout=3, say=said.append)
    run.submit([("hangs_while_it_is_loaded", 1)])
    line = run.engine.result(run.cells["hangs_while_it_is_loaded", 1])
    assert "was not ready within 3 s" in line.message
    assert all(words.startswith("waiting for hangs_while_it_is_loaded to start for ") for words in said)
    assert said[-1].endswith(" s (at most 3 s: --start-timeout)")
    assert 2 <= len(said) <= 5


# What successors tell of themselves

TELLS = """
from numpy_adapter import differentiate as correct
import os
from pathlib import Path

def differentiate(task, inputs):
    if inputs["x"].size == 2:
        os._exit(3)
    return correct(task, inputs)

STARTED = Path({folder!r})
NUMBER = len(list(STARTED.iterdir()))
(STARTED / str(NUMBER)).touch()

def about():
    return {{"framework": "fake", "version": "1.0", "node": "n1", {tells}}}
"""


@pytest.fixture
def telling(running, tmp_path):
    """A framework that loses a worker at the size 2, and whose workers tell something by their number."""

    def start(tells, **more):
        folder = tmp_path / "started"
        folder.mkdir()
        run = running("leaves", **more)
        file = tmp_path / "adapters" / "leaves" / "adapter.py"
        file.write_text(file.read_text() + TELLS.format(folder=str(folder), tells=tells))
        told = framework("leaves", file)
        leaves = {key: replace(cell, framework=told) for key, cell in run.cells.items() if key[0] == "leaves"}
        run.cells |= leaves
        run.submit()
        return run

    return start


def test_what_is_noted_may_differ_in_a_successor_and_both_are_told(telling):
    run = telling('"pid": NUMBER')
    assert [run.line("leaves", k).verdict for k in (1, STRUCK, 4)] == ["agree", "crashed", "agree"]
    about = run.engine.about("leaves")
    assert (about["pid"], about["version"], about["node"]) == ("0 + 1", "1.0", "n1")


@pytest.mark.parametrize(
    ("tells", "words"),
    [
        ('"version": f"1.{NUMBER}"', "this worker tells version '1.1', the cells before were run with '1.0'"),
        ('"libraries": NUMBER', "this worker tells libraries 1, the cells before were run with 0"),
        (
            '**({"device": "gpu"} if NUMBER else {})',
            "this worker tells device 'gpu', the cells before were run with None",
        ),
    ],
)
def test_a_successor_on_other_grounds_is_not_used_and_other_frameworks_go_on(telling, tells, words):
    run = telling(tells)
    assert [run.line("leaves", k).verdict for k in (1, STRUCK)] == ["agree", "crashed"]
    line = run.line("leaves", 4)
    assert line.verdict == "crashed"
    assert line.message == f"not run: {words}; one run is of one version: run it again with --record"
    assert [run.line("faultless", k).verdict for k in (1, STRUCK, 4)] == ["agree"] * 3
    assert run.engine.about("leaves")["version"] == "1.0"


def test_the_first_worker_of_a_run_that_goes_on_is_a_successor(telling):
    earlier = {"leaves": {"framework": "fake", "version": "0.9"}}
    run = telling('"pid": NUMBER', abouts=earlier)
    for k in (1, STRUCK, 4):
        line = run.line("leaves", k)
        assert line.verdict == "crashed"
        assert "this worker tells version '1.0', the cells before were run with '0.9'" in line.message
    assert run.engine.about("leaves") == earlier["leaves"]
