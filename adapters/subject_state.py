"""A subject's modules as they were loaded, for each cell: what one cell leaves in them, no other finds.

Whether a cell left something is seen by a digest of all that the modules hold, which is that of its pickle. Where it is
another, or nobody knows since something can't be pickled, the modules are executed anew from what was read of them.
"""

import gc
import hashlib
import pickle
import random
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import IOBase
from types import (
    CellType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any

import numpy as np
from subject_files import Loader

Load = Callable[[], ModuleType]

IMPORTING = frozenset({"__builtins__", "__loader__", "__spec__"})
"""Names in a module that are the import's."""
DESCRIBING = frozenset(
    {
        "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__",
        "__conditional_annotations__", "__dataclass_fields__", "__dataclass_params__", "__orig_bases__",
        "__parameters__", "__slotnames__", "_abc_impl",
    }
)  # fmt: skip
"""Names that tell of a class or a module what its text says, or are Python's own: nobody learns in these, and few can be pickled."""
PICKLES_ITSELF = frozenset({"__getstate__", "__reduce__", "__reduce_ex__"})
"""What a class has that says itself what of it is pickled, which needn't be all: of torch's parameters it isn't the gradient."""
TELL_ALL = sys.stdlib_module_names | {"numpy"}
"""Whose classes say all."""
Cached = type(lru_cache(lambda: None))


class Fresh:
    """A subject's modules, as `load` makes them, and the random numbers that NumPy and Python draw next."""

    def __init__(self, load: Load) -> None:
        self._load, self._before = load, draws()
        self._execute()

    def module(self) -> ModuleType:
        """The subject's module for a cell, as if no cell had been before. Raises what loading it raises."""
        if self._used and (self._digest is None or self._digest != digest(self._own())):
            for name in self._own():
                del sys.modules[name]
            draw(self._before)
            self._execute()
            gc.collect()  # of the one before, whose functions and names hold each other
        else:
            draw(self._after)
        self._used = True
        return self._module

    def _execute(self) -> None:
        self._used, self._digest = True, None  # where it raises, the next cell tries again
        self._module = self._load()
        self._used, self._digest, self._after = False, digest(self._own()), draws()

    def _own(self) -> dict[str, ModuleType]:
        """The file or notebook, and what it has imported of its folder."""
        return {
            name: module
            for name, module in list(sys.modules.items())
            if isinstance(module, ModuleType)
            and (module is self._module or isinstance(vars(module).get("__loader__"), Loader))
        }


def draws() -> tuple[Any, Any]:
    return np.random.get_state(), random.getstate()  # noqa: NPY002 - what a file draws from


def draw(states: tuple[Any, Any]) -> None:
    np.random.set_state(states[0])  # noqa: NPY002
    random.setstate(states[1])


def digest(modules: Mapping[str, ModuleType]) -> bytes | None:
    """Of all that modules hold; None where nobody can tell."""
    content = Content()
    try:
        Pickler(content, modules).dump({name: held(vars(module)) for name, module in modules.items()})
    except Exception:  # noqa: BLE001 - whatever a strange object raises: it can't be told
        return None
    return content.hash.digest()


def held(names: Mapping[str, Any]) -> dict[str, Any]:
    """What a module or a class holds by name."""
    slots = (GetSetDescriptorType, MemberDescriptorType)
    return {
        name: a
        for name, a in names.items()
        if name not in IMPORTING and name not in DESCRIBING and not isinstance(a, slots)
    }


class Content:
    """A file that keeps the digest of what is written."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b()

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return memoryview(data).nbytes

    def add(self, array: memoryview) -> None:
        """The elements of an array: they may be many, and this is seven times as fast."""
        self.hash.update(zlib.crc32(array).to_bytes(4, "little"))


class Pickler(pickle.Pickler):
    """Pickles functions and classes of these modules by what they hold, all other modules' by which they are.

    It is never read: `id`, a function that needs no word of ours, stands for what makes each anew.
    """

    def __init__(self, file: "Content", modules: Mapping[str, ModuleType]) -> None:
        super().__init__(file, 5, buffer_callback=lambda a: file.add(a.raw()))
        self._names = frozenset(modules)
        self._namespaces = {id(vars(module)) for module in modules.values()}

    def reducer_override(self, found: Any) -> Any:
        match found:
            case FunctionType() if id(found.__globals__) in self._namespaces:
                return by_content(found, of_function(found))
            case type() if found.__module__ in self._names:
                return by_content(found, held(vars(found)))
            case type() | ModuleType():
                return by_identity(found)
            case IOBase() if found.closed:
                return by_identity(found)
            case property():
                return by_content(property, (found.fget, found.fset, found.fdel))
            case staticmethod() | classmethod():
                return by_content(type(found), found.__func__)
            case CellType():
                return by_content(CellType, of_cell(found))
            case MappingProxyType():
                return by_content(MappingProxyType, dict(found))
            case Cached() if not found.cache_info().currsize:
                return by_content(Cached, found.__wrapped__)
        if hasattr(type(found), "__code__"):  # a function of another module, or of Cython
            return by_identity(found)
        if isinstance(found, Cached) or hides_something(type(found)):
            raise pickle.PicklingError
        return NotImplemented


def hides_something(kind: type) -> bool:
    own = (base for base in kind.__mro__ if base.__module__.partition(".")[0] not in TELL_ALL)
    return any(PICKLES_ITSELF & vars(base).keys() for base in own)


def by_identity(found: Any) -> tuple[Any, ...]:
    return id, (id(found),)


def by_content(found: Any, content: Any) -> tuple[Any, ...]:
    """`content` may lead to what it is of, and so stands behind it."""
    return id, (id(found.__code__ if isinstance(found, FunctionType) else found),), content


def of_function(function: FunctionType) -> tuple[Any, ...]:
    return function.__defaults__, function.__kwdefaults__, function.__dict__, function.__closure__


def of_cell(cell: CellType) -> Any:
    """What a name that is closed over stands for; None where it stands for nothing yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return None
