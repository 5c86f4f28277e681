"""How many workers each framework has: as many as may work at once are dealt out by the work that is left.

Some frameworks answer a cell in a millisecond, one compiles for a second: how long their cells take is known only once
they have answered some. Each has a worker in any case, and one that has next to nothing to do takes no core from others.
"""

import threading
from collections.abc import Sequence
from typing import Protocol


class Work(Protocol):
    """A framework, as those see it who deal out workers."""

    @property
    def waiting(self) -> int:
        """Requests that no lane has yet."""

    @property
    def pace(self) -> float | None:
        """Seconds that an answer takes; None while that is not known."""


class Shares:
    """So many workers in all, and the frameworks among which they are dealt out."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._of: list[Work] = []
        self._lock = threading.Lock()

    def add(self, framework: Work) -> None:
        with self._lock:
            self._of.append(framework)

    def of(self, framework: Work) -> int:
        """The workers that are dealt to this framework, as much work as each has left now.

        Where nobody knows how long cells take, they are held to be as long as the longest.
        """
        with self._lock:
            known = list(self._of)
        longest = max((other.pace or 0.0 for other in known), default=0.0)
        left = [other.waiting * (longest if other.pace is None else other.pace) for other in known]
        return dealt(left, self.workers)[known.index(framework)]


def dealt(work: Sequence[float], workers: int) -> list[int]:
    """Workers one by one to where one more has the most to do (D'Hondt's method)."""
    given = [0] * len(work)
    for _ in range(workers):
        given[max(range(len(work)), key=lambda i: work[i] / (given[i] + 1))] += 1
    return given
