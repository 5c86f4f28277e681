"""`pytest`: what pytest adds to the engine for a cell, beside an empty test; and what `-n 2` costs.

What a cell costs is the slope between a small run and a large one, so that no start is counted.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from . import exact
from .measuring import Command, Figure, Options, present

REACH = 2.0
REACH_XDIST = 2.0
"""Seconds, and milliseconds a cell."""
QUIET = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--require=all")
ENGINE = ("-m", "gradient_conformance.benchmarks.figures.processes.engine_run")


def rows(options: Options) -> Iterator[Figure]:
    if not present(["torch"]):
        return
    large = options.count(1000, 100)
    small = max(exact.CELLS_PER_FILE, large // 10)
    roots = {cells: options.folder / f"pytest_{cells}" for cells in (small, large)}
    for cells, root in roots.items():
        exact.write(root, cells)
        empty = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(cells))
        (root / "test_empty.py").write_text(empty, encoding="utf-8")
    commands = {
        "pytest": (*QUIET, "cases", "--framework=torch"),
        "engine": (*ENGINE, "cases", "torch"),
        "empty": (*QUIET, "test_empty.py"),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    busy: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            less, more = (Command(root)(*command) for root in roots.values())
            taken[name].append((more.wall - less.wall) / (large - small) * 1e3)
            busy[name].append((more.cpu - less.cpu) / (large - small) * 1e3)
    added, added_busy = _less(taken["pytest"], taken["engine"]), _less(busy["pytest"], busy["engine"])
    yield Figure(f"pytest adds to a cell, {large} cells", added, "ms", REACH)
    yield Figure("  of processor", added_busy, "ms")
    yield Figure("  an empty test", taken["empty"], "ms")
    yield Figure("  a cell in the engine alone", taken["engine"], "ms")
    yield _xdist(roots[large], large, options)


def _less(whole: Sequence[float], part: Sequence[float]) -> list[float]:
    return [w - p for w, p in zip(whole, part, strict=True)]


def _xdist(root: Path, cells: int, options: Options) -> Figure:
    names = [framework.name for framework in present(options.frameworks)]
    command = (*QUIET, "cases", f"--framework={','.join(names)}")
    count, more = cells * len(names), []
    for _ in range(options.rounds):
        alone, spread = (Command(root)(*command, "-n", processes) for processes in ("0", "2"))
        for done in (alone, spread):
            if f"\n{count} passed in " not in done.output:
                raise SystemExit(f"not {count} passed:\n{done.output[-2000:]}")
        more.append(spread.wall - alone.wall)
    reach = REACH_XDIST + REACH_XDIST * count / 1e3
    note = f"-n 0 takes {alone.wall:.1f} s; {', '.join(names)}"
    return Figure(f"-n 2 more than -n 0, {count} cells", more, "s", reach, note)
