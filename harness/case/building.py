"""From a document to a case: its variants, each with a program, its arrays' sources, and what of it is compared.

Every combination of the swept values is a variant. What variants share is worked out once: there may be thousands.
"""

import itertools
import math
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from msgspec import UNSET, structs

from ...reference import exact
from ...reference.language import Reader
from ...reference.ops import Spec
from ...reference.program import Program, ProgramError
from ..reading.text import allowed_names
from . import tensors
from .document import Document, Generated, Input
from .expect import expectations
from .limits import MAX_EXACT, too_large, too_large_to_prove, too_many
from .mistakes import Doubt, Mistake, Mistakes, Places, below, words_in
from .names import ComparedNames, Naming, clashes, each_once, placeholders_in
from .tensors import Source
from .variant import Case, Training, Variant, misplaced, specs_of

OPTIMIZER = "optimizer"
"""What tells variants apart, in their ids, that several optimizers make."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a case is called, and where it stands; without a root it stands nowhere, and has no files beside it."""

    name: str
    file: str
    folder: Path = Path()
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One combination of the swept values: the text of each in ids, and all that sizes and placeholders stand for."""

    texts: dict[str, str]
    bindings: dict[str, Any]
    optimizer: str = ""
    """The one that trains; empty where nothing does."""

    @property
    def id(self) -> str:
        return "-".join([f"{name}:{text}" for name, text in self.texts.items()])

    def among(self, names: Collection[str]) -> tuple[str, ...]:
        """The texts of those that are swept: what depends on these names alone is the same where they are."""
        return tuple([text for name, text in self.texts.items() if name in names])


def choices(document: Document, mistakes: Mistakes, optimizers: Collection[str] = ()) -> Iterator[Choice]:
    """Every combination of the swept values in the file's order, each with every optimizer where there are several."""
    swept = [
        [(name, *pair) for pair in _swept_texts(name, values, mistakes)]
        for name, values in document.sweep.items()
    ]
    for chosen in itertools.product(*swept):
        bindings = {**document.sizes, **{name: value for name, _, value in chosen}}
        for optimizer in optimizers or [""]:
            told = {OPTIMIZER: optimizer} if len(optimizers) > 1 else {}
            yield Choice({**{name: text for name, text, _ in chosen}, **told}, bindings, optimizer)


def _swept_texts(name: str, values: Sequence[Any], mistakes: Mistakes) -> list[tuple[str, Any]]:
    """Each swept value with the text that stands for it in ids."""
    pairs: dict[str, Any] = {}
    for i, value in enumerate(values):
        text = _text(value)
        if text in pairs:
            mistakes.tell(Mistake(f"{text} is swept twice", ("sweep", name, i)))
        pairs[text] = tuple(value) if isinstance(value, list) else value
    return list(pairs.items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value)) or "scalar"
    return str(value).lower() if isinstance(value, bool) else str(value)


def trainings_of(document: Document, mistakes: Mistakes, doubt: Doubt) -> dict[str, Training]:
    """By optimizer, in the table's order; none where the case has no training."""
    training = document.training
    if training is UNSET:
        if document.state and "training" not in doubt.keys:
            mistakes.tell(Mistake("[state] needs a [training] with steps", ("state",), on_key=True))
        return {}
    inputs = document.tensors
    allowed = [name for name, t in inputs.items() if t.drawn_dtype == "float" and t.each is UNSET]
    for i, name in enumerate(each_once(training.parameters, mistakes, "training", "parameters")):
        if name not in allowed and name not in doubt.tensors:
            message = f'"{name}" cannot be trained; {allowed_names(name, allowed)}'
            unknown = "" if name in inputs or name in document.constants else name
            mistakes.tell(Mistake(message, ("training", "parameters", i), unknown=unknown))
    given = {name: structs.asdict(getattr(training.optimizer, name)) for name in training.optimizer.names}
    for optimizer, options in given.items():
        rate = options["lr"]
        if isinstance(rate, tuple) and len(rate) != training.steps:
            counted = f"has {len(rate)} numbers, but there are {training.steps} steps"
            message = f"training.optimizer.{optimizer}.lr {counted}"
            mistakes.tell(Mistake(message, ("training", "optimizer", optimizer, "lr")))
    if len(given) > 1 and OPTIMIZER in document.sweep:
        message = f'"{OPTIMIZER}" cannot be swept beside several optimizers, of which each is a variant by that name'
        mistakes.tell(Mistake(message, ("sweep", OPTIMIZER), on_key=True))
    clip = {} if training.clip is UNSET else structs.asdict(training.clip)
    clipped = {name: float(number) for name, number in clip.items() if number is not UNSET}
    return {
        optimizer: Training(
            optimizer, options, tuple(training.parameters), training.steps, clipped, document.state
        )
        for optimizer, options in given.items()
    }


