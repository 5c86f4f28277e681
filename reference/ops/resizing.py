"""Rows that lay a tensor out larger: padding, what windows see as channels, and images of more pixels."""

import math

import numpy as np

from . import shapes
from .composed import composed
from .convolution import slid
from .row import Doc, OpError, row
from .windows import (
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

MODES = ("constant", "reflect", "edge", "circular")
MOST = 2**24
"""Elements of a larger tensor, at most."""


def _pad_shape(x, *, padding, mode, value):
    shapes.choice("mode", mode, MODES)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise OpError(f"value is {value!r}, but must be a number")
    around = pairs(padding, len(x))
    for size, pair in zip(x, around, strict=True):
        most = {"reflect": size - 1, "circular": size}.get(mode, math.inf if size else 0)
        if mode != "constant" and max(pair) > most:
            raise OpError(f'padding {pair} of {size} elements with mode="{mode}" may be at most {most}')
    return tuple(before + size + after for size, (before, after) in zip(x, around, strict=True))


def _sources(size, before, after, mode):
    """Which element stands at each place of a padded axis; their number for none."""
    at = np.arange(-before, size + after)
    if mode == "constant":
        return np.where((at >= 0) & (at < size), at, size)
    if mode == "edge":
        return np.clip(at, 0, size - 1)
    if mode == "circular":
        return at % size
    return np.where(at < 0, -at, np.where(at < size, at, 2 * (size - 1) - at))


def _along(axis, x, function):
    """Something of the last axis, of another one."""
    return np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)


def _pad(c, x, *, padding, mode="constant", value=0.0):
    whole = x
    for axis, (size, pair) in enumerate(zip(x.shape, pairs(padding, x.ndim), strict=True)):
        if not any(pair):
            continue
        table = _sources(size, *pair, mode)
        whole = _along(axis, whole, lambda a, table=table: gathered(a, table))
    if mode != "constant":
        return whole
    own = np.zeros(np.shape(whole), dtype=bool)
    own[tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, pairs(padding, x.ndim), strict=True))] = True
    return np.where(own, whole, value)


def _pad_vjp(c, out, x, g, *, padding, mode, value):
    for axis, (size, pair) in enumerate(zip(x.shape, pairs(padding, x.ndim), strict=True)):
        if not any(pair):
            continue
        table = _sources(size, *pair, mode)
        g = _along(axis, g, lambda a, table=table, size=size: given_back(c, a, table, size))
    return g


row(
    "pad",
    _pad_shape,
    _pad,
    _pad_vjp,
    doc=Doc(
        "x with more elements around it",
        gradient="the sum of g over the places where an element stands",
        arguments={
            "padding": "an integer, or a tuple with an integer or a pair (before, after) for each axis of x",
            "mode": '"constant": the value; "reflect": x mirrored at its first and last element, which are not repeated; "edge": these; "circular": x again',
            "value": "a number, with the mode constant",
        },
        example='y = pad(x, padding=((0, 0), (1, 2)), mode="reflect")',
    ),
)


