"""Rows for activation functions.

Where two formulas stand, the exact context takes the one that is accurate in its tails; a perturbed run takes the
one that frameworks use, from the rounded output.
"""

import numpy as np

from . import shapes
from .elementary import sigmoid_slope
from .kinks import between
from .limits import vanishing
from .row import Doc, row

SATURATED = 40
"""Beyond it the softplus of x is x or 0 in every dtype, so that nothing of x - softplus(x) is rounded away."""


def softplus_slope(c, x):
    """The logistic function of x. JAX takes exp(x - softplus(x)), whose argument errs by a share of |x| (logaddexp)."""
    return c.r(c.fn("sigmoid", x), 1 + np.minimum(np.abs(x), SATURATED))


row(
    "sigmoid",
    shapes.same,
    lambda c, x: c.fn("sigmoid", x),
    lambda c, y, x, g: c.r(vanishing(g, g * (sigmoid_slope(x) if c.exact else c.r(y * c.r(1 - y))))),
    doc=Doc("1 / (1 + exp(-x))", gradient="g * y * (1 - y), with y = sigmoid(x)", example="a = sigmoid(z)"),
)
row(
    "tanh",
    shapes.same,
    lambda c, x: c.fn("tanh", x),
    lambda c, y, x, g: c.r(vanishing(g, g * (4 * sigmoid_slope(2 * x) if c.exact else c.r(1 - c.r(y * y))))),
    doc=Doc(
        "the hyperbolic tangent of x", gradient="g * (1 - y**2), with y = tanh(x)", example="a = tanh(z)"
    ),
)
row(
    "softplus",
    shapes.same,
    lambda c, x: c.fn("softplus", x),
    lambda c, y, x, g: c.r(vanishing(g, g * softplus_slope(c, x))),
    doc=Doc("log(1 + exp(x)), without overflow", gradient="g * sigmoid(x)", example="y = softplus(x)"),
)
row(
    "relu",
    shapes.same,
    lambda c, x: np.where(c.kink(x) > 0, x, 0.0),
    lambda c, y, x, g: np.where(c.kink(x) > 0, g, 0.0),
    kinks=between,
    doc=Doc(
        "x where x > 0, else 0",
        gradient="g where x > 0, else 0",
        kinks="at 0 anything between 0 and g is right; the reference takes 0",
        example="a = relu(z)",
    ),
)
row(
    "leaky_relu",
    shapes.sloped,
    lambda c, x, *, slope=0.01: np.where(c.kink(x) > 0, x, c.r(slope * x)),
    lambda c, y, x, g, *, slope: np.where(c.kink(x) > 0, g, c.r(slope * g)),
    kinks=between,
    doc=Doc(
        "x where x > 0, else slope * x",
        gradient="g where x > 0, else slope * g",
        kinks="at 0 anything between slope * g and g is right; the reference takes slope * g",
        arguments={"slope": "a finite number"},
        example="a = leaky_relu(z, slope=0.2)",
    ),
)
