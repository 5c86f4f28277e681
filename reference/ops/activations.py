"""Rows for activation functions beside those of units.py: gated ones, and pieces of lines and exponentials.

Where two formulas stand, the exact context takes the one that is accurate in its tails; a perturbed run takes the
one that frameworks use.
"""

import math

import numpy as np

from . import shapes
from .arithmetic import unbroadcast
from .composed import composed
from .elementary import normal_cdf, normal_density, sigmoid
from .kinks import between
from .limits import vanishing
from .row import Doc, OpError, row

DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)
TANH_SCALE, CUBIC = math.sqrt(2 / math.pi), 0.044715


def _approximated(x, *, approximate):
    shapes.choice("approximate", approximate, ("none", "tanh"))
    return x


def _cdf(c, x):
    """Frameworks add 1 to erf, so that in the negative tail the error is some units of 1."""
    return c.absolute(normal_cdf(x), 2.0)


def _density(c, x):
    return normal_density(x) if c.exact else c.r(DENSITY_AT_0 * c.fn("exp", -0.5 * c.r(x * x)))


def _tanh_argument(c, x):
    return c.r(TANH_SCALE * c.r(x + c.r(CUBIC * c.r(x * c.r(x * x)))))


def _tanh_cdf(c, x):
    """(1 + tanh(u)) / 2, which is the logistic function of 2u."""
    u = _tanh_argument(c, x)
    return sigmoid(2 * u) if c.exact else c.r(0.5 * c.r(1 + c.fn("tanh", u)))


def _tanh_density(c, x):
    u = _tanh_argument(c, x)
    hill = 2 * sigmoid(2 * u) * sigmoid(-2 * u) if c.exact else c.r(0.5 * c.r(1 - np.square(c.fn("tanh", u))))
    return c.r(hill * c.r(TANH_SCALE * c.r(1 + c.r(3 * CUBIC * c.r(x * x)))))


def _gelu(c, x, *, approximate="none"):
    return c.r(vanishing(x, x * (_cdf if approximate == "none" else _tanh_cdf)(c, x)))


def _gelu_x(c, out, x, g, *, approximate):
    cdf, density = (_cdf, _density) if approximate == "none" else (_tanh_cdf, _tanh_density)
    slope = c.r(cdf(c, x) + c.r(x * density(c, x)))
    return c.r(vanishing(g, g * slope))


row(
    "gelu",
    _approximated,
    _gelu,
    _gelu_x,
    doc=Doc(
        'x * (1 + erf(x / sqrt(2))) / 2; with approximate="tanh" x * (1 + tanh(u)) / 2, u = sqrt(2 / pi) * (x + 0.044715 * x**3)',
        gradient="g * (cdf(x) + x * cdf'(x)), with y = x * cdf(x)",
        arguments={"approximate": '"none": with the error function; "tanh": the formula with tanh'},
        example="a = gelu(z)",
    ),
)
composed(
    "silu",
    shapes.same,
    lambda f, x: x * f.sigmoid(x),
    doc=Doc(
        "x * sigmoid(x)", gradient="g * s * (1 + x * (1 - s)), with s = sigmoid(x)", example="a = silu(z)"
    ),
)
composed(
    "mish",
    shapes.same,
    lambda f, x: x * f.tanh(f.softplus(x)),
    doc=Doc(
        "x * tanh(softplus(x))",
        gradient="g * (t + x * (1 - t**2) * sigmoid(x)), with t = tanh(softplus(x))",
        example="a = mish(z)",
    ),
)
composed(
    "log_sigmoid",
    shapes.same,
    lambda f, x: -f.softplus(-x),
    doc=Doc(
        "log(sigmoid(x)), that is -softplus(-x)",
        gradient="g * sigmoid(-x)",
        example="loss = -mean(log_sigmoid(z))",
    ),
)


def _halved(x, *, axis):
    return shapes.split(x, parts=2, axis=axis)[0]


def _glu(f, x, *, axis=-1):
    left, right = f.split(x, parts=2, axis=axis)
    return left * f.sigmoid(right)


