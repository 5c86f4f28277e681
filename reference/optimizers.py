"""Optimizers, written like the rows of the op table through an arithmetic context."""

from collections.abc import Callable, Sequence
from typing import Any

Array = Any


def sgd(c: Any, parameter: Array, gradient: Array, *, lr: float) -> Array:
    """Parameter - lr * gradient."""
    return c.r(parameter - c.r(lr * gradient))


def sgd_momentum(
    c: Any, parameter: Array, gradients: Sequence[Array], *, lr: float, momentum: float
) -> Array:
    """Parameter - lr * v, with v = momentum * v + gradient over the gradients of all steps so far, from v = 0."""
    velocity = gradients[0]
    for gradient in gradients[1:]:
        velocity = c.r(c.r(momentum * velocity) + gradient)
    return c.r(parameter - c.r(lr * velocity))


OPTIMIZERS: dict[str, Callable[..., Array]] = {"sgd": sgd}