def _shuffled_shape(x, *, factor):
    if not shapes.is_integer(factor) or factor < 1:
        raise OpError(f"factor is {factor!r}, but must be an integer of at least 1")
    if len(x) != 4 or x[1] % factor**2:
        raise OpError(f"shape {shapes.text(x)} has not 4 dimensions, or channels that {factor}**2 divides")
    return (x[0], x[1] // factor**2, x[2] * factor, x[3] * factor)


def _pixel_shuffle(f, x, *, factor):
    samples, channels, height, width = x.shape
    x = f.reshape(x, shape=(samples, channels // factor**2, factor, factor, height, width))
    x = f.transpose(x, axes=(0, 1, 4, 2, 5, 3))
    return f.reshape(x, shape=(samples, channels // factor**2, height * factor, width * factor))


composed(
    "pixel_shuffle",
    _shuffled_shape,
    _pixel_shuffle,
    doc=Doc(
        "channels as pixels: channel c r**2 + i r + j at h, w is channel c at h r + i, w r + j, with r the factor",
        gradient="pixels as channels again",
        arguments={
            "x": "(samples, channels, height, width)",
            "factor": "an integer whose square divides the channels",
        },
        example="y = pixel_shuffle(x, factor=2)",
    ),
)


def _windows(spatial, *, size, stride, padding, dilation):
    each = (for_each("size", size, 2, 1), for_each("stride", stride, 2, 1))
    return tuple(map(slid, spatial, *each, pairs(padding, 2), for_each("dilation", dilation, 2, 1)))


def _unfold_shape(x, **kw):
    samples, channels, spatial = divided(x, 2, "channels_first")
    axes = _windows(spatial, **kw)
    bounded(samples * channels, axes)
    places, windows = (math.prod(sizes) for sizes in zip(*((a.window, a.out) for a in axes), strict=True))
    return (samples, channels * places, windows)


def _unfold(c, x, *, size, stride=1, padding=0, dilation=1):
    table = inside(_windows(x.shape[2:], size=size, stride=stride, padding=padding, dilation=dilation))
    seen = gathered(flat(x, 2), table.T)
    return seen.reshape(x.shape[0], x.shape[1] * table.shape[1], table.shape[0])


def _unfold_vjp(c, out, x, g, **kw):
    table = inside(_windows(x.shape[2:], **kw)).T
    parts = g.reshape(*x.shape[:2], *table.shape)
    return given_back(c, parts, table, math.prod(x.shape[2:])).reshape(x.shape)


row(
    "unfold",
    _unfold_shape,
    _unfold,
    _unfold_vjp,
    doc=Doc(
        "what every window sees: (samples, channels * places, windows), channel by channel and row by row (im2col)",
        gradient="the sum of g over the windows that see an element (col2im)",
        arguments={
            "x": "(samples, channels, height, width)",
            "size": "of the windows: an integer, or a pair",
            "stride": "how far a window is from the next: an integer, or a pair",
            "padding": "zeros around x: an integer, or a tuple with an integer or a pair (before, after) for each axis",
            "dilation": "how far a window's places are from each other: an integer, or a pair",
        },
        example="columns = unfold(x, size=3, padding=1)",
    ),
)


def larger_shape(x, *, scale, layout, align_corners=False):
    shapes.flag("align_corners", align_corners)
    samples, channels, spatial = divided(x, 2, layout)
    larger = tuple(n * s for n, s in zip(spatial, for_each("scale", scale, 2, 1), strict=True))
    if not math.prod(spatial) or samples * channels * math.prod(larger) > MOST:
        raise OpError(
            f"shape {shapes.text(x)}, {scale} times as large, has no pixels or more than {MOST} elements"
        )
    return together(samples, channels, larger, layout)


def _nearest(c, x, *, scale, layout="channels_first"):
    x = channels_first(x, layout)
    for axis, times in enumerate(for_each("scale", scale, 2, 1), 2):
        x = np.take(x, np.repeat(np.arange(x.shape[axis]), times), axis)
    return channels_as(x, layout)


def _nearest_vjp(c, out, x, g, *, scale, layout):
    g, (_, _, (height, width)) = channels_first(g, layout), divided(x.shape, 2, layout)
    parts = g.reshape(*g.shape[:2], height, g.shape[2] // height, width, g.shape[3] // width)
    return channels_as(c.sum(parts, (3, 5)), layout)


SCALED = {
    "x": "by the layout",
    "scale": "an integer, or a pair",
    "layout": '"channels_first": (samples, channels, height, width); "channels_last": (samples, height, width, channels)',
}

row(
    "upsample_nearest",
    larger_shape,
    _nearest,
    _nearest_vjp,
    doc=Doc(
        "every pixel so many times along both axes",
        gradient="the sum of g over the places of a pixel",
        arguments=SCALED,
        example="y = upsample_nearest(x, scale=2)",
    ),
)


def _between(size, times, align_corners):
    """Of each place of a larger axis: three pixels about where it lies, their weights, and how large the place is.

    A framework has the place in its dtype, where what is between two pixels may lie beyond one of them.
    """
    place = np.arange(size * times)
    if align_corners:
        place = place * ((size - 1) / max(size * times - 1, 1))
    else:
        place = np.maximum((place + 0.5) / times - 0.5, 0)
    place = np.minimum(place, size - 1)[:, None]
    pixels = np.rint(place) + np.array([-1.0, 0.0, 1.0])
    there = (pixels >= 0) & (pixels < size)
    weights = np.where(there, np.maximum(0, 1 - np.abs(place - pixels)), 0)
    errs = np.where(there & (np.abs(place - pixels) <= 1), place, 0)
    return np.where(there, pixels, size).astype(np.int64), weights, errs


def _weighed(c, x, scale, align_corners):
    """The pixels about every place, and their weights."""
    (rows, down, down_errs), (columns, right, right_errs) = (
        _between(n, s, align_corners)
        for n, s in zip(x.shape[2:], for_each("scale", scale, 2, 1), strict=True)
    )
    count = x.shape[3]
    shape = (len(rows) * len(columns), 9)

    def all_pairs(function, a, b):
        return function(a[:, None, :, None], b[None, :, None, :]).reshape(shape)

    there = all_pairs(np.logical_and, rows < x.shape[2], columns < count)
    table = np.where(there, all_pairs(lambda i, j: i * count + j, rows, columns), x.shape[2] * count)
    weights = all_pairs(np.multiply, down, right)
    errs = all_pairs(np.multiply, down_errs, right) + all_pairs(np.multiply, down, right_errs)
    return table, c.absolute(weights, weights + errs)


def _bilinear(c, x, *, scale, align_corners=False, layout="channels_first"):
    x = channels_first(x, layout)
    table, weights = _weighed(c, x, scale, align_corners)
    larger = (n * s for n, s in zip(x.shape[2:], for_each("scale", scale, 2, 1), strict=True))
    out = c.sum(c.r(gathered(flat(x, 2), table) * weights), -1)
    return channels_as(out.reshape(*x.shape[:2], *larger), layout)


def _bilinear_vjp(c, out, x, g, *, scale, align_corners, layout):
    x = channels_first(x, layout)
    table, weights = _weighed(c, x, scale, align_corners)
    parts = c.r(flat(channels_first(g, layout), 2)[..., None] * weights)
    return channels_as(given_back(c, parts, table, math.prod(x.shape[2:])).reshape(x.shape), layout)


row(
    "upsample_bilinear",
    larger_shape,
    _bilinear,
    _bilinear_vjp,
    doc=Doc(
        "so many times as many pixels along both axes, each a mean of the four about it, by how near they are",
        gradient="the sum of g over the places that a pixel is near to, by how near",
        arguments={
            **SCALED,
            "align_corners": "whether the first and the last pixel stay at the ends; otherwise pixels are areas, whose edges stay there",
        },
        example="y = upsample_bilinear(x, scale=2)",
    ),
)
