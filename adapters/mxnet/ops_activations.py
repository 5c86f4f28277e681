"""Activation functions of MXNet beside those of its adapter.

There is no mish, log_sigmoid, glu, hard_tanh, hard_swish and celu. Gluon's model zoo has relu6 as a clip.
"""

from collections.abc import Callable
from typing import Any

import mxnet as mx
from mxnet import np, npx
from mxnet.gluon import nn
from worker import Unsupported


def of_leaky_relu(x: Any, *weights: Any, **kw: Any) -> Any:
    if x.ndim == 0:
        raise Unsupported("npx.leaky_relu takes no 0-d array")
    return npx.leaky_relu(x, *weights, **kw)


def gelu(x: Any, *, approximate: str) -> Any:
    if approximate == "tanh":
        raise Unsupported("the gelu of MXNet is that of the error function")
    return of_leaky_relu(x, act_type="gelu")


def prelu(x: Any, weight: Any, *, axis: int) -> Any:
    if x.ndim > 1 and axis % x.ndim != 1 and weight.shape != (1,):
        raise Unsupported("the prelu of MXNet has its channels along axis 1")
    if x.ndim == 1 and weight.shape != (1,):
        raise Unsupported("the prelu of MXNet takes one weight for an array of one axis")
    return of_leaky_relu(x, weight, act_type="prelu")


FORMULAS = {"relu6"}
OPS: dict[str, Callable[..., Any]] = {
    "gelu": gelu,
    "silu": nn.Swish(),
    "softsign": lambda x: npx.activation(x, act_type="softsign"),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_sigmoid": lambda x: mx.nd.hard_sigmoid(x.as_nd_ndarray(), alpha=1 / 6, beta=0.5).as_np_ndarray(),
    "elu": lambda x, *, alpha: of_leaky_relu(x, act_type="elu", slope=alpha),
    "selu": lambda x: of_leaky_relu(x, act_type="selu"),
    "prelu": prelu,
}
