"""Faults of normalization, of dropout and of spreads."""

from gradient_conformance.harness.power.layers import layer


def standardized(f, x, axis, *, epsilon, ddof=0, epsilon_outside=False, constant=False):
    """X less its mean, over the root of its variance; each of the options is a mistake."""
    mean = f.mean(x, axis=axis, keepdims=True)
    variance = f.var(x, axis=axis, keepdims=True, ddof=ddof)
    if constant:
        mean, variance = f.stop_gradient(mean), f.stop_gradient(variance)
    below = f.sqrt(variance) + epsilon if epsilon_outside else f.sqrt(variance + epsilon)
    return (x - mean) / below


def affine(y, w, b):
    y = y if w is None else y * w
    return y if b is None else y + b


def by_channel(f, a, x, axis):
    """A number for each channel, along `axis` of x."""
    return (
        None
        if a is None
        else f.reshape(a, shape=tuple(n if i == axis % x.ndim else 1 for i, n in enumerate(x.shape)))
    )


def others(x, axis):
    """All axes but that of channels."""
    return tuple(a for a in range(x.ndim) if a != axis % x.ndim)


def size(x, axes):
    product = 1
    for a in axes if isinstance(axes, tuple) else (axes,):
        product *= x.shape[a]
    return product


def batch(f, x, w, b, axis, **mistake):
    y = standardized(f, x, others(x, axis), **mistake)
    return affine(y, by_channel(f, w, x, axis), by_channel(f, b, x, axis))


@layer("layer_norm_ddof", "layer_norm")
def layer_norm_ddof(f, x, w=None, b=None, *, axis, epsilon):
    """The variance is divided by n - 1."""
    return affine(standardized(f, x, axis, epsilon=epsilon, ddof=1), w, b)


@layer("layer_norm_epsilon_outside", "layer_norm")
def layer_norm_epsilon_outside(f, x, w=None, b=None, *, axis, epsilon):
    """Epsilon is added to the root."""
    return affine(standardized(f, x, axis, epsilon=epsilon, epsilon_outside=True), w, b)


@layer("layer_norm_constant_statistics", "layer_norm")
def layer_norm_constant_statistics(f, x, w=None, b=None, *, axis, epsilon):
    """The gradient takes mean and variance as constants."""
    return affine(standardized(f, x, axis, epsilon=epsilon, constant=True), w, b)


@layer("layer_norm_bias_before_weight", "layer_norm")
def layer_norm_bias_before_weight(f, x, w=None, b=None, *, axis, epsilon):
    """The bias is added before the weight multiplies."""
    y = affine(standardized(f, x, axis, epsilon=epsilon), None, b)
    return affine(y, w, None)


@layer("rms_norm_epsilon_outside", "rms_norm")
def rms_norm_epsilon_outside(f, x, w=None, *, axis, epsilon):
    """Epsilon is added to the root."""
    return affine(x / (f.sqrt(f.mean(f.square(x), axis=axis, keepdims=True)) + epsilon), w, None)


@layer("rms_norm_centred", "rms_norm")
def rms_norm_centred(f, x, w=None, *, axis, epsilon):
    """The mean is subtracted, as layer_norm does."""
    return affine(standardized(f, x, axis, epsilon=epsilon), w, None)


@layer("rms_norm_other_epsilon", "rms_norm")
def rms_norm_other_epsilon(f, x, w=None, *, axis, epsilon):
    """Epsilon is 1e-5 where it is 1e-6, or ten times what it is."""
    return f.right(x, w, axis=axis, epsilon=10 * epsilon)


@layer("rms_norm_sum", "rms_norm")
def rms_norm_sum(f, x, w=None, *, axis, epsilon):
    """The squares are summed, not averaged."""
    return affine(x / f.sqrt(f.sum(f.square(x), axis=axis, keepdims=True) + epsilon), w, None)


@layer("batch_norm_ddof", "batch_norm")
def batch_norm_ddof(f, x, w=None, b=None, *, axis, epsilon):
    """The batch is normalized with the variance that is divided by n - 1."""
    return batch(f, x, w, b, axis, epsilon=epsilon, ddof=int(size(x, others(x, axis)) > 1))


