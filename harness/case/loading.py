"""From a case file to its variants: what is computed, from which arrays, and what of it is compared.

The file is data from a stranger: it cannot run code, read outside its root, or ask for more memory or time than the
limits below. Every mistake is one CaseError with file, line and column. Loading draws no array, but those of an
exact case, which is small, for the proof that it is.
"""

import errno
import itertools
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET, structs

from ...reference.language import CONSTANTS, Reader
from ...reference.ops import OPS, Spec
from ...reference.program import Program, ProgramError
from ..errors import CaseError
from ..reading import toml
from ..reading.files import read_at_most
from ..reading.locate import Locator
from ..text import allowed_names, display, shown
from . import exact, tensors
from .document import Generated, Mistake, Tensor, structure
from .expect import expectations
from .limits import (
    MAX_BYTES,
    MAX_CALLS,
    MAX_EXACT,
    MAX_EXACT_VARIANTS,
    MAX_EXACT_WORK,
    MAX_EXPANDED,
    MAX_PRODUCTS,
    MAX_VARIANTS,
    MAX_WORK,
    work_of,
)
from .names import ComparedNames, Naming, below, each_once, placeholders_in
from .sweep import Choice, of_variant, swept_texts
from .tensors import MAX_ELEMENTS, Source, elements
from .variant import Case, Training, Variant, specs_of


def load(path: Path, root: Path, *, proven: bool = True) -> Case:
    """The case in the file `path` below the case root `root`. Raises CaseError.

    Without `proven` that an exact case is one isn't shown, which takes long: for who doesn't judge by it.
    """
    path, root = Path(path), Path(root)
    file = display(path)
    name = _name_below(path, root, file)
    text = _read(path, file)
    try:
        return _Loader(path, root, file, text, name).case(proven=proven)
    except Mistake as mistake:
        raise _placed(mistake, file, text) from None
    except ProgramError as error:
        raise _placed(_of_program(error, text), file, text) from None


def _name_below(path: Path, root: Path, file: str) -> str:
    """The case's name. Symbolic links are followed before anything is read: none leads out of the root."""
    try:
        below = path.resolve().relative_to(_followed(root.absolute()))
    except ValueError:
        raise CaseError(file, f"the file does not lie below the case root {root}") from None
    except (OSError, RuntimeError) as error:  # links in a circle
        raise CaseError(file, f"cannot be read: {error}") from None
    name = below.with_suffix("").as_posix()
    if not name.isprintable():
        raise CaseError(
            file, "a case's name stands in ids and reports; this one has characters that cannot be printed"
        )
    return name


@lru_cache(maxsize=64)
def _followed(root: Path) -> Path:
    """A case root without links: the same for each of its thousands of files."""
    return root.resolve()


def _read(path: Path, file: str) -> str:
    try:
        data = read_at_most(path, MAX_BYTES)
    except OSError as error:
        hint = "; keep large tensors in .npy files" if error.errno == errno.EFBIG else ""
        raise CaseError(file, f"cannot be read: {error.strerror}{hint}") from None
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CaseError(file, f"the file is not UTF-8: {error.reason}", line) from None


def _placed(mistake: Mistake, file: str, text: str) -> CaseError:
    """The message with line and column: the file is scanned for positions only now."""
    found = Locator(text)
    if mistake.path == ():
        return CaseError(file, mistake.message, *(mistake.within or ()))
    if mistake.within is not None:
        place = found.in_string(mistake.path, *mistake.within)
    else:
        place = found.key(mistake.path) if mistake.on_key else found.value(mistake.path)
    return CaseError(file, mistake.message, *(place or ()))


def _of_program(error: ProgramError, text: str) -> Mistake:
    """A program counts lines from its own first; a message that quotes one must quote the file's."""

    def in_file(match: re.Match[str]) -> str:
        place = Locator(text).in_string(("program",), int(match[1]), 1)
        return f"on line {place[0]}" if place else match[0]

    message = re.sub(r"\bon line (\d+)", in_file, error.message)
    return Mistake(message, ("program",), within=(error.line, error.column))


