"""`growth`: how the time of a whole run under pytest grows with the number of its cells.

If n cells take s + a n^p, then T(10,000) - T(1,000) is 10^p times T(1,000) - T(100), whatever the start s is.
"""

import math
import statistics
from collections.abc import Iterator

from . import exact
from .measuring import Command, Figure, Options, present

REACH = 1.05


def rows(options: Options) -> Iterator[Figure]:
    if not present(["torch"]):
        return
    largest = options.count(10_000, 300)
    sizes = [largest // 100, largest // 10, largest]
    roots = {size: options.folder / f"growth_{size}" for size in sizes}
    for size, root in roots.items():
        exact.write(root, size)
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--require=all", "cases", "--framework=torch")
    taken = [[Command(root)(*command) for root in roots.values()] for _ in range(options.rounds)]
    medians = (statistics.median(done.wall for done in column) for column in zip(*taken, strict=True))
    note = ", ".join(f"{size} cells {median:.1f} s" for size, median in zip(sizes, medians, strict=True))
    wall = [exponent(*(done.wall for done in once)) for once in taken]
    yield Figure("exponent, by the clock", wall, "", REACH, note)
    busy = [exponent(*(done.cpu for done in once)) for once in taken]
    yield Figure("exponent, by the processor", busy, "", REACH)


def exponent(small: float, middle: float, large: float) -> float:
    """The p of three runs' times, each of ten times as many cells; nan where the machine hides it."""
    return math.log10((large - middle) / (middle - small)) if large > middle > small else math.nan
