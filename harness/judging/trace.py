"""A trace: a program at its inputs, and all that a subject has of it, its values, cotangents and contributions.

It is a cell run again with every float value and every cotangent asked for. A framework answers all of them, through
probes in the program. Hand-written code answers those it has names for. Where a name is read several times, its
cotangent is a sum of contributions; of a program in which every use reads a copy of its own they are asked for too.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.backprop import backward, forward
from ...reference.contexts import EXACT, Exact
from ...reference.formats import FORMATS
from ...reference.ops import OPS
from ...reference.program import Node, Program
from ...reference.rounding import FOLLOWED, KINK_MAGNIFICATION, Reference, expected, seed_of
from ...reference.told import Result, Told
from ..reading.elements import Array


@dataclass(frozen=True, eq=False)
class Trace:
    """A program at its inputs, and what a subject told of one run of it (one step of a training)."""

    program: Program
    inputs: Mapping[str, Array]
    output: str
    seed: Array
    dtype: str
    answered: Mapping[Result, Array]
    """As the subject told it, in its own dtype."""
    values: tuple[str, ...] = ()
    """Names that are compared although no way leads from them to the output."""
    compiled: bool = False
    """Whether a call may have read another evaluation of its inputs than the one that was told."""
    exact: bool = False
    """Whether nothing rounds in the reference's own run."""
    step: int | None = None
    earlier: "Trace | None" = field(default=None, repr=False, compare=False)
    """The step before, of a training."""

    @cached_property
    def own(self) -> dict[Result, Array]:
        """What the subject told, in float64: that of which the program has a result, in its shape.

        Of a compiled mode, not what is beyond the dtype's range: fused, its reader may have had the number itself.
        """
        return {
            key: np.asarray(a, dtype=np.float64) for key, a in self.answered.items() if self._fits(key, a)
        }

    def _fits(self, key: Result, a: Array) -> bool:
        due = self.true.get(key)
        if due is None or np.shape(due) != np.shape(a):
            return False
        return not (self.compiled and bool(np.any(beyond(due, self.dtype))))

    @cached_property
    def true(self) -> dict[Result, Array]:
        """Every result of the reference's own run."""
        return self.walk({})

    @cached_property
    def useful(self) -> set[str]:
        """Names on a way to the output."""
        return self.program.ancestors([self.output])

    @cached_property
    def floats(self) -> list[str]:
        """Names that have a cotangent."""
        inputs = [name for name, a in self.inputs.items() if a.dtype.kind in "fO"]
        assigned = [name for node in self.program.nodes for name in node.outs]
        return [name for name in (*inputs, *assigned) if name in self.useful]

    @cached_property
    def producer(self) -> dict[str, int]:
        return {name: i for i, node in enumerate(self.program.nodes) for name in node.outs}

    @cached_property
    def uses(self) -> dict[str, list[tuple[int, int]]]:
        """Of each name with a cotangent: the calls on a way to the output that read it, and as which argument."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        floats = set(self.floats)
        for i, node in enumerate(self.program.nodes):
            if self.useful.intersection(node.outs):
                for k, a in enumerate(node.args):
                    if isinstance(a, str) and a in floats:
                        found[a].append((i, k))
        return found

    def walk(
        self, own: Mapping[Result, Array], c: Exact = EXACT, made: Callable[..., Told] = Told, **how: Any
    ) -> dict[Result, Array]:
        """What every result has to be, given those of `own`; `how` is for `made`, which says what is read."""
        told = made(own, **how)
        inputs = {
            **self.inputs,
            **{n: a for (role, n), a in own.items() if role == "value" and n not in self.inputs},
        }
        with np.errstate(all="ignore"):
            env = forward(self.program, inputs, c, told)
            there = [name for name in self.floats if name in env]  # all, but where calls are left out
            backward(self.program, env, {self.output: self.seed}, there, c, told)
        return told.found

    def due(
        self,
        own: Mapping[Result, Array],
        keys: Collection[Result],
        calls: Collection[int] | None = None,
        made: Callable[..., Told] = Told,
    ) -> dict[Result, Reference]:
        """What these results have to be and how far rounding may move them, given those of `own`."""
        slack = self.walk(own, made=made, calls=calls) if self.compiled and own else None

        def compute(c: Exact) -> dict[Result, Array]:
            found = self.walk(own, c, made, calls=calls, exact=slack)
            return {key: found[key] for key in keys}

        size = sum(a.size for a in self.inputs.values())
        drawn = (np.asarray(self.inputs[name]).tobytes() for name in sorted(self.inputs))
        seed = seed_of(repr(self.program.calls).encode(), *drawn)
        magnification = FOLLOWED if self.complete else KINK_MAGNIFICATION
        return expected(compute, size, seed, dtype=self.dtype, magnification=magnification)

    @cached_property
    def complete(self) -> bool:
        """Whether every value and every cotangent was told."""
        names = (("value", name) for name in self.producer)
        return all(key in self.own for key in (*names, *(("gradient", name) for name in self.floats)))

    def arguments(self, call: int) -> dict[str, Any]:
        """A call's inputs, as the subject had them, and its attributes, by the names of the op's row."""
        node = self.program.nodes[call]
        args = {
            argument_name(node, k): self.value(a) if isinstance(a, str) else a
            for k, a in enumerate(node.args)
        }
        return args | dict(OPS[node.op].defaults) | dict(node.kw)

    def value(self, name: str) -> Array:
        """A name's value as the subject had it; where it did not tell, what follows from what it told."""
        if name in self.inputs:
            return self.inputs[name]
        return self.own.get(("value", name), self.here["value", name])

    def cotangent(self, call: int) -> Array:
        """The cotangent of a call's first output as the subject had it."""
        key = ("gradient", self.program.nodes[call].outs[0])
        return self.own.get(key, self.here.get(key, self.seed))

    @cached_property
    def here(self) -> dict[Result, Array]:
        """What every result has to be at the subject's own numbers, in exact arithmetic."""
        return self.walk(self.own)


def beyond(a: Array, dtype: str) -> Array:
    """Mask of the finite numbers for which a dtype has only infinity."""
    return np.isfinite(a) & (np.abs(a) > FORMATS[dtype].largest)


def argument_name(node: Node, argument: int) -> str:
    """What the op's row calls an argument; those of an op that takes any number are numbered."""
    row = OPS[node.op]
    name = row.parameters[0 if row.variadic else argument].name
    return f"{name}{argument}" if row.variadic else name
