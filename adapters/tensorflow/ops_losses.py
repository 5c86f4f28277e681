"""Losses of pairs of numbers: Keras's, which average the last axis, so that each element is handed over as a sample."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from adapter import KERAS_REDUCE, REDUCE
from worker import Unsupported


def per_element(loss: Any) -> Callable[..., tf.Tensor]:
    def call(p: tf.Tensor, t: tf.Tensor, *, reduction: str, **kw: Any) -> tf.Tensor:
        made = loss(reduction=KERAS_REDUCE[reduction], dtype=p.dtype.name, **kw)
        return made(t[..., None], p[..., None])

    return call


def weighted(loss: Any, x: tf.Tensor, t: tf.Tensor, w: Any, reduction: str) -> tf.Tensor:
    """Each element is a sample, and has its weight."""
    made = loss(reduction=KERAS_REDUCE[reduction], dtype=x.dtype.name)
    return made(t[..., None], x[..., None], sample_weight=tf.broadcast_to(tf.cast(w, x.dtype), x.shape))


def bce(p: tf.Tensor, t: tf.Tensor, w: Any = None, *, reduction: str) -> tf.Tensor:
    """Keras clips p to [1e-7, 1 - 1e-7]: the identity with gradient 1 between, another function outside."""
    if w is not None:
        return weighted(tf.keras.losses.BinaryCrossentropy, p, t, w, reduction)
    return REDUCE[reduction](tf.keras.ops.binary_crossentropy(t, p))


def bce_with_logits(
    z: tf.Tensor, t: tf.Tensor, w: Any = None, pos_weight: Any = None, *, reduction: str
) -> tf.Tensor:
    if pos_weight is not None:
        if isinstance(w, tf.Tensor) or w != 1:
            raise Unsupported("tf.nn.weighted_cross_entropy_with_logits weights no elements beside")
        loss = tf.nn.weighted_cross_entropy_with_logits(labels=t, logits=z, pos_weight=pos_weight)
        return REDUCE[reduction](loss)
    if w is not None:
        return weighted(partial(tf.keras.losses.BinaryCrossentropy, from_logits=True), z, t, w, reduction)
    return REDUCE[reduction](tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z))


def poisson_nll(x: tf.Tensor, t: tf.Tensor, *, log_input: bool, epsilon: float, reduction: str) -> tf.Tensor:
    if log_input:
        return REDUCE[reduction](tf.nn.log_poisson_loss(t, x))
    held_to(epsilon)
    return per_element(tf.keras.losses.Poisson)(x, t, reduction=reduction)


def cosine_similarity(x: tf.Tensor, y: tf.Tensor, *, axis: int, epsilon: float) -> tf.Tensor:
    """The loss is the similarity's negative."""
    held_to(epsilon)
    return -tf.keras.losses.cosine_similarity(x, y, axis=axis)


def held_to(epsilon: float) -> None:
    if np.float32(epsilon) != np.float32(tf.keras.config.epsilon()):
        raise Unsupported(f"the epsilon of Keras is one for all, {tf.keras.config.epsilon()}")


def ctc_loss(
    z: tf.Tensor,
    labels: tf.Tensor,
    lengths: Any = None,
    label_lengths: Any = None,
    *,
    blank: int,
    reduction: str,
) -> tf.Tensor:
    if z.dtype != tf.float32:
        raise Unsupported("tf.nn.ctc_loss has float32 alone")
    steps, batch, _ = z.shape
    losses = tf.nn.ctc_loss(
        tf.cast(labels, tf.int32),
        z,
        tf.fill([batch], labels.shape[1]) if label_lengths is None else tf.cast(label_lengths, tf.int32),
        tf.fill([batch], steps) if lengths is None else tf.cast(lengths, tf.int32),
        blank_index=blank,
    )
    return REDUCE[reduction](losses)


# cosine_embedding: there are similarities alone. smooth_l1: Keras has huber alone, by another scale. gaussian_nll, hinge_embedding, margin_ranking, soft_margin and
# triplet_margin: neither tf.nn nor Keras has them.
OPS = {
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "mae": per_element(tf.keras.losses.MeanAbsoluteError),
    "huber": per_element(tf.keras.losses.Huber),
    "poisson_nll": poisson_nll,
    "hinge": per_element(tf.keras.losses.Hinge),
    "squared_hinge": per_element(tf.keras.losses.SquaredHinge),
    "ctc_loss": ctc_loss,
    "cosine_similarity": cosine_similarity,
}
