"""Forward and backward in plain NumPy, written as one would by hand, so that faults can be put into it one by one.

It shares nothing with the reference but the program: the formulas are those of textbooks, and every operation is done
in the dtype that is asked for: float32 really in float32, with NumPy's own order of summation. It also runs in float64
and in longdouble, which is how the effect of a fault is told from the rounding errors of a cell.

A fault is a function that changes one part of an `Implementation` before it runs: a row of its tables, a primitive
(`exp`, `matmul`, `sigmoid`, the parts of a softmax), a step of its walk, or the optimizer's update.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FAULTS = {}
BOTH = ("float32", "float64")
LR = 0.1
MOMENTUM = 0.9


@dataclass(frozen=True)
class Problem:
    """What is to be computed: the program, its inputs (float64, rounded to the cell's dtype), and what is compared."""

    nodes: tuple
    inputs: dict
    cotangents: dict
    values: tuple
    gradients: tuple
    dtype: str
    lr: float = LR


@dataclass(frozen=True)
class Fault:
    """One change of an implementation, with what it needs to be looked for: ops (any of them), and dtypes.

    `kind` is "range" where it shows only when numbers leave a dtype's range, "optimizer" where it shows in parameters.
    """

    name: str
    change: Callable
    ops: frozenset
    dtypes: tuple = BOTH
    kind: str = ""

    @property
    def says(self):
        return self.change.__doc__


def fault(name, *ops, dtypes=BOTH, kind=""):
    """Register a change under its name; without `ops` it may touch any program."""

    def register(change):
        if name in FAULTS:
            raise ValueError(f"fault {name} is registered twice")
        FAULTS[name] = Fault(name, change, frozenset(ops), dtypes, kind)
        return change

    return register


class Implementation:
    """One evaluation of a problem in `dtype`: what a fault changes are the attributes set here."""

    def __init__(self, problem, dtype):
        self.problem, self.dtype = problem, np.dtype(dtype)
        self.nodes = problem.nodes
        self.forwards, self.backwards = dict(FORWARD), dict(BACKWARD)
        self.exp, self.matmul = np.exp, np.matmul
        self.assigned = {out for node in self.nodes for out in node.outs}
        self.random = np.random.default_rng(0)
        self.result = self.dtype
        self.contributions = {}

    # Parts that several ops share

    def sigmoid(self, z):
        e = self.exp(-np.abs(z))
        return np.where(z >= 0, 1, e) / (1 + e)

    def shifted(self, z):
        return z - z.max(axis=-1, keepdims=True)

    def normaliser(self, e):
        return e.sum(axis=-1, keepdims=True)

    def softmax(self, z):
        e = self.exp(self.shifted(z))
        return e / self.normaliser(e)

    def log_softmax(self, z):
        s = self.shifted(z)
        return s - np.log(self.normaliser(self.exp(s)))

    # The walk

    def cast(self, a):
        a = np.asarray(a)
        return a.astype(self.dtype) if a.dtype.kind == "f" else a

    def forward(self):
        env = {name: self.cast(a) for name, a in self.problem.inputs.items()}
        for i, node in enumerate(self.nodes):
            env[node.outs[0]] = self.call(i, node, _arguments(node, env))
        return env

    def call(self, i, node, args):
        return self.forwards[node.op](self, *args, **node.kw)

    def backward(self, env):
        grads = {name: self.cast(g) for name, g in self.problem.cotangents.items()}
        for i, node in reversed(list(enumerate(self.nodes))):
            if node.outs[0] in grads:
                out, g = env[node.outs[0]], grads[node.outs[0]]
                dxs = self.vjp(i, node, out, _arguments(node, env), g)
                for k, (name, dx) in enumerate(zip(node.args, dxs, strict=True)):
                    if isinstance(name, str) and dx is not None:
                        self.contributions[i, k] = dx
                        self.accumulate(grads, name, dx)
        return grads

    def vjp(self, i, node, out, args, g):
        """The cotangent of every argument of a node."""
        return self.backwards[node.op](self, out, g, *args, **node.kw)

    def accumulate(self, grads, name, dx):
        grads[name] = grads[name] + dx if name in grads else dx

    def finish(self, env, grads):
        """What is done to gradients after the walk: nothing."""
        return grads

    def run(self):
        """The compared values and gradients by role and name.

        What every call contributed, by call and argument, is finished beside the gradients: whoever asks for it is
        told it as gradients are told.
        """
        with np.errstate(all="ignore"):
            env = self.forward()
            walked = self.backward(env)
            grads = self.finish(env, {**walked, **self.contributions})
        self.env, self.grads = env, grads
        found = {("value", n): env[n] for n in self.problem.values}
        zero = {n: np.zeros(np.shape(env[n])) for n in self.problem.gradients if n not in grads}
        found |= {("gradient", n): a for n, a in {**grads, **zero}.items() if n in self.problem.gradients}
        return {key: np.asarray(a).astype(self.result) for key, a in found.items()}

    # The optimizer

    def velocity(self, v, g, momentum):
        return momentum * v + g

    def update(self, parameter, gradients, lr, momentum):
        """The parameter after the last of these steps of SGD with momentum."""
        v = np.zeros_like(parameter)
        for g in gradients:
            v = self.velocity(v, g, momentum)
        return parameter - lr * v

    # Where a fault strikes

    def is_input(self, node, k):
        """Whether argument `k` of a node is a tensor of the case and not computed."""
        return isinstance(node.args[k], str) and node.args[k] not in self.assigned

    def role(self, node, k):
        """What argument `k` of a node is: "weight" or "input" of a layer, "bias", or something else ("")."""
        if node.op in LAYERS and k < 2:
            weight = 1 if node.op == "linear" or not self.is_input(node, 0) else 0
            if self.is_input(node, weight):
                return "weight" if k == weight else "input"
        elif node.op == "linear" or (
            node.op == "add" and self.is_input(node, k) and self.follows_layer(node, k)
        ):
            return "bias"
        return ""

    def follows_layer(self, node, k):
        """Whether the other argument of an addition is a matrix product."""
        return any(node.args[1 - k] in other.outs for other in self.nodes if other.op == "matmul")

    @property
    def middle(self):
        """The number of the node that is the middle one of all layers, or None."""
        layers = [
            i for i, node in enumerate(self.nodes)
            if any(self.role(node, k) == "weight" for k in range(min(2, len(node.args))))
        ]  # fmt: skip
        return layers[len(layers) // 2] if layers else None


def _arguments(node, env):
    return tuple(env[arg] if isinstance(arg, str) else arg for arg in node.args)


def each_gradient(n, change):
    """Make `change(i, node, k, dx, args, g)` the cotangent of argument k of node i in place of `dx`."""
    vjp = n.vjp

    def changed(i, node, out, args, g):
        dxs = vjp(i, node, out, args, g)
        return tuple(None if d is None else change(i, node, k, d, args, g) for k, d in enumerate(dxs))

    n.vjp = changed


# The ops: forward(n, *inputs, **attributes), backward(n, output, its cotangent, *inputs, **attributes)


def unbroadcast(g, x):
    shape = np.shape(x)
    g = np.asarray(g)
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and np.shape(g)[i] != 1)
    return g.sum(axis=axes, keepdims=True) if axes else g


def matmul_backward(n, y, g, a, b):
    if a.ndim == 1 or b.ndim == 1:
        left = np.outer(g, b) if b.ndim == 1 else n.matmul(b, g)
        return left, n.matmul(a.T, g) if b.ndim == 1 else np.outer(a, g)
    return n.matmul(g, b.T), n.matmul(a.T, g)


def linear(n, x, W, b=None, *, weights):
    z = n.matmul(x, W.T if weights == "out_in" else W)
    return z if b is None else z + b


def linear_backward(n, z, g, x, W, b=None, *, weights):
    out_in = weights == "out_in"
    dx = n.matmul(g, W if out_in else W.T)
    dW = n.matmul(g.T, x) if out_in else n.matmul(x.T, g)
    return (dx, dW) if b is None else (dx, dW, g.sum(axis=0).reshape(b.shape))


def softplus(n, x):
    return np.maximum(x, 0) + np.log1p(n.exp(-np.abs(x)))


def cross_entropy_parts(z, target, axis):
    """Logits and targets with the classes last, labels as one-hot vectors; no label is ignored, none is smoothed."""
    z = np.moveaxis(z, axis, -1)
    if target.dtype.kind == "i":
        return z, np.eye(z.shape[-1], dtype=z.dtype)[target]
    return z, np.moveaxis(target, axis, -1)


def cross_entropy(n, z, target, *, axis=-1, reduction="mean", **_):
    z, t = cross_entropy_parts(z, target, axis)
    return -(t * n.log_softmax(z)).sum() / z[..., 0].size


def cross_entropy_backward(n, loss, g, z, target, *, axis=-1, reduction="mean", **_):
    z, t = cross_entropy_parts(z, target, axis)
    count = z[..., 0].size
    dz = g * (n.softmax(z) * t.sum(axis=-1, keepdims=True) - t) / count
    dt = None if target.dtype.kind == "i" else np.moveaxis(-g * n.log_softmax(z) / count, -1, axis)
    return np.moveaxis(dz, -1, axis), dt


def bce(n, p, t, *, reduction="mean"):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


def bce_backward(n, loss, g, p, t, *, reduction="mean"):
    dp = g * ((1 - t) / (1 - p) - t / p) / p.size
    return dp, g * (np.log(1 - p) - np.log(p)) / p.size


def bce_with_logits(n, z, t, *, reduction="mean"):
    return (np.maximum(z, 0) - z * t + np.log1p(n.exp(-np.abs(z)))).mean()


def bce_with_logits_backward(n, loss, g, z, t, *, reduction="mean"):
    return g * (n.sigmoid(z) - t) / z.size, -g * z / z.size


def mse_backward(n, loss, g, p, t, *, reduction="mean"):
    d = g * 2 * (p - t) / p.size
    return d, -d


LAYERS = ("linear", "matmul")
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "softplus")
MEANS = ("mse", "bce", "bce_with_logits", "cross_entropy")

