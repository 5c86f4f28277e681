"""What a port gives, as answers to the case that the original is: in the case's names and layouts.

Inner values come by the submodule's path, where its parameters or its name say which of the original's it is; others, such
as local variables, by their numbers: what equals a value of the case is told as that. Nothing is told by guessing.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...reading.elements import Array
from ..errors import OwnError
from ..exported import Exported
from .door import Described, Gave, Inner, Place
from .pairing import Pairing, key

EQUAL = 1e-6
"""Of the largest element: nearer values are taken for the same one, and are judged as that."""
FEWEST = 4
"""Elements of a value that is known by its numbers."""
ADDED = ("third", "one after the other")
"""Rules by which a part of a layer holds a part of another's parameters: neither is the other."""


@dataclass
class Told:
    """Values and gradients by the case's names, and where the port has each."""

    values: dict[str, Array] = field(default_factory=dict)
    gradients: dict[str, Array] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class Laid:
    """Inputs of the case as the port takes them: numbers of the case's elements in the port's shape, for each."""

    names: Sequence[str | None]
    """None of an input that is none of the case's: integers from which constants were worked out."""
    numbers: Sequence[Array]
    channels_last: bool

    def given(self, arrays: Sequence[Array]) -> list[Array]:
        return [np.ravel(a)[numbers] for a, numbers in zip(arrays, self.numbers, strict=True)]


def laid(original: Described, port: Described, names: Sequence[str]) -> Laid:
    """Inputs in order, a target last. `names` are the case's of those of floats. Raises OwnError where they don't fit."""
    if len(original.inputs) != len(port.inputs):
        raise OwnError(
            f"the original takes {len(original.inputs)} inputs, the port {len(port.inputs)}: they are given in order, so both have the same"
        )
    floats = iter(names)
    found, numbers, last = [], [], False
    for i, (ours, theirs) in enumerate(zip(original.inputs, port.inputs, strict=True)):
        found.append(next(floats, None) if ours.dtype.kind == "f" else None)
        own = np.arange(ours.size).reshape(ours.shape)
        made = next(arranged(own, theirs.shape, last=last), None)
        if made is None:
            raise OwnError(
                f"input {i}: the original takes {list(ours.shape)}, the port {list(theirs.shape)}, and no layout makes one of the other"
            )
        last = last or (made.shape != own.shape and made.ndim == own.ndim)
        numbers.append(made)
    return Laid(found, numbers, last)


def arranged(numbers: Array, shape: tuple[int, ...], *, last: bool) -> Iterator[Array]:
    """An array in another shape: as it is, with its channels last, or with other axes of length 1; the likelier first."""
    ways = [numbers]
    if numbers.ndim > 2:
        ways.insert(0 if last else 1, np.moveaxis(numbers, 1, -1))
    if [n for n in numbers.shape if n != 1] == [n for n in shape if n != 1]:
        ways.append(numbers.reshape(shape))
    return (way for way in ways if way.shape == tuple(shape))


def back(theirs: Array, shape: tuple[int, ...], *, last: bool) -> Array | None:
    """An array of the port in the original's shape."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    way = next(arranged(numbers, theirs.shape, last=last), None)
    if way is None:
        return None
    found = np.empty(numbers.size, theirs.dtype)
    found[way.ravel()] = theirs.ravel()
    return found.reshape(shape)


@dataclass(frozen=True)
class Reader:
    """From what a port gave to what is told."""

    exported: Exported
    pairing: Pairing
    laid: Laid
    port: Described
    right: Mapping[str, Array]
    """The case's own values by name: what numbers are looked up in, and shapes."""

    def told(self, gave: Gave) -> Told:
        """Raises OwnError for an output of another shape."""
        output, last = self.exported.output, self.laid.channels_last
        value = back(gave.output, self.right[output].shape, last=last)
        if value is None:
            raise OwnError(
                f"the port gives {list(gave.output.shape)}, the original {list(self.right[output].shape)}: both have to give the same"
            )
        found = Told({output: value})
        by_path = dict(zip(self.port.parameters, gave.gradients, strict=True))
        parameters = self.pairing.back(by_path)
        found.gradients |= {n: a for n, a in parameters.items() if self.exported.kinds.get(n) == "parameter"}
        for name, gradient in zip(self.laid.names, gave.of_inputs, strict=True):
            moved = (
                None
                if name is None or gradient is None
                else back(gradient, self.right[name].shape, last=last)
            )
            if name is not None and moved is not None:
                found.gradients[name] = moved
        self._by_path(gave.inner, found)
        self._by_numbers(gave.inner, found)
        return found

    def _by_path(self, inner: Sequence[Inner], found: Told) -> None:
        """The k-th call of a submodule is the k-th of its original's."""
        calls = defaultdict[str, int](int)
        for seen in inner:
            module = self._module(seen.place.path)
            if module is None or seen.place.kind == "local":
                continue
            calls[module] += 1
            bare = re.sub(r"\W", "_", module)
            name = bare if calls[module] == 1 else f"{bare}_{calls[module]}"
            if name in self.right and name not in found.values and name in self._assigned:
                self._tell(name, seen, found, with_gradient=True)

    def _by_numbers(self, inner: Sequence[Inner], found: Told) -> None:
        for seen in inner:
            name = next(
                (n for n in self._assigned if n not in found.values and self._is(seen.value, n)), None
            )
            if name is not None:
                self._tell(name, seen, found, with_gradient=False)

    def _tell(self, name: str, seen: Inner, found: Told, *, with_gradient: bool) -> None:
        shape, last = self.right[name].shape, self.laid.channels_last
        value = back(seen.value, shape, last=last)
        if value is None:
            return
        found.values[name], found.places[name] = value, seen.place
        gradient = (
            None if seen.gradient is None or not with_gradient else back(seen.gradient, shape, last=last)
        )
        if gradient is not None and name != self.exported.output:
            found.gradients[name] = gradient

    def _is(self, value: Array, name: str) -> bool:
        due = self.right[name]
        theirs = back(value, due.shape, last=self.laid.channels_last) if value.size == due.size else None
        if theirs is None or due.size < FEWEST or not np.ptp(due) > 0:
            return False
        return bool(np.max(np.abs(theirs - due)) <= EQUAL * np.max(np.abs(due)))

    @cached_property
    def _assigned(self) -> list[str]:
        return [name for statement in self.exported.statements for name in statement["outs"]]

    def _module(self, path: str) -> str | None:
        """The original's submodule that one of the port's is: it holds the same parameters, or has the same name."""
        return self._by_parameters.get(path) or self._by_module_name.get(key(f"{path}/x")[0])

    @cached_property
    def _by_parameters(self) -> dict[str, str]:
        owners: dict[str, set[str]] = defaultdict(set)
        by_name = {p.name: p for p in self.pairing.original}
        for path, pair in self.pairing.pairs.items():
            if not any(word in pair.rule for word in ADDED):
                owners[holder(path)] |= {by_name[name].module for name in pair.ours}
        one = {theirs: next(iter(ours)) for theirs, ours in owners.items() if len(ours) == 1}
        return {theirs: ours for theirs, ours in one.items() if [*one.values()].count(ours) == 1}

    @cached_property
    def _by_module_name(self) -> dict[str, str]:
        return {key(f"{s['module']}.x")[0]: s["module"] for s in self.exported.statements if s["module"]}


def holder(path: str) -> str:
    """What holds a parameter."""
    return re.split(r"[/.][^/.]*$", path)[0] if re.search(r"[/.]", path) else ""
