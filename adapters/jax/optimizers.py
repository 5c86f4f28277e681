"""The optimizers of optax, since JAX has none, each with the options of the case's formula; what it has no option for is unsupported.

Coupled weight decay is optax.add_decayed_weights before the optimizer, as its documentation has it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from worker import Unsupported

Step = Callable[[dict[str, Any]], dict[str, Any]]


def stepping(made: optax.GradientTransformation, params: dict[str, jax.Array], coupled: float = 0.0) -> Step:
    """Steps of an optimizer, each compiled as one function."""
    optimizer = optax.chain(optax.add_decayed_weights(coupled), made) if coupled else made
    weights, state = params, optimizer.init(params)

    @jax.jit
    def moved(grads: Any, state: Any, weights: Any) -> Any:
        updates, state = optimizer.update(grads, state, weights)
        return optax.apply_updates(weights, updates), state

    def step(grads: dict[str, jax.Array]) -> dict[str, jax.Array]:
        nonlocal weights, state
        weights, state = moved(grads, state, weights)
        return weights

    return step


def schedule(lr: Any) -> Any:
    """A learning rate for each step is a function of the step's number."""
    if not isinstance(lr, list):
        return lr
    rates = jnp.asarray(lr)
    return lambda count: rates[count]


def refuse(*reasons: tuple[Any, str]) -> None:
    for asked, why in reasons:
        if asked:
            raise Unsupported(why)


DECOUPLED = "optax has no such optimizer with decoupled weight decay"


def sgd(
    params: Any,
    *,
    lr: Any,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    lr_in_velocity: bool = False,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Step:
    refuse(
        (dampening and momentum, "optax.sgd has no dampening"),
        (
            lr_in_velocity and momentum and isinstance(lr, list),
            "the velocity of optax.sgd is of gradients, without the learning rate",
        ),
        (decoupled and weight_decay, DECOUPLED),
    )
    return stepping(
        optax.sgd(schedule(lr), momentum=momentum or None, nesterov=nesterov), params, weight_decay
    )


def adam(
    params: Any,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    epsilon_hat: bool,
    amsgrad: str,
    bias_correction: bool,
    weight_decay: float,
    kind: Callable[..., Any] = optax.adam,
) -> Step:
    largest = amsgrad != "no"
    refuse(
        (epsilon and epsilon_hat, "optax adds epsilon after the bias correction"),
        (
            amsgrad == "uncorrected" and bias_correction,
            "optax.amsgrad takes the largest second moment after its correction",
        ),
        (not bias_correction and not largest, "optax.adam corrects the bias of the moments"),
        (largest and kind is not optax.adam, "optax.adamw has no amsgrad"),
    )
    options = {"b1": beta1, "b2": beta2, "eps": epsilon}
    if largest:
        corrections = {"bias_correction_mu": bias_correction, "bias_correction_nu": bias_correction}
        return stepping(optax.amsgrad(schedule(lr), **options, **corrections), params, weight_decay)
    if kind is optax.adam:
        return stepping(optax.adam(schedule(lr), **options), params, weight_decay)
    return stepping(kind(schedule(lr), **options, weight_decay=weight_decay), params)


def adamw(params: Any, **options: Any) -> Step:
    return adam(params, kind=optax.adamw, **options)


def rmsprop(
    params: Any,
    *,
    lr: Any,
    decay: float,
    epsilon: float,
    epsilon_inside: bool,
    centered: bool,
    momentum: float,
    lr_in_velocity: bool,
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse(
        (
            momentum and isinstance(lr, list) and not lr_in_velocity,
            "the velocity of optax.rmsprop has the learning rate in it",
        ),
        (decoupled and weight_decay, DECOUPLED),
    )
    options = {"eps_in_sqrt": epsilon_inside, "centered": centered, "momentum": momentum or None}
    made = optax.rmsprop(schedule(lr), decay=decay, eps=epsilon, **options)
    return stepping(made, params, weight_decay)


def adagrad(
    params: Any,
    *,
    lr: Any,
    epsilon: float,
    epsilon_inside: bool,
    initial: float,
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse(
        (epsilon and not epsilon_inside, "optax.adagrad adds epsilon inside the root"),
        (decoupled and weight_decay, DECOUPLED),
    )
    made = optax.adagrad(schedule(lr), initial_accumulator_value=initial, eps=epsilon)
    return stepping(made, params, weight_decay)


def adadelta(
    params: Any, *, lr: Any, decay: float, epsilon: float, weight_decay: float, decoupled: bool
) -> Step:
    refuse((decoupled and weight_decay, DECOUPLED))
    return stepping(optax.adadelta(schedule(lr), rho=decay, eps=epsilon, weight_decay=weight_decay), params)


def adamax(
    params: Any,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    epsilon_inside: bool,
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse(
        (
            epsilon and not epsilon_inside,
            "optax.adamax adds epsilon to the gradient's size, inside the maximum",
        )
    )
    options = {"b1": beta1, "b2": beta2, "eps": epsilon}
    if decoupled:
        return stepping(optax.adamaxw(schedule(lr), **options, weight_decay=weight_decay), params)
    return stepping(optax.adamax(schedule(lr), **options), params, weight_decay)


def nadam(
    params: Any,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    warming: float,
    momentum_decay: float,  # noqa: ARG001 - of what is not warmed up
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse((warming, "optax.nadam has the same momentum in all steps, without warming"))
    options = {"b1": beta1, "b2": beta2, "eps": epsilon}
    if decoupled:
        return stepping(optax.nadamw(schedule(lr), **options, weight_decay=weight_decay), params)
    return stepping(optax.nadam(schedule(lr), **options), params, weight_decay)


def radam(
    params: Any,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    epsilon_hat: bool,
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse(
        (epsilon and epsilon_hat, "optax adds epsilon after the bias correction"),
        (decoupled and weight_decay, DECOUPLED),
    )
    return stepping(optax.radam(schedule(lr), b1=beta1, b2=beta2, eps=epsilon), params, weight_decay)


def lion(params: Any, *, lr: Any, beta1: float, beta2: float, weight_decay: float) -> Step:
    return stepping(optax.lion(schedule(lr), b1=beta1, b2=beta2, weight_decay=weight_decay), params)


def by_value(grads: dict[str, jax.Array], *, value: float) -> dict[str, jax.Array]:
    return clipped(optax.clip(value), grads)


def by_norm(grads: dict[str, jax.Array], *, norm: float, epsilon: float = 0.0) -> dict[str, jax.Array]:
    refuse((epsilon, "optax.clip_by_global_norm adds no epsilon to the norm"))
    return clipped(optax.clip_by_global_norm(norm), grads)


def clipped(clip: optax.GradientTransformation, grads: dict[str, jax.Array]) -> dict[str, jax.Array]:
    found, _ = clip.update(grads, clip.init(grads))
    return found


CLIPS = {"value": by_value, "norm": by_norm}
OPTIMIZERS = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
    "nadam": nadam,
    "radam": radam,
    "lion": lion,
}
