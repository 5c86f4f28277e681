"""Cannot be started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from numpy_adapter import *  # noqa: F403

MODES = ("eager",)
COMPILED_MODES = ("eager",)  # it works in float64: what it tells is rounded, what it goes on with is not

import a_module_that_nobody_has  # noqa: F401
