"""One part of the matrix, such as `--shard 3/8`: for the job matrix of any CI, or an array of batch jobs.

Which shard a cell is in follows from its id, and from the run whose seconds balance the shards where one is given;
not from what else is selected, the order of collection, or the machine. So jobs that know nothing of one another
have every cell once between them, and a cell that comes or goes moves no other.

What is dealt out is a variant of a case: its cells share one reference, which costs more than most answers to it.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from ..errors import HarnessError
from ..reading.files import read_at_most

EVEN_ENOUGH = 1.02
"""Nothing is moved any more once the largest shard has at most this times the mean."""

MAX_BYTES = 2**30
"""Of the run whose seconds balance the shards."""

MICROSECONDS = 1_000_000
"""Seconds are added up as whole microseconds: to the same sum on every machine."""


class ShardError(HarnessError):
    """A shard that there is none of, or seconds that can't be read."""


@dataclass(frozen=True)
class Shard:
    """Shard `index` of `count`, counted from 1; `moved` are the units that balancing puts elsewhere than their digest."""

    index: int
    count: int
    moved: Mapping[str, int] = field(default_factory=dict)

    def of(self, unit: str) -> int:
        """The shard that a unit is in."""
        return self.moved.get(unit) or _by_digest(unit, self.count)


def parse(text: str, seconds: Path | None = None) -> Shard:
    """A shard from `3/8`, balanced by the run file `seconds` if there is one. Raises ShardError."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    index, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= index <= count:
        raise ShardError(
            f'--shard "{text}": a shard is given as INDEX/COUNT, from 1/COUNT to COUNT/COUNT, such as 3/8'
        )
    return Shard(index, count, balanced(read_seconds(seconds), count) if seconds else {})


def unit(case: str, variant: str) -> str:
    """What is dealt out as one: the id of a variant, which is a cell's without dtype, framework and mode."""
    return f"{case}::{variant}"


def digest(ids: Iterable[str]) -> str:
    """What tells two sets of cells apart."""
    return hashlib.blake2b("\n".join(sorted(ids)).encode(), digest_size=8).hexdigest()


def _by_digest(unit: str, count: int) -> int:
    number = int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8).digest(), "big")
    return (number * count >> 64) + 1


def balanced(seconds: Mapping[str, int], count: int) -> dict[str, int]:
    """The units to move so that shards take about as long, and where to; as few as do it.

    The largest shard gives the smallest the unit that comes nearest to half of what lies between them.
    """
    shards: list[dict[str, int]] = [{} for _ in range(count)]
    for name, took in seconds.items():
        shards[_by_digest(name, count) - 1][name] = took
    loads = [sum(shard.values()) for shard in shards]
    moved = {}
    while max(loads) * count > EVEN_ENOUGH * sum(loads):
        largest, smallest = loads.index(max(loads)), loads.index(min(loads))
        gap = loads[largest] - loads[smallest]
        movable = [name for name, took in shards[largest].items() if 0 < took < gap]
        if not movable:
            break
        name = min(movable, key=lambda name: (abs(2 * shards[largest][name] - gap), name))
        shards[smallest][name] = took = shards[largest].pop(name)
        loads[largest] -= took
        loads[smallest] += took
        moved[name] = smallest + 1
    return moved


class _Line(msgspec.Struct, frozen=True):
    """As much of a line of a run file as tells how long a cell took."""

    kind: str
    case: str = ""
    variant: str = ""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0


def read_seconds(path: Path) -> dict[str, int]:
    """Microseconds that workers took for each unit in a run, whether it was interrupted or not. Raises ShardError."""
    try:
        lines = read_at_most(path, MAX_BYTES).splitlines(keepends=True)
    except OSError as error:
        raise ShardError(f"--shard-seconds {path}: can't read it: {error.strerror}") from None
    found: dict[str, int] = defaultdict(int)
    for number, text in enumerate(lines, 1):
        try:
            line = msgspec.json.decode(text, type=_Line)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            if number == len(lines) > 1 and not text.endswith(b"\n"):
                break
            raise ShardError(f"--shard-seconds {path}:{number}: not a line of a run: {error}") from None
        if number == 1 and line.kind != "header":
            raise ShardError(f"--shard-seconds {path}: a run begins with its header, this with {line.kind!r}")
        if line.kind == "cell":
            found[unit(line.case, line.variant)] += round(line.seconds * MICROSECONDS)
    if not found:
        raise ShardError(f"--shard-seconds {path}: no cell is in it; name a run with some")
    return dict(found)
