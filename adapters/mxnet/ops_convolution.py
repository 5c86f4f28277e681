"""Convolutions and pools of MXNet's npx, which on CPUs have channels before the axes that windows slide over.

Its adaptive pool is over two axes, and depth_to_space has the channels of pixel_shuffle in another order.
upsample_bicubic: BilinearResize2D is all that it has.
"""

from collections.abc import Callable
from typing import Any

import mxnet as mx
from mxnet import np, npx
from worker import Unsupported


def channels_first(x: Any, layout: str) -> Any:
    return x if layout == "channels_first" else np.moveaxis(x, -1, 1)


def channels_as(x: Any, layout: str) -> Any:
    return x if layout == "channels_first" else np.moveaxis(x, 1, -1)


def outputs_first(W: Any, layout: str) -> Any:
    return W if layout == "channels_first" else np.moveaxis(np.moveaxis(W, -1, 0), -1, 1)


def each_axis(value: Any, rank: int) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def symmetric_padding(padding: Any, rank: int) -> tuple[int, ...]:
    """Padding as MXNet takes it: one number for both sides of an axis."""
    if padding == "same":
        raise Unsupported("MXNet has no padding 'same'")
    pairs = [
        [p, p] if isinstance(p, int) else [*p] for p in each_axis(0 if padding == "valid" else padding, rank)
    ]
    if any(before != after for before, after in pairs):
        raise Unsupported("MXNet pads both sides of an axis alike")
    return tuple(before for before, _ in pairs)


def conv(
    x: Any, W: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int, layout: str
) -> Any:
    rank = x.ndim - 2
    W = outputs_first(W, layout)
    y = npx.convolution(
        channels_first(x, layout),
        W,
        *(() if b is None else (b,)),
        kernel=W.shape[2:],
        stride=each_axis(stride, rank),
        dilate=each_axis(dilation, rank),
        pad=symmetric_padding(padding, rank),
        num_filter=W.shape[0],
        num_group=groups,
        no_bias=b is None,
    )
    return channels_as(y, layout)


def pool(kind: str) -> Callable[..., Any]:
    def call(
        x: Any,
        *,
        size: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool,
        layout: str,
        count_padding: bool = True,
        dilation: Any = 1,
    ) -> Any:
        rank = x.ndim - 2
        if dilation not in (1, (1,) * rank):
            raise Unsupported("npx.pooling has no windows that are dilated")
        seen, window, around = (
            channels_first(x, layout),
            each_axis(size, rank),
            symmetric_padding(padding, rank),
        )
        step = window if stride is None else each_axis(stride, rank)
        for n, k, s, p in zip(seen.shape[2:], window, step, around, strict=True):
            if ceil_mode and -(-(n + 2 * p - k) // s) * s >= n + p:
                raise Unsupported("MXNet keeps a last window that begins behind the end")
        y = npx.pooling(
            seen,
            kernel=window,
            pool_type=kind,
            stride=step,
            pad=around,
            pooling_convention="full" if ceil_mode else "valid",
            count_include_pad=count_padding,
        )
        return channels_as(y, layout)

    return call


def adaptive_pool(x: Any, *, size: Any, layout: str) -> Any:
    seen = channels_first(x, layout).as_nd_ndarray()
    y = mx.nd.contrib.AdaptiveAvgPooling2D(seen, output_size=each_axis(size, 2))
    return channels_as(y.as_np_ndarray(), layout)


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
    if (
        layout == "channels_last"
    ):  # of weights that were transposed the gradient raises, and all calls after it do
        raise Unsupported("npx.deconvolution has channels first")
    rank = x.ndim - 2
    if rank == 3 and x.dtype == np.float64:
        raise Unsupported("npx.deconvolution over three axes is oneDNN's, which has no float64")
    return npx.deconvolution(
        x,
        W,
        *(() if b is None else (b,)),
        kernel=W.shape[2:],
        stride=each_axis(stride, rank),
        dilate=each_axis(dilation, rank),
        pad=symmetric_padding(padding, rank),
        adj=each_axis(output_padding, rank),
        num_filter=W.shape[1] * groups,
        num_group=groups,
        no_bias=b is None,
    )


def pad(x: Any, *, padding: Any, mode: str, value: float) -> Any:
    if mode != "constant":
        raise Unsupported("np.pad of MXNet has no gradient but for constant")
    pairs = tuple((p, p) if isinstance(p, int) else tuple(p) for p in each_axis(padding, x.ndim))
    return np.pad(x, pairs, mode="constant", constant_values=value)


def unfold(x: Any, *, size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    seen = mx.nd.im2col(
        x.as_nd_ndarray(),
        kernel=each_axis(size, 2),
        stride=each_axis(stride, 2),
        dilate=each_axis(dilation, 2),
        pad=symmetric_padding(padding, 2),
    )
    return seen.as_np_ndarray()


def upsample_nearest(x: Any, *, scale: Any, layout: str) -> Any:
    down, right = each_axis(scale, 2)
    if down != right:
        raise Unsupported("UpSampling of MXNet has one scale for both axes")
    seen = channels_first(x, layout).as_nd_ndarray()
    return channels_as(mx.nd.UpSampling(seen, scale=down, sample_type="nearest").as_np_ndarray(), layout)


def upsample_bilinear(x: Any, *, scale: Any, align_corners: bool, layout: str) -> Any:
    seen = channels_first(x, layout)
    height, width = (n * s for n, s in zip(seen.shape[2:], each_axis(scale, 2), strict=True))
    y = mx.nd.contrib.BilinearResize2D(
        seen.as_nd_ndarray(), height=height, width=width, align_corners=align_corners
    )
    return channels_as(y.as_np_ndarray(), layout)


def grid_sample(x: Any, grid: Any, *, mode: str, padding: str, align_corners: bool) -> Any:
    if mode != "bilinear" or padding != "zeros" or not align_corners:
        raise Unsupported("BilinearSampler of MXNet has zeros beyond the image, whose corners stay")
    rows = np.moveaxis(grid, -1, 1).as_nd_ndarray()
    return mx.nd.BilinearSampler(x.as_nd_ndarray(), rows).as_np_ndarray()


OPS: dict[str, Callable[..., Any]] = {
    "conv1d": conv,
    "conv2d": conv,
    "conv3d": conv,
    "max_pool1d": pool("max"),
    "max_pool2d": pool("max"),
    "max_pool3d": pool("max"),
    "avg_pool1d": pool("avg"),
    "avg_pool2d": pool("avg"),
    "avg_pool3d": pool("avg"),
    "adaptive_avg_pool2d": adaptive_pool,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "conv_transpose3d": conv_transpose,
    "pad": pad,
    "unfold": unfold,
    "upsample_nearest": upsample_nearest,
    "upsample_bilinear": upsample_bilinear,
    "grid_sample": grid_sample,
}
