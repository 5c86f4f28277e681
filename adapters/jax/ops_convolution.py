"""Convolutions and pools of jax.lax, which are told where their dimensions are.

It has no pixel_shuffle, and of adaptive pools those alone that are pools.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.ndimage import map_coordinates
from worker import Unsupported


def padding_pairs(padding: Any, rank: int) -> Any:
    """Padding as JAX takes it: its words, or a pair for each axis."""
    if isinstance(padding, str):
        return padding.upper()
    each = padding if isinstance(padding, tuple) else (padding,) * rank
    return [(p, p) if isinstance(p, int) else tuple(p) for p in each]


def each_axis(value: Any, rank: int) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def dimension_numbers_of(rank: int, layout: str) -> tuple[str, str, str]:
    """Of x, weights and result."""
    axes = "DHW"[-rank:]
    if layout == "channels_first":
        return f"NC{axes}", f"OI{axes}", f"NC{axes}"
    return f"N{axes}C", f"{axes}IO", f"N{axes}C"


def with_bias(y: jax.Array, b: jax.Array | None, layout: str) -> jax.Array:
    if b is None:
        return y
    return y + (b.reshape(-1, *(1,) * (y.ndim - 2)) if layout == "channels_first" else b)


def conv(
    x: Any, W: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int, layout: str
) -> Any:
    rank = x.ndim - 2
    y = lax.conv_general_dilated(
        x,
        W,
        each_axis(stride, rank),
        padding_pairs(padding, rank),
        rhs_dilation=each_axis(dilation, rank),
        dimension_numbers=dimension_numbers_of(rank, layout),
        feature_group_count=groups,
    )
    return with_bias(y, b, layout)


def reduced_windows(
    x: jax.Array, start: float, reduce: Any, size: Any, stride: Any, padding: Any, layout: str
) -> jax.Array:
    def around(spatial: Any, other: Any) -> list[Any]:
        return [other, other, *spatial] if layout == "channels_first" else [other, *spatial, other]

    window = each_axis(size, x.ndim - 2)
    step = window if stride is None else each_axis(stride, x.ndim - 2)
    pads = padding_pairs(padding, x.ndim - 2)
    return lax.reduce_window(x, start, reduce, around(window, 1), around(step, 1), around(pads, (0, 0)))


def max_pool(
    x: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, layout: str
) -> Any:
    if ceil_mode:
        raise Unsupported("lax.reduce_window has no ceil_mode")
    if any(gap > 1 for gap in each_axis(dilation, 1)):
        raise Unsupported("lax.reduce_window has no gradient of windows that are dilated")
    return reduced_windows(x, -jnp.inf, lax.max, size, stride, padding, layout)


def avg_pool(
    x: Any, *, size: Any, stride: Any, padding: Any, ceil_mode: bool, count_padding: bool, layout: str
) -> Any:
    """As flax has it: sums by the number of places, or by sums of ones."""
    if ceil_mode:
        raise Unsupported("lax.reduce_window has no ceil_mode")
    total = reduced_windows(x, 0.0, lax.add, size, stride, padding, layout)
    if count_padding:
        return total / math.prod(each_axis(size, x.ndim - 2))
    return total / reduced_windows(jnp.ones_like(x), 0.0, lax.add, size, stride, padding, layout)


def adaptive_avg_pool(x: jax.Array, *, size: Any, layout: str) -> jax.Array:
    """Of windows of one size, side by side."""
    spatial = x.shape[2:] if layout == "channels_first" else x.shape[1:-1]
    parts = [*zip(spatial, each_axis(size, len(spatial)), strict=True)]
    if any(n % count for n, count in parts):
        raise Unsupported("JAX has no pools of windows that overlap by turns")
    windows = tuple(n // count for n, count in parts)
    said = {"stride": None, "padding": 0, "ceil_mode": False, "count_padding": True, "layout": layout}
    return avg_pool(x, size=windows, **said)


def conv_transpose(
    x: Any,
    W: Any,
    b: Any = None,
    *,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
    layout: str,
) -> Any:
    """Padding is here what is added to a whole result: as many as the window reaches, less what is left out."""
    if groups > 1:
        raise Unsupported("lax.conv_transpose has no groups")
    rank = x.ndim - 2
    gaps, window = each_axis(dilation, rank), W.shape[2:] if layout == "channels_first" else W.shape[:rank]
    reach = [(k - 1) * d for k, d in zip(window, gaps, strict=True)]
    extra = each_axis(output_padding, rank)
    pads = [
        (r - before, r - after + e)
        for r, e, (before, after) in zip(reach, extra, padding_pairs(padding, rank), strict=True)
    ]
    y = lax.conv_transpose(
        x,
        W,
        each_axis(stride, rank),
        pads,
        rhs_dilation=gaps,
        dimension_numbers=dimension_numbers_of(rank, layout),
        transpose_kernel=True,
    )
    return with_bias(y, b, layout)


PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "circular": "wrap"}


def pad(x: jax.Array, *, padding: Any, mode: str, value: float) -> jax.Array:
    more = {"constant_values": value} if mode == "constant" else {}
    return jnp.pad(x, padding_pairs(padding, x.ndim), mode=PAD_MODES[mode], **more)


def unfold(x: jax.Array, *, size: Any, stride: Any, padding: Any, dilation: Any) -> jax.Array:
    seen = lax.conv_general_dilated_patches(
        x,
        each_axis(size, 2),
        each_axis(stride, 2),
        padding_pairs(padding, 2),
        rhs_dilation=each_axis(dilation, 2),
    )
    return seen.reshape(*seen.shape[:2], -1)


def resized(method: str) -> Callable[..., jax.Array]:
    def call(
        x: jax.Array,
        *,
        scale: Any,
        layout: str,
        align_corners: bool = False,
        a: float = -0.5,
        border: str = "renormalize",
    ) -> jax.Array:
        if align_corners:
            raise Unsupported("jax.image.resize has no align_corners")
        if a != -0.5 or border != "renormalize":
            raise Unsupported("jax.image.resize has Keys's slope -0.5, and renormalizes at the ends")
        first = 2 if layout == "channels_first" else 1
        sizes = list(x.shape)
        for axis, times in enumerate(each_axis(scale, 2), first):
            sizes[axis] *= times
        return jax.image.resize(x, sizes, method)

    return call


def grid_sample(x: jax.Array, grid: jax.Array, *, mode: str, padding: str, align_corners: bool) -> jax.Array:
    """scipy.ndimage's places are pixels; its mirrors are at the middles of the last ones ("mirror") or at their edges."""
    modes = {"zeros": "constant", "border": "nearest", "reflection": "mirror" if align_corners else "reflect"}
    height, width = x.shape[2:]

    def places(g: jax.Array, size: int) -> jax.Array:
        return (g + 1) * ((size - 1) / 2) if align_corners else ((g + 1) * size - 1) / 2

    def sampled(image: jax.Array, grid: jax.Array) -> jax.Array:
        at = [places(grid[..., 1], height), places(grid[..., 0], width)]
        return map_coordinates(image, at, order=int(mode == "bilinear"), mode=modes[padding])

    return jax.vmap(jax.vmap(sampled, (0, None)))(x, grid)


OPS: dict[str, Callable[..., Any]] = {
    "conv1d": conv,
    "conv2d": conv,
    "conv3d": conv,
    "max_pool1d": max_pool,
    "max_pool2d": max_pool,
    "max_pool3d": max_pool,
    "avg_pool1d": avg_pool,
    "avg_pool2d": avg_pool,
    "avg_pool3d": avg_pool,
    "adaptive_avg_pool1d": adaptive_avg_pool,
    "adaptive_avg_pool2d": adaptive_avg_pool,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "conv_transpose3d": conv_transpose,
    "pad": pad,
    "unfold": unfold,
    "upsample_nearest": resized("nearest"),
    "upsample_bilinear": resized("linear"),
    "upsample_bicubic": resized("cubic"),
    "grid_sample": grid_sample,
}
FORMULAS = {"avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d"}
