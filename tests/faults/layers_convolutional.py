"""Faults of convolutions, pooling and resizing."""

import math

import numpy as np
from gradient_conformance.harness.power.layers import layer

CONVOLUTIONS = "conv1d", "conv2d", "conv3d"
TRANSPOSED = "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"
AVERAGES = "avg_pool1d", "avg_pool2d", "avg_pool3d"
MAXIMA = "max_pool1d", "max_pool2d", "max_pool3d"


def ends(padding, rank):
    """Padding as a pair for each axis; None where it is a word."""
    if isinstance(padding, str):
        return None
    each = padding if isinstance(padding, tuple) else (padding,) * rank
    return tuple(p if isinstance(p, tuple) else (p, p) for p in each)


def spatial(x, layout):
    """The axes between examples and channels."""
    first = 2 if layout == "channels_first" else 1
    return tuple(range(first, first + x.ndim - 2))


def window(W, layout):
    """The axes of a kernel."""
    return tuple(range(2, W.ndim) if layout == "channels_first" else range(W.ndim - 2))


def padded(f, x, pairs, layout, value=0.0):
    """Padded on the axes between examples and channels."""
    axes = dict(zip(spatial(x, layout), pairs, strict=True))
    return f.pad(x, padding=tuple(axes.get(a, (0, 0)) for a in range(x.ndim)), value=value)


def cropped(f, y, shape):
    """The beginning of each axis."""
    return f.index(y, index=tuple((0, size) for size in shape))


@layer("conv_pad_swapped", *CONVOLUTIONS)
def conv_pad_swapped(f, x, W, b=None, *, padding, **kw):
    """Padding of one side only stands at the other."""
    pairs = ends(padding, x.ndim - 2)
    return f.right(x, W, b, padding=padding if pairs is None else tuple(p[::-1] for p in pairs), **kw)


@layer("conv_pad_one_side", *CONVOLUTIONS)
def conv_pad_one_side(f, x, W, b=None, *, padding, **kw):
    """All padding is put at the end."""
    pairs = ends(padding, x.ndim - 2)
    return f.right(x, W, b, padding=padding if pairs is None else tuple((0, sum(p)) for p in pairs), **kw)


@layer("conv_pad_repeated", *CONVOLUTIONS)
def conv_pad_repeated(f, x, W, b=None, *, padding, layout, **kw):
    """What is padded repeats the edge, and isn't zero."""
    pairs = ends(padding, x.ndim - 2)
    if pairs is None:
        return f.right(x, W, b, padding=padding, layout=layout, **kw)
    axes = dict(zip(spatial(x, layout), pairs, strict=True))
    wide = f.pad(x, padding=tuple(axes.get(a, (0, 0)) for a in range(x.ndim)), mode="edge")
    return f.right(wide, W, b, padding=0, layout=layout, **kw)


@layer("conv_dilation_forgotten", *CONVOLUTIONS)
def conv_dilation_forgotten(f, x, W, b=None, *, dilation, **kw):
    """A dilated kernel reads neighbours."""
    due = f.right(x, W, b, dilation=dilation, **kw)
    return due if kw["padding"] == "same" else cropped(f, f.right(x, W, b, dilation=1, **kw), due.shape)


@layer("conv_kernel_flipped", *CONVOLUTIONS)
def conv_kernel_flipped(f, x, W, b=None, **kw):
    """A convolution as mathematics has it: the kernel is flipped."""
    return f.right(x, f.flip(W, axis=window(W, kw["layout"])), b, **kw)


@layer("conv_groups_mixed", *CONVOLUTIONS)
def conv_groups_mixed(f, x, W, b=None, *, groups, **kw):
    """Filters go from group to group in turn: the second one of them belongs to the second group."""
    axis = 0 if kw["layout"] == "channels_first" else W.ndim - 1
    size = W.shape[axis] // groups
    filters = f.split(W, parts=W.shape[axis], axis=axis)
    order = [filters[i * size + j] for j in range(size) for i in range(groups)]
    return f.right(x, f.concat(*order, axis=axis), b, groups=groups, **kw)


@layer("conv_bias_no_gradient", *CONVOLUTIONS)
def conv_bias_no_gradient(f, x, W, b=None, **kw):
    """The bias gets no gradient."""
    return f.right(x, W, None if b is None else f.stop_gradient(b), **kw)


@layer("transposed_kernel_flipped", *TRANSPOSED)
def transposed_kernel_flipped(f, x, W, b=None, **kw):
    """The kernel of a transposed convolution is flipped."""
    return f.right(x, f.flip(W, axis=window(W, kw["layout"])), b, **kw)


