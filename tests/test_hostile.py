"""Run files, ledgers, messages and kept arrays by somebody who means harm: our own errors, soon, and bounded."""

import errno
import io
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.ledger.entries import MAX_PATTERN, LedgerError
from gradient_conformance.harness.ledger.reading import load
from gradient_conformance.harness.run import arrays
from gradient_conformance.harness.run.arrays import ArraysUnreadable
from gradient_conformance.harness.run.lines import CellLine, NotARun, RunError
from gradient_conformance.harness.run.provenance import header as record_header
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.run.writing import RunWriter
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.harness.workers.answer import read_answer
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.process import LONGEST_LINE
from gradient_conformance.harness.workers.wire import MAGIC, Nonsense, read_frame

SECONDS = 5.0


@contextmanager
def soon() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


# Run files


def run(folder: Path) -> Path:
    """A run of one cell."""
    path = folder / "run.jsonl"
    header = record_header(harness="0", roots=[], command=[], frameworks=["torch"])
    with RunWriter(path, header) as writer:
        writer.about("torch", {"version": "1"})
        cell = CellLine(
            cell="a::float32-torch-eager", case="a", variant="", dtype="float32", framework="torch", mode="eager",
            verdict=Verdict.ERRORED, used=None, relative=None, tensors=[], seconds=0.5, message="MESSAGE",
        )  # fmt: skip
        writer.cell(cell)
        writer.footer(1)
    return path


RUNS: dict[str, tuple[str, str, str]] = {
    "nested": ('"version":"1"', '"version":' + "[" * 5_000 + "]" * 5_000, ":2: "),
    "nested a little": (
        '"version":"1"',
        '"version":' + "[" * 101 + "]" * 101,
        ":2: nested too deeply; at most 100 levels;",
    ),
    "nested without end": ('"version":"1"', '"version":' + "[" * 500_000, ":2: "),
    "nested header": ('"python":"', '"python":' + "[" * 5_000 + ',"x":"', ":1: "),
    "NaN": ('"seconds":0.5', '"seconds":NaN', ":3: not JSON: "),
    "Infinity": ('"seconds":0.5', '"seconds":Infinity', ":3: not JSON: "),
    "1e999": ('"seconds":0.5', '"seconds":1e999', ":3: "),
    "digits": ('"version":"1"', '"version":1' + "0" * 5_000, ":2: "),
    "digits for a number": ('"seconds":0.5', '"seconds":1' + "0" * 5_000, ":3: "),
    "text for a number": ('"seconds":0.5', '"seconds":"0.5"', ":3: "),
    "truth for a number": ('"seconds":0.5', '"seconds":true', ":3: "),
    "no UTF-8": ("MESSAGE", "\udcff", ":3: not JSON: "),
    "half a character": ("MESSAGE", "\\ud800", ":3: not JSON: "),
    "nul": ("MESSAGE", "\0", ":3: not JSON: "),
    "another id": ('"cell":"a::float32-torch-eager"', '"cell":"a"', "is not that of its own case, variant"),
    "an id in two ways": ('"variant":""', '"variant":"float64"', "is not that of its own case, variant"),
    "a case outside": ("a::", "../a::", "a case's name can't have a part '..'"),
    "a case too long": ("a::", "a" * 201 + "::", "a case's name can't have 201 characters"),
    "dtype": ("float32", "float31", "dtype is 'float31'; allowed are float32, float64"),
    "mode": ("eager", "::", ":3: "),
    "a date": ('"started":"2', '"started":"9999', ":1: "),
    "no K": ('"K":8', '"K":0', r":1: Expected `float` > 0"),
    "negative seconds": ('"seconds":0.5', '"seconds":-1', ":3: Expected `float` >= 0"),
    "seconds of ages": ('"seconds":0.5', '"seconds":1e308', ":3: Expected `float` <= "),
    "a text of no end": ("MESSAGE", "m" * 1_000_001, ":3: Expected `str` of length <= 1000000"),
    "too many cells claimed": ('"cells":1', '"cells":1000000000000', "1000000000000 cells, counted 1"),
    "negative cells": ('"cells":1', '"cells":-1', ":4: Expected `int` >= 0"),
}


