"""Cells through the engine, as the plugin runs them but without pytest: judged and recorded."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import DEVIATIONS
from gradient_conformance.harness.ledger.reading import load as load_ledger
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references import cache
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.run.provenance import header as record_header
from gradient_conformance.harness.run.writing import RunWriter
from gradient_conformance.harness.verdict import Verdict

from .measuring import Loop, busy, interpreter_of, known_frameworks


def engine() -> Engine:
    """An engine with the shipped ledgers and the cache of references. The caller closes it."""
    frameworks = known_frameworks().values()
    ledgers = {f.name: load_ledger(f.folder / DEVIATIONS, f.name) for f in frameworks}
    return Engine(interpreter_of, ledgers, cache=cache.given())


def run(
    made: Engine, cells: Sequence[Cell], file: Path, done: Callable[[int], object] = lambda _: None
) -> float:
    """Run, judge and record; the seconds that frameworks say they spent compiling.

    Every cell must agree, or what was timed is not what is meant. `done` is told how many cells are finished.
    """
    compiling = 0.0
    names = sorted({cell.framework.name for cell in cells})
    header = record_header(harness="", roots=[], command=[], frameworks=names)
    with RunWriter(file, header) as writer:
        made.submit(cells)
        for number, cell in enumerate(cells, 1):
            line = made.result(cell)
            if line.verdict is not Verdict.AGREE:
                raise SystemExit(f"{line.verdict}  {line.cell}\n{line.message}")
            writer.cell(line)
            compiling += line.compiling
            done(number)
        writer.footer(len(cells))
    return compiling


def know(variants: Iterable[Variant]) -> None:
    """Work out references beforehand, without asking a framework."""
    known = cache.given()
    for variant in variants:
        VariantReference(variant, known).single()


def processors(beside: Loop | None = None) -> list[float]:
    """Seconds of processor so far: of this process, of its workers, and of a loop beside them."""
    here = psutil.Process()
    loops = [] if beside is None else [psutil.Process(beside.pid)]
    workers = [child for child in here.children(recursive=True) if child not in loops]
    return [busy(here), sum(map(busy, workers)), *map(busy, loops)]
