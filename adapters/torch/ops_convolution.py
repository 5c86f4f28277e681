"""Convolutions and pools of torch.nn.functional, which has channels before the axes that windows slide over."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Unsupported


def channels_first(x: torch.Tensor, layout: str) -> torch.Tensor:
    return x if layout == "channels_first" else x.movedim(-1, 1)


def channels_as(x: torch.Tensor, layout: str) -> torch.Tensor:
    return x if layout == "channels_first" else x.movedim(1, -1)


def outputs_first(W: torch.Tensor, layout: str) -> torch.Tensor:
    return W if layout == "channels_first" else W.movedim((-1, -2), (0, 1))


def symmetric_padding(padding: Any) -> Any:
    """Padding as torch takes it: one number for both sides of an axis."""
    if not isinstance(padding, tuple):
        return padding
    pairs = [[p, p] if isinstance(p, int) else [*p] for p in padding]
    if any(before != after for before, after in pairs):
        raise Unsupported("torch pads both sides of an axis alike")
    return tuple(before for before, _ in pairs)


def conv(native: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def call(x: Any, W: Any, b: Any = None, *, stride: Any, padding: Any, layout: str, **kw: Any) -> Any:
        if padding == "same" and stride not in (1, (1,) * (x.ndim - 2)):
            raise Unsupported("torch has no padding 'same' where windows are strided")
        x, W = channels_first(x, layout), outputs_first(W, layout)
        return channels_as(native(x, W, b, stride=stride, padding=symmetric_padding(padding), **kw), layout)

    return call


def max_pool(native: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def call(x: Any, *, size: Any, stride: Any, padding: Any, layout: str, **kw: Any) -> Any:
        seen, around = channels_first(x, layout), symmetric_padding(padding)
        return channels_as(native(seen, size, stride, around, **kw), layout)

    return call


def avg_pool(native: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def call(
        x: Any, *, size: Any, stride: Any, padding: Any, ceil_mode: bool, count_padding: bool, layout: str
    ) -> Any:
        seen, around = channels_first(x, layout), symmetric_padding(padding)
        return channels_as(native(seen, size, stride, around, ceil_mode, count_padding), layout)

    return call


def adaptive_pool(native: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x, *, size, layout: channels_as(native(channels_first(x, layout), size), layout)


def conv_transpose(native: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def call(x: Any, W: Any, b: Any = None, *, padding: Any, layout: str, **kw: Any) -> Any:
        x, W = channels_first(x, layout), outputs_first(W, layout)
        return channels_as(native(x, W, b, padding=symmetric_padding(padding), **kw), layout)

    return call


PAD_MODES = {"reflect": "reflect", "edge": "replicate", "circular": "circular"}


def pad(x: torch.Tensor, *, padding: Any, mode: str, value: float) -> torch.Tensor:
    each = padding if isinstance(padding, tuple) else (padding,) * x.ndim
    pairs = [[p, p] if isinstance(p, int) else [*p] for p in each]
    if mode == "constant":
        return F.pad(x, [p for pair in reversed(pairs) for p in pair], value=value)
    for last in (1, 2, 3):  # so many axes behind one or two others
        if last in (x.ndim - 1, x.ndim - 2) and not any(map(any, pairs[:-last])):
            around = [p for pair in reversed(pairs[-last:]) for p in pair]
            return F.pad(x, around, mode=PAD_MODES[mode])
    raise Unsupported(f"F.pad has {PAD_MODES[mode]!r} for the last axes of a batch alone")


def upsample_nearest(x: torch.Tensor, *, scale: Any, layout: str) -> torch.Tensor:
    return channels_as(F.interpolate(channels_first(x, layout), scale_factor=scale), layout)


def interpolated(mode: str) -> Callable[..., torch.Tensor]:
    def call(x: torch.Tensor, *, scale: Any, align_corners: bool, layout: str) -> torch.Tensor:
        seen = channels_first(x, layout)
        y = F.interpolate(seen, scale_factor=scale, mode=mode, align_corners=align_corners)
        return channels_as(y, layout)

    return call


def upsample_bicubic(x: torch.Tensor, *, scale: Any, a: float, border: str, **kw: Any) -> torch.Tensor:
    if a != -0.75 or border != "repeat":
        raise Unsupported("F.interpolate has the slope -0.75, and repeats the pixels at the ends")
    return interpolated("bicubic")(x, scale=scale, **kw)


def grid_sample(
    x: torch.Tensor, grid: torch.Tensor, *, mode: str, padding: str, align_corners: bool
) -> torch.Tensor:
    return F.grid_sample(x, grid, mode, padding, align_corners)


def unfold(x: torch.Tensor, *, size: Any, stride: Any, padding: Any, dilation: Any) -> torch.Tensor:
    return F.unfold(x, size, dilation, symmetric_padding(padding), stride)


OPS: dict[str, Callable[..., Any]] = {
    "conv1d": conv(F.conv1d),
    "conv2d": conv(F.conv2d),
    "conv3d": conv(F.conv3d),
    "max_pool1d": max_pool(F.max_pool1d),
    "max_pool2d": max_pool(F.max_pool2d),
    "max_pool3d": max_pool(F.max_pool3d),
    "avg_pool1d": avg_pool(F.avg_pool1d),
    "avg_pool2d": avg_pool(F.avg_pool2d),
    "avg_pool3d": avg_pool(F.avg_pool3d),
    "adaptive_avg_pool1d": adaptive_pool(F.adaptive_avg_pool1d),
    "adaptive_avg_pool2d": adaptive_pool(F.adaptive_avg_pool2d),
    "conv_transpose1d": conv_transpose(F.conv_transpose1d),
    "conv_transpose2d": conv_transpose(F.conv_transpose2d),
    "conv_transpose3d": conv_transpose(F.conv_transpose3d),
    "pad": pad,
    "pixel_shuffle": lambda x, *, factor: F.pixel_shuffle(x, factor),
    "unfold": unfold,
    "upsample_nearest": upsample_nearest,
    "upsample_bilinear": interpolated("bilinear"),
    "upsample_bicubic": upsample_bicubic,
    "grid_sample": grid_sample,
}
