"""A notebook in a worker: which of its statements run, and what is said of those that are left out."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node

X = np.array([1.0])
Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker with a notebook of these cells."""
    clients = []

    def with_cells(*cells: str, first: int = 1, last: int | None = None) -> Client:
        notebook = {"cells": cells, "first": first, "last": last or len(cells)}
        path = tmp_path / "mine.ipynb"  # it need not be there: its cells are sent
        clients.append(Client([sys.executable], ADAPTERS / "subject.py", subject=path, notebook=notebook))
        assert clients[-1].ready["type"] == "ready", clients[-1].ready
        return clients[-1]

    yield with_cells
    for client in clients:
        client.close()


def ask(client: Client) -> dict[str, Any]:
    return client.run([node("loss", "sum", "x")], {"x": X}, values=["loss"], case="a/cell")


def loss(client: Client) -> float:
    reply = ask(client)
    assert reply["type"] == "done", reply
    return float(reply["arrays"]["value", "loss"])


CELL = "def cell(x):\n    return {'loss': float(a)}, {}"


def test_definitions_run_and_nothing_else_does(start: Start) -> None:
    client = start(
        "import numpy as np\na = 1\na += 1",
        "raise SystemExit\nprint('not run')\na.nothing\nassert False\nfor i in range(3):\n    a = 100\nwhile True:\n    pass",
        "class K:\n    b = 3\nc: float = a + K.b\nwith open('/nowhere') as f:\n    a = 200",
        CELL.replace("a", "c + np.float64(0)", 1).replace("float(c + np.float64(0))", "float(a)"),
        "def cell(x):\n    return {'loss': float(c)}, {}",
    )
    assert loss(client) == 5.0
    assert "not run" not in client.logged()


def test_a_choice_whose_branches_only_define_is_a_definition(start: Start) -> None:
    client = start(
        "try:\n    import cupy_that_is_not_there as np\nexcept ImportError:\n    import numpy as np",
        "if np.ndim(0) == 0:\n    a = 7\nelse:\n    a = 8\nif True:\n    a = 9\n    print('no')",
        CELL,
    )
    assert loss(client) == 7.0


def test_a_later_definition_replaces_an_earlier_one_and_cells_choose(start: Start) -> None:
    cells = ("a = 1", CELL, "import math\na = 2", "a = 3")
    assert loss(start(*cells)) == 3.0
    assert loss(start(*cells, last=3)) == 2.0
    assert loss(start(*cells, last=2)) == 1.0
    assert loss(start("a = 5", "import math", "a = math.floor(6.5)", CELL, first=3)) == 6.0


def test_what_is_no_python_is_left_out_and_the_rest_of_its_cell_is_kept(start: Start) -> None:
    client = start(
        "%matplotlib inline\nimport numpy as np\n!pip install torch\nprint 'Python 2'\n\na = (10\n % 4)\n"
        "@np.vectorize\ndef square(v):\n    %time v\n\n    return v * v\n# a comment\nb = !ls\nx = np.sum?",
        "%%bash\na = 3\nrm -rf nothing",
        "%%time\na = a + 1\nif a:\n    %timeit a",
        "def cell(x):\n    return {'loss': float(square(a))}, {}",
    )
    assert loss(client) == 9.0


def test_tracebacks_name_the_cell_and_show_its_line(start: Start) -> None:
    error = ask(start("import math", "# a comment\ndef cell(x):\n    return 1 / 0  # here"))["error"]
    assert 'File "mine.ipynb[cell 2]", line 3, in cell\n' in error
    assert "return 1 / 0  # here" in error


