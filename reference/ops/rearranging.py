"""Rows that repeat, turn, join or leave out elements: nothing rounds but the sums of their gradients."""

import numpy as np

from . import shapes
from .arithmetic import unbroadcast
from .composed import composed
from .row import Doc, OpError, row


def _repeated(x, *, shape):
    wanted = shapes.integers("shape", shape, 0)
    if len(wanted) < len(x) or shapes.broadcast(x, wanted) != wanted:
        raise OpError(f"shape {shapes.text(x)} does not broadcast to {shapes.text(wanted)}")
    return shapes.bounded(wanted)


row(
    "broadcast_to",
    _repeated,
    lambda c, x, *, shape: np.broadcast_to(x, shape),
    lambda c, out, x, g, *, shape: unbroadcast(c, g, x),
    doc=Doc(
        "x, repeated along axes of size 1 and new ones in front",
        gradient="the sum of g over the axes along which x was repeated",
        arguments={"shape": "a tuple of integers and sizes, to which x broadcasts as in NumPy"},
        example="y = broadcast_to(b, shape=(4, 3))",
    ),
)


def _stacked(*inputs, axis):
    for other in inputs[1:]:
        if other != inputs[0]:
            raise OpError(f"shapes {shapes.text(inputs[0])} and {shapes.text(other)} must be the same")
    at = shapes.one_axis(axis, (*inputs[0], 1))
    return shapes.bounded((*inputs[0][:at], len(inputs), *inputs[0][at:]))


row(
    "stack",
    _stacked,
    lambda c, *inputs, axis=0: np.concatenate([np.expand_dims(x, axis) for x in inputs], axis),
    lambda c, i, out, *inputs_and_g, axis: np.take(inputs_and_g[-1], i, axis),
    doc=Doc(
        "the inputs one after the other along a new axis",
        gradient="of each input its slice of g",
        arguments={"inputs": "tensors of one shape", "axis": "where the new axis stands in the result"},
        example="y = stack(a, b, axis=-1)",
    ),
)


def _without_ones(x, *, axis):
    given = tuple(i for i, size in enumerate(x) if size == 1) if axis is None else shapes.axes_of(axis, x)
    for i in given:
        if x[i] != 1:
            raise OpError(f"axis {i} of shape {shapes.text(x)} has {x[i]} elements and cannot be left out")
    return tuple(size for i, size in enumerate(x) if i not in given)


def _with_ones(x, *, axis):
    if axis is None:
        raise OpError("axis is None, but must be an integer or a tuple of them")
    count = len(axis) if isinstance(axis, tuple) else 1
    new = shapes.axes_of(axis, (*x, *(1,) * count))
    rest = iter(x)
    return shapes.bounded(tuple(1 if i in new else next(rest) for i in range(len(x) + count)))


composed(
    "squeeze",
    _without_ones,
    lambda f, x, *, axis=None: f.reshape(x, shape=_without_ones(x.shape, axis=axis)),
    doc=Doc(
        "x without axes of size 1",
        gradient="g in the shape of x",
        arguments={"axis": "the axes that are left out; None: all of size 1"},
        example="y = squeeze(x, axis=-1)",
    ),
)
composed(
    "expand_dims",
    _with_ones,
    lambda f, x, *, axis: f.reshape(x, shape=_with_ones(x.shape, axis=axis)),
    doc=Doc(
        "x with new axes of size 1",
        gradient="g in the shape of x",
        arguments={"axis": "where the new axes stand in the result: an integer, or a tuple"},
        example="y = expand_dims(x, axis=-1)",
    ),
)


def _along_axes(x, *, axis):
    shapes.axes_of(axis, x)
    return x


def _flip(f, x, *, axis=None):
    axes = shapes.axes_of(axis, x.shape)
    return f.index(x, index=tuple((None, None, -1 if i in axes else None) for i in range(x.ndim)))


composed(
    "flip",
    _along_axes,
    _flip,
    doc=Doc(
        "x with its elements in the opposite order along axes",
        gradient="g in the opposite order",
        arguments={"axis": "an axis or a tuple of them; None: all"},
        example="y = flip(x, axis=0)",
    ),
)


def _each_rolled(x, *, shift, axis):
    shifts, axes = (v if isinstance(v, tuple) else (v,) for v in (shift, axis))
    if not all(map(shapes.is_integer, shifts)):
        raise OpError(f"shift is {shift!r}, but must be an integer or a tuple of them")
    if len(shifts) != len(shapes.axes_of(axes, x)):
        raise OpError(f"shift {shift!r} and axis {axis!r} must be as many")
    return x


def _rolled(x, shift, axis, sign=1):
    shifts, axes = (v if isinstance(v, tuple) else (v,) for v in (shift, axis))
    for by, at in zip(shifts, axes, strict=True):
        x = np.roll(x, sign * by, at)
    return x


row(
    "roll",
    _each_rolled,
    lambda c, x, *, shift, axis: _rolled(x, shift, axis),
    lambda c, out, x, g, *, shift, axis: _rolled(g, shift, axis, -1),
    doc=Doc(
        "x with its elements moved along an axis; those that leave it at one end come back at the other",
        gradient="g moved back",
        arguments={
            "shift": "by how many places; negative: towards the front",
            "axis": "the axis; of several, tuples of both",
        },
        example="y = roll(x, shift=1, axis=0)",
    ),
)


