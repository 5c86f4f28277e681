"""Mistakes that people make with the statistics of a batch, with attention, and with gates."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS
from mutations import Array, Call, Mutant, in_forward, in_vjp


def constant_statistics(call: Call) -> Array:
    """Mean and variance of a batch as if they did not depend on it."""
    axis = call.kw["axis"] % call.x.ndim
    others = tuple(i for i in range(call.x.ndim) if i != axis)
    given = call.x, np.mean(call.x, axis=others), np.var(call.x, axis=others), *call.inputs[1:]
    return OPS["batch_norm_inference"].vjp(EXACT, 0, call.out, given, call.g, call.kw)


def not_held(i: int) -> Callable[[Call], Array]:
    """Towards what was there, and towards x: as if the new mean were not held."""

    def vjp(call: Call) -> Array:
        momentum, g = call.kw["momentum"], call.g[0] if i < 2 else call.g[1]
        if i:
            return (1 - momentum) * g
        shape = [1] * call.x.ndim
        shape[call.kw["axis"]] = g.size
        return np.broadcast_to(momentum * g.reshape(shape) * g.size / call.x.size, call.x.shape)

    return vjp


def unscaled(call: Call) -> Array:
    scale = call.kw["scale"]
    return call.result() / (call.x.shape[-1] ** -0.5 if scale is None else scale)


def exchanged(right: Any, c: Any, x: Array, h: Array, *weights: Array, gates: str, **kw: Any) -> Any:
    """A GRU with z and 1 - z exchanged: sigmoid(-a) = 1 - sigmoid(a)."""
    sign = np.where(np.arange(3 * h.shape[-1]) // h.shape[-1] == gates.index("z"), -1.0, 1.0)
    return right(c, x, h, *((w.T * sign).T for w in weights), gates=gates, **kw)


def normalization() -> Iterator[Mutant]:
    yield in_vjp("batch_norm", 0, "statistics as constants", constant_statistics)
    for i in range(3):
        yield in_vjp("running_statistics", i, "not held", not_held(i))
    yield in_vjp("std", 0, "without division", lambda call: call.result() * np.max(call.out))
    yield in_vjp("attention", 0, "scale forgotten", unscaled)
    yield in_vjp("attention", 1, "scale forgotten", unscaled)
    yield in_forward(
        "attention",
        "causal forgotten",
        lambda right, c, *inputs, causal, **kw: right(c, *inputs, causal=False, **kw),
    )
    yield in_forward("gru", "z and 1 - z exchanged", exchanged)
    yield in_forward(
        "gru",
        "reset before the product",
        lambda right, c, *inputs, linear_before_reset, **kw: right(
            c, *inputs, linear_before_reset=False, **kw
        ),
    )
    yield in_forward(
        "lstm",
        "gates in torch's order",
        lambda right, c, *inputs, gates, **kw: right(c, *inputs, gates="ifgo", **kw),
    )
