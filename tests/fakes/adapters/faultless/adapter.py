"""No fault at all."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from numpy_adapter import *  # noqa: F403
from numpy_adapter import differentiate as correct

MODES = ("eager",)
COMPILED_MODES = ("eager",)  # it works in float64: what it tells is rounded, what it goes on with is not

differentiate = correct
