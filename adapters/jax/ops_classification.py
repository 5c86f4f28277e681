"""Losses of classes: optax's."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from adapter import REDUCE
from worker import Unsupported


def cross_entropy(
    z: jax.Array,
    target: jax.Array,
    w: Any = None,
    *,
    axis: int,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> jax.Array:
    if w is not None:
        raise Unsupported("optax has no weights of classes")
    labels = jnp.issubdtype(target.dtype, jnp.integer)
    if label_smoothing and labels:
        if ignore_index is not None:
            raise Unsupported("optax.smooth_labels takes one-hot labels, of which none is ignored")
        target = jax.nn.one_hot(target, z.shape[axis], axis=axis, dtype=z.dtype)
    if label_smoothing:
        target = optax.smooth_labels(target, label_smoothing, axis=axis)
    if label_smoothing or not labels:
        return REDUCE[reduction](optax.softmax_cross_entropy(z, target, axis=axis))
    return of_labels(z, target, axis, reduction, ignore_index)


def of_labels(z: jax.Array, labels: jax.Array, axis: int, reduction: str, ignored: int | None) -> jax.Array:
    if ignored is None:
        return REDUCE[reduction](optax.softmax_cross_entropy_with_integer_labels(z, labels, axis=axis))
    kept = labels != ignored
    loss = optax.softmax_cross_entropy_with_integer_labels(z, labels, axis=axis, where=kept)
    return jnp.mean(loss, where=kept) if reduction == "mean" else REDUCE[reduction](loss)


def nll(
    x: jax.Array, target: jax.Array, w: Any = None, *, axis: int, reduction: str, ignore_index: int | None
) -> jax.Array:
    if w is not None or ignore_index is not None:
        raise Unsupported("with neither weights of classes nor labels to ignore it is a formula of its own")
    picked = jnp.take_along_axis(x, jnp.expand_dims(target, axis), axis=axis)
    return REDUCE[reduction](-jnp.squeeze(picked, axis))


def kl_div(x: jax.Array, t: jax.Array, *, reduction: str) -> jax.Array:
    """A sum over an axis of one element: optax has no divergence of single elements."""
    loss = optax.kl_divergence(x[..., None], t[..., None])
    return jnp.sum(loss) / len(x) if reduction == "batchmean" else REDUCE[reduction](loss)


FORMULAS = {"nll"}
OPS = {
    "cross_entropy": cross_entropy,
    "nll": nll,
    "kl_div": kl_div,
}
