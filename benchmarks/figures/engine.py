"""`engine`: cells of one framework through the engine, against a bare loop of the same calls in its interpreter."""

import functools
import gc
import statistics
from collections.abc import Iterator
from contextlib import closing

from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.plan import Cell

from . import mlps, profiling, running
from .bare import bare
from .measuring import Figure, Options, alternately, present, ratios, seconds

REACH = {"torch": 1.5}
REACH_SLOWER = 1.1
SIZES = {"small": mlps.LARGER, "tiny": mlps.FAMILIES}


def rows(options: Options) -> Iterator[Figure]:
    count = options.count(1000, 60)
    for size, families in SIZES.items():
        variants = mlps.variants(options.folder / size, mlps.seen(count // 2, families))
        running.know(variants)
        gc.freeze()  # as the plugin does once all is collected
        with closing(running.engine()) as engine:
            for framework in present(options.frameworks):
                cells = list(mlps.cells(variants, [framework]))
                yield from _framework(engine, framework, size, cells, options)


def _framework(
    engine: Engine, framework: Framework, size: str, cells: list[Cell], options: Options
) -> Iterator[Figure]:
    file, count = options.folder / "run.jsonl", len(cells)

    def through() -> float:
        return seconds(lambda: running.run(engine, cells, file))

    with bare(cells, options.folder / "cells.npz") as loop:
        alternately(1, through, loop.seconds)  # starts the worker, compiles, fills the cache
        before = running.processors(loop)
        ours, theirs = alternately(options.rounds, through, loop.seconds)
        after = running.processors(loop)
    host, worker, alone = ((b - a) / options.rounds / count * 1e3 for a, b in zip(before, after, strict=True))
    wall = (statistics.median(times) / count * 1e3 for times in (ours, theirs))
    yield Figure(
        f"{framework.name} {loop.about['version']}, {count} {size} MLPs",
        ratios(ours, theirs),
        reach=REACH.get(framework.name, REACH_SLOWER),
        note="{:.3f} ms a cell, bare {:.3f}; processor: host {:.3f}, worker {:.3f}, bare {:.3f}".format(
            *wall, host, worker, alone
        ),
    )
    if options.profile:
        fresh = running.engine()
        run = functools.partial(running.run, fresh, cells, file)
        profiling.host(run, run, fresh.close, count)
