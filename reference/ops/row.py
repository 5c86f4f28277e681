"""What a row of the op table is: a shape rule, a forward and one vjp for each input, all the mathematics on the line.

Arguments always come in one order: the arithmetic context `c`, for a vjp the op's output, the op's inputs, for a vjp
the output's cotangent `g`, and then the attributes by name.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]
FLOAT = ("float",)


class OpError(ValueError):
    """Inputs or attributes that an op cannot take; the message says what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Shape and dtype of a tensor before it has values; the dtype is "float" (the cell's), "int64" or "bool"."""

    shape: Shape
    dtype: str = "float"


@dataclass(frozen=True)
class Row:
    """One op. Its signature, inputs and attributes with their defaults, is that of `forward`."""

    name: str
    shape: Callable[..., Any]
    forward: Callable[..., Any]
    vjps: Sequence[Callable[..., Any]]
    dtypes: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def variadic(self) -> bool:
        return any(p.kind is p.VAR_POSITIONAL for p in self._parameters())

    @property
    def attributes(self) -> dict[str, inspect.Parameter]:
        return {p.name: p for p in self._parameters() if p.kind is p.KEYWORD_ONLY}

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: p.default for name, p in self.attributes.items() if p.default is not p.empty}

    @property
    def takes(self) -> str:
        """How many tensors the op takes, in words."""
        least, most = self._arity()
        if most is None:
            return f"{least} or more tensors"
        return f"{least} tensor{'s' * (least != 1)}" if least == most else f"{least} to {most} tensors"

    def accepts(self, count: int) -> bool:
        """Whether the op takes `count` tensors by position."""
        least, most = self._arity()
        return least <= count and (most is None or count <= most)

    def infer(self, *inputs: Spec, **kw: Any) -> tuple[Shape, ...]:
        """The shapes of the outputs. Raises OpError where shapes, dtypes or attributes do not fit."""
        for position, spec in enumerate(inputs):
            allowed = self.dtypes.get(position, FLOAT)
            if spec.dtype not in allowed:
                raise OpError(f"input {position + 1} is {spec.dtype}, but must be {' or '.join(allowed)}")
        shapes = self.shape(*inputs, **kw) if self.dtypes else self.shape(*(s.shape for s in inputs), **kw)
        return tuple(shapes) if isinstance(shapes, list) else (shapes,)

    def vjp(self, c: Any, i: int, out: Any, inputs: tuple[Any, ...], g: Any, kw: dict[str, Any]) -> Any:
        """The cotangent of input number `i`, given the output's cotangent `g` (a tuple for several outputs)."""
        if self.variadic:
            return self.vjps[0](c, i, out, *inputs, g, **kw)
        absent = (None,) * (len(self.vjps) - len(inputs))
        return self.vjps[i](c, out, *inputs, *absent, g, **kw)

    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.forward).parameters.values())[1:]

    def _arity(self) -> tuple[int, int | None]:
        positional = [p for p in self._parameters() if p.kind is p.POSITIONAL_OR_KEYWORD]
        least = sum(p.default is p.empty for p in positional)
        return (1, None) if self.variadic else (least, len(positional))


OPS: dict[str, Row] = {}


def row(
    name: str,
    shape: Callable[..., Any],
    forward: Callable[..., Any],
    *vjps: Callable[..., Any],
    dtypes: dict[int, tuple[str, ...]] | None = None,
) -> None:
    """Add a row to the op table; a name twice, or an input without its vjp, is refused."""
    if name in OPS:
        raise ValueError(f"op {name} is in the table twice")
    made = Row(name, shape, forward, vjps, dtypes or {})
    most = made._arity()[1]
    if len(vjps) != (most or 1):
        raise ValueError(f"op {name} has {len(vjps)} vjps, but takes {made.takes}")
    OPS[name] = made
