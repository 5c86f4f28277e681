"""What a row of the op table is: a shape rule, a forward and one vjp for each input, all the mathematics on the line.

Arguments always come in one order: the arithmetic context `c`, for a vjp the op's output, the op's inputs, for a vjp
the output's cotangent `g`, and then the attributes by name.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

Shape = tuple[int, ...]
FLOAT = ("float",)


class OpError(ValueError):
    """Inputs or attributes that an op cannot take; the message says what was found and what is allowed."""


class Spec(NamedTuple):
    """Shape and dtype of a tensor before it has values; the dtype is "float" (the cell's), "int64" or "bool"."""

    shape: Shape
    dtype: str = "float"


@dataclass(frozen=True, slots=True)
class Doc:
    """What a row is, for people, in NumPy's notation; g is the output's cotangent."""

    formula: str
    gradient: str
    example: str
    """A statement of a program."""
    kinks: str = ""
    """Which gradients are right where there is no derivative, and which of them the reference takes."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """What inputs and attributes are, where it isn't what such ones always are."""


@dataclass(frozen=True)
class Row:
    """One op. Its signature, inputs and attributes with their defaults, is that of `forward`."""

    name: str
    shape: Callable[..., Any]
    forward: Callable[..., Any]
    vjps: Sequence[Callable[..., Any]]
    doc: Doc
    dtypes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    terms: Callable[..., int] | None = None
    """By the inputs' shapes and the attributes, the products that each output element sums; None where no matrices are multiplied."""
    kinks: Callable[..., Any] | None = None
    """The admissible gradients where there is no derivative (`kinks`); None where there is one everywhere."""
    gives: tuple[str, ...] = ()
    """The dtypes of the outputs; none where all are floats. What is no float has no gradient, and passes none on."""

    @cached_property
    def parameters(self) -> tuple[inspect.Parameter, ...]:
        """Inputs and attributes, without the context."""
        return tuple(inspect.signature(self.forward).parameters.values())[1:]

    @cached_property
    def variadic(self) -> bool:
        """Whether the op takes any number of tensors; it then has one vjp, which is told the input's number."""
        return any(p.kind is p.VAR_POSITIONAL for p in self.parameters)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters if p.kind is p.KEYWORD_ONLY)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The attributes that may be left out."""
        return {
            p.name: p.default
            for p in self.parameters
            if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
        }

    @cached_property
    def arity(self) -> tuple[int, int | None]:
        """The least and the largest number of tensors by position; None: any."""
        positional = [p for p in self.parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        least = sum(p.default is p.empty for p in positional)
        return (1, None) if self.variadic else (least, len(positional))

    @property
    def takes(self) -> str:
        """How many tensors the op takes, in words."""
        least, most = self.arity
        if most is None:
            return f"{least} or more tensors"
        return f"{least} tensor{'s' * (least != 1)}" if least == most else f"{least} to {most} tensors"

    def accepts(self, count: int) -> bool:
        """Whether the op takes `count` tensors by position."""
        least, most = self.arity
        return least <= count and (most is None or count <= most)

    def infer(self, *inputs: Spec, **kw: Any) -> tuple[Spec, ...]:
        """Shapes and dtypes of the outputs. Raises OpError where shapes, dtypes or attributes do not fit."""
        for position, spec in enumerate(inputs):
            allowed = self.dtypes.get(position, FLOAT)
            if spec.dtype not in allowed:
                raise OpError(f"input {position + 1} is {spec.dtype}, but must be {' or '.join(allowed)}")
        shapes = self.shape(*inputs, **kw) if self.dtypes else self.shape(*(s.shape for s in inputs), **kw)
        shapes = shapes if isinstance(shapes, list) else [shapes]
        return tuple(map(Spec, shapes, self.given(len(shapes))))

    def given(self, outputs: int) -> tuple[str, ...]:
        """The dtypes of so many outputs."""
        return self.gives or FLOAT * outputs

    def vjp(self, c: Any, i: int, out: Any, inputs: tuple[Any, ...], g: Any, kw: dict[str, Any]) -> Any:
        """The cotangent of input number `i`, given the output's cotangent `g` (a tuple for several outputs)."""
        if self.variadic:
            return self.vjps[0](c, i, out, *inputs, g, **kw)
        absent = (None,) * (len(self.vjps) - len(inputs))
        return self.vjps[i](c, out, *inputs, *absent, g, **kw)


OPS: dict[str, Row] = {}


def row(
    name: str,
    shape: Callable[..., Any],
    forward: Callable[..., Any],
    *vjps: Callable[..., Any],
    doc: Doc,
    dtypes: Mapping[int, tuple[str, ...]] | None = None,
    terms: Callable[..., int] | None = None,
    kinks: Callable[..., Any] | None = None,
    gives: tuple[str, ...] = (),
) -> None:
    """Add a row to the op table; a name twice, or an input without its vjp, is refused."""
    if name in OPS:
        raise ValueError(f"op {name} is in the table twice")
    made = Row(name, shape, forward, vjps, doc, dtypes or {}, terms, kinks, gives)
    most = made.arity[1]
    if len(vjps) != (most or 1):
        raise ValueError(f"op {name} has {len(vjps)} vjps, but takes {made.takes}")
    OPS[name] = made
