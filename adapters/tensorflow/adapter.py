"""TensorFlow with Keras 3, eager: what is different about it, and nothing else.

Layers and losses are Keras's, activations and the like `tf.nn`'s. Keras works in `floatx` (float32) where
nobody says otherwise, so a dtype is said wherever Keras would choose one.
"""

import operator
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from worker import Task

MODES = ("eager",)
FORMULAS: set[str] = set()

REDUCE = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "none": tf.identity}
KERAS_REDUCE = {"mean": "sum_over_batch_size", "sum": "sum", "none": "none"}


@lru_cache(maxsize=512)
def dense(features: int, units: int, bias: bool, dtype: str) -> Any:
    """A layer without memory of its own: building one costs 5 ms, so they are kept."""
    layer = tf.keras.layers.Dense(units, use_bias=bias, dtype=dtype)
    layer.build((None, features))
    return layer


def linear(x: tf.Tensor, W: tf.Tensor, b: tf.Tensor | None = None, *, weights: str) -> tf.Tensor:
    kernel = W if weights == "in_out" else tf.transpose(W)
    inside = b is not None and b.ndim == 1  # Dense's bias has one dimension
    layer = dense(*kernel.shape, inside, x.dtype.name)
    batch = x if x.ndim > 1 else x[None]  # Dense takes batches only
    y, _ = layer.stateless_call([kernel, b] if inside else [kernel], [], batch)
    y = y if x.ndim > 1 else y[0]
    return y if b is None or inside else y + b


def mse(prediction: tf.Tensor, target: tf.Tensor, *, reduction: str) -> tf.Tensor:
    if reduction != "mean" or prediction.ndim == 0:  # Keras averages the last axis before anything else
        return REDUCE[reduction](tf.math.squared_difference(prediction, target))
    return tf.keras.losses.MeanSquaredError(dtype=prediction.dtype.name)(target, prediction)


def transpose(x: tf.Tensor, *, axes: tuple[int, ...] | None) -> tf.Tensor:
    # A negative axis raises InvalidArgumentError in the gradient.
    return tf.transpose(x, perm=None if axes is None else [axis % x.ndim for axis in axes])


OPS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": tf.negative,
    "exp": tf.exp,
    "log": tf.math.log,
    "sqrt": tf.sqrt,
    "square": tf.square,
    "abs": tf.abs,
    "sin": tf.sin,
    "cos": tf.cos,
    "sigmoid": tf.nn.sigmoid,
    "tanh": tf.nn.tanh,
    "relu": tf.nn.relu,
    "softplus": tf.nn.softplus,
    "leaky_relu": lambda x, *, slope: tf.nn.leaky_relu(x, alpha=slope),
    "maximum": tf.maximum,
    "where": tf.where,
    "greater": tf.greater,
    "greater_equal": tf.greater_equal,
    "less": tf.less,
    "less_equal": tf.less_equal,
    "equal": tf.equal,
    "not_equal": tf.not_equal,
    "logical_and": tf.logical_and,
    "logical_or": tf.logical_or,
    "logical_not": tf.logical_not,
    "matmul": tf.experimental.numpy.matmul,  # tf.matmul has no 1-D operands
    "transpose": transpose,
    "reshape": lambda x, *, shape: tf.reshape(x, shape),
    "index": lambda x, *, index: x[index],
    "concat": lambda *xs, axis: tf.concat(xs, axis=axis),
    "split": lambda x, *, parts, axis: tf.split(x, parts, axis=axis),
    "sum": lambda x, *, axis, keepdims: tf.reduce_sum(x, axis=axis, keepdims=keepdims),
    "mean": lambda x, *, axis, keepdims: tf.reduce_mean(x, axis=axis, keepdims=keepdims),
    "max": lambda x, *, axis, keepdims: tf.reduce_max(x, axis=axis, keepdims=keepdims),
    "softmax": lambda x, *, axis: tf.nn.softmax(x, axis=axis),
    "log_softmax": lambda x, *, axis: tf.nn.log_softmax(x, axis=axis),
    "logsumexp": lambda x, *, axis, keepdims: tf.reduce_logsumexp(x, axis=axis, keepdims=keepdims),
    "linear": linear,
    "sum_squares": lambda x: 2 * tf.nn.l2_loss(x),  # l2_loss is half of it
    "mse": mse,
}


def setup(threads: int, seed: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.keras.utils.set_random_seed(seed)


def about() -> dict[str, str]:
    return {
        "framework": "tensorflow",
        "version": tf.__version__,
        "libraries": f"keras {tf.keras.__version__}",
        "device": "cpu",
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
    }


def to_native(array: np.ndarray) -> tf.Tensor:
    return tf.constant(array)


def to_numpy(tensor: tf.Tensor) -> np.ndarray:
    return np.asarray(tensor)


def vjp(call: Callable[..., Any], inputs: list[tf.Tensor], towards: int, g: Any) -> tuple[Any, tf.Tensor]:
    x = inputs[towards]
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = call(*inputs)
    return out, tf.convert_to_tensor(tape.gradient(out, x, g, unconnected_gradients="zero"))


VJPS = {"eager": vjp}


def differentiate(task: Task, inputs: dict[str, tf.Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    wrt = {name: inputs[name] for name in task.wrt}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(wrt)
        env = task.walk(inputs)
    values = {name: env[name] for name in task.wanted_values}
    outputs, cotangents = [env[name] for name in task.outputs], list(task.cotangents.values()) or None
    grads = tape.gradient(outputs, wrt, cotangents, unconnected_gradients="zero")
    return values, {name: tf.convert_to_tensor(grad) for name, grad in grads.items()}
