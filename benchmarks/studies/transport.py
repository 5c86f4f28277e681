"""What a cell costs on its way to a worker and back: here, and through whatever commands are given, such as an ssh.

    python -m benchmarks.studies.transport 'ssh gpubox /opt/torch/bin/python'

Each command has to end in a Python with NumPy. The work itself is y = x + x, and is taken off by the worker's own clock.
"""

import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gradient_conformance.harness.frameworks.found import framework
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.window import Message
from gradient_conformance.harness.workers.wire import Sent, shared_line
from gradient_conformance.harness.workers.worker import Worker

from .. import common

ADAPTER = """
import numpy as np
MODES = ("eager",)
FORMULAS, OPTIMIZERS, OPS = set(), {}, {"add": np.add}
def setup(threads, seed): pass
def about(): return {"framework": "none", "version": "1"}
def to_native(array): return array
def to_numpy(tensor): return tensor
def differentiate(task, inputs):
    env = task.walk(inputs)
    return {name: env[name] for name in task.wanted_values}, {}
"""
SIZES = {"24 B": (1000, 3), "64 KB": (200, 2**13), "32 MB": (5, 2**22)}
"""How many messages of how many float64."""


def request(number: int, array: Any) -> Message:
    node = {"out": ["y"], "op": "add", "args": ["x", "x"], "kw": {}}
    asked = {"program": [node], "outputs": ["y"], "values": ["y"], "gradients": [], "probes": {}}
    own, sent = (
        {"type": "run", "id": number, "case": "c", "bindings": {}, "mode": "eager"},
        [Sent("input", "x", array)],
    )
    line = shared_line({"dtype": "float64", "training": None, **asked}, sent)
    return own, sent, line, Asked({("value", "y"): array.shape})


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="each ends in a Python")
    options = parser.parse_args()
    with common.kept("transport", "benchmarks.studies.transport", options.write):
        measure([sys.executable, *options.commands], most=2 if options.quick else 1000)


def measure(commands: Sequence[str], most: int) -> None:
    """Print the table, of at most so many messages of each size."""
    print(f"{'command':40} {'start':>8}" + "".join(f"{name:>12}" for name in SIZES))
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder, "adapter.py")
        adapter.write_text(ADAPTER)
        for command in commands:
            begin = time.perf_counter()
            worker = Worker(shlex.split(command))
            worker.hello(framework("transport", adapter))
            shown = f"{command[:40]:40} {time.perf_counter() - begin:6.2f} s"
            for count, size in SIZES.values():
                shown += f"{1e3 * round_trip(worker, min(count, most), np.ones(size)):9.2f} ms"
            print(shown, flush=True)
            worker.stop()


def round_trip(worker: Worker, count: int, array: Any) -> float:
    """Median seconds of a message there and back, less what the worker took for its work."""
    taken: list[float] = []
    for number in range(count):
        begin = time.perf_counter()
        worker.send(*request(number, array))
        answer = worker.receive()
        taken.append(time.perf_counter() - begin - answer.header["seconds"])
    return statistics.median(taken)


if __name__ == "__main__":
    main()
