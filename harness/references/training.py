"""A training, step by step: the one walk for references, the judge and printed numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...reference.contexts import Exact
from ...reference.optimizers import OPTIMIZERS, clipped
from ..case.variant import Variant

Array = np.ndarray[Any, Any]
Derive = Callable[[Mapping[str, Array], Sequence[str], Exact], Mapping[str, Array]]
"""Gradients at some inputs, of these names, in an arithmetic."""


def each_step(variant: Variant) -> frozenset[str]:
    """The tensors that are drawn anew each training step: they have a leading axis of steps."""
    return frozenset(name for name, source in variant.sources.items() if source.steps is not None)


def inputs_at(
    variant: Variant, drawn: Mapping[str, Array], step: int, parameters: Mapping[str, Array]
) -> dict[str, Array]:
    """The inputs of one training step: the slices drawn anew for it, and the given parameters."""
    each = each_step(variant)
    return {n: np.asarray(a[step]) if n in each else a for n, a in drawn.items()} | dict(parameters)


class Walk:
    """Where a training is: the parameters before each step until now, and the gradients at them.

    Whose they are is for the caller: the reference's own, or those of a subject that is followed.
    """

    def __init__(self, variant: Variant, inputs: Mapping[str, Array]) -> None:
        """`inputs` as drawn."""
        self._variant, self._drawn = variant, inputs
        training = variant.training
        self._options = {} if training is None else training.options
        self._optimizer = None if training is None else OPTIMIZERS[training.optimizer]
        self._clip = {} if training is None else training.clip
        names = () if training is None else training.parameters
        self.parameters: dict[str, list[Array]] = {name: [inputs[name]] for name in names}
        self.gradients: dict[str, list[Array]] = {name: [] for name in names}
        self.derived: list[tuple[str, ...]] = []
        """For each step the parameters whose gradients nobody told: they are the reference's own at these parameters."""
        self.step = 0

    def inputs(self, step: int | None = None) -> dict[str, Array]:
        """All inputs of a step, by default of this one."""
        step = self.step if step is None else step
        parameters = {name: history[step] for name, history in self.parameters.items()}
        return inputs_at(self._variant, self._drawn, step, parameters)

    def took(self, gradients: Mapping[str, Array], derived: Sequence[str] = ()) -> None:
        """The gradients of this step; those of `derived` were not told."""
        for name, history in self.gradients.items():
            history.append(gradients[name])
        self.derived.append(tuple(derived))

    def retold(self, gradients: Mapping[str, Array], derived: Sequence[str] = ()) -> dict[str, Array]:
        """Others in the place of this step's gradients, of which those of `derived` were not told; what stood there."""
        before = {name: self.gradients[name][-1] for name in gradients}
        for name, a in gradients.items():
            self.gradients[name][-1] = a
        kept = [name for name in self.derived[-1] if name not in gradients]
        self.derived[-1] = (*kept, *derived)
        return before

    def moved(self, c: Exact, derive: Derive | None = None) -> dict[str, Array]:
        """The parameters after this step; gradients that were not told are worked out anew, in the same arithmetic.

        Raises ValueError for a case that has no training.
        """
        if self._optimizer is None:
            raise ValueError("a case without [training] takes no step")
        gradients = {name: list(history) for name, history in self.gradients.items()}
        for step in range(self.first, len(self.derived)):
            if derive is not None and self.derived[step]:
                for name, a in derive(self.inputs(step), self.derived[step], c).items():
                    gradients[name][step] = a
        given = self.clipped(c, gradients)
        return {
            name: self._optimizer.moved(c, history, given[name], **self._options)
            for name, history in self.parameters.items()
        }

    def clipped(self, c: Exact, gradients: Mapping[str, Sequence[Array]]) -> Mapping[str, Sequence[Array]]:
        """Gradients of all steps as the optimizer is given them in those on which this one depends."""
        if not self._clip:
            return gradients
        found = {name: list(history) for name, history in gradients.items()}
        for step in range(self.first, len(self.derived)):
            c.at(("clip", step))
            now = {name: history[step] for name, history in found.items()}
            for name, a in clipped(c, now, **self._clip).items():
                found[name][step] = a
        return found

    def go_on(self, parameters: Mapping[str, Array]) -> None:
        """To the next step, from these parameters."""
        for name, history in self.parameters.items():
            history.append(parameters[name])
        self.step += 1

    @property
    def first(self) -> int:
        """The first step on which the parameters after this one depend."""
        return 0 if self._optimizer is None else self._optimizer.first(self.step, self._options)

    @property
    def depends_on(self) -> list[tuple[str, Array]]:
        """Every array on which the parameters after this step depend."""
        histories = [*self.parameters.items(), *self.gradients.items()]
        found = [(name, a) for name, history in histories for a in history[self.first :]]
        derived = (step for step in range(self.first, len(self.derived)) if self.derived[step])
        return found + [item for step in derived for item in sorted(self.inputs(step).items())]
