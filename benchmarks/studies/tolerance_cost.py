"""What a tolerance costs: value, gradient and tolerance of both dtypes, in passes of the reference forward and back.

Nothing is cached. torch's `gradcheck` in its full mode stands beside it, in passes of torch's own, up to where it
ends in reasonable time; it answers another question (one gradient, no tolerance of its own), for which it needs two
evaluations an input element. One thread each.

    python -m benchmarks.studies.tolerance_cost                     # 1e2 ... 1e6 parameters
    python -m benchmarks.studies.tolerance_cost --sizes 1e4 1e5 --profile
"""

import argparse
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
from gradient_conformance.harness.frameworks import interpreters
from gradient_conformance.harness.frameworks.found import REQUIREMENTS, shipped_adapters
from gradient_conformance.reference import Program, backprop, parse
from gradient_conformance.reference.contexts import Exact
from gradient_conformance.reference.rounding import RULES_VERSION, expected, runs_for

from .. import common

SIZES = (1e2, 1e3, 1e4, 1e5, 1e6)
LARGEST_GRADCHECK = 1e4
CLASSES = 10
MLP = """h1 = tanh(linear(X, W1, b1))
h2 = sigmoid(linear(h1, W2, b2))
loss = cross_entropy(linear(h2, W3, b3), y)"""
PARAMETERS = ("W1", "b1", "W2", "b2", "W3", "b3")

GRADCHECK = """
import json, statistics, sys, time
import torch
torch.set_num_threads(1)
shapes, batch, classes = json.loads(sys.argv[1])
torch.manual_seed(0)
parameters = [torch.empty(s, dtype=torch.float64).uniform_(-0.3, 0.3).requires_grad_() for s in shapes]
X = torch.rand(batch, shapes[0][1], dtype=torch.float64)
y = torch.randint(classes, (batch,))

def net(W1, b1, W2, b2, W3, b3):
    linear = torch.nn.functional.linear
    h = torch.sigmoid(linear(torch.tanh(linear(X, W1, b1)), W2, b2))
    return torch.nn.functional.cross_entropy(linear(h, W3, b3), y)

def seconds(run):
    start = time.process_time()
    run()
    return time.process_time() - start

one = lambda: torch.autograd.grad(net(*parameters), parameters)
single = statistics.median(seconds(one) for _ in range(31))
whole = seconds(lambda: torch.autograd.gradcheck(net, parameters, fast_mode=False))
print(json.dumps([torch.__version__, single, whole]))
"""


def main() -> None:
    options = _options()
    with common.kept("tolerance_cost", "benchmarks.studies.tolerance_cost", options.write):
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    print(f"{common.machine()}, one thread")
    print(
        f"rules {RULES_VERSION}; batch {options.batch}, two hidden layers, {CLASSES} classes; passes are medians"
    )
    torch = None if options.no_gradcheck or options.quick else _torch()
    print(f"{'parameters':>10} {'runs':>5} {'pass ms':>9} {'whole ms':>10} {'passes':>7}   gradcheck, passes")
    for size in SIZES[:1] if options.quick else options.sizes:
        inputs = mlp(size, options.batch)
        count = sum(inputs[n].size for n in PARAMETERS)
        single, whole = cost(inputs)
        beside = gradcheck(torch, inputs) if torch and size <= LARGEST_GRADCHECK else ""
        runs = runs_for(sum(a.size for a in inputs.values()))
        print(
            f"{count:>10} {runs:>5} {single * 1e3:>9.3f} {whole * 1e3:>10.1f} {whole / single:>7.0f}   {beside}",
            flush=True,
        )
        if options.profile:
            profile(inputs)


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.add_argument("--sizes", nargs="+", type=float, default=SIZES, metavar="PARAMETERS")
    parser.add_argument("--batch", type=int, default=64, help="examples (default: 64)")
    parser.add_argument("--no-gradcheck", action="store_true", help="leave torch out")
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    return parser.parse_args()


def mlp(parameters: float, batch: int) -> dict[str, Any]:
    """Inputs of an MLP with about so many parameters: as many features as hidden units."""
    width = max(1, round((-(CLASSES + 2) + ((CLASSES + 2) ** 2 + 8 * (parameters - CLASSES)) ** 0.5) / 4))
    rng = np.random.default_rng(0)
    shapes = {"W1": (width, width), "b1": (width,), "W2": (width, width), "b2": (width,)}
    shapes |= {"W3": (CLASSES, width), "b3": (CLASSES,), "X": (batch, width)}
    spread = width**-0.5
    drawn = {n: rng.uniform(-spread, spread, s).astype(np.float32) for n, s in shapes.items()}
    floats = {n: a.astype(np.float64) for n, a in drawn.items()}
    return floats | {"y": rng.integers(0, CLASSES, batch)}


def cost(inputs: Mapping[str, Any], repeats: int = 5) -> tuple[float, float]:
    """Seconds of one forward and backward pass, and of value, gradient and both tolerances.

    Passes are timed before and after each whole evaluation, so that a machine that changes its speed changes both.
    """
    program = parse(MLP, {}, list(inputs))
    single, whole = [], []
    for _ in range(repeats):
        single += [_seconds(lambda: backprop(program, inputs, PARAMETERS)) for _ in range(7)]
        whole.append(_seconds(lambda: tolerances(program, inputs)))
    return statistics.median(single), statistics.median(whole)


def tolerances(program: Program, inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Both dtypes' tolerances of the loss and every gradient, as the harness works them out."""

    def compute(c: Exact) -> dict[str, Any]:
        env, grads = backprop(program, inputs, PARAMETERS, None, c)
        return {"loss": env["loss"], **grads}

    due = expected(compute, sum(a.size for a in inputs.values()), seed=0)
    return {name: [e.tolerance(dtype) for dtype in ("float32", "float64")] for name, e in due.items()}


def _seconds(run: Callable[[], object]) -> float:
    """Of the processor, not of the clock: others may share the machine."""
    start = time.process_time()
    run()
    return time.process_time() - start


def profile(inputs: Mapping[str, Any]) -> None:
    """The functions that take most of the time."""
    program = parse(MLP, {}, list(inputs))
    with cProfile.Profile() as recorded:
        tolerances(program, inputs)
    pstats.Stats(recorded, stream=sys.stdout).sort_stats("tottime").print_stats(12)


def _torch() -> interpreters.Interpreter | None:
    found = interpreters.find(
        "torch",
        option=None,
        ini={},
        requirements=shipped_adapters() / "torch" / REQUIREMENTS,
        environ=os.environ,
        toxworkdir=Path(os.environ.get("TOX_WORK_DIR", ".tox")),
    )
    return found if isinstance(found, interpreters.Interpreter) else None


def gradcheck(torch: interpreters.Interpreter, inputs: Mapping[str, Any]) -> str:
    """Torch's gradcheck of the same network, in passes of torch."""
    argument = json.dumps([[inputs[n].shape for n in PARAMETERS], len(inputs["X"]), CLASSES])
    command = [*torch.argv, "-c", GRADCHECK, argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    version, single, whole = json.loads(done.stdout.splitlines()[-1])
    return f"{whole / single:.0f} (torch {version}, pass {single * 1e3:.3f} ms)"


if __name__ == "__main__":
    main()
