"""What every op means, by its mathematical definition, in 50 digits: the independent truth.

The reference's rows are judged against this file, so it shares nothing with them: each forward here is the
textbook formula on exact numbers, and no derivative is derived at all. Derivatives are two-sided numerical
differences of the forwards, taken at a precision so high that some forty digits are right. A mistake in a
hand-derived vjp therefore can't be repeated here.

Numbers are mpmath's, in a context of our own (`MP`), so that nobody's `mpmath.mp.dps` changes an answer;
arrays are NumPy object arrays of them, 0-d for scalars. mpmath's exponents are unbounded: no formula needs a
shift against overflow. Finite numbers only: dividing by zero raises `ZeroDivisionError`, no limit is guessed.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

MpArray = NDArray[Any]

DIGITS = 50
"""Decimal digits of every value that leaves this module."""

STEP = "1e-25"
"""Relative step of a numerical difference: the two-sided error is of the order of its square."""

STEP_DIGITS = 80
"""Digits while differencing: 25 go to the step, and some 50 remain."""

MP = mpmath.MPContext()
MP.dps = DIGITS

DEFINITIONS: dict[str, Callable[..., Any]] = {}
"""Op name -> forward: arrays and numbers, attributes by keyword -> an object array or a tuple of them."""


def exact(array: Any) -> MpArray:
    """The same numbers as an object array of mpf; every binary floating-point number fits."""
    with np.errstate(invalid="ignore"):
        return _objects(_to_mpf(np.asarray(array).astype(object)))


def attributes(op: str) -> dict[str, Any]:
    """The op's attributes that have a default, with it."""
    parameters = inspect.signature(DEFINITIONS[op]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


# Helpers


def _number(x: Any) -> Any:
    """One mpf; complex ones stay. Scalars that mpmath doesn't know (bfloat16) first become Python floats."""
    if hasattr(x, "_mpc_"):
        return x
    return MP.mpf(x if isinstance(x, int | float) or hasattr(x, "_mpf_") else float(x))


_to_mpf = np.frompyfunc(_number, 1, 1)


def _objects(x: Any) -> MpArray:
    """An object array even where NumPy hands back a bare scalar."""
    return np.asarray(x, dtype=object)


def _apply(function: Callable[..., Any], *arrays: Any) -> MpArray:
    """The scalar function on each element, after NumPy's broadcasting."""
    return _objects(np.frompyfunc(function, len(arrays), 1)(*map(exact, arrays)))


def _axes(axis: int | Sequence[int] | None) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)


