"""`memory`: resident memory of the host and of every worker while a run goes on.

Compared is the largest of the run's second half with the largest of its first, without the start: caches that are
bounded rise and fall.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import psutil
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.plan import Cell

from . import mlps, running
from .measuring import Figure, Options, interpreter_of, present

REACH = 1.05
SAMPLES = 20
START = 2
"""Of the samples: while the caches fill."""
COMPILING = ("jax", "tensorflow")
TINY = mlps.Mlp(2, 4, 4, "tanh", "mse", features=4)


def rows(options: Options) -> Iterator[Figure]:
    frameworks = present(options.frameworks)
    if not frameworks:
        return
    count = options.count(10_000, 200)
    variants = mlps.variants(options.folder / "memory", [TINY] * (count // 2))
    cells = list(mlps.cells(variants, frameworks))
    yield from _flat(f"shapes seen before, {count} cells each", frameworks, cells, options)
    count = max(SAMPLES, count // 25)
    fresh = [replace(mlp, layers=2) for mlp in mlps.new(count, 0)]
    variants = mlps.variants(options.folder / "memory_new", fresh)
    for framework in (f for f in frameworks if f.name in COMPILING):
        cells = list(mlps.cells(variants, [framework], ["float32"]))
        yield from _flat(f"new shapes, {count} cells", [framework], cells, options)


def _flat(
    what: str, frameworks: Sequence[Framework], cells: Sequence[Cell], options: Options
) -> Iterator[Figure]:
    """A line for the host and for each worker."""
    samples: dict[str, list[float]] = {}
    every = len(cells) // SAMPLES
    with closing(running.engine()) as engine:

        def sample(number: int) -> None:
            if number % every == 0:
                for name, megabytes in resident(frameworks).items():
                    samples.setdefault(name, []).append(megabytes)

        running.run(engine, cells, options.folder / "run.jsonl", sample)
    for name, found in samples.items():
        first, second = max(found[START : SAMPLES // 2]), max(found[SAMPLES // 2 :])
        note = f"{found[0]:.0f}, at 20 % {found[SAMPLES // 5 - 1]:.0f}, at the end {found[-1]:.0f}, at most {max(found):.0f} MB"
        yield Figure(f"{name}, {what}", [second / first], "x", REACH, note)


def resident(frameworks: Sequence[Framework]) -> Mapping[str, float]:
    """MB of this process and of each framework's worker."""
    here = psutil.Process()
    found = {"host": here}
    commands = {f.name: interpreter_of(f) for f in frameworks}
    for child in here.children():
        for name, interpreter in commands.items():
            if isinstance(interpreter, Interpreter) and child.cmdline()[: len(interpreter.argv)] == [
                *interpreter.argv
            ]:
                found[name] = child
    return {name: process.memory_info().rss / 2**20 for name, process in found.items()}
