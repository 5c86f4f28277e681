"""Rows that look at images between their pixels: cubic enlargements, and places that are themselves an input."""

import math
from typing import Any

import numpy as np

from . import shapes
from .kinks import between
from .resizing import MOST, SCALED, larger_shape
from .row import Doc, OpError, row
from .windows import channels_as, channels_first, flat, for_each, gathered, given_back

BORDERS = ("repeat", "renormalize")
PADDINGS = ("zeros", "border", "reflection")
MODES = ("bilinear", "nearest")


def _cubic_shape(x, *, a, border, **kw):
    shapes.choice("border", border, BORDERS)
    if isinstance(a, bool) or not isinstance(a, int | float) or not -1 <= a <= 0:
        raise OpError(f"a is {a!r}, but must be a number from -1 to 0")
    return larger_shape(x, **kw)


def _cubic(a, far):
    """The weight of a pixel so far away (Keys, 1981), by how many units Horner's scheme errs there, and the slope's size."""
    near, one = far <= 1, np.minimum(far, 2)
    weight = np.where(near, ((a + 2) * one - (a + 3)) * one**2 + 1, a * (((one - 5) * one + 8) * one - 4))
    terms = np.where(near, ((a + 3) - (a + 2) * one) * one**2 + 1, 2 * abs(a) * (5 - one) * one**2)
    slope = np.where(near, (6 + 3 * one) * one, abs(a) * ((3 * one + 10) * one + 8))
    return weight, terms, slope


def _four(size, times, *, a, border, align_corners):
    """Of each place of a larger axis: the four pixels about it, their weights, and by how many units these may err."""
    place = np.arange(size * times)
    corners = (size - 1) / max(size * times - 1, 1)
    place = (place * corners if align_corners else (place + 0.5) / times - 0.5)[:, None]
    pixels = np.floor(place) + np.arange(-1.0, 3.0)
    weights, terms, slope = _cubic(a, np.abs(place - pixels))
    errs = terms + slope * np.abs(place)
    if border == "renormalize":
        there = (pixels >= 0) & (pixels < size)
        whole = np.sum(weights * there, axis=1, keepdims=True)
        weights, errs = weights * there / whole, (errs + np.sum(errs, axis=1, keepdims=True)) * there / whole
    return np.clip(pixels, 0, size - 1).astype(np.int64), weights, errs


def _sixteen(c, x, scale, **kw):
    """The pixels about every place, and their weights."""
    (rows, down, down_errs), (columns, right, right_errs) = (
        _four(n, s, **kw) for n, s in zip(x.shape[2:], for_each("scale", scale, 2, 1), strict=True)
    )

    def all_pairs(function, a, b):
        found = function(a[:, None, :, None], b[None, :, None, :])
        return found.reshape(len(a) * len(b), 16)

    table = all_pairs(lambda i, j: i * x.shape[3] + j, rows, columns)
    weights = all_pairs(np.multiply, down, right)
    errs = all_pairs(np.multiply, down_errs, np.abs(right)) + all_pairs(np.multiply, np.abs(down), right_errs)
    return table, c.absolute(weights, np.abs(weights) + errs)


def _bicubic(c, x, *, scale, a=-0.75, border="repeat", align_corners=False, layout="channels_first"):
    x = channels_first(x, layout)
    table, weights = _sixteen(c, x, scale, a=a, border=border, align_corners=align_corners)
    larger = (n * s for n, s in zip(x.shape[2:], for_each("scale", scale, 2, 1), strict=True))
    out = c.sum(c.r(gathered(flat(x, 2), table) * weights), -1)
    return channels_as(out.reshape(*x.shape[:2], *larger), layout)


def _bicubic_vjp(c, out, x, g, *, scale, layout, **kw):
    x = channels_first(x, layout)
    table, weights = _sixteen(c, x, scale, **kw)
    parts = c.r(flat(channels_first(g, layout), 2)[..., None] * weights)
    return channels_as(given_back(c, parts, table, math.prod(x.shape[2:])).reshape(x.shape), layout)


row(
    "upsample_bicubic",
    _cubic_shape,
    _bicubic,
    _bicubic_vjp,
    doc=Doc(
        "so many times as many pixels along both axes, each by the cubic convolution of the sixteen about it: Keys (1981)",
        gradient="the sum of g over the places that a pixel is near to, by its weight there",
        arguments={
            **SCALED,
            "a": "the weights' slope at the distance 1: -0.75 as in torch, -0.5 as in TensorFlow and JAX (Keys's)",
            "border": '"repeat": beyond an end is its pixel again, as torch has it; "renormalize": nothing is, and the other'
            " weights are divided by their sum, as TensorFlow and JAX have it",
            "align_corners": "whether the first and the last pixel stay at the ends; otherwise pixels are areas, whose edges stay there",
        },
        example="y = upsample_bicubic(x, scale=2)",
    ),
)


def _sampled_shape(x, grid, *, mode, padding, align_corners):
    shapes.choice("mode", mode, MODES)
    shapes.choice("padding", padding, PADDINGS)
    shapes.flag("align_corners", align_corners)
    if len(x) != 4 or len(grid) != 4 or grid[0] != x[0] or grid[3] != 2 or not x[2] * x[3]:
        raise OpError(
            f"shapes {shapes.text(x)} and {shapes.text(grid)} are not (samples, channels, height, width) with pixels and"
            " (samples, rows, columns, 2)"
        )
    out = (*x[:2], *grid[1:3])
    if math.prod(out) * x[2] * x[3] > MOST:
        raise OpError(f"{shapes.text(out)} places of {x[2]} x {x[3]} pixels are more than {MOST} products")
    return out


