"""A worker on another host: a real sshd on loopback, whose sessions have neither our environment nor our files."""

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.frameworks.found import framework, subject
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.process import ENVIRONMENT, WorkerDied
from gradient_conformance.harness.workers.remote import command, remote_shells
from gradient_conformance.harness.workers.wire import Sent, shared_line
from gradient_conformance.harness.workers.worker import Worker

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
needs_sshd = pytest.mark.skipif(SSHD is None, reason="no sshd here (Debian: apt-get install openssh-server)")

ADAPTER = """
import ctypes, os, time
import numpy as np
BEFORE_NUMPY = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
MODES = ("eager",)
FORMULAS = set()
OPTIMIZERS = {}
OPS = {
    "add": np.add,
    "mul": np.multiply,
    "sum": lambda x, *, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims),
    "loop": lambda x: time.sleep(600),
    "pause": lambda x: ctypes.PyDLL(None).pause(),  # with the GIL: no thread of the worker can run
}
def setup(threads, seed): pass
def about(): return {"framework": "far", "version": "1", "pid": os.getpid(), "ssh": "SSH_CONNECTION" in os.environ, **BEFORE_NUMPY}
def to_native(array): return array
def to_numpy(tensor): return np.asarray(tensor)
def differentiate(task, inputs):
    env = task.walk(inputs)
    return {n: env[n] for n in task.wanted_values}, {n: 2 * inputs[n] for n in task.wrt}
"""
CASE = """
title = "A sum of squares"
source = "A test of workers on other hosts"
program = "loss = sum(x * x)"

[tensors]
x = { shape = ["k"], uniform = [-1, 1] }

[sweep]
k = [1, 2, 3, 400000]
"""
AUDIT = """
import sys
log = open({log!r}, "a")
def hook(event, args):
    if event == "open" and isinstance(args[0], str):
        print(args[0], file=log, flush=True)
sys.addaudithook(hook)
"""


@pytest.mark.parametrize(
    ("text", "shells"),
    [
        ("python", 0),
        ("/opt/ssh/bin/python", 0),
        ("ssh box python", 1),
        ("/usr/bin/ssh -p 2222 box python", 1),
        ("ssh -p2222 -vo BatchMode=yes user@box -q python", 1),
        ("ssh -J jump,other -i key -- box python", 1),
        ("ssh -F ssh box env A=1 python", 1),
        ("sshpass -f word ssh box python", 1),
        ("ssh jump ssh -p 2222 box python", 2),
        ("ssh box docker exec -i container python", 1),
        ("gcloud compute ssh --zone=z box -- python", 1),
        ("docker exec -i container python", 0),
        ("docker exec -i ssh python", 0),
        ("conda run --no-capture-output -n torch python", 0),
        ("srun -n1 --pty=no python", 0),
    ],
)
def test_words_are_quoted_for_each_ssh_and_for_nothing_else(text, shells):
    argv = shlex.split(text)
    assert remote_shells(argv) == shells
    words = command(argv, {"A": "it's; $HOME"})[len(argv) :]
    for _ in range(shells):
        words = shlex.split(" ".join(words))
    assert words == command(["python"], {"A": "it's; $HOME"})[1:]
    assert words[0] == "-c"
    compile(words[1], "bootstrap", "exec")


