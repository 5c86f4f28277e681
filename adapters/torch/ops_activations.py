"""Activation functions of PyTorch beside those of its adapter."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it


def prelu(x: torch.Tensor, weight: torch.Tensor, *, axis: int) -> torch.Tensor:
    if x.ndim == 1:  # to torch such a tensor is one channel
        return F.prelu(x[None], weight)[0]
    return F.prelu(x.movedim(axis, 1), weight).movedim(1, axis)  # where torch expects the channels


OPS: dict[str, Callable[..., Any]] = {
    "gelu": lambda x, *, approximate: F.gelu(x, approximate=approximate),
    "silu": F.silu,
    "mish": F.mish,
    "log_sigmoid": F.logsigmoid,
    "glu": lambda x, *, axis: F.glu(x, dim=axis),
    "softsign": F.softsign,
    "hard_tanh": lambda x, *, low, high: F.hardtanh(x, min_val=low, max_val=high),
    "relu6": F.relu6,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "elu": lambda x, *, alpha: F.elu(x, alpha=alpha),
    "selu": F.selu,
    "celu": lambda x, *, alpha: F.celu(x, alpha=alpha),
    "prelu": prelu,
}