LEFT_OUT = {
    "import": ("import a_module_that_nobody_has as a", "mine.ipynb[cell 1]:1 would make a, but it raised ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
    "part of an import": ("\nfrom a_module_that_nobody_has import b, a", "mine.ipynb[cell 1]:2 would make a, but it raised ModuleNotFoundError"),
    "everything of a module": ("from a_module_that_nobody_has import *", "mine.ipynb[cell 1]:1 may make a, but it raised ModuleNotFoundError"),
    "loop": ("b = 1\nfor b in [1]:\n    a = 2", "mine.ipynb[cell 1]:2 would make a, but only imports, functions, classes and assignments are run"),
    "Python 2": ("b = 1\ndef a():\n    print 'x'", "mine.ipynb[cell 1]:2 would make a, but it is no Python: Missing parentheses in call to 'print'"),
    "what follows a failure": ("b = nothing.here\na = b + 1", "mine.ipynb[cell 1]:2 would make a, but it raised NameError: name 'b' is not defined"),
    "a question": ("a = input('how many? ')", "mine.ipynb[cell 1]:1 would make a, but it raised RuntimeError: a subject runs in a process without a terminal"),
    "the end": ("import sys\na = sys.exit(3)", "mine.ipynb[cell 1]:2 would make a, but it raised SystemExit: 3"),
}  # fmt: skip


@pytest.mark.parametrize(("cell", "words"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_name_that_is_missed_is_told_with_what_would_have_made_it(
    start: Start, cell: str, words: str
) -> None:
    reply = ask(start(cell, CELL))
    assert reply["type"] == "raised"
    assert f"NameError: name 'a' is not defined: {words}" in reply["error"]


def test_a_name_that_nothing_would_make_is_pythons_own_error(start: Start) -> None:
    assert "NameError: name 'a' is not defined\n" in ask(start("import math", CELL))["error"]


def test_a_missing_function_is_told_with_what_would_have_made_it(start: Start) -> None:
    assert ask(start("b = 1"))["reason"] == "mine.ipynb has no function cell"
    words = "mine.ipynb has no function cell: mine.ipynb[cell 2]:1 would make cell, but"
    assert ask(start("a = 1", CELL, "a = 2", last=1))["reason"] == f"{words} only cell 1 was asked for"
    assert ask(start("a = 1", CELL, "", "", first=3))["reason"] == f"{words} only cells 3 to 4 were asked for"


FAILED = {
    "decorator": ("@not_there\n" + CELL, "2 would make cell, but it raised NameError: name 'not_there' is not defined"),
    "default": ("def cell(x, k=not_there): ...", "1 would make cell, but it raised NameError: name 'not_there' is not defined"),
    "no Python": (CELL + "\n    print 1", "1 would make cell, but it is no Python: Missing parentheses in call to 'print'"),
    "import": ("from torch_that_is_not_there import cell", "1 would make cell, but it raised ModuleNotFoundError"),
}  # fmt: skip


@pytest.mark.parametrize(("cell", "words"), FAILED.values(), ids=FAILED)
def test_a_function_whose_statement_failed_is_an_error_that_says_which_and_why(
    start: Start, cell: str, words: str
) -> None:
    """Nobody would look for it among what is unsupported: somebody wrote it."""
    reply = ask(start("a = 1", cell))
    assert reply["type"] == "raised"
    assert reply["error"].startswith(f"mine.ipynb has no function cell: mine.ipynb[cell 2]:{words}")
    assert ask(start("a = 1", cell, "b = 1", first=3))["type"] == (
        "raised" if "import" in cell else "unsupported"
    )


def test_what_bears_a_functions_name_and_is_none_is_an_error(start: Start) -> None:
    assert ask(start("cell = 3"))["error"] == (
        "mine.ipynb: cell is an int, but a case is answered by a function of its name: give one, or call this otherwise"
    )


def test_an_earlier_definition_that_stays_since_a_later_one_failed_is_told(start: Start) -> None:
    cells = ("a = 1", CELL, "a = nothing.here\nb = nothing.here", "def cell(x):\n    print 1")
    assert ask(start(*cells))["printed"] == (
        "mine.ipynb[cell 3]:1 would make a anew, but it raised NameError: name 'nothing' is not defined; "
        "the earlier one stays\n"
        "mine.ipynb[cell 4]:1 would make cell anew, but it is no Python: Missing parentheses in call to 'print'. "
        "Did you mean print(...)?; the earlier one stays\n"
    )


def test_division_of_the_future_holds_for_all_that_follows(start: Start) -> None:
    client = start("from __future__ import annotations", "def f(z: nobody.knows): return 4\na = f(0)", CELL)
    assert loss(client) == 4.0


def test_modules_beside_it_are_found_and_told_and_the_version_stands_on_the_cells(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "helper.py").write_text("one = 11\n")
    cells = ("from helper import one as a", CELL)
    client = start(*cells)
    assert loss(client) == 11.0
    about = client.ready["about"]
    assert (about["framework"], about["file"], set(about["files"])) == (
        "mine",
        "mine.ipynb",
        {"mine.ipynb", "helper.py"},
    )
    assert start(*cells).ready["about"] == about
    (tmp_path / "helper.py").write_text("one = 12\n")
    assert start(*cells, first=2).ready["about"]["file"] == "mine.ipynb[2:2]"
    others = [start(*cells), start(*cells, first=2), start(*cells, "a = 3")]
    assert len({about["version"], *(other.ready["about"]["version"] for other in others)}) == 4


def test_what_it_prints_is_told_with_the_answer_and_goes_to_the_log(start: Start) -> None:
    client = start("def say(x):\n    print('seen', x)\n    return 1\na = say('at first')", CELL,
                   "import sys\ndef cell(x):\n    print('in the cell'); sys.stdout.flush()\n    return {'loss': 1.0}, {}")  # fmt: skip
    assert ask(client)["printed"] == "seen at first\nin the cell\n"
    assert ask(client)["printed"] == "in the cell\n"
    assert "in the cell\nin the cell\n" in client.logged()
    endless = ask(start("def cell(x):\n    print('-' * 10**6)\n    raise ValueError"))
    assert endless["type"] == "raised"
    assert endless["printed"] == "-" * 10_000 + "\n[990001 characters more]\n"
    assert "printed" not in ask(start(CELL, "a = 1"))


@pytest.mark.parametrize("asking", ["input()", "breakpoint()", "import pdb; pdb.set_trace(); x + 1"])
def test_whoever_asks_the_user_is_told_that_nobody_is_there(start: Start, asking: str) -> None:
    reply = ask(start(f"def cell(x):\n    {asking}\n    return 1"))
    assert reply["type"] == "raised"
    assert "RuntimeError: a subject runs in a process without a terminal: input(), breakpoint() and pdb" in reply["error"]  # fmt: skip
    assert "mine.ipynb[cell 1]" in reply["error"]
