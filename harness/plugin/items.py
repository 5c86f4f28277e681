"""pytest's items: a case file, its cells, the numbers it prints, the ledger."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..case.variant import Case
from ..errors import HarnessError
from ..plan import Cell
from ..report.failure import repeat, text
from ..run import shard
from ..run.lines import CellLine
from ..run.writing import encode
from ..truth.printed import check_variant
from ..verdict import Verdict
from .session import ABOUT, CELL, Matrix, matrix_of

QUICK = "quick"
"""Marks the cells of few variants that call every op of their case file: a look at everything in a fraction of the time."""


def quick_variants(case: Case) -> Iterator[str]:
    """The ids of the first variant, and of those that call an op which none before them calls."""
    called = set[str]()
    for variant in case.variants:
        ops = {node.op for node in variant.program.nodes}
        if not ops <= called:
            called |= ops
            yield variant.id


class CaseFile(pytest.File):
    """A case file; a mistake in it is one message."""

    def __init__(self, *, root: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = root

    def collect(self) -> Iterator[pytest.Item]:
        matrix = matrix_of(self.config)
        case = matrix.library.load(self.path, self.root)
        for variant in case.variants:
            if any(expect.applies(variant) for expect in case.expects):
                name = f"{variant.id}-reference" if variant.id else "reference"
                yield ExpectItem.from_parent(self, name=name, case=case, variant=variant)
        quick = set(quick_variants(case))
        for cell in matrix.cells(case):
            item = CellItem.from_parent(self, name=cell.parts.name, cell=cell)
            if cell.variant.id in quick:
                item.add_marker(QUICK)
            yield item

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class Failed(Exception):
    """A cell that failed; its text is all there is to say."""


class _Item(pytest.Item):
    unit: str
    """What decides on the item's shard (harness/plugin/shards.py)."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Failed | HarnessError | pytest.xfail.Exception):
            return str(excinfo.value)  # a traceback of our own says nothing, and takes longer than most cells
        return super().repr_failure(excinfo, style)


class ExpectItem(_Item):
    """The reference against numbers that are printed elsewhere."""

    def __init__(self, *, case: Case, variant: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case, self.variant = case, variant
        self.unit = shard.unit(case.name, variant.id)
        self.extra_keyword_matches.add(f"{case.name}::{self.name}")

    def runtest(self) -> None:
        if failures := check_variant(self.variant, self.case.expects):
            raise Failed("\n".join(failure.message for failure in failures))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.case.name}::{self.name}"


class CellItem(_Item):
    """One cell of the matrix."""

    def __init__(self, *, cell: Cell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.unit = shard.unit(cell.case, cell.variant.id)
        self.extra_keyword_matches.add(cell.id)

    def runtest(self) -> None:
        matrix = matrix_of(self.config)
        line = matrix.recorded.get(self.cell.id) or self.run(matrix)
        self.conclude(line, required=matrix.requires(self.cell.framework.name))

    def run(self, matrix: Matrix) -> CellLine:
        """Run the cell; its line is handed to whoever writes the run file."""
        engine, name = matrix.engine_for(self.cell, self.selected), self.cell.framework.name
        line = engine.result(self.cell)
        told = [(CELL, encode(line).decode())]
        if about := engine.about(name):
            told.insert(0, (ABOUT, json.dumps([name, about])))  # no cell is on disk without what it stands on
        others = [own for own in self.user_properties if own[0] not in (ABOUT, CELL)]
        self.user_properties[:] = [*others, *told]  # a plugin may run it again
        return line

    def selected(self) -> Iterator[Cell]:
        """Every selected cell of the session."""
        return (item.cell for item in self.session.items if isinstance(item, CellItem))

    def conclude(self, line: CellLine, *, required: bool) -> None:
        match line.verdict.outcome(required=required):
            case "skipped":
                pytest.skip(f"{line.verdict}: {line.message}")
            case "xfailed":
                pytest.xfail(line.message)
            case "failed":
                file = os.path.relpath(self.path, self.config.invocation_params.dir)
                raise Failed(text(line, repeat(line, file, matrix_of(self.config).carried)))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.cell.id


class LedgerItem(_Item):
    """Ledger entries that match nothing: they outlived their reason, or never had one. `unasked`: why others may."""

    def __init__(self, *, messages: Sequence[str], unasked: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.messages, self.unasked = messages, unasked
        self.unit = self.name

    def runtest(self) -> None:
        if not self.messages:
            pytest.skip(self.unasked)
        raise Failed("\n".join(f"{Verdict.STALE}  {message}" for message in self.messages))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.config.rootpath, None, self.name


class Refused(_Item):
    """In place of everything, where a worker of xdist finds that nothing can be run: an error there would break pytest."""

    def __init__(self, *, message: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.message = message
        self.unit = self.name

    def runtest(self) -> None:
        raise Failed(self.message)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.config.rootpath, None, self.name
