"""A function of arrays, run with arrays that remember, becomes a program; and that is held to the function itself.

The function runs on its own arrays too, and at a second draw of its inputs: a program that gives another value, or a
constant that changes with the inputs, is never handed on. Constructors of NumPy and functions of `math` know nothing of
other arrays than NumPy's, so while a trace runs theirs stand in `numpy` and `math`.
"""

import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import Any

import numpy as np

from ...reference.backprop import forward
from ...reference.contexts import Exact
from ...reference.formats import DTYPES
from ...reference.language import parse
from ...reference.names import nearest
from ...reference.program import ProgramError
from ...reference.rounding import expected, seed_of
from ..judging.comparing import compare
from ..reading.elements import Array
from ..reading.text import shown, visible
from ..references.row import References
from .errors import OwnError
from .held import put_back
from .inputs import Inputs
from .traced import functions, shapes, ufuncs  # noqa: F401  (they fill the tables)
from .traced.arrays import NOT_THEIRS, UFUNCS, Node, Recorder, Traced, place_of, traced_in
from .traced.rendering import Renderer, Text, constants_apart, needed_for

Pick = Callable[[Any], Any]
"""Finds the output in what a function returns."""


SHARES = (0.25, 1e-6)
"""How far inputs are moved for the second look: some functions take no others than those that add up to 1."""


def trace(function: Callable[..., Any], inputs: Inputs, pick: Pick = lambda returned: returned) -> Text:
    """The program of a function at these inputs, by its parameters' names. Raises OwnError."""
    check_signature(function, inputs)
    own, again = (_numbers(function, pick(run(function, inputs))) for _ in range(2))
    if not np.array_equal(np.asarray(own), np.asarray(again), equal_nan=True):
        raise OwnError(
            f"{named(function)} gives {shown(own)} and then {shown(again)} for the same inputs: it draws random"
            " numbers, or keeps something where it can't be put back; give it what it draws as an input"
        )
    with np.errstate(all="ignore"):  # what it warns of it has warned of
        text = _traced(function, inputs, pick)[0]
        _check_value(function, text, inputs, own)
        _check_others(function, inputs, pick, text)
        _check_still(function, inputs, pick, text)
    return text


def _numbers(function: Callable[..., Any], found: Any) -> Any:
    """What was found, if numbers can be made of it. Raises OwnError."""
    if not isinstance(found, list | tuple) and np.asarray(found).dtype.kind not in "fiubc":
        raise OwnError(
            f"{named(function)} returns {shown(found)}, but a loss is a number, or an array of them"
        )
    return found


