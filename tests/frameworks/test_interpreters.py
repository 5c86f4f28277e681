"""Which interpreter a framework gets, and what is said where there is none."""

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.frameworks.found import frameworks
from gradient_conformance.harness.frameworks.interpreters import (
    Absent,
    Interpreter,
    find,
    has_tox_env,
    variable,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes executable files as POSIX has them")


def executable(path: Path) -> Path:
    """An executable file there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    """The arguments of a search that finds nothing: a requirement that isn't installed, no tox env of those there are."""
    (tmp_path / "tox.ini").write_text("[testenv:{torch,tensorflow}]\n[testenv:jax]\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-such-distribution==1.0\n")
    return {
        "option": None,
        "ini": {},
        "requirements": requirements,
        "environ": {"PATH": str(tmp_path / "path")},
        "toxworkdir": tmp_path / ".tox",
        "root": tmp_path,
    }


def test_absent_lists_every_place_and_ends_with_the_command_that_gets_it(place: dict[str, Any]) -> None:
    """One line each, in the order of the search."""
    absent = find("torch", **place)
    assert isinstance(absent, Absent)
    assert str(absent).splitlines() == [
        "no interpreter for torch; looked at",
        "  --interpreter torch=...: not given",
        "  HARNESS_TORCH: not set",
        "  harness_interpreters: says nothing of torch",
        f"  {place['toxworkdir']}/torch/bin/python: no such file",
        f"  {sys.executable} (this interpreter): doesn't have no-such-distribution",
        "get it with: tox -e torch",
    ]


def test_places_are_tried_in_order(place: dict[str, Any], tmp_path: Path) -> None:
    """Option, environment, ini file, tox env, this interpreter: each where those before it say nothing."""
    python = {name: str(executable(tmp_path / name / "python")) for name in ("option", "environ", "ini")}
    tox = executable(tmp_path / ".tox" / "torch" / "bin" / "python")
    place["requirements"].write_text("pytest==1.0\n")
    place |= {"option": python["option"], "ini": {"torch": python["ini"], "jax": "/nowhere/python"}}
    place["environ"] = {**place["environ"], "HARNESS_TORCH": python["environ"]}

    assert find("torch", **place) == Interpreter((python["option"],), "--interpreter torch=...")
    place["option"] = None
    assert find("torch", **place) == Interpreter((python["environ"],), "HARNESS_TORCH")
    del place["environ"]["HARNESS_TORCH"]
    assert find("torch", **place) == Interpreter((python["ini"],), "harness_interpreters")
    del place["ini"]["torch"]
    assert find("torch", **place) == Interpreter((str(tox),), "tox env torch")
    tox.unlink()
    origin = f"this interpreter, which has pytest {version('pytest')}"
    assert find("torch", **place) == Interpreter((sys.executable,), origin)


def test_a_command_of_several_words_is_split_as_a_shell_does(place: dict[str, Any], tmp_path: Path) -> None:
    """A remote interpreter is a command too; its first word is looked up on PATH."""
    executable(tmp_path / "path" / "ssh")
    place["option"] = "ssh -o 'Compression yes' host python3"
    found = find("torch", **place)
    assert isinstance(found, Interpreter)
    assert found.argv == ("ssh", "-o", "Compression yes", "host", "python3")


def test_a_path_stays_good_in_another_folder(
    place: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers don't start where pytest was; and no shell has replaced the ~ of an ini file."""
    python = executable(tmp_path / "env" / "bin" / "python")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("env/bin/python", "./env/bin/python", "~/env/bin/python"):
        assert find("torch", **{**place, "option": given}) == Interpreter(
            (str(python),), "--interpreter torch=..."
        )


def test_a_links_name_is_kept(place: dict[str, Any], tmp_path: Path) -> None:
    """Python finds its virtual environment by the name it was started with."""
    link = tmp_path / "env" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    assert find("torch", **{**place, "option": str(link)}) == Interpreter(
        (str(link),), "--interpreter torch=..."
    )


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("/nowhere/bin/python", "/nowhere/bin/python isn't an executable file"),
        ("/nowhere/bin/python -X dev", "/nowhere/bin/python isn't an executable file"),
        ("no-such-python", "no-such-python isn't on PATH"),
        (" ", "names no command"),
    ],
)
@pytest.mark.parametrize("origin", ["--interpreter torch=...", "HARNESS_TORCH", "harness_interpreters"])
def test_what_somebody_named_and_is_not_there_is_absent(
    place: dict[str, Any], tmp_path: Path, origin: str, command: str, problem: str
) -> None:
    """Another interpreter further down the list doesn't quietly take its place."""
    executable(tmp_path / ".tox" / "torch" / "bin" / "python")
    match origin:
        case "HARNESS_TORCH":
            place["environ"]["HARNESS_TORCH"] = command
        case "harness_interpreters":
            place["ini"]["torch"] = command
        case _:
            place["option"] = command
    lines = str(find("torch", **place)).splitlines()
    assert lines[-2:] == [
        f"  {origin}: {problem}",
        "name another there, or none and get it with: tox -e torch",
    ]
    assert len(lines) == 3


