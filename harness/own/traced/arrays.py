"""Arrays that remember what was done to them, so that a function of arrays, run once, becomes a program.

A `Traced` stands where the function has an array and computes with NumPy beside it, so that the function sees real
numbers, shapes and branches. What it does is a graph of nodes. Nothing is refused while the function runs: a hand-written
backward pass does much that no program can say, and nobody needs it. What can't be said is an opaque node, and an error
only where the result depends on it.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ...reading.elements import Array

SUM, PRODUCT, NEGATIVE, POWER, ATOM = range(1, 6)
"""How tightly a form binds what stands in it: Python's own precedence."""

NOT_THEIRS = (str(Path(__file__).parents[1]) + os.sep, str(Path(np.__file__).parent) + os.sep)
MOST = 64
"""Items of a list or dict that are searched for named arrays."""


@dataclass(eq=False)
class Node:
    """A value, and how it came about: an input by its `name`, an op call by its `form`, else a constant."""

    value: Array
    form: str = ""
    """The call in the notation of cases, `{0}` in the place of its first argument."""
    args: tuple["Node", ...] = ()
    binding: int = ATOM
    place: str = ""
    depth: int = 0
    """How deep in the function's calls it was made."""
    name: str = ""
    problem: str = ""
    """Why no program can say it."""
    branch: str = ""
    """Of a constant that was worked out from the inputs, as `x > 0` is: what did."""
    compared: tuple["Node", ...] = ()
    """Of `x > 0` its two sides, the larger first."""
    called: tuple[bool, int, str] | None = None
    """The variable that it was bound to: whether as a numbered item of it, and how deep in the function's calls."""

    @property
    def is_constant(self) -> bool:
        return not (self.form or self.name or self.problem)

    def number(self) -> int | float | None:
        """The number that it is, if it is one that is written."""
        if not self.is_constant or self.value.ndim or self.branch:
            return None
        found = self.value.item()
        return found if type(found) in (int, float) else None

    def bound(self, depth: int, name: str, numbered: bool = False) -> None:
        """Take note of a variable; one of the function itself says more than one of what it calls."""
        if depth <= self.depth and (self.called is None or (numbered, depth) < self.called[:2]):
            self.called = numbered, depth, name


