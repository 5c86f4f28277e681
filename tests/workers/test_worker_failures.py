"""Every way in which a worker can fail, with a real process: the fault costs its own cell, says why, leaves nothing.

The faults are the functions of tests/fakes/worker_faults.py. Each strikes in one cell; the cells before and after it in
the same lane, and those of another lane, must agree.
"""

import contextlib
import errno
import functools
import os
import resource
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.workers import succession as succession_module
from gradient_conformance.harness.workers import worker as worker_module
from gradient_conformance.harness.workers.process import how_it_ended, readable
from gradient_conformance.harness.workers.sharing.lanes import Lanes
from gradient_conformance.harness.workers.sharing.shares import Shares
from gradient_conformance.harness.workers.window import Request
from gradient_conformance.harness.workers.wire import BOOTSTRAP, sources
from house import SOON, STRUCK, assert_nothing_lives, marked, wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="workers are POSIX processes")

LATE = "gave no answer within 2 s and was killed; pytest --cell-timeout=SECONDS allows more"
FAULTS = {
    "segfaults": ("crashed", "died of signal 11 (SIGSEGV)*about to read from address 0*in segfaults"),
    "aborts": ("crashed", "died of signal 6 (SIGABRT)*in aborts"),
    "leaves": ("crashed", "the worker ended with exit code 0 and without an answer"),
    "is_killed": ("crashed", "died of signal 9 (SIGKILL), which the harness did not send*out of memory"),
    "dies_of_a_nameless_signal": ("crashed", "the worker died of signal 40"),
    "dies_and_leaves_a_child_with_its_pipes": ("crashed", "ended with exit code 9"),
    "closes_its_pipe_and_sleeps": ("crashed", "closed its end of the pipe, lived on and was killed"),
    "asks_for_too_much": ("errored", "MemoryError"),
    "recurs": ("errored", "RecursionError"),
    "floods_stdout": ("agree", ""),
    "floods_stderr": ("agree", ""),
    "raises_with_a_long_and_dirty_text": ("errored", "ValueError: \\udcff\\x1b[31m\\x00xxx*characters"),
    "interrupts_itself": ("errored", "KeyboardInterrupt"),
    "raises_without_a_word": ("errored", "raised an error of which it says nothing"),
    "raises_blank_lines": ("errored", "raised an error of which it says nothing"),
    "lacks_something_and_does_not_say_what": ("unsupported", "not supported; it does not say what, nor why"),
    "lacks_something_of_no_op": ("unsupported", "this cannot be had"),
    "changes_something_and_does_not_say_what": ("disagree", "in place: it does not say which"),
    "is_wrong_and_traces_raise_without_a_word": (
        "disagree",
        "the trace gave errored (raised an error of which it says nothing)",
    ),
    "exits": ("errored", "SystemExit: 3"),
    "starts_a_program_that_reads_its_stdin": ("agree", ""),
    "asks_the_user": ("errored", "EOFError"),
    "says_half_and_dies": ("crashed", "ended with exit code 0 and without an answer"),
    "writes_to_every_descriptor": ("crashed", "spoke nonsense: a message starts with b'this'*'GCH1'"),
    "answers_another_request": ("crashed", "spoke nonsense: it answered another request: *, should be "),
    "took_no_time": ("crashed", "spoke nonsense: "),
    "forks_and_both_return": ("agree", ""),
    "adds_a_tensor": (
        "crashed",
        "spoke nonsense: it answered gradient of z, which was not asked for; asked for: value loss, gradient of W",
    ),
    "says_of_a_step_that_there_is_none": (
        "crashed",
        "spoke nonsense: it answered value loss in step 0, where no training and so no step was asked for",
    ),
    "answers_with_the_role_of_another": (
        "crashed",
        "spoke nonsense: it answered parameter loss, which was not asked for",
    ),
    "answers_one_number_with_gigabytes": (
        "crashed",
        "spoke nonsense: value loss has shape (268435456,) of float64, 2147483648 bytes*should have shape () of float32*read",
    ),
    "claims_gigabytes": ("crashed", "spoke nonsense: 8589934592 bytes that it does not describe"),
    "raises_with_gigabytes_behind_it": (
        "crashed",
        "spoke nonsense: 2147483648 bytes that it does not describe; at most 167",
    ),
    "sends_a_tensor_twice": ("crashed", "spoke nonsense: the array ('value', 'loss', None) came twice"),
    "forgets_a_tensor": ("disagree", "did not come back"),
    "transposes": ("disagree", "gradient of W has shape (2, 3), should be (3, 2)"),
    "widens": ("disagree", "has dtype float64, should be float32"),
    "rounds_to_bytes": ("errored", "gradient W has dtype int8, should be one of float16, float32"),
    "is_complex": ("errored", "gradient W has dtype complex64, should be one of"),
    "answers_nan": ("disagree", "= nan, should be"),
    "answers_infinity": ("disagree", "= inf, should be"),
    "changes_its_inputs": ("disagree", "changed its inputs in place: W, x"),
}
HANGS = (
    "sleeps",
    "loops",
    "waits_in_c_with_the_gil",
    "computes_in_c_with_the_gil",
    "ignores_signals_and_sleeps",
    "stops",
    "answers_late",
    "says_half_and_waits",
    "claims_megabytes",
)


