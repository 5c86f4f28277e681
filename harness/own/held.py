"""Weights that a function has beside its arguments: of its object, of layers in it, and of variables around it.

They are inputs like any other, or their gradient would be that of a constant. While the function runs an array of ours
stands in the place of each, and its own afterwards, so that an object that learns while it is asked has learnt nothing.
"""

import dis
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from operator import setitem
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..reading.elements import Array

MOST = 64
"""Items of a container that are looked at."""
DEEPEST = 4
"""Objects and containers in each other: a network, its list of layers, a layer, its dict of weights."""


@dataclass(frozen=True)
class Slot:
    """A place that holds an array of floats."""

    path: tuple[str, ...]
    array: Array
    put: Callable[[Any], None]


def slots_of(function: Callable[..., Any]) -> list[Slot]:
    """Every place that a function may read an array from, but its arguments."""
    seen: set[int] = set()
    return [
        slot
        for name, value, put in _around(function, seen)
        for slot in _slots((name,), value, put, DEEPEST, seen)
    ]


@contextmanager
def put_back(*functions: Callable[..., Any]) -> Iterator[None]:
    """Whatever the functions put into their objects, into what they close over and into variables is as before then.

    So every call starts from the same state, and what is judged is what a first call gives.
    """
    seen: set[int] = set()
    places = [place for function in functions for place in _around(function, seen)]
    containers = [inside for _, value, _ in places for inside in _containers(value, DEEPEST, seen)]
    before = [(inside, copy(inside)) for inside in containers]
    try:
        yield
    finally:
        for _, value, put in places:
            put(value)
        for inside, content in before:
            inside.clear()
            if isinstance(inside, list):
                inside.extend(content)
            else:
                inside.update(content)


def _containers(value: Any, levels: int, seen: set[int]) -> Iterator[dict[Any, Any] | list[Any]]:
    """The containers in a value, and of what the objects in it have."""
    inside = _inside(value)
    if not levels or inside is None or len(inside) > MOST or id(value) in seen:
        return
    seen.add(id(value))
    yield inside
    for item in list(inside if isinstance(inside, list) else inside.values()):
        yield from _containers(item, levels - 1, seen)


Place = tuple[str, Any, Callable[[Any], None]]


def _around(function: Any, seen: set[int]) -> Iterator[Place]:
    """The object of a method, what a function closes over, and the variables of its module that it names."""
    if isinstance(function, MethodType):
        yield "self", function.__self__, _nowhere
        function = function.__func__
    if not isinstance(function, FunctionType):
        yield "self", function, _nowhere
        return
    if id(function) in seen:
        return
    seen.add(id(function))
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held: list[Place] = [
        (name, cell.cell_contents, partial(setattr, cell, "cell_contents")) for name, cell in cells
    ]
    around = function.__globals__
    held += [
        (name, around[name], partial(setitem, around, name))
        for name in _names(function.__code__)
        if name in around
    ]
    for place in held:
        if isinstance(place[1], FunctionType | MethodType):
            yield from _around(place[1], seen)
        else:
            yield place


def _names(code: CodeType) -> Iterator[str]:
    """The variables of its module that a code reads, in functions inside it too; attributes may be called like some."""
    yield from (i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)


def _nowhere(_value: Any) -> None:
    """An object itself is replaced by nothing."""


def _slots(
    path: tuple[str, ...], value: Any, put: Callable[[Any], None], levels: int, seen: set[int]
) -> Iterator[Slot]:
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            yield Slot(path, value, put)
        return
    inside = _inside(value)
    if not levels or inside is None or len(inside) > MOST or id(value) in seen:
        return
    seen.add(id(value))
    items = list(enumerate(inside) if isinstance(inside, list) else inside.items())
    for key, item in items:
        yield from _slots((*path, str(key)), item, partial(setitem, inside, key), levels - 1, seen)


def _inside(value: Any) -> dict[Any, Any] | list[Any] | None:
    """The container of what an object has."""
    if isinstance(value, dict | list):
        return value
    if isinstance(value, type | ModuleType | FunctionType | MethodType) or not hasattr(value, "__dict__"):
        return None
    own: dict[Any, Any] = vars(value)
    return own


def names_of(slots: list[Slot], taken: set[str]) -> dict[str, list[Slot]]:
    """Slots by name, those of one array together: the last part of its path, or more where several have the same."""
    arrays: dict[int, list[Slot]] = {}
    for slot in slots:
        arrays.setdefault(id(slot.array), []).append(slot)
    found: dict[str, list[Slot]] = {}
    firsts = [same[0] for same in arrays.values()]
    for same in arrays.values():
        for length in range(1, len(same[0].path) + 1):
            name = "_".join(part.strip("_") or part for part in same[0].path[-length:])
            alike = sum(slot.path[-length:] == same[0].path[-length:] for slot in firsts)
            if alike == 1 and name not in taken and name.isidentifier():
                break
        while name in taken or name in found:
            name += "_"
        found[name] = same
    return found
