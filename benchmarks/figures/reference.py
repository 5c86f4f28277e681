"""`reference`: the reference's value and gradients against torch's eager float64 on the processor, one thread each.

torch's tensors are built beforehand and its results stay its own; the reference takes and gives NumPy arrays.
"""

import os
import sys
from collections.abc import Iterator

from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.workers.process import ENVIRONMENT

from . import mlps
from .bare import bare
from .measuring import SLOW_KERNELS, Figure, Loop, Options, alternately, present, ratios

MODULE = "gradient_conformance.benchmarks.figures.processes.reference_loop"
WIDTHS = (64, 512, 2048)
ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus")
BATCH = 64
SECONDS = 0.3
"""About how long a loop takes."""


def rows(options: Options) -> Iterator[Figure]:
    torch = next(iter(present(["torch"])), None)
    if torch is None:
        return
    for width in WIDTHS[:2] if options.quick else WIDTHS:
        for activation in ACTIVATIONS[:1] if options.quick else ACTIVATIONS:
            mlp = mlps.Mlp(3, BATCH, width, activation, "mse", features=width)
            yield _row(mlp, torch, options)


def _row(mlp: mlps.Mlp, torch: Framework, options: Options) -> Figure:
    root = options.folder / f"reference_{mlp.width}_{mlp.activation}"
    [path] = mlps.write(root, [mlp])
    repeats = max(1, round(SECONDS / (1e-3 + 2e-8 * mlp.width**2)))
    cells = list(mlps.cells(load(path, root).variants, [torch], ["float64"]))
    clean = {k: v for k, v in {**os.environ, **ENVIRONMENT}.items() if k not in SLOW_KERNELS}
    with (
        Loop([sys.executable, "-m", MODULE, str(path), str(repeats)], clean) as numpy,
        bare(cells, options.folder / "reference.npz", str(repeats)) as native,
    ):
        alternately(1, numpy.seconds, native.seconds)
        ours, theirs = alternately(options.rounds, numpy.seconds, native.seconds)
    wall = [min(times) / repeats * 1e3 for times in (ours, theirs)]
    return Figure(
        f"width {mlp.width}, batch {mlp.batch}, {mlp.activation}",
        ratios(ours, theirs),
        reach=1.0,
        note=f"at best {wall[0]:.3f} ms, torch {native.about['version']} {wall[1]:.3f} ms; NumPy {numpy.about['numpy']}, {numpy.about['blas']}",
    )
