"""Images between their pixels: cubic enlargements, and places of a grid."""

from fractions import Fraction
from typing import Any

import numpy as np

from ..drawing import draw, of
from ..numbers import MP, MpArray, exact, objects
from .convolution import LAST, Each, each, first, last
from .table import define


def keys(t: Any, a: Any) -> Any:
    """Cubic convolution: Keys, IEEE Trans. ASSP 29 (1981), with `a` as its slope at 1."""
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0 * t


def place_of(i: int, n: int, scale: int, align_corners: bool) -> Fraction:
    """Where a pixel of the larger axis is on the smaller one, be it beyond the first or the last."""
    if align_corners:
        return Fraction(i * (n - 1), max(n * scale - 1, 1))
    return Fraction(2 * i + 1, 2 * scale) - Fraction(1, 2)


def upsample_bicubic(
    x: Any, *, scale: Each, a: float = -0.75, border: str = "repeat", align_corners: bool = False,
    layout: str = "channels_first",
) -> MpArray:  # fmt: skip
    """Every pixel of the image as often as it is seen, one axis after the other."""
    x, own = first(exact(x), layout), Fraction(a)
    for axis, times in enumerate(each(scale, 2), 2):
        n, parts = x.shape[axis], []
        for i in range(n * times):
            place = place_of(i, n, times, align_corners)
            near = [j for j in range(-2, n + 2) if abs(place - j) < 2 and (border == "repeat" or 0 <= j < n)]
            shares = [keys(place - j, own) for j in near]
            whole = sum(shares) if border == "renormalize" else Fraction(1)
            seen = (
                np.take(x, min(max(j, 0), n - 1), axis) * (MP.mpf(s.numerator) / s.denominator)
                for j, s in zip(near, (share / whole for share in shares), strict=True)
            )
            parts.append(sum(seen, np.full(np.take(x, 0, axis).shape, MP.zero)))
        x = np.stack(parts, axis)
    return objects(last(x, layout))


def _upsample_bicubic(
    x: Any, *, scale: Each, a: float = -0.75, border: str = "repeat", align_corners: bool = False,
    layout: str = "channels_first",
) -> Any:  # fmt: skip
    """By a product with a matrix for each axis, of pixels with two more at each end."""
    x = first(x, layout)
    repeated = border == "repeat"
    x = np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)], mode="edge" if repeated else "constant")
    matrices = []
    for n, times in zip(x.shape[2:], each(scale, 2), strict=True):
        i = np.arange((n - 4) * times)
        at = i * (n - 5) / max(len(i) - 1, 1) if align_corners else (i + 0.5) / times - 0.5
        t = np.abs(at[:, None] - np.arange(-2, n - 2))
        outer = a * (t - 1) * (t - 2) ** 2
        weights = np.where(t <= 1, 1 - t**2 * (3 + a - (2 + a) * t), np.where(t < 2, outer, 0))
        if not repeated:
            weights[:, [0, 1, -2, -1]] = 0
            weights = weights / weights.sum(1, keepdims=True)
        matrices.append(weights)
    return last(np.einsum("nchw,ih,jw->ncij", x, *matrices), layout)


def mirrored(at: Any, low: Any, high: Any) -> Any:
    """Back and forth between two mirrors, one fold after the other."""
    while high > low and not low <= at <= high:
        at = 2 * low - at if at < low else 2 * high - at
    return at if high > low else low


def seen_at(at: Any, n: int, padding: str, align_corners: bool) -> Any:
    """The place on an axis of n pixels that a grid's number stands for."""
    at = (at + 1) * (n - 1) / 2 if align_corners else ((at + 1) * n - 1) / 2
    if padding == "reflection":
        half = MP.mpf(1) / 2
        at = mirrored(at, MP.zero, MP.mpf(n - 1)) if align_corners else mirrored(at, -half, n - half)
    return at if padding == "zeros" else min(max(at, MP.zero), MP.mpf(n - 1))


def neighbours(at: Any, n: int, mode: str) -> list[tuple[int, Any]]:
    """Pixels about a place, and their weights; none where there is no image."""
    low = int(MP.floor(at))
    pairs = [(low, low + 1 - at), (low + 1, at - low)]
    if mode == "nearest":
        pairs = [(int(MP.nint(at)), MP.one)]
    return [(j, w) for j, w in pairs if 0 <= j < n]


