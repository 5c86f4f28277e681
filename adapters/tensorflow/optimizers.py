"""Keras's optimizers, each with the options of the case's formula; what it has no option for is unsupported.

Their weight decay is decoupled whatever the optimizer, their velocities have the learning rate in them.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from worker import Unsupported

Step = Callable[[dict[str, Any]], dict[str, Any]]


def stepping(kind: Callable[..., Any], params: dict[str, tf.Tensor], lr: Any, **options: Any) -> Step:
    """Steps of an optimizer; a learning rate that changes is set before each of them, as callbacks do."""
    weights = {name: tf.Variable(value) for name, value in params.items()}
    for weight in weights.values():
        tf.keras.config.set_floatx(weight.dtype.name)  # Keras keeps the learning rate itself in floatx
    rates = lr if isinstance(lr, list) else None
    optimizer = kind(learning_rate=rates[0] if rates else lr, **options)
    following = iter(rates or ())

    def step(grads: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        if rates:
            optimizer.learning_rate = next(following)
        optimizer.apply([grads[name] for name in weights], list(weights.values()))
        return {name: tf.identity(weight) for name, weight in weights.items()}

    return step


def refuse(*reasons: tuple[Any, str]) -> None:
    for asked, why in reasons:
        if asked:
            raise Unsupported(why)


def shrinking(weight_decay: float, decoupled: bool) -> dict[str, Any]:
    """The option of every optimizer."""
    refuse((weight_decay and not decoupled, "the weight decay of Keras is decoupled"))
    return {"weight_decay": weight_decay or None}


def outside(epsilon: float, inside: bool) -> None:
    """Without an epsilon it doesn't matter where it would stand."""
    refuse((epsilon and not inside, "Keras adds epsilon inside the root"))


def velocity(momentum: float, lr: Any, lr_inside: bool) -> None:
    refuse(
        (
            momentum and isinstance(lr, list) and not lr_inside,
            "the velocities of Keras have the learning rate in them",
        )
    )


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
    velocity(momentum, lr, lr_in_velocity)
    refuse((dampening and momentum, "keras.optimizers.SGD has no dampening"))
    options = {"momentum": momentum, "nesterov": nesterov, **shrinking(weight_decay, decoupled)}
    return stepping(tf.keras.optimizers.SGD, params, lr, **options)


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
    decoupled: bool = False,
) -> Step:
    refuse(
        (epsilon and not epsilon_hat, "Keras adds epsilon before the bias correction"),
        (amsgrad == "corrected", "Keras takes the largest second moment before its correction"),
        (not bias_correction, "Keras corrects the bias of the moments"),
    )
    options = {"beta_1": beta1, "beta_2": beta2, "epsilon": epsilon, "amsgrad": amsgrad == "uncorrected"}
    if decoupled:
        return stepping(tf.keras.optimizers.AdamW, params, lr, weight_decay=weight_decay, **options)
    return stepping(tf.keras.optimizers.Adam, params, lr, **options, **shrinking(weight_decay, False))


def adamw(params: Any, **options: Any) -> Step:
    return adam(params, decoupled=True, **options)


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
    outside(epsilon, epsilon_inside)
    velocity(momentum, lr, lr_in_velocity)
    options = {"momentum": momentum, "centered": centered, **shrinking(weight_decay, decoupled)}
    return stepping(tf.keras.optimizers.RMSprop, params, lr, rho=decay, epsilon=epsilon, **options)


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
    outside(epsilon, epsilon_inside)
    options = {"initial_accumulator_value": initial, **shrinking(weight_decay, decoupled)}
    return stepping(tf.keras.optimizers.Adagrad, params, lr, epsilon=epsilon, **options)


def adadelta(
    params: Any, *, lr: Any, decay: float, epsilon: float, weight_decay: float, decoupled: bool
) -> Step:
    options = shrinking(weight_decay, decoupled)
    return stepping(tf.keras.optimizers.Adadelta, params, lr, rho=decay, epsilon=epsilon, **options)


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
    refuse((epsilon and epsilon_inside, "keras.optimizers.Adamax adds epsilon to the maximum"))
    options = {"beta_1": beta1, "beta_2": beta2, "epsilon": epsilon, **shrinking(weight_decay, decoupled)}
    return stepping(tf.keras.optimizers.Adamax, params, lr, **options)


def nadam(
    params: Any,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    warming: float,
    momentum_decay: float,
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse(
        (
            (warming, momentum_decay) != (0.5, 1.0),
            "keras.optimizers.Nadam warms its momentum up by 0.5, with a momentum_decay of 1",
        )
    )
    options = {"beta_1": beta1, "beta_2": beta2, "epsilon": epsilon, **shrinking(weight_decay, decoupled)}
    return stepping(tf.keras.optimizers.Nadam, params, lr, **options)


def lion(params: Any, *, lr: Any, beta1: float, beta2: float, weight_decay: float) -> Step:
    options = {"beta_1": beta1, "beta_2": beta2, **shrinking(weight_decay, True)}
    return stepping(tf.keras.optimizers.Lion, params, lr, **options)


def by_value(grads: dict[str, tf.Tensor], *, value: float) -> dict[str, tf.Tensor]:
    return {name: tf.clip_by_value(g, -value, value) for name, g in grads.items()}


def by_norm(grads: dict[str, tf.Tensor], *, norm: float, epsilon: float = 0.0) -> dict[str, tf.Tensor]:
    refuse((epsilon, "tf.clip_by_global_norm adds no epsilon to the norm"))
    clipped, _ = tf.clip_by_global_norm(list(grads.values()), norm)
    return dict(zip(grads, clipped, strict=True))


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
    "lion": lion,
}
