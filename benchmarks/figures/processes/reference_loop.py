"""The reference's value and gradients of one case variant, again and again: a process with an environment of its own.

Arguments: the case file, and how often a loop evaluates it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import threadpoolctl
from gradient_conformance.harness.case.loading import load
from gradient_conformance.reference import backprop

from ..measuring import loop


def main() -> None:
    path = Path(sys.argv[1])
    [variant] = load(path, path.parent).variants
    program, inputs = variant.program.rounded("float64"), variant.draw("float64")

    def run() -> None:
        for _ in range(int(sys.argv[2])):
            backprop(program, inputs, variant.gradients)

    run()
    loop(run, {"numpy": np.__version__, "blas": "; ".join(blas())})


def blas() -> Iterator[str]:
    """Library, kernel and threads of NumPy's products."""
    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] == "blas":
            name = f"{pool['internal_api']} {pool['version']}"
            yield f"{name} {pool.get('architecture')}, {pool['num_threads']} thread"


if __name__ == "__main__":
    main()
