"""`harness import`: somebody's NumPy function as a case."""

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...reference.names import nearest
from ..errors import HarnessError
from ..own.writing import MARK, case_text
from ..reading.files import real
from ..reading.replacing import check_ours, replace
from .common import command, given, path

INPUTS = "inputs"
"""What a dict of arrays, or a function that gives one, is called where nothing else is said."""


def add(commands: Any) -> None:
    text = "make a case of a NumPy function of your own, by running it with arrays that remember what is done to them"
    made = command(commands, "import", run, text)
    made.add_argument("--numpy", type=given, required=True, metavar="FILE.py:FUNCTION", help="it is run")
    text = f"its inputs by name: an .npz file, or a dict, or a function that gives one, of FILE.py (default: {INPUTS})"
    made.add_argument("--inputs", type=given, default=INPUTS, metavar="FILE.npz|NAME", help=text)
    text = "which of the values that it returns is differentiated (default: loss)"
    made.add_argument("--output", metavar="NAME", help=text)
    made.add_argument(
        "--write", type=path, metavar="FILE", help="where the case goes (default: it is printed)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Trace the function, and print or write the case."""
    file, _, name = arguments.numpy.rpartition(":")
    if not file or not name.isidentifier():
        raise HarnessError(f"--numpy {arguments.numpy}: should be FILE.py:FUNCTION")
    module = _imported(Path(file))
    function = _member(module, name, "--numpy")
    if not callable(function):
        raise HarnessError(
            f"--numpy {arguments.numpy}: {name} is {type(function).__name__}, but must be a function"
        )
    text = case_text(function, _inputs(module, arguments.inputs), arguments.output)
    if arguments.write is None:
        print(text, end="")
        return 0
    try:
        check_ours(arguments.write, MARK)
        replace(arguments.write, text)
    except OSError as error:
        raise HarnessError(f"--write {arguments.write}: {error.strerror}") from None
    root = arguments.write.parent.parent
    print(
        f"{arguments.write}: run it with: {shlex.join(['pytest', f'--cases={root}', str(arguments.write)])}"
    )
    return 0


def _imported(file: Path) -> ModuleType:
    """Somebody's file, run as a module with its folder on the path. Raises HarnessError; what it raises itself is its own."""
    found = real(file)
    if found.suffix != ".py" or not found.is_file():
        raise HarnessError(f"--numpy {file}: no such Python file")
    sys.path.insert(0, str(found.parent))
    spec = importlib.util.spec_from_file_location(found.stem, found)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _member(module: ModuleType, name: str, option: str) -> Any:
    if not hasattr(module, name):
        there = [own for own in vars(module) if not own.startswith("_")]
        raise HarnessError(f"{option}: {module.__name__}.py has no {name}{nearest(name, there)}")
    return getattr(module, name)


def _inputs(module: ModuleType, text: str) -> dict[str, Any]:
    """The arrays that the function is given, by name."""
    if text.endswith(".npz"):
        try:
            with np.load(text) as arrays:  # without pickles
                return dict(arrays)
        except (OSError, ValueError) as error:
            raise HarnessError(f"--inputs {text}: {error}") from None
    found: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = _member(module, text, "--inputs")
    found = found() if callable(found) else found
    if not isinstance(found, Mapping):
        raise HarnessError(f"--inputs {text} is {type(found).__name__}, but must be a dict of arrays by name")
    return {str(name): a for name, a in found.items()}