def test_a_command_that_no_shell_would_split_is_absent(place: dict[str, Any]) -> None:
    """Why, is for whoever splits it to say."""
    told = str(find("torch", **{**place, "option": "python 'open"})).splitlines()[1]
    assert told.startswith("""  --interpreter torch=...: "python 'open" is no command: """)


def test_where_tox_has_no_such_environment_a_new_one_is_made_and_named(
    place: dict[str, Any], tmp_path: Path
) -> None:
    """In a repository that isn't this one, and for an adapter that isn't ours; nobody's own environment is touched."""
    (tmp_path / "tox.ini").unlink()
    made = f"get it with: python3.11 -m venv .venv-torch && .venv-torch/bin/pip install -r {tmp_path}/requirements.txt"
    named = (
        "and name it with: --interpreter=torch=.venv-torch/bin/python or HARNESS_TORCH=.venv-torch/bin/python"
    )
    assert str(find("torch", **place)).splitlines()[-2:] == [made, named]
    (tmp_path / "lock.txt").touch()
    assert str(find("torch", **place)).splitlines()[-2:] == [f"{made} -c {tmp_path}/lock.txt", named]
    place["requirements"].unlink()
    told = "name a Python that has it with: --interpreter=torch=PATH or HARNESS_TORCH=PATH"
    assert str(find("torch", **place)).splitlines()[-1] == told


@pytest.mark.parametrize(
    ("text", "name", "there"),
    [
        ("[testenv:torch]\n", "torch", True),
        ("[testenv:{jax, torch}]\n", "torch", True),
        ("[testenv:torchvision]\n", "torch", False),
        ("[testenv]\ncommands = tox -e [testenv:torch]\n", "torch", False),
        ("", "torch", False),
        ("\udcff", "torch", False),
    ],
)
def test_the_environments_of_a_tox_ini_are_read_from_its_sections(
    tmp_path: Path, text: str, name: str, there: bool
) -> None:
    """Whatever else stands in it, which is somebody's own."""
    (tmp_path / "tox.ini").write_text(text, errors="surrogateescape")
    assert has_tox_env(tmp_path, name) is there
    assert not has_tox_env(tmp_path / "nowhere", name)


def test_a_file_that_cannot_be_executed_is_no_interpreter(place: dict[str, Any], tmp_path: Path) -> None:
    """It would fail later, and less plainly."""
    (tmp_path / "python").touch(mode=0o644)
    absent = find("torch", **{**place, "option": str(tmp_path / "python")})
    assert isinstance(absent, Absent)
    assert "isn't an executable file" in str(absent)


def test_an_empty_environment_variable_is_unset_and_an_empty_option_a_mistake(place: dict[str, Any]) -> None:
    """CI systems set empty variables; nobody writes an empty option on purpose."""
    place["environ"]["HARNESS_TORCH"] = ""
    assert "HARNESS_TORCH: not set" in str(find("torch", **place))
    place["option"] = ""
    assert "--interpreter torch=...: names no command" in str(find("torch", **place))


