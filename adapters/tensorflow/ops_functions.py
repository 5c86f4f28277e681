"""Elementary functions of TensorFlow beside those of its adapter."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def clip(x: tf.Tensor, *, low: float | None, high: float | None) -> tf.Tensor:
    if low is None or high is None:  # clip_by_value wants both
        return tf.experimental.numpy.clip(x, low, high)
    return tf.clip_by_value(x, low, high)


def beside(x: Any, other: Any) -> tf.Tensor:
    """A plain number beside a tensor: TensorFlow's NumPy would make float64 of both."""
    return x if isinstance(x, tf.Tensor) else tf.constant(x, other.dtype)


OPS: dict[str, Callable[..., Any]] = {
    "minimum": tf.minimum,
    "clip": clip,
    "expm1": tf.math.expm1,
    "log1p": tf.math.log1p,
    "erf": tf.math.erf,
    "erfc": tf.math.erfc,
    "rsqrt": tf.math.rsqrt,
    "reciprocal": tf.math.reciprocal,
    "log2": tf.experimental.numpy.log2,
    "log10": tf.experimental.numpy.log10,
    "exp2": tf.experimental.numpy.exp2,
    "tan": tf.tan,
    "asin": tf.asin,
    "acos": tf.acos,
    "atan": tf.atan,
    "atan2": tf.atan2,
    "sinh": tf.sinh,
    "cosh": tf.cosh,
    "asinh": tf.asinh,
    "acosh": tf.acosh,
    "atanh": tf.atanh,
    "hypot": lambda x, y: tf.experimental.numpy.hypot(beside(x, y), beside(y, x)),
    "logaddexp": lambda x, y: tf.experimental.numpy.logaddexp(beside(x, y), beside(y, x)),
    "xlogy": tf.math.xlogy,
    "floor": tf.floor,
    "ceil": tf.math.ceil,
    "round": tf.round,
    "sign": tf.sign,
    "mod": tf.math.floormod,
    "lgamma": tf.math.lgamma,
    "stop_gradient": tf.stop_gradient,
}
