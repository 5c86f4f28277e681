"""How many workers each framework has: as many as may work at once are dealt out by the work that is left.

Some frameworks answer a cell in a millisecond, one compiles for a second: how long their cells take is known only once
they have answered some. Each has a worker in any case, and one that has next to nothing to do takes no core from others.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

from .limits import available

TOLD = 8
"""Answers by which is known how long others take; the first is not among them, for which a framework makes itself ready."""


class Pace:
    """How long a framework's answers take."""

    def __init__(self) -> None:
        self._seconds, self._answers = 0.0, -1

    def add(self, seconds: float) -> None:
        """One more answer has taken so long."""
        self._answers += 1
        self._seconds += seconds if self._answers else 0.0

    @property
    def seconds(self) -> float | None:
        """The mean; None while that is not known."""
        return self._seconds / self._answers if self._answers >= TOLD else None


class Work(Protocol):
    """A framework, as those see it who deal out workers."""

    @property
    def waiting(self) -> int:
        """Requests that no lane has yet."""

    @property
    def pace(self) -> "Pace":
        """How long its answers take."""


class Shares:
    """So many workers in all, and the frameworks among which they are dealt out."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._of: list[Work] = []
        self._lock = threading.Lock()
        self._scarce, self._said = "", False

    def add(self, framework: Work) -> None:
        with self._lock:
            self._of.append(framework)

    def of(self, framework: Work) -> int:
        """The workers that are dealt to this framework, as much work as each has left now.

        Where nobody knows how long cells take, they are held to be as long as the longest.
        """
        with self._lock:
            known = list(self._of)
        paces = [other.pace.seconds for other in known]
        longest = max((pace for pace in paces if pace is not None), default=0.0)
        left = [
            other.waiting * (longest if pace is None else pace)
            for other, pace in zip(known, paces, strict=True)
        ]
        return dealt(left, self.workers)[known.index(framework)]

    def have_room(self, name: str, size: int) -> bool:
        """Whether there is memory for so many bytes more; where there isn't, `scarcity` tells it."""
        free = available()
        if free is None or size <= free:
            return True
        with self._lock:
            if not self._said:
                self._said = True
                self._scarce = (
                    f"{name} gets no worker more: it may take {size >> 20} MiB of memory, "
                    f"{free >> 20} MiB are free; --workers={self.workers} bounds their number"
                )
        return False

    def scarcity(self) -> str:
        """Which framework first got no worker more for want of memory; told once, otherwise empty."""
        with self._lock:
            told, self._scarce = self._scarce, ""
        return told


def dealt(work: Sequence[float], workers: int) -> list[int]:
    """Workers one by one to where one more has the most to do (D'Hondt's method)."""
    given = [0] * len(work)
    for _ in range(workers):
        given[max(range(len(work)), key=lambda i: work[i] / (given[i] + 1))] += 1
    return given
