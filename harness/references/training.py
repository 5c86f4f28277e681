"""A training, step by step: the one walk for references, the judge and printed numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...reference.contexts import Exact
from ...reference.formats import FORMATS
from ...reference.optimizers import OPTIMIZERS, clipped
from ...reference.runs import Left
from ..case.variant import Training, Variant

Array = np.ndarray[Any, Any]
Derive = Callable[[Mapping[str, Array], Sequence[str], Exact], Mapping[str, Array]]
"""Gradients at some inputs, of these names, in an arithmetic."""


def each_step(variant: Variant) -> frozenset[str]:
    """The tensors that are drawn anew each training step: they have a leading axis of steps."""
    return frozenset(name for name, source in variant.sources.items() if source.steps is not None)


def literals_of(training: Training, dtype: str) -> tuple[dict[str, Any], dict[str, float]]:
    """The literals of the optimizer and of clipping as a cell has them, rounded to its dtype."""
    rounded = FORMATS[dtype].rounded
    own = {
        name: tuple(map(rounded, value)) if isinstance(value, tuple) else rounded(value)
        for name, value in training.options.items()
    }
    return own, {name: rounded(value) for name, value in training.clip.items()}


def inputs_at(
    variant: Variant, drawn: Mapping[str, Array], step: int, moved: Mapping[str, Array]
) -> dict[str, Array]:
    """The inputs of one training step: the slices drawn anew for it, and the given parameters and state."""
    each = each_step(variant)
    return {n: np.asarray(a[step]) if n in each else a for n, a in drawn.items()} | dict(moved)


@dataclass
class Checkpoint:
    """The optimizer's state before a step, as one evaluation left it: a later one goes on from here."""

    step: int = 0
    state: dict[str, tuple[Left, ...]] = field(default_factory=dict)
    """By parameter; without any it has not begun."""
    alike: bool = True
    """Whether the range of no dtype matters to what was computed until here."""

    def keep(self, state: Mapping[str, Sequence[Array]]) -> None:
        for name, arrays in state.items():
            left = self.state.setdefault(name, tuple(Left() for _ in arrays))
            for a, one in zip(arrays, left, strict=True):
                one.keep(a)

    def kept(self, numbers: range | None) -> dict[str, tuple[Array, ...]]:
        return {name: tuple(one.kept(numbers) for one in left) for name, left in self.state.items()}


class Walk:
    """Where a training is: the parameters and the state before each step until now, and the gradients at them.

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
        self.becomes = {} if training is None else training.state
        """Where a step assigns the next one's state."""
        self.state: dict[str, list[Array]] = {name: [inputs[name]] for name in self.becomes}
        self.derived: list[tuple[str, ...]] = []
        """For each step the parameters whose gradients nobody told: they are the reference's own at these parameters."""
        self.checkpoints: dict[str, Checkpoint] = {}
        """Of evaluations in the range of a dtype, the last."""
        self.step = 0

    def inputs(self, step: int | None = None) -> dict[str, Array]:
        """All inputs of a step, by default of this one."""
        step = self.step if step is None else step
        histories = {**self.parameters, **self.state}
        moved = {name: history[step] for name, history in histories.items()}
        return inputs_at(self._variant, self._drawn, step, moved)

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

    def moved(
        self,
        c: Exact,
        derive: Derive | None = None,
        begun: Checkpoint | None = None,
        left: Checkpoint | None = None,
    ) -> dict[str, Array]:
        """The parameters after this step; gradients that were not told are worked out anew, in the same arithmetic.

        The steps are walked from `begun`, by default from the first on which this one depends, so that perturbed runs err
        in the state as implementations do; what it is before this step, whose gradients may yet be retold, is `left`.
        Raises ValueError for a case that has no training.
        """
        if self._optimizer is None:
            raise ValueError("a case without [training] takes no step")
        first, state = self.first, {n: self._optimizer.started(h[0]) for n, h in self.parameters.items()}
        if begun is not None and begun.state and begun.step >= first:
            first, state = begun.step, begun.kept(c.numbers)
        for step in range(first, self.step + 1):
            if step == self.step and left is not None:
                left.keep(state)
            c.begin(step)
            gradients = {name: history[step] for name, history in self.gradients.items()}
            if derive is not None:
                gradients |= derive(self.inputs(step), self.derived[step], c)
            given = self._clipped(c, step, gradients)
            took = {
                name: self._optimizer.took(
                    c, history[step], given[name], state[name], step + 1, self._options
                )
                for name, history in self.parameters.items()
            }
            state = {name: after for name, (_, after) in took.items()}
        return {name: after for name, (after, _) in took.items()}

    def clipped(self, c: Exact) -> dict[str, list[Array]]:
        """The gradients of all steps as the optimizer is given them in those on which this one depends."""
        found = {name: list(history) for name, history in self.gradients.items()}
        for step in range(self.first, self.step + 1) if self._clip else ():
            for name, a in self._clipped(c, step, {n: history[step] for n, history in found.items()}).items():
                found[name][step] = a
        return found

    def _clipped(self, c: Exact, step: int, gradients: Mapping[str, Array]) -> Mapping[str, Array]:
        if not self._clip:
            return gradients
        c.at(("clip", step))
        return clipped(c, gradients, **self._clip)

    def go_on(self, parameters: Mapping[str, Array], values: Mapping[str, Array]) -> None:
        """To the next step, from these parameters, and from the state that is among this step's values."""
        for name, history in self.parameters.items():
            history.append(parameters[name])
        for name, history in self.state.items():
            history.append(values[self.becomes[name]])
        self.step += 1

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped before each step."""
        return bool(self._clip)

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
