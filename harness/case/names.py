"""Names of a case: what one may mean, and which of them are compared."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import UNSET

from ...reference.constants import CONSTANTS
from ...reference.ops import OPS, Spec
from ...reference.program import Program, ProgramError
from ..reading.text import allowed_names
from .document import PLACEHOLDER, Document
from .mistakes import Doubt, Mistake, Mistakes
from .variant import Training

Name = TypeVar("Name", str, str | None)
ComparedNames = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Names of the output, of the values and of the gradients that are compared; the output's is empty where it isn't known."""


def clashes(document: Document) -> Iterator[Mistake]:
    """Sizes, placeholders, tensors, ops and constants share one namespace."""
    tables = {"tensors": "a tensor", "sizes": "a size", "sweep": "swept"}
    taken = {**dict.fromkeys(OPS, "an op"), **dict.fromkeys(CONSTANTS, "a constant")}
    for table, what in tables.items():
        for name in getattr(document, table):
            if name in taken:
                message = f'"{name}" cannot be {what}: it is {taken[name]} already; a name means one thing'
                yield Mistake(message, (table, name), on_key=True)
            taken[name] = what


@dataclass(frozen=True)
class Naming:
    """Which names of one variant are compared. `left` and `vague`: what is named where the program has mistakes."""

    document: Document
    bindings: Mapping[str, Any]
    program: Program
    specs: Mapping[str, Spec]
    mistakes: Mistakes
    doubt: Doubt
    vague: Collection[str] = ()
    left: Collection[str] = ()

    def compared(self, training: Training | None) -> ComparedNames:
        output = self.output()
        values, gradients = self.values(output), self.gradients(training)
        self.check_feeds(output, values, gradients)
        return output, values, gradients

    def output(self) -> str:
        """The one that is given, or what is assigned last."""
        given = self.document.output
        if given is UNSET:
            unclear = self.left or "output" in self.doubt.keys or not self.program.nodes
            return "" if unclear else self.program.nodes[-1].outs[-1]
        name = self.bound(given, ("output",))
        assigned = assigned_names(self.program)
        if name is None or name in assigned or name in self.vague:
            return name or ""
        message = f'the output "{name}" is not assigned in the program; {allowed_names(name, assigned)}'
        self.mistakes.tell(Mistake(message, ("output",), unknown=name))
        return ""

    def values(self, output: str) -> tuple[str, ...]:
        """The output, and what else the case lists."""
        listed = () if self.document.values is UNSET else self.document.values
        names = self.known(listed, "values", assigned_names(self.program), "is not assigned in the program")
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
                self.mistakes.tell(Mistake(message, ("gradients", i)))
        names = self.known(self.document.gradients, "gradients", floats, "is no tensor and not assigned")
        return tuple(dict.fromkeys((*names, *(training.parameters if training else ()))))

    def known(self, listed: Sequence[str], key: str, allowed: list[str], wrong: str) -> tuple[str, ...]:
        """The names that are listed, each once, of those that are allowed."""
        names = [self.bound(text, (key, i)) for i, text in enumerate(listed)]
        known = {None, *allowed, *self.vague}
        for i, name in enumerate(each_once(names, self.mistakes, key)):
            if name not in known:
                message = f'"{name}" {wrong}; {allowed_names(str(name), allowed)}'
                unknown = "" if name in self.specs else str(name)
                self.mistakes.tell(Mistake(message, (key, i), unknown=unknown))
        return tuple([name for name in names if name is not None])

    def bound(self, text: str, path: tuple[str | int, ...]) -> str | None:
        """A name, or what its placeholder stands for; None where nobody knows."""
        for name in placeholders_in(text):
            words = [known for known, value in self.bindings.items() if isinstance(value, str)]
            if name in words:
                return str(self.bindings[name])
            if name not in self.doubt.sizes:
                message = f'the placeholder "{name}" has no words in [sweep]; {allowed_names(name, words)}'
                unknown = "" if name in self.bindings else name
                self.mistakes.tell(Mistake(message, path, unknown=unknown))
            return None
        return text

    def check_feeds(self, output: str, values: tuple[str, ...], gradients: tuple[str, ...]) -> None:
        """An assignment that feeds nothing is a mistake."""
        inputs = (name for node in self.program.nodes for name in node.inputs)
        wanted = {output, *values, *gradients, *inputs, *self.left, *self.doubt.mentioned}
        for node in self.program.nodes if output else ():
            if not wanted.intersection(node.outs):
                names = ", ".join(node.outs)
                message = (
                    f'"{names}" feeds nothing: neither another assignment nor output, values or gradients;'
                    f" list it under `values` to compare it"
                )
                self.mistakes.tell_unused(ProgramError(message, node.line, 1))


def assigned_names(program: Program) -> list[str]:
    return [name for node in program.nodes for name in node.outs]


def each_once(names: Sequence[Name], mistakes: Mistakes, *path: str) -> Sequence[Name]:
    """The names, each of which may stand there once."""
    seen = set[str | None]()
    for i, name in enumerate(names):
        if name is not None and name in seen:
            mistakes.tell(Mistake(f'"{name}" stands here twice', (*path, i)))
        seen.add(name)
    return names


def placeholders_in(text: str) -> set[str]:
    return {text[1:-1]} if text.startswith("{") and re.search(PLACEHOLDER, text) else set()
