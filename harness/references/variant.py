"""What every compared tensor of a case variant must be, and how far rounding may move it.

One evaluation serves every dtype where no result nears the end of any dtype's range: the inputs are rounded to the
narrowest one, so they are exact in all, and the values are those of float64 anyway. Elsewhere each dtype has its own.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...reference.backprop import backprop
from ...reference.contexts import EXACT, Exact
from ...reference.program import Program, ProgramError
from ...reference.rounding import Recorded, Reference, seed_of
from ..case.variant import Variant
from ..roles import Key
from .cache import Cache
from .ranges import OutOfRange, first_out_of_range
from .row import References
from .training import Checkpoint, Walk, inputs_at

Array = np.ndarray[Any, Any]


class VariantReference:
    """The reference of one variant, evaluated when first asked for, or read where a cache has it."""

    def __init__(self, variant: Variant, cache: Cache | None = None) -> None:
        self.variant, self._cache = variant, cache
        self.program: Program = variant.program
        self.inputs: dict[str, Array] = variant.draw(variant.narrowest)
        self.cotangents: dict[str, Array] = variant.cotangents(variant.narrowest)
        self._single: dict[str, References] = {}

    def single(self, dtype: str | None = None) -> References:
        """What a variant without training must give in `dtype`, by default the narrowest of the case."""
        dtype = dtype or self.variant.narrowest
        if dtype not in self._single:
            variant = self.variant
            asked = ("variant", self.digest)
            found = self._evaluated(self.inputs, variant.values, variant.gradients, asked, [], dtype)
            self._single.update(dict.fromkeys(variant.dtypes if found.alike else (), found) | {dtype: found})
        return self._single[dtype]

    def out_of_range(
        self, dtype: str, inputs: Mapping[str, Array] | None = None, *, small: bool = True
    ) -> OutOfRange | None:
        """The first result at these inputs, by default the case's own, that `dtype` has no normal number for.

        Without `small` those that are too small are left out.
        """
        inputs = self.inputs if inputs is None else inputs
        names = self._differentiated
        with np.errstate(all="ignore"):
            env, grads = _backprop(self, inputs, names)
        return first_out_of_range(self.variant, env, grads, dtype, small=small)

    def gradients_at(
        self, inputs: Mapping[str, Array], names: Sequence[str], c: Exact = EXACT
    ) -> dict[str, Array]:
        """Gradients at these inputs, by name."""
        if not names:
            return {}
        with np.errstate(all="ignore"):
            return _backprop(self, inputs, names, c)[1]

    def discrete_at(self, inputs: Mapping[str, Array]) -> dict[Key, Array]:
        """The compared values at these inputs that are integers, or true or false."""
        return {("value", name): a for name, a in self.values_at(inputs, self.variant.discrete).items()}

    def values_at(self, inputs: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        """Values at these inputs, by name."""
        if not names:
            return {}
        with np.errstate(all="ignore"):
            env = _backprop(self, inputs, ())[0]
        return {name: np.asarray(env[name]) for name in names}

    @cached_property
    def _differentiated(self) -> list[str]:
        """The names whose cotangents the compared gradients need."""
        useful = self.program.ancestors(self.variant.outputs)
        return [
            name
            for name in self.program.descendants(self.variant.gradients)
            if name in useful and self.variant.specs[name].dtype == "float"
        ]

    @cached_property
    def content(self) -> str:
        """Short digest of all that an answer depends on, the program but not where it stands."""
        return self.digest.hex()[:16]

    @cached_property
    def digest(self) -> bytes:
        """The same in full, of the arrays that are drawn already."""
        return self.variant.digest_of(self.program, self.inputs, self.cotangents)

    def at(
        self,
        inputs: Mapping[str, Array],
        values: Iterable[str],
        gradients: Iterable[str],
        dtype: str | None = None,
    ) -> References:
        """Values and gradients by name at these inputs in `dtype`, by default the narrowest of the case."""
        values, gradients = tuple(values), tuple(gradients)
        asked = ("values and gradients", self.program.calls, self.variant.outputs, values, gradients)
        arrays = [*sorted(inputs.items()), *self.cotangents.items()]
        return self._evaluated(inputs, values, gradients, asked, arrays, dtype or self.variant.narrowest)

    def _evaluated(
        self,
        inputs: Mapping[str, Array],
        values: Sequence[str],
        gradients: Sequence[str],
        asked: tuple[Any, ...],
        arrays: Sequence[tuple[str, Array]],
        dtype: str,
    ) -> References:
        """The same; `asked` and `arrays` are its name in the cache."""

        def compute(c: Exact) -> dict[Key, Array]:
            env, grads = _backprop(self, inputs, gradients, c)
            wanted = {("value", name): env[name] for name in values}
            return wanted | {("gradient", name): grads[name] for name in gradients}

        if self.variant.exact:  # no perturbed runs: a read would take as long
            return References.of({key: _unrounded(a) for key, a in compute(EXACT).items()})

        size = sum(a.size for a in inputs.values())
        drawn = (inputs[name].tobytes() for name in sorted(inputs))
        seed = seed_of(repr(self.program.calls).encode(), *drawn)

        def perturbed(of: str) -> References:
            recorded = Recorded(compute)
            return References.of(recorded.expected(size, seed, dtype=of), recorded.alike)

        return self._known(asked, arrays, perturbed, dtype)

    def _known(
        self,
        asked: tuple[Any, ...],
        arrays: Sequence[tuple[str, Array]],
        perturbed: Callable[[str], References],
        dtype: str,
    ) -> References:
        """What `perturbed` gives in `dtype`: of the case's narrowest dtype, where that serves all, else of its own.

        From the cache where it is there; `asked` and `arrays`, with the dtype, are all that it depends on.
        """

        def known(of: str) -> References:
            if self._cache is None:
                return perturbed(of)
            return self._cache.reference(repr((*asked, of)), arrays, lambda: perturbed(of))

        found = known(self.variant.narrowest)
        return found if found.alike or dtype == self.variant.narrowest else known(dtype)

    def inputs_at(self, step: int, moved: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs of one training step: the given parameters and state, and the slices drawn anew for this step."""
        return inputs_at(self.variant, self.inputs, step, moved)

    def walk(self) -> Walk:
        """The training at its first step."""
        return Walk(self.variant, self.inputs)

    def update(self, walk: Walk, dtype: str | None = None) -> References:
        """The parameters after the walk's step, from what it has before it."""
        arrays, derived = walk.depends_on, walk.derived[walk.first :]
        asked: tuple[Any, ...] = ("update", self.variant.training)
        if any(derived):
            arrays = [*arrays, *self.cotangents.items()]
            asked = (*asked, self.program.calls, self.variant.outputs, derived)

        def perturbed(of: str) -> References:
            begun, left = walk.checkpoints.get(of, Checkpoint()), Checkpoint(walk.step)

            def compute(c: Exact) -> dict[Key, Array]:
                moved = walk.moved(c, self.gradients_at, begun, left)
                return {("parameter", name): a for name, a in moved.items()}

            recorded = Recorded(compute)
            found = recorded.expected(size, seed, dtype=of)
            left.alike = begun.alike and recorded.alike
            walk.checkpoints[of] = left
            return References.of(found, left.alike)

        size = sum(history[-1].size for history in walk.parameters.values())
        seed = seed_of(b"training", self.digest)  # of all steps, for literals are rounded once
        return self._known(asked, arrays, perturbed, dtype or self.variant.narrowest)


def _unrounded(a: Array) -> Reference:
    """What is shown to be exact (reference/exact.py): no tolerance."""
    return Reference(np.asarray(a, dtype=np.float64), np.zeros(np.shape(a)))


def _backprop(
    wanted: VariantReference, inputs: Mapping[str, Array], names: Sequence[str], c: Exact = EXACT
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Values and gradients. Raises CaseError where places that the program works out are none of what they are for."""
    try:
        return backprop(wanted.program, inputs, names, wanted.cotangents, c)
    except ProgramError as error:
        raise wanted.variant.mistaken(error) from None
