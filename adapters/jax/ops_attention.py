"""Attention: jax.nn's, whose axes are (batch, length, heads, size)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from worker import Unsupported


def lengths_first(a: jax.Array) -> jax.Array:
    """(..., heads, length, size) as (batch, length, heads, size)."""
    heads = a.shape[-3] if a.ndim > 2 else 1
    return jnp.reshape(a, (-1, heads, *a.shape[-2:])).swapaxes(1, 2)


def attention(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    mask: jax.Array | None = None,
    *,
    causal: bool,
    scale: float | None,
    groups: int,  # noqa: ARG001 - seen from the shapes
) -> jax.Array:
    if v.shape[-1] != k.shape[-1]:
        raise Unsupported("jax.nn.dot_product_attention has values of the size of the keys")
    said = {}
    if mask is not None:
        scores = (*q.shape[:-1], k.shape[-2])
        wide = jnp.broadcast_to(mask, scores).reshape(-1, *((1,) * (q.ndim == 2)), *scores[-3:])
        said = {"mask" if mask.dtype == bool else "bias": wide}
    y = jax.nn.dot_product_attention(*map(lengths_first, (q, k, v)), scale=scale, is_causal=causal, **said)
    return y.swapaxes(1, 2).reshape(*q.shape[:-1], v.shape[-1])


OPS: dict[str, Callable[..., Any]] = {
    "masked_softmax": lambda x, mask, *, axis: jax.nn.softmax(x, axis=axis, where=mask),
    "attention": attention,
}
