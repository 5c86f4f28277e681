"""Rows for arithmetic and products: elementwise operators, powers, roots, exponentials, angles, matrix products."""

import math

import numpy as np

from . import shapes
from .kinks import between, divided
from .limits import apart, reached, vanishing
from .row import Doc, row


def unbroadcast(c, g, x):
    """The cotangent of `x` from that of its broadcast: a sum over the axes along which `x` was repeated."""
    shape = np.shape(x)
    lead = np.ndim(g) - len(shape)
    axes = (*range(lead), *(lead + i for i, size in enumerate(shape) if size == 1 and g.shape[lead + i] != 1))
    return c.sum(g, axes).reshape(shape) if axes else g


row(
    "add",
    shapes.broadcast,
    lambda c, x, y: c.r(x + y),
    lambda c, out, x, y, g: unbroadcast(c, g, x),
    lambda c, out, x, y, g: unbroadcast(c, g, y),
    doc=Doc(
        "x + y, so written",
        gradient="g towards each, summed over the axes along which it was broadcast",
        example="y = x + 1",
    ),
)
row(
    "sub",
    shapes.broadcast,
    lambda c, x, y: c.r(x - y),
    lambda c, out, x, y, g: unbroadcast(c, g, x),
    lambda c, out, x, y, g: unbroadcast(c, -g, y),
    doc=Doc(
        "x - y, so written",
        gradient="g towards x, -g towards y, summed over broadcast axes",
        example="d = p - t",
    ),
)
row(
    "mul",
    shapes.broadcast,
    lambda c, x, y: c.r(x * y),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * y)), x),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g * x)), y),
    doc=Doc(
        "x * y, so written: element by element",
        gradient="g * y towards x, g * x towards y, summed over broadcast axes; 0 where g is 0",
        example="y = mask * x",
    ),
)
row(
    "div",
    shapes.broadcast,
    lambda c, x, y: c.r(x / y),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, g / y)), x),
    lambda c, out, x, y, g: unbroadcast(c, c.r(vanishing(g, -g * c.r(out / y))), y),
    doc=Doc(
        "x / y, so written",
        gradient="g / y towards x, -g * x / y**2 towards y, summed over broadcast axes; 0 where g is 0",
        example="y = x / n",
    ),
)


def _pow_x(c, out, x, y, g):
    """Y x^(y - 1), and 0 for y = 0. Frameworks round y - 1, where it isn't exact in float32."""
    exponent = y - 1
    if not c.exact:
        narrow = np.positive(exponent, dtype=np.float32, casting="same_kind")
        exponent = np.where(narrow == exponent, exponent, c.r(exponent))
    slope = c.r(vanishing(y, y * c.fn("pow", x, exponent)))
    return unbroadcast(c, c.r(vanishing(g, g * slope)), x)


def _pow_y(c, out, x, y, g):
    """X^y log(x), and 0 at x = 0 for y > 0. There is no derivative at 0^0, nor beside negative numbers."""
    slope = c.r(vanishing(out, out * c.fn("log", x)))
    undefined = (x < 0) | ((x == 0) & (y == 0))
    if np.any(undefined):
        slope = c.absolute(np.where(undefined, 0.0, slope), np.where(undefined, np.inf, 0.0))
    return unbroadcast(c, c.r(vanishing(g, g * slope)), y)


row(
    "pow",
    shapes.broadcast,
    lambda c, x, y: c.fn("pow", x, y),
    _pow_x,
    _pow_y,
    doc=Doc(
        "x ** y, so written",
        gradient="g * y * x**(y - 1) towards x, which is 0 for y = 0; g * x**y * log(x) towards y, which is 0 at x = 0 for y > 0",
        example="y = x ** 3",
    ),
)
row(
    "neg",
    shapes.same,
    lambda c, x: -x,
    lambda c, out, x, g: -g,
    doc=Doc("-x, so written", gradient="-g", example="y = -x"),
)
row(
    "exp",
    shapes.same,
    lambda c, x: c.fn("exp", x),
    lambda c, out, x, g: c.r(vanishing(g, g * out)),
    doc=Doc("e**x", gradient="g * exp(x)", example="y = exp(x)"),
)
row(
    "log",
    shapes.same,
    lambda c, x: c.fn("log", x),
    lambda c, out, x, g: c.r(vanishing(g, g / x)),
    doc=Doc("the natural logarithm of x", gradient="g / x", example="y = log(x)"),
)
row(
    "sqrt",
    shapes.same,
    lambda c, x: c.fn("sqrt", x),
    lambda c, out, x, g: c.r(vanishing(g, g / (2 * out))),
    doc=Doc(
        "the root of x",
        gradient="g / (2 * sqrt(x)); 0 where g is 0, also at x = 0",
        example="s = sqrt(v + 1e-5)",
    ),
)
row(
    "square",
    shapes.same,
    lambda c, x: c.r(x * x),
    lambda c, out, x, g: c.r(vanishing(g, g * (2 * x))),
    doc=Doc("x * x", gradient="2 * g * x", example="loss = sum(square(x))"),
)
row(
    "sin",
    shapes.same,
    lambda c, x: c.fn("sin", x),
    lambda c, out, x, g: c.r(vanishing(g, g * c.fn("cos", x))),
    doc=Doc("the sine of x, in radians", gradient="g * cos(x)", example="y = sin(x)"),
)
row(
    "cos",
    shapes.same,
    lambda c, x: c.fn("cos", x),
    lambda c, out, x, g: c.r(vanishing(g, -g * c.fn("sin", x))),
    doc=Doc("the cosine of x, in radians", gradient="-g * sin(x)", example="y = cos(x)"),
)
row(
    "abs",
    shapes.same,
    lambda c, x: np.abs(x),
    lambda c, out, x, g: g * np.sign(c.kink(x)),
    kinks=between,
    doc=Doc(
        "|x|",
        gradient="g * sign(x)",
        kinks="at 0 anything between -g and g is right; the reference takes 0",
        example="loss = mean(abs(p - t))",
    ),
)


