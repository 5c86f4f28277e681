"""Rows for losses of predictions and targets of any real value."""

import numpy as np

from . import shapes
from .composed import composed
from .kinks import between
from .losses import reduced, unreduced
from .row import Doc, row


def reduction_of(f, loss, reduction):
    """The mean or the sum of a formula's losses, or all of them."""
    return {"mean": f.mean, "sum": f.sum, "none": lambda x: x}[reduction](loss)


PAIR = {"p": "the prediction, of any shape", "t": "the target, of the same shape"}

composed(
    "mae",
    shapes.pair_loss,
    lambda f, p, t, *, reduction="mean": reduction_of(f, f.abs(p - t), reduction),
    kinks=between,
    doc=Doc(
        "|p - t|, reduced",
        gradient='g * sign(p - t) towards p, the negative towards t; by the number of elements with reduction="mean"',
        kinks="where p = t anything between -g and g is right; the reference takes 0",
        arguments=PAIR,
        example="loss = mae(y, t)",
    ),
)


def _errors(c, p, t, scale):
    """The errors, and where they are at most the scale."""
    d = c.r(p - t)
    return d, c.kink(np.abs(d) - scale) <= 0


def _cut(c, p, t, scale):
    """The errors, cut off at -scale and scale. optax adds the scale and subtracts it again, of small errors too."""
    d, near = _errors(c, p, t, scale)
    return np.where(near, d if c.exact else c.r(c.r(d + scale) - scale), np.sign(d) * scale)


def _huber(c, p, t, *, delta=1.0, reduction="mean"):
    d, near = _errors(c, p, t, delta)
    beyond = c.r(delta * c.r(np.abs(d) - delta / 2))
    return reduced(c, np.where(near, c.r(c.r(np.square(d)) / 2), beyond), reduction)


def _huber_vjp(c, p, t, g, delta, reduction):
    return c.r(unreduced(c, g, p.size, reduction) * _cut(c, p, t, delta))


def _smooth_l1(c, p, t, *, beta=1.0, reduction="mean"):
    d, near = _errors(c, p, t, beta)
    square = c.r(c.r(np.square(d)) / (2 * beta))
    return reduced(c, np.where(near, square, c.r(np.abs(d) - beta / 2)), reduction)


def _smooth_l1_vjp(c, p, t, g, beta, reduction):
    return c.r(unreduced(c, g, p.size, reduction) * c.r(_cut(c, p, t, beta) / beta))


row(
    "huber",
    shapes.pair_loss,
    _huber,
    lambda c, out, p, t, g, *, delta, reduction: _huber_vjp(c, p, t, g, delta, reduction),
    lambda c, out, p, t, g, *, delta, reduction: _huber_vjp(c, t, p, g, delta, reduction),
    kinks=between,
    doc=Doc(
        "(p - t)**2 / 2 where |p - t| <= delta, else delta * (|p - t| - delta / 2), reduced",
        gradient='g * (p - t), cut off at -delta and delta, towards p, the negative towards t; by the number of elements with reduction="mean"',
        kinks="there is a derivative everywhere, though its own has none where |p - t| = delta",
        arguments={**PAIR, "delta": "a positive number"},
        example="loss = huber(y, t, delta=0.5)",
    ),
)
row(
    "smooth_l1",
    shapes.pair_loss,
    _smooth_l1,
    lambda c, out, p, t, g, *, beta, reduction: _smooth_l1_vjp(c, p, t, g, beta, reduction),
    lambda c, out, p, t, g, *, beta, reduction: _smooth_l1_vjp(c, t, p, g, beta, reduction),
    kinks=between,
    doc=Doc(
        "(p - t)**2 / (2 * beta) where |p - t| < beta, else |p - t| - beta / 2, reduced: huber by its delta",
        gradient='g * (p - t) / beta, cut off at -1 and 1, towards p, the negative towards t; by the number of elements with reduction="mean"',
        kinks="there is a derivative everywhere, though its own has none where |p - t| = beta",
        arguments={**PAIR, "beta": "a positive number"},
        example="loss = smooth_l1(y, t, beta=0.5)",
    ),
)


def _gaussian(*inputs, full, reduction):
    shapes.flag("full", full)
    return shapes.loss(*inputs, reduction=reduction)


def _gaussian_nll(f, x, t, var, *, full=False, reduction="mean"):
    loss = 0.5 * (f.log(var) + f.square(x - t) / var)
    return reduction_of(f, loss + 0.9189385332046727 if full else loss, reduction)


composed(
    "gaussian_nll",
    _gaussian,
    _gaussian_nll,
    doc=Doc(
        "(log(var) + (x - t)**2 / var) / 2, reduced; with full=True plus log(2 * pi) / 2",
        gradient='g * (x - t) / var towards x, the negative towards t, g * (1 - (x - t)**2 / var) / (2 * var) towards var; by the number of elements with reduction="mean"',
        arguments={
            "x": "expectations, of any shape",
            "t": "the target, of the same shape",
            "var": "variances, positive, of the same shape; they are not clipped",
            "full": "whether it has its constant",
        },
        example="loss = gaussian_nll(mu, t, exp(log_var))",
    ),
)


def _poisson(x, t, *, log_input, epsilon, reduction):
    shapes.flag("log_input", log_input)
    return shapes.pair_loss(x, t, reduction=reduction, epsilon=epsilon)


def _poisson_nll(f, x, t, *, log_input=True, epsilon=1e-8, reduction="mean"):
    loss = f.exp(x) - t * x if log_input else x - t * f.log(x + epsilon)
    return reduction_of(f, loss, reduction)


composed(
    "poisson_nll",
    _poisson,
    _poisson_nll,
    doc=Doc(
        "exp(x) - t * x, or with log_input=False x - t * log(x + epsilon), reduced",
        gradient='g * (exp(x) - t) towards x, -g * x towards t; or g * (1 - t / (x + epsilon)) and -g * log(x + epsilon); by the number of elements with reduction="mean"',
        arguments={
            "x": "logarithms of expectations, of any shape; or with log_input=False expectations",
            "t": "counts, of the same shape",
            "log_input": "which of both x is",
            "epsilon": "a positive number, which is added inside the logarithm",
        },
        example="loss = poisson_nll(log_rate, counts)",
    ),
)
