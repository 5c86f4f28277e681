"""Faults of precision: narrow types where they should not be, sloppy functions, rounded and flushed gradients."""

import numpy as np
from numpy_implementation import ACTIVATIONS, LAYERS, each_gradient, fault

EXP = ("sigmoid", "softplus", "cross_entropy", "bce_with_logits")


def narrowed(a, bits):
    """`a` with a significand of `bits` bits behind the leading one, rounded to nearest even; bfloat16 has 7, TF32 10."""
    significand, exponent = np.frexp(a)
    return np.ldexp(np.rint(np.ldexp(significand, bits + 1)), exponent - bits - 1)


@fault("round4", *LAYERS)
def round4(n):
    """The gradient that enters one layer is rounded to 4 decimals."""
    _rounded(n, 4)


@fault("round6", *LAYERS)
def round6(n):
    """The gradient that enters one layer is rounded to 6 decimals."""
    _rounded(n, 6)


def _rounded(n, decimals):
    vjp, middle = n.vjp, n.middle
    n.vjp = lambda i, node, out, args, g: vjp(i, node, out, args, np.round(g, decimals) if i == middle else g)


@fault("bf16_mm", *LAYERS)
def bf16_mm(n):
    """Operands of matrix products are rounded to bfloat16."""
    n.matmul = lambda a, b: np.matmul(narrowed(a, 7), narrowed(b, 7))


@fault("tf32_mm", *LAYERS)
def tf32_mm(n):
    """Operands of matrix products are rounded to TF32."""
    n.matmul = lambda a, b: np.matmul(narrowed(a, 10), narrowed(b, 10))


@fault("fp16_acc", *LAYERS)
def fp16_acc(n):
    """Matrix products are accumulated in float16, block by block."""

    def matmul(a, b):
        terms = a.shape[-1]
        block = max(8, -(-terms // 16))
        total = np.float16(0)
        for start in range(0, terms, block):
            part = np.matmul(a[..., start : start + block], b[start : start + block])
            total = (total + part).astype(np.float16)
        return total.astype(n.dtype)

    n.matmul = matmul


@fault("fp16_act", *ACTIVATIONS)
def fp16_act(n):
    """Activations are kept in float16."""
    call = n.call

    def changed(i, node, args):
        out = call(i, node, args)
        return out.astype(np.float16).astype(n.dtype) if node.op in ACTIVATIONS else out

    n.call = changed


@fault("exp_1e-4", *EXP)
def exp_4(n):
    """The exponential function is off by up to 1e-4 of itself."""
    n.exp = lambda x: np.exp(x) * (1 + 1e-4 * np.cos(17 * x))


@fault("exp_1e-6", *EXP)
def exp_6(n):
    """The exponential function is off by up to 1e-6 of itself."""
    n.exp = lambda x: np.exp(x) * (1 + 1e-6 * np.cos(17 * x))


@fault("flush1e-6")
def flush(n):
    """Gradients smaller than 1e-6 become zero on their way."""
    each_gradient(n, lambda i, node, k, dx, args, g: np.where(np.abs(dx) < 1e-6, 0, dx).astype(n.dtype))


@fault("noise1e-6", *LAYERS)
def noise(n):
    """Every matrix product has random errors of up to 1e-6 of itself."""

    def matmul(a, b):
        out = np.matmul(a, b)
        return out * (1 + 1e-6 * n.random.uniform(-1, 1, out.shape)).astype(n.dtype)

    n.matmul = matmul


@fault("sub_f32", dtypes=("float64",))
def sub_f32(n):
    """Everything is computed in float32 inside."""
    n.dtype = np.dtype(np.float32)


@fault("exp_f32", *EXP, dtypes=("float64",))
def exp_f32(n):
    """The exponential function is computed in float32."""
    n.exp = lambda x: np.exp(x.astype(np.float32)).astype(n.dtype)
