"""Ops of programs in HIPS autograd's NumPy, by their plain formulas: its derivatives are then found by a tape of its own."""

from collections.abc import Callable, Mapping
from typing import Any

import autograd.numpy as anp
from autograd.extend import defvjp, primitive
from autograd.scipy.special import erf, logsumexp
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.ops.structure import _basic_index
from gradient_conformance.reference.program import Program

Array = Any


def sigmoid(x: Array) -> Array:
    return 0.5 * (anp.tanh(x / 2) + 1)


def softplus(x: Array) -> Array:
    return anp.logaddexp(0.0, x)


def softmax(x: Array, axis: int = -1) -> Array:
    return anp.exp(x - logsumexp(x, axis=axis, keepdims=True))


def reduced(losses: Array, reduction: str) -> Array:
    return {"mean": anp.mean, "sum": anp.sum, "none": lambda a: a}[reduction](losses)


def linear(x: Array, W: Array, b: Array = 0.0, *, weights: str) -> Array:
    return anp.matmul(x, W if weights == "in_out" else W.T) + b


def gelu(x: Array, *, approximate: str) -> Array:
    if approximate == "none":
        return x * (1 + erf(x / 2**0.5)) / 2
    return x * (1 + anp.tanh((2 / anp.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2


def normalized(x: Array, axis: Any, epsilon: float, center: bool = True) -> Array:
    about = x - anp.mean(x, axis=axis, keepdims=True) if center else x
    return about / anp.sqrt(anp.mean(about**2, axis=axis, keepdims=True) + epsilon)


def layer_norm(x: Array, w: Array = 1.0, b: Array = 0.0, *, axis: Any, epsilon: float) -> Array:
    return normalized(x, axis, epsilon) * w + b


def rms_norm(x: Array, w: Array = 1.0, *, axis: Any, epsilon: float) -> Array:
    return normalized(x, axis, epsilon, center=False) * w


def batch_norm(x: Array, w: Array = 1.0, b: Array = 0.0, *, axis: int, epsilon: float) -> Array:
    at = axis % anp.ndim(x)
    shape = [-1 if i == at else 1 for i in range(anp.ndim(x))]
    channel = lambda a: anp.reshape(a, shape) if anp.ndim(a) else a
    return normalized(x, tuple(i for i in range(anp.ndim(x)) if i != at), epsilon) * channel(w) + channel(b)


def cross_entropy(
    z: Array, target: Array, *, axis: int, reduction: str, ignore_index: int | None, label_smoothing: float
) -> Array:
    """Of labels, or of shares along the axis."""
    if ignore_index is not None or label_smoothing:
        raise NotImplementedError
    z = anp.moveaxis(z, axis, -1)
    shares = anp.eye(z.shape[-1])[target] if target.dtype.kind == "i" else anp.moveaxis(target, axis, -1)
    logs = z - logsumexp(z, axis=-1, keepdims=True)
    return reduced(-anp.sum(anp.where(shares == 0, 0.0, shares * logs), axis=-1), reduction)


def bce_with_logits(z: Array, t: Array, *, reduction: str) -> Array:
    return reduced(softplus(z) - t * z, reduction)


def attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, *, causal: bool, scale: float | None, groups: int
) -> Array:
    if groups > 1:
        k, v = (anp.repeat(a, groups, axis=a.ndim - 3) for a in (k, v))
    scores = anp.matmul(q, anp.swapaxes(k, -1, -2)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = anp.where(mask, scores, -anp.inf) if mask.dtype == bool else scores + mask
    if causal:
        scores = anp.where(anp.tril(anp.ones(scores.shape[-2:])) > 0, scores, -anp.inf)
    return anp.matmul(softmax(scores), v)


def gru(x: Array, h: Array, U: Array, V: Array, a: Array, b: Array, **kw: Any) -> tuple[Array, Array]:
    if kw["gates"] != "rzn" or kw["batch_first"] or not kw["linear_before_reset"]:
        raise NotImplementedError
    states = []
    for step in x:
        r, z, n = anp.split(anp.matmul(step, U.T) + a, 3, axis=-1)
        r_h, z_h, n_h = anp.split(anp.matmul(h, V.T) + b, 3, axis=-1)
        r, z = sigmoid(r + r_h), sigmoid(z + z_h)
        h = (1 - z) * anp.tanh(n + r * n_h) + z * h
        states.append(h)
    return anp.stack(states), h


def lstm(
    x: Array, h: Array, c: Array, U: Array, V: Array, a: Array, b: Array, **kw: Any
) -> tuple[Array, Array, Array]:
    if kw["gates"] != "ifgo" or kw["batch_first"]:
        raise NotImplementedError
    states = []
    for step in x:
        i, f, g, o = anp.split(anp.matmul(step, U.T) + a + anp.matmul(h, V.T) + b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * anp.tanh(g)
        h = sigmoid(o) * anp.tanh(c)
        states.append(h)
    return anp.stack(states), h, c


def conv2d(
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    layout: str,
) -> Array:
    """A sum over the window's places; with steps and padding, but neither dilated nor with channels last."""
    if layout != "channels_first" or anp.any(anp.array(dilation) != 1):
        raise NotImplementedError
    s = stride if isinstance(stride, tuple) else (stride, stride)
    p = padding if isinstance(padding, tuple) else (padding, padding)
    p = [pair if isinstance(pair, tuple) else (pair, pair) for pair in p]
    x = anp.pad(x, [(0, 0), (0, 0), *p], mode="constant")
    (n, _, *size), (out, each, *window) = x.shape, W.shape
    height, width = ((a - k) // by + 1 for a, k, by in zip(size, window, s, strict=True))
    x, W = anp.reshape(x, (n, groups, each, *size)), anp.reshape(W, (groups, out // groups, each, *window))
    total = 0.0
    for i in range(window[0]):
        for j in range(window[1]):
            part = x[:, :, :, i : i + s[0] * (height - 1) + 1 : s[0], j : j + s[1] * (width - 1) + 1 : s[1]]
            total = total + anp.einsum("ngchw,goc->ngohw", part, W[..., i, j])
    y = anp.reshape(total, (n, out, height, width))
    return y if b is None else y + anp.reshape(b, (1, -1, 1, 1))


def pool(reduce: Callable[..., Array]) -> Callable[..., Array]:
    """Of windows that lie side by side, and without padding."""

    def pooled(x: Array, *, size: Any, stride: Any, padding: Any, layout: str, **_: Any) -> Array:
        a, b = size if isinstance(size, tuple) else (size, size)
        if (
            stride not in (None, size)
            or padding != 0
            or layout != "channels_first"
            or x.shape[2] % a
            or x.shape[3] % b
        ):
            raise NotImplementedError
        n, c, height, width = x.shape
        return reduce(anp.reshape(x, (n, c, height // a, a, width // b, b)), axis=(3, 5))

    return pooled


def whole_mean(x: Array, *, size: Any, layout: str) -> Array:
    """Of one window, the whole."""
    if size != 1 or layout != "channels_first":
        raise NotImplementedError
    return anp.mean(x, axis=(2, 3), keepdims=True)


@primitive
def held(x: Array) -> Array:
    """x, which nothing before it moves."""
    return x


defvjp(held, lambda _, x: lambda g: 0.0 * g)


def scalars(f: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, *, axis, keepdims: f(x, axis=axis, keepdims=keepdims)


SAID: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y, "neg": lambda x: -x, "matmul": anp.matmul, "square": lambda x: x * x,
    "exp": anp.exp, "log": anp.log, "sqrt": anp.sqrt, "sin": anp.sin, "cos": anp.cos, "tanh": anp.tanh, "abs": anp.abs,
    "sigmoid": sigmoid, "softplus": softplus, "relu": lambda x: anp.maximum(x, 0.0), "silu": lambda x: x * sigmoid(x),
    "leaky_relu": lambda x, *, slope: anp.where(x > 0, x, slope * x),
    "relu6": lambda x: anp.clip(x, 0.0, 6.0), "elu": lambda x, *, alpha: anp.where(x > 0, x, alpha * (anp.exp(x) - 1)),
    "hard_sigmoid": lambda x: anp.clip(x / 6 + 0.5, 0.0, 1.0), "hard_swish": lambda x: x * anp.clip(x / 6 + 0.5, 0.0, 1.0),
    "gelu": gelu, "maximum": anp.maximum, "minimum": anp.minimum, "where": anp.where, "log1p": anp.log1p, "expm1": anp.expm1,
    "softmax": softmax, "log_softmax": lambda x, *, axis: x - logsumexp(x, axis=axis, keepdims=True),
    "logsumexp": lambda x, *, axis, keepdims: logsumexp(x, axis=axis, keepdims=keepdims),
    "sum": scalars(anp.sum), "mean": scalars(anp.mean), "max": scalars(anp.max), "min": scalars(anp.min), "prod": scalars(anp.prod),
    "var": lambda x, *, axis, keepdims, ddof: anp.var(x, axis=axis, keepdims=keepdims, ddof=ddof),
    "norm": lambda x, *, p, axis, keepdims: anp.sum(anp.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p),
    "sum_squares": lambda x: anp.sum(x * x), "linear": linear, "layer_norm": layer_norm, "rms_norm": rms_norm,
    "batch_norm": batch_norm, "cross_entropy": cross_entropy, "bce_with_logits": bce_with_logits, "attention": attention,
    "mse": lambda p, t, *, reduction: reduced((p - t) ** 2, reduction),
    "mae": lambda p, t, *, reduction: reduced(anp.abs(p - t), reduction),
    "bce": lambda p, t, *, reduction: reduced(-(t * anp.log(p) + (1 - t) * anp.log(1 - p)), reduction),
    "embedding": lambda ids, W, *, padding_idx: W[ids] if padding_idx is None else None,
    "take": lambda x, indices, *, axis: anp.moveaxis(anp.moveaxis(x, axis, 0)[indices], 0, axis) if indices.ndim == 1 else None,
    "gru": gru, "lstm": lstm, "conv2d": conv2d, "avg_pool2d": pool(anp.mean), "max_pool2d": pool(anp.max),
    "adaptive_avg_pool2d": whole_mean, "stop_gradient": held,
    "transpose": lambda x, *, axes: anp.transpose(x, axes), "reshape": lambda x, *, shape: anp.reshape(x, shape),
    "index": lambda x, *, index: x[_basic_index(index)], "concat": lambda *xs, axis: anp.concatenate(xs, axis),
    "split": lambda x, *, parts, axis: anp.split(x, parts, axis), "stack": lambda *xs, axis: anp.stack(xs, axis),
    "squeeze": lambda x, *, axis: anp.squeeze(x, axis), "expand_dims": lambda x, *, axis: anp.expand_dims(x, axis),
    "broadcast_to": lambda x, *, shape: x * anp.ones(shape),
    "einsum": lambda *xs, equation: anp.einsum(equation, *xs), "outer": lambda x, y: x[:, None] * y[None, :],
    "greater": lambda x, y: x > y, "less": lambda x, y: x < y, "equal": lambda x, y: x == y,
    "tril": lambda x, *, k: anp.tril(x, k), "triu": lambda x, *, k: anp.triu(x, k),
}  # fmt: skip


def missing(program: Program) -> set[str]:
    """The ops of a program that are not said here."""
    return {node.op for node in program.nodes} - SAID.keys()


def walk(program: Program, inputs: Mapping[str, Array], zeros: Mapping[str, Array]) -> dict[str, Array]:
    """Every value, each with a zero of its own where there is one: the zero's gradient is the value's."""
    env = {name: a + zeros[name] if name in zeros else a for name, a in inputs.items()}
    for node in program.nodes:
        given = [env[arg] if isinstance(arg, str) else arg for arg in node.args]
        found = SAID[node.op](*given, **OPS[node.op].defaults | node.kw)
        outs = (found,) if len(node.outs) == 1 else found
        env |= {
            name: a + zeros[name] if name in zeros else a for name, a in zip(node.outs, outs, strict=True)
        }
    return env