def parse(text: str) -> dict[str, Any]:
    """The text as TOML. Raises Mistake."""
    try:
        return toml.loads(text)
    except ValueError as error:
        raise _toml_mistake(text, str(error)) from None


def _toml_mistake(text: str, message: str) -> Mistake:
    """A duplicate key is named with both of its places; every other mistake as tomli says it."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if found is None:
        return Mistake(f"cannot be read: {message}", ())
    locator = Locator(text)
    line, column = (int(found[2]), int(found[3])) if found[2] else locator.place(len(text))
    for duplicate in locator.duplicates:
        second = locator.place(duplicate.second)
        if second <= (line, column):
            first = locator.place(duplicate.first)[0]
            return Mistake(
                f'duplicate key "{duplicate.path[-1]}"; it stands on line {first} already', (), within=second
            )
    return Mistake(f"this is no TOML: {found[1][:1].lower()}{found[1][1:]}", (), within=(line, column))


class _Loader:
    """Builds one case; every method raises Mistake or ProgramError."""

    def __init__(self, path: Path, root: Path, file: str, text: str, name: str) -> None:
        self.folder, self.root, self.path = path.parent, root, path
        self.file, self.text, self.name = file, text, name
        self.programs: dict[Hashable, Program] = {}
        self.sources: dict[Hashable, Source] = {}
        self.names: dict[Hashable, ComparedNames] = {}

    def case(self, *, proven: bool) -> Case:
        self.document = structure(parse(self.text))
        self.check_namespace()
        self.check_limits()
        self.reader = Reader(self.document.program, self.document.tensors)
        self.read = self.reader.names
        variants = tuple(self.variants())
        self.check_used()
        self.check_cotangents(variants)
        if proven:
            self.check_exact(variants)
        document = self.document
        return Case(
            self.name,
            self.path,
            document.title,
            "" if document.source is UNSET else document.source,
            self.dtypes,
            document.seed,
            variants,
            expectations(document, variants, self.locator if document.expect else None, self.file),
        )

    @cached_property
    def locator(self) -> Locator:
        return Locator(self.text)

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        return tuple(each_once(self.document.dtypes, "dtypes"))

    def check_namespace(self) -> None:
        """Sizes, placeholders, tensors, ops and constants share one namespace."""
        tables = {"tensors": "a tensor", "sizes": "a size", "sweep": "swept"}
        taken = {**dict.fromkeys(OPS, "an op"), **dict.fromkeys(CONSTANTS, "a constant")}
        for table, what in tables.items():
            for name in getattr(self.document, table):
                if name in taken:
                    message = (
                        f'"{name}" cannot be {what}: it is {taken[name]} already; a name means one thing'
                    )
                    raise Mistake(message, (table, name), on_key=True)
                taken[name] = what

    def check_limits(self) -> None:
        count = math.prod(len(values) for values in self.document.sweep.values())
        if count > MAX_VARIANTS:
            raise Mistake(
                f"{shown(count)} variants, but at most {MAX_VARIANTS} are allowed", ("sweep",), on_key=True
            )
        if count > 1 and count * len(self.text) > MAX_EXPANDED:
            message = f"{count} variants of a file of {len(self.text)} characters are too many"
            raise Mistake(f"{message}; their product may be at most {MAX_EXPANDED}", ("sweep",), on_key=True)

    def check_used(self) -> None:
        """A size or swept name that nothing uses is a mistake."""
        used = self.read.union(self.placeholders, *self.sizes_in.values())
        for table in ("sizes", "sweep"):
            for name in getattr(self.document, table):
                if name not in used:
                    raise Mistake(f'"{name}" is used nowhere', (table, name), on_key=True)

    @cached_property
    def placeholders(self) -> set[str]:
        """Those in output, values and gradients."""
        document = self.document
        output = [] if document.output is UNSET else [document.output]
        values = [] if document.values is UNSET else document.values
        gradients = [] if document.gradients is UNSET else document.gradients
        return {name for text in (*output, *values, *gradients) for name in placeholders_in(text)}

    @cached_property
    def sizes_in(self) -> dict[str, set[str]]:
        """The names in each tensor's shape."""
        return {name: self.names_in_shape(name, tensor) for name, tensor in self.document.tensors.items()}

    def names_in_shape(self, name: str, tensor: Tensor) -> set[str]:
        shape = () if tensor.shape is UNSET else tensor.shape
        if isinstance(shape, str):
            return placeholders_in(shape)
        used: set[str] = set()
        for i, size in enumerate(shape):
            used |= below(("tensors", name, "shape", i), tensors.sizes_in, size)
        if tensor.labels is not UNSET:
            used |= below(("tensors", name, "labels"), tensors.sizes_in, tensor.labels)
        return used

    def check_cotangents(self, variants: Iterable[Variant]) -> None:
        outputs = {variant.output for variant in variants}
        for name in self.document.cotangents:
            if name not in outputs:
                message = f'"{name}" is not the output; {allowed_names(name, sorted(outputs))}'
                raise Mistake(message, ("cotangents", name), on_key=True)

    def check_exact(self, variants: Sequence[Variant]) -> None:
        """A case may only tighten its tolerance, and only where it is shown that nothing rounds."""
        if not self.document.exact:
            return
        if self.document.training is not UNSET:
            raise Mistake("an exact case has no [training]", ("exact",))
        if len(variants) > MAX_EXACT_VARIANTS:
            found = f"{len(variants)} variants, but an exact case may have at most {MAX_EXACT_VARIANTS}"
            raise Mistake(found, ("exact",))
        work = sum(sum(work_of(variant.program, variant.specs)) for variant in variants)
        if work > MAX_EXACT_WORK:
            found = (
                f"{work} elements and multiplications, but an exact case may have at most {MAX_EXACT_WORK}"
            )
            raise Mistake(found, ("exact",))
        for variant in variants:
            try:
                _prove(variant)
            except (Mistake, ProgramError) as error:
                raise of_variant(error, variant.id) from None

    # Variants

    def choices(self) -> Iterator[Choice]:
        """Every combination of the swept values in the file's order."""
        swept = [
            [(name, *pair) for pair in swept_texts(name, values)]
            for name, values in self.document.sweep.items()
        ]
        for chosen in itertools.product(*swept):
            texts = {name: text for name, text, _ in chosen}
            yield Choice(texts, {**self.document.sizes, **{name: value for name, _, value in chosen}})

    def variants(self) -> Iterator[Variant]:
        for choice in self.choices():
            try:
                yield self.variant(choice)
            except (Mistake, ProgramError) as error:
                raise of_variant(error, choice.id) from None

    def variant(self, choice: Choice) -> Variant:
        program = self.program(choice)
        sources = {name: self.source(name, choice) for name in self.document.tensors}
        specs = specs_of(program, sources)
        self.check_work(program, specs, self.training.steps if self.training else 1)
        output, values, gradients = self.compared(choice, program, specs)
        return Variant(
            self.name, choice.id, choice.bindings, program, output, values, gradients, self.training,
            self.dtypes, self.file, sources, self.upstream(output, specs), self.text, self.document.exact,
        )  # fmt: skip

    def check_work(self, program: Program, specs: Mapping[str, Spec], steps: int) -> None:
        """All that a variant holds at once, of every step, since every step is judged; and what it computes."""
        if (count := steps * sum([elements(spec.shape) for spec in specs.values()])) > MAX_ELEMENTS:
            message = (
                f"all tensors of a variant have {count} elements together; at most {MAX_ELEMENTS} are allowed"
            )
            raise Mistake(message, ("tensors",), on_key=True)
        work, products = work_of(program, specs)
        found = [
            (work, MAX_WORK, "elements to read and write"),
            (products, MAX_PRODUCTS, "multiplications in products of matrices"),
            (len(program.nodes), MAX_CALLS, "op calls"),
        ]
        for count, most, what in found:
            if count * steps > most:
                message = f"a variant has {count * steps} {what}; at most {most} are allowed"
                raise Mistake(message, ("program",), on_key=True)

    def program(self, choice: Choice) -> Program:
        """The program; parsed once for all variants that differ only outside of it."""
        key = choice.among(self.read)
        if key not in self.programs:
            program = self.reader.program(choice.bindings)
            self.check_inputs(program)
            self.programs[key] = program
        return self.programs[key]

    def check_inputs(self, program: Program) -> None:
        for node in program.nodes:
            if any(isinstance(arg, bool) for arg in node.args):
                raise ProgramError(f"{node.op}: True and False are no numbers", node.line, node.column)
            if not node.inputs:
                raise ProgramError(f"{node.op} of numbers alone; it needs a tensor", node.line, node.column)
        read = set(program.inputs)
        for name in self.document.tensors:
            if name not in read:
                raise Mistake(f'the program does not use the tensor "{name}"', ("tensors", name), on_key=True)

    def source(self, name: str, choice: Choice) -> Source:
        """A tensor's source; one for all variants that differ only outside of its shape."""
        key = name, *choice.among(self.sizes_in[name])
        if key not in self.sources:
            self.sources[key] = self.checked_source(name, self.document.tensors[name], choice.bindings)
        return self.sources[key]

    def checked_source(self, name: str, tensor: Tensor, bindings: Mapping[str, Any]) -> Source:
        training, path = self.document.training, ("tensors", name)
        if tensor.each is not UNSET and training is UNSET:
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
            folder=self.folder,
            root=self.root,
        )
        below(path, tensors.check, source)
        return source

    def compared(self, choice: Choice, program: Program, specs: Mapping[str, Spec]) -> ComparedNames:
        """What is compared; worked out once for all variants in which program and placeholders are the same."""
        key = choice.among(self.read | self.placeholders)
        if key not in self.names:
            self.names[key] = Naming(self.document, choice.bindings, program, specs).compared(self.training)
        return self.names[key]

    def upstream(self, output: str, specs: Mapping[str, Spec]) -> Source | None:
        """The output's cotangent: given, or random, since ones would hide transpositions."""
        given = self.document.cotangents.get(output)
        path = ("cotangents", output)
        if specs[output].shape == ():
            if given is not None:
                raise Mistake(
                    f'"{output}" is a scalar: its cotangent is 1 and cannot be given', path, on_key=True
                )
            return None
        spec = given or Generated(uniform=(-1.0, 1.0))
        source = Source(
            output, spec, specs[output].shape, "float", self.document.seed, "cotangent",
            folder=self.folder, root=self.root,
        )  # fmt: skip
        below(path, tensors.check, source)
        return source

    @cached_property
    def training(self) -> Training | None:
        training = self.document.training
        if training is UNSET:
            return None
        inputs = self.document.tensors
        allowed = [name for name, t in inputs.items() if t.drawn_dtype == "float" and t.each is UNSET]
        for i, name in enumerate(each_once(training.parameters, "training", "parameters")):
            if name not in allowed:
                message = f'"{name}" cannot be trained; {allowed_names(name, allowed)}'
                raise Mistake(message, ("training", "parameters", i))
        optimizer = training.optimizer.given(tuple(training.optimizer.__struct_fields__))[0]
        options = structs.asdict(getattr(training.optimizer, optimizer))
        return Training(optimizer, options, tuple(training.parameters), training.steps)


def _prove(variant: Variant) -> None:
    size = sum(math.prod(spec.shape) for spec in variant.specs.values())
    if size > MAX_EXACT:
        raise Mistake(f"{size} elements, but an exact case may have at most {MAX_EXACT}", ("exact",))
    dtype = variant.narrowest
    upstream = variant.cotangent(dtype)
    cotangents = {variant.output: np.ones(()) if upstream is None else upstream}
    program = variant.program.rounded(dtype)
    exact.prove(program, variant.draw(dtype), cotangents, variant.gradients, variant.dtypes)