@pytest.mark.parametrize(("old", "new", "message"), RUNS.values(), ids=RUNS)
def test_a_hostile_run_file_is_refused_soon(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = run(tmp_path)
    content = path.read_text()
    assert old in content
    content = content.replace(old, new)
    if old == "a::":
        content = content.replace('"case":"a"', f'"case":"{new[:-2]}"')
    path.write_text(content, errors="surrogateescape")
    with soon(), pytest.raises(RunError, match=message):
        read_run(path)


def test_a_line_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is longer than what may be read of a line, on paper: it has a hole."""
    path = run(tmp_path)
    with path.open("r+b") as stream:
        stream.truncate(2**40)
    with soon(), pytest.raises(NotARun, match=r"run\.jsonl:5: a line of more than 67108864 bytes"):
        read_run(path)


def test_a_pipe_a_device_and_a_folder_are_no_runs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with (
            soon(),
            pytest.raises(
                NotARun, match=r"can't read it: (it is no regular file|" + os.strerror(errno.EISDIR) + ")"
            ),
        ):
            read_run(path)


def test_a_key_twice_counts_as_its_last(tmp_path: Path) -> None:
    """As every reader of JSON has it, and the totals are held to it."""
    path = run(tmp_path)
    path.write_text(path.read_text().replace('"cells":1', '"cells":7,"cells":1'))
    assert len(read_run(path).cells) == 1


# Ledgers

ENTRY = """[[deviation]]
cell = "a-float32-torch-eager"
version = ">=1"
used = [1, 2]
reason = "r"
evidence = "e"
"""

LEDGERS: dict[str, tuple[str, str, str]] = {
    "nested": ("[1, 2]", "[" * 5_000, "nested too deeply"),
    "dotted": ("evidence", "evidence" + ".a" * 300_000, "a dotted key may have|A dotted key may have"),
    "integer": ("[1, 2]", "[0, 0x" + "f" * 9_000 + "]", "too large to print"),
    "integer for a text": ('"r"', "0x" + "f" * 9_000, "too large to print"),
    "pattern": ('"a-float32', '"' + "*a" * 2_000 + "-float32", f"at most {MAX_PATTERN} characters"),
    "open sets": ('"a-float32', '"' + "[a" * 200_000, "at most 1000 characters"),
    "version": ('">=1"', '"' + ">=1," * 1_000 + '"', "at most 200 characters"),
    "digits in a version": ('">=1"', '"==' + "1" * 5_000 + '"', "at most 200 characters"),
    "no version": ('">=1"', '">=one"', "PEP 440"),
    "since": ('"e"', '"e"\nsince = "' + "1" * 5_000 + '"', "must be a date"),
    "steers the terminal": ('"a-float32', '"\\u001b[31m[', r"cell = '\\x1b\[31m\["),
    "size": ('"r"', '"' + "r" * 1_000_000 + '"', "larger than 1000000 bytes"),
    "nul": ('"r"', '"\0"', "not TOML"),
    "byte order mark": ("[[deviation]]", "\ufeff[[deviation]]", "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "message"), LEDGERS.values(), ids=LEDGERS)
def test_a_hostile_ledger_is_refused_soon(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "deviations.toml"
    assert old in ENTRY
    path.write_text(ENTRY.replace(old, new))
    with soon(), pytest.raises(LedgerError, match=message) as caught:
        load(path, "torch")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 499 + "b", "*?" * 499, "[!a]" * 250, "*[a-z]" * 166, "[z-a]*", "[b-a-c]", "[]]", "[\\\\]"],
)
def test_a_pattern_of_any_kind_is_matched_soon(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "deviations.toml"
    path.write_text(ENTRY.replace("a-float32-torch-eager", pattern))
    (entry,) = load(path, "torch").entries
    with soon():
        for cell in ("a" * 500 + "-float32-torch-eager", "b-float32-torch-eager"):
            assert entry.concerns(cell, "float32") in (True, False)


def test_a_ledger_of_many_entries_is_read_soon(tmp_path: Path) -> None:
    path = tmp_path / "deviations.toml"
    path.write_text(ENTRY * 4_000)
    with soon():
        assert len(load(path, "torch").entries) == 4_000


def test_a_pipe_is_no_ledger(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "deviations.toml")
    with soon(), pytest.raises(LedgerError, match="no regular file"):
        load(tmp_path / "deviations.toml", "torch")


# Messages of workers

SPEC: dict[str, Any] = {"role": "value", "name": "y", "step": None, "dtype": "float64", "shape": [1]}
ASKED = Asked({("value", "y"): (1,)})
DONE = {"type": "done", "id": 1, "seconds": 0.5}


def reader(data: bytes) -> Callable[[int], bytes]:
    stream = io.BytesIO(data)

    def read(size: int) -> bytes:
        got = stream.read(size)
        if len(got) < size:
            raise EOFError
        return got

    return read


def two_lines(header: dict[str, Any]) -> bytes:
    shared = {"arrays": header["arrays"]} if "arrays" in header else {}
    own = {name: value for name, value in header.items() if name not in shared}
    return json.dumps(own).encode() + b"\n" + json.dumps(shared).encode()


def message(header: bytes | dict[str, Any], payload: bytes = b"") -> bytes:
    text = two_lines(header) if isinstance(header, dict) else header
    return struct.pack("<4sIQ", MAGIC, len(text), len(payload)) + text + payload


def refused(data: bytes) -> str:
    with soon(), pytest.raises(Nonsense) as caught:
        read_answer(read_frame(reader(data), ASKED), 1)
    text = str(caught.value)
    assert len(text) < 200_000
    text.encode()
    return text


SPECS = {
    "step true": {"step": True}, "step negative": {"step": -1}, "step huge": {"step": 10**30}, "step float": {"step": 1.0}, "step text": {"step": "1"},
    "shape float": {"shape": [1.0]}, "shape negative": {"shape": [-1]}, "shape true": {"shape": [True]}, "shape text": {"shape": "1"},
    "shape overflows": {"shape": [2**62, 4]}, "shape is empty and overflows": {"shape": [0, 2**62, 2**62]}, "too many dimensions": {"shape": [1] * 100},
    "dtype object": {"dtype": "object"}, "dtype void": {"dtype": "V8"}, "dtype text": {"dtype": "<U2"}, "dtype list": {"dtype": ["float64"]}, "dtype of a record": {"dtype": "f8,f8"},
    "name long": {"name": "y" * 1_000_000}, "name steers": {"name": "\x1b[31m"}, "name half a character": {"name": "\ud800"}, "name number": {"name": 1}, "role steers": {"role": "value\n"},
    "role none": {"role": None},
}  # fmt: skip


@pytest.mark.parametrize("change", SPECS.values(), ids=SPECS)
def test_an_array_described_amiss_is_nonsense(change: dict[str, Any]) -> None:
    empty = change.get("shape") == [0, 2**62, 2**62]
    refused(message({**DONE, "arrays": [{**SPEC, **change}]}, b"" if empty else bytes(8)))


HEADERS = {
    "digits": b'{"x": 1' + b"0" * 5_000 + b"}", "NaN": b'{"id": 1, "type": "done", "seconds": NaN}', "infinite": b'{"id": 1, "type": "done", "seconds": 1e999}',
    "nested": b'{"id": 1, "type": "unsupported", "op": "x", "reason": ' + b"[" * 900 + b"]" * 900 + b"}", "nested without end": b'{"x": ' + b"[" * 100_000,
    "nested arrays": b'{"id": 1, "type": "done", "seconds": 0.5, "arrays": ' + b"[" * 900 + b"]" * 900 + b"}",
    "names": b'{"id": 1, "type": "done", "seconds": 1.0, "compiling": 0.0, "changed": [' + b'"x",' * 200_000 + b'"x"]}', "key": b'{"id": 1, "' + b"k" * 1_000_000 + b'": 1}', "no UTF-8": b'{"x": "\xff"}',
    "another encoding": '{"id": 1, "type": "raised", "error": "x"}'.encode("utf-16"), "an identity as text": b'{"id": "1", "type": "raised", "error": "x"}',
    "no identity": b'{"type": "raised", "error": "x"}', "another identity": b'{"id": 1, "id": 2, "type": "raised", "error": "x"}', "a list": b"[]", "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_of_anything_else_is_nonsense(header: bytes) -> None:
    refused(message(header))


def test_a_header_of_millions_of_arrays_is_not_read() -> None:
    header = b'{"id": 1, "type": "done", "seconds": 0.5, "arrays": [' + b"[]," * 3_000_000 + b"[]]}"
    assert "more in it than any answer" in refused(message(header))


@pytest.mark.parametrize("claimed", [(ASKED.most_header + 1, 0), (2**32 - 1, 0), (0, 2**63), (2, 2**64 - 1)])
def test_lengths_that_no_message_has_are_nonsense_before_anything_is_read(claimed: tuple[int, int]) -> None:
    refused(struct.pack("<4sIQ", MAGIC, *claimed) + b"{}")


def test_a_message_for_which_there_is_no_memory_is_nonsense() -> None:
    def read(size: int) -> bytes:
        if size > 100:
            raise MemoryError
        return frame(size)

    frame = reader(struct.pack("<4sIQ", MAGIC, 2, 2**32) + b"{}")
    with pytest.raises(Nonsense, match="claims 2 \\+ 4294967296 bytes: no room"):
        read_frame(read, Asked({("value", "y"): (2**29,)}))


def test_of_a_long_traceback_begin_and_end_are_kept() -> None:
    header = {"id": 1, "type": "raised", "error": "BEGIN" + "x" * 10_000_000 + "END"}
    with soon():
        answer = read_answer(read_frame(reader(message(header)), ASKED), 1)
    assert (answer.verdict, answer.message[:5], answer.message[-3:]) == (Verdict.ERRORED, "BEGIN", "END")
    assert "characters more" in answer.message
    assert len(answer.message) < LONGEST_LINE + 100


def test_half_a_character_is_nonsense_since_workers_send_none() -> None:
    with pytest.raises(Nonsense, match="not JSON"):
        read_frame(reader(message({"id": 1, "type": "raised", "error": "\udcff.py"})), ASKED)


# Kept arrays


def npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def archive(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as stream:
        for name, data in members:
            with stream.open(
                zipfile.ZipInfo(name) if compression == zipfile.ZIP_STORED else name, "w"
            ) as member:
                member.write(data)
    return path


NOISE = npy(np.random.default_rng(0).random(1_000))
LYING = npy(np.zeros(3)).replace(b"(3,)", b"(9,)")
KEPT = {
    "bomb": ([("/value/y.npy", npy(np.zeros(100_000)))], zipfile.ZIP_DEFLATED, "larger than the file"),
    "compressed": ([("/value/y.npy", NOISE)], zipfile.ZIP_BZIP2, "is compressed"),
    "pickle": ([("/value/y.npy", npy(np.array([1, None])))], zipfile.ZIP_STORED, "isn't the array"),
    "text": ([("/value/y.npy", npy(np.array(["x"])))], zipfile.ZIP_STORED, "header cannot be read"),
    "complex": ([("/value/y.npy", npy(np.zeros(3, complex)))], zipfile.ZIP_STORED, "isn't the array"),
    "more than there is": ([("/value/y.npy", LYING)], zipfile.ZIP_STORED, "isn't the array"),
    "no array": ([("/value/y.npy", b"hello")], zipfile.ZIP_STORED, "does not begin as"),
    "no name": ([("y.npy", npy(np.zeros(3)))], zipfile.ZIP_STORED, "can't read kept arrays: "),
    "no step": ([("one/value/y.npy", npy(np.zeros(3)))], zipfile.ZIP_STORED, "can't read kept arrays: "),
}


@pytest.mark.parametrize(("members", "compression", "message"), KEPT.values(), ids=KEPT)
def test_hostile_kept_arrays_are_refused_unread(
    tmp_path: Path, members: list[tuple[str, bytes]], compression: int, message: str
) -> None:
    path = archive(tmp_path / "x.npz", *members, compression=compression)
    with soon(), pytest.raises(ArraysUnreadable, match=message):
        arrays.load(path, None)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_member_twice_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.npz", *[("/value/y.npy", npy(np.zeros(3)))] * 2)
    with pytest.raises(ArraysUnreadable, match="members overlap"):
        arrays.load(path, None)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A directory of thousands of entries, all of which lead to the same megabyte."""
    path = archive(tmp_path / "x.npz", ("/value/y.npy", npy(np.zeros(100_000))))
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[start:end]
    entries = b"".join(entry.replace(b"/value/y.npy", b"/value/%05d"[:7] + b"%05d" % i) for i in range(1_000))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1_000, 1_000, len(entries), start, 0)
    path.write_bytes(data[:start] + entries + tail)
    with soon(), pytest.raises(ArraysUnreadable, match="members overlap"):
        arrays.load(path, None)


def test_a_pipe_and_a_lone_array_are_no_kept_arrays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "x.npz").write_bytes(npy(np.zeros(3)))
    for name in ("pipe.npz", "x.npz"):
        with soon(), pytest.raises(ArraysUnreadable):
            arrays.load(tmp_path / name, None)
