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
from worker import Task, Unsupported

MODES = ("eager",)
FORMULAS: set[str] = set()

REDUCE = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "none": tf.identity}


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


def cross_entropy(z: tf.Tensor, target: tf.Tensor, *, axis: int, reduction: str) -> tf.Tensor:
    if target.dtype.is_floating:  # a negative axis other than -1 raises InvalidArgumentError in tf.range
        return REDUCE[reduction](tf.nn.softmax_cross_entropy_with_logits(target, z, axis=axis % z.ndim))
    order = [a for a in range(z.ndim) if a != axis % z.ndim] + [axis % z.ndim]  # labels: the last axis only
    return REDUCE[reduction](tf.nn.sparse_softmax_cross_entropy_with_logits(target, tf.transpose(z, order)))


def transpose(x: tf.Tensor, *, axes: tuple[int, ...] | None) -> tf.Tensor:
    # A negative axis raises InvalidArgumentError in the gradient.
    return tf.transpose(x, perm=None if axes is None else [axis % x.ndim for axis in axes])


def norm(x: tf.Tensor, *, axis: Any, keepdims: bool) -> tf.Tensor:
    if isinstance(axis, tuple) and len(axis) == 1:  # one axis is a number, two are a Frobenius norm
        [axis] = axis
    if isinstance(axis, tuple) and len(axis) > 2:
        raise Unsupported("tf.norm takes two axes at most")
    return tf.norm(x, axis=axis, keepdims=keepdims)


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
    "norm": norm,
    "sum_squares": lambda x: 2 * tf.nn.l2_loss(x),  # l2_loss is half of it
    "mse": mse,
    # Keras clips p to [1e-7, 1 - 1e-7]: the identity with gradient 1 between, another function outside.
    "bce": lambda p, t, *, reduction: REDUCE[reduction](tf.keras.ops.binary_crossentropy(t, p)),
    "bce_with_logits": lambda z, t, *, reduction: REDUCE[reduction](
        tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z)
    ),
    "cross_entropy": cross_entropy,
}


def sgd(params: dict[str, tf.Tensor], *, lr: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    weights = {name: tf.Variable(value) for name, value in params.items()}
    for weight in weights.values():
        tf.keras.config.set_floatx(weight.dtype.name)  # Keras keeps the learning rate itself in floatx
    optimizer = tf.keras.optimizers.SGD(learning_rate=lr)

    def step(grads: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        optimizer.apply([grads[name] for name in weights], list(weights.values()))
        return {name: tf.identity(weight) for name, weight in weights.items()}

    return step


OPTIMIZERS = {"sgd": sgd}


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
    return out, tf.convert_to_tensor(tape.gradient(out, x, g))


VJPS = {"eager": vjp}


def differentiate(task: Task, inputs: dict[str, tf.Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    wrt = {name: inputs[name] for name in task.wrt}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(wrt)
        env = task.walk(inputs)
    values = {name: env[name] for name in task.wanted_values}
    grads = tape.gradient(env[task.output], wrt, task.cotangent, unconnected_gradients="zero")
    return values, {name: tf.convert_to_tensor(grad) for name, grad in grads.items()}