@layer("batch_norm_epsilon_outside", "batch_norm")
def batch_norm_epsilon_outside(f, x, w=None, b=None, *, axis, epsilon):
    """Epsilon is added to the root."""
    return batch(f, x, w, b, axis, epsilon=epsilon, epsilon_outside=True)


@layer("batch_norm_running_gradient", "batch_norm")
def batch_norm_running_gradient(f, x, w=None, b=None, *, axis, epsilon):
    """The gradient takes the batch's statistics as constants, as running ones are."""
    return batch(f, x, w, b, axis, epsilon=epsilon, constant=True)


@layer("batch_norm_over_features", "batch_norm")
def batch_norm_over_features(f, x, w=None, b=None, *, axis, epsilon):
    """Each example is normalized by itself."""
    y = standardized(f, x, tuple(range(1, x.ndim)), epsilon=epsilon)
    return affine(y, by_channel(f, w, x, axis), by_channel(f, b, x, axis))


@layer("inference_uses_the_batch", "batch_norm_inference")
def inference_uses_the_batch(f, x, mean, variance, w=None, b=None, *, axis, epsilon):
    """In inference the batch's own statistics are taken."""
    return f.batch_norm(x, w, b, axis=axis, epsilon=epsilon)


@layer("inference_variance_is_root", "batch_norm_inference")
def inference_variance_is_root(f, x, mean, variance, w=None, b=None, *, axis, epsilon):
    """The running variance is taken for a standard deviation."""
    return f.right(x, mean, f.square(variance), w, b, axis=axis, epsilon=epsilon)


@layer("running_momentum_exchanged", "running_statistics")
def running_momentum_exchanged(f, x, mean, variance, *, axis, momentum, ddof):
    """Momentum is the share of what was there, as Keras has it."""
    return f.right(x, mean, variance, axis=axis, momentum=1 - momentum, ddof=ddof)


@layer("running_ddof_exchanged", "running_statistics")
def running_ddof_exchanged(f, x, mean, variance, *, axis, momentum, ddof):
    """The new variance is divided by n where it is to be n - 1, and the other way round."""
    return f.right(x, mean, variance, axis=axis, momentum=momentum, ddof=1 - ddof)


@layer("group_norm_one_group", "group_norm")
def group_norm_one_group(f, x, w=None, b=None, *, groups, axis, epsilon):
    """All channels are one group."""
    return f.right(x, w, b, groups=1, axis=axis, epsilon=epsilon)


@layer("instance_norm_over_batch", "instance_norm")
def instance_norm_over_batch(f, x, w=None, b=None, *, axis, epsilon):
    """Instances are normalized together, as a batch is."""
    return f.batch_norm(x, w, b, axis=axis, epsilon=epsilon)


@layer("weight_norm_whole", "weight_norm")
def weight_norm_whole(f, v, g, *, axis):
    """The norm is that of the whole weight."""
    return v * (g / f.norm(v))


@layer("weight_norm_constant_norm", "weight_norm")
def weight_norm_constant_norm(f, v, g, *, axis):
    """The gradient takes the norm as a constant."""
    kept = axis if isinstance(axis, tuple) else (axis,)
    over = tuple(a for a in range(v.ndim) if a not in [k % v.ndim for k in kept if k is not None])
    return v * (g / f.stop_gradient(f.norm(v, axis=over, keepdims=True)))


@layer("dropout_unscaled", "dropout")
def dropout_unscaled(f, x, mask, *, rate):
    """What is kept isn't divided by the share that is kept."""
    return f.right(x, mask, rate=rate) * (1.0 - rate)


@layer("spread_ddof", "var", "std")
def spread_ddof(f, x, *, ddof, **kw):
    """Divided by n - 1 where it is n, or the other way."""
    axis = kw["axis"]
    enough = size(x, tuple(range(x.ndim)) if axis is None else axis) > 1
    return f.right(x, ddof=0 if ddof else int(enough), **kw)
