"""Activation functions of TensorFlow with Keras beside those of its adapter."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import tensorflow as tf
from worker import Unsupported


def hard_tanh(x: tf.Tensor, *, low: float, high: float) -> tf.Tensor:
    if (low, high) != (-1, 1):
        raise Unsupported("tf.keras.ops.hard_tanh has the bounds -1 and 1")
    return tf.keras.ops.hard_tanh(x)


@lru_cache(maxsize=512)
def parametric(shape: tuple[int, ...], shared: tuple[int, ...], dtype: str) -> Any:
    layer = tf.keras.layers.PReLU(shared_axes=shared, dtype=dtype)
    layer.build((None, *shape))
    return layer


def prelu(x: tf.Tensor, weight: tf.Tensor, *, axis: int) -> tf.Tensor:
    at = axis % x.ndim
    if at == 0 and weight.shape != (1,):
        raise Unsupported("the PReLU layer of Keras has no weights along its first axis, the batch")
    shared = tuple(i for i in range(1, x.ndim) if i != at or weight.shape == (1,))
    alpha = tf.reshape(weight, [1 if i in shared else x.shape[i] for i in range(1, x.ndim)])
    out, _ = parametric(tuple(x.shape[1:]), shared, x.dtype.name).stateless_call([alpha], [], x)
    return out


OPS: dict[str, Callable[..., Any]] = {
    "gelu": lambda x, *, approximate: tf.nn.gelu(x, approximate=approximate == "tanh"),
    "silu": tf.nn.silu,
    "mish": tf.keras.activations.mish,
    "log_sigmoid": tf.math.log_sigmoid,
    "glu": lambda x, *, axis: tf.keras.ops.glu(x, axis=axis),
    "softsign": tf.nn.softsign,
    "hard_tanh": hard_tanh,
    "relu6": tf.nn.relu6,
    "hard_sigmoid": tf.keras.ops.hard_sigmoid,
    "hard_swish": tf.keras.ops.hard_swish,
    "elu": lambda x, *, alpha: tf.keras.ops.elu(x, alpha=alpha),
    "selu": tf.nn.selu,
    "celu": lambda x, *, alpha: tf.keras.ops.celu(x, alpha=alpha),
    "prelu": prelu,
}
