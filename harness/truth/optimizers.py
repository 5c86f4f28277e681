"""What every optimizer makes of a parameter, by its definition, in 50 digits, and where its row is certified.

A definition gives the last movement of a training, from the gradients of all its steps so far at once: a mean is a
weighted sum over the history, so that it shares neither the recursion nor the state of a row that goes step by step. What
weight decay makes of a parameter and its gradient before such a movement is the same for all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .drawing import Sample, all_drawn, draw, of, row, scaled
from .numbers import MP, MpArray, apply, exact, objects, total

Rates = Sequence[Any]
"""The learning rate of each step."""
Movement = Callable[..., MpArray]


@dataclass(frozen=True)
class Optimizer:
    """One optimizer. A sample's inputs are the parameter and its stacked gradients, its attributes are options."""

    name: str
    movement: Movement
    samples: tuple[Sample, ...]
    decoupled: bool = False
    """Whether its weight decay is, where no option says so."""

    def forward(self, parameter: Any, gradients: Any, *, lr: Any, **options: Any) -> MpArray:
        """The parameter after the last step."""
        history = [exact(parameter)]
        for count in range(1, len(gradients) + 1):
            rates = lr[:count] if isinstance(lr, tuple) else lr
            history.append(self.moved(history, gradients[:count], lr=rates, **options))
        return history[-1]

    def moved(
        self,
        history: Sequence[Any],
        gradients: Sequence[Any],
        *,
        lr: Any,
        weight_decay: float = 0.0,
        decoupled: bool | None = None,
        **options: Any,
    ) -> MpArray:
        """The parameter after a step, from what it was before this and each earlier one, wherever it came from."""
        apart = self.decoupled if decoupled is None else decoupled
        decay, parameters = MP.mpf(weight_decay), [exact(parameter) for parameter in history]
        rates = [MP.mpf(rate) for rate in (lr if isinstance(lr, tuple) else (lr,) * len(gradients))]
        seen = [
            objects(exact(gradient) + (0 if apart else decay) * parameter)
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
        left = 1 - (rates[-1] * decay if apart else 0)
        return objects(left * parameters[-1] - self.movement(seen, rates, **options))


TRUTH: dict[str, Optimizer] = {}


def define(name: str, movement: Movement, *samples: Sample, **more: Any) -> None:
    """Enter an optimizer. Raises ValueError for a name twice, and without samples."""
    if name in TRUTH or not samples:
        raise ValueError(f"{name} is defined twice" if samples else f"{name} has no samples")
    TRUTH[name] = Optimizer(name, movement, all_drawn(name, samples), **more)


def summed(weights: Sequence[Any], terms: Sequence[MpArray]) -> MpArray:
    """sum_s w_s x_s."""
    return total(objects([w * x for w, x in zip(weights, terms, strict=True)]), 0)


def powers(beta: float, count: int) -> list[Any]:
    """beta^(t - s) of each step s until t."""
    return [MP.mpf(beta) ** (count - s) for s in range(1, count + 1)]


def weighted(beta: float, terms: Sequence[MpArray]) -> MpArray:
    """The mean of the terms so far, each counting beta times as much as the next: what a corrected moment is."""
    weights = powers(beta, len(terms))
    return objects(summed(weights, terms) / sum(weights))


def decaying(beta: float, terms: Sequence[MpArray]) -> MpArray:
    """(1 - beta) sum_s beta^(t - s) x_s: the same mean where all before the first is 0."""
    return objects((1 - MP.mpf(beta)) * summed(powers(beta, len(terms)), terms))


def squares(gradients: Sequence[MpArray]) -> list[MpArray]:
    return [objects(g * g) for g in gradients]


def roots(x: MpArray) -> MpArray:
    return apply(MP.sqrt, x)


def over(x: MpArray, square: MpArray, epsilon: Any, inside: bool = False) -> MpArray:
    """X / (sqrt(square) + epsilon), or epsilon inside the root."""
    epsilon = MP.mpf(epsilon)
    return objects(x / (roots(objects(square + epsilon)) if inside else roots(square) + epsilon))


def velocity(along: Sequence[MpArray], rates: Rates, momentum: float, lr_inside: bool) -> MpArray:
    """sum_s momentum^(t - s) x_s, times the last rate, or each times its own."""
    weights = powers(momentum, len(along))
    own = rates if lr_inside else [rates[-1]] * len(along)
    return summed([w * lr for w, lr in zip(weights, own, strict=True)], along)


def sgd(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    lr_in_velocity: bool = False,
) -> MpArray:
    """Lr sum_s momentum^(t - s) g_s, all but the first by 1 - dampening; with nesterov g_t + momentum times that sum."""
    if momentum == 0:
        return objects(rates[-1] * gradients[-1])
    damped = [gradients[0], *(objects((1 - MP.mpf(dampening)) * g) for g in gradients[1:])]
    along = velocity(damped, rates, momentum, lr_in_velocity)
    return objects(rates[-1] * gradients[-1] + MP.mpf(momentum) * along) if nesterov else along


def adam(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_hat: bool = False,
    amsgrad: str = "no",
    bias_correction: bool = True,
) -> MpArray:
    """By weighted means of g and g^2; before its correction a moment is the weighted mean times 1 - beta^t."""
    count, seen = len(gradients), squares(gradients)
    mean = (weighted if bias_correction else decaying)(beta1, gradients)
    missing = 1 - MP.mpf(beta2) ** count if bias_correction else MP.one
    steps = range(count, count + 1) if amsgrad == "no" else range(1, count + 1)
    moment = weighted if amsgrad == "corrected" and bias_correction else decaying
    largest = np.maximum.reduce([moment(beta2, seen[:t]) for t in steps])
    second = largest if amsgrad == "corrected" else objects(largest / missing)
    return objects(rates[-1] * over(mean, second, MP.mpf(epsilon) / (MP.sqrt(missing) if epsilon_hat else 1)))


def rmsprop(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    decay: float = 0.9,
    epsilon: float = 1e-8,
    epsilon_inside: bool = False,
    centered: bool = False,
    momentum: float = 0.0,
    lr_in_velocity: bool = False,
) -> MpArray:
    """Each step's own direction from the gradients until it; with a momentum their sum as in sgd."""

    def along(t: int) -> MpArray:
        variance = decaying(decay, squares(gradients[:t]))
        if centered:
            variance = objects(variance - decaying(decay, gradients[:t]) ** 2)
        return over(gradients[t - 1], variance, epsilon, epsilon_inside)

    steps = [along(t) for t in range(1, len(gradients) + 1)]
    return velocity(steps, rates, momentum, lr_in_velocity)


def adagrad(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    epsilon: float = 1e-10,
    epsilon_inside: bool = False,
    initial: float = 0.0,
) -> MpArray:
    """Lr g_t / sqrt(initial + sum_s g_s^2)."""
    square = objects(MP.mpf(initial) + total(objects(squares(gradients)), 0))
    return objects(rates[-1] * over(gradients[-1], square, epsilon, epsilon_inside))


def adadelta(
    gradients: Sequence[MpArray], rates: Rates, *, decay: float = 0.9, epsilon: float = 1e-6
) -> MpArray:
    """Lr d_t, where d_t = g_t sqrt(w + epsilon) / sqrt(v + epsilon) from the history of g and that of d."""
    steps: list[MpArray] = []
    for t, gradient in enumerate(gradients, 1):
        before = decaying(decay, squares(steps)) if steps else objects(0 * gradient)
        root = roots(objects(before + MP.mpf(epsilon)))
        steps.append(over(objects(root * gradient), decaying(decay, squares(gradients[:t])), epsilon, True))
    return objects(rates[-1] * steps[-1])


def adamax(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_inside: bool = False,
) -> MpArray:
    """Lr times the weighted mean over max_s beta2^(t - s) |g_s|."""
    more = MP.mpf(epsilon)
    weights = powers(beta2, len(gradients))
    sizes = [objects(w * (abs(g) + more * epsilon_inside)) for w, g in zip(weights, gradients, strict=True)]
    below = np.maximum.reduce(sizes) + more * (not epsilon_inside)
    return objects(rates[-1] * weighted(beta1, gradients) / below)


def nadam(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    warming: float = 0.5,
    momentum_decay: float = 0.004,
) -> MpArray:
    """The mean and the gradient weighted by momenta mu_t, their product that of all steps."""
    count = len(gradients)
    momenta = [
        MP.mpf(beta1) * (1 - MP.mpf(warming) * MP.mpf(0.96) ** (t * MP.mpf(momentum_decay)))
        for t in range(1, count + 2)
    ]
    until, beyond = MP.fprod(momenta[:count]), MP.fprod(momenta)
    of_mean = momenta[count] / (1 - beyond) * decaying(beta1, gradients)
    of_gradient = (1 - momenta[count - 1]) / (1 - until) * gradients[-1]
    return objects(
        rates[-1] * over(objects(of_mean + of_gradient), weighted(beta2, squares(gradients)), epsilon)
    )


def radam(
    gradients: Sequence[MpArray],
    rates: Rates,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_hat: bool = False,
) -> MpArray:
    """Lr times the weighted mean, or above a length of 5 that over the root, rectified."""
    count, beta = len(gradients), MP.mpf(beta2)
    mean, missing = weighted(beta1, gradients), 1 - beta**count
    longest = 2 / (1 - beta) - 1
    length = longest - 2 * count * beta**count / missing
    if length <= 5:
        return objects(rates[-1] * mean)
    share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    epsilon = MP.mpf(epsilon) / (MP.sqrt(missing) if epsilon_hat else 1)
    return objects(rates[-1] * MP.sqrt(share) * over(mean, weighted(beta2, squares(gradients)), epsilon))


def lion(gradients: Sequence[MpArray], rates: Rates, *, beta1: float = 0.9, beta2: float = 0.99) -> MpArray:
    """Lr times the sign of beta1 m + (1 - beta1) g, m the mean until the step before."""
    mean = decaying(beta2, gradients[:-1]) if len(gradients) > 1 else 0 * gradients[-1]
    along = objects(MP.mpf(beta1) * mean + (1 - MP.mpf(beta1)) * gradients[-1])
    return objects(rates[-1] * apply(MP.sign, along))


STEPS = [draw(2, 3), draw(3, 2, 3)]
LINE = [draw(2), draw(5, 2)]
FALLING = (0.5, 0.25, 0.1, 0.05, 0.025)
"""A learning rate of five steps."""
DECAYED = (
    of(*STEPS, lr=0.1, weight_decay=0.01),
    of(*LINE, lr=FALLING, weight_decay=0.5, decoupled=True),
)
EXTREME = (
    of(row(1e-300, 1e300, 1.0), draw(3, 3), lr=1e-3),
    of(draw(2), scaled(1e-30, 3, 2), lr=0.1),
    of(draw(2), scaled(1e30, 3, 2), lr=0.1),
)

define(
    "sgd",
    sgd,
    *DECAYED,
    of(*STEPS, lr=0.1),
    of(draw(), draw(3), lr=0.5),
    of(row(1e-300, 1e300, 1.0), draw(2, 3), lr=1e-3),
    of(row(1.0, -1.0), row(1 - 2**-53, 1e-20).reshape(1, 2), lr=1.0),
    of(*STEPS, lr=0.1, momentum=0.9),
    of(*LINE, lr=FALLING, momentum=0.9),
    of(*LINE, lr=FALLING, momentum=0.9, lr_in_velocity=True),
    of(*LINE, lr=FALLING, momentum=0.75, nesterov=True),
    of(*LINE, lr=FALLING, momentum=0.75, nesterov=True, lr_in_velocity=True, weight_decay=0.1),
    of(*LINE, lr=0.25, momentum=0.5, dampening=0.3),
    of(row(1e-300, 1e300, 1.0), draw(3, 3), lr=1e-3, momentum=0.99),
)
ADAMS = (
    of(*STEPS, lr=0.1),
    of(draw(), draw(3), lr=0.5, beta1=0.5, beta2=0.75),
    of(*LINE, lr=FALLING, epsilon=0.1),
    of(*LINE, lr=0.1, epsilon=0.1, epsilon_hat=True),
    of(*LINE, lr=0.1, beta1=0.25, beta2=0.3, amsgrad="uncorrected"),
    of(*LINE, lr=0.1, beta1=0.25, beta2=0.3, amsgrad="corrected", epsilon=0.5, epsilon_hat=True),
    of(*LINE, lr=0.1, beta2=0.9, bias_correction=False),
    *EXTREME,
)
define("adam", adam, *ADAMS, of(*LINE, lr=0.1, weight_decay=0.1))
define("adamw", adam, *ADAMS, of(*LINE, lr=FALLING, weight_decay=0.1), decoupled=True)
define(
    "rmsprop",
    rmsprop,
    *DECAYED,
    *EXTREME,
    of(*STEPS, lr=0.1, decay=0.75),
    of(*LINE, lr=0.1, epsilon=0.1),
    of(*LINE, lr=0.1, epsilon=0.1, epsilon_inside=True),
    of(*LINE, lr=0.1, centered=True),
    of(*LINE, lr=0.1, centered=True, momentum=0.5, epsilon=0.01, epsilon_inside=True),
    of(*LINE, lr=FALLING, momentum=0.9),
    of(*LINE, lr=FALLING, momentum=0.9, lr_in_velocity=True),
)
define(
    "adagrad",
    adagrad,
    *DECAYED,
    *EXTREME,
    of(*STEPS, lr=0.1, initial=0.1),
    of(*LINE, lr=0.1, epsilon=0.1),
    of(*LINE, lr=0.1, epsilon=0.1, epsilon_inside=True),
)
define(
    "adadelta",
    adadelta,
    *DECAYED,
    *EXTREME,
    of(*STEPS, lr=1.0),
    of(*LINE, lr=0.5, decay=0.5, epsilon=0.01),
)
define(
    "adamax",
    adamax,
    *DECAYED,
    *EXTREME,
    of(*STEPS, lr=0.1, beta1=0.5, beta2=0.75),
    of(*LINE, lr=0.1, epsilon=0.1),
    of(*LINE, lr=0.1, epsilon=0.1, epsilon_inside=True),
)
define(
    "nadam",
    nadam,
    *DECAYED,
    *EXTREME,
    of(*STEPS, lr=0.1, beta1=0.5, beta2=0.75),
    of(*LINE, lr=0.1, epsilon=0.1, momentum_decay=1.0),
    of(*LINE, lr=0.1, warming=0.0),
)
define(
    "radam",
    radam,
    *DECAYED,
    of(draw(2), draw(7, 2), lr=0.1),
    of(draw(1), draw(8, 1), lr=0.1, beta1=0.5, beta2=0.9),
    of(draw(1), draw(8, 1), lr=0.1, epsilon=0.1),
    of(draw(1), draw(8, 1), lr=0.1, epsilon=0.1, epsilon_hat=True),
    of(draw(1), scaled(1e-30, 7, 1), lr=0.1),
)
define(
    "lion",
    lion,
    of(*STEPS, lr=0.1),
    of(*LINE, lr=FALLING, beta1=0.5, beta2=0.75, weight_decay=0.1),
    of(row(1e-300, 1e300, 1.0), draw(3, 3), lr=1e-3),
    decoupled=True,
)
