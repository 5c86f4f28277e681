"""Names of a case: what one may mean, and which of them are compared."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from msgspec import UNSET

from ...reference.constants import CONSTANTS
from ...reference.ops import Spec
from ...reference.program import Program, ProgramError
from ..reading.text import allowed_names
from .document import PLACEHOLDER, Document
from .mistakes import Doubt, Mistake, Mistakes
from .variant import Training

Name = TypeVar("Name", str, str | None)
ComparedNames = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Names of the outputs, of the values and of the gradients that are compared, and of values that are integers or true
or false; no output's where one isn't known."""


def clashes(document: Document) -> Iterator[Mistake]:
    """Sizes, placeholders, tensors and constants share one namespace; ops, which alone are called, have their own."""
    tables = {"tensors": "a tensor", "constants": "a constant tensor", "sizes": "a size", "sweep": "swept"}
    taken = dict.fromkeys(CONSTANTS, "a constant")
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
        outputs = self.outputs()
        values, gradients = self.values(outputs), self.gradients(training)
        self.check_feeds(outputs, values, gradients)
        numbers = tuple([name for name in values if not self.no_float(name)])
        return outputs, numbers, gradients, tuple([name for name in values if self.no_float(name)])

    def outputs(self) -> tuple[str, ...]:
        """Those that are given, or what is assigned last."""
        given = self.document.outputs
        if not given:
            unclear = self.left or "output" in self.doubt.keys or not self.program.nodes
            last = "" if unclear else self.program.nodes[-1].outs[-1]
            if self.no_float(last):
                message = (
                    f'the program ends with "{last}", which is {self.specs[last].dtype} and has no gradient'
                )
                self.mistakes.tell_unused(
                    ProgramError(f"{message}; name an output of floats", self.program.nodes[-1].line, 1)
                )
                return ()
            return (last,) if last else ()
        alone = isinstance(self.document.output, str)
        paths = [("output",) if alone else ("output", i) for i in range(len(given))]
        names = [self.bound(text, path) for text, path in zip(given, paths, strict=True)]
        each_once(names, self.mistakes, "output")
        found = [name for name, path in zip(names, paths, strict=True) if self.is_output(name, path)]
        return tuple(found) if len(found) == len(given) else ()

    def is_output(self, name: str | None, path: tuple[str | int, ...]) -> TypeGuard[str]:
        """Whether a name may be one, as far as is known."""
        assigned = [name for name in assigned_names(self.program) if not self.no_float(name)]
        if name is None or name in assigned or name in self.vague:
            return name is not None
        wrong = f"is {self.specs[name].dtype}" if self.no_float(name) else "is not assigned in the program"
        message = f'the output "{name}" {wrong}; {allowed_names(name, assigned)}'
        self.mistakes.tell(Mistake(message, path, unknown=name))
        return False

    def values(self, outputs: tuple[str, ...]) -> tuple[str, ...]:
        """The outputs, what else the case lists, and what the next step is given."""
        listed = () if self.document.values is UNSET else self.document.values
        names = self.known(listed, "values", assigned_names(self.program), "is not assigned in the program")
        return tuple(dict.fromkeys((*(n for n in outputs if n not in names), *names, *self.state())))

    def state(self) -> Iterator[str]:
        """Where the state of the next step is assigned, in the shape in which it comes in."""
        training, tensors = self.document.training, self.document.tensors
        trained = [] if training is UNSET else training.parameters
        allowed = [
            n for n, t in tensors.items() if t.drawn_dtype == "float" and t.each is UNSET and n not in trained
        ]
        assigned = [name for name in assigned_names(self.program) if not self.no_float(name)]
        given: dict[str, str] = {}
        for name, out in self.document.state.items() if training is not UNSET else ():
            if name not in allowed and name not in self.doubt.tensors:
                unknown = "" if name in self.document.inputs else name
                message = f'"{name}" cannot be handed from step to step; {allowed_names(name, allowed)}'
                self.mistakes.tell(Mistake(message, ("state", name), on_key=True, unknown=unknown))
            elif out in given:
                message = f'"{out}" is what "{given[out]}" becomes already'
                self.mistakes.tell(Mistake(message, ("state", name)))
            elif out not in assigned and out not in self.vague:
                unknown = "" if out in self.specs else out
                message = f'"{out}" is assigned nowhere as a tensor of floats; {allowed_names(out, assigned)}'
                self.mistakes.tell(Mistake(message, ("state", name), unknown=unknown))
            elif {name, out} <= self.specs.keys() and self.specs[name] != self.specs[out]:
                shape, own = self.specs[name].shape, self.specs[out].shape
                message = (
                    f'"{out}" has shape {own}, but the next step is given it as "{name}", which has {shape}'
                )
                self.mistakes.tell(Mistake(message, ("state", name)))
            else:
                given[out] = name
        return iter(given)

    def no_float(self, name: str) -> bool:
        """Whether a name is known to be an integer or true or false, which has no gradient."""
        return name in self.specs and self.specs[name].dtype != "float"

    def gradients(self, training: Training | None) -> tuple[str, ...]:
        constants = self.document.constants
        floats = [n for n, spec in self.specs.items() if spec.dtype == "float" and n not in constants]
        if self.document.gradients is UNSET:
            return tuple(n for n in floats if n in self.document.tensors and n not in self.document.state)
        for i, name in enumerate(self.document.gradients):
            if self.no_float(name) or name in constants:
                what = "a constant" if name in constants else self.specs[name].dtype
                message = f'"{name}" is {what} and has no gradient; {allowed_names(name, floats)}'
                self.mistakes.tell(Mistake(message, ("gradients", i)))
        names = self.known(self.document.gradients, "gradients", floats, "is no tensor and not assigned")
        return tuple(dict.fromkeys((*names, *(training.parameters if training else ()))))

    def known(self, listed: Sequence[str], key: str, allowed: list[str], wrong: str) -> tuple[str, ...]:
        """The names that are listed, each once, of those that are allowed."""
        names = [self.bound(text, (key, i)) for i, text in enumerate(listed)]
        known = {None, *allowed, *self.vague}
        for i, name in enumerate(each_once(names, self.mistakes, key)):
            if name not in known:
                what = f"is {self.specs[name].dtype}" if name and self.no_float(name) else wrong
                message = f'"{name}" {what}; {allowed_names(str(name), allowed)}'
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

    def check_feeds(
        self, outputs: tuple[str, ...], values: tuple[str, ...], gradients: tuple[str, ...]
    ) -> None:
        """An assignment that feeds nothing is a mistake."""
        inputs = (name for node in self.program.nodes for name in node.inputs)
        wanted = {*outputs, *values, *gradients, *inputs, *self.left, *self.doubt.mentioned}
        for node in self.program.nodes if outputs else ():
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
