"""Adapters and subjects as they are found: read once, told by a digest, and in a sentence where they are none."""

import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.frameworks import found
from gradient_conformance.harness.frameworks.found import frameworks, shipped_adapters, subject
from gradient_conformance.harness.run.lines import GROUNDS
from gradient_conformance.harness.workers.worker import Worker
from least import ADAPTER

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes files as POSIX has them")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapters" / "mine" / "adapter.py"
    path.parent.mkdir(parents=True)
    path.write_text(ADAPTER)
    return path


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**30)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "can't be read: it is no regular file"),
    "a folder": (Path.mkdir, "can't be read: Is a directory"),
    "a gigabyte": (huge, "can't be read: the file is larger than 10000000 bytes"),
}
NO_TEXT: dict[str, tuple[bytes, str]] = {
    "not UTF-8": (b"MODES = ('\xff',)\n", "is no Python: not text in UTF-8"),
    "a null byte": (b"MODES = ('eager',)\0\n", "is no Python: source code string cannot contain null bytes"),
    "nested without end": (b"MODES = " + b"-" * 200_000 + b"1\n", "is no Python: "),
    "half a word": (b"MODES = ('eager'\n", "adapter.py:1: is no Python: "),
}


@pytest.mark.parametrize(("make", "words"), STRANGE.values(), ids=STRANGE)
def test_an_adapter_or_a_subject_that_is_no_file_of_text_is_told_in_a_sentence(
    adapter: Path, make: Callable[[Path], object], words: str
) -> None:
    adapter.unlink()
    mine = adapter.with_name("mine.py")
    for path in (adapter, mine):
        make(path)
    for act in (lambda: frameworks([adapter.parents[1]]), lambda: subject(mine, [])):
        with pytest.raises(HarnessError) as caught:
            act()
        assert words in str(caught.value)


@pytest.mark.parametrize(("data", "words"), NO_TEXT.values(), ids=NO_TEXT)
def test_an_adapter_that_is_no_python_is_told_in_a_sentence(adapter: Path, data: bytes, words: str) -> None:
    adapter.write_bytes(data)
    with pytest.raises(HarnessError) as caught:
        frameworks([adapter.parents[1]])
    assert words in str(caught.value)


def test_the_content_tells_adapter_worker_and_subject(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content() -> str:
        [framework] = frameworks([adapter.parents[1]])
        return framework.content

    first = content()
    assert content() == first
    assert len(first) == 12
    adapter.write_text(f"{ADAPTER}# and more\n")
    assert content() != first
    adapter.write_text(ADAPTER)
    monkeypatch.setattr(found, "worker_sources", lambda: (b"another worker",))
    assert content() != first
    monkeypatch.undo()
    assert content() == first
    mine = tmp_path / "own.py"
    mine.write_text("x = 1\n")
    before = subject(mine, []).content
    mine.write_text("x = 2\n")
    assert subject(mine, []).content != before


def test_the_text_whose_modes_are_read_is_the_one_that_is_sent(adapter: Path) -> None:
    [framework] = frameworks([adapter.parents[1]])
    adapter.write_text(ADAPTER.replace('"version": "1"', '"version": "2"'))
    worker = Worker([sys.executable])
    try:
        assert worker.hello(framework)["version"] == "1"
    finally:
        worker.stop()


def test_the_workers_modules_are_read_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    told = found.worker_sources()
    monkeypatch.setattr(found, "shipped_adapters", lambda: Path("/nowhere"))
    assert found.worker_sources() is told


def test_the_shipped_frameworks_have_contents_of_their_own() -> None:
    contents = [framework.content for framework in frameworks([shipped_adapters()])]
    assert len(set(contents)) == len(contents) == 4


@pytest.mark.parametrize("name", sorted(path.parent.name for path in shipped_adapters().glob("*/adapter.py")))
def test_all_that_a_shipped_adapter_tells_of_itself_is_held_in_common_within_a_run(name):
    """It tells what its numbers rest on, and nothing that may differ from one of its workers to the next."""
    source = (shipped_adapters() / name / "adapter.py").read_text()
    (about,) = (n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == "about")
    (told,) = (n.value for n in ast.walk(about) if isinstance(n, ast.Return))
    keys = {ast.literal_eval(key) for key in told.keys}
    assert keys >= {"framework", "version", "device"}
    assert keys <= GROUNDS
