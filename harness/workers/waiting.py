"""Waiting for a worker's answer: it is said for what, after a while and then ever more seldom, and it ends."""

import time
from collections.abc import Callable
from concurrent import futures

from ..errors import HarnessError
from .answer import Answer
from .lane import Lane
from .sharing.lanes import Lanes
from .window import Request

TICK = 0.5
"""Seconds after which whoever waits looks whether there is still something to wait for."""
LONG_START, LONG_ANSWER = 10.0, 30.0
"""Seconds of waiting for a start, or for an answer, after which it is said; then after twice as many."""

Say = Callable[[str], None]


class Seldom:
    """Says how far something is after a while, and then ever more seldom."""

    def __init__(self, say: Say | None, after: float = LONG_START) -> None:
        self._say, self._after, self._begun = say, after, time.monotonic()

    def __call__(self, text: str) -> None:
        waited = time.monotonic() - self._begun
        if self._say is not None and waited >= self._after:
            self._say(f"{text} ({waited:.0f} s)")
            self._after *= 2


def answer_of(lanes: Lanes, request: Request, cell: str, say: Say | None) -> Answer:
    """The answer, when it is there. Raises what stands for it, or HarnessError where nobody lives who could give it."""
    begun = time.monotonic()
    starting, after = True, LONG_START
    while not request.future.done():
        lane = lanes.demand(request)
        if not lane.lives and not request.future.done():
            raise HarnessError(f"{cell}: nobody is left who could run it; run it again")
        if starting != lane.workers.starting:
            starting, begun = lane.workers.starting, time.monotonic()
            after = LONG_START if starting else LONG_ANSWER
        waited = time.monotonic() - begun
        if waited >= after and say is not None:
            say(_told(lane, cell, waited))
            after *= 2
        futures.wait([request.future], TICK)
    return request.future.result()


def _told(lane: Lane, cell: str, waited: float) -> str:
    name, workers = lane.framework.name, lane.workers
    if workers.starting:
        most = f"at most {workers.start_timeout:g} s: --start-timeout"
        return f"waiting for {name} to start for {waited:.0f} s ({most})"
    most = f"at most {workers.cell_timeout:g} s: --cell-timeout"
    return f"waiting for {name}'s answer to {cell} for {waited:.0f} s ({most})"
