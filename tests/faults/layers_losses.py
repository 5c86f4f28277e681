"""Faults of losses, of activations and of sums."""

import math

from gradient_conformance.harness.power.layers import layer


@layer("smoothing_over_others", "cross_entropy")
def smoothing_over_others(f, z, target, w=None, *, label_smoothing, axis, **kw):
    """Label smoothing is shared by the K - 1 other classes, not by all K."""
    classes = z.shape[axis]
    return f.right(z, target, w, axis=axis, label_smoothing=label_smoothing * classes / (classes - 1), **kw)


@layer("smoothing_forgotten", "cross_entropy")
def smoothing_forgotten(f, z, target, w=None, *, label_smoothing, **kw):
    """Labels aren't smoothed."""
    return f.right(z, target, w, label_smoothing=0.0, **kw)


@layer("ignored_counts", "cross_entropy", "nll")
def ignored_counts(f, x, target, w=None, *, reduction, ignore_index, **kw):
    """Ignored labels count in the mean."""
    loss = f.right(x, target, w, reduction=reduction, ignore_index=ignore_index, **kw)
    if reduction != "mean" or ignore_index is None or w is not None:
        return loss
    return loss * float((target.value != ignore_index).mean())


@layer("class_weights_mean", "cross_entropy", "nll")
def class_weights_mean(f, x, target, w=None, *, reduction, **kw):
    """A weighted mean is divided by the number of labels, not by the sum of their weights."""
    if w is None or reduction != "mean":
        return f.right(x, target, w, reduction=reduction, **kw)
    return f.mean(f.right(x, target, w, reduction="none", **kw))


@layer("ignored_is_the_last_class", "cross_entropy", "nll")
def ignored_is_the_last_class(f, x, target, w=None, *, ignore_index, **kw):
    """A label to ignore is taken for a class, as an index from the end."""
    if ignore_index is None:
        return f.right(x, target, w, ignore_index=None, **kw)
    classes = x.shape[kw["axis"]]
    return f.right(x, target.value % classes, w, ignore_index=None, **kw)


@layer("kl_div_batch_mean", "kl_div")
def kl_div_batch_mean(f, x, t, *, reduction):
    """The mean is over examples, where it should be over elements."""
    if reduction != "mean" or not x.ndim:
        return f.right(x, t, reduction=reduction)
    return f.right(x, t, reduction="sum") * (1.0 / x.shape[0])


@layer("huber_is_smooth_l1", "huber")
def huber_is_smooth_l1(f, p, t, *, delta, reduction):
    """Divided by delta, as smooth_l1 is."""
    return f.smooth_l1(p, t, beta=delta, reduction=reduction)


@layer("smooth_l1_is_huber", "smooth_l1")
def smooth_l1_is_huber(f, p, t, *, beta, reduction):
    """Not divided by beta, as Huber's loss."""
    return f.huber(p, t, delta=beta, reduction=reduction)


@layer("gaussian_no_half", "gaussian_nll")
def gaussian_no_half(f, x, t, var, *, full, reduction):
    """The half in front of both terms is missing."""
    loss = 2.0 * f.right(x, t, var, full=False, reduction=reduction)
    terms = 1 if reduction != "sum" else math.prod(x.shape)
    return loss + terms * 0.5 * math.log(2 * math.pi) if full else loss


@layer("gaussian_variance_is_root", "gaussian_nll")
def gaussian_variance_is_root(f, x, t, var, **kw):
    """The variance is taken for a standard deviation."""
    return f.right(x, t, f.square(var), **kw)


@layer("poisson_log_input", "poisson_nll")
def poisson_log_input(f, x, t, *, log_input, epsilon, reduction):
    """A rate is taken for its logarithm, or the other way."""
    given = x if not log_input else f.exp(x)
    return f.right(given, t, log_input=not log_input, epsilon=100 * epsilon, reduction=reduction)


@layer("triplet_squared", "triplet_margin")
def triplet_squared(f, a, p, n, *, margin, epsilon, reduction):
    """Squares of distances are compared."""
    near, far = (f.sum(f.square(a - b + epsilon), axis=-1) for b in (p, n))
    losses = f.relu(near - far + float(margin))
    return {"none": lambda x: x, "sum": f.sum, "mean": f.mean}[reduction](losses)


@layer("cosine_unnormalized", "cosine_similarity")
def cosine_unnormalized(f, x, y, *, axis, epsilon):
    """Only one of both vectors is divided by its norm."""
    return f.sum(x * y, axis=axis) / f.norm(x, axis=axis)


@layer("reduction_sum", "bce", "bce_with_logits", "mse", "mae")
def reduction_sum(f, p, t, *rest, reduction, **kw):
    """A sum where it should be the mean."""
    return f.right(p, t, *rest, reduction="sum" if reduction == "mean" else reduction, **kw)


@layer("ctc_blank_last", "ctc_loss")
def ctc_blank_last(f, z, labels, lengths=None, label_lengths=None, *, blank, **kw):
    """The blank's logits are exchanged with those of the last class."""
    classes = z.shape[-1]
    order = [classes - 1 if i == blank else blank if i == classes - 1 else i for i in range(classes)]
    swapped = f.concat(*(f.index(z, index=("...", (i, i + 1))) for i in order), axis=-1)
    return f.right(swapped, labels, lengths, label_lengths, blank=blank, **kw)


@layer("gelu_other_kind", "gelu")
def gelu_other_kind(f, x, *, approximate):
    """The formula with tanh where it should be that with erf, or the other way."""
    return f.right(x, approximate="none" if approximate == "tanh" else "tanh")


@layer("gelu_is_quick", "gelu")
def gelu_is_quick(f, x, *, approximate):
    """Gelu is x sigmoid(1.702 x)."""
    return x * f.sigmoid(1.702 * x)


@layer("silu_gradient_of_sigmoid", "silu")
def silu_gradient_of_sigmoid(f, x):
    """The gradient leaves out that of the sigmoid."""
    return x * f.stop_gradient(f.sigmoid(x))


@layer("elu_alpha_one", "elu")
def elu_alpha_one(f, x, *, alpha):
    """Alpha is 1."""
    return f.right(x, alpha=1.0)


@layer("celu_is_elu", "celu")
def celu_is_elu(f, x, *, alpha):
    """Alpha isn't in the exponent."""
    return f.elu(x, alpha=alpha)


@layer("glu_halves_swapped", "glu")
def glu_halves_swapped(f, x, *, axis):
    """The first half is the gate."""
    a, b = f.split(x, parts=2, axis=axis)
    return f.sigmoid(a) * b


@layer("prelu_last_axis", "prelu")
def prelu_last_axis(f, x, weight, *, axis):
    """The slope is that of the first channel everywhere."""
    return f.right(x, f.index(weight, index=((0, 1),)) if weight.ndim else weight, axis=axis)


@layer("cumsum_exclusive", "cumsum")
def cumsum_exclusive(f, x, *, axis):
    """A number doesn't count in its own sum."""
    return f.right(x, axis=axis) - x


@layer("logsumexp_mean", "logsumexp")
def logsumexp_mean(f, x, *, axis, keepdims):
    """The mean is taken, not the sum."""
    kw = {"axis": axis, "keepdims": keepdims}
    return f.right(x, **kw) - f.log(f.sum(0.0 * x + 1.0, **kw))
