"""Which names of a variant are compared, and the names that stand in a case beside its program."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from ...reference.ops import Spec
from ...reference.program import Program, ProgramError
from ..text import allowed_names
from .document import PLACEHOLDER, Document, Mistake
from .variant import Training

ComparedNames = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Names of the output, of the values and of the gradients that are compared."""


@dataclass(frozen=True)
class Naming:
    """Which names of one variant are compared."""

    document: Document
    bindings: Mapping[str, Any]
    program: Program
    specs: Mapping[str, Spec]

    def compared(self, training: Training | None) -> ComparedNames:
        output = self.output()
        values, gradients = self.values(output), self.gradients(training)
        self.check_feeds(output, values, gradients)
        return output, values, gradients

    def output(self) -> str:
        """The one that is given, or what is assigned last."""
        if self.document.output is UNSET:
            return self.program.nodes[-1].outs[-1]
        name = bound_name(self.document.output, self.bindings, ("output",))
        assigned = assigned_names(self.program)
        if name not in assigned:
            message = f'the output "{name}" is not assigned in the program; {allowed_names(name, assigned)}'
            raise Mistake(message, ("output",))
        return name

    def values(self, output: str) -> tuple[str, ...]:
        """The output, and what else the case lists."""
        listed = () if self.document.values is UNSET else self.document.values
        names = self.bound(listed, "values", assigned_names(self.program), "is not assigned in the program")
        return names if output in names else (output, *names)

    def gradients(self, training: Training | None) -> tuple[str, ...]:
        floats = [name for name, spec in self.specs.items() if spec.dtype == "float"]
        if self.document.gradients is UNSET:
            return tuple(name for name in floats if name in self.document.tensors)
        for i, name in enumerate(self.document.gradients):
            if name in self.specs and self.specs[name].dtype != "float":
                message = (
                    f'"{name}" is {self.specs[name].dtype} and has no gradient; {allowed_names(name, floats)}'
                )
                raise Mistake(message, ("gradients", i))
        names = self.bound(self.document.gradients, "gradients", floats, "is no tensor and not assigned")
        return tuple(dict.fromkeys((*names, *(training.parameters if training else ()))))

    def bound(self, listed: Iterable[str], key: str, allowed: list[str], wrong: str) -> tuple[str, ...]:
        names = [bound_name(name, self.bindings, (key, i)) for i, name in enumerate(listed)]
        known = set(allowed)
        for i, name in enumerate(each_once(names, key)):
            if name not in known:
                raise Mistake(f'"{name}" {wrong}; {allowed_names(name, allowed)}', (key, i))
        return tuple(names)

    def check_feeds(self, output: str, values: tuple[str, ...], gradients: tuple[str, ...]) -> None:
        """An assignment that feeds nothing is a mistake."""
        wanted = {output, *values, *gradients, *(name for node in self.program.nodes for name in node.inputs)}
        for node in self.program.nodes:
            if not wanted.intersection(node.outs):
                names = ", ".join(node.outs)
                message = (
                    f'"{names}" feeds nothing: neither another assignment nor output, values or gradients'
                )
                raise ProgramError(message, node.line, 1)


def assigned_names(program: Program) -> list[str]:
    return [name for node in program.nodes for name in node.outs]


def each_once(names: list[str], *path: str) -> list[str]:
    seen = set[str]()
    for i, name in enumerate(names):
        if name in seen:
            raise Mistake(f'"{name}" stands here twice', (*path, i))
        seen.add(name)
    return names


def below(path: tuple[str | int, ...], function: Any, *args: Any) -> Any:
    """Calls a function whose mistakes have paths below `path`."""
    try:
        return function(*args)
    except Mistake as mistake:
        raise Mistake(mistake.message, (*path, *mistake.path), mistake.on_key, mistake.within) from None


def placeholders_in(text: str) -> set[str]:
    return {text[1:-1]} if text.startswith("{") and re.search(PLACEHOLDER, text) else set()


def bound_name(text: str, bindings: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """A name, or what its placeholder stands for."""
    for name in placeholders_in(text):
        words = [known for known, value in bindings.items() if isinstance(value, str)]
        if name not in words:
            raise Mistake(
                f'the placeholder "{name}" has no words in [sweep]; {allowed_names(name, words)}', path
            )
        return str(bindings[name])
    return text
