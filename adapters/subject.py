"""Somebody's own implementation, one file, judged like any framework.

For case `notebooks/two_branches` it has a function `two_branches`. It is given its tensors by name (the very
arrays: changing one in place is found out) and, where its signature names them, sizes, `cotangents` and
`optimizer`. It returns (values, gradients), two dicts by name, or (values, gradients, parameters), the last
being those after an optimizer's step; without them the case's own moves the parameters.

A function of one parameter called `case` is given the case's hands instead (subject_hands.py), and returns nothing.
Of a notebook the definitions are loaded (subject_cells.py). What is loaded is what is told (subject_files.py):
`about` has the digests. Each cell finds it as it was loaded (subject_state.py).
"""

import builtins
import contextlib
import importlib.util
import inspect
import io
import json
import platform
import random
import re
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from subject_cells import Cells
from subject_files import Finder, Loader, Sources, digest
from subject_hands import MOST_ELEMENTS, Hands, too_large
from subject_optimizers import OPTIMIZERS as ROWS
from subject_optimizers import clipped
from subject_sayings import Sayings, nobody
from subject_state import Fresh
from worker import Refused, Task, Unsupported

MODES = ("eager",)
COMPILED_MODES = (
    "eager",
)  # people work a number out again in place of keeping it: that is another evaluation
OPS: dict[str, Callable[..., Any]] = {}
FORMULAS: set[str] = set()
PARTS = ("values", "gradients", "parameters")
BEFORE = re.compile(r"\A(grad(ient)?_?|d_?|g_)(?=\w)", re.IGNORECASE)
BEHIND = re.compile(r"_(grad|gradient|d)\Z")
"""What people put before and behind a tensor's name for its gradient's."""
MAX_LISTED = 500
"""Files whose digests are told one by one; the version is that of all."""

subject: ModuleType
fresh: Fresh
file: Path
sources: Sources
cells: Cells | None = None
sayings = Sayings()


def load(path: str, notebook: dict[str, Any] | None = None) -> None:
    """Import the file from its path, its folder on sys.path as if it were run as a script.

    Of a notebook, whose cells come with the greeting, the definitions. Raises Refused, with the file's own lines.
    """
    global fresh, file, sources, cells  # noqa: PLW0603 - a worker has one subject
    file = Path(path) if notebook else Path(path).resolve()
    sources = Sources(file.parent)
    if notebook:
        cells = Cells(file.name, **notebook)
        for cell in cells.cells:
            sources.follow(cell.encode())
    else:
        source_at(path)
        sources.follow(sources.read(file))
    sys.path.insert(0, str(file.parent))
    sys.meta_path.insert(sys.meta_path.index(PathFinder), Finder(sources))
    builtins.input = sys.breakpointhook = nobody  # pdb asks by input() too
    with contextlib.redirect_stdout(sayings):
        fresh = Fresh(lambda: module_of_cells(cells) if cells else module_of_file())


def begin() -> None:
    """What loading it prints was said when it was loaded first."""
    global subject  # noqa: PLW0603 - as above
    with contextlib.redirect_stdout(io.StringIO()):
        subject = fresh.module()


def source_at(path: str) -> None:
    """Raises Refused where a path leads to no Python file."""
    host = f"{platform.node()}, where its interpreter runs"
    if not file.exists():
        raise Refused(f"{path}: no such file on {host}; a subject has to lie there, at the same path")
    if file.is_dir() or file.suffix != ".py":
        raise Refused(
            f"{path} is not a Python file on {host}: it should be a file whose name ends in .py or .ipynb"
        )


