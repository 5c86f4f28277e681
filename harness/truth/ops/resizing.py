"""Padding, what windows see, and images of more pixels."""

from fractions import Fraction
from typing import Any

import numpy as np

from ..drawing import draw, of
from ..numbers import MP, MpArray, exact, objects
from .convolution import LAST, Each, borders, each, first, last
from .table import define

NUMPY_MODES: dict[str, Any] = {
    "constant": "constant",
    "reflect": "reflect",
    "edge": "edge",
    "circular": "wrap",
}


def pad(x: Any, *, padding: Any, mode: str = "constant", value: float = 0.0) -> MpArray:
    """Element by element: by where it is beyond the ends."""
    x = exact(x)
    around = [(p, p) if isinstance(p, int) else (p[0], p[1]) for p in each(padding, x.ndim)]

    def source(at: int, n: int) -> int | None:
        if 0 <= at < n:
            return at
        beyond: dict[str, int | None] = {
            "constant": None,
            "edge": 0 if at < 0 else n - 1,
            "reflect": -at if at < 0 else 2 * n - 2 - at,
            "circular": at + n if at < 0 else at - n,
        }
        return beyond[mode]

    result = np.full(
        [b + n + a for n, (b, a) in zip(x.shape, around, strict=True)], MP.mpf(value), dtype=object
    )
    for place in np.ndindex(*result.shape):
        found = [source(i - b, n) for i, (b, _), n in zip(place, around, x.shape, strict=True)]
        if None not in found:
            result[place] = x[tuple(found)]
    return result


