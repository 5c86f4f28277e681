"""What is loaded of a subject is what is told of it: its file and the modules below it, as they are, and nothing older."""

import hashlib
import os
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node

ANSWER = "def cell(x):\n    return {{'loss': {}}}, {{}}\n"


class Subject:
    """A folder with a subject, in a worker."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clients = folder, list[Client]()

    def write(self, **files: str) -> None:
        """By name: `a__b` is the module a.b."""
        for name, text in files.items():
            path = self.folder.joinpath(*name.split("__"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".py").write_text(text)

    def start(self) -> Client:
        self.clients.append(
            Client([sys.executable], ADAPTERS / "subject.py", subject=self.folder / "mine.py")
        )
        return self.clients[-1]

    def about(self) -> dict[str, Any]:
        ready = self.start().ready
        assert ready["type"] == "ready", ready
        return ready["about"]

    def answers(self, client: Client | None = None) -> float:
        client = client or self.start()
        reply = client.run([node("loss", "sum", "x")], {"x": X}, values=["loss"], case="a/cell")
        assert reply["type"] == "done", reply
        return float(reply["arrays"]["value", "loss"])


X = np.array([1.0])


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Subject]:
    made = Subject(tmp_path)
    yield made
    for client in made.clients:
        client.close()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def test_every_module_below_it_that_it_imports_is_told_wherever_it_is_imported(mine: Subject) -> None:
    mine.write(
        mine="import json, helper\nfrom pack import part\nfrom pack.deep import thing as t\n"
        + ANSWER.format("1.0")
        + "def later():\n    import late\n    from spaced import inner\n",
        helper="import numpy as np\n",
        late="",
        other="raise RuntimeError\n",
        spaced__inner="",
        pack__part="from . import beside\nfrom .deep import under\n",
        pack__beside="",
        pack__deep__under="from ..beside import *\nfrom .. import above\n",
        pack__deep__thing="",
        pack__above="",
        json="raise RuntimeError('Python had it before')\n",
    )
    (mine.folder / "pack" / "__init__.py").write_text("")
    (mine.folder / "pack" / "deep" / "__init__.py").write_text("thing = under = 1\n")
    told = mine.about()
    files = [
        "helper.py", "late.py", "mine.py", "pack/__init__.py", "pack/above.py", "pack/beside.py",
        "pack/deep/__init__.py", "pack/deep/thing.py", "pack/deep/under.py", "pack/part.py", "spaced/inner.py",
    ]  # fmt: skip
    assert told["files"] == {name: digest(mine.folder / name) for name in files}
    assert mine.answers() == 1.0
    assert not list(mine.folder.rglob("__pycache__"))
    mine.write(late="x = 1\n")
    again = mine.about()
    assert again["version"] != told["version"]
    assert len(again["version"]) == 12


@pytest.mark.parametrize("name", ["mine", "helper", "pack__part"])
def test_an_older_pyc_of_the_same_time_and_size_is_not_run(mine: Subject, name: str) -> None:
    files = {
        "mine": "from pack.part import two\nfrom helper import one\n"
        "def cell(x):\n    return {'loss': 100 * zero + 10 * one + two}, {}\nzero = 1\n",
        "helper": "one = 1\n",
        "pack__part": "two = 1\n",
    }
    mine.write(**files)
    path = mine.folder.joinpath(*name.split("__")).with_suffix(".py")
    os.utime(path, (10**9, 10**9))
    py_compile.compile(str(path), doraise=True)
    mine.write(**{name: files[name].replace("= 1\n", "= 2\n")})
    os.utime(path, (10**9, 10**9))
    assert mine.answers() == {"mine": 211.0, "helper": 121.0, "pack__part": 112.0}[name]


def test_a_helper_that_changes_after_the_start_is_not_another_one(mine: Subject) -> None:
    """Not even where it is imported in the middle of a cell."""
    mine.write(
        mine="def cell(x):\n    import helper\n    return {'loss': helper.one}, {}\n", helper="one = 1.0\n"
    )
    client = mine.start()
    mine.write(helper="one = 2.0\n")
    assert mine.answers(client) == 1.0
    assert client.ready["about"]["files"]["helper.py"] == hashlib.sha256(b"one = 1.0\n").hexdigest()[:12]


def test_a_module_of_a_computed_name_is_loaded_from_its_source(mine: Subject) -> None:
    """One that is imported at the start is told; what a cell imports later nobody can know before."""
    mine.write(
        mine="import importlib\nh = importlib.import_module('hel' + 'per')\n"
        "def cell(x):\n    return {'loss': h.one + importlib.import_module('la' + 'te').two}, {}\n",
        helper="one = 1.0\n",
        late="two = 1.0\n",
    )
    for name in ("helper", "late"):
        path = mine.folder / f"{name}.py"
        os.utime(path, (10**9, 10**9))
        py_compile.compile(str(path), doraise=True)
        path.write_text(path.read_text().replace("1.0", "3.0"))
        os.utime(path, (10**9, 10**9))
    client = mine.start()
    assert mine.answers(client) == 6.0
    assert set(client.ready["about"]["files"]) == {"mine.py", "helper.py"}


def test_what_is_installed_below_its_folder_is_not_its_own(mine: Subject) -> None:
    mine.write(mine="import sys, os\nhere = os.path.dirname(__file__)\n"
               "sys.path += [here + '/env/lib/site-packages', here + '/.hidden', here + '/lib']\n"
               "import library, secret, own\n" + ANSWER.format("1.0"))  # fmt: skip
    for place in ("env/lib/site-packages/library", ".hidden/secret", "lib/own"):
        (mine.folder / place).parent.mkdir(parents=True)
        (mine.folder / f"{place}.py").write_text("")
    assert set(mine.about()["files"]) == {"mine.py", "lib/own.py"}


def test_where_python_finds_a_module_elsewhere_first_it_is_that_one(
    mine: Subject, tmp_path_factory: Any
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "helper.py").write_text("one = 5.0\n")
    mine.write(
        mine=f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\nimport helper\n"
        + ANSWER.format("helper.one")
    )
    mine.write(helper="one = 1.0\n")
    assert mine.answers() == 5.0


def test_a_traceback_shows_the_lines_that_were_run(mine: Subject) -> None:
    mine.write(mine="import helper\ncell = helper.cell\n", helper="def cell(x):\n    return 1 / 0  # here\n")
    client = mine.start()
    mine.write(helper="# something\n# else\n")
    reply = client.run([node("loss", "sum", "x")], {"x": X}, values=["loss"], case="a/cell")
    assert "return 1 / 0  # here" in reply["error"]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**30)


STRANGE = {
    "a pipe": (fifo, "{} is no regular file, so it cannot be read as a module"),
    "a gigabyte": (huge, "{} has more than 10000000 bytes; a module may have at most so many"),
}


@pytest.mark.skipif(os.name == "nt", reason="makes files as POSIX has them")
@pytest.mark.parametrize("name", ["mine.py", "helper.py"])
@pytest.mark.parametrize(("make", "words"), STRANGE.values(), ids=STRANGE)
def test_a_file_that_is_no_module_is_told_in_a_sentence(
    mine: Subject, name: str, make: Any, words: str
) -> None:
    mine.write(mine="def later():\n    import helper\n")
    (mine.folder / name).unlink(missing_ok=True)
    make(mine.folder / name)
    ready = mine.start().ready
    assert (ready["type"], ready["error"]) == ("failed", words.format(name))


def test_a_folder_or_nothing_in_place_of_the_file_is_told_in_a_sentence(mine: Subject) -> None:
    assert "no such file on " in mine.start().ready["error"]
    (mine.folder / "mine.py").mkdir()
    assert "is not a Python file on " in mine.start().ready["error"]
    assert all("Traceback" not in client.ready["error"] for client in mine.clients)


@pytest.mark.parametrize(
    "text", ["def broken(:\n", "x = '\0'\n", "# coding: nonsense\n", "(" * 500 + ")" * 500]
)
def test_a_helper_that_python_cannot_read_is_an_error_of_its_own_line_where_it_is_imported(
    mine: Subject, text: str
) -> None:
    mine.write(mine="def later():\n    import helper\n" + ANSWER.format("1.0"), helper=text)
    assert mine.answers() == 1.0
    mine.write(mine="import helper\n")
    assert "import helper" in mine.start().ready["error"]


def test_digests_that_are_too_many_are_told_by_the_version_alone(mine: Subject) -> None:
    mine.write(mine="".join(f"import m{i}\n" for i in range(600)), **{f"m{i}": "" for i in range(600)})
    told = mine.about()
    assert len(told["files"]) == 500
    mine.write(m99="x = 1\n")
    assert mine.about()["version"] != told["version"]
