"""What of NumPy can be traced, and how a case says it: ufuncs, functions and methods, a line each where it can be.

What no op of the table says is composed of those that are there, as a person would: a variance is a mean of squares.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .idioms import positive_part, quotient, relu_or_leaky
from .indexing import full_slices
from .traced import (
    ATOM,
    FUNCTIONS,
    METHODS,
    NEGATIVE,
    POWER,
    PRODUCT,
    SUM,
    UFUNCS,
    Recorder,
    Traced,
    Unsaid,
    plain,
    traced_in,
)

# Ufuncs: (recorder, the value, *inputs)


def said(form: str, binding: int = ATOM) -> Callable[..., Traced]:
    return lambda recorder, value, *inputs: recorder.call(form, value, *inputs, binding=binding)


UFUNCS |= {
    "subtract": said("{0} - {1}", SUM),
    "power": said("{0} ** {1}", POWER),
    "float_power": said("{0} ** {1}", POWER),
    "negative": said("-{0}", NEGATIVE),
    "matmul": said("{0} @ {1}", PRODUCT),
    "absolute": said("abs({0})"),
    "fabs": said("abs({0})"),
    **{name: said(f"{name}({{0}})") for name in ("exp", "log", "sqrt", "square", "sin", "cos", "tanh")},
    "positive": lambda _recorder, _value, x: x,
    "reciprocal": lambda _recorder, _value, x: 1 / x,
    "log2": lambda _recorder, _value, x: np.log(x) / math.log(2),
    "log10": lambda _recorder, _value, x: np.log(x) / math.log(10),
    "expm1": lambda _recorder, _value, x: np.exp(x) - 1,
    "tan": lambda _recorder, _value, x: np.sin(x) / np.cos(x),
    "minimum": lambda _recorder, _value, x, y: -np.maximum(-x, -y),
}


def _is(recorder: Recorder, x: Any, number: float) -> bool:
    return recorder.node(x).number() == number


def _mul(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    """`x * (x > 0)` is how many write relu."""
    for mask, kept in ((x, y), (y, x)):
        if positive_part(recorder, mask, kept):
            return recorder.call("relu({0})", value, kept)
    return recorder.call("{0} * {1}", value, x, y, binding=PRODUCT)


def _maximum(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    for zero, kept in ((x, y), (y, x)):
        if _is(recorder, zero, 0):
            return recorder.call("relu({0})", value, kept)
    return recorder.call("maximum({0}, {1})", value, x, y)


def _add(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    """Python's own `sum` begins at 0."""
    for zero, kept in ((x, y), (y, x)):
        if _is(recorder, zero, 0) and isinstance(kept, Traced):
            return Traced(recorder, kept.node)
    return recorder.call("{0} + {1}", value, x, y, binding=SUM)


