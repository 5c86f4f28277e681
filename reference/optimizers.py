"""Optimizers, each a row: one step, written like the rows of the op table through an arithmetic context.

Arguments always come in one order: the context `c`, the parameter and its gradient, the optimizer's own arrays for this
parameter by the names of `state`, the number of the step from 1, and the options by name.

An option says a formula, never whose: what frameworks do where nobody says otherwise is in docs/optimizers.md.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

Array = Any
Rate = float | tuple[float, ...]
"""A number, or one for each step of a training."""
Stepped = tuple[Array, tuple[Array, ...]]
"""The parameter and the state after a step."""

SHRINKING = inspect.Parameter("weight_decay", inspect.Parameter.KEYWORD_ONLY, default=0.0, annotation=float)
DECOUPLED = inspect.Parameter("decoupled", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)


@dataclass(frozen=True)
class Optimizer:
    """`step` gives the parameter and the state after it; `state` names arrays like the parameter, at first zero.

    Weight decay is the same for all. Coupled, weight_decay * parameter is a part of the gradient; decoupled (Loshchilov
    and Hutter, Decoupled Weight Decay Regularization, 2019), lr * weight_decay * parameter leaves the parameter beside the step.
    """

    step: Callable[..., Stepped]
    state: tuple[str, ...] = ()
    decay: Literal["coupled", "decoupled", "either"] = "either"
    """Which weight decay it has; where it may be either, `decoupled` is an option."""
    recalls: str = ""
    """The option without which, at 0, its steps have nothing to do with those before."""

    @cached_property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """What a case may give, by name: the step's keyword arguments, and its weight decay."""
        parameters = inspect.signature(self.step).parameters
        own = [p for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
        return {p.name: p for p in (*own, SHRINKING, *([DECOUPLED] if self.decay == "either" else []))}

    def given(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options with the defaults of those that are not there."""
        return {name: options.get(name, p.default) for name, p in self.options.items()}

    def first(self, step: int, options: Mapping[str, Any]) -> int:
        """The first step, from 0, on which the parameter after this one depends."""
        forgets = not self.state or (self.recalls and not self.given(options)[self.recalls])
        return step if forgets else 0

    def started(self, parameter: Array) -> tuple[Array, ...]:
        """The state before the first step."""
        return tuple(np.zeros(np.shape(parameter)) for _ in self.state)

    def moved(self, c: Any, parameters: Sequence[Array], gradients: Sequence[Array], **options: Any) -> Array:
        """The parameter after the last step, from what it and its gradient were at each step so far.

        The state is walked from its beginning.
        """
        state, after = self.started(parameters[-1]), parameters[-1]
        for count in range(self.first(len(parameters) - 1, options) + 1, len(parameters) + 1):
            at = parameters[count - 1], gradients[count - 1]
            after, state = self.took(c, *at, state, count, options)
        return after

    def took(
        self,
        c: Any,
        parameter: Array,
        gradient: Array,
        state: tuple[Array, ...],
        count: int,
        options: Mapping[str, Any],
    ) -> Stepped:
        """One step, the `count`th from 1, with its weight decay."""
        c.at(("step", count))
        numbers = at_step(self.given(options), count)
        own = {name: _literal(c, value) for name, value in numbers.items()}
        decay = own.pop("weight_decay")
        decoupled = own.pop("decoupled", self.decay == "decoupled")
        if not (_is_zero(decay) or decoupled):
            gradient = c.r(gradient + c.r(decay * parameter))
        after, state = self.step(c, parameter, gradient, state, count, **own)
        if decoupled and not _is_zero(decay):
            after = c.r(after - c.r(c.r(own["lr"] * decay) * parameter))
        return after, state


def at_step(options: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The options as they are in the step of this number."""
    return {name: v[count - 1] if isinstance(v, tuple | list) else v for name, v in options.items()}


def _literal(c: Any, value: Any) -> Any:
    """Of an option's values the numbers are literals of the text."""
    return value if isinstance(value, bool | str) else c.literal("step", float(value))


def _is_zero(option: Any) -> bool:
    """Of an option in any arithmetic: 0 is a number of every dtype."""
    return isinstance(option, float) and option == 0


def clipped(
    c: Any,
    gradients: Mapping[str, Array],
    *,
    value: float | None = None,
    norm: float = np.inf,
    epsilon: float = 0.0,
) -> dict[str, Array]:
    """The gradients of all parameters as an optimizer is given them: by `value` or by `norm`, whichever is there.

    By `value` each element is taken between -value and value. By `norm` all are multiplied by min(1, norm / (n + epsilon)),
    n the root of the sum of all their squares (Pascanu and others, On the difficulty of training recurrent neural networks, 2013).
    """
    if value is not None:
        bound = c.literal("clip", value)
        return {name: np.clip(g, -bound, bound) for name, g in gradients.items()}
    squares = [c.sum(c.r(g * g), None) for g in gradients.values()]
    total = functools.reduce(lambda a, b: c.r(a + b), squares)
    below = c.fn("sqrt", total)
    if epsilon:
        below = c.r(below + c.literal("clip", epsilon))
    scale = c.r(np.minimum(c.r(c.literal("clip", norm) / below), 1.0))
    return {name: c.r(scale * g) for name, g in gradients.items()}


def sgd(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array],
    count: int,
    *,
    lr: Rate,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    lr_in_velocity: bool = False,
) -> Stepped:
    """Parameter - lr * v, with v = momentum * v + (1 - dampening) * gradient, the first not dampened.

    With `nesterov` the step is by gradient + momentum * v. With `lr_in_velocity` v adds up lr * gradient: another
    formula as soon as lr changes.
    """
    if _is_zero(momentum):
        return c.r(parameter - c.r(lr * gradient)), state
    new = c.r(lr * gradient) if lr_in_velocity else gradient
    velocity = new
    if count > 1:
        dampened = new if _is_zero(dampening) else c.r(c.r(1 - dampening) * new)
        velocity = c.r(c.r(momentum * state[0]) + dampened)
    along = c.r(new + c.r(momentum * velocity)) if nesterov else velocity
    return c.r(parameter - (along if lr_in_velocity else c.r(lr * along))), (velocity,)


def adam(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array, Array, Array],
    count: int,
    *,
    lr: Rate,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_hat: bool = False,
    amsgrad: Literal["no", "uncorrected", "corrected"] = "no",
    bias_correction: bool = True,
) -> Stepped:
    """Parameter - lr * m / (sqrt(v) + epsilon), m and v the moments corrected for their start at 0 (Kingma and Ba, Adam, 2015).

    With `epsilon_hat`, of section 2 there, epsilon stands beside the root of v before its correction. With `amsgrad` (Reddi and
    others, On the Convergence of Adam and Beyond, 2018) the largest v so far, before or after its correction, takes its place.
    """
    mean = _average(c, beta1, state[0], gradient)
    square = _average(c, beta2, state[1], c.r(gradient * gradient))
    one, two = (_correction(c, beta, count) if bias_correction else 1.0 for beta in (beta1, beta2))
    largest = np.maximum(state[2], c.r(square / two) if amsgrad == "corrected" else square)
    second = largest if amsgrad == "corrected" else c.r((square if amsgrad == "no" else largest) / two)
    epsilon = c.r(epsilon / c.fn("sqrt", two)) if epsilon_hat else epsilon
    along = c.r(c.r(mean / one) / c.r(c.fn("sqrt", second) + epsilon))
    return c.r(parameter - c.r(lr * along)), (mean, square, largest)


