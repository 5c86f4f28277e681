"""Pools: of every window its largest element, or its mean."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..drawing import Sample, draw, of
from ..numbers import MP, MpArray, exact, objects, total
from .convolution import LAST, Each, each, first, last
from .table import define

Bounds = list[tuple[int, int]]


def starts(n: int, window: int, stride: int, padding: tuple[int, int], ceil_mode: bool) -> list[int]:
    """Where windows begin along an axis, counted from the first element."""
    before, after = padding
    end = n + after
    return [
        at
        for at in range(-before, n, stride)
        if at + window <= end or (ceil_mode and at - stride + window < end)
    ]


def windows(
    x: MpArray, size: Each, stride: Each | None, padding: Each, ceil_mode: bool, *, dilation: Each = 1
) -> Iterator[tuple[tuple[int, ...], Bounds, list[tuple[int, int]]]]:
    """Each window's place, where it begins and ends along each axis, and what is before and after the axes."""
    rank = x.ndim - 2
    sizes = reaches(size, dilation, rank)
    borders = [(p, p) if isinstance(p, int) else (p[0], p[1]) for p in each(padding, rank)]
    steps = each(size if stride is None else stride, rank)
    along = [starts(*axis, ceil_mode) for axis in zip(x.shape[2:], sizes, steps, borders, strict=True)]
    for place in np.ndindex(*map(len, along)):
        begin = [along[axis][i] for axis, i in enumerate(place)]
        yield place, [(b, b + n) for b, n in zip(begin, sizes, strict=True)], borders


def reaches(size: Each, dilation: Each, rank: int) -> list[int]:
    """Over how many elements a window goes along each axis."""
    return [(k - 1) * d + 1 for k, d in zip(each(size, rank), each(dilation, rank), strict=True)]


def pooled(x: MpArray, of_window: Callable[..., Any], *how: Any, dilation: Each = 1) -> MpArray:
    """A function of what is in each window, and of its bounds."""
    found: dict[tuple[int, ...], Any] = {}
    for place, bounds, borders in windows(x, *how, dilation=dilation):
        steps = zip(bounds, each(dilation, x.ndim - 2), strict=True)
        inside = tuple(slice(b if b >= 0 else b % d, e, d) for (b, e), d in steps)
        found[place] = of_window(x[(slice(None), slice(None), *inside)], bounds, borders)
    counts = [max(place[axis] for place in found) + 1 for axis in range(x.ndim - 2)]
    stacked = np.stack([found[place] for place in np.ndindex(*counts)], axis=-1)
    return objects(stacked.reshape(*x.shape[:2], *counts))


def spatial(x: MpArray) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def max_pool(
    x: Any, *, size: Each, stride: Any = None, padding: Each = 0, dilation: Each = 1, ceil_mode: bool = False,
    layout: str = "channels_first",
) -> MpArray:  # fmt: skip
    x = first(exact(x), layout)
    how = size, stride, padding, ceil_mode
    largest = pooled(x, lambda own, *_: np.max(own, axis=spatial(own)), *how, dilation=dilation)
    return objects(last(largest, layout))


def avg_pool(
    x: Any, *, size: Each, stride: Any = None, padding: Each = 0, ceil_mode: bool = False,
    count_padding: bool = True, layout: str = "channels_first",
) -> MpArray:  # fmt: skip
    """With `count_padding` a window is divided by its elements and those of the padding that it sees."""
    x = first(exact(x), layout)

    def mean(own: MpArray, bounds: Bounds, borders: list[tuple[int, int]]) -> Any:
        ends = zip(bounds, borders, x.shape[2:], strict=True)
        counted = [min(end, n + after) - begin for (begin, end), (_, after), n in ends]
        return total(own, spatial(own)) / math.prod(counted if count_padding else own.shape[2:])

    return objects(last(pooled(x, mean, size, stride, padding, ceil_mode), layout))


