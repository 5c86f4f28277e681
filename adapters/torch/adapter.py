"""PyTorch, eager: what is different about it, and nothing else.

`torch.nn.functional` has a documented function for nearly every op. Where a default is another convention
than the case's, an argument says the case's, never a tolerance.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Task, Unsupported

MODES = ("eager",)
FORMULAS = {"sum_squares"}


def like(x: Any, other: Any) -> torch.Tensor:
    """A plain number beside a tensor: torch.maximum takes tensors only."""
    return x if isinstance(x, torch.Tensor) else torch.as_tensor(x, dtype=other.dtype)


def transpose(x: torch.Tensor, *, axes: tuple[int, ...] | None) -> torch.Tensor:
    return torch.permute(x, tuple(reversed(range(x.ndim))) if axes is None else axes)


def index(x: torch.Tensor, *, index: tuple[Any, ...]) -> torch.Tensor:
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in index):
        raise Unsupported("torch slices have no negative step")
    return x[index]


def linear(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor | None = None, *, weights: str) -> torch.Tensor:
    kernel = W if weights == "out_in" else W.T
    return F.linear(x, kernel, b) if b is None or b.ndim == 1 else F.linear(x, kernel) + b  # b: one dimension


OPS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    # Above its threshold (20) softplus is x: e^-20 is lost in float32 but not in float64; e^-40 is in both.
    "softplus": lambda x: F.softplus(x, threshold=40),
    "leaky_relu": lambda x, *, slope: F.leaky_relu(x, negative_slope=slope),
    "maximum": lambda x, y: torch.maximum(like(x, y), like(y, x)),
    "where": torch.where,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_not": torch.logical_not,
    "matmul": torch.matmul,
    "transpose": transpose,
    "reshape": lambda x, *, shape: torch.reshape(x, shape),
    "index": index,
    "concat": lambda *xs, axis: torch.cat(xs, dim=axis),
    "split": lambda x, *, parts, axis: torch.tensor_split(x, parts, dim=axis),
    "sum": lambda x, *, axis, keepdims: torch.sum(x, dim=axis, keepdim=keepdims),
    "mean": lambda x, *, axis, keepdims: torch.mean(x, dim=axis, keepdim=keepdims),
    "max": lambda x, *, axis, keepdims: torch.amax(x, dim=() if axis is None else axis, keepdim=keepdims),
    "softmax": lambda x, *, axis: F.softmax(x, dim=axis),
    "log_softmax": lambda x, *, axis: F.log_softmax(x, dim=axis),
    "logsumexp": lambda x, *, axis, keepdims: torch.logsumexp(
        x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keepdims
    ),
    "linear": linear,
    "sum_squares": lambda x: torch.sum(torch.square(x)),
    "mse": F.mse_loss,
}


def setup(threads: int, seed: int) -> None:
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)
    torch.manual_seed(seed)


def about() -> dict[str, str]:
    return {
        "framework": "torch",
        "version": torch.__version__,
        "device": "cpu",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": "mkl" if torch.backends.mkl.is_available() else "other",
        "mkldnn": str(torch.backends.mkldnn.is_available()),
        "threads": str(torch.get_num_threads()),
    }


def to_native(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def vjp(
    call: Callable[..., Any], inputs: list[torch.Tensor], towards: int, g: Any
) -> tuple[Any, torch.Tensor]:
    x = inputs[towards].requires_grad_()
    out = call(*inputs)
    outs = out if isinstance(out, tuple) else (out,)
    if not any(part.requires_grad for part in outs):
        return out, torch.zeros_like(x)
    return out, torch.autograd.grad(out, x, g, materialize_grads=True)[0]


VJPS = {"eager": vjp}


def differentiate(task: Task, inputs: dict[str, torch.Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    wrt = {name: inputs[name].detach().requires_grad_() for name in task.wrt}
    env = task.walk({**inputs, **wrt})
    values = {name: env[name] for name in task.wanted_values}
    outputs = [name for name in task.outputs if env[name].requires_grad]  # grad() refuses any other
    if not outputs:
        return values, {name: torch.zeros_like(leaf) for name, leaf in wrt.items()}
    grads = torch.autograd.grad(
        [env[name] for name in outputs],
        tuple(wrt.values()),
        [task.cotangents.get(name) for name in outputs],
        materialize_grads=True,
    )
    return values, dict(zip(wrt, grads, strict=True))
