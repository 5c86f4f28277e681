"""What every adapter has, and what is wrong with one that lacks some of it: all of it at once, in words.

docs/adapters.md tells what each name is for.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

FUNCTIONS = {
    "setup": ("setup(threads, seed)", 2),
    "about": ('about() -> {"framework": ..., "version": ...}', 0),
    "to_native": ("to_native(array) -> tensor", 1),
    "to_numpy": ("to_numpy(tensor) -> array", 1),
    "differentiate": ("differentiate(task, inputs) -> (values, gradients)", 2),
}
"""The functions that every adapter has, as they look, and how many arguments each is given."""

TABLES = {
    "MODES": 'MODES = ("eager",), words, the default first',
    "OPS": 'OPS = {"sigmoid": native_sigmoid, ...}, a function for each op',
}
"""The tables that every adapter has, as they look."""

FUNCTIONS_BY_NAME = ("OPS", "OPTIMIZERS", "CLIPS")
"""The tables of functions."""

DEFAULTS: dict[str, Callable[[], Any]] = {
    "CLIPS": dict,
    "COMPILED_MODES": tuple,
    "FORMULAS": set,
    "OPTIMIZERS": dict,
    "begin": lambda: nothing,
    "compiling": lambda: no_seconds,
    "printed": lambda: no_words,
}
"""What an adapter may leave out, and what stands for it."""


class Unsupported(Exception):
    """The framework cannot say this: raised by an adapter with the reason; the worker adds the op."""

    op: str | None = None


class Incomplete(Exception):
    """An adapter that is not one yet; the message is all that is wrong with it."""


def nothing() -> None:
    pass


def no_seconds() -> float:
    return 0.0


def no_words() -> str:
    return ""


def blank(path: str) -> ModuleType:
    """A module for an adapter's source, with what it may leave out."""
    module = ModuleType("adapter")
    module.__file__ = path
    for name, default in DEFAULTS.items():
        setattr(module, name, default())
    return module


def join(module: ModuleType, family: ModuleType) -> None:
    """What a family's tables hold becomes the adapter's. Raises Incomplete where something stands in both."""
    for table in FUNCTIONS_BY_NAME:
        own, more = getattr(module, table), getattr(family, table, {})
        if twice := sorted(set(own) & set(more)):
            raise Incomplete(
                f"{Path(str(family.__file__)).name} has {', '.join(twice)}, which stands elsewhere too"
            )
        setattr(module, table, {**own, **more})
    module.FORMULAS = {*module.FORMULAS, *family.FORMULAS}


def check(module: ModuleType) -> None:
    """Raises Incomplete for an adapter with missing or malformed names."""
    if found := [*missing(module), *malformed(module)]:
        raise Incomplete("\n".join(["it is not complete:", *(f"  {line}" for line in found)]))


def missing(module: ModuleType) -> Iterator[str]:
    looks = {**TABLES, **{name: look for name, (look, _) in FUNCTIONS.items()}}
    for name, look in looks.items():
        if not hasattr(module, name):
            yield f"{name} is missing; it should be {look}"


def malformed(module: ModuleType) -> Iterator[str]:
    modes = getattr(module, "MODES", ("eager",))
    if not (isinstance(modes, tuple) and modes and all(re.fullmatch(r"\w+", str(mode)) for mode in modes)):
        yield f"MODES is {modes!r}, should be {TABLES['MODES']}"
    compiled = module.COMPILED_MODES
    if not (isinstance(compiled, tuple) and set(compiled) <= set(modes if isinstance(modes, tuple) else ())):
        yield f"COMPILED_MODES is {compiled!r}, should be a tuple of some of MODES"
    for name in FUNCTIONS_BY_NAME:
        table = getattr(module, name, {})
        if not isinstance(table, dict):
            yield f"{name} is of type {type(table).__name__}, should be a dict of functions"
            continue
        for key, value in table.items():
            if not (isinstance(key, str) and callable(value)):
                yield f"{name}[{key!r}] is of type {type(value).__name__}, should be a function"
    if not isinstance(module.FORMULAS, (set, frozenset)):
        yield f"FORMULAS is of type {type(module.FORMULAS).__name__}, should be a set of names of OPS"
    for name, (look, count) in FUNCTIONS.items():
        function = getattr(module, name, None)
        if hasattr(module, name) and not callable(function):
            yield f"{name} is of type {type(function).__name__}, should be {look}"
        elif callable(function) and not takes(function, count):
            yield f"{name}{inspect.signature(function)} can't be called as {look}"


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether it can be called with so many arguments; where a native function doesn't say, it is believed."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def attributes(op: str, kw: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples, slices or ellipsis: an axis list becomes a tuple, an index a real index."""
    decode = basic_index if op == "index" else tuple
    return {name: decode(value) if isinstance(value, list) else value for name, value in kw.items()}


def basic_index(index: list[Any]) -> tuple[Any, ...]:
    return tuple(slice(*p) if isinstance(p, list) else Ellipsis if p == "..." else p for p in index)


def asks(function: Callable[..., Any], name: str) -> bool:
    """Whether it has a keyword of its own of this name."""
    code = getattr(function, "__code__", None)
    names = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount] if code else ()
    return name in names


def named(function: Callable[..., Any], options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options that an optimizer names, and the names of others that say something: neither 0 nor false."""
    known = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return options, []
    given = {name: value for name, value in options.items() if name in known}
    return given, [name for name, value in options.items() if value and name not in known]


def tellable(value: Any) -> bool:
    """Text or a number, or a dict of such."""
    plain = (str, int, float, type(None))
    return isinstance(value, plain) or (
        isinstance(value, dict)
        and all(isinstance(key, str) and isinstance(own, plain) for key, own in value.items())
    )


def checked_about(about: Any) -> dict[str, Any]:
    """What the adapter tells of itself. Raises Incomplete where something is missing or no text."""
    look = f"it should be {FUNCTIONS['about'][0]}, text or numbers by name, or a dict of such"
    if not isinstance(about, dict):
        raise Incomplete(f"about() gives {type(about).__name__}; {look}")
    wrong = [f"about() has no {name!r}" for name in ("framework", "version") if not about.get(name)] + [
        f"about()[{key!r}] is of type {type(value).__name__}"
        for key, value in about.items()
        if not (isinstance(key, str) and tellable(value))
    ]
    if wrong:
        raise Incomplete(f"{'; '.join(wrong)}; {look}")
    return about
