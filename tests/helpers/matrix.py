"""The matrix under pytest, with fakes in real worker processes: a folder with a tiny case, and what a run of it says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

FAKES = Path(__file__).parents[1] / "fakes"
TINY = """
title = "A tiny layer"
source = "A test of the harness"
program = '''
z = W @ x
a = sigmoid(z)
loss = sum(a * a)
'''
gradients = ["W", "x"]

[tensors]
W = { shape = [3, "k"], uniform = [-1, 1] }
x = { shape = ["k"], uniform = [-1, 1] }

[sweep]
k = [1, 2, 4]
"""
"""Six cells a framework; the faults of fakes strike where k is 2."""
LAYER = TINY.partition("\n[sweep]")[0].replace('"k"', "4")
"""The same without variants: two cells a framework."""
ENTRY = """
[[deviation]]
cell = "{cell}"
version = ">=1"
used = [1, {high}]
reason = "it is a fake"
evidence = "a test"
"""
"""An entry of a ledger."""

Runner = Callable[..., pytest.RunResult]


class Matrix:
    """A folder with a case, a copy of the fakes and an ini file that names both, in which pytest runs the matrix."""

    def __init__(self, path: Path, text: str = TINY, runner: Runner | None = None) -> None:
        self.path = path
        self.case = path / "cases" / "tiny" / "layer.toml"
        self.adapters = path / "fakes" / "adapters"
        self.record = path / "reports" / "run.jsonl"
        self._runner = runner
        shutil.copytree(FAKES, path / "fakes")
        self.case.parent.mkdir(parents=True)
        self.case.write_text(text)
        (path / "pytest.ini").write_text(
            "[pytest]\nharness_cases = cases\nharness_adapters = fakes/adapters\n"
        )

    def words(self, *frameworks: str, more: Sequence[object] = (), of: object = "cases") -> list[str]:
        """The arguments of pytest."""
        named = [f"--framework={name}" for name in frameworks]
        pythons = [f"--interpreter={name}={sys.executable}" for name in frameworks]
        words = [*map(str, (of, *named, *pythons, *more))]
        elsewhere = any(word.startswith(("--record", "--resume")) for word in words)
        return words if elsewhere else [*words, "--record=reports/run.jsonl"]

    def command(self, *frameworks: str, **given: Any) -> list[str]:
        """The same as a command."""
        return [sys.executable, "-m", "pytest", *self.words(*frameworks, **given)]

    def run(self, *frameworks: str, **given: Any) -> pytest.RunResult:
        """What pytest says: in a process of its own, or in this one where a runner was given that does so."""
        words = self.words(*frameworks, **given)
        if self._runner and "-n2" not in words:
            return self._runner(*words)
        return finished([sys.executable, "-m", "pytest", *words], self.path)

    def entries(self, framework: str, *cells: tuple[str, float]) -> Path:
        """Write the ledger of a fake: patterns of cells, each with the highest `used`."""
        ledger = self.adapters / framework / "deviations.toml"
        ledger.write_text("".join(ENTRY.format(cell=cell, high=high) for cell, high in cells))
        return ledger

    def cells(self, record: Path | None = None) -> dict[str, dict[str, Any]]:
        """The lines of the cells by what stands behind the case in their ids, also of a run that was interrupted."""
        return {line["cell"].partition("::")[2]: line for line in cell_lines(record or self.record)}

    def verdicts(self, record: Path | None = None) -> dict[str, str]:
        return {name: line["verdict"] for name, line in self.cells(record).items()}


def finished(command: Sequence[str], folder: Path, timeout: float = 300) -> pytest.RunResult:
    """A command that has run in a folder, to be asked as one that pytester ran."""
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_REQUIRE"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )
    return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), 0)


def said(outcome: pytest.RunResult) -> str:
    """All that a run has printed."""
    return outcome.stdout.str() + outcome.stderr.str()


def cell_lines(record: Path) -> Iterator[dict[str, Any]]:
    if record.exists():
        yield from (json.loads(line) for line in record.read_text().splitlines() if '"kind":"cell"' in line)


def lasting(record: Path) -> list[str]:
    """A run's cells, sorted, without what can't be the same twice: times, and the folder of their arrays."""
    alike = {"seconds": 0, "compiling": 0}
    return sorted(
        json.dumps({**line, **alike, "arrays": line["arrays"] and Path(line["arrays"]).name})
        for line in cell_lines(record)
    )


def cut(record: Path, cells: int) -> None:
    """Leave of a run file what was there when so many cells were done."""
    lines = record.read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"kind":"header"' in line or '"kind":"about"' in line]
    record.write_text("".join(kept + [line for line in lines if '"kind":"cell"' in line][:cells]))


def change_header(record: Path, **changes: object) -> None:
    """The run file, as another version of the rules would have written it."""
    first, *others = record.read_text().splitlines(keepends=True)
    record.write_text("".join([json.dumps({**json.loads(first), **changes}) + "\n", *others]))
