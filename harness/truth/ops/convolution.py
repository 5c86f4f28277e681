"""Convolutions, by their sums."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..drawing import Sample, draw, of
from ..numbers import MP, MpArray, exact, objects
from .table import define

Each = int | Sequence[Any]


def each(value: Each, rank: int) -> list[Any]:
    """An attribute of every axis."""
    return list(value) if isinstance(value, list | tuple) else [value] * rank


def borders(
    padding: Each | str, size: Sequence[int], window: Sequence[int], stride: Each, dilation: Each
) -> list[tuple[int, int]]:
    """Zeros before and after each axis."""
    rank = len(size)
    if padding == "same":
        steps = zip(size, window, each(stride, rank), each(dilation, rank), strict=True)
        needed = [max(0, (math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n) for n, k, s, d in steps]
        return [(n // 2, n - n // 2) for n in needed]
    given = each(0 if padding == "valid" else padding, rank)
    return [(p, p) if isinstance(p, int) else (p[0], p[1]) for p in given]


def first(x: Any, layout: str) -> Any:
    """Channels behind the samples."""
    return x if layout == "channels_first" else np.moveaxis(x, -1, 1)


def last(x: Any, layout: str) -> Any:
    """Channels where the layout has them."""
    return x if layout == "channels_first" else np.moveaxis(x, 1, -1)


def outputs_first(W: Any, layout: str) -> Any:
    return W if layout == "channels_first" else np.moveaxis(W, (-1, -2), (0, 1))


Sums = Callable[..., Any]
"""Of x and W with channels first, and of every axis' attributes: a convolution without its bias."""


def biased(y: Any, b: Any) -> Any:
    return y if b is None else y + b.reshape(-1, *(1,) * (y.ndim - 2))


def convolution(sums: Sums, numbers: Callable[[Any], Any]) -> Callable[..., Any]:
    """As it is called: `sums(x, W, stride, dilation, groups)` has its x padded."""

    def conv(
        x: Any, W: Any, b: Any = None,
        *, stride: Each = 1, padding: Any = 0, dilation: Each = 1, groups: int = 1, layout: str = "channels_first",
    ) -> Any:  # fmt: skip
        x, W = first(numbers(x), layout), outputs_first(numbers(W), layout)
        rank = x.ndim - 2
        around = borders(padding, x.shape[2:], W.shape[2:], stride, dilation)
        x = np.pad(x, [(0, 0), (0, 0), *around], constant_values=MP.zero)
        y = sums(x, W, each(stride, rank), each(dilation, rank), groups)
        return last(biased(y, b if b is None else numbers(b)), layout)

    return conv


def transposed(sums: Sums, numbers: Callable[[Any], Any]) -> Callable[..., Any]:
    """As it is called: `sums(x, W, stride, dilation, output_padding, groups)` gives all, of which padding is left out."""

    def conv_transpose(
        x: Any, W: Any, b: Any = None,
        *, stride: Each = 1, padding: Any = 0, output_padding: Each = 0, dilation: Each = 1, groups: int = 1,
        layout: str = "channels_first",
    ) -> Any:  # fmt: skip
        x, W = first(numbers(x), layout), outputs_first(numbers(W), layout)
        y = sums(x, W, *(each(a, x.ndim - 2) for a in (stride, dilation, output_padding)), groups)
        around = borders(padding, y.shape[2:], W.shape[2:], 1, 1)
        ends = [slice(before, n - after) for n, (before, after) in zip(y.shape[2:], around, strict=True)]
        y = y[(slice(None), slice(None), *ends)]
        return last(biased(y, b if b is None else numbers(b)), layout)

    return conv_transpose


