"""Indexing, ordering, rearranging and products by letters."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from worker import Unsupported

FORMULAS = {"scatter_add"}


def embedding(ids: tf.Tensor, W: tf.Tensor, *, padding_idx: int | None) -> tf.Tensor:
    if padding_idx is not None:
        raise Unsupported("TensorFlow has no embedding whose padding has no gradient")
    return tf.nn.embedding_lookup(W, ids)


def scatter_add(x: tf.Tensor, indices: tf.Tensor, src: tf.Tensor, *, axis: int) -> tf.Tensor:
    """tf.tensor_scatter_nd_add is told every axis of a place."""
    places = tf.meshgrid(*(tf.range(n, dtype=indices.dtype) for n in indices.shape), indexing="ij")
    places[axis] = indices
    return tf.tensor_scatter_nd_add(x, tf.stack(places, axis=-1), src)


def expand_dims(x: tf.Tensor, *, axis: Any) -> tf.Tensor:
    axes = axis if isinstance(axis, tuple) else (axis,)
    for at in sorted(a % (x.ndim + len(axes)) for a in axes):  # tf.expand_dims takes one
        x = tf.expand_dims(x, at)
    return x


def topk(x: tf.Tensor, *, k: int, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    order = [a for a in range(x.ndim) if a != axis % x.ndim] + [
        axis % x.ndim
    ]  # tf.math.top_k takes the last axis
    back = [order.index(a) for a in range(x.ndim)]
    values, places = tf.math.top_k(tf.transpose(x, order), k)  # with int64 places its gradient raises
    return tf.transpose(values, back), tf.cast(tf.transpose(places, back), tf.int64)


def flip(x: tf.Tensor, *, axis: Any) -> tf.Tensor:
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tf.reverse(x, list(axes))


OPS: dict[str, Callable[..., Any]] = {
    "embedding": embedding,
    "take": lambda x, indices, *, axis: tf.gather(x, indices, axis=axis),
    "gather": lambda x, indices, *, axis: tf.experimental.numpy.take_along_axis(x, indices, axis),
    "scatter_add": scatter_add,
    "broadcast_to": lambda x, *, shape: tf.broadcast_to(x, shape),
    "min": lambda x, *, axis, keepdims: tf.reduce_min(x, axis=axis, keepdims=keepdims),
    "prod": lambda x, *, axis, keepdims: tf.reduce_prod(x, axis=axis, keepdims=keepdims),
    "cumsum": lambda x, *, axis: tf.cumsum(x, axis=axis),
    "cumprod": lambda x, *, axis: tf.math.cumprod(x, axis=axis),
    "einsum": lambda *operands, equation: tf.einsum(equation, *operands),
    "outer": tf.experimental.numpy.outer,
    "argmax": lambda x, *, axis: tf.argmax(x, axis=axis),
    "argmin": lambda x, *, axis: tf.argmin(x, axis=axis),
    "sort": lambda x, *, axis, descending: tf.sort(
        x, axis=axis, direction="DESCENDING" if descending else "ASCENDING"
    ),
    "topk": topk,
    "stack": lambda *xs, axis: tf.stack(xs, axis=axis),
    "squeeze": lambda x, *, axis: tf.squeeze(x, axis=axis),
    "expand_dims": expand_dims,
    "flip": flip,
    "roll": lambda x, *, shift, axis: tf.roll(x, shift, axis),
    "repeat": lambda x, *, repeats, axis: tf.repeat(x, repeats, axis=axis),
    "tile": lambda x, *, repeats: tf.tile(x, repeats),
    "tril": lambda x, *, k: tf.experimental.numpy.tril(x, k),
    "triu": lambda x, *, k: tf.experimental.numpy.triu(x, k),
    "diag": tf.linalg.diag,
    "diagonal": lambda x, *, k: tf.linalg.diag_part(x, k=k),
    "trace": lambda x, *, k: tf.experimental.numpy.trace(x, k, axis1=-2, axis2=-1),
}