composed(
    "glu",
    _halved,
    _glu,
    doc=Doc(
        "left * sigmoid(right), the halves of x along the axis",
        gradient="g * sigmoid(right) towards the left half, g * left * s * (1 - s) towards the right, with s = sigmoid(right)",
        arguments={"axis": "the axis that is halved, of an even size"},
        example="a = glu(z, axis=1)",
    ),
)


def _softsign_x(c, out, x, g):
    """1 / (1 + |x|)^2; automatic differentiation has 1 / (1 + |x|) - |x| / (1 + |x|)^2."""
    below = c.r(1 / c.r(1 + np.abs(x)))
    return c.r(vanishing(g, g * c.absolute(np.square(below), below)))


row(
    "softsign",
    shapes.same,
    lambda c, x: c.r(x / c.r(1 + np.abs(x))),
    _softsign_x,
    doc=Doc("x / (1 + |x|)", gradient="g / (1 + |x|)**2", example="a = softsign(z)"),
)


def _bounded(x, *, low, high):
    if not shapes.number("low", low) < shapes.number("high", high):
        raise OpError(f"low is {low!r} and high is {high!r}, but low must be the smaller")
    return x


composed(
    "hard_tanh",
    _bounded,
    lambda f, x, *, low=-1, high=1: f.clip(x, low=low, high=high),
    kinks=between,
    doc=Doc(
        "x, but low where it is smaller, and high where it is larger",
        gradient="g between the bounds, 0 beyond them",
        kinks="at a bound anything between 0 and g is right; the reference takes half of it",
        arguments={"low": "a finite number", "high": "a finite number above low"},
        example="a = hard_tanh(z, low=-2, high=2)",
    ),
)
composed(
    "relu6",
    shapes.same,
    lambda f, x: f.clip(x, low=0, high=6),
    kinks=between,
    doc=Doc(
        "x, but 0 where it is negative, and 6 where it is larger",
        gradient="g where 0 < x < 6, else 0",
        kinks="at 0 and at 6 anything between 0 and g is right; the reference takes half of it",
        example="a = relu6(z)",
    ),
)


def _inside(c, x):
    """Where the hard sigmoid rises."""
    return (c.kink(x + 3) > 0) & (c.kink(3 - x) > 0)


def _hard_sigmoid(c, x):
    """X / 6 + 1/2 has an error of a share of 1, (x + 3) / 6 has not."""
    return np.where(_inside(c, x), c.absolute((x + 3) / 6, 1.0), np.where(c.kink(x) > 0, 1.0, 0.0))


row(
    "hard_sigmoid",
    shapes.same,
    _hard_sigmoid,
    lambda c, out, x, g: np.where(_inside(c, x), c.r(g / 6), 0.0),
    kinks=between,
    doc=Doc(
        "(x + 3) / 6, but at least 0 and at most 1",
        gradient="g / 6 where -3 < x < 3, else 0",
        kinks="at -3 and at 3 anything between 0 and g / 6 is right; the reference takes 0",
        example="a = hard_sigmoid(z)",
    ),
)
composed(
    "hard_swish",
    shapes.same,
    lambda f, x: x * f.hard_sigmoid(x),
    kinks=between,
    doc=Doc(
        "x * hard_sigmoid(x)",
        gradient="g * (2 * x + 3) / 6 where -3 < x < 3, 0 below and g above",
        kinks="at -3 anything between -g / 2 and 0 is right, at 3 between g and 3/2 g; the reference takes 0 and g",
        example="a = hard_swish(z)",
    ),
)


def _scaled(x, *, alpha):
    if not shapes.number("alpha", alpha) > 0:
        raise OpError(f"alpha is {alpha!r}, but must be positive")
    return x


def _below(c, z, alpha):
    """Alpha (e^z - 1) for z <= 0; some frameworks subtract, so that near 0 the error is some units of alpha."""
    return c.r(alpha * (c.fn("expm1", z) if c.exact else c.r(c.fn("exp", z) - 1)))


