"""Recurrent layers: the modules of torch.nn, called as functions of their weights."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch.func import functional_call
from worker import Unsupported

PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
REVERSED = tuple(f"{name}_reverse" for name in PARAMETERS)


@lru_cache(maxsize=64)
def recurrent_module(kind: str, features: int, hidden: int, **said: Any) -> torch.nn.Module:
    """Without memory of its own."""
    module: torch.nn.Module = getattr(torch.nn, kind)(features, hidden, device="meta", **said)
    return module


def in_gate_order(weights: list[torch.Tensor], gates: str, torchs: str) -> list[torch.Tensor]:
    """The rows of each gate, where torch has them."""
    if gates == torchs:
        return weights
    parts = (dict(zip(gates, torch.chunk(a, len(gates)), strict=True)) for a in weights)
    return [torch.cat([part[gate] for gate in torchs]) for part in parts]


def over_steps(
    kind: str,
    x: torch.Tensor,
    states: list[torch.Tensor],
    weights: list[torch.Tensor],
    batch_first: bool,
    reverse: bool,
    **more: Any,
) -> Any:
    """The states of all steps, and those after the last. Torch goes backwards beside a layer that goes forwards."""
    if len(weights) == 3:  # torch has both biases or none
        weights = [*weights, torch.zeros_like(weights[2])]
    hidden = weights[1].shape[-1]
    said = {"bias": len(weights) > 2, "batch_first": batch_first, "bidirectional": reverse, **more}
    parameters = dict(zip(PARAMETERS, weights, strict=False))
    if reverse:
        parameters |= dict(zip(REVERSED, weights, strict=False))
    before = tuple(torch.stack([state] * (1 + reverse)) for state in states)
    module = recurrent_module(kind, x.shape[-1], hidden, **said)
    every, last = functional_call(module, parameters, (x, before if len(before) > 1 else before[0]))
    after = last if isinstance(last, tuple) else (last,)
    return (every[..., -hidden:], *(state[-1] for state in after))


def rnn(
    x: torch.Tensor,
    h: torch.Tensor,
    *weights: torch.Tensor,
    nonlinearity: str,
    batch_first: bool,
    reverse: bool,
) -> Any:
    return over_steps("RNN", x, [h], list(weights), batch_first, reverse, nonlinearity=nonlinearity)


def gru(
    x: torch.Tensor,
    h: torch.Tensor,
    *weights: torch.Tensor,
    gates: str,
    linear_before_reset: bool,
    batch_first: bool,
    reverse: bool,
) -> Any:
    if not linear_before_reset:
        raise Unsupported("torch.nn.GRU resets behind the product with the weights")
    return over_steps("GRU", x, [h], in_gate_order(list(weights), gates, "rzn"), batch_first, reverse)


def lstm(
    x: torch.Tensor,
    h: torch.Tensor,
    c: torch.Tensor,
    *weights: torch.Tensor,
    gates: str,
    batch_first: bool,
    reverse: bool,
) -> Any:
    ordered = in_gate_order(list(weights), gates, "ifgo")
    return over_steps("LSTM", x, [h, c], ordered, batch_first, reverse)


OPS: dict[str, Callable[..., Any]] = {"rnn": rnn, "gru": gru, "lstm": lstm}
