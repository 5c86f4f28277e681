"""Somebody's own implementation, one file, judged like any framework.

For case `notebooks/two_branches` it has a function `two_branches`. It is given its tensors by name (the very
arrays: changing one in place is found out) and, where its signature names them, sizes, `cotangents` and
`optimizer`. It returns (values, gradients), two dicts by name, or (values, gradients, parameters), the last
being those after an optimizer's step; without them plain SGD moves the parameters.

What is loaded is what is told: the file, and every module at or below its folder that it imports, are read once, are
compiled from these bytes (never from a `.pyc`, and none is written), and `about` has their digests.
"""

import ast
import hashlib
import importlib.util
import inspect
import linecache
import os
import platform
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from worker import Refused, Task, Unsupported

MODES = ("eager",)
COMPILED_MODES = (
    "eager",
)  # people work a number out again in place of keeping it: that is another evaluation
OPS: dict[str, Callable[..., Any]] = {}
FORMULAS: set[str] = set()
PARTS = ("values", "gradients", "parameters")
MAX_BYTES = 10_000_000
"""Of one module: what is larger is no source that anybody wrote."""
MAX_LISTED = 500
"""Files whose digests are told one by one; the version is that of all."""
FOREIGN = ("site-packages", "dist-packages")
"""Folders of what is installed: it is told by its own versions, if at all."""

subject: ModuleType
file: Path
sources: "Sources"


