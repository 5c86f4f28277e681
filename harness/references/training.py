"""A training, step by step: the one walk for references, the judge and printed numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...reference.contexts import Exact
from ...reference.optimizers import OPTIMIZERS
from ..case.variant import Variant

Array = np.ndarray[Any, Any]


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
        names = () if training is None else training.parameters
        self.parameters: dict[str, list[Array]] = {name: [inputs[name]] for name in names}
        self.gradients: dict[str, list[Array]] = {name: [] for name in names}
        self.step = 0

    def inputs(self) -> dict[str, Array]:
        """All inputs of this step."""
        parameters = {name: history[-1] for name, history in self.parameters.items()}
        return inputs_at(self._variant, self._drawn, self.step, parameters)

    def took(self, gradients: Mapping[str, Array]) -> None:
        """The gradients of this step."""
        for name, history in self.gradients.items():
            history.append(gradients[name])

    def moved(self, c: Exact) -> dict[str, Array]:
        """The parameters after this step. Raises ValueError for a case that has no training."""
        if self._optimizer is None:
            raise ValueError("a case without [training] takes no step")
        return {
            name: self._optimizer.moved(c, history, self.gradients[name], **self._options)
            for name, history in self.parameters.items()
        }

    def go_on(self, parameters: Mapping[str, Array]) -> None:
        """To the next step, from these parameters."""
        for name, history in self.parameters.items():
            history.append(parameters[name])
        self.step += 1

    @property
    def depends_on(self) -> list[tuple[str, Array]]:
        """Every array on which the parameters after this step depend: without a state, those of this step alone."""
        first = self.step if self._optimizer is not None and not self._optimizer.state else 0
        histories = [*self.parameters.items(), *self.gradients.items()]
        return [(name, a) for name, history in histories for a in history[first:]]
