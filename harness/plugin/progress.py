"""How far a run is: cells done of each framework, and the time left.

On a terminal it is a bar a framework below everything else, and takes the place of pytest's dots; elsewhere, as in a
CI log, it is a line now and then between them.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

EVERY = 15.0
"""Seconds between two lines."""


class Shown(Protocol):
    """Somebody who shows progress."""

    def advance(self, framework: str) -> None:
        """One more cell of this framework is done."""

    def close(self) -> None:
        """Nothing more is done."""


class Bars:
    """A bar a framework, at the bottom of a terminal."""

    def __init__(self, console: Console, totals: Mapping[str, int]) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
        self._all = self._progress.add_task("cells", total=sum(totals.values()))
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(f"  {name}", total=total) for name, total in totals.items()
        }
        self._progress.start()

    def advance(self, framework: str) -> None:
        self._progress.advance(self._all)
        self._progress.advance(self._tasks[framework])

    def close(self) -> None:
        self._progress.stop()


class Lines:
    """A line every some seconds."""

    def __init__(self, write: Callable[[str], None], totals: Mapping[str, int], every: float = EVERY) -> None:
        self._write, self._totals, self._every = write, totals, every
        self._done: Counter[str] = Counter()
        self._began = self._told = time.monotonic()

    def advance(self, framework: str) -> None:
        self._done[framework] += 1
        now = time.monotonic()
        if now - self._told >= self._every:
            self._told = now
            self._write(self._line(now - self._began))

    def close(self) -> None:
        """The table at the end tells the rest."""

    def _line(self, seconds: float) -> str:
        done, total = self._done.total(), sum(self._totals.values())
        left = timedelta(seconds=round(seconds * (total - done) / done))
        each = ", ".join(f"{name} {self._done[name]}/{of}" for name, of in self._totals.items())
        return f"{done} of {total} cells ({each}), about {left} left"