@layer("transposed_output_padding_zero", *TRANSPOSED)
def transposed_output_padding_zero(f, x, W, b=None, *, output_padding, layout, **kw):
    """What output_padding adds is zero, whatever the kernel has there."""
    due = f.right(x, W, b, output_padding=output_padding, layout=layout, **kw)
    short = f.right(x, W, b, output_padding=0, layout=layout, **kw)
    more = tuple((0, due.shape[a] - short.shape[a]) for a in spatial(x, layout))
    return padded(f, short, more, layout)


@layer("transposed_bias_twice", *TRANSPOSED)
def transposed_bias_twice(f, x, W, b=None, **kw):
    """The bias is added twice."""
    return f.right(x, W, b if b is None else 2 * b, **kw)


@layer("avg_count_padding", *AVERAGES)
def avg_count_padding(f, x, *, count_padding, **kw):
    """What is padded counts in the mean where it shouldn't, or doesn't where it should."""
    return f.right(x, count_padding=not count_padding, **kw)


@layer("avg_ceil_whole_windows", *AVERAGES)
def avg_ceil_whole_windows(f, x, *, ceil_mode, size, stride, layout, **kw):
    """With ceil_mode the sum over a window that reaches out is divided by the whole window."""
    due = f.right(x, ceil_mode=ceil_mode, size=size, stride=stride, layout=layout, **kw)
    if not ceil_mode:
        return due
    pairs = tuple((0, math.prod(due.shape)) for _ in spatial(x, layout))
    given = {"ceil_mode": False, "size": size, "stride": stride, "layout": layout}
    return cropped(
        f, f.right(padded(f, x, pairs, layout), **given, **{**kw, "count_padding": True}), due.shape
    )


@layer("max_pool_pads_zeros", *MAXIMA)
def max_pool_pads_zeros(f, x, *, padding, layout, ceil_mode, **kw):
    """What is padded is zero, larger than what is negative."""
    pairs = ends(padding, x.ndim - 2)
    if pairs is None:
        return f.right(x, padding=padding, layout=layout, ceil_mode=ceil_mode, **kw)
    return f.right(padded(f, x, pairs, layout), padding=0, layout=layout, ceil_mode=ceil_mode, **kw)


@layer("max_pool_no_dilation", *MAXIMA)
def max_pool_no_dilation(f, x, *, dilation, **kw):
    """A dilated window reads neighbours."""
    due = f.right(x, dilation=dilation, **kw)
    return due if kw["padding"] == "same" else cropped(f, f.right(x, dilation=1, **kw), due.shape)


@layer("bilinear_align_corners", "upsample_bilinear")
def bilinear_align_corners(f, x, *, align_corners, **kw):
    """The corners are aligned where they shouldn't be, or aren't where they should."""
    return f.right(x, align_corners=not align_corners, **kw)


@layer("bicubic_align_corners", "upsample_bicubic")
def bicubic_align_corners(f, x, *, align_corners, **kw):
    """The same of bicubic interpolation."""
    return f.right(x, align_corners=not align_corners, **kw)


@layer("bicubic_other_kernel", "upsample_bicubic")
def bicubic_other_kernel(f, x, *, a, **kw):
    """Keys' kernel with -0.5 where it is -0.75, or the other way."""
    return f.right(x, a=-0.5 if a == -0.75 else -0.75, **kw)


@layer("grid_align_corners", "grid_sample")
def grid_align_corners(f, x, grid, *, align_corners, **kw):
    """Places of a grid are counted from corners, or from centres, the wrong way."""
    return f.right(x, grid, align_corners=not align_corners, **kw)


@layer("grid_axes_swapped", "grid_sample")
def grid_axes_swapped(f, x, grid, **kw):
    """A grid's x and y are swapped."""
    return f.right(x, f.flip(grid, axis=-1), **kw)


@layer("nearest_first_copy", "upsample_nearest")
def nearest_first_copy(f, x, *, scale, layout):
    """The gradient of a repeated element is that of its first copy alone."""
    y = f.right(x, scale=scale, layout=layout)
    steps = dict(
        zip(spatial(x, layout), scale if isinstance(scale, tuple) else (scale,) * (x.ndim - 2), strict=True)
    )
    places = np.indices(y.shape)
    first = np.all([places[a] % step == 0 for a, step in steps.items()], axis=0)
    return f.where(first, y, f.stop_gradient(y))
