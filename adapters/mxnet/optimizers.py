"""MXNet's optimizers, each with the options of the case's formula; what it has no option for is unsupported.

Their velocities have the learning rate in them. Weight decay is coupled where an update is one compiled call, and decoupled
where it is written in Python.
"""

from collections.abc import Callable
from typing import Any

import mxnet as mx
from worker import Unsupported

Step = Callable[[dict[str, Any]], dict[str, Any]]


def stepping(kind: Callable[..., Any], params: dict[str, Any], lr: Any, **options: Any) -> Step:
    """The updater that gluon.Trainer uses; Trainer.step(n) would divide the gradient by n as well."""
    weights = {name: value.copy() for name, value in params.items()}
    rates = lr if isinstance(lr, list) else None
    optimizer = kind(learning_rate=rates[0] if rates else lr, rescale_grad=1.0, **options)
    update, following = mx.optimizer.get_updater(optimizer), iter(rates or ())

    def step(grads: dict[str, Any]) -> dict[str, Any]:
        if rates:
            optimizer.set_learning_rate(next(following))
        for number, (name, weight) in enumerate(weights.items()):
            update(number, grads[name], weight)
        return {name: weight.copy() for name, weight in weights.items()}

    return step


def refuse(*reasons: tuple[Any, str]) -> None:
    for asked, why in reasons:
        if asked:
            raise Unsupported(why)


def float32_only(params: dict[str, Any], name: str) -> None:
    refuse(
        (
            any(weight.dtype != "float32" for weight in params.values()),
            f"mxnet.optimizer.{name} keeps its state in float32, and takes no other weight",
        )
    )


def coupled(weight_decay: float, decoupled: bool) -> dict[str, Any]:
    refuse((weight_decay and decoupled, "its weight decay is coupled in MXNet"))
    return {"wd": weight_decay}


def apart(weight_decay: float, decoupled: bool) -> dict[str, Any]:
    refuse((weight_decay and not decoupled, "its weight decay is decoupled in MXNet"))
    return {"wd": weight_decay}


def velocity(momentum: float, lr: Any, lr_inside: bool) -> None:
    refuse(
        (
            momentum and isinstance(lr, list) and not lr_inside,
            "the velocities of MXNet have the learning rate in them",
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
    refuse((dampening and momentum, "mxnet.optimizer.SGD has no dampening"))
    kind = mx.optimizer.NAG if nesterov else mx.optimizer.SGD
    return stepping(kind, params, lr, momentum=momentum, **coupled(weight_decay, decoupled))


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
) -> Step:
    refuse(
        (epsilon and not epsilon_hat, "mxnet.optimizer.Adam adds epsilon before the bias correction"),
        (amsgrad != "no", "mxnet.optimizer.Adam has no amsgrad"),
        (not bias_correction, "mxnet.optimizer.Adam corrects the bias of the moments"),
    )
    options = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": weight_decay}
    return stepping(mx.optimizer.Adam, params, lr, **options)


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
    velocity(momentum, lr, lr_in_velocity)
    float32_only(params, "RMSProp")
    refuse(
        (epsilon and not epsilon_inside, "mxnet.optimizer.RMSProp adds epsilon inside the root"),
        (momentum and not centered, "mxnet.optimizer.RMSProp has a momentum only if centered"),
    )
    options = {"gamma1": decay, "gamma2": momentum, "epsilon": epsilon, "centered": centered}
    return stepping(mx.optimizer.RMSProp, params, lr, **options, **coupled(weight_decay, decoupled))


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
    float32_only(params, "AdaGrad")
    refuse(
        (epsilon and not epsilon_inside, "mxnet.optimizer.AdaGrad adds epsilon inside the root"),
        (initial, "the sum of mxnet.optimizer.AdaGrad begins at 0"),
    )
    return stepping(mx.optimizer.AdaGrad, params, lr, eps=epsilon, **apart(weight_decay, decoupled))


def adadelta(
    params: Any, *, lr: Any, decay: float, epsilon: float, weight_decay: float, decoupled: bool
) -> Step:
    float32_only(params, "AdaDelta")
    refuse((lr != 1, "mxnet.optimizer.AdaDelta has no learning rate: it is 1"))
    options = {"rho": decay, "epsilon": epsilon, **apart(weight_decay, decoupled)}
    return stepping(mx.optimizer.AdaDelta, params, lr, **options)


def adamax(
    params: Any,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    epsilon: float,
    epsilon_inside: bool,  # noqa: ARG001 - of none
    weight_decay: float,
    decoupled: bool,
) -> Step:
    refuse((epsilon, "mxnet.optimizer.Adamax has no epsilon"))
    options = {"beta1": beta1, "beta2": beta2, **coupled(weight_decay, decoupled)}
    return stepping(mx.optimizer.Adamax, params, lr, **options)


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
    refuse((warming != 0.5, "mxnet.optimizer.Nadam warms its momentum up by 0.5"))
    options = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "schedule_decay": momentum_decay}
    return stepping(mx.optimizer.Nadam, params, lr, **options, **coupled(weight_decay, decoupled))


def by_value(grads: dict[str, Any], *, value: float) -> dict[str, Any]:
    return {name: mx.np.clip(g, -value, value) for name, g in grads.items()}


def by_norm(grads: dict[str, Any], *, norm: float, epsilon: float = 0.0) -> dict[str, Any]:
    refuse((abs(epsilon - 1e-8) > 1e-14, "gluon.utils.clip_global_norm adds 1e-8 to the norm"))
    float32_only(grads, "gluon.utils.clip_global_norm scales by a tensor")
    held = {name: g.copy() for name, g in grads.items()}
    mx.gluon.utils.clip_global_norm([g.as_nd_ndarray() for g in held.values()], norm)
    return held


CLIPS = {"value": by_value, "norm": by_norm}
OPTIMIZERS = {
    "sgd": sgd,
    "adam": adam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
    "nadam": nadam,
}
