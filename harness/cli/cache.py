"""`harness cache`: what is kept from one run to the next, and how to be rid of it."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import HarnessError
from ..references import cache
from .common import command

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
WHAT = {cache.REFERENCES: "references with their tolerances", cache.COMPILED: "what frameworks have compiled"}


def add(commands: Any) -> None:
    text = "show where references of earlier runs are kept, how many and how large; or remove them"
    made = command(commands, "cache", run, text)
    made.add_argument("--clear", action="store_true", help="remove everything that the harness keeps there")


def run(arguments: argparse.Namespace) -> int:
    """Show the cache, or clear it."""
    root = cache.folder()
    if root is None:
        print(f"the cache is off: {cache.FOLDER} is empty or off")
        return 0
    try:
        print(cleared(root) if arguments.clear else shown(root))
    except OSError as error:
        raise HarnessError(f"the cache at {root} can't be used: {error}") from None
    return 0


def cleared(root: Path) -> str:
    """Clear the cache and say what was removed."""
    removed = cache.clear(root)
    return f"{root}: removed {len(removed)} files, {size_of(removed)}"


def shown(root: Path) -> str:
    """The cache's place, and a line on each of its subfolders."""
    lines = [str(root)]
    for name, what in WHAT.items():
        found = list(cache.files(root / name))
        taken = f"{size_of(found)} of at most {size(cache.bound())}"
        lines.append(f"  {name}: {what}: {len(found)} files, {taken}{_ages(found)}")
    return "\n".join(lines)


def _ages(found: Sequence[cache.File]) -> str:
    if not found:
        return ""
    oldest, newest = (f(file.used for file in found) for f in (min, max))
    return f", last used between {_moment(oldest)} and {_moment(newest)}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def size_of(found: Sequence[cache.File]) -> str:
    """What the files take on disk."""
    return size(sum(file.size for file in found))


def size(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in UNITS[:-1]:
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} {UNITS[-1]}"
