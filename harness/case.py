"""From a case file to its variants: what is computed, from which arrays, and what of it is compared.

The file is data from a stranger: it cannot run code, read outside its root, or ask for more memory or time than the
limits below. Every mistake is one CaseError with file, line and column. Loading draws no array, but those of an
exact case, which is small, for the proof that it is.
"""

import errno
import itertools
import math
import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET, structs

from harness import exact, tensors, toml
from harness.document import PLACEHOLDER, Document, Generated, Mistake, Tensor, structure
from harness.errors import CaseError, allowed_names, shown
from harness.expect import Expectation, expectations
from harness.files import read_at_most
from harness.locate import Locator
from harness.tensors import MAX_ELEMENTS, Array, Source, elements
from reference.ops import OPS, Spec
from reference.program import CONSTANTS, Program, ProgramError, Reader
from reference.rounding import DTYPE_SCALE

MAX_BYTES = 1_000_000
MAX_VARIANTS = 10_000
MAX_EXPANDED = 5_000_000
"""Characters of the file times variants: bounds time and memory of loading."""
MAX_WORK = 100_000_000
MAX_PRODUCTS = 10_000_000_000
"""Elements that all op calls of all steps read and write, and multiplications of their products of matrices."""
MAX_CALLS = 500_000
"""Op calls of all steps: each may be an array in an answer."""
MAX_EXACT = 3_000
MAX_EXACT_VARIANTS = 200
MAX_EXACT_WORK = 200_000
"""Elements of all names in a variant, variants, and work of all variants, of an exact case: fractions are slow."""


@dataclass(frozen=True, slots=True)
class Training:
    """Steps of one optimizer on some of the tensors."""

    optimizer: str
    options: dict[str, float]
    parameters: tuple[str, ...]
    steps: int


@dataclass(frozen=True)
class Variant:
    """A case with every size and placeholder bound: one program with its arrays."""

    case_name: str
    id: str
    bindings: dict[str, Any]
    program: Program
    output: str
    values: tuple[str, ...]
    gradients: tuple[str, ...]
    training: Training | None
    dtypes: tuple[str, ...]
    file: str
    sources: dict[str, Source] = field(repr=False)
    upstream: Source | None = field(repr=False)
    text: str = field(repr=False)
    exact: bool = False

    @cached_property
    def specs(self) -> dict[str, Spec]:
        """Shape and dtype of every name; of one that is drawn anew each step, those of a single step.

        Worked out where it is first asked for: of thousands of variants that wait, it would be most of the memory.
        """
        return _specs(self.program, self.sources)

    @cached_property
    def program_line(self) -> int:
        """The file's line on which line 1 of the program stands: nodes count from the program's own first line."""
        place = Locator(self.text).in_string(("program",), 1, 1)
        return place[0] if place else 1

    @cached_property
    def family(self) -> Hashable:
        """What a compiled function depends on, but for dtype and mode: variants that follow each other can share one."""
        inputs = tuple((name, source.shape, source.dtype) for name, source in self.sources.items())
        return self.program.text, tuple(self.bindings.items()), inputs

    @property
    def narrowest(self) -> str:
        """The least precise of the case's dtypes: inputs rounded to it are exact in all of them."""
        return max(self.dtypes, key=lambda dtype: DTYPE_SCALE[dtype])

    def draw(self, dtype: str | None = None) -> dict[str, Array]:
        """The inputs by name: float64 arrays (int64, bool), floats rounded to `dtype`, or as written (None).

        A tensor with each = "step" has a leading axis of length steps. Raises CaseError where a file was changed.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return {name: self._drawn(source, dtype) for name, source in self.sources.items()}

    def cotangent(self, dtype: str | None = None) -> Array | None:
        """The output's cotangent in its shape, rounded as `draw` does; None where the output is a scalar."""
        with np.errstate(over="ignore", invalid="ignore"):
            return None if self.upstream is None else self._drawn(self.upstream, dtype)

    def _drawn(self, source: Source, dtype: str | None) -> Array:
        try:
            return source.draw(dtype)
        except Mistake as mistake:
            raise CaseError(self.file, f"tensor {source.name}: {mistake.message}") from None


@dataclass(frozen=True)
class Case:
    """One case file. `name` is its path below the case root, without .toml."""

    name: str
    path: Path
    title: str
    source: str
    dtypes: tuple[str, ...]
    seed: int
    variants: tuple[Variant, ...]
    expects: tuple[Expectation, ...]


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


