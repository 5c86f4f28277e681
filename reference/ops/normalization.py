"""Rows for variances, and for what is divided by their roots: normalization over features, batches and groups."""

import math

import numpy as np

from . import shapes
from .composed import composed
from .kinks import centred_ball
from .reductions import count, spread
from .row import Doc, OpError, row

AFFINE = {
    "w": "a factor for each {}; may be left out, and so may b",
    "b": "what is added to each {}",
    "epsilon": "a finite number of at least 0, which is added to the variance",
}


def affine(what):
    return {name: text.format(what) for name, text in AFFINE.items()}


def _varied(x, *, axis, keepdims, ddof):
    if isinstance(ddof, bool) or not isinstance(ddof, int) or ddof < 0:
        raise OpError(f"ddof is {ddof!r}, but must be an integer of at least 0")
    result = shapes.nonempty_reduce(x, axis=axis, keepdims=keepdims)
    if (n := math.prod(x[a] for a in shapes.axes_of(axis, x))) <= ddof:
        raise OpError(f"ddof is {ddof}, but only {n} elements of shape {shapes.text(x)} are reduced")
    return result


def _mean(c, x, axis):
    return c.r(c.sum(x, axis, keepdims=True) / count(x, axis))


def _var(c, x, *, axis=None, keepdims=False, ddof=0):
    """From the deviations. A framework may take the mean of x^2 less the mean's square, whose sums round what cancels."""
    n, mean = count(x, axis), _mean(c, x, axis)
    of_squares = c.r(c.sum(c.r(np.square(x)), axis, keepdims=True) / n)
    of_deviations = c.r(c.sum(c.r(np.square(c.r(x - mean))), axis, keepdims=True) / n)
    out = of_deviations if c.exact else c.r(of_squares - c.r(np.square(mean)))
    out = c.absolute(out if ddof == 0 else c.r(out * (n / (n - ddof)), 3), np.abs(out))
    return out if keepdims else np.squeeze(out, shapes.axes_of(axis, x.shape))


def _deviations(c, x, axis):
    """X - mean(x), also as the difference of two rounded cotangents: one of the mean of x^2, one of the mean's square."""
    mean = _mean(c, x, axis)
    return c.absolute(c.r(x - mean), np.abs(x) + np.abs(mean))


def _var_vjp(c, out, x, g, *, axis, keepdims, ddof):
    slope = c.r(_deviations(c, x, axis) * (2 / (count(x, axis) - ddof)))
    return c.r(spread(g, x, axis, keepdims) * slope)


def _std_vjp(c, out, x, g, *, axis, keepdims, ddof):
    """Where all are equal it is taken as 0, the smallest of the subgradients."""
    scale = spread(out, x, axis, keepdims) * (count(x, axis) - ddof)
    away = _deviations(c, x, axis)
    slope = c.r(np.divide(away, scale, out=np.zeros_like(away), where=scale != 0))
    return c.r(spread(g, x, axis, keepdims) * slope)


DDOF = {"ddof": "what the number of elements is lessened by before it divides: 1 for Bessel's correction"}

row(
    "var",
    _varied,
    _var,
    _var_vjp,
    doc=Doc(
        "the variance of x: the mean of (x - mean(x))**2",
        gradient="2 * g * (x - mean(x)) / (n - ddof)",
        arguments=DDOF,
        example="v = var(x, axis=1, ddof=1)",
    ),
)
row(
    "std",
    _varied,
    lambda c, x, *, axis=None, keepdims=False, ddof=0: c.fn(
        "sqrt", _var(c, x, axis=axis, keepdims=keepdims, ddof=ddof)
    ),
    _std_vjp,
    kinks=centred_ball,
    doc=Doc(
        "the standard deviation of x: the root of its variance",
        gradient="g * (x - mean(x)) / ((n - ddof) * std(x))",
        kinks="where all of x are equal any vector is right that adds up to 0 and is no longer than g / sqrt(n - ddof);"
        " the reference takes 0",
        arguments=DDOF,
        example="s = std(x, axis=1, ddof=1)",
    ),
)


