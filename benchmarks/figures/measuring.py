"""Ratios measured side by side: A B A B ..., the median of the ratios, and how far they spread.

A machine that others use changes its speed from minute to minute. What is compared is therefore run alternately, and
each ratio is of two neighbours in time.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from gradient_conformance.harness.frameworks import interpreters
from gradient_conformance.harness.frameworks.found import (
    REQUIREMENTS,
    Framework,
    frameworks,
    shipped_adapters,
)
from gradient_conformance.harness.workers.process import ENVIRONMENT

SLOW_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Set where an old OpenBLAS (MXNet's NumPy) does not know the processor; they slow a new one."""


os.environ.setdefault("TOX_WORK_DIR", str(Path(__file__).parents[2] / ".tox"))
"""Where frameworks are found, for the processes that are started here too."""


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, what is to be reached, and each measurement of it."""

    what: str
    measured: Sequence[float]
    unit: str = "x"
    reach: float | None = None
    note: str = ""
    least: float | None = None
    """What is to be reached where more is better."""

    @property
    def median(self) -> float:
        return statistics.median(self.measured)

    def __str__(self) -> str:
        low, high = min(self.measured), max(self.measured)
        spread = f"({low:.3g}-{high:.3g})" if len(self.measured) > 1 else ""
        reach = "" if self.reach is None else f"<= {self.reach:g} {self.unit}"
        over = "over" if self.reach is not None and self.median > self.reach else ""
        if self.least is not None:
            reach = f">= {self.least:g} {self.unit}"
            over = "below" if self.median < self.least else ""
        number = f"{self.median:.3g} {self.unit}"
        return f"  {self.what:<42} {reach:<11} {number:>11} {spread:<17} {over:<5}  {self.note}".rstrip()


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    cells: int | None
    rounds: int
    quick: bool
    profile: bool
    folder: Path
    """For whatever a row writes; gone afterwards."""
    frameworks: Sequence[str] | None = None
    """Only these; None: all that have an interpreter."""

    def count(self, usual: int, quick: int) -> int:
        """How many cells a row takes: as many as were asked for, or as is usual for it."""
        return self.cells or (quick if self.quick else usual)


def alternately(rounds: int, *runs: Callable[[], float]) -> list[list[float]]:
    """The seconds of each run, round by round."""
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for times, run in zip(taken, runs, strict=True):
            times.append(run())
    return taken


@dataclass(frozen=True)
class Done:
    """A process that has ended: seconds by the clock and of the processor (with its children), and its output."""

    wall: float
    cpu: float
    output: str


UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Settings of some containers that would compile every module anew in each process, and write each line by itself."""


@dataclass(frozen=True)
class Command:
    """Runs Python in a folder, as a process of its own."""

    folder: Path
    first_on_path: Path | None = None
    allowed: tuple[int, ...] = (0,)

    def __call__(self, *arguments: str) -> Done:
        environ = {name: value for name, value in os.environ.items() if name not in UNUSUAL}
        if self.first_on_path is not None:
            paths = [str(self.first_on_path), environ.get("PYTHONPATH", "")]
            environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        before, start = _processor(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        wall, cpu = time.perf_counter() - start, _processor() - before
        if done.returncode not in self.allowed:
            told = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise SystemExit(f"{' '.join(arguments)} ended with exit code {done.returncode}\n{told}")
        return Done(wall, cpu, done.stdout)


def _processor() -> float:
    """Seconds of processor of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ratios(above: Iterable[float], below: Iterable[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


def seconds(run: Callable[[], object]) -> float:
    """What the clock says that a call took."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def known_frameworks() -> dict[str, Framework]:
    """The shipped adapters by name."""
    return {framework.name: framework for framework in frameworks([shipped_adapters()])}


def interpreter_of(framework: Framework) -> interpreters.Interpreter | interpreters.Absent:
    """Where a framework is found, as the matrix finds it."""
    return interpreters.find(
        framework.name,
        option=None,
        ini={},
        requirements=framework.folder / REQUIREMENTS,
        environ=os.environ,
        toxworkdir=Path(os.environ["TOX_WORK_DIR"]),
    )


def present(names: Iterable[str] | None = None) -> list[Framework]:
    """The frameworks that have an interpreter here."""
    found = [f for f in known_frameworks().values() if names is None or f.name in names]
    return [f for f in found if isinstance(interpreter_of(f), interpreters.Interpreter)]


@dataclass
class Loop:
    """A script of another interpreter which runs its loop whenever it is told to, and answers how long it took."""

    argv: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=lambda: {**os.environ, **ENVIRONMENT})
    about: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environ, text=True
        )
        self.about = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def seconds(self) -> float:
        """Run the loop once more."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.argv)} ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def loop(run: Callable[[], object], about: Mapping[str, Any]) -> None:
    """The other side of a Loop that runs in this interpreter."""
    print(json.dumps(about), flush=True)
    while input_line():
        print(json.dumps({"seconds": seconds(run)}), flush=True)


def input_line() -> bool:
    try:
        input()
    except EOFError:
        return False
    return True


def busy(process: psutil.Process) -> float:
    """Seconds of processor that a process has taken."""
    times = process.cpu_times()
    return float(times.user + times.system)
