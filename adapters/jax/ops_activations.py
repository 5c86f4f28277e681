"""Activation functions of JAX beside those of its adapter. There is no prelu; the formula is that of Flax's layer."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from worker import Unsupported

FORMULAS = {"prelu"}


def hard_tanh(x: jax.Array, *, low: float, high: float) -> jax.Array:
    if (low, high) != (-1, 1):
        raise Unsupported("jax.nn.hard_tanh has the bounds -1 and 1")
    return jax.nn.hard_tanh(x)


def prelu(x: jax.Array, weight: jax.Array, *, axis: int) -> jax.Array:
    shape = [weight.size if i == axis % x.ndim else 1 for i in range(x.ndim)]
    return jnp.where(x >= 0, x, weight.reshape(shape) * x)


OPS: dict[str, Callable[..., Any]] = {
    "gelu": lambda x, *, approximate: jax.nn.gelu(x, approximate=approximate == "tanh"),
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "log_sigmoid": jax.nn.log_sigmoid,
    "glu": lambda x, *, axis: jax.nn.glu(x, axis=axis),
    "softsign": jax.nn.soft_sign,
    "hard_tanh": hard_tanh,
    "relu6": jax.nn.relu6,
    "hard_sigmoid": jax.nn.hard_sigmoid,
    "hard_swish": jax.nn.hard_swish,
    "elu": lambda x, *, alpha: jax.nn.elu(x, alpha=alpha),
    "selu": jax.nn.selu,
    "celu": lambda x, *, alpha: jax.nn.celu(x, alpha=alpha),
    "prelu": prelu,
}