def named(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def run(function: Callable[..., Any], inputs: Inputs) -> Any:
    """What the function returns for copies of the inputs; what it holds is as before then."""
    with put_back(function):
        return inputs.call(function, lambda _, a: np.array(a))


def check_signature(function: Callable[..., Any], inputs: Inputs) -> None:
    """Raises OwnError where the function takes other names than the inputs have."""
    parameters, given = inspect.signature(function).parameters.values(), inputs.parameters
    every = any(p.kind is p.VAR_KEYWORD for p in parameters)
    takes = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for parameter in parameters:
        if parameter.name in takes and parameter.default is parameter.empty and parameter.name not in given:
            known = f"the inputs are {', '.join(given) or 'none'}"
            raise OwnError(
                f"{named(function)} needs {parameter.name}, but {known}{nearest(parameter.name, given)}"
            )
    for name in given:
        if name not in takes and not every:
            told = f"{named(function)} has no parameter {name}; it takes {', '.join(takes) or 'nothing'}"
            raise OwnError(told + nearest(name, takes))


def _check_others(function: Callable[..., Any], inputs: Inputs, pick: Pick, text: Text) -> None:
    """Another draw of the inputs gives the same program: nearer to the first where the function takes no others, or goes
    another way there. Raises OwnError.
    """
    trouble = ""
    for share in SHARES:
        moved = {name: _moved(a, i, share) for i, (name, a) in enumerate(inputs.arrays.items())}
        other = inputs.with_arrays(moved)
        try:
            found = pick(run(function, other))
        except Exception as error:  # noqa: BLE001 (it is somebody's own: whatever it raises)
            told = visible(f"{type(error).__name__}: {error}")
            trouble = f"{named(function)} raises {told} at inputs as near as {share} of themselves"
            continue
        second, recorder = _traced(function, other, pick)
        _check_value(function, second, other, found)
        trouble = _apart(text, second, "the inputs", recorder)
        if not trouble:
            return
    raise OwnError(trouble)


def _check_still(function: Callable[..., Any], inputs: Inputs, pick: Pick, text: Text) -> None:
    """Zeros and ones, as of a bias, may leave the trace too. A function that takes no others, as of labels, goes another
    way, or none. Raises OwnError.
    """
    for name in inputs.floats:
        a = inputs.arrays[name]
        if not _is_still(a):
            continue
        other = inputs.with_arrays({name: a + np.random.default_rng(0).uniform(0, SHARES[-1], a.shape)})
        try:
            second, recorder = _traced(function, other, pick)
        except OwnError:
            continue
        if recorder.branched and second.calls != text.calls:
            continue
        if trouble := _apart(text, second, name, recorder):
            raise OwnError(f"{trouble}; labels are given as integers")


def _moved(a: Array, seed: int, share: float) -> Array:
    """Another draw near the first: signs, zeros, labels, and what is one-hot stay."""
    if a.dtype.kind != "f" or _is_still(a):
        return a
    return a * np.random.default_rng(seed).uniform(1 - share, 1 + share, a.shape)


def _is_still(a: Array) -> bool:
    return bool(np.all((a == 0) | (a == 1)))


def _traced(function: Callable[..., Any], inputs: Inputs, pick: Pick) -> tuple[Text, Recorder]:
    recorder = Recorder()

    def remembering(name: str, a: Array) -> Any:
        return Traced(recorder, Node(np.array(a), name=name)) if a.dtype.kind == "f" else np.array(a)

    try:
        with put_back(function), _remembering(recorder), _watching(recorder):
            returned = inputs.call(function, remembering)
        output = _output(function, recorder, pick(returned))
    except OwnError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise OwnError(
            f"{_line_of(error)}: raises {visible(told)} with arrays that remember what is done to them, not with NumPy's"
        ) from error
    finally:
        recorder.open = False
    for name, value in returned[0].items() if _has_values(returned) else ():
        if isinstance(value, Traced):
            value.node.called = False, -1, str(name)
    problems = [node.problem for node in needed_for(output) if node.problem]
    if problems:
        raise OwnError(problems[0])
    return Renderer(output, inputs.floats).text(), recorder


def _has_values(returned: Any) -> bool:
    return isinstance(returned, tuple) and bool(returned) and isinstance(returned[0], dict)


def _line_of(error: BaseException) -> str:
    """The innermost line of the function's own code that an error passed through."""
    stack = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    theirs = [f for f in stack if not f.f_code.co_filename.startswith(NOT_THEIRS)]
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if theirs and frame is theirs[-1]]
    return f"{place_of(theirs).rpartition(':')[0]}:{lines[-1]}" if lines else "?"


def _output(function: Callable[..., Any], recorder: Recorder, found: Any) -> Node:
    """The node of what is differentiated. A plain number, as of `float(loss)` or `np.float64(loss)`, is the traced one that was made it."""
    if isinstance(found, Traced):
        node = found.node
    elif recorder.taken and _is_number_of(found, recorder.taken[-1]):
        node = recorder.taken[-1]
    elif len(traced_in(found)) == 1 and np.ndim(traced_in(found)[0].node.value) == 0:
        node = traced_in(found)[0].node
    else:
        left = f"; at {recorder.left[-1]}" if recorder.left else ""
        raise OwnError(
            f"{named(function)} returns {type(found).__name__}, which isn't computed from the inputs by NumPy alone{left}"
        )
    if not node.form and not node.problem:
        raise OwnError(f"{named(function)} returns what doesn't depend on its inputs by any op call")
    return node


def _is_number_of(found: Any, taken: Node) -> bool:
    """Whether a plain number, as of `float(loss)` or `np.float32(loss)`, is the traced one that was taken out last."""
    if (
        not isinstance(found, float | int | np.floating | np.ndarray)
        or np.ndim(found)
        or taken.value.size != 1
    ):
        return False
    dtype = np.asarray(found).dtype if isinstance(found, np.floating | np.ndarray) else np.dtype(np.float64)
    return bool(taken.value.astype(dtype).item() == found)


def _apart(one: Text, other: Text, moved: str, recorder: Recorder) -> str:
    """What of the inputs got into the program past the trace, in words; branches are told instead."""
    same = one.calls == other.calls
    differ = [name for name in constants_apart(one, other) if name not in one.branches] if same else []
    if same and not differ:
        return ""
    what = f"the constant {differ[0]}" if same else "a number, or a path,"
    where = f": at {recorder.left[0]}" if recorder.left else ""
    return f"{what} of the program changes with {moved} past the trace{where}"


