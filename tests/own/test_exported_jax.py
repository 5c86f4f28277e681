"""A function of JAX each: the imported case is held to its own value and gradients, and has the rows that its calls are of."""

import json
import re
import sys
from pathlib import Path

import pytest
from client import interpreter
from exports_together import exported_together, held
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main, own
from gradient_conformance.harness.own import exported
from matrix import finished, said

pytestmark = pytest.mark.framework
CALLS = {
    "arithmetic": ("(x + y) * x - 2 / (x ** 2 + 3) + (-x) ** 3 + 2.0 ** x", "x=2,3 y=3", "add mul sub div square pow neg"),
    "functions": ("jnp.exp(x) + jnp.log(x + 1) * jnp.expm1(x) + jnp.log1p(x + 1) + jnp.tanh(x) - jnp.exp2(x)", "x=2,3", "exp log expm1 log1p tanh exp2"),
    "angles": ("jnp.sin(x) + jnp.cos(x) * jnp.tan(x) + jnp.arcsin(x) * jnp.arccos(x) + jnp.arctan2(x, y) + jnp.arctan(x)", "x=4 y=4", "sin cos tan asin acos atan2 atan"),
    "hyperbolic": ("jnp.sinh(x) * jnp.cosh(x) + jnp.arcsinh(x) + jnp.arccosh(x + 2) + jnp.arctanh(x)", "x=4", "sinh cosh asinh acosh atanh"),
    "roots": ("jnp.sqrt(x + 1) + jax.lax.rsqrt(x + 1) + jnp.cbrt(x) + jnp.sqrt(x + 1) ** -1", "x=4", "sqrt rsqrt sign pow"),
    "erf": ("jax.lax.erf(x) * jax.lax.erfc(x) + jax.scipy.special.gammaln(x + 2)", "x=4", "erf erfc lgamma"),
    "gelu": ("jax.nn.gelu(x) + jax.nn.gelu(x, approximate=False)", "x=2,3", "tanh erfc"),
    "activations": ("jax.nn.relu(x) + jax.nn.silu(x) * jax.nn.softplus(x) + jax.nn.sigmoid(x) + jax.nn.log_sigmoid(x) + jax.nn.relu6(4 * x)", "x=2,3", "relu silu softplus sigmoid log_sigmoid relu6"),
    "slopes": ("jax.nn.elu(x) + jax.nn.elu(x, 0.5) + jax.nn.leaky_relu(x) + jax.nn.leaky_relu(x, 0.2) + jax.nn.celu(x, 2.0) + jax.nn.selu(x)", "x=2,3", "elu leaky_relu celu selu"),
    "hard ones": ("jax.nn.hard_tanh(9 * x) + jax.nn.hard_sigmoid(9 * x) * jax.nn.hard_swish(9 * x) + jax.nn.mish(x) + jax.nn.soft_sign(x) + jax.nn.glu(x)[:, :1]", "x=2,4", "hard_tanh hard_sigmoid hard_swish mish softsign"),
    "slopes that are computed": ("jnp.where(x > 0, x, y * x)", "x=2,3 y=3", "where"),
    "logaddexp": ("jnp.logaddexp(x, y) + jax.nn.logsumexp(x, axis=0) + jax.scipy.special.xlogy(x + 1, y + 1)", "x=2,3 y=3", "logaddexp xlogy exp log"),
    "extremes": ("jnp.maximum(x, y) * jnp.minimum(x, 0.1) + jnp.abs(x) + jnp.clip(x, -0.1, 0.2) + jax.lax.clamp(-0.1, x, 0.2)", "x=2,3 y=3", "maximum minimum abs clip"),
    "what jumps": ("jnp.floor(9 * x) * x + jnp.ceil(9 * x) + jnp.round(9 * x) * x + jnp.trunc(9 * x) * x + jax.lax.round(5 * x) * x + jnp.sign(x) * x", "x=4", "floor ceil round sign"),
    "mod": ("jnp.mod(x, 0.3) + jax.lax.rem(x, 0.3) + x % y", "x=4 y=4", "mod sign where"),
    "where": ("jnp.where((x > 0) & ~(y > x) | (x < -0.2), x, y) + jnp.where(jnp.isfinite(x), x, 0.0) + jnp.where(jnp.isnan(x), 0.0, x)", "x=2,3 y=3", "where logical_and logical_or logical_not"),
    "bools that are moved": ("jnp.where((x > 0).T[::-1], x.T, 0) + jnp.where(jnp.any(x > 0.4, axis=0)[:, None], x.T, 1.0) + jnp.all(x > -1) * x.T", "x=2,3", "where transpose flip max min"),
    "bools that count": ("x.sum() / jnp.sum(x > 0) + x.mean() * (x > 0).astype(float).mean() + x.sum() * jnp.sum(x > 0) ** 2", "x=2,3", "where sum"),
    "reductions": ("x.sum(0) + x.mean(1).sum() + x.max(0) * x.min(0) + x.prod(0) + x.var() + x.std(0) + jnp.linalg.norm(x)", "x=3,4", "sum max min prod sqrt"),
    "keepdims": ("x / x.sum(1, keepdims=True) - x.mean()", "x=3,4", "reshape sum div"),
    "softmax": ("jax.nn.softmax(x, axis=0) * jax.nn.log_softmax(x) + jax.nn.softmax(x, where=jnp.array([True, True, False]), axis=1)", "x=2,3", "exp sum stop_gradient where"),
    "held": ("x + jax.lax.stop_gradient(jnp.round(x) - x)", "x=4", "stop_gradient"),
    "matmul": ("x @ y @ y.T @ x[0] * (x[0] @ x[1]) + (jnp.stack([x, x]) @ y).sum()", "x=2,3 y=3,4", "matmul transpose"),
    "batches": ("x @ y + jnp.matmul(x, y[0]) + jnp.einsum('bij,bjk->bik', x, y)", "x=2,3,4 y=2,4,3", "matmul"),
    "einsum": ("jnp.einsum('bqhd,bkhd->bhqk', x, y) * jnp.tensordot(x, y, ((0, 1, 3), (0, 1, 3))).sum()", "x=2,3,2,4 y=2,3,2,4", "einsum"),
    "outer": ("jnp.outer(x, y) + jnp.kron(x, y)[:, None] * jnp.trace(jnp.outer(x, y))", "x=4 y=1", "mul"),
    "vmap and grad": ("jax.vmap(lambda a, y: jnp.tanh(a @ y), (0, None))(x, y) + jax.grad(lambda a: jnp.sum(jnp.sin(a) ** 2))(x)[:, :1]", "x=3,4 y=4,2", "matmul tanh cos"),
    "shapes": ("x.reshape(3, 2).T[None].squeeze(0)[:, ::-1] + jnp.expand_dims(x, 1).sum(1) + jnp.broadcast_to(x[0], (2, 3)) + jnp.swapaxes(x.T, 0, 1)", "x=2,3", "reshape transpose flip"),
    "parts": ("jnp.concatenate([x[:, 1:], x[:, :1]], 1) + jnp.stack(jnp.split(x, 3, axis=1), 1)[..., 0] + jnp.roll(x, 1, axis=1) + jnp.hsplit(x, [1])[1][:, :1]", "x=2,3", "concat index split"),
    "broadcast on both sides": ("jnp.broadcast_to(x, (2, 3)) * jnp.broadcast_to(y, (2, 3)) + jnp.where(jnp.broadcast_to(x > 0, (4, 3)), 1.0, 2.0).sum()", "x=3 y=3", "broadcast_to mul where"),
    "rows that become columns": ("jax.lax.gather(x, jnp.array([[0], [2]]), jax.lax.GatherDimensionNumbers((0,), (0,), (0,)), (1, 4))", "x=3,4", "take transpose"),
    "tiles": ("jnp.tile(x, (2, 2)) + jnp.repeat(jnp.repeat(x, 2, axis=0), 2, axis=1) + jnp.triu(jnp.tile(x, (2, 2))) + jnp.tril(jnp.tile(x, (2, 2)), -1)", "x=2,3", "tile broadcast_to where"),
    "pad": ("jnp.pad(x, ((1, 0), (0, 2))).sum() + jnp.pad(x, 1, mode='reflect').sum() + jax.lax.pad(x, 0.5, ((1, 2, 1), (-1, 0, 2)))", "x=2,3", "pad reshape index"),
    "diagonals": ("jnp.diag(x) + jnp.diagonal(jnp.outer(x, x)) * jnp.eye(3)", "x=3", "where take"),
    "rows": ("x[jnp.array([0, -1, 2])] + jnp.take(x, jnp.array([[0, 1, 2]]), axis=0)[0] * x[:, 1:2]", "x=3,4", "take index"),
    "columns": ("x[:, jnp.array([[0, 1], [2, 0]])] + jnp.take(x, jnp.array([1, 2]), axis=-1)[:, None]", "x=2,3", "take"),
    "pairs of places": ("x[jnp.array([0, 1, 1]), jnp.array([2, 0, -1])] * x[1:, None, 0]", "x=2,3", "take reshape index"),
    "by a mask": ("x[np.array([True, False, True])].sum() + x[0, 0] * x[-1, -1]", "x=3,4", "take index"),
    "along an axis": ("jnp.take_along_axis(x, jnp.array([[1], [0], [2]]), axis=1) + jnp.take_along_axis(x, jnp.argsort(x, axis=0), axis=0)", "x=3,4", "gather topk"),
    "assigned": ("x.at[0].set(y) * x.at[:, 1].set(0.0)", "x=2,3 y=3", "concat take"),
    "multiplied": ("x.at[0].multiply(y) + x.at[jnp.array([0, 1]), jnp.array([2, 0])].mul(2.0)", "x=2,3 y=3", "mul take"),
    "added": ("x.at[jnp.array([0, 0, 1])].add(y) + jnp.zeros((2, 3)).at[:, 1:].add(x[:, 1:])", "x=2,3 y=3,3", "scatter_add"),
    "segments": ("jax.ops.segment_sum(x, jnp.array([0, 0, 1, 2]), num_segments=3)", "x=4,2", "scatter_add"),
    "dynamic": ("jax.lax.dynamic_slice(x, (1, 1), (2, 2)) + jax.lax.dynamic_update_slice(x, y, (1, 3))[1:, 2:] + jax.lax.dynamic_index_in_dim(x, 1, 1)[:2]", "x=3,4 y=2,2", "index concat take"),
    "cumulated": ("jnp.cumsum(x, 0) + jnp.cumprod(x, 1) + jax.lax.cumsum(x, axis=1, reverse=True) + jnp.diff(x, axis=0, prepend=0)", "x=2,3", "cumsum cumprod flip"),
    "sorted": ("jnp.sort(x, axis=0) + jnp.flip(jnp.sort(x)) + jnp.median(x) + jax.lax.top_k(x, 3)[0] * jax.lax.top_k(x, 2)[0][:, :1]", "x=2,3", "sort topk"),
    "places": ("x[jnp.argmax(x[:, 0])] + jnp.take(y, jnp.argmin(x, axis=1), axis=0).sum() + jax.nn.one_hot(jnp.argmax(x, 1), 4).sum(0) * x", "x=3,4 y=4,2", "argmax argmin take one_hot"),
    "places with an axis": ("jnp.take_along_axis(x, jnp.argmax(x, axis=1, keepdims=True), axis=1) * x[jax.lax.top_k(x[:, 0], 2)[1]].sum()", "x=3,4", "argmax one_hot where topk take"),
    "places that are compared": ("x.sum() * jnp.mean(jnp.argmax(x, axis=1) == jnp.array([0, 1, 2]))", "x=3,4", "argmax one_hot equal"),
    "conv": ("jax.lax.conv_general_dilated(x, y, (2, 1), ((1, 0), (0, 2)), rhs_dilation=(1, 2))", "x=2,3,6,7 y=4,3,2,3", "conv2d"),
    "conv, channels last": ("jax.lax.conv_general_dilated(x, y, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'), feature_group_count=2)", "x=1,5,5,4 y=3,3,2,4", "conv2d"),
    "conv, mixed": ("jax.lax.conv_general_dilated(x, y, (1,), 'VALID', dimension_numbers=('NCH', 'HIO', 'NHC'))", "x=2,3,6 y=2,3,4", "conv1d transpose"),
    "conv of 3 axes": ("jax.scipy.signal.convolve(x[0, 0], y[0, 0], mode='same') + jax.lax.conv(x, y, (1, 1, 1), 'SAME')[0]", "x=1,1,3,3,3 y=2,1,2,2,2", "conv3d flip"),
    "conv_transpose": ("jax.lax.conv_transpose(x, y, (2, 2), 'SAME')", "x=1,3,3,2 y=3,3,2,3", "conv_transpose2d"),
    "conv_transpose, output_padding": ("jax.lax.conv_transpose(x, y, (2,), ((2, 3),), dimension_numbers=('NCH', 'OIH', 'NCH'), transpose_kernel=True)", "x=1,2,4 y=2,3,3", "conv_transpose1d"),
    "a dilated input in groups": ("jax.lax.conv_general_dilated(x, y, (1,), ((1, 1),), lhs_dilation=(2,), feature_group_count=2)", "x=1,4,4 y=2,2,3", "conv1d pad"),
    "pools": ("jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'SAME') + jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'SAME') / 4", "x=1,5,4,2", "max_pool2d avg_pool2d"),
    "pools, channels first": ("jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 3, 2), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (0, 0)))", "x=1,2,5,4", "max_pool2d"),
    "a pool of one axis": ("jax.lax.reduce_window(x, jnp.inf, jax.lax.min, (2, 1), (1, 1), 'VALID')", "x=5,3", "max_pool1d transpose"),
    "linear algebra": ("jnp.linalg.inv(x) @ y + jnp.linalg.solve(x, y) + jnp.linalg.det(x) + jnp.linalg.cholesky(x @ x.T + jnp.eye(3)) @ y + jnp.linalg.solve(x, y[:, 0])[:, None] * jnp.linalg.slogdet(x)[1]", "x=3,3 y=3,2", "inv solve det cholesky slogdet"),
    "triangles": ("jax.scipy.linalg.solve_triangular(x + 2 * jnp.eye(3), y, lower=True, trans=1) + jax.lax.linalg.triangular_solve(x + 2 * jnp.eye(3), y.T, lower=False).T", "x=3,3 y=3,2", "tril triu transpose solve"),
    "scan": ("jax.lax.scan(lambda c, a: (jnp.tanh(c + a), c * a), y, x)[1]", "x=3,2 y=2", "tanh stack"),
    "scan, backwards": ("jax.lax.scan(lambda c, a: (c * a[0] + a[1], (c, a[1])), y, (x, jnp.arange(3)), reverse=True)[1][0] + jax.lax.map(lambda a: a ** 2, x)", "x=3,2 y=2", "stack"),
    "loops": ("jax.lax.fori_loop(0, 3, lambda i, c: c * c + i, y) + jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] * 2), (0, 1.0))[1]", "x=2 y=2", "mul add"),
    "a branch that is known": ("jax.lax.cond(jnp.sum(jnp.arange(3)) > 2, jnp.sin, jnp.cos, x) + jax.lax.switch(5, [jnp.cos, jnp.exp], x)", "x=3", "sin exp"),
    "entered": ("jax.jit(lambda a: jax.checkpoint(jnp.sin)(a) * 2)(x) + jax.jit(jax.jit(jnp.cos))(x)", "x=3", "sin cos"),
    "drawn": ("x * jax.random.bernoulli(jax.random.key(1), 0.5, (2, 3)) + jax.random.normal(jax.random.key(2), (3,))", "x=2,3", "mul add"),
    "float32": ("jnp.mean(jnp.sin(x.astype(jnp.float32)) + jnp.sin(jnp.arange(3, dtype=jnp.float32)) + jax.random.uniform(jax.random.key(2), (3,), jnp.float32))", "x=2,3", "sin"),
    "bfloat16 in a loop": ("jax.lax.scan(lambda c, a: (jax.nn.relu(c * a), c), jnp.ones(2, jnp.bfloat16), x.astype(jnp.bfloat16))[0].astype(float)", "x=3,2", "relu mul"),
}  # fmt: skip
FILE = '''
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


def drawn(*sizes):
    random = np.random.default_rng(3)
    return [random.uniform(-0.3, 0.7, size) for size in sizes]


def made(call, inputs):
    def forward(_, x, y=None):
        return eval(call, globals(), {"x": x, "y": y})

    return {}, drawn(*([int(n) for n in each[2:].split(",")] for each in inputs.split())), forward


class Dense(NamedTuple):
    w: jax.Array
    b: jax.Array

    def __call__(self, x):
        return x @ self.w + self.b


def mlp():
    w, b, v, c, x = drawn((4, 8), 8, (8, 3), 3, (5, 4))

    def forward(layers, x, labels):
        for layer in layers[:-1]:
            x = jax.nn.relu(layer(x))
        logp = jax.nn.log_softmax(layers[-1](x))
        return -jnp.mean(jnp.take_along_axis(logp, labels[:, None], axis=1))

    return [Dense(w, b), Dense(v, c)], (x, np.array([0, 1, 2, 1, 0])), forward


def conv_net():
    kernel, bias, head, x = drawn((3, 3, 2, 4), 4, (16, 3), (2, 4, 4, 2))

    def forward(p, x):
        h = jax.lax.conv_general_dilated(x, p["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        h = jax.nn.relu(h + p["bias"])
        h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return jnp.mean(jnp.square(h.reshape(2, -1) @ p["head"]))

    return {"kernel": kernel, "bias": bias, "head": head}, x, forward


def layer_norm(x, scale, bias):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * scale + bias


def transformer():
    table, scale, bias, qkv, out, up, down = drawn((7, 4), 4, 4, (4, 12), (4, 4), (4, 8), (8, 4))

    def forward(p, ids):
        h = p["table"][ids] + jnp.sin(jnp.arange(ids.shape[1]))[:, None]
        n = layer_norm(h, p["scale"], p["bias"])
        q, k, v = (a.reshape(2, 3, 2, 2).swapaxes(1, 2) for a in jnp.split(n @ p["qkv"], 3, axis=-1))
        mask = jnp.tril(jnp.ones((3, 3), bool))
        scores = jnp.where(mask, q @ k.swapaxes(-1, -2) / jnp.sqrt(2.0), -jnp.inf)
        h = h + (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(2, 3, 4) @ p["out"]
        h = h + jax.nn.gelu(h @ p["up"]) @ p["down"]
        logp = jax.nn.log_softmax(h @ p["table"].T)
        return -jnp.sum(jax.nn.one_hot(ids, 7) * logp) / ids.size

    names = ("table", "scale", "bias", "qkv", "out", "up", "down")
    params = dict(zip(names, (table, scale, bias, qkv, out, up, down)))
    return params, np.array([[0, 1, 2], [3, 0, 6]]), forward


def gru():
    w, u, x = drawn((2, 9), (3, 9), (4, 2, 2))

    def forward(p, x):
        def step(h, x):
            a, b = x @ p["w"], h @ p["u"]
            r, z = jax.nn.sigmoid(a[:, :3] + b[:, :3]), jax.nn.sigmoid(a[:, 3:6] + b[:, 3:6])
            h = z * h + (1 - z) * jnp.tanh(a[:, 6:] + r * b[:, 6:])
            return h, h

        last, states = jax.lax.scan(step, jnp.zeros((2, 3)), x)
        return jnp.sum(last) + jnp.sum(states**2)

    return {"w": w, "u": u}, x, forward


def dropped():
    def forward(p, x, rng):
        keep = jax.random.bernoulli(rng, 0.5, x.shape)
        return jnp.sum(jnp.where(keep, x / 0.5, 0) @ p)

    w, x = drawn((3, 2), (4, 3))
    return w, (x, jax.random.key(3)), forward


@jax.custom_jvp
def cube(x):
    return x**3


cube.defjvps(lambda dx, y, x: 3 * x**2 * dx)


@jax.custom_vjp
def safe_sqrt(x):
    return jnp.sqrt(x + 1)


safe_sqrt.defvjp(lambda x: (jnp.sqrt(x + 1), x), lambda x, g: (g / (2 * jnp.sqrt(x + 1)),))


def own_rules():
    return {}, drawn(4), lambda _, x: cube(x) * safe_sqrt(x)


@jax.jit
def silu(x):
    """Of the name of one of JAX's own."""
    return 2 * x


def own_names():
    return {}, drawn(4), lambda _, x: silu(x)


def of_what_is_given():
    """Modules as trees: what is no array in them stays as it is."""
    w, x = drawn((3, 3), (2, 3))

    def forward(model, batch, scale):
        return {"loss": (model["act"](batch["x"] @ model["w"]) * scale).sum(), "steps": model["steps"] + 1}

    return {"w": w, "act": jnp.tanh, "steps": np.array(3)}, ({"x": x}, 0.5), forward


class Affine:
    """As a module of flax has it."""

    def apply(self, variables, x):
        return x * variables["params"]["scale"] + variables["batch_stats"]["mean"]

    def __call__(self, signal):
        raise NotImplementedError


def of_flax():
    scale, mean, x = drawn(3, 3, (2, 3))
    return (Affine(), {"params": {"scale": scale}, "batch_stats": {"mean": mean}}), (x,)


@jax.custom_vjp
def clipped(x):
    return x * 1


clipped.defvjp(lambda x: (x, None), lambda _, g: (jnp.clip(g, -1, 1),))


@jax.custom_jvp
def straight(x):
    return jnp.round(x)


straight.defjvps(lambda dx, y, x: dx)


@jax.custom_vjp
def halved(x):
    return x.astype(jnp.float16) * 2


halved.defvjp(lambda x: (halved(x), None), lambda _, g: (g.astype(float),))


def targeted():
    w, x, t = drawn((4, 3), (5, 4), (5, 3))
    return {"w": w}, {"x": x}, lambda p, x: (x @ p["w"], 0), t


def far(y, t):
    return jnp.mean((y - t) ** 2)


def of_a_module_alone():
    return Affine(), drawn(3)


def in_float32():
    """Of a file that has said so."""
    jax.config.update("jax_enable_x64", False)
    w, x = (jnp.asarray(a) for a in drawn((3, 2), (4, 3)))
    assert w.dtype == jnp.float32
    return {"w": w}, (x,), lambda p, x: jnp.sin(x @ p["w"])


def raising():
    return {}, drawn(3), lambda _, x: x.reshape(5)


def with_branches():
    return {}, drawn(3), lambda _, x: x if x[0] > 0 else -x


def of_nothing():
    return {}, drawn(3), lambda _, x: jax.lax.stop_gradient(x).astype(int)


def without_gradient():
    """As JAX itself has none of a pool with dilated windows."""
    def forward(_, x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (2,), (1,), "VALID", window_dilation=(2,))

    return {}, drawn(5), forward


def refusing(function):
    return lambda: ({}, drawn((3, 4)), lambda _, x: function(x))


sort_of_two = refusing(lambda x: jax.lax.sort((x, x), num_keys=2)[0])  # 2 keys
digamma = refusing(lambda x: jax.scipy.special.digamma(x + 1) + jnp.cumsum(jax.scipy.special.digamma(x + 1), 0))
bessel = refusing(lambda x: jax.scipy.special.i0(x))
branch = refusing(lambda x: jax.lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x))
endless = refusing(lambda x: jax.lax.while_loop(lambda c: c.sum() < 2, lambda c: c + 1, x))
moving = refusing(lambda x: jax.lax.dynamic_slice(x, (jnp.argmax(x[:, 0]), 0), (2, 4)))
beyond = refusing(lambda x: jnp.take(x, jnp.array([0, 5]), axis=0))
pairs = refusing(lambda x: x.at[jnp.array([0, 9]), jnp.array([1, 1])].get(mode="fill"))
maximal = refusing(lambda x: x.at[0].max(x[1]))
bits = refusing(lambda x: x * (x > 0).astype(int).astype(jnp.uint32).astype(int).__and__(1))
whole = refusing(lambda x: x * x.astype(int))
spectrum = refusing(lambda x: jnp.abs(jnp.fft.rfft(x)))
cut = refusing(lambda x: clipped(x))
through = refusing(lambda x: straight(x) * x)
narrow = refusing(lambda x: halved(x).astype(float))
unused = refusing(lambda x: (x * 2, jax.scipy.special.i0(x), jnp.sort(jnp.argmax(x, 1))))

for number, (call, inputs, _) in enumerate(CALLS):
    globals()[f"call_{number}"] = partial(made, call, inputs)
'''
MODELS = {
    "mlp": "matmul relu gather",
    "conv_net": "conv2d relu max_pool2d matmul",
    "transformer": "take where matmul tanh sum",
    "gru": "sigmoid tanh index stack",
    "dropped": "where matmul",
    "own_rules": "pow sqrt",
    "own_names": "mul",
    "of_what_is_given": "tanh",
    "of_flax": "mul add",
    "in_float32": "matmul sin",
}
REFUSED = {
    "sort_of_two": "sort by several keys, or of no floats: 1 call",
    "digamma": "digamma: 2 calls",
    "bessel": "bessel_i0e: 1 call",
    "branch": "cond whose predicate is computed from what is differentiated: 1 call",
    "endless": "while whose condition is computed from what is differentiated: 1 call",
    "moving": "dynamic_slice with starts that are computed: 1 call",
    "beyond": "gather with places beyond the end, which give its fill value: 1 call",
    "pairs": "gather with places beyond the end, which give its fill value: 1 call",
    "maximal": "scatter-max: 1 call",
    "bits": "and of the bits of integers: 1 call",
    "whole": "convert_element_type from float64 to int64: 1 call",
    "spectrum": "fft: 1 call",
    "cut": "custom_vjp_call of clipped, whose own derivative is not its body's: 1 call",
    "through": "custom_jvp_call of straight, whose own derivative is not its body's: 1 call",
    "narrow": "custom_vjp_call of halved, whose derivative is its own, and whose floats are less than float64: 1 call",
}
SAID = {
    "no such function": ({"function": "nosuch"}, "mine.py has no function nosuch"),
    "no parameters": ({"function": "of_a_module_alone"}, "of_a_module_alone() gives tuple, but must give parameters, inputs and a function of both"),
    "a submodule": ({"function": "mlp", "at": "first"}, "--at first: a function of JAX has no submodules; give the part"),
    "no loss": ({"function": "targeted"}, "a target is given beside the inputs: say which --loss"),
    "no such loss": ({"function": "targeted", "loss": "mse"}, "--loss mse: the file has no such function, which is given the output and the target"),
    "no target": ({"function": "mlp", "loss": "far"}, "--loss far: it is given the output: missing a required argument: 't'"),
    "what the file raises": ({"function": "raising"}, "TypeError: cannot reshape array of shape (3,) (size 3) into shape 5 (size 5), in mine.py:"),
    "a branch of Python": ({"function": "with_branches"}, "TracerBoolConversionError: Attempted boolean conversion of traced array with shape bool[]"),
    "no gradients at all": ({"function": "of_nothing"}, "no real number that the function returns depends on a parameter or on an input of floats"),
    "none that JAX has": ({"function": "without_gradient"}, "JAX itself gives no gradients: NotImplementedError: VJP not implemented for select_and_gather"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What comes back of each function, by its name: from one process."""
    names = [*(f"call_{i}" for i in range(len(CALLS))), *MODELS, *REFUSED, "unused"]
    asked = {name: {"function": name} for name in names} | {
        name: request for name, (request, _) in SAID.items()
    }
    asked["targeted"] = {"function": "targeted", "loss": "far"}
    with pytest.MonkeyPatch.context() as patch:  # what is run once takes longer to optimize than to run
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        text = FILE.replace("CALLS", repr([*CALLS.values()]))
        return exported_together("jax", text, tmp_path_factory.mktemp("functions"), asked)


@pytest.mark.parametrize("name", CALLS)
def test_the_case_of_an_expression_is_the_expression(name, folder):
    held(folder / f"call_{[*CALLS].index(name)}", CALLS[name][2])


@pytest.mark.parametrize("name", MODELS)
def test_the_case_of_a_model_is_the_model(name, folder):
    held(folder / name, MODELS[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_programs_have_no_word_for_is_told_with_its_line(name, folder):
    found = exported.read_back(folder / name)
    [told] = exported.lacking(found)
    line = 1 + FILE.splitlines().index(next(x for x in FILE.splitlines() if x.startswith(f"{name} = ")))
    assert told == f"  {REFUSED[name]}, the first in mine.py:{line}"


def test_what_the_output_does_not_depend_on_is_not_missed(folder):
    """Here a second result; of several that are given the first that is differentiable is the case's."""
    assert [s["text"] for s in held(folder / "unused", "mul").statements] == ["x * 2.0"]


def test_a_loss_of_the_file_is_given_the_first_output_and_the_target(folder):
    found = held(folder / "targeted", "matmul sub square")
    assert found.kinds == {"w": "parameter", "x": "input", "target": "input"}
    assert found.arrays["value"].shape == ()


def test_tensors_are_called_by_their_paths_and_are_what_they_were_given_as(folder):
    kinds = {
        name: exported.read_back(folder / name).kinds
        for name in ("mlp", "of_what_is_given", "of_flax", "dropped")
    }
    assert kinds["mlp"] == {
        "layers_0_w": "parameter",
        "layers_0_b": "parameter",
        "layers_1_w": "parameter",
        "layers_1_b": "parameter",
        "x": "input",
        "labels": "data",
    }
    assert kinds["of_what_is_given"] == {"w": "parameter", "batch_x": "input"}
    assert kinds["of_flax"] == {"batch_stats_mean": "constant", "scale": "parameter", "signal": "input"}
    assert kinds["dropped"] == {"p": "parameter", "x": "input", "bernoulli": "data"}


@pytest.mark.parametrize("name", SAID)
def test_what_is_wrong_is_a_sentence(name, folder):
    told = (folder / name / "error").read_text().splitlines()
    assert told[-1].startswith(f"SystemExit: {SAID[name][1]}")


WRONG = """
import jax
import jax.numpy as jnp


@jax.custom_jvp
def clipped(x):
    return jnp.sin(x)


clipped.defjvps(lambda dx, y, x: jnp.where(jnp.abs(x) < 9, jnp.cos(x), 0) * dx)


def make():
    return {}, jnp.array([0.5, 20.0]), lambda _, x: clipped(x)
"""


def imports(path, text, *more):
    (path / "mine.py").write_text(text)
    return main(["import", f"{path / 'mine.py'}:make", f"--interpreter=jax={interpreter('jax')[0]}", *more])


def test_a_derivative_that_differs_where_nobody_tried_is_told_by_the_gradients(tmp_path, capsys):
    """The rule is its body's derivative near 0, where it is tried; the input is far from there."""
    assert imports(tmp_path, WRONG, "--write", str(tmp_path / "cases/own/mine.toml")) == 2
    assert "the gradient of x is off by" in capsys.readouterr().err
    assert not (tmp_path / "cases").exists()


TRAINED = """
import jax
import jax.numpy as jnp


def make():
    first, second, third = jax.random.split(jax.random.key(0), 3)
    params = {"layers": [{"w": jax.random.normal(first, (4, 5)) / 2, "b": jnp.zeros(5)}], "head": jax.random.normal(third, (5, 3))}

    def forward(params, x, labels):
        for layer in params["layers"]:
            x = jnp.tanh(x @ layer["w"] + layer["b"])
        logp = jax.nn.log_softmax(x @ params["head"])
        return -jnp.mean(jnp.take_along_axis(logp, labels[:, None], axis=1))

    return params, (jax.random.normal(second, (6, 4)), jnp.array([0, 1, 2, 1, 0, 2])), forward
"""


def test_the_frameworks_agree_on_a_function_of_jax_that_is_trained(tmp_path, capsys):
    """8 of 8: in both dtypes, step by step, with numbers that optimizers have in float32 too."""
    options = [
        "--write",
        str(tmp_path / "cases/own/mine.toml"),
        "--steps=2",
        "--optimizer=sgd(lr=0.125, momentum=0.5)",
    ]
    assert imports(tmp_path, TRAINED, *options) == 0, capsys.readouterr().err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert variant.training.parameters == ("head", "layers_0_b", "layers_0_w")
    assert "# mine.py:12" in variant.program.text
    words = [sys.executable, "-m", "pytest", "cases", "--cases=cases", "--require=all", "--record=run.jsonl"]
    run = finished(words, tmp_path)
    assert run.ret == 0, said(run)
    cells = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [cell["verdict"] for cell in cells if cell["kind"] == "cell"] == ["agree"] * 8


def test_the_page_shows_what_happens(tmp_path, monkeypatch, capsys):
    """Of numbers like 1.6e-16 that there is one."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    section = page.partition("## A function of JAX")[2]
    file, shown, statements = re.findall(r"^```(?:python)?\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[
        :3
    ]
    command, *printed = shown.splitlines()
    assert command == "$ harness import mine.py:make --write cases/own/mine.toml"
    Path("mine.py").write_text(file)
    python = f"--interpreter=jax={interpreter('jax')[0]}"
    assert main(["import", "mine.py:make", python, "--write=cases/own/mine.toml"]) == 0
    told = capsys.readouterr()
    lines = [re.sub(r"\d\.\de-1\d", "#", line) for line in (told.err + told.out).splitlines()]
    assert lines == [re.sub(r"\d\.\de-1\d", "#", line) for line in printed]
    assert statements in Path("cases/own/mine.toml").read_text()


PORT = """
import jax
import jax.numpy as jnp
import numpy as np


def make():
    params = {"layers": [{"w": np.zeros((4, 5)), "b": np.zeros(5)}], "head": np.zeros((5, 3))}

    def forward(params, x, labels):
        [layer] = params["layers"]
        logp = jax.nn.log_softmax(jnp.tanh(x @ layer["w"] + layer["b"]) @ params["head"])
        return -jnp.sum(jnp.take_along_axis(logp, labels[:, None], axis=1))

    return params, (np.zeros((6, 4)), np.zeros(6, int)), forward
"""


def test_a_function_of_jax_is_held_to_its_port(tmp_path, capsys):
    """Its numbers are those that were exported; here the port has a sum where the original has a mean."""
    python = interpreter("jax")[0]
    (tmp_path / "mine.py").write_text(TRAINED)
    (tmp_path / "theirs.py").write_text(PORT)
    words = ["port", f"{tmp_path / 'mine.py'}:make", f"{tmp_path / 'theirs.py'}:make"]
    assert main([*words, f"--interpreter=jax={python}", f"--interpreter=theirs={python}"]) == 1
    told = capsys.readouterr()
    assert "layers/0/w [4, 5] = layers_0_w [4, 5]: as it is (by name)" in told.out, told.err
    assert "a division by 6 = gather.shape[0] is missing" in told.out


@pytest.mark.parametrize(
    ("text", "prefix", "taken"),
    [
        ("import torch", "", "torch"),
        ("from torch.nn import Linear", "", "torch"),
        ("import jax.numpy as jnp", "", "jax"),
        ("def make():\n    from jax import nn", "", "jax"),
        ("import jax", "torch:", "torch"),
        ("import keras", "keras:", "keras"),
        ("", "jax:", "jax"),
        ("import jax, torch", "", "the file imports jax and torch: say whose it is, jax:mine.py:make, torch:mine.py:make"),
        ("from .jax import nn", "", "the file imports none of them: say whose it is, jax:mine.py:make"),
        ("import jaxtyping", "", "the file imports none of them"),
        ("import = 3", "", "mine.py:1: invalid syntax"),
    ],
)  # fmt: skip
def test_a_file_goes_to_the_framework_that_it_imports_or_that_is_named(
    tmp_path, monkeypatch, capsys, text, prefix, taken
):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(text)
    asked = []
    monkeypatch.setattr(own, "_interpreter", lambda _, door: asked.append(door.name))
    monkeypatch.setattr(own, "export", lambda *_, **__: sys.exit(7))
    if " " in taken:
        assert main(["import", f"{prefix}mine.py:make"]) == 2
        assert taken in capsys.readouterr().err
    else:
        with pytest.raises(SystemExit, match="7"):
            main(["import", f"{prefix}mine.py:make"])
        assert asked == [taken]


SIZED = """
import jax
import jax.numpy as jnp


def make(batch):
    random = jax.random.split(jax.random.key(0))
    params = {"w": jax.random.normal(random[0], (3, 2)), "b": jnp.array([0.5, -0.25])}

    def forward(params, x):
        return jnp.mean(jnp.tanh(x @ params["w"] + params["b"]) ** 2)

    return params, (jax.random.normal(random[1], (batch, 3)),), forward
"""


def test_several_sizes_are_one_case(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SIZED)
    python = f"--interpreter=jax={interpreter('jax')[0]}"
    assert main(["import", "mine.py:make", python, "--sizes=batch=2,5", "--write=cases/own/mlp.toml"]) == 0, (
        capsys.readouterr().err
    )
    assert [v.id for v in load(Path("cases/own/mlp.toml"), Path("cases")).variants] == ["batch:2", "batch:5"]
    assert 'shape = ["batch", 3]' in Path("cases/own/mlp.toml").read_text()
    assert main(["import", "mine.py:make", python]) == 2
    assert "make() can't be called without arguments, which --sizes gives" in capsys.readouterr().err