class Sources:
    """Modules at or below a folder, each read once; a loader and a finder of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[Path, bytes] = {}

    def read(self, path: Path) -> bytes:
        """A module's source as it was when it was first read. Raises Refused."""
        if path not in self.known:
            self.known[path] = data = regular(path, self.named(path))
            lines = importlib.util.decode_source(data).splitlines(keepends=True) if readable(data) else []
            linecache.cache[str(path)] = (len(data), None, lines, str(path))
        return self.known[path]

    def named(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def module(self, place: Path, name: str) -> Path | None:
        """The source of a module in a folder; None where it has none there, or what is there is not somebody's own."""
        if not self.owns(place) or any(
            (place / f"{name}{suffix}").is_file() for suffix in EXTENSION_SUFFIXES
        ):
            return None
        for path in (place / name / "__init__.py", place / f"{name}.py"):
            if path.exists() and not path.is_dir():
                return path
        return None

    def owns(self, place: Path) -> bool:
        if place != self.folder and self.folder not in place.parents:
            return False
        own = place.relative_to(self.folder).parts
        return not any(part in FOREIGN for part in place.parts) and not any(
            part.startswith(".") for part in own
        )

    def follow(self, path: Path, package: Sequence[str] = ()) -> None:
        """Read a module and, wherever in it they are imported, all that it names; `package` is the one that it is in."""
        waiting = [(path, tuple(package))]
        while waiting:
            path, package = waiting.pop()
            for name in imported(self.read(path), package):
                found = self.module(self.folder.joinpath(*name[:-1]), name[-1])
                if found is not None and found not in self.known and name[0] not in LOADED:
                    self.read(found)
                    waiting.append((found, name if found.name == "__init__.py" else name[:-1]))

    def digests(self) -> dict[str, str]:
        return {self.named(path): digest(data) for path, data in sorted(self.known.items())}


LOADED = frozenset(name.partition(".")[0] for name in sys.modules)
"""What the worker has imported before: no file of the subject's takes its place."""


class Loader(SourceLoader):
    """Compiles what `Sources` has read. It knows no time of change, so that Python neither reads nor writes a `.pyc`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return str(self.path)

    def get_data(self, path: Any) -> bytes:
        own = Path(path)
        return sources.read(own) if own == self.path else own.read_bytes()


class Finder(MetaPathFinder):
    """Finds modules of `Sources`, in Python's own order: where another place comes first, it is that place's."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        for place in sys.path if path is None else path:
            found = sources.module(Path(os.path.realpath(place)), fullname.rpartition(".")[2])
            if found is not None:
                inside = [str(found.parent)] if found.name == "__init__.py" else None
                return importlib.util.spec_from_file_location(
                    fullname, found, loader=Loader(found), submodule_search_locations=inside
                )
            other = PathFinder.find_spec(fullname, [place], target)
            if other is not None and other.loader is not None:
                return None
        return None


def imported(source: bytes, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names of all that a source may import, packages before what is in them."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (
        SyntaxError,
        ValueError,
        RecursionError,
        MemoryError,
    ):  # Python says what is wrong when it is imported
        return
    for node in nodes:
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level <= len(package):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = (*above, *(node.module.split(".") if node.module else ()))
            names = [(*base, alias.name) for alias in node.names]
        for name in names:
            yield from (name[:length] for length in range(1, len(name) + 1))


def regular(path: Path, name: str) -> bytes:
    """A regular file of bounded size: a pipe would block for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused(f"{name} is no regular file, so it cannot be read as a module")
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Refused(f"{name} has more than {MAX_BYTES} bytes; a module may have at most so many")
    return data


def readable(source: bytes) -> bool:
    """Whether it is text, so that a traceback can show its lines."""
    try:
        importlib.util.decode_source(source)
    except (SyntaxError, UnicodeDecodeError):
        return False
    return True


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def load(path: str) -> None:
    """Import the file from its path, its folder on sys.path as if it were run as a script."""
    global subject, file, sources  # noqa: PLW0603 - a worker has one subject
    file = Path(path).resolve()
    host = f"{platform.node()}, where its interpreter runs"
    if not file.exists():
        raise Refused(f"{path}: no such file on {host}; a subject has to lie there, at the same path")
    if file.is_dir() or file.suffix != ".py":
        raise Refused(f"{path} is not a Python file on {host}: it should be a file whose name ends in .py")
    sys.path.insert(0, str(file.parent))
    sources = Sources(file.parent)
    sources.follow(file)
    sys.meta_path.insert(sys.meta_path.index(PathFinder), Finder())
    spec = importlib.util.spec_from_file_location(file.stem, file, loader=Loader(file))
    assert spec is not None
    assert spec.loader is not None
    subject = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = subject
    spec.loader.exec_module(subject)


def setup(threads: int, seed: int) -> None:  # noqa: ARG001
    np.random.seed(seed)  # noqa: NPY002 - for a file that draws from it


def about() -> dict[str, Any]:
    """Files have no version: the start of the SHA-256 of their digests stands for one."""
    files = sources.digests()
    version = digest("".join(f"{name} {of}\n" for name, of in files.items()).encode())
    listed = dict(list(files.items())[:MAX_LISTED])
    return {"framework": file.stem, "version": version, "device": "cpu", "file": file.name, "files": listed}


def to_native(array: np.ndarray) -> np.ndarray:
    return array


def to_numpy(tensor: Any) -> np.ndarray:
    """What was returned as an array of floats in C's own order of bytes; lists and Python's numbers have float64.

    Raises Refused for what is no array of real numbers, in words that go on after the tensor's name.
    """
    if isinstance(tensor, np.ma.MaskedArray) and np.ma.getmaskarray(tensor).any():
        count = int(np.ma.getmaskarray(tensor).sum())
        raise Refused(f"has {count} masked elements, and the case has no masks: return .filled(...) or .data")
    if hasattr(tensor, "detach"):  # a tensor of torch that knows its history
        tensor = tensor.detach()
    try:
        array = np.asarray(tensor)
    except Exception as error:  # noqa: BLE001 - whatever it is: it is said of what
        raise Refused(f"is {kind(tensor)}, of which NumPy makes no array: {error}") from None
    if array.dtype.kind not in "fiub":
        inside = f" of {array.dtype}" if isinstance(tensor, np.ndarray) else ""
        raise Refused(
            f"is {kind(tensor)}{inside}; it should be an array, a list or a number, of real numbers"
        )
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def kind(found: Any) -> str:
    name = type(found).__name__
    return "None" if found is None else f"a{'n' * (name[0] in 'aeiou')} {name}"


def sgd(params: dict[str, Any], *, lr: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    weights = params

    def step(grads: dict[str, Any]) -> dict[str, Any]:
        """The moved parameters; none where a gradient has another shape, which is for the host to judge."""
        nonlocal weights
        if any(np.shape(grads[name]) != w.shape for name, w in weights.items()):
            return {}
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
        raise Refused(f"{shape}; it returned {kind(returned)}{size}")
    for part, found in zip(PARTS, returned, strict=False):
        if not isinstance(found, dict):
            raise Refused(f"{shape}, dicts by name; its {part} are {kind(found)}")
    return returned


def differentiate(task: Task, inputs: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    name = task.case.rsplit("/", 1)[-1]
    function = getattr(subject, name, None)
    if not callable(function):
        raise Unsupported(f"{file.name} has no function {name}")
    return checked(function(**arguments(function, task, inputs)), name)