def by_places(x: Any, W: Any, steps: Sequence[int], gaps: Sequence[int], groups: int) -> MpArray:
    """y[n, o, i] = sum over c and k of x[n, c, i stride + k dilation] W[o, c, k], in each group.

    One place k of the window after the other, for all windows at once.
    """
    window = W.shape[2:]
    counts = [
        (n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], window, steps, gaps, strict=True)
    ]
    parts = []
    for own, kernel in zip(np.split(x, groups, axis=1), np.split(W, groups), strict=True):
        total: Any = MP.zero
        for k in np.ndindex(window):
            taken = [
                slice(at * d, at * d + (n - 1) * s + 1, s)
                for at, d, n, s in zip(k, gaps, counts, steps, strict=True)
            ]
            seen = own[(slice(None), slice(None), *taken)]
            total = total + np.moveaxis(
                np.tensordot(kernel[(slice(None), slice(None), *k)], seen, (1, 1)), 0, 1
            )
        parts.append(total)
    return objects(np.concatenate(parts, axis=1))


def by_views(x: Any, W: Any, steps: Sequence[int], gaps: Sequence[int], groups: int) -> Any:
    """The same by views of all windows, one for each sample and output."""
    rank = x.ndim - 2
    reach = [(k - 1) * d + 1 for k, d in zip(W.shape[2:], gaps, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + rank)))
    taken = [slice(None, None, s) for s in steps]
    seen = seen[(slice(None), slice(None), *taken, *(slice(None, None, d) for d in gaps))]
    into, out = W.shape[1], len(W) // groups
    sums = [
        np.sum(seen[:, o // out * into : (o // out + 1) * into] * W[o].reshape(1, into, *(1,) * rank, *W.shape[2:]),
               axis=(1, *range(2 + rank, 2 + 2 * rank)))
        for o in range(len(W))
    ]  # fmt: skip
    return np.stack(sums, 1)


LAST = {"layout": "channels_last"}

CONVOLUTIONS: dict[int, list[Sample]] = {
    1: [
        of(draw(2, 2, 5), draw(3, 2, 3), draw(3), padding=1),
        of(draw(1, 4, 6), draw(2, 2, 2), stride=2, groups=2),
        of(draw(1, 5, 2), draw(3, 2, 2), draw(2), padding="same", dilation=2, **LAST),
        of(draw(1, 2, 4), draw(2, 2, 2), padding=((0, 1),), stride=(2,)),
    ],
    2: [
        of(draw(2, 2, 4, 3), draw(3, 2, 2, 2), draw(3)),
        of(draw(1, 2, 4, 5), draw(2, 2, 3, 2), stride=2, padding=1),
        of(draw(1, 2, 5, 4), draw(2, 2, 2, 2), draw(2), stride=(1, 2), padding=(0, (2, 1)), dilation=(2, 1)),
        of(draw(1, 4, 3, 3), draw(4, 2, 2, 2), draw(4), groups=2),
        of(draw(1, 3, 3, 3), draw(6, 1, 2, 2), groups=3, padding="same"),
        of(draw(1, 4, 4, 2), draw(3, 2, 2, 2), draw(2), stride=2, padding="same", **LAST),
        of(draw(1, 3, 4, 4), draw(2, 2, 2, 2), groups=2, padding="valid", **LAST),
        of(draw(2, 2, 1, 1), draw(2, 2, 1, 1), padding=2, stride=3),
        of(draw(1, 1, 2, 2), draw(2, 1, 2, 2)),
    ],
    3: [
        of(draw(1, 2, 3, 2, 3), draw(2, 2, 2, 1, 2), draw(2), padding=(1, 0, 0), stride=(2, 1, 1)),
        of(draw(1, 2, 2, 3, 2), draw(2, 2, 1, 1, 2), groups=2, padding="same", dilation=(1, 2, 1), **LAST),
    ],
}


def by_elements(
    x: Any, W: Any, steps: Sequence[int], gaps: Sequence[int], extra: Sequence[int], groups: int
) -> MpArray:
    """y[n, o, i stride + k dilation] is the sum over c, and over all such i and k, of x[n, c, i] W[c, o, k].

    One element of x after the other.
    """
    whole = [
        (n - 1) * s + (k - 1) * d + 1 + e
        for n, s, k, d, e in zip(x.shape[2:], steps, W.shape[2:], gaps, extra, strict=True)
    ]
    out, into = W.shape[1], x.shape[1] // groups
    y = np.full((len(x), out * groups, *whole), MP.zero)
    for group in range(groups):
        own = slice(group * out, (group + 1) * out)
        feeding = slice(group * into, (group + 1) * into)
        for place in np.ndindex(*x.shape[2:]):
            reached = [
                slice(i * s, i * s + (k - 1) * d + 1, d)
                for i, s, k, d in zip(place, steps, W.shape[2:], gaps, strict=True)
            ]
            given = np.tensordot(x[(slice(None), feeding, *place)], W[feeding], (1, 0))
            y[(slice(None), own, *reached)] += given
    return objects(y)


def turned_round(
    x: Any, W: Any, steps: Sequence[int], gaps: Sequence[int], extra: Sequence[int], groups: int
) -> Any:
    """A convolution with turned weights of x with zeros between its elements (Dumoulin and Visin, arXiv:1603.07285)."""
    wide = np.zeros((*x.shape[:2], *((n - 1) * s + 1 for n, s in zip(x.shape[2:], steps, strict=True))))
    wide[(slice(None), slice(None), *(slice(None, None, s) for s in steps))] = x
    reach = [(k - 1) * d for k, d in zip(W.shape[2:], gaps, strict=True)]
    wide = np.pad(wide, [(0, 0), (0, 0), *((r, r + e) for r, e in zip(reach, extra, strict=True))])
    turned = np.flip(W, tuple(range(2, W.ndim))).reshape(groups, -1, *W.shape[1:]).swapaxes(1, 2)
    return by_views(wide, turned.reshape(-1, *turned.shape[2:]), [1] * len(gaps), gaps, groups)


TRANSPOSED: dict[int, list[Sample]] = {
    1: [
        of(draw(2, 4, 3), draw(4, 2, 3), draw(4), groups=2, stride=2, padding=1, output_padding=1),
        of(draw(1, 3, 2), draw(2, 3, 2), draw(3), dilation=2, padding=((0, 1),), **LAST),
    ],
    2: [
        of(draw(2, 2, 3, 2), draw(2, 3, 2, 2), draw(3)),
        of(draw(1, 2, 3, 3), draw(2, 2, 3, 2), stride=2, padding=1, output_padding=1),
        of(draw(1, 4, 2, 3), draw(4, 1, 2, 2), draw(2), groups=2, stride=(2, 1), padding=(0, 1)),
        of(draw(1, 2, 3, 2), draw(2, 2, 2, 2), dilation=(2, 1), output_padding=(1, 0), padding=((1, 0), 0)),
        of(draw(1, 3, 2, 2), draw(2, 3, 3, 2), draw(3), stride=3, **LAST),
        of(draw(1, 2, 2, 4), draw(2, 2, 1, 4), groups=4, **LAST),
    ],
    3: [
        of(draw(1, 2, 2, 1, 3), draw(2, 2, 1, 2, 2), draw(2), stride=(1, 2, 1), padding=(0, 0, 1)),
        of(
            draw(1, 2, 1, 2, 2),
            draw(2, 1, 2, 1, 2),
            draw(2),
            groups=2,
            dilation=(2, 1, 1),
            output_padding=(1, 0, 0),
            **LAST,
        ),
    ],
}

conv, _conv = convolution(by_places, exact), convolution(by_views, np.asarray)
conv_transpose, _conv_transpose = transposed(by_elements, exact), transposed(turned_round, np.asarray)

for rank, samples in CONVOLUTIONS.items():
    define(f"conv{rank}d", conv, numpy=_conv, relative_to="terms", samples=samples)
for rank, samples in TRANSPOSED.items():
    define(
        f"conv_transpose{rank}d",
        conv_transpose,
        numpy=_conv_transpose,
        relative_to="terms",
        samples=samples,
    )
