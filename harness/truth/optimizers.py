"""What every optimizer makes of a parameter, by its definition, in 50 digits, and where its row is certified.

A definition takes the whole history at once: the parameter that a training began with and the gradients of all its
steps, stacked; it gives the parameter after the last. Written as a closed sum over the history, it shares neither
the recursion nor the state of a row that goes step by step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .drawing import Sample, all_drawn, draw, of, row
from .numbers import MP, MpArray, exact, objects, total


@dataclass(frozen=True)
class Optimizer:
    """One optimizer. A sample's inputs are the parameter and its stacked gradients, its attributes are options."""

    name: str
    forward: Callable[..., MpArray]
    samples: tuple[Sample, ...]


TRUTH: dict[str, Optimizer] = {}


def define(name: str, forward: Callable[..., MpArray], *samples: Sample) -> None:
    """Enter an optimizer. Raises ValueError for a name twice, and without samples."""
    if name in TRUTH or not samples:
        raise ValueError(f"{name} is defined twice" if samples else f"{name} has no samples")
    TRUTH[name] = Optimizer(name, forward, all_drawn(name, samples))


def sgd(parameter: Any, gradients: Any, *, lr: float) -> MpArray:
    """P - lr sum_t g_t."""
    return objects(exact(parameter) - MP.mpf(lr) * total(exact(gradients), 0))


def sgd_momentum(parameter: Any, gradients: Any, *, lr: float, momentum: float) -> MpArray:
    """P - lr sum_t v_t with v_t = sum_{s <= t} momentum^(t - s) g_s: of n gradients, g_s counts 1 + ... + momentum^(n - 1 - s)."""
    weights = [sum(MP.mpf(momentum) ** k for k in range(n)) for n in range(len(gradients), 0, -1)]
    return objects(exact(parameter) - MP.mpf(lr) * np.tensordot(objects(weights), exact(gradients), 1))


STEPS = [draw(2, 3), draw(4, 2, 3)]
define(
    "sgd",
    sgd,
    of(*STEPS, lr=0.1),
    of(draw(), draw(3), lr=0.5),
    of(row(1e-300, 1e300, 1.0), draw(2, 3), lr=1e-3),
    of(row(1.0, -1.0), row(1 - 2**-53, 1e-20).reshape(1, 2), lr=1.0),
)
define(
    "sgd_momentum",
    sgd_momentum,
    of(*STEPS, lr=0.1, momentum=0.9),
    of(*STEPS, lr=0.25, momentum=0.0),
    of(draw(), draw(3), lr=0.5, momentum=0.5),
    of(row(1e-300, 1e300, 1.0), draw(3, 3), lr=1e-3, momentum=0.99),
)