def display(path: Path) -> str:
    """The path as messages show it: relative to the working directory where it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


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


Compared = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Names of the output, of the values and of the gradients that are compared."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """One combination of the swept values: the text of each in ids, and all that sizes and placeholders stand for."""

    texts: dict[str, str]
    bindings: dict[str, Any]

    @property
    def id(self) -> str:
        return "-".join([f"{name}:{text}" for name, text in self.texts.items()])

    def among(self, names: Collection[str]) -> tuple[str, ...]:
        """The texts of those that are swept: what depends on these names alone is the same where they are."""
        return tuple([text for name, text in self.texts.items() if name in names])


class _Loader:
    """Builds one case; every method raises Mistake or ProgramError."""

    def __init__(self, path: Path, root: Path, file: str, text: str, name: str) -> None:
        self.folder, self.root, self.path = path.parent, root, path
        self.file, self.text, self.name = file, text, name
        self.programs: dict[Hashable, Program] = {}
        self.sources: dict[Hashable, Source] = {}
        self.names: dict[Hashable, Compared] = {}

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
            document.source,
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
        return tuple(_once(self.document.dtypes, "dtypes"))

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
        return {name for text in (*output, *values, *gradients) for name in _placeholders(text)}

    @cached_property
    def sizes_in(self) -> dict[str, set[str]]:
        """The names in each tensor's shape."""
        return {name: self.names_in_shape(name, tensor) for name, tensor in self.document.tensors.items()}

    def names_in_shape(self, name: str, tensor: Tensor) -> set[str]:
        shape = () if tensor.shape is UNSET else tensor.shape
        if isinstance(shape, str):
            return _placeholders(shape)
        used: set[str] = set()
        for i, size in enumerate(shape):
            used |= _at(("tensors", name, "shape", i), tensors.sizes_in, size)
        if tensor.labels is not UNSET:
            used |= _at(("tensors", name, "labels"), tensors.sizes_in, tensor.labels)
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
        work = sum(sum(_work(variant.program, variant.specs)) for variant in variants)
        if work > MAX_EXACT_WORK:
            found = (
                f"{work} elements and multiplications, but an exact case may have at most {MAX_EXACT_WORK}"
            )
            raise Mistake(found, ("exact",))
        for variant in variants:
            try:
                _prove(variant)
            except (Mistake, ProgramError) as error:
                raise _of_variant(error, variant.id) from None

    # Variants

    def choices(self) -> Iterator[_Choice]:
        """Every combination of the swept values in the file's order."""
        swept = [
            [(name, *pair) for pair in _texts(name, values)] for name, values in self.document.sweep.items()
        ]
        for chosen in itertools.product(*swept):
            texts = {name: text for name, text, _ in chosen}
            yield _Choice(texts, {**self.document.sizes, **{name: value for name, _, value in chosen}})

    def variants(self) -> Iterator[Variant]:
        for choice in self.choices():
            try:
                yield self.variant(choice)
            except (Mistake, ProgramError) as error:
                raise _of_variant(error, choice.id) from None

    def variant(self, choice: _Choice) -> Variant:
        program = self.program(choice)
        sources = {name: self.source(name, choice) for name in self.document.tensors}
        specs = _specs(program, sources)
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
        work, products = _work(program, specs)
        found = [
            (work, MAX_WORK, "elements to read and write"),
            (products, MAX_PRODUCTS, "multiplications in products of matrices"),
            (len(program.nodes), MAX_CALLS, "op calls"),
        ]
        for count, most, what in found:
            if count * steps > most:
                message = f"a variant has {count * steps} {what}; at most {most} are allowed"
                raise Mistake(message, ("program",), on_key=True)

    def program(self, choice: _Choice) -> Program:
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

    def source(self, name: str, choice: _Choice) -> Source:
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
        classes = _at((*path, "labels"), tensors.dimension, tensor.labels, bindings) if labels else 0
        source = Source(
            name=name,
            spec=tensor,
            shape=_at(path, tensors.shape_of, tensor, bindings),
            dtype=tensor.drawn_dtype,
            seed=self.document.seed,
            steps=None if tensor.each is UNSET or training is UNSET else training.steps,
            classes=classes,
            folder=self.folder,
            root=self.root,
        )
        _at(path, tensors.check, source)
        return source

    def compared(self, choice: _Choice, program: Program, specs: Mapping[str, Spec]) -> Compared:
        """What is compared; worked out once for all variants in which program and placeholders are the same."""
        key = choice.among(self.read | self.placeholders)
        if key not in self.names:
            self.names[key] = _Names(self.document, choice.bindings, program, specs).compared(self.training)
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
        _at(path, tensors.check, source)
        return source

    @cached_property
    def training(self) -> Training | None:
        training = self.document.training
        if training is UNSET:
            return None
        inputs = self.document.tensors
        allowed = [name for name, t in inputs.items() if t.drawn_dtype == "float" and t.each is UNSET]
        for i, name in enumerate(_once(training.parameters, "training", "parameters")):
            if name not in allowed:
                message = f'"{name}" cannot be trained; {allowed_names(name, allowed)}'
                raise Mistake(message, ("training", "parameters", i))
        optimizer = training.optimizer.given(tuple(training.optimizer.__struct_fields__))[0]
        options = structs.asdict(getattr(training.optimizer, optimizer))
        return Training(optimizer, options, tuple(training.parameters), training.steps)


