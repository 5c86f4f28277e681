"""Mutants of the op table: each row with one mistake, in its forward or in one input's vjp.

The same operators are applied to every row and every input; where one changes nothing (two inputs never have the
same shape, a gradient is never square) that shows as a survivor, and has to be accounted for.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import numpy as np
from gradient_conformance.reference.ops import OPS, Row, arithmetic
from observed import seen

Array = Any
NEARLY = 1 + 1e-3
MOST_INPUTS = 2
"""An op of any number of tensors is mutated in so many of them."""


class RaisedInRow(Exception):
    """The mutated row itself raised."""


@dataclass(frozen=True)
class Call:
    """One call of a row's vjp."""

    row: Row
    c: Any
    i: int
    out: Any
    inputs: tuple[Any, ...]
    g: Any
    kw: dict[str, Any]

    def result(self) -> Array:
        return self.row.vjp(self.c, self.i, self.out, self.inputs, self.g, self.kw)

    @property
    def x(self) -> Array:
        return self.inputs[self.i]


@dataclass(frozen=True)
class MutatedRow(Row):
    """A row whose vjp for input `at` (None: for none) is another function of the call."""

    original: Row = field(kw_only=True)
    at: int | None = field(kw_only=True)
    wrong: Callable[[Call], Array] = field(kw_only=True)

    def vjp(self, c: Any, i: int, out: Any, inputs: tuple[Any, ...], g: Any, kw: dict[str, Any]) -> Array:
        call = Call(self.original, c, i, out, inputs, g, kw)
        if i != self.at:
            return call.result()
        try:
            return self.wrong(call)
        except Exception as error:
            raise RaisedInRow from error


@dataclass(frozen=True)
class Mutant:
    """A mistake: its name, and the row that makes it. `reads` is an input whose value the mistake exchanges."""

    name: str
    row: Row
    reads: int | None = None

    @property
    def op(self) -> str:
        return self.row.name


def in_vjp(op: str, at: int, what: str, wrong: Callable[[Call], Array], reads: int | None = None) -> Mutant:
    row = OPS[op]
    parts = {name: getattr(row, name) for name in ("name", "shape", "forward", "vjps", "doc", "dtypes")}
    return Mutant(f"{op} vjp {at}: {what}", MutatedRow(**parts, original=row, at=at, wrong=wrong), reads)


def in_forward(op: str, what: str, wrong: Callable[..., Any]) -> Mutant:
    """`wrong` takes the right forward, the context, the inputs and the attributes."""
    right = OPS[op].forward

    @functools.wraps(right)
    def forward(c: Any, *inputs: Any, **kw: Any) -> Any:
        try:
            return wrong(right, c, *inputs, **kw)
        except Exception as error:
            raise RaisedInRow from error

    return Mutant(f"{op} forward: {what}", replace(OPS[op], forward=forward))


def float_inputs(row: Row) -> list[int]:
    """The inputs that can have a gradient."""
    count = MOST_INPUTS if row.variadic else len(row.vjps)
    return [i for i in range(count) if "float" in row.dtypes.get(i, ("float",))]


def scaled(factor: float) -> Callable[..., Any]:
    """Of the outputs that are floats."""

    def times(part: Array) -> Array:
        return factor * part if np.asarray(part).dtype.kind == "f" else part

    def wrong(right: Callable[..., Any], c: Any, *inputs: Any, **kw: Any) -> Any:
        out = right(c, *inputs, **kw)
        return tuple(map(times, out)) if isinstance(out, tuple) else times(out)

    return wrong


def another(right: Callable[..., Any], c: Any, *inputs: Any, **kw: Any) -> Any:
    """What is false for true; of places those of others."""
    out = right(c, *inputs, **kw)
    return ~out if out.dtype == np.bool_ else np.flip(out)


def transposed(call: Call) -> Array:
    dx = np.asarray(call.result())
    return dx.swapaxes(-1, -2) if dx.ndim > 1 and dx.shape[-1] == dx.shape[-2] else dx


def swapped(j: int) -> Callable[[Call], Array]:
    """The cotangent of input `j`, where that has the same shape."""

    def wrong(call: Call) -> Array:
        there = j < len(call.inputs) and np.shape(call.inputs[j]) == np.shape(call.x)
        other = there and np.asarray(call.inputs[j]).dtype.kind == "f"
        return replace(call, i=j).result() if other else call.result()

    return wrong


def saved_output(j: int) -> Callable[[Call], Array]:
    """The output in place of input `j`, where that has the same shape."""

    def wrong(call: Call) -> Array:
        if isinstance(call.out, tuple) or j >= len(call.inputs):
            return call.result()
        if np.shape(call.out) != np.shape(call.inputs[j]) or np.asarray(call.inputs[j]).dtype.kind != "f":
            return call.result()
        return with_input(call, j, call.out).result()

    return wrong


def with_input(call: Call, j: int, value: Array) -> Call:
    return replace(call, inputs=(*call.inputs[:j], value, *call.inputs[j + 1 :]))


def unread(mutant: Mutant) -> Mutant:
    """The same with NaN in that input's place: if it changes nothing, the vjp does not read the input's value."""
    j = mutant.reads
    assert j is not None
    assert isinstance(mutant.row, MutatedRow)

    def poisoned(call: Call) -> Array:
        if j >= len(call.inputs) or np.asarray(call.inputs[j]).dtype.kind != "f":
            return call.result()
        return with_input(call, j, np.full(np.shape(call.inputs[j]), np.nan)).result()

    return replace(mutant, row=replace(mutant.row, wrong=poisoned))


def with_unbroadcast(other: Callable[..., Array]) -> Callable[[Call], Array]:
    def wrong(call: Call) -> Array:
        with mock.patch.object(arithmetic, "unbroadcast", other):
            return call.result()

    return wrong


def generic() -> Iterator[Mutant]:
    """Every operator on every row and input."""
    for op, row in OPS.items():
        if "float" not in row.given(1):  # nothing of a gradient passes it
            yield in_forward(op, "another", another)
            continue
        yield in_forward(op, "negated", scaled(-1))
        yield in_forward(op, "times 1.001", scaled(NEARLY))
        inputs = float_inputs(row)
        for i in inputs:
            yield in_vjp(op, i, "negated", lambda call: -call.result())
            yield in_vjp(op, i, "times 1.001", lambda call: NEARLY * call.result())
            yield in_vjp(op, i, "zero", lambda call: np.zeros(np.shape(call.result())))
            yield in_vjp(op, i, "transposed", transposed)
            if i in seen(op).broadcast:
                yield in_vjp(op, i, "un-broadcast skipped", with_unbroadcast(lambda c, g, x: g))
            for j in inputs:
                if j != i:
                    yield in_vjp(op, i, f"swapped with {j}", swapped(j))
                yield in_vjp(op, i, f"output for input {j}", saved_output(j), reads=j)