def assert_says(message, words):
    """The words stand there in this order, `*` between them."""
    at = 0
    for word in words.split("*"):
        assert word in message[at:], (word, message)
        at = message.index(word, at) + len(word)
    assert len(message) < 25_000


def assert_costs_its_own_cell(run, fault, verdict, words, struck=STRUCK):
    for (name, size), line in run.lines().items():
        if (name, size) == (fault, struck):
            assert line.verdict == verdict, line.message
            assert_says(line.message, words)
        else:
            assert line.verdict == "agree", (name, size, line.message)


@contextlib.contextmanager
def no_more_memory():
    """The host's largest memory so far does not grow by much."""
    before = largest_memory()
    yield
    assert largest_memory() - before < 100e6


def largest_memory():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_its_own_cell_and_says_why(running, fault):
    run = running(fault)
    with no_more_memory():
        run.submit()
        assert_costs_its_own_cell(run, fault, *FAULTS[fault])


@pytest.mark.parametrize("fault", HANGS)
def test_a_hang_is_ended_in_time_whatever_it_hangs_in(running, fault):
    run = running(fault, timeout=2)
    with no_more_memory():
        run.submit()
        assert_costs_its_own_cell(run, fault, "crashed", LATE)


@pytest.mark.parametrize("fault", ["never_ends_its_header", "never_ends_its_payload"])
def test_a_message_that_never_ends_is_ended_though_something_always_comes(running, monkeypatch, fault):
    """Nobody who waits for more of it waits in vain: here a second, and a byte comes each millisecond."""

    def patient(*watched):
        poll = select.poll()
        for fd, event in watched:
            poll.register(fd, event)
        return SimpleNamespace(poll=lambda milliseconds: poll.poll(max(milliseconds, 1000)))

    monkeypatch.setattr(worker_module, "poll_of", patient)
    run = running(fault, timeout=2)
    run.submit()
    assert_costs_its_own_cell(run, fault, "crashed", LATE)


@pytest.mark.parametrize("fault", ["dies_after_answering", "answers_twice"])
def test_what_goes_wrong_behind_an_answer_costs_the_next_cell_and_no_other(running, fault):
    """The answer stands; whether the next cell had begun, nobody can tell, and it must not become green by guess."""
    words = {
        "dies_after_answering": "ended with exit code 7",
        "answers_twice": "it answered another request: *, should be ",
    }
    run = running(fault, sizes=(1, STRUCK, 4, 5))
    run.submit()
    assert_costs_its_own_cell(run, fault, "crashed", words[fault], struck=4)


def test_an_answer_that_nobody_asked_for_is_found_before_the_next_request_and_costs_nothing(running):
    run = running("answers_twice")
    run.submit([("answers_twice", STRUCK)])
    assert run.line("answers_twice", STRUCK).verdict == "agree"
    time.sleep(0.5)
    run.submit([("answers_twice", 4)])
    assert run.line("answers_twice", 4).verdict == "agree"


def test_a_worker_that_dies_when_nothing_is_asked_of_it_costs_nothing(running):
    run = running("dies_when_idle")
    run.submit([("dies_when_idle", 1), ("dies_when_idle", STRUCK)])
    assert run.line("dies_when_idle", 1).verdict == "agree"
    assert run.line("dies_when_idle", STRUCK).verdict == "agree"
    time.sleep(1)
    run.submit([("dies_when_idle", 4)])
    assert run.line("dies_when_idle", 4).verdict == "agree"


