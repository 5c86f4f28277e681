"""`cache`: a reference and tolerance that were worked out before, found again by what they depend on.

Read is everything that a hit costs: the digest of program and inputs, the file, its checksum, arrays. An entry is one
gradient, with an input of the same size; beside it the file alone is read.
"""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gradient_conformance.harness.references.cache import TAG, Cache
from gradient_conformance.harness.references.row import References
from gradient_conformance.reference.rounding import Reference

from .measuring import Figure, Options, alternately, seconds

SIZES = {"1 KB": 2**10, "8 KB": 2**13, "64 KB": 2**16, "1 MB": 2**20, "16 MB": 2**24}
REACH, LARGEST = 1.0, 2**16
SECONDS = 0.2
"""About how long the reads of one round take."""


def rows(options: Options) -> Iterator[Figure]:
    for name, size in SIZES.items():
        entry = Entry(Cache(options.folder / f"cache_{size}"), size)
        entry.write()
        file = entry.file()
        repeats = max(3, int(SECONDS / (2e-4 + size * 2e-9)))
        reads, alone = alternately(
            options.rounds,
            functools.partial(mean, entry.read, repeats),
            functools.partial(mean, file.read_bytes, repeats),
        )
        reach = REACH if size <= LARGEST else None
        note = f"the file, {file.stat().st_size} bytes, alone {min(alone) * 1e3:.3f} ms"
        yield Figure(f"read, an array of {name}", [t * 1e3 for t in reads], "ms", reach, note)
        written = [mean(entry.write, 5) * 1e3 for _ in range(options.rounds)]
        yield Figure("  written", written, "ms")


def mean(run: Callable[[], object], repeats: int) -> float:
    """Seconds of a call, the mean of some."""
    return seconds(lambda: [run() for _ in range(repeats)]) / repeats


class Entry:
    """A reference whose one array has so many bytes in float64, as has the input that it depends on."""

    def __init__(self, cache: Cache, size: int) -> None:
        rng = np.random.default_rng(0)
        self.cache, self.count = cache, 0
        self.input = rng.random(size // 8)
        self.found = References.of({("gradient", "x"): Reference(self.input, rng.random(size // 8))})

    def write(self) -> None:
        """Ask for a reference that is not there yet."""
        self.cache.reference(str(self.count), [("x", self.input)], lambda: self.found)
        self.count += 1

    def read(self) -> None:
        """Ask for the first again."""
        self.cache.reference("0", [("x", self.input)], _absent)

    def file(self) -> Path:
        """The file of the only entry."""
        [file] = [path for path in self.cache.path.iterdir() if path.name != TAG]
        return file


def _absent() -> Any:
    raise SystemExit("an entry that was written is not found again")