def nonnegative(name, value):
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise OpError(f"{name} is {value!r}, but must be a finite number of at least 0")


def _of_shape(what, found, expected):
    if found is not None and found != expected:
        raise OpError(f"{what} has shape {shapes.text(found)}, but must have {shapes.text(expected)}")


def _over_features(x, w=None, b=None, *, axis, epsilon):
    nonnegative("epsilon", epsilon)
    axes = shapes.axes_of(axis, x)
    if not axes or axes != tuple(range(len(x) - len(axes), len(x))):
        raise OpError(
            f"axis is {axis!r}, but must be the last axes of shape {shapes.text(x)}, in their order"
        )
    features = tuple(x[a] for a in axes)
    if 0 in features:
        raise OpError(f"nothing to normalize: shape {shapes.text(x)} is empty along axis {axis!r}")
    _of_shape("w", w, features)
    _of_shape("b", b, features)
    return x


def _scaled(y, w, b):
    y = y if w is None else y * w
    return y if b is None else y + b


def _standardized(f, x, axis, epsilon):
    centred = x - f.mean(x, axis=axis, keepdims=True)
    return centred * f.rsqrt(f.var(x, axis=axis, keepdims=True) + epsilon)


def _layer_norm(f, x, w=None, b=None, *, axis=-1, epsilon=1e-5):
    return _scaled(_standardized(f, x, axis, epsilon), w, b)


def _rms_norm(f, x, w=None, *, axis=-1, epsilon=1e-6):
    return _scaled(x * f.rsqrt(f.mean(f.square(x), axis=axis, keepdims=True) + epsilon), w, None)


LAST = {"axis": "the last axis, or a tuple of the last ones: those of the features"}

composed(
    "layer_norm",
    _over_features,
    _layer_norm,
    doc=Doc(
        "(x - mean(x)) / sqrt(var(x) + epsilon) over the last axes, times w, plus b",
        gradient="towards x, with h = g * w, y before w, s = sqrt(var(x) + epsilon):"
        " (h - mean(h) - y * mean(h * y)) / s; g * y towards w and g towards b, summed over the other axes",
        arguments=LAST | affine("feature"),
        example="y = layer_norm(x, w, b)",
    ),
)
composed(
    "rms_norm",
    lambda x, w=None, *, axis, epsilon: _over_features(x, w, axis=axis, epsilon=epsilon),
    _rms_norm,
    doc=Doc(
        "x / sqrt(mean(x**2) + epsilon) over the last axes, times w",
        gradient="towards x, with h = g * w, y before w, s the root: (h - y * mean(h * y)) / s;"
        " g * y towards w, summed over the other axes",
        arguments=LAST | {"w": "a factor for each feature; may be left out", "epsilon": AFFINE["epsilon"]},
        example="y = rms_norm(x, w)",
    ),
)


def _per_channel(f, a, x, axis):
    """What there is one of for each channel, beside x."""
    if a is None:
        return None
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    return f.reshape(a, shape=tuple(shape))