def test_a_child_that_left_the_group_is_out_of_reach_but_nobody_waits_for_it(running, tmp_path, monkeypatch):
    fault = "dies_and_leaves_a_child_in_a_session_of_its_own"
    monkeypatch.setenv("BEGUN", str(tmp_path / "pid"))
    run = running(fault)
    begin = time.monotonic()
    run.submit()
    assert_costs_its_own_cell(run, fault, "crashed", "ended with exit code 9*still here")
    run.engine.close()
    assert time.monotonic() - begin < 8
    with contextlib.suppress(ProcessLookupError):  # it ends by itself where nobody reads its words
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not run.engine._lanes[fault].lanes[0]._thread.is_alive())


def limited(tmp_path, kilobytes):
    """An interpreter whose memory is limited, which needs no option of the harness."""
    python = tmp_path / "limited"
    python.write_text(f'#!/bin/sh\nulimit -v {kilobytes}\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def test_a_worker_at_its_limit_of_memory_says_so(running, tmp_path):
    """Python raises MemoryError; where there is not even memory to answer, the traceback is in the log."""
    run = running("hoards", interpreters={"hoards": (str(limited(tmp_path, 400_000)),)})
    run.submit()
    for (name, size), line in run.lines().items():
        if (name, size) == ("hoards", STRUCK):
            assert line.verdict in ("errored", "crashed")
            assert "MemoryError" in line.message
        else:
            assert line.verdict == "agree", line.message


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux only")
def test_where_memory_runs_out_a_worker_is_killed_before_its_host(running):
    run = running()
    run.submit()
    run.lines()
    worker = run.engine._lanes["faultless"].lanes[0].workers.worker
    assert Path(f"/proc/{worker._process.pid}/oom_score_adj").read_text().strip() == "500"


# At the start


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def numpy_of(tmp_path, source):
    """An interpreter that finds this NumPy first."""
    (tmp_path / "site" / "numpy").mkdir(parents=True)
    (tmp_path / "site" / "numpy" / "__init__.py").write_text(source)
    text = f'#!/bin/sh\nPYTHONPATH={tmp_path / "site"} exec "{sys.executable}" "$@"\n'
    return script(tmp_path / "python", text)


def old_python(tmp_path):
    """The running interpreter, which says that it is an older one."""
    lie = "import sys; sys.version_info = (3, 9, 1); sys.version = '3.9.1 (main)'; exec(sys.argv[2])"
    return script(tmp_path / "python", f'#!/bin/sh\nexec "{sys.executable}" -c {shlex.quote(lie)} "$@"\n')


INTERPRETERS = {
    "is missing": (
        lambda tmp: tmp / "nowhere" / "python",
        f"the worker could not be started: {os.strerror(errno.ENOENT)}*interpreter: *nowhere/python",
    ),
    "has a first line that names nothing": (
        lambda tmp: script(tmp / "python", "#!/nowhere/python\n"),
        f"could not be started: {os.strerror(errno.ENOENT)} (the file is there: what its first line names is not)",
    ),
    "is not executable": (lambda tmp: tmp, f"the worker could not be started: {os.strerror(errno.EACCES)}"),
    "ends at once": (
        lambda tmp: script(tmp / "python", "#!/bin/sh\necho no licence >&2\nexit 3\n"),
        "the worker ended with exit code 3 and without an answer*no licence*interpreter: ",
    ),
    "dies at once under a shell": (
        lambda tmp: script(tmp / "python", "#!/bin/sh\nsh -c 'kill -SEGV $$'\nexit $?\n"),
        "ended with exit code 139, which is how a shell tells of signal 11 (SIGSEGV)",
    ),
    "is no Python": (lambda tmp: "/bin/echo", "the worker spoke nonsense: a message starts with b'-c i'"),
    "is too old": (old_python, "is Python 3.9.1; a worker needs 3.10 or later"),
    "has an old NumPy": (
        lambda tmp: numpy_of(tmp, "__version__ = '1.19.5'"),
        "has NumPy 1.19.5; a worker needs NumPy 1.23 or later: *-m pip install 'numpy>=1.23'",
    ),
    "has a broken NumPy": (
        lambda tmp: numpy_of(tmp, "raise ImportError('libopenblas.so.0: no such file')"),
        "has no NumPy that can be imported (libopenblas.so.0: no such file); *pip install 'numpy>=1.23'",
    ),
}


@pytest.mark.parametrize("problem", INTERPRETERS)
def test_an_interpreter_of_no_use_is_crashed_with_the_reason(running, tmp_path, problem):
    python, words = INTERPRETERS[problem]
    run = running("leaves", interpreters={"leaves": (str(python(tmp_path)),)})
    run.submit()
    for (name, _), line in run.lines().items():
        assert line.verdict == ("agree" if name == "faultless" else "crashed"), line.message
        assert_says(line.message, words if name == "leaves" else "")
        assert "Traceback" not in line.message


STARTS = {
    "imports_what_nobody_has": "could not load the adapter:*ModuleNotFoundError*a_module_that_nobody_has"
    "*found Python 3.*with NumPy *the adapter is made for a-distribution-that-nobody-has==1.0 (here none), pytest==0.1 (here "
    "*)*get what is missing with: *-m pip install a-distribution-that-nobody-has==1.0",
    "leaves_while_it_is_loaded": "the worker ended with exit code 0 and without an answer",
    "hangs_while_it_is_loaded": "the worker was not ready within 1.5 s and was killed; *--start-timeout",
    "fails_without_a_word": "the worker could not load the adapter:*it does not say why*found Python ",
    "dies_once_it_is_ready": "the worker ended with exit code 5 and without an answer",
    "greets_with_gigabytes": "the worker spoke nonsense: 2147483648 bytes that it does not describe",
}


@pytest.mark.parametrize("fault", STARTS)
def test_an_adapter_that_does_not_load_is_crashed_with_the_reason(running, fault):
    run = running(at_start=[fault], start_timeout=1.5 if "hangs" in fault else SOON)
    run.submit([key for key in run.cells if key[0] == fault])
    with no_more_memory():
        for size in (1, STRUCK, 4):
            line = run.line(fault, size)
            assert line.verdict == "crashed"
            assert_says(line.message, STARTS[fault])


def test_an_interpreter_that_is_too_slow_is_given_up_in_time(running, tmp_path):
    python = script(tmp_path / "python", "#!/bin/sh\nsleep 1000\n")
    run = running("leaves", interpreters={"leaves": (str(python),)}, start_timeout=1)
    run.submit([("leaves", size) for size in (1, STRUCK, 4)])
    for size in (1, STRUCK, 4):
        line = run.line("leaves", size)
        assert line.verdict == "crashed"
        assert_says(line.message, "the worker was not ready within 1 s and was killed")


def test_a_start_that_fails_once_costs_one_cell(running, tmp_path):
    fail = f"mkdir {tmp_path}/tried 2>/dev/null && exit 1"
    python = script(tmp_path / "python", f'#!/bin/sh\n{fail}\nexec "{sys.executable}" "$@"\n')
    run = running(interpreters={"faultless": (str(python),)})
    run.submit()
    assert [line.verdict for line in run.lines().values()] == ["crashed", "agree", "agree"]


def test_a_framework_that_dies_in_every_cell_is_given_up_and_no_cell_is_lost(running, tmp_path, monkeypatch):
    monkeypatch.setattr(succession_module, "LOST_IN_A_ROW", 3)
    starts = tmp_path / "starts"
    python = script(tmp_path / "python", f'#!/bin/sh\necho x >> {starts}\nexec "{sys.executable}" "$@"\n')
    run = running(at_start=["dies_once_it_is_ready"], interpreters={"dies_once_it_is_ready": (str(python),)})
    run.cells = {key: cell for key, cell in run.cells.items() if key[0] == "dies_once_it_is_ready"}
    variants = list(run.cells)
    run.submit()
    assert [run.line(*key).verdict for key in variants] == ["crashed"] * 3
    assert starts.read_text() == "x\n" * 3
    run.submit()
    for key in variants:
        line = run.line(*key)
        assert line.verdict == "crashed"
        assert_says(
            line.message, "not run: 3 workers in a row were lost*the last worker ended with exit code 5"
        )
    assert starts.read_text() == "x\n" * 3


def test_a_thread_that_never_ends_does_not_keep_a_worker_alive(running, marker):
    run = running(at_start=["leaves_a_thread_that_never_ends"])
    run.submit()
    assert {line.verdict for line in run.lines().values()} == {"agree"}


def test_lost_workers_leave_no_descriptor_and_no_thread_in_the_host(running):
    run = running("leaves", "dies_and_leaves_a_child_with_its_pipes", sizes=(1, STRUCK))
    run.submit()
    run.lines()
    run.engine.close()
    descriptors, threads = psutil.Process().num_fds(), threading.active_count()
    for _ in range(3):
        here = Interpreter((sys.executable,), "a test")
        lanes = Lanes(run.cells["leaves", STRUCK].framework, lambda here=here: here, Shares(1))
        request = Request(functools.partial(run.engine._message, run.cells["leaves", STRUCK]))
        lanes.submit([request])
        assert request.future.result(timeout=SOON).verdict == "crashed"
        lanes.close()
    assert psutil.Process().num_fds() <= descriptors
    assert threading.active_count() <= threads


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "ended with exit code 1 and without an answer"),
        (255, "ended with exit code 255 and without an answer"),
        (None, "could not be killed: the operating system does not let go of it"),
    ],
)
def test_an_exit_code_in_words(code, words):
    assert how_it_ended(code) == words


