"""Time that grows with the size of what is read, and not faster."""

import gc
import time
from collections.abc import Callable
from typing import Any

TIMES = 4
"""How many times as large the second input is."""

FLOOR = 0.005
"""Seconds below which a clock says nothing."""


def grows_straight(make: Callable[[int], Any], read: Callable[[Any], object], size: int) -> bool:
    """Whether an input of four times the size takes at most twice as long by its size; what grows by the square takes 16.

    At best of several times, without Python's search for garbage: that goes through all that other tests left.
    """
    short, long = make(size), make(TIMES * size)
    gc.disable()
    try:
        for _ in range(4):
            if seconds(read, long) < 2 * TIMES * max(seconds(read, short), FLOOR):
                return True
    finally:
        gc.enable()
    return False


def seconds(read: Callable[[Any], object], given: Any) -> float:
    """Processor time, at best of two."""

    def once() -> float:
        start = time.process_time()
        read(given)
        return time.process_time() - start

    return min(once(), once())