@pytest.mark.parametrize(
    ("framework", "name"),
    [("torch", "HARNESS_TORCH"), ("my.torch", "HARNESS_MY_TORCH"), ("jax2", "HARNESS_JAX2")],
)
def test_the_variables_name_is_made_from_the_frameworks(framework: str, name: str) -> None:
    """In capitals; what isn't a letter or a digit becomes an underscore."""
    assert variable(framework) == name


@pytest.mark.parametrize(
    "text",
    [
        "pytest\nno-such-distribution\n",
        "# pins\n\n--extra-index-url https://example.org\nPyTest==0.1  # exactly\nno-such-distribution\n",
        "pytest[dev]>=1; python_version > '3'\n",
    ],
)
def test_the_first_distribution_decides_whether_this_interpreter_has_the_framework(
    place: dict[str, Any], text: str
) -> None:
    """Comments and pip's options before it are passed over; its version is for the worker to tell."""
    place["requirements"].write_text(text)
    found = find("torch", **place)
    assert isinstance(found, Interpreter)
    assert found.argv == (sys.executable,)


def test_the_first_distribution_is_not_imported(
    place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A framework must not enter the host's process."""
    place["requirements"].write_text("mpmath\n")
    monkeypatch.delitem(sys.modules, "mpmath", raising=False)
    find("mpmath", **place)
    assert "mpmath" not in sys.modules


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_without_a_requirement_this_interpreter_is_not_asked(place: dict[str, Any], text: str | None) -> None:
    """What it would have to have, nobody said."""
    if text is None:
        place["requirements"].unlink()
    else:
        place["requirements"].write_text(text)
    absent = find("torch", **place)
    assert isinstance(absent, Absent)
    told = f"(this interpreter): not asked, since {place['requirements']} names no distribution"
    assert absent.looked[-1].endswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('MODES = ("eager",)\n\ndef about(:\n', "adapter.py:3: is no Python: "),
        ("MODES = ['eager']\n", 'adapter.py: needs a line such as MODES = ("eager",)'),
        ('MODES = ("eager", "eager")\n', 'adapter.py: needs a line such as MODES = ("eager",)'),
        ("", 'adapter.py: needs a line such as MODES = ("eager",)'),
    ],
)
def test_an_adapter_whose_modes_cannot_be_read_is_told_by_what_is_wrong_with_it(tmp_path, text, told):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "adapter.py").write_text(text)
    with pytest.raises(HarnessError, match=re.escape(told)):
        frameworks([tmp_path])


COMMANDS = {
    "~nobody_of_this_name/bin/python": "is no command: Could not determine home directory.",
    "/opt/\0/python": "is no command: it has a null byte",
    "python \0": "is no command: it has a null byte",
    "/" + "p" * 5000: "isn't an executable file",
    "p" * 5000: "isn't on PATH",
}


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_a_command_that_can_be_none_is_absent_and_says_why(place: dict[str, Any], command: str) -> None:
    absent = find("torch", **{**place, "option": command})
    assert isinstance(absent, Absent)
    assert COMMANDS[command] in str(absent)


def test_a_path_in_a_folder_that_is_gone_is_absent(
    place: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    absent = find("torch", **{**place, "option": "env/bin/python"})
    assert "'env/bin/python' is no command: [Errno 2] No such file or directory" in str(absent)


def test_a_place_that_cannot_be_looked_at_is_told_with_its_reason(place: dict[str, Any]) -> None:
    absent = find("torch", **{**place, "toxworkdir": Path("/" + "x" * 300)})
    assert "/torch/bin/python: File name too long" in str(absent)


def test_requirements_that_cannot_be_read_name_nothing(place: dict[str, Any]) -> None:
    """Not text, a folder, a pipe that nobody writes to: none holds the search up."""
    file = place["requirements"]
    file.write_bytes(b"numpy\xff==1.0\n")
    assert isinstance(find("torch", **place), Absent)
    file.unlink()
    file.mkdir()
    assert isinstance(find("torch", **place), Absent)
    file.rmdir()
    os.mkfifo(file)
    assert isinstance(find("torch", **place), Absent)
