"""The requests of a framework that no lane has yet, in their order, a family at a time."""

import itertools
from collections import deque
from collections.abc import Iterable
from operator import attrgetter

from ..window import WINDOW, Request

LARGEST, SMALLEST = 32, 8
"""Requests of one family that a lane takes at most, while there are many, and when few are left.

What a longer family saves in compiling is less than what the lanes without it would wait.
"""
FEWEST = 2
"""Requests that a lane may have even when hardly any are left: one is at work, the next is on its way."""


class Families:
    """Runs of requests of one family; whoever uses them holds the lock."""

    def __init__(self) -> None:
        self._waiting: deque[list[Request]] = deque()
        self.count = 0
        """Requests that wait."""

    def put(self, requests: Iterable[Request]) -> None:
        """Behind those that wait; a family is what follows each other."""
        for _, family in itertools.groupby(requests, key=attrgetter("family")):
            self._waiting.append(list(family))
            self.count += len(self._waiting[-1])

    def take(self, load: int, lanes: int) -> list[Request]:
        """The next families for one of so many lanes, which has `load` requests already.

        The fewer are left the fewer it gets, so that all lanes come to the end together.
        """
        share = self.count // (2 * lanes) if lanes > 1 else self.count
        most, piece = min(max(share, FEWEST), WINDOW), min(max(share, SMALLEST), LARGEST)
        found: list[Request] = []
        while self._waiting and load + len(found) < most:
            family = self._waiting.popleft()
            if len(family) > piece:
                self._waiting.appendleft(family[piece:])
            found += family[:piece]
        self.count -= len(found)
        return found

    def pull(self, request: Request) -> list[Request]:
        """The family of this request, from it on, and those behind it become the next; nothing where it isn't here."""
        for place, family in enumerate(self._waiting):
            if request in family:
                self._waiting.rotate(-place)
                self._waiting.popleft()
                here = family.index(request)
                if here:
                    self._waiting.append(family[:here])
                self.count -= len(family) - here
                return family[here:]
        return []

    def all(self) -> list[Request]:
        """All that wait, which then wait no longer."""
        found = [request for family in self._waiting for request in family]
        self._waiting.clear()
        self.count = 0
        return found