FORWARD = {
    "add": lambda n, x, y: x + y,
    "sub": lambda n, x, y: x - y,
    "mul": lambda n, x, y: x * y,
    "pow": lambda n, x, y: x**y,
    "cos": lambda n, x: np.cos(x),
    "log": lambda n, x: np.log(x),
    "transpose": lambda n, x, *, axes=None: x.T,
    "matmul": lambda n, x, y: n.matmul(x, y),
    "linear": linear,
    "sum": lambda n, x, *, axis=None, keepdims=False: x.sum(),
    "norm": lambda n, x, *, p=2, axis=None, keepdims=False: np.sqrt((x * x).sum()),
    "sum_squares": lambda n, x: (x * x).sum(),
    "sigmoid": lambda n, z: n.sigmoid(z),
    "tanh": lambda n, z: np.tanh(z),
    "relu": lambda n, z: np.maximum(z, 0),
    "leaky_relu": lambda n, z, *, slope: np.where(z > 0, z, slope * z),
    "softplus": softplus,
    "mse": lambda n, p, t, *, reduction="mean": ((p - t) ** 2).mean(),
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "cross_entropy": cross_entropy,
}

BACKWARD = {
    "add": lambda n, out, g, x, y: (unbroadcast(g, x), unbroadcast(g, y)),
    "sub": lambda n, out, g, x, y: (unbroadcast(g, x), unbroadcast(-g, y)),
    "mul": lambda n, out, g, x, y: (unbroadcast(g * y, x), unbroadcast(g * x, y)),
    "pow": lambda n, out, g, x, y: (g * y * x ** (y - 1), None),
    "cos": lambda n, out, g, x: (-g * np.sin(x),),
    "log": lambda n, out, g, x: (g / x,),
    "transpose": lambda n, out, g, x, *, axes=None: (g.T,),
    "matmul": matmul_backward,
    "linear": linear_backward,
    "sum": lambda n, out, g, x, *, axis=None, keepdims=False: (np.broadcast_to(g, x.shape),),
    "norm": lambda n, out, g, x, *, p=2, axis=None, keepdims=False: (g * x / out,),
    "sum_squares": lambda n, out, g, x: (g * 2 * x,),
    "sigmoid": lambda n, a, g, z: (g * a * (1 - a),),
    "tanh": lambda n, a, g, z: (g * (1 - a * a),),
    "relu": lambda n, a, g, z: (g * (z > 0),),
    "leaky_relu": lambda n, a, g, z, *, slope: (np.where(z > 0, g, slope * g),),
    "softplus": lambda n, a, g, z: (g * n.sigmoid(z),),
    "mse": mse_backward,
    "bce": bce_backward,
    "bce_with_logits": bce_with_logits_backward,
    "cross_entropy": cross_entropy_backward,
}


def evaluate(problem, dtype, fault=None):
    """Compared values and gradients of a problem, computed in `dtype`, with a fault or without."""
    return changed(problem, dtype, () if fault is None else (fault,)).run()


def changed(problem, dtype, faults=()):
    """An implementation with all of these faults, which has not run yet."""
    n = Implementation(problem, dtype)
    for fault in faults:
        fault.change(n)
    return n


def step(problem, dtype, parameters, gradients, fault=None):
    """The parameters after the last step of SGD with momentum, from those before it and the gradients of all steps."""
    n = changed(problem, dtype, () if fault is None else (fault,))
    lr, momentum = n.dtype.type(np.float32(problem.lr)), n.dtype.type(np.float32(MOMENTUM))
    return {
        ("parameter", name): n.update(n.cast(p), [n.cast(g[name]) for g in gradients], lr, momentum)
        for name, p in parameters.items()
    }
