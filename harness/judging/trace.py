"""A trace: a program at its inputs, and all that a subject has of it, its values, cotangents and contributions.

It is a cell run again with every float value and every cotangent asked for. A framework answers all of them, through
probes in the program. Hand-written code answers those it has names for. Where a name is read several times, its
cotangent is a sum of contributions; of a program in which every use reads a copy of its own they are asked for too.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.backprop import backward, forward
from ...reference.contexts import EXACT, Exact
from ...reference.formats import FORMATS
from ...reference.ops import OPS
from ...reference.program import Node, Program
from ...reference.recording import Recording, Tape
from ...reference.rounding import FOLLOWED, KINK_MAGNIFICATION, Reference, Rounding, expected, seed_of
from ...reference.runs import Runs
from ...reference.told import Result, Told
from ..reading.elements import Array

RUNS = 64
"""Perturbed runs that are asked what they choose."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A program at its inputs, and what a subject told of one run of it (one step of a training)."""

    program: Program
    inputs: Mapping[str, Array]
    seeds: Mapping[str, Array]
    """The cotangent of each output."""
    dtype: str
    answered: Mapping[Result, Array]
    """As the subject told it, in its own dtype."""
    values: tuple[str, ...] = ()
    """Names that are compared although no way leads from them to an output."""
    constants: Collection[str] = ()
    """Names that have no cotangent, since nobody asks for it."""
    compiled: bool = False
    """Whether a call may have read another evaluation of its inputs than the one that was told."""
    exact: bool = False
    """Whether nothing rounds in the reference's own run."""
    step: int | None = None
    earlier: "Trace | None" = field(default=None, repr=False, compare=False)
    """The step before, of a training."""

    @cached_property
    def own(self) -> dict[Result, Array]:
        """What the subject told, numbers in float64: that of which the program has a result, in its shape.

        Of a compiled mode, not what is beyond the dtype's range: fused, its reader may have had the number itself.
        """
        return {
            key: np.asarray(a, dtype=self.true[key].dtype if key in self.discrete else np.float64)
            for key, a in self.answered.items()
            if self._fits(key, a)
        }

    @cached_property
    def discrete(self) -> frozenset[Result]:
        """Values that are integers, or true or false."""
        return frozenset(key for key, a in self.true.items() if np.asarray(a).dtype.kind in "iub")

    def _fits(self, key: Result, a: Array) -> bool:
        due = self.true.get(key)
        if due is None or np.shape(due) != np.shape(a):
            return False
        if key in self.discrete:
            with np.errstate(invalid="ignore"):
                return np.array_equal(a, a.astype(due.dtype))
        return not (self.compiled and bool(np.any(beyond(due, self.dtype))))

    @cached_property
    def true(self) -> dict[Result, Array]:
        """Every result of the reference's own run."""
        return self.walk({})

    @cached_property
    def useful(self) -> set[str]:
        """Names on a way to an output."""
        return self.program.ancestors(self.seeds)

    @cached_property
    def floats(self) -> list[str]:
        """Names that have a cotangent."""
        inputs = [name for name, a in self.inputs.items() if a.dtype.kind in "fO"]
        assigned = [name for node in self.program.nodes for name in node.outs]
        return [n for n in (*inputs, *assigned) if n in self.useful and n not in self.constants]

    @cached_property
    def producer(self) -> dict[str, int]:
        return {name: i for i, node in enumerate(self.program.nodes) for name in node.outs}

    @cached_property
    def uses(self) -> dict[str, list[tuple[int, int]]]:
        """Of each name with a cotangent: the calls on a way to an output that read it, and as which argument."""
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
            backward(self.program, env, self.seeds, there, c, told)
        return told.found

    def due(
        self,
        own: Mapping[Result, Array],
        keys: Collection[Result],
        calls: Collection[int] | None = None,
        made: Callable[..., Told] = Told,
        magnification: float | None = None,
    ) -> dict[Result, Reference]:
        """What these results have to be and how far rounding may move them, given those of `own`.

        How far branches' arguments are moved is `magnification`: by default not at all where everything was told, else as for
        calls between names that nobody told.
        """
        slack = self.walk(own, made=made, calls=calls) if self.compiled and own else None

        def compute(c: Exact) -> dict[Result, Array]:
            found = self.walk(own, c, made, calls=calls, exact=slack)
            return {key: found[key] for key in keys}

        size = sum(a.size for a in self.inputs.values())
        drawn = (np.asarray(self.inputs[name]).tobytes() for name in sorted(self.inputs))
        seed = seed_of(repr(self.program.calls).encode(), *drawn)
        if magnification is None:
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

    def cotangent(self, name: str) -> Array:
        """A name's cotangent as the subject had it; zero where no way leads to an output."""
        key = ("gradient", name)
        if key in self.own or key in self.here:
            return np.asarray(self.own.get(key, self.here.get(key)))
        return np.zeros(np.shape(self.here["value", name]))

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


# Choices that rounding may turn


class _Read(Told):
    """A walk that keeps what is read."""

    def __init__(self, own: Mapping[Result, Array], **how: Any) -> None:
        super().__init__(own, **how)
        self.taken: dict[str, Array] = {}

    def read(self, result: Result, a: Array, c: Exact) -> Array:
        taken: Array = super().read(result, a, c)
        if result[0] == "value":
            self.taken[result[1]] = taken
        return taken


def chosen_at_a_tie(trace: Trace, key: Result) -> bool:
    """Whether each element of a discrete value is what some perturbed run at the subject's own numbers chooses.

    At numbers that were told a choice is right or wrong. Of numbers that weren't, or of which the call may have read another
    evaluation, nobody knows what they are but for their rounding.
    """
    if trace.complete and not trace.compiled:
        return False
    got = trace.own[key]
    own = {of: a for of, a in trace.own.items() if of not in trace.discrete}
    found = [np.asarray(choice[key[1]]) == got for choice in _choices(trace, own)]
    return bool(np.all(np.any(found, axis=0)))


def _choices(trace: Trace, own: Mapping[Result, Array]) -> Iterator[dict[str, Array]]:
    """The discrete values of each run, from the numbers that it has."""
    slack = trace.walk(own) if trace.compiled else None
    kept: dict[str, Array] = {}

    def walk(c: Exact) -> None:
        def made(own: Mapping[Result, Array], **how: Any) -> Told:
            nonlocal kept
            told = _Read(own, **how)
            kept = told.taken
            return told

        trace.walk(own, c, made, exact=slack)

    tape = Tape()
    walk(Recording(tape))
    walk(Rounding(seed_of(repr(trace.program.calls).encode()), tape, range(RUNS), trace.dtype))
    for run in range(RUNS):
        env = {n: a.a[..., run] if isinstance(a, Runs) else a for n, a in {**trace.inputs, **kept}.items()}
        for node in trace.program.nodes:
            given = OPS[node.op].given(len(node.outs))
            if set(given) != {"float"}:
                args = [env[a] if isinstance(a, str) else a for a in node.args]
                out = OPS[node.op].forward(EXACT, *args, **node.kw)
                outs = out if isinstance(out, tuple) else (out,)
                chosen = zip(node.outs, outs, given, strict=True)
                env |= {name: a for name, a, dtype in chosen if dtype != "float"}
        yield env