class Inputs:
    """The tensors of a case as sources; one serves all variants that differ only outside of its shape."""

    def __init__(self, document: Document, origin: Origin, mistakes: Mistakes, doubt: Doubt) -> None:
        self.document, self.origin, self.mistakes, self.doubt = document, origin, mistakes, doubt
        self.entries = document.inputs
        self.sources: dict[Hashable, Source | None] = {}

    @cached_property
    def sizes_in(self) -> dict[str, set[str]]:
        """The names in each tensor's shape."""
        return {name: self._names_in_shape(name, tensor) for name, tensor in self.entries.items()}

    def _names_in_shape(self, name: str, tensor: Input) -> set[str]:
        if isinstance(tensor.shape, str):
            return placeholders_in(tensor.shape)
        sizes = [] if tensor.shape is UNSET else [(("shape", i), size) for i, size in enumerate(tensor.shape)]
        labels = [] if tensor.labels is UNSET else [(("labels",), tensor.labels)]
        used: set[str] = set()
        for path, size in (*sizes, *labels):
            found = self.mistakes.attempt(
                below, (*self.document.place_of(name), *path), tensors.sizes_in, size
            )
            if found is None:
                self.doubt.tensors.add(name)
                self.doubt.mentioned |= words_in(size)
            used |= found or set()
        return used

    def all(self, choice: Choice) -> dict[str, Source]:
        """The source of each tensor; of one that is a mistake there is none."""
        found = {}
        for name in self.entries:
            if (source := self.source(name, choice)) is not None:
                found[name] = source
        return found

    def source(self, name: str, choice: Choice) -> Source | None:
        sizes = self.sizes_in[name]
        key = name, *choice.among(sizes)
        if key not in self.sources:
            doubtful = name in self.doubt.tensors or not self.doubt.sizes.isdisjoint(sizes)
            given = name, self.entries[name], choice.bindings
            self.sources[key] = None if doubtful else self.mistakes.attempt(self._made, *given)
        return self.sources[key]

    def _made(self, name: str, tensor: Input, bindings: Mapping[str, Any]) -> Source:
        training, path = self.document.training, self.document.place_of(name)
        if tensor.each is not UNSET and name in self.document.constants:
            raise Mistake(
                'a constant is the same in each step: each = "step" is for tensors', (*path, "each")
            )
        if tensor.each is not UNSET and training is UNSET and "training" not in self.doubt.keys:
            raise Mistake('each = "step" needs a [training] with steps', (*path, "each"))
        labels = tensor.labels is not UNSET
        classes = below((*path, "labels"), tensors.dimension, tensor.labels, bindings) if labels else 0
        source = Source(
            name=name,
            spec=tensor,
            shape=below(path, tensors.shape_of, tensor, bindings),
            dtype=tensor.drawn_dtype,
            seed=self.document.seed,
            steps=None if tensor.each is UNSET or training is UNSET else training.steps,
            classes=classes,
            folder=self.origin.folder,
            root=self.origin.root,
        )
        below(path, tensors.check, source)
        return source

    def cotangents(self, outputs: Sequence[str], specs: Mapping[str, Spec]) -> dict[str, Source]:
        """The sources of the cotangents of outputs whose shapes are known; none where it is 1."""
        of, known = partial(self.cotangent, alone=len(outputs) == 1), [n for n in outputs if n in specs]
        found = {name: self.mistakes.attempt(of, name, specs[name]) for name in known}
        return {name: source for name, source in found.items() if source is not None}

    def cotangent(self, output: str, spec: Spec, *, alone: bool) -> Source | None:
        """The output's cotangent: given, or random, since ones would hide transpositions, and one output in another's place."""
        given = self.document.cotangents.get(output)
        path = ("cotangents", output)
        if alone and spec.shape == ():
            if given is not None:
                raise Mistake(
                    f'"{output}" is a scalar: its cotangent is 1 and cannot be given', path, on_key=True
                )
            return None
        source = Source(
            output, given or Generated(uniform=(-1.0, 1.0)), spec.shape, "float", self.document.seed,
            "cotangent", folder=self.origin.folder, root=self.origin.root,
        )  # fmt: skip
        below(path, tensors.check, source)
        return source


