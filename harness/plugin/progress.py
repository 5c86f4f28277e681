"""How far a run is: cells done of each framework, and the time left.

On a terminal it is a bar a framework below everything else, and takes the place of pytest's dots; elsewhere, as in a
CI log, it is a line now and then between them.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from ..reading.text import count_of

EVERY = 15.0
"""Seconds between two lines."""

LAST = 200
"""Cells by whose pace the time left is told."""


class Shown(Protocol):
    """Somebody who shows progress."""

    def advance(self, framework: str) -> None:
        """One more cell of this framework is done."""

    def close(self) -> None:
        """Nothing more is done."""


class Pace:
    """Who hasn't answered yet, and how long the rest takes by the pace of the last cells.

    Until every framework has answered, nobody knows how long: some load within a second, some within a minute.
    """

    def __init__(self, totals: Mapping[str, int]) -> None:
        self.starting = [name for name, total in totals.items() if total]
        self._remaining = sum(totals.values())
        self._times: deque[float] = deque(maxlen=LAST)

    def advance(self, framework: str, now: float) -> None:
        self._remaining -= 1
        if framework in self.starting:
            self.starting.remove(framework)
        if not self.starting:
            self._times.append(now)

    def told(self) -> str:
        """`jax, mxnet starting`, `about 0:00:21 left`, or nothing where nobody knows."""
        if self.starting:
            return f"{', '.join(self.starting)} starting"
        if len(self._times) < 2:
            return ""
        each = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        return f"about {timedelta(seconds=round(each * self._remaining))} left"


class Bars:
    """A bar a framework, at the bottom of a terminal."""

    def __init__(self, console: Console, totals: Mapping[str, int]) -> None:
        self._pace = Pace(totals)
        told = TextColumn("{task.fields[told]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), told)
        self._progress = Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
        self._all = self._progress.add_task("cells", total=sum(totals.values()), told="")
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(f"  {name}", total=total, told="starting")
            for name, total in totals.items()
        }
        self._progress.start()

    def advance(self, framework: str) -> None:
        self._pace.advance(framework, time.monotonic())
        told = "" if self._pace.starting else self._pace.told()
        self._progress.update(self._all, advance=1, told=told)
        self._progress.update(self._tasks[framework], advance=1, told="")

    def close(self) -> None:
        self._progress.stop()


class Lines:
    """A line every some seconds."""

    def __init__(self, write: Callable[[str], None], totals: Mapping[str, int], every: float = EVERY) -> None:
        self._write, self._totals, self._every, self._pace = write, totals, every, Pace(totals)
        self._done: Counter[str] = Counter()
        self._told = time.monotonic()
        write(f"{count_of(sum(totals.values()), 'cell')}, {self._pace.told()}")

    def advance(self, framework: str) -> None:
        self._done[framework] += 1
        now = time.monotonic()
        self._pace.advance(framework, now)
        if now - self._told >= self._every:
            self._told = now
            self._write(self._line())

    def close(self) -> None:
        """The table at the end tells the rest."""

    def _line(self) -> str:
        done, total = self._done.total(), sum(self._totals.values())
        each = ", ".join(f"{name} {self._done[name]}/{of}" for name, of in self._totals.items())
        told = self._pace.told()
        return f"{done} of {count_of(total, 'cell')} ({each})" + f", {told}" * bool(told)
