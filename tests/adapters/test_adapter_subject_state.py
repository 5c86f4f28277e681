"""Cells of a subject run in one process, and each finds its modules as they were loaded."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node

LEARNS = """
import collections
import dataclasses
import functools
import random
import numpy as np
import told

with open("loads", "a") as loads:
    loads.write("x")

class Layer:
    made = 0
    def __init__(self):
        self.w = np.ones(2)

@dataclasses.dataclass
class Counts:
    seen: int = 0

def closed_over():
    count = 0
    def more():
        nonlocal count
        count += 1
        return count
    return more

@functools.lru_cache
def kept(x):
    return [x]

layer, counts, more, calls, rng = Layer(), Counts(), closed_over(), [], np.random.default_rng(0)
total = 0

def a_number():
    global total
    total += 1
    return total

def an_array():
    layer.w += 1
    return layer.w[0]

def of_a_class():
    Layer.made += 1
    return Layer.made

def a_dataclass():
    counts.seen += 1
    return counts.seen

def a_list():
    calls.append(1)
    return len(calls)

def of_a_function():
    a_list.seen = getattr(a_list, "seen", 0) + 1
    return a_list.seen

def a_default(seen=[]):
    seen.append(1)
    return len(seen)

def a_cell():
    return more()

def a_cache():
    kept(1).append(1)
    return len(kept(1))

def another_module():
    told.said.append(1)
    return len(told.said)

def drawn():
    return np.random.rand() + random.random()

def drawn_by_its_own():
    return rng.random()

def nothing():
    return layer.w[0] + counts.seen + len(calls) + total
"""
ASKED = """
def case(W):
    return {{"loss": float({}())}}, {{"W": W}}
"""
LEAVES_SOMETHING = [
    "a_number", "an_array", "of_a_class", "a_dataclass", "a_list", "of_a_function", "a_default", "a_cell", "a_cache",
    "another_module", "drawn_by_its_own",
]  # fmt: skip


def answers(tmp_path: Path, text: str, steps: int = 0) -> list[Any]:
    """The loss of the same cell three times, in a training of its steps."""
    (tmp_path / "mine.py").write_text(text)
    (tmp_path / "told.py").write_text("said = []\n")
    client = Client([sys.executable], ADAPTERS / "subject.py", subject=tmp_path / "mine.py", cwd=tmp_path)
    assert client.ready["type"] == "ready", client.ready
    training = {"steps": steps, "parameters": ["W"], "optimizer": {"sgd": {"lr": 0.5}}} if steps else None
    found = []
    for _ in range(3):
        reply = client.run([node("loss", "sum", "W")], {"W": np.ones(2)}, training=training, gradients=["W"])
        assert reply["type"] == "done", reply
        asked = [("value", "loss", step) for step in range(steps)] or [("value", "loss")]
        found.append([float(reply["arrays"][key]) for key in asked])
    assert client.close() == 0
    return found


def loads(tmp_path: Path) -> int:
    return len((tmp_path / "loads").read_text())


@pytest.mark.parametrize("what", [*LEAVES_SOMETHING, "drawn", "nothing"])
def test_a_cell_finds_the_modules_as_they_were_loaded(tmp_path: Path, what: str) -> None:
    one, two, three = answers(tmp_path, LEARNS + ASKED.format(what))
    assert one == two == three
    assert loads(tmp_path) == (3 if what in LEAVES_SOMETHING else 1)


def test_what_nobody_can_look_into_is_made_anew(tmp_path: Path) -> None:
    generator = "numbers = (n for n in range(9))\n"
    found = answers(tmp_path, LEARNS + generator + ASKED.format("numbers.__next__"))
    assert found == [[0], [0], [0]]
    assert loads(tmp_path) == 3


def test_a_class_that_says_itself_what_is_pickled_of_it_hides_nothing(tmp_path: Path) -> None:
    text = LEARNS.replace("    made = 0\n", "    made = 0\n    def __getstate__(self):\n        return {}\n")
    assert answers(tmp_path, text + ASKED.format("an_array")) == [[2], [2], [2]]


def test_what_a_library_does_not_pickle_is_not_overlooked(tmp_path: Path) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "tensors.py").write_text(
        "class Tensor:\n    grad = 0\n    def __reduce__(self):\n        return Tensor, ()\n"
    )
    text = (
        "import sys\nsys.path.append('site-packages')\nimport tensors\nw = tensors.Tensor()\n"
        "def accumulated():\n    w.grad += 1\n    return w.grad\n"
    )
    assert answers(tmp_path, text + ASKED.format("accumulated")) == [[1], [1], [1]]


def test_within_a_training_objects_live_on(tmp_path: Path) -> None:
    assert answers(tmp_path, LEARNS + ASKED.format("an_array"), 3) == [[2, 3, 4]] * 3


def test_what_a_module_draws_when_it_is_loaded_is_the_same_each_time(tmp_path: Path) -> None:
    text = "start = np.random.rand() + random.random()\ndef moved():\n    global start\n    start += 1\n    return start\n"
    one, two, three = answers(tmp_path, LEARNS + text + ASKED.format("moved"))
    assert one == two == three
    assert [one] * 3 == answers(tmp_path, LEARNS + text + ASKED.format("moved"))


def test_a_module_that_cannot_be_loaded_again_says_so_in_its_own_lines(tmp_path: Path) -> None:
    once = "import os\nos.mkdir('made')\n"
    (tmp_path / "mine.py").write_text(
        once + "seen = []\ndef case(W):\n    seen.append(1)\n    return {}, {'W': W}\n"
    )
    client = Client([sys.executable], ADAPTERS / "subject.py", subject=tmp_path / "mine.py", cwd=tmp_path)
    for _ in range(2):
        client.run([node("loss", "sum", "W")], {"W": np.ones(2)})
    reply = client.run([node("loss", "sum", "W")], {"W": np.ones(2)})
    assert reply["type"] == "raised"
    assert "mine.py" in reply["error"]
    assert "FileExistsError" in reply["error"]
    (tmp_path / "made").rmdir()
    assert client.run([node("loss", "sum", "W")], {"W": np.ones(2)})["type"] == "done"
    assert client.close() == 0