def module_of_file() -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file, loader=Loader(sources, file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Refused:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the file's own
        raise Refused(own_lines(error)) from None
    return module


def module_of_cells(cells: Cells) -> ModuleType:
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    sys.modules[file.stem] = module
    cells.run(module)
    return module


def own_lines(error: BaseException) -> str:
    """The traceback of an error that left the subject, from the subject's own line on."""
    trace = error.__traceback__
    while trace is not None and not theirs(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    told = traceback.TracebackException(type(error), error, trace)
    ours = Hands.told.__code__.co_filename
    told.stack[:] = [frame for frame in told.stack if frame.filename != ours]
    return "".join(told.format())


def theirs(name: str) -> bool:
    """Whether a code's file is the subject's, or a cell of it."""
    return Path(name) in sources.known or (cells is not None and name.startswith(f"{file.name}[cell "))


def setup(threads: int, seed: int) -> None:  # noqa: ARG001
    np.random.seed(seed)  # noqa: NPY002 - for a file that draws from it
    random.seed(seed)


def about() -> dict[str, Any]:
    """Files have no version: the start of the SHA-256 of their digests stands for one."""
    files = sources.digests()
    if cells:
        files[file.name] = digest(json.dumps([*cells.cells, cells.first, cells.last]).encode())
    version = digest("".join(f"{name} {of}\n" for name, of in files.items()).encode())
    listed = dict(list(files.items())[:MAX_LISTED])
    return {
        "framework": file.stem,
        "version": version,
        "device": "cpu",
        "file": str(cells or file.name),
        "files": listed,
    }


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
    if array.size > MOST_ELEMENTS:
        raise Refused(too_large(array))
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


class Plain:
    """The reference's optimizers in float64."""

    exact = True

    def at(self, place: Any) -> None:
        """Where the walk is says nothing here."""

    def literal(self, place: Any, number: float) -> float:  # noqa: ARG002
        return number

    def r(self, a: Any) -> Any:
        return a

    def sum(self, a: Any, axis: Any) -> Any:
        return np.sum(a, axis)

    def fn(self, name: str, *args: Any) -> Any:
        return {"sqrt": np.sqrt, "pow": np.power}[name](*args)

    def kink(self, z: Any) -> Any:
        return z


def moving(row: Any) -> Callable[..., Callable[[dict[str, Any]], dict[str, Any]]]:
    """An optimizer of the reference, for code that returns no parameters."""

    def start(params: dict[str, Any], **options: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        weights, count = params, 0
        states = {name: row.started(w) for name, w in params.items()}

        def step(grads: dict[str, Any]) -> dict[str, Any]:
            """The moved parameters; none where a gradient has another shape, which is for the host to judge."""
            nonlocal weights, count
            if any(np.shape(grads[name]) != w.shape for name, w in weights.items()):
                return {}
            count, moved = count + 1, {}
            for name, w in weights.items():
                gradient = np.asarray(to_numpy(grads[name]), np.float64)
                after, states[name] = row.took(
                    Plain(), w.astype(np.float64), gradient, states[name], count, options
                )
                moved[name] = np.asarray(after, w.dtype)
            weights = moved
            return weights

        return step

    return start


def clipping(gradients: dict[str, Any], **limits: float) -> dict[str, Any]:
    """Of gradients all of which are numbers."""
    wide = {name: np.asarray(to_numpy(g), np.float64) for name, g in gradients.items()}
    return clipped(Plain(), wide, **limits)


CLIPS = {"value": clipping, "norm": clipping}
OPTIMIZERS = {name: moving(row) for name, row in ROWS.items()}


def arguments(function: Callable[..., Any], task: Task, inputs: dict[str, Any]) -> dict[str, Any]:
    """All tensors; of the rest, what the signature names (everything if it has **kwargs)."""
    offered = {**task.bindings, "cotangents": task.cotangents, "optimizer": task.optimizer}
    offered |= {"clip": task.clip} if task.clip else {}
    signature = inspect.signature(function).parameters
    every = any(p.kind is p.VAR_KEYWORD for p in signature.values())
    tensors = {name: array for name, array in inputs.items() if name not in task.probes}
    given = {**{name: value for name, value in offered.items() if every or name in signature}, **tensors}
    try:
        inspect.signature(function).bind(**given)
    except TypeError as error:
        told = f"{file.name}: {task.case.rpartition('/')[2]}: {error}; the case gives {', '.join(tensors)}"
        raise Refused(f"{told}, and to who names them {', '.join(offered)}") from None
    return given


def checked(returned: Any, name: str) -> tuple[dict[str, Any], ...]:
    shape = f"{file.name}: {name} should return (values, gradients) or (values, gradients, parameters)"
    if not isinstance(returned, tuple) or len(returned) not in (2, 3):
        size = f" of {len(returned)}" if isinstance(returned, tuple) else ""
        raise Refused(f"{shape}; it returned {kind(returned)}{size}")
    for part, found in zip(PARTS, returned, strict=False):
        if not isinstance(found, dict):
            raise Refused(f"{shape}, dicts by name; its {part} are {kind(found)}")
    return returned


def by_case_names(gradients: dict[str, Any], task: Task, inputs: dict[str, Any]) -> dict[str, Any]:
    """Gradients, those of `dW` or `W_grad` also as W's, where nothing in the case is called so and W's did not come back.

    Raises Refused where two of them would be one.
    """
    known = {*inputs, *(out for call in task.calls for out in call.outs)}
    found, meant = dict(gradients), dict[str, str]()
    for name, a in gradients.items():
        bare = BEFORE.sub("", BEHIND.sub("", str(name)))
        if name not in known and bare in known and bare not in gradients:
            if bare in meant:
                raise Refused(
                    f"{file.name}: it returned gradients {meant[bare]} and {name}, which may both be that of {bare}; return one, called {bare}"
                )
            found[bare], meant[bare] = a, str(name)
    return found


def one_number(values: dict[str, Any], task: Task) -> dict[str, Any]:
    """A loss in an array of one element, as `keepdims` leaves it, as the number that it is; it is printed."""
    output = task.outputs[0]
    loss = values.get(output)
    if task.cotangents or loss is None or np.size(loss) != 1 or not np.ndim(loss):
        return values
    with contextlib.redirect_stdout(sayings):
        print(f"{output} has shape {np.shape(loss)}: it is taken as the one number in it")  # noqa: T201 - told as subjects tell
    return {**values, output: np.reshape(loss, ())}


def wants_hands(name: str, function: Callable[..., Any], task: Task, inputs: dict[str, Any]) -> bool:
    """Whether its only parameter is called `case`, and nothing in the case is. Raises Refused where it has others too."""
    parameters = list(inspect.signature(function).parameters)
    if "case" not in parameters or "case" in inputs or "case" in task.bindings:
        return False
    if len(parameters) > 1:
        others = ", ".join(own for own in parameters if own != "case")
        raise Refused(
            f"{file.name}: {name} has the parameter case, and beside it {others}; one that is given "
            f"the case's hands has case alone, and what else there is from it: case[{others.split(', ')[0]!r}]"
        )
    return True


def function_for(task: Task) -> tuple[str, Callable[..., Any]]:
    """The case's function and its name.

    Raises Unsupported where nobody wrote one, or its cell was not asked for; Refused where what was to define it failed,
    or something else bears its name.
    """
    name = task.case.rsplit("/", 1)[-1]
    function = getattr(subject, name, None)
    if callable(function):
        return name, function
    if hasattr(subject, name):
        raise Refused(
            f"{file.name}: {name} is {kind(function)}, but a case is answered by a function of its name: give one, or "
            "call this otherwise"
        )
    why = cells.why(name) if cells else ""
    told = f"{file.name} has no function {name}{': ' * bool(why)}{why}"
    raise Refused(told) if cells and cells.failed_to_make(name) else Unsupported(told)


def called(function: Callable[..., Any], **arguments: Any) -> Any:
    """What the function returns. Raises Refused with its own lines where it errs; a name that a notebook's left out statement would have made is told with the reason."""
    try:
        with contextlib.redirect_stdout(sayings):
            return function(**arguments)
    except NameError as error:
        if why := cells and error.name and cells.why(error.name):
            error.args = (f"{error}: {why}",)
        raise Refused(own_lines(error)) from None
    except (Refused, Unsupported):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is their function's
        raise Refused(own_lines(error)) from None


def printed() -> str:
    return sayings.taken()


def differentiate(task: Task, inputs: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    name, function = function_for(task)
    if wants_hands(name, function, task, inputs):
        hands = Hands(task, inputs)
        returned = called(function, case=hands)
        if returned is None:
            return hands.told(name)
        if hands.any_told:
            raise Refused(
                f"{file.name}: {name} tells case its numbers and returns {kind(returned)} too: tell all of it to case, "
                "and return nothing"
            )
    else:
        returned = called(function, **arguments(function, task, inputs))
    values, gradients, *moved = checked(returned, name)
    values = one_number(values, task)
    return values, by_case_names(gradients, task, inputs), *moved