def rmsprop(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array, Array, Array],
    _count: int,
    *,
    lr: Rate,
    decay: float = 0.9,
    epsilon: float = 1e-8,
    epsilon_inside: bool = False,
    centered: bool = False,
    momentum: float = 0.0,
    lr_in_velocity: bool = False,
) -> Stepped:
    """Parameter - lr * gradient / (sqrt(v) + epsilon), v the decaying mean of squares (Tieleman and Hinton, 2012).

    `epsilon_inside` the root; `centered`, the square of the mean is subtracted from v (Graves, Generating Sequences With Recurrent
    Neural Networks, 2013). With a momentum the steps add up as in `sgd`.
    """
    square = _average(c, decay, state[0], c.r(gradient * gradient))
    mean = _average(c, decay, state[1], gradient) if centered else state[1]
    variance = c.r(square - c.r(mean * mean)) if centered else square
    along = c.r(gradient / _root(c, variance, epsilon, epsilon_inside))
    if _is_zero(momentum):
        return c.r(parameter - c.r(lr * along)), (square, mean, state[2])
    new = c.r(lr * along) if lr_in_velocity else along
    velocity = c.r(c.r(momentum * state[2]) + new)
    return c.r(parameter - (velocity if lr_in_velocity else c.r(lr * velocity))), (square, mean, velocity)