def grid_sample(
    x: Any, grid: Any, *, mode: str = "bilinear", padding: str = "zeros", align_corners: bool = False
) -> MpArray:
    x, grid = exact(x), exact(grid)
    y = np.full((*x.shape[:2], *grid.shape[1:3]), MP.zero, dtype=object)
    for n, i, j in np.ndindex(*grid.shape[:3]):
        across, along = (
            neighbours(seen_at(at, size, padding, align_corners), size, mode)
            for at, size in zip(grid[n, i, j], (x.shape[3], x.shape[2]), strict=True)
        )
        for row, down in along:
            for column, right in across:
                y[n, :, i, j] = y[n, :, i, j] + x[n, :, row, column] * (down * right)
    return objects(y)


def _grid_sample(
    x: Any, grid: Any, *, mode: str = "bilinear", padding: str = "zeros", align_corners: bool = False
) -> Any:
    """Of an image laid out as large as the grid goes, by slices between pixels."""
    more = 40
    modes: dict[str, Any] = {"zeros": "constant", "border": "edge"}
    name = modes.get(padding, "reflect" if align_corners else "symmetric")
    wide = np.pad(x, [(0, 0), (0, 0), (more, more), (more, more)], mode=name)
    result = np.empty((*x.shape[:2], *grid.shape[1:3]))
    for n, i, j in np.ndindex(*grid.shape[:3]):
        column, row = (
            more + ((1 + g) * (s - 1) / 2 if align_corners else (g * s + s - 1) / 2)
            for g, s in zip(grid[n, i, j], (x.shape[3], x.shape[2]), strict=True)
        )
        if mode == "nearest":
            row, column = np.round(row), np.round(column)
        top, left = int(row), int(column)
        seen = wide[n, :, top : top + 2, left : left + 2]
        result[n, :, i, j] = [1 - row + top, row - top] @ seen @ [1 - column + left, column - left]
    return result


define(
    "upsample_bicubic",
    upsample_bicubic,
    numpy=_upsample_bicubic,
    relative_to="terms",
    samples=[
        of(draw(1, 2, 3, 4), scale=2),
        of(draw(1, 1, 3, 2), scale=(3, 2), align_corners=True),
        of(draw(1, 2, 3, 1), scale=(2, 3), a=-0.5, border="renormalize", **LAST),
        of(draw(1, 1, 2, 3), scale=2, a=-0.5, align_corners=True),
        of(draw(1, 1, 1, 5), scale=(2, 1), a=-0.6, border="renormalize"),
    ],
)
define(
    "grid_sample",
    grid_sample,
    numpy=_grid_sample,
    relative_to="one",  # a place is rounded, and however little of a pixel is seen there, its weight is off by as much
    samples=[
        of(draw(1, 2, 3, 4), draw(1, 2, 3, 2, low=-1.4, high=1.4)),
        of(draw(2, 1, 3, 2), draw(2, 2, 2, 2, low=-1.4, high=1.4), align_corners=True),
        of(draw(1, 2, 3, 3), draw(1, 2, 3, 2), padding="border"),
        of(draw(1, 1, 3, 3), draw(1, 2, 4, 2), padding="border", align_corners=True),
        of(draw(1, 2, 2, 3), draw(1, 2, 3, 2, low=-4, high=4), padding="reflection"),
        of(draw(1, 1, 3, 2), draw(1, 2, 3, 2, low=-4, high=4), padding="reflection", align_corners=True),
        of(draw(1, 2, 3, 3), draw(1, 3, 2, 2), mode="nearest"),
        of(draw(1, 1, 1, 4), draw(1, 3, 2, 2), mode="nearest", padding="reflection"),
    ],
    at_kinks=[
        of(draw(1, 2, 3, 3), np.array([[[[0.0, 0.0], [1.0, -1.0], [0.0, 0.3]]]]), align_corners=True),
        of(
            draw(1, 1, 3, 3), np.array([[[[1.0, 0.25], [-0.25, -1.0]]]]), padding="border", align_corners=True
        ),
    ],
    analytic=False,
)
