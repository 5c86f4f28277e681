"""`workers`: several workers of one framework against one, on cells that only sleep and on cells that only compute.

The adapter is made for it: it answers rightly at once, then waits, or counts. What is timed begins when the workers have
started, which is told apart. References are known beforehand.
"""

import functools
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.plan import Cell, Selection, cells
from gradient_conformance.harness.references import cache

from . import running
from .measuring import Figure, Options, alternately, ratios, seconds

ADAPTER = """
import time

import numpy as np

MODES = ("eager",)
OPS = {{"square": lambda x: x * x, "sum": lambda x: x.sum()}}
setup = lambda threads, seed: None
to_native = to_numpy = np.asarray

def about():
    return {{"framework": "fake", "version": "1"}}

def differentiate(task, inputs):
    {takes}
    x = inputs["x"]
    return {{"loss": np.sum(x * x)}}, {{"x": 2 * x}}
"""
SLEEPS = "time.sleep(0.05)"
COMPUTES = "sum(range(2_000_000))"
CASE = """
title = "Squares"
source = "benchmarks"
program = "loss = sum(x ** 2)"
gradients = ["x"]
dtypes = ["float64"]

[tensors]
x = {{ shape = ["k"], uniform = [-1, 1] }}

[sweep]
k = {sizes}
"""


@dataclass(frozen=True)
class Kind:
    """Cells that take their time in one way, and with how many workers they have to be how many times as fast."""

    name: str
    takes: str
    workers: int
    least: float
    cells: int


KINDS = (
    Kind("sleeping cells of 50 ms", SLEEPS, 16, 12.0, 320),
    Kind("computing cells", COMPUTES, 2, 1.7, 80),
)


def rows(options: Options) -> Iterator[Figure]:
    for kind in KINDS:
        yield from faster(kind, options)


def faster(kind: Kind, options: Options) -> Iterator[Figure]:
    """How many times as fast several workers are as one, and what it took until they had all started."""
    chosen = fakes(options.folder / kind.name.replace(" ", "_"), kind.takes, options.count(kind.cells, 64))
    running.know(cell.variant for cell in chosen)
    with closing(engine(1)) as one, closing(engine(kind.workers)) as several:
        run = functools.partial(_run, chosen, options)
        starting = [seconds(functools.partial(run, made)) for made in (one, several)]
        alone, together = alternately(
            options.rounds,
            *(functools.partial(seconds, functools.partial(run, made)) for made in (one, several)),
        )
    note = f"1 worker {min(alone):.2f} s, {kind.workers} workers {min(together):.2f} s; with their starts {starting[0]:.2f} s, {starting[1]:.2f} s"
    what = f"{kind.workers} workers, {len(chosen)} {kind.name}"
    yield Figure(what, ratios(alone, together), least=kind.least, note=note)


def _run(chosen: list[Cell], options: Options, made: Engine) -> None:
    running.run(made, chosen, options.folder / "run.jsonl")


def engine(workers: int) -> Engine:
    here = Interpreter((sys.executable,), "this one")
    return Engine(lambda _: here, {}, cache=cache.given(), workers=workers)


def fakes(folder: Path, takes: str, count: int) -> list[Cell]:
    """So many cells, each a family of its own, of an adapter that takes its time like this."""
    adapter, case = folder / "fake" / "adapter.py", folder / "cases" / "squares.toml"
    for file, text in (
        (adapter, ADAPTER.format(takes=takes)),
        (case, CASE.format(sizes=list(range(1, count + 1)))),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
    return list(cells(load(case, case.parent).variants, [framework("fake", adapter)], Selection()))
