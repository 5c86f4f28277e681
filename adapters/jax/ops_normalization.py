"""Variances and normalization: jax.nn standardizes, and what is learned is multiplied and added as people write it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FORMULAS = {
    "layer_norm",
    "rms_norm",
    "batch_norm",
    "batch_norm_inference",
    "group_norm",
    "instance_norm",
    "running_statistics",
    "weight_norm",
    "dropout",
}


def scaled_and_shifted(y: jax.Array, w: jax.Array | None, b: jax.Array | None = None) -> jax.Array:
    y = y if w is None else y * w
    return y if b is None else y + b


def rms_norm(x: jax.Array, w: jax.Array | None = None, *, axis: Any, epsilon: float) -> jax.Array:
    y = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=axis, keepdims=True) + epsilon)
    return scaled_and_shifted(y, w)


def of_channels(a: jax.Array | None, x: jax.Array, axis: int) -> jax.Array | None:
    """What there is one of for each channel, beside x."""
    return None if a is None else jnp.expand_dims(a, all_but(x, axis))


def all_but(x: jax.Array, *kept: int) -> tuple[int, ...]:
    return tuple(i for i in range(x.ndim) if i not in {a % x.ndim for a in kept})


def of_each_channel(y: jax.Array, w: jax.Array | None, b: jax.Array | None, axis: int) -> jax.Array:
    return scaled_and_shifted(y, of_channels(w, y, axis), of_channels(b, y, axis))


def batch_norm(
    x: jax.Array, w: jax.Array | None = None, b: jax.Array | None = None, *, axis: int, epsilon: float
) -> jax.Array:
    return of_each_channel(jax.nn.standardize(x, axis=all_but(x, axis), epsilon=epsilon), w, b, axis)


def batch_norm_inference(
    x: jax.Array,
    mean: jax.Array,
    variance: jax.Array,
    w: jax.Array | None = None,
    b: jax.Array | None = None,
    *,
    axis: int,
    epsilon: float,
) -> jax.Array:
    mean, variance = of_channels(mean, x, axis), of_channels(variance, x, axis)
    return of_each_channel(jax.nn.standardize(x, mean=mean, variance=variance, epsilon=epsilon), w, b, axis)


def running_statistics(
    x: jax.Array, mean: jax.Array, variance: jax.Array, *, axis: int, momentum: float, ddof: int
) -> list[jax.Array]:
    others = all_but(x, axis)
    batch = jnp.mean(x, axis=others), jnp.var(x, axis=others, ddof=ddof)
    moved = ((1 - momentum) * old + momentum * new for old, new in zip((mean, variance), batch, strict=True))
    return [jax.lax.stop_gradient(a) for a in moved]


def group_norm(
    x: jax.Array,
    w: jax.Array | None = None,
    b: jax.Array | None = None,
    *,
    groups: int,
    axis: int,
    epsilon: float,
) -> jax.Array:
    at = axis % x.ndim
    parted = x.reshape(*x.shape[:at], groups, x.shape[at] // groups, *x.shape[at + 1 :])
    y = jax.nn.standardize(parted, axis=all_but(parted, 0, at), epsilon=epsilon).reshape(x.shape)
    return of_each_channel(y, w, b, axis)


def instance_norm(
    x: jax.Array, w: jax.Array | None = None, b: jax.Array | None = None, *, axis: int, epsilon: float
) -> jax.Array:
    return of_each_channel(jax.nn.standardize(x, axis=all_but(x, 0, axis), epsilon=epsilon), w, b, axis)


def weight_norm(v: jax.Array, g: jax.Array, *, axis: int) -> jax.Array:
    return v * (g / jnp.linalg.vector_norm(v, axis=all_but(v, axis), keepdims=True))


OPS: dict[str, Callable[..., Any]] = {
    "var": jnp.var,
    "std": jnp.std,
    "layer_norm": lambda x, w=None, b=None, *, axis, epsilon: scaled_and_shifted(
        jax.nn.standardize(x, axis=axis, epsilon=epsilon), w, b
    ),
    "rms_norm": rms_norm,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "running_statistics": running_statistics,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "weight_norm": weight_norm,
    "dropout": lambda x, mask, *, rate: jnp.where(mask, x / (1 - rate), 0),
}
