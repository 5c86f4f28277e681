"""Attention: Keras's, whose axes are (batch, length, heads, size)."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import tensorflow as tf
from worker import Unsupported


@lru_cache(maxsize=64)
def softmax_layer(axis: int, dtype: str) -> Any:
    return tf.keras.layers.Softmax(axis=axis, dtype=dtype)


def masked_softmax(x: tf.Tensor, mask: tf.Tensor, *, axis: int) -> tf.Tensor:
    return softmax_layer(axis, x.dtype.name)(x, mask=tf.broadcast_to(mask, x.shape))


def lengths_first(a: tf.Tensor) -> tf.Tensor:
    """(..., heads, length, size) as (batch, length, heads, size)."""
    heads = a.shape[-3] if a.ndim > 2 else 1
    return tf.transpose(tf.reshape(a, (-1, heads, *a.shape[-2:])), (0, 2, 1, 3))


def attention(
    q: tf.Tensor,
    k: tf.Tensor,
    v: tf.Tensor,
    mask: tf.Tensor | None = None,
    *,
    causal: bool,
    scale: float | None,
    groups: int,
) -> tf.Tensor:
    if groups > 1:
        raise Unsupported("keras.ops.dot_product_attention has as many heads of keys as of queries")
    said = {}
    if mask is not None:
        scores = (*q.shape[:-1], k.shape[-2])
        wide = tf.reshape(tf.broadcast_to(mask, scores), (-1, *((1,) * (q.ndim == 2)), *scores[-3:]))
        said = {"mask" if mask.dtype == tf.bool else "bias": wide}
    y = tf.keras.ops.dot_product_attention(
        *map(lengths_first, (q, k, v)), scale=scale, is_causal=causal, **said
    )
    return tf.reshape(tf.transpose(y, (0, 2, 1, 3)), (*q.shape[:-1], v.shape[-1]))


OPS: dict[str, Callable[..., Any]] = {"masked_softmax": masked_softmax, "attention": attention}
