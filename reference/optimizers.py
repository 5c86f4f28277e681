"""Optimizers, written like the rows of the op table through an arithmetic context."""

from collections.abc import Callable
from typing import Any

Array = Any


def sgd(c: Any, parameter: Array, gradient: Array, *, lr: float) -> Array:
    """Parameter - lr * gradient."""
    return c.r(parameter - c.r(lr * gradient))


OPTIMIZERS: dict[str, Callable[..., Array]] = {"sgd": sgd}
