"""Rows for convolutions and transposed ones, over one to three axes: products of matrices of what windows see.

They are cross-correlations, as all frameworks have them: no kernel is flipped. Inside, x is (samples, groups, channels
of a group, elements) and weights are (groups, outputs, inputs, places).
"""

import math
from functools import partial

import numpy as np

from . import shapes
from .limits import reached
from .row import Doc, OpError, row
from .windows import (
    Axis,
    around,
    bounded,
    channels_as,
    channels_first,
    divided,
    flat,
    for_each,
    gathered,
    inside,
    pairs,
    together,
)

PADDINGS = ("same", "valid")


def _kernel(W, rank, layout):
    """Outputs, inputs of a group and the window, of the shape of weights."""
    if len(W) != rank + 2:
        raise OpError(
            f"weights {shapes.text(W)} have not {rank + 2} dimensions: outputs, inputs and {rank} more"
        )
    return (W[0], W[1], W[2:]) if layout == "channels_first" else (W[-1], W[-2], W[:-2])


def slid(size, window, stride, padding, dilation):
    reach = (window - 1) * dilation + 1
    if padding == "same":
        out = -(-size // stride)
        needed = max(0, (out - 1) * stride + reach - size)
        return Axis(size, window, stride, needed // 2, out, dilation)
    before, after = padding
    room = size + before + after - reach
    if room < 0 or window < 1:
        raise OpError(
            f"a window that reaches over {reach} does not fit into {size} + {before} + {after} elements"
        )
    return Axis(size, window, stride, before, room // stride + 1, dilation)


def _axes(x, W, *, stride, padding, dilation, layout, **_):
    """The windows of a convolution, by the shapes of its input and weights. Raises OpError."""
    rank = len(x) - 2
    strides, dilations = for_each("stride", stride, rank, 1), for_each("dilation", dilation, rank, 1)
    if isinstance(padding, str):
        shapes.choice("padding", padding, PADDINGS)
    paddings = ("same",) * rank if padding == "same" else pairs(0 if padding == "valid" else padding, rank)
    spatial, window = divided(x, rank, layout)[2], _kernel(W, rank, layout)[2]
    return tuple(map(slid, spatial, window, strides, paddings, dilations))


def _fitting(x, W, inputs, into, outputs, groups, b):
    """Raises OpError where channels, groups and bias do not fit."""
    if (
        not shapes.is_integer(groups)
        or groups < 1
        or inputs % groups
        or outputs % groups
        or inputs // groups != into
    ):
        found = f"input {shapes.text(x)} and weights {shapes.text(W)} in {groups!r} groups do not fit"
        raise OpError(f"{found}: {inputs} channels in, weights for {into} of each group, {outputs} out")
    _fitting_bias(b, outputs)


def _fitting_bias(b, outputs):
    if b is not None and b != (outputs,):
        raise OpError(
            f"bias {shapes.text(b)} does not fit {outputs} outputs; allowed is {shapes.text((outputs,))}"
        )


def _conv_shape(rank, x, W, b=None, *, groups, layout, **kw):
    samples, channels, _ = divided(x, rank, layout)
    out, into, _ = _kernel(W, rank, layout)
    _fitting(x, W, channels, into, out, groups, b)
    axes = _axes(x, W, layout=layout, **kw)
    bounded(samples * max(channels, out), axes)
    return together(samples, out, tuple(axis.out for axis in axes), layout)


def _grouped(x, groups, layout):
    """A tensor as (samples, groups, channels of a group, elements)."""
    x = flat(channels_first(x, layout), x.ndim - 2)
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, x.shape[2])


def _ungrouped(x, spatial, layout):
    return channels_as(x.reshape(x.shape[0], x.shape[1] * x.shape[2], *spatial), layout)


def _weights(W, groups, layout):
    """Weights as (groups, outputs, inputs, places)."""
    if layout == "channels_last":
        W = np.moveaxis(np.moveaxis(W, -1, 0), -1, 1)
    W = flat(W, W.ndim - 2)
    return W.reshape(groups, W.shape[0] // groups, *W.shape[1:])


def _weights_as(W, window, layout):
    W = W.reshape(W.shape[0] * W.shape[1], W.shape[2], *window)
    return W if layout == "channels_first" else np.moveaxis(np.moveaxis(W, 1, -1), 0, -1)


def _rows(x, table):
    """What windows see of each group: (groups, samples * windows, channels * places)."""
    seen = np.transpose(gathered(x, table), (1, 0, 3, 2, 4))
    groups, samples, windows, channels, places = seen.shape
    return seen.reshape(groups, samples * windows, channels * places)


def _samples(rows, samples, windows):
    """The rows of a product as (samples, groups, channels, windows)."""
    groups, _, channels = rows.shape
    return np.transpose(rows.reshape(groups, samples, windows, channels), (1, 0, 3, 2))


def _columns(W):
    """Weights as matrices: (groups, inputs * places, outputs)."""
    groups, out, into, places = W.shape
    return np.transpose(W, (0, 2, 3, 1)).reshape(groups, into * places, out)


def _correlated(c, x, W, table, b=None):
    """Each window's sum over its places and the group's channels."""
    bias = None if b is None else b.reshape(len(W), 1, W.shape[1])
    return _samples(c.matmul(_rows(x, table), _columns(W), bias), x.shape[0], len(table))


def _given_back(c, g, W, table):
    """The same of a cotangent, towards what the windows saw."""
    rows, turned = _rows(g, table), _columns(W.swapaxes(1, 2))
    return _samples(c.matmul(rows, reached(turned, rows)), g.shape[0], len(table))


def _correlations(c, x, g, places, table):
    """The cotangent of the weights, by their places: what windows see times the cotangent, over all of them."""
    rows, g = _rows(x, table), np.transpose(g, (1, 0, 3, 2))
    g = g.reshape(g.shape[0], g.shape[1] * g.shape[2], g.shape[3])
    products = c.matmul(reached(rows, g.swapaxes(-1, -2)).swapaxes(-1, -2), g)
    return np.transpose(
        products.reshape(len(g), products.shape[1] // places, places, products.shape[2]), (0, 3, 1, 2)
    )


def _conv(c, x, W, b=None, *, stride=1, padding=0, dilation=1, groups=1, layout="channels_first"):
    axes = _axes(x.shape, W.shape, stride=stride, padding=padding, dilation=dilation, layout=layout)
    seen, kernel = _grouped(x, groups, layout), _weights(W, groups, layout)
    return _ungrouped(_correlated(c, seen, kernel, inside(axes), b), [axis.out for axis in axes], layout)


def _conv_x(c, out, x, W, b, g, *, groups, layout, **kw):
    axes = _axes(x.shape, W.shape, layout=layout, **kw)
    dx = _given_back(c, _grouped(g, groups, layout), _weights(W, groups, layout), around(axes))
    return _ungrouped(dx, [axis.size for axis in axes], layout)


def _conv_W(c, out, x, W, b, g, *, groups, layout, **kw):
    axes = _axes(x.shape, W.shape, layout=layout, **kw)
    table = inside(axes)
    dW = _correlations(c, _grouped(x, groups, layout), _grouped(g, groups, layout), table.shape[1], table)
    return _weights_as(dW, [axis.window for axis in axes], layout)


def _bias(c, out, x, W, b, g, *, layout, **_):
    g = channels_first(g, layout)
    return c.sum(g, (0, *range(2, g.ndim)))


def _conv_terms(x, W, *_, layout, **__):
    """The products that each output sums: all weights of one output."""
    return math.prod(W[1:] if layout == "channels_first" else W[:-1])


ARGUMENTS = {
    "b": "(out,); may be left out",
    "stride": "how far a window is from the next: an integer, or a tuple with one for each axis",
    "dilation": "how far a window's places are from each other: an integer, or a tuple with one for each axis",
    "groups": "how many groups channels are divided into, each of which sees its own inputs alone",
}
LAYOUT = '"channels_first": x (samples, channels, ...), W {first}; "channels_last": x (samples, ..., channels), W {last}'
PADDING = (
    'zeros around x: an integer, or a tuple with an integer or a pair (before, after) for each axis; "valid": none; "same": so'
    " many that there are ceil(size / stride) windows, an odd one after x, as TensorFlow and JAX have it"
)

for rank, size, example in (
    (1, "length", "y = conv1d(x, W, b, padding=1)"),
    (2, "height, width", "y = conv2d(x, W, b, stride=2, padding=1)"),
    (3, "depth, height, width", 'y = conv3d(x, W, padding="same")'),
):
    row(
        f"conv{rank}d",
        partial(_conv_shape, rank),
        _conv,
        _conv_x,
        _conv_W,
        _bias,
        terms=_conv_terms,
        doc=Doc(
            f"the sum over a window ({size}) and a group's channels of x * W, plus b; W is not flipped",
            gradient="towards x the sum over windows of g * W, towards W that of g * x, towards b that of g",
            arguments={
                "x": f"of {rank + 2} dimensions, by the layout",
                "W": "by the layout",
                "padding": PADDING,
                "layout": LAYOUT.format(
                    first="(out, in / groups, *window)", last="(*window, in / groups, out)"
                ),
                **ARGUMENTS,
            },
            example=example,
        ),
    )


def _transposed_axis(size, window, stride, padding, extra, dilation):
    if extra >= max(stride, dilation):
        raise OpError(
            f"output_padding {extra} must be less than the stride {stride} or the dilation {dilation}"
        )
    before, after = padding
    out = (size - 1) * stride + (window - 1) * dilation + 1 + extra - before - after
    if out < 1 or window < 1:
        raise OpError(f"{size} elements, whose windows overlap so, less {before} and {after} leave {out}")
    return Axis(out, window, stride, before, size, dilation)


def _transposed_axes(x, W, *, stride, padding, output_padding, dilation, layout, **_):
    """The windows of the convolution that is transposed, over its result. Raises OpError."""
    rank = len(x) - 2
    strides, dilations = for_each("stride", stride, rank, 1), for_each("dilation", dilation, rank, 1)
    more = for_each("output_padding", output_padding, rank, 0)
    spatial, window = divided(x, rank, layout)[2], _kernel(W, rank, layout)[2]
    return tuple(map(_transposed_axis, spatial, window, strides, pairs(padding, rank), more, dilations))


def _transposed_shape(rank, x, W, b=None, *, groups, layout, **kw):
    samples, channels, _ = divided(x, rank, layout)
    into, out, _ = _kernel(W, rank, layout)
    if not shapes.is_integer(groups) or groups < 1 or channels % groups or channels != into:
        found = f"input {shapes.text(x)} and weights {shapes.text(W)} in {groups!r} groups do not fit"
        raise OpError(f"{found}: {channels} channels in, weights for {into}")
    _fitting_bias(b, out * groups)
    axes = _transposed_axes(x, W, layout=layout, **kw)
    bounded(samples * max(channels, out * groups), axes)
    return together(samples, out * groups, tuple(axis.size for axis in axes), layout)


def _conv_transpose(
    c, x, W, b=None, *, stride=1, padding=0, output_padding=0, dilation=1, groups=1, layout="channels_first"
):
    kw = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    axes = _transposed_axes(x.shape, W.shape, layout=layout, **kw)
    seen, kernel = _grouped(x, groups, layout), _weights(W, groups, layout).swapaxes(1, 2)
    return _ungrouped(_correlated(c, seen, kernel, around(axes), b), [axis.size for axis in axes], layout)


def _conv_transpose_x(c, out, x, W, b, g, *, groups, layout, **kw):
    axes = _transposed_axes(x.shape, W.shape, layout=layout, **kw)
    kernel = _weights(W, groups, layout).swapaxes(1, 2)
    dx = _given_back(c, _grouped(g, groups, layout), kernel, inside(axes))
    return _ungrouped(dx, [axis.out for axis in axes], layout)


def _conv_transpose_W(c, out, x, W, b, g, *, groups, layout, **kw):
    axes = _transposed_axes(x.shape, W.shape, layout=layout, **kw)
    table = inside(axes)
    dW = _correlations(c, _grouped(g, groups, layout), _grouped(x, groups, layout), table.shape[1], table)
    return _weights_as(dW, [axis.window for axis in axes], layout)


def _transposed_terms(x, W, *_, groups, layout, **__):
    """All weights of one output, of which those that meet no input count too."""
    return math.prod(W) // _kernel(W, len(W) - 2, layout)[1] // groups


for rank in (1, 2, 3):
    row(
        f"conv_transpose{rank}d",
        partial(_transposed_shape, rank),
        _conv_transpose,
        _conv_transpose_x,
        _conv_transpose_W,
        _bias,
        terms=_transposed_terms,
        doc=Doc(
            f"what conv{rank}d with these attributes gives its input as a gradient, plus b: each element of x times W, added up where these overlap",
            gradient=f"towards x conv{rank}d of g, towards W the sum over windows of x * g, towards b that of g",
            arguments={
                "x": f"of {rank + 2} dimensions, by the layout",
                "W": "by the layout",
                "padding": "what is left out around the result: an integer, or a tuple with an integer or a pair (before, after) for each axis",
                "output_padding": "so much is added at the end of each axis: an integer, or a tuple with one for each",
                "layout": LAYOUT.format(
                    first="(in, out / groups, *window)", last="(*window, out / groups, in)"
                ),
                **ARGUMENTS,
            },
            example=f"y = conv_transpose{rank}d(x, W, stride=2, padding=1, output_padding=1)",
        ),
    )
