"""Variances and normalization, of torch.nn.functional wherever that has them."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Unsupported

FORMULAS = {"dropout"}


def normalized_shape(x: torch.Tensor, axis: Any) -> tuple[int, ...]:
    """The sizes of the last axes, which torch names in place of these."""
    return tuple(x.shape[-(len(axis) if isinstance(axis, tuple) else 1) :])


def channels_second(call: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The function of a tensor whose channels are on its second axis, where torch has them."""

    def along(x: torch.Tensor, *others: torch.Tensor, axis: int, **kw: Any) -> torch.Tensor:
        return call(x.movedim(axis, 1), *others, **kw).movedim(1, axis)

    return along


@channels_second
def batch_norm(
    x: torch.Tensor, w: torch.Tensor | None = None, b: torch.Tensor | None = None, *, epsilon: float
) -> torch.Tensor:
    return F.batch_norm(x, None, None, w, b, training=True, eps=epsilon)


@channels_second
def batch_norm_inference(
    x: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
    w: torch.Tensor | None = None,
    b: torch.Tensor | None = None,
    *,
    epsilon: float,
) -> torch.Tensor:
    if mean.requires_grad or variance.requires_grad:
        raise Unsupported("running statistics have no gradient in F.batch_norm")
    return F.batch_norm(x, mean, variance, w, b, training=False, eps=epsilon)


def running_statistics(
    x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, *, axis: int, momentum: float, ddof: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """F.batch_norm writes them, and knows no gradient of them."""
    if ddof != 1:
        raise Unsupported("the variance that F.batch_norm keeps is always divided by n - 1")
    x, mean, variance = x.detach(), mean.detach().clone(), variance.detach().clone()
    F.batch_norm(torch.movedim(x, axis, 1), mean, variance, training=True, momentum=momentum)
    return mean, variance


@channels_second
def group_norm(
    x: torch.Tensor,
    w: torch.Tensor | None = None,
    b: torch.Tensor | None = None,
    *,
    groups: int,
    epsilon: float,
) -> torch.Tensor:
    return F.group_norm(x, groups, w, b, eps=epsilon)


@channels_second
def instance_norm(
    x: torch.Tensor, w: torch.Tensor | None = None, b: torch.Tensor | None = None, *, epsilon: float
) -> torch.Tensor:
    return F.instance_norm(x, weight=w, bias=b, eps=epsilon)


OPS: dict[str, Callable[..., Any]] = {
    "var": lambda x, *, axis, keepdims, ddof: torch.var(x, dim=axis, keepdim=keepdims, correction=ddof),
    "std": lambda x, *, axis, keepdims, ddof: torch.std(x, dim=axis, keepdim=keepdims, correction=ddof),
    "layer_norm": lambda x, w=None, b=None, *, axis, epsilon: F.layer_norm(
        x, normalized_shape(x, axis), w, b, eps=epsilon
    ),
    "rms_norm": lambda x, w=None, *, axis, epsilon: F.rms_norm(x, normalized_shape(x, axis), w, eps=epsilon),
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "running_statistics": running_statistics,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    # What the module of torch.nn.utils.parametrizations.weight_norm calls.
    "weight_norm": lambda v, g, *, axis: torch._weight_norm(v, g, axis % v.ndim),  # noqa: SLF001
    # F.dropout draws its own mask.
    "dropout": lambda x, mask, *, rate: torch.where(mask, x / (1 - rate), 0),
}
