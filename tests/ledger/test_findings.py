"""The page of findings is what the ledgers say."""

from pathlib import Path

import pytest
from gradient_conformance.harness.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"


def test_the_page_is_what_the_command_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deviations"]) == 0
    assert capsys.readouterr().out == PAGE.read_text()


def test_every_entry_stands_on_it() -> None:
    ledgers = (PAGE.parents[1] / "adapters").glob("*/deviations.toml")
    entries = sum(path.read_text().count("[[deviation]]") for path in ledgers)
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(("| `", "| no op"))]
    assert len(rows) == entries
