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


def cross_entropy(z: torch.Tensor, target: torch.Tensor, *, axis: int, reduction: str) -> torch.Tensor:
    classes = min(1, z.ndim - 1)  # where torch expects the class axis
    if target.ndim == z.ndim:
        target = target.movedim(axis, classes)
    return F.cross_entropy(z.movedim(axis, classes), target, reduction=reduction)


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
    "norm": lambda x, *, axis, keepdims: torch.linalg.vector_norm(x, dim=axis, keepdim=keepdims),
    "sum_squares": lambda x: torch.sum(torch.square(x)),
    "mse": F.mse_loss,
    "bce": F.binary_cross_entropy,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
    "cross_entropy": cross_entropy,
}


def sgd(params: dict[str, torch.Tensor], *, lr: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    weights = {name: value.detach().clone() for name, value in params.items()}
    optimizer = torch.optim.SGD(weights.values(), lr=lr)

    def step(grads: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        for name, weight in weights.items():
            weight.grad = grads[name]
        optimizer.step()
        return {name: weight.clone() for name, weight in weights.items()}

    return step


OPTIMIZERS = {"sgd": sgd}


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
    return out, torch.autograd.grad(out, x, g)[0]


VJPS = {"eager": vjp}


def differentiate(task: Task, inputs: dict[str, torch.Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    wrt = {name: inputs[name].detach().requires_grad_() for name in task.wrt}
    env = task.walk({**inputs, **wrt})
    values, output = {name: env[name] for name in task.wanted_values}, env[task.output]
    if not output.requires_grad:
        return values, {name: torch.zeros_like(leaf) for name, leaf in wrt.items()}
    grads = torch.autograd.grad(output, tuple(wrt.values()), task.cotangent, materialize_grads=True)
    return values, dict(zip(wrt, grads, strict=True))
