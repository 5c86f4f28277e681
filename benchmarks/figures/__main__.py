"""How fast the harness is, beside the frameworks themselves: every figure is a ratio measured side by side.

    python -m benchmarks.figures                        # every row
    python -m benchmarks.figures engine collect --cells 200 --rounds 3
    python -m benchmarks.figures engine --framework torch --profile     # where the host's time goes
    python -m benchmarks.figures --quick                # small numbers: does it run?

Needs `pip install -e .[xdist] psutil threadpoolctl`; frameworks are found as the matrix finds them, and a row says
which it has. Each line has what is to be reached, the median, and the spread of its rounds.
"""

import importlib
import os
import tempfile
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

from .. import common
from .measuring import Options, known_frameworks

ROWS = {
    "engine": "cells of one framework through the engine / a bare loop of the same calls",
    "together": "all frameworks at once / the slowest of them alone, references cached",
    "workers": "several workers of one framework / one, on cells that sleep and on cells that compute",
    "reference": "reference, value and gradients / torch float64 eager, one thread",
    "cache": "a reference that is known already, arrays of one size",
    "collect": "collecting 10,000 cells from 1,000 files",
    "pytest": "what pytest adds to the engine, and xdist to pytest",
    "memory": "resident memory of a run's second half / of its first",
    "growth": "time of a whole run by its number of cells",
}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--cells", type=int, help="cells, instead of each row's own number")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each ratio (default: 5)")
    parser.add_argument("--framework", nargs="+", help="only these, in engine, together, memory and pytest")
    parser.add_argument("--profile", action="store_true", help="where the host's time goes")
    given = parser.parse_args()
    for row in given.rows:
        if row not in ROWS:
            parser.error(f"{row} is none of {', '.join(ROWS)}")
    if given.quick:
        given.rounds = 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_CACHE"] = str(Path(folder, "cache"))  # nothing is known from an earlier run
        for row in given.rows or ROWS:
            options = Options(
                given.cells, given.rounds, given.quick, given.profile, Path(folder), given.framework
            )
            with common.kept(row, "benchmarks.figures", given.write):
                measure(row, options)


def measure(row: str, options: Options) -> None:
    """Print a row's lines, each as soon as it is known."""
    start, lines = time.perf_counter(), 0
    print(f"{common.machine()}; {options.rounds} rounds")
    print(f"{row}: {ROWS[row]}", flush=True)
    for lines, figure in enumerate(importlib.import_module(f".{row}", __package__).rows(options), 1):  # noqa: B007
        print(figure, flush=True)
    if not lines:
        print(f"  no framework here that it could be measured with, of {', '.join(known_frameworks())}")
    print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