@dataclass(frozen=True)
class _Names:
    """Which names of one variant are compared."""

    document: Document
    bindings: Mapping[str, Any]
    program: Program
    specs: Mapping[str, Spec]

    def compared(self, training: Training | None) -> Compared:
        output = self.output()
        values, gradients = self.values(output), self.gradients(training)
        self.check_feeds(output, values, gradients)
        return output, values, gradients

    def output(self) -> str:
        """The one that is given, or what is assigned last."""
        if self.document.output is UNSET:
            return self.program.nodes[-1].outs[-1]
        name = _bound(self.document.output, self.bindings, ("output",))
        assigned = _assigned(self.program)
        if name not in assigned:
            message = f'the output "{name}" is not assigned in the program; {allowed_names(name, assigned)}'
            raise Mistake(message, ("output",))
        return name

    def values(self, output: str) -> tuple[str, ...]:
        """The output, and what else the case lists."""
        listed = () if self.document.values is UNSET else self.document.values
        names = self.bound(listed, "values", _assigned(self.program), "is not assigned in the program")
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
        names = [_bound(name, self.bindings, (key, i)) for i, name in enumerate(listed)]
        known = set(allowed)
        for i, name in enumerate(_once(names, key)):
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


def _specs(program: Program, sources: Mapping[str, Source]) -> dict[str, Spec]:
    return program.specs({name: Spec(source.shape, source.dtype) for name, source in sources.items()})


def _prove(variant: Variant) -> None:
    size = sum(math.prod(spec.shape) for spec in variant.specs.values())
    if size > MAX_EXACT:
        raise Mistake(f"{size} elements, but an exact case may have at most {MAX_EXACT}", ("exact",))
    dtype = variant.narrowest
    upstream = variant.cotangent(dtype)
    cotangents = {variant.output: np.ones(()) if upstream is None else upstream}
    program = variant.program.rounded(dtype)
    exact.prove(program, variant.draw(dtype), cotangents, variant.gradients, variant.dtypes)


CONTRACTIONS = ("matmul", "linear")
"""The ops whose work is not that of their elements alone: the rows that call the context's `matmul`."""


def _work(program: Program, specs: Mapping[str, Spec]) -> tuple[int, int]:
    """Elements that the op calls read and write, and multiplications in products of matrices."""
    size = {name: elements(spec.shape) for name, spec in specs.items()}
    moved = products = 0
    for node in program.nodes:
        moved += sum([size[name] for name in (*node.inputs, *node.outs)])
        if node.op in CONTRACTIONS and isinstance(node.args[0], str):
            products += size[node.outs[0]] * max(1, specs[node.args[0]].shape[-1])
    return moved, products


def _assigned(program: Program) -> list[str]:
    return [name for node in program.nodes for name in node.outs]


def _once(names: list[str], *path: str) -> list[str]:
    seen = set[str]()
    for i, name in enumerate(names):
        if name in seen:
            raise Mistake(f'"{name}" stands here twice', (*path, i))
        seen.add(name)
    return names


def _at(path: tuple[str | int, ...], function: Any, *args: Any) -> Any:
    """Calls a function whose mistakes have paths below `path`."""
    try:
        return function(*args)
    except Mistake as mistake:
        raise Mistake(mistake.message, (*path, *mistake.path), mistake.on_key, mistake.within) from None


def _placeholders(text: str) -> set[str]:
    return {text[1:-1]} if text.startswith("{") and re.search(PLACEHOLDER, text) else set()


def _bound(text: str, bindings: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """A name, or what its placeholder stands for."""
    for name in _placeholders(text):
        words = [known for known, value in bindings.items() if isinstance(value, str)]
        if name not in words:
            raise Mistake(
                f'the placeholder "{name}" has no words in [sweep]; {allowed_names(name, words)}', path
            )
        return str(bindings[name])
    return text


def _texts(name: str, values: list[Any]) -> list[tuple[str, Any]]:
    """Each swept value with the text that stands for it in ids."""
    pairs: dict[str, Any] = {}
    for i, value in enumerate(values):
        text = _text(value)
        if text in pairs:
            raise Mistake(f"{text} is swept twice", ("sweep", name, i))
        pairs[text] = tuple(value) if isinstance(value, list) else value
    return list(pairs.items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value)) or "scalar"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_variant(error: Mistake | ProgramError, id: str) -> Mistake | ProgramError:
    """The same error, saying in which variant, where there are several."""
    suffix = f" (variant {id})" if id else ""
    if isinstance(error, ProgramError):
        return ProgramError(error.message + suffix, error.line, error.column)
    return Mistake(error.message + suffix, error.path, error.on_key, error.within)
