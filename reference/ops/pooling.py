"""Rows for pools: the largest element, or the mean, of every window, over one to three axes."""

import math
from functools import partial
from typing import Any

import numpy as np

from . import shapes
from .composed import composed
from .kinks import Kink
from .limits import apart
from .row import Doc, OpError, row
from .windows import (
    Axis,
    around,
    bounded,
    channels_as,
    channels_first,
    divided,
    flat,
    for_each,
    gathered,
    given_back,
    inside,
    pairs,
    together,
)

TURNS = 300
FAR = 16.0
"""Of projections on the shares that a gradient may have been made of, and how far beyond shares it is looked for them."""
MOST_WINDOWS = 1000
"""Of an adaptive pool along an axis: each is a mean of its own."""


def _axis(size, window, stride, padding, dilation, ceil_mode):
    before, after = padding
    reach = (window - 1) * dilation + 1
    if 2 * max(padding) > window:
        raise OpError(f"padding {max(padding)} is more than half of a window of {window}")
    room = size + before + after - reach
    if room < 0:
        raise OpError(
            f"a window that reaches over {reach} does not fit into {size} + {before} + {after} elements"
        )
    out = room // stride + 1
    if ceil_mode and room % stride and out * stride < size + before:
        out += 1
    axis = Axis(size, window, stride, before, out, dilation)
    if dilation > 1 and np.any(np.all(inside((axis,)) == size, axis=1)):
        raise OpError(f"a window with gaps of {dilation} sees nothing but padding")
    return axis


def _axes(spatial, *, size, stride, padding, ceil_mode, dilation=1, **_):
    """The windows of a pool. Raises OpError."""
    rank = len(spatial)
    shapes.flag("ceil_mode", ceil_mode)
    windows = for_each("size", size, rank, 1)
    strides = windows if stride is None else for_each("stride", stride, rank, 1)
    dilations = for_each("dilation", dilation, rank, 1)
    settled = zip(spatial, windows, strides, pairs(padding, rank), dilations, strict=True)
    return tuple(_axis(*each, ceil_mode) for each in settled)


def _pool_shape(rank, x, *, layout, **kw):
    samples, channels, spatial = divided(x, rank, layout)
    axes = _axes(spatial, **kw)
    bounded(samples * channels, axes)
    return together(samples, channels, tuple(axis.out for axis in axes), layout)


def _avg_shape(rank, x, *, count_padding, **kw):
    shapes.flag("count_padding", count_padding)
    return _pool_shape(rank, x, **kw)


def _opened(x, layout, kw):
    """The tensor as (samples, channels, elements), and the windows over it."""
    x = channels_first(x, layout)
    return flat(x, x.ndim - 2), _axes(x.shape[2:], **kw)


def _closed(x, sizes, layout):
    return channels_as(x.reshape(*x.shape[:2], *sizes), layout)


def _seen(x, axes):
    """What windows see, and which of it is theirs; in place of padding stands something else that the window sees."""
    table = inside(axes)
    theirs = table < x.shape[-1]
    return np.take(x, np.where(theirs, table, np.min(table, axis=1, keepdims=True)), -1), theirs


