"""Losses of classes: `tf.nn`'s, and Keras's for what those don't take."""

from typing import Any

import tensorflow as tf
from adapter import KERAS_REDUCE, REDUCE
from worker import Unsupported


def of_distributions(
    z: tf.Tensor, target: tf.Tensor, axis: int, reduction: str, smoothing: float
) -> tf.Tensor:
    if smoothing:
        loss = tf.keras.losses.CategoricalCrossentropy(
            from_logits=True,
            label_smoothing=smoothing,
            axis=axis,
            reduction=KERAS_REDUCE[reduction],
            dtype=z.dtype.name,
        )
        return loss(target, z)
    # A negative axis other than -1 raises InvalidArgumentError in tf.range.
    return REDUCE[reduction](tf.nn.softmax_cross_entropy_with_logits(target, z, axis=axis % z.ndim))


def of_labels(z: tf.Tensor, labels: tf.Tensor, w: Any, reduction: str, ignored: int | None) -> tf.Tensor:
    """The classes on the last axis."""
    if w is None and ignored is None:
        return REDUCE[reduction](tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z))
    loss = tf.keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
        ignore_class=ignored,
        reduction="mean_with_sample_weight" if reduction == "mean" else reduction,
        dtype=z.dtype.name,
    )
    known = labels if ignored is None else tf.where(labels == ignored, tf.zeros_like(labels), labels)
    return loss(labels, z, sample_weight=None if w is None else tf.gather(w, known))


def cross_entropy(
    z: tf.Tensor,
    target: tf.Tensor,
    w: Any = None,
    *,
    axis: int,
    reduction: str,
    ignore_index: int | None,
    label_smoothing: float,
) -> tf.Tensor:
    if target.dtype.is_floating:
        if w is not None:
            raise Unsupported("tf and Keras have no weights of classes beside a distribution")
        return of_distributions(z, target, axis, reduction, label_smoothing)
    if label_smoothing:
        raise Unsupported("tf and Keras smooth no integer labels")
    order = [a for a in range(z.ndim) if a != axis % z.ndim] + [axis % z.ndim]
    return of_labels(tf.transpose(z, order), target, w, reduction, ignore_index)


# nll: no call takes log-probabilities and labels. kl_div: Keras's takes probabilities, and clips them to [1e-7, 1].
OPS = {
    "cross_entropy": cross_entropy,
}
