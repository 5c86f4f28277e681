"""What every compared tensor of a case variant must be, and how far rounding may move it.

One evaluation serves every dtype: the inputs are rounded to the narrowest one, so they are exact in all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.backprop import backprop
from ...reference.contexts import EXACT, Exact
from ...reference.program import Program
from ...reference.rounding import Reference, expected, seed_of
from ..case.variant import Variant
from ..roles import Key
from .cache import Cache
from .row import References
from .training import Walk, inputs_at

Array = np.ndarray[Any, Any]


class VariantReference:
    """The reference of one variant, evaluated when first asked for, or read where a cache has it."""

    def __init__(self, variant: Variant, cache: Cache | None = None) -> None:
        self.variant, self._cache = variant, cache
        self.program: Program = variant.program
        self.inputs: dict[str, Array] = variant.draw(variant.narrowest)
        self.cotangent = variant.cotangent(variant.narrowest)
        self._single: References | None = None

    def single(self) -> References:
        """What a variant without training must give."""
        if self._single is None:
            variant = self.variant
            asked = ("variant", self.digest)
            self._single = self._evaluated(self.inputs, variant.values, variant.gradients, asked, [])
        return self._single

    @cached_property
    def content(self) -> str:
        """Short digest of all that an answer depends on, the program but not where it stands."""
        return self.digest.hex()[:16]

    @cached_property
    def digest(self) -> bytes:
        """The same in full, of the arrays that are drawn already."""
        return self.variant.digest_of(self.program, self.inputs, self.cotangent)

    def at(self, inputs: Mapping[str, Array], values: Iterable[str], gradients: Iterable[str]) -> References:
        """Values and gradients by name at these inputs."""
        values, gradients = tuple(values), tuple(gradients)
        asked = ("values and gradients", self.program.calls, self.variant.output, values, gradients)
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
            seed = seed_of(repr(self.program.calls).encode(), *drawn)
            return References.of(expected(compute, size, seed))

        return self._known(asked, arrays, perturbed)

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
        return inputs_at(self.variant, self.inputs, step, parameters)

    @property
    def optimizer_options(self) -> dict[str, Any]:
        """Literals of the optimizer, as written like those of the program."""
        training = self.variant.training
        return {} if training is None else training.options

    def walk(self) -> Walk:
        """The training at its first step."""
        return Walk(self.variant, self.inputs, self.optimizer_options)

    def update(self, walk: Walk) -> References:
        """The parameters after the walk's step, from what it has before it."""
        arrays, asked = walk.depends_on, ("update", self.variant.training, self.optimizer_options)

        def compute(c: Exact) -> dict[Key, Array]:
            return {("parameter", name): a for name, a in walk.moved(c).items()}

        def perturbed() -> References:
            size = sum(history[-1].size for history in walk.parameters.values())
            seed = seed_of(repr(asked).encode(), *(a.tobytes() for _, a in arrays))
            return References.of(expected(compute, size, seed))

        return self._known(asked, arrays, perturbed)


def _unrounded(a: Array) -> Reference:
    """What is shown to be exact (reference/exact.py): no tolerance."""
    return Reference(np.asarray(a, dtype=np.float64), np.zeros(np.shape(a)))
