"""One op call as it was in a cell: its own inputs and cotangents, and the element of its result that is wrong.

Likewise the steps of an optimizer until one that is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....reference.contexts import EXACT
from ....reference.ops import OPS
from ...errors import HarnessError
from ...plan import Cell
from ...reading.elements import Array
from ...references.training import literals_of
from ...run.lines import CellLine
from ..blame import FORWARD, VJP, Suspect
from ..examining import Examination, Found, findings
from ..judge import Update
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
        out = f"output {self.output}" if self.listed else "output"
        return f"{out if self.towards is None else f'gradient towards {self.names[self.towards]}'}{_index(self.where)}"


@dataclass(frozen=True)
class Steps:
    """The steps of an optimizer, and one element of a parameter after the last of them. Floats are float64 that hold numbers of `dtype`."""

    op: str
    """The optimizer."""
    options: dict[str, Any]
    """As a worker is given them."""
    name: str
    """Of the parameter."""
    parameters: Mapping[str, Sequence[Array]]
    """Each before each step, as the framework had it: it repeats all but the first of them itself."""
    gradients: Mapping[str, Sequence[Array]]
    dtype: str
    where: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.gradients[self.name])

    @property
    def size(self) -> int:
        """How many numbers are given to the steps."""
        first = sum(np.size(history[0]) for history in self.parameters.values())
        return first + sum(np.size(a) for history in self.gradients.values() for a in history)

    @property
    def result(self) -> str:
        """The wrong element in words."""
        after = f"{self.count} steps" if self.count > 1 else "a step"
        return f"{self.name}{_index(self.where)} after {after}"


def _index(where: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, where))}]" if where else ""


@dataclass(frozen=True)
class Wrong:
    """A wrong call of a cell, what the cell had there, and what the reference has."""

    call: Call | Steps
    source: str
    """The statement, with its line in the case file, or whose update it is."""
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
    if isinstance(found.of, Update):
        return _wrong_step(cell, found.of)
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


def _wrong_step(cell: Cell, update: Update) -> Wrong:
    """Raises HarnessError where what the step was given isn't known, or is not this parameter's gradient alone."""
    name, step = update.compared.name, update.compared.step
    if update.derived or update.unclipped:
        why = "is clipped with those of other parameters" if update.unclipped else "was not told"
        raise HarnessError(
            f"{cell.id}: the optimizer's update of {name}: its gradient {why}, so there is no step to take alone"
        )
    where, training = tuple(update.compared.where or ()), cell.variant.training
    assert training is not None
    options = literals_of(training, cell.dtype)[0]
    return Wrong(
        Steps(
            training.optimizer,
            options,
            name,
            update.parameters_of,
            update.gradients_of,
            cell.dtype,
            where,
        ),
        f"the optimizer's update of {name} in step {step}",
        np.dtype(cell.dtype).type(update.got[where]),
        float(update.due.value[where]),
        float(update.tolerance[where]),
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
        cotangents=tuple(map(trace.cotangent, node.outs)),
    )