def test_a_text_of_a_worker_is_made_readable():
    assert readable("a\tb\x1b[2J\r\nü\x00\ud800") == "a       b\\x1b[2J\nü\\x00\\ud800"
    assert readable("BEGIN" + "x" * 1000 + "END").startswith("BEGINx")
    assert readable("BEGIN" + "x" * 1000 + "END").endswith("xEND")
    assert "[508 characters more]" in readable("BEGIN" + "x" * 1000 + "END")
    assert "characters more" in readable("line\n" * 10_000)


# The host ends

HOST_ENDS = {
    "Ctrl-C": lambda host: os.killpg(host, signal.SIGINT),
    "SIGINT": lambda host: os.kill(host, signal.SIGINT),
    "SIGTERM": lambda host: os.kill(host, signal.SIGTERM),
    "SIGHUP": lambda host: os.kill(host, signal.SIGHUP),
    "SIGKILL": lambda host: os.kill(host, signal.SIGKILL),
}


@pytest.fixture
def busy_pytest(house, tmp_path, marker, monkeypatch):
    """A run at work: one worker idles, the other computes in C and holds the GIL, and has a child."""
    hosts = []

    def start(*more):
        begun = tmp_path / "begun"
        monkeypatch.setenv("BEGUN", str(begun))
        root, adapters = house("computes_in_c_with_the_gil")
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        names = ("faultless", "computes_in_c_with_the_gil")
        named = [f"--interpreter={name}={sys.executable}" for name in names]
        named += [f"--framework={name}" for name in names]
        command = [sys.executable, "-m", "pytest", f"--cases={root}", f"--adapters={adapters}", *named, *more]
        host = subprocess.Popen(
            command,
            cwd=tmp_path,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_usual_signals,  # noqa: PLW1509
        )
        hosts.append(host)
        wait_until(begun.exists)
        return host

    yield start
    for host in hosts:
        host.kill()
        host.wait()
    for process in marked(marker):
        process.kill()


