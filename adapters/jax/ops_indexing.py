"""Indexing, ordering, rearranging and products by letters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from worker import Unsupported

FORMULAS = {"embedding"}


def embedding(ids: jax.Array, W: jax.Array, *, padding_idx: int | None) -> jax.Array:
    if padding_idx is not None:
        raise Unsupported("JAX has no embedding whose padding has no gradient")
    return jnp.take(W, ids, axis=0)


def scatter_add(x: jax.Array, indices: jax.Array, src: jax.Array, *, axis: int) -> jax.Array:
    places = list(jnp.ogrid[tuple(map(slice, indices.shape))])
    places[axis] = indices
    return x.at[tuple(places)].add(src)


def topk(x: jax.Array, *, k: int, axis: int) -> tuple[jax.Array, jax.Array]:
    values, places = jax.lax.top_k(jnp.moveaxis(x, axis, -1), k)  # the last axis
    return jnp.moveaxis(values, -1, axis), jnp.moveaxis(places, -1, axis).astype(jnp.int64)


def diag(x: jax.Array) -> jax.Array:
    if x.ndim != 1:
        raise Unsupported("jnp.diag takes one vector")
    return jnp.diag(x)


OPS: dict[str, Callable[..., Any]] = {
    "embedding": embedding,
    "take": lambda x, indices, *, axis: jnp.take(x, indices, axis=axis),
    "gather": lambda x, indices, *, axis: jnp.take_along_axis(x, indices, axis),
    "scatter_add": scatter_add,
    "broadcast_to": lambda x, *, shape: jnp.broadcast_to(x, shape),
    "min": jnp.min,
    "prod": jnp.prod,
    "cumsum": lambda x, *, axis: jnp.cumsum(x, axis=axis),
    "cumprod": lambda x, *, axis: jnp.cumprod(x, axis=axis),
    "einsum": lambda *operands, equation: jnp.einsum(equation, *operands),
    "outer": jnp.outer,
    "argmax": lambda x, *, axis: jnp.argmax(x, axis=axis),
    "argmin": lambda x, *, axis: jnp.argmin(x, axis=axis),
    "sort": lambda x, *, axis, descending: jnp.sort(x, axis=axis, descending=descending),
    "topk": topk,
    "stack": lambda *xs, axis: jnp.stack(xs, axis=axis),
    "squeeze": jnp.squeeze,
    "expand_dims": lambda x, *, axis: jnp.expand_dims(x, axis),
    "flip": lambda x, *, axis: jnp.flip(x, axis),
    "roll": lambda x, *, shift, axis: jnp.roll(x, shift, axis),
    "repeat": lambda x, *, repeats, axis: jnp.repeat(x, repeats, axis=axis),
    "tile": lambda x, *, repeats: jnp.tile(x, repeats),
    "tril": lambda x, *, k: jnp.tril(x, k),
    "triu": lambda x, *, k: jnp.triu(x, k),
    "diag": diag,
    "diagonal": lambda x, *, k: jnp.diagonal(x, offset=k, axis1=-2, axis2=-1),
    "trace": lambda x, *, k: jnp.trace(x, offset=k, axis1=-2, axis2=-1),
}
