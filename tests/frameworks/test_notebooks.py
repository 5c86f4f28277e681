"""Notebooks as subjects: which cells they have, which are chosen, and what is said of what is no notebook."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.frameworks import interpreters, notebooks
from gradient_conformance.harness.frameworks.found import frameworks, shipped_adapters, subject
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes files as POSIX has them")


def write(path: Path, *cells: str) -> Path:
    made = new_notebook(
        cells=[new_markdown_cell("# A title"), *map(new_code_cell, cells), new_code_cell(" \n")]
    )
    nbformat.write(made, path)
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write(tmp_path / "mine.ipynb", "a = 1", "", "a = 2\nb = 3", "a = 4")


def chosen(path: Path, text: str) -> tuple[int, int]:
    found = subject(Path(f"{path}{text}"), []).notebook
    assert found is not None
    return found.first, found.last


def test_cells_are_those_that_jupyter_numbers_when_all_are_run(mine: Path) -> None:
    found = subject(mine, [])
    assert found.name == "mine"
    assert found.subject == mine
    assert found.notebook == notebooks.Notebook(("a = 1", "a = 2\nb = 3", "a = 4"), 1, 3)


@pytest.mark.parametrize(
    ("text", "cells"),
    [("", (1, 3)), ("[2]", (2, 2)), ("[:2]", (1, 2)), ("[2:]", (2, 3)), ("[1:2]", (1, 2)), ("[:]", (1, 3))],
)
def test_brackets_choose_cells_both_ends_included(mine: Path, text: str, cells: tuple[int, int]) -> None:
    assert chosen(mine, text) == cells


@pytest.mark.parametrize(
    "text", ["[]", "[-1]", "[a]", "[1:2:3]", "[1,2]", "[0]", "[4]", "[3:2]", "[99999999999]"]
)
def test_cells_that_are_not_there_are_refused_with_how_to_choose(mine: Path, text: str) -> None:
    with pytest.raises(HarnessError) as caught:
        chosen(mine, text)
    assert str(caught.value).startswith(f"{mine}: ")
    assert text in str(caught.value)
    assert "[2:5] are cells 2 to 5" in str(caught.value)


def test_a_file_that_is_called_so_is_that_file(tmp_path: Path) -> None:
    odd = write(tmp_path / "a.ipynb[1].ipynb", "a = 1")
    assert subject(odd, []).subject == odd


def test_the_content_stands_on_the_cells_and_the_choice_and_on_no_output(mine: Path) -> None:
    contents = {subject(mine, []).content, subject(Path(f"{mine}[:2]"), []).content}
    assert len(contents) == 2
    made = nbformat.read(mine, as_version=4)
    made.cells[1].execution_count = 7
    made.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    made.cells[0].source = "# Another title"
    nbformat.write(made, mine)
    assert subject(mine, []).content in contents
    made.cells[1].source = "a = 5"
    nbformat.write(made, mine)
    assert subject(mine, []).content not in contents


def test_a_notebook_of_format_3_is_read_as_nbformat_reads_it(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": ["a = 1\n", "b = 2"], "language": "python", "outputs": []}
    sheet = {"cells": [{**cell, "collapsed": False, "metadata": {}}], "metadata": {}}
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [sheet]}
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    assert subject(path, []).notebook == notebooks.Notebook(("a = 1\nb = 2",), 1, 1)


def test_a_notebook_whose_cells_have_no_ids_is_read_without_a_warning(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {}, "outputs": []}
    made = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": [{**cell, "execution_count": None}]}
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(made))
    assert subject(path, []).notebook == notebooks.Notebook(("a = 1\nb = 2",), 1, 1)


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(notebooks.MAX_BYTES + 1)


def text(content: str | bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (text(""), "is no notebook that nbformat can read: Notebook does not appear to be JSON"),
    "Python": (text("import numpy\n"), "is no notebook that nbformat can read: Notebook does not appear"),
    "a list": (text("[]"), "is no notebook that nbformat can read: "),
    "no cells": (text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}'), "can read: "),
    "of the future": (text('{"nbformat": 99, "metadata": {}}'), "can read: Unsupported nbformat version 99"),
    "deep": (text("[" * 100_000), "can read: maximum recursion depth exceeded"),
    "not UTF-8": (text(b"{\xff}"), "is no notebook: not text in UTF-8"),
    "no code": (write, "has no code cell with anything in it"),
    "half a character": (lambda p: write(p, "a = '?'") and p.write_text(p.read_text().replace("?", "\\ud800")), "cell 1 has half a character, which is no text"),
    "a pipe": (os.mkfifo, "can't be read: it is no regular file"),
    "a folder": (Path.mkdir, "can't be read: Is a directory"),
    "huge": (huge, f"can't be read: the file is larger than {notebooks.MAX_BYTES} bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_notebook_is_told_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "broken.ipynb"
    make(path)
    with pytest.raises(HarnessError) as caught:
        subject(path, [])
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message


def test_without_nbformat_the_sentence_says_what_gets_it(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nbformat", None)
    with pytest.raises(HarnessError) as caught:
        subject(mine, [])
    assert str(caught.value) == (
        f"{mine}: reading notebooks needs nbformat: {sys.executable} -m pip install nbformat"
    )


@pytest.mark.parametrize(
    ("file", "name"),
    [("My Notebook-2.ipynb", "My_Notebook_2"), ("2.layer (final).py", "2_layer__final_"), ("ä.py", "ä")],
)
def test_a_column_is_called_like_the_file_with_underscores_for_what_ids_have_not(
    tmp_path: Path, file: str, name: str
) -> None:
    path = tmp_path / file
    write(path, "a = 1") if file.endswith(".ipynb") else path.touch()
    assert subject(path, []).name == name


def test_two_subjects_of_one_name_are_refused_and_the_first_is_named(mine: Path) -> None:
    first = subject(mine, [])
    with pytest.raises(HarnessError, match=f'column "mine" is already that of {mine}; call the file somethi'):
        subject(Path(f"{mine}[1]"), [first])
    (mine.parent / "torch.py").touch()
    torch = [found for found in frameworks([shipped_adapters()]) if found.name == "torch"]
    with pytest.raises(HarnessError, match='column "torch" is already that of the framework in '):
        subject(mine.parent / "torch.py", torch)


def test_the_interpreter_of_a_subject_is_named_as_that_of_a_framework(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    column, here = subject(mine, []), mine.parent

    def found(given: dict[str, str] | None = None, ini: dict[str, str] | None = None) -> Any:
        return interpreters.interpreter_of(column, given or {}, ini or {}, here)

    assert found().argv == (sys.executable,)
    monkeypatch.setenv("HARNESS_MINE", "/bin/sh")
    assert found().argv == ("/bin/sh",)
    assert found({"mine": "/bin/cat"}).argv == ("/bin/cat",)
    monkeypatch.delenv("HARNESS_MINE")
    assert found(ini={"mine": "/bin/cat"}).argv == ("/bin/cat",)
    absent = found({"mine": "/nowhere/python"})
    assert isinstance(absent, interpreters.Absent)
    assert "/nowhere/python isn't an executable file" in str(absent)


@pytest.mark.parametrize("name", ["cache", "cache_size", "require"])
def test_a_variable_of_ours_names_no_interpreter(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HARNESS_{name.upper()}", "off")
    (tmp_path / f"{name}.py").touch()
    found = interpreters.interpreter_of(subject(tmp_path / f"{name}.py", []), {}, {}, tmp_path)
    assert isinstance(found, interpreters.Interpreter)
    assert found.argv == (sys.executable,)