def _usual_signals():
    """Tests that run in the background, or under nohup, pass on that they ignore these."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("end", HOST_ENDS)
def test_no_process_outlives_the_host_however_it_ends(busy_pytest, marker, end):
    host = busy_pytest()
    assert len(marked(marker)) >= 4
    HOST_ENDS[end](host.pid)
    host.wait(timeout=SOON)
    assert_nothing_lives(marker, within=5)


def test_no_worker_outlives_a_killed_xdist_worker(busy_pytest, tmp_path, marker):
    host = busy_pytest("-n2")
    node = psutil.Process(int((tmp_path / "begun").read_text())).parent()
    assert node.ppid() == host.pid
    below = node.children(recursive=True)
    node.kill()
    _, alive = psutil.wait_procs(below, timeout=5)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    host.kill()
    assert_nothing_lives(marker, within=8)


def test_a_wrapper_that_stays_does_not_keep_a_worker_alive(running, tmp_path):
    """Such as `conda run`: the worker is a child of what was started, in the same group."""
    python = script(tmp_path / "python", f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    run = running(
        "waits_in_c_with_the_gil", timeout=2, interpreters={"waits_in_c_with_the_gil": (str(python),)}
    )
    run.submit()
    assert_costs_its_own_cell(run, "waits_in_c_with_the_gil", "crashed", LATE)


def test_a_worker_whose_host_is_gone_ends_without_a_word(tmp_path, marker):
    """Its host may have died in the middle of a message, or before it could take the answer."""
    for said in (b"", b"GCH1\x10\x00"):
        worker = subprocess.Popen(
            [sys.executable, "-c", BOOTSTRAP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _, log = worker.communicate(sources() + said, timeout=SOON)
        assert log == b""
    assert_nothing_lives(marker, within=4)


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit")
def test_a_limit_of_memory_is_part_of_the_interpreters_command(running):
    limit = ("prlimit", "--as=1000000000", sys.executable)
    run = running("asks_for_too_much", interpreters={"asks_for_too_much": limit})
    run.submit()
    assert_costs_its_own_cell(run, "asks_for_too_much", "errored", "MemoryError")
