"""Every gradient is twice as large, unless a probe stands in the program: as where a compiler fuses two calls wrongly."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from numpy_adapter import *  # noqa: F403
from numpy_adapter import differentiate as correct

MODES = ("eager",)
COMPILED_MODES = ("eager",)  # it works in float64: what it tells is rounded, what it goes on with is not


def differentiate(task, inputs):
    values, gradients = correct(task, inputs)
    return values, gradients if task.probes else {name: 2 * g for name, g in gradients.items()}
