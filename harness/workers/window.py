"""Requests on their way: which waits, which is with the worker, whose answer is not judged, and who is owed one."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .answer import Answer
from .asked import Asked
from .wire import Sent

WINDOW = 16
"""Requests that a worker may have."""
BATCH = 8
"""Requests that are sent together: the threads of host and lanes then seldom wait for each other."""
AHEAD = 64
"""Cells whose answers may wait to be judged."""
HELD = 256 * 2**20
"""Bytes of answers that wait to be judged, or are to come, from which on no more are asked for."""


Message = tuple[dict[str, Any], list[Sent], bytes, Asked]
"""A request without its number: the header's own part, the arrays, the header's shared line, what it asks for."""


@dataclass(eq=False)
class Request:
    """One message to a worker, built when its turn comes."""

    build: Callable[[], Message]
    family: Hashable = None
    """What its worker compiles serves others of this family too."""
    future: "Future[Answer]" = field(default_factory=Future)
    urgent: bool = False
    """Somebody waits for it: it goes at once, however many answers wait to be judged."""
    sent: bool = False
    size: int = 0
    """Bytes of its answer: as asked for, until it is there."""
    number: int = field(default_factory=itertools.count(1).__next__)


class Window:
    """The requests of a lane in their order; whoever uses it holds the lane's lock."""

    def __init__(self, most_held: int = HELD) -> None:
        """`most_held`: bytes of answers that are not judged, from which on no more are asked for."""
        self.flying: deque[Request] = deque()
        """Those that the worker has, in the order of its answers."""
        self._most_held = most_held
        self._pending: deque[Request] = deque()
        self._ahead: set[Request] = set()
        """Those that were sent and whose answers are not judged."""
        self._sending = False

    @property
    def load(self) -> int:
        """How many are here that have no answer."""
        return len(self._pending) + len(self.flying)

    def is_short(self, *, full: bool) -> bool:
        """Whether more could be sent than waits here."""
        return not self._pending and self._has_room(full=full)

    def put(self, request: Request) -> None:
        """Behind those that wait; an urgent one before them."""
        (self._pending.appendleft if request.urgent else self._pending.append)(request)

    def demand(self, request: Request) -> None:
        """If it has not been sent it is the next, and those behind it follow.

        What it overtakes waits at the end: perhaps nobody asks for it, nor for the answers that were passed over.
        """
        if request in self._pending:
            self._pending.rotate(-self._pending.index(request))
            request.urgent = True
            self._ahead.intersection_update(self.flying)

    def judged(self, request: Request) -> bool:
        """Whether there is room for a batch again, now that this answer has been used."""
        full = self._held >= self._most_held
        self._ahead.discard(request)
        return len(self._ahead) == AHEAD - BATCH or full

    def next(self, *, full: bool) -> Request | None:
        """The request to send now. An urgent one goes at once, others from when there is room for a batch until it is `full`."""
        if not self._pending or not (self._pending[0].urgent or self._has_room(full=full)):
            return None
        request = self._pending.popleft()
        request.sent = True
        if not request.urgent:
            self._ahead.add(request)
        return request

    def _has_room(self, *, full: bool) -> bool:
        room = min(WINDOW - len(self.flying), AHEAD - len(self._ahead))
        full = full or self._held >= self._most_held
        self._sending = room > 0 and not full and (self._sending or room >= BATCH or not self.flying)
        return self._sending

    @property
    def _held(self) -> int:
        return sum(request.size for request in self._ahead)

    def send_again(self) -> None:
        """What the worker had waits for its successor."""
        for request in reversed(self.flying):
            request.sent = False
            self._ahead.discard(request)
            self._pending.appendleft(request)
        self.flying.clear()


class Promises:
    """Requests that are owed an answer, and get one in any case: that of the worker, or what is said at the end."""

    def __init__(self) -> None:
        self._open: set[Request] = set()
        self._end: Answer | Exception | None = None
        self._lock = threading.Lock()

    def give(self, request: Request) -> None:
        """From now on the request is owed an answer; after the end it has it."""
        with self._lock:
            self._open.add(request)
            end = self._end
        if end is not None:
            self.keep(request, end)

    def keep(self, request: Request, answer: Answer | Exception) -> None:
        """Hand an answer over, or what is raised in its place; only the first counts."""
        with self._lock:
            if request not in self._open:
                return
            self._open.remove(request)
        if isinstance(answer, Exception):
            request.future.set_exception(answer)
        else:
            request.future.set_result(answer)

    def end(self, answer: Answer | Exception) -> None:
        """What all others get, now and from now on; the first end counts."""
        with self._lock:
            self._end = end = self._end or answer
            left = list(self._open)
        for request in left:
            self.keep(request, end)
