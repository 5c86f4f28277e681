"""Variances and normalization: Keras's ops, which take the weights that a layer would make itself."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import tensorflow as tf
from worker import Unsupported

FORMULAS = {"dropout"}


def population(ddof: int) -> None:
    if ddof:
        raise Unsupported("tf.math.reduce_variance divides by the number of elements: there is no ddof")


def var(x: tf.Tensor, *, axis: Any, keepdims: bool, ddof: int) -> tf.Tensor:
    population(ddof)
    return tf.math.reduce_variance(x, axis=axis, keepdims=keepdims)


def std(x: tf.Tensor, *, axis: Any, keepdims: bool, ddof: int) -> tf.Tensor:
    population(ddof)
    return tf.math.reduce_std(x, axis=axis, keepdims=keepdims)


@lru_cache(maxsize=256)
def built(kind: str, shape: tuple[int, ...], learned: int, dtype: str, **said: Any) -> Any:
    """A layer without memory of its own, with as many weights as are given: building one costs 5 ms, so they are kept."""
    layer = getattr(tf.keras.layers, kind)(scale=learned > 0, center=learned > 1, dtype=dtype, **said)
    layer.build(shape)
    return layer


def batch_norm(x: tf.Tensor, *learned: tf.Tensor, axis: int, epsilon: float) -> tf.Tensor:
    layer = built(
        "BatchNormalization", tuple(x.shape), len(learned), x.dtype.name, axis=axis, epsilon=epsilon
    )
    before = [variable.value for variable in layer.non_trainable_variables]
    return layer.stateless_call(learned, before, x, training=True)[0]


def batch_norm_inference(
    x: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    w: tf.Tensor | None = None,
    b: tf.Tensor | None = None,
    *,
    axis: int,
    epsilon: float,
) -> tf.Tensor:
    return tf.keras.ops.batch_normalization(x, mean, variance, axis=axis, offset=b, scale=w, epsilon=epsilon)


def running_statistics(
    x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, *, axis: int, momentum: float, ddof: int
) -> list[tf.Tensor]:
    """The layer's own are beside the network, which is not differentiated by them."""
    if ddof != 0:
        raise Unsupported("the variance that Keras' BatchNormalization keeps is always divided by n")
    said = {"axis": axis, "momentum": 1 - momentum}
    layer = built("BatchNormalization", tuple(x.shape), 0, x.dtype.name, **said)
    kept = layer.stateless_call([], [mean, variance], x, training=True)[1]
    return [tf.stop_gradient(a) for a in kept]


def group_norm(x: tf.Tensor, *learned: tf.Tensor, groups: int, axis: int, epsilon: float) -> tf.Tensor:
    said = {"groups": groups, "axis": axis, "epsilon": epsilon}
    layer = built("GroupNormalization", tuple(x.shape), len(learned), x.dtype.name, **said)
    return layer.stateless_call(learned, [], x)[0]


OPS: dict[str, Callable[..., Any]] = {
    "var": var,
    "std": std,
    "layer_norm": lambda x, w=None, b=None, *, axis, epsilon: tf.keras.ops.layer_normalization(
        x, gamma=w, beta=b, axis=axis, epsilon=epsilon
    ),
    "rms_norm": lambda x, w=None, *, axis, epsilon: tf.keras.ops.rms_normalization(
        x, scale=w, axis=axis, epsilon=epsilon
    ),
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "running_statistics": running_statistics,
    "group_norm": group_norm,
    # Keras says instance normalization as so many groups as there are channels.
    "instance_norm": lambda x, *learned, axis, epsilon: group_norm(
        x, *learned, groups=-1, axis=axis, epsilon=epsilon
    ),
    # weight_norm: tfa had it; Keras's SpectralNormalization is another.
    # tf.nn.dropout draws its own mask.
    "dropout": lambda x, mask, *, rate: tf.where(mask, x / (1 - rate), 0),
}
