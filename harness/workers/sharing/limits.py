"""What bounds the number of workers: the cores that this process may use, and the memory that is free."""

import contextlib
import os
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""The group of a container that has a limit of its own sees it here (cgroup v2)."""


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available() -> int | None:
    """Bytes of memory that can be had without swapping; None where the system doesn't tell."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        if match := re.search(r"^MemAvailable: +(\d+) kB$", MEMINFO.read_text(), re.MULTILINE):
            found.append(int(match[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max", where there is no limit
        most = int((CGROUP / "memory.max").read_text())
        found.append(max(0, most - int((CGROUP / "memory.current").read_text())))
    return min(found, default=None)
