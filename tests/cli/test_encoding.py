"""What a command writes is whole in any locale."""

import io
import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import msgspec
import pytest
from gradient_conformance.harness.cli import main
from runs import a_run, write


@pytest.fixture
def run_file(here):
    run = a_run()
    cells = tuple(msgspec.structs.replace(cell, message=f"größer — {cell.message}") for cell in run.cells)
    return write(here / "läuft.jsonl", replace(run, cells=cells))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["report", "läuft.jsonl", "--json", "-"], json.loads),
        (["report", "läuft.jsonl", "--junit", "-"], ET.fromstring),
        (["report", "läuft.jsonl", "--markdown", "-"], str),
        (["merge", "läuft.jsonl", "--record", "größe.jsonl"], str),
        (["diff", "läuft.jsonl", "nö.jsonl"], str),
        (["check", "nö"], str),
    ],
)
def test_what_a_command_writes_needs_no_locale(run_file, monkeypatch, words, read, encoding):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    status = main(words)
    told = b""
    for stream in streams.values():
        stream.flush()
        told += stream.buffer.getvalue()
    assert status == (2 if "nö" in " ".join(words) else 0)
    assert "ö" in str(read(told.decode())) or read is ET.fromstring