def _divide(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
    found = quotient(recorder, value, x, y)
    return recorder.call("{0} / {1}", value, x, y, binding=PRODUCT) if found is None else found


def _log1p(recorder: Recorder, value: Any, x: Any) -> Any:
    """log(1 + exp(x)) has an op of its own, which keeps its digits in the tails as log1p does."""
    node = recorder.node(x)
    if node.form == "exp({0})":
        return recorder.call("softplus({0})", value, Traced(recorder, node.args[0]))
    return np.log(1 + x)


def _logaddexp(recorder: Recorder, value: Any, x: Any, y: Any) -> Any:
    for zero, kept in ((x, y), (y, x)):
        if _is(recorder, zero, 0):
            return recorder.call("softplus({0})", value, kept)
    return x + np.log1p(np.exp(y - x))


UFUNCS |= {
    "add": _add,
    "divide": _divide,
    "multiply": _mul,
    "maximum": _maximum,
    "log1p": _log1p,
    "logaddexp": _logaddexp,
    "fmax": _maximum,
    "fmin": UFUNCS["minimum"],
}


def _compared(larger_first: bool) -> Callable[..., Traced]:
    def call(recorder: Recorder, value: Any, x: Any, y: Any) -> Traced:
        made = recorder.constant("a comparison", value, x, y)
        sides = (x, y) if larger_first else (y, x)
        made.node.compared = tuple(map(recorder.node, sides))
        return made

    return call


UFUNCS |= {name: _compared(larger_first=True) for name in ("greater", "greater_equal")}
UFUNCS |= {name: _compared(larger_first=False) for name in ("less", "less_equal")}
UFUNCS |= {
    name: lambda recorder, value, *inputs, name=name: recorder.constant(f"np.{name}", value, *inputs)
    for name in (
        "equal not_equal logical_and logical_or logical_not logical_xor bitwise_and bitwise_or invert isnan isinf "
        "isfinite sign heaviside floor ceil rint trunc floor_divide signbit"
    ).split()
}

# Functions, and methods of the same name


def known(*functions: Any, methods: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts a function into the tables."""

    def add(call: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(functions, call))
        METHODS.update(dict.fromkeys(methods.split(), call))
        return call

    return add


def recorder_of(*args: Any) -> Recorder:
    return traced_in(args)[0].recorder


def call(form: str, value: Any, *args: Any, binding: int = ATOM) -> Traced:
    return recorder_of(args).call(form, value, *args, binding=binding)


def integers(x: Any) -> Any:
    """An attribute as a case has it: integers, and tuples of them."""
    if x is None:
        return None
    return tuple(map(int, x)) if isinstance(x, tuple | list) else int(x)


def _only(**given: Any) -> None:
    """Refuses arguments that mean something else than their default."""
    for name, (value, default) in given.items():
        if value is not default and value is not np._NoValue:  # noqa: SLF001 (NumPy's own default)
            raise Unsaid(f"with {name}={value!r} can't be traced")


def _reduce(form: str, function: Any, x: Any, axis: Any, keepdims: Any) -> Traced:
    keep = keepdims is True
    text = f", axis={integers(axis)!r}" * (axis is not None) + ", keepdims=True" * keep
    return call(form.format(f"{{0}}{text}"), function(plain(x), axis=axis, keepdims=keep), x)


def _reduction(form: str, function: Any) -> Callable[..., Traced]:
    def reduce(
        x: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = np._NoValue,  # noqa: SLF001
        where: Any = np._NoValue,  # noqa: SLF001
    ) -> Traced:
        _only(dtype=(dtype, None), out=(out, None), initial=(initial, None), where=(where, None))
        return _reduce(form, function, x, axis, keepdims)

    return reduce


def _extreme(form: str, function: Any) -> Callable[..., Traced]:
    """The same without a dtype, which NumPy's own has not."""
    reduce = _reduction(form, function)
    return lambda x, axis=None, out=None, keepdims=False, **kw: reduce(x, axis, None, out, keepdims, **kw)


known(np.sum, methods="sum")(_reduction("sum({0})", np.sum))
known(np.mean, methods="mean")(_reduction("mean({0})", np.mean))
known(np.max, np.amax, methods="max")(_extreme("max({0})", np.max))


@known(np.min, np.amin, methods="min")
def _min(x: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    _only(out=(out, None))
    return -_reduce("max({0})", np.max, -x, axis, keepdims)


@known(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None) -> Any:
    _only(weights=(weights, None))
    return FUNCTIONS[np.mean](a, axis)


@known(np.var, methods="var")
def _var(
    x: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: Any = False
) -> Any:
    _only(dtype=(dtype, None), out=(out, None))
    squares = np.square(x - np.mean(x, axis=axis, keepdims=True))
    if not ddof:
        return np.mean(squares, axis=axis, keepdims=keepdims is True)
    total = np.sum(squares, axis=axis, keepdims=keepdims is True)
    return total / (np.size(plain(x)) // max(1, np.size(plain(total))) - ddof)


@known(np.std, methods="std")
def _std(x: Any, *args: Any, **kw: Any) -> Any:
    return np.sqrt(_var(x, *args, **kw))


@known(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    dimensions = np.ndim(plain(x)) if axis is None else np.size(axis)
    if ord == 1 and dimensions == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if not (ord is None or (ord == 2 and dimensions == 1) or (ord == "fro" and dimensions == 2)):
        raise Unsaid(f"with ord={ord!r} can't be traced")
    return _reduce("norm({0})", np.linalg.norm if dimensions <= 2 else _flat_norm, x, axis, keepdims)


def _flat_norm(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


# Products


@known(np.dot, methods="dot")
def _dot(x: Any, y: Any, out: Any = None) -> Any:
    _only(out=(out, None))
    a, b = np.asarray(plain(x)), np.asarray(plain(y))
    if not (a.ndim and b.ndim):
        return x * y
    if b.ndim > 2:
        raise Unsaid("with more than two dimensions on the right is not the product of matrices: write x @ y")
    return x @ y


@known(np.inner)
def _inner(x: Any, y: Any) -> Any:
    if np.ndim(plain(y)) > 2:
        raise Unsaid("of more than two dimensions can't be traced")
    return _dot(x, np.transpose(y) if np.ndim(plain(y)) == 2 else y)


@known(np.vdot)
def _vdot(x: Any, y: Any) -> Any:
    return np.ravel(x) @ np.ravel(y)


@known(np.outer)
def _outer(x: Any, y: Any, out: Any = None) -> Any:
    _only(out=(out, None))
    return np.reshape(x, (-1, 1)) * np.reshape(y, (1, -1))


@known(np.einsum)
def _einsum(text: Any, *operands: Any, **_how: Any) -> Any:
    """Each operand with its axes in one order, ones where it has none; then products, and a sum over what is left out."""
    if not isinstance(text, str) or "." in text:
        raise Unsaid("is traced with its letters written out, as in np.einsum('ij,jk->ik', x, y)")
    text = text.replace(" ", "")
    into, arrow, out = text.partition("->")
    terms = into.split(",")
    letters = "".join(sorted({*into} - {","}))
    out = out if arrow else "".join(a for a in letters if into.count(a) == 1)
    if any(len({*term}) != len(term) for term in terms):
        raise Unsaid("with a letter twice in one operand can't be traced")
    if (product := _as_matmul(terms, out, operands)) is not None:
        return product
    order = out + "".join(a for a in letters if a not in out)
    product = None
    for term, x in zip(terms, operands, strict=True):
        size = dict(zip(term, np.shape(plain(x)), strict=True))
        moved = [term.index(a) for a in order if a in term]
        x = np.transpose(x, moved) if moved != [*range(len(moved))] else x
        aligned = tuple(size.get(a, 1) for a in order)
        x = np.reshape(x, aligned) if aligned != np.shape(plain(x)) else x
        product = x if product is None else product * x
    summed = tuple(range(len(out), len(order)))
    return np.sum(product, axis=summed) if summed else product


def _as_matmul(terms: Sequence[str], out: str, operands: Sequence[Any]) -> Any:
    """`...ij,...jk->...ik`, either of them transposed; None where it is another."""
    if len(terms) != 2 or any(len(term) < 2 for term in terms):
        return None
    (x, y), (a, b) = operands, terms
    for left, turn_left in ((a, False), (a[:-2] + a[-1] + a[-2], True)):
        for right, turn_right in ((b, False), (b[:-2] + b[-1] + b[-2], True)):
            fits = left[:-2] == right[:-2] and left[-1] == right[-2] and left[-2] != right[-1]
            if fits and out == left[:-1] + right[-1]:
                x = np.swapaxes(x, -1, -2) if turn_left else x
                return x @ (np.swapaxes(y, -1, -2) if turn_right else y)
    return None


# Shapes


@known(np.reshape, methods="reshape")
def _reshape(x: Any, *shape: Any, order: str = "C", **named: Any) -> Any:
    if order != "C":
        raise Unsaid(f"with order={order!r} can't be traced")
    wanted = named.get("shape", named.get("newshape", shape[0] if len(shape) == 1 else shape))
    value = np.reshape(plain(x), plain(wanted))
    return call(f"reshape({{0}}, shape={value.shape})", value, x)


@known(np.ravel, methods="ravel flatten")
def _ravel(x: Any, order: str = "C") -> Any:
    return _reshape(x, -1, order=order)


@known(np.transpose, methods="transpose")
def _transpose(x: Any, *axes: Any, **named: Any) -> Any:
    value = plain(x)
    given = named.get("axes", axes[0] if len(axes) == 1 else axes or None)
    if np.ndim(value) < 2:
        return x
    order = tuple(reversed(range(value.ndim))) if given is None else tuple(a % value.ndim for a in given)
    moved = np.transpose(value, order)
    if order == (1, 0):
        return call("{0}.T", moved, x)
    return call(f"transpose({{0}}, axes={integers(order)!r})", moved, x)


@known(np.swapaxes, methods="swapaxes")
def _swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = [*range(np.ndim(plain(x)))]
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _transpose(x, order)


@known(np.moveaxis)
def _moveaxis(x: Any, source: Any, destination: Any) -> Any:
    rank = np.ndim(plain(x))
    moved, to = ([int(a) % rank for a in np.atleast_1d(axes)] for axes in (source, destination))
    order = [axis for axis in range(rank) if axis not in moved]
    for place, axis in sorted(zip(to, moved, strict=True)):
        order.insert(place, axis)
    return _transpose(x, order)


@known(np.expand_dims)
def _expand_dims(x: Any, axis: Any) -> Any:
    return _reshape(x, np.expand_dims(plain(x), axis).shape)


@known(np.squeeze, methods="squeeze")
def _squeeze(x: Any, axis: Any = None) -> Any:
    return _reshape(x, np.squeeze(plain(x), axis).shape)


@known(np.atleast_2d)
def _atleast_2d(x: Any) -> Any:
    return _reshape(x, np.atleast_2d(plain(x)).shape)


@known(np.broadcast_to)
def _broadcast_to(x: Any, shape: Any, **_how: Any) -> Any:
    return x + np.zeros(plain(shape))


@known(np.tile)
def _tile(x: Any, reps: Any) -> Any:
    value, times = plain(x), (reps,) if np.ndim(reps) == 0 else tuple(reps)
    rank = max(np.ndim(value), len(times))
    x = _reshape(x, (1,) * (rank - np.ndim(value)) + np.shape(value)) if rank > np.ndim(value) else x
    for axis, count in enumerate((1,) * (rank - len(times)) + times):
        x = _concatenate([x] * int(count), axis) if count != 1 else x
    return x


@known(np.repeat, methods="repeat")
def _repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    if np.ndim(repeats):
        raise Unsaid("with several counts can't be traced")
    if axis is None:
        x, axis = _ravel(x), 0
    value = plain(x)
    axis %= value.ndim
    inner = (*value.shape[: axis + 1], 1, *value.shape[axis + 1 :])
    spread = _reshape(x, inner) + np.zeros((*inner[: axis + 1], int(repeats), *inner[axis + 2 :]))
    return _reshape(spread, np.repeat(value, repeats, axis).shape)


@known(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0, **_how: Any) -> Any:
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    parts = list(arrays)
    places = ", ".join(f"{{{i}}}" for i in range(len(parts)))
    value = np.concatenate([plain(part) for part in parts], axis)
    return call(f"concat({places}, axis={int(axis)})", value, *parts)


@known(np.stack)
def _stack(arrays: Any, axis: int = 0, **_how: Any) -> Any:
    return _concatenate([np.expand_dims(a, axis) for a in arrays], axis)


@known(np.vstack)
def _vstack(arrays: Any, **_how: Any) -> Any:
    return _concatenate([_row(a) for a in arrays], 0)


def _row(x: Any) -> Any:
    shape = np.atleast_2d(plain(x)).shape
    return x if shape == np.shape(plain(x)) else np.reshape(x, shape)


@known(np.hstack)
def _hstack(arrays: Any, **_how: Any) -> Any:
    parts = [np.reshape(a, (1,)) if np.ndim(plain(a)) == 0 else a for a in arrays]
    return _concatenate(parts, 0 if np.ndim(plain(parts[0])) == 1 else 1)


@known(np.column_stack)
def _column_stack(arrays: Any) -> Any:
    return _concatenate([np.reshape(a, (-1, 1)) if np.ndim(plain(a)) == 1 else a for a in arrays], 1)


@known(np.split, np.array_split)
def _split(x: Any, parts: Any, axis: int = 0) -> Any:
    value = plain(x)
    stops = np.cumsum([np.shape(part)[axis] for part in np.array_split(value, parts, axis)])
    before = full_slices(axis % value.ndim)
    starts = [0, *stops[:-1]]
    return [x[(*before, slice(int(a), int(b)))] for a, b in zip(starts, stops, strict=True)]


@known(np.hsplit)
def _hsplit(x: Any, parts: Any) -> Any:
    return _split(x, parts, 0 if np.ndim(plain(x)) == 1 else 1)


@known(np.flip)
def _flip(x: Any, axis: Any = None) -> Any:
    value = plain(x)
    axes = range(value.ndim) if axis is None else np.atleast_1d(axis) % value.ndim
    for one in axes:
        rows = [x[(*full_slices(one), slice(i, i + 1))] for i in reversed(range(value.shape[one]))]
        x = _concatenate(rows, one)
    return x


@known(np.roll)
def _roll(x: Any, shift: int, axis: int | None = None) -> Any:
    if axis is None:
        raise Unsaid("without an axis can't be traced")
    size = np.shape(plain(x))[axis]
    cut, before = (size - int(shift)) % size, full_slices(axis % np.ndim(plain(x)))
    return _concatenate([x[(*before, slice(cut, size))], x[(*before, slice(0, cut))]], axis)


@known(np.pad)
def _pad(x: Any, width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise Unsaid(f"with mode={mode!r} can't be traced")
    for axis, (before, after) in enumerate(np.broadcast_to(width, (np.ndim(plain(x)), 2))):
        shape = list(np.shape(plain(x)))
        parts = [x]
        for count, at in ((before, 0), (after, len(parts))):
            if count:
                shape[axis] = int(count)
                parts.insert(at if at == 0 else len(parts), np.full(shape, float(constant_values)))
        x = _concatenate(parts, axis) if len(parts) > 1 else x
    return x


@known(np.take, methods="take")
def _take(x: Any, indices: Any, axis: int | None = None, **_how: Any) -> Any:
    if axis is None:
        return np.ravel(x)[indices]
    return x[(*full_slices(axis % np.ndim(plain(x))), indices)]


# Elementwise, with a condition


@known(np.where)
def _where(condition: Any, *branches: Any) -> Any:
    """A branch, as it is at these inputs, where it isn't an op that is written so."""
    if len(branches) != 2:
        raise Unsaid("with a condition alone can't be traced")
    (x, y), recorder = branches, recorder_of(condition, branches)
    value = np.where(plain(condition), plain(x), plain(y))
    found = relu_or_leaky(recorder, value, condition, x, y)
    if found is not None:
        return found
    if recorder.node(x) is recorder.node(y):  # as of a sigmoid that is written in two ways
        return Traced(recorder, recorder.node(x))
    return recorder.call("where({0}, {1}, {2})", value, condition, x, y)


@known(np.clip, methods="clip")
def _clip(x: Any, low: Any = None, high: Any = None, **named: Any) -> Any:
    low, high = named.get("a_min", named.get("min", low)), named.get("a_max", named.get("max", high))
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@known(np.tril, np.triu)
def _triangle(x: Any, k: int = 0) -> Any:
    raise Unsaid("can't be traced; multiply by np.tril(np.ones(...))")


@known(np.copy, np.real, methods="copy")
def _copy(x: Any, *_args: Any, **_how: Any) -> Any:
    return Traced(x.recorder, x.node)


@known(np.nan_to_num)
def _nan_to_num(x: Any, *_args: Any, **_how: Any) -> Any:
    if not np.all(np.isfinite(plain(x))):
        raise Unsaid("of what isn't finite can't be traced")
    return x


@known(methods="astype")
def _astype(x: Any, dtype: Any, *_args: Any, **_how: Any) -> Any:
    kind = np.dtype(dtype).kind
    if kind == "f" and x.node.value.dtype.kind == "f":  # the case's own dtype is the one that counts
        return Traced(x.recorder, x.node)
    return x.recorder.constant(f".astype({dtype})", np.asarray(plain(x)).astype(dtype), x)


@known(np.zeros_like, np.empty_like)
def _zeros_like(x: Any, *_args: Any, **_how: Any) -> Any:
    return fresh(recorder_of(x), np.zeros(np.shape(plain(x))))


@known(np.ones_like)
def _ones_like(x: Any, *_args: Any, **_how: Any) -> Any:
    return fresh(recorder_of(x), np.ones(np.shape(plain(x))))


@known(np.full_like)
def _full_like(x: Any, fill: Any, *_args: Any, **_how: Any) -> Any:
    return np.zeros_like(x) + fill


def fresh(recorder: Recorder, value: Any) -> Traced:
    """An array that is about to be written into."""
    return Traced(recorder, recorder.node(value))


@known(np.shape)
def _shape(x: Any) -> Any:
    return np.shape(plain(x))


@known(np.ndim)
def _ndim(x: Any) -> Any:
    return np.ndim(plain(x))


@known(np.size)
def _size(x: Any, axis: Any = None) -> Any:
    return np.size(plain(x), axis)


def _settled(name: str) -> Callable[..., Any]:
    """What has no derivative: it is as it is at these inputs."""

    def call(*args: Any, **kw: Any) -> Any:
        value, own = getattr(np, name)(*plain(args), **plain(kw)), traced_in((args, kw))
        parts = value if isinstance(value, tuple) else (value,)
        found = tuple(own[0].recorder.constant(f"np.{name}", part, *own) for part in parts)
        return found if isinstance(value, tuple) else found[0]

    return call


for _name in "argmax argmin argsort any all nonzero round count_nonzero".split():
    known(getattr(np, _name), methods=_name)(_settled(_name))
for _name in ("allclose", "array_equal"):
    known(getattr(np, _name))(_settled(_name))
