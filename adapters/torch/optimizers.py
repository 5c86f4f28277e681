"""The optimizers of torch.optim, each with the options of the case's formula; what it has no option for is unsupported."""

from collections.abc import Callable
from typing import Any

import torch
from worker import Unsupported

Step = Callable[[dict[str, Any]], dict[str, Any]]


def stepping(
    kind: Callable[..., torch.optim.Optimizer], params: dict[str, torch.Tensor], lr: Any, **options: Any
) -> Step:
    """Steps of an optimizer; a learning rate that changes is set before each of them, as schedulers do."""
    weights = {name: value.detach().clone() for name, value in params.items()}
    rates = lr if isinstance(lr, list) else None
    optimizer = kind(weights.values(), lr=rates[0] if rates else lr, **options)
    following = iter(rates or ())

    def step(grads: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if rates:
            optimizer.param_groups[0]["lr"] = next(following)
        for name, weight in weights.items():
            weight.grad = grads[name]
        optimizer.step()
        return {name: weight.clone() for name, weight in weights.items()}

    return step


def coupled(decoupled: bool, name: str) -> None:
    if decoupled:
        raise Unsupported(f"torch.optim.{name} has coupled weight decay only")


def outside(epsilon: float, inside: bool, what: str) -> None:
    """Without an epsilon it doesn't matter where it would stand."""
    if inside and epsilon:
        raise Unsupported(f"torch.optim adds epsilon {what}")


def sgd(
    params: Any,
    *,
    lr: Any,
    momentum: float = 0.0,
    lr_in_velocity: bool = False,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    **options: Any,
) -> Step:
    coupled(decoupled and bool(weight_decay), "SGD")
    if lr_in_velocity and momentum and isinstance(lr, list):
        raise Unsupported("the velocity of torch.optim.SGD is of gradients, without the learning rate")
    if options.get("nesterov") and options.get("dampening"):
        raise Unsupported("torch.optim.SGD refuses nesterov with a dampening")
    return stepping(torch.optim.SGD, params, lr, momentum=momentum, weight_decay=weight_decay, **options)


def adams(kind: Callable[..., torch.optim.Optimizer]) -> Callable[..., Step]:
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
        outside(epsilon, epsilon_hat, "after the bias correction")
        if amsgrad == "corrected":
            raise Unsupported("torch.optim takes the largest second moment before its correction")
        if not bias_correction:
            raise Unsupported("torch.optim corrects the bias of the moments")
        options = {"eps": epsilon, "weight_decay": weight_decay, "amsgrad": amsgrad == "uncorrected"}
        return stepping(kind, params, lr, betas=(beta1, beta2), **options)

    return adam


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
    outside(epsilon, epsilon_inside, "outside the root")
    coupled(decoupled and bool(weight_decay), "RMSprop")
    if lr_in_velocity and momentum and isinstance(lr, list):
        raise Unsupported("the velocity of torch.optim.RMSprop is without the learning rate")
    options = {"momentum": momentum, "centered": centered, "weight_decay": weight_decay}
    return stepping(torch.optim.RMSprop, params, lr, alpha=decay, eps=epsilon, **options)


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
    outside(epsilon, epsilon_inside, "outside the root")
    coupled(decoupled and bool(weight_decay), "Adagrad")
    options = {"initial_accumulator_value": initial, "weight_decay": weight_decay}
    return stepping(torch.optim.Adagrad, params, lr, eps=epsilon, **options)


def adadelta(
    params: Any, *, lr: Any, decay: float, epsilon: float, weight_decay: float, decoupled: bool
) -> Step:
    coupled(decoupled and bool(weight_decay), "Adadelta")
    return stepping(torch.optim.Adadelta, params, lr, rho=decay, eps=epsilon, weight_decay=weight_decay)


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
    if epsilon and not epsilon_inside:
        raise Unsupported("torch.optim.Adamax adds epsilon to the gradient's size, inside the maximum")
    coupled(decoupled and bool(weight_decay), "Adamax")
    options = {"betas": (beta1, beta2), "eps": epsilon, "weight_decay": weight_decay}
    return stepping(torch.optim.Adamax, params, lr, **options)


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
    if warming != 0.5:
        raise Unsupported("torch.optim.NAdam warms its momentum up by 0.5")
    decayed = {"weight_decay": weight_decay, "decoupled_weight_decay": decoupled}
    options = {"betas": (beta1, beta2), "eps": epsilon, "momentum_decay": momentum_decay}
    return stepping(torch.optim.NAdam, params, lr, **options, **decayed)


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
    if epsilon and not epsilon_hat:
        raise Unsupported("torch.optim.RAdam adds epsilon before the bias correction")
    options = {"weight_decay": weight_decay, "decoupled_weight_decay": decoupled}
    return stepping(torch.optim.RAdam, params, lr, betas=(beta1, beta2), eps=epsilon, **options)


def by_value(grads: dict[str, torch.Tensor], *, value: float) -> dict[str, torch.Tensor]:
    return clipped(grads, lambda held: torch.nn.utils.clip_grad_value_(held, value))


def by_norm(grads: dict[str, torch.Tensor], *, norm: float, epsilon: float = 0.0) -> dict[str, torch.Tensor]:
    if abs(epsilon - 1e-6) > 1e-12:  # in whichever dtype the case says it
        raise Unsupported("torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm")
    return clipped(grads, lambda held: torch.nn.utils.clip_grad_norm_(held, norm))


def clipped(
    grads: dict[str, torch.Tensor], clip: Callable[[list[torch.Tensor]], object]
) -> dict[str, torch.Tensor]:
    """What a function that clips the gradients of tensors in place makes of copies."""
    held = {name: torch.zeros_like(g) for name, g in grads.items()}
    for name, weight in held.items():
        weight.grad = grads[name].clone()
    clip(list(held.values()))
    return {name: weight.grad for name, weight in held.items() if weight.grad is not None}


CLIPS = {"value": by_value, "norm": by_norm}
OPTIMIZERS = {
    "sgd": sgd,
    "adam": adams(torch.optim.Adam),
    "adamw": adams(torch.optim.AdamW),
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
    "nadam": nadam,
    "radam": radam,
}