def _max_pool(c, x, *, size, stride=None, padding=0, dilation=1, ceil_mode=False, layout="channels_first"):
    kw = {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    x, axes = _opened(x, layout, kw)
    return _closed(np.max(_seen(x, axes)[0], axis=-1), [axis.out for axis in axes], layout)


def _largest(c, x, axes):
    """Which elements are the largest of each window."""
    seen, theirs = _seen(x, axes)
    return (c.attained(apart(seen, np.max(seen, axis=-1, keepdims=True))) >= 0) & theirs


def _max_pool_vjp(c, out, x, g, *, layout, **kw):
    """Ties share the cotangent equally."""
    return _to_largest(c, x, g, lambda hit: hit / np.sum(hit, axis=-1, keepdims=True), layout, kw)


def to_every_largest(c, x, g, *, layout, **kw):
    """The cotangent of each window, whole to every one of its largest elements: where several are, no gradient."""
    return _to_largest(c, x, g, lambda hit: hit, layout, kw)


def _to_largest(c, x, g, parts, layout, kw):
    """What `parts` makes of those that are the largest of each window is what they get of its cotangent."""
    x, axes = _opened(x, layout, kw)
    g = flat(channels_first(g, layout), len(axes))[..., None]
    dx = given_back(c, g * parts(_largest(c, x, axes)), inside(axes), x.shape[-1])
    return _closed(dx, [axis.size for axis in axes], layout)


def shares(at: Kink, dx: Any) -> Any:
    """Of every window: non-negative shares of its cotangent for those that are largest, which add up to all of it.

    Beginning with the convention that is nearest, in turns the shares that explain the gradient and those that are
    shares: alternating projections, for a window's shares belong to one element each (Bregman, 1965).
    """
    layout = at.kw["layout"]
    x, axes = _opened(at.inputs[0], layout, {k: v for k, v in at.kw.items() if k != "layout"})
    g, own = (flat(channels_first(a, layout), len(axes)) for a in (at.g, dx))
    table, hit, g = inside(axes), _largest(at.c, x, axes), g[..., None]

    def explained(part):
        return given_back(at.c, g * part, table, x.shape[-1])

    order = np.cumsum(hit, axis=-1)
    known = (hit / order[..., -1:], hit & (order == 1), hit & (order == order[..., -1:]))
    part = min(known, key=lambda part: np.sum(np.abs(own - explained(part))))
    squares = given_back(at.c, np.square(g) * hit, table, x.shape[-1])
    for _ in range(TURNS):
        left = np.divide(own - explained(part), squares, where=squares > 0, out=np.zeros_like(own))
        part = _nearest_shares(part + g * gathered(left, table), hit)
    return _closed(explained(part), [axis.size for axis in axes], layout)


def _nearest_shares(part, hit):
    """On the simplex of each window's largest elements (Held, Wolfe and Crowder, 1974)."""
    part = np.where(hit, np.clip(part, -FAR, FAR), -FAR * FAR)
    falling = -np.sort(-part, axis=-1)
    above = (np.cumsum(falling, axis=-1) - 1) / np.arange(1, part.shape[-1] + 1)
    last = np.sum(falling > above, axis=-1, keepdims=True) - 1
    return np.maximum(part - np.take_along_axis(above, last, axis=-1), 0)


def _counts(axes, padding, count_padding):
    """How many elements each window's mean is over."""
    result = np.ones(1)
    for axis, (_, after) in zip(axes, pairs(padding, len(axes)), strict=True):
        start = np.arange(axis.out) * axis.stride - axis.before
        end = np.minimum(start + axis.window, axis.size + (after if count_padding else 0))
        own = end - (start if count_padding else np.maximum(start, 0))
        result = (result[:, None] * own).ravel()
    return result


def _avg_pool(
    c, x, *, size, stride=None, padding=0, ceil_mode=False, count_padding=True, layout="channels_first"
):
    x, axes = _opened(x, layout, {"size": size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode})
    total = c.sum(gathered(x, inside(axes)), -1)
    return _closed(c.r(total / _counts(axes, padding, count_padding)), [axis.out for axis in axes], layout)


def _avg_pool_vjp(c, out, x, g, *, padding, count_padding, layout, **kw):
    _, axes = _opened(x, layout, {"padding": padding, **kw})
    each = c.r(flat(channels_first(g, layout), len(axes)) / _counts(axes, padding, count_padding))
    return _closed(c.sum(gathered(each, around(axes)), -1), [axis.size for axis in axes], layout)


ARGUMENTS = {
    "size": "of the windows: an integer, or a tuple with one for each axis",
    "stride": "how far a window is from the next: an integer, or a tuple with one for each axis; None: its size",
    "padding": "around x, at most half a window: an integer, or a tuple with an integer or a pair (before, after) for each axis",
    "ceil_mode": "whether a last window may reach beyond the end of x and its padding; it begins before the end",
    "layout": '"channels_first": x is (samples, channels, ...); "channels_last": (samples, ..., channels)',
}

for rank in (1, 2, 3):
    row(
        f"max_pool{rank}d",
        partial(_pool_shape, rank),
        _max_pool,
        _max_pool_vjp,
        kinks=shares,
        doc=Doc(
            "the largest element of every window, padding left out",
            gradient="the sum of g over the windows whose largest element it is",
            kinks="among several that are largest in a window, non-negative shares that add up to its g are right; the reference gives equal ones",
            arguments={
                **ARGUMENTS,
                "dilation": "how far a window's places are from each other: an integer, or a tuple with one for each axis",
            },
            example=f"y = max_pool{rank}d(x, size=2)",
        ),
    )
for rank in (1, 2, 3):
    row(
        f"avg_pool{rank}d",
        partial(_avg_shape, rank),
        _avg_pool,
        _avg_pool_vjp,
        doc=Doc(
            "the mean of every window",
            gradient="the sum over the windows that an element is in of g / n",
            arguments={
                **ARGUMENTS,
                "count_padding": "whether padding counts as elements that are 0; what is beyond it with ceil_mode never does",
            },
            example=f"y = avg_pool{rank}d(x, size=2)",
        ),
    )


def _adaptive_shape(rank, x, *, size, layout):
    samples, channels, spatial = divided(x, rank, layout)
    windows = for_each("size", size, rank, 1)
    if max(windows) > MOST_WINDOWS or not math.prod(spatial):
        raise OpError(
            f"size is {size!r}, of shape {shapes.text(x)}; an axis has one element at least, and at most {MOST_WINDOWS} windows"
        )
    return together(samples, channels, windows, layout)


def _adaptive_avg_pool(f, x, *, size, layout="channels_first"):
    """One axis after the other: a window has as many elements in each of its rows."""
    rank = x.ndim - 2
    first = 2 if layout == "channels_first" else 1
    for axis, windows in enumerate(for_each("size", size, rank, 1), first):
        n, whole = x.shape[axis], ((None, None, None),) * axis
        ends = [(i * n // windows, -(-(i + 1) * n // windows), None) for i in range(windows)]
        x = f.concat(
            *(f.mean(f.index(x, index=(*whole, end)), axis=axis, keepdims=True) for end in ends), axis=axis
        )
    return x


for rank in (1, 2):
    composed(
        f"adaptive_avg_pool{rank}d",
        partial(_adaptive_shape, rank),
        _adaptive_avg_pool,
        doc=Doc(
            "the means of so many windows: of n elements the i-th is from floor(i n / size) to ceil((i + 1) n / size)",
            gradient="the sum over the windows that an element is in of g / n",
            arguments={
                "size": "how many windows: an integer, or a tuple with one for each axis",
                "layout": ARGUMENTS["layout"],
            },
            example=f"y = adaptive_avg_pool{rank}d(x, size=1)",
        ),
    )
