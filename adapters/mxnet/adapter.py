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
FORMULAS = {"logsumexp", "sum_squares"}

REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda x: x}


def per_element(loss: Any) -> Callable[..., Any]:
    def call(prediction: Any, target: Any, *, reduction: str) -> Any:
        samples = loss(prediction.reshape(-1, 1), target.reshape(-1, 1))
        return REDUCE[reduction](samples.reshape(prediction.shape))

    return call


def cross_entropy(z: Any, target: Any, *, axis: int, reduction: str) -> Any:
    sparse = target.dtype == onp.int64
    z = np.moveaxis(z, axis, -1)
    positions, classes = z.shape[:-1], z.shape[-1]
    target = target.reshape(-1) if sparse else np.moveaxis(target, axis, -1).reshape(-1, classes)
    loss = losses.SoftmaxCrossEntropyLoss(sparse_label=sparse)
    return REDUCE[reduction](loss(z.reshape(-1, classes), target).reshape(positions))


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


def norm(x: Any, *, axis: Any, keepdims: bool) -> Any:
    if isinstance(axis, tuple) and len(axis) > 2:
        raise Unsupported("np.linalg.norm of MXNet takes two axes at most")
    return np.linalg.norm(x, axis=axis, keepdims=keepdims)


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
    "norm": norm,
    "sum_squares": lambda x: np.sum(np.square(x)),
    "mse": per_element(losses.L2Loss(weight=2.0)),  # L2Loss is half the square
    "bce": per_element(losses.SigmoidBCELoss(from_sigmoid=True)),  # takes log(p + 1e-12), log(1 - p + 1e-12)
    "bce_with_logits": per_element(losses.SigmoidBCELoss()),
    "cross_entropy": cross_entropy,
}


def sgd(params: dict[str, Any], *, lr: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The updater that gluon.Trainer uses; Trainer.step(n) would divide the gradient by n as well."""
    weights = {name: value.copy() for name, value in params.items()}
    update = mx.optimizer.get_updater(mx.optimizer.SGD(learning_rate=lr, rescale_grad=1.0))

    def step(grads: dict[str, Any]) -> dict[str, Any]:
        for number, (name, weight) in enumerate(weights.items()):
            update(number, grads[name], weight)
        return {name: weight.copy() for name, weight in weights.items()}

    return step


OPTIMIZERS = {"sgd": sgd}


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
    x = inputs[towards]
    x.attach_grad()
    with mx.autograd.record():
        out = call(*inputs)
    mx.autograd.backward(out, g)
    return out, x.grad


VJPS = {"imperative": vjp}


def differentiate(task: Task, inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    leaves = {name: inputs[name].detach() for name in task.wrt}
    for leaf in leaves.values():
        leaf.attach_grad()
    with mx.autograd.record():
        env = task.walk({**inputs, **leaves})
    if depends(task):  # otherwise the gradients are the zeros that they are attached as
        env[task.output].backward(task.cotangent)
    return {name: env[name] for name in task.wanted_values}, {n: leaf.grad for n, leaf in leaves.items()}


def depends(task: Task) -> bool:
    """Whether the output depends on any tensor whose gradient is asked for: backward() refuses one that doesn't."""
    reached = set(task.wrt)
    for call in task.calls:
        if not reached.isdisjoint(a for a in call.args if isinstance(a, str)):
            reached.update(call.outs)
    return task.output in reached
