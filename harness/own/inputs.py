"""What a function is given: arrays by name, some of them in a dict or a list as people keep their weights, and settings."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...reference.formats import DTYPES
from ..reading.elements import Array
from ..reading.text import shown
from .errors import OwnError
from .held import Slot, names_of, slots_of


@dataclass(frozen=True)
class Inputs:
    """The arguments of a function by the names of its parameters."""

    arrays: Mapping[str, Array]
    """Every array by a name of its own: those of `{"params": {"W": ...}}` are called as in their dict, W."""
    groups: Mapping[str, Mapping[Any, str] | Sequence[str]]
    """Parameters that hold several arrays: their names by key, or in order."""
    settings: Mapping[str, Any]
    """What is no array: integers, booleans, words, functions."""
    held: Mapping[str, Sequence[Slot]] = field(default_factory=dict)
    """Arrays that the function has beside its arguments, by their names, each with its places."""

    @classmethod
    def of(cls, given: Mapping[str, Any], function: Callable[..., Any] | None = None) -> "Inputs":
        """Raises OwnError for what is neither an array nor a setting, and for a name that stands twice."""
        if not isinstance(given, Mapping):
            raise OwnError(f"inputs are {shown(given)}, but must be arrays by name, as in {{'X': X, 'y': y}}")
        arrays: dict[str, Array] = {}
        groups: dict[str, Mapping[Any, str] | Sequence[str]] = {}
        settings: dict[str, Any] = {}
        for name, a in given.items():
            if a is None or isinstance(a, str | int) or callable(a):
                settings[name] = a
                continue
            members = dict(_members(name, a))
            if list(members) != [None]:
                names = {key: own for key, (own, _) in members.items()}
                groups[name] = names if isinstance(a, Mapping) else list(names.values())
            for own, array in members.values():
                if own in arrays:
                    raise OwnError(f"two inputs are called {own}, one of them in {name}")
                arrays[own] = array
        slots = [] if function is None else slots_of(function)
        held = names_of(slots, {*arrays, *groups, *settings})
        return cls(arrays | {name: same[0].array for name, same in held.items()}, groups, settings, held)

    @property
    def parameters(self) -> list[str]:
        """The names by which a function is given all of it."""
        inside = {*self.held, *(name for group in self.groups.values() for name in self._names(group))}
        return [*(name for name in self.arrays if name not in inside), *self.groups, *self.settings]

    def call(
        self,
        function: Callable[..., Any],
        make: Callable[[str, Array], Any],
        read: Callable[[Any], Any] = lambda returned: returned,
    ) -> Any:
        """What is read in what a function returns for these inputs, each array made anew; what it holds is as before then."""
        made = {name: make(name, a) for name, a in self.arrays.items()}
        try:
            for name, slots in self.held.items():
                for slot in slots:
                    slot.put(made[name])
            return read(function(**self.arguments(made)))
        finally:
            for slots in self.held.values():
                for slot in slots:
                    slot.put(slot.array)

    def arguments(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, of arrays by their own names."""
        grouped = {
            parameter: {key: made[name] for key, name in group.items()}
            if isinstance(group, Mapping)
            else [made[name] for name in group]
            for parameter, group in self.groups.items()
        }
        return {name: {**made, **grouped, **self.settings}[name] for name in self.parameters}

    def with_arrays(self, arrays: Mapping[str, Array]) -> "Inputs":
        """The same with other arrays for some of them."""
        return replace(self, arrays={**self.arrays, **arrays})

    @property
    def floats(self) -> list[str]:
        """The arrays that have a gradient."""
        return [name for name, a in self.arrays.items() if a.dtype.kind == "f"]

    def dtype(self, names: Collection[str]) -> str:
        """The one dtype of these floats. Raises OwnError."""
        dtypes = {self.arrays[name].dtype.name: name for name in names}
        if len(dtypes) > 1:
            told = ", ".join(f"{name} is {dtype}" for dtype, name in dtypes.items())
            raise OwnError(f"{told}: give all of one dtype, which is then judged")
        dtype = next(iter(dtypes), "")
        if dtype not in DTYPES:
            there = f"the inputs are {dtype}" if dtype else "no input has floats"
            raise OwnError(f"{there}; what can be judged: {', '.join(DTYPES)}")
        return dtype

    def flat(self, gradients: Mapping[str, Any], stems: Callable[[str], list[str]]) -> dict[str, Any]:
        """Gradients of single arrays, where some came back as lists or dicts of a whole group; `stems` are a name's meanings."""
        found: dict[str, Any] = {}
        for name, a in gradients.items():
            group = next((self.groups[stem] for stem in stems(name) if stem in self.groups), None)
            if group is None or isinstance(a, np.ndarray):
                found[name] = a
            elif isinstance(a, Mapping):
                found |= {str(key): part for key, part in a.items()}
            elif len(names := self._names(group)) == len(a):
                found |= dict(zip(names, a, strict=True))
            else:
                raise OwnError(
                    f"{len(a)} gradients of {name} came back, for {len(names)} arrays: {', '.join(names)}"
                )
        return found

    @staticmethod
    def _names(group: Mapping[Any, str] | Sequence[str]) -> list[str]:
        return list(group.values() if isinstance(group, Mapping) else group)


def _members(name: str, a: Any) -> Iterator[tuple[Any, tuple[str, Array]]]:
    """The arrays of one argument, each with its key and name; the key is None where it is one."""
    if isinstance(a, Mapping):
        yield from ((key, (str(key), _array(str(key), part))) for key, part in a.items())
    elif isinstance(a, list | tuple) and any(isinstance(part, np.ndarray) for part in a):
        yield from ((i, (f"{name}_{i}", _array(f"{name}_{i}", part))) for i, part in enumerate(a))
    else:
        yield None, (name, _array(name, a))


def _array(name: str, a: Any) -> Array:
    try:
        array = np.array(a)
    except ValueError:  # rows of several lengths
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise OwnError(f"input {name} is {shown(a)}, but must be an array of floats, integers or booleans")
    return array