def _but(axis, ndim):
    """All axes but one, or some."""
    kept = {a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(a for a in range(ndim) if a not in kept)


def _channels(x, *each, axis, epsilon):
    """Checks of what has channels along an axis, and of what there is one of for each of them."""
    nonnegative("epsilon", epsilon)
    size = x[shapes.one_axis(axis, x)]
    for name, shape in each:
        _of_shape(name, shape, (size,))
    return size


def _over_batch(x, w=None, b=None, *, axis, epsilon):
    size = _channels(x, ("w", w), ("b", b), axis=axis, epsilon=epsilon)
    if size and math.prod(x) // size < 2:
        raise OpError(
            f"shape {shapes.text(x)} has {math.prod(x) // size} values of each channel, which is no batch"
        )
    return x


def _statistics(x, mean, variance, *, axis, momentum, ddof):
    size = _channels(x, ("mean", mean), ("variance", variance), axis=axis, epsilon=0)
    if isinstance(momentum, bool) or not isinstance(momentum, int | float) or not 0 <= momentum <= 1:
        raise OpError(f"momentum is {momentum!r}, but must be a number from 0 to 1")
    if type(ddof) is not int or ddof not in (0, 1):
        raise OpError(f"ddof is {ddof!r}, but must be 0 or 1")
    if size and math.prod(x) // size < 2:
        raise OpError(
            f"shape {shapes.text(x)} has {math.prod(x) // size} values of each channel, which is no batch"
        )
    return [mean, variance]


def _given(x, mean, variance, w=None, b=None, *, axis, epsilon):
    _channels(x, ("mean", mean), ("variance", variance), ("w", w), ("b", b), axis=axis, epsilon=epsilon)
    return x


def _over_groups(x, w=None, b=None, *, groups, axis, epsilon):
    size = _channels(x, ("w", w), ("b", b), axis=axis, epsilon=epsilon)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or size % groups:
        raise OpError(f"groups is {groups!r}, but must be an integer that divides the {size} channels")
    if shapes.one_axis(axis, x) == 0 or 0 in x:
        raise OpError(
            f"shape {shapes.text(x)} must have a batch first, channels on another axis, and no empty axis"
        )
    return x


def _over_instances(x, w=None, b=None, *, axis, epsilon):
    _over_groups(x, w, b, groups=1, axis=axis, epsilon=epsilon)
    if len(x) < 3:
        raise OpError(
            f"shape {shapes.text(x)} has a batch and channels, but nothing to normalize in each of them"
        )
    return x


def _batch_norm(f, x, w=None, b=None, *, axis=1, epsilon=1e-5):
    y = _standardized(f, x, _but(axis, x.ndim), epsilon)
    return _scaled(y, _per_channel(f, w, x, axis), _per_channel(f, b, x, axis))


def _batch_norm_inference(f, x, mean, variance, w=None, b=None, *, axis=1, epsilon=1e-5):
    """Folded as frameworks do: near the mean nearly all of two terms cancels, and that much of them is rounded away."""
    mean, variance, w, b = (_per_channel(f, a, x, axis) for a in (mean, variance, w, b))
    factor = _scaled(f.rsqrt(variance + epsilon), w, None)
    return x * factor + (-mean * factor if b is None else b - mean * factor)


def _running_statistics(f, x, mean, variance, *, axis=1, momentum=0.1, ddof=1):
    """Each as a framework has it: what is kept of the old one, and the batch's own share."""
    over = _but(axis, x.ndim)
    batch = f.mean(x, axis=over), f.var(x, axis=over, ddof=ddof)
    return tuple(
        f.stop_gradient(old * (1 - momentum) + new * momentum)
        for old, new in zip((mean, variance), batch, strict=True)
    )


def _group_norm(f, x, w=None, b=None, *, groups, axis=1, epsilon=1e-5):
    at = axis % x.ndim
    shape = (*x.shape[:at], groups, x.shape[at] // groups, *x.shape[at + 1 :])
    parted = _standardized(f, f.reshape(x, shape=shape), _but((0, at), x.ndim + 1), epsilon)
    y = f.reshape(parted, shape=x.shape)
    return _scaled(y, _per_channel(f, w, x, axis), _per_channel(f, b, x, axis))


def _instance_norm(f, x, w=None, b=None, *, axis=1, epsilon=1e-5):
    y = _standardized(f, x, _but((0, axis), x.ndim), epsilon)
    return _scaled(y, _per_channel(f, w, x, axis), _per_channel(f, b, x, axis))


CHANNELS = {"axis": "that of the channels"} | affine("channel")
LIKE_LAYER_NORM = "as that of layer_norm, with other axes"

composed(
    "batch_norm",
    _over_batch,
    _batch_norm,
    doc=Doc(
        "(x - mean(x)) / sqrt(var(x) + epsilon) for each channel, over the batch and all other axes, times w, plus b:"
        " as in training",
        gradient=LIKE_LAYER_NORM,
        arguments=CHANNELS,
        example="y = batch_norm(x, w, b)",
    ),
)
composed(
    "batch_norm_inference",
    _given,
    _batch_norm_inference,
    doc=Doc(
        "(x - mean) / sqrt(variance + epsilon) for each channel, times w, plus b: as in inference",
        gradient="with s = sqrt(variance + epsilon): g * w / s towards x, and of the others, summed over all axes but that"
        " of the channels, -g * w / s towards the mean, -g * w * (x - mean) / (2 * s**3) towards the variance,"
        " g * (x - mean) / s towards w, g towards b",
        arguments=CHANNELS
        | {"mean": "a number for each channel", "variance": "a number of at least 0 for each channel"},
        example="y = batch_norm_inference(x, mu, variance, w, b)",
    ),
)
composed(
    "running_statistics",
    _statistics,
    _running_statistics,
    doc=Doc(
        "what a batch norm in training makes of its running mean and variance: (1 - momentum) * old + momentum * new,"
        " the new ones x's, for each channel, over the batch and all other axes",
        gradient="0: they are held",
        arguments={
            "axis": CHANNELS["axis"],
            "mean": "a number for each channel",
            "variance": "a number for each channel",
            "momentum": "the new ones' share, from 0 to 1; Keras, MXNet and flax call 1 less it their momentum",
            "ddof": "what the number of x's values of each channel is lessened by before it divides in the new variance:"
            " 1, or 0 for none",
        },
        example="mu_next, variance_next = running_statistics(x, mu, variance)",
    ),
)
composed(
    "group_norm",
    _over_groups,
    _group_norm,
    doc=Doc(
        "(x - mean(x)) / sqrt(var(x) + epsilon) for each example and group of neighbouring channels, times w, plus b",
        gradient=LIKE_LAYER_NORM,
        arguments=CHANNELS | {"x": "the batch comes first", "groups": "how many, which divides the channels"},
        example="y = group_norm(x, w, b, groups=2)",
    ),
)
composed(
    "instance_norm",
    _over_instances,
    _instance_norm,
    doc=Doc(
        "(x - mean(x)) / sqrt(var(x) + epsilon) for each example and channel, times w, plus b",
        gradient=LIKE_LAYER_NORM,
        arguments=CHANNELS | {"x": "the batch comes first"},
        example="y = instance_norm(x, w, b)",
    ),
)


def _directed(v, g, *, axis):
    at = shapes.one_axis(axis, v)
    _of_shape("g", g, tuple(size if i == at else 1 for i, size in enumerate(v)))
    return v


composed(
    "weight_norm",
    _directed,
    lambda f, v, g, *, axis=0: v * (g / f.norm(v, axis=_but(axis, v.ndim), keepdims=True)),
    doc=Doc(
        "g * v / norm(v), the norm taken over all axes but one: weights as direction and length",
        gradient="with u = v / norm(v) and h the cotangent: g / norm(v) * (h - u * sum(u * h)) towards v,"
        " sum(u * h) towards g",
        arguments={
            "v": "weights, of which none has the norm 0",
            "g": "their lengths: of v's shape, with 1 in place of the axes that are summed over",
            "axis": "the axis along which there are several lengths",
        },
        example="W = weight_norm(v, g)",
    ),
)


def _kept(x, mask, *, rate):
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
        raise OpError(f"rate is {rate!r}, but must be a number of at least 0 and less than 1")
    if mask.shape != x.shape:
        raise OpError(f"mask {shapes.text(mask.shape)} and x {shapes.text(x.shape)} must have the same shape")
    return x.shape


composed(
    "dropout",
    _kept,
    lambda f, x, mask, *, rate=0.5: f.where(mask, x / (1 - rate), 0),
    dtypes={1: ("bool",)},
    doc=Doc(
        "x / (1 - rate) where the mask is true, else 0: inverted dropout, of which the mask is drawn before",
        gradient="g / (1 - rate) where the mask is true, else 0",
        arguments={
            "mask": "a bool tensor of x's shape: True where an element is kept",
            "rate": "the share that is dropped when masks are drawn",
        },
        example="y = dropout(x, keep, rate=0.1)",
    ),
)