def adagrad(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array],
    count: int,
    *,
    lr: Rate,
    epsilon: float = 1e-10,
    epsilon_inside: bool = False,
    initial: float = 0.0,
) -> Stepped:
    """Parameter - lr * gradient / (sqrt(v) + epsilon), v the sum of squares so far from `initial` on (Duchi and others, 2011)."""
    square = c.r((initial if count == 1 else state[0]) + c.r(gradient * gradient))
    along = c.r(gradient / _root(c, square, epsilon, epsilon_inside))
    return c.r(parameter - c.r(lr * along)), (square,)


def adadelta(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array, Array],
    _count: int,
    *,
    lr: Rate,
    decay: float = 0.9,
    epsilon: float = 1e-6,
) -> Stepped:
    """Parameter - lr * d, with d = gradient * sqrt(w + epsilon) / sqrt(v + epsilon) (Zeiler, ADADELTA, 2012).

    v and w are the decaying means of the gradients' and the earlier d's squares.
    """
    square = _average(c, decay, state[0], c.r(gradient * gradient))
    ratio = c.r(_root(c, state[1], epsilon, inside=True) / _root(c, square, epsilon, inside=True))
    along = c.r(ratio * gradient)
    return c.r(parameter - c.r(lr * along)), (square, _average(c, decay, state[1], c.r(along * along)))


def adamax(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array, Array],
    count: int,
    *,
    lr: Rate,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_inside: bool = False,
) -> Stepped:
    """Parameter - lr * m / (u + epsilon), with u = max(beta2 * u, |gradient|) (Kingma and Ba, Adam, 2015, section 7.1).

    m is the corrected mean. `epsilon_inside` the maximum: it is added to |gradient|.
    """
    mean = _average(c, beta1, state[0], gradient)
    size = c.r(np.abs(gradient) + epsilon) if epsilon_inside else np.abs(gradient)
    largest = np.maximum(c.r(beta2 * state[1]), size)
    below = largest if epsilon_inside else c.r(largest + epsilon)
    along = c.r(c.r(mean / _correction(c, beta1, count)) / below)
    return c.r(parameter - c.r(lr * along)), (mean, largest)


def nadam(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array, Array, Array],
    count: int,
    *,
    lr: Rate,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    warming: float = 0.5,
    momentum_decay: float = 0.004,
) -> Stepped:
    """Adam with Nesterov's momentum (Dozat, Incorporating Nesterov Momentum into Adam, 2016).

    The momentum of step t is mu_t = beta1 * (1 - warming * 0.96^(t * momentum_decay)); without `warming` it is beta1.
    """

    def momentum(t: int) -> Array:
        power = c.fn("pow", c.literal("step", 0.96), c.r(t * momentum_decay))
        return c.r(beta1 * c.r(1 - c.r(warming * power)))

    mean = _average(c, beta1, state[0], gradient)
    square = _average(c, beta2, state[1], c.r(gradient * gradient))
    now, following = momentum(count), momentum(count + 1)
    product = now if count == 1 else c.r(state[2] * now)
    of_mean = c.r(following / c.r(1 - c.r(product * following)))
    of_gradient = c.r(c.r(1 - now) / c.r(1 - product))
    first = c.r(c.r(of_mean * mean) + c.r(of_gradient * gradient))
    second = c.r(square / _correction(c, beta2, count))
    along = c.r(first / _root(c, second, epsilon, inside=False))
    return c.r(parameter - c.r(lr * along)), (mean, square, product)


RECTIFIED_ABOVE = 5.0
"""The length of the average above which radam trusts its variance."""