def _pad(x: Any, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Any:
    around = [(p, p) if isinstance(p, int) else p for p in each(padding, x.ndim)]
    more: dict[str, Any] = {"constant_values": value} if mode == "constant" else {}
    named: Any = NUMPY_MODES[mode]
    return np.pad(x, around, named, **more)


def pixel_shuffle(x: Any, *, factor: int) -> MpArray:
    x = exact(x)
    n, channels, height, width = x.shape
    result = np.empty((n, channels // factor**2, height * factor, width * factor), dtype=object)
    for c, i, j in np.ndindex(channels // factor**2, factor, factor):
        result[:, c, i::factor, j::factor] = x[:, c * factor**2 + i * factor + j]
    return result


def _pixel_shuffle(x: Any, *, factor: int) -> Any:
    n, _, height, width = x.shape
    parts = x.reshape(n, -1, factor, factor, height, width)
    return np.einsum("ncijhw->nchiwj", parts).reshape(n, -1, height * factor, width * factor)


def unfold(x: Any, *, size: Each, stride: Each = 1, padding: Any = 0, dilation: Each = 1) -> MpArray:
    x = exact(x)
    window, steps, gaps = each(size, 2), each(stride, 2), each(dilation, 2)
    around = borders(padding, x.shape[2:], window, stride, dilation)
    x = np.pad(x, [(0, 0), (0, 0), *around], constant_values=MP.zero)
    counts = [
        (n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], window, steps, gaps, strict=True)
    ]
    columns = []
    for i, j in np.ndindex(*counts):
        top, left = i * steps[0], j * steps[1]
        seen = x[
            :, :, top : top + (window[0] - 1) * gaps[0] + 1 : gaps[0],
            left : left + (window[1] - 1) * gaps[1] + 1 : gaps[1],
        ]  # fmt: skip
        columns.append(seen.reshape(len(x), -1))
    return objects(np.stack(columns, axis=-1))


def _unfold(x: Any, *, size: Each, stride: Each = 1, padding: Any = 0, dilation: Each = 1) -> Any:
    """By views of all windows."""
    gaps = each(dilation, 2)
    x = np.pad(x, [(0, 0), (0, 0), *borders(padding, x.shape[2:], each(size, 2), stride, dilation)])
    reach = [(k - 1) * d + 1 for k, d in zip(each(size, 2), gaps, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, (2, 3))
    down, right = each(stride, 2)
    seen = seen[:, :, ::down, ::right, :: gaps[0], :: gaps[1]]
    n, _, height, width, *_ = seen.shape
    return np.einsum("nchwij->ncijhw", seen).reshape(n, -1, height * width)


def upsample_nearest(x: Any, *, scale: Each, layout: str = "channels_first") -> MpArray:
    x = first(exact(x), layout)
    down, right = each(scale, 2)
    result = np.empty((*x.shape[:2], x.shape[2] * down, x.shape[3] * right), dtype=object)
    for i, j in np.ndindex(down, right):
        result[:, :, i::down, j::right] = x
    return objects(last(result, layout))


def _upsample_nearest(x: Any, *, scale: Each, layout: str = "channels_first") -> Any:
    return last(np.kron(first(x, layout), np.ones((1, 1, *each(scale, 2)))), layout)


def place_of(i: int, n: int, scale: int, align_corners: bool) -> Fraction:
    """Where a pixel of the larger axis is on the smaller one, of which it is not beyond the first and the last."""
    if align_corners:
        return Fraction(i * (n - 1), max(n * scale - 1, 1))
    return min(max(Fraction(2 * i + 1, 2 * scale) - Fraction(1, 2), Fraction(0)), Fraction(n - 1))


def upsample_bilinear(
    x: Any, *, scale: Each, align_corners: bool = False, layout: str = "channels_first"
) -> MpArray:
    """Between two pixels linear, first down, then to the right."""
    x = first(exact(x), layout)
    for axis, times in enumerate(each(scale, 2), 2):
        n, parts = x.shape[axis], []
        for i in range(n * times):
            place = place_of(i, n, times, align_corners)
            low = int(place)
            share = MP.mpf((place - low).numerator) / (place - low).denominator
            here, there = np.take(x, low, axis), np.take(x, min(low + 1, n - 1), axis)
            parts.append(here + (there - here) * share)
        x = np.stack(parts, axis)
    return objects(last(x, layout))


def _upsample_bilinear(
    x: Any, *, scale: Each, align_corners: bool = False, layout: str = "channels_first"
) -> Any:
    """By a product with a matrix of hats for each axis."""
    x = first(x, layout)
    hats = []
    for n, times in zip(x.shape[2:], each(scale, 2), strict=True):
        i = np.arange(n * times)
        at = (
            i * (n - 1) / max(n * times - 1, 1)
            if align_corners
            else np.clip((i + 0.5) / times - 0.5, 0, n - 1)
        )
        hats.append(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n))))
    return last(np.einsum("nchw,ih,jw->ncij", x, *hats), layout)


define(
    "pad",
    pad,
    numpy=_pad,
    relative_to="terms",
    samples=[
        of(draw(2, 3), padding=1),
        of(draw(2, 3), padding=((0, 2), 1), value=-1.5),
        of(draw(3), padding=2, mode="reflect"),
        of(draw(1, 2, 4, 3), padding=(0, 0, (1, 2), (2, 0)), mode="reflect"),
        of(draw(1, 2, 3, 2), padding=(0, 0, (0, 4), 1), mode="edge"),
        of(draw(1, 3, 2), padding=(0, (3, 1), (1, 2)), mode="circular"),
        of(draw(2, 1), padding=(0, 3), mode="edge"),
    ],
)
define(
    "pixel_shuffle",
    pixel_shuffle,
    numpy=_pixel_shuffle,
    relative_to="terms",
    samples=[of(draw(1, 8, 2, 3), factor=2), of(draw(1, 9, 1, 2), factor=3), of(draw(2, 2, 2, 2), factor=1)],
)
define(
    "unfold",
    unfold,
    numpy=_unfold,
    relative_to="terms",
    samples=[
        of(draw(2, 2, 3, 3), size=2),
        of(draw(1, 2, 4, 5), size=(2, 3), stride=2, padding=1),
        of(draw(1, 2, 5, 4), size=2, stride=(1, 2), padding=(0, (1, 2)), dilation=(2, 1)),
    ],
)
define(
    "upsample_nearest",
    upsample_nearest,
    numpy=_upsample_nearest,
    relative_to="terms",
    samples=[
        of(draw(1, 2, 2, 3), scale=2),
        of(draw(1, 2, 3, 2), scale=(1, 3), **LAST),
        of(draw(2, 1, 1, 1), scale=2),
    ],
)
define(
    "upsample_bilinear",
    upsample_bilinear,
    numpy=_upsample_bilinear,
    relative_to="terms",
    samples=[
        of(draw(1, 2, 3, 4), scale=2),
        of(draw(1, 2, 3, 2), scale=(3, 2), align_corners=True),
        of(draw(1, 3, 2, 2), scale=(2, 5), **LAST),
        of(draw(1, 2, 1, 3), scale=3, align_corners=True),
    ],
)
