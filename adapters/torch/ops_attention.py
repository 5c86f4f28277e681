"""Attention, as torch.nn.functional has it."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Unsupported

FORMULAS = {"masked_softmax"}


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    causal: bool,
    scale: float | None,
    groups: int,
) -> torch.Tensor:
    if causal and mask is not None:
        raise Unsupported("scaled_dot_product_attention takes a mask or is_causal, not both")
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=groups > 1
    )


OPS: dict[str, Callable[..., Any]] = {
    # No softmax of torch takes a mask (torch.masked is a prototype): people fill with -inf.
    "masked_softmax": lambda x, mask, *, axis: F.softmax(x.masked_fill(~mask, -math.inf), dim=axis),
    "attention": attention,
}