def radam(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array, Array],
    count: int,
    *,
    lr: Rate,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    epsilon_hat: bool = False,
) -> Stepped:
    """Adam whose step is rectified, and by the mean alone in the first steps (Liu and others, On the Variance of the Adaptive
    Learning Rate and Beyond, 2020). `epsilon_hat` as in `adam`.
    """
    mean = _average(c, beta1, state[0], gradient)
    square = _average(c, beta2, state[1], c.r(gradient * gradient))
    along = c.r(mean / _correction(c, beta1, count))
    length, longest = _length(c, beta2, count), c.r(c.r(2 / c.r(1 - beta2)) - 1)
    if c.kink(length - RECTIFIED_ABOVE) > 0:
        of_now = c.r(c.r(c.r(length - 4) * c.r(length - 2)) / length)
        of_all = c.r(c.r(c.r(longest - 4) * c.r(longest - 2)) / longest)
        two = _correction(c, beta2, count)
        epsilon = c.r(epsilon / c.fn("sqrt", two)) if epsilon_hat else epsilon
        below = _root(c, c.r(square / two), epsilon, inside=False)
        along = c.r(c.r(along * c.fn("sqrt", c.r(of_now / of_all))) / below)
    return c.r(parameter - c.r(lr * along)), (mean, square)


def lion(
    c: Any,
    parameter: Array,
    gradient: Array,
    state: tuple[Array],
    _count: int,
    *,
    lr: Rate,
    beta1: float = 0.9,
    beta2: float = 0.99,
) -> Stepped:
    """Parameter - lr * sign(beta1 * m + (1 - beta1) * gradient), m a mean by beta2 (Chen and others, 2023, Algorithm 2)."""
    along = np.sign(c.kink(_average(c, beta1, state[0], gradient)))
    return c.r(parameter - c.r(lr * along)), (_average(c, beta2, state[0], gradient),)


def _average(c: Any, beta: Array, before: Array, new: Array) -> Array:
    """The decaying mean with one number more."""
    return c.r(c.r(beta * before) + c.r(c.r(1 - beta) * new))


def _root(c: Any, square: Array, epsilon: Array, inside: bool) -> Array:
    """The root that a gradient is divided by."""
    return c.fn("sqrt", c.r(square + epsilon)) if inside else c.r(c.fn("sqrt", square) + epsilon)


def _correction(c: Any, beta: Array, count: int) -> Array:
    """1 - beta^count, of which a power near 1 leaves few digits; as a sum it has all."""
    if c.exact:
        return (1 - beta) * np.sum(beta ** np.arange(count))
    return c.r(1 - c.fn("pow", beta, count))


def _length(c: Any, beta: Array, count: int) -> Array:
    """How many gradients a decaying mean is about, 2 / (1 - beta) - 1 - 2 t beta^t / (1 - beta^t); of these differences a
    sum of positive terms has all digits: with S_n = 1 + ... + beta^(n-1), sum_k beta^k (S_(t-k) + beta S_(t-k-1)) / S_t.
    """
    if c.exact:
        powers = beta ** np.arange(count)
        sums = np.concatenate([[0.0], np.cumsum(powers)])
        return np.sum(powers * (sums[:0:-1] + beta * sums[-2::-1])) / sums[-1]
    power = c.fn("pow", beta, count)
    lost = c.r(c.r(2 * count * power) / c.r(1 - power))
    return c.r(c.r(c.r(2 / c.r(1 - beta)) - 1) - lost)


MOMENTS = "mean", "square", "largest"

OPTIMIZERS = {
    "sgd": Optimizer(sgd, ("velocity",), recalls="momentum"),
    "adam": Optimizer(adam, MOMENTS, "coupled"),
    "adamw": Optimizer(adam, MOMENTS, "decoupled"),
    "rmsprop": Optimizer(rmsprop, ("square", "mean", "velocity")),
    "adagrad": Optimizer(adagrad, ("square",)),
    "adadelta": Optimizer(adadelta, ("square", "steps")),
    "adamax": Optimizer(adamax, ("mean", "largest")),
    "nadam": Optimizer(nadam, ("mean", "square", "product")),
    "radam": Optimizer(radam, ("mean", "square")),
    "lion": Optimizer(lion, ("mean",), "decoupled"),
}