def _sum(x: MpArray, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> MpArray:
    return _objects(np.sum(x, axis=_axes(axis), keepdims=keepdims))


def _define(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enters a function in the table by its name; a trailing underscore keeps Python's builtin free."""
    DEFINITIONS[function.__name__.rstrip("_")] = function
    return function


def _elementwise(name: str, function: Callable[..., Any], operands: int) -> None:
    """Enters a scalar function of one or two operands in the table."""
    if operands == 1:
        DEFINITIONS[name] = lambda x: _apply(function, x)
    else:
        DEFINITIONS[name] = lambda x, y: _apply(function, x, y)


# Elementwise

_elementwise("add", lambda x, y: x + y, 2)
_elementwise("sub", lambda x, y: x - y, 2)
_elementwise("mul", lambda x, y: x * y, 2)
_elementwise("div", lambda x, y: x / y, 2)
_elementwise("pow", MP.power, 2)
_elementwise("maximum", max, 2)
_elementwise("neg", lambda x: -x, 1)
_elementwise("exp", MP.exp, 1)
_elementwise("log", MP.log, 1)
_elementwise("sqrt", MP.sqrt, 1)
_elementwise("square", lambda x: x * x, 1)
_elementwise("abs", abs, 1)
_elementwise("sin", MP.sin, 1)
_elementwise("cos", MP.cos, 1)
_elementwise("sigmoid", lambda x: 1 / (1 + MP.exp(-x)), 1)
_elementwise("tanh", MP.tanh, 1)
_elementwise("relu", lambda x: max(x, MP.zero), 1)
_elementwise("softplus", lambda x: MP.log1p(MP.exp(x)), 1)


@_define
def leaky_relu(x: Any, *, slope: float = 0.01) -> MpArray:
    return _apply(lambda x: x if x > 0 else _number(slope) * x, x)


@_define
def where(c: Any, x: Any, y: Any) -> MpArray:
    return _objects(np.where(np.asarray(c, dtype=bool), exact(x), exact(y)))


# Contractions and shapes


@_define
def matmul(x: Any, y: Any) -> MpArray:
    """Sums of products; 1-D operands, stacks and their broadcasting as in `numpy.matmul`."""
    return _objects(np.matmul(exact(x), exact(y)))


@_define
def linear(x: Any, W: Any, b: Any = None, *, weights: str = "out_in") -> MpArray:
    """Product of x (..., in) with W^T for W (out, in), or W for W (in, out); plus b."""
    matrix = {"out_in": exact(W).T, "in_out": exact(W)}[weights]
    product = matmul(x, matrix)
    return product if b is None else _objects(product + exact(b))


@_define
def transpose(x: Any, *, axes: Sequence[int] | None = None) -> MpArray:
    return np.transpose(exact(x), axes)


@_define
def reshape(x: Any, *, shape: Sequence[int]) -> MpArray:
    return np.reshape(exact(x), tuple(shape))


@_define
def index(x: Any, *, index: Sequence[Any]) -> MpArray:
    """Basic indexing by integers, (start, stop, step), "..." and None (a new axis)."""
    return _objects(exact(x)[tuple(map(_index_entry, index))])


def _index_entry(entry: Any) -> Any:
    if isinstance(entry, list | tuple):
        return slice(*entry)
    return ... if entry == "..." else entry


@_define
def concat(*xs: Any, axis: int = 0) -> MpArray:
    return np.concatenate([exact(x) for x in xs], axis=axis)


@_define
def split(x: Any, *, parts: int = 2, axis: int = -1) -> tuple[MpArray, ...]:
    return tuple(np.split(exact(x), parts, axis=axis))


# Reductions


@_define
def sum_(x: Any, *, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> MpArray:
    return _sum(exact(x), axis, keepdims)


@_define
def mean(x: Any, *, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> MpArray:
    total = _sum(exact(x), axis, keepdims)
    return _objects(total / (np.size(x) // total.size))


@_define
def max_(x: Any, *, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> MpArray:
    return _objects(np.max(exact(x), axis=_axes(axis), keepdims=keepdims))


@_define
def norm(x: Any, *, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> MpArray:
    return _apply(MP.sqrt, _sum(exact(x) ** 2, axis, keepdims))


@_define
def sum_squares(x: Any) -> MpArray:
    return _sum(exact(x) ** 2)


@_define
def logsumexp(x: Any, *, axis: int | Sequence[int] | None = -1, keepdims: bool = False) -> MpArray:
    return _apply(MP.log, _sum(_apply(MP.exp, x), axis, keepdims))


@_define
def softmax(x: Any, *, axis: int = -1) -> MpArray:
    exponentials = _apply(MP.exp, x)
    return _objects(exponentials / _sum(exponentials, axis, keepdims=True))


@_define
def log_softmax(x: Any, *, axis: int = -1) -> MpArray:
    """log(e_i / sum_j e_j) = -log(1 + sum_{j != i} e_j / e_i), exact also when e_i outweighs the rest."""
    exponentials = np.moveaxis(_apply(MP.exp, x), axis, -1)
    logs = _apply(lambda others, own: -MP.log1p(others / own), _sum_of_others(exponentials), exponentials)
    return np.moveaxis(logs, -1, axis)


def _sum_of_others(x: MpArray) -> MpArray:
    """For each element of the last axis the sum of all others, added from both ends, never subtracted."""
    before, after = np.full_like(x, MP.zero), np.full_like(x, MP.zero)
    before[..., 1:] = np.add.accumulate(x, axis=-1)[..., :-1]
    after[..., :-1] = np.add.accumulate(x[..., ::-1], axis=-1)[..., ::-1][..., 1:]
    return before + after


# Losses


def _reduced(losses: MpArray, reduction: str) -> MpArray:
    """The losses of all positions: their "mean", their "sum", or "none": as they are."""
    totals: dict[str, Callable[[], MpArray]] = {
        "none": lambda: losses,
        "sum": lambda: _sum(losses),
        "mean": lambda: _objects(_sum(losses) / losses.size),
    }
    return totals[reduction]()


@_define
def mse(prediction: Any, target: Any, *, reduction: str = "mean") -> MpArray:
    return _reduced(_apply(lambda p, t: (p - t) ** 2, prediction, target), reduction)


@_define
def bce(p: Any, t: Any, *, reduction: str = "mean") -> MpArray:
    return _reduced(_apply(lambda p, t: -(t * MP.log(p) + (1 - t) * MP.log1p(-p)), p, t), reduction)


@_define
def bce_with_logits(z: Any, t: Any, *, reduction: str = "mean") -> MpArray:
    """`bce` at p = sigmoid(z): log p = -log(1 + e^-z), log(1 - p) = -log(1 + e^z)."""
    softplus = DEFINITIONS["softplus"]
    z, t = exact(z), exact(t)
    return _reduced(_objects(t * softplus(-z) + (1 - t) * softplus(z)), reduction)


@_define
def cross_entropy(z: Any, target: Any, *, axis: int = -1, reduction: str = "mean") -> MpArray:
    """-sum_c t_c log softmax(z)_c; integer labels (z's shape without the axis) mean one-hot rows."""
    target = np.asarray(target)
    distribution = _one_hot(target, np.shape(z), axis) if target.dtype.kind in "iu" else exact(target)
    return _reduced(_sum(-distribution * log_softmax(z, axis=axis), axis), reduction)


def _one_hot(labels: NDArray[np.integer], shape: tuple[int, ...], axis: int) -> MpArray:
    classes = np.moveaxis(np.broadcast_to(np.arange(shape[axis]), (*labels.shape, shape[axis])), -1, axis)
    return exact(np.expand_dims(labels, axis) == classes)