class _Axis:
    """Where the places of a grid are along one axis: what every pixel of that axis weighs there, and its slope."""

    def __init__(self, c, g, size, mode, padding, align_corners):
        self.c, self.size, self.padding = c, size, padding
        self.mode, self.align_corners = mode, align_corners
        self.scale = (size - 1) / 2 if align_corners else size / 2
        place = (
            c.r(c.r(c.r(g + 1) * self.scale)) if align_corners else c.r(c.r(c.r(g + 1) * self.scale) - 0.5)
        )
        self.place, self.turn = self._inside(place)

    def _inside(self, place):
        """The place as padding has it, and how that moves with it."""
        c, last = self.c, self.size - 1
        turn: Any = 1.0
        if self.padding == "reflection":
            first, span = (0, last) if self.align_corners else (-0.5, self.size)
            if not span:
                return 0 * place, 0.0
            turns = c.step(np.rint, (place - first) / span)
            beyond = c.r(place - first - turns * span)
            odd = np.mod(turns, 2) != 0
            side = np.where(c.kink(beyond) >= 0, 1.0, -1.0)
            away = np.abs(beyond)
            place = c.r(np.where(odd, first + span - away, first + away))
            turn = np.where(odd, -side, side)
        if self.mode == "nearest":
            place = c.step(np.rint, place)
        if self.padding != "zeros":
            if self.mode == "bilinear":
                turn = turn * ((c.kink(place) >= 0) & (c.kink(last - place) >= 0))
            place = np.minimum(np.maximum(place, 0), last)
        return place, turn

    def weights(self):
        """Of every pixel at every place, (..., size)."""
        pixels, place = np.arange(self.size), self.place[..., None]
        if self.mode == "nearest":
            return np.where(place == pixels, 1.0, 0.0)
        return np.maximum(0, 1 - np.abs(place - pixels))

    def slopes(self):
        """What the weights move by with the grid: a pixel gains on the way to it, and loses behind it."""
        if self.mode == "nearest":
            return np.zeros((*self.place.shape, self.size))
        at = np.arange(-1, self.size + 1)
        beyond = self.place[..., None] - at
        if (
            self.padding != "zeros"
        ):  # between the first and the last pixel there is always one before, one behind
            beyond = np.where((at <= 0) | (self.size == 1), 1.0, np.where(at >= self.size - 1, -1.0, beyond))
        behind = self.c.kink(beyond) >= 0
        cells = np.where(behind[..., :-1] & ~behind[..., 1:], 1.0, 0.0)
        return (cells[..., :-1] - cells[..., 1:]) * (self.turn * np.ones(self.place.shape))[..., None]


def _axes(c, x, grid, kw):
    """Of rows and of columns; a grid has the column first."""
    return _Axis(c, grid[..., 1], x.shape[2], **kw), _Axis(c, grid[..., 0], x.shape[3], **kw)


def _of_pixels(c, down, right):
    """Products of what rows and columns weigh: (samples, 1, places, places, height, width)."""
    return c.r(down[:, None, :, :, :, None] * right[:, None, :, :, None, :])


def _grid_sample(c, x, grid, *, mode="bilinear", padding="zeros", align_corners=False):
    down, right = _axes(c, x, grid, {"mode": mode, "padding": padding, "align_corners": align_corners})
    weights = _of_pixels(c, down.weights(), right.weights())
    return c.sum(c.r(x[:, :, None, None] * weights), (-2, -1))


def _grid_sample_x(c, out, x, grid, g, **kw):
    down, right = _axes(c, x, grid, kw)
    weights = _of_pixels(c, down.weights(), right.weights())
    return c.sum(c.r(g[..., None, None] * weights), (2, 3))


def _grid_sample_grid(c, out, x, grid, g, **kw):
    down, right = _axes(c, x, grid, kw)
    products = c.r(g[..., None, None] * x[:, :, None, None])

    def moved(weights, scale):
        return c.r(c.sum(c.r(products * weights), (1, -2, -1)) * scale)

    across = moved(_of_pixels(c, down.weights(), right.slopes()), right.scale)
    along = moved(_of_pixels(c, down.slopes(), right.weights()), down.scale)
    return np.concatenate((across[..., None], along[..., None]), axis=-1)


row(
    "grid_sample",
    _sampled_shape,
    _grid_sample,
    _grid_sample_x,
    _grid_sample_grid,
    kinks=between,
    doc=Doc(
        "the image at each place of the grid, between its four pixels linear: Jaderberg et al., Spatial Transformer Networks (2015)",
        gradient="towards x the sum of g over places by the pixel's weight there, towards the grid how the weights move with it",
        kinks="at a pixel's row or column anything between the slopes of both sides is right; the reference takes that behind it",
        arguments={
            "x": "(samples, channels, height, width)",
            "grid": "(samples, rows, columns, 2): column and row of each place, the image from -1 to 1",
            "mode": '"bilinear", or "nearest": the pixel that is nearest, of two the even one; its gradient towards the grid is 0',
            "padding": '"zeros": beyond the image are zeros; "border": its first and last pixels; "reflection": the image mirrored',
            "align_corners": "whether -1 and 1 are the middles of the first and the last pixel, or their outer edges",
        },
        example='y = grid_sample(x, grid, padding="border")',
    ),
)