def _each_repeated(x, *, repeats, axis):
    at = shapes.one_axis(axis, x)
    [times] = _counts(repeats, 1)
    return (*x[:at], times * x[at], *x[at + 1 :])


def _tiled(x, *, repeats):
    times = _counts(repeats, len(x))
    return tuple(n * size for n, size in zip(times, x, strict=True))


def _counts(repeats, expected):
    counts = shapes.integers("repeats", repeats, 1)
    if len(counts) != expected:
        raise OpError(f"repeats is {repeats!r}, but must have {expected} of them")
    return counts


def _repeat(f, x, *, repeats, axis):
    at, shape = axis % x.ndim, x.shape
    rows = f.reshape(x, shape=(*shape[: at + 1], 1, *shape[at + 1 :]))
    wide = f.broadcast_to(rows, shape=(*shape[: at + 1], repeats, *shape[at + 1 :]))
    return f.reshape(wide, shape=_each_repeated(shape, repeats=repeats, axis=axis))


def _tile(f, x, *, repeats):
    """Each axis of n as one of 1 and one of n, of which the first is repeated."""
    rows = f.reshape(x, shape=tuple(n for size in x.shape for n in (1, size)))
    pairs = zip(_counts(repeats, x.ndim), x.shape, strict=True)
    wide = f.broadcast_to(rows, shape=tuple(n for pair in pairs for n in pair))
    return f.reshape(wide, shape=_tiled(x.shape, repeats=repeats))


composed(
    "repeat",
    _each_repeated,
    _repeat,
    doc=Doc(
        "each slice of x along an axis so many times, one after the other: 1 1 2 2",
        gradient="of each slice the sum of g over its repetitions",
        arguments={"repeats": "how many times: an integer of at least 1", "axis": "the axis that grows"},
        example="y = repeat(x, repeats=2, axis=0)",
    ),
)
composed(
    "tile",
    _tiled,
    _tile,
    doc=Doc(
        "the whole of x so many times along each axis: 1 2 1 2",
        gradient="of each element the sum of g over its repetitions",
        arguments={"repeats": "a tuple of integers of at least 1, one for each axis"},
        example="y = tile(x, repeats=(2, 1))",
    ),
)


def _matrix(x, *, k):
    if len(x) < 2:
        raise OpError(f"needs two dimensions or more, not {shapes.text(x)}")
    if not shapes.is_integer(k):
        raise OpError(f"k is {k!r}, but must be an integer")
    return x


def _below(x, k):
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, k, dtype=bool)


OF_MATRICES = {"x": "a matrix, or a stack of them"}
DIAGONAL = {"k": "which diagonal: 0 the main one, 1 the one above it, -1 the one below"}

composed(
    "tril",
    _matrix,
    lambda f, x, *, k=0: f.where(_below(x, k), x, 0.0),
    doc=Doc(
        "x on and below a diagonal, else 0",
        gradient="g on and below the diagonal, else 0",
        arguments={**OF_MATRICES, **DIAGONAL},
        example="L = tril(x)",
    ),
)
composed(
    "triu",
    _matrix,
    lambda f, x, *, k=0: f.where(_below(x, k - 1), 0.0, x),
    doc=Doc(
        "x on and above a diagonal, else 0",
        gradient="g on and above the diagonal, else 0",
        arguments={**OF_MATRICES, **DIAGONAL},
        example="U = triu(x)",
    ),
)


def _on_diagonal(x):
    if not x:
        raise OpError("needs one dimension or more, not ()")
    return shapes.bounded((*x, x[-1]))


composed(
    "diag",
    _on_diagonal,
    lambda f, x: f.where(np.eye(x.shape[-1], dtype=bool), f.reshape(x, shape=(*x.shape, 1)), 0.0),
    doc=Doc(
        "the matrix that has x on its diagonal, else 0; of a stack of vectors a stack of matrices",
        gradient="the diagonal of g",
        arguments={"x": "(..., n)"},
        example="D = diag(x)",
    ),
)


def _places(x, k):
    """Where the elements of a diagonal are in a matrix in C order."""
    rows, columns = x[-2:]
    places = np.arange(max(0, -k), min(rows, columns - k))
    return places * columns + places + k


def _its_diagonal(x, *, k):
    return (*_matrix(x, k=k)[:-2], len(_places(x, k)))


def _diagonal(f, x, *, k=0):
    rows = f.reshape(x, shape=(*x.shape[:-2], x.shape[-2] * x.shape[-1]))
    return f.take(rows, _places(x.shape, k), axis=-1)


composed(
    "diagonal",
    _its_diagonal,
    _diagonal,
    doc=Doc(
        "a diagonal of x: x[..., i, i + k]",
        gradient="g on the diagonal, else 0",
        arguments={**OF_MATRICES, **DIAGONAL},
        example="d = diagonal(x)",
    ),
)
composed(
    "trace",
    lambda x, *, k: _its_diagonal(x, k=k)[:-1],
    lambda f, x, *, k=0: f.sum(_diagonal(f, x, k=k), axis=-1),
    doc=Doc(
        "the sum of a diagonal of x",
        gradient="g on the diagonal, else 0",
        arguments={**OF_MATRICES, **DIAGONAL},
        example="loss = trace(A @ B)",
    ),
)
