"""What every compared tensor of a case variant must be, and how far rounding may move it.

One evaluation serves every dtype: the inputs are rounded to the narrowest one, so they are exact in all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from ...reference.backprop import backprop
from ...reference.contexts import EXACT, Exact
from ...reference.optimizers import OPTIMIZERS
from ...reference.program import Program
from ...reference.rounding import Expected, References, expected, seed_of
from ..case.variant import Variant
from ..reading.elements import raw
from ..roles import Key
from ..workers.wire import python_json
from .cache import Cache, digest

Array = np.ndarray[Any, Any]


class Wanted:
    """The reference of one variant, evaluated when first asked for, or read where a cache has it."""

    def __init__(self, variant: Variant, cache: Cache | None = None) -> None:
        self.variant, self._cache = variant, cache
        self.program: Program = variant.program.rounded(variant.narrowest)
        self.inputs: dict[str, Array] = variant.draw(variant.narrowest)
        self.cotangent = variant.cotangent(variant.narrowest)
        self._single: References | None = None
        self.lines: dict[str, bytes] = {}
        """By dtype, what requests of this variant share (wire.shared_line): the same for every framework."""

    def single(self) -> References:
        """What a variant without training must give."""
        if self._single is None:
            variant = self.variant
            places = [(node.line, node.column) for node in self.program.nodes]  # the seed depends on them
            asked = ("variant", self._digest, places)
            self._single = self._evaluated(self.inputs, variant.values, variant.gradients, asked, [])
        return self._single

    @cached_property
    def nodes(self) -> msgspec.Raw:
        """The program as workers get it."""
        nodes = [
            {"out": node.outs, "op": node.op, "args": node.args, "kw": dict(node.kw)}
            for node in self.program.nodes
        ]
        return python_json(nodes)

    @cached_property
    def content(self) -> str:
        """Short digest of all that an answer depends on, the program but not where it stands."""
        return self._digest.hex()[:16]

    @cached_property
    def _digest(self) -> bytes:
        """SHA-256 of the program but not where it stands, the inputs, and what is asked."""
        variant = self.variant
        nodes = [(n.outs, n.op, n.args, sorted(n.kw.items())) for n in self.program.nodes]
        asked = (nodes, variant.output, variant.values, variant.gradients, variant.training, variant.exact)
        arrays = sorted(self.inputs.items())
        if self.cotangent is not None:
            arrays.append(("its cotangent", self.cotangent))
        shapes = [(name, a.dtype.str, a.shape) for name, a in arrays]
        return digest(repr((asked, shapes)).encode(), *(raw(a) for _, a in arrays))

    def at(self, inputs: Mapping[str, Array], values: Iterable[str], gradients: Iterable[str]) -> References:
        """Values and gradients by name at these inputs."""
        values, gradients = tuple(values), tuple(gradients)
        asked = ("values and gradients", self._nodes, self.variant.output, values, gradients)
        arrays = [*sorted(inputs.items()), ("its cotangent", self._cotangent)]
        return self._evaluated(inputs, values, gradients, asked, arrays)

    @property
    def _cotangent(self) -> Array:
        return np.ones(()) if self.cotangent is None else self.cotangent

    def _evaluated(
        self,
        inputs: Mapping[str, Array],
        values: Sequence[str],
        gradients: Sequence[str],
        asked: tuple[Any, ...],
        arrays: Sequence[tuple[str, Array]],
    ) -> References:
        """The same; `asked` and `arrays` are its name in the cache."""

        def compute(c: Exact) -> dict[Key, Array]:
            env, grads = backprop(self.program, inputs, gradients, {self.variant.output: self._cotangent}, c)
            wanted = {("value", name): env[name] for name in values}
            return wanted | {("gradient", name): grads[name] for name in gradients}

        if self.variant.exact:  # no perturbed runs: a read would take as long
            return References.of({key: _unrounded(a) for key, a in compute(EXACT).items()})

        def perturbed() -> References:
            size = sum(a.size for a in inputs.values())
            drawn = (inputs[name].tobytes() for name in sorted(inputs))
            return expected(compute, size, seed_of(self._nodes.encode(), *drawn))

        return self._known(asked, arrays, perturbed)

    @cached_property
    def _nodes(self) -> str:
        return repr(self.program.nodes)

    def _known(
        self,
        asked: tuple[Any, ...],
        arrays: Sequence[tuple[str, Array]],
        compute: Callable[[], References],
    ) -> References:
        """What `compute` gives, from the cache where it is there; `asked` and `arrays` are all that it depends on."""
        return compute() if self._cache is None else self._cache.reference(repr(asked), arrays, compute)

    def inputs_at(self, step: int, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs of one training step: the given parameters, and the slices drawn anew for this step."""
        drawn = {n: a[step] if n in each_step(self.variant) else a for n, a in self.inputs.items()}
        return {**drawn, **parameters}

    @property
    def optimizer_options(self) -> dict[str, Any]:
        """Literals of the optimizer, rounded like those of the program."""
        assert self.variant.training is not None
        return {k: _narrow(v, self.variant.narrowest) for k, v in self.variant.training.options.items()}

    def update(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> References:
        """The parameters after one step of the optimizer, from the parameters and gradients before it."""
        training = self.variant.training
        assert training is not None
        options, rule = self.optimizer_options, OPTIMIZERS[training.optimizer]

        def compute(c: Exact) -> dict[Key, Array]:
            return {("parameter", n): rule(c, p, gradients[n], **options) for n, p in parameters.items()}

        arrays = [*parameters.items(), *gradients.items()]

        def perturbed() -> References:
            seed = seed_of(repr(training).encode(), *(a.tobytes() for _, a in arrays))
            return expected(compute, sum(p.size for p in parameters.values()), seed)

        return self._known(("update", training, options), arrays, perturbed)


def _unrounded(a: Array) -> Expected:
    """What is shown to be exact (harness.exact): no tolerance."""
    return Expected(np.asarray(a, dtype=np.float64), np.zeros(np.shape(a)))


def each_step(variant: Variant) -> frozenset[str]:
    """The tensors that are drawn anew each training step: they have a leading axis of steps."""
    return frozenset(name for name, source in variant.sources.items() if source.steps is not None)


def _narrow(value: Any, dtype: str) -> Any:
    return float(np.dtype(dtype).type(value)) if isinstance(value, float) else value
