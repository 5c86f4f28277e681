"""`together`: the frameworks side by side against the slowest of them alone, with references cached.

Shapes seen before, and shapes that are new to every framework, for which JAX has to compile, are told apart.
"""

import functools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.plan import Cell

from . import mlps, running
from .measuring import Figure, Options, alternately, present, ratios, seconds

REACH = 1.15


def rows(options: Options) -> Iterator[Figure]:
    frameworks = present(options.frameworks)
    if not frameworks:
        return
    runs = Runs(frameworks, options)
    yield runs.seen()
    yield from runs.new()


class Runs:
    """Each framework alone, and all together, in turn."""

    def __init__(self, frameworks: Sequence[Framework], options: Options) -> None:
        self.frameworks, self.options = frameworks, options
        self.columns = [*([framework] for framework in frameworks), frameworks]
        self.file = options.folder / "run.jsonl"

    def seen(self) -> Figure:
        """Every cell has run before."""
        count = self.options.count(1000, 60)
        variants = mlps.variants(self.options.folder / "seen", mlps.seen(count // 2))
        cells = [list(mlps.cells(variants, column)) for column in self.columns]
        with closing(running.engine()) as engine:
            runs = [functools.partial(self._seconds, engine, chosen) for chosen in cells]
            alternately(1, *runs)
            taken = alternately(self.options.rounds, *runs)
            before = running.processors()
            self._seconds(engine, cells[-1])
            busy = sum(running.processors()) - sum(before)
        return self._figure(f"shapes seen before, {count} cells each", taken, busy)

    def new(self) -> Iterator[Figure]:
        """Every run has shapes of its own, which no framework has met; their references are known beforehand."""
        count, number = self.options.count(60, 6), 0
        warm = mlps.variants(self.options.folder / "warm", mlps.seen(1))
        taken: list[list[float]] = [[] for _ in self.columns]
        with closing(running.engine()) as engine:
            running.run(engine, list(mlps.cells(warm, self.frameworks)), self.file)
            for _ in range(self.options.rounds):
                for times, column in zip(taken, self.columns, strict=True):
                    fresh = mlps.new(count, number)
                    variants = mlps.variants(self.options.folder / "new", fresh, number * count)
                    cells = list(mlps.cells(variants, column, ["float32"]))
                    running.know(variants)
                    before, start = running.processors(), time.perf_counter()
                    compiling = running.run(engine, cells, self.file)
                    times.append(time.perf_counter() - start)
                    busy = sum(running.processors()) - sum(before)
                    number += 1
        yield self._figure(f"new shapes, {count} cells each", taken, busy)
        yield Figure("  compiling, of the last run of all", [compiling], "s")

    def _seconds(self, engine: Engine, cells: Sequence[Cell]) -> float:
        return seconds(lambda: running.run(engine, cells, self.file))

    def _figure(self, what: str, taken: Sequence[Sequence[float]], busy: float) -> Figure:
        """`busy`: the seconds of processor, host and workers, of the last run of all together."""
        *alone, together = taken
        medians = [statistics.median(times) for times in alone]
        slowest = max(range(len(medians)), key=medians.__getitem__)
        names = (f"{f.name} {median:.2f} s" for f, median in zip(self.frameworks, medians, strict=True))
        least = busy / (os.cpu_count() or 1) / medians[slowest]
        return Figure(
            what,
            ratios(together, alone[slowest]),
            reach=REACH,
            note=f"alone {', '.join(names)}; all the work spread over the cores would be {least:.2f} x",
        )
