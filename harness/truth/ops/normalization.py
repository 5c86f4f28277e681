"""Variances, and normalization by them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..drawing import WIDE, Sample, bools, draw, of, positive, row, scaled
from ..numbers import MP, MpArray, apply, exact, objects, total
from .norms import norm
from .reductions import AXES, Axis, mean
from .table import define


def var(x: Any, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> MpArray:
    deviations = exact(x) - mean(x, axis=axis, keepdims=True)
    squares = total(deviations**2, axis, keepdims)
    return objects(squares / (np.size(x) // max(1, squares.size) - ddof))


def std(x: Any, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> MpArray:
    return apply(MP.sqrt, var(x, axis=axis, keepdims=keepdims, ddof=ddof))


def affine(y: MpArray, w: Any = None, b: Any = None) -> MpArray:
    """Y times w plus b, either of which may be absent."""
    y = y if w is None else objects(y * exact(w))
    return y if b is None else objects(y + exact(b))


def standardized(x: Any, axis: Axis, epsilon: float) -> MpArray:
    variance = var(x, axis=axis, keepdims=True)
    centred = exact(x) - mean(x, axis=axis, keepdims=True)
    return objects(centred / apply(lambda v: MP.sqrt(v + MP.mpf(epsilon)), variance))


def layer_norm(x: Any, w: Any = None, b: Any = None, *, axis: Axis = -1, epsilon: float = 1e-5) -> MpArray:
    return affine(standardized(x, axis, epsilon), w, b)


def rms_norm(x: Any, w: Any = None, *, axis: Axis = -1, epsilon: float = 1e-6) -> MpArray:
    squares = mean(exact(x) ** 2, axis=axis, keepdims=True)
    return affine(objects(exact(x) / apply(lambda s: MP.sqrt(s + MP.mpf(epsilon)), squares)), w)


def each(a: Any, x: Any, axis: int) -> Any:
    """What there is one of for each channel, beside x."""
    shape = [-1 if i == axis % np.ndim(x) else 1 for i in range(np.ndim(x))]
    return None if a is None else np.reshape(a, shape)


def others(x: Any, *kept: int) -> tuple[int, ...]:
    return tuple(i for i in range(np.ndim(x)) if i not in {a % np.ndim(x) for a in kept})


def batch_norm(x: Any, w: Any = None, b: Any = None, *, axis: int = 1, epsilon: float = 1e-5) -> MpArray:
    return affine(standardized(x, others(x, axis), epsilon), each(w, x, axis), each(b, x, axis))


def batch_norm_inference(
    x: Any, mean: Any, variance: Any, w: Any = None, b: Any = None, *, axis: int = 1, epsilon: float = 1e-5
) -> MpArray:
    def normalized(x: Any, mean: Any, variance: Any) -> Any:
        return (x - mean) / MP.sqrt(variance + MP.mpf(epsilon))

    y = apply(normalized, x, each(mean, x, axis), each(variance, x, axis))
    return affine(y, each(w, x, axis), each(b, x, axis))


def running_statistics(
    x: Any, mean: Any, variance: Any, *, axis: int = 1, momentum: float = 0.1, ddof: int = 1
) -> tuple[MpArray, ...]:
    over, share = others(x, axis), MP.mpf(momentum)
    batch = (total(exact(x), over) / len(rows_of(x, axis)), var(x, axis=over, ddof=ddof))
    moved = (
        exact(old) + share * (new - exact(old)) for old, new in zip((mean, variance), batch, strict=True)
    )
    return tuple(map(objects, moved))


def rows_of(x: Any, axis: int) -> Any:
    """(values of each channel, channels)."""
    channels_last = np.moveaxis(x, axis, -1)
    return channels_last.reshape(-1, channels_last.shape[-1])


def instance_norm(x: Any, w: Any = None, b: Any = None, *, axis: int = 1, epsilon: float = 1e-5) -> MpArray:
    return affine(standardized(x, others(x, 0, axis), epsilon), each(w, x, axis), each(b, x, axis))


def group_norm(
    x: Any, w: Any = None, b: Any = None, *, groups: int, axis: int = 1, epsilon: float = 1e-5
) -> MpArray:
    """Of each group of channels by itself."""
    parts = [standardized(part, others(x, 0), epsilon) for part in np.split(exact(x), groups, axis)]
    return affine(objects(np.concatenate(parts, axis)), each(w, x, axis), each(b, x, axis))


def weight_norm(v: Any, g: Any, *, axis: int = 0) -> MpArray:
    return objects(exact(g) * exact(v) / norm(v, axis=others(v, axis), keepdims=True))


def _batch_norm(x: Any, w: Any = None, b: Any = None, *, axis: int = 1, epsilon: float = 1e-5) -> Any:
    rows = np.moveaxis(x, axis, -1)
    flat = rows.reshape(-1, rows.shape[-1])
    y = _affine((flat - flat.mean(0)) * (flat.var(0) + epsilon) ** -0.5, w, b)
    return np.moveaxis(y.reshape(rows.shape), -1, axis)


def _batch_norm_inference(
    x: Any, mean: Any, variance: Any, w: Any = None, b: Any = None, *, axis: int = 1, epsilon: float = 1e-5
) -> Any:
    y = _affine((np.moveaxis(x, axis, -1) - mean) * (variance + epsilon) ** -0.5, w, b)
    return np.moveaxis(y, -1, axis)


def _running_statistics(
    x: Any, mean: Any, variance: Any, *, axis: int = 1, momentum: float = 0.1, ddof: int = 1
) -> Any:
    flat = rows_of(x, axis)
    batch = flat.mean(0), flat.var(0, ddof=ddof)
    return tuple(
        (1 - momentum) * old + momentum * new for old, new in zip((mean, variance), batch, strict=True)
    )


def _instance_norm(x: Any, w: Any = None, b: Any = None, *, axis: int = 1, epsilon: float = 1e-5) -> Any:
    return _group_norm(x, w, b, groups=x.shape[axis], axis=axis, epsilon=epsilon)


def _group_norm(
    x: Any, w: Any = None, b: Any = None, *, groups: int, axis: int = 1, epsilon: float = 1e-5
) -> Any:
    rows = np.moveaxis(x, axis, 1)
    flat = rows.reshape(len(x), groups, -1)
    y = (flat - flat.mean(-1, keepdims=True)) * (flat.var(-1, keepdims=True) + epsilon) ** -0.5
    return np.moveaxis(_affine(np.moveaxis(y.reshape(rows.shape), 1, -1), w, b), -1, axis)


def _affine(y: Any, w: Any = None, b: Any = None) -> Any:
    return (1 if w is None else w) * y + (0 if b is None else b)


def _standardized(x: Any, axis: Any, epsilon: float) -> Any:
    return (x - np.mean(x, axis, keepdims=True)) / np.sqrt(np.var(x, axis, keepdims=True) + epsilon)


def _rms_norm(x: Any, w: Any = None, *, axis: Any = -1, epsilon: float = 1e-6) -> Any:
    return _affine(x / np.sqrt(np.mean(x * x, axis, keepdims=True) + epsilon), w)


SPREADS = [
    *(of(draw(2, 3, 2), **kw) for kw in AXES),
    of(draw(2, 3), ddof=1),
    of(draw(2, 3, 2), axis=(0, 2), ddof=1, keepdims=True),
    of(draw(2, 5), axis=1, ddof=2),
    of(scaled(1e100, 2, 3), axis=-1),
    of(WIDE),
]


def normalizations(*weights: Sequence[int]) -> list[Sample]:
    """Without weights, with one, and so on; over one axis and over two, and numbers far from 1."""
    features = [positive(*shape) for shape in weights]
    return [
        *(of(draw(2, 4), *features[:count]) for count in range(len(features) + 1)),
        of(draw(2, 3, 4), *(positive(3, 4) for _ in weights), axis=(-2, -1)),
        of(draw(2, 3, 2), *(positive(2) for _ in weights), epsilon=0.1),
        of(draw(4), axis=0, epsilon=1e-3),
        of(WIDE),
        of(draw(3, 1)),
    ]


define(
    "var",
    var,
    numpy=lambda x, *, axis=None, keepdims=False, ddof=0: np.var(x, axis, keepdims=keepdims, ddof=ddof),
    relative_to="one",
    samples=SPREADS,
)
define(
    "std",
    std,
    numpy=lambda x, *, axis=None, keepdims=False, ddof=0: np.std(x, axis, keepdims=keepdims, ddof=ddof),
    relative_to="one",
    samples=SPREADS,
    at_kinks=[of(row(0.0, 0.0)), of(np.array([[0.0, 0.0], [3.0, 4.0]]), axis=-1)],
)
define(
    "layer_norm",
    layer_norm,
    numpy=lambda x, w=None, b=None, *, axis=-1, epsilon=1e-5: _affine(_standardized(x, axis, epsilon), w, b),
    relative_to="one",
    samples=normalizations((4,), (4,)),
)
define("rms_norm", rms_norm, numpy=_rms_norm, relative_to="one", samples=normalizations((4,)))
define(
    "batch_norm",
    batch_norm,
    numpy=_batch_norm,
    relative_to="one",
    samples=[
        of(draw(4, 2)),
        of(draw(3, 2), positive(2)),
        of(draw(2, 3, 2), positive(3), draw(3)),
        of(draw(2, 2, 3), positive(3), draw(3), axis=-1, epsilon=0.1),
        of(draw(3, 4), axis=0),
    ],
)
define(
    "batch_norm_inference",
    batch_norm_inference,
    numpy=_batch_norm_inference,
    relative_to="one",
    samples=[
        of(draw(3, 2), draw(2), positive(2)),
        of(draw(3, 2), draw(2), positive(2), positive(2)),
        of(draw(2, 3, 2), draw(3), positive(3), positive(3), draw(3)),
        of(draw(2, 2, 3), draw(3), positive(3), positive(3), draw(3), axis=-1, epsilon=0.1),
        of(draw(2, 2), draw(2), row(0.0, 1e-6)),
    ],
)
define(
    "running_statistics",
    running_statistics,
    numpy=_running_statistics,
    relative_to="one",
    samples=[
        of(draw(4, 2), draw(2), positive(2)),
        of(draw(3, 2), draw(2), positive(2), momentum=1.0),
        of(draw(2, 3, 2), draw(3), positive(3), momentum=0.01, ddof=0),
        of(draw(2, 2, 3), draw(3), positive(3), axis=-1, momentum=0.3),
        of(draw(3, 4), draw(3), positive(3), axis=0),
    ],
    held=True,
)
define(
    "group_norm",
    group_norm,
    numpy=_group_norm,
    relative_to="one",
    samples=[
        of(draw(2, 4), groups=2),
        of(draw(2, 4, 2), positive(4), groups=2),
        of(draw(2, 4, 2), positive(4), draw(4), groups=1),
        of(draw(2, 3, 4), positive(4), draw(4), groups=2, axis=-1, epsilon=0.1),
    ],
)
define(
    "instance_norm",
    instance_norm,
    numpy=_instance_norm,
    relative_to="one",
    samples=[
        of(draw(2, 2, 3)),
        of(draw(2, 2, 3), positive(2)),
        of(draw(1, 2, 2, 2), positive(2), draw(2)),
        of(draw(2, 3, 2), positive(2), draw(2), axis=-1, epsilon=0.1),
    ],
)
define(
    "weight_norm",
    weight_norm,
    numpy=lambda v, g, *, axis=0: g * v / np.sqrt(np.sum(v * v, others(v, axis), keepdims=True)),
    relative_to="one",
    samples=[
        of(draw(3, 2), positive(3, 1)),
        of(draw(2, 3), positive(1, 3), axis=-1),
        of(draw(2, 3, 2), positive(2, 1, 1)),
        of(scaled(1e9, 2, 3), positive(2, 1)),
    ],
)
define(
    "dropout",
    lambda x, mask, *, rate=0.5: objects(exact(x) * exact(mask) / (1 - MP.mpf(rate))),
    numpy=lambda x, mask, *, rate=0.5: np.where(mask, x / (1 - rate), 0),
    relative_to="element",
    samples=[of(draw(2, 3), bools(2, 3)), of(draw(4), bools(4), rate=0.1), of(draw(2), bools(2), rate=0.0)],
)
