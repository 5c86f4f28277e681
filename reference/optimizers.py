"""Optimizers, each a row: one step, written like the rows of the op table through an arithmetic context.

Arguments always come in one order: the context `c`, the parameter and its gradient, the optimizer's own arrays for this
parameter by the names of `state`, the number of the step from 1, and the options by name.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Optimizer:
    """`step` gives the parameter and the state after it; `state` names arrays like the parameter, at first zero."""

    step: Callable[..., tuple[Array, tuple[Array, ...]]]
    state: tuple[str, ...] = ()

    @cached_property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """What a case may give, by name: the step's keyword arguments."""
        parameters = inspect.signature(self.step).parameters
        return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}

    def moved(
        self, c: Any, parameters: Sequence[Array], gradients: Sequence[Array], **options: float
    ) -> Array:
        """The parameter after the last step, from what it and its gradient were at each step so far.

        The state is walked from its beginning, so that a perturbed run errs in it as an implementation does.
        """
        first = 1 if self.state else len(parameters)
        state = tuple(np.zeros(np.shape(parameters[-1])) for _ in self.state)
        after = parameters[-1]
        options = {name: c.literal("step", value) for name, value in options.items()}
        for count in range(first, len(parameters) + 1):
            c.at(("step", count))
            after, state = self.step(c, parameters[count - 1], gradients[count - 1], state, count, **options)
        return after


def sgd(
    c: Any, parameter: Array, gradient: Array, state: tuple[()], _count: int, *, lr: float
) -> tuple[Array, tuple[()]]:
    """Parameter - lr * gradient."""
    return c.r(parameter - c.r(lr * gradient)), state


def sgd_momentum(
    c: Any, parameter: Array, gradient: Array, state: tuple[Array], count: int, *, lr: float, momentum: float
) -> tuple[Array, tuple[Array]]:
    """Parameter - lr * v, with v = momentum * v + gradient."""
    velocity = gradient if count == 1 else c.r(c.r(momentum * state[0]) + gradient)
    return c.r(parameter - c.r(lr * velocity)), (velocity,)


MOMENTUM = Optimizer(sgd_momentum, state=("velocity",))
"""Faults of optimizers are put into it (harness/power); no adapter has it, so no case may ask for it."""

OPTIMIZERS = {"sgd": Optimizer(sgd)}
