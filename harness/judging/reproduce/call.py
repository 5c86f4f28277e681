"""One op call as it was in a cell: its own inputs and cotangents, and the element of its result that is wrong."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....reference.contexts import EXACT
from ....reference.ops import OPS
from ...errors import HarnessError
from ...plan import Cell
from ...reading.elements import Array
from ...run.lines import CellLine
from ..blame import FORWARD, VJP, Suspect
from ..examining import Examination, Found, findings
from ..outcome import by_cause, place
from ..trace import Trace, argument_name

Argument = Any
"""A tensor as an array, or a plain number."""


@dataclass(frozen=True)
class Call:
    """An op call and one element of a result of it. Floats are float64 that hold numbers of `dtype`."""

    op: str
    kw: dict[str, Any]
    """The attributes as a program has them, defaults too."""
    names: tuple[str, ...]
    args: tuple[Argument, ...]
    dtype: str
    where: tuple[int, ...]
    output: int = 0
    """Forwards: which output is wrong."""
    towards: int | None = None
    """Backwards: which argument the wrong gradient is that of."""
    cotangents: tuple[Array, ...] = ()
    """That of each output."""

    @property
    def tensors(self) -> list[int]:
        """The positions of those arguments that are tensors."""
        return [i for i, a in enumerate(self.args) if isinstance(a, np.ndarray)]

    @property
    def named(self) -> list[tuple[str, Argument]]:
        """The arguments with the names that the op's row has for them."""
        return list(zip(self.names, self.args, strict=True))

    @property
    def size(self) -> int:
        """How many numbers its tensors have."""
        return sum(np.size(a) for a in (*self.args, *self.cotangents))

    @cached_property
    def listed(self) -> bool:
        """Whether the op gives a list of outputs, if only of one."""
        with np.errstate(all="ignore"):
            return isinstance(OPS[self.op].forward(EXACT, *self.args, **self.kw), tuple)

    @cached_property
    def result(self) -> str:
        """The wrong element in words."""
        index = f"[{', '.join(map(str, self.where))}]" if self.where else ""
        out = f"output {self.output}" if self.listed else "output"
        return f"{out if self.towards is None else f'gradient towards {self.names[self.towards]}'}{index}"


@dataclass(frozen=True)
class Wrong:
    """A wrong call of a cell, what the cell had there, and what the reference has."""

    call: Call
    source: str
    """The statement, with its line in the case file."""
    got: Any
    """A NumPy scalar of the cell's dtype."""
    want: float
    tolerance: float


def told(cell: Cell, line: CellLine, examination: Examination) -> list[Found]:
    """What a cell tells of as wrong by itself, in its order: of steps that have the same cause, the worst."""
    found = findings(cell, examination)
    return [max((found[i] for i in same), key=lambda one: one.compared.used) for same in by_cause(line.calls)]


def wrong(cell: Cell, found: Found) -> Wrong:
    """The call that is to blame. Raises HarnessError where it is none, or several may be."""
    suspect = next(iter(found.suspects))
    if len(found.suspects) > 1 or suspect.phase not in (FORWARD, VJP) or found.trace is None:
        blamed = place(found.suspects, found.trace, cell.variant.program_line)
        raise HarnessError(
            f"{cell.id}: no single op call is to blame, so there is none to call alone: {blamed}"
        )
    trace, where = found.trace, tuple(found.compared.where or ())
    assert found.call is not None
    node = trace.program.nodes[suspect.call]
    return Wrong(
        _call(trace, suspect, found.key[1], where),
        f"line {cell.variant.program_line + node.line - 1}: {trace.program.source(node)}",
        np.asarray(trace.answered[found.key])[where],
        float(found.call.want[where]),
        float(found.call.tolerance[where]),
    )


def _call(trace: Trace, suspect: Suspect, name: str, where: tuple[int, ...]) -> Call:
    """Literals are those that workers are given, rounded to the dtype: the script is right of what it shows."""
    node = trace.program.rounded(trace.dtype).nodes[suspect.call]
    backwards = suspect.phase == VJP
    args = [np.asarray(trace.value(a)) if isinstance(a, str) else a for a in node.args]
    if not any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in args):
        args = [a if isinstance(a, np.ndarray) else np.asarray(a, np.float64) for a in args]
    return Call(
        op=node.op,
        kw={**OPS[node.op].defaults, **node.kw},
        names=tuple(argument_name(node, k) for k in range(len(args))),
        args=tuple(args),
        dtype=trace.dtype,
        where=where,
        output=0 if backwards else node.outs.index(name),
        towards=suspect.argument if backwards else None,
        cotangents=tuple(_cotangent(trace, out) for out in node.outs),
    )


def _cotangent(trace: Trace, name: str) -> Array:
    """As the subject had it; zero where no way leads to the output."""
    key = ("gradient", name)
    if key in trace.own or key in trace.here:
        return np.asarray(trace.own.get(key, trace.here.get(key)))
    return np.zeros(np.shape(trace.here["value", name]))
