"""Where the host's time goes for a cell: processor time of each of its threads, by function."""

import cProfile
import pstats
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHOWN = 14
ROOT = Path(__file__).parents[2]


def host(
    warm: Callable[[], object], run: Callable[[], object], end: Callable[[], object], cells: int
) -> None:
    """Print the functions that take most of `run`, in microseconds a cell; `warm` starts the threads, `end` ends them.

    A profile makes short functions look dearer than they are; it shows where to look, not how much there is.
    """
    profiles: dict[str, cProfile.Profile] = {}
    measuring = threading.Event()

    def begin(*_: Any) -> None:
        if measuring.is_set():
            profile = profiles[threading.current_thread().name] = cProfile.Profile(time.thread_time)
            profile.enable()

    threading.setprofile(begin)
    warm()
    threading.setprofile(None)
    measuring.set()
    with cProfile.Profile(time.thread_time) as profiles["main"]:
        run()
    end()  # a call that has not returned would be timed by this thread's clock
    for name, profile in profiles.items():
        _show(name, pstats.Stats(profile), cells)


def _show(thread: str, stats: pstats.Stats, cells: int) -> None:
    found = sorted(stats.stats.items(), key=lambda item: -item[1][3])  # type: ignore[attr-defined]
    print(f"    thread {thread}: {stats.total_tt / cells * 1e6:.0f} us a cell")  # type: ignore[attr-defined]
    for (file, line, function), (_, calls, own, whole, _) in found[:SHOWN]:
        path = Path(file)
        place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        where = "" if file == "~" else f"{place}:{line} "
        numbers = f"{whole / cells * 1e6:8.0f} {own / cells * 1e6:8.0f} {calls / cells:7.1f}"
        print(f"      {numbers}  {where}{function}")