row(
    "maximum",
    shapes.broadcast,
    lambda c, x, y: np.where(c.kink(apart(x, y)) > 0, x, y),
    lambda c, out, x, y, g: unbroadcast(c, g * np.heaviside(c.kink(apart(x, y)), 0.5), x),
    lambda c, out, x, y, g: unbroadcast(c, g * np.heaviside(-c.kink(apart(x, y)), 0.5), y),
    kinks=divided,
    doc=Doc(
        "the larger of x and y, element by element",
        gradient="g towards the larger, 0 towards the other, summed over broadcast axes",
        kinks="where both are equal, non-negative shares that add up to g are right; the reference halves it",
        example="y = maximum(x, 0)",
    ),
)
row(
    "where",
    shapes.where,
    lambda c, condition, x, y: np.where(condition, x, y),
    lambda c, out, condition, x, y, g: np.zeros(np.shape(condition)),
    lambda c, out, condition, x, y, g: unbroadcast(c, np.where(condition, g, 0.0), x),
    lambda c, out, condition, x, y, g: unbroadcast(c, np.where(condition, 0.0, g), y),
    dtypes={0: ("bool",)},
    doc=Doc(
        "x where the condition is true, else y",
        gradient="g towards the branch that is taken, exactly 0 towards the other, whatever stands there",
        arguments={
            "condition": "a bool tensor; it has no gradient",
            "x": "a tensor or a number; all three broadcast as in NumPy",
            "y": "as x",
        },
        example="y = where(keep, x, 0)",
    ),
)


def _matrices(x, y, g):
    """Operands and cotangent of a product as matrices: a vector is a row on the left, a column on the right."""
    if x.ndim == 1:
        x, g = x[None, :], np.expand_dims(g, -1 if y.ndim == 1 else -2)
    if y.ndim == 1:
        y, g = y[:, None], np.expand_dims(g, -1)
    return x, y, g


def _matmul_left(c, out, x, y, g):
    _, y2, g2 = _matrices(x, y, g)
    dx = c.matmul(g2, reached(y2.swapaxes(-1, -2), g2))
    return unbroadcast(c, np.squeeze(dx, -2) if x.ndim == 1 else dx, x)


def _matmul_right(c, out, x, y, g):
    x2, _, g2 = _matrices(x, y, g)
    dy = c.matmul(reached(x2, g2.swapaxes(-1, -2)).swapaxes(-1, -2), g2)
    return unbroadcast(c, np.squeeze(dy, -1) if y.ndim == 1 else dy, y)


row(
    "matmul",
    shapes.matmul,
    lambda c, x, y: c.matmul(x, y),
    _matmul_left,
    _matmul_right,
    terms=shapes.last,
    doc=Doc(
        "x @ y, so written: the product of matrices, as in NumPy",
        gradient="g @ y.T towards x, x.T @ g towards y, summed over broadcast leading axes",
        arguments={"x": "(n,) or (..., m, n)", "y": "(n,) or (..., n, p); leading axes broadcast"},
        example="y = W @ x",
    ),
)


def _linear(c, x, W, b=None, *, weights="out_in"):
    return c.matmul(x, W.T if weights == "out_in" else W, b)


def _linear_x(c, out, x, W, b, g, *, weights):
    g = g.reshape(*x.shape[:-1], g.shape[-1])
    return c.matmul(g, reached(W if weights == "out_in" else W.T, g))


def _linear_W(c, out, x, W, b, g, *, weights):
    x, g = (a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) for a in (x, g))
    x = reached(x, g.T)
    return c.matmul(g.T, x) if weights == "out_in" else c.matmul(x.T, g)


row(
    "linear",
    shapes.linear,
    _linear,
    _linear_x,
    _linear_W,
    lambda c, out, x, W, b, g, *, weights: unbroadcast(c, g, b),
    terms=shapes.last,
    doc=Doc(
        'x @ W.T + b with weights="out_in", x @ W + b with weights="in_out"',
        gradient="g @ W (or g @ W.T) towards x; g.T @ x (or x.T @ g) towards W and the sum of g towards b, over all positions",
        arguments={
            "x": "(..., in)",
            "W": '(out, in) with weights="out_in", (in, out) with weights="in_out"',
            "b": "(out,) or (1, out); may be left out",
            "weights": 'the layout of W: "out_in", one row an output; "in_out", one column an output',
        },
        example='z = linear(x, W, b, weights="in_out")',
    ),
)