def _check_value(function: Callable[..., Any], text: Text, inputs: Inputs, own: Any) -> None:
    """Raises OwnError where the program gives another value than the function itself."""
    try:
        program = parse(text.program)
    except ProgramError as error:
        raise OwnError(f"{named(function)} can't be made a program: {error}") from None
    arrays = {**{name: inputs.arrays[name] for name in text.read}, **text.constants}
    key = ("value", text.output)

    def compute(c: Exact) -> dict[tuple[str, str], Array]:
        return {key: forward(program, arrays, c)[text.output]}

    size = sum(a.size for a in arrays.values())
    array = np.asarray(own)
    array = array if array.dtype.name in DTYPES else array.astype(np.float64)
    dtype = array.dtype.name
    due = References.of(expected(compute, size, seed_of(text.program.encode()), runs=8, dtype=dtype))
    [found] = compare(due, {key: array}, dtype)
    if not found.used <= 1:
        raise OwnError(
            f"{named(function)} gives {shown(own)}, but what was seen of it gives {found.want or found.problem}: it writes"
            " into an array that shares its elements with another (a view), rounds to another dtype on the way, or keeps"
            " something from one call to the next"
        )


# While a trace runs


@contextmanager
def _watching(recorder: Recorder) -> Iterator[None]:
    """What a function has bound is seen where it returns; beside a profiler of theirs, at the next call."""
    free = sys.getprofile() is None
    if free:
        sys.setprofile(recorder.profile)
    try:
        yield
    finally:
        if free:
            sys.setprofile(None)


@contextmanager
def _remembering(recorder: Recorder) -> Iterator[None]:
    """Arrays that are made anew remember too, and so do numbers that `math` is given."""
    there: dict[tuple[ModuleType, str], Any] = {
        (np, name): _made(recorder, getattr(np, name)) for name in ("zeros", "ones", "empty", "full")
    }
    there |= {(np, name): _joined(getattr(np, name)) for name in ("array", "asarray")}
    called = {"fabs": "absolute", "pow": "power"}
    names = ("exp", "log", "sqrt", "tanh", "sin", "cos", "log1p", "expm1", "fabs", "pow")
    there |= {(math, n): _on_numbers(getattr(math, n), getattr(np, called.get(n, n))) for n in names}
    there |= _compiled(ModuleType(np.__name__))
    before = {place: getattr(*place) for place in there}
    try:
        for (module, name), function in there.items():
            setattr(module, name, function)
        yield
    finally:
        for (module, name), function in before.items():
            setattr(module, name, function)


def _compiled(plain: ModuleType) -> dict[tuple[ModuleType, str], ModuleType]:
    """NumPy as it is, for modules of compiled code: they write into the memory of an array that they make, unasked."""
    plain.__dict__.update(np.__dict__)
    modules = [m for m in list(sys.modules.values()) if isinstance(m, ModuleType)]
    compiled = [m for m in modules if str(vars(m).get("__file__")).endswith(tuple(EXTENSION_SUFFIXES))]
    return {(m, name): plain for m in compiled for name, a in list(vars(m).items()) if a is np}


def _made(recorder: Recorder, make: Callable[..., Any]) -> Callable[..., Any]:
    """An array into which somebody may write what is traced; NumPy's own code gets a plain one."""

    def made(*args: Any, **kw: Any) -> Any:
        array = make(*args, **kw)
        theirs = not sys._getframe(1).f_code.co_filename.startswith(NOT_THEIRS)  # noqa: SLF001
        if not theirs or array.dtype.kind != "f" or traced_in((args, kw)):
            return array
        return functions.fresh(recorder, np.zeros_like(array) if make.__name__ == "empty" else array)

    return made


def _joined(make: Callable[..., Any]) -> Callable[..., Any]:
    """`np.array` of lists in which traced arrays are."""

    def joined(x: Any, *args: Any, **kw: Any) -> Any:
        if isinstance(x, Traced):
            dtype = kw.get("dtype", args[0] if args else None)
            return x.copy() if dtype is None else x.astype(dtype)
        if type(x) in (list, tuple) and traced_in(x):
            return np.stack([joined(part) if type(part) in (list, tuple) else part for part in x])
        return make(x, *args, **kw)

    return joined


def _on_numbers(function: Callable[..., Any], ufunc: Any) -> Callable[..., Any]:
    assert ufunc.__name__ in UFUNCS
    return lambda *args: ufunc(*args) if traced_in(args) else function(*args)
