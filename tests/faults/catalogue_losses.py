"""Faults in losses, their means, and penalties."""

import numpy as np
from numpy_implementation import MEANS, bce, bce_backward, fault

SOFTMAX = ("cross_entropy",)


def _count(n, node, x):
    """What a mean loss is divided by: elements, or positions of a cross-entropy."""
    return x.size // x.shape[node.kw.get("axis", -1)] if node.op == "cross_entropy" else x.size


def _scaled_mean(n, factor):
    """Multiply the gradient of each mean loss by factor(count)."""
    vjp = n.vjp

    def changed(i, node, out, args, g):
        return vjp(i, node, out, args, g * factor(_count(n, node, args[0])) if node.op in MEANS else g)

    n.vjp = changed


@fault("mean_missing", *MEANS)
def mean_missing(n):
    """The gradient of a mean loss lacks the division by the count."""
    _scaled_mean(n, lambda count: count)


@fault("mean_twice", *MEANS)
def mean_twice(n):
    """The gradient of a mean loss is divided by the count twice."""
    _scaled_mean(n, lambda count: 1 / count)


@fault("loss_sum", *MEANS)
def loss_sum(n):
    """The loss is reported as a sum, its gradient is that of the mean."""
    call = n.call
    n.call = lambda i, node, args: call(i, node, args) * (_count(n, node, args[0]) if node.op in MEANS else 1)


@fault("mse_no2", "mse")
def mse_no2(n):
    """The 2 of the square's derivative is missing."""
    n.backwards["mse"] = lambda n, out, g, p, t, **_: (g * (p - t) / p.size, g * (t - p) / p.size)


@fault("mse_over_batch", "mse")
def mse_over_batch(n):
    """The squared error is divided by the rows, not by all elements, in value and gradient."""
    n.forwards["mse"] = lambda n, p, t, **_: ((p - t) ** 2).sum() / len(p)
    n.backwards["mse"] = lambda n, out, g, p, t, **_: (2 * g * (p - t) / len(p), 2 * g * (t - p) / len(p))


@fault("l2_on_bias", "sum_squares")
def l2_on_bias(n):
    """The penalty on the weights is put on the biases too, in their gradients."""
    vjp, finish = n.vjp, n.finish
    factors, biases = [], set()

    def watching(i, node, out, args, g):
        factors.extend([g] if _is_penalty(n, node) else [])
        biases.update(name for k, name in enumerate(node.args) if n.role(node, k) == "bias")
        return vjp(i, node, out, args, g)

    def penalised(env, grads):
        added = {b: grads[b] + 2 * factors[0] * env[b] for b in biases if factors}
        return finish(env, {**grads, **added})

    n.vjp, n.finish = watching, penalised


@fault("l2_no_half", "sum_squares")
def l2_no_half(n):
    """The half in front of the penalty is forgotten in its gradient."""
    vjp = n.vjp
    n.vjp = lambda i, node, out, args, g: vjp(i, node, out, args, 2 * g if _is_penalty(n, node) else g)


@fault("l2_not_in_loss", "sum_squares")
def l2_not_in_loss(n):
    """The penalty is in the gradient but not in the loss."""
    call = n.call
    n.call = lambda i, node, args: call(i, node, args) * (0 if _is_penalty(n, node) else 1)


def _is_penalty(n, node):
    return node.op == "sum_squares" and n.is_input(node, 0)


@fault("softmax_axis0", *SOFTMAX)
def softmax_axis0(n):
    """Softmax is normalised over the examples, not over the classes."""
    n.normaliser = lambda e: e.sum(axis=0, keepdims=True)


@fault("softmax_noshift", *SOFTMAX, kind="range")
def softmax_noshift(n):
    """Softmax without subtracting the largest logit: it leaves the dtype's range."""
    info = np.finfo(n.problem.dtype)
    n.shifted = lambda z: z

    def exp(x):
        e = np.exp(x)
        return np.where(e > info.max, np.inf, np.where(e < info.smallest_subnormal, 0, e)).astype(e.dtype)

    n.exp = exp


@fault("softmax_eps1e-8", *SOFTMAX)
def softmax_eps(n):
    """1e-8 is added to the denominator of softmax."""
    n.normaliser = lambda e: e.sum(axis=-1, keepdims=True) + 1e-8


@fault("label_off1", *SOFTMAX)
def label_off1(n):
    """Labels are taken to count from 1."""
    _with_target(n, lambda z, t, axis: np.mod(t + 1, z.shape[axis]) if t.dtype.kind == "i" else t)


def _with_target(n, change):
    forward, backward = n.forwards["cross_entropy"], n.backwards["cross_entropy"]
    n.forwards["cross_entropy"] = lambda n, z, t, *, axis=-1, **_: forward(
        n, z, change(z, t, axis), axis=axis
    )
    n.backwards["cross_entropy"] = lambda n, out, g, z, t, *, axis=-1, **_: backward(
        n, out, g, z, change(z, t, axis), axis=axis
    )


@fault("xent_no_onehot", *SOFTMAX)
def xent_no_onehot(n):
    """The label's number is subtracted from every probability, not its one-hot vector."""
    backward = n.backwards["cross_entropy"]

    def changed(n, out, g, z, t, *, axis=-1, **_):
        if t.dtype.kind != "i":
            return backward(n, out, g, z, t, axis=axis)
        p = n.softmax(np.moveaxis(z, axis, -1))
        dz = g * (p - t[..., None].astype(p.dtype)) / t.size
        return np.moveaxis(dz, -1, axis), None

    n.backwards["cross_entropy"] = changed


@fault("log_eps1e-7", "bce", *SOFTMAX)
def log_eps(n):
    """log(p + 1e-7) stands for log(p)."""
    eps = 1e-7

    def forward(n, p, t, **_):
        return -(t * np.log(p + eps) + (1 - t) * np.log(1 - p + eps)).mean()

    def backward(n, out, g, p, t, **_):
        dp = g * ((1 - t) / (1 - p + eps) - t / (p + eps)) / p.size
        return dp, g * (np.log(1 - p + eps) - np.log(p + eps)) / p.size

    n.forwards["bce"], n.backwards["bce"] = forward, backward
    n.log_softmax = lambda z: np.log(n.softmax(z) + eps)


@fault("clip_p1e-7", "bce", "bce_with_logits", *SOFTMAX, kind="range")
def clip_p(n):
    """Probabilities are clipped to [1e-7, 1 - 1e-7] before the logarithm and in the gradient."""

    def clip(p):
        return np.clip(p, 1e-7, 1 - 1e-7)

    softmax = n.softmax
    n.softmax = lambda z: clip(softmax(z))
    n.log_softmax = lambda z: np.log(n.softmax(z))
    n.forwards["bce"] = lambda n, p, t, **_: bce(n, clip(p), t)
    n.backwards["bce"] = lambda n, out, g, p, t, **_: bce_backward(n, out, g, clip(p), t)
    n.forwards["bce_with_logits"] = lambda n, z, t, **_: bce(n, clip(n.sigmoid(z)), t)
    n.backwards["bce_with_logits"] = lambda n, out, g, z, t, **_: (
        g * (clip(n.sigmoid(z)) - t) / z.size,
        -g * z / z.size,
    )
