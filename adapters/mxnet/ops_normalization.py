"""Variances and normalization: mx.np's, and npx's, which ask for the weights that a case may leave out."""

from collections.abc import Callable
from typing import Any

import mxnet as mx
import numpy as onp  # noqa: ICN001 - np is MXNet's own
from mxnet import np, npx
from worker import Unsupported

FORMULAS = {"rms_norm", "group_norm", "dropout"}


def layer_norm(x: Any, w: Any = None, b: Any = None, *, axis: Any, epsilon: float) -> Any:
    last = axis[-1] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if isinstance(last, tuple):
        raise Unsupported("npx.layer_norm of MXNet normalizes one axis")
    w, b = learned_or_neutral(x, w, b, last)
    return npx.layer_norm(x, w, b, axis=last, eps=epsilon)


def rms_norm(x: Any, w: Any = None, *, axis: Any, epsilon: float) -> Any:
    y = x / np.sqrt(np.mean(np.square(x), axis=axis, keepdims=True) + epsilon)
    return y if w is None else y * w


def learned_or_neutral(x: Any, w: Any, b: Any, axis: int) -> tuple[Any, Any]:
    """The factors and what is added, which MXNet asks for, of each channel."""
    size = x.shape[axis]
    w = np.ones(size, dtype=x.dtype) if w is None else w
    return w, np.zeros(size, dtype=x.dtype) if b is None else b


def batch_norm(x: Any, w: Any = None, b: Any = None, *, axis: int, epsilon: float) -> Any:
    w, b = learned_or_neutral(x, w, b, axis)
    mean, variance = np.zeros(w.shape, dtype=x.dtype), np.ones(w.shape, dtype=x.dtype)
    with mx.autograd.train_mode():  # otherwise, where nothing is recorded, it takes the running statistics
        return npx.batch_norm(x, w, b, mean, variance, eps=epsilon, fix_gamma=False, axis=axis)


def batch_norm_inference(
    x: Any, mean: Any, variance: Any, w: Any = None, b: Any = None, *, axis: int, epsilon: float
) -> Any:
    if mean.grad is not None or variance.grad is not None:
        raise Unsupported("moving statistics have no gradient in npx.batch_norm")
    w, b = learned_or_neutral(x, w, b, axis)
    said = {"eps": epsilon, "fix_gamma": False, "use_global_stats": True, "axis": axis}
    return npx.batch_norm(x, w, b, mean, variance, **said)


def running_statistics(
    x: Any, mean: Any, variance: Any, *, axis: int, momentum: float, ddof: int
) -> tuple[Any, Any]:
    """npx.batch_norm writes them when it is walked back, and knows no gradient of them."""
    if ddof != 0:
        raise Unsupported("the moving variance of npx.batch_norm is always divided by n")
    x, mean, variance = x.detach(), mean.detach().copy(), variance.detach().copy()
    w, b = learned_or_neutral(x, None, None, axis)
    x.attach_grad()
    with mx.autograd.record():
        y = npx.batch_norm(x, w, b, mean, variance, momentum=1 - momentum, fix_gamma=False, axis=axis)
    y.backward()
    return held(mean), held(variance)


def held(a: Any) -> Any:
    """Numbers of another graph; backward() refuses what is of none."""
    a = a.detach()
    a.attach_grad()
    return mx.nd.stop_gradient(a.as_nd_ndarray()).as_np_ndarray()


def legacy(op: Any, x: Any, w: Any, b: Any, axis: int, **said: Any) -> Any:
    """An op of mx.nd alone, whose channels are on the second axis."""
    arrays = (a.as_nd_ndarray() for a in (np.moveaxis(x, axis, 1), w, b))
    return np.moveaxis(op(*arrays, **said).as_np_ndarray(), 1, axis)


def group_norm(x: Any, w: Any = None, b: Any = None, *, groups: int, axis: int, epsilon: float) -> Any:
    """GroupNorm learns a factor for each group, and others for each channel: these are multiplied behind it."""
    if x.ndim < 3:
        raise Unsupported("mx.nd.GroupNorm takes three dimensions at least")
    ones, zeros = (make(groups, dtype=x.dtype) for make in (np.ones, np.zeros))
    y = legacy(mx.nd.GroupNorm, x, ones, zeros, axis, num_groups=groups, eps=epsilon)
    w, b = learned_or_neutral(x, w, b, axis)
    each = tuple(-1 if i == axis % x.ndim else 1 for i in range(x.ndim))
    return y * w.reshape(each) + b.reshape(each)


def instance_norm(x: Any, w: Any = None, b: Any = None, *, axis: int, epsilon: float) -> Any:
    if x.dtype == onp.float64:
        raise Unsupported("mx.nd.InstanceNorm takes no float64")
    w, b = learned_or_neutral(x, w, b, axis)
    return legacy(mx.nd.InstanceNorm, x, w, b, axis, eps=epsilon)


OPS: dict[str, Callable[..., Any]] = {
    "var": lambda x, *, axis, keepdims, ddof: np.var(x, axis=axis, keepdims=keepdims, ddof=ddof),
    "std": lambda x, *, axis, keepdims, ddof: np.std(x, axis=axis, keepdims=keepdims, ddof=ddof),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "running_statistics": running_statistics,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    # weight_norm: gluon has none.
    # npx.dropout draws its own mask.
    "dropout": lambda x, mask, *, rate: np.where(mask, x / (1 - rate), np.zeros_like(x)),
}
