"""One framework's lanes, and who of them gets what: families of requests, each to a lane that is short of work.

A lane more is made when what it would take over outweighs the start of its worker. It takes nothing before that has
started, so that one that doesn't start costs nothing, and no answer depends on how many there are.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...frameworks.found import Framework
from ..answer import Answer
from ..lane import Lane
from ..process import require_posix
from ..succession import Abouts, Find, Succession
from ..window import HELD, Request
from ..worker import CELL_TIMEOUT, START_TIMEOUT
from .families import Families
from .shares import Pace, Shares

GROWTH = 2
"""How many times as much memory a worker may come to take as it has when it has started."""


class Lanes:
    """The lanes of one framework and the requests that none of them has yet."""

    def __init__(
        self,
        framework: Framework,
        find: Find,
        shares: Shares,
        cell_timeout: float = CELL_TIMEOUT,
        start_timeout: float = START_TIMEOUT,
        compiled: Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """`about`: what workers told by whom earlier cells of the run were answered.

        Raises HarnessError on a system that has no workers.
        """
        require_posix()
        self.framework, self.abouts = framework, Abouts(about)
        self._find = find
        self._timeouts, self._compiled, self._shares = (cell_timeout, start_timeout), compiled, shares
        self._lock = threading.Lock()
        self._families = Families()
        self._lane_of: dict[Request, Lane] = {}
        self.pace = Pace()
        self._closing = self._full = False
        self._ended: set[Lane] = set()
        with self._lock:  # the lane asks at once
            self.lanes = [self._lane()]
        shares.add(self)

    def _lane(self, *, additional: bool = False) -> Lane:
        """A lane; an additional one has the interpreter of the first, which is not looked for again."""
        known = self.lanes[0].workers.interpreter if additional else None
        find = self._find if known is None else (lambda: known)
        workers = Succession(self.framework, find, self._compiled, self.abouts, *self._timeouts)
        return Lane(workers, self, HELD // self._shares.workers, additional=additional)

    @property
    def waiting(self) -> int:
        """Requests that no lane has yet."""
        return self._families.count

    def submit(self, requests: Iterable[Request]) -> None:
        """Queue requests behind those that wait, for whichever lane is short of work."""
        with self._lock:
            self._families.put(requests)
            lanes = list(self.lanes)
        for lane in lanes:
            lane.submit(())
        self._leave_none_behind()

    def at_once(self, request: Request) -> None:
        """Send an urgent request before all others, by the lane that has the least to do."""
        with self._lock:
            lane = self._lane_of[request] = self._idlest()
        lane.submit([request])

    def demand(self, request: Request) -> Lane:
        """Somebody waits for this request: it goes before those that nobody waits for. The lane that has it."""

        def family() -> Iterator[Request]:
            """Its family, if no lane has it: the lane holds its own lock meanwhile, and so takes no other."""
            with self._lock:
                pulled = [] if request in self._lane_of else self._families.pull(request)
                self._lane_of.update(dict.fromkeys(pulled, idlest))
            yield from pulled

        with self._lock:
            lane, idlest = self._lane_of.get(request), self._idlest()
        if lane is None:
            idlest.submit(family())
            with self._lock:
                lane = self._lane_of.get(request, idlest)
        lane.demand(request)
        return lane

    def judged(self, request: Request) -> None:
        """An answer has been used: its lane may go on by one."""
        with self._lock:
            lane = self._lane_of.pop(request, None)
        if lane is not None:
            lane.judged(request)

    def close(self) -> None:
        """Kill all workers; whoever still waits for an answer gets an error."""
        with self._lock:
            self._closing = True
            lanes = list(self.lanes)
        for lane in lanes:
            lane.close()
        self._leave_none_behind()

    def _idlest(self) -> Lane:
        """Of the lanes that have a worker the one with the least to do; the first where none has."""
        ready = [lane for lane in self.lanes if lane.lives and lane.workers.is_ready]
        return min(ready, key=lambda lane: lane.load, default=self.lanes[0])

    def _leave_none_behind(self) -> None:
        """Where no lane lives, one that has ended says so of each request."""
        with self._lock:
            over = all(lane in self._ended or not lane.lives for lane in self.lanes)
            left = self._families.all() if over else []
            self._lane_of.update(dict.fromkeys(left, self.lanes[0]))
        if left:
            self.lanes[0].submit(left)

    # What lanes ask, each from its own thread, which holds its own lock: nothing here waits for a lane's

    def more(self, lane: Lane) -> list[Request]:
        """What a lane is to send that could send more than it has."""
        with self._lock:
            if lane.workers.given_up and any(other.workers.is_ready for other in self.lanes):
                return []
            found = self._families.take(lane.load, len(self.lanes))
            self._lane_of.update(dict.fromkeys(found, lane))
        return found

    def answered(self, answer: Answer) -> None:
        """A worker has answered: now it is better known whether a lane more pays."""
        with self._lock:
            if answer.verdict is None:
                self.pace.add(answer.seconds)
            while self._pays_more() and len(self.lanes) < self._shares.of(self) and self._fits_more():
                self.lanes.append(self._lane(additional=True))

    def _pays_more(self) -> bool:
        """Whether what one lane more would take over outweighs its start."""
        each = self.pace.seconds
        if self._closing or self._full or each is None or len(self.lanes) >= self._shares.workers:
            return False
        return self.waiting * each / (len(self.lanes) + 1) > self.lanes[0].workers.start_seconds

    def _fits_more(self) -> bool:
        """Whether there is memory for one more, beside those that are still starting."""
        starting = sum(not lane.workers.is_ready for lane in self.lanes)
        size = GROWTH * self.lanes[0].workers.memory * (starting + 1)
        self._full = not self._shares.have_room(self.framework.name, size)
        return not self._full

    def ended(self, lane: Lane) -> None:
        """A lane takes nothing any more. Where it is not the first there is no room for others."""
        with self._lock:
            self._ended.add(lane)
            if lane is not self.lanes[0]:
                self._full = True
                self.lanes.remove(lane)
        self._leave_none_behind()
