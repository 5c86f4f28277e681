"""A case as a value: what is computed, from which arrays, and what of it is compared."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.contexts import EXACT
from ...reference.formats import narrowest
from ...reference.ops import OPS, Spec
from ...reference.program import Program, ProgramError, specs_of_outs
from ..errors import CaseError
from ..reading.elements import digest, raw
from ..reading.locate import Locator
from .mistakes import Mistake, Places
from .tensors import Array, Source, leaves, nested_shape


@dataclass(frozen=True, slots=True)
class Training:
    """Steps of one optimizer on some of the tensors."""

    optimizer: str
    options: dict[str, Any]
    """Numbers, words and what is true or false; the learning rate may be a tuple, a number for each step."""
    parameters: tuple[str, ...]
    steps: int
    clip: dict[str, float] = field(default_factory=dict)
    """By what gradients are clipped before a step: the options of `clipped` in reference/optimizers.py; none where they aren't."""
    state: dict[str, str] = field(default_factory=dict)
    """Tensors that the next step is given as they were assigned in this one: by its own name the assigned one's."""


@dataclass(frozen=True)
class Variant:
    """A case with every size and placeholder bound: one program with its arrays."""

    case_name: str
    id: str
    bindings: dict[str, Any]
    program: Program
    outputs: tuple[str, ...]
    """What is differentiated: the sum of all of them, each times its cotangent."""
    values: tuple[str, ...]
    gradients: tuple[str, ...]
    training: Training | None
    dtypes: tuple[str, ...]
    file: str
    sources: dict[str, Source] = field(repr=False)
    upstream: dict[str, Source] = field(repr=False)
    """The outputs' cotangents; of a scalar that is the only output there is none, since it is 1."""
    text: str = field(repr=False)
    exact: bool = False
    discrete: tuple[str, ...] = ()
    """Compared values that are integers, or true or false: they are right or wrong, and have no tolerance."""
    constants: frozenset[str] = frozenset()
    """Inputs that belong to the program: they have no gradient, and somebody's own code isn't given them."""

    @cached_property
    def specs(self) -> dict[str, Spec]:
        """Shape and dtype of every name; of one that is drawn anew each step, those of a single step.

        Worked out where it is first asked for: of thousands of variants that wait, it would be most of the memory.
        """
        return specs_of(self.program, self.sources)

    @property
    def ops(self) -> set[str]:
        """What may be wrong by itself in a program and its training: op calls, and the optimizer."""
        optimizer = {self.training.optimizer} if self.training else set()
        return {node.op for node in self.program.nodes} | optimizer

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

    @cached_property
    def content(self) -> str:
        """Short digest of all that an answer depends on, the program but not where it stands."""
        drawn = self.draw(self.narrowest), self.cotangents(self.narrowest)
        return self.digest_of(self.program, *drawn).hex()[:16]

    def digest_of(
        self, program: Program, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]
    ) -> bytes:
        """SHA-256 of the program but not where it stands, the inputs, and what is asked."""
        asked = (
            program.calls,
            self.outputs,
            self.values,
            self.gradients,
            self.training,
            self.exact,
            self.discrete,
            sorted(self.constants),
        )
        arrays = [*sorted(inputs.items()), *cotangents.items()]
        shapes = [(name, a.dtype.str, a.shape) for name, a in arrays]
        return digest(repr((asked, shapes)).encode(), *(raw(a) for _, a in arrays))

    @property
    def narrowest(self) -> str:
        """The least precise of the case's dtypes: inputs rounded to it are exact in all of them."""
        return narrowest(self.dtypes)

    def draw(self, dtype: str | None = None) -> dict[str, Array]:
        """The inputs by name: float64 arrays (int64, bool), floats rounded to `dtype`, or as written (None).

        A tensor with each = "step" has a leading axis of length steps. Raises CaseError where a file was changed.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return {name: self._drawn(source, dtype) for name, source in self.sources.items()}

    def cotangents(self, dtype: str | None = None) -> dict[str, Array]:
        """Each output's cotangent in its shape, rounded as `draw` does; 1 where there is none to draw."""
        with np.errstate(over="ignore", invalid="ignore"):
            drawn = {name: self._drawn(source, dtype) for name, source in self.upstream.items()}
        return {name: drawn.get(name, np.ones(())) for name in self.outputs}

    def mistaken(self, error: ProgramError) -> CaseError:
        """What is wrong with the program, with its place in the file."""
        return Places(self.file, self.text).error(
            [Mistake(error.message, ("program",), within=(error.line, error.column))]
        )

    def _drawn(self, source: Source, dtype: str | None) -> Array:
        try:
            return source.draw(dtype)
        except Mistake as mistake:
            raise CaseError(self.file, f"tensor {source.name}: {mistake.message}") from None


Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One [[expect]]: `what` is value, gradient or parameter; `printed` a string or a nested list of strings.

    `variant` is None where it holds for all. `place` is its file and line.
    """

    what: str
    name: str
    at: tuple[int, ...] | None
    after_step: int
    variant: str | None
    printed: Any
    place: str

    @property
    def key(self) -> Key:
        """What has to be computed for it."""
        return self.what, self.name, self.after_step

    @property
    def has_fractions(self) -> bool:
        """Whether the reference's own error is needed."""
        return any("/" in text for text in leaves(self.printed))

    def applies(self, variant: "Variant") -> bool:
        """Whether it speaks of this variant."""
        return self.variant in (None, variant.id)

    def elements(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Each number that it prints, with its place in the tensor."""
        if self.at is not None:
            yield self.at, self.printed
        else:
            yield from zip(np.ndindex(nested_shape(self.printed)), leaves(self.printed), strict=True)


@dataclass(frozen=True)
class Case:
    """One case file. `name` is its path below the case root, without .toml; `source` is empty where none is given."""

    name: str
    title: str
    source: str
    program: str
    dtypes: tuple[str, ...]
    seed: int
    variants: tuple[Variant, ...]
    expects: tuple[Expectation, ...]


def misplaced(
    program: Program, sources: Mapping[str, Source], specs: Mapping[str, Spec]
) -> Iterator[ProgramError]:
    """Calls whose labels, places or counts, as the case gives them, are none of what they are for. Floats are not drawn."""
    for node in program.nodes:
        whole = {a for a in node.inputs if specs[a].dtype == "int64"}
        if not whole or not whole <= sources.keys():
            continue
        try:
            drawn = {name: sources[name].draw() for name in whole}
        except Mistake:  # of a file, which is told where it is read
            continue
        for edge in (np.min, np.max):  # of all steps, if it is drawn anew in each
            ends = {n: a if sources[n].steps is None else edge(a, axis=0) for n, a in drawn.items()}
            try:
                with np.errstate(all="ignore"):
                    OPS[node.op].forward(EXACT, *(_plain(a, ends, specs) for a in node.args), **node.kw)
            except IndexError as error:
                yield ProgramError(f"{node.op}: {error}", node.line, node.column)
                break


def _plain(a: Any, ends: Mapping[str, Array], specs: Mapping[str, Spec]) -> Any:
    """An argument; of a tensor of floats, or of what is true, only the shape matters, and it takes no memory."""
    if not isinstance(a, str) or a in ends:
        return ends.get(a, a)
    return np.broadcast_to(
        np.zeros((), specs[a].dtype if specs[a].dtype == "bool" else float), specs[a].shape
    )


def specs_of(
    program: Program, sources: Mapping[str, Source], tell: Callable[[ProgramError], None] | None = None
) -> dict[str, Spec]:
    """Shape and dtype of every name; those that are known where `tell` is told of mistakes. Without it they are raised."""
    env = {name: Spec(source.shape, source.dtype) for name, source in sources.items()}
    if tell is None:
        return program.specs(env)
    for node in program.nodes:
        if env.keys() >= set(node.inputs):
            try:
                env.update(specs_of_outs(node, env))
            except ProgramError as error:
                tell(error)
    return env