def _elu_x(c, out, x, g, *, alpha):
    """Frameworks have alpha exp(x) as the output + alpha."""
    slope = alpha * c.fn("exp", np.minimum(x, 0.0)) if c.exact else c.r(out + alpha)
    return np.where(c.kink(x) > 0, g, c.r(vanishing(g, g * slope)))


row(
    "elu",
    _scaled,
    lambda c, x, *, alpha=1.0: np.where(c.kink(x) > 0, x, _below(c, np.minimum(x, 0.0), alpha)),
    _elu_x,
    kinks=between,
    doc=Doc(
        "x where x > 0, else alpha * (e**x - 1)",
        gradient="g where x > 0, else g * alpha * e**x",
        kinks="at 0 anything between g and alpha * g is right; the reference takes alpha * g",
        arguments={"alpha": "a positive number"},
        example="a = elu(z, alpha=0.5)",
    ),
)
composed(
    "selu",
    shapes.same,
    lambda f, x: 1.0507009873554805 * f.elu(x, alpha=1.6732632423543772),
    kinks=between,
    doc=Doc(
        "s * elu(x, alpha=a), with s = 1.0507009873554805 and a = 1.6732632423543772",
        gradient="g * s where x > 0, else g * s * a * e**x",
        kinks="at 0 anything between g * s and g * s * a is right; the reference takes g * s * a",
        example="a = selu(z)",
    ),
)


def _share(c, x, alpha):
    """X / alpha, where it is negative; frameworks multiply by the reciprocal of alpha."""
    return c.r(np.minimum(x, 0.0) / alpha, 2)


def _celu_x(c, out, x, g, *, alpha):
    """Frameworks have exp(x / alpha) as output / alpha + 1."""
    slope = np.exp(_share(c, x, alpha)) if c.exact else c.r(c.r(out + alpha) / alpha)
    return np.where(c.kink(x) > 0, g, c.r(vanishing(g, g * slope)))


row(
    "celu",
    _scaled,
    lambda c, x, *, alpha=1.0: np.where(c.kink(x) > 0, x, _below(c, _share(c, x, alpha), alpha)),
    _celu_x,
    kinks=between,
    doc=Doc(
        "x where x > 0, else alpha * (e**(x / alpha) - 1)",
        gradient="g where x > 0, else g * e**(x / alpha)",
        kinks="at 0 both slopes are g",
        arguments={"alpha": "a positive number"},
        example="a = celu(z, alpha=2)",
    ),
)


def _channels(x, weight, *, axis):
    at = shapes.one_axis(axis, x)
    if weight not in ((1,), (x[at],)):
        raise OpError(
            f"weight {shapes.text(weight)} does not fit {x[at]} channels along axis {axis}; allowed are {shapes.text((1,))} and {shapes.text((x[at],))}"
        )
    return x


def _along(x, weight, axis):
    """A weight for each channel, as it broadcasts with x."""
    shape = [1] * np.ndim(x)
    shape[axis] = np.shape(weight)[0]
    return np.reshape(weight, tuple(shape))


def _prelu_weight(c, out, x, weight, g, *, axis):
    each = np.where(c.kink(x) > 0, 0.0, c.r(vanishing(g, g * x)))
    return np.reshape(unbroadcast(c, each, _along(x, weight, axis)), np.shape(weight))


row(
    "prelu",
    _channels,
    lambda c, x, weight, *, axis=1: np.where(c.kink(x) > 0, x, c.r(_along(x, weight, axis) * x)),
    lambda c, out, x, weight, g, *, axis: np.where(c.kink(x) > 0, g, c.r(_along(x, weight, axis) * g)),
    _prelu_weight,
    kinks=between,
    doc=Doc(
        "x where x > 0, else weight * x, with a weight for each channel",
        gradient="g where x > 0, else weight * g towards x; g * x where x <= 0, else 0, summed over each channel, towards weight",
        kinks="at 0 anything between weight * g and g is right towards x; the reference takes weight * g",
        arguments={
            "weight": "(channels,), or (1,): the same for all",
            "axis": "the axis of the channels",
        },
        example="a = prelu(z, w, axis=-1)",
    ),
)
