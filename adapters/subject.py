"""Somebody's own implementation, one file, judged like any framework.

For case `notebooks/two_branches` it has a function `two_branches`. It is given its tensors by name (the very
arrays: changing one in place is found out) and, where its signature names them, sizes, `cotangents` and
`optimizer`. It returns (values, gradients), two dicts by name, or (values, gradients, parameters), the last
being those after an optimizer's step; without them plain SGD moves the parameters.
"""

import hashlib
import importlib.util
import inspect
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from worker import Task, Unsupported

MODES = ("eager",)
COMPILED_MODES = (
    "eager",
)  # people work a number out again in place of keeping it: that is another evaluation
OPS: dict[str, Callable[..., Any]] = {}
FORMULAS: set[str] = set()
PARTS = ("values", "gradients", "parameters")

subject: ModuleType
file: Path


def load(path: str) -> None:
    """Import the file from its path, its folder on sys.path as if it were run as a script."""
    global subject, file  # noqa: PLW0603 - a worker has one subject
    file = Path(path).resolve()
    if not file.is_file():
        host = f"{platform.node()}, where its interpreter runs"
        raise FileNotFoundError(
            f"{path}: no such file on {host}; a subject has to lie there, at the same path"
        )
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file: its name should end in .py")
    subject = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = subject
    spec.loader.exec_module(subject)


def setup(threads: int, seed: int) -> None:  # noqa: ARG001
    np.random.seed(seed)  # noqa: NPY002 - for a file that draws from it


def about() -> dict[str, str]:
    """A file has no version: the start of its content's SHA-256 stands for one."""
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return {"framework": file.stem, "version": version, "device": "cpu", "file": file.name}


def to_native(array: np.ndarray) -> np.ndarray:
    return array


def to_numpy(tensor: Any) -> np.ndarray:
    return np.asarray(tensor)


def sgd(params: dict[str, Any], *, lr: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    weights = params

    def step(grads: dict[str, Any]) -> dict[str, Any]:
        nonlocal weights
        weights = {name: w - np.asarray(lr, w.dtype) * np.asarray(grads[name]) for name, w in weights.items()}
        return weights

    return step


OPTIMIZERS = {"sgd": sgd}


def arguments(function: Callable[..., Any], task: Task, inputs: dict[str, Any]) -> dict[str, Any]:
    """All tensors; of the rest, what the signature names (everything if it has **kwargs)."""
    cotangents = {} if task.cotangent is None else {task.output: task.cotangent}
    offered = {**task.bindings, "cotangents": cotangents, "optimizer": task.optimizer}
    signature = inspect.signature(function).parameters
    every = any(p.kind is p.VAR_KEYWORD for p in signature.values())
    tensors = {name: array for name, array in inputs.items() if name not in task.probes}
    return {**{name: value for name, value in offered.items() if every or name in signature}, **tensors}


def checked(returned: Any, name: str) -> tuple[dict[str, Any], ...]:
    shape = f"{file.name}: {name} should return (values, gradients) or (values, gradients, parameters)"
    if not isinstance(returned, tuple) or len(returned) not in (2, 3):
        size = f" of {len(returned)}" if isinstance(returned, tuple) else ""
        raise TypeError(f"{shape}; it returned {type(returned).__name__}{size}")
    for part, found in zip(PARTS, returned, strict=False):
        if not isinstance(found, dict):
            raise TypeError(f"{shape}, dicts by name; its {part} are {type(found).__name__}")
    return returned


def differentiate(task: Task, inputs: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    name = task.case.rsplit("/", 1)[-1]
    function = getattr(subject, name, None)
    if not callable(function):
        raise Unsupported(f"{file.name} has no function {name}")
    return checked(function(**arguments(function, task, inputs)), name)