@pytest.fixture(scope="module")
def ssh(tmp_path_factory):
    """The ssh command, with its options and the host's name, of an sshd that this test started."""
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host_key'}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nPermitRootLogin yes\n"
    )
    (folder / "ssh_config").write_text(
        f"Host box\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n  LogLevel ERROR\n"
        f"  IdentityFile {folder / 'user_key'}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it as root, and only an init system makes it
    log = (folder / "log").open("wb")
    daemon = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    words = ["ssh", "-F", str(folder / "ssh_config"), "box"]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.fail((folder / "log").read_text())
            time.sleep(0.1)
        yield words
    finally:
        daemon.terminate()
        daemon.wait()
        log.close()


@pytest.fixture
def adapter(tmp_path):
    path = tmp_path / "adapters" / "remote" / "adapter.py"
    path.parent.mkdir(parents=True)
    path.write_text(ADAPTER)
    return path


@contextlib.contextmanager
def worker(argv, adapter):
    started = Worker(argv)
    try:
        yield started, started.hello(framework("remote", adapter))
    finally:
        started.stop()


def request(op, number, array):
    node = {"out": ["y"], "op": op, "args": ["x", "x"] if op not in ("loop", "pause") else ["x"], "kw": {}}
    asked = {"program": [node], "outputs": ["y"], "values": ["y"], "gradients": []}
    own, sent = (
        {"type": "run", "id": number, "case": "c", "bindings": {}, "mode": "eager"},
        [Sent("input", "x", array)],
    )
    line = shared_line({"dtype": "float64", "probes": {}, "training": None, **asked}, sent)
    return own, sent, line, Asked({("value", "y"): array.shape})


def gone(pid, within):
    """Whether a process ends in time; a zombie has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@needs_sshd
def test_the_matrix_runs_on_another_host_with_nothing_of_ours_there(pytester, ssh, adapter, tmp_path):
    """The far Python tells every file that it opens: none is of this checkout, or the adapter's."""
    pytester.makeini("[pytest]")
    case = tmp_path / "my_cases" / "tiny" / "squares.toml"
    case.parent.mkdir(parents=True)
    case.write_text(CASE)
    audit = tmp_path / "audit"
    audit.mkdir()
    (audit / "sitecustomize.py").write_text(AUDIT.format(log=str(tmp_path / "opened")))
    python = shlex.join([*ssh, "env", f"PYTHONPATH={audit}", sys.executable])
    outcome = pytester.runpytest_subprocess(
        f"--cases={case.parents[1]}",
        f"--adapters={adapter.parents[1]}",
        "--framework=remote",
        f"--interpreter=remote={python}",
    )
    outcome.assert_outcomes(passed=8)
    about = read_run(pytester.path / "reports" / "latest.jsonl").abouts["remote"]
    assert about["ssh"] is True
    opened = (tmp_path / "opened").read_text().splitlines()
    assert any("numpy" in path for path in opened)
    ours = [
        path for path in map(Path, opened) if not path.is_relative_to(sys.prefix)
    ]  # tox puts it below ROOT
    assert [path for path in ours if path.is_relative_to(ROOT) or path.is_relative_to(adapter.parent)] == []


@needs_sshd
@pytest.mark.parametrize("hops", [1, 2])
def test_the_one_thread_environment_arrives_before_numpy_is_imported(ssh, adapter, hops, monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with worker([*ssh * hops, sys.executable], adapter) as (_, about):
        assert about["ssh"] is True
        assert (about["OMP_NUM_THREADS"], about["OPENBLAS_NUM_THREADS"]) == ("1", "1")


@needs_sshd
def test_a_thousand_cells_and_arrays_of_32_megabytes_come_back(ssh, adapter):
    with worker([*ssh, sys.executable], adapter) as (far, _):
        large = np.random.default_rng(0).normal(size=(2048, 2048))
        far.send(*request("add", 0, large))
        assert np.array_equal(far.receive().arrays()["value", "y", None], 2 * large)
        for number in range(1, 1001):
            far.send(*request("mul", number, np.full(3, float(number))))
            answer = far.receive()
            assert answer.header["id"] == number
            assert answer.arrays()["value", "y", None][2] == number**2


@needs_sshd
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_idle_worker_on_the_other_host_ends_with_its_ssh(ssh, adapter, end):
    with worker([*ssh, sys.executable], adapter) as (far, about):
        assert not gone(about["pid"], within=0.2)
        far.stop() if end == "stop" else far.kill("asked to")
        assert gone(about["pid"], within=10)


@needs_sshd
@pytest.mark.parametrize("op", ["loop", "pause"])
def test_a_worker_that_is_busy_on_the_other_host_is_killed_when_its_ssh_has_ended(ssh, adapter, op):
    with worker([*ssh, sys.executable], adapter) as (far, about):
        far.send(*request(op, 1, np.ones(1)))
        assert not far.wait()
        assert not gone(about["pid"], within=0.5)
        far.kill("asked to")
        assert gone(about["pid"], within=10)


@needs_sshd
def test_a_subject_that_is_not_on_the_other_host_is_said_to_be_missing_there(ssh, tmp_path):
    far = Worker([*ssh, sys.executable])
    words = r"mine.py: no such file on .*, where its interpreter runs; a subject has to lie there, at the same path"
    (tmp_path / "mine.py").touch()
    mine = subject(tmp_path / "mine.py", [])
    (tmp_path / "mine.py").unlink()
    with pytest.raises(WorkerDied, match=words):
        far.hello(mine)
    far.stop()


@needs_sshd
@pytest.mark.parametrize(
    ("host", "python", "words"),
    [
        ("box", "/nowhere/python", r"exit code 127(.|\n)*/nowhere/python"),
        ("no-such-host.invalid", "python", r"exit code 255(.|\n)*Could not resolve hostname"),
    ],
)
def test_what_ssh_and_the_far_shell_say_is_the_reason(ssh, adapter, host, python, words):
    far = Worker([*ssh[:-1], host, python])
    with pytest.raises(WorkerDied, match=words):
        far.hello(framework("remote", adapter))
    far.stop()
