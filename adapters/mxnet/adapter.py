"""MXNet 1.9 through its NumPy interface, imperative: what is different about it, and nothing else.

Gluon's losses average each sample over the axes that are not the batch; the cases' losses are per element or
per position. So each element (position) is handed over as its own sample, and the reduction is said here.
"""

import operator
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")

import mxnet as mx
import numpy as onp  # noqa: ICN001 - np is MXNet's own
from mxnet import np, npx
from mxnet.gluon import loss as losses
from worker import Task, Unsupported

npx.set_np()  # NumPy shapes: a scalar is 0-d, not (1,)

MODES = ("imperative",)
FORMULAS = {"logical_and", "logical_or", "logsumexp", "sum_squares"}

REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda x: x}


def per_element(loss: Any) -> Callable[..., Any]:
    def call(prediction: Any, target: Any, *, reduction: str) -> Any:
        samples = loss(prediction.reshape(-1, 1), target.reshape(-1, 1))
        return REDUCE[reduction](samples.reshape(prediction.shape))

    return call


def linear(x: Any, W: Any, b: Any = None, *, weights: str) -> Any:
    kernel = W if weights == "out_in" else W.T
    inside = () if b is None or b.ndim != 1 else (b,)  # the bias has one dimension
    y = npx.fully_connected(x, kernel, *inside, num_hidden=kernel.shape[0], no_bias=not inside, flatten=False)
    return y if b is None or inside else y + b


def logsumexp(x: Any, *, axis: Any, keepdims: bool) -> Any:
    highest = np.max(x, axis=axis, keepdims=True).detach()
    total = np.log(np.sum(np.exp(x - highest), axis=axis, keepdims=True)) + highest
    return total if keepdims else np.squeeze(total, axis=axis)


def leaky_relu(x: Any, *, slope: float) -> Any:
    if x.ndim == 0:
        raise Unsupported("npx.leaky_relu takes no 0-d array")
    return npx.leaky_relu(x, act_type="leaky", slope=slope)


def index(x: Any, *, index: tuple[Any, ...]) -> Any:
    if x.ndim == 0 and index:
        raise Unsupported("a 0-d array of MXNet takes no index but ()")
    return x[index]


OPS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": np.negative,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
    "sigmoid": npx.sigmoid,
    "tanh": np.tanh,
    "relu": npx.relu,
    "softplus": lambda x: npx.activation(
        x, act_type="softrelu"
    ),  # above 20 it is x; no argument changes that
    "leaky_relu": leaky_relu,
    "maximum": np.maximum,
    "where": np.where,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "logical_and": lambda x, y: np.where(x, y, x),  # bitwise_and takes no bools of different shapes
    "logical_or": lambda x, y: np.where(x, x, y),  # bitwise_or takes no bools
    "logical_not": np.logical_not,
    "matmul": np.matmul,
    "transpose": lambda x, *, axes: np.transpose(x, axes),
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "index": index,
    "concat": lambda *xs, axis: np.concatenate(xs, axis=axis),
    "split": lambda x, *, parts, axis: np.split(x, parts, axis=axis),
    "sum": lambda x, *, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims),
    "mean": lambda x, *, axis, keepdims: np.mean(x, axis=axis, keepdims=keepdims),
    "max": lambda x, *, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims),
    "softmax": lambda x, *, axis: npx.softmax(x, axis=axis),
    "log_softmax": lambda x, *, axis: npx.log_softmax(x, axis=axis),
    "logsumexp": logsumexp,
    "linear": linear,
    "sum_squares": lambda x: np.sum(np.square(x)),
    "mse": per_element(losses.L2Loss(weight=2.0)),  # L2Loss is half the square
}


def setup(threads: int, seed: int) -> None:  # noqa: ARG001
    """The host's environment holds the threads (MXNet reads OMP_NUM_THREADS when it is imported)."""
    mx.random.seed(seed)


def about() -> dict[str, str]:
    built = [feature.name for feature in mx.runtime.feature_list() if feature.enabled]
    return {"framework": "mxnet", "version": mx.__version__, "device": "cpu", "features": " ".join(built)}


def to_native(array: onp.ndarray) -> Any:
    return np.array(array, dtype=array.dtype)


def to_numpy(tensor: Any) -> onp.ndarray:
    return tensor.asnumpy()


def vjp(call: Callable[..., Any], inputs: list[Any], towards: int, g: Any) -> tuple[Any, Any]:
    for a in inputs:  # npx.rnn has right gradients only where all are asked for
        if isinstance(a, np.ndarray) and onp.issubdtype(a.dtype, onp.floating):
            a.attach_grad()
    with mx.autograd.record():
        out = call(*inputs)
    mx.autograd.backward(out, g)
    return out, inputs[towards].grad


VJPS = {"imperative": vjp}


def differentiate(task: Task, inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    leaves = {name: inputs[name].detach() for name in task.wrt}
    for leaf in leaves.values():
        leaf.attach_grad()
    with mx.autograd.record():
        env = task.walk({**inputs, **leaves})
    if outputs := dependent(task):  # otherwise the gradients are the zeros that they are attached as
        mx.autograd.backward([env[name] for name in outputs], [task.cotangents.get(name) for name in outputs])
    return {name: env[name] for name in task.wanted_values}, {n: leaf.grad for n, leaf in leaves.items()}


def dependent(task: Task) -> list[str]:
    """The outputs that depend on any tensor whose gradient is asked for: backward() refuses one that doesn't."""
    reached = set(task.wrt)
    for call in task.calls:
        if not reached.isdisjoint(a for a in call.args if isinstance(a, str)):
            reached.update(call.outs)
    return [name for name in task.outputs if name in reached]