@dataclass
class Recorder:
    """What one run of a function did."""

    open: bool = True
    """Afterwards a traced array that was kept somewhere is an array like any other."""
    branched: list[str] = field(default_factory=list)
    """Where Python itself took a branch, as in `if loss > 1`."""
    left: list[str] = field(default_factory=list)
    """Where numbers were taken out of the trace."""
    taken: list[Node] = field(default_factory=list)
    """What was made a plain number, as in `float(loss)`."""
    constants: dict[int, tuple[Any, Node]] = field(default_factory=dict)
    floats: dict[int, tuple[Node, Node]] = field(default_factory=dict)
    """Constants by what they were seen as first: the second holds it, so that its identity stays its own."""

    def node(self, x: Any) -> Node:
        """The node of an argument; what is no traced array is a constant, the same one as long as it isn't written into."""
        if isinstance(x, Traced):
            return x.node
        array = np.asarray(x)
        kept = self.constants.get(id(x))
        if kept is None or not np.array_equal(kept[1].value, array):
            kept = self.constants[id(x)] = x, Node(np.array(array), depth=sys.maxsize)
            for depth, frame in enumerate(frames() if array.ndim else ()):
                for name, value, numbered in held_in(frame):
                    if value is x:
                        kept[1].bound(depth, name, numbered)
        return kept[1]

    def float_node(self, x: Any) -> Node:
        """The same, of a constant that is computed with: labels and masks count as numbers then."""
        node = self.node(x)
        if not node.is_constant or node.value.dtype.kind == "f" or node.number() is not None:
            return node
        if id(node) not in self.floats:
            twin = Node(
                node.value.astype(np.float64), branch=node.branch, depth=node.depth, called=node.called
            )
            self.floats[id(node)] = node, twin
        return self.floats[id(node)][1]

    def call(self, form: str, value: Any, *args: Any, binding: int = ATOM) -> "Traced":
        """The result of an op call; of constants alone it is one."""
        condition = form.startswith("where")
        nodes = tuple((self.node if condition and not i else self.float_node)(a) for i, a in enumerate(args))
        stack = frames()
        self.bind(stack)
        array = np.asarray(value)
        if all(node.is_constant for node in nodes):
            branch = next((node.branch for node in nodes if node.branch), "")
            return Traced(self, Node(array, branch=branch, depth=len(stack) - 1))
        return Traced(self, Node(array, form, nodes, binding, place_of(stack), len(stack) - 1))

    def opaque(self, what: str, value: Any, *args: Any) -> Any:
        """A result of which no program can say how it came about."""
        stack = frames()
        self.bind(stack)
        if isinstance(value, tuple | list):
            return tuple([self.opaque(what, part, *args) for part in value])
        array = np.asarray(value)
        if array.dtype.kind in "iub" or all(self.node(arg).is_constant for arg in args):
            return self.constant(what, value, *args)
        place = place_of(stack)
        return Traced(self, Node(array, place=place, depth=len(stack) - 1, problem=f"{place}: {what}"))

    def constant(self, what: str, value: Any, *args: Any) -> "Traced":
        """What is worked out from the inputs but has no derivative: the same for all inputs near these."""
        stack = frames()
        nodes = [self.node(arg) for arg in args]
        branch = next((node.branch for node in nodes if node.branch), "")
        if not all(node.is_constant or node.value.dtype.kind in "iub" for node in nodes):
            branch = f"{place_of(stack)}: {what}"
        return Traced(self, Node(np.asarray(value), branch=branch, depth=len(stack) - 1))

    def leave(self, what: str) -> None:
        """Take note of a number that leaves the trace."""
        self.left.append(f"{place_of(frames())}: {what}")

    def bind(self, stack: Sequence[FrameType]) -> None:
        """Look what the function's variables hold by now."""
        for depth, frame in enumerate(stack):
            for name, value, numbered in held_in(frame):
                if isinstance(value, Traced):
                    value.node.bound(depth, name, numbered)

    def profile(self, frame: FrameType, event: str, _arg: Any) -> None:
        """For `sys.setprofile`: what is bound last is seen where a function returns."""
        if event == "return" and not frame.f_code.co_filename.startswith(NOT_THEIRS):
            self.bind(frames(frame))


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of somebody's function while it is traced."""

    __array_priority__ = 1000

    def __init__(self, recorder: Recorder, node: Node) -> None:
        self.recorder, self.node = recorder, node

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kw: Any) -> Any:
        value = getattr(ufunc, method)(*map(plain, inputs), **{k: plain(v) for k, v in kw.items()})
        if not self.recorder.open:
            return value
        known = UFUNCS.get(ufunc.__name__) if method == "__call__" and not kw else None
        if known is None and method == "reduce" and ufunc.__name__ in REDUCTIONS:
            return FUNCTIONS[REDUCTIONS[ufunc.__name__]](self, *inputs[1:], **{"axis": 0, **kw})
        if known is None:
            told = f"np.{ufunc.__name__}" + f".{method}" * (method != "__call__")
            made = self.recorder.opaque(unknown(told), value, *inputs)
        else:
            made = known(self.recorder, value, *inputs)
        for target in out or ():
            if isinstance(target, Traced):
                target.node = made.node
                return target
            np.copyto(target, value, casting="same_kind")
        return made

    def __array_function__(self, function: Any, _types: Any, args: Any, kw: Any) -> Any:
        if self.recorder.open and function in FUNCTIONS:
            try:
                return FUNCTIONS[function](*args, **kw)
            except Unsaid as error:
                told = f"np.{function.__name__} {error}"
        else:
            told = unknown(f"np.{function.__name__}")
        value = function(*plain(args), **plain(kw))
        if not self.recorder.open:
            return value
        found = self.recorder.opaque(told, value, *traced_in((args, kw)))
        return value._make(found) if hasattr(value, "_make") else found  # as of np.linalg.svd

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.recorder.open:
            self.recorder.taken.append(self.node)
            self.recorder.leave("a plain array is made of it (np.stack joins traced arrays)")
        return np.array(self.node.value, dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.node.value, name)
        if not self.recorder.open:
            return found
        if name == "T":
            return METHODS["transpose"](self)
        if name in METHODS:
            return partial(method, name, self)
        return partial(method, name, self) if callable(found) else found

    def __getitem__(self, index: Any) -> Any:
        value = self.node.value[plain(index)]
        return SUBSCRIPTS["get"](self, index, value) if self.recorder.open else value

    def __setitem__(self, index: Any, new: Any) -> None:
        value = np.array(self.node.value)
        value[plain(index)] = plain(new)
        if self.recorder.open:
            self.node = SUBSCRIPTS["set"](self, index, new, value).node
        else:
            self.node = Node(value)

    def __len__(self) -> int:
        return len(self.node.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        if self.recorder.open:
            self.recorder.taken.append(self.node)
            self.recorder.leave("a plain number is made of it")
        return float(self.node.value)

    def __int__(self) -> int:
        return int(float(self))

    def __bool__(self) -> bool:
        if self.recorder.open and self.node.branch:
            self.recorder.branched.append(self.node.branch)
        return bool(self.node.value)

    def __index__(self) -> int:
        return self.node.value.item().__index__()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return repr(self.node.value)

    def __format__(self, spec: str) -> str:
        return format(self.node.value, spec)


class Unsaid(Exception):
    """A call of a known function that no program can say; its words follow the function's name."""


UFUNCS: dict[str, Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
METHODS: dict[str, Callable[..., Any]] = {}
SUBSCRIPTS: dict[str, Callable[..., Any]] = {}
REDUCTIONS: dict[str, Any] = {"add": np.sum, "maximum": np.max, "minimum": np.min}


def unknown(name: str) -> str:
    """A function that isn't in the table."""
    known = sorted({*UFUNCS, *(f.__name__ for f in FUNCTIONS)})
    return f"{name} is none of what can be traced: {' '.join(known)}"


def method(name: str, x: Traced, *args: Any, **kw: Any) -> Any:
    """A call of an array's method; one that isn't in the table is opaque."""
    if name in METHODS:
        try:
            return METHODS[name](x, *args, **kw)
        except Unsaid as error:
            told = f".{name} {error}"
    else:
        told = unknown(f".{name}()")
    value = getattr(np.array(x.node.value), name)(*plain(args), **plain(kw))
    if name in ("item", "tolist"):
        x.recorder.taken.append(x.node)
        x.recorder.leave("a plain number is made of it")
        return value
    return x.recorder.opaque(told, value, x)


def plain(x: Any) -> Any:
    """The same without traces, in lists, tuples and dicts too."""
    if isinstance(x, Traced):
        return x.node.value if x.node.value.ndim else x.node.value[()]
    if type(x) in (list, tuple):
        return type(x)(map(plain, x))
    return {key: plain(value) for key, value in x.items()} if type(x) is dict else x


def traced_in(x: Any) -> list[Traced]:
    """Every traced array in lists, tuples and dicts."""
    if isinstance(x, Traced):
        return [x]
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, list | tuple) else ()
    return [found for part in parts for found in traced_in(part)]


# Where it was done, and what it is called there


def frames(innermost: FrameType | None = None) -> list[FrameType]:
    """The frames of the traced function and of what it calls, its own first, without NumPy's and ours."""
    found: list[FrameType] = []
    frame = innermost or sys._getframe(1)  # noqa: SLF001 (inspect.stack reads every file of the stack)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(NOT_THEIRS):
            found.append(frame)
        elif found and frame.f_code.co_filename.startswith(NOT_THEIRS[0]):
            break
        frame = frame.f_back  # type: ignore[assignment]
    return found[::-1]


def place_of(stack: Sequence[FrameType]) -> str:
    """`mine.py:12`: the innermost line of the function's own code."""
    if not stack:
        return "?"
    file = stack[-1].f_code.co_filename
    named = "the cell" if "ipykernel" in file or file.startswith("<") else Path(file).name
    return f"{named}:{stack[-1].f_lineno}"


Held = Iterator[tuple[str, Any, bool]]
"""Names, what they hold, and whether it is a numbered item."""


def held_in(frame: FrameType) -> Held:
    """What the variables of a frame hold, and after them what is in its objects and containers."""
    held = list(frame.f_locals.items())
    for levels in (0, 2):
        for name, value in held:
            yield from _inside(name, value, levels)


def _inside(name: str, value: Any, levels: int, numbered: bool = False) -> Held:
    if isinstance(value, Traced | np.ndarray) or not levels:
        yield name, value, numbered
    elif isinstance(value, dict | list | tuple) and len(value) <= MOST:
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            is_name = isinstance(key, str)
            own = key if is_name else f"{name}_{key}".replace("-", "m")
            yield from _inside(own, item, levels - 1, numbered or not is_name)
    elif hasattr(value, "__dict__") and not isinstance(value, type | ModuleType | FunctionType):
        for key, item in list(vars(value).items()):
            yield from _inside(key.strip("_") or key, item, levels - 1, numbered)
