"""The functions of NumPy that can be traced, and methods of the same name: reductions, products, conditions.

What no op of the table says is composed of those that are there, as a person would: a variance is a mean of squares.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import ATOM, FUNCTIONS, METHODS, Recorder, Traced, Unsaid, plain, traced_in
from .idioms import relu_or_leaky


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


@known(np.tensordot)
def _tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """A product of matrices, the axes that are summed last on the left and first on the right."""
    a, b = np.ndim(plain(x)), np.ndim(plain(y))
    left, right = (range(a - axes, a), range(axes)) if isinstance(axes, int) else map(np.atleast_1d, axes)
    summed, over = [int(i) % a for i in left], [int(i) % b for i in right]
    kept = [i for i in range(a) if i not in summed], [i for i in range(b) if i not in over]
    size = int(np.prod([np.shape(plain(x))[i] for i in summed], dtype=int))
    matrix = np.reshape(np.transpose(x, [*kept[0], *summed]), (-1, size))
    product = matrix @ np.reshape(np.transpose(y, [*over, *kept[1]]), (size, -1))
    shape = [np.shape(plain(x))[i] for i in kept[0]] + [np.shape(plain(y))[i] for i in kept[1]]
    return np.reshape(product, tuple(shape))


@known(np.cumsum)
def _cumsum(x: Any, axis: int | None = None, **_how: Any) -> Any:
    """A product with ones on and below the diagonal."""
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis)
    ones = np.tril(np.ones((np.shape(plain(x))[axis],) * 2))
    rows = ones @ np.moveaxis(x, axis, 0).reshape(len(ones), -1)
    return np.moveaxis(np.reshape(rows, np.moveaxis(plain(x), axis, 0).shape), 0, axis)


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
    aligned = [_aligned(x, term, order) for term, x in zip(terms, operands, strict=True)]
    product = functools.reduce(operator.mul, aligned)
    summed = tuple(range(len(out), len(order)))
    return np.sum(product, axis=summed) if summed else product


def _aligned(x: Any, term: str, order: str) -> Any:
    """An operand with an axis for each letter, in their order; of size 1 where it has none."""
    size = dict(zip(term, np.shape(plain(x)), strict=True))
    moved = [term.index(a) for a in order if a in term]
    x = np.transpose(x, moved) if moved != [*range(len(moved))] else x
    shape = tuple(size.get(a, 1) for a in order)
    return np.reshape(x, shape) if shape != np.shape(plain(x)) else x


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


@known(np.tril)
def _tril(x: Any, k: int = 0) -> Any:
    return x * np.tril(np.ones(np.shape(plain(x))), k)


@known(np.triu)
def _triu(x: Any, k: int = 0) -> Any:
    return x * np.triu(np.ones(np.shape(plain(x))), k)


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
    if kind not in "iub":
        raise Unsaid(f"to {np.dtype(dtype)} can't be traced")
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


for _name in ["argmax", "argmin", "argsort", "any", "all", "nonzero", "round", "count_nonzero"]:
    known(getattr(np, _name), methods=_name)(_settled(_name))
for _name in ("allclose", "array_equal"):
    known(getattr(np, _name))(_settled(_name))
