"""The faults whose detection is measured."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from ..errors import HarnessError

IMPLEMENTATION = "numpy_implementation"
CATALOGUES = "catalogue_*.py"


# One specimen: all its cells, all faults


def load_faults(folder: Path) -> Any:
    """The module with the implementation, its FAULTS filled by the catalogues beside it. Raises HarnessError."""
    if not (folder / f"{IMPLEMENTATION}.py").is_file():
        raise HarnessError(
            f"{folder}: no {IMPLEMENTATION}.py here; --faults names the folder tests/faults of a checkout"
        )
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    for path in [folder / f"{IMPLEMENTATION}.py", *sorted(folder.glob(CATALOGUES))]:
        if path.stem not in sys.modules:
            imported(path)
    return sys.modules[IMPLEMENTATION]


def imported(path: Path) -> None:
    """A module by its path: the folder is no package, and its names must not hide others."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
