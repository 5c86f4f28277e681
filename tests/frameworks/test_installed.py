"""What `harness frameworks` tells: versions from the interpreters themselves, pins, and the command that installs."""

import errno
import os
import shlex
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.frameworks import installed
from gradient_conformance.harness.frameworks.found import frameworks, shipped_adapters
from gradient_conformance.harness.frameworks.installed import Installed, advice, ask, ask_all, differing
from gradient_conformance.harness.frameworks.interpreters import requirements_in
from packaging.requirements import Requirement

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes executable files as POSIX has them")

ADAPTER = "MODES = ('eager',)\nOPS = {}\n"


def python(path: Path, body: str) -> list[str]:
    """The command of a program in sh that stands in for an interpreter."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return [str(path)]


def test_an_interpreter_tells_its_python_and_what_is_installed_in_it():
    found = ask([sys.executable], ["numpy", "no-such-distribution"])
    assert found == Installed(
        python=sys.version.split()[0], versions={"numpy": version("numpy"), "no-such-distribution": None}
    )
    assert str(found) == f"Python {sys.version.split()[0]}, numpy {version('numpy')}"


def test_nothing_is_imported_to_find_out(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert ask([sys.executable], ["numpy"]).versions == {"numpy": version("numpy")}


def test_a_folder_called_like_a_module_is_not_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(ask([sys.executable], []), Installed)


def test_a_greeting_is_passed_over(tmp_path):
    greeting = python(tmp_path / "greets", f'echo "welcome"; exec {shlex.quote(sys.executable)} "$@"')
    assert isinstance(ask(greeting, ["numpy"]), Installed)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("exit 0", "isn't a Python that tells what is installed in it"),
        ("echo installed: {}", "isn't a Python that tells what is installed in it: installed: {}"),
        ("echo one >&2; echo two >&2; exit 3", "ended with exit code 3: two"),
        ("echo only this; exit 3", "ended with exit code 3: only this"),
        ("kill -SEGV $$", "died of signal 11"),
    ],
)
def test_an_interpreter_that_fails_is_told_in_words(tmp_path, body, told):
    assert ask(python(tmp_path / "fails", body), ["numpy"]) == told


def test_one_that_cannot_be_started_is_told_in_words(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "empty").chmod(0o755)
    assert ask([str(tmp_path / "empty")], []) == f"can't be started: {os.strerror(errno.ENOEXEC)}"
    assert ask([str(tmp_path / "nowhere")], []) == f"can't be started: {os.strerror(errno.ENOENT)}"


def test_one_that_hangs_is_killed_with_what_it_started_and_the_others_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "TIMEOUT", 3.0)
    hangs = python(tmp_path / "hangs", f"sleep 600 & echo $! > {tmp_path / 'pid'}; wait")
    start = time.monotonic()
    found = ask_all({"a": (hangs, []), "b": (hangs, []), "c": ([sys.executable, "-S"], [])})
    assert time.monotonic() - start < 10
    assert found["a"] == found["b"] == "gave no answer in 3 s and was killed"
    assert isinstance(found["c"], Installed)
    child = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() - start < 20
        time.sleep(0.05)


def test_what_differs_from_the_pins_is_told_and_a_local_build_does_not_differ(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("torch==2.13.0\nnumpy==2.4.6  # exactly\n--find-links x\noptax==0.2.8\njax==0.10.2\n")
    pinned = requirements_in(file)
    found = Installed(
        python="3.11.7", versions={"torch": "2.13.0+cpu", "numpy": "2.4.5", "optax": None, "jax": "a build"}
    )
    assert [(str(needed), there) for needed, there in differing(pinned, found)] == [
        ("numpy==2.4.6", "2.4.5"),
        ("optax==0.2.8", None),
        ("jax==0.10.2", "a build"),
    ]


def test_what_is_missing_is_installed_where_it_is_missing():
    """And never over the release under test."""
    pinned = [Requirement("jax==0.10.2"), Requirement("numpy==2.4.6"), Requirement("optax<1")]
    found = Installed(python="3.11.7", versions={"jax": "0.11.0", "numpy": "2.4.6", "optax": None})
    assert list(advice(("ssh", "host", "python3"), pinned, found)) == [
        "the adapter is made for jax==0.10.2 (here 0.11.0), optax<1 (here none)",
        "get what is missing with: ssh host python3 -m pip install 'optax<1'",
    ]
    there = Installed(python="3.11.7", versions={"jax": "0.11.0", "numpy": "2.4.6", "optax": "0.9"})
    assert list(advice(["python3"], pinned, there)) == ["the adapter is made for jax==0.10.2 (here 0.11.0)"]
    as_pinned = Installed(python="3.11.7", versions={"jax": "0.10.2", "numpy": "2.4.6", "optax": "0.9"})
    assert list(advice(["python3"], pinned, as_pinned)) == []


@pytest.fixture
def adapters(tmp_path, monkeypatch):
    """Adapters of two frameworks of our own beside those that are shipped; the shipped ones are nowhere."""
    for name, pins in (("mine", "numpy>=1\npytest==0.1\nno-such-distribution==1\n"), ("other", "numpy>=1\n")):
        folder = tmp_path / "adapters" / name
        folder.mkdir(parents=True)
        (folder / "adapter.py").write_text(ADAPTER)
        (folder / "requirements.txt").write_text(pins)
    for framework in frameworks([shipped_adapters()]):
        monkeypatch.delenv(f"HARNESS_{framework.name.upper()}", raising=False)
    monkeypatch.setenv("TOX_WORK_DIR", str(tmp_path / ".tox"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tox.ini").write_text("[testenv:{torch,jax}]\n[testenv:mxnet]\n")
    return ["--adapters", str(tmp_path / "adapters")]


def told(capsys, *arguments):
    """What the command prints of each framework."""
    assert main(["frameworks", *arguments]) == 0
    found, name = {}, ""
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith(" "):
            name = line.split()[0]
        found.setdefault(name, []).append(line.strip())
    return found


def test_the_command_tells_versions_differences_and_what_installs_them(adapters, capsys):
    given = [f"--interpreter=mine={sys.executable}", f"--interpreter=other={sys.executable}"]
    found = told(capsys, *adapters, *given)
    here = f"Python {sys.version.split()[0]}, numpy {version('numpy')}"
    assert found["other"][2] == f"{here}; as the adapter pins them"
    assert found["mine"] == [
        "mine  modes: eager (the first is the default)",
        f"{sys.executable}  (--interpreter mine=...)",
        f"{here}, pytest {version('pytest')}",
        f"the adapter is made for pytest==0.1 (here {version('pytest')}), no-such-distribution==1 (here none)",
        f"get what is missing with: {sys.executable} -m pip install no-such-distribution==1",
    ]
    assert [found[name][-1] for name in ("torch", "mxnet")] == [
        "get it with: tox -e torch",
        "get it with: tox -e mxnet",
    ]


def test_without_a_tox_ini_that_knows_the_framework_no_command_is_of_tox(adapters, capsys, tmp_path):
    (tmp_path / ".tox/torch/bin").mkdir(parents=True)
    (tmp_path / ".tox/torch/bin/python").symlink_to(sys.executable)
    (tmp_path / "tox.ini").write_text("[testenv]\n[testenv:tests]\n")
    found = told(capsys, *adapters)
    assert "tox -" not in "".join(line for lines in found.values() for line in lines)
    assert found["torch"][-1].startswith(
        f"get what is missing with: {tmp_path}/.tox/torch/bin/python -m pip install torch=="
    )
    assert found["jax"][-1] == (
        "and name it with: --interpreter=jax=.venv-jax/bin/python or HARNESS_JAX=.venv-jax/bin/python"
    )


def test_the_command_tells_of_interpreters_that_hang_or_fail_and_goes_on(
    adapters, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr(installed, "TIMEOUT", 3.0)
    (hangs,) = python(tmp_path / "hangs", "sleep 600")
    (fails,) = python(tmp_path / "fails", r"printf '\033[2Jgone' >&2; exit 7")
    (tmp_path / ".tox/torch/bin").mkdir(parents=True)
    (tmp_path / ".tox/torch/bin/python").symlink_to(fails)
    found = told(capsys, *adapters, f"--interpreter=mine={hangs}", f"--interpreter=other={fails}")
    assert found["mine"][-2:] == [
        "gave no answer in 3 s and was killed",
        "name another with --interpreter=mine=COMMAND",
    ]
    assert found["other"][-2] == r"ended with exit code 7: \x1b[2Jgone"
    assert found["torch"][-2:] == [found["other"][-2], "get it with: tox -r -e torch"]


def test_an_interpreter_for_a_framework_that_nobody_knows_is_a_mistake(adapters, capsys):
    assert main(["frameworks", *adapters, "--interpreter=torhc=python3"]) == 2
    assert 'did you mean "torch"' in capsys.readouterr().err


@pytest.mark.framework
@pytest.mark.parametrize("name", [f.name for f in frameworks([shipped_adapters()])])
def test_the_environments_of_the_frameworks_are_as_their_adapters_pin_them(name, capsys):
    found = told(capsys)[name]
    if found[1].startswith("no interpreter for"):
        reason = f"no environment with {name} (tox -m conformance makes them)"
        pytest.fail(reason) if os.environ.get("HARNESS_REQUIRE") == "all" else pytest.skip(reason)
    (pin, *_) = requirements_in(shipped_adapters() / name / "requirements.txt")
    (specifier,) = pin.specifier
    assert f", {pin.name} {specifier.version}" in found[2]
    assert ", numpy " in found[2]
    assert found[2].endswith("; as the adapter pins them")
