"""Losses of classes."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Unsupported


def by_classes(
    loss: Any, x: torch.Tensor, target: torch.Tensor, w: Any, axis: int, **kw: Any
) -> torch.Tensor:
    """A loss that expects the classes on its second axis."""
    if w is not None and w.requires_grad and not target.is_floating_point():
        raise Unsupported("torch has no derivative towards the weights of classes")
    classes = min(1, x.ndim - 1)
    if target.ndim == x.ndim:
        target = target.movedim(axis, classes)
    if kw["ignore_index"] is None:
        del kw["ignore_index"]
    return loss(x.movedim(axis, classes), target, weight=w, **kw)


def cross_entropy(
    z: torch.Tensor, target: torch.Tensor, w: Any = None, *, axis: int, **kw: Any
) -> torch.Tensor:
    return by_classes(F.cross_entropy, z, target, w, axis, **kw)


def nll(x: torch.Tensor, target: torch.Tensor, w: Any = None, *, axis: int, **kw: Any) -> torch.Tensor:
    return by_classes(F.nll_loss, x, target, w, axis, **kw)


OPS = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "kl_div": F.kl_div,
}