@dataclass(frozen=True, slots=True)
class Reading:
    """A program; where it has mistakes, the names in what is left out of it, and those that this would assign."""

    program: Program
    left: set[str] = field(default_factory=set)
    vague: set[str] = field(default_factory=set)


class Builder:
    """Builds one case. Where every mistake is asked for, it goes on after one with what is right, to judge that alone."""

    def __init__(
        self, document: Document, text: str, origin: Origin, mistakes: Mistakes, doubt: Doubt | None = None
    ) -> None:
        self.document, self.text, self.origin = document, text, origin
        self.mistakes, self.doubt = mistakes, doubt or Doubt()
        self.inputs = Inputs(document, origin, mistakes, self.doubt)
        self.reader: Reader | None = None
        self.read: set[str] = set()
        self.readings: dict[Hashable, Reading] = {}
        self.names: dict[Hashable, ComparedNames] = {}
        self.outputs: set[str] = set()
        self.vague: dict[str, set[str]] = {}
        """By variant, the names that are there, though their shapes aren't known."""

    def case(self) -> Case:
        document, mistakes = self.document, self.mistakes
        for mistake in clashes(document):
            mistakes.tell(mistake)
            self.doubt.sizes.add(str(mistake.path[1]))
        too_many_variants = mistakes.tell_all(too_many(document, self.text))
        if "program" not in self.doubt.keys:
            self.reader = mistakes.attempt(Reader, document.program, self.known_tensors)
            self.read = self.reader.names if self.reader else set()
        self.trainings = trainings_of(document, mistakes, self.doubt)
        variants = tuple(self.variants(1 if too_many_variants else None))
        self.check_used()
        self.check_cotangents()
        if not any(self.vague.values()):
            mistakes.tell_all(too_large_to_prove(document, variants))
        source = "" if document.source is UNSET else document.source
        return Case(
            self.origin.name, document.title, source, document.program, self.dtypes, document.seed, variants,
            expectations(document, variants, self.places, mistakes, self.doubt, self.vague),
        )  # fmt: skip

    @property
    def places(self) -> Places:
        return Places(self.origin.file, self.text)

    @property
    def known_tensors(self) -> list[str] | None:
        """Names that a program may read; None where nobody knows, and so any."""
        if {"tensors", "constants"} & self.doubt.keys:
            return None
        return [*self.document.inputs, *self.doubt.tensors]

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        return tuple(each_once(self.document.dtypes, self.mistakes, "dtypes"))

    @cached_property
    def placeholders(self) -> set[str]:
        """Those in output, values and gradients."""
        document = self.document
        values = [] if document.values is UNSET else document.values
        gradients = [] if document.gradients is UNSET else document.gradients
        return {name for text in (*document.outputs, *values, *gradients) for name in placeholders_in(text)}

    def variants(self, most: int | None) -> Iterator[Variant]:
        for choice in itertools.islice(choices(self.document, self.mistakes, self.trainings), most):
            self.mistakes.variant = choice.id
            sources = self.inputs.all(choice)
            if self.reader is not None:
                yield self.variant(choice, sources, self.reading(choice, self.reader))
        self.mistakes.variant = ""

    def variant(self, choice: Choice, sources: dict[str, Source], reading: Reading) -> Variant:
        program, every, training = reading.program, self.mistakes.every, self.trainings.get(choice.optimizer)
        specs = specs_of(program, sources, self.mistakes.tell if every else None)
        vague = self.vague_in(reading, specs) if every else set()
        if not vague and not self.mistakes.tell_all(
            too_large(program, specs, training.steps if training else 1)
        ):
            self.mistakes.tell_all(misplaced(program, sources, specs))
        outputs, values, gradients, discrete = self.compared(choice, reading, specs, vague)
        self.outputs.update(outputs or ("",))
        variant = Variant(
            self.origin.name, choice.id, choice.bindings, program, outputs, values, gradients, training,
            self.dtypes, self.origin.file, sources, self.inputs.cotangents(outputs, specs), self.text, self.document.exact, discrete, frozenset(self.document.constants),
        )  # fmt: skip
        if every:
            self.vague[choice.id] = vague
            # No case comes of it, and to work them out again would raise what is told already.
            variant.__dict__["specs"] = specs
        return variant

    def vague_in(self, reading: Reading, specs: Mapping[str, Spec]) -> set[str]:
        """Names whose shapes aren't known: what is broken, and what depends on it."""
        outs = {name for node in reading.program.nodes for name in node.outs}
        return {*reading.vague, *outs, *self.document.inputs, *self.doubt.tensors} - specs.keys()

    def reading(self, choice: Choice, reader: Reader) -> Reading:
        """The program; parsed once for all variants that differ only outside of it."""
        key = choice.among(self.read)
        if key not in self.readings:
            every, bindings = self.mistakes.every, choice.bindings
            found = self.partial(bindings, reader) if every else Reading(reader.program(bindings))
            self.check_inputs(found)
            self.readings[key] = found
        return self.readings[key]

    def partial(self, bindings: Mapping[str, Any], reader: Reader) -> Reading:
        """What is right of a program that has mistakes."""
        given = bindings, self.mistakes.tell, self.doubt.sizes
        if (found := self.mistakes.attempt(reader.partial, *given)) is not None:
            return Reading(*found)
        return Reading(Program((), self.document.program), self.read, set(reader.assigned_anywhere))

    def check_inputs(self, reading: Reading) -> None:
        for node in reading.program.nodes:
            if any(isinstance(arg, bool) for arg in node.args):
                message = f"{node.op}: True and False are no numbers"
                self.mistakes.tell(ProgramError(message, node.line, node.column))
            elif not node.inputs:
                message = f"{node.op} of numbers alone; it needs a tensor"
                self.mistakes.tell(ProgramError(message, node.line, node.column))
        read = {*reading.program.inputs, *reading.left, *self.doubt.mentioned}
        for name in self.document.inputs:
            if name not in read:
                message = f'the program does not use the tensor "{name}"'
                self.mistakes.tell_unused(Mistake(message, self.document.place_of(name), on_key=True))

    def compared(
        self, choice: Choice, reading: Reading, specs: Mapping[str, Spec], vague: Collection[str]
    ) -> ComparedNames:
        """What is compared; worked out once for all variants in which program and placeholders are the same."""
        key = choice.among(self.read | self.placeholders)
        if key not in self.names:
            naming = Naming(
                self.document, choice.bindings, reading.program, specs, self.mistakes, self.doubt, vague, reading.left
            )  # fmt: skip
            self.names[key] = naming.compared(self.trainings.get(choice.optimizer))
        return self.names[key]

    def check_used(self) -> None:
        """A size or swept name that nothing uses is a mistake."""
        used = self.read.union(self.placeholders, self.doubt.mentioned, *self.inputs.sizes_in.values())
        for table in ("sizes", "sweep") if self.reader is not None else ():
            for name in getattr(self.document, table):
                if name not in used:
                    mistake = Mistake(f'"{name}" is used nowhere', (table, name), on_key=True)
                    self.mistakes.tell_unused(mistake)

    def check_cotangents(self) -> None:
        for name in self.document.cotangents if "" not in self.outputs and self.outputs else ():
            if name not in self.outputs:
                message = f'"{name}" is no output; {allowed_names(name, sorted(self.outputs))}'
                self.mistakes.tell(Mistake(message, ("cotangents", name), on_key=True))


def prove(variants: Sequence[Variant], mistakes: Mistakes) -> None:
    """A case may only tighten its tolerance, and only where it is shown that nothing rounds."""
    for variant in variants:
        mistakes.variant = variant.id
        size = sum(math.prod(spec.shape) for spec in variant.specs.values())
        if size > MAX_EXACT:
            raise Mistake(f"{size} elements, but an exact case may have at most {MAX_EXACT}", ("exact",))
        dtype = variant.narrowest
        given = variant.draw(dtype), variant.cotangents(dtype)
        exact.prove(variant.program, *given, variant.gradients, variant.dtypes)
