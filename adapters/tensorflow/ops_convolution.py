"""Convolutions and pools of Keras and tf.nn, whose kernels on CPUs have channels last.

Padding that is no word is tf.pad's. Of groups keras.ops.conv alone has gradients on CPUs, and finds them by the
weights' shape. tf.nn.depth_to_space has the channels of pixel_shuffle in another order. Of grid_sample there is nothing.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from worker import Unsupported

DATA_FORMATS = {3: "NWC", 4: "NHWC", 5: "NDHWC"}
"""By dimensions; without it the gradient over three axes raises AttributeError."""


def channels_last(x: tf.Tensor, layout: str) -> tf.Tensor:
    return x if layout == "channels_last" else tf.transpose(x, [0, *range(2, x.ndim), 1])


def channels_as(x: tf.Tensor, layout: str) -> tf.Tensor:
    return x if layout == "channels_last" else tf.transpose(x, [0, x.ndim - 1, *range(1, x.ndim - 1)])


def outputs_last(W: tf.Tensor, layout: str) -> tf.Tensor:
    return W if layout == "channels_last" else tf.transpose(W, [*range(2, W.ndim), 1, 0])


def each_axis(value: Any, rank: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def has_steps(value: Any) -> bool:
    return any(v > 1 for v in each_axis(value, 1))


def padded_windows(x: tf.Tensor, padding: Any, value: Any = 0) -> tuple[tf.Tensor, str]:
    """The tensor, channels last, and the word that is left to say."""
    if isinstance(padding, str):
        return x, padding
    pairs = [[p, p] if isinstance(p, int) else [*p] for p in each_axis(padding, x.ndim - 2)]
    around = [[0, 0], *pairs, [0, 0]]
    return (tf.pad(x, around, constant_values=value) if any(map(any, pairs)) else x), "valid"


def conv(
    x: Any, W: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int, layout: str
) -> Any:
    del groups
    if has_steps(stride) and has_steps(dilation):
        raise Unsupported("keras.ops.conv has no windows that are strided and dilated")
    seen, word = padded_windows(channels_last(x, layout), padding)
    y = tf.keras.ops.conv(
        seen,
        outputs_last(W, layout),
        strides=stride,
        padding=word,
        data_format="channels_last",
        dilation_rate=dilation,
    )
    return channels_as(y if b is None else tf.nn.bias_add(y, b), layout)


def max_pool(
    x: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, layout: str
) -> Any:
    if ceil_mode:
        raise Unsupported("tf.nn.max_pool has no ceil_mode")
    if x.ndim == 5 and x.dtype == tf.float64:
        raise Unsupported("tf.nn.max_pool has no float64 over three axes")
    seen, word = padded_windows(channels_last(x, layout), padding, x.dtype.min)
    step = size if stride is None else stride
    if has_steps(dilation):
        if has_steps(step):
            raise Unsupported("tf.nn.pool has no windows that are strided and dilated")
        rank = x.ndim - 2
        window, gaps = each_axis(size, rank), each_axis(dilation, rank)
        return channels_as(tf.nn.pool(seen, window, "MAX", None, word.upper(), dilations=gaps), layout)
    return channels_as(tf.nn.max_pool(seen, size, step, word.upper(), DATA_FORMATS[x.ndim]), layout)


def same_as_tensorflow(shape: Any, size: Any, stride: Any, padding: Any) -> bool:
    """Whether padding is that of the word SAME."""
    for n, k, s, p in zip(shape, *(each_axis(a, len(shape)) for a in (size, stride, padding)), strict=True):
        needed = max(0, (-(-n // s) - 1) * s + k - n)
        if ([p, p] if isinstance(p, int) else [*p]) != [needed // 2, needed - needed // 2]:
            return False
    return True


def avg_pool(
    x: Any, *, size: Any, stride: Any, padding: Any, ceil_mode: bool, count_padding: bool, layout: str
) -> Any:
    if ceil_mode:
        raise Unsupported("tf.nn.avg_pool has no ceil_mode")
    if x.ndim == 5 and x.dtype == tf.float64:
        raise Unsupported("tf.nn.avg_pool has no float64 over three axes")
    seen, step = channels_last(x, layout), size if stride is None else stride
    if count_padding or not padding:
        seen, word = padded_windows(seen, padding)
    elif same_as_tensorflow(seen.shape[1:-1], size, step, padding):
        word = "same"
    else:
        raise Unsupported("tf.nn.avg_pool leaves no padding out but that of SAME")
    return channels_as(tf.nn.avg_pool(seen, size, step, word.upper(), DATA_FORMATS[x.ndim]), layout)


def adaptive_pool(x: Any, *, size: Any, layout: str) -> Any:
    return tf.keras.ops.adaptive_average_pool(x, size, data_format=layout)


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
    if groups > 1 or has_steps(dilation):
        raise Unsupported("tf.nn.conv_transpose has neither groups nor dilations on CPUs")
    rank = x.ndim - 2
    seen, kernel = channels_last(x, layout), outputs_last(W, layout)
    pairs = [[p, p] if isinstance(p, int) else [*p] for p in each_axis(padding, rank)]
    steps, extra = each_axis(stride, rank), each_axis(output_padding, rank)
    sizes = [
        (n - 1) * s + k + e - sum(p)
        for n, s, k, e, p in zip(seen.shape[1:-1], steps, kernel.shape[:rank], extra, pairs, strict=True)
    ]
    shape = [seen.shape[0], *sizes, kernel.shape[-2]]
    left_out = tuple((before, after - e) for (before, after), e in zip(pairs, extra, strict=True))
    if not any(map(any, pairs)):
        around: Any = "VALID"
    elif rank == 2:
        around = [[0, 0], *pairs, [0, 0]]
    elif same_as_tensorflow(sizes, tuple(kernel.shape[:rank]), steps, left_out):
        around = "SAME"
    else:
        raise Unsupported("tf.nn.conv_transpose leaves out what VALID or SAME do, but over two axes")
    y = tf.nn.conv_transpose(seen, kernel, shape, steps, around)
    return channels_as(y if b is None else tf.nn.bias_add(y, b), layout)


def pad(x: tf.Tensor, *, padding: Any, mode: str, value: float) -> tf.Tensor:
    if mode not in ("constant", "reflect"):
        raise Unsupported(f"tf.pad has no {mode!r}")
    pairs = [[p, p] if isinstance(p, int) else [*p] for p in each_axis(padding, x.ndim)]
    return tf.pad(x, pairs, mode.upper(), value)


def unfold(x: tf.Tensor, *, size: Any, stride: Any, padding: Any, dilation: Any) -> tf.Tensor:
    """tf.image.extract_patches has the channels of a place together, and the windows by their rows."""
    seen, word = padded_windows(channels_last(x, "channels_first"), padding)
    three = ([1, *each_axis(each, 2), 1] for each in (size, stride, dilation))
    seen = tf.image.extract_patches(seen, *three, word.upper())
    samples, height, width, both = seen.shape
    seen = tf.reshape(seen, [samples, height * width, both // x.shape[1], x.shape[1]])
    return tf.reshape(tf.transpose(seen, [0, 3, 2, 1]), [samples, both, height * width])


def resized(method: str) -> Callable[..., tf.Tensor]:
    def call(
        x: tf.Tensor,
        *,
        scale: Any,
        layout: str,
        align_corners: bool = False,
        a: float = -0.5,
        border: str = "renormalize",
    ) -> tf.Tensor:
        if align_corners:
            raise Unsupported("tf.image.resize has no align_corners")
        if a != -0.5 or border != "renormalize":
            raise Unsupported("tf.image.resize has Keys's slope -0.5, and renormalizes at the ends")
        if method != "nearest" and x.dtype != tf.float32:
            raise Unsupported("tf.image.resize gives float32")
        seen = channels_last(x, layout)
        sizes = [n * s for n, s in zip(seen.shape[1:3], each_axis(scale, 2), strict=True)]
        return channels_as(tf.image.resize(seen, sizes, method), layout)

    return call


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
    "adaptive_avg_pool1d": adaptive_pool,
    "adaptive_avg_pool2d": adaptive_pool,
    "conv_transpose1d": conv_transpose,
    "conv_transpose2d": conv_transpose,
    "conv_transpose3d": conv_transpose,
    "pad": pad,
    "unfold": unfold,
    "upsample_nearest": resized("nearest"),
    "upsample_bilinear": resized("bilinear"),
    "upsample_bicubic": resized("bicubic"),
}