def adaptive_avg_pool(x: Any, *, size: Each, layout: str = "channels_first") -> MpArray:
    x = first(exact(x), layout)
    sizes = each(size, x.ndim - 2)
    result = np.empty((*x.shape[:2], *sizes), dtype=object)
    for place in np.ndindex(*sizes):
        ends = zip(place, sizes, x.shape[2:], strict=True)
        own = x[
            (
                slice(None),
                slice(None),
                *(slice(i * n // k, math.ceil(MP.mpf((i + 1) * n) / k)) for i, k, n in ends),
            )
        ]
        result[(slice(None), slice(None), *place)] = total(own, spatial(own)) / math.prod(own.shape[2:])
    return objects(last(result, layout))


def _views(
    x: Any, border: float, beyond: float, size: Each, stride: Any, padding: Each, ceil_mode: bool,
    dilation: Each = 1,
) -> Any:  # fmt: skip
    """Views of all windows, of a tensor with its border and as much beyond that as these need."""
    rank = x.ndim - 2
    sizes = reaches(size, dilation, rank)
    steps = each(size if stride is None else stride, rank)
    around = [(p, p) if isinstance(p, int) else p for p in each(padding, rank)]
    over = []
    for n, k, s, (before, after) in zip(x.shape[2:], sizes, steps, around, strict=True):
        more = -(n + before + after - k) % s
        begins = n + before + after - k + more
        over.append((0, more if ceil_mode and begins < n + before else 0))
    x = np.pad(x, [(0, 0), (0, 0), *around], constant_values=border)
    x = np.pad(x, [(0, 0), (0, 0), *over], constant_values=beyond)
    seen = np.lib.stride_tricks.sliding_window_view(x, sizes, axis=tuple(range(2, 2 + rank)))
    seen = seen[(slice(None), slice(None), *(slice(None, None, s) for s in steps))]
    return seen[(*(slice(None),) * x.ndim, *(slice(None, None, d) for d in each(dilation, rank)))]


def _max_pool(
    x: Any, *, size: Each, stride: Any = None, padding: Each = 0, dilation: Each = 1, ceil_mode: bool = False,
    layout: str = "channels_first",
) -> Any:  # fmt: skip
    x = first(x, layout)
    seen = _views(x, -np.inf, -np.inf, size, stride, padding, ceil_mode, dilation)
    return last(np.max(seen, axis=tuple(range(x.ndim, seen.ndim))), layout)


def _avg_pool(
    x: Any, *, size: Each, stride: Any = None, padding: Each = 0, ceil_mode: bool = False,
    count_padding: bool = True, layout: str = "channels_first",
) -> Any:  # fmt: skip
    """Sums by counts, which are sums of ones."""
    x = first(x, layout)
    how = size, stride, padding, ceil_mode
    sums, counts = _views(x, 0.0, 0.0, *how), _views(np.ones(x.shape), float(count_padding), 0.0, *how)
    axes = tuple(range(x.ndim, sums.ndim))
    return last(np.sum(sums, axes) / np.sum(counts, axes), layout)


def _adaptive_avg_pool(x: Any, *, size: Each, layout: str = "channels_first") -> Any:
    """By a matrix of means for each axis."""
    x = first(x, layout)
    for axis, k in enumerate(each(size, x.ndim - 2), 2):
        n = x.shape[axis]
        at, i = np.arange(n), np.arange(k)[:, None]
        own = (at >= np.floor(i * n / k)) & (at < np.ceil((i + 1) * n / k))
        x = np.moveaxis(np.tensordot(own / own.sum(1, keepdims=True), x, (1, axis)), 0, axis)
    return last(x, layout)


def planes(*more: Sample) -> dict[int, list[Sample]]:
    """What both pools are certified on."""
    return {
        1: [
            of(draw(2, 2, 6), size=2),
            of(draw(1, 2, 5), size=3, stride=2, padding=1),
            of(draw(1, 5, 2), size=2, stride=3, padding=((0, 1),), ceil_mode=True, **LAST),
        ],
        2: [
            of(draw(2, 2, 4, 4), size=2),
            of(draw(1, 2, 5, 4), size=3, stride=2, padding=1),
            of(draw(1, 2, 4, 5), size=(2, 3), stride=(2, 1), padding=(1, 0)),
            of(draw(1, 4, 5, 2), size=2, stride=2, ceil_mode=True, **LAST),
            of(draw(1, 1, 3, 5), size=2, padding=((0, 1), 1), stride=2, ceil_mode=True),
            of(draw(2, 2, 1, 1), size=1),
            *more,
        ],
        3: [
            of(draw(1, 2, 4, 2, 2), size=2),
            of(draw(1, 3, 2, 3, 2), size=(2, 1, 2), stride=(2, 1, 2), padding=(1, 0, 0), ceil_mode=True, **LAST),
        ],
    }  # fmt: skip


DILATED = {
    1: [of(draw(1, 2, 7), size=2, dilation=3), of(draw(1, 6, 2), size=3, stride=2, padding=1, dilation=(2,), **LAST)],
    2: [
        of(draw(1, 2, 5, 4), size=2, stride=1, dilation=(2, 1)),
        of(draw(1, 2, 6, 5), size=(2, 3), stride=2, padding=(1, (0, 1)), dilation=2, ceil_mode=True),
    ],
    3: [of(draw(1, 2, 2, 4, 3), size=2, stride=1, padding=(0, 1, 0), dilation=(1, 2, 2))],
}  # fmt: skip
TIED = np.array([[[1.0, 1.0, 0.5, 1.0, 2.0, 2.0]]])
for rank, samples in planes().items():
    lead = (slice(None), slice(None), *(None,) * (rank - 1))
    define(
        f"max_pool{rank}d",
        max_pool,
        numpy=_max_pool,
        relative_to="terms",
        samples=[*samples, *DILATED[rank]],
        at_kinks=[of(TIED[lead], size=(*(1,) * (rank - 1), 3), stride=(*(1,) * (rank - 1), 1))],
        analytic=False,
    )
UNCOUNTED = [
    of(draw(1, 2, 5, 4), size=3, stride=2, padding=1, count_padding=False),
    of(draw(1, 2, 4, 3), size=2, padding=((1, 0), (0, 1)), stride=1, ceil_mode=True, count_padding=False),
]
for rank, samples in planes(*UNCOUNTED).items():
    own = [
        *samples,
        *(Sample(s.inputs, {**s.kw, "count_padding": False}) for s in samples[1:2] if rank != 2),
    ]
    define(f"avg_pool{rank}d", avg_pool, numpy=_avg_pool, relative_to="terms", samples=own)
define(
    "adaptive_avg_pool1d",
    adaptive_avg_pool,
    numpy=_adaptive_avg_pool,
    relative_to="terms",
    samples=[of(draw(2, 2, 6), size=3), of(draw(1, 2, 5), size=(3,)), of(draw(1, 3, 2), size=4, **LAST)],
)
define(
    "adaptive_avg_pool2d",
    adaptive_avg_pool,
    numpy=_adaptive_avg_pool,
    relative_to="terms",
    samples=[
        of(draw(2, 2, 4, 3), size=1),
        of(draw(1, 2, 5, 4), size=(3, 2)),
        of(draw(1, 3, 2, 2), size=(2, 3), **LAST),
    ],
)
